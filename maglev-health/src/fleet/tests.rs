use std::collections::BTreeMap;
use std::num::NonZeroU8;
use std::time::Duration;

use rstest::rstest;

use super::*;
use crate::{ActionError, Check, CheckSpec, Damping, Done, Planned};

mod damping;
mod now;
mod properties;

#[test]
fn first_probes_are_spread_over_the_smallest_of_fast_interval_a_second_and_a_third_of_the_delay() {
    for (fast, max_delay, window) in [
        (ms(400), secs(30), ms(400)),
        (secs(5), secs(30), secs(1)),
        (secs(5), ms(1500), ms(500)),
        (secs(5), secs(0), secs(0)),
    ] {
        let check = Check { fast_interval: fast, ..check() };
        let mut world = World::new(4, check, max_delay);
        world.run(secs(3), |_, _| Reply::Silence);
        let starts: Vec<Duration> = world.starts.iter().map(|&(at, _)| at).collect();
        assert_eq!(starts, [0, 1, 2, 3].map(|position| window / 4 * position));
    }
}

#[test]
fn waits_follow_the_counter() {
    let mut world = World::new(1, check(), secs(30));
    world.run(ms(4100), |_, _| Reply::pass(ms(20)));
    // Unknown, up at 2, 3, then 4 of 4: the top. The first full wait ends on the phase, a multiple of 2 s here.
    assert_eq!(world.gaps(1), [ms(500), ms(500), ms(1000), ms(2000)]);
    world.starts.clear();
    world.run(ms(80_000), |_, _| Reply::fail(ms(20)));
    // 6 s finds the top gone; down at 1 after three fails, at 0 one later.
    assert_eq!(world.starts[0].0, ms(6000));
    assert_eq!(world.gaps(1), [ms(500), ms(500), ms(500), ms(30_000), ms(30_000)]);
}

#[test]
fn the_first_full_wait_at_0_ends_on_the_phase_too() {
    let mut world = World::new(4, check(), secs(30));
    world.run(secs(70), |_, _| Reply::fail(ms(1)));
    for position in 0..4u64 {
        let starts = world.starts_of(position);
        assert_eq!(starts[0], ms(125) * u32::try_from(position).unwrap());
        let phase = ms(7500) * u32::try_from(position).unwrap();
        let phase = if position == 0 { secs(30) } else { phase };
        assert_eq!(starts[1..3], [phase, phase + secs(30)]);
    }
}

#[rstest]
#[case::slow(ms(1900), ms(2000))]
#[case::slower_than_the_interval(ms(2700), ms(2700))]
fn a_slow_reply_does_not_stretch_the_period_unless_it_is_longer(#[case] reply: Duration, #[case] period: Duration) {
    let mut world = World::new(1, check(), secs(30));
    world.run(secs(8), |_, _| Reply::pass(ms(1)));
    world.starts.clear();
    world.run(secs(60), |_, _| Reply::pass(reply));
    assert!(world.gaps(1).iter().all(|&gap| gap == period), "{:?}", world.gaps(1));
}

#[test]
fn a_wait_is_measured_from_the_planned_start_even_if_the_caller_was_late() {
    let mut world = World::new(1, check(), secs(30));
    world.run(secs(8), |_, _| Reply::pass(ms(1)));
    // The caller oversleeps by 300 ms; the probe after is back on the grid.
    let due = world.fleet.poll_timeout().unwrap();
    let late = due + ms(300);
    world.fleet.handle_timeout(late);
    let probe = world.probe().unwrap();
    world.answer(late + ms(1), probe, Outcome::Pass);
    assert_eq!(world.fleet.poll_timeout(), Some(due + secs(2)));
    // It oversleeps by a day: one probe now, and the grid starts anew, without 43,200 probes to make up for.
    let late = due + secs(86_400);
    world.fleet.handle_timeout(late);
    let probe = world.probe().unwrap();
    assert_eq!(world.fleet.poll_timeout(), None);
    world.answer(late + ms(1), probe, Outcome::Pass);
    assert_eq!(world.fleet.poll_timeout(), Some(late + ms(1)));
    world.fleet.handle_timeout(late + ms(1));
    let probe = world.probe().unwrap();
    world.answer(late + ms(2), probe, Outcome::Pass);
    assert_eq!(world.fleet.poll_timeout(), Some(late + ms(1) + secs(2)));
}

#[rstest]
#[case(Jitter::SHORTEST, 0.9)]
#[case(Jitter::NONE, 1.0)]
#[case(Jitter::LONGEST, 1.1)]
#[case(Jitter::new(0.5), 1.05)]
fn a_wait_is_jittered_by_up_to_a_tenth(#[case] jitter: Jitter, #[case] factor: f64) {
    let mut world = World::new(1, check(), secs(30));
    world.jitter = jitter;
    world.run(secs(60), |_, _| Reply::pass(ms(1)));
    let gaps = world.gaps(1);
    assert_eq!(gaps[0], ms(500).mul_f64(factor));
    assert_eq!(*gaps.last().unwrap(), secs(2).mul_f64(factor));
}

#[test]
fn no_verdict_is_retried_at_fast_interval_and_moves_nothing() {
    let mut world = World::new(1, check(), secs(30));
    world.run(secs(8), |_, _| Reply::pass(ms(1)));
    world.starts.clear();
    world.run(secs(20), |_, _| Reply::no_verdict(ms(1)));
    assert!(world.gaps(1).iter().all(|&gap| gap == ms(500)));
    let backend = world.backend(1);
    assert_eq!((backend.state(), backend.counter()), (State::Up, 4));
    assert_eq!(backend.last_result().unwrap().code, Code::SockErr);
}

/// Every phase of death, every jitter: from the last good probe to `down`.
#[test]
fn a_dead_backend_is_found_within_the_promised_time() {
    let check = check();
    let fall = u32::from(check.fall.get());
    let bound = (check.interval + check.fast_interval * (fall - 1)).mul_f64(1.1);
    for position in 0..7 {
        for jitter in [-1.0, -0.3, 0.0, 0.7, 1.0].map(Jitter::new) {
            for dies in (0..11).map(|step| ms(4000) + ms(190) * step) {
                let mut world = World::new(7, check, secs(30));
                world.jitter = jitter;
                world.run(dies, |_, _| Reply::pass(ms(0)));
                world.run(secs(20), move |id, at| match id == position + 1 && at >= dies {
                    true => Reply::fail(ms(0)),
                    false => Reply::pass(ms(0)),
                });
                let (found, state) = world.transitions[&(position + 1)].last().copied().unwrap();
                assert_eq!(state, State::Down);
                assert!(found - dies <= bound, "{position} {jitter:?} {dies:?}: {found:?}");
            }
        }
    }
}

#[test]
fn the_steady_load_is_even() {
    const COUNT: u64 = 1000;
    let mut world = World::new(COUNT, check(), secs(30));
    world.run(secs(20), |id, _| Reply::pass(ms(id % 37)));
    // In each window of 20 ms of the interval of 2 s: 10 of 1,000.
    let from = secs(10);
    let mut windows = [0; 100];
    for &(at, _) in &world.starts {
        if at >= from && at < from + secs(2) {
            windows[usize::try_from((at - from).as_millis()).unwrap() / 20] += 1;
        }
    }
    assert_eq!(windows, [10; 100]);
}

#[test]
fn an_even_load_does_not_cost_more_than_one_short_wait() {
    let mut world = World::new(100, check(), secs(30));
    world.run(secs(20), |_, _| Reply::pass(ms(1)));
    for id in 1..=100 {
        let gaps = world.gaps(id);
        assert!(gaps.iter().all(|&gap| gap <= secs(2)), "{gaps:?}");
        assert!(gaps[4..].iter().all(|&gap| gap == secs(2)), "{gaps:?}");
    }
}

#[test]
fn pause_cancels_and_a_late_result_is_ignored() {
    let mut world = World::new(1, check(), secs(30));
    world.fleet.handle_timeout(world.now);
    let probe = world.probe().unwrap();
    let id = BackendId(1);
    assert_eq!(world.fleet.pause(AT, id, "lunch"), Ok(Done::Changed));
    let events = world.events();
    assert!(events.contains(&Event::Cancel { backend: id, probe }));
    assert!(!world.answer(world.now, probe, Outcome::Pass));
    assert_eq!(world.fleet.poll_timeout(), None, "nothing is sent while paused");
    assert_eq!(world.backend(1).state(), State::Paused);

    assert_eq!(world.fleet.resume(world.now, AT, id, ""), Ok(Done::Changed));
    assert_eq!(world.fleet.poll_timeout(), Some(world.now), "at once");
    assert_eq!(world.backend(1).state(), State::Unknown);
    assert_eq!(world.backend(1).hold(), Hold::None);
    world.fleet.handle_timeout(world.now);
    let again = world.probe().unwrap();
    assert_ne!(probe, again);
    assert!(!world.answer(world.now, probe, Outcome::Fail), "of the probe before the pause");
    assert_eq!(world.backend(1).state(), State::Unknown);
}

#[test]
fn a_removed_backend_leaves_nothing_behind() {
    let mut world = World::new(2, check(), secs(30));
    world.fleet.handle_timeout(world.now);
    let probe = world.probe().unwrap();
    let id = BackendId(1);
    world.fleet.remove(AT, id);
    let events = world.events();
    assert!(matches!(
        &events[..],
        [
            Event::Transition { transition, .. },
            Event::Cancel { .. },
            Event::Stopped { .. }
        ] if transition.to == State::Removed && transition.code == Code::Removed
    ));
    assert!(!world.answer(world.now, probe, Outcome::Pass));
    assert!(world.fleet.backend(id).is_none());
    assert_eq!(world.fleet.pause(AT, id, ""), Err(ActionError::NoSuchBackend));
    world.fleet.remove(AT, id);
    assert_eq!(world.events(), []);
    let id = world.fleet.insert(world.now, AT, spec("b3", Some(check())), admission(0, 1));
    assert_eq!(id, BackendId(3), "ids are not used twice");
}

#[test]
fn a_static_backend_is_up_without_a_probe() {
    let mut fleet = Fleet::new(FleetOptions::default(), origin());
    let id = fleet.insert(origin(), AT, spec("s", None), admission(0, 1));
    let backend = fleet.backend(id).unwrap();
    assert_eq!(backend.state(), State::Up);
    assert_eq!(backend.history().next().unwrap().code, Code::Static);
    assert_eq!((backend.counter(), backend.rise(), backend.fall()), (1, 1, 1));
    assert_eq!(fleet.poll_timeout(), None);
    let code = |fleet: &Fleet| fleet.backend(id).unwrap().history().next().unwrap().code;
    assert_eq!(fleet.pause(AT, id, ""), Ok(Done::Changed));
    assert_eq!(fleet.resume(origin(), AT, id, ""), Ok(Done::Changed));
    assert_eq!(code(&fleet), Code::Static);
    assert_eq!(fleet.disable(AT, id, ""), Ok(Done::Changed));
    assert_eq!(fleet.enable(origin(), AT, id, ""), Ok(Done::Changed));
    assert_eq!(code(&fleet), Code::Static);
    assert_eq!(fleet.backend(id).unwrap().state(), State::Up);
    assert_eq!(fleet.poll_timeout(), None);
}

#[test]
fn an_action_already_in_force_makes_no_event() {
    let mut world = World::new(1, check(), secs(30));
    world.events();
    let (id, now) = (BackendId(1), world.now);
    assert_eq!(world.fleet.resume(now, AT, id, ""), Ok(Done::Already));
    assert_eq!(world.fleet.enable(now, AT, id, ""), Ok(Done::Already));
    assert_eq!(world.events(), []);
    assert_eq!(world.fleet.disable(AT, id, ""), Ok(Done::Changed));
    world.events();
    assert_eq!(world.fleet.disable(AT, id, ""), Ok(Done::Already));
    assert_eq!(world.fleet.pause(AT, id, ""), Err(ActionError::Disabled));
    assert_eq!(world.fleet.resume(now, AT, id, ""), Err(ActionError::Disabled));
    assert_eq!(world.events(), []);
}

#[test]
fn absurd_intervals_do_no_harm() {
    let forever =
        Check { interval: Duration::MAX, fast_interval: Duration::ZERO, down_interval: Duration::MAX, ..check() };
    let mut world = World::new(3, forever, Duration::MAX);
    for _ in 0..20 {
        let now = world.fleet.poll_timeout().unwrap();
        world.fleet.handle_timeout(now);
        while let Some(probe) = world.probe() {
            world.answer(now, probe, Outcome::Pass);
        }
        let next = world.fleet.poll_timeout().unwrap();
        assert!(next >= now && next - now <= secs(366 * 86_400), "{:?}", next - now);
    }
    assert_eq!(world.backend(1).counter(), 4);
}

/// A fleet of backends `b1`, `b2`, … with a clock that only moves when told to.
struct World {
    fleet: Fleet,
    now: Instant,
    jitter: Jitter,
    /// Probes: when, after the origin, and of whom.
    starts: Vec<(Duration, u64)>,
    transitions: BTreeMap<u64, Vec<(Duration, State)>>,
    replies: BTreeMap<(Instant, ProbeId), ProbeResult>,
}

/// What a backend does with a probe.
enum Reply {
    Silence,
    After(Duration, ProbeResult),
}

impl Reply {
    fn pass(after: Duration) -> Self {
        Self::After(after, result(Outcome::Pass))
    }

    fn fail(after: Duration) -> Self {
        Self::After(after, result(Outcome::Fail))
    }

    fn no_verdict(after: Duration) -> Self {
        Self::After(after, result(Outcome::NoVerdict))
    }
}

impl World {
    fn new(count: u64, check: Check, startup_max_delay: Duration) -> Self {
        let options = FleetOptions { startup_max_delay, ..FleetOptions::default() };
        let now = origin();
        let mut fleet = Fleet::new(options, now);
        let total = u32::try_from(count).unwrap();
        for position in 0..total {
            let spec = spec(&format!("b{}", position + 1), Some(check));
            fleet.insert(now, AT, spec, admission(position, total));
        }
        Self {
            fleet,
            now,
            jitter: Jitter::NONE,
            starts: Vec::new(),
            transitions: BTreeMap::new(),
            replies: BTreeMap::new(),
        }
    }

    /// Lets `span` pass; `reply` tells what a backend does with a probe at a time after the origin.
    fn run(&mut self, span: Duration, reply: impl Fn(u64, Duration) -> Reply) {
        let end = self.now + span;
        loop {
            let answer = self.replies.first_key_value().map(|(&(at, _), _)| at);
            let next = [answer, self.fleet.poll_timeout()].into_iter().flatten().min();
            let Some(next) = next.filter(|&next| next < end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            if answer == Some(next)
                && let Some(((_, probe), result)) = self.replies.pop_first()
            {
                let jitter = self.jitter;
                self.fleet.handle_result(self.now, AT, probe, result, jitter);
            } else {
                self.fleet.handle_timeout(self.now);
            }
            for event in self.events() {
                self.follow(event, &reply);
            }
        }
    }

    fn follow(&mut self, event: Event, reply: impl Fn(u64, Duration) -> Reply) {
        let at = self.now - self.fleet.origin;
        match event {
            Event::Probe { backend, probe, .. } => {
                self.starts.push((at, backend.get()));
                if let Reply::After(delay, result) = reply(backend.get(), at) {
                    self.replies.insert((self.now + delay, probe), result);
                }
            }
            Event::Transition { backend, transition, .. } => {
                let list = self.transitions.entry(backend.get()).or_default();
                list.push((at, transition.to));
            }
            _ => {}
        }
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.fleet.poll_event()).collect()
    }

    /// The next probe to be started; skips other events.
    fn probe(&mut self) -> Option<ProbeId> {
        while let Some(event) = self.fleet.poll_event() {
            if let Event::Probe { probe, .. } = event {
                return Some(probe);
            }
        }
        None
    }

    fn answer(&mut self, now: Instant, probe: ProbeId, outcome: Outcome) -> bool {
        self.fleet.handle_result(now, AT, probe, result(outcome), self.jitter)
    }

    fn backend(&self, id: u64) -> BackendView<'_> {
        self.fleet.backend(BackendId(id)).unwrap()
    }

    fn starts_of(&self, position: u64) -> Vec<Duration> {
        let of = |&&(_, id): &&(Duration, u64)| id == position + 1;
        self.starts.iter().filter(of).map(|&(at, _)| at).collect()
    }

    /// Times between the probes of backend `id`.
    fn gaps(&self, id: u64) -> Vec<Duration> {
        let starts = self.starts_of(id - 1);
        starts.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

fn result(outcome: Outcome) -> ProbeResult {
    match outcome {
        Outcome::Pass => ProbeResult::pass(Code::L4Ok, ""),
        Outcome::Fail => ProbeResult::fail(Code::L4Con, "connect refused"),
        Outcome::NoVerdict => ProbeResult::no_verdict("no buffers"),
    }
}

fn spec(name: &str, check: Option<Check>) -> BackendSpec {
    BackendSpec {
        name: name.into(),
        address: "192.0.2.1".parse().unwrap(),
        check: check.map(|timing| CheckSpec { timing, identity: "tcp".into() }),
        enabled: true,
    }
}

fn admission(position: u32, total: u32) -> Admission {
    Admission { occasion: Occasion::Start, restored: None, hold: Hold::None, place: Place::new(position, total) }
}

/// 2 s, fast 500 ms, down 30 s, rise 2, fall 3.
fn check() -> Check {
    Check {
        interval: secs(2),
        fast_interval: ms(500),
        down_interval: secs(30),
        rise: NonZeroU8::new(2).unwrap(),
        fall: NonZeroU8::new(3).unwrap(),
        damping: None,
    }
}

/// The same with `penalty`: suppressed from 2,000 on, used again below 750, halved in 10 s, at most 40 s.
fn damped(penalty: u32) -> Check {
    Check { damping: Some(Damping::new(penalty, 2000, 750, secs(10), secs(40)).unwrap()), ..check() }
}

/// The one instant that does not come in as an argument.
#[expect(clippy::disallowed_methods, reason = "an `Instant` has no other origin")]
fn origin() -> Instant {
    Instant::now()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const AT: SystemTime = SystemTime::UNIX_EPOCH;
