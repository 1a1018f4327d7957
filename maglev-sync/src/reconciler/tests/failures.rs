//! Calls that VPP refuses, or that must not leave.

use std::cell::Cell;
use std::rc::Rc;

use crate::call::{Call, CallFailure, Reply};
use crate::event::{Event, Failure, SyncFailure, SyncScope, Warning};
use crate::exec::Forbidden;
use crate::model::ForeignVips;
use crate::reconciler::{RequestScope, SyncRequest};
use crate::testing::{FakeVpp, Rig, desired, down, key, secs, server, up, vip};

/// When the VIP's failures were told, in seconds from the first.
fn failure_times(rig: &mut Rig, seconds: u64) -> Vec<u64> {
    let start = rig.now;
    let mut times = Vec::new();
    for _ in 0..seconds {
        let failed = |event: &Event| matches!(event, Event::VipFailed { .. });
        if rig.take_events().iter().any(failed) {
            times.push((rig.now - start).as_secs());
        }
        rig.advance(secs(1));
    }
    times
}

#[test]
fn a_refused_call_fails_its_vip_alone() {
    let (one, other) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)])), (other, vip([up(1, 100)]))]));
    rig.refuse = Box::new(move |call| call.is_write() && call.vip() == Some(&one));
    let states = [one, other].map(|key| (key, vip([up(1, 50)])));
    rig.want(desired(states));
    assert_eq!(rig.sync.actual_weight(&other, server(1)), Some(50));
    let events = rig.take_events();
    let failed = Event::VipFailed {
        key: one,
        failure: Failure::Refused {
            call: Call::AsSetWeight { key: one, address: server(1), weight: crate::testing::weight(50), flush: false },
            failure: CallFailure::Refused { retval: -1, text: "told to".to_owned() },
        },
        retry_in: secs(1),
    };
    assert!(events.contains(&failed), "{events:?}");
    let whole = |event: &Event| match event {
        Event::SyncError { reason: SyncFailure::Vips { failed, first, .. }, counts, .. } => {
            Some((*failed, *first, counts.weights_updated))
        }
        _ => None,
    };
    assert_eq!(events.iter().find_map(whole), Some((1, one, 1)), "{events:?}");
    let status = &rig.sync.status().vips[&one];
    assert!(status.last_error.is_some() && status.backoff_until.is_some() && !status.in_sync);
}

#[test]
fn refused_vips_are_tried_again_after_one_second_doubling_to_sixty() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    rig.refuse = Box::new(|call| call.is_write());
    rig.want(desired([(one, vip([up(1, 50)]))]));
    assert_eq!(failure_times(&mut rig, 250), [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
    rig.refuse = Box::new(|_| false);
    rig.advance(secs(60));
    assert_eq!(rig.vpp.weight(&one, server(1)), Some(50));
    let status = &rig.sync.status().vips[&one];
    assert_eq!((status.last_error.clone(), status.backoff_until), (None, None));

    // Success has cleared it: the next failure waits a second again.
    rig.refuse = Box::new(|call| call.is_write());
    rig.want(desired([(one, vip([up(1, 60)]))]));
    assert_eq!(failure_times(&mut rig, 5), [0, 1, 3]);
}

#[test]
fn a_new_desired_state_ends_the_wait() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100), up(2, 100)]))]));
    rig.refuse = Box::new(|call| call.is_write());
    rig.want(desired([(one, vip([up(1, 50), up(2, 100)]))]));
    rig.advance(secs(20));
    rig.refuse = Box::new(|_| false);
    rig.update(one, vip([up(1, 50), down(2)]));
    assert_eq!(rig.vpp.weight(&one, server(2)), Some(0));
    assert_eq!(rig.vpp.weight(&one, server(1)), Some(50));
}

#[test]
fn a_refused_vip_is_read_again_before_it_is_written() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    let first = Rc::new(Cell::new(true));
    rig.refuse = Box::new(move |call| call.is_write() && first.replace(false));
    rig.want(desired([(one, vip([up(1, 50)]))]));
    // Behind our back.
    rig.vpp.quietly(Call::AsAdd { key: one, address: server(7), weight: crate::Weight::MAX });
    rig.advance(secs(2));
    let log: Vec<String> = rig.vpp.log.iter().map(Call::to_string).collect();
    assert_eq!(
        log[..5],
        [
            "192.0.2.1 tcp/80: server 10.0.0.1 weight 50",
            "list VIPs",
            "192.0.2.1 tcp/80: list servers",
            "192.0.2.1 tcp/80: server 10.0.0.1 weight 50",
            "192.0.2.1 tcp/80: delete server 10.0.0.7",
        ]
    );
}

#[test]
fn an_operator_ends_the_wait_too() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    rig.refuse = Box::new(|call| call.is_write());
    rig.want(desired([(one, vip([up(1, 50)]))]));
    rig.advance(secs(100));
    rig.refuse = Box::new(|_| false);
    rig.request(SyncRequest { scope: RequestScope::Vip(one), recreate: false });
    assert_eq!(rig.vpp.weight(&one, server(1)), Some(50));
}

#[test]
fn when_an_addition_is_refused_nothing_shrinks() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    rig.refuse = Box::new(|call| matches!(call, Call::AsAdd { .. }));
    rig.want(desired([(one, vip([up(2, 100)]))]));
    rig.advance(secs(40));
    assert_eq!(rig.vpp.weight(&one, server(1)), Some(100));
    assert!(!rig.vpp.writes().iter().any(|call| matches!(call, Call::AsDel { .. })));
}

#[test]
fn what_was_deleted_behind_our_back_costs_one_try() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100), up(2, 100)]))]));
    rig.vpp.quietly(Call::AsDel { key: one, address: server(1), flush: false });
    rig.want(desired([(one, vip([up(2, 100)]))]));
    rig.advance(secs(2));
    assert!(rig.sync.status().vips[&one].in_sync);
    rig.vpp.quietly(Call::AsDel { key: one, address: server(2), flush: true });
    rig.vpp.quietly(Call::VipDel(one));
    rig.want(desired([(one, vip([up(2, 50)]))]));
    rig.advance(secs(2));
    assert_eq!(rig.vpp.weight(&one, server(2)), Some(50));
}

#[test]
fn a_vip_that_came_behind_our_back_is_read_and_taken_over() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([]));
    rig.vpp.put(one, &vip([up(9, 100)]));
    rig.want(desired([(one, vip([up(1, 100)]))]));
    rig.advance(secs(2));
    assert!(rig.sync.status().vips[&one].in_sync, "{:?}", rig.events);
    assert_eq!(rig.vpp.weight(&one, server(9)), None);
    assert_eq!(rig.vpp.weight(&one, server(1)), Some(100));
}

#[test]
fn a_reply_of_another_kind_is_a_refusal() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    rig.sync.update_vip(rig.now, one, vip([down(1)]));
    let (id, _) = rig.sync.poll_call(rig.now).expect("the cut");
    rig.sync.handle_reply(rig.now, id, Ok(Reply::Text("what?".to_owned())));
    assert_eq!(rig.sync.actual_weight(&one, server(1)), Some(100));
    rig.advance(secs(2));
    assert_eq!(rig.vpp.weight(&one, server(1)), Some(0));
}

#[test]
fn a_server_that_is_a_vip_is_held_back_foreign_vips_included() {
    let (one, foreign) = (key("192.0.2.1", 80), key("10.0.0.7", 80));
    let mut wanted = desired([(one, vip([up(1, 100)]))]);
    wanted.foreign = ForeignVips::Keep;
    let mut rig = Rig::settled(wanted.clone());
    rig.vpp.put(foreign, &vip([]));
    rig.advance(secs(31));
    wanted.vips.insert(one, vip([up(1, 100), up(7, 100)]));
    rig.want(wanted);
    // The small VPP would have died.
    assert_eq!(rig.take_writes(), [""; 0]);
    let failure = rig.sync.status().vips[&one].last_error.clone();
    let rule = Forbidden::ServerIsVip { address: server(7), vip: foreign };
    assert!(matches!(failure, Some(Failure::Forbidden { rule: broken, .. }) if broken == rule), "{failure:?}");
}

#[test]
fn a_vip_that_would_cover_a_server_is_held_back() {
    let (one, other) = (key("192.0.2.1", 80), key("10.0.0.1", 80));
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    rig.want(desired([(one, vip([up(1, 100)])), (other, vip([up(2, 100)]))]));
    rig.advance(secs(10));
    assert_eq!(rig.take_writes(), [""; 0]);
    // When the server goes its VIP may come, once its flows are gone.
    rig.want(desired([(one, vip([up(3, 100)])), (other, vip([up(2, 100)]))]));
    rig.advance(secs(40));
    assert!(!rig.vpp.has(&other));
    rig.vpp.collect();
    rig.advance(secs(100));
    assert!(rig.vpp.serves(&other), "{:?}", rig.events);
}

#[test]
fn a_sync_that_cannot_be_says_why() {
    let mut rig = Rig::warm(FakeVpp::new());
    let nowhere = key("192.0.2.1", 80);
    let reasons = |rig: &mut Rig| -> Vec<(SyncScope, SyncFailure)> {
        let told = |event| match event {
            Event::SyncError { scope, reason, .. } => Some((scope, reason)),
            _ => None,
        };
        rig.take_events().into_iter().filter_map(told).collect()
    };
    rig.request(SyncRequest { scope: RequestScope::All, recreate: false });
    assert_eq!(reasons(&mut rig), [(SyncScope::All, SyncFailure::NotConnected)]);
    rig.want(desired([]));
    rig.up();
    rig.request(SyncRequest { scope: RequestScope::Vip(nowhere), recreate: false });
    assert_eq!(reasons(&mut rig), [(SyncScope::Vip(nowhere), SyncFailure::UnknownVip)]);
}

#[test]
fn a_sync_of_everything_reads_everything_and_tells_how_it_went() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    rig.vpp.quietly(Call::AsSetWeight {
        key: one,
        address: server(1),
        weight: crate::testing::weight(7),
        flush: false,
    });
    rig.request(SyncRequest { scope: RequestScope::All, recreate: false });
    assert_eq!(rig.vpp.log[..3], [Call::ConfGet, Call::VipDump, Call::AsDump(None)]);
    assert_eq!(rig.vpp.weight(&one, server(1)), Some(100));
    let events = rig.take_events();
    let done = |event: &Event| matches!(event, Event::SyncDone { scope: SyncScope::All, counts, .. } if counts.weights_updated == 1);
    assert!(events.iter().any(done), "{events:?}");
}

#[test]
fn a_vpp_that_cannot_be_read_is_not_written() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::warm(FakeVpp::new());
    rig.refuse = Box::new(|call| matches!(call, Call::AsDump(None)));
    rig.want(desired([(one, vip([up(1, 100)]))]));
    rig.up();
    rig.advance(secs(10));
    assert_eq!(rig.vpp.writes(), []);
    assert!(rig.sync.status().reading && rig.sync.actual().is_none());
    assert!(rig.events.iter().any(|event| matches!(event, Event::Warning(Warning::ReadRefused(_)))));
    rig.refuse = Box::new(|_| false);
    rig.advance(secs(10));
    assert!(rig.vpp.serves(&one));
}

#[test]
fn refused_comparisons_change_nothing() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    rig.refuse = Box::new(|call| !call.is_write());
    rig.advance(secs(90));
    assert_eq!(rig.take_writes(), [""; 0]);
    // A change of health still gets through: nothing is in doubt.
    rig.update(one, vip([down(1)]));
    assert_eq!(rig.vpp.weight(&one, server(1)), Some(0));
}

#[test]
fn a_sync_over_a_vpp_that_cannot_be_read_says_why_and_ends() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    rig.refuse = Box::new(|call| matches!(call, Call::AsDump(_)));
    rig.request(SyncRequest { scope: RequestScope::All, recreate: false });
    rig.request(SyncRequest { scope: RequestScope::Vip(one), recreate: false });
    let told = |event: Event| match event {
        Event::SyncError { scope, reason: SyncFailure::Read(_), .. } => Some((scope, false)),
        Event::SyncError { scope, reason: SyncFailure::Vips { failure: Failure::Unread(_), .. }, .. } => {
            Some((scope, true))
        }
        _ => None,
    };
    let told: Vec<_> = rig.take_events().into_iter().filter_map(told).collect();
    assert_eq!(told, [(SyncScope::All, false), (SyncScope::Vip(one), true)]);
    assert!(!rig.sync.status().reading);
    // The VIP is read, and written, as soon as VPP lets us.
    rig.refuse = Box::new(|_| false);
    rig.update(one, vip([down(1)]));
    assert_eq!(rig.vpp.weight(&one, server(1)), Some(0));
}

#[test]
fn a_sync_in_the_warm_up_reads_and_says_that_it_is_done() {
    let one = key("192.0.2.1", 80);
    let standing = desired([(one, vip([up(1, 100)]))]);
    let mut rig = Rig::new(FakeVpp::as_desired(&standing), secs(5), secs(30));
    rig.want(desired([(one, vip([down(1)]))]));
    rig.sync.handle_link_up(rig.now, crate::BootId(1, 1), rig.vpp.abilities);
    for scope in [RequestScope::All, RequestScope::Vip(one)] {
        rig.request(SyncRequest { scope, recreate: false });
    }
    let done = |event: Event| match event {
        Event::SyncDone { scope, .. } => Some(scope),
        _ => None,
    };
    let done: Vec<_> = rig.take_events().into_iter().filter_map(done).collect();
    assert_eq!(done, [SyncScope::All, SyncScope::Vip(one)]);
    assert_eq!(rig.take_writes(), [""; 0]);
}

#[test]
fn a_sync_of_everything_that_somebody_asks_for_tries_what_waits_and_tells_that_it_failed() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    rig.refuse = Box::new(|call| call.is_write());
    rig.want(desired([(one, vip([up(1, 50)]))]));
    rig.take_events();
    let request = SyncRequest { scope: RequestScope::All, recreate: false };
    rig.request(request);
    let events = rig.take_events();
    let failed = |event: &Event| {
        matches!(event, Event::SyncError { scope: SyncScope::All, reason: SyncFailure::Vips { failed: 1, .. }, .. })
    };
    assert!(events.iter().any(failed), "{events:?}");

    rig.refuse = Box::new(|_| false);
    rig.request(request);
    let events = rig.take_events();
    let done = |event: &Event| matches!(event, Event::SyncDone { scope: SyncScope::All, counts, .. } if counts.weights_updated == 1);
    assert!(events.iter().any(done), "{events:?}");
}
