//! What a forecast needs of the reconciler.

use std::sync::Arc;

use super::Reconciler;
use crate::forecast::{Hurdles, Outlook};

impl Reconciler {
    /// How things stand, to look ahead from; nothing unless both states are known.
    ///
    /// Cost: that of a copy of both states, a millisecond or less for 1,000 VIPs of eight servers.
    ///
    /// ```
    #[doc = include_str!("../doc/vpp.md")]
    /// # let mut reconciler = Reconciler::new(warm(), now);
    /// # reconciler.set_desired(now, desired.clone());
    /// # reconciler.handle_link_up(now, boot, Abilities::default());
    /// # settle(&mut reconciler, now, &mut vpp);
    /// // What would it move to take the first server out?
    /// let outlook = reconciler.outlook().ok_or("both states are known")?;
    /// let mut without = outlook.desired().clone();
    /// without.vips.entry(web).and_modify(|vip| drop(vip.targets.remove(&first)));
    /// let forecast = outlook.with_desired(without).forecast(false);
    /// assert_eq!(forecast.vips()[&web].steps[0].to_string(), "192.0.2.1 tcp/80: delete server 10.0.0.1 (was 100)");
    /// assert_eq!(forecast.vips()[&web].moved.map(|moved| moved.share()), Some(0.5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn outlook(&self) -> Option<Outlook> {
        let (desired, actual) = (self.desired.clone()?, self.model.clone()?);
        let unreleased = |key: &_| !self.vips.get(key).is_some_and(|state| state.released);
        let debts = self.vips.iter().filter(|(_, state)| !state.debts.is_empty());
        let failures = self.vips.iter().filter_map(|(key, state)| {
            let failure = state.last_error.clone()?;
            Some((*key, (failure, state.backoff.until())))
        });
        let hurdles = Hurdles {
            phase: self.warm_up.phase(),
            new_vips_wait: !self.settings.startup_max_delay.is_zero(),
            unreleased: desired.vips.keys().filter(|key| unreleased(key)).copied().collect(),
            failures: failures.collect(),
        };
        Some(Outlook {
            desired: Arc::new(desired),
            actual,
            ours: self.ours.clone(),
            debts: debts.map(|(key, state)| (*key, state.debts.clone())).collect(),
            hurdles,
        })
    }
}
