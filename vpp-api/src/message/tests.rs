use super::*;
use crate::messages::interface::SwInterfaceEvent;
use crate::messages::lb::{LbConfGet, LbConfReply};
use crate::messages::memclnt::{GetApiJsonReply, SockclntCreate, SockclntDeleteReply};
use crate::messages::vlib::CliInbandReply;
use crate::types::{FixedString, IfStatusFlags, InterfaceIndex, Text};

const ENVELOPE: Envelope = Envelope { client_index: 0x8000_0001, context: 0x1122_3344 };

fn body<M: Message>(message: &M) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode_body(0x0123, ENVELOPE, message, &mut out);
    out.to_vec()
}

#[test]
fn requests_carry_client_index_and_context() {
    assert_eq!(body(&LbConfGet {}), [0x01, 0x23, 0x80, 0, 0, 1, 0x11, 0x22, 0x33, 0x44]);
}

#[test]
fn replies_carry_context_and_retval() {
    let reply = LbConfReply { retval: Retval(-70) };
    assert_eq!(body(&reply), [0x01, 0x23, 0x11, 0x22, 0x33, 0x44, 0xff, 0xff, 0xff, 0xba]);
    let (envelope, decoded) = decode_body::<LbConfReply>(&body(&reply)).expect("its own bytes");
    assert_eq!((envelope.client_index, envelope.context), (0, ENVELOPE.context));
    assert_eq!(decoded, reply);
}

#[test]
fn events_carry_a_client_index_and_no_context() {
    let event =
        SwInterfaceEvent { pid: 7, sw_if_index: InterfaceIndex(1), flags: IfStatusFlags::ADMIN_UP, deleted: false };
    assert_eq!(body(&event), [0x01, 0x23, 0x80, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1, 0]);
    let (envelope, _) = decode_body::<SwInterfaceEvent>(&body(&event)).expect("its own bytes");
    assert_eq!(envelope, Envelope { client_index: ENVELOPE.client_index, context: 0 });
}

#[test]
fn sockclnt_create_has_no_client_index() {
    let hello = SockclntCreate { name: FixedString::clipped("lbctl") };
    assert_eq!(body(&hello)[..12], *b"\x01\x23\x11\x22\x33\x44lbctl\0");
    assert_eq!(body(&hello).len(), 70);
}

#[test]
fn names_and_crcs_agree() {
    assert_eq!(LbConfGet::NAME, "lb_conf_get");
    assert_eq!(LbConfGet::CRC, 0x5107_7d14);
    assert_eq!(LbConfGet::NAME_CRC, "lb_conf_get_51077d14");
}

#[test]
fn a_client_is_strict_and_a_server_is_not() {
    let mut long = body(&LbConfGet {});
    long.push(0);
    assert_eq!(decode_body::<LbConfGet>(&long), Err(DecodeError::Leftover { count: 1 }));
    assert!(decode_body_lenient::<LbConfGet>(&long).is_ok());
    let short = &long[..9];
    let wanted = DecodeError::Short { wanted: "context", need: 4, left: 3 };
    assert_eq!(decode_body::<LbConfGet>(short), Err(wanted.clone()));
    assert_eq!(decode_body_lenient::<LbConfGet>(short), Err(wanted));
}

#[test]
fn get_api_json_reply_may_have_one_spare_byte() {
    let reply = GetApiJsonReply { retval: Retval::OK, json: Text::from("[]") };
    let mut long = body(&reply);
    long.push(0);
    assert_eq!(decode_body::<GetApiJsonReply>(&long).map(|(_, reply)| reply), Ok(reply));
    long.push(0);
    assert_eq!(decode_body::<GetApiJsonReply>(&long), Err(DecodeError::Leftover { count: 2 }));
}

#[test]
fn sockclnt_delete_succeeds_with_1() {
    assert!(SockclntDeleteReply { response: 1 }.retval().is_ok());
    assert_eq!(SockclntDeleteReply { response: -1 }.status(), Some(Retval(-1)));
}

#[test]
fn only_cli_inband_explains_a_refusal() {
    let reply = CliInbandReply { retval: Retval(-1), reply: Text::from("lb vip: no\n") };
    assert_eq!(reply.text().as_deref(), Some("lb vip: no\n"));
    assert_eq!(LbConfReply { retval: Retval(-1) }.text(), None);
}

#[test]
fn a_body_of_one_byte_has_no_id() {
    assert_eq!(message_id(&[1]), None);
    assert_eq!(message_id(&[1, 2]), Some(0x0102));
}
