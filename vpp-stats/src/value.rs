use crate::cell::Cell;
use crate::view::{LinkView, NameView, NamesView, TableView, View};

/// Packets and bytes of one column of a combined counter.
///
/// VPP's threads store the two one after the other, so that they may be off by a packet against each other.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let received = vpp.add_combined("/if/rx", 2, 3)?;
/// # vpp.set(received, 0, 2, CombinedCounter { packets: 2, bytes: 128 })?;
/// # vpp.set(received, 1, 2, CombinedCounter { packets: 1, bytes: 1_372 })?;
/// use vpp_stats::CombinedCounter;
///
/// let sum = segment.combined("/if/rx").sum(2)?.unwrap_or_default();
/// assert_eq!(sum, CombinedCounter { packets: 3, bytes: 1_500 });
/// assert_eq!(sum.bytes.checked_div(sum.packets), Some(500)); // the mean size
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[allow(clippy::exhaustive_structs)]
pub struct CombinedCounter {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What an entry holds, copied out of the segment.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # vpp.add_simple("/if/drops", 2, 3)?;
/// use vpp_stats::Value;
///
/// match segment.value("/if/drops")? {
///     Some(Value::Simple(rows)) => assert_eq!(rows, [[0; 3]; 2]),
///     other => println!("it holds {other:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    /// A ring buffer, of which only the description is copied; `None` if there is none yet. For its entries see
    /// [`RingHandle`](crate::RingHandle).
    RingBuffer(Option<RingBuffer>),
    /// A free slot.
    Empty,
    /// An entry of a type that this crate does not know, by its number.
    Unknown(i32),
}

/// One column of a table: a value for each thread, main thread first, 0 for a thread whose row is shorter.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let drops = vpp.add_simple("/if/drops", 2, 3)?;
/// # vpp.set(drops, 0, 2, 4)?;
/// # vpp.set(drops, 1, 2, 5)?;
/// # vpp.add_symlink("/interfaces/loop0/drops", drops, 2)?;
/// use vpp_stats::{Column, Value};
///
/// let packets: u64 = match segment.value("/interfaces/loop0/drops")? {
///     Some(Value::Symlink(Column::Simple(by_thread))) => by_thread.iter().sum(),
///     Some(Value::Symlink(Column::Combined(by_thread))) => by_thread.iter().map(|counter| counter.packets).sum(),
///     _ => 0,
/// };
/// assert_eq!(packets, 9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Column {
    /// Of a simple counter.
    Simple(Vec<u64>),
    /// Of a combined counter.
    Combined(Vec<CombinedCounter>),
}

/// One thread's part of a histogram with bins by powers of two.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let latency = vpp.add_histogram("/latency", 2, 10, 3)?;
/// # vpp.add_to_bin(latency, 0, 1, 3)?;
/// # vpp.add_to_bin(latency, 0, 2, 1)?;
/// # vpp.add_to_bin(latency, 1, 2, 5)?;
/// use vpp_stats::{HistogramRow, Value};
///
/// /// How many values are 4,096, which is 2^12, or more.
/// fn slow(row: &HistogramRow) -> u64 {
///     let bins = (row.lowest_exponent..).zip(&row.bins);
///     bins.filter(|(exponent, _)| *exponent >= 12).map(|(_, count)| count).sum()
/// }
///
/// let by_thread = match segment.value("/latency")? {
///     Some(Value::Histogram(rows)) => rows.iter().map(slow).collect(),
///     _ => vec![],
/// };
/// assert_eq!(by_thread, [1, 5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct HistogramRow {
    /// With `e` for this, bin `i` counts the values from 2^(`e` + `i`) to 2^(`e` + `i` + 1) - 1. The first one also
    /// counts what is less, the last one also what is more.
    pub lowest_exponent: u64,
    /// Counts.
    pub bins: Vec<u64>,
}

/// Description of a ring buffer.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # vpp.add_ring_buffer("/events", 2, 8, 16, b"u64 u64")?;
/// use vpp_stats::{RingBuffer, Value};
///
/// let about = match segment.value("/events")? {
///     Some(Value::RingBuffer(about)) => about.unwrap_or_default(),
///     _ => RingBuffer::default(),
/// };
/// assert_eq!((about.threads, about.entry_size, about.schema_size), (2, 16, 7));
/// // So many entries of a thread can be read: one slot may be being written.
/// assert_eq!(about.ring_size - 1, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

/// Copies what a view shows.
pub(crate) fn copy(view: &View<'_>) -> Value {
    match view {
        View::Scalar(number) => Value::Scalar(*number),
        View::Gauge(number) => Value::Gauge(*number),
        View::Simple(table) => Value::Simple(rows(table)),
        View::Combined(table) => Value::Combined(rows(table)),
        View::Names(view) => Value::Names(names(view)),
        View::Symlink(LinkView::Simple(column)) => Value::Symlink(Column::Simple(column.iter().collect())),
        View::Symlink(LinkView::Combined(column)) => Value::Symlink(Column::Combined(column.iter().collect())),
        View::Histogram(histogram) => Value::Histogram(rows(&histogram.table()).into_iter().map(bins).collect()),
        View::RingBuffer(ring) => Value::RingBuffer(ring.map(|ring| ring.about())),
        View::Unknown(number) => Value::Unknown(*number),
    }
}

fn rows<C: Cell>(table: &TableView<'_, C>) -> Vec<Vec<C>> {
    table.rows().map(|row| row.iter().collect()).collect()
}

fn names(names: &NamesView<'_>) -> Vec<Option<String>> {
    names.iter().map(|name| name.map(text)).collect()
}

fn text(name: NameView<'_>) -> String {
    let bytes: Vec<u8> = name.bytes().collect();
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn bins(mut row: Vec<u64>) -> HistogramRow {
    let rest = row.split_off(row.len().min(1));
    HistogramRow { lowest_exponent: row.first().copied().unwrap_or(0), bins: rest }
}
