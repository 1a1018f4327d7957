use crate::counter::Cell;
use crate::directory::EntryKind;
use crate::epoch::Failure;
use crate::error::{Corruption, StatsError};
use crate::frame::{Frame, Held};
use crate::map::{WORD, Words};

/// Packets and bytes of one column of a combined counter.
///
/// VPP's threads store the two one after the other, so that they may be off by a packet against each other.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[allow(clippy::exhaustive_structs)]
pub struct CombinedCounter {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What an entry holds, copied out of the segment.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// One number; times are whole seconds.
    Scalar(u64),
    /// One number that may also fall. VPP before 26.02 has these as [`Scalar`](Self::Scalar).
    Gauge(u64),
    /// A row for each thread, main thread first. Rows may differ in length.
    Simple(Vec<Vec<u64>>),
    /// A row for each thread, main thread first. Rows may differ in length.
    Combined(Vec<Vec<CombinedCounter>>),
    /// Names by index, such as interface names by `sw_if_index`. Bytes that are not UTF-8 are replaced.
    Names(Vec<Option<String>>),
    /// The column that a symlink leads to.
    Symlink(Column),
    /// A row for each thread, main thread first.
    Histogram(Vec<HistogramRow>),
    /// A ring buffer, of which only the description is read; `None` if there is none yet.
    RingBuffer(Option<RingBuffer>),
    /// A free slot.
    Empty,
    /// An entry of a type that this crate does not know, by its number.
    Unknown(i32),
}

/// One column of a table: a value for each thread, main thread first, 0 for a thread whose row is shorter.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Column {
    /// Of a simple counter.
    Simple(Vec<u64>),
    /// Of a combined counter.
    Combined(Vec<CombinedCounter>),
}

/// One thread's part of a histogram with bins by powers of two.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct HistogramRow {
    /// Bin `i` counts values up to two to the power of this plus `i`.
    pub lowest_exponent: u64,
    /// Counts.
    pub bins: Vec<u64>,
}

/// Description of a ring buffer.
///
/// Source: `vlib_stats_ring_buffer_t`, VPP `src/vlib/stats/shared.h`, 26.02 and later.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RingBuffer {
    /// Bytes of one entry.
    pub entry_size: u32,
    /// Entries for each thread.
    pub ring_size: u32,
    /// Threads.
    pub threads: u32,
    /// Bytes of the schema.
    pub schema_size: u32,
    /// Version of the schema.
    pub schema_version: u32,
    /// Offset of the threads' metadata from the block.
    pub metadata_offset: u32,
    /// Offset of the entries from the block.
    pub data_offset: u32,
}

/// Copies what an entry holds.
pub(crate) fn read(frame: &Frame<'_>, held: Held) -> Result<Value, Failure> {
    let union = held.union;
    Ok(match held.kind {
        EntryKind::Scalar => Value::Scalar(union),
        EntryKind::Gauge => Value::Gauge(union),
        EntryKind::Simple => Value::Simple(table(frame, union)?),
        EntryKind::Combined => Value::Combined(table(frame, union)?),
        EntryKind::Names => Value::Names(names(frame, union)?),
        EntryKind::Symlink => Value::Symlink(linked(frame, union as u32, (union >> 32) as u32)?),
        EntryKind::Histogram => Value::Histogram(histogram(frame, union)?),
        EntryKind::RingBuffer => Value::RingBuffer(ring_buffer(frame, union)?),
        EntryKind::Empty => Value::Empty,
        kind @ (EntryKind::Illegal | EntryKind::Unknown(_)) => Value::Unknown(kind.number()),
    })
}

fn table<C: Cell>(frame: &Frame<'_>, data: u64) -> Result<Vec<Vec<C>>, StatsError> {
    let mut budget = Budget::of(frame);
    let rows = frame.rows(data)?.iter();
    rows.map(|pointer| {
        let row = frame.row::<C>(pointer)?;
        budget.take(row.len() as u64 * WORD)?;
        Ok((0..row.len() / C::WORDS).map(|column| C::load(&row, column).unwrap_or_default()).collect())
    })
    .collect()
}

fn linked(frame: &Frame<'_>, target: u32, column: u32) -> Result<Column, Failure> {
    let Some(entry) = frame.entry(target) else {
        return Err(StatsError::Dangling { target, column, found: EntryKind::Illegal }.into());
    };
    entry.read(|Held { kind: found, union: data }| {
        let values = match found {
            EntryKind::Simple => one_column(frame, data, column)?.map(Column::Simple),
            EntryKind::Combined => one_column(frame, data, column)?.map(Column::Combined),
            _ => None,
        };
        values.ok_or(StatsError::Dangling { target, column, found })
    })
}

/// The values of one column; `None` if no row has it.
fn one_column<C: Cell>(frame: &Frame<'_>, data: u64, column: u32) -> Result<Option<Vec<C>>, StatsError> {
    let rows = frame.rows(data)?;
    let mut values = Vec::with_capacity(rows.len());
    let mut found = false;
    for pointer in rows.iter() {
        let row = frame.row::<C>(pointer)?;
        let cell = C::load(&row, column as usize);
        found |= cell.is_some();
        values.push(cell.unwrap_or_default());
    }
    Ok(found.then_some(values))
}

fn names(frame: &Frame<'_>, data: u64) -> Result<Vec<Option<String>>, StatsError> {
    let mut budget = Budget::of(frame);
    let pointers = frame.vector(data, 1, "a name vector")?.iter();
    pointers
        .map(|pointer| {
            if pointer == 0 {
                return Ok(None);
            }
            let (words, len) = frame.byte_vector(pointer, "a name")?;
            budget.take(words.len() as u64 * WORD)?;
            Ok(Some(text(words, len)))
        })
        .collect()
}

/// The first `len` bytes of `words` up to a NUL.
fn text(words: Words<'_>, len: usize) -> String {
    let bytes = words.iter().flat_map(u64::to_le_bytes).take(len);
    let bytes: Vec<u8> = bytes.take_while(|byte| *byte != 0).collect();
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn histogram(frame: &Frame<'_>, data: u64) -> Result<Vec<HistogramRow>, StatsError> {
    let rows = table::<u64>(frame, data)?;
    Ok(rows
        .into_iter()
        .map(|mut row| {
            let rest = row.split_off(row.len().min(1));
            HistogramRow { lowest_exponent: row.first().copied().unwrap_or(0), bins: rest }
        })
        .collect())
}

fn ring_buffer(frame: &Frame<'_>, data: u64) -> Result<Option<RingBuffer>, StatsError> {
    if data == 0 {
        return Ok(None);
    }
    // 28 bytes of header; the data area begins in the middle of the fourth word.
    let words = frame.block(data, 4, "a ring buffer")?;
    let half = |index: usize| (words.get(index / 2).unwrap_or(0) >> (32 * (index % 2))) as u32;
    Ok(Some(RingBuffer {
        entry_size: half(0),
        ring_size: half(1),
        threads: half(2),
        schema_size: half(3),
        schema_version: half(4),
        metadata_offset: half(5),
        data_offset: half(6),
    }))
}

/// Bytes that the rows of one entry may still claim. In a sound segment they lie side by side; in a corrupt one all may
/// be the same megabytes, and copying each would exhaust our memory.
struct Budget(u64);

impl Budget {
    fn of(frame: &Frame<'_>) -> Self {
        Self(frame.size())
    }

    fn take(&mut self, bytes: u64) -> Result<(), StatsError> {
        self.0 = self.0.checked_sub(bytes).ok_or(StatsError::Corrupt(Corruption::Overlap))?;
        Ok(())
    }
}
