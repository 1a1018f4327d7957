//! How often VPP may be made to scan its sticky tables.

use std::time::Instant;

/// Lets flushes pass one at a time, at most a quarter of the time: each is followed by a rest three times as long as it took.
///
/// VPP scans the sticky table of every thread for a flush, with the workers stopped.
#[derive(Debug, Default)]
pub(super) struct Pace {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Open,
    Busy {
        since: Instant,
    },
    Resting {
        until: Instant,
    },
}

impl Pace {
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    pub(super) fn begin(&mut self, now: Instant) {
        self.state = State::Busy { since: now };
    }

    pub(super) fn end(&mut self, now: Instant) {
        if let State::Busy { since } = self.state {
            self.state = State::Resting { until: now + REST * now.saturating_duration_since(since) };
            self.handle_timeout(now);
        }
    }

    pub(super) fn resting_until(&self) -> Option<Instant> {
        match self.state {
            State::Resting { until } => Some(until),
            State::Open | State::Busy { .. } => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.resting_until().is_some_and(|until| until <= now) {
            self.state = State::Open;
        }
    }
}

/// Length of a rest in lengths of the work before it.
const REST: u32 = 3;
