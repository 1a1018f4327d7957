use std::collections::HashMap;
use std::fmt;

use crate::epoch::Moment;
use crate::error::{Corruption, StatsError};
use crate::header::{self, Control, HEAP_START};
use crate::map::{Map, WORD, Words};

/// Words of a directory entry: type, union, and 16 words of name.
pub(crate) const ENTRY_WORDS: usize = 18;
/// Bytes of an entry's name, with its NUL; the NUL of a name that VPP cut may be missing.
pub(crate) const NAME_BYTES: usize = 128;
const NAME_WORDS: usize = NAME_BYTES / WORD as usize;
/// More rows than any VPP has threads (`VLIB_MAX_CPUS`-style limits are in the hundreds). A corrupt length beyond it is
/// refused, so that a read's duration is bounded by the columns that were asked for.
const MAX_ROWS: usize = 4_096;

/// Type of a directory entry.
///
/// Source: `vlib_stats_directory_type_t`, VPP `src/vlib/stats/shared.h`, releases 22.06 and later.
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
    fn is_occupied(self) -> bool {
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

/// The segment during one attempt to read it. Whatever comes from here is worth something only after the epoch was
/// found unmoved.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    map: &'a Map,
    base: u64,
    entries: Words<'a>,
    moment: Moment,
}

impl<'a> Frame<'a> {
    pub(crate) fn new(map: &'a Map, moment: Moment) -> Result<Self, StatsError> {
        header::check(map)?;
        let base = map
            .control(Control::Base)
            .ok_or(StatsError::Truncated { size: map.len() })?;
        let mut frame = Self {
            map,
            base,
            entries: Words::EMPTY,
            moment,
        };
        frame.entries = frame.vector(moment.directory, ENTRY_WORDS, "the directory")?;
        Ok(frame)
    }

    /// Bytes in the segment.
    pub(crate) fn size(&self) -> u64 {
        self.map.len()
    }

    /// Entries in the directory, free ones included.
    pub(crate) fn len(&self) -> u32 {
        // The length of a vector is 32 bits wide.
        (self.entries.len() / ENTRY_WORDS) as u32
    }

    /// The entry at `index`, if the directory is that long.
    pub(crate) fn entry(&self, index: u32) -> Option<RawEntry<'a>> {
        let start = (index as usize).checked_mul(ENTRY_WORDS)?;
        Some(RawEntry {
            words: self.entries.sub(start, ENTRY_WORDS)?,
        })
    }

    /// The elements of the vector at VPP's address `pointer`, each `element` words long. A null pointer is empty.
    pub(crate) fn vector(
        &self,
        pointer: u64,
        element: usize,
        what: &'static str,
    ) -> Result<Words<'a>, StatsError> {
        let Some((offset, len)) = self.vector_header(pointer, what)? else {
            return Ok(Words::EMPTY);
        };
        let words = len * element as u64;
        self.map
            .words(offset, words)
            .ok_or(StatsError::OutOfBounds {
                what,
                offset,
                length: words * WORD,
            })
    }

    /// As [`vector`](Self::vector), for elements of one byte. Returns the words that hold them and their number.
    pub(crate) fn byte_vector(
        &self,
        pointer: u64,
        what: &'static str,
    ) -> Result<(Words<'a>, usize), StatsError> {
        let Some((offset, len)) = self.vector_header(pointer, what)? else {
            return Ok((Words::EMPTY, 0));
        };
        let error = StatsError::OutOfBounds {
            what,
            offset,
            length: len,
        };
        let words = self.map.words(offset, len.div_ceil(WORD)).ok_or(error)?;
        Ok((words, len as usize))
    }

    /// The pointers to the rows of a table, one row for each thread.
    pub(crate) fn rows(&self, pointer: u64) -> Result<Words<'a>, StatsError> {
        let rows = self.vector(pointer, 1, "the rows of a table")?;
        if rows.len() > MAX_ROWS {
            return Err(StatsError::Corrupt(Corruption::TooLong));
        }
        Ok(rows)
    }

    /// The words of the block at VPP's address `pointer`.
    pub(crate) fn block(
        &self,
        pointer: u64,
        words: u64,
        what: &'static str,
    ) -> Result<Words<'a>, StatsError> {
        let offset = self.offset(pointer)?;
        self.map
            .words(offset, words)
            .ok_or(StatsError::OutOfBounds {
                what,
                offset,
                length: words * WORD,
            })
    }

    /// Offset and number of elements of a vector; `None` for a null pointer.
    fn vector_header(
        &self,
        pointer: u64,
        what: &'static str,
    ) -> Result<Option<(u64, u64)>, StatsError> {
        if pointer == 0 {
            return Ok(None);
        }
        let offset = self.offset(pointer)?;
        // The 8 bytes before element 0: u32 length, then size and alignment of the header, of no use to a reader.
        let error = StatsError::OutOfBounds {
            what,
            offset,
            length: WORD,
        };
        let at = offset
            .checked_sub(WORD)
            .filter(|at| *at >= HEAP_START)
            .ok_or(error.clone())?;
        let header = self
            .map
            .words(at, 1)
            .and_then(|words| words.get(0))
            .ok_or(error)?;
        Ok(Some((offset, header & u64::from(u32::MAX))))
    }

    fn offset(&self, pointer: u64) -> Result<u64, StatsError> {
        let offset = pointer.wrapping_sub(self.base);
        if !offset.is_multiple_of(WORD) {
            return Err(StatsError::Corrupt(Corruption::Misaligned));
        }
        Ok(offset)
    }
}

/// A directory entry where it lies.
#[derive(Clone, Copy)]
pub(crate) struct RawEntry<'a> {
    words: Words<'a>,
}

impl RawEntry<'_> {
    pub(crate) fn kind(&self) -> EntryKind {
        // The lower half of the first word; the upper half is padding.
        EntryKind::of(self.word(0) as u32 as i32)
    }

    /// Value, pointer, or the two indices of a symlink, the first one in the lower half.
    pub(crate) fn union(&self) -> u64 {
        self.word(1)
    }

    /// The bytes of the name up to its NUL.
    pub(crate) fn name(&self) -> Name {
        let mut words = [0; NAME_WORDS];
        for (index, word) in words.iter_mut().enumerate() {
            *word = self.word(2 + index);
        }
        Name::cut(words)
    }

    /// Whether the name is `name`, without reading what follows its NUL.
    pub(crate) fn is_named(&self, name: &Name) -> bool {
        let full = name.len / WORD as usize;
        if (0..full).any(|index| self.word(2 + index) != name.words[index]) {
            return false;
        }
        // The word with the NUL; behind it there may be garbage. A name of 128 bytes has none.
        full == NAME_WORDS || {
            let mask = u64::MAX >> (8 * (WORD as usize - 1 - name.len % WORD as usize));
            self.word(2 + full) & mask == name.words[full]
        }
    }

    fn word(&self, index: usize) -> u64 {
        // `Frame::entry` made this run as long as an entry.
        self.words.get(index).unwrap_or(0)
    }
}

/// A name as it lies in an entry, with zeros after its end.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(crate) struct Name {
    words: [u64; NAME_WORDS],
    len: usize,
}

impl Name {
    /// `None` for a name that no entry can have: empty, with a NUL inside, or longer than the field.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let bytes = name.as_bytes();
        if bytes.is_empty() || bytes.len() > NAME_BYTES || bytes.contains(&0) {
            return None;
        }
        let mut words = [0; NAME_WORDS];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks(WORD as usize)) {
            let mut padded = [0; WORD as usize];
            padded[..chunk.len()].copy_from_slice(chunk);
            *word = u64::from_le_bytes(padded);
        }
        Some(Self {
            words,
            len: bytes.len(),
        })
    }

    /// The name that begins `words` and ends at its first NUL, or with them.
    fn cut(words: [u64; NAME_WORDS]) -> Self {
        let bytes = bytes_of(&words);
        let len = bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(NAME_BYTES);
        let mut name = Self {
            words: [0; NAME_WORDS],
            len,
        };
        for (index, word) in name.words.iter_mut().enumerate() {
            let keep = len.saturating_sub(index * WORD as usize).min(WORD as usize);
            if keep > 0 {
                *word = words[index] & (u64::MAX >> (8 * (WORD as usize - keep)));
            }
        }
        name
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[cfg(feature = "writer")]
    pub(crate) fn words(&self) -> &[u64; NAME_WORDS] {
        &self.words
    }

    pub(crate) fn to_text(self) -> String {
        String::from_utf8_lossy(&bytes_of(&self.words)[..self.len]).into_owned()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_text())
    }
}

fn bytes_of(words: &[u64; NAME_WORDS]) -> [u8; NAME_BYTES] {
    let mut bytes = [0; NAME_BYTES];
    for (chunk, word) in bytes.chunks_exact_mut(WORD as usize).zip(words) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Where names were found, so that the directory is read as a whole only after it changed.
///
/// It holds hints alone: an index is used after the entry there was found to have the name still. So a torn or outdated
/// cache costs time and never gives a wrong answer.
#[derive(Debug, Default)]
pub(crate) struct NameCache {
    /// What the directory was when it was last read as a whole.
    seen: Option<(Moment, u32)>,
    by_name: HashMap<Name, u32>,
    /// Slots that held nothing. `vlib_stats_add_symlink` may fill one with nothing else moving.
    free: Vec<u32>,
}

impl NameCache {
    /// Index of the entry named `name`.
    pub(crate) fn find(&mut self, frame: &Frame<'_>, name: &Name) -> Option<u32> {
        if let Some(index) = self.hit(frame, name) {
            return Some(index);
        }
        let now = (frame.moment, frame.len());
        if self.seen != Some(now) {
            self.rebuild(frame);
            self.seen = Some(now);
        } else {
            // VPP clears the entry of a removed table after the change has ended, so the epoch does not tell.
            self.free.extend(self.by_name.remove(name));
            self.revisit(frame);
        }
        self.hit(frame, name)
    }

    fn hit(&self, frame: &Frame<'_>, name: &Name) -> Option<u32> {
        let index = *self.by_name.get(name)?;
        let entry = frame.entry(index)?;
        (entry.kind().is_occupied() && entry.is_named(name)).then_some(index)
    }

    fn rebuild(&mut self, frame: &Frame<'_>) {
        self.by_name.clear();
        self.free.clear();
        self.free.extend(0..frame.len());
        self.revisit(frame);
    }

    /// Files the free slots that are taken by now.
    fn revisit(&mut self, frame: &Frame<'_>) {
        let by_name = &mut self.by_name;
        self.free.retain(|index| {
            let Some(entry) = frame
                .entry(*index)
                .filter(|entry| entry.kind().is_occupied())
            else {
                return true;
            };
            let name = entry.name();
            if !name.is_empty() {
                by_name.insert(name, *index);
            }
            name.is_empty()
        });
    }
}

/// All entries that stand for something, in the order of the directory.
pub(crate) fn entries(frame: &Frame<'_>) -> Vec<Entry> {
    (0..frame.len())
        .filter_map(|index| {
            let entry = frame.entry(index)?;
            let (kind, name) = (entry.kind(), entry.name());
            (kind.is_occupied() && !name.is_empty()).then(|| Entry {
                index,
                kind,
                name: name.to_text(),
            })
        })
        .collect()
}
