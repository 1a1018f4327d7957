use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use maglev_health::Outcome;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Notify;

use super::COMPANY;
use crate::probe::prober::Ended;

/// Answers that the core has not taken yet: it takes them whenever it is awake, and is woken for what cannot wait.
///
/// There is at most one for each backend: none is probed again before its answer was taken.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    load: Load,
    ended: Mutex<Vec<Ended>>,
    ready: Notify,
}

/// What the probe thread has to do at the moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Load {
    /// Probes that have started and not ended.
    pub(crate) running: Gauge,
    /// Probes that wait for a file descriptor.
    pub(crate) waiting: Gauge,
}

impl Outbox {
    /// An empty one, beside which `load` is kept up to date.
    pub(crate) fn new(load: Load) -> Self {
        Self { load, ..Self::default() }
    }

    /// How many probes wait for a file descriptor.
    pub(crate) fn waiting(&self) -> i64 {
        self.load.waiting.get()
    }

    /// Swaps all answers into `taken`, which is empty.
    pub(crate) fn take(&self, taken: &mut Vec<Ended>) {
        std::mem::swap(taken, &mut self.ended.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Puts an answer in, and has it taken.
    pub(crate) fn put(&self, ended: Ended) {
        self.add(&mut vec![ended]);
        self.ready.notify_one();
    }

    /// Waits until answers should be taken.
    pub(crate) async fn ready(&self) {
        self.ready.notified().await;
    }

    fn add(&self, more: &mut Vec<Ended>) {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).append(more);
    }

    fn is_empty(&self) -> bool {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// Answers of one turn on their way into the outbox.
#[derive(Debug, Default)]
pub(super) struct Results {
    to: Option<Arc<Outbox>>,
    turn: Vec<Ended>,
    is_urgent: bool,
    /// When the core is woken if it has not come by itself.
    due: Option<Instant>,
}

impl Results {
    pub(super) fn deliver_to(&mut self, to: Arc<Outbox>) {
        self.to = Some(to);
    }

    pub(super) fn add(&mut self, ended: Ended) {
        self.is_urgent |= ended.report.outcome != Outcome::Pass;
        self.turn.push(ended);
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Hands over the answers of this turn, and wakes the core if it is time.
    pub(super) fn flush(&mut self, now: Instant, running: usize, waiting: usize) {
        // Nobody has ordered what could be in here before there was an outbox.
        let Some(to) = &self.to else { return };
        to.load.running.set(i64::try_from(running).unwrap_or(i64::MAX));
        to.load.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        if !self.turn.is_empty() {
            to.add(&mut self.turn);
            self.due.get_or_insert(now + COMPANY);
        }
        let is_due = self.due.is_some_and(|due| due <= now);
        if self.is_urgent || (is_due && !to.is_empty()) {
            to.ready.notify_one();
        }
        if self.is_urgent || is_due {
            self.due = None;
            self.is_urgent = false;
        }
    }
}
