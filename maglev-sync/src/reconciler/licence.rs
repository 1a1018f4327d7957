//! What the reconciler may touch at present.

use std::collections::{BTreeMap, BTreeSet};

use super::{Reconciler, VipState};
use crate::event::WarmUpPhase;
use crate::model::{ForeignVips, VipKey};
use crate::plan::{Permit, View};

impl Reconciler {
    /// Looks at both states as far as this reconciler may touch them.
    pub(super) fn with_view<T>(&self, look: impl FnOnce(View<'_>) -> T) -> Option<T> {
        let (desired, model) = (self.desired.as_ref()?, self.model.as_ref()?);
        let permit =
            Licence { vips: &self.vips, ours: &self.ours, foreign: desired.foreign, phase: self.warm_up.phase() };
        let abilities = model.abilities;
        Some(look(View { desired: &desired.vips, actual: &model.vips, permit: &permit, abilities }))
    }

    /// Whether VPP can hold the VIP as it is wanted, as far as is known.
    pub(super) fn can_hold(&self, key: &VipKey) -> bool {
        let able = |view: View<'_>| view.desired.get(key).is_none_or(|wanted| view.can_hold(wanted));
        self.with_view(able).unwrap_or(true)
    }

    pub(super) fn stands(&self, key: &VipKey) -> bool {
        self.model.as_ref().is_some_and(|model| model.vips.contains_key(key))
    }

    pub(super) fn is_wanted(&self, key: &VipKey) -> bool {
        self.desired.as_ref().is_some_and(|desired| desired.vips.contains_key(key))
    }

    /// VIPs in VPP that are not wanted.
    pub(super) fn unwanted(&self) -> Vec<VipKey> {
        let standing = self.model.iter().flat_map(|model| model.vips.keys());
        standing.filter(|key| !self.is_wanted(key)).copied().collect()
    }
}

/// What the reconciler may touch at present.
struct Licence<'a> {
    vips: &'a BTreeMap<VipKey, VipState>,
    ours: &'a BTreeSet<VipKey>,
    foreign: ForeignVips,
    phase: WarmUpPhase,
}

impl Permit for Licence<'_> {
    fn may_write(&self, key: &VipKey) -> bool {
        self.vips.get(key).is_some_and(|state| state.released)
    }

    fn may_remove(&self, key: &VipKey) -> bool {
        let free = self.ours.contains(key) || self.foreign == ForeignVips::Remove;
        free && self.phase == WarmUpPhase::Done && self.vips.get(key).is_some_and(|state| state.prune)
    }

    fn may_resize(&self, key: &VipKey) -> bool {
        self.vips.get(key).is_some_and(|state| state.resize)
    }
}
