use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::{Check, Code, Damping, Outcome, Penalty, ProbeResult};

/// Where a backend stands.
///
/// ```text
///             start, reload (held)                          in every state but `removed`:
///                   │                                         leaves the configuration ─▶ removed
///                   ▼                                         disable ─▶ disabled
///    resume ─▶ ┌─────────┐ ◀─ enable                        in unknown, up and down:
///              │ unknown │                                    pause ─▶ paused
///              └─┬─────┬─┘                                    check or address changed ─▶ unknown (held)
///           pass │     │ fail; if held above 0: `fall` fails
///                ▼     ▼
///              ┌────┐ counter < rise  ┌──────┐
///              │ up │ ──────────────▶ │ down │             Without a check (static) `up` stands in
///              │    │ ◀────────────── │      │             for `unknown` everywhere.
///              └────┘ counter ≥ rise  └──────┘
/// ```
///
/// A backend whose check has damping, and that is suppressed by it, stays `down` whatever its counter says until it is
/// used again (see [`Damping`](crate::Damping)).
///
/// `paused` and `disabled` probe nothing and take no result; `paused` is left by resume, `disabled` by enable alone.
///
/// ```
/// use maglev_health::State;
///
/// assert_eq!(State::Unknown.to_string(), "unknown");
/// assert_eq!(State::ALL.len(), 6);
/// ```
#[expect(clippy::exhaustive_enums, reason = "complete: metrics show every state")]
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum State {
    /// No verdict yet.
    Unknown,
    /// Serves.
    Up,
    /// Does not.
    Down,
    /// Set aside by an operator; sessions go on.
    Paused,
    /// Taken out by an operator or the configuration; sessions are flushed.
    Disabled,
    /// No longer in the configuration.
    Removed,
}

impl State {
    /// Every state, in the order in which metrics list them.
    pub const ALL: [Self; 6] = [Self::Unknown, Self::Up, Self::Down, Self::Paused, Self::Disabled, Self::Removed];

    /// The state as logs, metrics and the API spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
            Self::Removed => "removed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether a backend in `unknown` keeps the weights that VPP has for it until its first verdict.
///
/// ```
/// use maglev_health::Hold;
///
/// assert!(Hold::Pending.is_patient());
/// assert!(Hold::Held { above_zero: false }.is_held() && !Hold::Held { above_zero: false }.is_patient());
/// assert!(!Hold::None.is_held());
/// ```
#[expect(clippy::exhaustive_enums, reason = "held, not held, or held by an amount not yet read")]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Hold {
    /// It holds nothing: its weight is 0 while unknown, and any fail brings it down.
    None,
    /// Held, but VPP has not been read yet. Treated as above 0: a lost first packet must not cut a serving backend.
    Pending,
    /// Held at what VPP had.
    Held {
        /// True if that is more than 0 in some VIP. Then it takes `fall` fails in a row to bring the backend down.
        above_zero: bool,
    },
}

impl Hold {
    /// True unless it is [`Hold::None`].
    #[must_use]
    pub const fn is_held(self) -> bool {
        !matches!(self, Self::None)
    }

    /// True if one fail must not be enough.
    #[must_use]
    pub const fn is_patient(self) -> bool {
        matches!(self, Self::Pending | Self::Held { above_zero: true })
    }
}

/// One entry of a backend's history.
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
/// # let options = ControlOptions { dataplane: Dataplane::Absent, ..ControlOptions::default() };
///
/// let mut control = Control::new(options, &spec, now, wall);
/// control.assume_up(now, wall);
/// let backend = control.backends().next().ok_or("it is configured")?;
/// // Newest first.
/// let entered: Vec<(State, State)> = backend.history().map(|entry| (entry.from, entry.to)).collect();
/// assert_eq!(entered[0], (State::Unknown, State::Up));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transition {
    /// The state before.
    pub from: State,
    /// The state after; equal to `from` where probing began anew in `unknown`, or a check left a backend that was up.
    pub to: State,
    /// Why.
    pub code: Code,
    /// What was seen or said, for people. May be empty.
    pub detail: Arc<str>,
    /// When, as the caller's wall clock has it.
    pub at: SystemTime,
}

/// One entering of `down` or `disabled`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Incident {
    /// Unique, rising.
    pub(crate) number: u64,
    /// Nothing but the start of the daemon came before it.
    pub(crate) first_verdict: bool,
}

/// What may happen to a backend.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Input {
    Pass,
    Fail,
    NoVerdict,
    /// VPP, or a reload, says that the backend is above 0 in no VIP.
    Unheld,
    Pause,
    Resume,
    Disable,
    Enable,
    /// It is no longer suppressed.
    Reuse,
    /// Its check or address changed.
    Restart,
    /// It left the configuration.
    Remove,
}

impl From<Outcome> for Input {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Pass => Self::Pass,
            Outcome::Fail => Self::Fail,
            Outcome::NoVerdict => Self::NoVerdict,
        }
    }
}

/// What an input does to the state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// Nothing that anyone needs to be told.
    Stay,
    /// A history entry, and a new state unless it is the same again.
    Enter(State),
    /// Not allowed in this state.
    Refuse,
}

/// Why and when a state is entered.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) code: Code,
    pub(crate) detail: Arc<str>,
    pub(crate) at: SystemTime,
}

/// The state machine of one backend with its counter and history.
///
/// The counter runs from 0 to `rise + fall - 1`; a backend is up from `rise` on. A static backend counts as one with
/// rise and fall of 1.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    check: Option<Check>,
    state: State,
    counter: u16,
    hold: Hold,
    /// Fails since `unknown` was entered, for a backend that needs `fall` of them.
    fails: u8,
    /// Of flaps; none without damping.
    penalty: Penalty,
    /// Down, and not to go up yet.
    suppressed: bool,
    last_fail: Option<ProbeResult>,
    /// Nothing but the start of the daemon has happened to this backend; so it is unknown, or enters its first state.
    fresh: bool,
    incident: Option<Incident>,
    since: SystemTime,
    history: VecDeque<Transition>,
    history_limit: NonZeroUsize,
}

impl Backend {
    /// A backend before its first state; [`Backend::enter`] gives it one.
    pub(crate) fn new(check: Option<Check>, fresh: bool, history_limit: NonZeroUsize, at: SystemTime) -> Self {
        let mut backend = Self {
            check,
            state: State::Unknown,
            counter: 0,
            hold: Hold::None,
            fails: 0,
            penalty: Penalty::NONE,
            suppressed: false,
            last_fail: None,
            fresh,
            incident: None,
            since: at,
            history: VecDeque::new(),
            history_limit,
        };
        backend.counter = backend.rise() - 1;
        backend
    }

    /// Applies `input`: moves the counter, and says which state to enter. The caller enters it, with the cause.
    pub(crate) fn step(&mut self, input: Input) -> Step {
        use Input as I;
        use State as S;
        use Step::{Enter, Refuse, Stay};
        match (self.state, input) {
            (S::Unknown, I::Pass) => {
                self.counter = self.rise();
                Enter(S::Up)
            }
            (S::Unknown, I::Fail) => {
                self.fails = self.fails.saturating_add(1);
                if self.hold.is_patient() && self.fails < self.fall() {
                    Stay
                } else {
                    self.counter = 0;
                    Enter(S::Down)
                }
            }
            (S::Unknown, I::Unheld) if self.fails > 0 => {
                self.counter = 0;
                Enter(S::Down)
            }
            (S::Up, I::Pass) => {
                self.counter = (self.counter + 1).min(self.top());
                Stay
            }
            (S::Up, I::Fail) => {
                self.counter = self.counter.saturating_sub(1);
                if self.counter < self.rise() { Enter(S::Down) } else { Stay }
            }
            (S::Down, I::Pass) => {
                self.counter = (self.counter + 1).min(self.top());
                if self.counter >= self.rise() && !self.suppressed { Enter(S::Up) } else { Stay }
            }
            (S::Down, I::Reuse) => {
                self.suppressed = false;
                if self.counter >= self.rise() { Enter(S::Up) } else { Stay }
            }
            (S::Down, I::Fail) => {
                self.counter = self.counter.saturating_sub(1);
                Stay
            }
            (S::Unknown | S::Up | S::Down, I::Restart) | (S::Paused, I::Resume) | (S::Disabled, I::Enable) => {
                Enter(self.beginning())
            }
            (S::Unknown | S::Up | S::Down, I::Pause) => Enter(S::Paused),
            (S::Unknown | S::Up | S::Down | S::Paused, I::Disable) => Enter(S::Disabled),
            (S::Unknown | S::Up | S::Down | S::Paused | S::Disabled, I::Remove) => Enter(S::Removed),
            // An operator must enable first: else a resume would seem to have worked.
            (S::Disabled, I::Pause | I::Resume) | (S::Removed, I::Pause | I::Resume | I::Disable | I::Enable) => Refuse,
            // Already in force.
            (S::Paused, I::Pause)
            | (S::Unknown | S::Up | S::Down, I::Resume)
            | (S::Disabled, I::Disable)
            | (S::Unknown | S::Up | S::Down | S::Paused, I::Enable)
            | (S::Removed, I::Remove) => Stay,
            // Set aside: neither results nor a changed check touch the state.
            (S::Paused | S::Disabled | S::Removed, I::Pass | I::Fail | I::NoVerdict | I::Unheld | I::Restart) => Stay,
            (S::Unknown | S::Up | S::Down, I::NoVerdict | I::Unheld) => Stay,
            // Nothing but `down` can be suppressed.
            (S::Unknown | S::Up | S::Paused | S::Disabled | S::Removed, I::Reuse) => Stay,
        }
    }

    /// Enters `to`. `incident` gives the number for an entering of `down` or `disabled`.
    pub(crate) fn enter(&mut self, to: State, cause: Cause, incident: impl FnOnce() -> u64) -> Transition {
        let from = self.state;
        self.state = to;
        self.fails = 0;
        self.last_fail = None;
        self.hold = Hold::None;
        match to {
            State::Unknown => self.counter = self.rise() - 1,
            State::Up if self.check.is_none() => self.counter = self.top(),
            State::Up | State::Down | State::Paused | State::Disabled | State::Removed => {}
        }
        if !matches!(to, State::Up | State::Down) {
            self.forgive();
        }
        self.incident = matches!(to, State::Down | State::Disabled)
            .then(|| Incident { number: incident(), first_verdict: self.fresh && (from == State::Unknown) });
        self.fresh &= to == State::Unknown;
        if from != to {
            self.since = cause.at;
        }
        let transition = Transition { from, to, code: cause.code, detail: cause.detail, at: cause.at };
        self.history.truncate(self.history_limit.get() - 1);
        self.history.push_front(transition.clone());
        transition
    }

    /// The state of a backend of which nothing is known: static ones are up at once.
    pub(crate) fn beginning(&self) -> State {
        if self.check.is_some() { State::Unknown } else { State::Up }
    }

    /// Another check, without effect on the state. The counter is brought into the new range.
    pub(crate) fn set_check(&mut self, check: Option<Check>) {
        self.check = check;
        self.counter = self.counter.min(self.top());
    }

    /// A flap at `now`. What it comes to and for how long, if it suppresses the backend.
    pub(crate) fn flap(&mut self, now: Instant) -> Option<(u64, Duration)> {
        let damping = self.check?.damping?;
        self.penalty = self.penalty.added(&damping, now);
        self.suppressed = self.penalty.suppresses(&damping, now);
        self.suppressed.then(|| (self.penalty.at(&damping, now), self.penalty.rest(&damping, now)))
    }

    /// Forgets every flap.
    pub(crate) fn forgive(&mut self) {
        self.penalty = Penalty::NONE;
        self.suppressed = false;
    }

    /// What the flaps add up to at `now`; 0 without damping.
    pub(crate) fn penalty_at(&self, now: Instant) -> u64 {
        self.damping().map_or(0, |damping| self.penalty.at(&damping, now))
    }

    pub(crate) fn has_penalty(&self, now: Instant) -> bool {
        self.suppressed || self.penalty_at(now) > 0
    }

    pub(crate) fn penalty(&self) -> Penalty {
        self.penalty
    }

    pub(crate) fn damping(&self) -> Option<Damping> {
        self.check?.damping
    }

    /// Another damping, without effect on the state: it keeps no penalty, and what was suppressed stays so until it is
    /// used again. False if it is the same.
    pub(crate) fn set_damping(&mut self, damping: Option<Damping>) -> bool {
        match &mut self.check {
            Some(check) if check.damping != damping => {
                check.damping = damping;
                self.penalty = Penalty::NONE;
                true
            }
            _ => false,
        }
    }

    /// Says what the backend holds, if it is unknown: nothing else can be held.
    pub(crate) fn set_hold(&mut self, hold: Hold) {
        if self.state == State::Unknown {
            self.hold = hold;
        }
    }

    /// An operator touched it: what follows is no longer the first verdict after a start.
    pub(crate) fn set_touched(&mut self) {
        self.fresh = false;
    }

    /// Keeps the words of a fail that was forgiven, in case it is not for long.
    pub(crate) fn note_fail(&mut self, result: &ProbeResult) {
        if self.state == State::Unknown {
            self.last_fail = Some(result.clone());
        }
    }

    pub(crate) fn last_fail(&self) -> Option<&ProbeResult> {
        self.last_fail.as_ref()
    }

    /// The wait after a verdict, and whether it is one of full length.
    pub(crate) fn wait(&self) -> Option<Wait> {
        let check = self.check.as_ref()?;
        match self.state {
            State::Up if self.counter == self.top() => Some(Wait::Full(check.interval)),
            // Suppressed, and nothing left to find out.
            State::Down if self.suppressed && self.counter == self.top() => Some(Wait::Full(check.interval)),
            State::Down if self.counter == 0 => Some(Wait::Full(check.down_interval)),
            State::Unknown | State::Up | State::Down => Some(Wait::Fast(check.fast_interval)),
            State::Paused | State::Disabled | State::Removed => None,
        }
    }

    pub(crate) fn check(&self) -> Option<&Check> {
        self.check.as_ref()
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn counter(&self) -> u16 {
        self.counter
    }

    pub(crate) fn hold(&self) -> Hold {
        self.hold
    }

    pub(crate) fn incident(&self) -> Option<Incident> {
        self.incident
    }

    pub(crate) fn since(&self) -> SystemTime {
        self.since
    }

    /// Keeps this many entries from now on.
    pub(crate) fn set_history_limit(&mut self, limit: NonZeroUsize) {
        self.history_limit = limit;
        self.history.truncate(limit.get());
    }

    pub(crate) fn history(&self) -> &VecDeque<Transition> {
        &self.history
    }

    pub(crate) fn rise(&self) -> u16 {
        self.check.map_or(1, |check| check.rise.get().into())
    }

    pub(crate) fn fall(&self) -> u8 {
        self.check.map_or(1, |check| check.fall.get())
    }

    pub(crate) fn top(&self) -> u16 {
        self.check.map_or(1, |check| check.top())
    }
}

/// The wait for the next probe.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wait {
    /// Something is being found out.
    Fast(Duration),
    /// Steady: up at the top or down at 0.
    Full(Duration),
}

#[cfg(test)]
mod tests;
