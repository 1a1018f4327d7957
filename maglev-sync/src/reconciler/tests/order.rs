//! Answers that overtake one another, and calls that leave before an earlier one is answered.

use crate::event::{Event, Failure};
use crate::exec::Forbidden;
use crate::model::DesiredVip;
use crate::testing::{FakeVpp, Rig, desired, key, server, up, vip};

/// A rig that hands over the newest answer first.
fn overtaking(mut rig: Rig) -> Rig {
    rig.pick = Box::new(|waiting| waiting - 1);
    rig
}

#[test]
fn a_vip_and_its_servers_are_added_once_in_whatever_order_the_answers_come() {
    let vips = [80, 81, 82].map(|port| (key("192.0.2.1", port), vip([up(1, 100), up(2, 50), up(3, 100)])));
    let mut rig = overtaking(Rig::warm(FakeVpp::new()));
    rig.sync.set_desired(rig.now, desired(vips));
    rig.up();
    assert_eq!(rig.vpp.writes().iter().filter(|call| call.vip().is_some()).count(), 3 * (1 + 3));
    let events = rig.take_events();
    assert!(!events.iter().any(|event| matches!(event, Event::VipFailed { .. })), "{events:?}");
    for vip in [80, 81, 82].map(|port| key("192.0.2.1", port)) {
        let added = events.iter().position(|event| *event == Event::VipAdded(vip));
        let server = events.iter().position(|event| matches!(event, Event::AsAdded { key, .. } if *key == vip));
        assert!(added < server, "a VIP is told before its servers: {events:?}");
    }
}

#[test]
fn a_vip_is_made_anew_once_in_whatever_order_the_answers_come() {
    let key = key("192.0.2.1", 80);
    let before = vip([up(1, 100), up(2, 50)]);
    let after = DesiredVip { src_ip_sticky: true, ..before.clone() };
    let mut rig = overtaking(Rig::settled(desired([(key, before)])));
    rig.want(desired([(key, after)]));
    let events = rig.take_events();
    assert!(!events.iter().any(|event| matches!(event, Event::VipFailed { .. })), "{events:?}");
    let recreated = events.iter().filter(|event| **event == Event::VipRecreated(key)).count();
    let added = events.iter().filter(|event| matches!(event, Event::AsAdded { .. })).count();
    assert_eq!((recreated, added), (1, 2), "{events:?}");
}

#[test]
fn a_vip_that_was_made_anew_is_still_known_to_be_one() {
    let (one, other) = (key("10.0.0.7", 80), key("192.0.2.2", 80));
    let before = vip([up(1, 100)]);
    let after = DesiredVip { src_ip_sticky: true, ..before.clone() };
    let mut rig = Rig::settled(desired([(one, before), (other, vip([up(1, 100)]))]));
    rig.want(desired([(one, after.clone()), (other, vip([up(1, 100)]))]));
    rig.take_writes();
    rig.want(desired([(one, after), (other, vip([up(1, 100), up(7, 100)]))]));
    // The small VPP would have died.
    assert_eq!(rig.take_writes(), [""; 0]);
    let failure = rig.sync.status().vips[&other].last_error.clone();
    let rule = Forbidden::ServerIsVip { address: server(7), vip: one };
    assert!(matches!(failure, Some(Failure::Forbidden { rule: broken, .. }) if broken == rule), "{failure:?}");
}
