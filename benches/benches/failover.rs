//! How long a dead server keeps its weight: from the moment it stops to the moment VPP is told, 50 times.
//!
//! The daemon, two HTTP servers and a simulated VPP, over real sockets. The bound: 1.1 x (interval + (fall - 1) x fast-interval)
//! plus 100 ms. A server stops at a random point of its interval, so the middle should lie near half an interval plus the fast ones.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use maglev_benches::{Folder, distribution, is_smoke_run};
use maglev_bin::config::{Config, Context};
use maglev_bin::daemon::{Daemon, Options};
use maglev_bin::demo::Backend;
use maglev_bin::event::Bus;
use vpp_sim::Simulator;

const INTERVAL: Duration = Duration::from_millis(500);
const FAST: Duration = Duration::from_millis(100);
const FALL: u32 = 3;

fn main() {
    let runs = if is_smoke_run() { 2 } else { 50 };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(runs));
}

async fn measure(runs: u32) {
    let folder = Folder::new("failover");
    let (api, stats) = (folder.path().join("api.sock"), folder.path().join("stats.sock"));
    let options =
        vpp_sim::Options { api_socket: api.clone(), stats_socket: stats.clone(), ..vpp_sim::Options::default() };
    let simulator = Simulator::start(options).expect("a simulator");
    let mut servers: Vec<_> = [21, 22].into_iter().map(server).collect();
    let port = servers[0].address().port();
    servers[1] = Backend::new("web1", SocketAddr::new(servers[1].address().ip(), port));
    for server in &mut servers {
        server.start().expect("a free port");
    }
    let config = Config::parse(&config(port), "bench.yaml", Context { dataplane: true }).expect("a good config").config;
    let daemon = Daemon::start(config, Options::new(Some(api), Some(stats)), Bus::new()).expect("a daemon");
    let address = servers[0].address().ip();
    let mut times = Vec::new();
    for _ in 0..runs {
        reaches(&simulator, address, 100).await;
        settle(&daemon).await;
        tokio::time::sleep(INTERVAL.mul_f64(f64::from(times.len() as u32 % 10) / 10.0)).await;
        let stopped = Instant::now();
        servers[0].stop().await;
        reaches(&simulator, address, 0).await;
        times.push(stopped.elapsed());
        servers[0].start().expect("the port it had");
    }
    let bound = (INTERVAL + FAST * (FALL - 1)).mul_f64(1.1) + Duration::from_millis(100);
    let late = times.iter().filter(|time| **time > bound).count();
    println!(
        "from a server's death to weight 0 in VPP, interval {INTERVAL:?}, fast-interval {FAST:?}, fall {FALL}, {runs} runs"
    );
    println!("  {}", distribution(times));
    println!("  bound {bound:?}: {late} runs over it");
    drop(daemon);
    simulator.stop();
}

/// Waits until the counter of both servers is at its top, so that the next probe is a full interval away.
async fn settle(daemon: &Daemon) {
    while daemon.published().snapshot().backends.iter().any(|backend| backend.health + 1 < backend.rise + backend.fall)
    {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn reaches(simulator: &Simulator, address: IpAddr, weight: u8) {
    let prefix = "192.0.2.1/32".parse().expect("a prefix");
    let is = || simulator.lb().vip(prefix, 6, 80)?.server(address).map(|server| server.weight);
    while is() != Some(weight) {
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
}

fn server(last: u8) -> Backend {
    let address = IpAddr::from([127, 0, 77, last]);
    let port = std::net::TcpListener::bind((address, 0)).and_then(|it| it.local_addr()).expect("a port").port();
    Backend::new("web0", SocketAddr::new(address, port))
}

fn config(port: u16) -> String {
    let (interval, fast) = (INTERVAL.as_millis(), FAST.as_millis());
    format!(
        "maglev:
  vpp: {{ lb: {{ ipv4-src-address: 10.0.0.1, ipv6-src-address: '2001:db8::1' }} }}
  healthchecks:
    web: {{ type: http, port: {port}, interval: {interval}ms, fast-interval: {fast}ms, timeout: 1s, rise: 1, fall: {FALL} }}
  backends:
    web0: {{ address: 127.0.77.21, healthcheck: web }}
    web1: {{ address: 127.0.77.22, healthcheck: web }}
  frontends:
    web-v4: {{ address: 192.0.2.1, protocol: tcp, port: 80, pools: [{{ name: primary, backends: {{ web0: {{}}, web1: {{}} }} }}] }}
"
    )
}
