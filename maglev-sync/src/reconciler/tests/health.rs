//! What follows from a change of health.

use crate::call::{Call, CallFailure};
use crate::event::{Event, SyncCounts, SyncScope};
use crate::exec::CallId;
use crate::model::DesiredVip;
use crate::testing::{Rig, desired, down, key, secs, server, up, vip};

#[test]
fn a_change_is_synced_at_once_and_without_a_dump() {
    let key = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(key, vip([up(1, 100), up(2, 100)]))]));
    rig.update(key, vip([down(1), up(2, 100)]));
    assert_eq!(
        rig.vpp.log.iter().map(Call::to_string).collect::<Vec<_>>(),
        ["192.0.2.1 tcp/80: server 10.0.0.1 weight 0"]
    );
    let counts = SyncCounts { weights_updated: 1, ..SyncCounts::default() };
    assert_eq!(
        rig.take_events(),
        [
            Event::SyncStart { scope: SyncScope::Vip(key) },
            Event::AsWeightUpdated { key, address: server(1), from: 100, to: crate::Weight::ZERO, flush: false },
            Event::SyncDone { scope: SyncScope::Vip(key), counts, elapsed: rig.latency },
        ]
    );
    assert_eq!(rig.sync.actual_weight(&key, server(1)), Some(0));
}

#[test]
fn a_change_that_changes_nothing_is_silent() {
    let key = key("192.0.2.1", 80);
    let same = vip([up(1, 100)]);
    let mut rig = Rig::settled(desired([(key, same.clone())]));
    rig.update(key, same.clone());
    rig.update(key, DesiredVip { decided: false, ..same });
    assert_eq!(rig.vpp.log, []);
    assert_eq!(rig.take_events(), []);
}

#[test]
fn an_unknown_vip_is_not_taken_in() {
    let mut rig = Rig::settled(desired([]));
    rig.update(key("192.0.2.9", 80), vip([up(1, 100)]));
    assert_eq!(rig.vpp.log, []);
}

#[test]
fn cuts_of_all_vips_go_before_everything_else() {
    let keys = [1, 2, 3].map(|n| key(&format!("192.0.2.{n}"), 80));
    let mut rig = Rig::settled(desired(keys.map(|key| (key, vip([up(1, 100), up(2, 50), up(3, 0)])))));
    for key in keys {
        rig.sync.update_vip(rig.now, key, vip([down(1), up(2, 50), up(3, 100)]));
    }
    rig.pump();
    assert_eq!(
        rig.take_writes(),
        [
            "192.0.2.1 tcp/80: server 10.0.0.1 weight 0",
            "192.0.2.2 tcp/80: server 10.0.0.1 weight 0",
            "192.0.2.3 tcp/80: server 10.0.0.1 weight 0",
            "192.0.2.1 tcp/80: server 10.0.0.3 weight 100",
            "192.0.2.2 tcp/80: server 10.0.0.3 weight 100",
            "192.0.2.3 tcp/80: server 10.0.0.3 weight 100",
        ]
    );
    let starts = rig.take_events();
    let starts: Vec<_> = starts.iter().filter(|event| matches!(event, Event::SyncStart { .. })).collect();
    assert_eq!(starts, [&Event::SyncStart { scope: SyncScope::Batch { vips: 3 } }]);
}

#[test]
fn a_failover_cuts_the_dead_server_in_the_same_breath_as_it_raises_its_successor() {
    let key = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(key, vip([up(1, 100), up(2, 0)]))]));
    rig.sync.update_vip(rig.now, key, vip([down(1), up(2, 100)]));
    rig.send();
    // Both left before any answer came.
    assert_eq!(
        rig.take_writes(),
        ["192.0.2.1 tcp/80: server 10.0.0.2 weight 100", "192.0.2.1 tcp/80: server 10.0.0.1 weight 0"]
    );
}

#[test]
fn a_vip_may_end_empty_when_all_its_servers_are_down() {
    let key = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(key, vip([up(1, 100)]))]));
    rig.update(key, vip([down(1)]));
    assert_eq!(rig.take_writes(), ["192.0.2.1 tcp/80: server 10.0.0.1 weight 0"]);
}

#[test]
fn shrinking_waits_for_the_answers_to_additions_and_raises() {
    let key = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(key, vip([up(1, 100)]))]));
    rig.sync.update_vip(rig.now, key, vip([up(2, 100), up(3, 100)]));
    rig.send();
    assert_eq!(
        rig.take_writes(),
        ["192.0.2.1 tcp/80: add server 10.0.0.2 weight 100", "192.0.2.1 tcp/80: add server 10.0.0.3 weight 100"]
    );
    assert!(rig.deliver());
    rig.send();
    assert_eq!(rig.take_writes(), [""; 0]);
    assert!(rig.deliver());
    rig.send();
    assert_eq!(rig.take_writes(), ["192.0.2.1 tcp/80: delete server 10.0.0.1"]);
}

#[test]
fn a_health_change_goes_ahead_of_the_rest_of_a_running_pass() {
    let keys: Vec<_> = (1..=200).map(|n| key(&format!("192.0.2.{n}"), 80)).collect();
    let mut rig = Rig::settled(desired(keys.iter().map(|key| (*key, vip([up(1, 100), up(2, 100)])))));
    let changed = |one: u8| desired(keys.iter().map(|key| (*key, vip([up(1, one), up(2, 100)]))));
    rig.sync.set_desired(rig.now, changed(50));
    rig.send();
    assert_eq!(rig.take_writes().len(), 64);

    // A server of the last VIP dies, and one of the last but one comes back.
    rig.sync.update_vip(rig.now, keys[199], vip([up(1, 50), down(2)]));
    rig.sync.update_vip(rig.now, keys[198], vip([up(1, 50), up(2, 100), up(3, 100)]));
    for expected in [
        "192.0.2.200 tcp/80: server 10.0.0.2 weight 0",
        "192.0.2.199 tcp/80: add server 10.0.0.3 weight 100",
        "192.0.2.65 tcp/80: server 10.0.0.1 weight 50",
    ] {
        assert!(rig.deliver());
        rig.send();
        assert_eq!(rig.take_writes(), [expected]);
    }
    rig.pump();
    assert!(rig.sync.status().vips.values().all(|vip| vip.in_sync));
}

#[test]
fn a_vip_with_calls_in_flight_is_planned_again_when_they_return() {
    let key = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(key, vip([up(1, 100), up(2, 100)]))]));
    rig.sync.update_vip(rig.now, key, vip([down(1), up(2, 100)]));
    rig.send();
    assert_eq!(rig.take_writes().len(), 1);
    rig.sync.update_vip(rig.now, key, vip([up(1, 100), up(2, 100)]));
    rig.send();
    assert_eq!(rig.take_writes(), [""; 0]);
    rig.pump();
    assert_eq!(rig.take_writes(), ["192.0.2.1 tcp/80: server 10.0.0.1 weight 100"]);
}

#[test]
fn at_most_as_many_calls_are_in_flight_as_allowed() {
    let keys: Vec<_> = (1..=100).map(|n| key(&format!("192.0.2.{n}"), 80)).collect();
    let mut rig = Rig::warm(crate::testing::FakeVpp::new());
    rig.want(desired(keys.iter().map(|key| (*key, vip([up(1, 100), up(2, 100), up(3, 1)])))));
    rig.up();
    rig.advance(secs(10));
    assert_eq!(rig.most_in_flight, 64);
    assert_eq!(rig.take_writes().len(), 1 + 100 * 4);
}

/// A cut and a raise that VPP has not answered yet, and the weights that they concern.
fn under_way() -> (Rig, Vec<CallId>, impl Fn(&Rig) -> [Option<u8>; 2]) {
    let (one, other) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)])), (other, vip([up(2, 10)]))]));
    rig.sync.update_vip(rig.now, one, vip([down(1)]));
    rig.sync.update_vip(rig.now, other, vip([up(2, 50)]));
    let calls = std::iter::from_fn(|| rig.sync.poll_call(rig.now)).map(|(id, _)| id).collect();
    let weights = move |rig: &Rig| [rig.sync.actual_weight(&one, server(1)), rig.sync.actual_weight(&other, server(2))];
    (rig, calls, weights)
}

#[test]
fn a_weight_on_its_way_counts_as_there_until_it_is_refused() {
    let (mut rig, calls, weights) = under_way();
    assert_eq!(weights(&rig), [Some(0), Some(50)]);
    for id in calls {
        let refusal = CallFailure::Refused { retval: -1, text: "told to".to_owned() };
        rig.sync.handle_reply(rig.now, id, Err(refusal));
    }
    assert_eq!(weights(&rig), [Some(100), Some(10)]);
}

#[test]
fn a_weight_on_its_way_counts_as_there_when_the_link_is_lost() {
    let (mut rig, _, weights) = under_way();
    rig.sync.handle_link_down(rig.now);
    assert_eq!(weights(&rig), [Some(0), Some(50)]);
}

#[test]
fn a_server_on_its_way_out_counts_as_gone_until_that_is_refused() {
    let key = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(key, vip([up(1, 100), up(2, 100)]))]));
    rig.sync.set_desired(rig.now, desired([(key, vip([up(2, 100)]))]));
    let id = rig.sync.poll_call(rig.now).map(|(id, _)| id).expect("a deletion");
    assert_eq!(rig.sync.actual_weight(&key, server(1)), None);
    let refusal = CallFailure::Refused { retval: -1, text: "told to".to_owned() };
    rig.sync.handle_reply(rig.now, id, Err(refusal));
    assert_eq!(rig.sync.actual_weight(&key, server(1)), Some(100));
}

#[test]
fn the_servers_of_a_vip_on_its_way_out_count_as_gone() {
    let (one, other) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)])), (other, vip([up(2, 100)]))]));
    rig.sync.set_desired(rig.now, desired([(other, vip([up(2, 100)]))]));
    assert!(rig.sync.poll_call(rig.now).is_some(), "a deletion");
    assert_eq!(rig.sync.actual_weight(&one, server(1)), None);
    assert_eq!(rig.sync.actual_weight(&other, server(2)), Some(100));
}
