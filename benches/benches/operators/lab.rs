//! The daemon with its API, between a simulated VPP and a web server.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use maglev_benches::Folder;
use maglev_bin::config::{Config, Context};
use maglev_bin::daemon::{Daemon, Options};
use maglev_bin::event::Bus;
use maglev_bin::grpc::{GrpcOptions, Listeners, Server};
use maglev_bin::snapshot::VipView;
use vpp_sim::Simulator;

use crate::Size;
use crate::web::Web;

/// How often a backend is probed.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);

/// Torn down in this order.
pub(crate) struct Lab {
    server: Server,
    pub(crate) daemon: Daemon,
    _simulator: Simulator,
    pub(crate) web: Web,
    _folder: Folder,
}

impl Lab {
    /// Returns when every backend is up and VPP has everything.
    pub(crate) async fn start(size: &Size) -> Self {
        let folder = Folder::new("operators");
        let path = |name: &str| folder.path().join(name);
        let (api, stats) = (path("api.sock"), path("stats.sock"));
        let options =
            vpp_sim::Options { api_socket: api.clone(), stats_socket: stats.clone(), ..vpp_sim::Options::default() };
        let simulator = Simulator::start(options).expect("a simulator");
        let web = Web::start();
        let text = config(size, web.port());
        let config = Config::parse(&text, "bench.yaml", Context { dataplane: true }).expect("a good config").config;
        let started = Instant::now();
        let daemon = Daemon::start(config, Options::new(Some(api), Some(stats)), Bus::new()).expect("a daemon");
        let mut options = GrpcOptions::default();
        let unix = format!("unix:{}", path("grpc.sock").display());
        options.addresses = vec![unix.parse().expect("a short path"), "127.0.0.1:0".parse().expect("an address")];
        let listeners = Listeners::bind(&options).expect("a free port");
        let server = Server::start(listeners, daemon.handle().clone(), true).expect("a thread");
        while !is_settled(&daemon) {
            assert!(started.elapsed() < Duration::from_secs(120), "two minutes were not enough to program VPP");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        println!(
            "{} frontends x {} backends, all in VPP {:.1?} after the start",
            size.frontends,
            size.members,
            started.elapsed()
        );
        Self { server, daemon, _simulator: simulator, web, _folder: folder }
    }

    /// The Unix socket and the port of the API.
    pub(crate) fn addresses(&self) -> [(&'static str, String); 2] {
        let [unix, tcp] = self.server.addresses() else { panic!("it was asked for two") };
        [("Unix socket", unix.to_string()), ("loopback TCP", tcp.to_string())]
    }
}

fn is_settled(daemon: &Daemon) -> bool {
    let snapshot = daemon.published().snapshot();
    let mut vips = snapshot.frontends.iter().map(|frontend| frontend.dataplane.as_ref());
    let is_served = |vip: &VipView| vip.in_sync && vip.ases.values().all(|server| server.weight > 0);
    vips.all(|vip| vip.is_some_and(is_served)) && snapshot.backends.iter().all(|backend| backend.state == "up")
}

/// Each frontend has its backends from one pool of names, the next ones in turn. The first few of all are probed.
fn config(size: &Size, port: u16) -> String {
    let interval = INTERVAL.as_millis();
    let backends = size.frontends.min(1_000);
    let mut text = format!(
        "maglev:
  vpp:
    lb: {{ ipv4-src-address: 10.0.0.1, ipv6-src-address: '2001:db8::1', startup-min-delay: 0s, startup-max-delay: 0s }}
  healthchecks:
    web: {{ type: http, port: {port}, interval: {interval}ms, fast-interval: {interval}ms, timeout: 1s, rise: 1, fall: 3 }}
  backends:
"
    );
    let mut line = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").expect("a string takes everything");
    for backend in 0..backends {
        match u8::try_from(backend).ok().filter(|backend| *backend < size.probed) {
            Some(last) => {
                line(format_args!("    web{backend}: {{ address: 127.0.78.{}, healthcheck: web }}", last + 1))
            }
            None => line(format_args!("    web{backend}: {{ address: {} }}", nth([10, 1, 0, 0], backend))),
        }
    }
    line(format_args!("  frontends:"));
    for frontend in 0..size.frontends {
        let vip = nth([198, 18, 0, 0], frontend);
        let members = (0..size.members).map(|member| (frontend * size.members + member) % backends);
        let members: Vec<_> = members.map(|backend| format!("web{backend}: {{}}")).collect();
        line(format_args!(
            "    vip{frontend}: {{ address: {vip}, protocol: tcp, port: 80, pools: [{{ name: primary, backends: {{ {} }} }}] }}",
            members.join(", ")
        ));
    }
    text
}

fn nth(first: [u8; 4], number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::from(first).to_bits() + number + 1)
}
