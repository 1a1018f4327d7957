//! How long to wait before a refused call is tried again.

use std::time::{Duration, Instant};

/// 1 s after the first failure, doubling to 60 s; per key, cleared when the key changes or succeeds.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// Counts a failure; the wait that follows it.
    pub(super) fn fail(&mut self, now: Instant) -> Duration {
        let wait = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + wait);
        wait
    }

    /// Forgets all failures.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Ends the wait, but remembers the failures.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.until.is_some_and(|until| until <= now) {
            self.until = None;
        }
    }

    /// When the wait ends.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.until.is_some()
    }
}

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
