//! Numbers with a unit or a range.

use std::fmt;

use thiserror::Error;

/// Claim on a VIP's hash buckets, 0..=100, relative to the sum of its VIP. 0 takes no new flows.
///
/// VPP's API takes any byte; more than 100 is its command line's limit and ours.
///
/// ```
/// use maglev_sync::{OutOfRange, Weight};
///
/// assert_eq!(Weight::new(50).map(Weight::get), Ok(50));
/// assert!(Weight::ZERO.is_zero() && Weight::ZERO < Weight::MAX);
/// assert_eq!(Weight::new(101), Err(OutOfRange::Weight(101)));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Weight(u8);

impl Weight {
    /// Takes no new flows.
    pub const ZERO: Self = Self(0);
    /// What a server in use counts on a VPP without weights.
    pub(crate) const ONE: Self = Self(1);
    /// The whole claim of one server.
    pub const MAX: Self = Self(100);

    /// The weight `value`.
    ///
    /// # Errors
    /// [`OutOfRange::Weight`] above 100.
    pub fn new(value: u8) -> Result<Self, OutOfRange> {
        if value > Self::MAX.0 {
            return Err(OutOfRange::Weight(value));
        }
        Ok(Self(value))
    }

    /// The number itself, 0..=100.
    pub fn get(self) -> u8 {
        self.0
    }

    /// Whether it takes no new flows.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl TryFrom<u8> for Weight {
    type Error = OutOfRange;

    fn try_from(value: u8) -> Result<Self, OutOfRange> {
        Self::new(value)
    }
}

impl From<Weight> for u8 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Length of a VIP's new-flow table in buckets: a power of two, 1,024..=1,048,576.
///
/// VPP takes any power of two, and 0, over which it dies (`src/plugins/lb/lb.c`, `lb_vip_add`).
///
/// ```
/// use maglev_sync::TableLength;
///
/// assert_eq!(TableLength::new(4096).map(TableLength::get), Ok(4096));
/// // A length over which VPP would die has no value.
/// assert_eq!(
///     TableLength::new(0).unwrap_err().to_string(),
///     "a new-flow table has a power of two from 1024 to 1048576 buckets, not 0"
/// );
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TableLength(u32);

impl TableLength {
    /// 1,024 buckets.
    pub const MIN: Self = Self(1 << 10);
    /// 1,048,576 buckets.
    pub const MAX: Self = Self(1 << 20);

    /// The length `buckets`.
    ///
    /// # Errors
    /// [`OutOfRange::TableLength`] unless it is a power of two in range.
    pub fn new(buckets: u32) -> Result<Self, OutOfRange> {
        if !buckets.is_power_of_two() || !(Self::MIN.0..=Self::MAX.0).contains(&buckets) {
            return Err(OutOfRange::TableLength(buckets));
        }
        Ok(Self(buckets))
    }

    /// The number of buckets.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for TableLength {
    type Error = OutOfRange;

    fn try_from(value: u32) -> Result<Self, OutOfRange> {
        Self::new(value)
    }
}

impl From<TableLength> for u32 {
    fn from(length: TableLength) -> Self {
        length.0
    }
}

impl fmt::Display for TableLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Buckets of the sticky table of each VPP thread, 4 flows each: a power of two, 1,024..=4,194,304.
///
/// A live VPP accepted 67,108,864 and died at the next packet: it computes the table's size in 32 bits. 4,194,304
/// buckets are 256 MiB a thread.
///
/// ```
/// use maglev_sync::StickyBuckets;
///
/// assert!(StickyBuckets::new(65_536).is_ok());
/// assert!(StickyBuckets::new(67_108_864).is_err());
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StickyBuckets(u32);

impl StickyBuckets {
    /// 1,024 buckets, VPP's own default.
    pub const MIN: Self = Self(1 << 10);
    /// 4,194,304 buckets.
    pub const MAX: Self = Self(1 << 22);

    /// The number `buckets`.
    ///
    /// # Errors
    /// [`OutOfRange::StickyBuckets`] unless it is a power of two in range.
    pub fn new(buckets: u32) -> Result<Self, OutOfRange> {
        if !buckets.is_power_of_two() || !(Self::MIN.0..=Self::MAX.0).contains(&buckets) {
            return Err(OutOfRange::StickyBuckets(buckets));
        }
        Ok(Self(buckets))
    }

    /// The number of buckets.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for StickyBuckets {
    type Error = OutOfRange;

    fn try_from(value: u32) -> Result<Self, OutOfRange> {
        Self::new(value)
    }
}

impl From<StickyBuckets> for u32 {
    fn from(buckets: StickyBuckets) -> Self {
        buckets.0
    }
}

impl fmt::Display for StickyBuckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Time after its last packet at which VPP may forget a flow: 1..=120 seconds.
///
/// ```
/// use maglev_sync::FlowTimeout;
///
/// let timeout = FlowTimeout::from_secs(40)?;
/// assert_eq!((timeout.as_secs(), timeout.to_string()), (40, "40s".to_owned()));
/// assert!(FlowTimeout::from_secs(0).is_err());
/// # Ok::<(), maglev_sync::OutOfRange>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct FlowTimeout(u32);

impl FlowTimeout {
    /// The time-out of `seconds`.
    ///
    /// # Errors
    /// [`OutOfRange::FlowTimeout`] outside 1..=120.
    pub fn from_secs(seconds: u32) -> Result<Self, OutOfRange> {
        if !(1..=120).contains(&seconds) {
            return Err(OutOfRange::FlowTimeout(seconds));
        }
        Ok(Self(seconds))
    }

    /// Whole seconds.
    pub fn as_secs(self) -> u32 {
        self.0
    }
}

impl fmt::Display for FlowTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0)
    }
}

/// A number that VPP must never be sent.
///
/// ```
/// use maglev_sync::{OutOfRange, StickyBuckets, TableLength};
///
/// /// The line of a config that says how long tables are.
/// fn line(number: usize, buckets: u32) -> Result<TableLength, String> {
///     TableLength::new(buckets).map_err(|error| format!("line {number}: {error}"))
/// }
/// assert_eq!(
///     line(7, 5000),
///     Err("line 7: a new-flow table has a power of two from 1024 to 1048576 buckets, not 5000".to_owned())
/// );
/// // The number is there for who words it otherwise.
/// assert_eq!(StickyBuckets::new(512), Err(OutOfRange::StickyBuckets(512)));
/// ```
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum OutOfRange {
    /// Fix the configuration.
    #[error("a weight is 0 to 100, not {0}")]
    Weight(u8),
    /// Fix the configuration.
    #[error("a new-flow table has a power of two from 1024 to 1048576 buckets, not {0}")]
    TableLength(u32),
    /// Fix the configuration.
    #[error("sticky buckets per core are a power of two from 1024 to 4194304, not {0}")]
    StickyBuckets(u32),
    /// Fix the configuration.
    #[error("a flow time-out is 1 to 120 seconds, not {0}")]
    FlowTimeout(u32),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vpp_must_never_be_sent_has_no_value() {
        assert!(Weight::new(100).is_ok());
        assert_eq!(Weight::new(101), Err(OutOfRange::Weight(101)));
        for bad in [0, 512, 1000, 1 << 21, u32::MAX] {
            assert_eq!(TableLength::new(bad), Err(OutOfRange::TableLength(bad)));
        }
        for bad in [0, 512, 3000, 1 << 23, 67_108_864, u32::MAX] {
            assert_eq!(StickyBuckets::new(bad), Err(OutOfRange::StickyBuckets(bad)));
        }
        for bad in [0, 121, u32::MAX] {
            assert_eq!(FlowTimeout::from_secs(bad), Err(OutOfRange::FlowTimeout(bad)));
        }
    }

    #[test]
    fn the_ends_of_each_range_belong_to_it() {
        assert_eq!(TableLength::new(1024).map(TableLength::get), Ok(1024));
        assert_eq!(TableLength::new(1_048_576), Ok(TableLength::MAX));
        assert_eq!(StickyBuckets::new(1024), Ok(StickyBuckets::MIN));
        assert_eq!(StickyBuckets::new(4_194_304), Ok(StickyBuckets::MAX));
        assert_eq!(FlowTimeout::from_secs(1).map(FlowTimeout::as_secs), Ok(1));
        assert_eq!(FlowTimeout::from_secs(120).map(FlowTimeout::as_secs), Ok(120));
    }
}
