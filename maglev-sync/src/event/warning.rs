//! What an operator should know.

use thiserror::Error;

use crate::call::{CallFailure, ConfUpdate};
use crate::model::{ActualLength, StickyBuckets, TableLength, VipKey};
use crate::text::TextError;

/// Something an operator should know.
///
/// ```
#[doc = include_str!("../doc/vpp.md")]
/// # let mut reconciler = Reconciler::new(warm(), now);
/// # reconciler.set_desired(now, desired.clone());
/// # reconciler.handle_link_up(now, boot, Abilities::default());
/// # settle(&mut reconciler, now, &mut vpp);
/// let warnings = |events: Vec<Event>| -> Vec<String> {
///     let warnings = events.iter().filter_map(|event| match event {
///         Event::Warning(warning) => Some(warning.to_string()),
///         _ => None,
///     });
///     warnings.collect()
/// };
/// // Somebody wants longer tables, which would cut the flows of the VIP that stands.
/// let mut longer = desired.clone();
/// longer.vips.entry(web).and_modify(|vip| vip.table_length = TableLength::MAX);
/// reconciler.set_desired(now, longer.clone());
/// assert_eq!(warnings(settle(&mut reconciler, now, &mut vpp)), [
///     "192.0.2.1 tcp/80 stands with 1024 buckets, not 1048576: a sync with `recreate` changes it and cuts flows",
/// ]);
/// // Said once.
/// reconciler.set_desired(now, longer);
/// assert!(warnings(settle(&mut reconciler, now, &mut vpp)).is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
