//! What others do to VPP, and how it is found.

use crate::call::{Call, Reply};
use crate::event::{Drift, Event};
use crate::model::{DesiredVip, Encap, TableLength, VipKey, Weight};
use crate::testing::{Rig, desired, down, key, secs, server, up, vip, weight};

fn drifts(rig: &mut Rig) -> Vec<(VipKey, Drift)> {
    let drift = |event| match event {
        Event::Drift { key, what } => Some((key, what)),
        _ => None,
    };
    rig.take_events().into_iter().filter_map(drift).collect()
}

#[test]
fn changed_servers_are_found_and_put_right_within_an_interval() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100), up(2, 100)]))]));
    rig.vpp.quietly(Call::AsSetWeight { key: one, address: server(1), weight: weight(7), flush: false });
    rig.vpp.quietly(Call::AsDel { key: one, address: server(2), flush: false });
    rig.vpp.quietly(Call::AsAdd { key: one, address: server(3), weight: Weight::MAX });
    rig.advance(secs(30));
    let found = |address, expected, found| (one, Drift::As { address, expected, found });
    assert_eq!(
        drifts(&mut rig),
        [found(server(1), Some(100), Some(7)), found(server(2), Some(100), None), found(server(3), None, Some(100)),]
    );
    assert_eq!(
        rig.take_writes(),
        [
            "192.0.2.1 tcp/80: server 10.0.0.1 weight 100",
            "192.0.2.1 tcp/80: add server 10.0.0.2 weight 100",
            "192.0.2.1 tcp/80: delete server 10.0.0.3",
        ]
    );
}

#[test]
fn a_vip_that_is_gone_is_created_again() {
    let (one, other) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)])), (other, vip([]))]));
    rig.vpp.quietly(Call::VipDel(one));
    rig.advance(secs(31));
    assert_eq!(drifts(&mut rig), [(one, Drift::VipGone)]);
    assert_eq!(
        rig.take_writes(),
        ["192.0.2.1 tcp/80: create, gre4, 1024 buckets", "192.0.2.1 tcp/80: add server 10.0.0.1 weight 100"]
    );
}

#[test]
fn a_vip_that_was_replaced_is_read_and_put_right() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)]))]));
    rig.vpp.quietly(Call::VipDel(one));
    rig.vpp.put(one, &DesiredVip { encap: Encap::Gre6, ..vip([]) });
    rig.advance(secs(31));
    assert_eq!(drifts(&mut rig), [(one, Drift::VipReplaced)]);
    assert!(rig.sync.status().vips[&one].in_sync);
    assert!(rig.take_writes().contains(&"192.0.2.1 tcp/80: create, gre4, 1024 buckets".to_owned()));
}

#[test]
fn a_vip_replaced_by_its_equal_gets_its_servers_and_new_indices() {
    let (one, other) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100)])), (other, vip([up(1, 100)]))]));
    rig.vpp.quietly(Call::VipDel(one));
    rig.vpp.put(one, &vip([up(1, 100)]));
    rig.advance(secs(31));
    // The same in all but its place in VPP's pool.
    assert_eq!(rig.take_writes(), [""; 0]);
    assert_eq!(rig.sync.indices().vips.get(&one).copied(), rig.vpp.pool_index(&one));
}

#[test]
fn a_table_length_above_65535_is_no_drift() {
    let one = key("192.0.2.1", 80);
    let length = TableLength::new(131_072).expect("a length");
    let mut rig = Rig::settled(desired([(one, DesiredVip { table_length: length, ..vip([up(1, 100)]) })]));
    rig.advance(secs(61));
    assert_eq!(drifts(&mut rig), []);
    assert_eq!(rig.take_writes(), [""; 0]);
}

#[test]
fn removed_servers_and_rows_of_other_prefixes_are_no_drift() {
    let (host, net) =
        (key("192.0.2.0", 80), VipKey::new("192.0.2.0/24".parse().expect("a prefix"), crate::Protocol::TCP, 80));
    let mut rig = Rig::settled(desired([(host, vip([up(1, 100)])), (net, vip([up(2, 100)]))]));
    // It lingers, as does a whole VIP of the same name.
    rig.vpp.quietly(Call::AsAdd { key: host, address: server(9), weight: Weight::MAX });
    rig.vpp.quietly(Call::AsDel { key: host, address: server(9), flush: false });
    rig.advance(secs(61));
    assert_eq!(drifts(&mut rig), []);
    assert_eq!(rig.take_writes(), [""; 0]);
    assert!(rig.sync.actual().is_some_and(|actual| actual.vips[&host].lingering.contains(&server(9))));
}

#[test]
fn a_dump_that_was_overtaken_by_a_write_says_nothing() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100), up(2, 100)]))]));
    // A dump leaves, then a cut; the dump's answer comes last, but tells of the time before the cut.
    let at = rig.sync.poll_timeout().expect("comparisons go on");
    let mut dump = None;
    let mut now = at;
    for _ in 0..4 {
        while let Some((id, call)) = rig.sync.poll_call(now) {
            let reply = rig.vpp.execute(&call);
            if call == Call::AsDump(Some(one)) {
                dump = Some((id, reply));
            } else {
                rig.sync.handle_reply(now, id, reply);
            }
        }
        if dump.is_some() {
            break;
        }
        now = rig.sync.poll_timeout().expect("comparisons go on");
        rig.sync.handle_timeout(now);
    }
    let (dump, stale) = dump.expect("the VIP was compared");
    rig.now = now;
    rig.sync.update_vip(now, one, vip([down(1), up(2, 100)]));
    let (cut, call) = rig.sync.poll_call(now).expect("the cut");
    let done = rig.vpp.execute(&call);
    rig.sync.handle_reply(now, cut, done);
    rig.sync.handle_reply(now, dump, stale);
    rig.pump();
    assert_eq!(drifts(&mut rig), []);
    assert_eq!(rig.vpp.weight(&one, server(1)), Some(0));
    assert_eq!(rig.sync.actual_weight(&one, server(1)), Some(0));
    assert_eq!(rig.vpp.log.iter().filter(|call| call.is_write()).count(), 1);
}

#[test]
fn a_dump_of_vips_that_was_overtaken_by_a_creation_says_nothing() {
    let (one, other) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let mut rig = Rig::settled(desired([(one, vip([]))]));
    let mut now;
    let dump = loop {
        now = rig.sync.poll_timeout().expect("comparisons go on");
        match rig.sync.poll_call(now) {
            Some((id, Call::VipDump)) => break id,
            Some((id, call)) => {
                let reply = rig.vpp.execute(&call);
                rig.sync.handle_reply(now, id, reply);
            }
            None => {}
        }
    };
    let stale = rig.vpp.execute(&Call::VipDump);
    rig.now = now;
    rig.sync.set_desired(now, desired([(one, vip([])), (other, vip([up(1, 100)]))]));
    rig.pump();
    assert!(rig.vpp.serves(&other));
    assert!(matches!(stale, Ok(Reply::Vips(ref rows)) if rows.len() == 1));
    rig.sync.handle_reply(rig.now, dump, stale);
    rig.pump();
    assert_eq!(drifts(&mut rig), []);
    assert!(rig.sync.status().vips[&other].in_sync);
}

#[test]
fn a_vip_that_is_being_written_is_compared_when_that_is_over() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100), up(2, 100)]))]));
    rig.sync.update_vip(rig.now, one, vip([up(1, 50), up(2, 100)]));
    rig.send();
    // The answer does not come, and meanwhile the comparison is due.
    let mut now = rig.now;
    for _ in 0..40 {
        now += secs(1);
        while let Some((id, call)) = rig.sync.poll_call(now) {
            assert_ne!(call, Call::AsDump(Some(one)));
            let reply = rig.vpp.execute(&call);
            rig.sync.handle_reply(now, id, reply);
        }
    }
    rig.now = now;
    rig.pump();
    assert_eq!(rig.vpp.log.last(), Some(&Call::AsDump(Some(one))));
}
