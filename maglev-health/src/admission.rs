use std::num::NonZeroUsize;
use std::time::Duration;

use crate::{Hold, Place};

/// Names one backend of a [`Fleet`](crate::Fleet). Never used twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BackendId(pub(crate) u64);

impl BackendId {
    /// The number, for logs.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// What holds for every backend of a [`Fleet`](crate::Fleet).
///
/// ```
/// use std::time::Duration;
///
/// use maglev_health::FleetOptions;
///
/// // All first probes at once.
/// let options = FleetOptions { startup_max_delay: Duration::ZERO, ..FleetOptions::default() };
/// assert_eq!(options.history.get(), 5);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FleetOptions {
    /// Transitions kept per backend.
    pub history: NonZeroUsize,
    /// The end of warm-up: first probes are spread over at most a third of it, so 0 starts all of them at once.
    pub startup_max_delay: Duration,
}

impl Default for FleetOptions {
    /// 5 transitions and 30 s: the defaults of the configuration file.
    fn default() -> Self {
        const FIVE: NonZeroUsize = NonZeroUsize::new(5).unwrap();
        Self { history: FIVE, startup_max_delay: Duration::from_secs(30) }
    }
}

/// Why a backend joins.
#[expect(clippy::exhaustive_enums, reason = "a daemon starts or runs")]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Occasion {
    /// The daemon starts: VPP may already know what a first verdict will say.
    Start,
    /// The configuration changed while the daemon ran.
    Reload,
}

/// How a backend joins.
///
/// ```
/// use maglev_health::{Admission, Hold, Occasion, Place};
///
/// // One that a reload brings, with a weight in VPP that it keeps until its first verdict.
/// let hold = Hold::Held { above_zero: true };
/// let admission = Admission { occasion: Occasion::Reload, restored: None, hold, place: Place::ONLY };
/// assert!(admission.hold.is_patient());
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Admission {
    /// Start or reload.
    pub occasion: Occasion,
    /// The state to begin with, if it is one that an operator had asked for before the restart.
    pub restored: Option<Restored>,
    /// Whether it keeps what VPP has, should it begin in `unknown`.
    pub hold: Hold,
    /// Its share of the spread, and its phase.
    pub place: Place,
}

/// A state that an operator had asked for before the restart.
#[expect(clippy::exhaustive_enums, reason = "the two states that only an action leaves")]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Restored {
    /// It was paused.
    Paused,
    /// It was disabled.
    Disabled,
    /// It was enabled against the configuration.
    Enabled,
}
