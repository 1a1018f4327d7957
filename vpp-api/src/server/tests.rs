use std::sync::Arc;

use bytes::{BufMut, BytesMut};

use super::*;
use crate::error::{DecodeError, FrameError};
use crate::frame::{DEFAULT_MAX_LEN, FrameDecoder, encode_frame};
use crate::message::{Envelope, Kind, Message, decode_body, encode_body, message_id};
use crate::messages::interface::SwInterfaceEvent;
use crate::messages::lb::{LbAsV2Dump, LbConfGet};
use crate::messages::memclnt::{ControlPing, SockclntCreate, SockclntCreateReply};
use crate::messages::vpe::ShowVersion;
use crate::messages::{Visitor, visit_all};
use crate::types::{FixedString, IfStatusFlags, InterfaceIndex};

const CLIENT: u32 = 0x8000_0001;

fn session() -> Session {
    Session::new(Arc::new(ServedTable::of_this_crate(1)), CLIENT)
}

fn frame(fill: impl FnOnce(&mut BytesMut)) -> BytesMut {
    let mut out = BytesMut::new();
    encode_frame(&mut out, DEFAULT_MAX_LEN, fill).expect("a small body");
    out
}

fn request<M: Message>(table: &ServedTable, context: u32, message: &M) -> BytesMut {
    let id = table.table().id_of::<M>().expect("the message is served");
    frame(|out| encode_body(id, Envelope { client_index: CLIENT, context }, message, out))
}

fn bodies(output: &[u8]) -> Vec<bytes::Bytes> {
    let mut decoder = FrameDecoder::new(DEFAULT_MAX_LEN);
    decoder.extend(output);
    std::iter::from_fn(|| decoder.next_frame().expect("good frames")).collect()
}

#[test]
fn every_message_that_clients_send_is_in_the_list() {
    struct Check;

    impl Visitor for Check {
        fn visit<M: Message>(&mut self) {
            assert_eq!(AnyRequest::decoder(M::NAME_CRC).is_some(), M::KIND.is_from_client(), "{}", M::NAME);
        }
    }

    visit_all(&mut Check);
    assert!(!Kind::Details.is_from_client());
}

#[test]
fn the_messages_of_memclnt_have_their_fixed_ids() {
    let table = ServedTable::new(["lb_conf_56cd3261"], 99);
    assert_eq!(table.table().id("memclnt_create_9c5e1c2f"), Some(1));
    assert_eq!(table.table().id("sockclnt_create_455fb9c4"), Some(15));
    assert_eq!(table.table().id("control_ping_51077d14"), Some(23));
    assert_eq!(table.table().id("get_api_json_reply_ea715b59"), Some(28));
    assert_eq!(table.table().id("lb_conf_56cd3261"), Some(29));
    assert_eq!(table.table().len(), 29);
}

#[test]
fn the_seed_alone_decides_the_ids() {
    let ids = |seed| {
        let table = ServedTable::of_this_crate(seed);
        let mut ids: Vec<_> = table.table().iter().map(|(name, id)| (name.to_owned(), id)).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(1), ids(1));
    assert_ne!(ids(1), ids(2));
}

#[test]
fn names_that_are_double_are_served_once() {
    let table = ServedTable::new(["a_00000000", "a_00000000", "control_ping_51077d14"], 1);
    assert_eq!(table.table().len(), 29);
}

#[test]
fn more_names_than_ids_are_left_out() {
    let table = ServedTable::new((0..70_000).map(|n| format!("message{n}_00000000")), 1);
    assert_eq!(table.table().len(), usize::from(u16::MAX));
}

#[test]
fn sockclnt_create_is_answered_and_seen() {
    let mut session = session();
    let hello = SockclntCreate { name: FixedString::clipped("lbctl") };
    for context in [7, 8] {
        session.handle_bytes(&frame(|out| encode_body(15, Envelope { client_index: 0, context }, &hello, out)));
        let incoming = session.poll_request().expect("a good frame").expect("a request");
        assert_eq!(incoming, Incoming { context, client_index: 0, request: hello.clone().into() });
        let output = bodies(&session.take_output());
        assert_eq!(message_id(&output[0]), Some(16));
        let (envelope, reply) = decode_body::<SockclntCreateReply>(&output[0]).expect("a good reply");
        assert_eq!(envelope, Envelope { client_index: 0, context });
        assert_eq!((reply.response, reply.index), (0, CLIENT));
        assert_eq!(reply.message_table.len(), session.table().table().len());
    }
}

#[test]
fn rows_come_in_no_order() {
    let reply = ServedTable::of_this_crate(1).welcome(CLIENT);
    assert!(!reply.message_table.is_sorted_by_key(|row| row.index));
}

#[test]
fn requests_come_in_order_from_pieces_of_any_size() {
    let mut session = session();
    let stream = [
        request(session.table(), 1, &ShowVersion {}),
        request(session.table(), 2, &LbAsV2Dump::all()),
        request(session.table(), 3, &ControlPing {}),
    ]
    .concat();
    let mut names = Vec::new();
    for byte in stream {
        session.handle_bytes(&[byte]);
        while let Some(incoming) = session.poll_request().expect("good frames") {
            assert_eq!(incoming.client_index, CLIENT);
            names.push((incoming.context, incoming.request.name().to_owned()));
        }
    }
    let names: Vec<_> = names.iter().map(|(context, name)| (*context, name.as_str())).collect();
    assert_eq!(names, [(1, "show_version"), (2, "lb_as_v2_dump"), (3, "control_ping")]);
}

#[test]
fn extra_bytes_are_ignored_and_missing_ones_are_told() {
    let mut session = session();
    let id = session.table().table().id_of::<LbAsV2Dump>().expect("served");
    let envelope = Envelope { client_index: CLIENT, context: 5 };
    let mut body = BytesMut::new();
    encode_body(id, envelope, &LbAsV2Dump::all(), &mut body);
    session.handle_bytes(&frame(|out| {
        out.put_slice(&body);
        out.put_slice(b"extra");
    }));
    session.handle_bytes(&frame(|out| out.put_slice(&body[..30])));
    let long = session.poll_request().expect("a good frame").expect("a request");
    assert_eq!(long.request, LbAsV2Dump::all().into());
    let short = session.poll_request().expect("a good frame").expect("a request");
    assert_eq!(short.request.name(), "lb_as_v2_dump");
    assert_eq!(short.context, 5);
    let source = DecodeError::Short { wanted: "port", need: 2, left: 1 };
    assert_eq!(short.request, AnyRequest::Truncated { name: "lb_as_v2_dump", source });
    assert!(session.take_output().is_empty(), "VPP says nothing");
}

#[test]
fn what_has_no_type_keeps_its_bytes() {
    let table = Arc::new(ServedTable::new(["acl_dump_ef34fea4"], 1));
    let mut session = Session::new(table, CLIENT);
    let body = b"\x00\x1d\x80\x00\x00\x01\x00\x00\x00\x09more";
    session.handle_bytes(&frame(|out| out.put_slice(body)));
    let incoming = session.poll_request().expect("a good frame").expect("a request");
    assert_eq!(incoming.request.name(), "acl_dump");
    assert_eq!((incoming.client_index, incoming.context), (CLIENT, 9));
    let name = Some("acl_dump_ef34fea4".to_owned());
    assert_eq!(incoming.request, AnyRequest::Unknown { id: 29, name, body: body[..].into() });
}

#[test]
fn bodies_without_an_id_are_requests_of_nobody() {
    let mut session = session();
    for body in [&b""[..], b"\x00"] {
        session.handle_bytes(&frame(|out| out.put_slice(body)));
        let incoming = session.poll_request().expect("a good frame").expect("a request");
        assert_eq!((incoming.context, incoming.client_index, incoming.request.name()), (0, 0, ""));
    }
}

#[test]
fn a_reply_sent_as_a_request_is_unknown() {
    let mut session = session();
    session.handle_bytes(&frame(|out| out.put_slice(&[0, 24, 0, 0])));
    let incoming = session.poll_request().expect("a good frame").expect("a request");
    assert!(matches!(incoming.request, AnyRequest::Unknown { id: 24, .. }));
    assert_eq!(incoming.request.name(), "control_ping_reply");
}

#[test]
fn an_absurd_length_ends_the_session() {
    let mut session = session();
    session.handle_bytes(&[0xff; 16]);
    let oversized = FrameError::Oversized { len: u32::MAX as usize, max: DEFAULT_MAX_LEN };
    assert_eq!(session.poll_request(), Err(SessionError::Frame(oversized)));
}

#[test]
fn what_is_not_served_is_not_sent() {
    let mut session = Session::new(Arc::new(ServedTable::new([""; 0], 1)), CLIENT);
    let reply = crate::messages::lb::LbConfReply { retval: crate::types::Retval::OK };
    assert_eq!(session.reply(1, &reply), Err(NotServed { name_crc: "lb_conf_reply_e8d4e804" }));
    assert!(session.take_output().is_empty());
}

#[test]
fn an_event_carries_the_clients_index() {
    let mut session = session();
    let event =
        SwInterfaceEvent { pid: 1, sw_if_index: InterfaceIndex(2), flags: IfStatusFlags::LINK_UP, deleted: false };
    session.event(&event).expect("served");
    let output = bodies(&session.take_output());
    let (envelope, decoded) = decode_body::<SwInterfaceEvent>(&output[0]).expect("a good event");
    assert_eq!((envelope.client_index, decoded), (CLIENT, event));
}

#[test]
fn the_output_can_be_broken_before_it_leaves() {
    let mut session = session();
    session.handle_bytes(&request(session.table().clone().as_ref(), 1, &LbConfGet {}));
    session.poll_request().expect("a good frame").expect("a request");
    let reply = crate::messages::lb::LbConfReply { retval: crate::types::Retval::OK };
    session.reply(1, &reply).expect("served");
    session.raw_output()[8..12].fill(0xff);
    assert_eq!(session.take_output()[8..12], [0xff; 4]);
}

#[cfg(feature = "serde")]
#[test]
fn requests_serialise_as_their_fields() {
    let json = |request: AnyRequest| serde_json::to_string(&request).expect("plain data");
    assert_eq!(json(ControlPing {}.into()), "{}");
    assert_eq!(json(LbAsV2Dump::all().into()), r#"{"pfx":"0.0.0.0/0","protocol":0,"port":0}"#);
    let unknown = AnyRequest::Unknown { id: 9, name: None, body: bytes::Bytes::from_static(&[0, 0x0f]) };
    assert_eq!(json(unknown), r#"{"id":9,"body":"000f"}"#);
    let source = DecodeError::Short { wanted: "port", need: 2, left: 1 };
    let truncated = AnyRequest::Truncated { name: "lb_as_v2_dump", source };
    assert_eq!(json(truncated), r#"{"truncated":"body ends inside `port`: 2 bytes needed, 1 left"}"#);
}
