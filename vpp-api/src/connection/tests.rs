mod declared;
mod streams;

use std::collections::BTreeMap;

use bytes::BufMut;
use proptest::prelude::*;

use super::handshake::{HELLO_ID, HELLO_REPLY_ID};
use super::*;
use crate::error::{Absent, DecodeError, ProtocolError};
use crate::frame::DEFAULT_MAX_LEN;
use crate::message::{decode_body, message_id};
use crate::messages::interface::{SwInterfaceDump, SwInterfaceEvent};
use crate::messages::lb::{LbAsV2Details, LbAsV2Dump, LbConfGet, LbConfReply, LbVip};
use crate::messages::memclnt::{MemclntKeepalive, MessageTableEntry};
use crate::messages::vpe::{ShowVersion, ShowVersionReply, ShowVpeSystemTimeReply};
use crate::messages::{Visitor, visit_all};
use crate::types::{Address, Counted, FixedString, IfStatusFlags, InterfaceIndex, Retval, Timestamp};

const CLIENT: u32 = 0x8000_0001;

fn table() -> Vec<(u16, &'static str)> {
    struct Names(Vec<(u16, &'static str)>);

    impl Visitor for Names {
        fn visit<M: Message>(&mut self) {
            let next = 100 + self.0.len() as u16;
            let id = match M::NAME {
                "sockclnt_create" => HELLO_ID,
                "sockclnt_create_reply" => HELLO_REPLY_ID,
                _ => next,
            };
            self.0.push((id, M::NAME_CRC));
        }
    }

    let mut names = Names(Vec::new());
    visit_all(&mut names);
    declared::visit(&mut names);
    names.0
}

fn id<M: Message>() -> u16 {
    table().iter().find(|(_, name)| *name == M::NAME_CRC).expect("it is in the table").0
}

fn frame(fill: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode_frame(&mut out, DEFAULT_MAX_LEN, fill).expect("a small body");
    out.to_vec()
}

fn from_vpp<M: Message>(context: u32, message: &M) -> Vec<u8> {
    frame(|out| encode_body(id::<M>(), Envelope { client_index: CLIENT, context }, message, out))
}

fn welcome(response: i32, names: &[(u16, &str)]) -> Vec<u8> {
    let rows: Vec<_> = names
        .iter()
        .map(|(index, name)| MessageTableEntry { index: *index, name: FixedString::clipped(name) })
        .collect();
    let message_table = Counted::try_from(rows).expect("few rows");
    let reply = SockclntCreateReply { response, index: CLIENT, message_table };
    frame(|out| encode_body(HELLO_REPLY_ID, Envelope { client_index: 0, context: 1 }, &reply, out))
}

fn connected<T>() -> Connection<T> {
    let mut handshake = Handshake::new(Config::default());
    handshake.poll_transmit().expect("sockclnt_create");
    handshake.handle_bytes(&welcome(0, &table())).expect("a good answer").expect("a whole answer")
}

/// Message ids and contexts of what the connection sends.
fn sent<T>(connection: &mut Connection<T>) -> Vec<(u16, u32)> {
    let mut decoder = FrameDecoder::new(DEFAULT_MAX_LEN);
    while let Some(bytes) = connection.poll_transmit() {
        decoder.extend(&bytes);
    }
    std::iter::from_fn(|| decoder.next_frame().expect("good frames"))
        .map(|body| {
            let context = u32::from_be_bytes([body[6], body[7], body[8], body[9]]);
            assert_eq!(body[2..6], CLIENT.to_be_bytes());
            (message_id(&body).expect("an id"), context)
        })
        .collect()
}

fn time_reply() -> ShowVpeSystemTimeReply {
    ShowVpeSystemTimeReply { retval: Retval::OK, vpe_system_time: Timestamp::from_secs(1.5) }
}

fn ping_reply() -> ControlPingReply {
    ControlPingReply { retval: Retval::OK, client_index: CLIENT, vpe_pid: 1 }
}

fn details(weight: u8) -> LbAsV2Details {
    LbAsV2Details {
        vip: LbVip::default(),
        app_srv: Address::default(),
        flags: 1,
        in_use_since: 0,
        weight,
        num_buckets: 0,
    }
}

#[test]
fn the_handshake_introduces_itself_once() {
    let mut handshake = Handshake::new(Config { name: FixedString::clipped("lbctl"), ..Config::default() });
    let bytes = handshake.poll_transmit().expect("sockclnt_create");
    assert_eq!(bytes.len(), HEADER_AND_HELLO);
    assert_eq!(bytes[16..18], [0, 15]);
    assert_eq!(bytes[22..28], *b"lbctl\0");
    assert_eq!(handshake.poll_transmit(), None);
}

#[test]
fn the_handshake_takes_bytes_at_every_split() {
    let stream = welcome(0, &table());
    for split in 0..stream.len() {
        let mut handshake = Handshake::new(Config::default());
        let early = handshake.handle_bytes::<()>(&stream[..split]).expect("nothing wrong yet");
        assert!(early.is_none(), "{split} bytes are not enough");
        let connection = handshake.handle_bytes::<()>(&stream[split..]).expect("a good answer").expect("all of it");
        assert_eq!(connection.client_index(), CLIENT);
        assert_eq!(connection.table().len(), table().len());
    }
}

#[test]
fn what_follows_the_handshake_is_not_lost() {
    let event =
        SwInterfaceEvent { pid: 1, sw_if_index: InterfaceIndex(1), flags: IfStatusFlags::ADMIN_UP, deleted: false };
    let stream = [welcome(0, &table()), from_vpp(0, &event)].concat();
    let mut connection =
        Handshake::new(Config::default()).handle_bytes::<()>(&stream).expect("a good answer").expect("all of it");
    assert!(matches!(connection.poll_event(), Some(Event::Notice { name_crc: SwInterfaceEvent::NAME_CRC, .. })));
}

#[test]
fn other_messages_before_the_answer_are_skipped() {
    let stream = [frame(|out| out.put_slice(&[0, 99, 1, 2])), welcome(0, &table())].concat();
    assert!(Handshake::new(Config::default()).handle_bytes::<()>(&stream).expect("a good answer").is_some());
}

#[test]
fn a_bad_handshake_says_what_was_wrong() {
    let outcome = |bytes: &[u8]| Handshake::new(Config::default()).handle_bytes::<()>(bytes).map(|_| ());
    assert_eq!(outcome(&welcome(-1, &[])), Err(ProtocolError::Unwelcome(Retval(-1))));
    assert_eq!(outcome(&frame(|_| {})), Err(ProtocolError::NoMessageId { len: 0 }));
    let short = DecodeError::Short { wanted: "client_index", need: 4, left: 0 };
    assert_eq!(outcome(&frame(|out| out.put_slice(&[0, 16]))), Err(ProtocolError::Handshake(short)));
    let oversized = FrameError::Oversized { len: u32::MAX as usize, max: DEFAULT_MAX_LEN };
    assert_eq!(outcome(&[0xff; 16]), Err(ProtocolError::Frame(oversized)));
}

#[test]
fn a_call_gets_its_reply_by_context() {
    let mut connection = connected();
    let first = connection.call(&ShowVersion {}, "first").expect("known");
    let second = connection.call(&crate::messages::vpe::ShowVpeSystemTime {}, "second").expect("known");
    assert_eq!(sent(&mut connection).len(), 2);
    assert_eq!(connection.outstanding(), 2);
    assert_eq!(connection.pending(first), Some("show_version"));

    // The second answer comes first: nothing depends on the order.
    connection.handle_bytes(&from_vpp(second, &time_reply())).expect("a good frame");
    let Some(Event::Reply { tag: "second", body }) = connection.poll_event() else {
        panic!("the reply to the second call");
    };
    assert_eq!(decode_body::<ShowVpeSystemTimeReply>(&body).map(|(_, reply)| reply), Ok(time_reply()));
    assert_eq!(connection.outstanding(), 1);
    assert_eq!(connection.pending(second), None);
    assert!(connection.poll_event().is_none());
}

#[test]
fn contexts_are_never_0_nor_a_client_index_nor_in_use() {
    let mut connection = connected();
    connection.last_context = MAX_CONTEXT - 1;
    let last = connection.call(&ShowVersion {}, ()).expect("known");
    let first = connection.call(&ShowVersion {}, ()).expect("known");
    assert_eq!((last, first), (MAX_CONTEXT, 1));
    connection.last_context = MAX_CONTEXT - 1;
    assert_eq!(connection.call(&ShowVersion {}, ()), Ok(2), "the other two are still outstanding");
}

#[test]
fn a_dump_is_two_frames_in_one_transmission_and_ends_with_the_ping() {
    let mut connection = connected();
    let context = connection.dump(&LbAsV2Dump::all(), "dump").expect("known");
    assert_eq!(connection.counters().transmissions, 0);
    assert_eq!(sent(&mut connection), [(id::<LbAsV2Dump>(), context), (id::<ControlPing>(), context)]);
    assert_eq!(connection.counters().transmissions, 1);

    for weight in 1..=3 {
        connection.handle_bytes(&from_vpp(context, &details(weight))).expect("a good frame");
        assert!(connection.poll_event().is_none());
    }
    connection.handle_bytes(&from_vpp(context, &ping_reply())).expect("a good frame");
    let Some(Event::Details { tag: "dump", bodies, end }) = connection.poll_event() else {
        panic!("the end of the dump");
    };
    let weights: Vec<_> =
        bodies.iter().map(|body| decode_body::<LbAsV2Details>(body).expect("good details").1.weight).collect();
    assert_eq!(weights, [1, 2, 3]);
    assert_eq!(decode_body::<ControlPingReply>(&end).map(|(_, reply)| reply), Ok(ping_reply()));
    assert_eq!(connection.outstanding(), 0);
}

#[test]
fn what_nobody_asked_for_is_counted_and_skipped() {
    let mut connection = connected();
    let context = connection.dump(&SwInterfaceDump::all(), ()).expect("known");
    let event =
        SwInterfaceEvent { pid: 1, sw_if_index: InterfaceIndex(1), flags: IfStatusFlags::default(), deleted: true };
    let stream = [
        from_vpp(context, &MemclntKeepalive {}),
        from_vpp(context, &event),
        // An id that VPP has and this crate does not know, one that nobody has, and a request.
        frame(|out| out.put_slice(&[0xff, 0xff])),
        from_vpp(context, &ShowVersion {}),
        from_vpp(context + 1, &time_reply()),
        from_vpp(context, &ping_reply()),
    ]
    .concat();
    connection.handle_bytes(&stream).expect("good frames");
    assert!(matches!(connection.poll_event(), Some(Event::Notice { .. })));
    assert!(matches!(connection.poll_event(), Some(Event::Details { bodies, .. }) if bodies.is_empty()));
    assert!(connection.poll_event().is_none());
    let counters = connection.counters();
    assert_eq!(
        (counters.keepalives, counters.events, counters.unknown_messages, counters.unknown_contexts),
        (1, 1, 2, 1)
    );
    assert_eq!((counters.frames_sent, counters.frames_received), (2, 6));
}

#[test]
fn an_event_whose_client_index_looks_like_a_context_is_still_an_event() {
    let mut connection = connected();
    let context = connection.call(&ShowVersion {}, ()).expect("known");
    let event =
        SwInterfaceEvent { pid: 1, sw_if_index: InterfaceIndex(1), flags: IfStatusFlags::default(), deleted: false };
    let envelope = Envelope { client_index: context, context: 0 };
    let bytes = frame(|out| encode_body(id::<SwInterfaceEvent>(), envelope, &event, out));
    connection.handle_bytes(&bytes).expect("a good frame");
    assert!(matches!(connection.poll_event(), Some(Event::Notice { .. })));
    assert_eq!(connection.outstanding(), 1);
}

#[test]
fn the_wrong_answer_ends_the_call_and_not_the_connection() {
    let mut connection = connected();
    let context = connection.call(&ShowVersion {}, "call").expect("known");
    connection.handle_bytes(&from_vpp(context, &time_reply())).expect("a good frame");
    let Some(Event::Mismatch { tag, message, got }) = connection.poll_event() else {
        panic!("a mismatch");
    };
    assert_eq!((tag, message, got), ("call", "show_version", ShowVpeSystemTimeReply::NAME_CRC));
    let dump = connection.dump(&LbAsV2Dump::all(), "dump").expect("known");
    connection.handle_bytes(&from_vpp(dump, &LbConfReply { retval: Retval::OK })).expect("a good frame");
    assert!(matches!(connection.poll_event(), Some(Event::Mismatch { tag: "dump", .. })));
}

#[test]
fn a_message_vpp_lacks_is_not_sent() {
    let names: Vec<_> = table().into_iter().filter(|(_, name)| !name.starts_with("lb_")).collect();
    let mut connection = Handshake::new(Config::default())
        .handle_bytes::<()>(&welcome(0, &names))
        .expect("a good answer")
        .expect("all of it");
    let absent = Absent { name_crc: LbConfGet::NAME_CRC, other: None };
    assert_eq!(connection.call(&LbConfGet {}, ()), Err(StartError::Absent(absent)));
    assert!(connection.dump(&LbAsV2Dump::all(), ()).is_err());
    assert_eq!(connection.poll_transmit(), None);
    assert_eq!(connection.outstanding(), 0);
}

#[test]
fn a_request_above_the_limit_is_not_sent() {
    let config = Config { max_frame: 8192, ..Config::default() };
    let mut connection =
        Handshake::new(config).handle_bytes::<()>(&welcome(0, &table())).expect("good").expect("all of it");
    let request = crate::messages::vlib::CliInband { cmd: "x".repeat(9000).as_str().into() };
    let too_large = StartError::TooLarge { message: "cli_inband", len: 9014, max: 8192 };
    assert_eq!(connection.call(&request, ()), Err(too_large));
    assert_eq!(connection.poll_transmit(), None);
}

#[test]
fn a_lost_stream_gives_the_calls_back() {
    let mut connection = connected();
    connection.call(&ShowVersion {}, "one").expect("known");
    let context = connection.call(&ShowVersion {}, "two").expect("known");
    connection.call(&ShowVersion {}, "three").expect("known");
    assert_eq!(connection.give_up(context), Some(("show_version", "two")));
    assert_eq!(connection.give_up(context), None);
    connection.handle_bytes(&[0xff; 16]).expect_err("an absurd length");
    connection.handle_bytes(&[0; 16]).expect_err("it stays lost");
    let mut tags: Vec<_> = connection.abandon().map(|(_, _, tag)| tag).collect();
    tags.sort_unstable();
    assert_eq!(tags, ["one", "three"]);
    assert_eq!(connection.outstanding(), 0);
}

#[test]
fn an_answer_without_a_context_breaks_the_protocol() {
    let mut connection = connected::<()>();
    let mut body = id::<ShowVersionReply>().to_be_bytes().to_vec();
    body.push(0);
    let error = connection.handle_bytes(&frame(|out| out.put_slice(&body))).expect_err("no context");
    let source = DecodeError::Short { wanted: "context", need: 4, left: 1 };
    assert_eq!(error, ProtocolError::Message { message: "show_version_reply", source });
}

/// What may happen to a connection, in any order.
#[derive(Clone, Debug)]
enum Op {
    Call,
    Dump,
    /// VPP answers the oldest, or some other request.
    Answer(prop::sample::Index),
    Details(prop::sample::Index),
    Noise,
    GiveUp(prop::sample::Index),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => Just(Op::Call),
        2 => Just(Op::Dump),
        4 => any::<prop::sample::Index>().prop_map(Op::Answer),
        2 => any::<prop::sample::Index>().prop_map(Op::Details),
        1 => Just(Op::Noise),
        1 => any::<prop::sample::Index>().prop_map(Op::GiveUp),
    ]
}

proptest! {
    /// Against a model of who waits for what: each call ends once, with its own answer, whatever the order and the
    /// pieces in which bytes arrive.
    #[test]
    fn every_call_ends_once_with_its_own_answer(ops in prop::collection::vec(op(), 0..60), chunk in 1_usize..40) {
        let mut connection = connected();
        // Context to what was asked, and how many details were sent.
        let mut waiting: BTreeMap<u32, (bool, usize)> = BTreeMap::new();
        let mut stream = Vec::new();
        let mut expected = Vec::new();
        for (tag, op) in ops.into_iter().enumerate() {
            match op {
                Op::Call => {
                    let context = connection.call(&ShowVersion {}, tag).expect("known");
                    prop_assert!(waiting.insert(context, (false, 0)).is_none());
                }
                Op::Dump => {
                    let context = connection.dump(&LbAsV2Dump::all(), tag).expect("known");
                    prop_assert!(waiting.insert(context, (true, 0)).is_none());
                }
                Op::Answer(index) if !waiting.is_empty() => {
                    let context = *index.get(&waiting.keys().copied().collect::<Vec<_>>());
                    let (is_dump, count) = waiting.remove(&context).expect("it is a key");
                    if is_dump {
                        stream.extend(from_vpp(context, &ping_reply()));
                    } else {
                        let reply = ShowVersionReply {
                            retval: Retval(context as i32),
                            program: FixedString::default(),
                            version: FixedString::default(),
                            build_date: FixedString::default(),
                            build_directory: FixedString::default(),
                        };
                        stream.extend(from_vpp(context, &reply));
                    }
                    expected.push((is_dump, count));
                }
                Op::Details(index) if waiting.values().any(|(is_dump, _)| *is_dump) => {
                    let dumps: Vec<_> = waiting.iter().filter(|(_, (is_dump, _))| *is_dump).map(|(c, _)| *c).collect();
                    let context = *index.get(&dumps);
                    waiting.get_mut(&context).expect("it is a key").1 += 1;
                    stream.extend(from_vpp(context, &details(1)));
                }
                Op::GiveUp(index) if !waiting.is_empty() => {
                    // Only what is on its way may arrive before this.
                    for piece in std::mem::take(&mut stream).chunks(chunk) {
                        connection.handle_bytes(piece).expect("good frames");
                    }
                    let context = *index.get(&waiting.keys().copied().collect::<Vec<_>>());
                    waiting.remove(&context);
                    prop_assert!(connection.give_up(context).is_some());
                }
                Op::Noise => stream.extend(from_vpp(u32::MAX, &time_reply())),
                _ => {}
            }
        }
        for piece in stream.chunks(chunk) {
            connection.handle_bytes(piece).expect("good frames");
        }
        let mut ended = Vec::new();
        let mut tags = std::collections::HashSet::new();
        while let Some(event) = connection.poll_event() {
            let tag = match event {
                Event::Reply { tag, .. } => {
                    ended.push((false, 0));
                    tag
                }
                Event::Details { tag, bodies, .. } => {
                    ended.push((true, bodies.len()));
                    tag
                }
                other => panic!("unexpected {other:?}"),
            };
            prop_assert!(tags.insert(tag), "call {tag} ended twice");
        }
        prop_assert_eq!(ended, expected);
        prop_assert_eq!(connection.outstanding(), waiting.len());
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut connection = connected::<()>();
        connection.call(&ShowVersion {}, ()).expect("known");
        let _ = connection.handle_bytes(&bytes);
        let mut handshake = Handshake::new(Config::default());
        let _ = handshake.handle_bytes::<()>(&bytes);
    }

    #[test]
    fn random_bodies_never_panic(bodies in prop::collection::vec((95_u16..170, prop::collection::vec(any::<u8>(), 0..80)), 0..20)) {
        let mut connection = connected::<()>();
        connection.dump(&LbAsV2Dump::all(), ()).expect("known");
        for (id, rest) in bodies {
            let bytes = frame(|out| {
                out.put_u16(id);
                out.put_slice(&rest);
            });
            if connection.handle_bytes(&bytes).is_err() {
                break;
            }
        }
        while connection.poll_event().is_some() {}
    }
}

const HEADER_AND_HELLO: usize = 16 + 70;
