use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;

use super::*;

/// Every (state, input) pair with rise and fall of 1, so that one result decides.
#[rstest]
fn every_input_in_every_state(
    #[values(State::Unknown, State::Up, State::Down, State::Paused, State::Disabled, State::Removed)] state: State,
    #[values(
        Input::Pass,
        Input::Fail,
        Input::NoVerdict,
        Input::Unheld,
        Input::Pause,
        Input::Resume,
        Input::Disable,
        Input::Enable,
        Input::Restart,
        Input::Remove,
        Input::Reuse
    )]
    input: Input,
) {
    use State as S;
    use Step::{Enter, Refuse, Stay};
    // In the order of the inputs above.
    #[rustfmt::skip]
    let row = match state {
        S::Unknown => [
            Enter(S::Up), Enter(S::Down), Stay, Stay,
            Enter(S::Paused), Stay, Enter(S::Disabled), Stay, Enter(S::Unknown), Enter(S::Removed), Stay,
        ],
        S::Up => [
            Stay, Enter(S::Down), Stay, Stay,
            Enter(S::Paused), Stay, Enter(S::Disabled), Stay, Enter(S::Unknown), Enter(S::Removed), Stay,
        ],
        S::Down => [
            Enter(S::Up), Stay, Stay, Stay,
            Enter(S::Paused), Stay, Enter(S::Disabled), Stay, Enter(S::Unknown), Enter(S::Removed), Stay,
        ],
        S::Paused => [
            Stay, Stay, Stay, Stay,
            Stay, Enter(S::Unknown), Enter(S::Disabled), Stay, Stay, Enter(S::Removed), Stay,
        ],
        S::Disabled => [
            Stay, Stay, Stay, Stay,
            Refuse, Refuse, Stay, Enter(S::Unknown), Stay, Enter(S::Removed), Stay,
        ],
        S::Removed => [
            Stay, Stay, Stay, Stay,
            Refuse, Refuse, Refuse, Refuse, Stay, Stay, Stay,
        ],
    };
    let column = INPUTS.iter().position(|&known| known == input).unwrap();
    let mut backend = backend(1, 1);
    enter(&mut backend, state);
    assert_eq!(backend.step(input), row[column]);
}

/// What an input does to a suppressed backend whose counter says down (0 of 2) or up (1 of 2), and whether it stays
/// suppressed.
#[rstest]
#[case(Input::Pass, [Step::Stay, Step::Stay], true)]
#[case(Input::Fail, [Step::Stay, Step::Stay], true)]
#[case(Input::NoVerdict, [Step::Stay, Step::Stay], true)]
#[case(Input::Unheld, [Step::Stay, Step::Stay], true)]
#[case(Input::Reuse, [Step::Stay, Step::Enter(State::Up)], false)]
#[case(Input::Pause, [Step::Enter(State::Paused); 2], false)]
#[case(Input::Resume, [Step::Stay, Step::Stay], true)]
#[case(Input::Disable, [Step::Enter(State::Disabled); 2], false)]
#[case(Input::Enable, [Step::Stay, Step::Stay], true)]
#[case(Input::Restart, [Step::Enter(State::Unknown); 2], false)]
#[case(Input::Remove, [Step::Enter(State::Removed); 2], false)]
fn every_input_to_a_suppressed_backend(#[case] input: Input, #[case] steps: [Step; 2], #[case] stays: bool) {
    for (passes, step) in steps.into_iter().enumerate() {
        let mut backend = suppressed();
        for _ in 0..passes {
            assert_eq!(backend.step(Input::Pass), Step::Stay, "whatever its counter says");
        }
        assert_eq!((backend.state(), usize::from(backend.counter())), (State::Down, passes));
        assert_eq!(backend.step(input), step);
        if let Step::Enter(state) = step {
            enter(&mut backend, state);
        }
        assert_eq!(backend.suppressed, stays);
        // Only what goes on as it was is remembered.
        let goes_on = matches!(backend.state(), State::Up | State::Down);
        assert_eq!(backend.penalty != Penalty::NONE, goes_on);
    }
}

#[test]
fn a_suppressed_backend_with_a_full_counter_is_probed_as_if_it_were_up() {
    let mut backend = suppressed();
    assert_eq!(backend.wait(), Some(Wait::Full(DOWN)));
    backend.step(Input::Pass);
    assert_eq!(backend.wait(), Some(Wait::Full(FULL)));
}

#[rstest]
#[case(State::Paused, Input::Resume)]
#[case(State::Disabled, Input::Enable)]
#[case(State::Unknown, Input::Restart)]
#[case(State::Up, Input::Restart)]
#[case(State::Down, Input::Restart)]
fn a_static_backend_is_up_where_another_begins_unknown(#[case] state: State, #[case] input: Input) {
    let mut backend = Backend::new(None, true, LIMIT, AT);
    enter(&mut backend, state);
    assert_eq!(backend.step(input), Step::Enter(State::Up));
    enter(&mut backend, State::Up);
    assert_eq!((backend.counter(), backend.top()), (1, 1));
}

#[rstest]
#[case::not_held(Hold::None, 1)]
#[case::held_at_zero(Hold::Held { above_zero: false }, 1)]
#[case::held_above_zero(Hold::Held { above_zero: true }, 3)]
#[case::held_and_not_read(Hold::Pending, 3)]
fn fails_that_bring_down_from_unknown(#[case] hold: Hold, #[case] needed: u8) {
    let mut backend = backend(2, 3);
    enter(&mut backend, State::Unknown);
    backend.set_hold(hold);
    for _ in 1..needed {
        assert_eq!(backend.step(Input::Fail), Step::Stay);
        assert_eq!(backend.step(Input::NoVerdict), Step::Stay, "says nothing");
        assert_eq!(backend.counter(), 1, "one pass must be enough");
        assert!(matches!(backend.wait(), Some(Wait::Fast(_))));
    }
    assert_eq!(backend.step(Input::Fail), Step::Enter(State::Down));
    assert_eq!(backend.counter(), 0);
}

#[test]
fn one_pass_brings_up_a_held_backend_that_has_failed() {
    let mut backend = backend(3, 3);
    enter(&mut backend, State::Unknown);
    backend.set_hold(Hold::Held { above_zero: true });
    assert_eq!(backend.step(Input::Fail), Step::Stay);
    assert_eq!(backend.step(Input::Fail), Step::Stay);
    assert_eq!(backend.step(Input::Pass), Step::Enter(State::Up));
    assert_eq!(backend.counter(), 3);
}

#[test]
fn a_hold_that_comes_to_nothing_makes_earlier_fails_count() {
    let mut backend = backend(2, 3);
    enter(&mut backend, State::Unknown);
    backend.set_hold(Hold::Pending);
    assert_eq!(backend.step(Input::Fail), Step::Stay);
    backend.set_hold(Hold::Held { above_zero: false });
    assert_eq!(backend.step(Input::Unheld), Step::Enter(State::Down));
    assert_eq!(backend.counter(), 0);
}

#[rstest]
#[case(State::Up)]
#[case(State::Down)]
#[case(State::Paused)]
#[case(State::Disabled)]
#[case(State::Removed)]
fn a_hold_ends_with_unknown(#[case] state: State) {
    let mut backend = backend(2, 3);
    enter(&mut backend, State::Unknown);
    backend.set_hold(Hold::Held { above_zero: true });
    enter(&mut backend, state);
    assert_eq!(backend.hold(), Hold::None);
    backend.set_hold(Hold::Held { above_zero: true });
    assert_eq!(backend.hold(), Hold::None, "only unknown can be held");
}

#[test]
fn each_entering_of_down_or_disabled_is_one_incident() {
    let mut backend = backend(1, 1);
    let mut number = 0;
    let mut numbers = Vec::new();
    for state in [State::Unknown, State::Down, State::Disabled, State::Unknown, State::Up, State::Down, State::Paused] {
        backend.enter(state, cause(), || {
            number += 1;
            number
        });
        numbers.push(backend.incident().map(|incident| (incident.number, incident.first_verdict)));
    }
    let first = Some((1, true));
    let others = [Some((2, false)), None, None, Some((3, false)), None];
    assert_eq!(numbers, [&[None, first][..], &others].concat());
}

#[test]
fn what_an_operator_did_is_no_first_verdict() {
    let mut backend = backend(1, 1);
    enter(&mut backend, State::Unknown);
    backend.set_touched();
    enter(&mut backend, State::Disabled);
    assert!(!backend.incident().unwrap().first_verdict);
}

#[test]
fn the_verdict_after_a_reload_is_no_first_verdict_after_a_start() {
    let mut backend = Backend::new(Some(Check::default()), false, LIMIT, AT);
    enter(&mut backend, State::Unknown);
    enter(&mut backend, State::Down);
    assert!(!backend.incident().unwrap().first_verdict);
}

#[test]
fn another_check_brings_the_counter_into_its_range() {
    let mut backend = backend(200, 200);
    enter(&mut backend, State::Unknown);
    backend.step(Input::Pass);
    enter(&mut backend, State::Up);
    enter(&mut backend, State::Paused);
    backend.set_check(Some(check(2, 3)));
    assert_eq!(backend.counter(), 4);
}

#[test]
fn history_is_newest_first_and_bounded() {
    let mut backend = backend(1, 1);
    for state in [State::Unknown, State::Up, State::Down, State::Up, State::Paused] {
        enter(&mut backend, state);
    }
    let states: Vec<State> = backend.history().iter().map(|entry| entry.to).collect();
    assert_eq!(states, [State::Paused, State::Up, State::Down]);
    assert_eq!(backend.history()[0].from, State::Up);
}

#[test]
fn since_moves_with_the_state_alone() {
    let later = AT + Duration::from_secs(60);
    let mut backend = backend(1, 1);
    let begins = Cause { at: later, ..cause() };
    backend.enter(State::Unknown, begins.clone(), || 0);
    assert_eq!(backend.since(), AT, "unknown again");
    backend.enter(State::Up, begins, || 0);
    assert_eq!(backend.since(), later);
}

proptest! {
    #[test]
    fn the_counter_never_leaves_its_range(
        rise: u8,
        fall: u8,
        inputs in prop::collection::vec(prop::sample::select(&INPUTS[..]), 0..2000),
    ) {
        let mut backend = backend(rise.max(1), fall.max(1));
        enter(&mut backend, State::Unknown);
        for input in inputs {
            if let Step::Enter(state) = backend.step(input) {
                enter(&mut backend, state);
            }
            prop_assert!(backend.counter() <= backend.top());
            match backend.state() {
                State::Up => prop_assert!(backend.counter() >= backend.rise()),
                State::Down => prop_assert!(backend.counter() < backend.rise()),
                State::Unknown => prop_assert_eq!(backend.counter(), backend.rise() - 1),
                State::Paused | State::Disabled | State::Removed => {}
            }
        }
    }

    #[test]
    fn rise_passes_from_0_bring_up_and_fall_fails_from_the_top_bring_down(rise in 1..=255u8, fall in 1..=255u8) {
        let mut backend = backend(rise, fall);
        enter(&mut backend, State::Unknown);
        prop_assert_eq!(feed(&mut backend, Input::Fail), State::Down);
        for pass in 1..=rise {
            prop_assert_eq!(feed(&mut backend, Input::Pass) == State::Up, pass == rise);
        }
        for _ in 1..fall {
            prop_assert_eq!(feed(&mut backend, Input::Pass), State::Up);
        }
        prop_assert_eq!(backend.counter(), backend.top());
        for fail in 1..=fall {
            prop_assert_eq!(feed(&mut backend, Input::Fail) == State::Down, fail == fall);
        }
        prop_assert_eq!(backend.counter(), u16::from(rise) - 1);
    }

    #[test]
    fn set_aside_means_results_are_ignored(
        state in prop::sample::select(vec![State::Paused, State::Disabled, State::Removed]),
        results in prop::collection::vec(prop::sample::select(&INPUTS[..4]), 0..50),
    ) {
        let mut backend = backend(2, 3);
        enter(&mut backend, State::Unknown);
        enter(&mut backend, state);
        let counter = backend.counter();
        for result in results {
            prop_assert_eq!(feed(&mut backend, result), state);
            prop_assert_eq!(backend.counter(), counter);
            prop_assert_eq!(backend.wait(), None);
        }
    }
}

#[rstest]
#[case::unknown(&[], Wait::Fast(FAST))]
#[case::up_below_the_top(&[Input::Pass], Wait::Fast(FAST))]
#[case::up_at_the_top(&[Input::Pass, Input::Pass, Input::Pass], Wait::Full(FULL))]
#[case::one_fail_from_the_top(&[Input::Pass, Input::Pass, Input::Pass, Input::Fail], Wait::Fast(FAST))]
#[case::down_at_0(&[Input::Fail], Wait::Full(DOWN))]
#[case::down_above_0(&[Input::Fail, Input::Pass], Wait::Fast(FAST))]
#[case::back_to_0(&[Input::Fail, Input::Pass, Input::Fail], Wait::Full(DOWN))]
fn the_wait_follows_the_counter(#[case] inputs: &[Input], #[case] wait: Wait) {
    let mut backend = backend(2, 3);
    enter(&mut backend, State::Unknown);
    for &input in inputs {
        feed(&mut backend, input);
    }
    assert_eq!(backend.wait(), Some(wait));
}

fn feed(backend: &mut Backend, input: Input) -> State {
    if let Step::Enter(state) = backend.step(input) {
        enter(backend, state);
    }
    backend.state()
}

/// Down after one flap, which is enough, with rise and fall of 1.
fn suppressed() -> Backend {
    let minute = Duration::from_secs(60);
    let damping = Damping::new(1000, 1000, 500, minute, 5 * minute).unwrap();
    let check = Check { damping: Some(damping), ..check(1, 1) };
    let mut backend = Backend::new(Some(check), true, LIMIT, AT);
    for input in [Input::Pass, Input::Fail] {
        feed(&mut backend, input);
    }
    assert_eq!(backend.flap(origin()), Some((1000, minute + minute / 65_536 + Duration::from_nanos(1))));
    backend
}

#[expect(clippy::disallowed_methods, reason = "an `Instant` has no other origin")]
fn origin() -> Instant {
    Instant::now()
}

fn enter(backend: &mut Backend, state: State) {
    backend.enter(state, cause(), || 1);
}

fn backend(rise: u8, fall: u8) -> Backend {
    Backend::new(Some(check(rise, fall)), true, LIMIT, AT)
}

fn check(rise: u8, fall: u8) -> Check {
    Check {
        interval: FULL,
        fast_interval: FAST,
        down_interval: DOWN,
        rise: NonZeroU8::new(rise).unwrap(),
        fall: NonZeroU8::new(fall).unwrap(),
        damping: None,
    }
}

fn cause() -> Cause {
    Cause { code: Code::Started, detail: Arc::default(), at: AT }
}

const INPUTS: [Input; 11] = [
    Input::Pass,
    Input::Fail,
    Input::NoVerdict,
    Input::Unheld,
    Input::Pause,
    Input::Resume,
    Input::Disable,
    Input::Enable,
    Input::Restart,
    Input::Remove,
    Input::Reuse,
];
const LIMIT: NonZeroUsize = NonZeroUsize::new(3).unwrap();
const AT: SystemTime = SystemTime::UNIX_EPOCH;
const FAST: Duration = Duration::from_millis(500);
const FULL: Duration = Duration::from_secs(2);
const DOWN: Duration = Duration::from_secs(30);
