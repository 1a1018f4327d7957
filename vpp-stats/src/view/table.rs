use std::fmt;
use std::marker::PhantomData;

use super::{Access, Budget};
use crate::cell::Cell;
use crate::error::StatsError;
use crate::map::Words;

/// A table of counters: a row for each thread, main thread first, whose elements are the columns.
///
/// Rows may differ in length; columns beyond the end of a row count 0. Numbers are loaded when they are asked for, so
/// that two of them belong to slightly different moments.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let drops = vpp.add_simple("/if/drops", 2, 3)?;
/// # vpp.set(drops, 0, 1, 4)?;
/// # vpp.set(drops, 1, 1, 5)?;
/// let mut drops = segment.simple("/if/drops");
/// let seen = drops.read(|table| (table.threads(), table.columns(), table.get(1, 1), table.sum(1), table.total()))?;
/// assert_eq!(seen, Some((2, 3, Some(5), Some(9), 9)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct TableView<'a, C> {
    access: Access<'a>,
    rows: Words<'a>,
    cell: PhantomData<fn() -> C>,
}

impl<'a, C: Cell> TableView<'a, C> {
    pub(crate) fn new(access: Access<'a>, data: u64) -> Result<Self, StatsError> {
        Ok(Self { access, rows: access.frame.rows(data)?, cell: PhantomData })
    }

    /// Number of rows. VPP has one for the main thread and one for each worker; a few tables have one row only.
    pub fn threads(&self) -> usize {
        self.rows.len()
    }

    /// Columns of the longest row.
    pub fn columns(&self) -> usize {
        self.bare_rows().map(|row| row.len()).max().unwrap_or(0)
    }

    /// The row of one thread; `None` beyond the last.
    pub fn row(&self, thread: usize) -> Option<RowView<'a, C>> {
        let pointer = self.rows.get(thread)?;
        Some(RowView { words: self.access.words(self.access.frame.row::<C>(pointer)), cell: PhantomData })
    }

    /// The rows, main thread first. If they overlap, as in no sound segment, the last ones are empty and the read fails.
    pub fn rows(&self) -> impl Iterator<Item = RowView<'a, C>> + use<'a, C> {
        let mut budget = Budget::of(self.access);
        self.bare_rows().map(move |row| {
            if budget.take(row.words.len()) { row } else { RowView { words: Words::EMPTY, cell: PhantomData } }
        })
    }

    /// The rows, for what looks at no more cells of each than it was asked for.
    fn bare_rows(&self) -> impl Iterator<Item = RowView<'a, C>> + use<'a, C> {
        let table = *self;
        (0..table.threads()).map_while(move |thread| table.row(thread))
    }

    /// One column, a value for each thread; `None` if no row has it.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # let drops = vpp.add_simple("/if/drops", 2, 3)?;
    /// # vpp.set(drops, 1, 2, 5)?;
    /// let mut drops = segment.simple("/if/drops");
    /// let by_thread = drops.read(|table| table.column(2).map(|column| column.iter().collect::<Vec<_>>()))?;
    /// assert_eq!(by_thread, Some(Some(vec![0, 5])));
    /// assert_eq!(drops.read(|table| table.column(3).is_none())?, Some(true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn column(&self, column: u32) -> Option<ColumnView<'a, C>> {
        let view = ColumnView { table: *self, column };
        self.bare_rows().any(|row| row.get(column).is_some()).then_some(view)
    }

    /// One cell; `None` beyond the end of the row.
    pub fn get(&self, thread: usize, column: u32) -> Option<C> {
        self.row(thread)?.get(column)
    }

    /// The sum over all threads of one column; `None` if no row has it.
    pub fn sum(&self, column: u32) -> Option<C> {
        let mut sum = None;
        for cell in self.bare_rows().filter_map(|row| row.get(column)) {
            sum.get_or_insert_with(C::default).accumulate(cell);
        }
        sum
    }

    /// Puts the sum over all threads of each of `columns` into the element of `out` at the same place, as far as both
    /// go. Returns how many of them lie beyond every row; they count 0. Ascending columns are fastest.
    pub fn sum_columns(&self, columns: &[u32], out: &mut [C]) -> usize {
        out.fill(C::default());
        let mut longest = 0;
        for row in self.bare_rows() {
            longest = longest.max(row.len());
            row.add_columns(columns, out);
        }
        columns.iter().take(out.len()).filter(|column| **column as usize >= longest).count()
    }

    /// Puts the sums over all threads of the columns 0, 1, 2, … into `out`, as far as it goes. Returns how many elements
    /// lie beyond every row; they are 0.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # let drops = vpp.add_simple("/if/drops", 2, 3)?;
    /// # vpp.set(drops, 0, 0, 1)?;
    /// # vpp.set(drops, 1, 0, 2)?;
    /// # vpp.set(drops, 1, 2, 5)?;
    /// // The main thread counted 1, 0 and 0 drops on three interfaces, the worker 2, 0 and 5.
    /// let mut drops = segment.simple("/if/drops");
    /// let (mut all, mut two) = ([0; 4], [0; 2]);
    /// let outside = drops.read(|table| (table.sum_all(&mut all), table.sum_columns(&[0, 3], &mut two)))?;
    /// assert_eq!((all, two), ([3, 0, 5, 0], [3, 0]));
    /// // Column 3 is in neither row.
    /// assert_eq!(outside, Some((1, 1)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sum_all(&self, out: &mut [C]) -> usize {
        out.fill(C::default());
        let mut longest = 0;
        for row in self.bare_rows() {
            longest = longest.max(row.len());
            for (sum, cell) in out.iter_mut().zip(row.iter()) {
                sum.accumulate(cell);
            }
        }
        out.len().saturating_sub(longest)
    }

    /// The sum of all cells, wrapping around.
    pub fn total(&self) -> C {
        let mut total = C::default();
        self.rows().for_each(|row| total.accumulate(row.total()));
        total
    }
}

/// One thread's row of a table.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let drops = vpp.add_simple("/if/drops", 2, 3)?;
/// # vpp.set(drops, 0, 1, 4)?;
/// # vpp.set(drops, 1, 2, 5)?;
/// use vpp_stats::RowView;
///
/// let mut drops = segment.simple("/if/drops");
/// // Room that is there already, as an exporter has it.
/// let mut row = [0; 3];
/// drops.read(|table| table.row(1).map(|cells| cells.copy_to(&mut row)))?;
/// assert_eq!(row, [0, 0, 5]);
///
/// // The busiest interface of each thread, and the drops on interface 2.
/// let by_thread = drops.read(|table| {
///     let busiest = |row: RowView<'_, u64>| row.iter().zip(0..row.len()).max().map(|(_, column)| column);
///     table.rows().map(|row| (busiest(row), row.get(2))).collect::<Vec<_>>()
/// })?;
/// assert_eq!(by_thread, Some(vec![(Some(1), Some(0)), (Some(2), Some(5))]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct RowView<'a, C> {
    words: Words<'a>,
    cell: PhantomData<fn() -> C>,
}

impl<'a, C: Cell> RowView<'a, C> {
    /// Number of columns.
    pub fn len(&self) -> usize {
        self.words.len() / C::WORDS
    }

    /// Whether it has no columns, as while VPP sets the table up.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// let id = vpp.add_simple("/if/drops", 2, 0)?;
    /// let mut drops = segment.simple("/if/drops");
    /// assert_eq!(drops.read(|table| table.rows().all(|row| row.is_empty()))?, Some(true));
    /// // VPP adds its first interface.
    /// vpp.grow(id, 1)?;
    /// assert_eq!(drops.read(|table| table.rows().all(|row| row.is_empty()))?, Some(false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.words.len() == 0
    }

    /// One cell as it is now; `None` beyond the end.
    #[inline]
    pub fn get(&self, column: u32) -> Option<C> {
        C::load(&self.words, column as usize)
    }

    /// The cells by column, each as it is when it is its turn.
    pub fn iter(&self) -> impl Iterator<Item = C> + use<'a, C> {
        let words = self.words;
        (0..words.len() / C::WORDS).map_while(move |column| C::load(&words, column))
    }

    /// Copies the cells from column 0 on, as far as `out` goes. Returns how many there were to copy; the rest of `out` is 0.
    pub fn copy_to(&self, out: &mut [C]) -> usize {
        out.fill(C::default());
        out.iter_mut().zip(self.iter()).map(|(place, cell)| *place = cell).count()
    }

    /// The sum of its cells, wrapping around.
    pub fn total(&self) -> C {
        let mut total = C::default();
        self.iter().for_each(|cell| total.accumulate(cell));
        total
    }

    #[inline]
    pub(crate) fn add_columns(&self, columns: &[u32], out: &mut [C]) {
        for (sum, column) in out.iter_mut().zip(columns) {
            sum.accumulate(self.get(*column).unwrap_or_default());
        }
    }
}

/// One column of a table: a value for each thread, main thread first, 0 for a thread whose row is shorter.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let drops = vpp.add_simple("/if/drops", 2, 3)?;
/// # vpp.add_symlink("/interfaces/loop0/drops", drops, 2)?;
/// # vpp.set(drops, 0, 2, 4)?;
/// # vpp.set(drops, 1, 2, 5)?;
/// use vpp_stats::{LinkView, View};
///
/// let seen = segment.entry("/interfaces/loop0/drops").read(|view| match view {
///     View::Symlink(LinkView::Simple(column)) => Some((column.threads(), column.iter().max(), column.sum())),
///     _ => None,
/// })?;
/// assert_eq!(seen, Some(Some((2, Some(5), 9))));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct ColumnView<'a, C> {
    table: TableView<'a, C>,
    column: u32,
}

impl<'a, C: Cell> ColumnView<'a, C> {
    /// Number of the column in its table.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # let drops = vpp.add_simple("/if/drops", 2, 3)?;
    /// # vpp.add_symlink("/interfaces/loop0/drops", drops, 2)?;
    /// use vpp_stats::{LinkView, View};
    ///
    /// // The tables under `/if/` have a column for each interface: the `sw_if_index` of loop0.
    /// let interface = segment.entry("/interfaces/loop0/drops").read(|view| match view {
    ///     View::Symlink(LinkView::Simple(column)) => Some(column.column()),
    ///     _ => None,
    /// })?;
    /// assert_eq!(interface, Some(Some(2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn column(&self) -> u32 {
        self.column
    }

    /// Number of values.
    pub fn threads(&self) -> usize {
        self.table.threads()
    }

    /// The values, main thread first.
    pub fn iter(&self) -> impl Iterator<Item = C> + use<'a, C> {
        let column = self.column;
        self.table.bare_rows().map(move |row| row.get(column).unwrap_or_default())
    }

    /// Their sum, wrapping around.
    pub fn sum(&self) -> C {
        let mut sum = C::default();
        self.iter().for_each(|cell| sum.accumulate(cell));
        sum
    }
}

impl<C> fmt::Debug for TableView<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableView").field("threads", &self.rows.len()).finish_non_exhaustive()
    }
}

impl<C: Cell> fmt::Debug for RowView<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowView").field("columns", &self.len()).finish_non_exhaustive()
    }
}

impl<C> fmt::Debug for ColumnView<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColumnView").field("column", &self.column).finish_non_exhaustive()
    }
}
