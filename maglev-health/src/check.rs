use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use crate::Damping;

/// When to probe a backend, and how many results in a row change its state.
///
/// Plain data; what a probe sends and expects is the caller's business (see [`CheckSpec::identity`]).
///
/// ```
/// use std::num::NonZeroU8;
/// use std::time::Duration;
///
/// use maglev_health::Check;
///
/// // Every 5 s while all is well, twice a second while something is being found out.
/// let check = Check {
///     interval: Duration::from_secs(5),
///     fast_interval: Duration::from_millis(500),
///     fall: NonZeroU8::MIN,
///     ..Check::default()
/// };
/// assert_eq!(check.top(), 2);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Check {
    /// Wait between probes of a backend that is up with a full counter.
    pub interval: Duration,
    /// Wait while the state is unknown or the counter is between its ends.
    pub fast_interval: Duration,
    /// Wait between probes of a backend that is down with the counter at 0.
    pub down_interval: Duration,
    /// Passes that bring a backend up from 0.
    pub rise: NonZeroU8,
    /// Fails that bring a backend down from a full counter.
    pub fall: NonZeroU8,
    /// What keeps a backend down that goes up and down too often; `None` lets it.
    pub damping: Option<Damping>,
}

impl Check {
    /// The full counter, `rise + fall - 1`.
    #[must_use]
    pub const fn top(&self) -> u16 {
        self.rise.get() as u16 + self.fall.get() as u16 - 1
    }
}

impl Default for Check {
    /// Every 2 s in each state, up after 2 passes, down after 3 fails, without damping: the defaults of the
    /// configuration file.
    fn default() -> Self {
        const TWO: NonZeroU8 = NonZeroU8::new(2).unwrap();
        const THREE: NonZeroU8 = NonZeroU8::new(3).unwrap();
        let interval = Duration::from_secs(2);
        Self { interval, fast_interval: interval, down_interval: interval, rise: TWO, fall: THREE, damping: None }
    }
}

/// A check as far as health logic needs to know it. Two equal values mean the same check.
///
/// ```
/// use maglev_health::{Check, CheckSpec};
///
/// let check = |identity: &str| CheckSpec { timing: Check::default(), identity: identity.into() };
/// // On reload a backend that has the one instead of the other is checked anew.
/// assert_ne!(check("http 80 /healthz"), check("http 80 /status"));
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct CheckSpec {
    /// Intervals, rise and fall, and damping.
    pub timing: Check,
    /// Everything else that gives the check its meaning (type, port, time-out, sources, parameters), written by the
    /// caller in one canonical way. It is compared on reload and never read.
    pub identity: Arc<str>,
}

impl CheckSpec {
    /// Whether the two differ in nothing but [`Check::damping`], which is not part of the question that a probe asks:
    /// on reload a backend that has the one instead of the other keeps its state, and no penalty.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use maglev_health::{Check, CheckSpec, Damping};
    ///
    /// let minute = Duration::from_secs(60);
    /// let damping = Some(Damping::new(1000, 2000, 750, minute, 5 * minute)?);
    /// let plain = CheckSpec { timing: Check::default(), identity: "tcp 80".into() };
    /// let damped = CheckSpec { timing: Check { damping, ..Check::default() }, ..plain.clone() };
    /// assert!(plain != damped && plain.asks_as(&damped));
    /// # Ok::<(), maglev_health::DampingError>(())
    /// ```
    #[must_use]
    pub fn asks_as(&self, other: &Self) -> bool {
        let timing = Check { damping: other.timing.damping, ..self.timing };
        timing == other.timing && self.identity == other.identity
    }
}
