//! Backends that go up and down too often.

use super::*;

/// Takes the backend's next probe, when it is due, and answers it at once.
fn answer(world: &mut World, outcome: Outcome) {
    world.now = world.now.max(world.fleet.next_start().unwrap());
    world.fleet.handle_timeout(world.now);
    let probe = world.fleet.backend(BackendId(1)).unwrap().in_flight().unwrap();
    let now = world.now;
    assert!(world.answer(now, probe, outcome));
}

/// Up, and down again.
fn flap(world: &mut World) {
    while world.backend(1).state() != State::Up {
        answer(world, Outcome::Pass);
    }
    while world.backend(1).state() == State::Up {
        answer(world, Outcome::Fail);
    }
}

/// Suppressed since the last probe; events are taken.
fn suppressed() -> World {
    let mut world = World::new(1, damped(1500), secs(30));
    flap(&mut world);
    assert_eq!(world.backend(1).suppressed_until(), None, "once is not enough");
    flap(&mut world);
    assert!(world.backend(1).suppressed_until().is_some());
    world.events();
    world
}

#[test]
fn the_second_flap_suppresses_and_the_transition_says_so() {
    let mut world = World::new(1, damped(1500), secs(30));
    flap(&mut world);
    world.events();
    flap(&mut world);
    // 1,500, and what a second has left of 1,500.
    let since = world.now;
    let events = world.events();
    let [Event::Transition { transition, .. }, Event::Suppressed { penalty, rest, .. }] = &events[events.len() - 2..]
    else {
        panic!("{events:?}");
    };
    assert_eq!((transition.to, transition.code), (State::Down, Code::L4Con));
    assert_eq!((*penalty, rest.as_secs()), (2899, 19));
    assert_eq!(&*transition.detail, "connect refused; suppressed: penalty 2899, for 20s");
    assert_eq!(world.backend(1).suppressed_until(), Some(since + *rest));
}

#[test]
fn it_is_probed_on_and_comes_up_at_the_instant_of_reuse_without_a_probe() {
    let mut world = suppressed();
    let until = world.backend(1).suppressed_until().unwrap();
    while world.fleet.next_start().unwrap() < until {
        answer(&mut world, Outcome::Pass);
        assert_eq!(world.backend(1).state(), State::Down);
    }
    assert_eq!(world.backend(1).counter(), 4, "at the top");
    let probe = world.fleet.next_start().unwrap();
    assert!(probe - world.now <= secs(2), "as if it were up");
    world.events();
    assert_eq!(world.fleet.poll_timeout(), Some(until));
    world.fleet.handle_timeout(until - Duration::from_nanos(1));
    assert_eq!(world.events(), []);
    world.fleet.handle_timeout(until);
    let events = world.events();
    let [Event::Reused { penalty, .. }, Event::Transition { transition, .. }] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((*penalty, transition.to, transition.code), (749, State::Up, Code::Reused));
    assert_eq!(&*transition.detail, "penalty is below 750");
    assert_eq!(transition.at, AT + (until - world.now), "by the wall clock of the last result");
}

#[test]
fn one_whose_counter_says_down_stays_down_when_it_is_used_again() {
    let mut world = suppressed();
    let until = world.backend(1).suppressed_until().unwrap();
    answer(&mut world, Outcome::Fail);
    world.events();
    world.now = until;
    world.fleet.handle_timeout(until);
    assert!(matches!(world.events()[..], [Event::Reused { .. }, ..]));
    assert_eq!((world.backend(1).state(), world.backend(1).suppressed_until()), (State::Down, None));
    for _ in 0..2 {
        answer(&mut world, Outcome::Pass);
    }
    assert_eq!(world.backend(1).state(), State::Up, "as ever");
}

#[test]
fn an_operator_forgives() {
    for enable in [true, false] {
        let mut world = suppressed();
        for _ in 0..2 {
            answer(&mut world, Outcome::Pass);
        }
        world.events();
        let (now, fleet) = (world.now, &mut world.fleet);
        let act = if enable { Fleet::enable } else { Fleet::resume };
        assert_eq!(act(fleet, now, AT, BackendId(1), "fixed"), Ok(Done::Changed));
        assert_eq!(act(fleet, now, AT, BackendId(1), "fixed"), Ok(Done::Already));
        let newest = world.backend(1).history().next().unwrap();
        assert_eq!((newest.to, &*newest.detail), (State::Up, "fixed"));
        flap(&mut world);
        assert_eq!(world.backend(1).suppressed_until(), None, "the first flap again");
    }
}

#[test]
fn pause_and_disable_end_it_without_a_word() {
    for disable in [true, false] {
        let mut world = suppressed();
        let act = if disable { Fleet::disable } else { Fleet::pause };
        act(&mut world.fleet, AT, BackendId(1), "").unwrap();
        let (penalty, suppressed) = (world.backend(1).penalty().unwrap().1, world.backend(1).suppressed_until());
        assert_eq!((penalty, suppressed), (crate::Penalty::NONE, None));
        assert_eq!(world.fleet.poll_timeout(), None);
    }
}

#[test]
fn another_damping_keeps_no_penalty_and_the_state_goes_on() {
    for check in [check(), damped(700)] {
        let mut world = suppressed();
        for _ in 0..2 {
            answer(&mut world, Outcome::Pass);
        }
        world.events();
        world.fleet.update(BackendId(1), spec("b1", Some(check)));
        assert_eq!(world.backend(1).state(), State::Down);
        assert!(world.fleet.poll_timeout() <= Some(world.now), "due at once");
        world.fleet.handle_timeout(world.now);
        assert_eq!(world.backend(1).state(), State::Up);
        assert!(world.backend(1).penalty().is_none_or(|(_, penalty)| penalty == crate::Penalty::NONE));
    }
}

#[test]
fn the_same_damping_keeps_the_penalty() {
    let mut world = suppressed();
    let before = (world.backend(1).penalty(), world.backend(1).suppressed_until());
    world.fleet.update(BackendId(1), spec("b1", Some(damped(1500))));
    assert_eq!((world.backend(1).penalty(), world.backend(1).suppressed_until()), before);
}

#[test]
fn another_check_begins_anew() {
    let mut world = suppressed();
    world.fleet.restart(world.now, AT, BackendId(1), spec("b1", Some(damped(1500))), Hold::None, Place::ONLY);
    assert_eq!((world.backend(1).state(), world.backend(1).suppressed_until()), (State::Unknown, None));
    flap(&mut world);
    assert_eq!(world.backend(1).suppressed_until(), None);
}
