use std::fmt;

use super::{Access, RowView, TableView};
use crate::error::StatsError;

/// A histogram with bins by powers of two, for each thread.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let latency = vpp.add_histogram("/latency", 2, 10, 3)?;
/// # vpp.add_to_bin(latency, 1, 2, 5)?;
/// use vpp_stats::View;
///
/// let bins = segment.entry("/latency").read(|view| match view {
///     View::Histogram(histogram) => {
///         histogram.rows().flat_map(|row| (0..row.len()).map(move |bin| (row.bound(bin), row.get(bin)))).collect()
///     }
///     _ => vec![],
/// })?;
/// // Up to 2,047, up to 4,095, and the rest, for two threads.
/// let second = [(Some(2047), Some(0)), (Some(4095), Some(0)), (None, Some(5))];
/// assert_eq!(bins.map(|bins| bins[3..] == second), Some(true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct HistogramView<'a> {
    table: TableView<'a, u64>,
}

impl<'a> HistogramView<'a> {
    pub(crate) fn new(access: Access<'a>, data: u64) -> Result<Self, StatsError> {
        Ok(Self { table: TableView::new(access, data)? })
    }

    /// Number of rows.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # let latency = vpp.add_histogram("/latency", 3, 10, 4)?;
    /// # vpp.add_to_bin(latency, 1, 2, 5)?;
    /// # vpp.add_to_bin(latency, 2, 2, 2)?;
    /// use vpp_stats::View;
    ///
    /// let seen = segment.entry("/latency").read(|view| match view {
    ///     View::Histogram(histogram) => (histogram.rows().flat_map(|row| row.iter()).sum(), histogram.threads()),
    ///     _ => (0, 0),
    /// })?;
    /// assert_eq!(seen, Some((7_u64, 3))); // seven values on three threads
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn threads(&self) -> usize {
        self.table.threads()
    }

    /// The rows, main thread first.
    pub fn rows(&self) -> impl Iterator<Item = HistogramRowView<'a>> + use<'a> {
        self.table.rows().map(|row| HistogramRowView { row })
    }

    pub(crate) fn table(&self) -> TableView<'a, u64> {
        self.table
    }
}

/// One thread's part of a histogram.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let latency = vpp.add_histogram("/latency", 2, 10, 3)?;
/// # vpp.add_to_bin(latency, 1, 0, 4)?;
/// # vpp.add_to_bin(latency, 1, 2, 5)?;
/// use vpp_stats::View;
///
/// let rows = segment.entry("/latency").read(|view| match view {
///     View::Histogram(histogram) => {
///         let rows = histogram.rows().filter(|row| !row.is_empty());
///         rows.map(|row| (row.lowest_exponent(), row.iter().collect())).collect()
///     }
///     _ => vec![],
/// })?;
/// assert_eq!(rows, Some(vec![(10, vec![0, 0, 0]), (10, vec![4, 0, 5])]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct HistogramRowView<'a> {
    row: RowView<'a, u64>,
}

impl<'a> HistogramRowView<'a> {
    /// With `e` for this, bin `i` counts the values from 2^(`e` + `i`) to 2^(`e` + `i` + 1) - 1. The first one also
    /// counts what is less, the last one also what is more.
    ///
    /// Source: `vlib_log2_histogram_bin_index`, VPP `src/vlib/counter.h`.
    pub fn lowest_exponent(&self) -> u64 {
        self.row.get(0).unwrap_or(0)
    }

    /// Number of bins.
    pub fn len(&self) -> usize {
        self.row.len().saturating_sub(1)
    }

    /// Whether it has no bins.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What bin `bin` counts; `None` beyond the last.
    pub fn get(&self, bin: usize) -> Option<u64> {
        self.row.get(u32::try_from(bin.checked_add(1)?).ok()?)
    }

    /// The largest value that bin `bin` counts; `None` for the last one, which has no limit, and if that is more than 64
    /// bits hold.
    pub fn bound(&self, bin: usize) -> Option<u64> {
        let bits = self.lowest_exponent().checked_add(bin as u64)?.checked_add(1)?;
        let is_last = bin.checked_add(1)? >= self.len();
        u64::MAX.checked_shr(64_u32.checked_sub(u32::try_from(bits).ok()?)?).filter(|_| !is_last)
    }

    /// What each bin counts, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = u64> + use<'a> {
        self.row.iter().skip(1)
    }
}

impl fmt::Debug for HistogramView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistogramView").field("threads", &self.threads()).finish_non_exhaustive()
    }
}

impl fmt::Debug for HistogramRowView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistogramRowView").field("len", &self.len()).finish_non_exhaustive()
    }
}
