//! Pool and stats indices, flows, and the text that tells them.

use std::time::Duration;

use crate::call::{Call, Reply};
use crate::event::{Event, Warning};
use crate::model::{DesiredVip, Protocol, VipKey};
use crate::status::VerboseStatus;
use crate::testing::{FakeVpp, Rig, desired, key, secs, server, up, vip};

fn count(rig: &Rig, call: impl Fn(&Call) -> bool) -> usize {
    rig.vpp.log.iter().filter(|logged| call(logged)).count()
}

fn is_verbose(call: &Call) -> bool {
    *call == Call::Verbose
}

fn is_route(call: &Call) -> bool {
    matches!(call, Call::Route(_))
}

#[test]
fn at_link_up_everything_is_looked_up_once() {
    let (one, other) = (key("192.0.2.1", 80), key("192.0.2.1", 443));
    let wanted = desired([(one, vip([up(1, 100), up(2, 50)])), (other, vip([up(2, 100)]))]);
    let mut rig = Rig::warm(FakeVpp::as_desired(&wanted));
    rig.want(wanted);
    rig.up();
    rig.advance(secs(1));
    let indices = rig.sync.indices().clone();
    assert_eq!(indices.vips.get(&one).copied(), rig.vpp.pool_index(&one));
    assert_eq!(indices.vips.get(&other).copied(), rig.vpp.pool_index(&other));
    // One route for both VIPs of the address; the servers' routes come with the text.
    assert_eq!(indices.vip_routes.get(&one.prefix()).copied(), rig.vpp.route(one.prefix()));
    assert_eq!(indices.as_routes.get(&server(2)).copied(), rig.vpp.route(server(2).into()));
    assert_eq!((count(&rig, is_verbose), count(&rig, is_route)), (1, 1));
    let last = rig.events.iter().rev().find_map(|event| match event {
        Event::IndicesChanged { generation } => Some(*generation),
        _ => None,
    });
    assert_eq!(last, Some(indices.generation));

    let flows = rig.sync.flows().expect("the text was read");
    // The small VPP counts as many flows as a server has weight.
    assert_eq!(flows.flows.get(&(one, server(2))), Some(&50));
    // And then never again.
    rig.vpp.log.clear();
    rig.advance(secs(120));
    assert_eq!((count(&rig, is_verbose), count(&rig, is_route)), (0, 0));
}

#[test]
fn a_new_vip_is_looked_up_with_one_text_for_all_that_came_together() {
    let mut rig = Rig::settled(desired([]));
    rig.advance(secs(10));
    let keys: Vec<VipKey> = (1..=50).map(|n| key(&format!("192.0.2.{n}"), 80)).collect();
    rig.want(desired(keys.iter().map(|key| (*key, vip([up(1, 100)])))));
    rig.advance(secs(10));
    assert_eq!(count(&rig, is_verbose), 1);
    assert!(keys.iter().all(|key| rig.sync.indices().vips.get(key).copied() == rig.vpp.pool_index(key)));
    assert!(keys.iter().all(|key| rig.sync.indices().vip_routes.contains_key(&key.prefix())));
}

#[test]
fn a_new_server_is_looked_up_by_its_route_alone() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    rig.want(desired([(one, vip([up(1, 100), up(2, 100)]))]));
    assert_eq!((count(&rig, is_verbose), count(&rig, is_route)), (0, 1));
    assert_eq!(rig.sync.indices().as_routes.get(&server(2)).copied(), rig.vpp.route(server(2).into()));
    // A change of weight is no reason to look anything up.
    rig.want(desired([(one, vip([up(1, 10), up(2, 100)]))]));
    assert_eq!((count(&rig, is_verbose), count(&rig, is_route)), (0, 1));
}

#[test]
fn a_vip_that_is_gone_has_no_index() {
    let (one, other) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let mut rig = Rig::settled(desired([(one, vip([])), (other, vip([]))]));
    let before = rig.sync.indices().generation;
    rig.want(desired([(other, vip([]))]));
    let indices = rig.sync.indices();
    assert!(!indices.vips.contains_key(&one) && !indices.vip_routes.contains_key(&one.prefix()));
    assert!(indices.generation > before);
    assert!(rig.events.iter().any(|event| matches!(event, Event::IndicesChanged { .. })));
}

#[test]
fn a_server_that_no_vip_has_any_longer_has_no_index() {
    let (one, other) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let mut rig = Rig::settled(desired([(one, vip([up(1, 1), up(2, 1)])), (other, vip([up(2, 1), up(3, 1)]))]));
    rig.want(desired([(one, vip([up(1, 1)])), (other, vip([up(2, 1), up(3, 1)]))]));
    assert!(rig.sync.indices().as_routes.contains_key(&server(2)));
    rig.want(desired([(one, vip([up(1, 1)])), (other, vip([up(3, 1)]))]));
    assert!(!rig.sync.indices().as_routes.contains_key(&server(2)));
    // Nor have those of a VIP that vanished.
    rig.vpp.quietly(Call::VipDel(other));
    rig.want(desired([(one, vip([up(1, 1)]))]));
    rig.advance(secs(60));
    assert_eq!(rig.sync.indices().as_routes.keys().collect::<Vec<_>>(), [&server(1)]);
}

#[test]
fn a_vip_that_was_re_created_gets_a_new_index() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    rig.advance(secs(10));
    let before = rig.sync.indices().vips[&one];
    rig.want(desired([(one, DesiredVip { src_ip_sticky: true, ..vip([up(1, 100)]) })]));
    rig.advance(secs(10));
    let after = rig.sync.indices().vips[&one];
    assert_ne!(before, after);
    assert_eq!(Some(after), rig.vpp.pool_index(&one));
}

#[test]
fn the_text_takes_a_thousandth_of_the_time_at_most() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    rig.advance(secs(100));
    rig.latency = Duration::from_millis(20);
    rig.vpp.log.clear();
    for _ in 0..100 {
        rig.sync.request_flows(rig.now);
        rig.advance(secs(1));
    }
    // 20 ms each, so every 20 s.
    assert_eq!(count(&rig, is_verbose), 5);
}

#[test]
fn flows_on_request_are_as_old_as_their_reading() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    let first = rig.sync.flows().expect("read at link-up").at;
    rig.advance(secs(100));
    assert_eq!(rig.sync.flows().map(|flows| flows.at), Some(first));
    rig.sync.request_flows(rig.now);
    rig.pump();
    assert_eq!(rig.sync.flows().map(|flows| flows.at), Some(rig.now));
}

#[test]
fn a_text_that_may_be_too_large_is_never_asked_for() {
    // 300 bytes a VIP and 70 a server: 4 MiB are 59,919 servers and a VIP. Removed ones count.
    let one = key("192.0.2.1", 80);
    let keys: Vec<VipKey> = (0..233_u8).map(|n| VipKey::host([192, 0, 2, n].into(), Protocol::TCP, 81)).collect();
    let mut vpp = FakeVpp::new();
    for key in &keys {
        vpp.put(*key, &vip([]));
        for n in 0..=255_u8 {
            let address = [10, 0, 0, n].into();
            vpp.quietly(Call::AsAdd { key: *key, address, weight: crate::Weight::MAX });
        }
    }
    let expected = 233 * 300 + 233 * 256 * 70;
    assert!(expected > 4 << 20);
    let mut wanted = desired([(one, vip([up(1, 100)]))]);
    wanted.foreign = crate::ForeignVips::Keep;
    let mut rig = Rig::warm(vpp);
    rig.want(wanted);
    rig.up();
    rig.advance(secs(1));
    rig.sync.request_flows(rig.now);
    rig.advance(secs(100));
    assert_eq!(count(&rig, is_verbose), 0);
    let warnings = rig.events.iter().filter(|event| matches!(event, Event::Warning(Warning::VerboseTooLarge { .. })));
    assert!(warnings.count() >= 1);
    assert!(matches!(rig.sync.status().verbose, VerboseStatus::TooLarge { .. }));
    // Routes are looked up all the same, one by one.
    assert_eq!(rig.sync.indices().as_routes.get(&server(1)).copied(), rig.vpp.route(server(1).into()));
    assert!(rig.sync.indices().vips.is_empty());
}

#[test]
fn removed_servers_count_for_the_size_of_the_text() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::warm(FakeVpp::new());
    rig.want(desired([(one, vip([up(1, 100)]))]));
    rig.sync.handle_link_up(rig.now, crate::BootId(1, 1), rig.vpp.abilities);
    let mut asked = false;
    // All but one of the rows are of removed servers, of removed VIPs of the same name.
    let rows = (0..60_000_u32).map(|n| crate::AsRow {
        key: one,
        address: std::net::Ipv4Addr::from(0x0a00_0000 + n).into(),
        in_use: false,
        weight: 100,
    });
    let rows: Vec<_> = rows.collect();
    for _ in 0..50 {
        while rig.sync.poll_event().is_some() {}
        let Some((id, call)) = rig.sync.poll_call(rig.now) else { break };
        asked |= call == Call::Verbose;
        let reply = if call == Call::AsDump(None) { Ok(Reply::Ases(rows.clone())) } else { rig.vpp.execute(&call) };
        rig.sync.handle_reply(rig.now, id, reply);
    }
    assert!(!asked);
}

#[test]
fn a_text_that_is_no_text_is_an_event_and_not_the_end() {
    let one = key("192.0.2.1", 80);
    let wanted = desired([(one, DesiredVip { src_ip_sticky: true, ..vip([up(1, 100)]) })]);
    let mut rig = Rig::warm(FakeVpp::as_desired(&wanted));
    rig.want(wanted);
    rig.sync.handle_link_up(rig.now, crate::BootId(1, 1), rig.vpp.abilities);
    loop {
        while let Some(event) = rig.sync.poll_event() {
            rig.events.push(event);
        }
        let Some((id, call)) = rig.sync.poll_call(rig.now) else { break };
        let garbage = || Ok(Reply::Text("\u{0} ip4-gre4 [x".to_owned()));
        let reply = if call == Call::Verbose { garbage() } else { rig.vpp.execute(&call) };
        rig.sync.handle_reply(rig.now, id, reply);
    }
    assert!(rig.events.iter().any(|event| matches!(event, Event::Warning(Warning::VerboseUnreadable(_)))));
    assert_eq!(rig.sync.status().verbose, VerboseStatus::Failed);
    // The hash is unknown and taken for right.
    assert_eq!(rig.vpp.writes(), []);
    assert_eq!(rig.sync.indices().as_routes.len(), 1);
}

#[test]
fn a_refused_text_is_asked_for_again_later() {
    let one = key("192.0.2.1", 80);
    let wanted = desired([(one, vip([up(1, 100)]))]);
    let mut rig = Rig::warm(FakeVpp::as_desired(&wanted));
    rig.refuse = Box::new(is_verbose);
    rig.want(wanted);
    rig.up();
    rig.advance(secs(130));
    assert_eq!(count(&rig, is_verbose), 3);
    let said = rig.events.iter().filter(|event| matches!(event, Event::Warning(Warning::VerboseRefused(_))));
    assert_eq!(said.count(), 1);
    rig.refuse = Box::new(|_| false);
    rig.advance(secs(60));
    assert!(rig.sync.indices().vips.contains_key(&one));
}

#[test]
fn a_hash_that_the_text_shows_to_be_wrong_is_put_right() {
    let one = key("192.0.2.1", 80);
    let standing = desired([(one, vip([up(1, 100)]))]);
    let mut rig = Rig::warm(FakeVpp::as_desired(&standing));
    rig.want(desired([(one, DesiredVip { src_ip_sticky: true, ..vip([up(1, 100)]) })]));
    rig.up();
    rig.advance(secs(10));
    assert!(rig.events.contains(&Event::VipRecreated(one)));
    assert!(rig.sync.actual().is_some_and(|actual| actual.vips[&one].src_ip_sticky == Some(true)));
}

#[test]
fn without_a_link_there_are_no_indices() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    rig.down();
    let indices = rig.sync.indices();
    assert!(indices.vips.is_empty() && indices.vip_routes.is_empty() && indices.as_routes.is_empty());
    assert!(rig.sync.flows().is_none());
    assert!(rig.events.iter().any(|event| matches!(event, Event::IndicesChanged { .. })));
}

#[test]
fn a_vip_that_was_written_while_the_text_was_read_is_told_by_the_next_one() {
    let one = key("192.0.2.1", 80);
    let wanted = desired([(one, DesiredVip { src_ip_sticky: true, ..vip([up(1, 100)]) })]);
    let mut rig = Rig::warm(FakeVpp::as_desired(&desired([(one, vip([up(1, 100)]))])));
    rig.want(wanted);
    rig.sync.handle_link_up(rig.now, crate::BootId(1, 1), rig.vpp.abilities);
    let text = loop {
        while rig.sync.poll_event().is_some() {}
        let (id, call) = rig.sync.poll_call(rig.now).expect("it asks for the text");
        let reply = rig.vpp.execute(&call);
        if is_verbose(&call) {
            break (id, reply);
        }
        rig.sync.handle_reply(rig.now, id, reply);
    };
    rig.update(one, DesiredVip { src_ip_sticky: true, ..vip([up(1, 50)]) });
    rig.sync.handle_reply(rig.now, text.0, text.1);
    assert!(rig.sync.actual().is_some_and(|actual| actual.vips[&one].src_ip_sticky.is_none()));
    rig.advance(secs(10));
    assert!(rig.events.contains(&Event::VipRecreated(one)));
}
