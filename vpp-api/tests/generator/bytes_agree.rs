//! Generated messages against the built-in ones, and against what a VPP sent and took.

use std::collections::HashMap;
use std::sync::LazyLock;

use bytes::BytesMut;
use proptest::prelude::*;
use vpp_api::message::{Envelope, Kind, Message, decode_body, encode_body, message_id};
use vpp_api::messages::{Visitor, visit_all};
use vpp_api::schema;
use vpp_api::types::Retval;

use crate::arbitrary::{self, Source};
use crate::generated::{interface, ip, lb, memclnt, vlib, vpe};
use crate::session::{RELEASES, Session};

#[test]
fn a_generated_message_is_defined_as_the_built_in_one() {
    struct Compare(usize);

    impl Visitor for Compare {
        fn visit<M: Message>(&mut self) {
            let Some(generated) = GENERATED.get(M::NAME) else { panic!("{} was not generated", M::NAME) };
            assert_eq!(generated.name_crc, M::NAME_CRC);
            assert_eq!(generated.crc, schema::crc::<M>(), "{}", M::NAME);
            assert_eq!(generated.prefix, schema::prefix(M::KIND), "{}", M::NAME);
            assert_eq!(generated.is_from_client, M::KIND.is_from_client(), "{}", M::NAME);
            assert_eq!(generated.service, M::SERVICE, "{}", M::NAME);
            self.0 += 1;
        }
    }

    let mut compare = Compare(0);
    visit_all(&mut compare);
    assert!(compare.0 > 50, "only {} messages", compare.0);
    assert!(GENERATED.len() > 250, "only {} generated messages", GENERATED.len());
}

#[test]
fn crcs_follow_from_generated_declarations() {
    for message in GENERATED.values() {
        assert!(message.name_crc.ends_with(&format!("_{:08x}", message.crc)), "{}", message.name_crc);
    }
}

/// A result code that is not read makes a success of every refusal.
#[test]
fn every_generated_reply_tells_the_result_code_it_has() {
    struct Refuse(usize);

    impl Visitor for Refuse {
        fn visit<M: Message>(&mut self) {
            let is_code = |field: &schema::Field| ["retval", "response"].contains(&field.name);
            let Some(at) = M::FIELDS.iter().position(is_code) else { return };
            // `memclnt_delete_reply`, which answers no call that could be told from others.
            if M::KIND == Kind::Bare {
                return;
            }
            let front = schema::prefix(M::KIND).iter().chain(&M::FIELDS[..at]);
            let start = 2 + front.map(|field| field.shape.number().expect("numbers alone").width()).sum::<usize>();
            let message = arbitrary::message::<M>(&mut Source::new(vec![1; 300]));
            let mut body = BytesMut::new();
            encode_body(7, Envelope::default(), &message, &mut body);
            body[start..start + 4].copy_from_slice(&(-9_i32).to_be_bytes());
            let (_, refused) = decode_body::<M>(&body).expect("as long as before");
            assert_eq!(refused.status(), Some(Retval(-9)), "{}", M::NAME);
            self.0 += 1;
        }
    }

    let mut refuse = Refuse(0);
    visit_generated(&mut refuse);
    assert!(refuse.0 > 100, "only {} result codes", refuse.0);
}

#[test]
fn recorded_frames_are_read_and_written_alike() {
    for release in RELEASES {
        let Some(session) = Session::read(release) else { return };
        for frame in &session.frames {
            let id = message_id(&frame.body).expect("an id");
            let name_crc = session.table.name(id).expect("an id of the table");
            let (name, _) = name_crc.rsplit_once('_').expect("a name and a CRC");
            let recoded = (GENERATED[name].recode)(&frame.body);
            assert_eq!(recoded, frame.body, "{release}: {name_crc}");
        }
    }
}

proptest! {
    #[test]
    fn bytes_of_a_built_in_message_are_read_and_written_alike(drawn in prop::collection::vec(any::<u8>(), 1..600)) {
        struct Recode(Source);

        impl Visitor for Recode {
            fn visit<M: Message>(&mut self) {
                let message = arbitrary::message::<M>(&mut self.0);
                let mut body = BytesMut::new();
                encode_body(7, Envelope { client_index: 8, context: 9 }, &message, &mut body);
                assert_eq!((GENERATED[M::NAME].recode)(&body), body, "{message:?}");
            }
        }

        visit_all(&mut Recode(Source::new(drawn)));
    }

    #[test]
    fn every_generated_message_reads_what_it_writes(drawn in prop::collection::vec(any::<u8>(), 1..600)) {
        struct RoundTrip(Source);

        impl Visitor for RoundTrip {
            fn visit<M: Message>(&mut self) {
                let message = arbitrary::message::<M>(&mut self.0);
                let mut body = BytesMut::new();
                encode_body(7, Envelope::default(), &message, &mut body);
                assert_eq!(decode_body::<M>(&body), Ok((Envelope::default(), message)));
            }
        }

        visit_generated(&mut RoundTrip(Source::new(drawn)));
    }
}

/// A generated message without its type.
struct Generated {
    name_crc: &'static str,
    /// Computed from the declaration.
    crc: u32,
    prefix: &'static [schema::Field],
    is_from_client: bool,
    service: Option<schema::Service>,
    recode: fn(&[u8]) -> Vec<u8>,
}

/// All generated messages, by name.
static GENERATED: LazyLock<HashMap<&'static str, Generated>> = LazyLock::new(|| {
    struct Collect(HashMap<&'static str, Generated>);

    impl Visitor for Collect {
        fn visit<M: Message>(&mut self) {
            let generated = Generated {
                name_crc: M::NAME_CRC,
                crc: schema::crc::<M>(),
                prefix: schema::prefix(M::KIND),
                is_from_client: M::KIND.is_from_client(),
                service: M::SERVICE,
                recode: recode::<M>,
            };
            assert!(self.0.insert(M::NAME, generated).is_none(), "{} stands twice", M::NAME);
        }
    }

    let mut collect = Collect(HashMap::new());
    visit_generated(&mut collect);
    collect.0
});

fn visit_generated(visitor: &mut impl Visitor) {
    memclnt::visit(visitor);
    vpe::visit(visitor);
    vlib::visit(visitor);
    ip::visit(visitor);
    lb::visit(visitor);
    interface::visit(visitor);
}

fn recode<M: Message>(body: &[u8]) -> Vec<u8> {
    let (envelope, message) = decode_body::<M>(body).unwrap_or_else(|error| panic!("{}: {error}", M::NAME));
    let mut out = BytesMut::new();
    encode_body(message_id(body).expect("an id"), envelope, &message, &mut out);
    out.to_vec()
}
