//! When to compare what with VPP.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::model::VipKey;

/// Spreads one dump of each VIP, and one of all VIPs' names, evenly over the interval; the same again in each interval.
///
/// Slot 0 of a cycle is the dump of VIPs, the others are the VIPs in order. A set that changes is taken over by the next cycle.
#[derive(Debug)]
pub(super) struct DriftClock {
    interval: Duration,
    cycle: Option<Cycle>,
    due: VecDeque<Comparison>,
}

#[derive(Debug)]
struct Cycle {
    start: Instant,
    slots: Vec<Comparison>,
    next: usize,
}

/// One thing to compare with VPP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Comparison {
    /// Which VIPs there are.
    Vips,
    /// The servers of one VIP.
    Ases(VipKey),
}

impl DriftClock {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval: interval.max(SHORTEST), cycle: None, due: VecDeque::new() }
    }

    pub(super) fn stop(&mut self) {
        self.cycle = None;
        self.due.clear();
    }

    /// Begins a cycle: everything was just read.
    pub(super) fn start<'a>(&mut self, now: Instant, vips: impl Iterator<Item = &'a VipKey>) {
        self.due.clear();
        self.cycle = Some(Cycle::new(now, vips));
    }

    /// Another interval begins a cycle of that length.
    pub(super) fn set_interval<'a>(
        &mut self,
        now: Instant,
        interval: Duration,
        vips: impl Iterator<Item = &'a VipKey>,
    ) {
        let interval = interval.max(SHORTEST);
        if interval != self.interval {
            self.interval = interval;
            if self.cycle.is_some() {
                self.start(now, vips);
            }
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.cycle.as_ref().map(|cycle| cycle.next_at(self.interval))
    }

    /// Queues what is due.
    pub(super) fn handle_timeout<'a, I: Iterator<Item = &'a VipKey>>(&mut self, now: Instant, vips: impl Fn() -> I) {
        let Some(cycle) = &mut self.cycle else { return };
        // After a long sleep of the machine one round is enough.
        if now.saturating_duration_since(cycle.start) > 2 * self.interval {
            *cycle = Cycle::new(now, vips());
        }
        while cycle.next_at(self.interval) <= now {
            if let Some(&comparison) = cycle.slots.get(cycle.next)
                && !self.due.contains(&comparison)
            {
                self.due.push_back(comparison);
            }
            cycle.next += 1;
            if cycle.next >= cycle.slots.len() {
                *cycle = Cycle::new(cycle.start + self.interval, vips());
            }
        }
    }

    /// What to compare now, of what can be.
    pub(super) fn pop_due(&mut self, can_be: impl Fn(&Comparison) -> bool) -> Option<Comparison> {
        let at = self.due.iter().position(can_be)?;
        self.due.remove(at)
    }

    /// Compares it again: something was written meanwhile.
    pub(super) fn repeat(&mut self, comparison: Comparison) {
        if self.cycle.is_some() && !self.due.contains(&comparison) {
            self.due.push_back(comparison);
        }
    }
}

impl Cycle {
    fn new<'a>(start: Instant, vips: impl Iterator<Item = &'a VipKey>) -> Self {
        let slots = [Comparison::Vips].into_iter().chain(vips.map(|key| Comparison::Ases(*key))).collect();
        Self { start, slots, next: 0 }
    }

    /// Slots stand in the middle of their share of the interval: right after a reading there is nothing to compare.
    fn next_at(&self, interval: Duration) -> Instant {
        let slots = self.slots.len() as u128;
        let nanos = interval.as_nanos() * (2 * self.next as u128 + 1) / (2 * slots);
        self.start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// Below this, comparing would be polling.
const SHORTEST: Duration = Duration::from_millis(10);
