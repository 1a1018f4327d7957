//! Bytes of declared types and messages, defaults, and what the declarations say of themselves.

use bytes::BytesMut;
use proptest::prelude::*;
use vpp_api::codec::{Reader, Wire, Writer};
use vpp_api::error::DecodeError;
use vpp_api::message::{Envelope, Get as _, Kind, Message, decode_body, encode_body};
use vpp_api::messages::Visitor;
use vpp_api::schema::{self, Array, Module, Order, Service};
use vpp_api::types::{F64, InterfaceIndex, IpProto, Rest, Retval};

use crate::acme::*;
use crate::arbitrary::{self, Source};

#[test]
fn every_crc_follows_from_its_declaration() {
    struct Check(Vec<String>);

    impl Visitor for Check {
        fn visit<M: Message>(&mut self) {
            if schema::crc::<M>() != M::CRC {
                self.0.push(format!("{} {:08x}", M::NAME, schema::crc::<M>()));
            }
        }
    }

    let mut wrong = Check(Vec::new());
    visit(&mut wrong);
    assert_eq!(wrong.0, [""; 0]);
}

#[test]
fn a_count_stands_where_it_is_declared() {
    let rule = Rule { matches: vec![Match::default()].try_into().expect("one"), ..Rule::default() };
    let bytes = encoded(&rule);
    assert_eq!(bytes[..9], [0, 1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes.len(), 9 + 43);
    assert_eq!((Rule::MIN, Match::MIN), (9, 43));
    assert_eq!(Rule::decode(&mut Reader::new(&bytes), "rule"), Ok(rule));
    let short = Rule::decode(&mut Reader::new(&bytes[..51]), "rule");
    assert_eq!(short, Err(DecodeError::Short { wanted: "matches", need: 43, left: 42 }));
}

#[test]
fn defaults_are_those_of_the_declaration() {
    let add = AcmeAdd::default();
    assert_eq!((add.sw_if_index, add.is_enabled, add.timeout), (InterfaceIndex::NONE, true, F64::from(1.5)));
    let matched = Match::default();
    assert_eq!((matched.protocol, matched.port, matched.bias), (IpProto::ANY, 8080, -2));
    assert_eq!(encoded(&matched)[..5], [255, 0x90, 0x1f, 0xff, 0xfe], "8080 in the order of the host");
}

#[test]
fn a_union_is_as_long_as_its_longest_arm() {
    let who = Who::from(WhoArm::Ip([192, 0, 2, 1].into()));
    assert_eq!(encoded(&who), [192, 0, 2, 1, 0, 0]);
    assert_eq!(who.ip(), Ok([192, 0, 2, 1].into()));
    assert_eq!(who.r#type().map(|mac| mac.0), Ok([192, 0, 2, 1, 0, 0]));
}

#[test]
fn flags_add_up() {
    let mut flags = Flags::LOG;
    flags |= Flags::COUNT;
    assert!(flags.contains(Flags::LOG) && !Flags::LOG.contains(flags));
    assert_eq!((encoded(&flags), flags.to_string()), (vec![0, 0, 0, 3], "3".to_owned()));
}

#[test]
fn the_rest_of_a_message_is_whole_elements() {
    let body = [1, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 8, 0, 9];
    let (_, hit) = decode_body::<AcmeHit>(&body).expect("two numbers");
    assert_eq!(hit, AcmeHit { pid: 7, packet: Rest(vec![8, 9]) });
    let short = decode_body::<AcmeHit>(&body[..13]);
    assert_eq!(short, Err(DecodeError::Short { wanted: "packet", need: 2, left: 1 }));
}

#[test]
fn options_of_a_message_decide_what_stands_in_front_of_it_and_behind() {
    assert_eq!(WantAcmeEventsReply::KIND, Kind::IndexedReply);
    assert_eq!(AcmeLogDetails::KIND, Kind::IndexedDetails);
    let envelope = Envelope { client_index: 1, context: 2 };
    let mut body = BytesMut::new();
    encode_body(9, envelope, &WantAcmeEventsReply { response: -3 }, &mut body);
    assert_eq!(body[..], [0, 9, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xfd]);
    body.extend_from_slice(&[0]);
    let reply = decode_body::<WantAcmeEventsReply>(&body).expect("a byte is spare");
    assert_eq!((reply.0, reply.1.status()), (envelope, Some(Retval(-3))));
    let mut body = BytesMut::new();
    encode_body(9, envelope, &AcmeBare { dummy: 5 }, &mut body);
    assert_eq!(body[..], [0, 9, 0, 0, 0, 0, 0, 0, 0, 5]);
}

#[test]
fn services_are_told() {
    const EVENTS: &[&str] = &["acme_hit", "acme_gone"];
    assert_eq!(WantAcmeEvents::SERVICE, Some(Service::reply("want_acme_events_reply").with_events(EVENTS)));
    assert_eq!(AcmeDump::SERVICE, Some(Service::dump("acme_details")));
    assert_eq!(AcmeLogGet::SERVICE, Some(Service::stream("acme_log_get_reply", "acme_log_details")));
    assert_eq!((AcmeNudge::SERVICE, AcmeHit::SERVICE), (Some(Service::NONE), None));
}

#[test]
fn a_get_goes_on_at_the_cursor_of_its_reply() {
    let more = AcmeLogGetReply { retval: Retval(-165), cursor: 7 };
    assert_eq!(AcmeLogGet { cursor: 0 }.following(&more), Some(AcmeLogGet { cursor: 7 }));
    assert_eq!(AcmeLogGet { cursor: 0 }.following(&AcmeLogGetReply { retval: Retval::OK, cursor: 7 }), None);
}

#[test]
fn fields_are_described_as_vpp_has_them() {
    let schema::Type::Struct { name: "acme_rule", fields } = *Rule::SHAPE.ty else { panic!("{:?}", Rule::SHAPE) };
    let names: Vec<_> = fields.iter().map(|field| field.name).collect();
    assert_eq!(names, ["n_matches", "action", "scope", "flags", "matches"]);
    assert_eq!(fields[4].shape.array, Array::Counted("n_matches"));
    let schema::Type::Struct { fields, .. } = *Match::SHAPE.ty else { panic!("{:?}", Match::SHAPE) };
    assert_eq!((fields[1].order, fields[1].default), (Order::Host, Some("8080")));
    assert_eq!(Who::SHAPE.ty.name(), "acme_who");
}

#[test]
fn a_module_has_the_types_of_its_messages_and_what_those_need() {
    let mut module = Module::new("acme", "1.0.0");
    visit(&mut module);
    assert_eq!((module.name(), module.message_count()), ("acme", 13));
    let json: serde_json::Value = serde_json::from_str(&module.to_json()).expect("JSON");
    let names = |section: &str| -> Vec<_> {
        json[section].as_array().expect(section).iter().map(|item| item[0].as_str().expect("a name")).collect()
    };
    assert_eq!(names("types"), ["acme_match", "acme_rule", "address", "prefix"]);
    assert_eq!(names("unions"), ["acme_who", "address_union"]);
    assert_eq!(names("enums"), ["acme_action", "acme_scope", "address_family"]);
    assert_eq!(names("enumflags"), ["acme_flags"]);
    assert_eq!(json["aliases"]["acme_key"], serde_json::json!({ "type": "u8", "length": 16 }));
    assert_eq!(json["aliases"]["acme_peer"], serde_json::json!({ "type": "vl_api_address_t" }));
    assert_eq!(json["services"]["acme_nudge"], serde_json::json!({ "reply": "null" }));
    assert_eq!(json["services"].as_object().map(serde_json::Map::len), Some(5));
    let add = &json["messages"][0];
    assert_eq!(add[4], serde_json::json!(["vl_api_interface_index_t", "sw_if_index", { "default": 4294967295_u32 }]));
    assert_eq!(add[5], serde_json::json!(["bool", "is_enabled", { "default": "true" }]));
}

#[cfg(feature = "serde")]
#[test]
fn json_has_vpps_names_and_no_retval_of_a_reply() {
    let json = |value: &dyn Fn() -> serde_json::Value| value().to_string();
    let reply = AcmeAddReply { retval: Retval(-1), index: RuleIndex::NONE };
    assert_eq!(json(&|| serde_json::json!(reply)), r#"{"index":4294967295}"#);
    let mac = Who::from(WhoArm::Mac(Default::default()));
    assert_eq!(json(&|| serde_json::json!(mac)), "[0,0,0,0,0,0]");
    assert_eq!(json(&|| serde_json::json!(Action::Permit)), "1");
    assert_eq!(json(&|| serde_json::json!(AcmeNudge { dummy: -1 })), r#"{"dummy":-1}"#);
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(drawn in prop::collection::vec(any::<u8>(), 1..300)) {
        struct RoundTrip(Source);

        impl Visitor for RoundTrip {
            fn visit<M: Message>(&mut self) {
                let message = arbitrary::message::<M>(&mut self.0);
                let mut body = BytesMut::new();
                encode_body(1, Envelope::default(), &message, &mut body);
                assert_eq!(decode_body::<M>(&body), Ok((Envelope::default(), message)));
            }
        }

        visit(&mut RoundTrip(Source::new(drawn)));
    }
}

fn encoded<T: Wire>(value: &T) -> Vec<u8> {
    let mut out = BytesMut::new();
    value.encode(&mut Writer::new(&mut out));
    out.to_vec()
}
