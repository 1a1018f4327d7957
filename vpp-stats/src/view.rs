//! What entries hold, where it lies. Views exist only while a read is under way: see [`crate::Segment`] for its rules.

mod histogram;
mod names;
mod ring;
mod table;

use std::cell::Cell as StdCell;

pub use self::histogram::{HistogramRowView, HistogramView};
pub use self::names::{NameView, NamesView};
#[cfg(feature = "writer")]
pub(crate) use self::ring::METADATA_BYTES;
pub use self::ring::{RingCopy, RingThreadView, RingView};
pub use self::table::{ColumnView, RowView, TableView};
use crate::directory::EntryKind;
use crate::epoch::Failure;
use crate::error::{Corruption, StatsError};
use crate::frame::{Frame, Held};
use crate::map::{WORD, Words};
use crate::value::{self, Value};

/// What an entry holds, without a copy: numbers are loaded from the segment when they are asked for.
///
/// Given to the closures of [`EntryHandle::read`](crate::EntryHandle::read) and
/// [`SelectedEntry::read`](crate::SelectedEntry::read), and of no use outside of them. What a view says is worth something when
/// the read returns `Ok`: VPP may change the directory meanwhile, and then the closure is called again. A pointer that
/// leads nowhere makes a view look empty, and the read fail.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// use vpp_stats::View;
///
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let drops = vpp.add_simple("/if/drops", 2, 3)?;
/// # vpp.set(drops, 1, 2, 7)?;
/// let total = segment.entry("/if/drops").read(|view| match view {
///     View::Scalar(number) | View::Gauge(number) => number,
///     View::Simple(table) => table.total(),
///     _ => 0,
/// })?;
/// assert_eq!(total, Some(7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum View<'a> {
    /// One number; times are whole seconds.
    Scalar(u64),
    /// One number that may also fall. VPP before 26.02 has these as [`Scalar`](Self::Scalar).
    Gauge(u64),
    /// A number for each thread and column.
    Simple(TableView<'a, u64>),
    /// Packets and bytes for each thread and column.
    Combined(TableView<'a, value::CombinedCounter>),
    /// Names by index.
    Names(NamesView<'a>),
    /// The column that a symlink leads to.
    Symlink(LinkView<'a>),
    /// Bins by powers of two for each thread.
    Histogram(HistogramView<'a>),
    /// A ring buffer for each thread; `None` if there is none yet.
    RingBuffer(Option<RingView<'a>>),
    /// An entry of a type that this crate does not know, by its number.
    Unknown(i32),
}

/// The column that a symlink leads to.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let received = vpp.add_combined("/if/rx", 2, 3)?;
/// # vpp.set(received, 1, 2, CombinedCounter { packets: 2, bytes: 128 })?;
/// # vpp.add_symlink("/interfaces/loop0/rx", received, 2)?;
/// use vpp_stats::{CombinedCounter, LinkView, View};
///
/// let packets = segment.entry("/interfaces/loop0/rx").read(|view| match view {
///     View::Symlink(LinkView::Simple(column)) => column.sum(),
///     View::Symlink(LinkView::Combined(column)) => column.sum().packets,
///     _ => 0,
/// })?;
/// assert_eq!(packets, Some(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum LinkView<'a> {
    /// Of a simple counter.
    Simple(ColumnView<'a, u64>),
    /// Of a combined counter.
    Combined(ColumnView<'a, value::CombinedCounter>),
}

impl View<'_> {
    /// A copy of it all. Of a ring buffer only the description is copied.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # vpp.add_names("/if/names", &[Some("local0"), None])?;
    /// use vpp_stats::{Value, View};
    ///
    /// // A copy of whatever it is, unless it is a table, which may be large.
    /// let copy = segment.entry("/if/names").read(|view| match view {
    ///     View::Simple(_) | View::Combined(_) => None,
    ///     other => Some(other.to_value()),
    /// })?;
    /// assert_eq!(copy, Some(Some(Value::Names(vec![Some("local0".to_owned()), None]))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_value(&self) -> Value {
        value::copy(self)
    }
}

/// What views read through.
#[derive(Clone, Copy)]
pub(crate) struct Access<'a> {
    pub(crate) frame: &'a Frame<'a>,
    pub(crate) notes: &'a Notes,
}

/// What came up while views were read, to be asked for at the end of a read.
#[derive(Default)]
pub(crate) struct Notes {
    error: StdCell<Option<StatsError>>,
    /// The entry that a symlink led to, and what it said.
    target: StdCell<Option<(u32, Held)>>,
}

impl Notes {
    pub(crate) fn error(&self, error: StatsError) {
        self.error.set(Some(error));
    }

    /// The result of a read, unless something came up meanwhile.
    pub(crate) fn checked<T>(&self, frame: &Frame<'_>, result: Result<T, StatsError>) -> Result<T, Failure> {
        self.finish(frame)?;
        Ok(result?)
    }

    /// Ends the use of one view: whether what it showed can be believed, as far as the epoch does not tell.
    pub(crate) fn finish(&self, frame: &Frame<'_>) -> Result<(), Failure> {
        let error = self.error.take();
        if let Some((target, held)) = self.target.take()
            && !frame.entry(target).is_some_and(|entry| entry.still_holds(held))
        {
            return Err(Failure::Torn);
        }
        error.map_or(Ok(()), |error| Err(error.into()))
    }
}

impl<'a> Access<'a> {
    /// Words, or none and a note.
    fn words(self, found: Result<Words<'a>, StatsError>) -> Words<'a> {
        found.unwrap_or_else(|error| {
            self.notes.error(error);
            Words::EMPTY
        })
    }
}

/// Bytes that the parts of one table or vector may still claim while they are gone through. In a sound segment they lie
/// side by side; in a corrupt one all may be the same megabytes, and reading each would not end, nor copying them fit.
#[derive(Clone, Copy)]
pub(crate) struct Budget<'a> {
    access: Access<'a>,
    bytes: u64,
}

impl<'a> Budget<'a> {
    pub(crate) fn of(access: Access<'a>) -> Self {
        Self { access, bytes: access.frame.size() }
    }

    /// Whether there is enough left; if not, that is noted.
    pub(crate) fn take(&mut self, words: usize) -> bool {
        let left = self.bytes.checked_sub(words as u64 * WORD);
        self.bytes = left.unwrap_or(0);
        if left.is_none() {
            self.access.notes.error(StatsError::Corrupt(Corruption::Overlap));
        }
        left.is_some()
    }
}

/// A view of what an entry holds; `None` for a free slot.
pub(crate) fn of<'a>(access: Access<'a>, held: Held) -> Result<Option<View<'a>>, StatsError> {
    let data = held.union;
    Ok(Some(match held.kind {
        EntryKind::Scalar => View::Scalar(data),
        EntryKind::Gauge => View::Gauge(data),
        EntryKind::Simple => View::Simple(TableView::new(access, data)?),
        EntryKind::Combined => View::Combined(TableView::new(access, data)?),
        EntryKind::Names => View::Names(NamesView::new(access, data)?),
        EntryKind::Symlink => View::Symlink(linked(access, data as u32, (data >> 32) as u32)?),
        EntryKind::Histogram => View::Histogram(HistogramView::new(access, data)?),
        EntryKind::RingBuffer => View::RingBuffer(RingView::new(access, data)?),
        EntryKind::Empty => return Ok(None),
        kind @ (EntryKind::Illegal | EntryKind::Unknown(_)) => View::Unknown(kind.number()),
    }))
}

fn linked(access: Access<'_>, target: u32, column: u32) -> Result<LinkView<'_>, StatsError> {
    let dangling = |found| StatsError::Dangling { target, column, found };
    let held = access.frame.entry(target).ok_or(dangling(EntryKind::Illegal))?.held();
    access.notes.target.set(Some((target, held)));
    let link = match held.kind {
        EntryKind::Simple => TableView::new(access, held.union)?.column(column).map(LinkView::Simple),
        EntryKind::Combined => TableView::new(access, held.union)?.column(column).map(LinkView::Combined),
        _ => None,
    };
    link.ok_or(dangling(held.kind))
}
