//! What criterion does not tell: one bench beside another.

use std::cell::Cell;
use std::time::Duration;

/// Operations over time, of all samples of one bench.
#[derive(Default)]
pub(crate) struct Rate(Cell<(u64, Duration)>);

impl Rate {
    /// Adds a sample of `count` operations and gives its time back.
    pub(crate) fn add(&self, count: u64, time: Duration) -> Duration {
        let (operations, total) = self.0.get();
        self.0.set((operations + count, total + time));
        time
    }

    /// Operations a second; none unless a second was measured, as in a smoke test.
    pub(crate) fn per_second(&self) -> Option<f64> {
        let (operations, time) = self.0.get();
        (time >= Duration::from_secs(1)).then(|| operations as f64 / time.as_secs_f64())
    }

    /// How many times the rate of `other` this is; none unless both were measured.
    pub(crate) fn over(&self, other: &Self) -> Option<f64> {
        Some(self.per_second()? / other.per_second()?)
    }
}
