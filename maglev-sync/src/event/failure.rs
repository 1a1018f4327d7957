//! Why something could not be done.

use thiserror::Error;

use crate::call::{Call, CallFailure};
use crate::exec::Forbidden;
use crate::model::VipKey;

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
