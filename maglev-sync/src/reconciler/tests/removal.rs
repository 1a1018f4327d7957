//! VIPs that go, and VIPs that are in the way.

use crate::call::Call;
use crate::event::{Event, Failure, Warning};
use crate::model::{DesiredVip, Encap, ForeignVips, TableLength};
use crate::reconciler::{RequestScope, SyncRequest};
use crate::testing::{FakeVpp, Rig, desired, key, secs, up, vip};

#[test]
fn a_vip_that_leaves_goes_in_the_pass_of_that_reload() {
    let (one, other) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)])), (other, vip([]))]));
    let mut wanted = desired([(other, vip([]))]);
    wanted.foreign = ForeignVips::Keep;
    rig.want(wanted);
    assert_eq!(
        rig.take_writes(),
        ["192.0.2.1 tcp/80: delete server 10.0.0.1, flush its flows", "192.0.2.1 tcp/80: delete"]
    );
    assert!(rig.events.contains(&Event::VipRemoved(one)));
    assert!(!rig.sync.ours().contains(&one) && rig.sync.ours().contains(&other));
}

#[test]
fn a_server_that_leaves_goes_without_flush() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100), up(2, 100)]))]));
    rig.want(desired([(one, vip([up(2, 100)]))]));
    assert_eq!(rig.take_writes(), ["192.0.2.1 tcp/80: delete server 10.0.0.1"]);
}

#[test]
fn a_foreign_vip_goes_at_the_next_dump_of_vips() {
    let (one, foreign) = (key("192.0.2.1", 80), key("192.0.2.9", 80));
    let mut rig = Rig::settled(desired([(one, vip([]))]));
    rig.vpp.put(foreign, &vip([up(9, 100)]));
    rig.advance(secs(31));
    assert!(!rig.vpp.has(&foreign));
    assert_eq!(
        rig.take_writes(),
        ["192.0.2.9 tcp/80: delete server 10.0.0.9, flush its flows", "192.0.2.9 tcp/80: delete"]
    );
}

#[test]
fn a_foreign_vip_that_is_to_be_kept_is_never_touched() {
    let (one, foreign) = (key("192.0.2.1", 80), key("192.0.2.9", 80));
    let mut wanted = desired([(one, vip([]))]);
    wanted.foreign = ForeignVips::Keep;
    let mut rig = Rig::settled(wanted);
    rig.vpp.put(foreign, &vip([up(9, 100)]));
    rig.advance(secs(61));
    rig.request(SyncRequest { scope: RequestScope::All, recreate: true });
    assert_eq!(rig.take_writes(), [""; 0]);
    assert_eq!(rig.sync.status().foreign, [foreign]);
}

#[test]
fn leave_to_re_create_ends_before_a_vip_is_taken_over() {
    let (one, foreign) = (key("192.0.2.1", 80), key("192.0.2.9", 80));
    let mut wanted = desired([(one, vip([]))]);
    wanted.foreign = ForeignVips::Keep;
    let mut rig = Rig::settled(wanted.clone());
    rig.vpp.put(foreign, &vip([up(9, 100)]));
    rig.advance(secs(31));
    rig.request(SyncRequest { scope: RequestScope::All, recreate: true });
    rig.advance(secs(1));
    // Nobody has asked for what this one is to be.
    let longer = TableLength::new(2048).expect("a length");
    wanted.vips.insert(foreign, DesiredVip { table_length: longer, ..vip([up(9, 100)]) });
    rig.want(wanted);
    rig.advance(secs(31));
    assert_eq!(rig.take_writes(), [""; 0]);
}

#[test]
fn foreign_vips_may_be_given_up_by_a_reload() {
    let (one, foreign) = (key("192.0.2.1", 80), key("192.0.2.9", 80));
    let mut wanted = desired([(one, vip([]))]);
    wanted.foreign = ForeignVips::Keep;
    let mut rig = Rig::settled(wanted.clone());
    rig.vpp.put(foreign, &vip([]));
    rig.advance(secs(31));
    wanted.foreign = ForeignVips::Remove;
    rig.want(wanted);
    rig.advance(secs(31));
    assert!(!rig.vpp.has(&foreign));
}

#[test]
fn flushes_of_vips_that_go_are_paced() {
    let keys: Vec<_> = (1..=10).map(|n| key(&format!("192.0.2.{n}"), 80)).collect();
    let mut rig = Rig::settled(desired(keys.iter().map(|key| (*key, vip([up(1, 100), up(2, 100)])))));
    let before = rig.now;
    rig.latency = std::time::Duration::from_millis(10);
    rig.want(desired([]));
    while rig.vpp.flushes.len() < 20 {
        rig.advance(std::time::Duration::from_millis(5));
        assert!(rig.now - before < secs(5), "{} flushes only", rig.vpp.flushes.len());
    }
    // Flushes of 10 ms each, and three times that of rest between them.
    let took = rig.now - before;
    assert!(took.as_millis() >= 19 * 40, "{took:?}");
    rig.advance(secs(1));
    assert!(keys.iter().all(|key| !rig.vpp.has(key)));
}

#[test]
fn a_change_of_hash_re_creates_the_vip_in_one_batch() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    rig.sync.set_desired(rig.now, desired([(one, DesiredVip { src_ip_sticky: true, ..vip([up(1, 100)]) })]));
    rig.send();
    assert_eq!(
        rig.take_writes(),
        [
            "192.0.2.1 tcp/80: delete server 10.0.0.1, flush its flows",
            "192.0.2.1 tcp/80: delete",
            "192.0.2.1 tcp/80: create, gre4, 1024 buckets, src-ip-sticky",
            "192.0.2.1 tcp/80: add server 10.0.0.1 weight 100",
        ]
    );
    rig.pump();
    let told: Vec<Event> = rig.take_events();
    assert!(told.contains(&Event::VipRecreated(one)), "{told:?}");
    assert!(!told.iter().any(|event| matches!(event, Event::VipAdded(_) | Event::VipRemoved(_))), "{told:?}");
}

#[test]
fn another_table_length_waits_for_a_sync_with_recreate() {
    let one = key("192.0.2.1", 80);
    let longer = DesiredVip { table_length: TableLength::new(65_536).expect("a length"), ..vip([up(1, 100)]) };
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    rig.want(desired([(one, longer)]));
    rig.request(SyncRequest { scope: RequestScope::All, recreate: false });
    rig.request(SyncRequest { scope: RequestScope::Vip(one), recreate: false });
    rig.advance(secs(60));
    assert_eq!(rig.take_writes(), [""; 0]);
    let warned = |event: &&Event| matches!(event, Event::Warning(Warning::TableLengthDiffers { .. }));
    assert_eq!(rig.events.iter().filter(warned).count(), 1);
    let status = &rig.sync.status().vips[&one];
    assert_eq!(status.table_length_wanted.map(TableLength::get), Some(65_536));
    assert_eq!(status.table_length.and_then(|length| length.known()), Some(1024));

    rig.request(SyncRequest { scope: RequestScope::Vip(one), recreate: true });
    assert!(rig.take_writes().contains(&"192.0.2.1 tcp/80: create, gre4, 65536 buckets".to_owned()));
    // What is right is not re-created again.
    rig.request(SyncRequest { scope: RequestScope::Vip(one), recreate: true });
    assert_eq!(rig.take_writes(), [""; 0]);
}

#[test]
fn vips_that_exclude_each_other_change_places_in_one_batch() {
    let (http, https, all) = (key("192.0.2.1", 80), key("192.0.2.1", 443), key("192.0.2.1", 0));
    let mut rig = Rig::settled(desired([(http, vip([])), (https, vip([]))]));
    rig.sync.set_desired(rig.now, desired([(all, vip([up(1, 100)]))]));
    // It is decided, so it is created at once.
    rig.send();
    assert_eq!(
        rig.take_writes(),
        [
            "192.0.2.1 tcp/80: delete",
            "192.0.2.1 tcp/443: delete",
            "192.0.2.1 any: create, gre4, 1024 buckets",
            "192.0.2.1 any: add server 10.0.0.1 weight 100",
        ]
    );
    rig.pump();
    assert!(rig.vpp.serves(&all));
}

#[test]
fn vips_of_one_address_change_their_encapsulation_together() {
    let (http, https) = (key("192.0.2.1", 80), key("192.0.2.1", 443));
    let gre6 = DesiredVip { encap: Encap::Gre6, ..vip([]) };
    let mut rig = Rig::settled(desired([(http, vip([up(1, 100)])), (https, vip([]))]));
    rig.want(desired([(http, gre6.clone()), (https, gre6)]));
    assert!(rig.sync.status().vips.values().all(|vip| vip.in_sync), "{:?}", rig.events);
    assert!(!rig.events.iter().any(|event| matches!(event, Event::VipFailed { .. })), "{:?}", rig.events);
}

#[test]
fn a_kept_foreign_vip_in_the_way_is_named_and_nothing_is_deleted() {
    let (http, https) = (key("192.0.2.1", 80), key("192.0.2.1", 443));
    let mut wanted = desired([(http, vip([up(1, 100)]))]);
    wanted.foreign = ForeignVips::Keep;
    let mut rig = Rig::settled(wanted.clone());
    rig.vpp.put(https, &vip([]));
    rig.advance(secs(31));
    wanted.vips.insert(http, DesiredVip { encap: Encap::Gre6, ..vip([]) });
    rig.want(wanted.clone());
    assert_eq!(rig.take_writes(), [""; 0]);
    assert!(rig.events.contains(&Event::Warning(Warning::InTheWay { key: http, by: https })));
    assert_eq!(rig.sync.status().vips[&http].last_error, Some(Failure::InTheWay { by: https }));

    // Once it is gone the VIP follows by itself.
    rig.vpp.quietly(Call::VipDel(https));
    rig.advance(secs(31));
    assert!(rig.sync.status().vips[&http].in_sync);
    assert_eq!(rig.sync.status().vips[&http].last_error, None);
}

#[test]
fn a_foreign_vip_in_the_way_that_may_go_makes_room() {
    let (http, all) = (key("192.0.2.1", 80), key("192.0.2.1", 0));
    let mut rig = Rig::settled(desired([]));
    rig.vpp.put(all, &vip([up(1, 100)]));
    rig.advance(secs(1));
    rig.want(desired([(http, vip([up(1, 100)]))]));
    rig.advance(secs(90));
    assert!(rig.vpp.serves(&http) && !rig.vpp.has(&all), "{:?}", rig.events);
}

#[test]
fn in_the_warm_up_a_vip_waits_for_another_one_to_go() {
    let (http, all) = (key("192.0.2.1", 80), key("192.0.2.1", 0));
    let mut rig = Rig::new(FakeVpp::as_desired(&desired([(all, vip([up(1, 100)]))])), secs(5), secs(30));
    rig.want(desired([(http, vip([up(1, 100)]))]));
    rig.up();
    rig.advance(secs(29));
    assert_eq!(rig.take_writes(), [""; 0]);
    rig.advance(secs(1));
    assert!(rig.vpp.serves(&http) && !rig.vpp.has(&all), "{:?}", rig.events);
}

#[test]
fn a_reload_that_keeps_foreign_vips_stops_their_removal() {
    let foreign = key("192.0.2.9", 80);
    let mut rig = Rig::settled(desired([]));
    rig.vpp.put(foreign, &vip([up(1, 100), up(2, 100), up(3, 100)]));
    rig.latency = std::time::Duration::from_millis(100);
    while rig.vpp.flushes.is_empty() {
        rig.advance(std::time::Duration::from_millis(100));
    }
    // One server is gone, the others wait for the flush to rest.
    let mut keep = desired([]);
    keep.foreign = ForeignVips::Keep;
    rig.want(keep);
    rig.advance(secs(90));
    assert_eq!(rig.vpp.flushes.len(), 1);
    assert!(rig.vpp.serves(&foreign));
}

#[test]
fn what_is_gone_is_ours_no_longer() {
    let (one, other) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let mut keep = desired([]);
    keep.foreign = ForeignVips::Keep;
    let mut rig = Rig::new(FakeVpp::as_desired(&desired([(one, vip([]))])), secs(5), secs(30));
    rig.sync.adopt([one, other]);
    rig.want(keep);
    rig.up();
    assert_eq!(rig.sync.ours().iter().collect::<Vec<_>>(), [&one]);
    rig.vpp.quietly(Call::VipDel(one));
    rig.advance(secs(60));
    assert!(rig.sync.ours().is_empty());
    // Somebody else's now.
    rig.vpp.put(one, &vip([]));
    rig.vpp.put(other, &vip([]));
    rig.advance(secs(60));
    assert_eq!(rig.take_writes(), [""; 0]);
}
