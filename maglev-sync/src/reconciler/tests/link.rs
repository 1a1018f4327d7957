//! Links that come and go.

use crate::call::{Call, CallFailure};
use crate::event::{Event, SyncFailure};
use crate::model::{DesiredVip, Weight};
use crate::reconciler::BootId;
use crate::testing::{FakeVpp, Rig, desired, down, key, secs, server, up, vip, weight};

#[test]
fn a_link_up_reads_settings_vips_and_servers_and_says_so() {
    let one = key("192.0.2.1", 80);
    let wanted = desired([(one, vip([up(1, 100), up(2, 0)]))]);
    let mut rig = Rig::warm(FakeVpp::as_desired(&wanted));
    rig.want(wanted);
    rig.up();
    assert_eq!(rig.vpp.log[..3], [Call::ConfGet, Call::VipDump, Call::AsDump(None)]);
    let read = Event::Read { first: true, vips: 1, ases: 2, conf: rig.vpp.conf };
    assert!(rig.events.contains(&read), "{:?}", rig.events);
    rig.down();
    rig.up();
    let again = Event::Read { first: false, vips: 1, ases: 2, conf: rig.vpp.conf };
    assert!(rig.events.contains(&again), "{:?}", rig.events);
}

#[test]
fn no_write_leaves_before_the_owner_saw_what_vpp_holds() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::warm(FakeVpp::as_desired(&desired([(one, vip([up(1, 70)]))])));
    rig.want(desired([(one, vip([down(1)]))]));
    // The server is held at what VPP has.
    rig.on_read = Box::new(move |sync, now| {
        let held = sync.actual_weight(&one, server(1)).expect("VPP has it");
        sync.update_vip(now, one, vip([up(1, held)]));
    });
    rig.up();
    rig.advance(secs(60));
    assert_eq!(rig.take_writes(), [""; 0]);
    assert_eq!(rig.vpp.weight(&one, server(1)), Some(70));
}

#[test]
fn an_event_that_nobody_polled_holds_calls_back() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::warm(FakeVpp::new());
    rig.sync.set_desired(rig.now, desired([(one, vip([]))]));
    rig.sync.handle_link_up(rig.now, BootId(1, 1), rig.vpp.abilities);
    while let Some((id, call)) = rig.sync.poll_call(rig.now) {
        assert!(!call.is_write());
        let reply = rig.vpp.execute(&call);
        rig.sync.handle_reply(rig.now, id, reply);
    }
    assert_eq!(rig.vpp.log.len(), 3);
    rig.pump();
    assert!(rig.vpp.has(&one));
}

#[test]
fn nothing_is_written_or_deleted_without_a_desired_state() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::warm(FakeVpp::as_desired(&desired([(one, vip([up(1, 100)]))])));
    rig.up();
    rig.advance(secs(100));
    assert_eq!(rig.take_writes(), [""; 0]);
}

#[test]
fn a_restarted_vpp_is_programmed_again() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100), down(2)]))]));
    rig.restart_vpp();
    assert!(rig.sync.actual().is_none());
    rig.up();
    assert_eq!(rig.vpp.weight(&one, server(1)), Some(100));
    assert_eq!(rig.vpp.weight(&one, server(2)), Some(0));
    assert_eq!(rig.vpp.conf.ip4_src, crate::testing::conf().ip4_src);
}

#[test]
fn a_lost_call_is_a_lost_link() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100), up(2, 100)]))]));
    rig.sync.update_vip(rig.now, one, vip([down(1), up(2, 100)]));
    let (id, _) = rig.sync.poll_call(rig.now).expect("the cut");
    rig.sync.handle_reply(rig.now, id, Err(CallFailure::Lost));
    rig.pump();
    let events = rig.take_events();
    let lost = |event: &Event| matches!(event, Event::SyncError { reason: SyncFailure::LinkLost, .. });
    assert!(events.iter().any(lost), "{events:?}");
    assert!(!rig.sync.status().connected && rig.sync.actual().is_none());
    rig.up();
    assert_eq!(rig.vpp.weight(&one, server(1)), Some(0));
}

#[test]
fn replies_of_an_earlier_link_are_ignored() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100), up(2, 100)]))]));
    rig.sync.update_vip(rig.now, one, vip([up(1, 50), up(2, 100)]));
    let (old, _) = rig.sync.poll_call(rig.now).expect("the change");
    rig.down();
    rig.sync.handle_link_up(rig.now, BootId(1, 0), rig.vpp.abilities);
    rig.sync.handle_reply(rig.now, old, Ok(crate::Reply::Done));
    rig.pump();
    rig.sync.handle_reply(rig.now, old, Err(CallFailure::Lost));
    assert!(rig.sync.status().connected);
    assert_eq!(rig.vpp.weight(&one, server(1)), Some(50));
}

#[test]
fn calls_of_a_lost_link_may_or_may_not_have_been_carried_out() {
    let one = key("192.0.2.1", 80);
    let before = vip([up(1, 100), up(2, 100)]);
    let after: DesiredVip = vip([up(1, 100), up(3, 100), down(2)]);
    // Lost after each number of calls.
    for calls in 0..4 {
        let mut rig = Rig::settled(desired([(one, before.clone())]));
        rig.sync.update_vip(rig.now, one, after.clone());
        for _ in 0..calls {
            rig.send();
            rig.deliver();
        }
        rig.send();
        rig.down();
        rig.up();
        rig.advance(secs(2));
        assert!(rig.sync.status().vips[&one].in_sync, "lost after {calls} calls");
        assert_eq!(rig.vpp.weight(&one, server(3)), Some(100));
    }
}

#[test]
fn what_others_changed_while_the_link_was_down_is_put_right_without_drift_events() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    rig.down();
    rig.vpp.quietly(Call::AsSetWeight { key: one, address: server(1), weight: weight(3), flush: false });
    rig.vpp.quietly(Call::AsAdd { key: one, address: server(9), weight: Weight::MAX });
    rig.up();
    assert_eq!(rig.vpp.weight(&one, server(1)), Some(100));
    assert_eq!(rig.vpp.weight(&one, server(9)), None);
    assert!(!rig.events.iter().any(|event| matches!(event, Event::Drift { .. })));
}
