//! Subscriptions to events.

use futures_util::{StreamExt, TryStreamExt};
use vpp_api::client::{Client, Notice, Options};
use vpp_api::error::{CallError, DecodeError, Disconnect};
use vpp_api::message::{Message, decode_body};
use vpp_api::messages::interface::{SwInterfaceEvent, WantInterfaceEvents, WantInterfaceEventsReply};
use vpp_api::server::{AnyRequest, ServedTable};
use vpp_api::types::Retval;

use crate::declared::{PluginEvent, WantPluginEvents, WantPluginEventsReply, names};
use crate::peer::{Peer, assert_still_good, event};

const WANT: WantInterfaceEvents = WantInterfaceEvents { enable_disable: 1, pid: 7 };
const UNWANT: WantInterfaceEvents = WantInterfaceEvents { enable_disable: 0, pid: 7 };
const ALREADY: Retval = Retval(-31);

/// Answers the next request, which has to be `expected`.
async fn answer_want(peer: &mut Peer, expected: &WantInterfaceEvents, retval: Retval) {
    let incoming = peer.next().await;
    assert_eq!(incoming.request, AnyRequest::from(expected.clone()));
    peer.reply(incoming.context, &WantInterfaceEventsReply { retval }).await;
}

#[tokio::test]
async fn events_reach_every_subscriber_until_the_connection_ends() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let mut first = client.events::<SwInterfaceEvent>().expect("served");
    let (second, ()) = tokio::join!(client.subscribe(&WANT), answer_want(&mut peer, &WANT, Retval::OK));
    let mut second = second.expect("VPP accepts it");
    for number in 1..=2 {
        peer.session.event(&event(number)).expect("served");
    }
    peer.flush().await;
    for events in [&mut first, &mut second] {
        for number in 1..=2 {
            assert_eq!(events.next().await.expect("an item").expect("an event"), Notice::Event(event(number)));
        }
    }
    drop(peer);
    for events in [&mut first, &mut second] {
        assert!(matches!(events.next().await, Some(Err(Disconnect::Eof))));
        assert!(events.next().await.is_none(), "the reason is the last item");
    }
    // Who comes too late hears why at once.
    let late: Vec<_> = client.events::<SwInterfaceEvent>().expect("served").collect().await;
    assert!(matches!(late[..], [Err(Disconnect::Eof)]));
}

#[tokio::test]
async fn the_stream_gives_what_next_gives() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let events = client.events::<SwInterfaceEvent>().expect("served");
    for number in 0..3 {
        peer.session.event(&event(number)).expect("served");
    }
    peer.flush().await;
    let seen: Vec<_> = events.take(3).try_collect().await.expect("the connection is good");
    assert_eq!(seen, [Notice::Event(event(0)), Notice::Event(event(1)), Notice::Event(event(2))]);
}

#[tokio::test]
async fn a_slow_subscriber_is_told_what_it_missed_and_has_the_newest() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let mut events = client.events::<SwInterfaceEvent>().expect("served");
    for number in 0..300 {
        peer.session.event(&event(number)).expect("served");
    }
    peer.flush().await;
    assert_still_good(&client, &mut peer).await;
    assert_eq!(events.next().await.expect("an item").expect("a notice"), Notice::Missed(44));
    for number in 44..300 {
        assert_eq!(events.next().await.expect("an item").expect("an event"), Notice::Event(event(number)));
    }
}

#[tokio::test]
async fn an_event_that_does_not_decode_is_told_and_ends_nothing() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let mut events = client.events::<SwInterfaceEvent>().expect("served");
    let id = peer.id::<SwInterfaceEvent>();
    peer.send_body(&[&id[..], &[0; 8]].concat()).await;
    peer.session.event(&event(1)).expect("served");
    peer.flush().await;
    let short = DecodeError::Short { wanted: "sw_if_index", need: 4, left: 0 };
    assert_eq!(events.next().await.expect("an item").expect("a notice"), Notice::Malformed(short));
    assert_eq!(events.next().await.expect("an item").expect("an event"), Notice::Event(event(1)));
    assert_still_good(&client, &mut peer).await;
}

#[tokio::test]
async fn events_that_nobody_listens_to_are_counted_and_not_looked_into() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    drop(client.events::<SwInterfaceEvent>());
    let id = peer.id::<SwInterfaceEvent>();
    peer.send_body(&id).await;
    peer.session.event(&event(1)).expect("served");
    peer.flush().await;
    assert_still_good(&client, &mut peer).await;
    assert_eq!(client.counters().events, 2);
}

#[tokio::test]
async fn events_can_be_declared_outside_this_crate() {
    let (client, mut peer) = Peer::serving(ServedTable::new(names(), 3), Options::default()).await;
    peer.session.event(&PluginEvent { pid: 1, run: 1 }).expect("served");
    peer.flush().await;
    assert_still_good(&client, &mut peer).await;
    assert_eq!(client.counters().unknown_messages, 1, "nobody has told of it yet");

    let want = WantPluginEvents { enable: true, about: 3 };
    let (events, ()) = tokio::join!(client.subscribe::<PluginEvent>(&want), async {
        let incoming = peer.next().await;
        // The event overtakes the reply: it is not lost.
        peer.session.event(&PluginEvent { pid: 1, run: 2 }).expect("served");
        peer.reply(incoming.context, &WantPluginEventsReply { retval: Retval::OK }).await;
    });
    let mut events = events.expect("VPP accepts it");
    let first = events.next().await.expect("an item").expect("an event");
    assert_eq!(first, Notice::Event(PluginEvent { pid: 1, run: 2 }));
    assert_eq!(client.counters().unknown_messages, 1);

    assert_eq!(client.events::<SwInterfaceEvent>().expect_err("not served").name_crc, SwInterfaceEvent::NAME_CRC);
    let Err(CallError::Absent(_)) = client.subscribe::<SwInterfaceEvent>(&WANT).await else { panic!("not served") };
}

#[tokio::test]
async fn a_registration_that_is_there_is_good_and_a_refusal_is_not() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let subscribe = || client.subscribe::<SwInterfaceEvent>(&WANT);
    let (outcome, ()) = tokio::join!(subscribe(), answer_want(&mut peer, &WANT, ALREADY));
    outcome.expect("VPP sends the events");
    let (outcome, ()) = tokio::join!(subscribe(), answer_want(&mut peer, &WANT, Retval::UNSPECIFIED));
    assert!(matches!(outcome, Err(CallError::Refused { message: "want_interface_events", .. })), "{outcome:?}");
}

async fn hold(client: &Client) -> vpp_api::client::Events<SwInterfaceEvent> {
    client.subscribe_until_dropped(&WANT, UNWANT).await.expect("VPP accepts it")
}

#[tokio::test]
async fn the_last_that_holds_to_a_registration_ends_it() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let (first, ()) = tokio::join!(hold(&client), answer_want(&mut peer, &WANT, Retval::OK));
    let (second, ()) = tokio::join!(hold(&client), answer_want(&mut peer, &WANT, ALREADY));
    // This one holds to nothing.
    let listener = client.events::<SwInterfaceEvent>().expect("served");
    drop(first);
    assert_still_good(&client, &mut peer).await;
    drop(second);
    answer_want(&mut peer, &UNWANT, Retval::OK).await;
    drop(listener);
    assert_still_good(&client, &mut peer).await;
    assert_eq!(client.counters().unknown_contexts, 0, "the answer that nobody reads was expected");
}

#[tokio::test]
async fn a_subscription_behind_one_that_ends_stands() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let (first, ()) = tokio::join!(hold(&client), answer_want(&mut peer, &WANT, Retval::OK));
    drop(first);
    let (_second, ()) = tokio::join!(hold(&client), async {
        // VPP handles them in this order.
        answer_want(&mut peer, &UNWANT, Retval::OK).await;
        answer_want(&mut peer, &WANT, Retval::OK).await;
    });
    assert_still_good(&client, &mut peer).await;
}

#[tokio::test]
async fn a_subscription_that_is_cancelled_or_refused_leaves_no_registration() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    {
        let cancelled = hold(&client);
        let mut cancelled = std::pin::pin!(cancelled);
        assert!(futures_util::poll!(&mut cancelled).is_pending());
    }
    answer_want(&mut peer, &WANT, Retval::OK).await;
    answer_want(&mut peer, &UNWANT, Retval::OK).await;

    let refused = client.subscribe_until_dropped::<SwInterfaceEvent>(&WANT, UNWANT);
    let (refused, ()) = tokio::join!(refused, answer_want(&mut peer, &WANT, Retval::UNSPECIFIED));
    refused.expect_err("VPP says no");
    assert_still_good(&client, &mut peer).await;
}

#[tokio::test]
async fn registrations_that_differ_end_each_by_itself() {
    let (client, mut peer) = Peer::serving(ServedTable::new(names(), 3), Options::default()).await;
    let mut held = Vec::new();
    for about in [1, 2] {
        let want = WantPluginEvents { enable: true, about };
        let unwant = WantPluginEvents { enable: false, about };
        let subscribe = client.subscribe_until_dropped::<PluginEvent>(&want, unwant);
        let (events, ()) = tokio::join!(subscribe, async {
            let context = peer.next().await.context;
            peer.reply(context, &WantPluginEventsReply { retval: Retval::OK }).await;
        });
        held.push(events.expect("VPP accepts it"));
    }
    for about in [1, 2] {
        drop(held.remove(0));
        let incoming = peer.next().await;
        let AnyRequest::Unknown { body, .. } = incoming.request else { panic!("a plugin's request") };
        let (_, request) = decode_body::<WantPluginEvents>(&body).expect("what was declared");
        assert_eq!(request, WantPluginEvents { enable: false, about });
        peer.reply(incoming.context, &WantPluginEventsReply { retval: Retval::OK }).await;
    }
    assert_still_good(&client, &mut peer).await;
}

/// VPP keeps one registration per client, whatever its pid: the first to go must not end it for the other.
#[tokio::test]
async fn registrations_that_differ_by_their_pid_end_together() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let (want, unwant) = (WantInterfaceEvents { pid: 8, ..WANT }, WantInterfaceEvents { pid: 8, ..UNWANT });
    let (first, ()) = tokio::join!(hold(&client), answer_want(&mut peer, &WANT, Retval::OK));
    let second = client.subscribe_until_dropped::<SwInterfaceEvent>(&want, unwant.clone());
    let (second, ()) = tokio::join!(second, answer_want(&mut peer, &want, ALREADY));
    drop(first);
    assert_still_good(&client, &mut peer).await;
    drop(second);
    answer_want(&mut peer, &UNWANT, Retval::OK).await;
    answer_want(&mut peer, &unwant, ALREADY).await;
    assert_still_good(&client, &mut peer).await;
}

#[tokio::test]
async fn a_refused_subscription_leaves_no_registration_of_one_that_went_before_it() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let (first, ()) = tokio::join!(hold(&client), answer_want(&mut peer, &WANT, Retval::OK));
    let second = client.subscribe_until_dropped::<SwInterfaceEvent>(&WANT, UNWANT);
    let (second, ()) = tokio::join!(second, async {
        let incoming = peer.next().await;
        drop(first);
        peer.reply(incoming.context, &WantInterfaceEventsReply { retval: Retval::UNSPECIFIED }).await;
    });
    second.expect_err("VPP says no");
    answer_want(&mut peer, &UNWANT, Retval::OK).await;
    assert_still_good(&client, &mut peer).await;
}

#[tokio::test]
async fn a_subscription_does_not_keep_the_connection_open() {
    let (client, mut peer) = Peer::connected(Options::default()).await;
    let mut events = client.events::<SwInterfaceEvent>().expect("served");
    drop(client);
    assert!(matches!(events.next().await, Some(Err(Disconnect::Closed))));
    assert_eq!(peer.try_next().await, None);
}
