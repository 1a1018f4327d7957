//! Dumps and gets, one element at a time.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};
use vpp_api::client::{CallResult, Client, DumpStream, Options};
use vpp_api::error::{CallError, Disconnect, ReplyError};
use vpp_api::message::{CALL_AGAIN, Message, decode_body};
use vpp_api::messages::lb::{LbAsV2Details, LbAsV2Dump};
use vpp_api::server::{AnyRequest, ServedTable};
use vpp_api::types::Retval;

use crate::declared::{
    PathMtuDetails, PathMtuGet, PathMtuGetReply, PluginTableDetails, PluginTableGet, PluginTableGetReply, names,
};
use crate::peer::{Log, Peer, assert_still_good, details, pong};

fn stream(client: &Client) -> DumpStream<LbAsV2Dump> {
    client.dump_stream(&LbAsV2Dump::all())
}

#[tokio::test]
async fn rows_come_before_the_last_of_them_is_there() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let mut rows = stream(&client);
    let dump = peer.next().await;
    let end = peer.next().await;
    for number in 1..=3 {
        peer.reply(dump.context, &details(number)).await;
        assert_eq!(rows.next().await.expect("a row").expect("a good row"), details(number));
    }
    assert!(futures_util::poll!(std::pin::pin!(rows.next())).is_pending());
    peer.session.reply(dump.context, &details(4)).expect("served");
    peer.reply(end.context, &pong()).await;
    assert_eq!(rows.next().await.expect("a row").expect("a good row"), details(4));
    for _ in 0..2 {
        assert!(rows.next().await.is_none());
    }
}

#[tokio::test]
async fn a_stream_has_what_a_dump_has() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let all: Vec<_> = (0..20_000).map(|row| LbAsV2Details { num_buckets: row, ..details(1) }).collect();
    let (found, ()) = tokio::join!(stream(&client).try_collect::<Vec<_>>(), peer.answer_dump(all.clone()));
    assert_eq!(found.expect("the dump succeeds"), all);
    let (found, ()) = tokio::join!(stream(&client).try_collect::<Vec<_>>(), peer.answer_dump::<LbAsV2Details>(vec![]));
    assert_eq!(found.expect("the dump succeeds"), []);
}

#[tokio::test]
async fn a_reader_that_does_not_read_stalls_nobody() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let rows = stream(&client);
    // Far more than a socket buffers.
    let all: Vec<_> = (0..20_000).map(|row| LbAsV2Details { num_buckets: row, ..details(1) }).collect();
    peer.answer_dump(all.clone()).await;
    assert_still_good(&client, &mut peer).await;
    assert_eq!(rows.try_collect::<Vec<_>>().await.expect("the dump succeeds"), all);
}

#[tokio::test]
async fn a_stream_dropped_midway_disturbs_nobody() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let mut rows = stream(&client);
    let dump = peer.next().await;
    peer.reply(dump.context, &details(1)).await;
    rows.next().await.expect("a row").expect("a good row");
    drop(rows);
    peer.reply(dump.context, &details(2)).await;
    let end = peer.next().await;
    peer.reply(end.context, &pong()).await;
    assert_still_good(&client, &mut peer).await;
    let counters = client.counters();
    assert_eq!((counters.unknown_contexts, counters.unknown_messages), (0, 0));
}

#[tokio::test]
async fn streams_and_calls_at_once_get_their_own_answers() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let (one, two) = (stream(&client), stream(&client));
    let (first, second) = (peer.next().await, peer.next().await);
    assert!(matches!(second.request, AnyRequest::ControlPing(_)));
    let (third, fourth) = (peer.next().await, peer.next().await);
    for number in 1..=3 {
        peer.reply(first.context, &details(number)).await;
        peer.reply(third.context, &details(number + 10)).await;
    }
    assert_still_good(&client, &mut peer).await;
    peer.reply(fourth.context, &pong()).await;
    peer.reply(second.context, &pong()).await;
    let (one, two) = tokio::join!(one.try_collect::<Vec<_>>(), two.try_collect::<Vec<_>>());
    assert_eq!(one.expect("the dump succeeds"), [details(1), details(2), details(3)]);
    assert_eq!(two.expect("the dump succeeds"), [details(11), details(12), details(13)]);
}

#[tokio::test]
async fn a_stream_ends_with_the_first_error() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let mut rows = stream(&client);
    let dump = peer.next().await;
    peer.session.reply(dump.context, &details(1)).expect("served");
    peer.flush().await;
    peer.send_body(&[&peer.id::<LbAsV2Details>()[..], &dump.context.to_be_bytes(), &[0; 4]].concat()).await;
    peer.reply(dump.context, &details(2)).await;
    rows.next().await.expect("a row").expect("a good row");
    let error = rows.next().await.expect("an item").expect_err("a malformed row");
    assert!(matches!(error, CallError::Malformed { message: "lb_as_v2_dump", .. }), "{error:?}");
    assert!(rows.next().await.is_none());
    let end = peer.next().await;
    peer.reply(end.context, &pong()).await;
    assert_still_good(&client, &mut peer).await;

    let mut rows = stream(&client);
    peer.next().await;
    drop(peer);
    assert!(matches!(rows.next().await, Some(Err(CallError::Disconnected(Disconnect::Eof)))));
    assert!(rows.next().await.is_none());
    assert!(matches!(stream(&client).next().await, Some(Err(CallError::Disconnected(Disconnect::Eof)))));
}

#[tokio::test]
async fn a_stream_keeps_the_connection_open_until_it_is_over() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let rows = stream(&client);
    drop(client);
    let (found, ()) = tokio::join!(rows.try_collect::<Vec<_>>(), peer.answer_dump(vec![details(1)]));
    assert_eq!(found.expect("the dump succeeds"), [details(1)]);
    assert_eq!(peer.try_next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_its_time_is_not_a_vpp_that_does() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let mut rows = stream(&client);
    peer.answer_dump(vec![details(1), details(2)]).await;
    assert_still_good(&client, &mut peer).await;
    for number in 1..=2 {
        tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
        assert_eq!(rows.next().await.expect("a row").expect("a good row"), details(number));
    }
    assert!(rows.next().await.is_none());
    assert!(!client.is_closed());
}

/// Reads a get and answers it with `mtus` and `reply`; gives the cursor it asked for.
async fn answer_get(peer: &mut Peer, mtus: &[u16], reply: PathMtuGetReply) -> u32 {
    let incoming = peer.next().await;
    let AnyRequest::Unknown { body, .. } = &incoming.request else { panic!("a get, not {incoming:?}") };
    let (_, PathMtuGet { cursor }) = decode_body(body).expect("what was declared");
    for path_mtu in mtus {
        peer.session.reply(incoming.context, &mtu(*path_mtu)).expect("served");
    }
    peer.reply(incoming.context, &reply).await;
    cursor
}

fn mtu(path_mtu: u16) -> PathMtuDetails {
    PathMtuDetails { client_index: 0, context: 0, table_id: 0, family: 0, nh: [0; 4], path_mtu }
}

fn again(cursor: u32) -> PathMtuGetReply {
    PathMtuGetReply { retval: CALL_AGAIN, cursor }
}

const DONE: PathMtuGetReply = PathMtuGetReply { retval: Retval::OK, cursor: u32::MAX };
const ALL: PathMtuGet = PathMtuGet { cursor: u32::MAX };

async fn getting(options: Options) -> (Client, Peer) {
    Peer::serving(ServedTable::new(names(), 3), options).await
}

#[tokio::test]
async fn a_get_is_asked_until_vpp_has_no_more() {
    let log = Arc::new(Log::default());
    let (client, mut peer) = getting(Options { observer: Some(log.clone()), ..Options::default() }).await;
    let (found, cursors) = tokio::join!(client.get(&ALL), async {
        [
            answer_get(&mut peer, &[1, 2], again(2)).await,
            answer_get(&mut peer, &[3], again(3)).await,
            answer_get(&mut peer, &[], again(9)).await,
            answer_get(&mut peer, &[4], DONE).await,
        ]
    });
    assert_eq!(cursors, [u32::MAX, 2, 3, 9]);
    assert_eq!(found.expect("the get succeeds"), [mtu(1), mtu(2), mtu(3), mtu(4)]);
    let calls = log.seen();
    assert_eq!(calls.len(), 10, "the handshake, and each part is a call");
    assert!(
        calls[2..]
            .chunks(2)
            .all(|call| { call == [("ip_path_mtu_get", None), ("ip_path_mtu_get", Some(CallResult::Ok))] })
    );
    assert_still_good(&client, &mut peer).await;
}

#[tokio::test]
async fn the_next_part_is_asked_for_when_this_one_was_read() {
    let (client, mut peer) = getting(Options::default()).await;
    let mut rows = client.get_stream(&ALL);
    assert_eq!(answer_get(&mut peer, &[1, 2], again(2)).await, u32::MAX);
    assert_eq!(rows.next().await.expect("a row").expect("a good row"), mtu(1));
    assert_eq!(rows.next().await.expect("a row").expect("a good row"), mtu(2));
    assert_still_good(&client, &mut peer).await;
    assert_eq!(client.counters().frames_sent, 2, "nothing was asked for yet");
    assert!(futures_util::poll!(std::pin::pin!(rows.next())).is_pending());
    assert!(rows.reply().is_none());
    assert_eq!(answer_get(&mut peer, &[3], DONE).await, 2);
    assert_eq!(rows.next().await.expect("a row").expect("a good row"), mtu(3));
    assert!(rows.next().await.is_none());
    assert_eq!(rows.reply(), Some(&DONE));
    assert!(rows.next().await.is_none());
}

#[tokio::test]
async fn a_get_dropped_midway_asks_for_no_more() {
    let (client, mut peer) = getting(Options::default()).await;
    let mut rows = client.get_stream(&ALL);
    let cursor = answer_get(&mut peer, &[1, 2], again(2));
    let (row, cursor) = tokio::join!(rows.next(), cursor);
    assert_eq!((row.expect("a row").expect("a good row"), cursor), (mtu(1), u32::MAX));
    drop(rows);
    assert_still_good(&client, &mut peer).await;
    assert_eq!(client.counters().frames_sent, 2);
}

#[tokio::test]
async fn a_get_that_is_refused_ends_with_the_refusal() {
    let (client, mut peer) = getting(Options::default()).await;
    let refusal = PathMtuGetReply { retval: Retval::INVALID_VALUE, cursor: 0 };
    let rows = client.get_stream(&ALL).collect::<Vec<_>>();
    let (rows, _) = tokio::join!(rows, answer_get(&mut peer, &[1], refusal));
    assert_eq!(rows.len(), 2);
    assert!(matches!(&rows[0], Ok(row) if *row == mtu(1)));
    assert!(matches!(&rows[1], Err(CallError::Refused { message: "ip_path_mtu_get", .. })));
    assert_still_good(&client, &mut peer).await;
}

#[tokio::test]
async fn a_get_that_gets_nowhere_ends() {
    let (client, mut peer) = getting(Options::default()).await;
    let (outcome, ()) = tokio::join!(client.get(&PathMtuGet { cursor: 5 }), async {
        answer_get(&mut peer, &[1], again(5)).await;
        answer_get(&mut peer, &[], again(5)).await;
    });
    let Err(CallError::Malformed { source, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(source, ReplyError::Stuck);
    assert_still_good(&client, &mut peer).await;
}

/// The same request would begin anew, for ever.
#[tokio::test]
async fn a_get_without_a_cursor_has_one_part() {
    let (client, mut peer) = getting(Options::default()).await;
    for retval in [Retval::OK, CALL_AGAIN] {
        let (outcome, ()) = tokio::join!(client.get(&PluginTableGet {}), async {
            let context = peer.next().await.context;
            peer.session.reply(context, &PluginTableDetails { row: 1 }).expect("served");
            peer.reply(context, &PluginTableGetReply { retval }).await;
        });
        match outcome {
            Ok(rows) => assert_eq!((rows, retval), (vec![PluginTableDetails { row: 1 }], Retval::OK)),
            Err(CallError::Refused { retval, .. }) => assert_eq!(retval, CALL_AGAIN),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_still_good(&client, &mut peer).await;
}

#[tokio::test]
async fn a_get_that_vpp_lacks_is_absent() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let Err(CallError::Absent(absent)) = client.get(&ALL).await else { panic!("it is absent") };
    assert_eq!(absent.name_crc, PathMtuGet::NAME_CRC);
    assert_still_good(&client, &mut peer).await;
}
