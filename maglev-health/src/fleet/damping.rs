//! Flaps: what they cost, and when they are forgotten.

use std::time::{Duration, Instant, SystemTime};

use super::Fleet;
use crate::backend::{Cause, Input, Step};
use crate::{BackendId, Code, Damping, Event, Outcome, State, schedule};

impl Fleet {
    /// Feeds what a probe says; a transition from up to down is a flap.
    pub(super) fn verdict(&mut self, id: BackendId, outcome: Outcome, mut cause: Cause, now: Instant) {
        let Some(member) = self.backends.get_mut(id) else {
            return;
        };
        let was_up = member.backend.state() == State::Up;
        let Step::Enter(state) = member.backend.step(outcome.into()) else {
            return;
        };
        let suppressed = if was_up && state == State::Down { member.backend.flap(now) } else { None };
        if let Some((penalty, rest)) = suppressed {
            let separator = if cause.detail.is_empty() { "" } else { "; " };
            let text = format!("{}{separator}suppressed: penalty {penalty}, for {}", cause.detail, Rounded(rest));
            cause.detail = text.into();
        }
        self.enter(id, state, cause);
        if let Some((penalty, rest)) = suppressed {
            self.suppress(id, penalty, rest, now);
        }
    }

    fn suppress(&mut self, id: BackendId, penalty: u64, rest: Duration, now: Instant) {
        let Some(member) = self.backends.get_mut(id) else {
            return;
        };
        let until = now.checked_add(rest.min(schedule::LONGEST_WAIT)).unwrap_or(now);
        member.suppressed_until = Some(until);
        self.reuses.insert((until, id));
        self.events.push_back(Event::Suppressed { backend: id, name: member.spec.name.clone(), penalty, rest });
    }

    /// Uses again whose time has come.
    pub(super) fn reuse_due(&mut self, now: Instant) {
        while let Some(&(due, id)) = self.reuses.first()
            && due <= now
        {
            let damping = self.backends.get(id).and_then(|member| member.backend.check()?.damping);
            let detail = damping.map(|damping| format!("penalty is below {}", damping.reuse())).unwrap_or_default();
            let cause = Cause { code: Code::Reused, detail: detail.into(), at: self.wall(now) };
            self.reuse(id, now, cause);
        }
    }

    /// Forgets the flaps of a backend; one that is suppressed is used again, for this cause. False if there were none.
    pub(super) fn absolve(&mut self, id: BackendId, now: Instant, cause: Cause) -> bool {
        let Some(member) = self.backends.get_mut(id) else {
            return false;
        };
        let had_any = member.backend.has_penalty(now);
        if member.suppressed_until.is_some() {
            self.reuse(id, now, cause);
        }
        self.forgive(id);
        had_any
    }

    /// Forgets the flaps of a backend and that it is suppressed, without a word.
    pub(super) fn forgive(&mut self, id: BackendId) {
        if let Some(member) = self.backends.get_mut(id) {
            member.backend.forgive();
            if let Some(until) = member.suppressed_until.take() {
                self.reuses.remove(&(until, id));
            }
        }
    }

    /// Another damping keeps no penalty, and whoever is suppressed is due at once.
    pub(super) fn set_damping(&mut self, id: BackendId, damping: Option<Damping>) {
        let Some(member) = self.backends.get_mut(id) else {
            return;
        };
        if !member.backend.set_damping(damping) {
            return;
        }
        if let Some(until) = member.suppressed_until.replace(self.origin) {
            self.reuses.remove(&(until, id));
            self.reuses.insert((self.origin, id));
        } else {
            member.suppressed_until = None;
        }
    }

    fn reuse(&mut self, id: BackendId, now: Instant, cause: Cause) {
        let Some(member) = self.backends.get_mut(id) else {
            return;
        };
        if let Some(until) = member.suppressed_until.take() {
            self.reuses.remove(&(until, id));
        }
        let penalty = member.backend.penalty_at(now);
        self.events.push_back(Event::Reused { backend: id, name: member.spec.name.clone(), penalty });
        self.input(id, Input::Reuse, cause);
    }

    /// The wall clock at `now`, which no caller gave, by the newest pair that one did.
    fn wall(&self, now: Instant) -> SystemTime {
        let (instant, wall) = self.clocks.unwrap_or((now, SystemTime::UNIX_EPOCH));
        wall.checked_add(now.saturating_duration_since(instant)).unwrap_or(wall)
    }
}

/// Whole seconds, rounded up, as `1h2m3s`.
struct Rounded(Duration);

impl std::fmt::Display for Rounded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let secs = self.0.as_secs() + u64::from(self.0.subsec_nanos() > 0);
        let (hours, minutes, secs) = (secs / 3600, secs / 60 % 60, secs % 60);
        match (hours, minutes) {
            (0, 0) => write!(f, "{secs}s"),
            (0, _) => write!(f, "{minutes}m{secs}s"),
            _ => write!(f, "{hours}h{minutes}m{secs}s"),
        }
    }
}
