//! Calls, dumps and events.

use std::sync::Arc;

use crate::peer::{CLIENT_INDEX, Log, Peer, assert_still_good, details, event, pong, version};
use futures_util::future::join_all;
use vpp_api::client::{CallResult, Notice, Options};
use vpp_api::error::{Absent, CallError, DecodeError, Disconnect, ReplyError};
use vpp_api::messages::interface::SwInterfaceEvent;
use vpp_api::messages::lb::{
    LbAsV2Details, LbAsV2Dump, LbConfGet, LbFlushVip, LbFlushVipReply, LbVipDetails, LbVipDump,
};
use vpp_api::messages::memclnt::{
    ControlPing, ControlPingReply, MemclntKeepalive, SockclntDelete, SockclntDeleteReply,
};
use vpp_api::messages::vlib::{CliInband, CliInbandReply};
use vpp_api::messages::vpe::{ShowVersion, ShowVersionReply, ShowVpeSystemTime, ShowVpeSystemTimeReply};
use vpp_api::server::{AnyRequest, ServedTable};
use vpp_api::types::{IpProto, Prefix, Retval, Text, Timestamp};

#[tokio::test]
async fn a_call_is_answered() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let (reply, ()) = tokio::join!(client.call(&ShowVersion {}), async {
        let incoming = peer.next().await;
        assert_eq!(incoming.client_index, CLIENT_INDEX);
        assert_eq!(incoming.request, ShowVersion {}.into());
        peer.reply(incoming.context, &version("26.10")).await;
    });
    assert_eq!(reply.expect("the call succeeds").version.to_str_lossy(), "26.10");
}

#[tokio::test]
async fn calls_in_flight_get_their_own_replies_in_any_order() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let calls = join_all((0..100).map(|number| {
        let client = client.clone();
        async move { client.call(&CliInband { cmd: Text::from(format!("{number}")) }).await }
    }));
    let (replies, ()) = tokio::join!(calls, async {
        let mut waiting = Vec::new();
        for _ in 0..100 {
            waiting.push(peer.next().await);
        }
        for incoming in waiting.into_iter().rev() {
            let AnyRequest::CliInband(CliInband { cmd }) = incoming.request else { panic!("what was called") };
            peer.reply(incoming.context, &CliInbandReply { retval: Retval::OK, reply: cmd }).await;
        }
    });
    for (number, reply) in replies.into_iter().enumerate() {
        assert_eq!(reply.expect("the call succeeds").reply.to_str_lossy(), number.to_string());
    }
}

#[tokio::test]
async fn what_is_called_at_once_leaves_in_one_write() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let (replies, ()) = tokio::join!(join_all((0..64).map(|_| client.call(&ControlPing {}))), async {
        for _ in 0..64 {
            let incoming = peer.next().await;
            peer.reply(incoming.context, &pong()).await;
        }
    });
    assert!(replies.iter().all(Result::is_ok));
    let counters = client.counters();
    assert_eq!((counters.frames_sent, counters.transmissions), (64, 1));
}

#[tokio::test]
async fn a_dump_and_its_ping_leave_in_one_write() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let all = LbAsV2Dump::all();
    let (rows, ()) = tokio::join!(client.dump(&all), peer.answer_dump(vec![details(1), details(2)]));
    assert_eq!(rows.expect("the dump succeeds"), [details(1), details(2)]);
    let counters = client.counters();
    assert_eq!((counters.frames_sent, counters.transmissions), (2, 1));
}

#[tokio::test]
async fn an_empty_dump_is_an_empty_list() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let all = LbVipDump::all();
    let (rows, ()) = tokio::join!(client.dump(&all), peer.answer_dump::<LbVipDetails>(vec![]));
    assert_eq!(rows.expect("the dump succeeds"), []);
}

#[tokio::test]
async fn a_dump_larger_than_every_buffer_arrives_whole() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let rows: Vec<_> = (0..20_000).map(|row| LbAsV2Details { num_buckets: row, ..details(1) }).collect();
    let all = LbAsV2Dump::all();
    let (found, ()) = tokio::join!(client.dump(&all), peer.answer_dump(rows.clone()));
    assert_eq!(found.expect("the dump succeeds"), rows);
}

#[tokio::test]
async fn nothing_that_comes_between_disturbs_a_dump() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let mut events = client.events::<SwInterfaceEvent>().expect("served");
    let all = LbAsV2Dump::all();
    let (rows, ()) = tokio::join!(client.dump(&all), async {
        let dump = peer.next().await;
        peer.reply(dump.context, &details(1)).await;
        peer.reply(dump.context, &MemclntKeepalive {}).await;
        peer.session.event(&event(1)).expect("served");
        // An id nobody has, and the answer to a call nobody made.
        peer.send_body(&[0xff, 0xff, 0, 0, 0, 1]).await;
        peer.reply(dump.context + 1, &details(3)).await;
        peer.reply(dump.context, &details(2)).await;
        let end = peer.next().await;
        peer.reply(end.context, &pong()).await;
    });
    assert_eq!(rows.expect("the dump succeeds"), [details(1), details(2)]);
    assert_eq!(events.next().await.expect("an event").expect("the connection is good"), Notice::Event(event(1)));
    let counters = client.counters();
    assert_eq!(
        (counters.keepalives, counters.events, counters.unknown_messages, counters.unknown_contexts),
        (1, 1, 1, 1)
    );
}

#[tokio::test]
async fn a_refusal_names_message_and_code_and_leaves_the_connection_good() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let request = LbFlushVip { pfx: Prefix::default(), protocol: IpProto::TCP, port: 80 };
    let (outcome, ()) = tokio::join!(client.call(&request), async {
        let incoming = peer.next().await;
        peer.reply(incoming.context, &LbFlushVipReply { retval: Retval::VALUE_EXIST }).await;
    });
    let error = outcome.expect_err("VPP said no");
    assert!(matches!(error, CallError::Refused { message: "lb_flush_vip", retval: Retval(-81), text: None }));
    assert_eq!(error.to_string(), "lb_flush_vip refused: -81 VALUE_EXIST (Value already exists)");
    assert_still_good(&client, &mut peer).await;
}

#[tokio::test]
async fn a_refused_command_says_what_it_printed() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let request = CliInband { cmd: Text::from("no such command") };
    let (outcome, ()) = tokio::join!(client.call(&request), async {
        let incoming = peer.next().await;
        let reply = Text::from("unknown input `no such command'\n");
        peer.reply(incoming.context, &CliInbandReply { retval: Retval(-1), reply }).await;
    });
    assert_eq!(
        outcome.expect_err("VPP said no").to_string(),
        "cli_inband refused: -1 UNSPECIFIED (Unspecified Error): unknown input `no such command'"
    );
}

#[tokio::test]
async fn sockclnt_delete_succeeds_with_1_and_the_connection_ends() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let request = SockclntDelete { index: client.client_index() };
    let (outcome, ()) = tokio::join!(client.call(&request), async {
        let incoming = peer.next().await;
        peer.reply(incoming.context, &SockclntDeleteReply { response: 1 }).await;
    });
    outcome.expect("1 is success here");
    drop(peer);
    assert!(matches!(client.closed().await, Disconnect::Eof));
}

#[tokio::test]
async fn a_message_vpp_lacks_is_told_from_one_with_another_layout() {
    let served = [
        "show_version_51077d14",
        "show_version_reply_c919bde1",
        "lb_conf_get_51077d14",
        "lb_conf_get_reply_00000000",
        "lb_as_v2_details_90064aae",
    ];
    let (client, mut peer) = Peer::serving(ServedTable::new(served, 3), Options::default()).await;
    assert!(client.supports::<ShowVersion>());
    assert!(!client.supports::<LbAsV2Dump>());

    let all = LbAsV2Dump::all();
    let Err(CallError::Absent(absent)) = client.dump(&all).await else { panic!("it is absent") };
    assert_eq!(absent, Absent { name_crc: "lb_as_v2_dump_1063f819", other: None });
    // A known request whose reply has another layout is as useless.
    let Err(CallError::Absent(absent)) = client.call(&LbConfGet {}).await else { panic!("it is absent") };
    assert_eq!(absent.name_crc, "lb_conf_get_reply_923427ac");
    assert_eq!(absent.other.as_deref(), Some("lb_conf_get_reply_00000000"));
    assert_still_good(&client, &mut peer).await;
    assert_eq!(client.counters().frames_sent, 1, "what is absent is not sent");
}

#[tokio::test]
async fn a_request_above_the_limit_is_refused_here() {
    let options = Options { max_frame: 1 << 20, ..Options::default() };
    let (client, mut peer) = Peer::connected(options).await;
    let outcome = client.call(&CliInband { cmd: Text::from(vec![b'x'; 2 << 20]) }).await;
    assert!(matches!(outcome, Err(CallError::TooLarge { message: "cli_inband", len: 2_097_166, max: 1_048_576 })));
    assert_still_good(&client, &mut peer).await;
}

#[tokio::test]
async fn a_malformed_reply_ends_its_call_alone() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let (outcome, other, ()) = tokio::join!(client.call(&ShowVersion {}), client.call(&ControlPing {}), async {
        let incoming = peer.next().await;
        let body = [&peer.id::<ShowVersionReply>()[..], &incoming.context.to_be_bytes(), &[0; 4], b"vpe"].concat();
        peer.send_body(&body).await;
        let ping = peer.next().await;
        peer.reply(ping.context, &pong()).await;
    });
    let Err(CallError::Malformed { message: "show_version", source }) = outcome else { panic!("{outcome:?}") };
    let short = DecodeError::Short { wanted: "program", need: 32, left: 3 };
    assert_eq!(source, ReplyError::Decode { message: "show_version_reply", source: short });
    other.expect("the other call succeeds");
    assert_still_good(&client, &mut peer).await;
}

#[tokio::test]
async fn extra_bytes_in_a_reply_are_malformed_too() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let (outcome, ()) = tokio::join!(client.call(&ControlPing {}), async {
        let incoming = peer.next().await;
        let body = [&peer.id::<ControlPingReply>()[..], &incoming.context.to_be_bytes(), &[0; 13]].concat();
        peer.send_body(&body).await;
    });
    let Err(CallError::Malformed { source: ReplyError::Decode { source, .. }, .. }) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(source, DecodeError::Leftover { count: 1 });
}

#[tokio::test]
async fn an_answer_of_the_wrong_type_ends_its_call_alone() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let (outcome, ()) = tokio::join!(client.call(&ShowVersion {}), async {
        let incoming = peer.next().await;
        peer.reply(incoming.context, &pong()).await;
    });
    let Err(CallError::Malformed { message: "show_version", source }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(source, ReplyError::WrongMessage { got: "control_ping_reply_f6b0b8ca" });
    assert_still_good(&client, &mut peer).await;
}

#[tokio::test]
async fn a_malformed_row_fails_its_dump_alone() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let all = LbAsV2Dump::all();
    let (outcome, ()) = tokio::join!(client.dump(&all), async {
        let dump = peer.next().await;
        peer.reply(dump.context, &details(1)).await;
        peer.send_body(&[&peer.id::<LbAsV2Details>()[..], &dump.context.to_be_bytes(), &[0; 4]].concat()).await;
        let end = peer.next().await;
        peer.reply(end.context, &pong()).await;
    });
    assert!(matches!(outcome, Err(CallError::Malformed { message: "lb_as_v2_dump", .. })), "{outcome:?}");
    assert_still_good(&client, &mut peer).await;
}

#[tokio::test]
async fn a_dropped_call_disturbs_nobody() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    // Dropped once before and once after VPP has the request.
    {
        let early = client.call(&ShowVersion {});
        let mut early = std::pin::pin!(early);
        assert!(futures_util::poll!(&mut early).is_pending());
    }
    {
        let late = client.call(&ShowVpeSystemTime {});
        let mut late = std::pin::pin!(late);
        assert!(futures_util::poll!(&mut late).is_pending());
        assert_eq!(peer.next().await.request.name(), "show_version");
        assert_eq!(peer.next().await.request.name(), "show_vpe_system_time");
    }
    assert_still_good(&client, &mut peer).await;
    // The answers come when nobody waits, and are taken for what they are.
    peer.reply(1, &version("late")).await;
    let time = ShowVpeSystemTimeReply { retval: Retval::OK, vpe_system_time: Timestamp::from_secs(1.0) };
    peer.reply(2, &time).await;
    assert_still_good(&client, &mut peer).await;
    let counters = client.counters();
    assert_eq!((counters.unknown_contexts, counters.frames_received), (0, 4));
}

#[tokio::test]
async fn a_dropped_dump_disturbs_nobody() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    {
        let all = LbAsV2Dump::all();
        let dump = client.dump(&all);
        let mut dump = std::pin::pin!(dump);
        assert!(futures_util::poll!(&mut dump).is_pending());
    }
    peer.answer_dump(vec![details(1)]).await;
    let all = LbAsV2Dump::all();
    let (rows, ()) = tokio::join!(client.dump(&all), peer.answer_dump(vec![details(2)]));
    assert_eq!(rows.expect("the dump succeeds"), [details(2)]);
}

#[tokio::test]
async fn calls_wait_while_vpp_does_not_read() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    // Far more than a socket buffers.
    let cmd = Text::from(vec![b'x'; 200_000]);
    let calls = join_all((0..20).map(|_| {
        let (client, cmd) = (client.clone(), cmd.clone());
        async move { client.call(&CliInband { cmd }).await }
    }));
    let (outcomes, ()) = tokio::join!(calls, async {
        for _ in 0..20 {
            let incoming = peer.next().await;
            peer.reply(incoming.context, &CliInbandReply { retval: Retval::OK, reply: Text::default() }).await;
        }
    });
    assert!(outcomes.iter().all(Result::is_ok));
}

#[tokio::test]
async fn an_observer_is_told_of_every_call_once() {
    let log = Arc::new(Log::default());
    let options = Options { observer: Some(log.clone()), ..Options::default() };
    let served = ["show_version_51077d14", "show_version_reply_c919bde1"];
    let (client, mut peer) = Peer::serving(ServedTable::new(served, 3), options).await;
    assert_still_good(&client, &mut peer).await;
    client.call(&LbConfGet {}).await.expect_err("it is absent");
    {
        let dropped = client.call(&ControlPing {});
        let mut dropped = std::pin::pin!(dropped);
        assert!(futures_util::poll!(&mut dropped).is_pending());
    }
    let (outcome, ()) = tokio::join!(client.call(&ControlPing {}), async move { drop(peer) });
    outcome.expect_err("VPP is gone");
    assert_eq!(
        log.seen(),
        [
            ("sockclnt_create", None),
            ("sockclnt_create", Some(CallResult::Ok)),
            ("show_version", None),
            ("show_version", Some(CallResult::Ok)),
            ("lb_conf_get", None),
            ("lb_conf_get", Some(CallResult::Absent)),
            ("control_ping", None),
            ("control_ping", Some(CallResult::Cancelled)),
            ("control_ping", None),
            ("control_ping", Some(CallResult::Disconnected)),
        ]
    );
    assert_eq!(CallResult::TimedOut.as_str(), "timeout");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clones_work_from_many_threads() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    client.call(&ControlPing {}).await.expect("the call succeeds");
                }
            })
        })
        .collect();
    for _ in 0..400 {
        let incoming = peer.next().await;
        peer.reply(incoming.context, &pong()).await;
    }
    for task in tasks {
        task.await.expect("no call failed");
    }
    assert_eq!(client.counters().frames_received, 400);
}
