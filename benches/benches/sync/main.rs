//! How fast an empty VPP is programmed: 1,000 VIPs x 8 servers, table length 1,024.
//!
//! Three ways over the same calls: the typed client one call at a time, the typed client through `apply` with calls in flight, and raw
//! frames with as many in flight, which is the most that the socket and VPP allow. Against `vpp-sim --loop-sleep 1ms`, and
//! against a live VPP whose main loop sleeps as long, where `MAGLEV_VPP_BIN` and `MAGLEV_VPP_PLUGINS` name one.

mod raw;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, Instant};

use maglev_benches::{Folder, LiveVpp, is_smoke_run};
use maglev_bin::daemon::VppDataplane;
use maglev_sync::{
    Actual, ApplyOptions, Call, Cut, Dataplane, Desired, DesiredAs, DesiredConf, DesiredVip, Encap, FlowTimeout,
    ForeignVips, Plan, Protocol, Scope, StickyBuckets, TableLength, VipKey, Weight, apply, read,
};
use vpp_api::client::{Client, Options};
use vpp_sim::Simulator;

const SERVERS: u8 = 8;
const SLEEP: Duration = Duration::from_millis(1);

fn main() {
    let vips = if is_smoke_run() { 10 } else { 1_000 };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        simulated(vips).await;
        live(vips).await;
    });
}

async fn simulated(vips: u32) {
    println!("vpp-sim --loop-sleep 1ms, {vips} VIPs x {SERVERS} servers, table length 1024");
    let folder = Folder::new("sync");
    let start = || {
        let options = vpp_sim::Options {
            api_socket: folder.path().join("api.sock"),
            stats_socket: folder.path().join("stats.sock"),
            loop_sleep: SLEEP,
            ..vpp_sim::Options::default()
        };
        Simulator::start(options).expect("a simulator")
    };
    let simulator = start();
    let alone = one_at_a_time(simulator.api_path(), vips).await;
    simulator.stop();
    let simulator = start();
    let flying = in_flight(simulator.api_path(), vips).await;
    simulator.stop();
    println!("  in flight is {:.1} times one at a time (the goal is 5)", flying / alone);
}

async fn live(vips: u32) {
    let folder = Folder::new("live");
    let Some(vpp) = LiveVpp::start(folder.path(), SLEEP) else {
        println!("live VPP: skipped, MAGLEV_VPP_BIN and MAGLEV_VPP_PLUGINS are not set");
        return;
    };
    println!("live VPP with poll-sleep-usec 1000, {vips} VIPs x {SERVERS} servers, table length 1024");
    let alone = one_at_a_time(vpp.api(), vips).await;
    drop(vpp);
    let vpp = LiveVpp::start(folder.path(), SLEEP).expect("it came up a moment ago");
    let flying = in_flight(vpp.api(), vips).await;
    drop(vpp);
    let vpp = LiveVpp::start(folder.path(), SLEEP).expect("it came up a moment ago");
    let raw = raw_frames(vpp.api(), vips).await;
    println!(
        "  in flight is {:.1} times one at a time, and {:.0} % of raw frames (the goal is 80 %)",
        flying / alone,
        100.0 * flying / raw
    );
}

/// Calls per second, each waiting for the one before. A tenth of the VIPs is enough to tell.
async fn one_at_a_time(socket: &Path, vips: u32) -> f64 {
    let dataplane = VppDataplane::new(connect(socket).await);
    let calls = calls(vips.div_ceil(10));
    let start = Instant::now();
    for call in &calls {
        dataplane.call(call.clone()).await.expect("an empty VPP takes every call");
    }
    rate("one at a time", calls.len(), start.elapsed())
}

/// Calls per second of a plan that is applied whole.
async fn in_flight(socket: &Path, vips: u32) -> f64 {
    let dataplane = VppDataplane::new(connect(socket).await);
    let actual: Actual = read(&dataplane).await.expect("a VPP that can be read");
    let plan = Plan::new(&desired(vips), &actual, &Scope::default());
    let count = plan.steps().count();
    let start = Instant::now();
    let status = apply(&plan, &dataplane, ApplyOptions::default()).await;
    let elapsed = start.elapsed();
    assert!(status.is_ok(), "an empty VPP takes every call: {status:?}");
    rate("apply, 64 in flight", count, elapsed)
}

/// The same calls as bytes, 64 in flight, replies counted and not decoded.
async fn raw_frames(socket: &Path, vips: u32) -> f64 {
    let count = calls(vips).len();
    let (socket, calls) = (socket.to_owned(), calls(vips));
    let elapsed = tokio::task::spawn_blocking(move || raw::run(&socket, &calls)).await.expect("no panic");
    rate("raw frames, 64 in flight", count, elapsed)
}

fn rate(how: &str, calls: usize, elapsed: Duration) -> f64 {
    let rate = f64::from(u32::try_from(calls).expect("thousands")) / elapsed.as_secs_f64();
    println!("  {how:<26} {calls:>6} calls in {elapsed:>9.1?}: {rate:>8.0} calls/s");
    rate
}

async fn connect(socket: &Path) -> Client {
    Client::connect(socket, Options::default()).await.expect("a VPP that answers")
}

fn key(vip: u32) -> VipKey {
    let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 1)) + vip);
    VipKey::host(IpAddr::V4(address), Protocol::TCP, 80)
}

fn servers() -> impl Iterator<Item = IpAddr> {
    (0..SERVERS).map(|server| IpAddr::from([10, 2, 0, 11 + server]))
}

fn calls(vips: u32) -> Vec<Call> {
    let length = TableLength::MIN;
    let vip = |vip| {
        let key = key(vip);
        let add = Call::VipAdd { key, encap: Encap::Gre4, table_length: length, src_ip_sticky: false };
        let servers = servers().map(move |address| Call::AsAdd { key, address, weight: Weight::MAX });
        std::iter::once(add).chain(servers)
    };
    (0..vips).flat_map(vip).collect()
}

fn desired(vips: u32) -> Desired {
    let server = DesiredAs { weight: Weight::MAX, cut: Cut::Serving, flush: None };
    let targets: BTreeMap<_, _> = servers().map(|address| (address, server)).collect();
    let vip =
        DesiredVip { encap: Encap::Gre4, src_ip_sticky: false, table_length: TableLength::MIN, targets, decided: true };
    let conf = DesiredConf {
        ip4_src: Ipv4Addr::new(10, 0, 0, 1),
        ip6_src: "2001:db8::1".parse().expect("an address"),
        sticky_buckets: StickyBuckets::MIN,
        flow_timeout: FlowTimeout::from_secs(40).expect("in range"),
    };
    let vips = (0..vips).map(|number| (key(number), vip.clone())).collect();
    Desired { conf, foreign: ForeignVips::Keep, vips }
}
