//! Random configurations and random operations, checked against the rules written once more, in the plainest way.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use maglev_health::{
    BackendId, BackendSpec, CheckSpec, Control, Cut, Event, FrontendState, FrontendView, MemberKey, Outcome, Overrides,
    Program, Spec, State, Weight,
};
use proptest::prelude::*;

use crate::any::{Action, BACKENDS, Config, Op, any_config, any_op, any_vpp, backend_name, frontend_name, pool_name};
use crate::rig::{Rig, Vpp, wall};

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_rule_holds_after_every_operation(
        config in any_config(),
        actual in any_vpp(),
        ops in prop::collection::vec(any_op(), 1..60),
    ) {
        let mut world = World::new(&config, actual);
        world.check()?;
        for op in ops {
            world.apply(&op);
            world.check()?;
        }
    }

    #[test]
    fn a_restart_changes_nothing(
        config in any_config(),
        ops in prop::collection::vec(any_op(), 1..40),
        order in Just((0..BACKENDS).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut world = World::new(&config, Vpp::new());
        world.apply_all(&ops);
        world.know_all();
        let before = world.rig;
        let mut after = Rig::start(before.spec.clone(), before.vpp.clone(), before.control.overrides().clone());
        after.connect();
        prop_assert_eq!(&weights(&after), &before.vpp);
        // Each backend says what it said before: at no time does a weight change, nor is a flush owed.
        for index in order {
            let name = backend_name(index);
            let Some(backend) = before.control.backend_id(&name).and_then(|id| before.control.backend(id)) else {
                continue;
            };
            if after.backend(&name).state() != State::Unknown {
                continue;
            }
            let outcome = match backend.state() {
                State::Up => Outcome::Pass,
                _ => Outcome::Fail,
            };
            after.verdict(&name, outcome);
            prop_assert_eq!(after.backend(&name).state(), backend.state());
            prop_assert_eq!(&weights(&after), &before.vpp);
        }
        for (new, old) in after.control.frontends().zip(before.control.frontends()) {
            prop_assert_eq!(new.state(), old.state());
            prop_assert!(new.program().decided);
            for target in new.program().targets.values() {
                // Whatever VPP already has at 0 is not owed a flush again.
                prop_assert!(target.flush.is_none_or(|order| order.first_verdict && target.weight == Weight::ZERO));
            }
        }
    }

    #[test]
    fn a_reload_that_changes_every_check_changes_no_weight(
        config in any_config(),
        ops in prop::collection::vec(any_op(), 1..40),
    ) {
        let mut world = World::new(&config, Vpp::new());
        world.apply_all(&ops);
        world.know_all();
        let mut rig = world.rig;
        let recheck = |backend: &BackendSpec| BackendSpec {
            check: backend.check.clone().map(|check| CheckSpec { identity: "quite another".into(), ..check }),
            ..backend.clone()
        };
        let backends = rig.spec.backends().iter().map(recheck).collect();
        let changed = Spec::new(backends, rig.spec.frontends().to_vec()).unwrap();
        rig.reload(changed);
        prop_assert_eq!(&weights(&rig), &rig.vpp);
    }

    #[test]
    fn a_clone_tells_what_a_reload_will_do_and_the_original_does_not_notice(
        config in any_config(),
        actual in any_vpp(),
        ops in prop::collection::vec(any_op(), 1..40),
        candidate in any_config(),
    ) {
        let mut world = World::new(&config, actual);
        world.apply_all(&ops);
        let mut rig = world.rig;
        let candidate = candidate.spec(false);
        let before = format!("{:?}", rig.control);
        let mut clone = rig.reloaded_clone(&candidate);
        prop_assert_eq!(format!("{:?}", rig.control), before);

        rig.reload(candidate);
        let programs = |control: &Control| -> Vec<_> {
            control.frontends().map(|frontend| (frontend.name().clone(), frontend.program().clone())).collect()
        };
        prop_assert_eq!(programs(&clone), programs(&rig.control));
        prop_assert_eq!(clone.overrides(), rig.control.overrides());
        prop_assert_eq!(clone.poll_timeout(), rig.control.poll_timeout());
        prop_assert_eq!(clone.take_dirty(), rig.control.take_dirty());
        let told = |control: &Control| -> Vec<_> {
            control.backends().map(|backend| (backend.id(), backend.state(), backend.hold(), backend.counter())).collect()
        };
        prop_assert_eq!(told(&clone), told(&rig.control));
    }

    #[test]
    fn programs_do_not_depend_on_the_order_of_frontends(
        config in any_config(),
        actual in any_vpp(),
        ops in prop::collection::vec(any_op(), 1..40),
    ) {
        let mut one = World::new(&config, actual.clone());
        let mut other = World::new(&config, actual);
        other.reversed = true;
        other.apply(&Op::Reload(config.clone()));
        one.apply(&Op::Reload(config));
        for op in ops {
            one.apply(&op);
            other.apply(&op);
        }
        for frontend in one.rig.control.frontends() {
            prop_assert_eq!(&**frontend.program(), other.rig.program(frontend.name()));
        }
    }
}

/// A rig, and what it should hold.
struct World {
    rig: Rig,
    reversed: bool,
    /// By VIP and backend: what it holds at its address, and at addresses that it is leaving.
    held: BTreeMap<(Arc<str>, BackendId), Held>,
    programs: Vec<Program>,
    /// Incidents seen, and how often each backend entered `down` or `disabled`.
    incidents: BTreeMap<(BackendId, usize), u64>,
    entered: BTreeMap<BackendId, usize>,
    states: BTreeMap<BackendId, State>,
}

#[derive(Clone, Default)]
struct Held {
    weight: Weight,
    leaving: BTreeMap<IpAddr, Weight>,
}

impl World {
    fn new(config: &Config, actual: Vpp) -> Self {
        let mut rig = Rig::start(config.spec(false), actual, Overrides::default());
        rig.connect();
        let mut world = Self {
            rig,
            reversed: false,
            held: BTreeMap::new(),
            programs: Vec::new(),
            incidents: BTreeMap::new(),
            entered: BTreeMap::new(),
            states: BTreeMap::new(),
        };
        world.note_holds(&BTreeMap::new(), &BTreeMap::new());
        world
    }

    fn apply_all(&mut self, ops: &[Op]) {
        for op in ops {
            self.apply(op);
        }
    }

    fn apply(&mut self, op: &Op) {
        let now = self.rig.now;
        match op {
            Op::Verdict(index, outcome) => {
                if let Some(backend) = self.find(*index)
                    && matches!(self.state(backend), State::Unknown | State::Up | State::Down)
                    && self.rig.backend(&backend_name(*index)).spec().check.is_some()
                {
                    self.rig.verdict(&backend_name(*index), *outcome);
                }
            }
            Op::Wait(millis) => self.rig.advance(Duration::from_millis(*millis)),
            Op::Act(index, action) => {
                if self.find(*index).is_some() {
                    // Refusals are among what is tested.
                    let _ = self.rig.act(
                        |control, id| match action {
                            Action::Pause => control.pause(wall(), id, ""),
                            Action::Resume => control.resume(now, wall(), id, ""),
                            Action::Disable => control.disable(wall(), id, ""),
                            Action::Enable => control.enable(now, wall(), id, ""),
                            Action::Clear => control.clear(now, wall(), id, ""),
                        },
                        &backend_name(*index),
                    );
                }
            }
            Op::SetWeight(frontend, pool, backend, weight) => {
                let member = MemberKey {
                    frontend: frontend_name(*frontend).into(),
                    pool: pool_name(*pool).into(),
                    backend: backend_name(*backend).into(),
                };
                let _ = self.rig.control.set_weight(&member, *weight);
                self.rig.advance(Duration::ZERO);
            }
            Op::Reload(config) => self.reload(config.spec(self.reversed)),
            Op::Sync => self.rig.sync(),
            Op::VppRestart => {
                self.rig.vpp.clear();
                self.rig.connect();
            }
        }
        let control = &self.rig.control;
        let is_held = |id| control.backend(id).is_some_and(|backend| backend.hold().is_held());
        self.held.retain(|&(_, id), _| is_held(id));
    }

    fn reload(&mut self, spec: Spec) {
        let addresses: BTreeMap<BackendId, IpAddr> =
            self.rig.control.backends().map(|backend| (backend.id(), backend.address())).collect();
        let vips: BTreeMap<Arc<str>, Vec<BackendId>> =
            self.rig.control.frontends().map(|frontend| (frontend.spec().vip.clone(), members(&frontend))).collect();
        self.rig.reload(spec);
        self.note_holds(&addresses, &vips);
    }

    /// Writes down what each held backend has in VPP, unless it was held before.
    fn note_holds(&mut self, addresses: &BTreeMap<BackendId, IpAddr>, vips: &BTreeMap<Arc<str>, Vec<BackendId>>) {
        let before = std::mem::take(&mut self.held);
        for frontend in self.rig.control.frontends() {
            let vip = &frontend.spec().vip;
            let in_vpp = |address| self.rig.vpp.get(&(vip.clone(), address)).copied();
            let in_use: Vec<IpAddr> =
                members(&frontend).into_iter().map(|id| self.rig.control.backend(id).unwrap().address()).collect();
            for id in members(&frontend) {
                let backend = self.rig.control.backend(id).unwrap();
                if !backend.hold().is_held() {
                    continue;
                }
                let address = backend.address();
                let was_held = before.get(&(vip.clone(), id));
                let was_there = vips.get(vip).is_some_and(|members| members.contains(&id));
                let mut held = was_held.cloned().unwrap_or_default();
                match addresses.get(&id) {
                    Some(&old) if old != address => {
                        let weight = was_held.map(|held| held.weight).or_else(|| in_vpp(old));
                        held.weight = in_vpp(address).unwrap_or_default();
                        if let Some(weight) = weight
                            && was_there
                        {
                            held.leaving.insert(old, weight);
                        }
                    }
                    _ if was_held.is_some() => {}
                    _ => held.weight = in_vpp(address).unwrap_or_default(),
                }
                held.leaving.retain(|address, _| !in_use.contains(address));
                self.held.insert((vip.clone(), id), held);
            }
        }
    }

    /// Ends every doubt: unknown backends fail or pass by their number, and VPP agrees.
    fn know_all(&mut self) {
        for index in 0..BACKENDS {
            let name = backend_name(index);
            while self.find(index).is_some() && self.rig.backend(&name).state() == State::Unknown {
                let outcome = [Outcome::Pass, Outcome::Fail][index % 2];
                self.rig.verdict(&name, outcome);
            }
        }
        self.rig.sync();
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        self.check_events()?;
        self.check_dirty()?;
        for frontend in self.rig.control.frontends() {
            self.check_frontend(&frontend)?;
        }
        self.check_incidents()
    }

    fn check_events(&mut self) -> Result<(), TestCaseError> {
        for event in self.rig.events() {
            match event {
                Event::Started { backend, .. } => {
                    self.states.insert(backend, State::Unknown);
                }
                Event::Transition { backend, transition, .. } => {
                    prop_assert_eq!(self.states.insert(backend, transition.to), Some(transition.from));
                    if matches!(transition.to, State::Down | State::Disabled) {
                        *self.entered.entry(backend).or_default() += 1;
                    }
                }
                _ => {}
            }
        }
        for backend in self.rig.control.backends() {
            prop_assert_eq!(backend.state(), self.states[&backend.id()]);
            prop_assert!(backend.counter() < backend.rise() + backend.fall());
            prop_assert!(backend.history().len() <= 5);
            prop_assert!(backend.spec().check.is_some() || backend.state() != State::Unknown);
        }
        Ok(())
    }

    /// What is dirty has changed, and what has changed is dirty (or the configuration did, which makes all dirty).
    fn check_dirty(&mut self) -> Result<(), TestCaseError> {
        let dirty: Vec<usize> = self.rig.control.take_dirty().iter().map(|index| index.get()).collect();
        let programs: Vec<Program> =
            self.rig.control.frontends().map(|frontend| frontend.program().as_ref().clone()).collect();
        let changed: Vec<usize> =
            (0..programs.len()).filter(|&index| self.programs.get(index) != programs.get(index)).collect();
        if dirty.len() < programs.len() {
            prop_assert_eq!(dirty, changed);
        }
        self.programs = programs;
        Ok(())
    }

    fn check_frontend(&self, frontend: &FrontendView<'_>) -> Result<(), TestCaseError> {
        let vip = &frontend.spec().vip;
        let held = |id: BackendId| {
            let backend = self.rig.control.backend(id).unwrap();
            backend.hold().is_held().then(|| &self.held[&(vip.clone(), id)])
        };
        let serves = |id: BackendId| {
            let up = self.state(id) == State::Up;
            up || held(id).is_some_and(|held| {
                held.weight.is_positive() || held.leaving.values().any(|weight| weight.is_positive())
            })
        };
        let rows: Vec<Vec<(BackendId, Weight, Weight)>> = frontend
            .pools()
            .map(|pool| {
                let row = |row: maglev_health::MemberView<'_>| {
                    (row.backend, row.overridden.unwrap_or(row.configured), row.effective)
                };
                pool.members().map(row).collect()
            })
            .collect();

        let active = rows
            .iter()
            .position(|pool| pool.iter().any(|&(id, weight, _)| serves(id) && weight.is_positive()))
            .unwrap_or(0);
        prop_assert_eq!(frontend.active_pool(), active);

        let mut targets: BTreeMap<IpAddr, Weight> = BTreeMap::new();
        for (index, pool) in rows.iter().enumerate() {
            for &(id, weight, effective) in pool {
                let expected = match (self.state(id), held(id)) {
                    (State::Up, _) if index == active => weight,
                    (State::Unknown, Some(held)) => held.weight,
                    _ => Weight::ZERO,
                };
                prop_assert_eq!(effective, expected);
                // The promise behind it: one pool carries weight unless something is held.
                prop_assert!(index == active || !effective.is_positive() || held(id).is_some());
                let address = self.rig.control.backend(id).unwrap().address();
                let target = targets.entry(address).or_default();
                *target = (*target).max(expected);
            }
        }
        for id in members(frontend) {
            targets.extend(held(id).iter().flat_map(|held| &held.leaving));
        }
        let program = frontend.program();
        let weights: BTreeMap<IpAddr, Weight> =
            program.targets.iter().map(|(&address, target)| (address, target.weight)).collect();
        prop_assert_eq!(&weights, &targets);
        prop_assert!(!program.pending);

        let unknown = |&id: &BackendId| self.state(id) == State::Unknown;
        let state = if targets.values().any(|weight| weight.is_positive()) {
            FrontendState::Up
        } else if members(frontend).iter().all(unknown) {
            FrontendState::Unknown
        } else {
            FrontendState::Down
        };
        prop_assert_eq!(frontend.state(), state);
        prop_assert_eq!(program.state, state);
        prop_assert!(program.decided || members(frontend).iter().any(unknown));
        Ok(())
    }

    /// A flush is ordered in `down` and `disabled` alone, once per entering, the same in every VIP.
    fn check_incidents(&mut self) -> Result<(), TestCaseError> {
        for frontend in self.rig.control.frontends() {
            for id in members(&frontend) {
                let address = self.rig.control.backend(id).unwrap().address();
                let (state, target) = (self.state(id), frontend.program().targets[&address]);
                let set_aside = matches!(state, State::Down | State::Paused | State::Disabled);
                prop_assert_eq!(target.cut == Cut::Urgent, set_aside);
                prop_assert!(!set_aside || !target.weight.is_positive());
                let Some(order) = target.flush else {
                    continue;
                };
                match state {
                    State::Down => prop_assert!(order.needs_server && frontend.spec().flush_on_down),
                    State::Disabled => prop_assert!(!order.needs_server),
                    other => prop_assert!(false, "flush in {other}"),
                }
                let entered = self.entered[&id];
                let known = *self.incidents.entry((id, entered)).or_insert(order.incident);
                prop_assert_eq!(known, order.incident, "one entering, one incident");
                let before = self.incidents.get(&(id, entered - 1));
                prop_assert!(before.is_none_or(|&before| before < known));
            }
        }
        Ok(())
    }

    fn find(&self, index: usize) -> Option<BackendId> {
        self.rig.control.backend_id(&backend_name(index))
    }

    fn state(&self, id: BackendId) -> State {
        self.rig.control.backend(id).unwrap().state()
    }
}

/// Everything that the programs say, as a VPP would have it.
fn weights(rig: &Rig) -> Vpp {
    let mut weights = Vpp::new();
    for frontend in rig.control.frontends() {
        for (&address, target) in &frontend.program().targets {
            weights.insert((frontend.spec().vip.clone(), address), target.weight);
        }
    }
    weights
}

fn members(frontend: &FrontendView<'_>) -> Vec<BackendId> {
    let mut members: Vec<BackendId> =
        frontend.pools().flat_map(|pool| pool.members().map(|row| row.backend).collect::<Vec<_>>()).collect();
    members.sort_unstable();
    members.dedup();
    members
}
