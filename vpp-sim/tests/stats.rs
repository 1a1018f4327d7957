//! The stats segment and the flows that move it.

mod common;

use common::{Directory, connect, eventually, net, prefix, server, vip, weight};
use vpp_api::messages::ip::IpRouteLookup;
use vpp_api::messages::lb::LbAddDelVipV2;
use vpp_api::types::Encap;
use vpp_sim::{Options, Simulator};
use vpp_stats::Segment;

const VIP: &str = "192.0.2.1/32";
const COUNTERS: [&str; 4] =
    ["packet from existing sessions", "first session packet", "untracked packet", "no server configured"];

#[tokio::test]
async fn once_flows_are_set_to_none_no_new_one_begins() {
    let directory = Directory::new();
    let simulator = directory.start();
    connect(simulator.api_path()).await.call(&vip(VIP)).await.expect("a VIP");
    for _ in 0..5 {
        let begun = simulator.flow_totals().new_flows;
        simulator.set_flows(50_000);
        eventually("a flow", || (simulator.flow_totals().new_flows > begun).then_some(())).await;
        simulator.set_flows(0);
        let begun = simulator.flow_totals().new_flows;
        // The main loop has had its turn when it answers.
        simulator.lb();
        assert_eq!(simulator.flow_totals().new_flows, begun);
    }
}

#[tokio::test]
async fn counters_of_vip_and_servers_add_up_packet_for_packet() {
    let directory = Directory::new();
    let simulator = Simulator::start(Options { workers: 3, ..directory.options() }).expect("a simulator");
    let segment = Segment::connect(simulator.stats_path()).expect("a segment");
    assert_eq!(segment.value("first session packet").expect("a sound segment"), None, "not before the first VIP");

    let vpp = connect(simulator.api_path()).await;
    vpp.call(&vip(VIP)).await.expect("a VIP");
    for server_number in 1..=3 {
        vpp.call(&server(VIP, &format!("10.0.0.{server_number}"), 100)).await.expect("a server");
    }
    let mut to = segment.combined("/net/route/to");
    let mut via = segment.combined("/net/route/via");
    let mut counters = COUNTERS.map(|name| segment.simple(name));
    assert_eq!(counters[1].sum(1).expect("a sound segment"), Some(0));

    simulator.set_flows(2000);
    eventually("some flows", || (simulator.flow_totals().new_flows > 300).then_some(())).await;
    simulator.set_flows(0);
    eventually("the last flows to end", || (simulator.flow_totals().under_way == 0).then_some(())).await;

    let route = async |text: &str| {
        let request = IpRouteLookup { table_id: 0, exact: 1, prefix: prefix(text) };
        vpp.call(&request).await.expect("a route").route.stats_index
    };
    let vip_index = route(VIP).await;
    let vip_total = to.sum(vip_index).expect("a sound segment").expect("a row");
    let mut servers_total = (0, 0);
    for server_number in 1..=3 {
        let index = route(&format!("10.0.0.{server_number}/32")).await;
        let total = via.sum(index).expect("a sound segment").expect("a row");
        assert!(total.packets > 0, "flows are spread over the servers");
        servers_total = (servers_total.0 + total.packets, servers_total.1 + total.bytes);
        assert_eq!(to.sum(index).expect("a sound segment").expect("a row").packets, 0, "lb bypasses the look-up");
    }
    assert_eq!(servers_total.0, vip_total.packets);
    assert_eq!(servers_total.1, vip_total.bytes + 24 * vip_total.packets, "GRE in IPv4 adds 24 bytes");

    let counted = counters.each_mut().map(|counter| counter.sum(1).expect("a sound segment").expect("a row"));
    assert_eq!(counted, simulator.lb().vips[0].counters);
    assert_eq!(counted.iter().sum::<u64>(), vip_total.packets);
    let totals = simulator.flow_totals();
    assert_eq!(counted[1] + counted[2], totals.new_flows, "each flow has one first packet");
    assert_eq!((totals.new_flows_dropped, totals.new_flows_to_zero_weight, totals.new_flows_to_dead), (0, 0, 0));
}

#[tokio::test]
async fn a_vip_added_again_counts_from_zero_in_its_own_row() {
    let directory = Directory::new();
    let simulator = directory.start();
    let vpp = connect(simulator.api_path()).await;
    let segment = Segment::connect(simulator.stats_path()).expect("a segment");
    vpp.call(&vip(VIP)).await.expect("a VIP");
    simulator.set_flows(2000);
    let mut no_server = segment.simple("no server configured");
    eventually("flows without a server", || no_server.sum(1).ok().flatten().filter(|count| *count > 0)).await;
    simulator.set_flows(0);
    assert!(simulator.flow_totals().new_flows_dropped > 0);
    vpp.call(&LbAddDelVipV2 { is_del: true, ..vip(VIP) }).await.expect("gone");
    vpp.call(&vip(VIP)).await.expect("a VIP again");
    let snapshot = simulator.lb();
    let again = snapshot.vip(net(VIP), 6, 80).expect("the VIP");
    assert_eq!(again.pool_index, 2);
    let mut first = segment.simple("first session packet");
    assert_eq!(first.sum(2).expect("a sound segment"), Some(0));
}

#[tokio::test]
async fn flows_follow_the_weights_and_dead_servers_are_accounted_for() {
    let directory = Directory::new();
    let simulator = directory.start();
    let vpp = connect(simulator.api_path()).await;
    let ip6 = "2001:db8::1/128";
    vpp.call(&LbAddDelVipV2 { encap: Encap::from(1), ..vip(ip6) }).await.expect("a VIP");
    vpp.call(&server(ip6, "2001:db8:1::1", 100)).await.expect("a server");
    vpp.call(&server(ip6, "2001:db8:1::2", 100)).await.expect("a server");
    simulator.set_dead("2001:db8:1::1".parse().expect("an address"), true);
    simulator.set_flows(2000);
    eventually("flows to the dead", || (simulator.flow_totals().new_flows_to_dead > 20).then_some(())).await;
    vpp.call(&weight(ip6, "2001:db8:1::1", 0)).await.expect("a weight");
    let at_zero = simulator.flow_totals();
    eventually("more flows", || (simulator.flow_totals().new_flows > at_zero.new_flows + 200).then_some(())).await;
    let later = simulator.flow_totals();
    assert_eq!(later.new_flows_to_dead, at_zero.new_flows_to_dead, "none since its weight is 0");
    assert_eq!(later.new_flows_to_zero_weight, 0);
}

#[tokio::test]
async fn route_counters_are_as_long_as_asked_and_grow() {
    let directory = Directory::new();
    let simulator = Simulator::start(Options { routes: 10_000, ..directory.options() }).expect("a simulator");
    let segment = Segment::connect(simulator.stats_path()).expect("a segment");
    let mut to = segment.combined("/net/route/to");
    assert_eq!(to.columns().expect("a sound segment"), Some(10_000));
    let vpp = connect(simulator.api_path()).await;
    vpp.call(&vip(VIP)).await.expect("a VIP");
    let route = vpp.call(&IpRouteLookup { table_id: 0, exact: 1, prefix: prefix(VIP) }).await.expect("a route");
    assert_eq!(route.route.stats_index, 10_000);
    assert_eq!(to.sum(10_000).expect("a sound segment").map(|counter| counter.packets), Some(0));
}

#[test]
fn the_segment_has_what_every_vpp_has() {
    let directory = Directory::new();
    let simulator = directory.start();
    let segment = Segment::connect(simulator.stats_path()).expect("a segment");
    let names = segment.names().expect("a sound segment");
    assert_eq!(names[..3], ["/sys/heartbeat", "/sys/last_stats_clear", "/sys/boottime"]);
    for name in ["/if/names", "/if/rx", "/interfaces/host-sim0/tx", "/mem/stat segment/free", "/err/lb4-gre4/no error"]
    {
        assert!(segment.value(name).expect("a sound segment").is_some(), "{name}");
    }
    let boottime = segment.scalar("/sys/boottime").value().expect("a sound segment");
    assert!(boottime.is_some_and(|seconds| seconds > 1_700_000_000));
}
