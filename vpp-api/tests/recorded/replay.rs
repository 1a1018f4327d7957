//! The connection in the place of the client that was recorded: it sends the same bytes, and understands the answers.

use bytes::Bytes;
use vpp_api::connection::{Config, Connection, Event, Handshake, StartError};
use vpp_api::frame::HEADER_LEN;
use vpp_api::message::{Envelope, Kind, decode_body_lenient, message_id};
use vpp_api::messages::memclnt::{ControlPing, SockclntCreate};
use vpp_api::server::{AnyRequest, ServedTable, Session as VppSession};

use crate::session::{Frame, RELEASES, Session};

#[test]
fn the_connection_sends_what_the_python_client_sent_and_takes_all_it_got() {
    for release in RELEASES {
        let Some(session) = Session::read(release) else { return };
        let mut calls = 0;
        let mut connection = handshake(&session);
        // Calls were made one after the other: requests of one context, then what answers them.
        let mut frames = session.frames[2..].iter().peekable();
        while let Some(first) = frames.next() {
            let request = read(&session, &first.body);
            calls += 1;
            let mut sent = first.bytes.clone();
            let mut answer = Vec::new();
            let mut answers = 0;
            while let Some(frame) = frames.next_if(|frame| same_call(&session, first, frame)) {
                if frame.from_client {
                    sent.extend(&frame.bytes);
                } else {
                    answer.extend(&frame.bytes);
                    answers += 1;
                }
            }

            let name = request.name().to_owned();
            start(&mut connection, request).unwrap_or_else(|error| panic!("{release}: {name}: {error}"));
            assert_eq!(connection.poll_transmit().expect("a request"), sent, "{release}: {name}");
            connection.handle_bytes(&answer).unwrap_or_else(|error| panic!("{release}: {name}: {error}"));
            match connection.poll_event().expect("an answer") {
                Event::Reply { .. } => assert_eq!(answers, 1, "{release}: {name}"),
                // The reply to the ping is not one of them.
                Event::Details { bodies, .. } => assert_eq!(bodies.len(), answers - 1, "{release}: {name}"),
                other => panic!("{release}: {name}: {other:?}"),
            }
            assert_eq!(connection.outstanding(), 0, "{release}: {name}");
        }
        assert!(calls > 20, "{release}: only {calls} calls");
        let counters = connection.counters();
        assert_eq!((counters.unknown_messages, counters.unknown_contexts), (0, 0), "{release}");
    }
}

#[test]
fn a_served_session_reads_what_the_python_client_sent() {
    for release in RELEASES {
        let Some(session) = Session::read(release) else { return };
        let table = ServedTable::new(session.table.iter().map(|(name, _)| name), 5);
        assert_eq!(table.table().len(), session.table.len());
        let mut served = VppSession::new(table.into(), 0x8000_0001);
        for frame in session.frames.iter().filter(|frame| frame.from_client) {
            // The same request under the id that it has here.
            let seen = session.understand(&frame.body);
            let name_crc = session.table.name(message_id(&frame.body).expect("an id")).expect("it was looked up");
            let id = served.table().table().id(name_crc).expect("it is served");
            let mut bytes = frame.bytes.clone();
            bytes[HEADER_LEN..HEADER_LEN + 2].copy_from_slice(&id.to_be_bytes());

            served.handle_bytes(&bytes);
            let incoming = served.poll_request().expect("a good frame").expect("a whole frame");
            assert_eq!(incoming.request.name(), seen.name, "{release}");
            let envelope = Envelope { client_index: incoming.client_index, context: incoming.context };
            assert_eq!(envelope, seen.envelope, "{release}: {}", seen.name);
        }
    }
}

fn handshake(session: &Session) -> Connection<()> {
    let [hello, welcome, ..] = &session.frames[..] else { panic!("a recording begins with a handshake") };
    let (envelope, SockclntCreate { name }) = decode_body_lenient(&hello.body).expect("sockclnt_create");
    let mut handshake = Handshake::new(Config { name, ..Config::default() });
    let mut sent = handshake.poll_transmit().expect("sockclnt_create").to_vec();
    // The context of the handshake is each client's own choice.
    sent[18..22].copy_from_slice(&envelope.context.to_be_bytes());
    assert_eq!(sent, hello.bytes);
    handshake.handle_bytes(&welcome.bytes).expect("a good answer").expect("all of it")
}

/// Whether `frame` belongs to the call that `first` began. All of these have a context.
fn same_call(session: &Session, first: &Frame, frame: &Frame) -> bool {
    let context = |body: &Bytes| session.understand(body).envelope.context;
    context(&frame.body) == context(&first.body)
}

fn read(session: &Session, body: &Bytes) -> AnyRequest {
    let seen = session.understand(body);
    assert!(matches!(seen.kind, Kind::Request | Kind::Dump), "a call begins with a request, not {}", seen.name);

    macro_rules! read_one_of {
        ($($module:ident::$ty:ident)*) => {
            $( if seen.name == <vpp_api::messages::$module::$ty as vpp_api::message::Message>::NAME {
                let (_, request) = decode_body_lenient::<vpp_api::messages::$module::$ty>(body).expect("it was read");
                return request.into();
            } )*
        };
    }

    read_one_of! {
        memclnt::SockclntDelete memclnt::ControlPing vpe::ShowVersion vlib::CliInband ip::IpRouteLookup lb::LbConf
        lb::LbConfGet lb::LbAddDelVipV2 lb::LbAddDelAs lb::LbAddDelAsV2 lb::LbAsSetWeight lb::LbFlushVip
        lb::LbVipDump lb::LbAsDump lb::LbAsV2Dump interface::SwInterfaceDump
    }
    panic!("{} was never recorded before", seen.name)
}

fn start(connection: &mut Connection<()>, request: AnyRequest) -> Result<u32, StartError> {
    match request {
        AnyRequest::SockclntDelete(request) => connection.call(&request, ()),
        AnyRequest::ControlPing(ControlPing {}) => connection.call(&ControlPing {}, ()),
        AnyRequest::ShowVersion(request) => connection.call(&request, ()),
        AnyRequest::CliInband(request) => connection.call(&request, ()),
        AnyRequest::IpRouteLookup(request) => connection.call(&request, ()),
        AnyRequest::LbConf(request) => connection.call(&request, ()),
        AnyRequest::LbConfGet(request) => connection.call(&request, ()),
        AnyRequest::LbAddDelVipV2(request) => connection.call(&request, ()),
        AnyRequest::LbAddDelAs(request) => connection.call(&request, ()),
        AnyRequest::LbAddDelAsV2(request) => connection.call(&request, ()),
        AnyRequest::LbAsSetWeight(request) => connection.call(&request, ()),
        AnyRequest::LbFlushVip(request) => connection.call(&request, ()),
        AnyRequest::LbVipDump(request) => connection.dump(&request, ()),
        AnyRequest::LbAsDump(request) => connection.dump(&request, ()),
        AnyRequest::LbAsV2Dump(request) => connection.dump(&request, ()),
        AnyRequest::SwInterfaceDump(request) => connection.dump(&request, ()),
        other => panic!("{other:?} was never recorded before"),
    }
}
