//! What operators may ask of a running daemon, and what comes of it.

use std::time::{Instant, SystemTime};

use maglev_health::{ActionError, BackendId, Done, MemberKey, Planned, Weight};

use super::core::Core;
use crate::event::Text;
use crate::nearest::nearest;

/// An operator's word: what to do, who says so, and why.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "callers write it out")]
pub struct Order {
    /// What to do.
    pub action: Action,
    /// Who says so, as the log names them.
    pub who: Text,
    /// Why; may be empty. At most [`LONGEST_REASON`] bytes on one line.
    pub reason: Text,
}

/// Longest reason in bytes: a line of a log.
pub const LONGEST_REASON: usize = 256;

/// What an operator can do to a backend or its weight.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// Stop probing it; weight 0, flows stay.
    Pause(Text),
    /// End a pause.
    Resume(Text),
    /// End a disable.
    Enable(Text),
    /// Stop probing it; weight 0, flows go.
    Disable(Text),
    /// End whatever an operator had said of its state.
    Clear(Text),
    /// Probe it now. Nothing is set: what the probe finds counts like any other.
    Probe(Text),
    /// Set its weight in a pool.
    SetWeight {
        /// Where.
        member: MemberKey,
        /// 0..=100; `None` for the configuration's.
        weight: Option<u32>,
    },
}

impl Action {
    /// Sets the weight of a backend in a pool of a frontend, all by name.
    pub fn weight(frontend: &str, pool: &str, backend: &str, weight: Option<u32>) -> Self {
        let member = MemberKey { frontend: frontend.into(), pool: pool.into(), backend: backend.into() };
        Self::SetWeight { member, weight }
    }

    /// The word for it.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Pause(_) => "pause",
            Self::Resume(_) => "resume",
            Self::Enable(_) => "enable",
            Self::Disable(_) => "disable",
            Self::Clear(_) => "clear",
            Self::Probe(_) => "probe",
            Self::SetWeight { .. } => "weight",
        }
    }

    /// What it is done to, as `maglevc` writes it.
    pub fn target(&self) -> String {
        match self {
            Self::Pause(name)
            | Self::Resume(name)
            | Self::Enable(name)
            | Self::Disable(name)
            | Self::Clear(name)
            | Self::Probe(name) => format!("backend {name}"),
            Self::SetWeight { member: MemberKey { frontend, pool, backend }, weight } => {
                let weight = weight.map_or_else(|| "config".to_owned(), |weight| weight.to_string());
                format!("frontend {frontend} pool {pool} backend {backend} weight {weight}")
            }
        }
    }
}

/// Why an operator's word is refused. Nothing has changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The configuration in force has no such name.
    #[error("there is no {what} `{name}`{}", hint(.nearest.as_deref()))]
    NoSuch {
        /// What was looked for, and where, such as `backend`.
        what: String,
        /// The name that was given.
        name: String,
        /// The nearest one that there is.
        nearest: Option<String>,
    },
    /// A disabled backend can be neither paused nor resumed.
    #[error("backend {backend} is disabled: enable it first")]
    Disabled {
        /// Its name.
        backend: Text,
    },
    /// A paused backend is not probed.
    #[error("backend {backend} is paused and not probed: resume it first")]
    Paused {
        /// Its name.
        backend: Text,
    },
    /// A backend without a health check is not probed.
    #[error("backend {backend} has no health check: it is always up")]
    Static {
        /// Its name.
        backend: Text,
    },
    /// Not a weight.
    #[error("{0} is no weight: it is 0 to 100")]
    Weight(u32),
    /// Not a reason.
    #[error("a reason is one line of at most {LONGEST_REASON} bytes")]
    Reason,
    /// There is no dataplane to ask.
    #[error("this daemon has no dataplane: it was started with an empty --vpp-api-addr")]
    NoDataplane,
    /// VPP is out of reach, or was not read yet.
    #[error("VPP is out of reach: {0}")]
    NoVpp(Text),
    /// VPP refused, or the pass failed.
    #[error("the sync failed: {0}")]
    Sync(Text),
    /// The configuration passed its checks and the cores cannot take it: a bug, please report it with the configuration.
    #[error("the configuration cannot be used: {0}")]
    Unfit(Text),
    /// The process ends.
    #[error("the daemon is stopping")]
    Stopping,
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

impl Refusal {
    /// A name that is not among `names`.
    pub(crate) fn no_such<'n>(what: &str, name: &str, names: impl IntoIterator<Item = &'n str>) -> Self {
        let nearest = nearest(name, names).map(str::to_owned);
        Self::NoSuch { what: what.to_owned(), name: name.to_owned(), nearest }
    }
}

/// Why nothing was done to the backend of this name, which the configuration has.
fn refused(name: &Text, error: ActionError) -> Refusal {
    let backend = name.clone();
    match error {
        ActionError::Disabled => Refusal::Disabled { backend },
        ActionError::Paused => Refusal::Paused { backend },
        ActionError::Static => Refusal::Static { backend },
        _ => Refusal::no_such("backend", name, []),
    }
}

/// What an order changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Effect {
    /// It was in force already; of a probe, that one is under way.
    Already,
    /// A probe is planned for now.
    Planned,
    /// The state of a backend.
    Backend,
    /// A weight, as it counted before and as it counts now.
    Weight { from: u8, to: u8 },
}

impl Core {
    /// Carries out an order.
    pub(super) fn operate(&mut self, order: &Order, now: Instant, wall: SystemTime) -> Result<Effect, Refusal> {
        let one_line = !order.reason.chars().any(char::is_control);
        if order.reason.len() > LONGEST_REASON || !one_line {
            return Err(Refusal::Reason);
        }
        let detail = match &*order.reason {
            "" => format!("by {}", order.who),
            reason => format!("{reason} (by {})", order.who),
        };
        let (name, act): (_, fn(&mut Self, _, _, _, &str) -> _) = match &order.action {
            Action::Pause(name) => (name, |core, _, wall, id, why| core.control_mut().pause(wall, id, why)),
            Action::Resume(name) => (name, |core, now, wall, id, why| core.control_mut().resume(now, wall, id, why)),
            Action::Enable(name) => (name, |core, now, wall, id, why| core.control_mut().enable(now, wall, id, why)),
            Action::Disable(name) => (name, |core, _, wall, id, why| core.control_mut().disable(wall, id, why)),
            Action::Clear(name) => (name, |core, now, wall, id, why| core.control_mut().clear(now, wall, id, why)),
            Action::Probe(name) => return self.probe_now(name, now),
            Action::SetWeight { member, weight } => return self.set_weight(member, *weight),
        };
        let id = self.backend_id(name)?;
        match act(self, now, wall, id, &detail) {
            Ok(Done::Changed) => {
                self.touched(id);
                Ok(Effect::Backend)
            }
            Ok(Done::Already) => Ok(Effect::Already),
            Err(error) => Err(refused(name, error)),
        }
    }

    fn probe_now(&mut self, name: &Text, now: Instant) -> Result<Effect, Refusal> {
        let id = self.backend_id(name)?;
        match self.control_mut().probe_now(now, id) {
            Ok(Planned::Now) => Ok(Effect::Planned),
            Ok(Planned::UnderWay(_)) => Ok(Effect::Already),
            Err(error) => Err(refused(name, error)),
        }
    }

    fn backend_id(&self, name: &str) -> Result<BackendId, Refusal> {
        let names = || self.config().backends.iter().map(|backend| backend.name.as_str());
        self.control().backend_id(name).ok_or_else(|| Refusal::no_such("backend", name, names()))
    }

    fn set_weight(&mut self, member: &MemberKey, weight: Option<u32>) -> Result<Effect, Refusal> {
        let MemberKey { frontend, pool, backend } = member;
        let config = self.config().clone();
        let known = config.frontend(frontend).ok_or_else(|| {
            Refusal::no_such("frontend", frontend, config.frontends.iter().map(|frontend| frontend.name.as_str()))
        })?;
        let pools = || known.pools.iter().map(|pool| pool.name.as_str());
        let known = known
            .pools
            .iter()
            .find(|known| *known.name == **pool)
            .ok_or_else(|| Refusal::no_such(&format!("pool in frontend {frontend}"), pool, pools()))?;
        let members = || known.members.iter().map(|member| member.backend.as_str());
        let member_of = known.members.iter().find(|known| *known.backend == **backend).ok_or_else(|| {
            Refusal::no_such(&format!("backend in pool {pool} of frontend {frontend}"), backend, members())
        })?;
        let over = match weight {
            None => None,
            Some(number) => {
                let weight = u8::try_from(number).ok().and_then(Weight::new);
                Some(weight.ok_or(Refusal::Weight(number))?)
            }
        };
        let before = self.control().overrides().weights.get(member).map_or(member_of.weight, |weight| weight.get());
        match self.control_mut().set_weight(member, over) {
            Ok(Done::Changed) => {
                self.changed_member(frontend);
                Ok(Effect::Weight { from: before, to: over.map_or(member_of.weight, Weight::get) })
            }
            Ok(Done::Already) => Ok(Effect::Already),
            Err(_) => Err(Refusal::no_such("backend", backend, [])),
        }
    }
}
