//! The link to VPP comes and goes.

use std::time::Instant;

use super::full_read::FullRead;
use super::{BootId, ConfState, Reconciler, VipState};
use crate::event::SyncFailure;
use crate::model::Abilities;

impl Reconciler {
    /// There is a link to a VPP that can be programmed, and that can do this much. VPP is read whole; a link that was up before is
    /// taken for lost.
    ///
    /// On a VPP without weights every positive weight is sent as 1, and a wanted server that VPP does not have in use stands at
    /// weight 0 for us. The desired state itself stays as it was given, so that it is right for the next VPP.
    pub fn handle_link_up(&mut self, now: Instant, boot: BootId, abilities: Abilities) {
        self.handle_link_down(now);
        let same_boot = self.boot == Some(boot);
        if self.boot.is_some() && !same_boot {
            self.vips.values_mut().for_each(|state| state.debts.forgive());
            self.warned.clear();
        }
        self.boot = Some(boot);
        self.abilities = abilities;
        self.connected = true;
        self.verbose.reset(same_boot);
        self.full_read = Some(FullRead::at_link_up());
    }

    /// The link is gone, with every call in flight.
    ///
    /// ```
    #[doc = include_str!("../doc/vpp.md")]
    /// # let mut reconciler = Reconciler::new(warm(), now);
    /// # reconciler.set_desired(now, desired.clone());
    /// # reconciler.handle_link_up(now, boot, Abilities::default());
    /// # settle(&mut reconciler, now, &mut vpp);
    /// assert_eq!(reconciler.actual().map(|actual| actual.vips.len()), Some(1));
    /// reconciler.handle_link_down(now);
    /// // What VPP holds is not known until it is read again. The weights that it had last are remembered, for health.
    /// assert!(reconciler.actual().is_none());
    /// assert_eq!(reconciler.actual_weight(&web, first), Some(100));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle_link_down(&mut self, now: Instant) {
        if !self.connected {
            return;
        }
        self.connected = false;
        if let Some(mut model) = self.model.take() {
            self.vips.values().flat_map(|state| self.writes_under_way(state)).for_each(|call| model.settle(call));
            self.last_known = Some(model);
        }
        self.exec.clear();
        self.reads.clear();
        self.full_read = None;
        self.conf = ConfState::default();
        self.ready.clear();
        self.doubtful.clear();
        self.vips.values_mut().for_each(VipState::reset_link);
        self.drift.stop();
        self.verbose.flows = None;
        self.index_book.clear();
        let mut events = Vec::new();
        self.runs.abort(now, &SyncFailure::LinkLost, &mut events);
        self.events.extend(events);
        self.tell_indices();
    }
}
