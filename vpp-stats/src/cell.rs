use std::fmt;

use crate::directory::EntryKind;
use crate::map::Words;
use crate::rate::CombinedRate;
use crate::value::CombinedCounter;

/// An element of a row: `u64` of a simple counter, or [`CombinedCounter`]. Sealed.
///
/// ```
/// use vpp_stats::{Cell, CounterHandle, StatsError};
///
/// /// Works for both kinds of counters.
/// fn first_column<C: Cell>(counter: &mut CounterHandle<C>) -> Result<Option<C>, StatsError> {
///     counter.sum(0)
/// }
/// ```
pub trait Cell: sealed::Raw {
    /// What it moves by in a second: `f64`, or [`CombinedRate`].
    type Rate: Copy + fmt::Debug + PartialEq;

    /// What it moved by per second, if it was `old` `seconds` ago; `None` if it fell.
    #[doc(hidden)]
    fn rate_since(self, old: Self, seconds: f64) -> Option<Self::Rate>;
}

impl Cell for u64 {
    type Rate = f64;

    fn rate_since(self, old: Self, seconds: f64) -> Option<f64> {
        Some(self.checked_sub(old)? as f64 / seconds)
    }
}

impl Cell for CombinedCounter {
    type Rate = CombinedRate;

    fn rate_since(self, old: Self, seconds: f64) -> Option<CombinedRate> {
        let packets = self.packets.rate_since(old.packets, seconds)?;
        Some(CombinedRate { packets, bytes: self.bytes.rate_since(old.bytes, seconds)? })
    }
}

/// How a cell lies in memory.
pub(crate) mod sealed {
    use super::{CombinedCounter, EntryKind, Words, fmt};

    #[allow(unnameable_types)] // so that nobody else implements `Cell`
    pub trait Raw: Copy + Default + fmt::Debug {
        /// Type of the tables that are made of it.
        const KIND: EntryKind;
        const WORDS: usize;
        /// What no counter exceeds.
        const HIGHEST: Self;
        /// The cell of one column; `None` beyond the end of the row.
        #[allow(private_interfaces)]
        fn load(row: &Words<'_>, column: usize) -> Option<Self>;
        /// The cell as words, of which the first [`WORDS`](Self::WORDS) count.
        fn to_words(self) -> [u64; 2];
        fn from_words(words: [u64; 2]) -> Self;
        /// Adds `other`, wrapping around.
        fn accumulate(&mut self, other: Self);
    }

    impl Raw for u64 {
        const KIND: EntryKind = EntryKind::Simple;
        const WORDS: usize = 1;
        const HIGHEST: Self = u64::MAX;

        #[inline]
        #[allow(private_interfaces)]
        fn load(row: &Words<'_>, column: usize) -> Option<Self> {
            row.get(column)
        }

        fn to_words(self) -> [u64; 2] {
            [self, 0]
        }

        fn from_words(words: [u64; 2]) -> Self {
            words[0]
        }

        #[inline]
        fn accumulate(&mut self, other: Self) {
            *self = self.wrapping_add(other);
        }
    }

    impl Raw for CombinedCounter {
        const KIND: EntryKind = EntryKind::Combined;
        const WORDS: usize = 2;
        const HIGHEST: Self = Self { packets: u64::MAX, bytes: u64::MAX };

        #[inline]
        #[allow(private_interfaces)]
        fn load(row: &Words<'_>, column: usize) -> Option<Self> {
            let at = column.checked_mul(2)?;
            Some(Self { packets: row.get(at)?, bytes: row.get(at + 1)? })
        }

        fn to_words(self) -> [u64; 2] {
            [self.packets, self.bytes]
        }

        fn from_words([packets, bytes]: [u64; 2]) -> Self {
            Self { packets, bytes }
        }

        #[inline]
        fn accumulate(&mut self, other: Self) {
            self.packets.accumulate(other.packets);
            self.bytes.accumulate(other.bytes);
        }
    }
}
