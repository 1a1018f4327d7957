//! When each backend is probed next.

use std::time::{Duration, Instant};

use super::Fleet;
use crate::backend::Wait;
use crate::{BackendId, Event, Jitter, Outcome, ProbeId, schedule};

impl Fleet {
    /// Starts every probe that is due.
    pub(crate) fn start_due(&mut self, now: Instant) {
        while let Some(&(due, id)) = self.timers.first()
            && due <= now
        {
            self.timers.pop_first();
            let Some(member) = self.backends.get_mut(id) else {
                continue;
            };
            self.last_probe += 1;
            let probe = ProbeId::new(id, self.last_probe);
            member.timer = None;
            member.planned = due;
            member.under_way = Some(probe);
            self.events.push_back(Event::Probe { backend: id, probe, due });
        }
    }

    /// When the next probe is due; `None` while all are under way or there is nobody to probe.
    pub(crate) fn next_start(&self) -> Option<Instant> {
        self.timers.first().map(|&(due, _)| due)
    }

    /// Plans the first probe of a backend that is to be probed.
    pub(super) fn begin(&mut self, id: BackendId, now: Instant, delay: Duration) {
        let Some(member) = self.backends.get_mut(id) else {
            return;
        };
        if member.backend.wait().is_some() {
            member.off_phase = true;
            self.set_timer(id, schedule::next_start(now, delay, Jitter::NONE, now));
        }
    }

    /// Cancels the probe under way and forgets the planned one.
    pub(super) fn halt(&mut self, id: BackendId) {
        let Some(member) = self.backends.get_mut(id) else {
            return;
        };
        if let Some(due) = member.timer.take() {
            self.timers.remove(&(due, id));
        }
        if let Some(probe) = member.under_way.take() {
            self.events.push_back(Event::Cancel { backend: id, probe });
        }
    }

    pub(super) fn plan(&mut self, id: BackendId, outcome: Outcome, jitter: Jitter, now: Instant) {
        let Some(member) = self.backends.get_mut(id) else {
            return;
        };
        let (Some(wait), Some(check)) = (member.backend.wait(), member.backend.check()) else {
            return;
        };
        let wait = match wait {
            // It says nothing about the backend, so nothing is steady.
            _ if outcome == Outcome::NoVerdict => check.fast_interval,
            Wait::Fast(wait) => wait,
            Wait::Full(wait) if member.off_phase => {
                member.off_phase = false;
                schedule::phased(member.planned, wait, self.origin, member.place)
            }
            Wait::Full(wait) => wait,
        };
        let due = schedule::next_start(member.planned, wait, jitter, now);
        self.set_timer(id, due);
    }

    pub(super) fn set_timer(&mut self, id: BackendId, due: Instant) {
        if let Some(member) = self.backends.get_mut(id) {
            if let Some(before) = member.timer.replace(due) {
                self.timers.remove(&(before, id));
            }
            self.timers.insert((due, id));
        }
    }

    /// A backend's share of the spread of first probes.
    pub(super) fn spread(&self, id: BackendId, limit: Duration) -> Duration {
        let Some(member) = self.backends.get(id) else {
            return Duration::ZERO;
        };
        let fast = member.backend.check().map_or(Duration::ZERO, |check| check.fast_interval);
        member.place.share(schedule::spread(fast, limit))
    }
}
