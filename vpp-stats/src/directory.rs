use std::fmt;
use std::iter::FusedIterator;

use crate::epoch::Failure;
use crate::error::StatsError;
use crate::frame::Frame;
use crate::name::EntryName;
use crate::segment::Segment;

/// Type of a directory entry.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # vpp.add_combined("/if/rx", 2, 3)?;
/// # vpp.add_gauge("/new", 0)?;
/// # let at = vpp.entry_offset("/new").expect("it was added");
/// # vpp.corrupt(at, &17_i32.to_le_bytes())?;
/// use vpp_stats::EntryKind;
///
/// let kinds: Vec<_> = segment.entries()?.iter().map(|entry| entry.kind).collect();
/// assert_eq!(kinds[2..], [EntryKind::Scalar, EntryKind::Combined, EntryKind::Unknown(17)]);
/// assert_eq!(kinds[3].to_string(), "a combined counter");
/// // As VPP numbers them.
/// assert_eq!((kinds[3].number(), kinds[4].number()), (3, 17));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: `stat_directory_type_t`, VPP `src/vlib/stats/shared.h`, releases 22.06 and later.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum EntryKind {
    /// 0, never used by VPP.
    Illegal,
    /// 1, one number; before 26.02 also gauges.
    Scalar,
    /// 2, a number for each thread and column.
    Simple,
    /// 3, packets and bytes for each thread and column.
    Combined,
    /// 4, a vector of names.
    Names,
    /// 5, a free slot.
    Empty,
    /// 6, a link to one column of a table.
    Symlink,
    /// 7, bins by powers of two for each thread.
    Histogram,
    /// 8, a ring buffer for each thread.
    RingBuffer,
    /// 9, one number that may also fall.
    Gauge,
    /// A type that a later VPP added.
    Unknown(i32),
}

impl EntryKind {
    pub(crate) fn of(number: i32) -> Self {
        match number {
            0 => Self::Illegal,
            1 => Self::Scalar,
            2 => Self::Simple,
            3 => Self::Combined,
            4 => Self::Names,
            5 => Self::Empty,
            6 => Self::Symlink,
            7 => Self::Histogram,
            8 => Self::RingBuffer,
            9 => Self::Gauge,
            other => Self::Unknown(other),
        }
    }

    /// The number that stands for it in the segment.
    pub fn number(self) -> i32 {
        match self {
            Self::Illegal => 0,
            Self::Scalar => 1,
            Self::Simple => 2,
            Self::Combined => 3,
            Self::Names => 4,
            Self::Empty => 5,
            Self::Symlink => 6,
            Self::Histogram => 7,
            Self::RingBuffer => 8,
            Self::Gauge => 9,
            Self::Unknown(other) => other,
        }
    }

    /// Whether an entry of this type stands for something.
    pub(crate) fn is_occupied(self) -> bool {
        !matches!(self, Self::Illegal | Self::Empty)
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Illegal => "illegal",
            Self::Scalar => "a scalar",
            Self::Simple => "a simple counter",
            Self::Combined => "a combined counter",
            Self::Names => "a name vector",
            Self::Empty => "a free slot",
            Self::Symlink => "a symlink",
            Self::Histogram => "a histogram",
            Self::RingBuffer => "a ring buffer",
            Self::Gauge => "a gauge",
            Self::Unknown(number) => return write!(f, "of unknown type {number}"),
        })
    }
}

/// A directory entry, copied out of the segment.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// use vpp_stats::EntryKind;
///
/// let entries = segment.entries()?;
/// let boottime = entries.iter().find(|entry| entry.name == "/sys/boottime").expect("every VPP has it");
/// assert_eq!((boottime.index, boottime.kind), (2, EntryKind::Scalar));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// Place in the directory. VPP re-uses the places of removed entries.
    pub index: u32,
    /// Type as of the time of the copy.
    pub kind: EntryKind,
    /// Name; bytes that are not UTF-8 are replaced. Names may hold blanks and need not start with a slash.
    pub name: String,
}

/// All entries that stand for something, in the order of the directory.
pub(crate) fn entries(frame: &Frame<'_>) -> Result<Vec<Entry>, Failure> {
    let labels = (0..frame.len()).filter_map(|index| {
        let label = frame.entry(index)?.label().transpose()?;
        Some(label.map(|(kind, name)| Entry { index, kind, name: name.to_text() }))
    });
    labels.collect()
}

/// Goes through the directory, one consistent step at a time; made by [`Segment::directory`].
///
/// *Guarantees.* An entry that is there from the first step to the last is given once. No step allocates.
///
/// *Caveats.* VPP may add and remove entries between two steps, of which some are seen and some are not. For all
/// entries of one moment see [`Segment::entries`] and [`Selection`](crate::Selection). An entry that VPP is adding
/// outside of a change, as `vlib_stats_add_symlink` does, and stops at in the middle of its name is given with the
/// beginning of it. One that it is renaming in place, as `vlib_stats_rename_symlink` does, may be given with the
/// beginning of the new name and the end of the old one.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// let mut directory = segment.directory();
/// let first = directory.next().expect("every VPP has it")?;
/// assert_eq!(first.name, "/sys/heartbeat");
/// // What VPP adds between two steps is seen, if it is further on.
/// vpp.add_simple("/if/drops", 2, 3)?;
/// let last = directory.last().expect("two more, and the new one")?;
/// assert_eq!(last.name, "/if/drops");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Directory<'a> {
    segment: &'a Segment,
    next: u32,
    is_over: bool,
}

impl<'a> Directory<'a> {
    pub(crate) fn new(segment: &'a Segment) -> Self {
        Self { segment, next: 0, is_over: false }
    }
}

/// What one step through the directory found.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # vpp.add_names("/if/names", &[Some("local0"), Some("loop0")])?;
/// use vpp_stats::{EntryKind, Value};
///
/// let mut names = None;
/// for entry in segment.directory() {
///     let entry = entry?;
///     if entry.kind == EntryKind::Names && entry.name == "/if/names" {
///         names = segment.value_at(entry.index)?;
///     }
/// }
/// assert_eq!(names, Some(Value::Names(vec![Some("local0".to_owned()), Some("loop0".to_owned())])));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DirectoryEntry {
    /// Place in the directory, for [`Segment::value_at`]. VPP re-uses the places of removed entries.
    pub index: u32,
    /// Type as of the time of the step.
    pub kind: EntryKind,
    /// Name.
    pub name: EntryName,
}

impl Iterator for Directory<'_> {
    type Item = Result<DirectoryEntry, StatsError>;

    /// The next entry that stands for something. After an error, which is as those of [`Segment::entries`], there is no
    /// further step.
    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let from = self.next;
        let found = self.segment.attempt(|frame| {
            let found = (from..frame.len()).find_map(|index| {
                let label = frame.entry(index)?.label().transpose()?;
                Some(label.map(|(kind, name)| DirectoryEntry { index, kind, name: name.bytes() }))
            });
            found.transpose()
        });
        match &found {
            Ok(Some(entry)) => self.next = entry.index.saturating_add(1),
            Ok(None) | Err(_) => self.is_over = true,
        }
        found.transpose()
    }
}

impl FusedIterator for Directory<'_> {}
