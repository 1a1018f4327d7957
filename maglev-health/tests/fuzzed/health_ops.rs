//! Any configuration, and anything that may happen to it.
//!
//! Input: a byte of options, a configuration (see [`config::spec`]), then operations of a selector and what it needs; bytes that
//! are missing are 0.

mod config;
mod rules;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use maglev_health::{
    ActionError, BackendId, BackendSpec, BackendView, Code, Control, ControlOptions, Dataplane, Done, FleetOptions,
    FrontendState, Hold, Jitter, MemberKey, Outcome, Overrides, ProbeId, ProbeResult, Program, Spec, State, Weight,
};

use self::config::{BACKENDS, address, backend_name, byte, frontend_name, pool_name, spec, vip_name, vips};
use self::rules::after_result;

/// Carries out the operations and checks after each what must hold. Returns the number of verdicts that counted.
pub(crate) fn check(mut data: &[u8]) -> usize {
    let data = &mut data;
    let options = byte(data);
    let Some(spec) = spec(data) else {
        return 0;
    };
    let mut world = World::new(options, spec);
    world.check_all();
    while !data.is_empty() {
        world.apply(data);
        world.check_all();
    }
    world.verdicts
}

/// A control, its surroundings, and what is known of its past.
struct World {
    options: ControlOptions,
    control: Control,
    spec: Spec,
    /// Weights by VIP and address.
    vpp: BTreeMap<(Arc<str>, IpAddr), Weight>,
    /// Whether the control has been told what VPP has.
    read: bool,
    now: Instant,
    /// Every probe that was ever asked for.
    probes: Vec<ProbeId>,
    /// Those that should be under way, by the events.
    running: BTreeMap<BackendId, ProbeId>,
    /// Since when a backend has had no probe under way.
    idle_since: BTreeMap<BackendId, Instant>,
    /// States by the events.
    states: BTreeMap<BackendId, State>,
    frontend_states: BTreeMap<Arc<str>, FrontendState>,
    /// Fails since a backend became unknown.
    fails: BTreeMap<BackendId, u16>,
    programs: Vec<Arc<Program>>,
    verdicts: usize,
}

impl World {
    fn new(options: u8, spec: Spec) -> Self {
        let options = ControlOptions {
            fleet: FleetOptions {
                history: NonZeroUsize::new(usize::from(options & 3)).unwrap_or(FleetOptions::default().history),
                startup_max_delay: Duration::from_secs(u64::from(options >> 4)),
            },
            dataplane: if options & 4 == 0 { Dataplane::Present } else { Dataplane::Absent },
            overrides: Overrides::default(),
        };
        let now = origin();
        let mut world = Self {
            control: Control::new(options.clone(), &spec, now, wall()),
            options,
            spec,
            vpp: BTreeMap::new(),
            read: false,
            now,
            probes: Vec::new(),
            running: BTreeMap::new(),
            idle_since: BTreeMap::new(),
            states: BTreeMap::new(),
            frontend_states: BTreeMap::new(),
            fails: BTreeMap::new(),
            programs: Vec::new(),
            verdicts: 0,
        };
        world.take_events();
        world.take_dirty(true);
        world
    }

    fn apply(&mut self, data: &mut &[u8]) {
        match byte(data) % 12 {
            0 => self.advance(Duration::from_millis(u64::from(byte(data)) * 100)),
            1 => self.advance_to_next(),
            2 => self.answer(data),
            // The fuzzer's way to states that take many verdicts.
            3 => self.verdict(byte(data)),
            4 => self.act(byte(data)),
            5 => self.set_weight(byte(data), byte(data)),
            6 => {
                if let Some(spec) = spec(data) {
                    self.reload(spec);
                }
            }
            7 => self.connect(),
            8 => self.sync(),
            9 => {
                let (place, weight) = (byte(data), byte(data) % 101);
                let key = (vip_name(place >> 4), address(place));
                self.vpp.insert(key, Weight::new(weight).unwrap_or_default());
            }
            10 => self.vpp.clear(),
            _ => self.restart(),
        }
    }

    fn advance_to_next(&mut self) {
        if let Some(due) = self.control.poll_timeout() {
            self.advance(due.saturating_duration_since(self.now));
        }
    }

    fn advance(&mut self, span: Duration) {
        let before = self.looks();
        self.now += span;
        self.control.handle_timeout(self.now);
        self.take_events();
        self.take_dirty(false);
        for (id, look) in self.looks() {
            assert_eq!(look, Look { in_flight: look.in_flight, ..before[&id].clone() }, "time starts probes, no more");
            assert!(before[&id].in_flight.is_none() || look.in_flight == before[&id].in_flight, "probes overlap");
        }
        assert!(self.control.poll_timeout().is_none_or(|due| due > self.now), "a probe is overdue");
        for backend in self.control.backends() {
            if let (true, Some(check)) = (is_probed(backend.state()), &backend.spec().check) {
                let longest = check.timing.interval.max(check.timing.fast_interval).max(check.timing.down_interval);
                let latest = self.idle_since[&backend.id()] + longest.mul_f64(1.1) + Duration::from_secs(1);
                assert!(backend.in_flight().is_some() || self.now <= latest, "{} is forgotten", backend.name());
            }
        }
    }

    /// Answers one of all probes there ever were.
    fn answer(&mut self, data: &mut &[u8]) {
        let (which, what) = (usize::from(byte(data)), byte(data));
        if let Some(index) = self.probes.len().checked_sub(1 + which) {
            self.result(self.probes[index], outcome(what), Jitter::new(f64::from(what >> 2) / 32.0 - 1.0));
        }
    }

    /// Lets a backend's next probe start and answers it.
    fn verdict(&mut self, what: u8) {
        let Some(backend) = self.control.backend_id(&backend_name(what % BACKENDS)) else {
            return;
        };
        // As many steps as there are backends: each of them may be due before this one.
        for _ in 0..4 * BACKENDS {
            if let Some(&probe) = self.running.get(&backend) {
                self.result(probe, outcome(what >> 2), Jitter::NONE);
                return;
            }
            self.advance_to_next();
            let others: Vec<ProbeId> =
                self.running.iter().filter(|(id, _)| **id != backend).map(|(_, probe)| *probe).collect();
            for probe in others {
                self.result(probe, Outcome::NoVerdict, Jitter::NONE);
            }
        }
    }

    fn result(&mut self, probe: ProbeId, outcome: Outcome, jitter: Jitter) {
        let before = self.looks();
        let result = match outcome {
            Outcome::Pass => ProbeResult::pass(Code::L4Ok, ""),
            Outcome::Fail => ProbeResult::fail(Code::L4Con, ""),
            Outcome::NoVerdict => ProbeResult::no_verdict(""),
        };
        let counted = self.control.handle_result(self.now, wall(), probe, result, jitter);
        let asked = before.iter().find(|(_, look)| look.in_flight == Some(probe)).map(|(id, _)| *id);
        assert_eq!(counted, asked.is_some(), "a result counts if its probe is under way, and only then");
        self.running.retain(|_, running| *running != probe);
        let expected = asked.map(|id| {
            self.idle_since.insert(id, self.now);
            let fails = self.fails.entry(id).or_default();
            *fails += u16::from(outcome == Outcome::Fail);
            (id, after_result(&before[&id], *fails, outcome, self.options.fleet.history.get()))
        });
        let transitions = self.take_events();
        self.take_dirty(false);
        assert!(counted || transitions == 0);
        self.verdicts += usize::from(counted && outcome != Outcome::NoVerdict);
        for (id, look) in self.looks() {
            match &expected {
                Some((asked, expected)) if *asked == id => assert_eq!(look, *expected),
                _ => assert_eq!(look, before[&id], "somebody else's result"),
            }
        }
    }

    fn act(&mut self, what: u8) {
        let Some(id) = self.control.backend_id(&backend_name(what % BACKENDS)) else {
            return;
        };
        let before = self.looks();
        let action = what >> 2;
        let done = self.do_action(id, action);
        let changed = self.take_events();
        let (looks, static_) = (self.looks(), before[&id].is_static);
        for (other, look) in &looks {
            assert!(*other == id || *look == before[other], "an action on somebody else");
        }
        let (from, to) = (before[&id].state, looks[&id].state);
        let out = matches!(from, State::Paused | State::Disabled);
        let begun = if static_ { State::Up } else { State::Unknown };
        let enabled = self.backend(id).spec().enabled;
        match (action % 5, done) {
            (0, Ok(_)) => assert_eq!(to, State::Paused),
            (2, Ok(_)) => assert_eq!(to, State::Disabled),
            (1, Ok(_)) => assert_eq!(to, if out { begun } else { from }),
            (3, Ok(_)) => assert_eq!(to, if from == State::Disabled { begun } else { from }),
            (_, Ok(_)) => assert_eq!(to == State::Disabled, !enabled),
            (0 | 1, Err(error)) => assert_eq!((error, from, to), (ActionError::Disabled, State::Disabled, to)),
            (action, Err(error)) => panic!("action {action} is refused in {from}: {error}"),
        }
        assert_eq!(changed > 0, from != to);
        if !is_probed(to) {
            assert_eq!(looks[&id].in_flight, None, "a probe goes on in {to}");
        }
        if from != to {
            self.idle_since.insert(id, self.now);
            assert_eq!(looks[&id].hold, Hold::None, "an action leaves nothing held");
        }
        self.take_dirty(false);
        // Once more changes nothing.
        let again = self.do_action(id, action);
        assert!(matches!(again, Ok(Done::Already) | Err(_)), "{again:?}");
        assert_eq!((again.is_err(), self.take_events()), (done.is_err(), 0));
        assert_eq!(self.looks(), looks);
    }

    fn do_action(&mut self, id: BackendId, action: u8) -> Result<Done, ActionError> {
        let now = self.now;
        match action % 5 {
            0 => self.control.pause(wall(), id, ""),
            1 => self.control.resume(now, wall(), id, ""),
            2 => self.control.disable(wall(), id, ""),
            3 => self.control.enable(now, wall(), id, ""),
            _ => self.control.clear(now, wall(), id, ""),
        }
    }

    fn set_weight(&mut self, place: u8, weight: u8) {
        let before = self.looks();
        let member = MemberKey {
            frontend: frontend_name(place & 1),
            pool: pool_name(place >> 1 & 3),
            backend: backend_name(place >> 3),
        };
        let done = self.control.set_weight(&member, Weight::new(weight));
        assert_eq!(self.take_events(), 0);
        assert_eq!(self.looks(), before, "weights have nothing to do with health");
        self.take_dirty(false);
        if done.is_ok() {
            assert_eq!(self.control.set_weight(&member, Weight::new(weight)), Ok(Done::Already));
        }
    }

    fn reload(&mut self, spec: Spec) {
        let before = self.looks();
        let held = self.held();
        let vips = vips(&spec);
        let vpp = &self.vpp;
        self.control
            .reload(self.now, wall(), &spec, &|frontend, address| vpp.get(&(vips[frontend].clone(), address)).copied());
        self.spec = spec;
        self.take_events();
        self.take_dirty(true);
        for (id, look) in self.looks() {
            let Some(old) = before.get(&id) else {
                assert!(
                    look.state != State::Unknown || look.hold.is_held() == self.has_dataplane(),
                    "what is new is held"
                );
                continue;
            };
            if !look.is_alike(old) {
                continue;
            }
            let given_up = old.state == State::Unknown && self.fails_of(id) == 0 && look.state == State::Down;
            if given_up {
                // The VIP in which it was held is gone, so that the fail which was forgiven counts.
                assert!(old.hold.is_patient());
            } else {
                let expected = Look { hold: look.hold, ..old.clone() };
                assert_eq!(look, expected, "a reload that does not touch a backend");
                assert_eq!(look.hold.is_held(), old.hold.is_held());
            }
        }
        for ((vip, id, address), weight) in self.held() {
            if let Some(before) = held.get(&(vip, id, address)) {
                assert_eq!(weight, *before, "what is held is held until a verdict");
            }
        }
    }

    fn connect(&mut self) {
        let before = self.looks();
        let first = self.has_dataplane() && !self.read;
        self.read |= self.has_dataplane();
        let (vips, vpp) = (vips(&self.spec), &self.vpp);
        let actual = |frontend: &str, address| vpp.get(&(vips[frontend].clone(), address)).copied();
        self.control.handle_actual(wall(), &actual);
        if first {
            for frontend in self.control.frontends() {
                for row in frontend.pools().flat_map(|pool| pool.members()) {
                    let backend = self.control.backend(row.backend).expect("it is in the configuration");
                    if backend.hold().is_held() {
                        let there = actual(frontend.name(), backend.address()).unwrap_or_default();
                        assert_eq!(row.effective, there, "{} keeps what VPP has", backend.name());
                    }
                }
            }
        }
        let transitions = self.take_events();
        self.take_dirty(false);
        assert!(first || transitions == 0);
        for (id, look) in self.looks() {
            let old = &before[&id];
            if first && old.hold == Hold::Pending && look.state == State::Down {
                assert_eq!((old.state, look.counter), (State::Unknown, 0));
            } else if first && old.hold == Hold::Pending {
                assert!(matches!(look.hold, Hold::Held { .. }));
                assert_eq!(look, Look { hold: look.hold, ..old.clone() });
            } else {
                assert_eq!(look, *old);
            }
        }
    }

    /// Makes VPP agree with what may be applied.
    fn sync(&mut self) {
        for frontend in self.control.frontends().filter(|frontend| !frontend.program().pending) {
            let vip = &frontend.spec().vip;
            self.vpp.retain(|(other, _), _| other != vip);
            let targets = frontend.program().targets.iter();
            self.vpp.extend(targets.map(|(&address, target)| ((vip.clone(), address), target.weight)));
        }
    }

    /// The daemon ends, and another one starts over a VPP that agrees with it.
    fn restart(&mut self) {
        if !self.read || self.looks().values().any(|look| look.hold == Hold::Pending) {
            return;
        }
        self.sync();
        let leaving = self.control.frontends().any(|frontend| {
            let members = frontend.pools().flat_map(|pool| pool.members());
            let addresses: Vec<IpAddr> = members.map(|row| self.backend(row.backend).address()).collect();
            frontend.program().targets.keys().any(|address| !addresses.contains(address))
        });
        let weights = |control: &Control| -> Vec<BTreeMap<IpAddr, Weight>> {
            let targets = |program: &Program| program.targets.iter().map(|(&at, target)| (at, target.weight)).collect();
            control.frontends().map(|frontend| targets(frontend.program())).collect()
        };
        let before = weights(&self.control);
        let options = ControlOptions { overrides: self.control.overrides().clone(), ..self.options.clone() };
        self.control = Control::new(options, &self.spec, self.now, wall());
        self.read = false;
        self.running.clear();
        self.states.clear();
        self.fails.clear();
        self.idle_since.clear();
        self.frontend_states.clear();
        self.probes.clear();
        self.programs.clear();
        self.take_events();
        self.take_dirty(true);
        self.connect();
        // Of an address that is being left the configuration says nothing, so that nobody knows of it any more.
        if !leaving {
            assert_eq!(weights(&self.control), before, "a restart changes no weight");
        }
    }

    fn looks(&self) -> BTreeMap<BackendId, Look> {
        let look = |backend: BackendView<'_>| Look {
            state: backend.state(),
            counter: backend.counter(),
            rise: backend.rise(),
            fall: backend.fall(),
            hold: backend.hold(),
            in_flight: backend.in_flight(),
            is_static: backend.spec().check.is_none(),
            spec: backend.spec().clone(),
            history: backend.history().len(),
        };
        self.control.backends().map(|backend| (backend.id(), look(backend))).collect()
    }

    /// By VIP, backend and address: what is held there.
    fn held(&self) -> BTreeMap<(Arc<str>, BackendId, IpAddr), Weight> {
        let mut held = BTreeMap::new();
        for frontend in self.control.frontends() {
            for row in frontend.pools().flat_map(|pool| pool.members()) {
                let backend = self.backend(row.backend);
                if matches!(backend.hold(), Hold::Held { .. }) {
                    held.insert((frontend.spec().vip.clone(), row.backend, backend.address()), row.effective);
                }
            }
        }
        held
    }

    fn backend(&self, id: BackendId) -> BackendView<'_> {
        self.control.backend(id).expect("it is in the configuration")
    }

    fn fails_of(&self, id: BackendId) -> u16 {
        self.fails.get(&id).copied().unwrap_or_default()
    }

    fn has_dataplane(&self) -> bool {
        self.options.dataplane == Dataplane::Present
    }
}

/// What can be seen of a backend.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Look {
    state: State,
    counter: u16,
    rise: u16,
    fall: u16,
    hold: Hold,
    in_flight: Option<ProbeId>,
    is_static: bool,
    spec: BackendSpec,
    history: usize,
}

impl Look {
    /// Whether a reload from one to the other has nothing to say about health.
    fn is_alike(&self, old: &Self) -> bool {
        let (new, old) = (&self.spec, &old.spec);
        new.address == old.address && new.check == old.check && new.enabled == old.enabled
    }
}

fn is_probed(state: State) -> bool {
    matches!(state, State::Unknown | State::Up | State::Down)
}

fn outcome(what: u8) -> Outcome {
    [Outcome::Pass, Outcome::Fail, Outcome::NoVerdict, Outcome::Fail][usize::from(what & 3)]
}

fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH
}

/// The one instant that does not come in as an argument.
#[allow(clippy::disallowed_methods, reason = "an `Instant` has no other origin; the fuzz crate has no such rule")]
fn origin() -> Instant {
    Instant::now()
}
