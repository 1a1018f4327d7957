use std::sync::atomic::{Ordering, fence};

use crate::cell::Cell;
use crate::directory::EntryKind;
use crate::epoch::{Failure, Moment};
use crate::error::{Corruption, StatsError};
use crate::header::{self, Control, HEAP_START};
use crate::map::{Map, WORD, Words};
use crate::name::Name;

/// Words of a directory entry: type, union, and 16 words of name.
pub(crate) const ENTRY_WORDS: usize = 18;
/// Word of an entry at which its name begins.
pub(crate) const NAME_AT: usize = 2;
/// More rows than any VPP has threads. A corrupt length beyond it is refused, so that the work of a read is bounded by
/// the columns that were asked for.
const MAX_ROWS: usize = 4_096;

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
        let base = map.control(Control::Base).ok_or(StatsError::Truncated { size: map.len() })?;
        let mut frame = Self { map, base, entries: Words::EMPTY, moment };
        frame.entries = frame.vector(moment.directory, ENTRY_WORDS, "the directory")?;
        Ok(frame)
    }

    /// Bytes in the segment.
    pub(crate) fn size(&self) -> u64 {
        self.map.len()
    }

    /// What the attempt relies on.
    pub(crate) fn moment(&self) -> Moment {
        self.moment
    }

    /// Entries in the directory, free ones included.
    pub(crate) fn len(&self) -> u32 {
        // The length of a vector is 32 bits wide.
        (self.entries.len() / ENTRY_WORDS) as u32
    }

    /// The entry at `index`, if the directory is that long.
    pub(crate) fn entry(&self, index: u32) -> Option<RawEntry<'a>> {
        let start = (index as usize).checked_mul(ENTRY_WORDS)?;
        Some(RawEntry { words: self.entries.sub(start, ENTRY_WORDS)? })
    }

    /// The elements of the vector at VPP's address `pointer`, each `element` words long. A null pointer is empty.
    pub(crate) fn vector(&self, pointer: u64, element: usize, what: &'static str) -> Result<Words<'a>, StatsError> {
        let Some((offset, len)) = self.vector_header(pointer, what)? else {
            return Ok(Words::EMPTY);
        };
        let words = len * element as u64;
        self.map.words(offset, words).ok_or(StatsError::OutOfBounds { what, offset, length: words * WORD })
    }

    /// As [`vector`](Self::vector), for elements of one byte. Returns the words that hold them and their number.
    pub(crate) fn byte_vector(&self, pointer: u64, what: &'static str) -> Result<(Words<'a>, usize), StatsError> {
        let Some((offset, len)) = self.vector_header(pointer, what)? else {
            return Ok((Words::EMPTY, 0));
        };
        let error = StatsError::OutOfBounds { what, offset, length: len };
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

    /// One row of a table. A null pointer is empty: VPP hands the row in later.
    pub(crate) fn row<C: Cell>(&self, pointer: u64) -> Result<Words<'a>, StatsError> {
        self.vector(pointer, C::WORDS, "a row of counters")
    }

    /// The words of the block at VPP's address `pointer`.
    pub(crate) fn block(&self, pointer: u64, words: u64, what: &'static str) -> Result<Words<'a>, StatsError> {
        let offset = self.offset(pointer)?;
        self.map.words(offset, words).ok_or(StatsError::OutOfBounds { what, offset, length: words * WORD })
    }

    /// Offset and number of elements of a vector; `None` for a null pointer.
    fn vector_header(&self, pointer: u64, what: &'static str) -> Result<Option<(u64, u64)>, StatsError> {
        if pointer == 0 {
            return Ok(None);
        }
        let offset = self.offset(pointer)?;
        // The 8 bytes before element 0: u32 length, then size and alignment of the header, of no use to a reader.
        let error = StatsError::OutOfBounds { what, offset, length: WORD };
        let at = offset.checked_sub(WORD).filter(|at| *at >= HEAP_START).ok_or(error.clone())?;
        let header = self.map.words(at, 1).and_then(|words| words.get(0)).ok_or(error)?;
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

/// What an entry said at one moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Held {
    pub(crate) kind: EntryKind,
    /// Value, pointer, or the two indices of a symlink, the first one in the lower half.
    pub(crate) union: u64,
}

/// A directory entry where it lies.
#[derive(Clone, Copy)]
pub(crate) struct RawEntry<'a> {
    words: Words<'a>,
}

impl RawEntry<'_> {
    pub(crate) fn kind(&self) -> EntryKind {
        kind(self.word(0))
    }

    fn union(&self) -> u64 {
        self.word(1)
    }

    /// Calls `read` with type and union, and takes its result if the entry still has them then.
    ///
    /// VPP clears a removed entry after the change has ended, and `vlib_stats_add_symlink` fills one outside of any, so
    /// that the epoch does not tell.
    pub(crate) fn read<T, E: Into<Failure>>(&self, read: impl FnOnce(Held) -> Result<T, E>) -> Result<T, Failure> {
        let held = self.held();
        let result = read(held);
        if self.still_holds(held) { result.map_err(Into::into) } else { Err(Failure::Torn) }
    }

    /// Type and union. Loads that follow the pointer come after this.
    pub(crate) fn held(&self) -> Held {
        let held = Held { kind: self.kind(), union: self.union() };
        fence(Ordering::Acquire);
        held
    }

    /// Whether the entry has the same type and union still, after everything that was loaded so far.
    pub(crate) fn still_holds(&self, held: Held) -> bool {
        fence(Ordering::Acquire);
        // Numbers move all the time.
        let moves = matches!(held.kind, EntryKind::Scalar | EntryKind::Gauge);
        self.kind() == held.kind && (moves || self.union() == held.union)
    }

    /// Whether it stands for something that has a name. VPP stores that last, after type and union.
    pub(crate) fn is_taken(&self) -> bool {
        let is_taken = self.kind().is_occupied() && self.word(NAME_AT) & 0xff != 0;
        fence(Ordering::Acquire);
        is_taken
    }

    /// Type and name of an entry that stands for something, if it had both during the whole look.
    pub(crate) fn label(&self) -> Result<Option<(EntryKind, Name)>, Failure> {
        label(|index| self.word(index))
    }

    /// Whether the name has bytes in its word `word`.
    pub(crate) fn name_goes_on(&self, word: usize) -> bool {
        word < ENTRY_WORDS - NAME_AT && self.word(NAME_AT + word) & 0xff != 0
    }

    /// Whether the name is `name`, without reading what follows its NUL.
    pub(crate) fn is_named(&self, name: &Name) -> bool {
        name.matches(|index| self.word(NAME_AT + index))
    }

    fn word(&self, index: usize) -> u64 {
        // `Frame::entry` made this run as long as an entry.
        self.words.get(index).unwrap_or(0)
    }
}

fn kind(word: u64) -> EntryKind {
    // The lower half of the first word; the upper half is padding.
    EntryKind::of(word as u32 as i32)
}

/// [`RawEntry::label`] of the entry whose words `word` loads.
///
/// VPP clears a removed entry word by word after the change has ended, and `vlib_stats_add_symlink` fills one
/// outside of any, so that the beginning of a name may look like one. Each of the two is judged by what was loaded
/// of it once.
fn label(word: impl Fn(usize) -> u64) -> Result<Option<(EntryKind, Name)>, Failure> {
    let found = kind(word(0));
    if !found.is_occupied() {
        return Ok(None);
    }
    let name = Name::read(|index| word(NAME_AT + index));
    if name.is_empty() {
        return Ok(None);
    }
    fence(Ordering::Acquire);
    let is_whole = kind(word(0)) == found && name.matches(|index| word(NAME_AT + index));
    if is_whole { Ok(Some((found, name))) } else { Err(Failure::Torn) }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const GAUGE: u64 = 9;
    const EMPTY: u64 = 5;

    /// An entry with a name of three words, as it is after the first `stores` of the stores that clear it: the type
    /// first.
    fn cleared(stores: usize, index: usize) -> u64 {
        let name = Name::new("/interfaces/loop0/drops").expect("short enough");
        match index {
            0 if stores > 0 => EMPTY,
            0 => GAUGE,
            1 => 0,
            _ if stores >= index => 0,
            _ => name_word(&name, index - NAME_AT),
        }
    }

    fn name_word(name: &Name, index: usize) -> u64 {
        let bytes = name.bytes();
        let mut word = [0; 8];
        let rest = bytes.as_bytes().get(8 * index..).unwrap_or_default();
        word.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
        u64::from_le_bytes(word)
    }

    #[test]
    fn an_entry_that_is_cleared_meanwhile_has_its_whole_label_or_none() {
        let mut whole = 0;
        for (first, pace) in (0..12).flat_map(|first| (1..8).map(move |pace| (first, pace))) {
            let loads = Cell::new(0_usize);
            let found = label(|index| {
                let stores = (loads.get() + 1).saturating_sub(first) * pace;
                loads.set(loads.get() + 1);
                cleared(stores, index)
            });
            match found {
                Ok(Some((kind, name))) => {
                    assert_eq!((kind, &*name.to_text()), (EntryKind::Gauge, "/interfaces/loop0/drops"));
                    whole += 1;
                }
                Ok(None) | Err(Failure::Torn) => {}
                Err(Failure::Error(error)) => panic!("{error}"),
            }
        }
        assert!(whole > 0, "none was read before it was cleared");
    }
}
