//! How things stand: what a forecast is made from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::Forecast;
use crate::event::{Failure, WarmUpPhase};
use crate::model::{Actual, Desired, VipKey};
use crate::plan::Step;
use crate::reconciler::Debts;

/// How things stand: both states, and what only a [`Reconciler`](crate::Reconciler) knows, which flushes are owed and what waits.
///
/// It is a copy: whoever has one can look ahead on another thread while the reconciler goes on.
///
/// ```
/// # use maglev_sync::*;
/// # let conf = DesiredConf {
/// #     ip4_src: "10.0.0.254".parse()?,
/// #     ip6_src: "2001:db8::254".parse()?,
/// #     sticky_buckets: StickyBuckets::MIN,
/// #     flow_timeout: FlowTimeout::from_secs(40)?,
/// # };
/// # let vip = |targets: &[(&str, u8, Cut)]| -> Result<DesiredVip, Box<dyn std::error::Error>> {
/// #     let mut vip = DesiredVip {
/// #         encap: Encap::Gre4,
/// #         src_ip_sticky: false,
/// #         table_length: TableLength::MIN,
/// #         targets: Default::default(),
/// #         decided: true,
/// #     };
/// #     for (address, weight, cut) in targets {
/// #         vip.targets.insert(address.parse()?, DesiredAs { weight: Weight::new(*weight)?, cut: *cut, flush: None });
/// #     }
/// #     Ok(vip)
/// # };
/// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// # let desired = |targets: &[(&str, u8, Cut)]| -> Result<Desired, Box<dyn std::error::Error>> {
/// #     Ok(Desired { conf, foreign: ForeignVips::Keep, vips: [(web, vip(targets)?)].into() })
/// # };
///
/// use std::collections::BTreeMap;
///
/// let empty = Actual { abilities: Abilities::default(), conf: LbConf::default(), vips: BTreeMap::new() };
/// let outlook = Outlook::new(desired(&[("10.0.0.1", 100, Cut::Serving)])?, empty);
/// assert!(outlook.wait(&web).is_none());
/// let forecast = outlook.forecast(false);
/// assert_eq!(forecast.vips().len(), 1);
/// // From there on nothing is left to do.
/// let then = forecast.then();
/// assert_eq!((then.actual().vips.len(), then.desired().vips.len()), (1, 1));
/// assert!(then.forecast(false).is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Outlook {
    pub(crate) desired: Arc<Desired>,
    pub(crate) actual: Actual,
    pub(crate) ours: BTreeSet<VipKey>,
    /// Of VIPs that have orders to flush.
    pub(crate) debts: BTreeMap<VipKey, Debts>,
    pub(crate) hurdles: Hurdles,
}

/// What keeps VIPs from being written.
#[derive(Clone, Debug)]
pub(crate) struct Hurdles {
    pub(crate) phase: WarmUpPhase,
    /// Whether a VIP that comes after the warm-up, and VPP lacks, waits until it is decided.
    pub(crate) new_vips_wait: bool,
    /// VIPs of the desired state that the warm-up has not released.
    pub(crate) unreleased: BTreeSet<VipKey>,
    /// VIPs whose last try failed, and when the next one comes.
    pub(crate) failures: BTreeMap<VipKey, (Failure, Option<Instant>)>,
}

/// Why a VIP is not written now.
///
/// ```
#[doc = include_str!("../doc/vpp.md")]
/// # let mut desired = desired;
/// # desired.vips.entry(web).and_modify(|vip| vip.decided = false);
/// # let mut reconciler = Reconciler::new(Settings::default(), now);
/// # vpp.refuses = |call| matches!(call, Call::AsAdd { .. });
/// reconciler.set_desired(now, desired);
/// reconciler.handle_link_up(now, boot, Abilities::default());
/// settle(&mut reconciler, now, &mut vpp);
/// // Not every server has been probed yet.
/// let wait = reconciler.outlook().and_then(|outlook| outlook.wait(&web));
/// assert_eq!(wait, Some(Wait::WarmUp));
///
/// // Half a minute on nobody waits for that any more, but now VPP refuses servers.
/// let later = now + Duration::from_secs(30);
/// reconciler.handle_timeout(later);
/// settle(&mut reconciler, later, &mut vpp);
/// let wait = reconciler.outlook().and_then(|outlook| outlook.wait(&web));
/// assert!(matches!(wait, Some(Wait::Failed { until, .. }) if until == Some(later + Duration::from_secs(1))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Wait {
    /// The warm-up has not released it; or it is new, and not every server's state is known.
    WarmUp,
    /// The last try failed.
    Failed {
        /// Why.
        failure: Failure,
        /// No new try before this; without it VPP is being read again, or another VIP must change first.
        until: Option<Instant>,
    },
}

impl Outlook {
    /// A VPP as it was read, and nothing else: no VIP is ours, nothing is owed but what `desired` orders, nothing waits.
    pub fn new(desired: Desired, mut actual: Actual) -> Self {
        actual.complete(&desired);
        let hurdles = Hurdles {
            phase: WarmUpPhase::Done,
            new_vips_wait: false,
            unreleased: BTreeSet::new(),
            failures: BTreeMap::new(),
        };
        let ours = desired.vips.keys().copied().collect();
        Self { desired: Arc::new(desired), actual, ours, debts: BTreeMap::new(), hurdles }
    }

    /// The same with other VIPs of ours, beside those of the desired state: they go when they are not in it.
    ///
    /// ```
    /// # use maglev_sync::*;
    /// # let conf = DesiredConf {
    /// #     ip4_src: "10.0.0.254".parse()?,
    /// #     ip6_src: "2001:db8::254".parse()?,
    /// #     sticky_buckets: StickyBuckets::MIN,
    /// #     flow_timeout: FlowTimeout::from_secs(40)?,
    /// # };
    /// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
    /// # let vip = DesiredVip {
    /// #     encap: Encap::Gre4,
    /// #     src_ip_sticky: false,
    /// #     table_length: TableLength::MIN,
    /// #     targets: Default::default(),
    /// #     decided: true,
    /// # };
    /// # let before = Desired { conf, foreign: ForeignVips::Keep, vips: [(web, vip)].into() };
    /// # let empty = Actual { abilities: Abilities::default(), conf: LbConf::default(), vips: Default::default() };
    /// # let standing = Outlook::new(before, empty).forecast(false).after().clone();
    /// # let desired = Desired { conf, foreign: ForeignVips::Keep, vips: Default::default() };
    /// // VPP holds a VIP that is not wanted. Others' VIPs are kept; did we make this one?
    /// let outlook = Outlook::new(desired, standing);
    /// assert!(outlook.forecast(false).is_empty());
    /// let forecast = outlook.with_ours([web]).forecast(false);
    /// assert_eq!(forecast.vips()[&web].action, Action::Remove);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_ours(mut self, ours: impl IntoIterator<Item = VipKey>) -> Self {
        self.ours.extend(ours);
        self
    }

    /// The same under another desired state: what [`Reconciler::set_desired`](crate::Reconciler::set_desired) would make of it. What
    /// leaves the desired state goes, if it is ours.
    #[must_use]
    pub fn with_desired(mut self, desired: Desired) -> Self {
        let Hurdles { phase, new_vips_wait, unreleased, failures } = &mut self.hurdles;
        let (before, actual) = (&self.desired.vips, &self.actual.vips);
        let is_released = |key: &VipKey| match before.get(key) {
            Some(_) => !unreleased.contains(key),
            None => *phase == WarmUpPhase::Done && (!*new_vips_wait || actual.contains_key(key)),
        };
        let waits = |decided: bool| !decided || *phase < WarmUpPhase::Releasing;
        let waiting = desired.vips.iter().filter(|(key, vip)| !is_released(key) && waits(vip.decided));
        *unreleased = waiting.map(|(key, _)| *key).collect();
        // What changes is tried at once.
        failures.retain(|key, _| before.get(key) == desired.vips.get(key));
        self.debts.retain(|key, _| desired.vips.contains_key(key));
        self.ours.extend(desired.vips.keys());
        self.desired = Arc::new(desired);
        self
    }

    /// What a sync of everything would do, warm-up and waits aside, and what it would move.
    ///
    /// With `recreate` VIPs are made anew for another table length, and sticky tables for another size.
    ///
    /// Cost: that of a [`Plan`](crate::Plan) and a copy of the outlook, and for each VIP whose servers change that of two tables
    /// ([`table::moved`](crate::table::moved)): with 65,536 buckets some milliseconds each. Not for a thread that has other
    /// things to do.
    pub fn forecast(&self, recreate: bool) -> Forecast {
        Forecast::new(self, recreate)
    }

    /// What should be there.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// What is there.
    pub fn actual(&self) -> &Actual {
        &self.actual
    }

    /// Why a VIP is not written now; nothing if nothing speaks against it.
    pub fn wait(&self, key: &VipKey) -> Option<Wait> {
        let Hurdles { phase, unreleased, failures, .. } = &self.hurdles;
        let held_back =
            if self.desired.vips.contains_key(key) { unreleased.contains(key) } else { *phase != WarmUpPhase::Done };
        if held_back {
            return Some(Wait::WarmUp);
        }
        let (failure, until) = failures.get(key)?.clone();
        Some(Wait::Failed { failure, until })
    }

    /// Carries out the flushes that follow a plan: those owed by then, in the order in which each VIP's are sent. What is owed
    /// was decided by what VPP held `before`.
    pub(super) fn flush(&mut self, before: &Actual, blocked: &BTreeSet<VipKey>) -> BTreeMap<VipKey, Vec<Step>> {
        let mut flushes = BTreeMap::new();
        for (key, wanted) in self.desired.vips.iter().filter(|(key, _)| !blocked.contains(key)) {
            if !self.debts.contains_key(key) && wanted.targets.values().all(|target| target.flush.is_none()) {
                continue;
            }
            let debts = self.debts.entry(*key).or_default();
            debts.update(&wanted.targets);
            debts.decide(before.vips.get(key));
            let Some(vip) = self.actual.vips.get(key) else { continue };
            let mut steps = Vec::new();
            while let Some((address, incident)) = debts.next(vip) {
                debts.acknowledge(address, incident);
                steps.push(Step::flush(key, address));
            }
            if !steps.is_empty() {
                flushes.insert(*key, steps);
            }
        }
        flushes
    }

    pub(super) fn forget_what_is_gone(&mut self) {
        let (desired, actual) = (&self.desired.vips, &self.actual.vips);
        self.ours.retain(|key| desired.contains_key(key) || actual.contains_key(key));
        self.hurdles.failures.clear();
    }
}
