//! Where the reconciler stands, for people and metrics.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use ipnet::IpNet;

use crate::event::{Failure, WarmUpPhase};
use crate::model::{ActualLength, StickyBuckets, TableLength, VipKey};

/// Where the reconciler stands.
///
/// ```
/// # use maglev_sync::*;
/// # let conf = DesiredConf {
/// #     ip4_src: "10.0.0.254".parse()?,
/// #     ip6_src: "2001:db8::254".parse()?,
/// #     sticky_buckets: StickyBuckets::MIN,
/// #     flow_timeout: FlowTimeout::from_secs(40)?,
/// # };
/// # let server = DesiredAs { weight: Weight::MAX, cut: Cut::Serving, flush: None };
/// # let vip = DesiredVip {
/// #     encap: Encap::Gre4,
/// #     src_ip_sticky: false,
/// #     table_length: TableLength::MIN,
/// #     targets: [("10.0.0.1".parse()?, server)].into(),
/// #     decided: true,
/// # };
/// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// # let desired = Desired { conf, foreign: ForeignVips::Keep, vips: [(web, vip)].into() };
/// # let empty = Actual { abilities: Abilities::default(), conf: LbConf::default(), vips: Default::default() };
/// use std::time::Instant;
///
/// let now = Instant::now();
/// let mut reconciler = Reconciler::new(Settings::default(), now);
/// reconciler.set_desired(now, desired);
/// let status = reconciler.status();
/// assert!(!status.connected && status.warm_up == WarmUpPhase::HandsOff);
/// let behind: Vec<_> = status.vips.iter().filter(|(_, vip)| !vip.in_sync).collect();
/// assert_eq!(behind.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SyncStatus {
    /// Whether there is a link to VPP.
    pub connected: bool,
    /// Whether VPP is being read whole: the model is missing or about to be renewed.
    pub reading: bool,
    /// Phase of the warm-up.
    pub warm_up: WarmUpPhase,
    /// Each VIP that is wanted, or that goes because it was.
    pub vips: BTreeMap<VipKey, VipStatus>,
    /// VIPs in VPP that are neither wanted nor ours.
    pub foreign: Vec<VipKey>,
    /// Sticky buckets per core as wanted and as VPP has them, where they differ.
    pub sticky_buckets_differ: Option<(StickyBuckets, u32)>,
    /// Flushes that are owed and not yet acknowledged.
    pub flushes_owed: usize,
    /// Calls in flight.
    pub calls_in_flight: usize,
    /// How the verbose text fares.
    pub verbose: VerboseStatus,
}

/// Where one VIP stands.
///
/// ```
/// # use maglev_sync::*;
/// # let conf = DesiredConf {
/// #     ip4_src: "10.0.0.254".parse()?,
/// #     ip6_src: "2001:db8::254".parse()?,
/// #     sticky_buckets: StickyBuckets::MIN,
/// #     flow_timeout: FlowTimeout::from_secs(40)?,
/// # };
/// # let server = DesiredAs { weight: Weight::MAX, cut: Cut::Serving, flush: None };
/// # let vip = DesiredVip {
/// #     encap: Encap::Gre4,
/// #     src_ip_sticky: false,
/// #     table_length: TableLength::MIN,
/// #     targets: [("10.0.0.1".parse()?, server)].into(),
/// #     decided: true,
/// # };
/// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// # let desired = Desired { conf, foreign: ForeignVips::Keep, vips: [(web, vip)].into() };
/// # let empty = Actual { abilities: Abilities::default(), conf: LbConf::default(), vips: Default::default() };
/// use std::time::Instant;
///
/// let now = Instant::now();
/// let mut reconciler = Reconciler::new(Settings::default(), now);
/// reconciler.set_desired(now, desired);
/// let vip = &reconciler.status().vips[&web];
/// assert!(!vip.released && !vip.standing && vip.last_error.is_none());
/// assert_eq!(vip.table_length_wanted, Some(TableLength::MIN));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VipStatus {
    /// Whether it may be written.
    pub released: bool,
    /// Whether VPP has it.
    pub standing: bool,
    /// Whether it is as wanted, as far as known.
    pub in_sync: bool,
    /// When VPP was last asked for its servers.
    pub compared: Option<Instant>,
    /// Why its last try failed; nothing once it succeeded.
    pub last_error: Option<Failure>,
    /// No new try before this.
    pub backoff_until: Option<Instant>,
    /// Length of its new-flow table as wanted.
    pub table_length_wanted: Option<TableLength>,
    /// Length of its new-flow table in VPP.
    pub table_length: Option<ActualLength>,
    /// Flushes that it owes.
    pub flushes_owed: usize,
}

/// How `show lb vips verbose` fares.
///
/// ```
/// use maglev_sync::VerboseStatus;
///
/// /// For a metric.
/// fn is_trouble(status: VerboseStatus) -> bool {
///     matches!(status, VerboseStatus::TooLarge { .. } | VerboseStatus::Failed)
/// }
/// assert!(!is_trouble(VerboseStatus::default()));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum VerboseStatus {
    /// Not read since the link came up.
    #[default]
    Unread,
    /// Read.
    Read {
        /// When.
        at: Instant,
    },
    /// Not asked for: it might not fit VPP's API segment. Pool indices, flows and `src-ip-sticky` are unknown.
    TooLarge {
        /// Bytes expected.
        expected: u64,
    },
    /// Asked for in vain.
    Failed,
}

/// Where VPP keeps the counters of what we programmed. Valid until the generation changes.
///
/// ```
/// use maglev_sync::{Indices, Protocol, VipKey};
///
/// /// Looks places up again only when they may have changed.
/// fn refresh(seen: &mut u64, indices: &Indices) -> bool {
///     std::mem::replace(seen, indices.generation) != indices.generation
/// }
///
/// let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// let indices = Indices { generation: 1, vips: [(web, 3)].into(), ..Indices::default() };
/// let mut seen = 0;
/// assert!(refresh(&mut seen, &indices) && !refresh(&mut seen, &indices));
/// assert_eq!(indices.vips.get(&web), Some(&3));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Indices {
    /// Number of this state; another number means that something below changed.
    pub generation: u64,
    /// Column of each VIP in the plugin's counters.
    pub vips: BTreeMap<VipKey, u32>,
    /// Index of each VIP prefix in `/net/route/to`; all VIPs of a prefix share it.
    pub vip_routes: BTreeMap<IpNet, u32>,
    /// Index of each server in `/net/route/via`; all VIPs of a server share it.
    pub as_routes: BTreeMap<IpAddr, u32>,
}

/// Flows that VPP remembers, from the verbose text.
///
/// ```
/// use std::time::Instant;
///
/// use maglev_sync::{Flows, Protocol, VipKey};
///
/// let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// let server = |host: u8| (web, [10, 0, 0, host].into());
/// let flows = Flows { at: Instant::now(), flows: [(server(1), 43), (server(2), 7)].into() };
/// let of_vip: u64 = flows.flows.iter().filter(|((vip, _), _)| *vip == web).map(|(_, flows)| flows).sum();
/// assert_eq!(of_vip, 50);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Flows {
    /// When the text was read.
    pub at: Instant,
    /// Entries of the sticky tables that name a server of a VIP, expired ones included: an upper bound.
    pub flows: BTreeMap<(VipKey, IpAddr), u64>,
}
