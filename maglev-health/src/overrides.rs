use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{ProbeId, Weight};

/// What operators have decided over the configuration's head: to be saved, and given back at the next start.
///
/// ```
/// use maglev_health::{BackendOverride, MemberKey, Overrides, Weight};
///
/// // As read from the file in which the last process left them.
/// let mut overrides = Overrides::default();
/// overrides.backends.insert("web0".into(), BackendOverride::Paused);
/// let place = MemberKey { frontend: "web".into(), pool: "primary".into(), backend: "web1".into() };
/// overrides.weights.insert(place, Weight::new(50).unwrap_or_default());
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Overrides {
    /// By backend name.
    pub backends: BTreeMap<Arc<str>, BackendOverride>,
    /// By place.
    pub weights: BTreeMap<MemberKey, Weight>,
}

/// An operator's decision about a backend.
///
/// ```
/// use maglev_health::*;
/// # use std::time::{Instant, SystemTime};
/// # let (now, wall) = (Instant::now(), SystemTime::now());
/// # let check = CheckSpec { timing: Check::default(), identity: "tcp 80".into() };
/// # let a = BackendSpec { name: "a".into(), address: "10.0.0.1".parse()?, check: Some(check), enabled: true };
/// # let pool = PoolSpec { name: "primary".into(), members: vec![MemberSpec { backend: "a".into(), weight: Weight::MAX }] };
/// # let vip = "192.0.2.1 tcp/80".into();
/// # let web = FrontendSpec { name: "web".into(), vip, flush_on_down: true, pools: vec![pool] };
/// # let spec = Spec::new(vec![a], vec![web])?;
///
/// let mut control = Control::new(ControlOptions::default(), &spec, now, wall);
/// let a = control.backend_id("a").ok_or("it is configured")?;
/// control.pause(wall, a, "new disk")?;
/// let kept = control.backend(a).and_then(|backend| backend.overridden());
/// assert_eq!(kept.map(BackendOverride::as_str), Some("pause"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(clippy::exhaustive_enums, reason = "one for each action that lasts")]
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum BackendOverride {
    /// Paused.
    Paused,
    /// Disabled, though the configuration enables it (or did).
    Disabled,
    /// Enabled, though the configuration disables it (or did).
    Enabled,
}

impl BackendOverride {
    /// The word that operators use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "pause",
            Self::Disabled => "disable",
            Self::Enabled => "enable",
        }
    }
}

/// A backend's place in a pool of a frontend, by names.
///
/// ```
/// use maglev_health::MemberKey;
///
/// let place = |pool: &str| MemberKey { frontend: "web".into(), pool: pool.into(), backend: "web0".into() };
/// // One backend may be in several pools of a frontend, with a weight in each.
/// assert_ne!(place("primary"), place("fallback"));
/// ```
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct MemberKey {
    /// The frontend's name.
    pub frontend: Arc<str>,
    /// The pool's name.
    pub pool: Arc<str>,
    /// The backend's name.
    pub backend: Arc<str>,
}

/// What an operator's action did.
///
/// ```
/// use maglev_health::*;
/// # use std::time::{Instant, SystemTime};
/// # let (now, wall) = (Instant::now(), SystemTime::now());
/// # let check = CheckSpec { timing: Check::default(), identity: "tcp 80".into() };
/// # let a = BackendSpec { name: "a".into(), address: "10.0.0.1".parse()?, check: Some(check), enabled: true };
/// # let pool = PoolSpec { name: "primary".into(), members: vec![MemberSpec { backend: "a".into(), weight: Weight::MAX }] };
/// # let vip = "192.0.2.1 tcp/80".into();
/// # let web = FrontendSpec { name: "web".into(), vip, flush_on_down: true, pools: vec![pool] };
/// # let spec = Spec::new(vec![a], vec![web])?;
///
/// let mut control = Control::new(ControlOptions::default(), &spec, now, wall);
/// let a = control.backend_id("a").ok_or("it is configured")?;
/// assert_eq!(control.disable(wall, a, "on fire"), Ok(Done::Changed));
/// assert_eq!(control.disable(wall, a, "still on fire"), Ok(Done::Already));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(clippy::exhaustive_enums, reason = "an action changes something or was in force")]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Done {
    /// It is in force now.
    Changed,
    /// It already was: no event.
    Already,
}

/// When the probe that an operator asked for is sent.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use maglev_health::{ActionError, BackendSpec, Fleet, FleetOptions, Planned};
///
/// # let (now, wall) = web::clocks();
/// let mut fleet = Fleet::new(FleetOptions::default(), now);
/// let a = fleet.insert(now, wall, web::backend("a", "10.0.0.1")?, web::ADMISSION);
/// assert_eq!(fleet.probe_now(now, a), Ok(Planned::Now));
/// let (now, probe) = web::next_probe(&mut fleet).ok_or("it is due")?;
/// assert_eq!(fleet.probe_now(now, a), Ok(Planned::UnderWay(probe)));
///
/// let always = BackendSpec { check: None, ..web::backend("b", "10.0.0.2")? };
/// let b = fleet.insert(now, wall, always, web::ADMISSION);
/// assert_eq!(fleet.probe_now(now, b), Err(ActionError::Static));
/// # Ok(()) }
/// ```
#[expect(clippy::exhaustive_enums, reason = "probes of one backend never overlap")]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Planned {
    /// At once, by the next `handle_timeout`.
    Now,
    /// This one is under way already; no other is planned for it.
    UnderWay(ProbeId),
}

/// Why an operator's action is refused. Nothing has changed.
///
/// ```
/// use maglev_health::*;
/// # use std::time::{Instant, SystemTime};
/// # let (now, wall) = (Instant::now(), SystemTime::now());
/// # let check = CheckSpec { timing: Check::default(), identity: "tcp 80".into() };
/// # let a = BackendSpec { name: "a".into(), address: "10.0.0.1".parse()?, check: Some(check), enabled: true };
/// # let pool = PoolSpec { name: "primary".into(), members: vec![MemberSpec { backend: "a".into(), weight: Weight::MAX }] };
/// # let vip = "192.0.2.1 tcp/80".into();
/// # let web = FrontendSpec { name: "web".into(), vip, flush_on_down: true, pools: vec![pool] };
/// # let spec = Spec::new(vec![a], vec![web])?;
///
/// let mut control = Control::new(ControlOptions::default(), &spec, now, wall);
/// let a = control.backend_id("a").ok_or("it is configured")?;
/// control.disable(wall, a, "on fire")?;
/// assert_eq!(control.pause(wall, a, "new disk"), Err(ActionError::Disabled));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ActionError {
    /// A disabled backend can be neither paused nor resumed: enable it first.
    #[error("the backend is disabled")]
    Disabled,
    /// A paused backend is not probed: resume it first.
    #[error("the backend is paused")]
    Paused,
    /// A backend without a check is not probed.
    #[error("the backend has no check")]
    Static,
    /// No such backend (any more).
    #[error("there is no such backend")]
    NoSuchBackend,
    /// No such backend in this pool and frontend.
    #[error("there is no such backend in this pool")]
    NoSuchMember,
}
