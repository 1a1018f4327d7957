//! Carries steps out: which call leaves next, and what must never leave.
//!
//! Pure, and shared by [`crate::apply`] and [`crate::Reconciler`]: both hand it jobs (a unit's stage) and feed it replies.

mod gate;
mod pace;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Instant;

pub(crate) use self::gate::AddressBook;
pub use self::gate::Forbidden;
use self::pace::Pace;
use crate::model::VipKey;
use crate::plan::{Stage, Step};

/// Names a call in flight. Numbers are never reused within a [`crate::Reconciler`], across links neither.
///
/// ```
#[doc = include_str!("doc/vpp.md")]
/// # let mut reconciler = Reconciler::new(warm(), now);
/// use std::collections::HashMap;
///
/// reconciler.handle_link_up(now, boot, Abilities::default());
/// let in_flight: HashMap<CallId, Call> = std::iter::from_fn(|| reconciler.poll_call(now)).collect();
/// // Settings, VIPs and servers are asked for side by side, and may be answered in any order.
/// assert_eq!(in_flight.len(), 3);
/// for (id, call) in &in_flight {
///     reconciler.handle_reply(now, *id, vpp.call(call));
/// }
/// assert!(reconciler.actual().is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CallId(pub(crate) u64);

/// What goes first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Priority {
    /// Cuts of servers that do not serve.
    Urgent,
    /// Flushes that are owed.
    Debt,
    /// What else follows from health.
    Health,
    /// A full pass, a repair, a new try.
    Pass,
}

/// Sends the steps of jobs, each job in order, the most urgent job first; paced steps one at a time.
#[derive(Debug)]
pub(crate) struct Executor {
    next: u64,
    jobs: BTreeMap<VipKey, Job>,
    /// Jobs whose next step can leave at once.
    ready: BTreeSet<(Priority, VipKey)>,
    /// Jobs whose next step waits for its turn among the flushes.
    waiting: BTreeSet<(Priority, VipKey)>,
    flights: HashMap<CallId, Flight>,
    pace: Pace,
    book: AddressBook,
}

#[derive(Debug)]
struct Job {
    priority: Priority,
    steps: VecDeque<Step>,
    in_flight: usize,
    failed: bool,
}

#[derive(Debug)]
struct Flight {
    lead: VipKey,
    step: Step,
}

/// What leaves next.
#[derive(Debug)]
pub(crate) enum Next {
    /// This call.
    Call(CallId, Step),
    /// Nothing: the step would have killed VPP. The rest of its job is dropped.
    Forbidden { step: Step, rule: Forbidden, ended: Option<Ended> },
}

/// A job without steps left, sent or unsent.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) lead: VipKey,
    pub(crate) priority: Priority,
    pub(crate) failed: bool,
}

impl Executor {
    pub(crate) fn new(book: AddressBook) -> Self {
        Self {
            next: 0,
            jobs: BTreeMap::new(),
            ready: BTreeSet::new(),
            waiting: BTreeSet::new(),
            flights: HashMap::new(),
            pace: Pace::default(),
            book,
        }
    }

    /// Forgets all jobs and calls in flight.
    pub(crate) fn clear(&mut self) {
        *self = Self { next: self.next, ..Self::new(AddressBook::default()) };
    }

    pub(crate) fn book(&mut self) -> &mut AddressBook {
        &mut self.book
    }

    pub(crate) fn next_id(&mut self) -> CallId {
        let id = CallId(self.next);
        self.next += 1;
        id
    }

    /// The number that the next call will have.
    pub(crate) fn peek_id(&self) -> CallId {
        CallId(self.next)
    }

    pub(crate) fn contains(&self, id: CallId) -> bool {
        self.flights.contains_key(&id)
    }

    /// The step in flight whose call has this number.
    pub(crate) fn step(&self, id: CallId) -> Option<&Step> {
        self.flights.get(&id).map(|flight| &flight.step)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Takes over a job. There must be none of this lead, and some step.
    pub(crate) fn submit(&mut self, lead: VipKey, priority: Priority, steps: Vec<Step>) {
        debug_assert!(!self.jobs.contains_key(&lead) && !steps.is_empty(), "{lead}: a job at a time");
        self.jobs.insert(lead, Job { priority, steps: steps.into(), in_flight: 0, failed: false });
        self.enqueue(lead);
    }

    /// Drops the unsent steps of a job; true if that ends it. Otherwise it ends with its last reply.
    pub(crate) fn drop_unsent(&mut self, lead: &VipKey) -> bool {
        let Some(job) = self.jobs.get_mut(lead) else { return true };
        job.steps.clear();
        let ended = job.in_flight == 0;
        self.dequeue(lead);
        if ended {
            self.jobs.remove(lead);
        }
        ended
    }

    /// Priority of what [`Executor::poll`] would yield.
    pub(crate) fn best(&self) -> Option<Priority> {
        self.candidate().map(|(priority, _)| priority)
    }

    /// What leaves next. The caller watches the number of calls in flight.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<Next> {
        let (_, lead) = self.candidate()?;
        self.dequeue(&lead);
        let job = self.jobs.get_mut(&lead)?;
        let step = job.steps.pop_front()?;
        if let Err(rule) = self.book.admit(&step.call) {
            job.steps.clear();
            job.failed = true;
            let ended = self.end_if_idle(&lead);
            return Some(Next::Forbidden { step, rule, ended });
        }
        job.in_flight += 1;
        if is_paced(&step) {
            self.pace.begin(now);
        }
        self.enqueue(lead);
        let id = self.next_id();
        self.flights.insert(id, Flight { lead, step: step.clone() });
        Some(Next::Call(id, step))
    }

    /// Takes the outcome of a call; nothing if it is none of ours. A failed one drops what its job has not sent.
    pub(crate) fn finish(&mut self, now: Instant, id: CallId, succeeded: bool) -> Option<(Step, Option<Ended>)> {
        let Flight { lead, step } = self.flights.remove(&id)?;
        self.book.settle(&step.call, succeeded);
        if is_paced(&step) {
            self.pace.end(now);
        }
        if let Some(job) = self.jobs.get_mut(&lead) {
            job.in_flight -= 1;
            if !succeeded {
                job.failed = true;
                job.steps.clear();
                self.dequeue(&lead);
            }
        }
        Some((step, self.end_if_idle(&lead)))
    }

    /// When [`Executor::handle_timeout`] is next due: a flush has rested long enough and another one waits.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.pace.resting_until().filter(|_| !self.waiting.is_empty())
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.pace.handle_timeout(now);
    }

    fn candidate(&self) -> Option<(Priority, VipKey)> {
        let waiting = self.waiting.first().filter(|_| self.pace.is_open());
        self.ready.first().into_iter().chain(waiting).min().copied()
    }

    fn enqueue(&mut self, lead: VipKey) {
        let Some(job) = self.jobs.get(&lead) else { return };
        let Some(step) = job.steps.front() else { return };
        let queue = if is_paced(step) { &mut self.waiting } else { &mut self.ready };
        queue.insert((job.priority, lead));
    }

    fn dequeue(&mut self, lead: &VipKey) {
        if let Some(job) = self.jobs.get(lead) {
            self.ready.remove(&(job.priority, *lead));
            self.waiting.remove(&(job.priority, *lead));
        }
    }

    fn end_if_idle(&mut self, lead: &VipKey) -> Option<Ended> {
        let job = self.jobs.get(lead)?;
        if job.in_flight > 0 || !job.steps.is_empty() {
            return None;
        }
        let job = self.jobs.remove(lead)?;
        Some(Ended { lead: *lead, priority: job.priority, failed: job.failed })
    }
}

/// Whether the step is one of those flushes that may wait: of a debt, or of a VIP that goes. Those of a re-creation may not, since
/// its VIP does not serve meanwhile.
fn is_paced(step: &Step) -> bool {
    step.call.is_flush() && matches!(step.stage, Stage::Flush | Stage::Remove)
}

#[cfg(test)]
mod tests;
