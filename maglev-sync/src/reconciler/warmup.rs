//! The first moments of the process, in which nothing is known of the servers yet.

use std::time::{Duration, Instant};

use crate::event::WarmUpPhase;

/// Hands-off, then releasing, then done; the clock starts with the process and runs once.
#[derive(Debug)]
pub(super) struct WarmUp {
    start: Instant,
    min_delay: Duration,
    max_delay: Duration,
    phase: WarmUpPhase,
}

impl WarmUp {
    pub(super) fn new(start: Instant, min_delay: Duration, max_delay: Duration) -> Self {
        let phase = match (min_delay.is_zero(), max_delay.is_zero()) {
            (_, true) => WarmUpPhase::Done,
            (true, false) => WarmUpPhase::Releasing,
            (false, false) => WarmUpPhase::HandsOff,
        };
        Self { start, min_delay, max_delay, phase }
    }

    pub(super) fn phase(&self) -> WarmUpPhase {
        self.phase
    }

    /// Other delays, counted from the same start; what has passed has passed.
    pub(super) fn set_delays(&mut self, min_delay: Duration, max_delay: Duration) {
        (self.min_delay, self.max_delay) = (min_delay, max_delay);
    }

    /// There is nothing in VPP that wants to be left alone.
    pub(super) fn skip_hands_off(&mut self) -> Option<WarmUpPhase> {
        (self.phase == WarmUpPhase::HandsOff).then(|| {
            self.phase = WarmUpPhase::Releasing;
            self.phase
        })
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            WarmUpPhase::HandsOff => Some(self.start + self.min_delay.min(self.max_delay)),
            WarmUpPhase::Releasing => Some(self.start + self.max_delay),
            WarmUpPhase::Done => None,
        }
    }

    /// The phase that begins now, if one does; call until it yields none.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<WarmUpPhase> {
        if self.poll_timeout()? > now {
            return None;
        }
        self.phase = match self.phase {
            WarmUpPhase::HandsOff => WarmUpPhase::Releasing,
            WarmUpPhase::Releasing | WarmUpPhase::Done => WarmUpPhase::Done,
        };
        Some(self.phase)
    }
}
