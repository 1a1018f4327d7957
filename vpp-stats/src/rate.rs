use std::time::Duration;

use crate::cell::Cell;
use crate::error::StatsError;
use crate::handle::ScalarHandle;
use crate::segment::Segment;

/// What counters have in common that can be subtracted from each other: the VPP that counts. If two lives differ, what
/// the counters count began anew in between.
///
/// Cleared counters are no part of it, for VPP tells nobody of them: `clear interfaces` zeroes tables and moves nothing
/// else (`clear_interface_counters` in `src/vnet/interface_cli.c`), and `/sys/last_stats_clear` is the time of the last
/// `clear runtime` (`src/vlib/node_cli.c`), which concerns the nodes' statistics alone.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// use vpp_stats::LifeHandle;
///
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # vpp.set_scalar(vpp.boottime(), 1_800_000_000)?;
/// let mut life = LifeHandle::new(&segment);
/// let before = life.read(0)?;
/// # vpp.set_scalar(vpp.boottime(), 1_800_000_017)?;
/// // VPP restarts.
/// assert_ne!(life.read(0)?, before);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Life {
    /// Number of the segment, as [`Source::generation`](crate::Source::generation) counts them.
    pub generation: u64,
    /// `/sys/boottime`: Unix time of VPP's start in seconds. `None` before 23.02.
    pub boottime: Option<u64>,
}

/// Reads the [`Life`] of a segment's counters again and again. Allocates nothing once the name was found.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// use std::time::Duration;
/// use vpp_stats::{LifeHandle, Meter};
///
/// let (mut drops, mut life) = (segment.simple("/if/drops"), LifeHandle::new(&segment));
/// let (mut meter, mut sums) = (Meter::new(), [0; 1]);
/// # let interfaces = vpp.add_simple("/if/drops", 1, 1)?;
/// # for (second, count) in [(10, 100), (12, 300)] {
/// # vpp.set(interfaces, 0, 0, count)?;
/// # let now = Duration::from_secs(second);
/// // For each scrape:
/// drops.sum_all(&mut sums)?;
/// meter.update(now, life.read(0)?, &sums);
/// # }
/// assert_eq!(meter.rates(), [Some(100.0)]); // 200 packets in two seconds
///
/// // `fresh` is the segment of a VPP that was restarted: the second one.
/// # let fresh = SegmentWriter::new(1 << 16)?.reader()?;
/// life.rebind(&fresh);
/// meter.update(Duration::from_secs(14), life.read(1)?, &[9_000]);
/// assert_eq!(meter.rates(), [None]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct LifeHandle {
    boottime: ScalarHandle,
}

impl LifeHandle {
    /// A handle into `segment`.
    pub fn new(segment: &Segment) -> Self {
        Self { boottime: segment.scalar("/sys/boottime") }
    }

    /// Reads `segment` from now on.
    pub fn rebind(&mut self, segment: &Segment) {
        self.boottime.rebind(segment);
    }

    /// The life as it is now, of the segment with number `generation`; 0 where there is one segment only.
    ///
    /// # Errors
    /// As [`ScalarHandle::value`].
    pub fn read(&mut self, generation: u64) -> Result<Life, StatsError> {
        Ok(Life { generation, boottime: self.boottime.value()? })
    }
}

/// Rates of counters, from one reading to the next.
///
/// Pure: readings and the time at which they were taken come in, from any clock that does not go backwards.
///
/// *Guarantees.* There is no rate for the interval in which VPP was restarted, as [`Life`] tells, nor for a counter that
/// fell, as those do that somebody cleared, nor for one that is new; the next interval has one again. So no rate is
/// negative, and none is the leap from 0 to what a counter had counted long ago. After an update that changes no length
/// nothing is allocated.
///
/// *Caveats.* A counter that was cleared and has counted beyond its old value within one interval cannot be told from
/// one that went on: that interval's rate is too low, by the old value over the interval. VPP re-uses columns: one that
/// stands for something else since the last reading, and has counted further than that, cannot be told either. Give
/// readings in an order of your own, or [`forget`](Self::forget) such a counter.
///
/// ```
/// use std::time::Duration;
/// use vpp_stats::{Life, Meter};
///
/// let mut meter = Meter::<u64>::new();
/// let life = Life::default();
/// meter.update(Duration::from_secs(10), life, &[100, 7]);
/// assert_eq!(meter.rate(0), None); // of one reading
/// meter.update(Duration::from_secs(12), life, &[300, 3]);
/// assert_eq!(meter.rate(0), Some(100.0)); // per second
/// assert_eq!(meter.rate(1), None); // it fell
/// ```
#[derive(Clone, Debug)]
pub struct Meter<C: Cell> {
    last: Option<(Duration, Life)>,
    counters: Vec<C>,
    rates: Vec<Option<C::Rate>>,
}

/// Packets and bytes per second.
///
/// ```
/// use std::time::Duration;
/// use vpp_stats::{CombinedCounter, CombinedRate, Life, Meter};
///
/// let mut meter = Meter::new();
/// let life = Life::default();
/// meter.update(Duration::from_secs(10), life, &[CombinedCounter { packets: 1_000, bytes: 64_000 }]);
/// meter.update(Duration::from_secs(20), life, &[CombinedCounter { packets: 6_000, bytes: 384_000 }]);
/// let rate = meter.rate(0).unwrap_or_default();
/// assert_eq!(rate, CombinedRate { packets: 500.0, bytes: 32_000.0 });
/// assert_eq!(8.0 * rate.bytes, 256_000.0); // bits per second
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(clippy::exhaustive_structs)] // as `CombinedCounter`
pub struct CombinedRate {
    /// Packets per second.
    pub packets: f64,
    /// Bytes per second.
    pub bytes: f64,
}

impl<C: Cell> Meter<C> {
    /// A meter without a reading.
    pub fn new() -> Self {
        Self { last: None, counters: Vec::new(), rates: Vec::new() }
    }

    /// Takes the reading `counters`, made at `now`. Counter `i` is compared with counter `i` of the last one.
    ///
    /// A reading that is not later than the last one gives no rates.
    pub fn update(&mut self, now: Duration, life: Life, counters: &[C]) {
        let interval = match self.last {
            Some((then, same)) if same == life => now.checked_sub(then).filter(|interval| !interval.is_zero()),
            _ => None,
        };
        let seconds = interval.map(|interval| interval.as_secs_f64());
        self.rates.clear();
        self.rates.extend(counters.iter().enumerate().map(|(index, new)| {
            let old = self.counters.get(index)?;
            new.rate_since(*old, seconds?)
        }));
        self.counters.clear();
        self.counters.extend_from_slice(counters);
        self.last = Some((now, life));
    }

    /// Forgets the last reading of one counter, so that it has no rate before the one after the next.
    ///
    /// ```
    /// use std::time::Duration;
    /// use vpp_stats::{Life, Meter};
    ///
    /// let (mut meter, life) = (Meter::new(), Life::default());
    /// meter.update(Duration::from_secs(10), life, &[100, 7]);
    /// // From here on the second one counts for another interface.
    /// meter.forget(1);
    /// meter.update(Duration::from_secs(12), life, &[300, 90]);
    /// assert_eq!(meter.rates(), [Some(100.0), None]);
    /// meter.update(Duration::from_secs(14), life, &[300, 100]);
    /// assert_eq!(meter.rates(), [Some(0.0), Some(5.0)]);
    /// ```
    pub fn forget(&mut self, index: usize) {
        if let (Some(rate), Some(counter)) = (self.rates.get_mut(index), self.counters.get_mut(index)) {
            *rate = None;
            *counter = C::HIGHEST;
        }
    }

    /// Rate of one counter per second, between the last two readings; `None` if they do not give one.
    pub fn rate(&self, index: usize) -> Option<C::Rate> {
        self.rates.get(index).copied().flatten()
    }

    /// Rates of all counters of the last reading, in its order.
    pub fn rates(&self) -> &[Option<C::Rate>] {
        &self.rates
    }
}

impl<C: Cell> Default for Meter<C> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
