//! Which VIPs may be written, and from when on.

use std::time::Instant;

use super::Reconciler;
use crate::event::{Event, WarmUpPhase};
use crate::exec::Priority;
use crate::model::{Desired, VipKey};

impl Reconciler {
    /// A VIP came into the desired state.
    pub(super) fn appear(&mut self, now: Instant, key: &VipKey) {
        let stands = self.stands(key);
        let done = self.warm_up.phase() == WarmUpPhase::Done;
        let at_the_latest = now + self.settings.startup_max_delay;
        let state = self.state(key);
        state.prune = false;
        // Whoever allowed it did not mean a VIP that was not wanted then.
        state.resize = false;
        state.released = false;
        state.release_by = None;
        if !done {
            return;
        }
        if stands || at_the_latest <= now {
            self.release(now, key);
        } else {
            state.release_by = Some(at_the_latest);
            self.timers.insert((at_the_latest, *key));
        }
    }

    pub(super) fn enter_phase(&mut self, now: Instant, phase: WarmUpPhase) {
        self.push(Event::WarmUp(phase));
        match phase {
            WarmUpPhase::HandsOff => {}
            WarmUpPhase::Releasing => self.release_decided(now),
            WarmUpPhase::Done => {
                let wanted: Vec<VipKey> =
                    self.desired.iter().flat_map(|desired| desired.vips.keys()).copied().collect();
                wanted.iter().for_each(|key| self.release(now, key));
                if self.model.is_some() {
                    self.full_pass(now);
                }
            }
        }
    }

    pub(super) fn release_decided(&mut self, now: Instant) {
        let decided = |desired: &Desired| -> Vec<VipKey> {
            desired.vips.iter().filter(|(_, vip)| vip.decided).map(|(key, _)| *key).collect()
        };
        let decided = self.desired.as_ref().map(decided).unwrap_or_default();
        decided.iter().for_each(|key| self.release_if_decided(now, key));
    }

    pub(super) fn release_if_decided(&mut self, now: Instant, key: &VipKey) {
        let decided = self.desired.as_ref().and_then(|desired| desired.vips.get(key)).is_some_and(|vip| vip.decided);
        if decided && self.warm_up.phase() >= WarmUpPhase::Releasing {
            self.release(now, key);
        }
    }

    pub(super) fn release(&mut self, now: Instant, key: &VipKey) {
        let state = self.state(key);
        if state.released {
            return;
        }
        state.released = true;
        state.release_by = None;
        state.dirty.get_or_insert(Priority::Pass);
        self.push(Event::Released(*key));
        self.offer(now, key);
    }
}
