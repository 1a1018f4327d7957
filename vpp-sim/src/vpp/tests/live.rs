//! Asks a real VPP and this one the same at random, packets included, and compares every answer.
//!
//! Needs `MAGLEV_VPP_BIN`, the `vpp` program, and `MAGLEV_VPP_PLUGINS`, the folder of its plugins, and root. Any release that the
//! simulator knows will do: it is told by the message table, and its name by `show_version`. `MAGLEV_VPP_SEED` repeats a run. With
//! `MAGLEV_VPP_SLOW` it also waits, two minutes, until garbage may be collected.

mod compare;
mod identity;
mod packets;
mod process;
mod random;
mod script;
mod segment;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastrand::Rng;
use vpp_api::client::Client;
use vpp_api::messages::ip::IpRouteLookup;
use vpp_api::messages::lb::{LbAddDelVipV2, LbConf};
use vpp_api::messages::vpe::ShowVersion;
use vpp_api::release::Quirks;
use vpp_api::types::{Encap, IpProto, Prefix, SrvType};
use vpp_stats::CombinedCounter;

use self::process::LiveVpp;
use super::*;

#[tokio::test]
async fn a_real_vpp_gives_the_same_answers() {
    let Some((program, plugins)) = live_vpp() else { return };
    let seed =
        std::env::var("MAGLEV_VPP_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    eprintln!("MAGLEV_VPP_SEED={seed}");
    let is_slow = std::env::var_os("MAGLEV_VPP_SLOW").is_some();
    let mut pair = Pair::start(&program, &plugins, seed).await;
    // Two NAT VIPs with a server in common would be VPP's end when their garbage is collected.
    pair.has_nat = !is_slow;
    pair.steps(4000).await;
    pair.compare_counters();
    if is_slow {
        // The first collection is a minute after VPP's start and passes those by that are not a minute old.
        while pair.started.elapsed() < Duration::from_secs(125) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            pair.ours.handle_timeout(pair.now());
        }
        let left = pair.ours.lb.server_count();
        pair.compare_all().await;
        pair.steps(1000).await;
        eprintln!("{left} servers were left by the garbage collection");
    }
    eprintln!("{} packets", pair.packets);
}

/// The program and its plugins, if there is a live VPP to ask.
fn live_vpp() -> Option<(PathBuf, PathBuf)> {
    let named = std::env::var_os("MAGLEV_VPP_BIN").zip(std::env::var_os("MAGLEV_VPP_PLUGINS"));
    if named.is_none() {
        eprintln!("skipped: MAGLEV_VPP_BIN and MAGLEV_VPP_PLUGINS name no VPP");
    }
    named.map(|(program, plugins)| (program.into(), plugins.into()))
}

/// The release to play beside a live VPP: of the generation that its table tells, the one that it calls itself.
async fn release_of(client: &Client) -> Release {
    let version = client.call(&ShowVersion {}).await.expect("a version").version.to_string();
    let has_weights = client.capabilities().weights;
    let fits = |release: &Release| release.has_weights() == has_weights;
    let named = Release::ALL.into_iter().filter(fits).find(|release| version.starts_with(&release.to_string()));
    let release = named.unwrap_or(if has_weights { Release::V26_10 } else { Release::V25_10 });
    eprintln!("VPP {version} is played as {release}");
    release
}

/// A real VPP and ours.
struct Pair {
    live: LiveVpp,
    client: Client,
    quirks: Quirks,
    has_weights: bool,
    ours: Vpp,
    started: Instant,
    random: Rng,
    /// What the real one's statistics indices are ahead by.
    offset: i64,
    packets: u64,
    has_nat: bool,
    /// What our packets should have moved: rows of `/net/route/to` and `/net/route/via`.
    to: BTreeMap<u32, CombinedCounter>,
    via: BTreeMap<u32, CombinedCounter>,
}

impl Pair {
    async fn start(program: &Path, plugins: &Path, seed: u64) -> Self {
        let started = Instant::now();
        let live = LiveVpp::start(program, plugins);
        let client = live.connect().await;
        let capabilities = client.capabilities();
        let identity = Identity { release: release_of(&client).await, pid: 0 };
        let mut pair = Self {
            live,
            client,
            quirks: capabilities.quirks(),
            has_weights: capabilities.weights,
            ours: Vpp::new(identity, 1, FIRST_INDEX as u32, Interface::defaults()),
            started,
            random: Rng::with_seed(seed),
            offset: 0,
            packets: 0,
            has_nat: true,
            to: BTreeMap::new(),
            via: BTreeMap::new(),
        };
        // Nothing shall expire during the test.
        pair.call(&lasting_conf()).await;
        let net = "192.0.2.100/32".parse().expect("a prefix");
        let first = LbAddDelVipV2 {
            pfx: pair.quirks.prefix(net),
            protocol: IpProto::UDP,
            port: 1,
            encap: Encap::Gre4,
            dscp: 0,
            r#type: SrvType::ClusterIp,
            target_port: 0,
            node_port: 0,
            new_flows_table_length: 16,
            src_ip_sticky: false,
            is_del: false,
        };
        pair.call(&first).await;
        let look_up = IpRouteLookup { table_id: 0, exact: 1, prefix: Prefix::from(net) };
        pair.offset = pair.client.call(&look_up).await.expect("a route").route.stats_index.into();
        pair.offset -= FIRST_INDEX;
        pair
    }

    /// Does so many things, within 40 s: garbage is collected a minute after VPP's start at the earliest.
    async fn steps(&mut self, count: u32) {
        let begin = Instant::now();
        for step in 0..count {
            if begin.elapsed() > Duration::from_secs(40) {
                eprintln!("only {step} steps, the machine is slow");
                break;
            }
            self.step().await;
            if step % 50 == 0 {
                self.compare_all().await;
            }
        }
        self.compare_all().await;
    }

    fn now(&self) -> Now {
        Now { since_start: self.started.elapsed(), unix: 0.0 }
    }
}

/// A configuration in which nothing expires.
fn lasting_conf() -> LbConf {
    LbConf {
        ip4_src_address: [10, 2, 0, 1].into(),
        ip6_src_address: "fd02::1".parse().expect("an address"),
        sticky_buckets_per_core: 16,
        flow_timeout: 1000,
    }
}

/// The first statistics index that ours gives.
const FIRST_INDEX: i64 = 28;
