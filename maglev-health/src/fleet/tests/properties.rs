//! Random operations: what no order of them may break.

use proptest::prelude::*;
use std::collections::BTreeMap;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    /// Time passes, and what is due starts.
    Wait(u64),
    Answer(usize, u8, f64),
    /// A result of a probe that is over.
    Stale(usize),
    Pause(u64),
    Resume(u64),
    Disable(u64),
    Enable(u64),
    Restart(u64, bool),
    Resolve(u64, bool),
    Remove(u64),
    Insert(bool, bool),
    ProbeNow(u64),
    /// Another damping, or none.
    Damp(u64, bool),
}

fn any_op() -> impl Strategy<Value = Op> {
    let id = || 1..8u64;
    prop_oneof![
        6 => (0..4000u64).prop_map(Op::Wait),
        9 => (any::<usize>(), 0..3u8, -1.0..1.0).prop_map(|(which, outcome, jitter)| Op::Answer(which, outcome, jitter)),
        1 => any::<usize>().prop_map(Op::Stale),
        1 => id().prop_map(Op::Pause),
        2 => id().prop_map(Op::Resume),
        1 => id().prop_map(Op::Disable),
        2 => id().prop_map(Op::Enable),
        1 => (id(), any::<bool>()).prop_map(|(id, probed)| Op::Restart(id, probed)),
        1 => (id(), any::<bool>()).prop_map(|(id, above)| Op::Resolve(id, above)),
        1 => id().prop_map(Op::Remove),
        1 => any::<(bool, bool)>().prop_map(|(probed, enabled)| Op::Insert(probed, enabled)),
        1 => id().prop_map(Op::ProbeNow),
        1 => (id(), any::<bool>()).prop_map(|(id, damped)| Op::Damp(id, damped)),
    ]
}

proptest! {
    #[test]
    fn whatever_happens(ops in prop::collection::vec(any_op(), 1..300)) {
        let mut world = World::new(3, damped(1000), secs(3));
        let mut running: BTreeMap<BackendId, ProbeId> = BTreeMap::new();
        let mut over: Vec<ProbeId> = Vec::new();
        let mut states: BTreeMap<BackendId, State> = BTreeMap::new();
        let mut incident = 0;
        for op in ops {
            let now = world.now;
            match op {
                Op::Wait(millis) => {
                    world.now += ms(millis);
                    world.fleet.handle_timeout(world.now);
                }
                Op::Answer(which, outcome, jitter) => {
                    let Some((&id, &probe)) = running.iter().nth(which % running.len().max(1)) else {
                        continue;
                    };
                    running.remove(&id);
                    over.push(probe);
                    world.jitter = Jitter::new(jitter);
                    let outcome = [Outcome::Pass, Outcome::Fail, Outcome::NoVerdict][usize::from(outcome)];
                    let before = world.backend(id.get()).counter();
                    prop_assert!(world.answer(now, probe, outcome));
                    let backend = world.backend(id.get());
                    if outcome == Outcome::NoVerdict {
                        prop_assert_eq!(backend.counter(), before);
                        prop_assert_eq!(backend.state(), states[&id]);
                    }
                }
                Op::Stale(which) => {
                    let Some(&probe) = over.get(which % over.len().max(1)) else {
                        continue;
                    };
                    prop_assert!(!world.answer(now, probe, Outcome::Fail));
                    prop_assert_eq!(world.fleet.poll_event(), None);
                }
                Op::Pause(id) => drop(world.fleet.pause(AT, BackendId(id), "")),
                Op::Resume(id) => drop(world.fleet.resume(now, AT, BackendId(id), "")),
                Op::Disable(id) => drop(world.fleet.disable(AT, BackendId(id), "")),
                Op::Enable(id) => drop(world.fleet.enable(now, AT, BackendId(id), "")),
                Op::Restart(id, probed) => {
                    let spec = spec("again", probed.then(check));
                    world.fleet.restart(now, AT, BackendId(id), spec, Hold::Pending, Place::ONLY);
                }
                Op::Resolve(id, above_zero) => {
                    world.fleet.resolve_hold(AT, BackendId(id), Hold::Held { above_zero });
                }
                Op::Remove(id) => world.fleet.remove(AT, BackendId(id)),
                Op::Insert(probed, enabled) => {
                    let spec = BackendSpec { enabled, ..spec("new", probed.then(check)) };
                    let admission = Admission { occasion: Occasion::Reload, ..admission(0, 1) };
                    world.fleet.insert(now, AT, spec, admission);
                }
                Op::ProbeNow(id) => {
                    let id = BackendId(id);
                    let planned = world.fleet.probe_now(now, id);
                    let in_flight = world.fleet.backend(id).and_then(|backend| backend.in_flight());
                    match planned {
                        Ok(Planned::Now) => prop_assert_eq!(world.fleet.backends.get(id).and_then(|member| member.timer), Some(now)),
                        Ok(Planned::UnderWay(probe)) => prop_assert_eq!(in_flight, Some(probe)),
                        Err(_) => prop_assert_eq!(in_flight, None),
                    }
                }
                Op::Damp(id, on) => {
                    let spec = spec("damped", Some(if on { damped(700) } else { check() }));
                    if world.fleet.backend(BackendId(id)).is_some_and(|backend| backend.spec().check.is_some()) {
                        world.fleet.update(BackendId(id), spec);
                        world.fleet.handle_timeout(now);
                    }
                }
            }
            for event in world.events() {
                match event {
                    Event::Probe { backend, probe, .. } => {
                        // Never two at a time, and never for one that is set aside.
                        prop_assert_eq!(running.insert(backend, probe), None);
                        let state = world.fleet.backend(backend).map(|backend| backend.state());
                        prop_assert!(matches!(state, Some(State::Unknown | State::Up | State::Down)));
                    }
                    Event::Cancel { backend, probe } => {
                        prop_assert_eq!(running.remove(&backend), Some(probe));
                        over.push(probe);
                    }
                    Event::Transition { backend, transition, .. } => {
                        prop_assert_ne!(transition.from, transition.to);
                        let before = states.insert(backend, transition.to).unwrap_or(State::Unknown);
                        prop_assert_eq!(before, transition.from);
                        let enters = matches!(transition.to, State::Down | State::Disabled);
                        incident += u64::from(enters);
                    }
                    Event::Started { backend, .. } => {
                        states.insert(backend, State::Unknown);
                    }
                    _ => {}
                }
            }
            prop_assert_eq!(world.fleet.last_incident(), incident, "one for each entering, and no other");
            for backend in world.fleet.backends() {
                let probed = matches!(backend.state(), State::Unknown | State::Up | State::Down)
                    && backend.spec().check.is_some();
                let member = world.fleet.backends.get(backend.id()).unwrap();
                // Probed backends have a timer or a probe, the others neither.
                prop_assert_eq!(member.timer.is_some() ^ member.under_way.is_some(), probed);
                prop_assert_eq!(running.get(&backend.id()).copied(), backend.in_flight());
                prop_assert!(backend.counter() < backend.rise() + backend.fall());
                prop_assert!(backend.history().len() <= world.fleet.options.history.get());
                prop_assert_eq!(states[&backend.id()], backend.state());
                prop_assert!(backend.state() == State::Unknown || !backend.hold().is_held());
                let may_be_up = backend.counter() >= backend.rise() && probed;
                prop_assert!(!may_be_up || backend.state() == State::Up || member.suppressed_until.is_some());
                if let Some(until) = backend.suppressed_until() {
                    prop_assert_eq!(backend.state(), State::Down);
                    prop_assert!(until > world.now, "overdue");
                    prop_assert!(world.fleet.reuses.contains(&(until, backend.id())));
                    prop_assert!(until.saturating_duration_since(world.now) <= secs(40), "longer than max-suppress");
                }
            }
            let timers = world.fleet.backends.iter().filter(|(_, member)| member.timer.is_some());
            prop_assert_eq!(timers.count(), world.fleet.timers.len());
            let under_way = world.fleet.backends.iter().filter(|(_, member)| member.under_way.is_some());
            prop_assert_eq!(under_way.count(), running.len());
            let suppressed = world.fleet.backends().filter(|backend| backend.suppressed_until().is_some());
            prop_assert_eq!(suppressed.count(), world.fleet.reuses.len());
            // What is planned is planned from now on: falling behind is not made up for.
            if let Some(due) = world.fleet.poll_timeout() {
                prop_assert!(due >= now);
            }
        }
    }
}

proptest! {
    /// Damping that never suppresses is no damping: every probe and every transition is the same, at the same time.
    #[test]
    fn without_suppression_nothing_differs(answers in prop::collection::vec((0..3usize, 0..700u64), 1..200)) {
        let minute = secs(60);
        let idle = Damping::new(1, 1_000_000, 999_999, minute, minute).unwrap();
        let [off, on] = [None, Some(idle)].map(|damping| {
            let mut world = World::new(2, Check { damping, ..check() }, secs(3));
            let answered = std::cell::Cell::new(0);
            world.run(secs(300), |_, _| {
                let (outcome, delay) = answers[answered.get() % answers.len()];
                answered.set(answered.get() + 1);
                Reply::After(ms(delay), result([Outcome::Pass, Outcome::Fail, Outcome::NoVerdict][outcome]))
            });
            (world.starts, world.transitions)
        });
        prop_assert_eq!(off, on);
    }

    /// With and without damping a backend goes down at the same verdict.
    #[test]
    fn no_transition_to_down_is_delayed(answers in prop::collection::vec(0..3usize, 1..300)) {
        let [mut off, mut on] = [check(), damped(1000)].map(|check| World::new(1, check, secs(3)));
        for answer in answers {
            for world in [&mut off, &mut on] {
                world.now = world.fleet.next_start().unwrap();
                world.fleet.handle_timeout(world.now);
                let (now, probe) = (world.now, world.probe().unwrap());
                world.answer(now, probe, [Outcome::Pass, Outcome::Fail, Outcome::NoVerdict][answer]);
            }
            let (off, on) = (off.backend(1), on.backend(1));
            prop_assert_eq!(off.counter(), on.counter());
            prop_assert!(on.state() == off.state() || (on.state(), off.state()) == (State::Down, State::Up));
        }
    }
}
