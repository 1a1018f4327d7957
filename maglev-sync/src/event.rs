//! What the reconciler tells its owner.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;

use crate::call::{Call, CallFailure, ConfUpdate};
use crate::exec::Forbidden;
use crate::model::{ActualLength, LbConf, StickyBuckets, TableLength, VipKey, Weight};
use crate::text::TextError;

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

/// Why a pass failed.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SyncFailure {
    /// There is no link to VPP; try again when there is.
    #[error("not connected to VPP")]
    NotConnected,
    /// The link went while the pass ran; it is repeated when the link is back.
    #[error("lost the link to VPP")]
    LinkLost,
    /// VPP could not be read.
    #[error("cannot read VPP")]
    Read(#[source] CallFailure),
    /// There is no such VIP in the desired state nor in VPP.
    #[error("no such VIP")]
    UnknownVip,
    /// Some VIPs failed; each of them is tried again.
    #[error("{failed} VIPs failed, {first} the first of them")]
    Vips {
        /// How many.
        failed: usize,
        /// The first of them.
        first: VipKey,
        /// Why it failed.
        #[source]
        failure: Failure,
    },
}

/// Why a VIP could not be brought to its desired state.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Failure {
    /// VPP refused a call. The VIP is read again and tried again.
    #[error("refused: {call}")]
    Refused {
        /// The call.
        call: Call,
        /// VPP's answer.
        #[source]
        failure: CallFailure,
    },
    /// VPP refused to tell what it holds, so nothing can be written. It is asked again.
    #[error("cannot read it")]
    Unread(#[source] CallFailure),
    /// A call was held back that would kill VPP. Fix the configuration, or what stands in VPP.
    #[error("held back: {call}")]
    Forbidden {
        /// The call.
        call: Call,
        /// The rule it breaks.
        #[source]
        rule: Forbidden,
    },
    /// VPP cannot hold it beside another VIP of its address, which is not ours to remove. Nothing was deleted.
    #[error("VPP cannot hold it beside {by}")]
    InTheWay {
        /// The other VIP.
        by: VipKey,
    },
    /// This release of VPP cannot be trusted to hash flows without ports. Upgrade VPP to 24.06 or later, or do without.
    #[error("this release of VPP cannot be trusted with src-ip-sticky")]
    SrcIpSticky,
    /// The link went before it was done.
    #[error("lost the link to VPP")]
    LinkLost,
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

/// Something an operator should know.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// `show lb vips verbose` is not asked for: the text might not fit VPP's API segment, over which VPP aborts. Pool indices,
    /// flows and `src-ip-sticky` are unknown.
    #[error("the text of `show lb vips verbose` may have {expected} bytes and is not asked for: no counters, no flows")]
    VerboseTooLarge {
        /// Bytes expected.
        expected: u64,
    },
    /// The text of `show lb vips verbose` was not understood.
    #[error("cannot read the text of `show lb vips verbose`")]
    VerboseUnreadable(#[source] TextError),
    /// VPP refused `show lb vips verbose`.
    #[error("VPP refused `show lb vips verbose`")]
    VerboseRefused(#[source] CallFailure),
    /// Another number of sticky buckets forgets all sessions, so it is not sent while VPP holds VIPs.
    #[error(
        "VPP has {actual} sticky buckets per core, not {wanted}: a sync with `recreate` changes it and forgets all sessions"
    )]
    StickyBucketsDiffer {
        /// The number wanted.
        wanted: StickyBuckets,
        /// The number in VPP.
        actual: u32,
    },
    /// Another table length needs a re-creation, which cuts flows.
    #[error("{key} stands with {actual} buckets, not {wanted}: a sync with `recreate` changes it and cuts flows")]
    TableLengthDiffers {
        /// The VIP.
        key: VipKey,
        /// The length wanted.
        wanted: TableLength,
        /// The length in VPP.
        actual: ActualLength,
    },
    /// A VIP that is not ours is in the way of one that is; nothing is deleted.
    #[error("{key} cannot be programmed: VPP cannot hold it beside {by}, which is not ours")]
    InTheWay {
        /// The VIP wanted.
        key: VipKey,
        /// The one in its way.
        by: VipKey,
    },
    /// The VIP is left as it is. Upgrade VPP to 24.06 or later, or do without.
    #[error("{key} is left as it is: this release of VPP cannot be trusted with src-ip-sticky")]
    SrcIpSticky {
        /// The VIP.
        key: VipKey,
    },
    /// VPP refused new settings; they are tried again.
    #[error("VPP refused the settings ({update})")]
    ConfRefused {
        /// The settings.
        update: ConfUpdate,
        /// VPP's answer.
        #[source]
        failure: CallFailure,
    },
    /// VPP could not be read; it is tried again, and nothing is written before that.
    #[error("cannot read VPP")]
    ReadRefused(#[source] CallFailure),
}

/// What a warning is about: its kind, and the VIP.
pub(crate) type Cause = (std::mem::Discriminant<Warning>, Option<VipKey>);

impl Warning {
    /// What makes two warnings the same one, later figures aside.
    pub(crate) fn cause(&self) -> Cause {
        let key = match self {
            Self::TableLengthDiffers { key, .. } | Self::InTheWay { key, .. } | Self::SrcIpSticky { key } => Some(*key),
            _ => None,
        };
        (std::mem::discriminant(self), key)
    }
}

/// Phase of the warm-up, which runs once in the life of the process.
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
