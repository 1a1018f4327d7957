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
