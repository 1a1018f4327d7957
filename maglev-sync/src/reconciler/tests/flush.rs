//! Flushes that are owed.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use crate::call::Call;
use crate::event::Event;
use crate::model::Weight;
use crate::testing::{FakeVpp, Rig, desired, disabled, down, flushed, flushed_first, key, secs, server, up, vip};

#[test]
fn a_server_that_goes_down_is_cut_and_then_flushed_once() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100), up(2, 100)]))]));
    rig.update(one, vip([flushed(1, 1), up(2, 100)]));
    rig.advance(secs(60));
    assert_eq!(
        rig.take_writes(),
        ["192.0.2.1 tcp/80: server 10.0.0.1 weight 0", "192.0.2.1 tcp/80: server 10.0.0.1 weight 0, flush its flows"]
    );
    let flush = Event::AsWeightUpdated { key: one, address: server(1), from: 0, to: Weight::ZERO, flush: true };
    assert!(rig.events.contains(&flush));
    // The same incident again is no new debt, a new one is.
    rig.update(one, vip([flushed(1, 1), up(2, 50)]));
    rig.advance(secs(1));
    assert_eq!(rig.vpp.flushes.len(), 1);
    rig.update(one, vip([flushed(1, 2), up(2, 50)]));
    rig.advance(secs(1));
    assert_eq!(rig.vpp.flushes.len(), 2);
}

#[test]
fn cuts_of_all_vips_go_before_any_flush_and_flushes_go_one_at_a_time() {
    let keys = [1, 2, 3].map(|n| key(&format!("192.0.2.{n}"), 80));
    let mut rig = Rig::settled(desired(keys.map(|key| (key, vip([up(1, 100), up(2, 100)])))));
    for key in keys {
        rig.sync.update_vip(rig.now, key, vip([flushed(1, 1), up(2, 100)]));
    }
    rig.send();
    assert_eq!(rig.take_writes().len(), 3);
    rig.most_in_flight = 0;
    rig.pump();
    rig.advance(secs(1));
    let writes = rig.take_writes();
    assert_eq!(writes.len(), 3);
    assert!(writes.iter().all(|write| write.ends_with("flush its flows")), "{writes:?}");
}

#[test]
fn flushes_take_a_quarter_of_the_time_at_most() {
    let keys: Vec<_> = (1..=20).map(|n| key(&format!("192.0.2.{n}"), 80)).collect();
    let mut rig = Rig::settled(desired(keys.iter().map(|key| (*key, vip([up(1, 100), up(2, 100)])))));
    rig.latency = Duration::from_millis(20);
    let start = rig.now;
    for key in &keys {
        rig.sync.update_vip(rig.now, *key, vip([flushed(1, 1), up(2, 100)]));
    }
    while rig.vpp.flushes.len() < 20 {
        rig.advance(Duration::from_millis(5));
        assert!(rig.now - start < secs(10), "{} flushes only", rig.vpp.flushes.len());
    }
    // 20 ms each, and 60 ms of rest between them.
    assert!(rig.now - start >= Duration::from_millis(19 * 80), "{:?}", rig.now - start);
}

#[test]
fn a_change_of_health_does_not_wait_for_a_flush_that_rests() {
    let (one, other) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let states = [one, other].map(|key| (key, vip([up(1, 100), up(2, 100), up(3, 100)])));
    let mut rig = Rig::settled(desired(states));
    rig.latency = Duration::from_millis(100);
    for key in [one, other] {
        rig.sync.update_vip(rig.now, key, vip([flushed(1, 1), up(2, 100), up(3, 100)]));
    }
    rig.pump();
    assert_eq!((rig.vpp.flushes.len(), rig.sync.status().flushes_owed), (1, 1));
    rig.vpp.log.clear();
    rig.update(other, vip([flushed(1, 1), down(2), up(3, 100)]));
    assert_eq!(rig.take_writes(), ["192.0.2.2 tcp/80: server 10.0.0.2 weight 0"]);
    rig.advance(secs(1));
    assert_eq!(rig.vpp.flushes.len(), 2);
}

#[test]
fn the_first_verdict_owes_nothing_where_vpp_has_weight_0_already() {
    let one = key("192.0.2.1", 80);
    let standing = desired([(one, vip([up(1, 0), up(2, 100), up(3, 100)]))]);
    let mut rig = Rig::warm(FakeVpp::as_desired(&standing));
    // Server 1 was at 0, server 2 was held at 100, server 4 is not there.
    rig.want(desired([(one, vip([flushed_first(1, 1), flushed_first(2, 2), up(3, 100), flushed_first(4, 3)]))]));
    rig.up();
    rig.advance(secs(60));
    assert_eq!(rig.vpp.flushes, [(one, server(2))]);
}

#[test]
fn a_later_incident_owes_a_flush_at_weight_0_too() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 0), up(2, 100)]))]));
    rig.update(one, vip([disabled(1, 1), up(2, 100)]));
    rig.advance(secs(1));
    assert_eq!(rig.vpp.flushes, [(one, server(1))]);
}

#[test]
fn a_server_that_we_added_at_0_and_never_raised_needs_none() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(2, 100)]))]));
    rig.update(one, vip([up(1, 0), up(2, 100)]));
    rig.update(one, vip([disabled(1, 1), up(2, 100)]));
    rig.advance(secs(60));
    assert!(rig.vpp.flushes.is_empty());
    // Raised once, it does.
    rig.update(one, vip([up(1, 100), up(2, 100)]));
    rig.update(one, vip([disabled(1, 2), up(2, 100)]));
    rig.advance(secs(1));
    assert_eq!(rig.vpp.flushes, [(one, server(1))]);
}

#[test]
fn a_server_that_was_revived_at_0_has_its_old_flows_and_needs_one() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100), up(2, 100)]))]));
    rig.update(one, vip([up(2, 100)]));
    rig.update(one, vip([up(1, 0), up(2, 100)]));
    rig.update(one, vip([disabled(1, 1), up(2, 100)]));
    rig.advance(secs(1));
    assert_eq!(rig.vpp.flushes, [(one, server(1))]);
}

#[test]
fn the_flush_of_a_down_server_waits_for_somebody_to_take_its_flows() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100), up(2, 0)]))]));
    rig.update(one, vip([flushed(1, 1), up(2, 0)]));
    rig.advance(secs(60));
    assert!(rig.vpp.flushes.is_empty());
    assert_eq!(rig.sync.status().flushes_owed, 1);
    rig.update(one, vip([flushed(1, 1), up(2, 100)]));
    rig.advance(secs(1));
    assert_eq!(rig.vpp.flushes, [(one, server(1))]);
    assert_eq!(rig.sync.status().flushes_owed, 0);
}

#[test]
fn the_flush_of_a_disabled_server_does_not_wait() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    rig.update(one, vip([disabled(1, 1)]));
    rig.advance(secs(1));
    assert_eq!(rig.vpp.flushes, [(one, server(1))]);
}

#[test]
fn a_debt_is_dropped_when_the_server_comes_back() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100), up(2, 0)]))]));
    rig.update(one, vip([flushed(1, 1), up(2, 0)]));
    rig.update(one, vip([up(1, 100), up(2, 100)]));
    rig.advance(secs(60));
    assert!(rig.vpp.flushes.is_empty());
    assert_eq!(rig.sync.status().flushes_owed, 0);
}

#[test]
fn a_refused_flush_is_repeated_until_acknowledged() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100), up(2, 100)]))]));
    let left = Rc::new(Cell::new(3));
    rig.refuse = Box::new(move |call| {
        let refuse = call.is_flush() && left.get() > 0;
        left.set(left.get() - u32::from(refuse));
        refuse
    });
    rig.update(one, vip([flushed(1, 1), up(2, 100)]));
    rig.advance(secs(6));
    assert!(rig.vpp.flushes.is_empty());
    assert_eq!(rig.sync.status().flushes_owed, 1);
    rig.advance(secs(2));
    assert_eq!(rig.vpp.flushes, [(one, server(1))]);
}

#[test]
fn a_debt_outlives_a_reconnect_but_not_a_restart_of_vpp() {
    let one = key("192.0.2.1", 80);
    for restart in [false, true] {
        let mut rig = Rig::settled(desired([(one, vip([up(1, 100), up(2, 100)]))]));
        rig.sync.update_vip(rig.now, one, vip([flushed(1, 1), up(2, 100)]));
        rig.send();
        if restart {
            rig.restart_vpp();
        } else {
            rig.down();
        }
        rig.up();
        rig.advance(secs(60));
        assert_eq!(rig.vpp.flushes.len(), usize::from(!restart), "restart: {restart}");
        assert_eq!(rig.sync.status().flushes_owed, 0);
    }
}

#[test]
fn an_incident_without_a_link_is_flushed_after_it() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100), up(2, 100)]))]));
    rig.down();
    rig.update(one, vip([flushed(1, 1), up(2, 100)]));
    rig.up();
    rig.advance(secs(1));
    assert_eq!(rig.vpp.flushes, [(one, server(1))]);
}

#[test]
fn in_the_hands_off_time_nothing_is_flushed() {
    let one = key("192.0.2.1", 80);
    let standing = desired([(one, vip([up(1, 100), up(2, 100)]))]);
    let mut rig = Rig::new(FakeVpp::as_desired(&standing), secs(5), secs(30));
    rig.want(desired([(one, vip([flushed_first(1, 1), up(2, 100)]))]));
    rig.up();
    rig.advance(secs(4));
    assert!(rig.vpp.flushes.is_empty());
    rig.advance(secs(2));
    assert_eq!(rig.vpp.flushes, [(one, server(1))]);
}

#[test]
fn a_server_deleted_behind_our_back_is_flushed_when_it_is_back_at_0() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100), up(2, 0)]))]));
    rig.update(one, vip([flushed(1, 1), up(2, 0)]));
    rig.vpp.quietly(Call::AsDel { key: one, address: server(1), flush: false });
    rig.update(one, vip([flushed(1, 1), up(2, 100)]));
    rig.advance(secs(40));
    assert_eq!(rig.vpp.flushes, [(one, server(1))]);
}

#[test]
fn a_vip_that_goes_owes_nothing() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100), up(2, 0)]))]));
    rig.update(one, vip([flushed(1, 1), up(2, 0)]));
    rig.want(desired([]));
    rig.advance(secs(60));
    assert_eq!(rig.sync.status().flushes_owed, 0);
    // Its servers were deleted with flush, once each.
    assert_eq!(rig.vpp.flushes, [(one, server(1)), (one, server(2))]);
}
