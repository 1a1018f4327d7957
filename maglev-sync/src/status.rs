//! Where the reconciler stands, for people and metrics.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use ipnet::IpNet;

use crate::event::{Failure, WarmUpPhase};
use crate::model::{ActualLength, StickyBuckets, TableLength, VipKey};

/// Where the reconciler stands.
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
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Flows {
    /// When the text was read.
    pub at: Instant,
    /// Entries of the sticky tables that name a server of a VIP, expired ones included: an upper bound.
    pub flows: BTreeMap<(VipKey, IpAddr), u64>,
}
