use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::addr::Ip46;
use crate::fib::Fib;
use crate::lb::{NewVip, VipType};
use crate::release::Release;

/// A plugin with these VIPs, each a prefix, a protocol and a port.
fn lb(vips: &[(&str, u8, u16)]) -> Lb {
    let (mut lb, mut fib) = (Lb::new(Release::V26_10, 3), Fib::new(28));
    for &(prefix, protocol, port) in vips {
        let net: ipnet::IpNet = prefix.parse().expect("a prefix");
        let stored_len = net.prefix_len() + if net.addr().is_ipv4() { 96 } else { 0 };
        let key = VipKey::new(Prefix46 { address: Ip46::from(net.addr()), stored_len }, protocol, port);
        let vip_type = VipType::of(key.prefix, 0);
        let new = NewVip { vip_type, table_length: 16, src_ip_sticky: false, dscp: 0, srv_type: 0, target_port: 0 };
        lb.add_vip(&mut fib, 0, key, new).expect("VPP survives");
    }
    lb
}

/// All packets until `end`, looking every `step`.
fn run(flows: &mut Flows, lb: &Lb, end: Duration, step: Duration) -> Vec<FlowPacket> {
    let mut packets = Vec::new();
    let mut now = Duration::ZERO;
    while now <= end {
        while let Some(packet) = flows.poll_packet(now, lb) {
            packets.push(packet);
        }
        now += step;
    }
    packets
}

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(10);

#[test]
fn the_rate_is_the_total_over_all_vips() {
    let lb = lb(&[("192.0.2.1/32", 6, 80), ("192.0.2.2/32", 17, 53), ("2001:db8::1/128", 255, 0)]);
    let mut flows = Flows::new(1, 3);
    flows.set_rate(Duration::ZERO, 300);
    let packets = run(&mut flows, &lb, 2 * SECOND, TICK);
    let mut first_by_vip = HashMap::<Ip46, u32>::new();
    for flow in packets.iter().filter(|flow| flow.is_first) {
        *first_by_vip.entry(flow.packet.destination).or_default() += 1;
    }
    assert_eq!(first_by_vip.len(), 3);
    // 300 a second for 2 s, and the one at the very end.
    assert!(first_by_vip.values().all(|count| (200..=201).contains(count)), "{first_by_vip:?}");
    assert!(packets.len() > 3 * 600, "each has a few packets");
    assert!(packets.iter().all(|flow| flow.packet.thread > 0), "workers receive, the main thread does not");
}

#[test]
fn a_vip_that_no_packet_can_reach_gets_none() {
    let lb = lb(&[("192.0.2.1/32", 255, 80)]);
    let mut flows = Flows::new(1, 1);
    flows.set_rate(Duration::ZERO, 300);
    assert_eq!(run(&mut flows, &lb, SECOND, TICK).len(), 0);
}

#[test]
fn flows_reach_all_of_a_prefix_and_nothing_else() {
    let lb = lb(&[("192.0.2.16/28", 6, 80)]);
    let mut flows = Flows::new(1, 2);
    flows.set_rate(Duration::ZERO, 1000);
    let mut hosts: Vec<_> = run(&mut flows, &lb, SECOND, TICK).iter().map(|flow| flow.packet.destination).collect();
    hosts.sort();
    hosts.dedup();
    assert_eq!(hosts.len(), 16);
    assert_eq!(hosts.first().map(|host| host.to_string()).as_deref(), Some("192.0.2.16"));
    assert_eq!(hosts.last().map(|host| host.to_string()).as_deref(), Some("192.0.2.31"));
}

#[test]
fn flows_end_when_no_more_begin() {
    let lb = lb(&[("192.0.2.1/32", 6, 80)]);
    let mut flows = Flows::new(1, 2);
    flows.set_rate(Duration::ZERO, 100);
    run(&mut flows, &lb, SECOND, TICK);
    assert!(flows.under_way() > 0);
    flows.set_rate(SECOND, 0);
    run(&mut flows, &lb, 3 * SECOND, TICK);
    assert!(flows.are_idle());
}

#[test]
fn a_pause_of_the_caller_is_not_made_up_for() {
    let lb = lb(&[("192.0.2.1/32", 6, 80)]);
    let mut flows = Flows::new(1, 2);
    flows.set_rate(Duration::ZERO, 100);
    let mut first = 0;
    while let Some(flow) = flows.poll_packet(3600 * SECOND, &lb) {
        first += u32::from(flow.is_first);
    }
    assert_eq!(first, 101);
}

proptest! {
    #[test]
    fn a_seed_gives_the_same_packets_at_the_same_times(seed: u64, rate in 1..500_u32) {
        let lb = lb(&[("192.0.2.1/32", 6, 80), ("2001:db8::/64", 6, 80)]);
        let packets_at = |step| {
            let mut flows = Flows::new(seed, 4);
            flows.set_rate(Duration::ZERO, rate);
            let packets = run(&mut flows, &lb, SECOND, step);
            packets.iter().map(|flow| (flow.packet.hash, flow.is_first)).collect::<Vec<_>>()
        };
        prop_assert_eq!(packets_at(TICK), packets_at(TICK));
    }
}
