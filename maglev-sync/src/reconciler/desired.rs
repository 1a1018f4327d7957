//! What should be there, and how a new wish is taken over.

use std::collections::BTreeSet;
use std::time::Instant;

use super::{Reconciler, VipState};
use crate::event::WarmUpPhase;
use crate::exec::Priority;
use crate::model::{Desired, DesiredVip, VipKey};

impl Reconciler {
    /// VIPs that an earlier process programmed: they go if they are not in the desired state.
    ///
    /// ```
    #[doc = include_str!("../doc/vpp.md")]
    /// # let mut reconciler = Reconciler::new(warm(), now);
    /// # let old = VipKey::host("192.0.2.9".parse()?, Protocol::UDP, 53);
    /// # let foreign = VipKey::host("192.0.2.8".parse()?, Protocol::UDP, 53);
    /// # vpp.vips = [old, foreign].map(|key| (key, (1024, BTreeMap::new()))).into();
    /// // VPP holds two VIPs, and the process before this one noted down that it made the first of them.
    /// reconciler.adopt([old]);
    /// reconciler.set_desired(now, desired);
    /// reconciler.handle_link_up(now, boot, Abilities::default());
    /// settle(&mut reconciler, now, &mut vpp);
    /// assert!(vpp.vips.keys().eq([&web, &foreign]));
    /// assert!(reconciler.ours().iter().eq([&web]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn adopt(&mut self, vips: impl IntoIterator<Item = VipKey>) {
        self.ours.extend(vips);
    }

    /// VIPs that this process or an earlier one programmed, or has in its desired state.
    pub fn ours(&self) -> &BTreeSet<VipKey> {
        &self.ours
    }

    /// Takes over a whole new desired state: at start, and after a reload.
    ///
    /// VIPs that left it go at once, if they are ours and the warm-up is over; else at its end. Every VIP that it ever named is ours.
    /// After the warm-up a new VIP is released at once if it stands in VPP, else when it is decided, at the latest
    /// [`Settings::startup_max_delay`](super::Settings::startup_max_delay) from now.
    pub fn set_desired(&mut self, now: Instant, desired: Desired) {
        let old = self.desired.replace(desired);
        let (Some(desired), old) = (self.desired.as_ref(), old.as_ref()) else { return };
        let mut changed = Vec::new();
        let mut appeared = Vec::new();
        for (key, vip) in &desired.vips {
            let before = old.and_then(|old| old.vips.get(key));
            if before != Some(vip) {
                changed.push(*key);
            }
            if before.is_none() {
                appeared.push(*key);
            }
        }
        let left: Vec<VipKey> = old
            .into_iter()
            .flat_map(|old| old.vips.keys())
            .filter(|key| !desired.vips.contains_key(key))
            .copied()
            .collect();
        // What is about to be removed may be worth keeping now.
        let keeps_others_now = old.is_some_and(|old| old.foreign != desired.foreign);
        if old.is_none_or(|old| old.conf != desired.conf) {
            self.conf.backoff.clear();
        }
        self.ours.extend(&changed);

        for key in &appeared {
            self.appear(now, key);
        }
        for key in &left {
            self.state(key).debts.clear();
            self.state(key).released = false;
            self.state(key).release_by = None;
        }
        if self.warm_up.phase() == WarmUpPhase::Done {
            left.iter().for_each(|key| self.state(key).prune = true);
        }
        for key in &changed {
            self.take_over(key);
        }
        let others: Vec<VipKey> = if keeps_others_now { self.unwanted() } else { Vec::new() };
        for key in changed.iter().chain(&left).chain(&others) {
            self.touch(now, key, Priority::Pass);
        }
        self.release_decided(now);
        self.warn_of_differences();
        self.need_indices();
    }

    /// Takes over the new desired state of one VIP, ahead of a running pass. Does nothing unless
    /// [`Reconciler::set_desired`] named the VIP.
    ///
    /// ```
    #[doc = include_str!("../doc/vpp.md")]
    /// # let mut reconciler = Reconciler::new(warm(), now);
    /// # reconciler.set_desired(now, desired.clone());
    /// # reconciler.handle_link_up(now, boot, Abilities::default());
    /// # settle(&mut reconciler, now, &mut vpp);
    /// // The first of two servers does not answer any more.
    /// let mut vip = reconciler.desired().ok_or("it was set")?.vips[&web].clone();
    /// vip.targets.insert(first, DesiredAs { weight: Weight::ZERO, cut: Cut::Urgent, flush: None });
    /// reconciler.update_vip(now, web, vip.clone());
    /// let (id, call) = reconciler.poll_call(now).ok_or("a cut never waits")?;
    /// assert_eq!(call.to_string(), "192.0.2.1 tcp/80: server 10.0.0.1 weight 0");
    /// # reconciler.handle_reply(now, id, Ok(Reply::Done));
    /// # settle(&mut reconciler, now, &mut vpp);
    ///
    /// // The same again is nothing new.
    /// reconciler.update_vip(now, web, vip);
    /// assert_eq!(reconciler.poll_call(now), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn update_vip(&mut self, now: Instant, key: VipKey, vip: DesiredVip) {
        let slot = self.desired.as_mut().and_then(|desired| desired.vips.get_mut(&key));
        let Some(slot) = slot.filter(|slot| **slot != vip) else { return };
        *slot = vip;
        self.take_over(&key);
        self.touch(now, &key, Priority::Health);
        self.release_if_decided(now, &key);
    }

    /// What should be there; nothing before [`Reconciler::set_desired`].
    pub fn desired(&self) -> Option<&Desired> {
        self.desired.as_ref()
    }

    /// A VIP has a new desired state.
    fn take_over(&mut self, key: &VipKey) {
        let Some(targets) = self.desired.as_ref().and_then(|desired| desired.vips.get(key)).map(|vip| &vip.targets)
        else {
            return;
        };
        let state = self.vips.entry(*key).or_insert_with(VipState::new);
        state.debts.update(targets);
        state.backoff.clear();
    }
}
