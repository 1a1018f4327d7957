use std::collections::HashSet;

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::codec::Reader;
use crate::error::DecodeError;
use crate::message::{Envelope, decode_body, decode_body_lenient, encode_body};
use crate::messages::lb::{LbAsDump, LbAsV2Dump};
use crate::types::IpProto;
use arbitrary::Source;

#[path = "../../tests/support/arbitrary.rs"]
mod arbitrary;

fn body<M: Message>(message: &M) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode_body(0x0123, Envelope { client_index: 0x8000_0001, context: 8 }, message, &mut out);
    out.to_vec()
}

#[test]
fn no_message_is_declared_twice() {
    struct Seen(HashSet<&'static str>);

    impl Visitor for Seen {
        fn visit<M: Message>(&mut self) {
            assert!(self.0.insert(M::NAME), "{} stands twice", M::NAME);
            assert_eq!(M::NAME_CRC, format!("{}_{:08x}", M::NAME, M::CRC));
        }
    }

    let mut seen = Seen(HashSet::new());
    visit_all(&mut seen);
    assert!(seen.0.len() > 50, "only {} messages", seen.0.len());
}

#[test]
fn every_crc_follows_from_the_declaration() {
    struct Check;

    impl Visitor for Check {
        fn visit<M: Message>(&mut self) {
            assert_eq!(format!("{:08x}", crate::schema::crc::<M>()), format!("{:08x}", M::CRC), "{}", M::NAME);
        }
    }

    visit_all(&mut Check);
}

#[test]
fn bodies_are_as_long_as_the_reference_says() {
    struct Lengths;

    impl Visitor for Lengths {
        fn visit<M: Message>(&mut self) {
            let (_, shortest) = decode_body_lenient::<M>(&[0; 512]).expect("zeros are a value of every message");
            let expected = LENGTHS.iter().find(|(name, _)| *name == M::NAME).map_or(10, |(_, len)| *len);
            assert_eq!(body(&shortest).len(), expected, "{}", M::NAME);
        }
    }

    visit_all(&mut Lengths);
}

#[test]
fn an_ipv4_filter_stands_where_vpp_compares_it() {
    let dump = LbAsV2Dump::vip("192.0.2.10/32".parse().expect("a prefix"), IpProto::TCP, 80);
    assert_eq!(dump.pfx.address.bytes, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 10]);
    assert_eq!((dump.pfx.len, dump.protocol, dump.port), (128, IpProto::TCP, 80));
    let same = LbAsDump::vip("192.0.2.10/32".parse().expect("a prefix"), IpProto::TCP, 80);
    assert_eq!(same.pfx, dump.pfx);
}

#[test]
fn a_filter_has_no_host_bits() {
    let dump = LbAsV2Dump::vip("203.0.113.5/24".parse().expect("a prefix"), IpProto::TCP, 80);
    assert_eq!(dump.pfx.address.bytes[12..], [203, 0, 113, 0]);
    assert_eq!(dump.pfx.len, 96 + 24);
    let dump = LbAsV2Dump::vip("2001:db8:b::1/64".parse().expect("a prefix"), IpProto::ANY, 0);
    assert_eq!(dump.pfx.to_string(), "2001:db8:b::/64");
}

#[test]
fn asking_for_everything_is_21_zero_bytes() {
    assert_eq!(body(&LbAsV2Dump::all())[10..], [0; 21]);
    assert_eq!(body(&LbAsDump::all())[10..], [0; 21]);
}

#[test]
fn a_short_body_names_the_field_it_ends_in() {
    let bytes = body(&LbAsV2Dump::all());
    assert_eq!(decode_body::<LbAsV2Dump>(&bytes[..30]), Err(DecodeError::Short { wanted: "port", need: 2, left: 1 }));
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(drawn in prop::collection::vec(any::<u8>(), 1..600)) {
        struct RoundTrip(Source);

        impl Visitor for RoundTrip {
            fn visit<M: Message>(&mut self) {
                let message = arbitrary::message::<M>(&mut self.0);
                let bytes = body(&message);
                let (envelope, decoded) = decode_body::<M>(&bytes).expect("its own bytes");
                assert_eq!(decoded, message);
                assert_eq!(envelope.context, if M::KIND.has_context() { 8 } else { 0 });
                assert_eq!(envelope.client_index, if M::KIND.has_client_index() { 0x8000_0001 } else { 0 });
                assert_eq!(body(&decoded), bytes);
            }
        }

        visit_all(&mut RoundTrip(Source::new(drawn)));
    }

    #[test]
    fn every_shorter_body_is_refused_without_a_panic(drawn in prop::collection::vec(any::<u8>(), 1..200)) {
        struct Cut(Source);

        impl Visitor for Cut {
            fn visit<M: Message>(&mut self) {
                let bytes = body(&arbitrary::message::<M>(&mut self.0));
                for len in 0..bytes.len() {
                    let outcome = decode_body_lenient::<M>(&bytes[..len]);
                    assert!(matches!(outcome, Err(DecodeError::Short { .. })), "{} cut at {len}", M::NAME);
                }
            }
        }

        visit_all(&mut Cut(Source::new(drawn)));
    }

    #[test]
    fn random_bytes_never_panic_and_settle(bytes in prop::collection::vec(any::<u8>(), 0..700)) {
        struct Throw<'a>(&'a [u8]);

        impl Visitor for Throw<'_> {
            fn visit<M: Message>(&mut self) {
                // Bools are any byte but 0, so that bytes may change once; never twice.
                if let Ok((_, message)) = decode_body_lenient::<M>(self.0) {
                    let bytes = body(&message);
                    assert_eq!(decode_body::<M>(&bytes).map(|(_, again)| again), Ok(message));
                }
                let _ = M::decode(&mut Reader::new(self.0));
            }
        }

        visit_all(&mut Throw(&bytes));
    }
}

/// Shortest bodies that are not the 10 bytes of a plain request or reply.
const LENGTHS: &[(&str, usize)] = &[
    ("get_first_msg_id", 74),
    ("get_first_msg_id_reply", 12),
    ("api_versions_reply", 14),
    ("sockclnt_create", 70),
    ("sockclnt_create_reply", 20),
    ("sockclnt_delete", 14),
    ("control_ping_reply", 18),
    ("get_api_json_reply", 14),
    ("show_version_reply", 362),
    ("show_vpe_system_time_reply", 18),
    ("cli_inband", 14),
    ("cli_inband_reply", 14),
    ("ip_route_lookup", 33),
    ("ip_route_lookup_reply", 37),
    ("ip_route_lookup_v2", 33),
    ("ip_route_lookup_v2_reply", 38),
    ("lb_conf", 38),
    ("lb_conf_get_reply", 38),
    ("lb_add_del_vip", 49),
    ("lb_add_del_vip_v2", 50),
    ("lb_add_del_as", 50),
    ("lb_add_del_as_v2", 51),
    ("lb_as_set_weight", 50),
    ("lb_flush_vip", 31),
    ("lb_vip_dump", 33),
    ("lb_vip_details", 40),
    ("lb_as_dump", 31),
    ("lb_as_details", 49),
    ("lb_as_v2_dump", 31),
    ("lb_as_v2_details", 54),
    ("lb_add_del_intf_nat4", 15),
    ("lb_add_del_intf_nat6", 15),
    ("sw_interface_dump", 19),
    ("sw_interface_details", 295),
    ("want_interface_events", 18),
    ("sw_interface_event", 19),
];
