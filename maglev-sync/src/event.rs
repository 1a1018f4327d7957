//! What the reconciler tells its owner.

mod failure;
mod warning;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

pub use self::failure::{Failure, SyncFailure};
pub(crate) use self::warning::Cause;
pub use self::warning::Warning;
use crate::call::ConfUpdate;
use crate::model::{LbConf, VipKey, Weight};

/// Something that happened between the reconciler and VPP.
///
/// ```
/// use maglev_sync::{Event, Protocol, VipKey};
///
/// /// A line for the log, where it is worth one.
/// fn line(event: &Event) -> Option<String> {
///     match event {
///         Event::VipAdded(key) => Some(format!("{key} is there")),
///         Event::VipFailed { key, failure, retry_in } => Some(format!("{key}: {failure}; again in {retry_in:?}")),
///         Event::Drift { key, what } => Some(format!("{key}: {what}")),
///         // Not all that may come is known today.
///         _ => None,
///     }
/// }
///
/// let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// assert_eq!(line(&Event::VipAdded(web)).as_deref(), Some("192.0.2.1 tcp/80 is there"));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// VPP was read whole after a link came up. No write leaves before this event was polled, so whoever derives weights from
    /// what VPP holds updates the desired state now.
    Read {
        /// Whether it is the first reading since the process started.
        first: bool,
        /// VIPs in use.
        vips: usize,
        /// Servers in use, counted per VIP.
        ases: usize,
        /// The plugin's settings.
        conf: LbConf,
    },
    /// The warm-up entered this phase.
    WarmUp(WarmUpPhase),
    /// The VIP may be written from now on.
    Released(VipKey),
    /// A pass begins. Passes over single VIPs begin with their first write: those that change nothing are silent.
    SyncStart {
        /// What it covers.
        scope: SyncScope,
    },
    /// A pass ended; each VIP of it is as it should be.
    SyncDone {
        /// What it covered.
        scope: SyncScope,
        /// What it changed.
        counts: SyncCounts,
        /// From its start to the last reply.
        elapsed: Duration,
    },
    /// A pass ended with failures.
    SyncError {
        /// What it covered.
        scope: SyncScope,
        /// Why.
        reason: SyncFailure,
        /// What it changed nevertheless.
        counts: SyncCounts,
        /// From its start to the last reply.
        elapsed: Duration,
    },
    /// VPP has new settings.
    ConfUpdated(ConfUpdate),
    /// A VIP was created.
    VipAdded(VipKey),
    /// A VIP was deleted.
    VipRemoved(VipKey),
    /// A VIP was deleted and created again.
    VipRecreated(VipKey),
    /// A server was added.
    AsAdded {
        /// The VIP.
        key: VipKey,
        /// The server.
        address: IpAddr,
        /// Its weight.
        weight: Weight,
    },
    /// A server was deleted.
    AsRemoved {
        /// The VIP.
        key: VipKey,
        /// The server.
        address: IpAddr,
        /// Whether its flows were evicted.
        flush: bool,
    },
    /// A server has a new weight, or its flows were evicted at the weight it had.
    AsWeightUpdated {
        /// The VIP.
        key: VipKey,
        /// The server.
        address: IpAddr,
        /// Weight before.
        from: u8,
        /// Weight now.
        to: Weight,
        /// Whether its flows were evicted.
        flush: bool,
    },
    /// A VIP could not be brought to its desired state; it is tried again.
    VipFailed {
        /// The VIP.
        key: VipKey,
        /// Why.
        failure: Failure,
        /// After which time, unless its desired state changes first.
        retry_in: Duration,
    },
    /// VPP was found changed by somebody else.
    Drift {
        /// The VIP.
        key: VipKey,
        /// How.
        what: Drift,
    },
    /// Something an operator should know; said once for each cause.
    Warning(Warning),
    /// Pool or stats indices changed: counters must be looked up anew.
    IndicesChanged {
        /// Number of this state of the indices.
        generation: u64,
    },
}

/// What a pass covers.
///
/// ```
#[doc = include_str!("doc/vpp.md")]
/// # let mut reconciler = Reconciler::new(warm(), now);
/// # reconciler.set_desired(now, desired.clone());
/// # reconciler.handle_link_up(now, boot, Abilities::default());
/// # settle(&mut reconciler, now, &mut vpp);
/// # let dns = VipKey::host("192.0.2.9".parse()?, Protocol::UDP, 53);
/// let scopes = |events: Vec<Event>| -> Vec<String> {
///     let done = events.iter().filter_map(|event| match event {
///         Event::SyncDone { scope, .. } => Some(scope.to_string()),
///         _ => None,
///     });
///     done.collect()
/// };
/// // One VIP changes, then two at once, then somebody asks for everything.
/// let mut wanted = desired.clone();
/// wanted.vips.entry(web).and_modify(|vip| drop(vip.targets.remove(&first)));
/// reconciler.set_desired(now, wanted.clone());
/// assert_eq!(scopes(settle(&mut reconciler, now, &mut vpp)), ["192.0.2.1 tcp/80"]);
/// wanted.vips = [(web, vip.clone()), (dns, vip)].into();
/// reconciler.set_desired(now, wanted);
/// assert_eq!(scopes(settle(&mut reconciler, now, &mut vpp)), ["2 VIPs"]);
/// reconciler.request_sync(now, SyncRequest { scope: RequestScope::All, recreate: false });
/// assert_eq!(scopes(settle(&mut reconciler, now, &mut vpp)), ["all"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SyncScope {
    /// Every VIP.
    All,
    /// One VIP.
    Vip(VipKey),
    /// The VIPs that changed together.
    Batch {
        /// How many.
        vips: usize,
    },
}

/// `all`, the VIP, or the number of VIPs.
impl fmt::Display for SyncScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Vip(key) => key.fmt(f),
            Self::Batch { vips } => write!(f, "{vips} VIPs"),
        }
    }
}

/// What a pass changed, counted in acknowledged calls.
///
/// ```
#[doc = include_str!("doc/vpp.md")]
/// # let mut reconciler = Reconciler::new(warm(), now);
/// # reconciler.set_desired(now, desired);
/// # reconciler.handle_link_up(now, boot, Abilities::default());
/// let done = settle(&mut reconciler, now, &mut vpp).into_iter().find_map(|event| match event {
///     Event::SyncDone { counts, .. } => Some(counts),
///     _ => None,
/// });
/// // VPP was empty, and one VIP with two servers was wanted.
/// let counts = done.ok_or("the pass ended")?;
/// assert_eq!((counts.vips_added, counts.ases_added, counts.weights_updated), (1, 2, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct SyncCounts {
    /// VIPs created.
    pub vips_added: u32,
    /// VIPs deleted.
    pub vips_removed: u32,
    /// VIPs deleted and created again; not counted above.
    pub vips_recreated: u32,
    /// Servers added.
    pub ases_added: u32,
    /// Servers deleted.
    pub ases_removed: u32,
    /// Weights changed.
    pub weights_updated: u32,
}

/// How VPP was found changed by somebody else.
///
/// ```
/// use maglev_sync::Drift;
///
/// let drift = Drift::As { address: "10.0.0.1".parse()?, expected: Some(100), found: Some(44) };
/// assert_eq!(drift.to_string(), "server 10.0.0.1 has weight 44, not 100");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Drift {
    /// The VIP is gone.
    VipGone,
    /// The VIP came up.
    VipCame,
    /// The VIP has another encapsulation, hash or table length, or was deleted and added again.
    VipReplaced,
    /// A server is gone, came up, or has another weight.
    As {
        /// The server.
        address: IpAddr,
        /// The weight it should have had; nothing if it should not have been there.
        expected: Option<u8>,
        /// The weight it has; nothing if it is gone.
        found: Option<u8>,
    },
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VipGone => f.write_str("the VIP is gone"),
            Self::VipCame => f.write_str("the VIP came up"),
            Self::VipReplaced => f.write_str("the VIP was replaced"),
            Self::As { address, expected: None, .. } => write!(f, "server {address} came up"),
            Self::As { address, found: None, .. } => write!(f, "server {address} is gone"),
            Self::As { address, expected: Some(expected), found: Some(found) } => {
                write!(f, "server {address} has weight {found}, not {expected}")
            }
        }
    }
}

/// Phase of the warm-up, which runs once in the life of the process.
///
/// ```
#[doc = include_str!("doc/vpp.md")]
/// # vpp.vips.insert(web, (1024, [(first, 100)].into()));
/// # let mut desired = desired;
/// # desired.vips.entry(web).and_modify(|vip| vip.decided = false);
/// // VPP has the VIP without its second server, and health does not know yet whether that one serves.
/// let mut reconciler = Reconciler::new(Settings::default(), now);
/// reconciler.set_desired(now, desired);
/// reconciler.handle_link_up(now, boot, Abilities::default());
/// let mut phase_after = |secs| {
///     let now = now + Duration::from_secs(secs);
///     reconciler.handle_timeout(now);
///     settle(&mut reconciler, now, &mut vpp);
///     (reconciler.status().warm_up, vpp.vips[&web].1.len())
/// };
/// assert_eq!(phase_after(0), (WarmUpPhase::HandsOff, 1));
/// assert_eq!(phase_after(5), (WarmUpPhase::Releasing, 1));
/// assert_eq!(phase_after(30), (WarmUpPhase::Done, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(clippy::exhaustive_enums, reason = "complete by the specification")]
pub enum WarmUpPhase {
    /// Nothing is written.
    HandsOff,
    /// Each VIP is written once it is decided.
    Releasing,
    /// Every VIP may be written.
    Done,
}

impl fmt::Display for WarmUpPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HandsOff => "hands-off",
            Self::Releasing => "releasing",
            Self::Done => "done",
        })
    }
}
