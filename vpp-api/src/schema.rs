//! What VPP's definition files say of a type or a message, told by the declarations themselves.
//!
//! Every field type describes itself in [`Wire::SHAPE`](crate::codec::Wire::SHAPE), every message in
//! [`Message::FIELDS`](crate::message::Message::FIELDS). From that come the definitions in the form of VPP's
//! `.api.json` files ([`Module`]), which FD.io's Python client loads, and the CRC that a definition has ([`crc`]).
//!
//! Source: VPP `src/tools/vppapigen/vppapigen.py` and `vppapigen_json.py`.
//!
//! ```
//! use vpp_api::messages::lb::{self, LbConf};
//! use vpp_api::schema::{Module, crc};
//!
//! let mut module = Module::new("lb", "1.2.0");
//! lb::visit(&mut module);
//! let json = module.to_json();
//! assert!(json.contains(r#""lb_conf""#));
//! assert_eq!(crc::<LbConf>(), 0x56cd_3261, "as in VPP's own file");
//! ```

mod checksum;
mod json;
mod module;

pub use checksum::crc;
pub use module::{Module, export, export_array};

use crate::message::Kind;

/// A type of VPP's API language.
///
/// ```
/// use vpp_api::codec::Wire;
/// use vpp_api::schema::Type;
/// use vpp_api::types::Encap;
///
/// let Type::Enum { name, values, .. } = Encap::SHAPE.ty else { panic!("an enumeration") };
/// assert_eq!(*name, "lb_encap_type");
/// assert_eq!(values[1].name, "LB_API_ENCAP_TYPE_GRE6");
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "the whole language; who walks over types has to know all of it")]
pub enum Type {
    /// A number or a bool.
    Number(Number),
    /// `string`, which is always an array: see [`Array`].
    String,
    /// `typedef name { fields }`.
    Struct {
        /// Name, without `vl_api_` and `_t`.
        name: &'static str,
        /// Its fields, in wire order.
        fields: &'static [Field],
    },
    /// `union name { arms }`: as long as its longest arm.
    Union {
        /// Name, without `vl_api_` and `_t`.
        name: &'static str,
        /// Its arms.
        arms: &'static [Field],
    },
    /// `enum name : base { values }`.
    Enum {
        /// Name, without `vl_api_` and `_t`.
        name: &'static str,
        /// How it is encoded.
        base: Number,
        /// Its values.
        values: &'static [Value],
        /// Whether it is an `enumflag`, each of whose values is one bit.
        is_flags: bool,
    },
    /// `typedef other name`, or `typedef other name[n]`.
    Alias {
        /// Name, without `vl_api_` and `_t`.
        name: &'static str,
        /// What it stands for.
        of: Shape,
    },
}

impl Type {
    /// Its name in VPP's definitions, without `vl_api_` and `_t`; of a number the number's.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Number(number) => number.name(),
            Self::String => "string",
            Self::Struct { name, .. }
            | Self::Union { name, .. }
            | Self::Enum { name, .. }
            | Self::Alias { name, .. } => name,
        }
    }

    /// Whether definitions spell it `vl_api_NAME_t`.
    ///
    /// ```
    /// use vpp_api::codec::Wire;
    /// use vpp_api::schema::Type;
    /// use vpp_api::types::{Address, Text};
    ///
    /// fn spelled(ty: &Type) -> String {
    ///     if ty.is_named() { format!("vl_api_{}_t", ty.name()) } else { ty.name().to_owned() }
    /// }
    ///
    /// assert_eq!(spelled(Address::SHAPE.ty), "vl_api_address_t");
    /// assert_eq!(spelled(Text::SHAPE.ty), "string");
    /// ```
    #[must_use]
    pub const fn is_named(&self) -> bool {
        !matches!(self, Self::Number(_) | Self::String)
    }

    /// The fields or arms of a struct or a union.
    pub(crate) const fn fields(&self) -> &'static [Field] {
        match self {
            Self::Struct { fields, .. } | Self::Union { arms: fields, .. } => fields,
            _ => &[],
        }
    }
}

/// The types that the language brings.
///
/// ```
/// use vpp_api::schema::Number;
///
/// assert_eq!(Number::U16.name(), "u16");
/// assert_eq!(Number::U16.width(), 2);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Number {
    /// One byte.
    U8,
    /// Two bytes.
    U16,
    /// Four bytes.
    U32,
    /// Eight bytes.
    U64,
    /// One byte, signed.
    I8,
    /// Two bytes, signed.
    I16,
    /// Four bytes, signed.
    I32,
    /// Eight bytes, signed.
    I64,
    /// Eight bytes in the order of VPP's host.
    F64,
    /// One byte.
    Bool,
}

impl Number {
    /// Its name in VPP's definitions.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F64 => "f64",
            Self::Bool => "bool",
        }
    }

    /// Bytes on the wire.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }
}

/// A type, and whether it is an array of it.
///
/// ```
/// use vpp_api::codec::Wire;
/// use vpp_api::schema::{Array, Number, Shape};
///
/// let shape = <[u32; 4] as Wire>::SHAPE;
/// assert_eq!(shape, <u32 as Wire>::SHAPE.arrayed(Array::Fixed(4)));
/// assert_eq!(<u32 as Wire>::SHAPE.number(), Some(Number::U32));
/// assert_eq!(shape.number(), None, "it is encoded as several");
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shape {
    /// The type, or that of the elements.
    pub ty: &'static Type,
    /// The array.
    pub array: Array,
}

impl Shape {
    /// One value of a type.
    #[must_use]
    pub const fn of(ty: &'static Type) -> Self {
        Self { ty, array: Array::No }
    }

    /// The same as an array.
    ///
    /// # Panics
    /// If it is one already: the language has no arrays of arrays. A declaration with one does not compile.
    #[must_use]
    pub const fn arrayed(self, array: Array) -> Self {
        assert!(matches!(self.array, Array::No), "VPP's API language has no arrays of arrays");
        Self { ty: self.ty, array }
    }

    /// The number it is encoded as: of itself, of an enumeration, or of what an alias stands for.
    ///
    /// ```
    /// use vpp_api::codec::Wire;
    /// use vpp_api::schema::Number;
    /// use vpp_api::types::{FixedString, InterfaceIndex};
    ///
    /// assert_eq!(InterfaceIndex::SHAPE.number(), Some(Number::U32), "an alias");
    /// assert_eq!(FixedString::<64>::SHAPE.number(), None);
    /// ```
    #[must_use]
    pub const fn number(&self) -> Option<Number> {
        match (self.array, self.ty) {
            (Array::No, Type::Number(number)) => Some(*number),
            (Array::No, Type::Enum { base, .. }) => Some(*base),
            (Array::No, Type::Alias { of, .. }) => of.number(),
            _ => None,
        }
    }
}

/// How often a field's type stands in a row.
///
/// ```
/// use vpp_api::codec::Wire;
/// use vpp_api::schema::Array;
/// use vpp_api::types::{FixedString, Text};
///
/// assert_eq!(FixedString::<64>::SHAPE.array, Array::Fixed(64));
/// assert_eq!(Text::SHAPE.array, Array::Open);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums, reason = "the whole language; who walks over types has to know all of it")]
pub enum Array {
    /// Once.
    No,
    /// `type name[n]`.
    Fixed(usize),
    /// `type name[count]`: as often as the earlier field of this name says.
    Counted(&'static str),
    /// `string name[]`, with its length in front, or `type name[0]`, up to the end of the message.
    Open,
}

/// One field of a message or a struct, or an arm of a union.
///
/// ```
/// use vpp_api::message::Message;
/// use vpp_api::messages::lb::LbAddDelAsV2;
///
/// let weight = LbAddDelAsV2::FIELDS.iter().find(|field| field.name == "weight").expect("a field");
/// assert_eq!(weight.shape.ty.name(), "u8");
/// assert_eq!(weight.default, Some("100"));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Field {
    /// Its name in VPP's definitions.
    pub name: &'static str,
    /// Its type.
    pub shape: Shape,
    /// The order of its bytes.
    pub order: Order,
    /// `[default=..]`, as it is spelled: a decimal number, `true` or `false`. VPP itself never looks at it.
    pub default: Option<&'static str>,
}

impl Field {
    /// A field as VPP defines it, without a default.
    #[must_use]
    pub const fn new(name: &'static str, shape: Shape) -> Self {
        Self { name, shape, order: Order::AsDefined, default: None }
    }

    /// The same in another order of bytes.
    ///
    /// ```
    /// use vpp_api::codec::Wire;
    /// use vpp_api::message::Message;
    /// use vpp_api::messages::lb::LbVipDetails;
    /// use vpp_api::schema::{Field, Order};
    ///
    /// const PORT: Field = Field::new("target_port", u16::SHAPE);
    /// assert!(!LbVipDetails::FIELDS.contains(&PORT));
    /// assert!(LbVipDetails::FIELDS.contains(&PORT.ordered(Order::Host)), "VPP swaps it twice");
    /// ```
    #[must_use]
    pub const fn ordered(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// The same with a default.
    ///
    /// ```
    /// use vpp_api::codec::Wire;
    /// use vpp_api::schema::Field;
    ///
    /// const WEIGHT: Field = Field::new("weight", u8::SHAPE).with_default("100");
    /// assert_eq!(WEIGHT.default, Some("100"));
    /// ```
    ///
    /// # Panics
    /// If it is no number, bool or enumeration, or `default` is not spelled in decimal, `true` or `false`. In a
    /// declaration that is an error of the compiler.
    #[must_use]
    pub const fn with_default(self, default: &'static str) -> Self {
        assert!(self.shape.number().is_some(), "only numbers, bools and enumerations have defaults");
        assert!(is_plain(default), "a default is a decimal number, `true` or `false`");
        Self { default: Some(default), ..self }
    }
}

/// Whether VPP swaps a field as its definition promises.
///
/// ```
/// use vpp_api::message::Message;
/// use vpp_api::messages::lb::LbVipDetails;
/// use vpp_api::schema::Order;
///
/// let odd = LbVipDetails::FIELDS.iter().filter(|field| field.order == Order::Host).map(|field| field.name);
/// assert_eq!(odd.collect::<Vec<_>>(), ["srv_type", "target_port"]);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Order {
    /// It does: big-endian, but for `f64`.
    #[default]
    AsDefined,
    /// It does not, or does so twice: in the order of VPP's host. No definition tells.
    Host,
}

/// One value of an enumeration.
///
/// ```
/// use vpp_api::codec::Wire;
/// use vpp_api::schema::{Type, Value};
/// use vpp_api::types::AddressFamily;
///
/// let Type::Enum { values, .. } = AddressFamily::SHAPE.ty else { panic!("an enumeration") };
/// assert_eq!(values[0], Value { name: "ADDRESS_IP4", value: 0 });
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Value {
    /// Its name in VPP's definitions, such as `ADDRESS_IP4`.
    pub name: &'static str,
    /// The number.
    pub value: u64,
}

/// What answers a message that clients send: one entry of `service` in VPP's definitions.
///
/// ```
/// use vpp_api::message::Message;
/// use vpp_api::messages::{interface::WantInterfaceEvents, lb::LbVipDump};
/// use vpp_api::schema::Service;
///
/// assert_eq!(LbVipDump::SERVICE, Some(Service::dump("lb_vip_details")));
/// assert_eq!(WantInterfaceEvents::SERVICE.map(|service| service.events), Some(&["sw_interface_event"][..]));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Service {
    /// Name of the reply, or of the details that a dump is answered with; none for a message without an answer.
    pub reply: Option<&'static str>,
    /// Name of the details that come before the reply.
    pub details: Option<&'static str>,
    /// Whether many details come, with or without a reply behind them.
    pub is_stream: bool,
    /// Names of the events that VPP sends from then on.
    pub events: &'static [&'static str],
}

impl Service {
    /// Answered with nothing.
    pub const NONE: Self = Self { reply: None, details: None, is_stream: false, events: &[] };

    /// Answered with one message.
    #[must_use]
    pub const fn reply(reply: &'static str) -> Self {
        Self { reply: Some(reply), ..Self::NONE }
    }

    /// Answered with details alone.
    #[must_use]
    pub const fn dump(details: &'static str) -> Self {
        Self { reply: Some(details), is_stream: true, ..Self::NONE }
    }

    /// Answered with details, and a reply behind them.
    ///
    /// ```
    /// use vpp_api::schema::Service;
    ///
    /// let service = Service::stream("acme_get_reply", "acme_details");
    /// assert_eq!((service.reply, service.details), (Some("acme_get_reply"), Some("acme_details")));
    /// ```
    #[must_use]
    pub const fn stream(reply: &'static str, details: &'static str) -> Self {
        Self { reply: Some(reply), details: Some(details), is_stream: true, events: &[] }
    }

    /// The same with events.
    ///
    /// ```
    /// use vpp_api::message::Message;
    /// use vpp_api::messages::interface::WantInterfaceEvents;
    /// use vpp_api::schema::Service;
    ///
    /// let service = Service::reply("want_interface_events_reply").with_events(&["sw_interface_event"]);
    /// assert_eq!(WantInterfaceEvents::SERVICE, Some(service));
    /// ```
    #[must_use]
    pub const fn with_events(self, events: &'static [&'static str]) -> Self {
        Self { events, ..self }
    }
}

/// The fields that stand in front of a message's own, behind the message id.
///
/// ```
/// use vpp_api::message::Kind;
///
/// let names = |kind| vpp_api::schema::prefix(kind).iter().map(|field| field.name).collect::<Vec<_>>();
/// assert_eq!(names(Kind::Request), ["client_index", "context"]);
/// assert_eq!(names(Kind::Details), ["context"]);
/// ```
#[must_use]
pub const fn prefix(kind: Kind) -> &'static [Field] {
    const U32: Shape = Shape::of(&Type::Number(Number::U32));
    const BOTH: &[Field] = &[Field::new("client_index", U32), Field::new("context", U32)];
    match (kind.has_client_index(), kind.has_context()) {
        (true, true) => BOTH,
        (true, false) => BOTH.split_at(1).0,
        (false, true) => BOTH.split_at(1).1,
        (false, false) => &[],
    }
}

const fn is_plain(text: &str) -> bool {
    match text.as_bytes() {
        b"true" | b"false" => true,
        [b'-', digits @ ..] | digits => {
            let mut at = 0;
            while at < digits.len() {
                if !matches!(digits[at], b'0'..=b'9' | b'.') {
                    return false;
                }
                at += 1;
            }
            at > 0
        }
    }
}

#[cfg(test)]
mod tests;
