//! What operators do.

use std::time::{Instant, SystemTime};

use super::Control;
use crate::{ActionError, BackendId, BackendOverride, Done, MemberKey, Overrides, Weight};

impl Control {
    /// Pauses a backend. `reason` becomes the transition's detail.
    ///
    /// # Errors
    /// [`ActionError::Disabled`], [`ActionError::NoSuchBackend`].
    pub fn pause(&mut self, wall: SystemTime, id: BackendId, reason: &str) -> Result<Done, ActionError> {
        let done = self.fleet.pause(wall, id, reason)?;
        Ok(self.note(id, done, |_| Some(BackendOverride::Paused)))
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// [`ActionError::Disabled`], [`ActionError::NoSuchBackend`].
    pub fn resume(&mut self, now: Instant, wall: SystemTime, id: BackendId, reason: &str) -> Result<Done, ActionError> {
        let done = self.fleet.resume(now, wall, id, reason)?;
        Ok(self.note(id, done, enabled))
    }

    /// Disables a backend.
    ///
    /// # Errors
    /// [`ActionError::NoSuchBackend`].
    pub fn disable(&mut self, wall: SystemTime, id: BackendId, reason: &str) -> Result<Done, ActionError> {
        let done = self.fleet.disable(wall, id, reason)?;
        Ok(self.note(id, done, disabled))
    }

    /// Enables a backend. One that is paused is enabled already: resume it.
    ///
    /// # Errors
    /// [`ActionError::NoSuchBackend`].
    pub fn enable(&mut self, now: Instant, wall: SystemTime, id: BackendId, reason: &str) -> Result<Done, ActionError> {
        let done = self.fleet.enable(now, wall, id, reason)?;
        Ok(self.note(id, done, enabled))
    }

    /// Ends a backend's override: it is as the configuration says.
    ///
    /// # Errors
    /// [`ActionError::NoSuchBackend`].
    pub fn clear(&mut self, now: Instant, wall: SystemTime, id: BackendId, reason: &str) -> Result<Done, ActionError> {
        let backend = self.backend(id).ok_or(ActionError::NoSuchBackend)?;
        let (Some(overridden), by_config) = (backend.overridden(), backend.spec().enabled) else {
            return Ok(Done::Already);
        };
        let _ = match (overridden, by_config) {
            (_, false) => self.fleet.disable(wall, id, reason)?,
            (BackendOverride::Paused, true) => self.fleet.resume(now, wall, id, reason)?,
            (_, true) => self.fleet.enable(now, wall, id, reason)?,
        };
        Ok(self.note(id, Done::Changed, |_| None))
    }

    /// Sets a weight over the configuration's head; `None` goes back to the configured one.
    ///
    /// A held backend keeps what it holds until its verdict; the weight counts from then on.
    ///
    /// # Errors
    /// [`ActionError::NoSuchMember`].
    pub fn set_weight(&mut self, member: &MemberKey, weight: Option<Weight>) -> Result<Done, ActionError> {
        let found = self.frontend_names.get(&member.frontend).and_then(|&index| {
            let spec = &self.frontends[index].spec;
            let (pool, row) = spec.find(&member.pool, &member.backend)?;
            Some((index, pool, row))
        });
        let (index, pool, row) = found.ok_or(ActionError::NoSuchMember)?;
        let row = &mut self.frontends[index].rows[pool][row];
        if row.overridden == weight {
            return Ok(Done::Already);
        }
        row.overridden = weight;
        match weight {
            Some(weight) => self.overrides.weights.insert(member.clone(), weight),
            None => self.overrides.weights.remove(member),
        };
        self.refresh(index);
        Ok(Done::Changed)
    }

    /// Everything that operators have decided, to be saved.
    #[must_use]
    pub fn overrides(&self) -> &Overrides {
        &self.overrides
    }

    /// Writes down the override that an action leaves behind, given what the configuration says.
    fn note(&mut self, id: BackendId, done: Done, left: impl FnOnce(bool) -> Option<BackendOverride>) -> Done {
        if done == Done::Changed
            && let Some(backend) = self.fleet.backend(id)
        {
            let name = backend.name().clone();
            match left(backend.spec().enabled) {
                Some(overridden) => self.overrides.backends.insert(name, overridden),
                None => self.overrides.backends.remove(&name),
            };
        }
        self.absorb();
        done
    }
}

/// What enabling or resuming leaves behind.
fn enabled(by_config: bool) -> Option<BackendOverride> {
    (!by_config).then_some(BackendOverride::Enabled)
}

/// What disabling leaves behind.
fn disabled(by_config: bool) -> Option<BackendOverride> {
    by_config.then_some(BackendOverride::Disabled)
}
