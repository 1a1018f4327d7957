//! Passes, as people see them: what began, what it changed, how it ended.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::event::{Event, Failure, SyncCounts, SyncFailure, SyncScope};
use crate::model::VipKey;

/// The passes that are under way.
#[derive(Debug, Default)]
pub(super) struct Runs(Vec<Run>);

#[derive(Debug)]
struct Run {
    started: Instant,
    /// The scope as it was told; nothing while nobody was told.
    announced: Option<SyncScope>,
    pending: BTreeSet<VipKey>,
    counts: SyncCounts,
    failed: usize,
    first_failure: Option<(VipKey, Failure)>,
}

impl Runs {
    /// Begins a pass over the given VIPs that is told in any case.
    pub(super) fn start(&mut self, now: Instant, scope: SyncScope, vips: BTreeSet<VipKey>, events: &mut Vec<Event>) {
        events.push(Event::SyncStart { scope });
        let mut run = Run::new(now);
        run.announced = Some(scope);
        run.pending = vips;
        self.0.push(run);
        self.end_finished(now, events);
    }

    /// Makes the VIP part of some pass: one that waits for it already, else the one that gathers changes.
    pub(super) fn join(&mut self, now: Instant, key: &VipKey) {
        if self.0.iter().any(|run| run.pending.contains(key)) {
            return;
        }
        let gathering = self.0.iter_mut().find(|run| run.announced.is_none());
        match gathering {
            Some(run) => {
                run.pending.insert(*key);
            }
            None => {
                let mut run = Run::new(now);
                run.pending.insert(*key);
                self.0.push(run);
            }
        }
    }

    /// A write for this VIP leaves.
    pub(super) fn writing(&mut self, now: Instant, key: &VipKey, events: &mut Vec<Event>) {
        for run in self.0.iter_mut().filter(|run| run.announced.is_none() && run.pending.contains(key)) {
            let scope = match run.pending.len() {
                1 => SyncScope::Vip(*key),
                vips => SyncScope::Batch { vips },
            };
            run.announced = Some(scope);
            run.started = now;
            events.push(Event::SyncStart { scope });
        }
    }

    /// A write for this VIP was acknowledged.
    pub(super) fn count(&mut self, key: &VipKey, count: impl Fn(&mut SyncCounts)) {
        for run in self.0.iter_mut().filter(|run| run.pending.contains(key)) {
            count(&mut run.counts);
        }
    }

    /// Nothing more is to be done for this VIP, or not now.
    pub(super) fn settle(&mut self, now: Instant, key: &VipKey, failure: Option<&Failure>, events: &mut Vec<Event>) {
        for run in &mut self.0 {
            if run.pending.remove(key)
                && let Some(failure) = failure
            {
                run.failed += 1;
                run.first_failure.get_or_insert_with(|| (*key, failure.clone()));
            }
        }
        self.end_finished(now, events);
    }

    /// Ends every pass.
    pub(super) fn abort(&mut self, now: Instant, reason: &SyncFailure, events: &mut Vec<Event>) {
        for run in self.0.drain(..) {
            if let Some(scope) = run.announced {
                let elapsed = now.saturating_duration_since(run.started);
                events.push(Event::SyncError { scope, reason: reason.clone(), counts: run.counts, elapsed });
            }
        }
    }

    fn end_finished(&mut self, now: Instant, events: &mut Vec<Event>) {
        for run in self.0.extract_if(.., |run| run.pending.is_empty()) {
            let Some(scope) = run.announced else { continue };
            let (counts, elapsed) = (run.counts, now.saturating_duration_since(run.started));
            events.push(match run.first_failure {
                None => Event::SyncDone { scope, counts, elapsed },
                Some((first, failure)) => {
                    let reason = SyncFailure::Vips { failed: run.failed, first, failure };
                    Event::SyncError { scope, reason, counts, elapsed }
                }
            });
        }
    }
}

impl Run {
    fn new(started: Instant) -> Self {
        Self {
            started,
            announced: None,
            pending: BTreeSet::new(),
            counts: SyncCounts::default(),
            failed: 0,
            first_failure: None,
        }
    }
}
