//! What operators do.

use std::time::{Duration, Instant, SystemTime};

use super::Fleet;
use crate::backend::{Cause, Input, Step};
use crate::{ActionError, BackendId, Code, Done, State};

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

    /// Ends a pause: the backend is unknown and holds nothing, or up if it is static.
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
        Ok(done)
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

    /// Takes the backend in again: it is unknown and holds nothing, or up if it is static.
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
        Ok(done)
    }

    fn act(
        &mut self,
        id: BackendId,
        input: Input,
        code: Code,
        reason: &str,
        at: SystemTime,
    ) -> Result<Done, ActionError> {
        let member = self.backends.get_mut(&id).ok_or(ActionError::NoSuchBackend)?;
        let code = match (input, member.backend.beginning()) {
            (Input::Resume | Input::Enable, State::Up) => Code::Static,
            _ => code,
        };
        match member.backend.step(input) {
            Step::Enter(state) => {
                member.backend.set_touched();
                let detail = reason.into();
                self.enter(id, state, Cause { code, detail, at });
                Ok(Done::Changed)
            }
            Step::Stay => Ok(Done::Already),
            Step::Refuse => Err(ActionError::Disabled),
        }
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
