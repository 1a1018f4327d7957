//! When probes start: pure arithmetic on instants.

use std::time::{Duration, Instant};

use crate::Jitter;

/// A backend's place among those that are probed, which decides its share of the spread and its phase.
///
/// ```
/// use maglev_health::Place;
///
/// // The second of four is probed a quarter of the spread after the first.
/// let place = Place::new(1, 4);
/// assert_eq!(Place::new(5, 4), place);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    position: u32,
    total: u32,
}

impl Place {
    /// Alone: no delay and phase 0.
    pub const ONLY: Self = Self { position: 0, total: 1 };

    /// Place `position` (from 0) of `total`; a position outside is wrapped.
    #[must_use]
    pub const fn new(position: u32, total: u32) -> Self {
        let total = if total == 0 { 1 } else { total };
        Self { position: position % total, total }
    }

    /// This place's share of `span`: `span * position / total`.
    #[must_use]
    pub(crate) fn share(self, span: Duration) -> Duration {
        let nanos = span.as_nanos() * u128::from(self.position) / u128::from(self.total);
        // Less than `span`, whose nanoseconds came from whole u64 seconds.
        let (secs, rest) = (nanos / NANOS_PER_SEC, nanos % NANOS_PER_SEC);
        Duration::new(u64::try_from(secs).unwrap_or(u64::MAX), u32::try_from(rest).unwrap_or(0))
    }
}

/// The planned start after one planned at `last`: `wait` later, moved by `jitter`, but not before `now`.
pub(crate) fn next_start(last: Instant, wait: Duration, jitter: Jitter, now: Instant) -> Instant {
    let wait = wait.min(LONGEST_WAIT);
    let moved = wait.mul_f64(1.0 + jitter.get() * JITTER_SHARE);
    // Both are at most a year after an instant that was reached, so the addition holds on every platform we know.
    last.checked_add(moved).unwrap_or(now).max(now)
}

/// The first wait of full length, shortened so that it ends on the backend's own phase of `wait` since `origin`.
///
/// In (0, `wait`]: never longer, so that a backend that dies just now is found as early as any other.
pub(crate) fn phased(last: Instant, wait: Duration, origin: Instant, place: Place) -> Duration {
    let wait = wait.min(LONGEST_WAIT);
    if wait.is_zero() {
        return wait;
    }
    let period = wait.as_nanos();
    let since = last.saturating_duration_since(origin).as_nanos() % period;
    let phase = place.share(wait).as_nanos();
    // How far the next instant of the phase is ahead; on the phase means a whole period.
    let ahead = match (phase + period - since) % period {
        0 => period,
        ahead => ahead,
    };
    u64::try_from(ahead).map_or(wait, Duration::from_nanos)
}

/// Over how long the first probes are spread.
pub(crate) fn spread(fast_interval: Duration, limit: Duration) -> Duration {
    fast_interval.min(LONGEST_SPREAD).min(limit)
}

/// First probes are never spread over more than this.
pub(crate) const LONGEST_SPREAD: Duration = Duration::from_secs(1);

/// A tenth of a wait, either way.
const JITTER_SHARE: f64 = 0.1;

/// No configuration means more than a year between probes; a limit keeps arithmetic on `Instant` from overflowing.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(366 * 24 * 3600);

const NANOS_PER_SEC: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_are_even() {
        let span = Duration::from_secs(3);
        let shares = [0, 1, 2].map(|position| Place::new(position, 3).share(span));
        assert_eq!(shares, [0, 1, 2].map(Duration::from_secs));
        assert_eq!(Place::new(5, 3), Place::new(2, 3), "wrapped");
        assert_eq!(Place::new(5, 0), Place::ONLY);
        let all = Place::new(u32::MAX - 1, u32::MAX).share(Duration::MAX);
        assert!(all < Duration::MAX && all > Duration::MAX / 2);
    }

    proptest! {
        #[test]
        fn a_phased_wait_is_never_longer_and_ends_on_the_phase(
            since in 0..1_000_000_000_000u64,
            wait in 1..100_000_000_000u64,
            position in 0..1000u32,
            total in 1..1000u32,
        ) {
            let origin = origin();
            let (since, wait) = (Duration::from_nanos(since), Duration::from_nanos(wait));
            let place = Place::new(position, total);
            let phased = phased(origin + since, wait, origin, place);
            prop_assert!(!phased.is_zero() && phased <= wait);
            let end = (since + phased).as_nanos() % wait.as_nanos();
            prop_assert_eq!(end, place.share(wait).as_nanos());
        }

        #[test]
        fn no_start_is_in_the_past_and_no_wait_overflows(late in any::<u32>(), wait: Duration, jitter in -1.0..=1.0) {
            let last = origin();
            let now = last + Duration::from_millis(late.into());
            let next = next_start(last, wait, Jitter::new(jitter), now);
            prop_assert!(next >= now);
            prop_assert!(next == now || next - last <= LONGEST_WAIT.mul_f64(1.1));
        }
    }

    #[expect(clippy::disallowed_methods, reason = "an `Instant` has no other origin")]
    fn origin() -> Instant {
        Instant::now()
    }
}
