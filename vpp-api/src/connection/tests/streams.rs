//! Details as they come, gets with a cursor, and messages that the user declared.

use super::declared::{
    PathMtuDetails, PathMtuGet, PathMtuGetReply, PluginDetails, PluginDump, PluginEvent, PluginStart, PluginStartReply,
};
use super::*;
use crate::message::CALL_AGAIN;

fn weights(bodies: &[Bytes]) -> Vec<u8> {
    bodies.iter().map(|body| decode_body::<LbAsV2Details>(body).expect("good details").1.weight).collect()
}

fn mtu(path_mtu: u16) -> PathMtuDetails {
    PathMtuDetails { client_index: 0, context: 0, table_id: 0, nh: Address::default(), path_mtu }
}

#[test]
fn details_can_be_taken_before_the_last_of_them_is_there() {
    let mut connection = connected();
    let context = connection.dump(&LbAsV2Dump::all(), "dump").expect("known");
    connection.announce_details(context);
    let two = [from_vpp(context, &details(1)), from_vpp(context, &details(2))].concat();
    connection.handle_bytes(&two).expect("good frames");
    assert!(matches!(connection.poll_event(), Some(Event::Arrived { context: told }) if told == context));
    assert!(connection.poll_event().is_none(), "one event for what came at once");
    let (tag, bodies) = connection.take_details(context).expect("it goes on");
    assert_eq!((*tag, weights(&bodies)), ("dump", vec![1, 2]));
    assert_eq!(connection.take_details(context).map(|(_, bodies)| bodies.len()), Some(0));

    // The rest comes with the end.
    let rest = [from_vpp(context, &details(3)), from_vpp(context, &ping_reply())].concat();
    connection.handle_bytes(&rest).expect("good frames");
    assert!(matches!(connection.poll_event(), Some(Event::Arrived { .. })));
    assert!(connection.take_details(context).is_none(), "it is over");
    let Some(Event::Details { tag: "dump", bodies, .. }) = connection.poll_event() else { panic!("the end") };
    assert_eq!(weights(&bodies), [3]);
}

#[test]
fn details_are_announced_to_those_alone_who_asked() {
    let mut connection = connected();
    let quiet = connection.dump(&LbAsV2Dump::all(), "quiet").expect("known");
    let call = connection.call(&ShowVersion {}, "call").expect("known");
    connection.announce_details(call);
    connection.announce_details(12345);
    connection.handle_bytes(&from_vpp(quiet, &details(1))).expect("a good frame");
    assert!(connection.poll_event().is_none());
    assert!(connection.take_details(call).is_none());
    // Who did not ask may take them all the same.
    assert_eq!(connection.take_details(quiet).map(|(_, bodies)| weights(&bodies)), Some(vec![1]));
}

#[test]
fn a_get_is_one_frame_and_ends_with_its_own_reply() {
    let mut connection = connected();
    let first = PathMtuGet { cursor: u32::MAX };
    let context = connection.get(&first, "get").expect("declared");
    assert_eq!(sent(&mut connection), [(id::<PathMtuGet>(), context)]);
    let reply = PathMtuGetReply { retval: CALL_AGAIN, cursor: 7 };
    let stream = [from_vpp(context, &mtu(1500)), from_vpp(context, &mtu(9000)), from_vpp(context, &reply)].concat();
    connection.handle_bytes(&stream).expect("good frames");
    let Some(Event::Details { tag: "get", bodies, end }) = connection.poll_event() else { panic!("the end") };
    let mtus: Vec<_> =
        bodies.iter().map(|body| decode_body::<PathMtuDetails>(body).expect("good details").1.path_mtu).collect();
    assert_eq!(mtus, [1500, 9000]);
    assert_eq!(decode_body::<PathMtuGetReply>(&end).map(|(_, end)| end), Ok(reply.clone()));
    assert_eq!(connection.outstanding(), 0);

    assert_eq!(first.following(&reply), Some(PathMtuGet { cursor: 7 }));
    for retval in [Retval::OK, Retval::INVALID_VALUE] {
        assert_eq!(first.following(&PathMtuGetReply { retval, cursor: 7 }), None);
    }
}

#[test]
fn a_get_answered_with_another_message_is_a_mismatch() {
    let mut connection = connected();
    let context = connection.get(&PathMtuGet { cursor: 0 }, "get").expect("declared");
    connection.handle_bytes(&from_vpp(context, &ping_reply())).expect("a good frame");
    assert!(matches!(connection.poll_event(), Some(Event::Mismatch { tag: "get", message: "ip_path_mtu_get", .. })));
}

#[test]
fn answers_that_the_user_declared_are_learnt_with_the_call() {
    let mut connection = connected();
    let reply = PluginStartReply { retval: Retval::OK, run: 1 };
    // Before anybody uses the messages they are as unknown as any other.
    let early = [from_vpp(1, &reply), from_vpp(1, &PluginDetails { run: 1 }), from_vpp(0, &PluginEvent { run: 1 })];
    connection.handle_bytes(&early.concat()).expect("good frames");
    assert_eq!(connection.counters().unknown_messages, 3);
    assert!(connection.poll_event().is_none());

    let call = connection.call(&PluginStart {}, "call").expect("declared");
    let dump = connection.dump(&PluginDump {}, "dump").expect("declared");
    let stream =
        [from_vpp(call, &reply), from_vpp(dump, &PluginDetails { run: 1 }), from_vpp(dump, &ping_reply())].concat();
    connection.handle_bytes(&stream).expect("good frames");
    assert!(matches!(connection.poll_event(), Some(Event::Reply { tag: "call", .. })));
    assert!(matches!(connection.poll_event(), Some(Event::Details { tag: "dump", bodies, .. }) if bodies.len() == 1));
    assert_eq!(connection.counters().unknown_messages, 3);
}

#[test]
fn an_event_that_the_user_declared_is_told_once_it_is_listened_for() {
    let mut connection = connected::<()>();
    assert_eq!(connection.listen::<PluginEvent>(), Ok(id::<PluginEvent>()));
    connection.handle_bytes(&from_vpp(0, &PluginEvent { run: 1 })).expect("a good frame");
    let Some(Event::Notice { name_crc, body }) = connection.poll_event() else { panic!("an event") };
    assert_eq!(name_crc, PluginEvent::NAME_CRC);
    assert_eq!(decode_body::<PluginEvent>(&body).map(|(_, event)| event), Ok(PluginEvent { run: 1 }));
    assert_eq!(connection.counters().events, 1);
}

#[test]
fn an_event_vpp_lacks_cannot_be_listened_for() {
    let names: Vec<_> = table().into_iter().filter(|(_, name)| !name.starts_with("plugin_event_")).collect();
    let mut connection =
        Handshake::new(Config::default()).handle_bytes::<()>(&welcome(0, &names)).expect("good").expect("all of it");
    let absent = Absent { name_crc: PluginEvent::NAME_CRC, other: None };
    assert_eq!(connection.listen::<PluginEvent>(), Err(absent));
}

proptest! {
    /// However bytes are cut and however often details are taken, each comes once and in order.
    #[test]
    fn no_detail_is_lost_or_doubled(count in 0_u8..40, chunk in 1_usize..200, take in 1_usize..5) {
        let mut connection = connected();
        let context = connection.dump(&LbAsV2Dump::all(), ()).expect("known");
        connection.announce_details(context);
        let mut stream: Vec<u8> = (0..count).flat_map(|weight| from_vpp(context, &details(weight))).collect();
        stream.extend(from_vpp(context, &ping_reply()));
        let mut seen = Vec::new();
        for (step, piece) in stream.chunks(chunk).enumerate() {
            connection.handle_bytes(piece).expect("good frames");
            // An event that is polled late, when the call may be over, does no harm.
            if step % take == 0 {
                settle(&mut connection, &mut seen);
            }
        }
        settle(&mut connection, &mut seen);
        prop_assert_eq!(seen, (0..count).collect::<Vec<_>>());
        prop_assert_eq!(connection.outstanding(), 0);
    }
}

fn settle(connection: &mut Connection<()>, seen: &mut Vec<u8>) {
    while let Some(event) = connection.poll_event() {
        match event {
            Event::Arrived { context } => {
                if let Some((_, bodies)) = connection.take_details(context) {
                    seen.extend(weights(&bodies));
                }
            }
            Event::Details { bodies, .. } => seen.extend(weights(&bodies)),
            other => panic!("unexpected {other:?}"),
        }
    }
}
