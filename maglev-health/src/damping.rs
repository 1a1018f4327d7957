use std::time::{Duration, Instant};

/// Flap damping as BGP has it (RFC 2439): a backend that goes up and down too often stays down for a while.
///
/// Each transition from up to down adds [`Damping::penalty`]; what has added up halves in each [`Damping::half_life`].
/// A sum of [`Damping::suppress`] or more suppresses the backend until it has decayed below [`Damping::reuse`].
///
/// ```
/// use std::time::Duration;
///
/// use maglev_health::Damping;
///
/// let (half_life, max_suppress) = (Duration::from_secs(60), Duration::from_secs(300));
/// let damping = Damping::new(1000, 2000, 750, half_life, max_suppress)?;
/// assert_eq!((damping.penalty(), damping.suppress(), damping.reuse()), (1000, 2000, 750));
/// assert_eq!((damping.half_life(), damping.max_suppress()), (half_life, max_suppress));
/// // 750 doubled five times.
/// assert_eq!(damping.ceiling(), 24_000);
/// # Ok::<(), maglev_health::DampingError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Damping {
    penalty: u32,
    suppress: u32,
    reuse: u32,
    half_life: Duration,
    max_suppress: Duration,
}

impl Damping {
    /// Numbers that fit together.
    ///
    /// # Errors
    /// The first rule that does not hold; see [`DampingError`].
    pub fn new(
        penalty: u32,
        suppress: u32,
        reuse: u32,
        half_life: Duration,
        max_suppress: Duration,
    ) -> Result<Self, DampingError> {
        let damping = Self { penalty, suppress, reuse, half_life, max_suppress };
        if penalty == 0 {
            Err(DampingError::NoPenalty)
        } else if reuse == 0 {
            Err(DampingError::NoReuse)
        } else if reuse >= suppress {
            Err(DampingError::ReuseAboveSuppress)
        } else if half_life < SHORTEST_HALF_LIFE {
            Err(DampingError::ShortHalfLife)
        } else if max_suppress.is_zero() || u64::from(suppress) > damping.ceiling() {
            Err(DampingError::NeverSuppressed { ceiling: damping.ceiling() })
        } else {
            Ok(damping)
        }
    }

    /// Added by each transition from up to down.
    #[must_use]
    pub const fn penalty(&self) -> u32 {
        self.penalty
    }

    /// At or above this sum the backend is suppressed.
    #[must_use]
    pub const fn suppress(&self) -> u32 {
        self.suppress
    }

    /// Below this sum it is used again; less than [`Damping::suppress`].
    #[must_use]
    pub const fn reuse(&self) -> u32 {
        self.reuse
    }

    /// The sum halves in this time; at least 1 s.
    #[must_use]
    pub const fn half_life(&self) -> Duration {
        self.half_life
    }

    /// The longest suppression.
    #[must_use]
    pub const fn max_suppress(&self) -> Duration {
        self.max_suppress
    }

    /// The sum never goes above `reuse * 2^(max_suppress / half_life)`, rounded down.
    ///
    /// Source: RFC 2439, section 4.2.
    #[must_use]
    pub fn ceiling(&self) -> u64 {
        self.ceiling_millis() / MILLI
    }

    fn ceiling_millis(&self) -> u64 {
        // Doubled once too often, and halved back by the part of a half-life that this was too much.
        let steps = self.steps(self.max_suppress);
        let doublings = steps.div_ceil(STEPS);
        let reuse = u64::from(self.reuse) * MILLI;
        match u32::try_from(doublings) {
            Ok(doublings) if doublings < reuse.leading_zeros() => {
                decayed(reuse << doublings, u128::from(doublings) * STEPS - steps)
            }
            _ => u64::MAX,
        }
    }

    /// `elapsed` in steps of decay, rounded down.
    fn steps(&self, elapsed: Duration) -> u128 {
        elapsed.as_nanos().saturating_mul(STEPS) / self.half_life.as_nanos().max(1)
    }

    /// After how long `millis` has decayed below [`Damping::reuse`], but at most [`Damping::max_suppress`].
    fn rest(&self, millis: u64) -> Duration {
        let reuse = u64::from(self.reuse) * MILLI;
        // Everything is 0 after 64 half-lives.
        let (mut low, mut high) = (0, 64 * STEPS);
        while low < high {
            let middle = low.midpoint(high);
            if decayed(millis, middle) < reuse {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let nanos = (low * self.half_life.as_nanos().min(LONGEST_NANOS)).div_ceil(STEPS);
        u64::try_from(nanos).map_or(self.max_suppress, Duration::from_nanos).min(self.max_suppress)
    }
}

/// Why numbers make no damping. All of them are the caller's to fix.
///
/// ```
/// use std::time::Duration;
///
/// use maglev_health::{Damping, DampingError};
///
/// let minute = Duration::from_secs(60);
/// assert_eq!(Damping::new(1000, 700, 750, minute, minute), Err(DampingError::ReuseAboveSuppress));
/// // In one half-life 1,500 becomes 750: more would last longer.
/// let error = Damping::new(1000, 2000, 750, minute, minute).unwrap_err();
/// assert_eq!(error, DampingError::NeverSuppressed { ceiling: 1500 });
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DampingError {
    /// The penalty is 0.
    #[error("a penalty of 0 damps nothing")]
    NoPenalty,
    /// The sum never falls below 0.
    #[error("a sum never falls below 0")]
    NoReuse,
    /// Reuse is not below suppress.
    #[error("what is suppressed would be used again at once")]
    ReuseAboveSuppress,
    /// The half-life is less than a second.
    #[error("a half-life is at least 1 s")]
    ShortHalfLife,
    /// The sum cannot reach suppress.
    #[error("the sum never goes above {ceiling}")]
    NeverSuppressed {
        /// See [`Damping::ceiling`].
        ceiling: u64,
    },
}

/// What the flaps of one backend add up to. Decays by itself.
///
/// # Rounding
/// Kept in thousandths. Time counts in steps of a 65,536th of a half-life, rounded down; a decayed sum is rounded down.
/// All of it is integer arithmetic, so that two machines come to the same.
///
/// ```
/// # use std::time::Instant;
/// use std::time::Duration;
///
/// use maglev_health::{Damping, Penalty};
///
/// # let now = Instant::now();
/// let minute = Duration::from_secs(60);
/// let damping = Damping::new(1000, 2000, 750, minute, 5 * minute)?;
/// let one = Penalty::NONE.added(&damping, now);
/// assert_eq!((one.at(&damping, now), one.at(&damping, now + minute)), (1000, 500));
/// // Half a half-life later: the square root of a half.
/// assert_eq!(one.at(&damping, now + minute / 2), 707);
///
/// assert!(!one.suppresses(&damping, now));
/// let two = one.added(&damping, now);
/// assert!(two.suppresses(&damping, now));
/// // 2,000 to 750 takes 1.415 half-lives.
/// assert_eq!(two.rest(&damping, now).as_secs(), 84);
/// # Ok::<(), maglev_health::DampingError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Penalty {
    millis: u64,
    /// When it was this much; `None` for 0.
    since: Option<Instant>,
}

impl Penalty {
    /// No flaps.
    pub const NONE: Self = Self { millis: 0, since: None };

    /// The sum at `now`, rounded down.
    #[must_use]
    pub fn at(&self, damping: &Damping, now: Instant) -> u64 {
        self.millis_at(damping, now) / MILLI
    }

    /// With one flap at `now` more, but not above [`Damping::ceiling`].
    #[must_use]
    pub fn added(&self, damping: &Damping, now: Instant) -> Self {
        let millis = self.millis_at(damping, now).saturating_add(u64::from(damping.penalty) * MILLI);
        Self { millis: millis.min(damping.ceiling_millis()), since: Some(now) }
    }

    /// True if it is enough to suppress at `now`.
    #[must_use]
    pub fn suppresses(&self, damping: &Damping, now: Instant) -> bool {
        self.millis_at(damping, now) >= u64::from(damping.suppress) * MILLI
    }

    /// After how long from `now` on it is below [`Damping::reuse`]; at most [`Damping::max_suppress`].
    #[must_use]
    pub fn rest(&self, damping: &Damping, now: Instant) -> Duration {
        damping.rest(self.millis_at(damping, now))
    }

    fn millis_at(&self, damping: &Damping, now: Instant) -> u64 {
        let elapsed = self.since.map(|since| now.saturating_duration_since(since)).unwrap_or_default();
        decayed(self.millis, damping.steps(elapsed))
    }
}

/// `value` after this many steps, rounded down. Of equal or later steps never more: they are too far apart for the
/// rounding of a factor.
fn decayed(value: u64, steps: u128) -> u64 {
    let (halvings, rest) = (steps / STEPS, steps % STEPS);
    let mut factor = 1_u64 << 32;
    for (bit, root) in (0..ROOTS.len()).rev().zip(ROOTS) {
        if rest >> bit & 1 == 1 {
            factor = (factor * root) >> 32;
        }
    }
    let shift = u32::try_from(halvings.saturating_add(32)).unwrap_or(u32::MAX);
    let value = (u128::from(value) * u128::from(factor)).checked_shr(shift).unwrap_or(0);
    // No factor is above 1.
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// The square root of a half, the root of that, and so on: the decay of a half, a quarter, … of a half-life, times
/// 2^32.
const ROOTS: [u64; 16] = {
    let mut roots = [0; 16];
    let mut last: u64 = 1 << 31;
    let mut index = 0;
    while index < roots.len() {
        last = (last << 32).isqrt();
        roots[index] = last;
        index += 1;
    }
    roots
};

/// In a half-life.
const STEPS: u128 = 1 << 16;

const MILLI: u64 = 1000;

const SHORTEST_HALF_LIFE: Duration = Duration::from_secs(1);

/// No half-life means more than this, 292 years; a limit keeps products in their range.
const LONGEST_NANOS: u128 = i64::MAX as u128;

#[cfg(test)]
mod tests;
