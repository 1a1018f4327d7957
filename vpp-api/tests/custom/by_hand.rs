//! Types with `Wire` by hand that have nothing else, in every place that a declaration has for a type. That this
//! compiles with feature `serde` as without it is the first half of the test.

use vpp_api::codec::{Adapter, Reader, Wire, Writer};
use vpp_api::error::DecodeError;
use vpp_api::schema::{Shape, Type};
use vpp_api::types::{Counted, Rest};

/// `typedef u32 acl_index`, as the documentation of `Wire` has it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct AclIndex(u32);

impl Wire for AclIndex {
    const MIN: usize = <u32 as Wire>::MIN;
    const SHAPE: Shape = Shape::of(&Type::Alias { name: "acl_index", of: u32::SHAPE });

    fn zero() -> Self {
        Self(0)
    }

    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        u32::decode(reader, wanted).map(Self)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        self.0.encode(writer);
    }
}

/// What only an adapter encodes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// A byte, 0 for left.
#[derive(Debug)]
pub(crate) struct SideAsByte;

impl Adapter<Side> for SideAsByte {
    const MIN: usize = <u8 as Wire>::MIN;
    const SHAPE: Shape = <u8 as Wire>::SHAPE;

    fn zero() -> Side {
        Side::Left
    }

    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Side, DecodeError> {
        Ok(if u8::decode(reader, wanted)? == 0 { Side::Left } else { Side::Right })
    }

    fn encode(value: &Side, writer: &mut Writer<'_>) {
        u8::from(*value == Side::Right).encode(writer);
    }
}

vpp_api::wire_alias! {
    /// A typedef of one.
    alias acl_owner as AclOwner: AclIndex;
}

vpp_api::wire_struct! {
    /// One of each.
    struct acl_places as AclPlaces {
        n_more: u8 = len(more),
        /// Alone.
        index: AclIndex,
        /// Behind another name.
        owner: AclOwner,
        /// As an array.
        pair: [AclIndex; 2],
        /// Longer than arrays that have `Serialize`.
        long: [u8; 33],
        /// By an adapter.
        side: Side as SideAsByte,
        /// Counted.
        more: Counted<AclIndex, u8> [n_more],
    }
}

vpp_api::messages! {
    /// All of them.
    bare acl_all "00000001" as AclAll {
        /// One of each.
        places: AclPlaces,
        /// Up to the end.
        rest: Rest<AclIndex>,
    }
}

fn all() -> AclAll {
    let places = AclPlaces {
        index: AclIndex(1),
        owner: AclOwner(AclIndex(2)),
        pair: [AclIndex(3), AclIndex(4)],
        side: Side::Right,
        more: vec![AclIndex(5)].try_into().expect("one"),
        long: [0; 33],
    };
    AclAll { places, rest: Rest(vec![AclIndex(6)]) }
}

#[test]
fn types_by_hand_are_encoded_in_every_place() {
    use vpp_api::message::Message;

    struct Count(usize);

    impl vpp_api::messages::Visitor for Count {
        fn visit<M: Message>(&mut self) {
            self.0 += M::FIELDS.len();
        }
    }

    let mut fields = Count(0);
    visit(&mut fields);
    assert_eq!(fields.0, 2);
    let mut bytes = bytes::BytesMut::new();
    all().encode(&mut Writer::new(&mut bytes));
    assert_eq!(AclAll::decode(&mut Reader::new(&bytes)), Ok(all()));
}

#[cfg(feature = "serde")]
#[test]
fn types_by_hand_are_told_in_json_by_their_text() {
    let json = serde_json::json!(all());
    let places = &json["places"];
    assert_eq!((&places["index"], &places["owner"]), (&"AclIndex(1)".into(), &"AclIndex(2)".into()));
    assert_eq!(places["pair"], "[AclIndex(3), AclIndex(4)]");
    assert_eq!(places["side"], "Right");
    assert_eq!(places["more"], "[AclIndex(5)]");
    assert_eq!(json["rest"], "Rest([AclIndex(6)])");
}
