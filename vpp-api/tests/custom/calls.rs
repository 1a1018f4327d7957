//! A client and a server that both know the plugin, on the two ends of a socket pair.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use vpp_api::client::{Client, Options};
use vpp_api::error::{CallError, DecodeError};
use vpp_api::messages::memclnt::{ControlPing, ControlPingReply};
use vpp_api::server::{AnyRequest, Incoming, Names, ServedTable, Session};
use vpp_api::types::{FixedString, Retval};

use crate::acme::*;

#[tokio::test]
async fn a_call_of_a_declared_message_gets_its_declared_reply() {
    let client = client().await;
    let rule = Rule { matches: vec![Match::default(); 3].try_into().expect("three"), ..Rule::default() };
    let reply = client.call(&AcmeAdd { rule, ..AcmeAdd::default() }).await.expect("the server adds it");
    assert_eq!(reply.index, RuleIndex(3));
}

#[tokio::test]
async fn a_refusal_of_a_declared_message_has_its_name() {
    let client = client().await;
    match client.call(&AcmeAdd::default()).await {
        Err(CallError::Refused { message: "acme_add", retval: Retval::INVALID_VALUE, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_dump_of_a_declared_message_gets_its_details() {
    let client = client().await;
    let rows = client.dump(&AcmeDump::default()).await.expect("the server dumps");
    let names: Vec<_> = rows.iter().map(|row| row.name.to_string()).collect();
    assert_eq!(names, ["first", "second"]);
}

#[tokio::test]
async fn a_message_without_an_answer_arrives_in_its_place() {
    let client = client().await;
    client.send(&AcmeNudge { dummy: 7 }).expect("the server has it");
    let reply = client.call(&AcmeAdd::default()).await;
    // The server refuses with what the nudge told it.
    assert!(matches!(reply, Err(CallError::Refused { retval: Retval(-7), .. })), "{reply:?}");
    assert_eq!((client.counters().frames_sent, client.counters().frames_received), (2, 1));

    client.close();
    client.closed().await;
    assert!(matches!(client.send(&AcmeNudge { dummy: 7 }), Err(CallError::Disconnected(_))));
}

#[test]
fn a_request_is_read_as_what_it_is_and_as_nothing_else() {
    let body: &[u8] = &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2];
    let name = Some("want_acme_events_3ec6d6c2".to_owned());
    let short = AnyRequest::Unknown { id: 1, name, body: bytes::Bytes::from_static(body) };
    let error = DecodeError::Short { wanted: "pid", need: 4, left: 1 };
    assert_eq!(short.read::<WantAcmeEvents>(), Some(Err(error)));
    assert_eq!(short.read::<AcmeAdd>(), None);
    assert_eq!(AnyRequest::from(ControlPing {}).read::<AcmeAdd>(), None);
}

/// A client of a server that serves this crate's messages and the plugin's.
async fn client() -> Client {
    let mut names = Names::of_this_crate();
    visit(&mut names);
    let table = Arc::new(ServedTable::new(names, 5));
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    tokio::spawn(serve(theirs, Session::new(table, 0x8000_0001)));
    Client::from_stream(ours, Options::default()).await.expect("the handshake succeeds")
}

async fn serve(mut stream: UnixStream, mut session: Session) {
    let mut buffer = [0; 4096];
    let mut refusal = Retval::INVALID_VALUE;
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        session.handle_bytes(&buffer[..count]);
        while let Some(incoming) = session.poll_request().expect("the client sends good frames") {
            answer(&mut session, &incoming, &mut refusal);
        }
        stream.write_all(&session.take_output()).await.expect("the client takes bytes");
    }
}

/// What adds nothing gets `refusal`, which a nudge sets.
fn answer(session: &mut Session, Incoming { context, client_index, request, .. }: &Incoming, refusal: &mut Retval) {
    if let Some(add) = request.read::<AcmeAdd>() {
        let add = add.expect("the client sends whole requests");
        let (retval, index) = match add.rule.matches.len() {
            0 => (*refusal, RuleIndex::NONE),
            count => (Retval::OK, RuleIndex(u32::try_from(count).expect("a few"))),
        };
        session.reply(*context, &AcmeAddReply { retval, index }).expect("it is served");
    } else if let Some(nudge) = request.read::<AcmeNudge>() {
        let nudge = nudge.expect("the client sends whole messages");
        assert_eq!(*context, 0, "no answer is wanted");
        *refusal = Retval(-i32::try_from(nudge.dummy).expect("a small number"));
    } else if request.read::<AcmeDump>().is_some() {
        for name in ["first", "second"] {
            let row = AcmeDetails { name: FixedString::clipped(name), ..AcmeDetails::default() };
            session.reply(*context, &row).expect("it is served");
        }
    } else if request.read::<ControlPing>().is_some() {
        let reply = ControlPingReply { retval: Retval::OK, client_index: *client_index, vpe_pid: 1 };
        session.reply(*context, &reply).expect("it is served");
    }
}
