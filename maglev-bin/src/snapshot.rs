//! The one immutable picture of the daemon that everything that shows state reads.
//!
//! The brain builds a [`Snapshot`], swaps it in whole and never touches it again; unchanged parts are shared between successive
//! snapshots. Counters come from another task at their own pace and have a cell of their own. Taking either is one atomic load: a scrape
//! neither waits nor makes anybody wait.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use maglev_health::{Damping, Penalty};
use serde::Serialize;
use tokio::sync::watch;
use vpp_api::release::Capabilities;

use crate::config::Config;
use crate::event::Text;
use crate::seam::show_then_tell;

/// Where the daemon's current state can be had.
#[derive(Debug)]
pub struct Published {
    snapshot: ArcSwap<Snapshot>,
    counters: ArcSwapOption<Counters>,
    version: watch::Sender<u64>,
}

impl Published {
    /// Cells that hold `first` and no counters.
    pub fn new(first: Snapshot) -> Arc<Self> {
        Arc::new(Self {
            snapshot: ArcSwap::from_pointee(first),
            counters: ArcSwapOption::empty(),
            version: watch::Sender::new(0),
        })
    }

    /// The newest snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The newest counters; `None` while VPP or its stats segment is out of reach.
    pub fn counters(&self) -> Option<Arc<Counters>> {
        self.counters.load_full()
    }

    /// Changes when a snapshot was published.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    pub(crate) fn publish(&self, snapshot: Snapshot) {
        show_then_tell(
            || {
                self.snapshot.store(Arc::new(snapshot));
                [1]
            },
            |publications| self.version.send_modify(|version| *version += publications),
        );
    }

    pub(crate) fn publish_counters(&self, counters: Option<Counters>) {
        self.counters.store(counters.map(Arc::new));
    }
}

/// Everything the daemon believes at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// When it was made.
    pub taken: Timestamp,
    /// When the process started.
    pub started: Timestamp,
    /// SHA-256 of the configuration in force.
    pub config_sha256: Text,
    /// The configuration in force.
    #[serde(skip)]
    pub config: Arc<Config>,
    /// Backends in config order.
    pub backends: Vec<Arc<BackendView>>,
    /// Frontends in config order.
    pub frontends: Vec<Arc<FrontendView>>,
    /// The dataplane.
    pub vpp: Arc<VppView>,
    /// Sessions that VPP remembers, as last read; `None` while they were not since the link came up.
    pub flows: Option<Arc<Flows>>,
    /// What operators have said over the configuration's head: backends by name, then weights by place.
    pub overrides: Arc<[OverrideView]>,
}

/// An operator's word that is in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OverrideView {
    /// `pause`, `disable`, `enable` or `weight`.
    pub kind: &'static str,
    /// Name of the backend.
    pub backend: Text,
    /// Where, for a weight.
    pub weight: Option<OverriddenWeight>,
    /// When it was said.
    pub time: Timestamp,
    /// Who said it.
    pub who: Text,
    /// Why; may be empty.
    pub reason: Text,
}

/// A weight over the configuration's head.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OverriddenWeight {
    /// Name of the frontend.
    pub frontend: Text,
    /// Name of the pool.
    pub pool: Text,
    /// The operator's, 0..=100.
    pub weight: u8,
    /// The configuration's, 0..=100.
    pub configured: u8,
}

/// A backend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackendView {
    /// Its name.
    pub name: Text,
    /// Its address.
    pub address: IpAddr,
    /// Name of its health check; `None` for a static backend.
    pub healthcheck: Option<Text>,
    /// Kind of probe: `http`, `https`, `tcp`, `icmp` or `static`.
    pub kind: &'static str,
    /// `unknown`, `up`, `down`, `paused`, `disabled` or `removed`.
    pub state: &'static str,
    /// The counter, 0..=rise + fall - 1.
    pub health: u32,
    /// Passes from 0 that bring it up.
    pub rise: u32,
    /// Fails from the top that bring it down.
    pub fall: u32,
    /// It may serve: not disabled.
    pub enabled: bool,
    /// Unknown, and keeps the weight that VPP has for it.
    pub held: bool,
    /// An operator's word that is in force: `pause`, `disable`, `enable`.
    pub r#override: Option<&'static str>,
    /// When the certificate that its last TLS probe saw ends.
    pub certificate_expires: Option<Timestamp>,
    /// What its flaps come to; `None` without damping.
    pub damping: Option<DampingView>,
    /// What its server said of itself last; `None` for nothing since its check began.
    pub agent: Option<AgentView>,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// Transitions, newest first.
    pub history: Vec<TransitionView>,
}

/// What the flaps of a backend come to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DampingView {
    /// The numbers by which they count.
    #[serde(skip)]
    pub damping: Damping,
    /// Their sum, which decays.
    #[serde(skip)]
    pub penalty: Penalty,
    /// When it is used again, if it is suppressed: not up before that.
    pub suppressed_until: Option<Timestamp>,
}

impl DampingView {
    /// What the flaps add up to now.
    pub fn penalty_now(&self) -> u64 {
        self.penalty.at(&self.damping, Instant::now())
    }
}

/// What a server said of itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct AgentView {
    /// The part of its weight that it wants, in percent: 0..=100.
    pub share: u8,
    /// `ready`, `drain` or `maint`.
    pub mode: &'static str,
}

/// A transition of a backend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TransitionView {
    /// When, UTC.
    pub time: Timestamp,
    /// State before.
    pub from: &'static str,
    /// State after.
    pub to: &'static str,
    /// Code of the probe or action.
    pub code: Text,
    /// What was seen.
    pub detail: Text,
}

/// A frontend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FrontendView {
    /// Its name.
    pub name: Text,
    /// What it is for, as the config says.
    pub description: Text,
    /// The VIP as VPP has it.
    pub vip: VipName,
    /// `up`, `down` or `unknown`.
    pub state: &'static str,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// Position of the active pool.
    pub active_pool: usize,
    /// Pools in order of priority.
    pub pools: Vec<PoolView>,
    /// Table length that the config asks for.
    pub table_length_wanted: u32,
    /// The warm-up lets its VIP be written; true without a dataplane.
    pub released: bool,
    /// What the dataplane has; `None` when it is not known.
    pub dataplane: Option<VipView>,
}

/// How metrics and people name a VIP.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct VipName {
    /// Address without /32 or /128.
    pub prefix: Text,
    /// `tcp`, `udp`, a number, or `any`.
    pub protocol: Text,
    /// Port; 0 for every port.
    pub port: u16,
}

impl fmt::Display for VipName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prefix, protocol, port } = self;
        if *port == 0 { write!(f, "{prefix}") } else { write!(f, "{prefix} {protocol}/{port}") }
    }
}

/// A pool of a frontend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PoolView {
    /// Its name.
    pub name: Text,
    /// Its backends.
    pub backends: Vec<MemberView>,
}

/// A backend in a pool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemberView {
    /// Name of the backend.
    pub name: Text,
    /// Its address.
    pub address: IpAddr,
    /// Weight by config or override, 0..=100.
    pub weight: u8,
    /// Weight by config, 0..=100.
    pub configured_weight: u8,
    /// Weight it should have in VPP now, 0..=100.
    pub effective_weight: u8,
    /// An operator set its weight.
    pub overridden: bool,
}

/// A VIP in VPP, as last seen or acknowledged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VipView {
    /// How packets travel to its ASes, as VPP calls it.
    pub encap: Text,
    /// Flows are hashed by source address alone; `None` while that is not known.
    pub src_ip_sticky: Option<bool>,
    /// Length of its new-flow table; `None` while only the low half is known.
    pub table_length: Option<u32>,
    /// Weight and buckets of each AS.
    pub ases: BTreeMap<IpAddr, AsView>,
    /// When it was last compared with VPP.
    pub compared: Option<Timestamp>,
    /// Why its last call failed, while it waits to be tried again.
    pub error: Option<Text>,
    /// It is as it should be, as far as known.
    pub in_sync: bool,
    /// The warm-up lets it be written.
    pub released: bool,
}

/// An AS of a VIP.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct AsView {
    /// Weight in VPP.
    pub weight: u8,
    /// Buckets of the new-flow table, by the exact table.
    pub buckets: u32,
}

/// The dataplane as a whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VppView {
    /// The API link; `None` while there is none.
    pub link: Option<VppInfo>,
    /// Why nothing is written to this VPP, although the link stands.
    pub unsupported: Option<Text>,
    /// `hands-off`, `releasing` or `done`; `no dataplane` without one.
    pub warm_up: Text,
    /// Flushes that are owed.
    pub flush_owed: u64,
    /// Settings of the lb plugin; `None` while VPP has not been read.
    pub conf: Option<LbConfView>,
    /// VIPs in VPP that the config does not know.
    pub foreign: Vec<(VipName, VipView)>,
    /// Something that differs and is left as it is, in words.
    pub differs: Vec<Text>,
}

impl Default for VppView {
    fn default() -> Self {
        let warm_up = "hands-off".into();
        Self {
            link: None,
            unsupported: None,
            warm_up,
            flush_owed: 0,
            conf: None,
            foreign: Vec::new(),
            differs: Vec::new(),
        }
    }
}

/// Settings of VPP's lb plugin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LbConfView {
    /// Source address of GRE over IPv4.
    pub ipv4_src_address: Ipv4Addr,
    /// Source address of GRE over IPv6.
    pub ipv6_src_address: Ipv6Addr,
    /// Buckets of each thread's table of sessions; `None` if VPP does not tell.
    pub sticky_buckets_per_core: Option<u32>,
    /// Seconds after its last packet at which a session may be forgotten; `None` if VPP does not tell.
    pub flow_timeout: Option<u32>,
}

/// The VPP at the other end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VppInfo {
    /// Its version.
    pub version: Text,
    /// Its build date.
    pub build_date: Text,
    /// Where it was built.
    pub build_directory: Text,
    /// What it can do.
    pub can: Can,
    /// Its process id.
    pub pid: u32,
    /// When it started, Unix time in seconds; `None` without a stats segment.
    pub boot_time: Option<u64>,
    /// When the link came up.
    pub connected: Timestamp,
}

/// What a VPP can do for us.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Can {
    /// Its lb plugin is loaded.
    pub lb: bool,
    /// Its servers have weights; up to 26.06 a server is in use or not.
    pub weights: bool,
    /// It can be trusted to hash flows without ports.
    pub src_ip_sticky: bool,
}

impl Can {
    /// By the messages that it has.
    pub fn of(capabilities: Capabilities) -> Self {
        let Capabilities { lb, weights, lb_conf_get, src_ip_sticky, .. } = capabilities;
        // All that the dialect with weights sends: beside `lb_conf_get`, `src_ip_sticky` says that `lb_add_del_vip_v2` is there.
        Self { lb, weights: weights && lb_conf_get && src_ip_sticky, src_ip_sticky }
    }

    /// Each by the name that the API and the metrics have for it.
    pub fn named(self) -> [(&'static str, bool); 3] {
        [("lb", self.lb), ("lb-weights", self.weights), ("src-ip-sticky", self.src_ip_sticky)]
    }
}

/// Counters read from VPP's stats segment, with the objects they belong to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Counters {
    /// When they were read.
    pub taken: Option<Timestamp>,
    /// Per VIP, by key.
    pub vips: BTreeMap<VipName, VipCounters>,
    /// Per VIP address: packets and bytes that arrived for it, all ports together.
    pub routes: BTreeMap<Text, Traffic>,
    /// Per backend address: packets and bytes that went to it.
    pub backends: BTreeMap<IpAddr, Traffic>,
    /// Sessions VPP remembers per VIP and AS, an upper bound, and when that was read.
    pub flows: Option<Flows>,
}

/// The lb plugin's four counters of a VIP, in packets since the VIP was added.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct VipCounters {
    /// First packets of new flows.
    pub first: u64,
    /// Packets of known flows.
    pub next: u64,
    /// Packets of flows that found no room in the sticky table.
    pub untracked: u64,
    /// Packets dropped because no server had a weight.
    pub no_server: u64,
}

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes, with the IP header; at a backend also with the GRE encapsulation.
    pub bytes: u64,
}

/// Sessions that VPP remembers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flows {
    /// When the verbose text was read.
    pub taken: Timestamp,
    /// Sessions per VIP and AS.
    pub per_as: BTreeMap<VipName, BTreeMap<IpAddr, u64>>,
}

#[cfg(test)]
pub(crate) mod tests;
