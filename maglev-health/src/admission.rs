use std::num::NonZeroUsize;
use std::time::Duration;

use crate::{Hold, Place};

/// Names one backend of a [`Fleet`](crate::Fleet). Never used twice.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use maglev_health::{Fleet, FleetOptions};
///
/// # let (now, wall) = web::clocks();
/// # let a = web::backend("a", "10.0.0.1")?;
/// let mut fleet = Fleet::new(FleetOptions::default(), now);
/// let before = fleet.insert(now, wall, a.clone(), web::ADMISSION);
/// fleet.remove(wall, before);
/// // It comes back under its old name.
/// let after = fleet.insert(now, wall, a, web::ADMISSION);
/// assert_eq!((before.get(), after.get()), (1, 2));
/// assert!(fleet.backend(before).is_none());
/// # Ok(()) }
/// ```
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
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use maglev_health::{Admission, Fleet, FleetOptions, Occasion, Place};
///
/// # let (now, wall) = web::clocks();
/// // The second of two, with no warm-up over which a start would spread first probes.
/// let options = FleetOptions { startup_max_delay: Duration::ZERO, ..FleetOptions::default() };
/// let mut delays = Vec::new();
/// for occasion in [Occasion::Start, Occasion::Reload] {
///     let mut fleet = Fleet::new(options, now);
///     let admission = Admission { occasion, place: Place::new(1, 2), ..web::ADMISSION };
///     fleet.insert(now, wall, web::backend("b", "10.0.0.2")?, admission);
///     delays.extend(fleet.poll_timeout().map(|due| due - now));
/// }
/// // What joins later is spread over a second all the same.
/// assert_eq!(delays, [Duration::ZERO, Duration::from_millis(500)]);
/// # Ok(()) }
/// ```
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
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use maglev_health::{Admission, Fleet, FleetOptions, Restored, State};
///
/// # let (now, wall) = web::clocks();
/// let mut fleet = Fleet::new(FleetOptions::default(), now);
/// let admission = Admission { restored: Some(Restored::Paused), ..web::ADMISSION };
/// let a = fleet.insert(now, wall, web::backend("a", "10.0.0.1")?, admission);
/// assert_eq!(fleet.backend(a).map(|backend| backend.state()), Some(State::Paused));
/// assert_eq!(fleet.poll_timeout(), None, "nobody to probe");
/// # Ok(()) }
/// ```
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
