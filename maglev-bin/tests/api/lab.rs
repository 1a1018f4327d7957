//! A laboratory with an API: daemon, state file, config file, server, client.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use maglev_bin::cli::Role;
use maglev_bin::client::{self, Client};
use maglev_bin::config::Context;
use maglev_bin::daemon::{ConfigFile, Daemon, Options};
use maglev_bin::event::{Bus, Event};
use maglev_bin::grpc::{GrpcOptions, Listeners, Server};
use tokio::sync::broadcast;
use vpp_sim::{Release, Simulator};

use crate::support::{Lab, parse, settled, shown, until, weight};

/// A lab with everything that operators see, torn down in this order.
pub(crate) struct Api {
    pub(crate) client: Client,
    pub(crate) server: Server,
    pub(crate) daemon: Daemon,
    pub(crate) events: broadcast::Receiver<Arc<Event>>,
    pub(crate) simulator: Option<Simulator>,
    pub(crate) release: Release,
    pub(crate) lab: Lab,
}

impl Api {
    /// Two servers in one pool, both up and programmed, over the newest release of VPP.
    pub(crate) async fn two_up() -> Self {
        Self::two_up_on(Release::default()).await
    }

    /// The same over this release.
    pub(crate) async fn two_up_on(release: Release) -> Self {
        let lab = Lab::new(2);
        let config = lab.config("", "");
        let api = Self::start(lab, &config, Some(release), Role::Operator).await;
        for server in 0..2 {
            let what = format!("server {server} gets weight 100");
            until(&what, || api.weight(server) == api.shown(100)).await;
        }
        // The weight stands in VPP a moment before the daemon has heard so.
        until("the snapshot has both", || settled(&api.daemon)).await;
        api
    }

    /// A daemon with a config file, over a simulated VPP of a release or over nothing.
    pub(crate) async fn start(lab: Lab, config: &str, vpp: Option<Release>, role: Role) -> Self {
        let simulator = vpp.map(|release| lab.simulator_of(release));
        std::fs::write(lab.folder.join("maglev.yaml"), config).expect("a folder of the test");
        let mut options = Options::new(Some(lab.folder.join("api.sock")), Some(lab.folder.join("stats.sock")));
        options.counters_every = Duration::from_millis(100);
        options.state_file = Some(lab.folder.join("state.json"));
        let path = lab.folder.join("maglev.yaml");
        options.config_file = Some(ConfigFile { path, context: Context { dataplane: true } });
        let bus = Bus::new();
        let events = bus.subscribe();
        let daemon = Daemon::start(parse(config), options, bus).expect("a daemon");
        let mut options = GrpcOptions::default();
        let unix = format!("unix:{}", lab.folder.join("grpc.sock").display());
        options.addresses = vec!["127.0.0.1:0".parse().expect("an address"), unix.parse().expect("a short path")];
        options.loopback_role = role;
        let listeners = Listeners::bind(&options).expect("a free port");
        let server = Server::start(listeners, daemon.handle().clone(), true).expect("a thread");
        let client = connect(&server).await;
        Self { client, server, daemon, events, simulator, release: vpp.unwrap_or_default(), lab }
    }

    /// Another client of the same daemon.
    pub(crate) async fn another(&self) -> Client {
        connect(&self.server).await
    }

    /// Waits until VPP's text about the VIP was read. It is asked for when a VIP is new, and not more often than VPP can bear.
    pub(crate) async fn flows_are_known(&self) {
        until("the flows of the VIP to be read", || {
            let snapshot = self.daemon.published().snapshot();
            snapshot.flows.as_ref().is_some_and(|flows| flows.per_as.values().any(|servers| servers.len() == 2))
        })
        .await;
    }

    /// Weight of a server in the simulated VPP.
    pub(crate) fn weight(&self, server: usize) -> Option<u8> {
        weight(self.simulator.as_ref().expect("a simulator"), self.lab.address(server))
    }

    /// What that is of a server that is to have this weight.
    pub(crate) fn shown(&self, weight: u8) -> Option<u8> {
        shown(self.release, weight)
    }

    /// A weight that this VPP shows as another one than 100: `weight`, or 0 without weights, where every other one
    /// shows as 100 does.
    pub(crate) fn below_100(&self, weight: u8) -> u8 {
        if self.release >= Release::V26_10 { weight } else { 0 }
    }

    /// State of a backend, as published.
    pub(crate) fn state(&self, backend: &str) -> &'static str {
        let snapshot = self.daemon.published().snapshot();
        let found = snapshot.backends.iter().find(|known| &*known.name == backend);
        found.expect("a backend of the lab").state
    }

    /// Everything told so far and not read yet, as the log has it.
    pub(crate) fn told(&mut self) -> Vec<String> {
        let events = &mut self.events;
        std::iter::from_fn(|| events.try_recv().ok()).map(|event| event.what.to_string()).collect()
    }

    pub(crate) fn state_file(&self) -> PathBuf {
        self.lab.folder.join("state.json")
    }

    pub(crate) fn write_config(&self, text: &str) {
        std::fs::write(self.lab.folder.join("maglev.yaml"), text).expect("a folder of the test");
    }
}

async fn connect(server: &Server) -> Client {
    let address = server.addresses()[0].to_string().parse().expect("what it says is an address");
    client::connect(&address, None, Duration::from_secs(20)).await.expect("a server that listens")
}
