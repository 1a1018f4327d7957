//! Lays out a segment that VPP's own clients can read; for simulators and tests.

mod heap;
mod id;
mod memory;
mod socket;

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

use self::heap::Block;
use self::id::Key;
pub use self::id::{
    CombinedId, CounterId, EntryId, GaugeId, HistogramId, NamesId, NumberId, ScalarId, SimpleId,
    SymlinkId,
};
use self::memory::Memory;
pub use self::socket::{Listener, send_fd};
use crate::counter::sealed::Raw as _;
use crate::directory::{ENTRY_WORDS, EntryKind, NAME_BYTES, Name};
use crate::error::ConnectError;
use crate::header::{HEAP_START, VERSION};
use crate::map::WORD;
use crate::segment::Segment;

/// Address at which the segment pretends to lie inside VPP.
const BASE: u64 = 0x7f4a_4000_0000;
/// What a slot of the directory says instead of the next free one, when it is the last.
const NO_SLOT: u64 = u32::MAX as u64;
/// Slots of the first directory.
const FIRST_SLOTS: usize = 64;
const ENTRY_BYTES: u64 = ENTRY_WORDS as u64 * WORD;

/// The one writer of a segment in a memory file of its own.
///
/// Entries 0, 1 and 2 are `/sys/heartbeat`, `/sys/last_stats_clear` and `/sys/boottime`, as in VPP. Every change of the
/// directory follows VPP's protocol, so that readers in other threads and processes see either side of it; counters
/// move without it. Dropping the writer leaves the memory to those who mapped it.
///
/// *Assumptions.* Nobody else writes to the memory; its descriptor goes to readers alone.
///
/// *Caveats.* Pages are taken only when something other than zero is stored, or a reader looks: a table of a million
/// columns and 17 threads costs address space first. Released memory is handed out again but never joined.
#[derive(Debug)]
pub struct SegmentWriter {
    memfd: OwnedFd,
    memory: Memory,
    directory: Block,
    slots: Vec<Slot>,
    /// Slots without an entry; the last one is used first, as in VPP.
    free: Vec<u32>,
    by_name: HashMap<String, u32>,
    generation: u64,
    epoch: u64,
    /// Nested changes under way.
    depth: u32,
    is_stuck: bool,
}

/// Why a change was refused. The segment is as it was before.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The segment has no room; make it larger. A real VPP would abort.
    #[error("no room for {wanted} bytes in the segment, {free} are free")]
    Full {
        /// Bytes that were wanted in one piece.
        wanted: u64,
        /// Bytes that are free in all.
        free: u64,
    },
    /// An entry of this name is there already.
    #[error("there is an entry {0:?} already")]
    Exists(String),
    /// The name is empty, longer than 127 bytes or has a NUL in it.
    #[error("{0:?} cannot be the name of an entry")]
    Name(String),
    /// The entry was removed.
    #[error("the entry was removed")]
    Stale,
    /// The table has no such thread or column.
    #[error("there is no column {column} of thread {thread}")]
    NoCell {
        /// The thread that was asked for.
        thread: usize,
        /// The column that was asked for.
        column: usize,
    },
    /// An offset outside of the segment.
    #[error("offset {0:#x} is not inside the segment")]
    OutOfBounds(u64),
}

#[derive(Debug)]
struct Slot {
    generation: u64,
    name: String,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Free,
    /// A scalar, gauge or symlink: all in the entry.
    Plain,
    Table(Table),
    Names(Names),
}

#[derive(Debug)]
struct Table {
    outer: Block,
    rows: Vec<Block>,
    columns: usize,
    cell_bytes: u64,
}

#[derive(Debug)]
struct Names {
    outer: Block,
    strings: Vec<Option<Block>>,
}

impl SegmentWriter {
    /// A segment of `size_bytes`, rounded up to whole pages; VPP's own default is 32 MiB. It never grows.
    ///
    /// # Errors
    /// What the kernel says about making and mapping the memory file, and [`io::ErrorKind::InvalidInput`] below 32 KiB.
    pub fn new(size_bytes: usize) -> io::Result<Self> {
        const SMALLEST: usize = 32 * 1024;
        let size = size_bytes
            .checked_next_multiple_of(HEAP_START as usize)
            .filter(|size| *size >= SMALLEST);
        let size = size.ok_or(io::ErrorKind::InvalidInput)?;
        let memfd = memfd_create(
            "vpp-stats segment",
            MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
        )?;
        ftruncate(&memfd, size as u64)?;
        fcntl_add_seals(&memfd, SealFlags::SHRINK)?;
        let mut memory = Memory::map(memfd.as_fd(), size)?;
        let mut writer = (|| {
            let directory = memory.allocate(FIRST_SLOTS as u64 * ENTRY_BYTES)?;
            Ok(Self {
                memfd,
                memory,
                directory,
                slots: Vec::new(),
                free: Vec::new(),
                by_name: HashMap::new(),
                generation: 0,
                epoch: 1,
                depth: 0,
                is_stuck: false,
            })
        })()
        .map_err(io::Error::other::<WriteError>)?;
        writer.begin().map_err(io::Error::other)?;
        Ok(writer)
    }

    /// The memory file, for [`send_fd`].
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.memfd.as_fd()
    }

    /// A reader of this segment in this process.
    ///
    /// # Errors
    /// As [`Segment::from_fd`].
    pub fn reader(&self) -> Result<Segment, ConnectError> {
        Segment::from_fd(self.memfd.try_clone().map_err(ConnectError::Map)?)
    }

    /// Bytes in the segment.
    pub fn size(&self) -> u64 {
        self.memory.len()
    }

    /// Bytes that are not in use, in all; no single piece need be as large.
    pub fn free_bytes(&self) -> u64 {
        self.memory.free()
    }

    /// Entry 0: counts the updates of the slow values, one every 10 s in VPP.
    pub fn heartbeat(&self) -> ScalarId {
        ScalarId(Key {
            index: 0,
            generation: 1,
        })
    }

    /// Entry 1: time of the last clearing of counters, in seconds since VPP started.
    pub fn last_stats_clear(&self) -> ScalarId {
        ScalarId(Key {
            index: 1,
            generation: 2,
        })
    }

    /// Entry 2: Unix time of VPP's start, in seconds.
    pub fn boottime(&self) -> ScalarId {
        ScalarId(Key {
            index: 2,
            generation: 3,
        })
    }

    /// Makes all changes that `change` makes one: readers see either none or all of them, and the epoch moves once,
    /// at its end. Counters move at once nevertheless. Calls may be nested. If `change` panics the segment stays
    /// as VPP leaves it when it dies in a change.
    pub fn update<T>(&mut self, change: impl FnOnce(&mut Self) -> T) -> T {
        self.depth += 1;
        if self.depth == 1 {
            self.memory.begin_change();
        }
        let result = change(self);
        self.depth -= 1;
        if self.depth == 0 {
            self.epoch = self.epoch.wrapping_add(1);
            self.memory.end_change(self.epoch, self.is_stuck);
        }
        result
    }

    /// Adds a simple counter of `threads` rows with `columns` columns, all zero.
    ///
    /// # Errors
    /// [`WriteError::Name`], [`WriteError::Exists`] and [`WriteError::Full`].
    pub fn add_simple(
        &mut self,
        name: &str,
        threads: usize,
        columns: usize,
    ) -> Result<SimpleId, WriteError> {
        Ok(SimpleId(self.add_table(
            name,
            EntryKind::Simple,
            threads,
            columns,
        )?))
    }

    /// Adds a combined counter of `threads` rows with `columns` columns, all zero.
    ///
    /// # Errors
    /// [`WriteError::Name`], [`WriteError::Exists`] and [`WriteError::Full`].
    pub fn add_combined(
        &mut self,
        name: &str,
        threads: usize,
        columns: usize,
    ) -> Result<CombinedId, WriteError> {
        Ok(CombinedId(self.add_table(
            name,
            EntryKind::Combined,
            threads,
            columns,
        )?))
    }

    /// Adds a histogram of `bins` bins, all zero, of which the lowest counts values up to two to the power of
    /// `lowest_exponent`.
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
            let key =
                writer.add_table(name, EntryKind::Histogram, threads, bins.saturating_add(1))?;
            for thread in 0..threads {
                let at = writer.cell(key, thread, 0)?;
                writer.memory.store(at, lowest_exponent)?;
            }
            Ok(HistogramId(key))
        })
    }

    /// Adds a scalar.
    ///
    /// # Errors
    /// [`WriteError::Name`], [`WriteError::Exists`] and [`WriteError::Full`].
    pub fn add_scalar(&mut self, name: &str, value: u64) -> Result<ScalarId, WriteError> {
        Ok(ScalarId(self.update(|writer| {
            writer.insert(name, EntryKind::Scalar, value, Body::Plain)
        })?))
    }

    /// Adds a gauge.
    ///
    /// # Errors
    /// [`WriteError::Name`], [`WriteError::Exists`] and [`WriteError::Full`].
    pub fn add_gauge(&mut self, name: &str, value: u64) -> Result<GaugeId, WriteError> {
        Ok(GaugeId(self.update(|writer| {
            writer.insert(name, EntryKind::Gauge, value, Body::Plain)
        })?))
    }

    /// Adds a symlink to one column of a table. As in VPP the link outlives the table.
    ///
    /// # Errors
    /// [`WriteError::Name`], [`WriteError::Exists`], [`WriteError::Full`] and [`WriteError::Stale`].
    pub fn add_symlink(
        &mut self,
        name: &str,
        target: impl CounterId,
        column: u32,
    ) -> Result<SymlinkId, WriteError> {
        self.update(|writer| writer.add_symlink_quietly(name, target, column))
    }

    /// As [`add_symlink`](Self::add_symlink), but the epoch stands still, as when VPP's drivers add statistics of their
    /// own: `vlib_stats_add_symlink` takes no lock. For tests of readers.
    ///
    /// # Errors
    /// As [`add_symlink`](Self::add_symlink).
    pub fn add_symlink_quietly(
        &mut self,
        name: &str,
        target: impl CounterId,
        column: u32,
    ) -> Result<SymlinkId, WriteError> {
        let key = target.key();
        self.slot(key)?;
        let union = u64::from(key.index) | u64::from(column) << 32;
        Ok(SymlinkId(self.insert(
            name,
            EntryKind::Symlink,
            union,
            Body::Plain,
        )?))
    }

    /// Adds a name vector.
    ///
    /// # Errors
    /// [`WriteError::Name`], [`WriteError::Exists`] and [`WriteError::Full`].
    pub fn add_names(&mut self, name: &str, names: &[Option<&str>]) -> Result<NamesId, WriteError> {
        self.update(|writer| {
            let outer = writer.memory.vector(names.len(), WORD)?;
            let mut vector = Names {
                outer,
                strings: Vec::with_capacity(names.len()),
            };
            for name in names {
                match name.map(|name| writer.memory.string(name)).transpose() {
                    Ok(string) => {
                        let at = outer.offset + vector.strings.len() as u64 * WORD;
                        vector.strings.push(string);
                        writer.memory.store(at, string.map_or(0, address))?;
                    }
                    Err(error) => {
                        writer.release(Body::Names(vector));
                        return Err(error);
                    }
                }
            }
            Ok(NamesId(writer.insert(
                name,
                EntryKind::Names,
                address(outer),
                Body::Names(vector),
            )?))
        })
    }

    /// Puts a name into a name vector, which grows as needed, or takes it out.
    ///
    /// # Errors
    /// [`WriteError::Stale`] and [`WriteError::Full`].
    pub fn set_name(
        &mut self,
        id: NamesId,
        index: usize,
        name: Option<&str>,
    ) -> Result<(), WriteError> {
        self.update(|writer| {
            let Self {
                slots,
                memory,
                directory,
                ..
            } = writer;
            let Body::Names(names) = &mut slot_mut(slots, id.0)?.body else {
                return Err(WriteError::Stale);
            };
            let string = name.map(|name| memory.string(name)).transpose()?;
            if index >= names.strings.len() {
                let len = index.saturating_add(1);
                let grown = memory.grown(names.outer, names.strings.len(), len, WORD);
                let grown = grown
                    .inspect_err(|_| string.into_iter().for_each(|block| memory.release(block)))?;
                if grown != names.outer {
                    memory.store(entry_at(*directory, id.0.index) + WORD, address(grown))?;
                    memory.release(names.outer);
                    names.outer = grown;
                }
                names.strings.resize(len, None);
            }
            memory.store(
                names.outer.offset + index as u64 * WORD,
                string.map_or(0, address),
            )?;
            if let Some(old) = std::mem::replace(&mut names.strings[index], string) {
                memory.release(old);
            }
            Ok(())
        })
    }

    /// Makes a table at least `columns` wide; new columns are 0. The epoch moves only if the rows move.
    ///
    /// # Errors
    /// [`WriteError::Stale`] and [`WriteError::Full`].
    pub fn grow(&mut self, id: impl CounterId, columns: usize) -> Result<(), WriteError> {
        let Body::Table(table) = &self.slot(id.key())?.body else {
            return Err(WriteError::Stale);
        };
        if columns <= table.columns {
            return Ok(());
        }
        let fits = table
            .rows
            .iter()
            .all(|row| columns as u64 <= row.size / table.cell_bytes);
        if fits {
            self.widen(id.key(), columns)
        } else {
            self.update(|writer| writer.widen(id.key(), columns))
        }
    }

    /// Removes an entry. As in VPP its table is gone when the epoch moves, and its name a moment later, unless the
    /// removal is part of an [`update`](Self::update).
    ///
    /// # Errors
    /// [`WriteError::Stale`].
    pub fn remove(&mut self, id: impl EntryId) -> Result<(), WriteError> {
        let key = id.key();
        let entry = entry_at(self.directory, key.index);
        let old = self.update(|writer| {
            let slot = slot_mut(&mut writer.slots, key)?;
            let body = std::mem::replace(&mut slot.body, Body::Free);
            writer.memory.store(entry + WORD, 0)?;
            writer.release(body);
            Ok(std::mem::take(&mut writer.slots[key.index as usize].name))
        })?;
        self.by_name.remove(&old);
        for word in 2..ENTRY_WORDS as u64 {
            self.memory.store(entry + word * WORD, 0)?;
        }
        let next = self.free.last().map_or(NO_SLOT, |index| u64::from(*index));
        self.memory.store(entry + WORD, next)?;
        self.memory.store(entry, kind_word(EntryKind::Empty))?;
        self.free.push(key.index);
        Ok(())
    }

    /// Adds `delta` to one cell, wrapping around.
    ///
    /// # Errors
    /// [`WriteError::Stale`] and [`WriteError::NoCell`].
    pub fn add<I: CounterId>(
        &mut self,
        id: I,
        thread: usize,
        column: usize,
        delta: I::Cell,
    ) -> Result<(), WriteError> {
        let at = self.cell(id.key(), thread, column)?;
        let mut cell: I::Cell = self.memory.load_cell(at)?;
        cell.accumulate(delta);
        self.memory.store_cell(at, cell)
    }

    /// Stores one cell.
    ///
    /// # Errors
    /// [`WriteError::Stale`] and [`WriteError::NoCell`].
    pub fn set<I: CounterId>(
        &mut self,
        id: I,
        thread: usize,
        column: usize,
        value: I::Cell,
    ) -> Result<(), WriteError> {
        let at = self.cell(id.key(), thread, column)?;
        self.memory.store_cell(at, value)
    }

    /// What one cell holds.
    ///
    /// # Errors
    /// [`WriteError::Stale`] and [`WriteError::NoCell`].
    pub fn get<I: CounterId>(
        &self,
        id: I,
        thread: usize,
        column: usize,
    ) -> Result<I::Cell, WriteError> {
        self.memory.load_cell(self.cell(id.key(), thread, column)?)
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

    /// Adds to one bin of a histogram.
    ///
    /// # Errors
    /// [`WriteError::Stale`] and [`WriteError::NoCell`].
    pub fn add_to_bin(
        &mut self,
        id: HistogramId,
        thread: usize,
        bin: usize,
        delta: u64,
    ) -> Result<(), WriteError> {
        let at = self.cell(id.0, thread, bin.saturating_add(1))?;
        let count: u64 = self.memory.load_cell(at)?;
        self.memory.store_cell(at, count.wrapping_add(delta))
    }

    /// Stores a scalar or gauge.
    ///
    /// # Errors
    /// [`WriteError::Stale`].
    pub fn set_number(&mut self, id: impl NumberId, value: u64) -> Result<(), WriteError> {
        self.slot(id.key())?;
        self.memory
            .store(entry_at(self.directory, id.key().index) + WORD, value)
    }

    /// Stores a gauge; see [`set_number`](Self::set_number).
    ///
    /// # Errors
    /// [`WriteError::Stale`].
    pub fn set_gauge(&mut self, id: GaugeId, value: u64) -> Result<(), WriteError> {
        self.set_number(id, value)
    }

    /// Stores a scalar; see [`set_number`](Self::set_number).
    ///
    /// # Errors
    /// [`WriteError::Stale`].
    pub fn set_scalar(&mut self, id: ScalarId, value: u64) -> Result<(), WriteError> {
        self.set_number(id, value)
    }

    /// Fault: makes the segment look as if a change never ended, until called with `false`.
    pub fn set_in_progress(&mut self, is_stuck: bool) {
        self.is_stuck = is_stuck;
        if self.depth == 0 {
            self.memory.set_in_progress(is_stuck);
        }
    }

    /// Fault: overwrites memory at `offset`, without any protocol. The header's words lie at 0 (version), 8 (base),
    /// 16 (epoch), 24 (in progress) and 32 (directory); for entries see [`entry_offset`](Self::entry_offset).
    ///
    /// # Errors
    /// [`WriteError::OutOfBounds`] if the bytes do not all lie inside; then none is written.
    pub fn corrupt(&mut self, offset: u64, bytes: &[u8]) -> Result<(), WriteError> {
        self.memory.overwrite(offset, bytes)
    }

    /// Offset of the entry `name`: its type at 0, its value or pointer at 8, its name at 16.
    pub fn entry_offset(&self, name: &str) -> Option<u64> {
        Some(entry_at(self.directory, *self.by_name.get(name)?))
    }

    /// Writes the header and the first three entries.
    fn begin(&mut self) -> Result<(), WriteError> {
        self.memory.set_len(self.directory, 0, ENTRY_BYTES)?;
        self.memory
            .store_header(VERSION, BASE, self.epoch, address(self.directory));
        for name in ["/sys/heartbeat", "/sys/last_stats_clear", "/sys/boottime"] {
            self.insert(name, EntryKind::Scalar, 0, Body::Plain)?;
        }
        Ok(())
    }

    fn add_table(
        &mut self,
        name: &str,
        kind: EntryKind,
        threads: usize,
        columns: usize,
    ) -> Result<Key, WriteError> {
        let cell_bytes = if kind == EntryKind::Combined {
            2 * WORD
        } else {
            WORD
        };
        self.update(|writer| {
            let outer = writer.memory.vector(threads, WORD)?;
            let mut table = Table {
                outer,
                rows: Vec::with_capacity(threads),
                columns,
                cell_bytes,
            };
            for thread in 0..threads {
                match writer.memory.vector(columns, cell_bytes) {
                    Ok(row) => {
                        writer
                            .memory
                            .store(outer.offset + thread as u64 * WORD, address(row))?;
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

    /// Fills a slot of the directory. Releases `body` if there is none to be had.
    fn insert(
        &mut self,
        name: &str,
        kind: EntryKind,
        union: u64,
        body: Body,
    ) -> Result<Key, WriteError> {
        let field = match self
            .check_name(name)
            .and_then(|field| self.reserve_slot().map(|()| field))
        {
            Ok(field) => field,
            Err(error) => {
                self.release(body);
                return Err(error);
            }
        };
        self.generation += 1;
        let slot = Slot {
            generation: self.generation,
            name: name.to_owned(),
            body,
        };
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index as usize] = slot;
                index
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        self.by_name.insert(name.to_owned(), index);
        let entry = entry_at(self.directory, index);
        for (at, word) in (2..).zip(field.words()) {
            self.memory.store(entry + at * WORD, *word)?;
        }
        self.memory.store(entry + WORD, union)?;
        self.memory.store(entry, kind_word(kind))?;
        self.memory
            .set_len(self.directory, self.slots.len(), ENTRY_BYTES)?;
        Ok(Key {
            index,
            generation: self.generation,
        })
    }

    fn check_name(&self, name: &str) -> Result<Name, WriteError> {
        if self.by_name.contains_key(name) {
            return Err(WriteError::Exists(name.to_owned()));
        }
        let field = Name::new(name).filter(|_| name.len() < NAME_BYTES);
        field.ok_or_else(|| WriteError::Name(name.to_owned()))
    }

    /// Makes sure that the directory has room for one more entry.
    fn reserve_slot(&mut self) -> Result<(), WriteError> {
        let len = self.slots.len();
        if !self.free.is_empty() || (len as u64 + 1) * ENTRY_BYTES <= self.directory.size {
            return Ok(());
        }
        let grown = self
            .memory
            .grown(self.directory, len, len + 1, ENTRY_BYTES)?;
        self.memory.set_len(grown, len, ENTRY_BYTES)?;
        self.memory.set_directory(address(grown));
        self.memory.release(self.directory);
        self.directory = grown;
        Ok(())
    }

    fn release(&mut self, body: Body) {
        match body {
            Body::Free | Body::Plain => {}
            Body::Table(table) => {
                table
                    .rows
                    .into_iter()
                    .for_each(|row| self.memory.release(row));
                self.memory.release(table.outer);
            }
            Body::Names(names) => {
                names
                    .strings
                    .into_iter()
                    .flatten()
                    .for_each(|string| self.memory.release(string));
                self.memory.release(names.outer);
            }
        }
    }

    fn slot(&self, key: Key) -> Result<&Slot, WriteError> {
        let slot = self.slots.get(key.index as usize);
        slot.filter(|slot| slot.generation == key.generation && !matches!(slot.body, Body::Free))
            .ok_or(WriteError::Stale)
    }

    /// Offset of one cell of a table.
    fn cell(&self, key: Key, thread: usize, column: usize) -> Result<u64, WriteError> {
        let Body::Table(table) = &self.slot(key)?.body else {
            return Err(WriteError::Stale);
        };
        match table.rows.get(thread) {
            Some(row) if column < table.columns => {
                Ok(row.offset + column as u64 * table.cell_bytes)
            }
            _ => Err(WriteError::NoCell { thread, column }),
        }
    }
}

fn slot_mut(slots: &mut [Slot], key: Key) -> Result<&mut Slot, WriteError> {
    let slot = slots.get_mut(key.index as usize);
    slot.filter(|slot| slot.generation == key.generation && !matches!(slot.body, Body::Free))
        .ok_or(WriteError::Stale)
}

/// VPP's address of a block.
fn address(block: Block) -> u64 {
    BASE + block.offset
}

fn entry_at(directory: Block, index: u32) -> u64 {
    directory.offset + u64::from(index) * ENTRY_BYTES
}

/// First word of an entry: its type, and padding.
fn kind_word(kind: EntryKind) -> u64 {
    u64::from(kind.number() as u32)
}
