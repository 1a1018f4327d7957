//! What operators do.

use std::time::{Instant, SystemTime};

use super::Control;
use crate::{ActionError, BackendId, BackendOverride, Done, MemberKey, Overrides, Planned, Weight};

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
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use maglev_health::{BackendOverride, Control, ControlOptions, Done, State};
    ///
    /// # let (now, wall) = web::clocks();
    /// # let spec = web::spec(vec![web::backend("a", "10.0.0.1")?])?;
    /// let mut control = Control::new(ControlOptions::default(), &spec, now, wall);
    /// let a = control.backend_id("a").ok_or("it is configured")?;
    /// control.pause(wall, a, "new disk")?;
    /// assert_eq!(control.overrides().backends["a"], BackendOverride::Paused);
    ///
    /// assert_eq!(control.resume(now, wall, a, "disk is in"), Ok(Done::Changed));
    /// assert!(control.overrides().backends.is_empty(), "as the configuration has it");
    /// assert_eq!(control.backend(a).map(|backend| backend.state()), Some(State::Unknown));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ActionError::Disabled`], [`ActionError::NoSuchBackend`].
    pub fn resume(&mut self, now: Instant, wall: SystemTime, id: BackendId, reason: &str) -> Result<Done, ActionError> {
        let done = self.fleet.resume(now, wall, id, reason)?;
        Ok(self.note(id, done, enabled))
    }

    /// Disables a backend.
    ///
    /// ```
    /// # use std::time::{Instant, SystemTime};
    /// # use maglev_health::*;
    /// # let (now, wall) = (Instant::now(), SystemTime::now());
    /// # let backend = |name: &str, address: &str| -> Result<BackendSpec, std::net::AddrParseError> {
    /// #     let check = Some(CheckSpec { timing: Check::default(), identity: "tcp 80".into() });
    /// #     Ok(BackendSpec { name: name.into(), address: address.parse()?, check, enabled: true })
    /// # };
    /// # let member = |name: &str| MemberSpec { backend: name.into(), weight: Weight::MAX };
    /// # let frontend = |members: &[&str]| FrontendSpec {
    /// #     name: "web".into(),
    /// #     vip: "192.0.2.1 tcp/80".into(),
    /// #     flush_on_down: true,
    /// #     pools: vec![PoolSpec { name: "primary".into(), members: members.iter().map(|name| member(name)).collect() }],
    /// # };
    ///
    /// let spec = Spec::new(vec![backend("a", "10.0.0.1")?], vec![frontend(&["a"])])?;
    /// let mut control = Control::new(ControlOptions::default(), &spec, now, wall);
    /// let a = control.backend_id("a").ok_or("it is configured")?;
    /// assert_eq!(control.disable(wall, a, "disk swap"), Ok(Done::Changed));
    /// assert_eq!(control.disable(wall, a, "disk swap"), Ok(Done::Already));
    /// assert_eq!(control.pause(wall, a, ""), Err(ActionError::Disabled));
    /// assert_eq!(control.overrides().backends["a"], BackendOverride::Disabled);
    ///
    /// assert_eq!(control.clear(now, wall, a, "done"), Ok(Done::Changed));
    /// assert!(control.overrides().backends.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ActionError::NoSuchBackend`].
    pub fn disable(&mut self, wall: SystemTime, id: BackendId, reason: &str) -> Result<Done, ActionError> {
        let done = self.fleet.disable(wall, id, reason)?;
        Ok(self.note(id, done, disabled))
    }

    /// Enables a backend. One that is paused is enabled already: resume it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use maglev_health::{BackendOverride, BackendSpec, Control, ControlOptions, Done, State};
    ///
    /// # let (now, wall) = web::clocks();
    /// let a = BackendSpec { enabled: false, ..web::backend("a", "10.0.0.1")? };
    /// let mut control = Control::new(ControlOptions::default(), &web::spec(vec![a])?, now, wall);
    /// let a = control.backend_id("a").ok_or("it is configured")?;
    /// assert_eq!(control.backend(a).map(|backend| backend.state()), Some(State::Disabled));
    ///
    /// assert_eq!(control.enable(now, wall, a, "ready early"), Ok(Done::Changed));
    /// assert_eq!(control.overrides().backends["a"], BackendOverride::Enabled);
    ///
    /// control.pause(wall, a, "a short look")?;
    /// assert_eq!(control.enable(now, wall, a, ""), Ok(Done::Already));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ActionError::NoSuchBackend`].
    pub fn enable(&mut self, now: Instant, wall: SystemTime, id: BackendId, reason: &str) -> Result<Done, ActionError> {
        let done = self.fleet.enable(now, wall, id, reason)?;
        Ok(self.note(id, done, enabled))
    }

    /// Plans the next probe of a backend for now. See [`Fleet::probe_now`](crate::Fleet::probe_now).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use maglev_health::{ActionError, Control, ControlOptions, Planned};
    ///
    /// # let (now, wall) = web::clocks();
    /// # let spec = web::spec(vec![web::backend("a", "10.0.0.1")?, web::backend("b", "10.0.0.2")?])?;
    /// let mut control = Control::new(ControlOptions::default(), &spec, now, wall);
    /// let b = control.backend_id("b").ok_or("it is configured")?;
    /// assert_eq!(control.probe_now(now, b), Ok(Planned::Now));
    /// control.handle_timeout(now);
    /// assert!(control.backend(b).is_some_and(|backend| backend.in_flight().is_some()));
    ///
    /// control.pause(wall, b, "new disk")?;
    /// assert_eq!(control.probe_now(now, b), Err(ActionError::Paused));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Fleet::probe_now`](crate::Fleet::probe_now).
    pub fn probe_now(&mut self, now: Instant, id: BackendId) -> Result<Planned, ActionError> {
        self.fleet.probe_now(now, id)
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
    /// ```
    /// # use std::time::{Instant, SystemTime};
    /// # use maglev_health::*;
    /// # let (now, wall) = (Instant::now(), SystemTime::now());
    /// # let backend = |name: &str, address: &str| -> Result<BackendSpec, std::net::AddrParseError> {
    /// #     let check = Some(CheckSpec { timing: Check::default(), identity: "tcp 80".into() });
    /// #     Ok(BackendSpec { name: name.into(), address: address.parse()?, check, enabled: true })
    /// # };
    /// # let member = |name: &str| MemberSpec { backend: name.into(), weight: Weight::MAX };
    /// # let frontend = |members: &[&str]| FrontendSpec {
    /// #     name: "web".into(),
    /// #     vip: "192.0.2.1 tcp/80".into(),
    /// #     flush_on_down: true,
    /// #     pools: vec![PoolSpec { name: "primary".into(), members: members.iter().map(|name| member(name)).collect() }],
    /// # };
    ///
    /// let spec = Spec::new(vec![backend("a", "10.0.0.1")?], vec![frontend(&["a"])])?;
    /// let mut control = Control::new(ControlOptions::default(), &spec, now, wall);
    /// let place = MemberKey { frontend: "web".into(), pool: "primary".into(), backend: "a".into() };
    /// assert_eq!(control.set_weight(&place, Weight::new(20)), Ok(Done::Changed));
    /// let view = control.frontends().next().ok_or("there is one")?;
    /// let member = view.pools().next().and_then(|pool| pool.members().next()).ok_or("it is configured")?;
    /// assert_eq!((member.configured, member.overridden), (Weight::MAX, Weight::new(20)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
