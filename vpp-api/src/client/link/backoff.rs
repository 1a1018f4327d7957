//! How long to wait before the next attempt. No clock: the caller tells how long a connection stood.

use std::time::Duration;

/// Doubling waits between two limits.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// An attempt failed.
    pub(super) fn failed(&mut self) -> Duration {
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(1);
        self.first.saturating_mul(doubled).min(self.longest)
    }

    /// A connection ended that had stood for `time`.
    pub(super) fn ended(&mut self, time: Duration) -> Duration {
        if time < self.longest {
            return self.failed();
        }
        self.failures = 0;
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        let waits: Vec<_> = (0..8).map(|_| backoff.failed().as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff.failures(), 8);
        for _ in 0..100 {
            assert_eq!(backoff.failed(), LONGEST);
        }
    }

    #[test]
    fn a_connection_that_stood_makes_good_for_failures_and_a_short_one_is_another() {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        backoff.failed();
        assert_eq!(backoff.ended(LONGEST / 2), FIRST * 2);
        assert_eq!((backoff.ended(LONGEST), backoff.failures()), (Duration::ZERO, 0));
        assert_eq!(backoff.failed(), FIRST);
    }

    #[test]
    fn no_count_and_no_limit_is_too_large() {
        let mut backoff = Backoff { first: Duration::MAX, longest: Duration::MAX, failures: u32::MAX };
        assert_eq!(backoff.failed(), Duration::MAX);
        let mut backoff = Backoff { first: FIRST, longest: LONGEST, failures: 40 };
        assert_eq!(backoff.failed(), LONGEST);
    }

    #[test]
    fn a_first_wait_above_the_longest_is_cut() {
        assert_eq!(Backoff::new(LONGEST, FIRST).failed(), FIRST);
    }
}
