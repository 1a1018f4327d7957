//! Operators who wait for a sync to end.

use std::time::{Duration, Instant};

use maglev_sync::{SyncCounts, SyncScope};
use tokio::sync::oneshot;

use super::operate::Refusal;
use super::report::Pass;

/// What a sync came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Synced {
    /// What it changed.
    pub counts: SyncCounts,
    /// From the request to the last answer of VPP.
    pub elapsed: Duration,
}

/// Told how a sync went.
pub(super) type Caller = oneshot::Sender<Result<Synced, Refusal>>;

/// Everybody who waits.
#[derive(Debug, Default)]
pub(super) struct Syncs(Vec<Waiting>);

#[derive(Debug)]
struct Waiting {
    scope: SyncScope,
    since: Instant,
    /// Whether the pass that was asked for has begun: one that was under way before says nothing about it.
    begun: bool,
    caller: Caller,
}

impl Syncs {
    /// Somebody asked for a pass over `scope`.
    pub(super) fn ask(&mut self, now: Instant, scope: SyncScope, caller: Caller) {
        self.0.push(Waiting { scope, since: now, begun: false, caller });
    }

    /// A pass began.
    pub(super) fn begin(&mut self, scope: SyncScope) {
        self.0.iter_mut().filter(|waiting| waiting.scope == scope).for_each(|waiting| waiting.begun = true);
    }

    /// A pass ended. One that could not even begin ends all the same.
    pub(super) fn end(&mut self, now: Instant, pass: &Pass) {
        for waiting in self.0.extract_if(.., |waiting| waiting.scope == pass.scope && (waiting.begun || !pass.ran())) {
            let elapsed = now.saturating_duration_since(waiting.since);
            let outcome = match &pass.failure {
                None => Ok(Synced { counts: pass.counts, elapsed }),
                Some(reason) => Err(Refusal::Sync(reason.clone())),
            };
            // Whoever asked may have gone.
            let _ = waiting.caller.send(outcome);
        }
    }

    /// The link is gone, and no pass will end.
    pub(super) fn lost(&mut self, reason: &str) {
        for waiting in self.0.drain(..) {
            let _ = waiting.caller.send(Err(Refusal::NoVpp(reason.into())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(scope: SyncScope, failure: Option<&str>, ran: bool) -> Pass {
        let elapsed = if ran { Duration::from_millis(1) } else { Duration::ZERO };
        Pass { scope, counts: SyncCounts::default(), elapsed, failure: failure.map(Into::into) }
    }

    #[test]
    fn only_the_end_of_a_pass_that_began_later_is_an_answer() {
        let (mut syncs, now) = (Syncs::default(), Instant::now());
        let (caller, mut answer) = oneshot::channel();
        syncs.ask(now, SyncScope::All, caller);
        syncs.end(now, &pass(SyncScope::All, None, true));
        assert!(answer.try_recv().is_err(), "that pass was under way before");
        syncs.begin(SyncScope::All);
        syncs.end(now + Duration::from_secs(1), &pass(SyncScope::All, None, true));
        assert_eq!(answer.try_recv().unwrap().map(|synced| synced.elapsed), Ok(Duration::from_secs(1)));
    }

    #[test]
    fn a_sync_that_cannot_begin_and_a_lost_link_are_answers_too() {
        let (mut syncs, now) = (Syncs::default(), Instant::now());
        let (caller, mut answer) = oneshot::channel();
        syncs.ask(now, SyncScope::All, caller);
        syncs.end(now, &pass(SyncScope::All, Some("cannot read VPP"), false));
        assert_eq!(answer.try_recv().unwrap(), Err(Refusal::Sync("cannot read VPP".into())));
        let (caller, mut answer) = oneshot::channel();
        syncs.ask(now, SyncScope::All, caller);
        syncs.lost("it was killed");
        assert_eq!(answer.try_recv().unwrap(), Err(Refusal::NoVpp("it was killed".into())));
    }
}
