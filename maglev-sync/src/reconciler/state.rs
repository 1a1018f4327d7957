//! What the reconciler remembers of each VIP beside the two states.

use std::collections::VecDeque;
use std::time::Instant;

use super::backoff::Backoff;
use super::flush::Debts;
use crate::call::CallFailure;
use crate::event::Failure;
use crate::exec::{CallId, Priority};
use crate::model::VipKey;
use crate::plan::Step;

/// What the reconciler remembers of a VIP that is wanted, stands in VPP, or did so a moment ago.
#[derive(Debug)]
pub(super) struct VipState {
    /// Whether the warm-up lets it be written.
    pub(super) released: bool,
    /// Released at the latest by then; for VIPs that came by a reload after the warm-up.
    pub(super) release_by: Option<Instant>,
    /// Not wanted, and free to go.
    pub(super) prune: bool,
    /// May be re-created for its table length.
    pub(super) resize: bool,
    /// It was deleted in order to be created again.
    pub(super) recreating: bool,
    /// To be planned, this urgently.
    pub(super) dirty: Option<Priority>,
    /// Its place in the queue of those that can be planned now.
    pub(super) queued: Option<Priority>,
    /// The job that works on it, by its first VIP.
    pub(super) job: Option<VipKey>,
    /// The flush of a debt in flight: number of its incident.
    pub(super) flushing: Option<u64>,
    /// Writes that were not settled yet, in the order in which they were sent, and their answers. Answers may overtake one another.
    pub(super) unsettled: VecDeque<(CallId, Option<Answer>)>,
    /// Dumps asked for before this call say nothing about it.
    pub(super) touched: CallId,
    /// What VPP holds is not known for sure: it is read again before it is written.
    pub(super) doubt: Option<Doubt>,
    pub(super) backoff: Backoff,
    pub(super) last_error: Option<Failure>,
    pub(super) compared: Option<Instant>,
    pub(super) debts: Debts,
}

/// A write, and what VPP said to it.
pub(super) type Answer = (Step, Result<(), CallFailure>);

/// A VIP is sure again once VPP listed it, or its absence, and then its servers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doubt {
    /// Only dumps from this call on count.
    pub(super) since: CallId,
    /// It was listed since.
    pub(super) listed: bool,
}

impl VipState {
    pub(super) fn new() -> Self {
        Self {
            released: false,
            release_by: None,
            prune: false,
            resize: false,
            recreating: false,
            dirty: None,
            queued: None,
            job: None,
            flushing: None,
            unsettled: VecDeque::new(),
            touched: CallId(0),
            doubt: None,
            backoff: Backoff::default(),
            last_error: None,
            compared: None,
            debts: Debts::default(),
        }
    }

    /// Whether a dump asked for by this call tells its present state.
    pub(super) fn believes(&self, dump: CallId) -> bool {
        self.unsettled.is_empty() && dump >= self.touched
    }

    /// Takes the answer to a write.
    pub(super) fn answered(&mut self, id: CallId, answer: Answer) {
        if let Some((_, place)) = self.unsettled.iter_mut().find(|(write, _)| *write == id) {
            *place = Some(answer);
        }
    }

    /// The next write that can be settled: those before it are.
    pub(super) fn pop_settled(&mut self) -> Option<Answer> {
        self.unsettled.front()?.1.as_ref()?;
        self.unsettled.pop_front()?.1
    }

    /// Forgets what belonged to a link: calls, doubts, waits.
    pub(super) fn reset_link(&mut self) {
        self.recreating = false;
        self.dirty = None;
        self.queued = None;
        self.job = None;
        self.flushing = None;
        self.unsettled.clear();
        self.doubt = None;
        self.backoff.clear();
        self.compared = None;
    }
}
