use std::fmt;
use std::marker::PhantomData;

use crate::directory::EntryKind;
use crate::error::StatsError;
use crate::frame::{Frame, RawEntry};
use crate::map::Words;
use crate::name::Name;
use crate::segment::Segment;
use crate::value::CombinedCounter;

/// Reads columns of a simple counter; see [`CounterHandle`].
pub type SimpleHandle = CounterHandle<u64>;
/// Reads columns of a combined counter; see [`CounterHandle`].
pub type CombinedHandle = CounterHandle<CombinedCounter>;

/// Reads columns of one table of counters, again and again.
///
/// *Guarantees.* A read looks at the entry's name and type, the lengths of its rows, and the columns that were asked
/// for, nothing else: its cost does not depend on the size of the table or of the directory. It allocates nothing once
/// the name was found. A table that VPP has not made yet, or removed, is [absent](Presence::Absent), and is found as
/// soon as it is there.
///
/// *Caveats.* Cells are read one after another while VPP's threads count, so that sums belong to no single moment.
#[derive(Clone)]
pub struct CounterHandle<C> {
    place: Place,
    cell: PhantomData<fn() -> C>,
}

/// What a read found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::exhaustive_enums)] // complete by nature
pub enum Presence {
    /// No entry has the name, or it has no data yet. The output is all zero.
    Absent,
    /// The entry is there.
    Present {
        /// How many of the columns that were asked for lie beyond every row. They count 0.
        outside: usize,
    },
}

impl Presence {
    /// Whether there is such a table, and it has every column that was asked for.
    pub fn is_complete(self) -> bool {
        self == Self::Present { outside: 0 }
    }
}

/// An element of a row: `u64` or [`CombinedCounter`]. Sealed.
pub trait Cell: sealed::Raw {}

impl Cell for u64 {}

impl Cell for CombinedCounter {}

/// How a cell lies in memory.
pub(crate) mod sealed {
    use super::{CombinedCounter, EntryKind, Words};

    #[allow(unnameable_types)] // so that nobody else implements `Cell`
    pub trait Raw: Copy + Default {
        /// Type of the tables that are made of it.
        const KIND: EntryKind;
        const WORDS: usize;
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

impl<C: Cell> CounterHandle<C> {
    pub(crate) fn new(segment: Segment, name: &str) -> Self {
        Self { place: Place::new(segment, name), cell: PhantomData }
    }

    /// The name the handle was made with.
    pub fn name(&self) -> &str {
        &self.place.text
    }

    /// Puts the sum over all threads of each of `columns` into the element of `out` at the same place.
    ///
    /// Shape: one element for each column asked for, in that order. Unit: of the counter, since VPP started or was
    /// last told to clear it; sums wrap around. Ascending columns are fastest.
    ///
    /// # Errors
    /// [`StatsError::Busy`] if VPP changed the directory during every attempt; safe to call again.
    /// [`StatsError::WrongType`] if the name stands for something else. [`StatsError::Room`] if the slices differ in
    /// length. The others say that the segment is corrupt. `out` is of no use after an error.
    pub fn sum_columns(&mut self, columns: &[u32], out: &mut [C]) -> Result<Presence, StatsError> {
        if columns.len() != out.len() {
            return Err(StatsError::Room { columns: columns.len(), room: out.len() });
        }
        self.place.read(&[C::KIND], |frame, data| {
            out.fill(C::default());
            let Some(data) = data.filter(|data| *data != 0) else {
                return Ok(Presence::Absent);
            };
            let longest = each_row::<C>(frame, data, |row| {
                for (sum, column) in out.iter_mut().zip(columns) {
                    sum.accumulate(C::load(row, *column as usize).unwrap_or_default());
                }
            })?;
            let outside = columns.iter().filter(|column| **column as usize >= longest).count();
            Ok(Presence::Present { outside })
        })
    }

    /// The sum over all threads of one column; `None` if there is no such table or column (yet).
    ///
    /// # Errors
    /// As [`sum_columns`](Self::sum_columns).
    pub fn sum(&mut self, column: u32) -> Result<Option<C>, StatsError> {
        let mut out = [C::default()];
        let presence = self.sum_columns(&[column], &mut out)?;
        Ok(presence.is_complete().then_some(out[0]))
    }

    /// Columns of the longest row; `None` if there is no such table (yet).
    ///
    /// # Errors
    /// As [`sum_columns`](Self::sum_columns).
    pub fn columns(&mut self) -> Result<Option<usize>, StatsError> {
        self.place.read(&[C::KIND], |frame, data| {
            let data = data.filter(|data| *data != 0);
            data.map(|data| each_row::<C>(frame, data, |_| ())).transpose()
        })
    }
}

impl<C> fmt::Debug for CounterHandle<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CounterHandle").field(&self.place.text).finish()
    }
}

/// Reads one number, a scalar or a gauge, again and again.
///
/// VPP before 26.02 has no gauges and keeps what is one today as a scalar, so the two are read alike.
#[derive(Clone)]
pub struct ScalarHandle {
    place: Place,
}

impl ScalarHandle {
    pub(crate) fn new(segment: Segment, name: &str) -> Self {
        Self { place: Place::new(segment, name) }
    }

    /// The name the handle was made with.
    pub fn name(&self) -> &str {
        &self.place.text
    }

    /// The number as it is now; `None` if there is no such entry (yet). Allocates nothing once the name was found.
    ///
    /// # Errors
    /// [`StatsError::Busy`] if VPP changed the directory during every attempt; safe to call again.
    /// [`StatsError::WrongType`] if the name stands for something else. The others say that the segment is corrupt.
    pub fn value(&mut self) -> Result<Option<u64>, StatsError> {
        let kinds = [EntryKind::Scalar, EntryKind::Gauge];
        self.place.read(&kinds, |_, value| Ok(value))
    }
}

impl fmt::Debug for ScalarHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScalarHandle").field(&self.place.text).finish()
    }
}

/// A name, and where it was last seen.
#[derive(Clone)]
struct Place {
    segment: Segment,
    text: Box<str>,
    /// `None` if no entry can have this name.
    name: Option<Name>,
    /// A hint: the entry there is used if it still has the name.
    index: Option<u32>,
}

impl Place {
    fn new(segment: Segment, name: &str) -> Self {
        Self { segment, text: name.into(), name: Name::new(name), index: None }
    }

    /// Calls `read` with the value or pointer of the entry, which has one of `kinds`, or with `None` if there is none.
    fn read<T>(
        &mut self,
        kinds: &[EntryKind],
        mut read: impl FnMut(&Frame<'_>, Option<u64>) -> Result<T, StatsError>,
    ) -> Result<T, StatsError> {
        let Self { segment, name, index, .. } = self;
        segment.attempt(|frame| {
            let Some(entry) = name.as_ref().and_then(|name| find(segment, frame, name, index)) else {
                return Ok(read(frame, None)?);
            };
            entry.read(|held| match held.kind {
                // A slot that was freed, before its name is cleared.
                EntryKind::Empty | EntryKind::Illegal => read(frame, None),
                kind if kinds.contains(&kind) => read(frame, Some(held.union)),
                found => Err(StatsError::WrongType { expected: kinds[0], found }),
            })
        })
    }
}

/// The entry `name`: where it was last seen, if it still is there.
fn find<'a>(segment: &Segment, frame: &Frame<'a>, name: &Name, hint: &mut Option<u32>) -> Option<RawEntry<'a>> {
    let there = hint.and_then(|index| frame.entry(index)).filter(|entry| entry.is_named(name));
    there.or_else(|| {
        *hint = segment.find(frame, name);
        hint.and_then(|index| frame.entry(index))
    })
}

/// Calls `visit` with each thread's row of a table. Returns the columns of the longest.
fn each_row<C: Cell>(frame: &Frame<'_>, data: u64, mut visit: impl FnMut(&Words<'_>)) -> Result<usize, StatsError> {
    let mut longest = 0;
    for pointer in frame.rows(data)?.iter() {
        let row = frame.row::<C>(pointer)?;
        longest = longest.max(row.len() / C::WORDS);
        visit(&row);
    }
    Ok(longest)
}
