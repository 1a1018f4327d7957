//! Why something could not be done.

use thiserror::Error;

use crate::call::{Call, CallFailure};
use crate::exec::Forbidden;
use crate::model::VipKey;

/// Why a pass failed.
///
/// ```
#[doc = include_str!("../doc/vpp.md")]
/// # let mut reconciler = Reconciler::new(warm(), now);
/// # reconciler.set_desired(now, desired);
/// # vpp.refuses = |call| matches!(call, Call::AsAdd { .. });
/// let mut reasons = |reconciler: &mut Reconciler| -> Vec<String> {
///     reconciler.request_sync(now, SyncRequest { scope: RequestScope::All, recreate: false });
///     let events = settle(reconciler, now, &mut vpp);
///     let failed = events.into_iter().filter_map(|event| match event {
///         Event::SyncError { reason, .. } => Some(reason.to_string()),
///         _ => None,
///     });
///     failed.collect()
/// };
/// assert_eq!(reasons(&mut reconciler), ["not connected to VPP"]);
/// // Now there is a link, to a VPP that refuses servers.
/// reconciler.handle_link_up(now, boot, Abilities::default());
/// assert_eq!(reasons(&mut reconciler), ["1 VIPs failed, 192.0.2.1 tcp/80 the first of them"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// ```
#[doc = include_str!("../doc/vpp.md")]
/// # let mut reconciler = Reconciler::new(warm(), now);
/// # reconciler.set_desired(now, desired);
/// # vpp.refuses = |call| matches!(call, Call::AsAdd { .. });
/// # reconciler.handle_link_up(now, boot, Abilities::default());
/// use std::error::Error;
///
/// let failed = settle(&mut reconciler, now, &mut vpp).into_iter().find_map(|event| match event {
///     Event::VipFailed { failure, retry_in, .. } => Some((failure, retry_in)),
///     _ => None,
/// });
/// // The text leaves out what VPP said: that is the source.
/// let (failure, retry_in) = failed.ok_or("VPP refused a server")?;
/// assert_eq!(failure.to_string(), "refused: 192.0.2.1 tcp/80: add server 10.0.0.1 weight 100");
/// assert_eq!(failure.source().map(|source| source.to_string()).as_deref(), Some("Unspecified Error (-1)"));
/// // 1 s, then 2 s, at last a minute.
/// assert_eq!(retry_in, Duration::from_secs(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
