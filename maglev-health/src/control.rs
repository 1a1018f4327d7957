use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::frontend::Frontend;
use crate::{
    BackendId, Code, Event, Fleet, FleetOptions, Hold, Jitter, Occasion, Overrides, ProbeId, ProbeResult, Spec, State,
    Weight,
};

mod actions;
mod look;
mod reload;

/// What VPP has for an address in the VIP of a frontend (named as in the newest [`Spec`]): its weight, or `None` if
/// there is no such AS or VIP.
///
/// ```
/// use std::collections::HashMap;
/// use std::net::IpAddr;
///
/// use maglev_health::{Actual, Weight};
///
/// /// Looks things up in what was dumped.
/// fn lookup(dump: &HashMap<(String, IpAddr), Weight>) -> Box<Actual<'_>> {
///     Box::new(|frontend, address| dump.get(&(frontend.to_owned(), address)).copied())
/// }
///
/// let (here, away) = ("10.0.0.1".parse()?, "10.0.0.2".parse()?);
/// let dump = HashMap::from([(("web".to_owned(), here), Weight::MAX)]);
/// assert_eq!(lookup(&dump)("web", here), Some(Weight::MAX));
/// assert_eq!(lookup(&dump)("web", away), None);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub type Actual<'a> = dyn Fn(&str, IpAddr) -> Option<Weight> + 'a;

/// A frontend of the running configuration: its position there. Good until the next reload.
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
/// let control = Control::new(ControlOptions::default(), &spec, now, wall);
/// let web = control.frontend_idx("web").ok_or("it is configured")?;
/// assert_eq!(web.get(), 0);
/// assert!(control.program(web).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FrontendIdx(pub(crate) usize);

impl FrontendIdx {
    /// The position, from 0.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}

/// Whether there is a VPP whose weights are to be kept until a verdict.
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
/// for (dataplane, pending) in [(Dataplane::Absent, false), (Dataplane::Present, true)] {
///     let control = Control::new(ControlOptions { dataplane, ..ControlOptions::default() }, &spec, now, wall);
///     let web = control.frontend_idx("web").ok_or("it is configured")?;
///     // What VPP has must be known before anything may be changed there.
///     assert_eq!(control.program(web).map(|program| program.pending), Some(pending));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(clippy::exhaustive_enums, reason = "there is one or there is none")]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Dataplane {
    /// Probe only: nothing is ever held.
    Absent,
    /// Held until [`Control::handle_actual`] tells what VPP has, and then until a verdict.
    #[default]
    Present,
}

/// How to start.
///
/// ```
/// use maglev_health::{ControlOptions, Dataplane};
///
/// // Nothing to keep from before a restart.
/// let options = ControlOptions { dataplane: Dataplane::Absent, ..ControlOptions::default() };
/// assert!(options.overrides.backends.is_empty());
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ControlOptions {
    /// For probes.
    pub fleet: FleetOptions,
    /// Whether there is a VPP.
    pub dataplane: Dataplane,
    /// What operators had decided before the restart.
    pub overrides: Overrides,
}

/// The health of a load balancer: backends, frontends and operators' decisions, from probe results to what each VIP
/// should look like.
///
/// # Running it
/// As [`Fleet`]: after every call, [`Control::poll_event`] until `None` and [`Control::take_dirty`]; and
/// [`Control::handle_timeout`] when [`Control::poll_timeout`] is reached. Instants must not go backwards. `wall` is
/// only written down.
///
/// # Guarantees
/// - Programs depend on configuration, states and holds, not on the order of frontends or of events before.
/// - A result touches only the frontends in which its backend is; most results touch none.
/// - What is held is kept until a verdict, an operator's pause or disable, or until it leaves the configuration.
///   Neither a later reading of VPP nor an override of its weight changes it.
///
/// # Where the rules leave a choice
/// - An operator who pauses or disables a held backend means it: its weight is 0 from then on, and an address that it
///   was leaving goes. An override of its weight waits for the verdict.
/// - To enable a paused backend changes nothing: it is enabled. To disable it ends the pause for good.
/// - A backend that moves counts as up, and needs `fall` fails, while its old address has a weight above 0. So a
///   reload does not call in the next pool, and a lost first packet at the new address costs nothing.
/// - Two backends that swap addresses, or one that takes the address that another leaves: the address is the new
///   owner's at once, held at what VPP has for it.
/// - While VPP has not been read, a held backend counts as up for the active pool, and a frontend that has no other
///   weight is unknown.
/// - A flush is owed for what happened while the backend was in the VIP and, for `down`, while the frontend flushed:
///   a reload alone makes no debt.
/// - A backend disabled by the configuration at a start counts as restored: no flush where VPP has it at 0.
/// - Backends that no frontend uses are probed like the others.
///
/// # Looking ahead
/// A clone is as good as the original: what it answers to a reload, an action or a result is what the original will answer. So whoever
/// wants to know what a reload would do does it to a clone and throws that away. Probes that a clone asks for are nobody's: do not
/// start them. [`Control::assume_up`] goes on to what comes once everybody has answered.
///
/// # Caveats
/// Until VPP has been read the frontends of held backends say [`Program::pending`](crate::Program::pending): they must
/// not be applied.
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
/// // What the dataplane has for each server: here it is empty.
/// control.handle_actual(wall, &|_vip, _address| None);
///
/// // One turn of the loop: the clock, then everything that is to be done, then what came of it.
/// let now = control.poll_timeout().ok_or("somebody is to be probed")?;
/// control.handle_timeout(now);
/// while let Some(event) = control.poll_event() {
///     if let Event::Probe { probe, .. } = event {
///         let result = ProbeResult::pass(Code::L4Ok, "connected");
///         assert!(control.handle_result(now, wall, probe, result, Jitter::NONE));
///     }
/// }
/// for frontend in control.take_dirty() {
///     let program = control.program(frontend).ok_or("it is configured")?;
///     assert_eq!(program.state, FrontendState::Up);
///     assert!(program.targets.values().all(|target| target.weight == Weight::MAX));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Control {
    fleet: Fleet,
    dataplane: Dataplane,
    /// VPP has been read once.
    read: bool,
    /// Backends in configuration order.
    order: Vec<BackendId>,
    names: HashMap<Arc<str>, BackendId>,
    frontends: Vec<Frontend>,
    frontend_names: HashMap<Arc<str>, usize>,
    /// The frontends in which a backend is.
    users: HashMap<BackendId, Vec<usize>>,
    overrides: Overrides,
    dirty: BTreeSet<usize>,
    events: VecDeque<Event>,
}

impl Control {
    /// Starts probing what `spec` says. Every frontend is dirty.
    #[must_use]
    pub fn new(options: ControlOptions, spec: &Spec, now: Instant, wall: SystemTime) -> Self {
        let mut control = Self {
            fleet: Fleet::new(options.fleet, now),
            dataplane: options.dataplane,
            read: false,
            order: Vec::new(),
            names: HashMap::new(),
            frontends: Vec::new(),
            frontend_names: HashMap::new(),
            users: HashMap::new(),
            overrides: options.overrides,
            dirty: BTreeSet::new(),
            events: VecDeque::new(),
        };
        control.configure(now, wall, spec, Occasion::Start, &|_, _| None);
        control
    }

    /// Goes over to another configuration. Every frontend is dirty, and indices are of `spec` from now on.
    ///
    /// A backend whose address and check are equal goes on as if nothing had happened; one with another damping alone
    /// keeps its state and no penalty. One that is new, or has another check or address, is unknown and held at what
    /// `actual` says for its address; an address that it leaves stays with the weight that `actual` says until the
    /// first verdict about the new one. While VPP has not been read once `actual` is not called; after a disconnect it
    /// should tell what VPP had last. Overrides stay; see the four `Override` events of [`Event`].
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
    /// control.handle_actual(wall, &|_vip, _address| None);
    ///
    /// // Another backend joins. What the dataplane has for its address stays until its first verdict.
    /// let spec = Spec::new(vec![backend("a", "10.0.0.1")?, backend("b", "10.0.0.2")?], vec![frontend(&["a", "b"])])?;
    /// let b = spec.backends()[1].address;
    /// control.reload(now, wall, &spec, &|_vip, address| (address == b).then_some(Weight::MAX));
    /// let web = control.frontend_idx("web").ok_or("it is configured")?;
    /// assert_eq!(control.program(web).map(|program| program.targets[&b].weight), Some(Weight::MAX));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reload(&mut self, now: Instant, wall: SystemTime, spec: &Spec, actual: &Actual<'_>) {
        self.configure(now, wall, spec, Occasion::Reload, actual);
    }

    /// VPP has been read, or read again after a reconnect.
    ///
    /// The first time it settles what backends hold that became unknown before. One that turns out to hold nothing
    /// above 0 and has failed meanwhile goes down at once.
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
    /// let web = control.frontend_idx("web").ok_or("it is configured")?;
    /// assert!(control.program(web).is_some_and(|program| program.pending));
    ///
    /// // The last process left it at 80, and so it stays until somebody knows better.
    /// control.handle_actual(wall, &|_vip, _address| Weight::new(80));
    /// let program = control.program(web).ok_or("it is configured")?;
    /// assert!(!program.pending && program.targets.values().all(|target| target.weight.get() == 80));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle_actual(&mut self, wall: SystemTime, actual: &Actual<'_>) {
        if self.dataplane == Dataplane::Absent || self.read {
            return;
        }
        self.read = true;
        self.settle_holds(wall, actual);
        self.absorb();
        self.refresh_all();
    }

    /// Feeds the result of a probe; false, and no effect, if that probe is not under way.
    pub fn handle_result(
        &mut self,
        now: Instant,
        wall: SystemTime,
        probe: ProbeId,
        result: ProbeResult,
        jitter: Jitter,
    ) -> bool {
        let counted = self.fleet.handle_result(now, wall, probe, result, jitter);
        self.absorb();
        counted
    }

    /// Lets every unknown backend that is probed pass once, and all of them together: for a clone that looks ahead to the time when
    /// everybody has answered.
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
    /// let options = ControlOptions { dataplane: Dataplane::Absent, ..ControlOptions::default() };
    /// let control = Control::new(options, &spec, now, wall);
    /// let web = control.frontend_idx("web").ok_or("it is configured")?;
    ///
    /// let mut ahead = control.clone();
    /// ahead.assume_up(now, wall);
    /// assert_eq!(ahead.program(web).map(|program| program.state), Some(FrontendState::Up));
    /// assert_eq!(control.program(web).map(|program| program.state), Some(FrontendState::Unknown));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn assume_up(&mut self, now: Instant, wall: SystemTime) {
        let mut now = now;
        while let Some(due) = self.fleet.next_start() {
            now = now.max(due);
            self.fleet.start_due(now);
        }
        let unknown = self.fleet.backends().filter(|backend| backend.state() == State::Unknown);
        let probes: Vec<ProbeId> = unknown.filter_map(|backend| backend.in_flight()).collect();
        for probe in probes {
            self.fleet.handle_result(now, wall, probe, ProbeResult::pass(Code::L7Ok, ""), Jitter::NONE);
        }
        self.absorb();
    }

    /// Starts every probe that is due, and uses suppressed backends again whose time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.fleet.handle_timeout(now);
        self.absorb();
    }

    /// Keeps this many transitions per backend from now on.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::num::NonZeroUsize;
    ///
    /// use maglev_health::{Control, ControlOptions};
    ///
    /// # let (now, wall) = web::clocks();
    /// # let spec = web::spec(vec![web::backend("a", "10.0.0.1")?])?;
    /// let mut control = Control::new(ControlOptions::default(), &spec, now, wall);
    /// let a = control.backend_id("a").ok_or("it is configured")?;
    /// control.pause(wall, a, "new disk")?;
    /// control.resume(now, wall, a, "")?;
    /// control.set_history(NonZeroUsize::MIN);
    /// let backend = control.backend(a).ok_or("it is configured")?;
    /// let kept: Vec<_> = backend.history().map(|transition| transition.code.as_str()).collect();
    /// assert_eq!(kept, ["resumed"], "the newest");
    /// # Ok(()) }
    /// ```
    pub fn set_history(&mut self, history: NonZeroUsize) {
        self.fleet.set_history(history);
    }

    /// When [`Control::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.fleet.poll_timeout()
    }

    /// The next thing to do or to report.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The frontends whose program changed since the last call, by position.
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
    /// for frontend in control.take_dirty() {
    ///     let program = control.program(frontend).ok_or("it is configured")?;
    ///     // Here the dataplane would be told, unless the program is pending.
    ///     assert_eq!(program.targets.len(), 1);
    /// }
    /// assert!(control.take_dirty().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn take_dirty(&mut self) -> Vec<FrontendIdx> {
        std::mem::take(&mut self.dirty).into_iter().map(FrontendIdx).collect()
    }

    /// Takes over the fleet's events and decides anew where a backend changed.
    fn absorb(&mut self) {
        let mut touched = BTreeSet::new();
        while let Some(event) = self.fleet.poll_event() {
            if let Event::Transition { backend, .. } | Event::Agent { backend, .. } = &event {
                touched.extend(self.users.get(backend).into_iter().flatten());
            }
            self.events.push_back(event);
        }
        for index in touched {
            self.refresh(index);
        }
    }

    fn refresh_all(&mut self) {
        for index in 0..self.frontends.len() {
            self.refresh(index);
        }
    }

    fn refresh(&mut self, index: usize) {
        let Some(frontend) = self.frontends.get_mut(index) else {
            return;
        };
        let from = frontend.state();
        if frontend.refresh(&self.fleet) {
            self.dirty.insert(index);
        }
        let to = frontend.state();
        if from != to {
            self.events.push_back(Event::FrontendTransition { frontend: frontend.spec.name.clone(), from, to });
        }
    }

    /// Reads what is held and not yet known, and tells the backends.
    fn settle_holds(&mut self, wall: SystemTime, actual: &Actual<'_>) {
        if self.read {
            for frontend in &mut self.frontends {
                frontend.read(&self.fleet, actual);
            }
        }
        for &id in &self.order {
            let users = self.users.get(&id).into_iter().flatten();
            let holds = users.filter_map(|&user| Some(self.frontends[user].slots.get(&id)?.hold()));
            self.fleet.resolve_hold(wall, id, strongest(holds));
        }
    }
}

/// What a backend holds that holds `holds` in its VIPs: above 0 if it is in one of them.
fn strongest(holds: impl Iterator<Item = Hold>) -> Hold {
    let none = Hold::Held { above_zero: false };
    holds.fold(none, |strongest, hold| match (strongest, hold) {
        (Hold::Held { above_zero: true }, _) => strongest,
        (_, Hold::Held { above_zero: true } | Hold::Pending) => hold,
        _ => strongest,
    })
}
