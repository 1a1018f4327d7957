use std::fmt;

/// Claim on a VIP's hash buckets, 0..=100, relative to the sum of the VIP's weights.
///
/// 0 takes no new flows. The range is VPP's: its API takes any byte, but only 0..=100 means something there.
///
/// ```
/// use maglev_health::Weight;
///
/// assert_eq!(Weight::new(50).map(Weight::get), Some(50));
/// assert_eq!(Weight::new(101), None);
/// assert!(Weight::MAX.is_positive() && !Weight::ZERO.is_positive());
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Weight(u8);

impl Weight {
    /// No claim: no new flows.
    pub const ZERO: Self = Self(0);

    /// The whole claim, and what a backend gets when its configuration says nothing.
    pub const MAX: Self = Self(100);

    /// The weight `value`, or `None` above 100.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        if value <= Self::MAX.0 { Some(Self(value)) } else { None }
    }

    /// The number, 0..=100.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// `percent` of it, rounded up; more than 100 counts as 100.
    pub(crate) fn share(self, percent: u8) -> Self {
        let share = (u16::from(self.0) * u16::from(percent.min(100))).div_ceil(100);
        Self(u8::try_from(share).unwrap_or(self.0))
    }

    /// True for a weight that takes new flows.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Weight;

    #[test]
    fn only_0_to_100_are_weights() {
        for value in 0..=u8::MAX {
            assert_eq!(Weight::new(value).map(Weight::get), (value <= 100).then_some(value));
        }
    }
}
