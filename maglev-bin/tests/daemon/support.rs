//! A laboratory: a simulated VPP, servers that can fail, and a daemon between them.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use maglev_bin::config::{Config, Context};
use maglev_bin::daemon::{Daemon, Options};
use maglev_bin::demo::Backend;
use maglev_bin::event::{Bus, Event, What};
use tokio::sync::broadcast;
use vpp_sim::{ApiLog, LogEntry, Release, Simulator};

/// No test should come near it; a machine under load might.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A folder with sockets, and servers on addresses of their own.
pub(crate) struct Lab {
    pub(crate) folder: PathBuf,
    pub(crate) servers: Vec<Backend>,
    pub(crate) port: u16,
}

impl Lab {
    /// A lab with `count` running servers on 127.x.y.1 and up, each lab in a network of its own.
    pub(crate) fn new(count: u8) -> Self {
        static LABS: AtomicU32 = AtomicU32::new(0);
        let lab = LABS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("maglev-lab-{}-{lab}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let [high, low] = u16::try_from(std::process::id() % 200 * 250 + lab).expect("below 65536").to_be_bytes();
        let address = |last| IpAddr::from([127, high.wrapping_add(1), low, last]);
        let is_free = |port: &u16| (1..=count).all(|last| std::net::TcpListener::bind((address(last), *port)).is_ok());
        let any =
            || std::net::TcpListener::bind((address(1), 0)).and_then(|it| it.local_addr()).expect("a port").port();
        let port = (0..100).map(|_| any()).find(is_free).expect("a port that is free on every address");
        let servers = (1..=count).map(|last| {
            let mut server = Backend::new(&format!("web{}", last - 1), SocketAddr::new(address(last), port));
            server.start().expect("an address of 127.0.0.0/8 and a port that was free a moment ago");
            server
        });
        let servers = servers.collect();
        Self { folder, servers, port }
    }

    pub(crate) fn address(&self, server: usize) -> IpAddr {
        self.servers[server].address().ip()
    }

    pub(crate) fn sim_options(&self) -> vpp_sim::Options {
        vpp_sim::Options {
            api_socket: self.folder.join("api.sock"),
            stats_socket: self.folder.join("stats.sock"),
            api_log: ApiLog::Memory,
            ..vpp_sim::Options::default()
        }
    }

    /// A VPP of the newest release.
    pub(crate) fn simulator(&self) -> Simulator {
        self.simulator_of(Release::default())
    }

    /// A VPP of this release.
    pub(crate) fn simulator_of(&self, release: Release) -> Simulator {
        let options = vpp_sim::Options { release, ..self.sim_options() };
        Simulator::start(options).expect("a simulator on sockets of its own")
    }

    pub(crate) fn daemon(&self, config: &str) -> Running {
        self.daemon_with(config, |_| {})
    }

    /// The same with other options.
    pub(crate) fn daemon_with(&self, config: &str, change: impl FnOnce(&mut Options)) -> Running {
        let (api, stats) = (self.folder.join("api.sock"), self.folder.join("stats.sock"));
        let mut options = Options::new(Some(api), Some(stats));
        options.counters_every = Duration::from_millis(100);
        change(&mut options);
        let bus = Bus::new();
        let events = bus.subscribe();
        Running { daemon: Daemon::start(parse(config), options, bus).expect("a daemon"), events }
    }

    /// One frontend on 192.0.2.1 tcp/80 with all servers in one pool, probed fast; `lb` and `check` are added keys.
    pub(crate) fn config(&self, lb: &str, check: &str) -> String {
        let all = 0..self.servers.len();
        self.pools(lb, check, &[("primary", all.collect())])
    }

    /// The same with pools of servers, by position.
    pub(crate) fn pools(&self, lb: &str, check: &str, pools: &[(&str, Vec<usize>)]) -> String {
        let port = self.port;
        let backends = self.servers.iter().map(|server| {
            format!("    {}: {{ address: {}, healthcheck: web }}\n", server.name(), server.address().ip())
        });
        let backends: String = backends.collect();
        let pools = pools.iter().map(|(name, members)| {
            let members: Vec<_> = members.iter().map(|member| format!("web{member}: {{}}")).collect();
            format!("        - {{ name: {name}, backends: {{ {} }} }}\n", members.join(", "))
        });
        let pools: String = pools.collect();
        format!(
            "maglev:
  vpp:
    lb: {{ ipv4-src-address: 10.0.0.1, ipv6-src-address: '2001:db8::1'{lb} }}
  healthchecks:
    web: {{ type: http, port: {port}, interval: 100ms, fast-interval: 30ms, timeout: 1s, rise: 2, fall: 2{check} }}
  backends:
{backends}  frontends:
    web-v4:
      address: 192.0.2.1
      protocol: tcp
      port: 80
      pools:
{pools}"
        )
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn parse(config: &str) -> Config {
    match Config::parse(config, "lab.yaml", Context { dataplane: true }) {
        Ok(loaded) => loaded.config,
        Err(error) => panic!("the lab's config is refused:\n{error}\n{config}"),
    }
}

/// A daemon and what it tells.
pub(crate) struct Running {
    pub(crate) daemon: Daemon,
    events: broadcast::Receiver<Arc<Event>>,
}

impl Running {
    /// The next event that `wanted` accepts.
    pub(crate) async fn event(&mut self, what: &str, wanted: impl Fn(&What) -> bool) -> Arc<Event> {
        let mut seen = Vec::new();
        let found = async {
            loop {
                let event = self.events.recv().await.expect("the bus lives and the test keeps up");
                if wanted(&event.what) {
                    return event;
                }
                seen.push(event.what.to_string());
            }
        };
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(event) => event,
            Err(_) => panic!("waited {PATIENCE:?} in vain for {what}; seen:\n{}", seen.join("\n")),
        }
    }

    /// Waits until a backend is in a state. Events that come meanwhile stay to be read.
    pub(crate) async fn becomes(&self, name: &str, state: &str) {
        let published = self.daemon.published();
        let is =
            || published.snapshot().backends.iter().any(|backend| &*backend.name == name && backend.state == state);
        until(&format!("backend {name} to become {state}"), is).await;
    }

    /// Waits until every backend has a verdict, and the daemon has heard that VPP does what follows from them: VPP
    /// knows a moment before.
    pub(crate) async fn settles(&self) {
        until("every backend to have its verdict, and VPP what follows", || settled(&self.daemon)).await;
    }
}

/// Whether every backend has a verdict, and VPP is known to do what follows from them.
pub(crate) fn settled(daemon: &Daemon) -> bool {
    let snapshot = daemon.published().snapshot();
    snapshot.backends.iter().all(|backend| backend.state != "unknown")
        && snapshot.frontends.iter().all(|web| web.dataplane.as_ref().is_some_and(|vip| vip.in_sync))
}

/// Waits until `condition` holds, and says `what` it waited for when it does not.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let found = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, found).await.is_err() {
        panic!("waited {PATIENCE:?} in vain: {what}");
    }
}

/// What [`weight`] is of a server that is to have this weight. Before 26.10 it is in use, and counts as 1, or it is not
/// there.
pub(crate) fn shown(release: Release, weight: u8) -> Option<u8> {
    match (release >= Release::V26_10, weight) {
        (true, _) => Some(weight),
        (false, 0) => None,
        (false, _) => Some(1),
    }
}

/// Weight of a server in the lab's VIP; `None` when it has no such server.
pub(crate) fn weight(simulator: &Simulator, server: IpAddr) -> Option<u8> {
    let lb = simulator.lb();
    let vip = lb.vip("192.0.2.1/32".parse().expect("a prefix"), 6, 80)?;
    vip.server(server).filter(|server| server.in_use).map(|server| server.weight)
}

/// Requests in the log that change the load balancer.
pub(crate) fn writes(log: &[LogEntry]) -> Vec<String> {
    const WRITES: [&str; 7] = [
        "lb_conf",
        "lb_add_del_vip",
        "lb_add_del_vip_v2",
        "lb_add_del_as",
        "lb_add_del_as_v2",
        "lb_as_set_weight",
        "lb_flush_vip",
    ];
    let writes = log.iter().filter(|entry| WRITES.contains(&entry.name.as_str()));
    writes.map(|entry| format!("{} {}", entry.name, serde_json::Value::Object(entry.fields.clone()))).collect()
}

/// A request that takes new flows from a server, or adds one without.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Cut {
    /// Whether the server is deleted, as every cut does before 26.10.
    pub(crate) deletes: bool,
    /// Whether its sessions go too.
    pub(crate) flushes: bool,
}

/// The cuts in the log, in order.
pub(crate) fn cuts(log: &[LogEntry]) -> Vec<Cut> {
    let cuts = log.iter().filter_map(|entry| {
        let fields = &entry.fields;
        let deletes = entry.name.starts_with("lb_add_del_as") && fields.get("is_del") == Some(&true.into());
        let is_cut = deletes || fields.get("weight") == Some(&0.into());
        is_cut.then(|| Cut { deletes, flushes: fields.get("is_flush") == Some(&true.into()) })
    });
    cuts.collect()
}

/// What a new daemon changes. Before 26.10 a VPP that never saw a packet does not tell its settings: they are sent
/// again, as they are.
pub(crate) fn changes(release: Release, log: &[LogEntry]) -> Vec<String> {
    let is_told = release >= Release::V26_10;
    writes(log).into_iter().filter(|write| is_told || !write.starts_with("lb_conf ")).collect()
}

/// Everything that was sent to VPP, by name, in order.
pub(crate) fn requests(log: &[LogEntry]) -> Vec<&str> {
    let requests = log.iter().map(|entry| entry.name.as_str());
    requests.filter(|name| !name.ends_with("_reply") && !name.ends_with("_details")).collect()
}
