//! When the demo's servers fail and recover.

use std::time::Duration;

/// The demo's servers, by position: two in the first pool, one in the second.
pub(super) const SERVERS: usize = 3;

/// A cycle of failures, stretched to fit the time there is.
///
/// ```text
/// web0  ────┐  ┌────┐    ┌────        one server fails: the other takes over its buckets
/// web1  ────────────┐    ┌────        both fail: the first pool is empty, the second takes over
/// web2  ──────────────────────
///       0   .2 .4   .5   .75  1 of the cycle
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) struct Script {
    cycle: Duration,
    /// Cycles to be seen; `None` goes on for ever.
    cycles: Option<u32>,
}

/// How long a cycle takes when nothing presses.
const CALM: Duration = Duration::from_secs(24);
/// The part of a demo of fixed length that its cycles take; in the rest all is well.
const PART: f64 = 0.9;

impl Script {
    /// A script for a demo of this length; `None` for one without end.
    pub(super) fn new(length: Option<Duration>) -> Self {
        let Some(length) = length else { return Self { cycle: CALM, cycles: None } };
        let time = length.mul_f64(PART);
        let cycles = u32::try_from(time.as_secs() / CALM.as_secs()).unwrap_or(u32::MAX).max(1);
        Self { cycle: time / cycles, cycles: Some(cycles) }
    }

    /// Which servers should answer after `elapsed`.
    pub(super) fn alive(&self, elapsed: Duration) -> [bool; SERVERS] {
        if self.cycle.is_zero() {
            return [true; SERVERS];
        }
        let cycles = elapsed.as_secs_f64() / self.cycle.as_secs_f64();
        if self.cycles.is_some_and(|last| cycles >= f64::from(last)) {
            return [true; SERVERS];
        }
        let part = cycles.fract();
        let one_fails = (0.2..0.4).contains(&part);
        let both_fail = (0.5..0.75).contains(&part);
        [!(one_fails || both_fail), !both_fail, true]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(length: u64) -> Vec<[bool; SERVERS]> {
        let script = Script::new(Some(Duration::from_secs(length)));
        let mut seen: Vec<_> = (0..length * 100).map(|step| script.alive(Duration::from_millis(step * 10))).collect();
        seen.dedup();
        seen
    }

    #[test]
    fn one_server_fails_then_the_whole_first_pool_and_all_come_back() {
        let whole = [true, true, true];
        let expected = [whole, [false, true, true], whole, [false, false, true], whole];
        assert_eq!(changes(20), expected);
        assert!(changes(90).starts_with(&expected));
        assert_eq!(changes(90).len(), 3 * (expected.len() - 1) + 1);
    }

    #[test]
    fn the_last_recovery_leaves_a_third_of_the_time_to_be_noticed() {
        let script = Script::new(Some(Duration::from_secs(20)));
        assert_eq!(script.alive(Duration::from_millis(13_600)), [true; SERVERS]);
    }

    #[test]
    fn no_time_at_all_is_no_reason_to_divide_by_it() {
        assert_eq!(Script::new(Some(Duration::ZERO)).alive(Duration::ZERO), [true; SERVERS]);
    }
}
