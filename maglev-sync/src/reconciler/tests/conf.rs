//! The plugin's settings.

use crate::call::{Call, ConfUpdate};
use crate::event::{Event, Warning};
use crate::model::{Desired, StickyBuckets};
use crate::reconciler::{RequestScope, SyncRequest};
use crate::testing::{FakeVpp, Rig, desired, key, secs, up, vip};

fn with_buckets(buckets: u32) -> Desired {
    let mut wanted = desired([(key("192.0.2.1", 80), vip([up(1, 100)]))]);
    wanted.conf.sticky_buckets = StickyBuckets::new(buckets).expect("a number");
    wanted
}

fn sent(rig: &Rig) -> Vec<ConfUpdate> {
    let update = |call: &Call| match call {
        Call::Conf(update) => Some(*update),
        _ => None,
    };
    rig.vpp.log.iter().filter_map(update).collect()
}

#[test]
fn settings_are_the_first_write_and_buckets_go_into_an_empty_vpp() {
    let mut rig = Rig::warm(FakeVpp::new());
    rig.want(with_buckets(65_536));
    rig.up();
    let writes = rig.vpp.writes();
    assert!(matches!(writes[0], Call::Conf(_)), "{writes:?}");
    assert_eq!(sent(&rig).len(), 1);
    assert_eq!(rig.vpp.conf.sticky_buckets_per_core, Some(65_536));
    let updated = rig.events.iter().position(|event| matches!(event, Event::ConfUpdated(_)));
    let added = rig.events.iter().position(|event| matches!(event, Event::VipAdded(_)));
    assert!(updated.is_some() && updated < added, "{:?}", rig.events);
}

#[test]
fn other_buckets_are_reported_once_and_kept_while_there_are_vips() {
    let mut rig = Rig::warm(FakeVpp::as_desired(&with_buckets(1024)));
    rig.want(with_buckets(2048));
    rig.up();
    rig.advance(secs(100));
    assert_eq!(sent(&rig), []);
    let warning = Warning::StickyBucketsDiffer { wanted: StickyBuckets::new(2048).expect("a number"), actual: 1024 };
    let said = rig.take_events().into_iter().filter(|event| *event == Event::Warning(warning.clone())).count();
    assert_eq!(said, 1);
    assert_eq!(
        rig.sync.status().sticky_buckets_differ.map(|(wanted, actual)| (wanted.get(), actual)),
        Some((2048, 1024))
    );

    // Addresses and time-out go without them.
    let mut other = with_buckets(2048);
    other.conf.ip4_src = [10, 0, 0, 9].into();
    rig.want(other);
    assert_eq!(sent(&rig).iter().map(|update| update.sticky_buckets).collect::<Vec<_>>(), [None]);
    assert_eq!(rig.vpp.conf.sticky_buckets_per_core, Some(1024));
}

#[test]
fn a_sync_with_recreate_changes_the_buckets_once() {
    let mut rig = Rig::warm(FakeVpp::as_desired(&with_buckets(1024)));
    rig.want(with_buckets(2048));
    rig.up();
    rig.request(SyncRequest { scope: RequestScope::All, recreate: false });
    assert_eq!(sent(&rig), []);
    rig.request(SyncRequest { scope: RequestScope::All, recreate: true });
    assert_eq!(rig.vpp.conf.sticky_buckets_per_core, Some(2048));
    assert_eq!(rig.sync.status().sticky_buckets_differ, None);

    // The permission does not outlive its request.
    rig.want(with_buckets(4096));
    rig.advance(secs(60));
    assert_eq!(rig.vpp.conf.sticky_buckets_per_core, Some(2048));
}

#[test]
fn a_permission_that_was_not_needed_does_not_linger() {
    let mut rig = Rig::settled(with_buckets(1024));
    rig.request(SyncRequest { scope: RequestScope::All, recreate: true });
    rig.want(with_buckets(2048));
    rig.advance(secs(60));
    assert_eq!(rig.vpp.conf.sticky_buckets_per_core, Some(1024));
}

#[test]
fn settings_changed_by_others_are_found_by_a_sync_of_everything() {
    let mut rig = Rig::settled(with_buckets(1024));
    rig.vpp.conf.flow_timeout = Some(99);
    rig.request(SyncRequest { scope: RequestScope::All, recreate: false });
    assert_eq!(rig.vpp.conf.flow_timeout, Some(40));
}

#[test]
fn refused_settings_are_read_and_tried_again_and_hold_up_no_vip() {
    let mut rig = Rig::warm(FakeVpp::new());
    rig.refuse = Box::new(|call| matches!(call, Call::Conf(_)));
    rig.want(with_buckets(1024));
    rig.up();
    assert!(rig.vpp.serves(&key("192.0.2.1", 80)));
    assert_eq!(sent(&rig).len(), 1);
    rig.advance(secs(8));
    // At 0, 1, 3 and 7 seconds.
    assert_eq!(sent(&rig).len(), 4);
    let refused = |event: &&Event| matches!(event, Event::Warning(Warning::ConfRefused { .. }));
    assert_eq!(rig.events.iter().filter(refused).count(), 1);
    assert!(rig.vpp.log.iter().filter(|call| **call == Call::ConfGet).count() >= 4, "it was not read again");
    rig.refuse = Box::new(|_| false);
    rig.advance(secs(10));
    assert_eq!(rig.vpp.conf.flow_timeout, Some(40));
}
