//! Lays out a segment that VPP's own clients can read; for simulators and tests.

mod entry;
mod fault;
mod heap;
mod id;
mod memory;
mod names;
mod ring;
mod socket;
mod symlink;
mod table;

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

use self::entry::{Body, Slot, slot_mut};
use self::heap::Block;
use self::id::Key;
pub use self::id::{
    CombinedId, CounterId, EntryId, GaugeId, HistogramId, NamesId, NumberId, RingId, ScalarId, SimpleId, SymlinkId,
};
use self::memory::Memory;
pub use self::socket::{Listener, send_fd};
use crate::directory::EntryKind;
use crate::epoch::{self, ControlsMut as _};
use crate::error::ConnectError;
use crate::frame::{ENTRY_WORDS, NAME_AT};
use crate::header::{Control, HEAP_START, VERSION};
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
///
/// ```
/// use vpp_stats::writer::SegmentWriter;
///
/// let mut vpp = SegmentWriter::new(1 << 20)?;
/// let drops = vpp.add_simple("/if/drops", 2, 3)?;
/// vpp.add(drops, 1, 2, 5)?;
/// vpp.add_symlink("/interfaces/loop0/drops", drops, 2)?;
/// assert_eq!(vpp.reader()?.simple("/if/drops").sum(2)?, Some(5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// ```
/// use vpp_stats::writer::{SegmentWriter, WriteError};
///
/// let mut vpp = SegmentWriter::new(32 << 10)?;
/// assert!(matches!(vpp.add_simple("/large", 2, 10_000), Err(WriteError::Full { .. })));
/// assert_eq!(vpp.add_gauge("/sys/heartbeat", 1), Err(WriteError::Exists("/sys/heartbeat".to_owned())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

impl SegmentWriter {
    /// A segment of `size_bytes`, rounded up to whole pages; VPP's own default is 32 MiB. It never grows.
    ///
    /// # Errors
    /// What the kernel says about making and mapping the memory file, and [`io::ErrorKind::InvalidInput`] below 32 KiB.
    pub fn new(size_bytes: usize) -> io::Result<Self> {
        const SMALLEST: usize = 32 * 1024;
        let size = size_bytes.checked_next_multiple_of(HEAP_START as usize).filter(|size| *size >= SMALLEST);
        let size = size.ok_or(io::ErrorKind::InvalidInput)?;
        let memfd = memfd_create("vpp-stats segment", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&memfd, size as u64)?;
        fcntl_add_seals(&memfd, SealFlags::SHRINK)?;
        let mut memory = Memory::map(memfd.as_fd(), size)?;
        let directory = memory.allocate(FIRST_SLOTS as u64 * ENTRY_BYTES).map_err(io::Error::other)?;
        let mut writer = Self {
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
        };
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

    /// Bytes that are not in use, in all; no single piece need be as large. Before each piece lie 64 bytes that are not
    /// given back with it.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// let free = vpp.free_bytes();
    /// let drops = vpp.add_simple("/if/drops", 2, 100)?;
    /// let left = vpp.free_bytes();
    /// assert!(free - left >= 2 * 100 * 8);
    /// // What is removed makes room for as much.
    /// vpp.remove(drops)?;
    /// vpp.add_simple("/if/punt", 2, 100)?;
    /// assert_eq!(vpp.free_bytes(), left);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn free_bytes(&self) -> u64 {
        self.memory.free()
    }

    /// Entry 0: counts the updates of the slow values, one every 10 s in VPP.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// let mut heartbeat = segment.scalar("/sys/heartbeat");
    /// // A simulator does this every 10 s, so that readers do not take it for dead.
    /// let beats = heartbeat.value()?.unwrap_or(0);
    /// vpp.set_scalar(vpp.heartbeat(), beats + 1)?;
    /// assert_eq!(heartbeat.value()?, Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn heartbeat(&self) -> ScalarId {
        ScalarId(Key { index: 0, generation: 1 })
    }

    /// Entry 1: time of the last `clear runtime`, in seconds since VPP started.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// // `clear runtime`, an hour after VPP's start.
    /// vpp.set_scalar(vpp.last_stats_clear(), 3_600)?;
    /// assert_eq!(segment.scalar("/sys/last_stats_clear").value()?, Some(3_600));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn last_stats_clear(&self) -> ScalarId {
        ScalarId(Key { index: 1, generation: 2 })
    }

    /// Entry 2: Unix time of VPP's start, in seconds.
    pub fn boottime(&self) -> ScalarId {
        ScalarId(Key { index: 2, generation: 3 })
    }

    /// Makes all changes that `change` makes one: readers see either none or all of them, and the epoch moves once,
    /// at its end. Counters move at once nevertheless. Calls may be nested. If `change` panics the segment stays
    /// as VPP leaves it when it dies in a change.
    pub fn update<T>(&mut self, change: impl FnOnce(&mut Self) -> T) -> T {
        self.depth += 1;
        if self.depth == 1 {
            epoch::begin_change(self.memory.controls());
        }
        let result = change(self);
        self.depth -= 1;
        if self.depth == 0 {
            self.epoch = self.epoch.wrapping_add(1);
            let controls = self.memory.controls();
            if self.is_stuck {
                controls.store(Control::Epoch, self.epoch);
            } else {
                epoch::end_change(controls, self.epoch);
            }
        }
        result
    }

    /// Adds a scalar.
    ///
    /// # Errors
    /// [`WriteError::Name`], [`WriteError::Exists`] and [`WriteError::Full`].
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// use vpp_stats::writer::WriteError;
    ///
    /// vpp.add_scalar("/sys/last_update", 30)?;
    /// assert_eq!(segment.scalar("/sys/last_update").value()?, Some(30));
    /// assert!(matches!(vpp.add_scalar("/sys/last_update", 40), Err(WriteError::Exists(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_scalar(&mut self, name: &str, value: u64) -> Result<ScalarId, WriteError> {
        Ok(ScalarId(self.update(|writer| writer.insert(name, EntryKind::Scalar, value, Body::Plain))?))
    }

    /// Adds a gauge.
    ///
    /// # Errors
    /// [`WriteError::Name`], [`WriteError::Exists`] and [`WriteError::Full`].
    pub fn add_gauge(&mut self, name: &str, value: u64) -> Result<GaugeId, WriteError> {
        Ok(GaugeId(self.update(|writer| writer.insert(name, EntryKind::Gauge, value, Body::Plain))?))
    }

    /// Removes an entry. As in VPP its table is gone when the epoch moves, and its name a moment later, unless the
    /// removal is part of an [`update`](Self::update).
    ///
    /// # Errors
    /// [`WriteError::Stale`].
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// use vpp_stats::StatsError;
    /// use vpp_stats::writer::WriteError;
    ///
    /// let drops = vpp.add_simple("/if/drops", 2, 3)?;
    /// vpp.add_symlink("/interfaces/loop0/drops", drops, 2)?;
    /// vpp.remove(drops)?;
    /// assert_eq!(segment.value("/if/drops")?, None);
    /// assert_eq!(vpp.remove(drops), Err(WriteError::Stale));
    /// // The link stays, and leads nowhere.
    /// let link = segment.value("/interfaces/loop0/drops");
    /// assert!(matches!(link, Err(StatsError::Dangling { column: 2, .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove(&mut self, id: impl EntryId) -> Result<(), WriteError> {
        let key = id.key();
        let entry = entry_at(self.directory, key.index);
        let old = self.update(|writer| {
            let slot = slot_mut(&mut writer.slots, key)?;
            let body = std::mem::replace(&mut slot.body, Body::Free);
            if matches!(body, Body::Table(_) | Body::Names(_) | Body::Ring(_)) {
                writer.memory.store(entry + WORD, 0)?;
            }
            writer.release(body);
            Ok(std::mem::take(&mut writer.slots[key.index as usize].name))
        })?;
        self.by_name.remove(&old);
        // The type first and the union last, so that no reader takes the next free slot for a pointer.
        self.memory.store(entry, kind_word(EntryKind::Empty))?;
        for word in NAME_AT as u64..ENTRY_WORDS as u64 {
            self.memory.publish(entry + word * WORD, 0)?;
        }
        let next = self.free.last().map_or(NO_SLOT, |index| u64::from(*index));
        self.memory.publish(entry + WORD, next)?;
        self.free.push(key.index);
        Ok(())
    }

    /// Stores a scalar or gauge.
    ///
    /// # Errors
    /// [`WriteError::Stale`].
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// let vectors = vpp.add_gauge("/sys/vector_rate", 12)?;
    /// vpp.set_number(vectors, 3)?;
    /// vpp.set_number(vpp.boottime(), 1_800_000_000)?;
    /// assert_eq!(segment.gauge("/sys/vector_rate").value()?, Some(3));
    /// assert_eq!(segment.scalar("/sys/boottime").value()?, Some(1_800_000_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_number(&mut self, id: impl NumberId, value: u64) -> Result<(), WriteError> {
        self.slot(id.key())?;
        self.memory.store(entry_at(self.directory, id.key().index) + WORD, value)
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

    /// Writes the header and the first three entries.
    fn begin(&mut self) -> Result<(), WriteError> {
        self.memory.set_len(self.directory, 0, ENTRY_BYTES)?;
        let header = self.memory.controls();
        header.store(Control::Base, BASE);
        header.store(Control::Epoch, self.epoch);
        header.store(Control::Directory, address(self.directory));
        header.store(Control::Version, VERSION);
        for name in ["/sys/heartbeat", "/sys/last_stats_clear", "/sys/boottime"] {
            self.insert(name, EntryKind::Scalar, 0, Body::Plain)?;
        }
        Ok(())
    }
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
