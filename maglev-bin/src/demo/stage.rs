//! Everything the demo is made of, started and stopped together.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::broadcast;
use vpp_sim::{Simulator, StartError as SimError};

use super::backend::Backend;
use super::script::SERVERS;
use super::summary::Summary;
use crate::config::{Config, ConfigError, Context};
use crate::daemon::{ConfigFile, Daemon, Options, StartError};
use crate::event::{Bus, Event, What};
use crate::grpc::{BindError, GrpcAddrs, GrpcOptions, Listeners, Server};
use crate::metrics::{Listener, Metrics, ServeError};
use crate::snapshot::Published;

/// Why a demo cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// The stand-in for VPP did not start.
    #[error("the embedded VPP does not start")]
    Simulator(#[from] SimError),
    /// The daemon did not start.
    #[error("the daemon does not start")]
    Daemon(#[from] StartError),
    /// The demo's own config was refused: a bug.
    #[error("the demo's config is refused")]
    Config(#[from] ConfigError),
    /// The API cannot be served.
    #[error(transparent)]
    Api(#[from] BindError),
    /// `/metrics` cannot be served.
    #[error(transparent)]
    Metrics(#[from] ServeError),
    /// A socket, a folder or the terminal failed.
    #[error("the demo lost its footing")]
    Io(#[from] io::Error),
    /// Nobody reads what it prints.
    #[error("nobody reads the output any more")]
    Unwatched,
}

/// The running demo.
pub(super) struct Stage {
    folder: PathBuf,
    simulator: Simulator,
    backends: Vec<Backend>,
    daemon: Daemon,
    api: Server,
    /// Everything since the start, until somebody takes it.
    events: Option<broadcast::Receiver<Arc<Event>>>,
    metrics: Option<SocketAddr>,
    /// Where each pool stands in its frontend.
    pools: HashMap<(String, String), usize>,
    summary: Summary,
    flows_asked: Instant,
}

/// New flows per second.
const FLOWS: u32 = 400;
/// Time between two readings of the counters, for a lively screen.
const COUNTERS: Duration = Duration::from_millis(500);
/// Names of the servers; they listen on 127.0.0.11 and up.
const NAMES: [&str; SERVERS] = ["web0", "web1", "web2"];

impl Stage {
    pub(super) async fn start(metrics_addr: Option<SocketAddr>, grpc: GrpcAddrs) -> Result<Self, DemoError> {
        let folder = std::env::temp_dir().join(format!("maglevd-demo-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let options = vpp_sim::Options {
            api_socket: folder.join("api.sock"),
            stats_socket: folder.join("stats.sock"),
            flows: FLOWS,
            ..vpp_sim::Options::default()
        };
        let simulator = Simulator::start(options)?;
        let mut backends = backends()?;
        for backend in &mut backends {
            backend.start()?;
        }
        let port = backends.first().map_or(0, |backend| backend.address().port());
        let file = ConfigFile { path: folder.join("demo.yaml"), context: Context { dataplane: true } };
        std::fs::write(&file.path, config(port))?;
        let config = Config::load(&file.path, file.context)?.config;
        let pools = config.frontends.iter().flat_map(|frontend| {
            let pools = frontend.pools.iter().enumerate();
            pools.map(|(position, pool)| ((frontend.name.clone(), pool.name.clone()), position))
        });
        let pools = pools.collect();
        let options = Options {
            counters_every: COUNTERS,
            config_file: Some(file),
            state_file: Some(folder.join("state.json")),
            ..Options::new(Some(folder.join("api.sock")), Some(folder.join("stats.sock")))
        };
        let bus = Bus::new();
        // Before the daemon starts, so that nothing is missed.
        let events = Some(bus.subscribe());
        bus.emit(What::starting());
        let listeners = Listeners::bind(&GrpcOptions { addresses: grpc.0, ..GrpcOptions::default() })?;
        let daemon = Daemon::start(config, options, bus)?;
        let api = Server::start(listeners, daemon.handle().clone(), true)?;
        let listener = metrics_addr.map(Listener::bind).transpose()?;
        let metrics = listener.as_ref().map(Listener::address);
        if let Some(listener) = listener {
            listener.serve(Arc::new(Metrics::new(daemon.published().clone(), daemon.totals())));
        }
        let (summary, flows_asked) = (Summary::default(), Instant::now());
        Ok(Self { folder, simulator, backends, daemon, api, events, metrics, pools, summary, flows_asked })
    }

    /// Every event since the start; those from now on when asked again.
    pub(super) fn events(&mut self) -> broadcast::Receiver<Arc<Event>> {
        self.events.take().unwrap_or_else(|| self.daemon.bus().subscribe())
    }

    pub(super) fn published(&self) -> &Arc<Published> {
        self.daemon.published()
    }

    /// Where things are and what to try.
    pub(super) fn hints(&self) -> Vec<String> {
        let port = self.backends.first().map_or(0, |backend| backend.address().port());
        let mut hints = vec![format!(
            "servers web0..web2 on 127.0.0.11..13 port {port} fail and recover by themselves; VPP's sockets are in {}",
            self.folder.display()
        )];
        if let Some(address) = self.metrics {
            hints.push(format!("try: curl http://{address}/metrics"));
        }
        if let Some(address) = self.api.addresses().first() {
            hints.push(format!("steer it: maglevc --server {address}"));
            hints.push("e.g. show frontends; set backend web0 disable; show vpp lb plan".to_owned());
        }
        hints.push("end with q or Ctrl-C".to_owned());
        hints
    }

    /// Lets servers fail and recover, and keeps the sessions on the screen fresh.
    pub(super) async fn act(&mut self, alive: [bool; SERVERS]) -> Result<(), DemoError> {
        for (backend, alive) in self.backends.iter_mut().zip(alive) {
            if alive != backend.is_running() {
                self.simulator.set_dead(backend.address().ip(), !alive);
                if alive {
                    backend.start()?;
                } else {
                    backend.stop().await;
                }
            }
        }
        if self.flows_asked.elapsed() >= COUNTERS {
            self.flows_asked = Instant::now();
            self.daemon.request_flows().await;
        }
        Ok(())
    }

    /// Takes an event into the summary.
    pub(super) fn count(&mut self, what: &What) {
        let pools = &self.pools;
        self.summary.count(what, |frontend, pool| pools.get(&(frontend.to_owned(), pool.to_owned())).copied());
    }

    /// What happened so far.
    pub(super) fn summary(&self) -> Summary {
        let flows = self.simulator.flow_totals();
        Summary {
            api_calls: self.simulator.api_calls(),
            lb_writes: self.simulator.lb_writes(),
            new_flows: flows.new_flows,
            new_flows_to_zero_weight: flows.new_flows_to_zero_weight,
            new_flows_to_dead: flows.new_flows_to_dead,
            ..self.summary
        }
    }

    /// Ends everything and leaves no file behind.
    pub(super) async fn stop(self) {
        drop(self.api);
        self.daemon.save().await;
        drop(self.daemon);
        self.simulator.stop();
        // What the simulator did not remove itself; a folder that stays is no reason to fail.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Servers on three loopback addresses and one port that is free on all of them.
fn backends() -> Result<Vec<Backend>, DemoError> {
    const TRIES: usize = 50;
    let addresses = (11..).map(|last| IpAddr::from([127, 0, 0, last]));
    let mut last_error = None;
    for _ in 0..TRIES {
        let port = std::net::TcpListener::bind("127.0.0.11:0")?.local_addr()?.port();
        let places = NAMES.iter().zip(addresses.clone()).map(|(name, address)| (*name, SocketAddr::new(address, port)));
        let places: Vec<_> = places.collect();
        match places.iter().try_for_each(|(_, place)| std::net::TcpListener::bind(place).map(drop)) {
            Ok(()) => return Ok(places.into_iter().map(|(name, place)| Backend::new(name, place)).collect()),
            Err(error) => last_error = Some(error),
        }
    }
    Err(last_error.map_or(DemoError::Unwatched, DemoError::Io))
}

fn config(port: u16) -> String {
    let backends: String = NAMES
        .iter()
        .zip(11..)
        .map(|(name, last)| format!("    {name}: {{ address: 127.0.0.{last}, healthcheck: web }}\n"))
        .collect();
    let pools = "      pools:
        - { name: primary, backends: { web0: { weight: 100 }, web1: { weight: 50 } } }
        - { name: backup, backends: { web2: {} } }
";
    format!(
        "maglev:
  vpp:
    lb:
      ipv4-src-address: 10.0.0.1
      ipv6-src-address: 2001:db8::1
      sync-interval: 5s
  healthchecks:
    web: {{ type: http, port: {port}, interval: 500ms, fast-interval: 150ms, down-interval: 300ms, timeout: 250ms, rise: 2, fall: 2, params: {{ path: /healthz, response-regexp: '^ok' }} }}
  backends:
{backends}  frontends:
    web-v4:
      description: the demo's website
      address: 192.0.2.1
      protocol: tcp
      port: 80
{pools}    web-v6:
      description: the same over IPv6
      address: 2001:db8:1::1
      protocol: tcp
      port: 80
{pools}"
    )
}
