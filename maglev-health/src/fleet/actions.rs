//! What operators do.

use std::time::{Duration, Instant, SystemTime};

use super::Fleet;
use crate::backend::{Cause, Input, Step};
use crate::{ActionError, BackendId, Code, Done, Planned, State};

impl Fleet {
    /// Stops probing; the backend's sessions go on.
    ///
    /// # Errors
    /// [`ActionError::Disabled`] if it is disabled.
    pub fn pause(&mut self, wall: SystemTime, id: BackendId, reason: &str) -> Result<Done, ActionError> {
        let done = self.act(id, Input::Pause, Code::Paused, reason, wall)?;
        self.settle(id, done, None);
        Ok(done)
    }

    /// Ends a pause: the backend is unknown and holds nothing, or up if it is static. Of one that is not paused the
    /// flaps are forgotten, which ends its suppression.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use maglev_health::{Done, Fleet, FleetOptions, State};
    ///
    /// # let (now, wall) = web::clocks();
    /// let mut fleet = Fleet::new(FleetOptions::default(), now);
    /// let a = fleet.insert(now, wall, web::backend("a", "10.0.0.1")?, web::ADMISSION);
    /// fleet.pause(wall, a, "new disk")?;
    /// assert_eq!(fleet.poll_timeout(), None, "no probes");
    ///
    /// assert_eq!(fleet.resume(now, wall, a, "disk is in"), Ok(Done::Changed));
    /// assert_eq!(fleet.poll_timeout(), Some(now), "probed at once");
    /// assert_eq!(fleet.resume(now, wall, a, ""), Ok(Done::Already));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ActionError::Disabled`] if it is disabled.
    pub fn resume(&mut self, now: Instant, wall: SystemTime, id: BackendId, reason: &str) -> Result<Done, ActionError> {
        let done = self.act(id, Input::Resume, Code::Resumed, reason, wall)?;
        self.settle(id, done, Some(now));
        Ok(self.pardon(id, done, now, Cause { code: Code::Resumed, detail: reason.into(), at: wall }))
    }

    /// Takes the backend out; its sessions are flushed.
    ///
    /// # Errors
    /// [`ActionError::NoSuchBackend`].
    pub fn disable(&mut self, wall: SystemTime, id: BackendId, reason: &str) -> Result<Done, ActionError> {
        let done = self.act(id, Input::Disable, Code::Disabled, reason, wall)?;
        self.settle(id, done, None);
        Ok(done)
    }

    /// Takes the backend in again: it is unknown and holds nothing, or up if it is static. Of one that is not disabled
    /// the flaps are forgotten, which ends its suppression.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use maglev_health::{ActionError, BackendSpec, Fleet, FleetOptions, State};
    ///
    /// # let (now, wall) = web::clocks();
    /// let mut fleet = Fleet::new(FleetOptions::default(), now);
    /// let always = BackendSpec { check: None, ..web::backend("a", "10.0.0.1")? };
    /// let a = fleet.insert(now, wall, always, web::ADMISSION);
    /// fleet.disable(wall, a, "new disk")?;
    /// assert_eq!(fleet.resume(now, wall, a, ""), Err(ActionError::Disabled), "that ends a pause");
    ///
    /// fleet.enable(now, wall, a, "disk is in")?;
    /// assert_eq!(fleet.backend(a).map(|backend| backend.state()), Some(State::Up), "it has no check");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ActionError::NoSuchBackend`].
    pub fn enable(&mut self, now: Instant, wall: SystemTime, id: BackendId, reason: &str) -> Result<Done, ActionError> {
        let done = self.act(id, Input::Enable, Code::Enabled, reason, wall)?;
        self.settle(id, done, Some(now));
        Ok(self.pardon(id, done, now, Cause { code: Code::Enabled, detail: reason.into(), at: wall }))
    }

    /// Plans the next probe for now: an operator wants to know.
    ///
    /// What it finds counts like any other. The probes after it follow as after one that was planned; the first wait of
    /// full length brings the backend back to its phase.
    ///
    /// # Errors
    /// [`ActionError::Paused`], [`ActionError::Disabled`] and [`ActionError::Static`] for a backend that is not probed;
    /// [`ActionError::NoSuchBackend`].
    pub fn probe_now(&mut self, now: Instant, id: BackendId) -> Result<Planned, ActionError> {
        let member = self.backends.get_mut(id).ok_or(ActionError::NoSuchBackend)?;
        match member.backend.state() {
            State::Paused => Err(ActionError::Paused),
            State::Disabled => Err(ActionError::Disabled),
            State::Removed => Err(ActionError::NoSuchBackend),
            State::Unknown | State::Up | State::Down if member.backend.check().is_none() => Err(ActionError::Static),
            State::Unknown | State::Up | State::Down => match member.under_way {
                Some(probe) => Ok(Planned::UnderWay(probe)),
                None => {
                    member.off_phase = true;
                    self.set_timer(id, now);
                    Ok(Planned::Now)
                }
            },
        }
    }

    fn act(
        &mut self,
        id: BackendId,
        input: Input,
        code: Code,
        reason: &str,
        at: SystemTime,
    ) -> Result<Done, ActionError> {
        let member = self.backends.get_mut(id).ok_or(ActionError::NoSuchBackend)?;
        let code = match (input, member.backend.beginning()) {
            (Input::Resume | Input::Enable, State::Up) => Code::Static,
            _ => code,
        };
        match member.backend.step(input) {
            Step::Enter(state) => {
                member.backend.set_touched();
                let detail = reason.into();
                self.enter(id, state, Cause { code, detail, at });
                self.forgive(id);
                Ok(Done::Changed)
            }
            Step::Stay => Ok(Done::Already),
            Step::Refuse => Err(ActionError::Disabled),
        }
    }

    /// Forgets the flaps of a backend that was in use already, which is a change if there were any.
    fn pardon(&mut self, id: BackendId, done: Done, now: Instant, cause: Cause) -> Done {
        self.clocks = Some((now, cause.at));
        if done == Done::Already && self.absolve(id, now, cause) { Done::Changed } else { done }
    }

    /// Ends probing after an action that did something, and begins it anew where `from` says when.
    fn settle(&mut self, id: BackendId, done: Done, from: Option<Instant>) {
        if done == Done::Changed {
            self.halt(id);
            if let Some(now) = from {
                self.begin(id, now, Duration::ZERO);
            }
        }
    }
}
