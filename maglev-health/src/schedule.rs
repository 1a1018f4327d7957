//! When probes start: pure arithmetic on instants.

use std::time::{Duration, Instant};

use crate::Jitter;

/// A backend's place among those that are probed, which decides its share of the spread and its phase.
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
const LONGEST_WAIT: Duration = Duration::from_secs(366 * 24 * 3600);

const NANOS_PER_SEC: u128 = 1_000_000_000;
