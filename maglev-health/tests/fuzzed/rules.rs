//! What must hold whatever happened, and what a result does.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use maglev_health::{BackendOverride, Cut, Event, FrontendState, Hold, Outcome, Program, State, Weight};

use super::config::vips;
use super::{Look, World, is_probed};

impl World {
    /// Backend by backend and frontend by frontend.
    pub(super) fn check_all(&self) {
        for backend in self.control.backends() {
            assert_eq!(backend.state(), self.states[&backend.id()]);
            assert!(backend.counter() < backend.rise() + backend.fall(), "the counter leaves its range");
            let has_up_counter = backend.counter() >= backend.rise();
            match backend.state() {
                State::Up => assert!(has_up_counter),
                State::Down => assert!(!has_up_counter),
                State::Unknown => assert_eq!(backend.counter(), backend.rise() - 1),
                State::Paused | State::Disabled => assert_eq!(backend.in_flight(), None),
                State::Removed => panic!("a backend that was removed is still there"),
            }
            assert_eq!(backend.in_flight(), self.running.get(&backend.id()).copied());
            let is_static = backend.spec().check.is_none();
            assert!(!is_static || (backend.state() != State::Unknown && backend.in_flight().is_none()));
            assert!(!backend.hold().is_held() || backend.state() == State::Unknown);
            assert!(self.has_dataplane() || !backend.hold().is_held());
            assert!(!self.read || backend.hold() != Hold::Pending);
            assert!(backend.history().len() <= self.options.fleet.history.get());
            assert!(backend.history().next().is_some_and(|newest| newest.to == backend.state()));
            match (backend.overridden(), backend.spec().enabled) {
                (Some(BackendOverride::Paused), _) => assert_eq!(backend.state(), State::Paused),
                (Some(BackendOverride::Disabled), _) | (None, false) => assert_eq!(backend.state(), State::Disabled),
                (Some(BackendOverride::Enabled), _) | (None, true) => assert!(is_probed(backend.state())),
            }
            let waits = is_probed(backend.state()) && !is_static && backend.in_flight().is_none();
            assert!(!waits || self.control.poll_timeout().is_some(), "{} waits for nothing", backend.name());
        }
        for index in 0..self.spec.frontends().len() {
            self.check_frontend(index);
        }
    }

    fn check_frontend(&self, index: usize) {
        let frontend = self.control.frontends().nth(index).expect("as many as configured");
        let program = frontend.program();
        let state = |id| self.backend(id).state();
        let pending = |id| self.backend(id).hold() == Hold::Pending;
        let mut weights: BTreeMap<IpAddr, Weight> = BTreeMap::new();
        let mut first_serving = None;
        let mut members = Vec::new();
        for (number, pool) in frontend.pools().enumerate() {
            let active = number == frontend.active_pool();
            assert_eq!(pool.is_active(), active);
            for row in pool.members() {
                let weight = row.overridden.unwrap_or(row.configured);
                let held = self.backend(row.backend).hold().is_held();
                match state(row.backend) {
                    State::Up if active => assert_eq!(row.effective, weight),
                    State::Unknown if held && !pending(row.backend) => {}
                    _ => assert_eq!(row.effective, Weight::ZERO, "{} of pool {number}", row.name),
                }
                // The pool that carries weight is the first that can; of what is held only the program tells.
                if state(row.backend) == State::Up && weight.is_positive() {
                    first_serving.get_or_insert(number);
                }
                let address = self.backend(row.backend).address();
                let shown = weights.entry(address).or_default();
                *shown = (*shown).max(row.effective);
                members.push(row.backend);
            }
        }
        assert!(
            first_serving.is_none_or(|first| frontend.active_pool() <= first),
            "an active pool behind one that serves"
        );
        for (address, weight) in &weights {
            assert_eq!(program.targets[address].weight, *weight);
        }
        assert_eq!(program.pending, members.iter().any(|id| pending(*id)));
        let carries = program.targets.values().any(|target| target.weight.is_positive());
        match program.state {
            FrontendState::Up => assert!(carries),
            FrontendState::Unknown => {
                assert!(!carries && (program.pending || members.iter().all(|id| state(*id) == State::Unknown)));
            }
            FrontendState::Down => assert!(!carries && members.iter().any(|id| state(*id) != State::Unknown)),
        }
        assert_eq!(self.frontend_states.get(frontend.name()).copied().unwrap_or_default(), program.state);
        for id in members {
            let target = &program.targets[&self.backend(id).address()];
            let set_aside = matches!(state(id), State::Down | State::Paused | State::Disabled);
            assert_eq!(target.cut == Cut::Urgent, set_aside);
            match (state(id), target.flush) {
                (State::Down, Some(order)) => assert!(order.needs_server && frontend.spec().flush_on_down),
                (State::Disabled, Some(order)) => assert!(!order.needs_server),
                (state, Some(_)) => panic!("a flush is owed in {state}"),
                (_, None) => {}
            }
        }
    }

    /// Takes what is new and compares it with what was known. Returns the number of backends' transitions.
    pub(super) fn take_events(&mut self) -> usize {
        let mut transitions = 0;
        while let Some(event) = self.control.poll_event() {
            match event {
                Event::Probe { backend, probe, .. } => {
                    assert_eq!(self.running.insert(backend, probe), None, "probes of one backend overlap");
                    assert!(self.probes.last().is_none_or(|last| *last < probe), "a probe's number is used again");
                    assert!(is_probed(self.states[&backend]), "a probe in {}", self.states[&backend]);
                    self.probes.push(probe);
                }
                Event::Cancel { backend, probe } => {
                    assert_eq!(self.running.remove(&backend), Some(probe));
                    self.idle_since.insert(backend, self.now);
                }
                Event::Started { backend, .. } => {
                    assert_eq!(self.states.insert(backend, State::Unknown), None);
                    self.idle_since.insert(backend, self.now);
                }
                Event::Restarted { backend, .. } => {
                    self.fails.remove(&backend);
                    self.idle_since.insert(backend, self.now);
                }
                Event::Stopped { backend, .. } => {
                    assert_eq!(self.states.remove(&backend), Some(State::Removed));
                    assert!(!self.running.contains_key(&backend), "a probe of a backend that is gone");
                }
                Event::Transition { backend, transition, .. } => {
                    assert_ne!(transition.from, transition.to);
                    assert_eq!(self.states.insert(backend, transition.to), Some(transition.from));
                    self.fails.remove(&backend);
                    transitions += 1;
                }
                Event::FrontendTransition { frontend, from, to } => {
                    assert_ne!(from, to);
                    assert_eq!(self.frontend_states.insert(frontend, to).unwrap_or_default(), from);
                }
                _ => {}
            }
        }
        let configured = vips(&self.spec);
        self.frontend_states.retain(|name, _| configured.contains_key(name));
        transitions
    }

    /// What is dirty has changed, and what has changed is dirty; a new configuration makes all dirty.
    pub(super) fn take_dirty(&mut self, all: bool) {
        let dirty: Vec<usize> = self.control.take_dirty().iter().map(|index| index.get()).collect();
        let programs: Vec<Arc<Program>> = self.control.frontends().map(|frontend| frontend.program().clone()).collect();
        let differ = |&index: &usize| self.programs.get(index) != programs.get(index);
        let expected: Vec<usize> = (0..programs.len()).filter(|index| all || differ(index)).collect();
        assert_eq!(dirty, expected);
        self.programs = programs;
    }
}

/// The state machine once more. `fails` counts those since the backend became unknown, this one included.
pub(super) fn after_result(before: &Look, fails: u16, outcome: Outcome, history: usize) -> Look {
    let top = before.rise + before.fall - 1;
    let (state, counter) = match (before.state, outcome) {
        (state, Outcome::NoVerdict) => (state, before.counter),
        (State::Unknown, Outcome::Pass) => (State::Up, before.rise),
        (State::Unknown, Outcome::Fail) if before.hold.is_patient() && fails < before.fall => {
            (State::Unknown, before.counter)
        }
        (State::Unknown, Outcome::Fail) => (State::Down, 0),
        (_, Outcome::Pass) => {
            let counter = top.min(before.counter + 1);
            (if counter >= before.rise { State::Up } else { State::Down }, counter)
        }
        (_, Outcome::Fail) => {
            let counter = before.counter.saturating_sub(1);
            (if counter >= before.rise { State::Up } else { State::Down }, counter)
        }
    };
    let hold = if state == State::Unknown { before.hold } else { Hold::None };
    let history = history.min(before.history + usize::from(state != before.state));
    Look { state, counter, hold, in_flight: None, history, ..before.clone() }
}
