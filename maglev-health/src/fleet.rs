use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use self::members::Members;
use crate::backend::{Backend, Cause, Incident, Input, Step};
use crate::schedule::{self, Place};
use crate::{
    Admission, AgentWord, BackendId, BackendSpec, BackendView, Code, Event, FleetOptions, Hold, Jitter, Occasion,
    Outcome, ProbeId, ProbeResult, Restored, State,
};

mod actions;
mod damping;
mod members;
mod timers;

/// The probes and states of many backends: state machines on one wheel of timers.
///
/// # Running it
/// After every call that takes `now`, call [`Fleet::poll_event`] until it gives `None`, and call
/// [`Fleet::handle_timeout`] when the instant of [`Fleet::poll_timeout`] is reached. `now` must not go backwards from
/// call to call. Early, late and repeated calls are harmless.
///
/// # Guarantees
/// - At most one probe of a backend is under way: the next [`Event::Probe`] comes after its result or its cancel.
/// - A result that is not of a probe under way changes nothing.
/// - A wait is measured from the planned start of the last probe; a planned start already past becomes `now`, so
///   probes missed while nobody called are not made up for.
/// - Work per result or action is logarithmic in the number of backends; [`Fleet::handle_timeout`] also takes one step
///   for each probe that is due.
///
/// # Assumptions
/// Every [`Event::Probe`] is answered or cancelled at some time: the fleet has no time-out of its own.
///
/// ```
/// use std::time::{Instant, SystemTime};
///
/// use maglev_health::{
///     Admission, BackendSpec, Check, CheckSpec, Code, Event, Fleet, FleetOptions, Hold, Jitter, Occasion, Place,
///     ProbeResult, State,
/// };
///
/// let (start, wall) = (Instant::now(), SystemTime::now());
/// let mut fleet = Fleet::new(FleetOptions::default(), start);
/// let check = CheckSpec { timing: Check::default(), identity: "tcp 80".into() };
/// let spec = BackendSpec { name: "a".into(), address: "10.0.0.1".parse()?, check: Some(check), enabled: true };
/// let admission = Admission { occasion: Occasion::Start, restored: None, hold: Hold::None, place: Place::ONLY };
/// let a = fleet.insert(start, wall, spec, admission);
///
/// // What is due is started, and every probe answered.
/// let now = fleet.poll_timeout().ok_or("nobody to probe")?;
/// fleet.handle_timeout(now);
/// let mut up = false;
/// while let Some(event) = fleet.poll_event() {
///     match event {
///         Event::Probe { probe, .. } => {
///             assert!(fleet.handle_result(now, wall, probe, ProbeResult::pass(Code::L4Ok, "connected"), Jitter::NONE));
///         }
///         Event::Transition { transition, .. } => up = transition.to == State::Up,
///         _ => {}
///     }
/// }
/// assert!(up && fleet.backend(a).is_some_and(|backend| backend.state() == State::Up));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fleet {
    options: FleetOptions,
    /// What phases are counted from.
    origin: Instant,
    backends: Members,
    /// Planned starts of backends without a probe under way.
    timers: BTreeSet<(Instant, BackendId)>,
    /// When backends that are suppressed are used again.
    reuses: BTreeSet<(Instant, BackendId)>,
    /// The newest pair of instant and wall clock.
    clocks: Option<(Instant, SystemTime)>,
    events: VecDeque<Event>,
    last_backend: u64,
    last_probe: u64,
    last_incident: u64,
}

impl Fleet {
    /// No backends yet; phases are counted from `now`.
    #[must_use]
    pub fn new(options: FleetOptions, now: Instant) -> Self {
        Self {
            options,
            origin: now,
            backends: Members::default(),
            timers: BTreeSet::new(),
            reuses: BTreeSet::new(),
            clocks: None,
            events: VecDeque::new(),
            last_backend: 0,
            last_probe: 0,
            last_incident: 0,
        }
    }

    /// A backend joins; its first probe is due after its share of the spread.
    pub fn insert(&mut self, now: Instant, wall: SystemTime, spec: BackendSpec, admission: Admission) -> BackendId {
        self.clocks = Some((now, wall));
        self.last_backend += 1;
        let id = BackendId(self.last_backend);
        let timing = spec.check.as_ref().map(|check| check.timing);
        let fresh = admission.occasion == Occasion::Start;
        let backend = Backend::new(timing, fresh, self.options.history, wall);
        let beginning = backend.beginning();
        let (state, code) = match (admission.restored, spec.enabled) {
            (Some(Restored::Paused), _) => (State::Paused, Code::Restored),
            (Some(Restored::Disabled), _) => (State::Disabled, Code::Restored),
            (None, false) => (State::Disabled, Code::Disabled),
            (Some(Restored::Enabled), _) | (None, true) if beginning == State::Up => (State::Up, Code::Static),
            (Some(Restored::Enabled), false) => (State::Unknown, Code::Restored),
            (Some(Restored::Enabled) | None, _) => (State::Unknown, Code::Started),
        };
        self.events.push_back(Event::Started { backend: id, name: spec.name.clone() });
        let member = Member {
            spec,
            backend,
            planned: now,
            timer: None,
            under_way: None,
            place: admission.place,
            off_phase: true,
            last: None,
            agent: None,
            suppressed_until: None,
        };
        self.backends.push(id, member);
        let cause = Cause {
            code,
            detail: match code {
                Code::Disabled => BY_CONFIGURATION.into(),
                _ => Arc::default(),
            },
            at: wall,
        };
        let delay = match admission.occasion {
            Occasion::Start => self.spread(id, self.options.startup_max_delay / 3),
            Occasion::Reload => self.spread(id, schedule::LONGEST_SPREAD),
        };
        self.enter(id, state, cause);
        self.set_hold(id, admission.hold);
        self.begin(id, now, delay);
        id
    }

    /// The backend leaves: transition to `removed`, and every trace of it goes.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use maglev_health::{Event, Fleet, FleetOptions, State};
    ///
    /// # let (now, wall) = web::clocks();
    /// let mut fleet = Fleet::new(FleetOptions::default(), now);
    /// let a = fleet.insert(now, wall, web::backend("a", "10.0.0.1")?, web::ADMISSION);
    /// while fleet.poll_event().is_some() {}
    ///
    /// fleet.remove(wall, a);
    /// let left = fleet.poll_event();
    /// assert!(matches!(left, Some(Event::Transition { transition, .. }) if transition.to == State::Removed));
    /// assert!(matches!(fleet.poll_event(), Some(Event::Stopped { .. })));
    /// assert_eq!(fleet.poll_timeout(), None);
    /// # Ok(()) }
    /// ```
    pub fn remove(&mut self, wall: SystemTime, id: BackendId) {
        let cause = Cause { code: Code::Removed, detail: Arc::default(), at: wall };
        self.input(id, Input::Remove, cause);
        self.halt(id);
        self.forgive(id);
        if let Some(member) = self.backends.remove(id) {
            self.events.push_back(Event::Stopped { backend: id, name: member.spec.name });
        }
    }

    /// A reload gave the backend another check or address. Unless it is paused or disabled it begins anew, holding
    /// `hold`; a static one is up at once.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use maglev_health::{Code, Fleet, FleetOptions, Hold, Jitter, Place, ProbeResult, State};
    ///
    /// # let (now, wall) = web::clocks();
    /// let mut fleet = Fleet::new(FleetOptions::default(), now);
    /// let a = fleet.insert(now, wall, web::backend("a", "10.0.0.1")?, web::ADMISSION);
    /// # let (now, probe) = web::next_probe(&mut fleet).ok_or("it is due")?;
    /// fleet.handle_result(now, wall, probe, ProbeResult::pass(Code::L4Ok, ""), Jitter::NONE);
    /// assert_eq!(fleet.backend(a).map(|backend| backend.state()), Some(State::Up));
    ///
    /// // It moves, and VPP has a weight for it.
    /// let moved = web::backend("a", "10.0.0.9")?;
    /// fleet.restart(now, wall, a, moved, Hold::Held { above_zero: true }, Place::ONLY);
    /// let backend = fleet.backend(a).ok_or("it is there")?;
    /// assert_eq!((backend.state(), backend.address()), (State::Unknown, "10.0.0.9".parse()?));
    /// assert!(backend.hold().is_patient() && backend.last_result().is_none());
    /// # Ok(()) }
    /// ```
    pub fn restart(
        &mut self,
        now: Instant,
        wall: SystemTime,
        id: BackendId,
        spec: BackendSpec,
        hold: Hold,
        place: Place,
    ) {
        self.clocks = Some((now, wall));
        self.forgive(id);
        let Some(member) = self.backends.get_mut(id) else {
            return;
        };
        let name = spec.name.clone();
        let was_static = member.backend.check().is_none();
        let timing = spec.check.as_ref().map(|check| check.timing);
        member.backend.set_check(timing);
        member.spec = spec;
        member.place = place;
        member.last = None;
        member.agent = None;
        let code = match member.backend.beginning() {
            State::Up => Code::Static,
            _ => Code::Started,
        };
        self.events.push_back(Event::Restarted { backend: id, name });
        if was_static && timing.is_none() {
            return; // another address, and still nothing to find out
        }
        let cause = Cause { code, detail: Arc::default(), at: wall };
        if let Step::Enter(_) = self.input(id, Input::Restart, cause) {
            self.halt(id);
            self.set_hold(id, hold);
            self.begin(id, now, self.spread(id, schedule::LONGEST_SPREAD));
        }
    }

    /// Replaces what does not touch health. For another address or check there is [`Fleet::restart`]; an `enabled` that
    /// differs does nothing by itself, for that there are [`Fleet::enable`] and [`Fleet::disable`]. Another damping
    /// keeps no penalty: a backend that is suppressed is used again by the next [`Fleet::handle_timeout`], which is due
    /// at once.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use maglev_health::{BackendSpec, Fleet, FleetOptions, State};
    ///
    /// # let (now, wall) = web::clocks();
    /// # let a = web::backend("a", "10.0.0.1")?;
    /// let mut fleet = Fleet::new(FleetOptions::default(), now);
    /// let id = fleet.insert(now, wall, a.clone(), web::ADMISSION);
    /// fleet.update(id, BackendSpec { enabled: false, ..a });
    /// let backend = fleet.backend(id).ok_or("it is there")?;
    /// assert!(!backend.spec().enabled);
    /// assert_eq!(backend.state(), State::Unknown, "as before");
    /// # Ok(()) }
    /// ```
    pub fn update(&mut self, id: BackendId, spec: BackendSpec) {
        self.set_damping(id, spec.check.as_ref().and_then(|check| check.timing.damping));
        if let Some(member) = self.backends.get_mut(id) {
            member.spec = spec;
        }
    }

    /// Says what a held backend holds; nothing happens to one that is not held.
    ///
    /// If it turns out to hold nothing above 0 and has failed already, it goes down at once, as its first fail would
    /// have done. A probe already planned stays where it is.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use maglev_health::{Admission, Code, Fleet, FleetOptions, Hold, Jitter, ProbeResult, State};
    ///
    /// # let (now, wall) = web::clocks();
    /// let mut fleet = Fleet::new(FleetOptions::default(), now);
    /// let admission = Admission { hold: Hold::Pending, ..web::ADMISSION };
    /// let a = fleet.insert(now, wall, web::backend("a", "10.0.0.1")?, admission);
    /// # let (now, probe) = web::next_probe(&mut fleet).ok_or("it is due")?;
    /// fleet.handle_result(now, wall, probe, ProbeResult::fail(Code::L4Con, "connect refused"), Jitter::NONE);
    /// assert_eq!(fleet.backend(a).map(|backend| backend.state()), Some(State::Unknown), "it may be serving");
    ///
    /// // VPP has been read, and has nothing for it.
    /// fleet.resolve_hold(wall, a, Hold::Held { above_zero: false });
    /// assert_eq!(fleet.backend(a).map(|backend| backend.state()), Some(State::Down));
    /// # Ok(()) }
    /// ```
    pub fn resolve_hold(&mut self, wall: SystemTime, id: BackendId, hold: Hold) {
        let Some(member) = self.backends.get_mut(id) else {
            return;
        };
        if !member.backend.hold().is_held() {
            return;
        }
        member.backend.set_hold(hold);
        if hold.is_patient() {
            return;
        }
        if let Some(fail) = member.backend.last_fail() {
            let cause = Cause { code: fail.code, detail: fail.detail.clone(), at: wall };
            self.input(id, Input::Unheld, cause);
        }
    }

    /// Feeds the result of a probe and plans the next one. False, and no effect, if the probe is not under way.
    pub fn handle_result(
        &mut self,
        now: Instant,
        wall: SystemTime,
        probe: ProbeId,
        result: ProbeResult,
        jitter: Jitter,
    ) -> bool {
        let id = probe.backend();
        let Some(member) = self.backends.get_mut(id).filter(|member| member.under_way == Some(probe)) else {
            return false;
        };
        self.clocks = Some((now, wall));
        member.under_way = None;
        if result.outcome == Outcome::Fail {
            member.backend.note_fail(&result);
        }
        let cause = Cause { code: result.code, detail: result.detail.clone(), at: wall };
        let (outcome, agent) = (result.outcome, result.agent);
        member.last = Some(result);
        self.verdict(id, outcome, cause, now);
        self.heed(id, agent);
        self.plan(id, outcome, jitter, now);
        true
    }

    /// Starts every probe that is due, and uses suppressed backends again whose time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.reuse_due(now);
        self.start_due(now);
    }

    /// Keeps this many transitions per backend from now on.
    pub fn set_history(&mut self, history: NonZeroUsize) {
        self.options.history = history;
        self.backends.iter_mut().for_each(|member| member.backend.set_history_limit(history));
    }

    /// When the next probe is due, or a suppressed backend is used again; `None` while all are under way or there is
    /// nobody to probe.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let reuse = self.reuses.first().map(|&(due, _)| due);
        self.next_start().into_iter().chain(reuse).min()
    }

    /// The next thing to do or to report.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// A look at one backend; `None` once it was removed.
    #[must_use]
    pub fn backend(&self, id: BackendId) -> Option<BackendView<'_>> {
        self.backends.get(id).map(|member| BackendView { id, member, overridden: None })
    }

    /// Every backend, in the order of joining.
    pub fn backends(&self) -> impl Iterator<Item = BackendView<'_>> {
        self.backends.iter().map(|(id, member)| BackendView { id, member, overridden: None })
    }

    pub(crate) fn incident(&self, id: BackendId) -> Option<Incident> {
        self.backends.get(id)?.backend.incident()
    }

    /// The number of the newest entering of `down` or `disabled`.
    pub(crate) fn last_incident(&self) -> u64 {
        self.last_incident
    }

    fn input(&mut self, id: BackendId, input: Input, cause: Cause) -> Step {
        let Some(member) = self.backends.get_mut(id) else {
            return Step::Stay;
        };
        let step = member.backend.step(input);
        if let Step::Enter(state) = step {
            self.enter(id, state, cause);
        }
        step
    }

    fn enter(&mut self, id: BackendId, state: State, cause: Cause) {
        let Some(member) = self.backends.get_mut(id) else {
            return;
        };
        let last_incident = &mut self.last_incident;
        let transition = member.backend.enter(state, cause, || {
            *last_incident += 1;
            *last_incident
        });
        if state == State::Unknown || member.backend.check().is_none() {
            member.agent = None;
        }
        if transition.from != transition.to {
            self.events.push_back(Event::Transition { backend: id, name: member.spec.name.clone(), transition });
        }
    }

    /// Notes what the server says of itself.
    fn heed(&mut self, id: BackendId, agent: Option<AgentWord>) {
        let (Some(member), Some(to)) = (self.backends.get_mut(id), agent) else {
            return;
        };
        // Of an unknown backend nothing is used but what VPP has.
        if member.backend.state() == State::Unknown {
            return;
        }
        let from = member.agent.replace(to);
        if from != agent {
            self.events.push_back(Event::Agent { backend: id, name: member.spec.name.clone(), from, to });
        }
    }

    fn set_hold(&mut self, id: BackendId, hold: Hold) {
        if let Some(member) = self.backends.get_mut(id) {
            member.backend.set_hold(hold);
        }
    }
}

/// Detail of a transition that the `enabled` of the configuration asked for.
pub(crate) const BY_CONFIGURATION: &str = "configuration";

/// A backend and its probes.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) spec: BackendSpec,
    pub(crate) backend: Backend,
    /// Planned start of the newest probe.
    planned: Instant,
    /// Planned start of the next one, as it stands in `timers`.
    timer: Option<Instant>,
    pub(crate) under_way: Option<ProbeId>,
    place: Place,
    /// The next wait of full length is the first since probing began.
    off_phase: bool,
    pub(crate) last: Option<ProbeResult>,
    /// What the server said of itself last, since its check began.
    pub(crate) agent: Option<AgentWord>,
    /// As it stands in `reuses`.
    pub(crate) suppressed_until: Option<Instant>,
}

#[cfg(test)]
mod tests;
