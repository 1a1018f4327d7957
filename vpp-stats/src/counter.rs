use std::fmt;
use std::marker::PhantomData;

use crate::cell::Cell;
use crate::error::StatsError;
use crate::handle::Place;
use crate::segment::Segment;
use crate::value::CombinedCounter;
use crate::view::TableView;

/// Reads columns of a simple counter; see [`CounterHandle`].
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let drops = vpp.add_simple("/if/drops", 2, 3)?;
/// # vpp.set(drops, 0, 2, 4)?;
/// # vpp.set(drops, 1, 2, 5)?;
/// use vpp_stats::SimpleHandle;
///
/// /// What an exporter keeps from one scrape to the next.
/// struct Interfaces {
///     drops: SimpleHandle,
///     punts: SimpleHandle,
/// }
///
/// let mut interfaces = Interfaces { drops: segment.simple("/if/drops"), punts: segment.simple("/if/punt") };
/// assert_eq!(interfaces.drops.sum(2)?, Some(9)); // of both threads
/// assert_eq!(interfaces.punts.sum(2)?, None); // VPP has no such table yet
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type SimpleHandle = CounterHandle<u64>;
/// Reads columns of a combined counter; see [`CounterHandle`].
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let to = vpp.add_combined("/net/route/to", 2, 10)?;
/// # vpp.set(to, 0, 3, CombinedCounter { packets: 2, bytes: 128 })?;
/// # vpp.set(to, 1, 7, CombinedCounter { packets: 5, bytes: 300 })?;
/// use vpp_stats::{CombinedCounter, CombinedHandle, StatsError};
///
/// /// The column of the route that got most packets.
/// fn busiest(routes: &mut CombinedHandle, sums: &mut [CombinedCounter]) -> Result<Option<usize>, StatsError> {
///     routes.sum_all(sums)?;
///     Ok((0..sums.len()).max_by_key(|column| sums[*column].packets))
/// }
///
/// let mut sums = [CombinedCounter::default(); 10];
/// assert_eq!(busiest(&mut segment.combined("/net/route/to"), &mut sums)?, Some(7));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type CombinedHandle = CounterHandle<CombinedCounter>;

/// Reads one table of counters, again and again: its columns, rows, sums, or all of it.
///
/// *Guarantees.* A read looks at the entry's name and type, the lengths of its rows, and the cells that were asked
/// for, nothing else: its cost does not depend on the size of the table or of the directory. It allocates nothing once
/// the name was found. A table that VPP has not made yet, or removed, is [absent](Presence::Absent), and is found as
/// soon as it is there.
///
/// *Caveats.* Cells are read one after another while VPP's threads count, so that sums belong to no single moment.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// use vpp_stats::{CombinedCounter, Presence};
///
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let to = vpp.add_combined("/net/route/to", 2, 10)?;
/// # vpp.set(to, 0, 7, CombinedCounter { packets: 1, bytes: 60 })?;
/// # vpp.set(to, 1, 7, CombinedCounter { packets: 2, bytes: 120 })?;
/// let mut routes = segment.combined("/net/route/to");
/// // Room that is there already, as an exporter has it.
/// let mut sums = [CombinedCounter::default(); 2];
/// let presence = routes.sum_columns(&[3, 7], &mut sums)?;
/// assert_eq!(presence, Presence::Present { outside: 0 });
/// assert_eq!(sums[1], CombinedCounter { packets: 3, bytes: 180 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct CounterHandle<C> {
    place: Place,
    cell: PhantomData<fn() -> C>,
}

/// What a read found.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// use vpp_stats::Presence;
///
/// let mut drops = segment.simple("/if/drops");
/// assert_eq!(drops.sum_columns(&[0], &mut [0])?, Presence::Absent);
/// vpp.add_simple("/if/drops", 2, 3)?;
/// assert!(drops.sum_columns(&[2], &mut [0])?.is_complete());
/// assert_eq!(drops.sum_columns(&[2, 3], &mut [0; 2])?, Presence::Present { outside: 1 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

impl<C: Cell> CounterHandle<C> {
    pub(crate) fn new(segment: Segment, name: &str) -> Self {
        Self { place: Place::new(segment, name), cell: PhantomData }
    }

    /// The name the handle was made with.
    pub fn name(&self) -> &str {
        self.place.text()
    }

    /// Reads the same name in `segment` from now on, such as that of a VPP that was restarted.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # vpp.add_simple("/if/drops", 2, 3)?;
    /// let mut drops = segment.simple("/if/drops");
    /// assert_eq!((drops.columns()?, drops.total()?), (Some(3), Some(0)));
    ///
    /// // `fresh` is the segment of a VPP that was restarted.
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let to = vpp.add_simple("/if/drops", 2, 5)?;
    /// # vpp.set(to, 1, 4, 7)?;
    /// # let fresh = vpp.reader()?;
    /// drops.rebind(&fresh);
    /// assert_eq!((drops.columns()?, drops.total()?), (Some(5), Some(7)));
    /// assert_eq!(drops.name(), "/if/drops");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rebind(&mut self, segment: &Segment) {
        self.place.rebind(segment);
    }

    /// Calls `read` with a view of the table, from which it takes what it wants; `None` if there is no such table (yet).
    ///
    /// *Caveats.* If VPP changes the directory meanwhile `read` is called again, and what it returned before is dropped;
    /// what it stored elsewhere it has to overwrite.
    ///
    /// # Errors
    /// As [`sum_columns`](Self::sum_columns).
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # let drops = vpp.add_simple("/if/drops", 2, 3)?;
    /// # vpp.set(drops, 1, 2, 5)?;
    /// let mut drops = segment.simple("/if/drops");
    /// let busiest = drops.read(|table| table.rows().map(|row| row.total()).max())?;
    /// assert_eq!(busiest, Some(Some(5)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read<T>(&mut self, mut read: impl FnMut(TableView<'_, C>) -> T) -> Result<Option<T>, StatsError> {
        self.place.read(&[C::KIND], |access, data| {
            let data = data.filter(|data| *data != 0);
            data.map(|data| Ok(read(TableView::new(access, data)?))).transpose()
        })
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
        let outside = self.read(|table| table.sum_columns(columns, out))?;
        Ok(presence(outside, out))
    }

    /// Puts the sums over all threads of the columns 0, 1, 2, … into `out`, as far as it goes. Elements beyond the last
    /// column are 0 and counted as [outside](Presence::Present::outside).
    ///
    /// # Errors
    /// As [`sum_columns`](Self::sum_columns).
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # let drops = vpp.add_simple("/if/drops", 2, 3)?;
    /// # vpp.set(drops, 1, 2, 5)?;
    /// let mut sums = [0; 4];
    /// let presence = segment.simple("/if/drops").sum_all(&mut sums)?;
    /// assert_eq!((presence, sums), (vpp_stats::Presence::Present { outside: 1 }, [0, 0, 5, 0]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sum_all(&mut self, out: &mut [C]) -> Result<Presence, StatsError> {
        let outside = self.read(|table| table.sum_all(out))?;
        Ok(presence(outside, out))
    }

    /// The sum over all threads of one column; `None` if there is no such table or column (yet).
    ///
    /// # Errors
    /// As [`sum_columns`](Self::sum_columns).
    pub fn sum(&mut self, column: u32) -> Result<Option<C>, StatsError> {
        Ok(self.read(|table| table.sum(column))?.flatten())
    }

    /// The sum of all cells; `None` if there is no such table (yet).
    ///
    /// # Errors
    /// As [`sum_columns`](Self::sum_columns).
    pub fn total(&mut self) -> Result<Option<C>, StatsError> {
        self.read(|table| table.total())
    }

    /// Copies one thread's row into `out`, as far as that goes; the rest of `out` is 0. Returns the columns of the row;
    /// `None` if there is no such table or thread (yet).
    ///
    /// # Errors
    /// As [`sum_columns`](Self::sum_columns).
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # let drops = vpp.add_simple("/if/drops", 2, 3)?;
    /// # vpp.set(drops, 1, 2, 5)?;
    /// // Room for one interface more than there are, and what an earlier read left in it.
    /// let mut row = [9; 4];
    /// let columns = segment.simple("/if/drops").copy_row(1, &mut row)?;
    /// assert_eq!((columns, row), (Some(3), [0, 0, 5, 0]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn copy_row(&mut self, thread: usize, out: &mut [C]) -> Result<Option<usize>, StatsError> {
        let copied = self.read(|table| {
            let row = table.row(thread)?;
            row.copy_to(out);
            Some(row.len())
        })?;
        Ok(cleared_unless(copied.flatten(), out))
    }

    /// Copies one column into `out`, a value for each thread, main thread first, as far as `out` goes; the rest of it is 0.
    /// Returns the number of threads; `None` if there is no such table or column (yet).
    ///
    /// # Errors
    /// As [`sum_columns`](Self::sum_columns).
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # let drops = vpp.add_simple("/if/drops", 2, 3)?;
    /// # vpp.set(drops, 0, 2, 4)?;
    /// # vpp.set(drops, 1, 2, 5)?;
    /// let (mut drops, mut by_thread) = (segment.simple("/if/drops"), [0; 2]);
    /// assert_eq!(drops.copy_column(2, &mut by_thread)?, Some(2));
    /// assert_eq!(by_thread, [4, 5]);
    /// // No thread has column 3.
    /// assert_eq!(drops.copy_column(3, &mut by_thread)?, None);
    /// assert_eq!(by_thread, [0, 0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn copy_column(&mut self, column: u32, out: &mut [C]) -> Result<Option<usize>, StatsError> {
        let copied = self.read(|table| {
            out.fill(C::default());
            let column = table.column(column)?;
            out.iter_mut().zip(column.iter()).for_each(|(place, cell)| *place = cell);
            Some(column.threads())
        })?;
        Ok(cleared_unless(copied.flatten(), out))
    }

    /// Columns of the longest row; `None` if there is no such table (yet).
    ///
    /// # Errors
    /// As [`sum_columns`](Self::sum_columns).
    pub fn columns(&mut self) -> Result<Option<usize>, StatsError> {
        self.read(|table| table.columns())
    }
}

fn presence<C: Cell>(outside: Option<usize>, out: &mut [C]) -> Presence {
    cleared_unless(outside, out).map_or(Presence::Absent, |outside| Presence::Present { outside })
}

/// Leaves nothing of an overtaken attempt behind when there turned out to be nothing.
fn cleared_unless<C: Cell>(found: Option<usize>, out: &mut [C]) -> Option<usize> {
    if found.is_none() {
        out.fill(C::default());
    }
    found
}

impl<C> fmt::Debug for CounterHandle<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CounterHandle").field(&self.place.text()).finish()
    }
}
