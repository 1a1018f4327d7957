use super::entry::{Body, Table, slot_mut};
use super::{CombinedId, CounterId, HistogramId, Key, SegmentWriter, SimpleId, WriteError, address};
use crate::cell::sealed::Raw as _;
use crate::directory::EntryKind;
use crate::map::WORD;

/// Tables of counters: a row for each thread, main thread first.
impl SegmentWriter {
    /// Adds a simple counter of `threads` rows with `columns` columns, all zero.
    ///
    /// # Errors
    /// [`WriteError::Name`], [`WriteError::Exists`] and [`WriteError::Full`].
    pub fn add_simple(&mut self, name: &str, threads: usize, columns: usize) -> Result<SimpleId, WriteError> {
        Ok(SimpleId(self.add_table(name, EntryKind::Simple, threads, columns)?))
    }

    /// Adds a combined counter of `threads` rows with `columns` columns, all zero.
    ///
    /// # Errors
    /// [`WriteError::Name`], [`WriteError::Exists`] and [`WriteError::Full`].
    pub fn add_combined(&mut self, name: &str, threads: usize, columns: usize) -> Result<CombinedId, WriteError> {
        Ok(CombinedId(self.add_table(name, EntryKind::Combined, threads, columns)?))
    }

    /// Adds a histogram of `bins` bins, all zero. The lowest one counts values less than 2^(`lowest_exponent` + 1).
    ///
    /// # Errors
    /// [`WriteError::Name`], [`WriteError::Exists`] and [`WriteError::Full`].
    pub fn add_histogram(
        &mut self,
        name: &str,
        threads: usize,
        lowest_exponent: u64,
        bins: usize,
    ) -> Result<HistogramId, WriteError> {
        self.update(|writer| {
            let key = writer.add_table(name, EntryKind::Histogram, threads, bins.saturating_add(1))?;
            for thread in 0..threads {
                let at = writer.cell(key, thread, 0)?;
                writer.memory.store(at, lowest_exponent)?;
            }
            Ok(HistogramId(key))
        })
    }

    /// Makes a table at least `columns` wide; new columns are 0. The epoch moves only if the rows move.
    ///
    /// # Errors
    /// [`WriteError::Stale`] and [`WriteError::Full`].
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// let drops = vpp.add_simple("/if/drops", 2, 1)?;
    /// vpp.set(drops, 1, 0, 5)?;
    /// vpp.grow(drops, 100)?;
    /// assert_eq!((vpp.columns(drops)?, vpp.get(drops, 1, 0)?), (100, 5));
    /// // It has them already: nothing moves, and nothing shrinks.
    /// let epoch = segment.epoch()?;
    /// vpp.grow(drops, 50)?;
    /// assert_eq!((vpp.columns(drops)?, segment.epoch()?), (100, epoch));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn grow(&mut self, id: impl CounterId, columns: usize) -> Result<(), WriteError> {
        let Body::Table(table) = &self.slot(id.key())?.body else {
            return Err(WriteError::Stale);
        };
        if columns <= table.columns {
            return Ok(());
        }
        let fits = table.rows.iter().all(|row| columns as u64 <= row.size / table.cell_bytes);
        if fits { self.widen(id.key(), columns) } else { self.update(|writer| writer.widen(id.key(), columns)) }
    }

    /// Columns of a table.
    ///
    /// # Errors
    /// [`WriteError::Stale`].
    pub fn columns(&self, id: impl CounterId) -> Result<usize, WriteError> {
        match &self.slot(id.key())?.body {
            Body::Table(table) => Ok(table.columns),
            _ => Err(WriteError::Stale),
        }
    }

    /// Adds `delta` to one cell, wrapping around.
    ///
    /// # Errors
    /// [`WriteError::Stale`] and [`WriteError::NoCell`].
    pub fn add<I: CounterId>(&mut self, id: I, thread: usize, column: usize, delta: I::Cell) -> Result<(), WriteError> {
        let at = self.cell(id.key(), thread, column)?;
        let mut cell: I::Cell = self.memory.load_cell(at)?;
        cell.accumulate(delta);
        self.memory.store_cell(at, cell)
    }

    /// Stores one cell.
    ///
    /// # Errors
    /// [`WriteError::Stale`] and [`WriteError::NoCell`].
    pub fn set<I: CounterId>(&mut self, id: I, thread: usize, column: usize, value: I::Cell) -> Result<(), WriteError> {
        let at = self.cell(id.key(), thread, column)?;
        self.memory.store_cell(at, value)
    }

    /// What one cell holds.
    ///
    /// # Errors
    /// [`WriteError::Stale`] and [`WriteError::NoCell`].
    pub fn get<I: CounterId>(&self, id: I, thread: usize, column: usize) -> Result<I::Cell, WriteError> {
        self.memory.load_cell(self.cell(id.key(), thread, column)?)
    }

    /// Adds to one bin of a histogram.
    ///
    /// # Errors
    /// [`WriteError::Stale`], and [`WriteError::NoCell`] with the column of the bin in its row, which is `bin` + 1: the
    /// exponent has column 0.
    pub fn add_to_bin(&mut self, id: HistogramId, thread: usize, bin: usize, delta: u64) -> Result<(), WriteError> {
        let at = self.cell(id.0, thread, bin.saturating_add(1))?;
        let count: u64 = self.memory.load_cell(at)?;
        self.memory.store_cell(at, count.wrapping_add(delta))
    }

    fn add_table(&mut self, name: &str, kind: EntryKind, threads: usize, columns: usize) -> Result<Key, WriteError> {
        let cell_bytes = if kind == EntryKind::Combined { 2 * WORD } else { WORD };
        self.update(|writer| {
            let outer = writer.memory.vector(threads, WORD)?;
            let mut table = Table { outer, rows: Vec::with_capacity(threads), columns, cell_bytes };
            for thread in 0..threads {
                match writer.memory.vector(columns, cell_bytes) {
                    Ok(row) => {
                        writer.memory.store(outer.offset + thread as u64 * WORD, address(row))?;
                        table.rows.push(row);
                    }
                    Err(error) => {
                        writer.release(Body::Table(table));
                        return Err(error);
                    }
                }
            }
            writer.insert(name, kind, address(outer), Body::Table(table))
        })
    }

    /// Grows each row, in place if it has the room.
    fn widen(&mut self, key: Key, columns: usize) -> Result<(), WriteError> {
        let Self { slots, memory, .. } = self;
        let Body::Table(table) = &mut slot_mut(slots, key)?.body else {
            return Err(WriteError::Stale);
        };
        let mut grown = Vec::with_capacity(table.rows.len());
        for row in &table.rows {
            match memory.grown(*row, table.columns, columns, table.cell_bytes) {
                Ok(block) => grown.push(block),
                Err(error) => {
                    for (old, new) in table.rows.iter().zip(grown) {
                        if *old != new {
                            memory.release(new);
                        } else {
                            memory.set_len(*old, table.columns, table.cell_bytes)?;
                        }
                    }
                    return Err(error);
                }
            }
        }
        for (thread, (old, new)) in table.rows.iter_mut().zip(grown).enumerate() {
            if *old != new {
                memory.store(table.outer.offset + thread as u64 * WORD, address(new))?;
                memory.release(*old);
                *old = new;
            }
        }
        table.columns = columns;
        Ok(())
    }

    /// Offset of one cell of a table.
    fn cell(&self, key: Key, thread: usize, column: usize) -> Result<u64, WriteError> {
        let Body::Table(table) = &self.slot(key)?.body else {
            return Err(WriteError::Stale);
        };
        match table.rows.get(thread) {
            Some(row) if column < table.columns => Ok(row.offset + column as u64 * table.cell_bytes),
            _ => Err(WriteError::NoCell { thread, column }),
        }
    }
}
