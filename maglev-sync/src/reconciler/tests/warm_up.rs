//! The first moments: hands off, release one by one, then everything.

use crate::event::{Event, WarmUpPhase};
use crate::model::{DesiredVip, ForeignVips};
use crate::reconciler::{RequestScope, SyncRequest};
use crate::testing::{FakeVpp, Rig, desired, down, key, secs, up, vip};

fn undecided(vip: DesiredVip) -> DesiredVip {
    DesiredVip { decided: false, ..vip }
}

fn phases(rig: &mut Rig) -> Vec<WarmUpPhase> {
    let phase = |event: Event| match event {
        Event::WarmUp(phase) => Some(phase),
        _ => None,
    };
    rig.take_events().into_iter().filter_map(phase).collect()
}

#[test]
fn until_the_min_delay_nothing_is_written_settings_included() {
    let key = key("192.0.2.1", 80);
    let mut vpp = FakeVpp::as_desired(&desired([(key, vip([up(1, 100)]))]));
    vpp.conf.flow_timeout = Some(30);
    let mut rig = Rig::new(vpp, secs(5), secs(30));
    rig.want(desired([(key, vip([down(1)]))]));
    rig.up();
    rig.request(SyncRequest { scope: RequestScope::All, recreate: true });
    rig.request(SyncRequest { scope: RequestScope::Vip(key), recreate: false });
    rig.advance(secs(4));
    assert_eq!(rig.take_writes(), [""; 0]);

    rig.advance(secs(1));
    let writes = rig.take_writes();
    assert!(writes[0].starts_with("settings: "), "{writes:?}");
    assert_eq!(writes[1..], ["192.0.2.1 tcp/80: server 10.0.0.1 weight 0"]);
    assert_eq!(phases(&mut rig), [WarmUpPhase::HandsOff, WarmUpPhase::Releasing]);
}

#[test]
fn each_vip_is_released_once_it_is_decided() {
    let (one, other) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let standing = desired([(one, vip([up(1, 100)])), (other, vip([up(1, 100)]))]);
    let mut rig = Rig::new(FakeVpp::as_desired(&standing), secs(5), secs(30));
    rig.want(desired([(one, undecided(vip([down(1)]))), (other, undecided(vip([down(1)])))]));
    rig.up();
    rig.advance(secs(10));
    assert_eq!(rig.take_writes(), [""; 0]);

    rig.update(one, vip([down(1)]));
    assert_eq!(rig.take_writes(), ["192.0.2.1 tcp/80: server 10.0.0.1 weight 0"]);
    assert!(rig.events.contains(&Event::Released(one)));
    assert!(!rig.sync.status().vips[&other].released);

    // Once released it stays so.
    rig.update(one, undecided(vip([up(1, 100)])));
    assert_eq!(rig.take_writes(), ["192.0.2.1 tcp/80: server 10.0.0.1 weight 100"]);

    rig.advance(secs(20));
    assert_eq!(rig.take_writes(), ["192.0.2.2 tcp/80: server 10.0.0.1 weight 0"]);
    assert_eq!(phases(&mut rig).last(), Some(&WarmUpPhase::Done));
}

#[test]
fn a_missing_vip_is_created_when_it_is_released() {
    let (one, other) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let mut rig = Rig::new(FakeVpp::as_desired(&desired([(one, vip([up(1, 100)]))])), secs(5), secs(30));
    let states = [(one, undecided(vip([up(1, 100)]))), (other, undecided(vip([up(1, 0)])))];
    rig.want(desired(states));
    rig.up();
    rig.advance(secs(20));
    assert!(!rig.vpp.has(&other));
    rig.update(other, vip([up(1, 100)]));
    assert!(rig.vpp.serves(&other));
}

#[test]
fn a_vpp_without_vips_at_the_first_connect_is_programmed_as_soon_as_vips_are_released() {
    let (one, other) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let mut rig = Rig::new(FakeVpp::new(), secs(5), secs(30));
    rig.want(desired([(one, vip([up(1, 100)])), (other, undecided(vip([up(1, 100)])))]));
    rig.up();
    assert!(rig.vpp.serves(&one) && !rig.vpp.has(&other));
    assert_eq!(phases(&mut rig), [WarmUpPhase::HandsOff, WarmUpPhase::Releasing]);
    rig.advance(secs(1));
    rig.update(other, vip([up(1, 100)]));
    assert!(rig.vpp.serves(&other));
}

#[test]
fn only_the_first_connect_can_skip_the_hands_off_time() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::new(FakeVpp::as_desired(&desired([(one, vip([]))])), secs(5), secs(30));
    rig.want(desired([(one, vip([up(1, 100)]))]));
    rig.up();
    rig.restart_vpp();
    rig.up();
    rig.advance(secs(3));
    assert_eq!(rig.take_writes(), [""; 0]);
    rig.advance(secs(2));
    assert!(rig.vpp.serves(&one));
}

#[test]
fn the_clock_runs_once_and_without_a_link_too() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::new(FakeVpp::as_desired(&desired([(one, vip([up(1, 100)]))])), secs(5), secs(30));
    rig.want(desired([(one, undecided(vip([down(1)])))]));
    rig.advance(secs(31));
    assert_eq!(phases(&mut rig), [WarmUpPhase::HandsOff, WarmUpPhase::Releasing, WarmUpPhase::Done]);
    rig.up();
    assert_eq!(rig.take_writes(), ["192.0.2.1 tcp/80: server 10.0.0.1 weight 0"]);
    // Neither a reconnect nor a reload starts it again.
    rig.down();
    rig.up();
    rig.want(desired([(one, undecided(vip([up(1, 100)])))]));
    assert_eq!(rig.take_writes(), ["192.0.2.1 tcp/80: server 10.0.0.1 weight 100"]);
}

#[test]
fn without_delays_there_is_no_warm_up() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::warm(FakeVpp::as_desired(&desired([(one, vip([up(1, 100)]))])));
    rig.want(desired([(one, undecided(vip([down(1)])))]));
    rig.up();
    assert_eq!(rig.take_writes(), ["192.0.2.1 tcp/80: server 10.0.0.1 weight 0"]);
    assert_eq!(phases(&mut rig), [WarmUpPhase::Done]);
}

#[test]
fn nothing_is_removed_before_the_warm_up_ends_and_then_all_that_must_go() {
    let (ours, foreign, wanted) = (key("192.0.2.1", 80), key("192.0.2.2", 80), key("192.0.2.3", 80));
    let all = [ours, foreign, wanted].map(|key| (key, vip([])));
    for policy in [ForeignVips::Keep, ForeignVips::Remove] {
        let mut rig = Rig::new(FakeVpp::as_desired(&desired(all.clone())), secs(5), secs(30));
        rig.sync.adopt([ours]);
        let mut state = desired([(wanted, vip([]))]);
        state.foreign = policy;
        rig.want(state);
        rig.up();
        rig.advance(secs(29));
        assert_eq!(rig.take_writes(), [""; 0], "{policy:?}");
        rig.advance(secs(1));
        match policy {
            ForeignVips::Keep => assert_eq!(rig.take_writes(), ["192.0.2.1 tcp/80: delete"]),
            ForeignVips::Remove => {
                assert_eq!(rig.take_writes(), ["192.0.2.1 tcp/80: delete", "192.0.2.2 tcp/80: delete"]);
            }
        }
    }
}

#[test]
fn a_vip_that_leaves_during_the_warm_up_goes_at_its_end() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::new(FakeVpp::as_desired(&desired([(one, vip([]))])), secs(5), secs(30));
    let mut none = desired([]);
    none.foreign = ForeignVips::Keep;
    rig.want(desired([(one, vip([]))]));
    rig.up();
    rig.advance(secs(10));
    rig.want(none);
    rig.advance(secs(19));
    assert_eq!(rig.take_writes(), [""; 0]);
    rig.advance(secs(1));
    assert_eq!(rig.take_writes(), ["192.0.2.1 tcp/80: delete"]);
}

#[test]
fn a_vip_that_a_later_reload_brings_is_created_when_decided_or_after_the_max_delay() {
    let (one, other) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let mut rig = Rig::new(FakeVpp::new(), secs(5), secs(30));
    rig.want(desired([]));
    rig.up();
    rig.advance(secs(100));
    rig.want(desired([(one, undecided(vip([up(1, 100)]))), (other, undecided(vip([up(1, 0)])))]));
    rig.advance(secs(10));
    assert_eq!(rig.take_writes()[1..], [""; 0]);
    rig.update(one, vip([up(1, 100)]));
    assert!(rig.vpp.serves(&one));
    rig.advance(secs(19));
    assert!(!rig.vpp.has(&other));
    rig.advance(secs(1));
    assert!(rig.vpp.has(&other));
}

#[test]
fn a_vip_that_a_later_reload_brings_and_that_stands_is_taken_over_at_once() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::new(FakeVpp::as_desired(&desired([(one, vip([up(1, 100)]))])), secs(5), secs(30));
    let mut none = desired([]);
    none.foreign = ForeignVips::Keep;
    rig.want(none);
    rig.up();
    rig.advance(secs(100));
    rig.want(desired([(one, undecided(vip([up(1, 100), up(2, 0)])))]));
    assert_eq!(rig.take_writes(), ["192.0.2.1 tcp/80: add server 10.0.0.2 weight 0"]);
}

#[test]
fn the_end_of_the_warm_up_is_a_pass_over_everything() {
    let one = key("192.0.2.1", 80);
    let wanted = desired([(one, vip([up(1, 100)]))]);
    let mut rig = Rig::new(FakeVpp::as_desired(&wanted), secs(5), secs(30));
    rig.want(wanted);
    rig.up();
    rig.advance(secs(29));
    rig.take_events();
    rig.advance(secs(1));
    let events = rig.take_events();
    assert_eq!(events[0], Event::WarmUp(WarmUpPhase::Done));
    assert!(matches!(events[1], Event::SyncStart { scope: crate::SyncScope::All }), "{events:?}");
    assert!(matches!(events[2], Event::SyncDone { scope: crate::SyncScope::All, .. }), "{events:?}");
}
