//! What is sent while nothing happens.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use crate::call::Call;
use crate::model::{Desired, Protocol, VipKey};
use crate::testing::{FakeVpp, Rig, desired, key, secs, up, vip};

/// 1,000 VIPs of eight servers each.
fn thousand() -> Desired {
    let vips = (0..1000_u16).map(|n| {
        let [high, low] = n.to_be_bytes();
        let key = VipKey::host(IpAddr::V4(Ipv4Addr::new(198, 18, high, low)), Protocol::TCP, 80);
        let servers = [1, 2, 3, 4, 5, 6, 7, 8].map(|n| up(n, 100));
        (key, vip(servers))
    });
    desired(vips)
}

#[test]
fn an_interval_over_a_thousand_vips_is_a_thousand_small_dumps_and_one_of_vips() {
    let wanted = thousand();
    let mut rig = Rig::warm(FakeVpp::as_desired(&wanted));
    rig.sync.set_desired(rig.now, wanted.clone());
    rig.up();
    rig.advance(secs(29));
    rig.vpp.log.clear();
    let mut dumps: BTreeMap<VipKey, u32> = BTreeMap::new();
    let (mut vip_dumps, mut others) = (0, Vec::new());
    rig.advance(secs(30));
    for call in rig.vpp.log.drain(..) {
        match call {
            Call::AsDump(Some(key)) => *dumps.entry(key).or_default() += 1,
            Call::VipDump => vip_dumps += 1,
            other => others.push(other),
        }
    }
    assert_eq!(others, []);
    assert_eq!(vip_dumps, 1);
    assert!(dumps.keys().eq(wanted.vips.keys()));
    assert!(dumps.values().all(|count| *count == 1));

    // In whatever interval one looks.
    rig.advance(Duration::from_millis(7013));
    rig.vpp.log.clear();
    rig.advance(secs(30));
    assert_eq!(rig.vpp.log.len(), 1001);
}

#[test]
fn comparisons_go_one_at_a_time_and_evenly() {
    let mut rig = Rig::settled(desired((1..=9).map(|n| (key(&format!("192.0.2.{n}"), 80), vip([up(1, 100)])))));
    rig.most_in_flight = 0;
    let mut times = Vec::new();
    for second in 0..60 {
        rig.advance(secs(1));
        if !rig.vpp.log.is_empty() {
            times.push(second);
        }
        assert!(rig.vpp.log.len() <= 1, "{:?}", rig.vpp.log);
        rig.vpp.log.clear();
    }
    assert_eq!(rig.most_in_flight, 1);
    // Nine VIPs and the dump of VIPs: one each three seconds.
    assert_eq!(times.len(), 20);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 3), "{times:?}");
}

#[test]
fn each_comparison_is_noted_with_its_time() {
    let key = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(key, vip([up(1, 100)]))]));
    let before = rig.sync.status().vips[&key].compared.expect("read at link-up");
    rig.advance(secs(30));
    let after = rig.sync.status().vips[&key].compared.expect("compared since");
    assert!(after - before > secs(20), "{:?}", after - before);
}

#[test]
fn a_restart_over_a_vpp_that_is_as_desired_sends_no_write() {
    let wanted = thousand();
    for (min, max) in [(0, 0), (5, 30), (0, 30)] {
        let mut rig = Rig::new(FakeVpp::as_desired(&wanted), secs(min), secs(max));
        rig.sync.set_desired(rig.now, wanted.clone());
        rig.up();
        rig.advance(secs(90));
        assert_eq!(rig.vpp.writes(), [], "delays {min} and {max}");
    }
}

#[test]
fn a_reload_that_changes_nothing_sends_nothing() {
    let wanted = desired([(key("192.0.2.1", 80), vip([up(1, 100)]))]);
    let mut rig = Rig::settled(wanted.clone());
    rig.want(wanted);
    assert_eq!(rig.vpp.log, []);
    assert_eq!(rig.take_events(), []);
}

#[test]
fn another_interval_is_taken_over_at_once() {
    let mut rig = Rig::settled(desired((1..=9).map(|n| (key(&format!("192.0.2.{n}"), 80), vip([up(1, 100)])))));
    let settings = crate::Settings { sync_interval: secs(10), ..crate::Settings::default() };
    rig.sync.set_settings(rig.now, settings);
    rig.advance(secs(10));
    assert_eq!(rig.vpp.log.len(), 10);
}

#[test]
fn a_long_sleep_of_the_machine_is_followed_by_one_round() {
    let mut rig = Rig::settled(desired((1..=9).map(|n| (key(&format!("192.0.2.{n}"), 80), vip([up(1, 100)])))));
    rig.now += secs(86_400);
    rig.sync.handle_timeout(rig.now);
    rig.pump();
    rig.advance(secs(30));
    assert!((10..=11).contains(&rig.vpp.log.len()), "{:?}", rig.vpp.log);
}
