use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::connect;
use crate::counter::{CombinedHandle, SimpleHandle};
use crate::directory::{self, Directory, Entry};
use crate::epoch::{self, Failure, Retries};
use crate::error::{ConnectError, StatsError};
use crate::frame::{Frame, RawEntry};
use crate::handle::{EntryHandle, ScalarHandle};
use crate::header::{self, Header};
use crate::map::Map;
use crate::name::{Name, NameCache};
use crate::pattern::Pattern;
use crate::ring::RingHandle;
use crate::selection::Selection;
use crate::value::Value;
use crate::view::{self, Access, Notes};

/// VPP's stats segment, mapped into this process. Cheap to clone; clones share the mapping.
///
/// *Guarantees.* Every read is checked against the length of the mapping and repeated if VPP changed the directory
/// meanwhile, for as long as [`Retries`] allow. Nothing in the memory makes a read panic or follow a wild pointer.
///
/// *Assumptions.* The memory file does not shrink while it is mapped: a load beyond its end raises SIGBUS. VPP seals its
/// segment against that, and the kernel keeps the promise. VPP does not seal one of huge pages (`statseg { page-size }`):
/// of such a file the size is looked at before each attempt to read, so that a truncated one gives
/// [`StatsError::Shrunk`]. What remains is a truncation between this look and the loads after it, some microseconds
/// later; VPP never truncates. [`is_sealed`](Self::is_sealed) tells which of the two it is.
///
/// *Caveats.* The memory outlives VPP: after VPP ended its contents stay as they were. A new VPP has a new segment, so
/// connect again when `/sys/boottime` moved, when `/sys/heartbeat` stands still, or when the API connection is lost.
/// VPP holds its main thread for nobody: counters read together belong to slightly different moments.
///
/// ```no_run
/// use vpp_stats::Segment;
///
/// let segment = Segment::connect("/run/vpp/stats.sock")?;
/// let mut drops = segment.simple("/if/drops");
/// println!("{:?} packets dropped on interface 1", drops.sum(1)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Segment {
    shared: Arc<Shared>,
    retries: Retries,
}

struct Shared {
    map: Map,
    /// Device and inode of the file; `None` for a recording.
    file: Option<(u64, u64)>,
    names: Mutex<NameCache>,
}

impl Segment {
    /// Asks the VPP behind the stats socket at `path`, usually `/run/vpp/stats.sock`, for its segment and maps it.
    /// Blocks for at most [twice](Self::connect_timeout) [`DEFAULT_TIMEOUT`](crate::DEFAULT_TIMEOUT).
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect(path: impl AsRef<Path>) -> Result<Self, ConnectError> {
        Self::connect_timeout(path, connect::DEFAULT_TIMEOUT)
    }

    /// As [`connect`](Self::connect), waiting for at most `timeout` until VPP takes the connection, and as long again
    /// until it answers.
    ///
    /// # Errors
    /// See [`ConnectError`].
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("vpp-stats-timeout-{}.sock", std::process::id()));
    /// # let listener = vpp_stats::writer::Listener::bind(&path)?;
    /// use std::time::Duration;
    /// use vpp_stats::{ConnectError, Segment};
    ///
    /// // Something holds VPP's main loop.
    /// let error = Segment::connect_timeout(&path, Duration::from_millis(20)).expect_err("it does not answer");
    /// assert!(matches!(error, ConnectError::TimedOut { path: tried } if tried == path));
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect_timeout(path: impl AsRef<Path>, timeout: Duration) -> Result<Self, ConnectError> {
        Self::from_fd(connect::receive_fd(path.as_ref(), timeout)?)
    }

    /// As [`from_fd`](Self::from_fd), for a file that stays open.
    ///
    /// # Errors
    /// [`ConnectError::Map`] and [`ConnectError::Segment`].
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let path = std::env::temp_dir().join(format!("vpp-stats-recording-{}", std::process::id()));
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # vpp.set_scalar(vpp.boottime(), 1_800_000_000)?;
    /// # std::io::copy(&mut File::from(vpp.fd().try_clone_to_owned()?), &mut File::create(&path)?)?;
    /// use std::fs::File;
    /// use vpp_stats::Segment;
    ///
    /// let recording = Segment::from_file(&File::open(&path)?)?;
    /// # std::fs::remove_file(&path)?;
    /// assert_eq!(recording.scalar("/sys/boottime").value()?, Some(1_800_000_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_file(file: &File) -> Result<Self, ConnectError> {
        Self::of(connect::map(file.as_fd())?, connect::identity(file.as_fd()))
    }

    /// The segment behind a descriptor. The descriptor is not needed any longer after the call.
    ///
    /// A memory file (memfd) is mapped. If it is not sealed against shrinking a duplicate of the descriptor is kept, and
    /// its size looked at before each attempt to read; see [`Segment`]. Any other file, such as a recording, is copied,
    /// since anybody could truncate it; at most 1 GiB.
    ///
    /// # Errors
    /// [`ConnectError::Map`] and [`ConnectError::Segment`].
    ///
    /// ```
    /// # let mut vpp = vpp_stats::writer::SegmentWriter::new(1 << 16)?;
    /// # let fd = vpp.fd().try_clone_to_owned()?;
    /// use vpp_stats::Segment;
    ///
    /// // `fd` came from a process that may connect to VPP.
    /// let segment = Segment::from_fd(fd)?;
    /// let mut heartbeat = segment.scalar("/sys/heartbeat");
    /// assert_eq!(heartbeat.value()?, Some(0));
    /// // It is a memory file, and so no copy: what VPP counts is seen.
    /// vpp.set_scalar(vpp.heartbeat(), 1)?;
    /// assert_eq!(heartbeat.value()?, Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_fd(fd: OwnedFd) -> Result<Self, ConnectError> {
        Self::of(connect::map(fd.as_fd())?, connect::identity(fd.as_fd()))
    }

    /// The segment in a recording of its memory, which is copied.
    ///
    /// # Errors
    /// [`ConnectError::Map`] and [`ConnectError::Segment`].
    ///
    /// ```
    /// # use std::{fs::File, io::Read as _};
    /// # let mut vpp = vpp_stats::writer::SegmentWriter::new(1 << 16)?;
    /// # vpp.set_scalar(vpp.boottime(), 1_800_000_000)?;
    /// # let mut bytes = vec![];
    /// # File::from(vpp.fd().try_clone_to_owned()?).read_to_end(&mut bytes)?;
    /// use vpp_stats::Segment;
    ///
    /// // `bytes` were sent by somebody whose VPP does something odd.
    /// let segment = Segment::from_snapshot(&bytes)?;
    /// assert_eq!(segment.names()?, ["/sys/heartbeat", "/sys/last_stats_clear", "/sys/boottime"]);
    /// assert_eq!(segment.scalar("/sys/boottime").value()?, Some(1_800_000_000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, ConnectError> {
        Self::of(connect::copy(bytes)?, None)
    }

    fn of(map: Map, file: Option<(u64, u64)>) -> Result<Self, ConnectError> {
        header::check(&map)?;
        let shared = Shared { map, file, names: Mutex::default() };
        Ok(Self { shared: Arc::new(shared), retries: Retries::default() })
    }

    /// The same segment with another limit on attempts. Clones and handles made before keep theirs.
    #[must_use]
    pub fn with_retries(&self, retries: Retries) -> Self {
        Self { shared: Arc::clone(&self.shared), retries }
    }

    /// Bytes in the segment; VPP never changes it.
    pub fn size(&self) -> u64 {
        self.shared.map.len()
    }

    /// Whether the kernel guarantees that the memory keeps its size: it is sealed against shrinking, or a copy. If not,
    /// see the assumptions of [`Segment`].
    ///
    /// ```
    /// # use std::fs::File;
    /// # use rustix::fs::{MemfdFlags, memfd_create};
    /// # use vpp_stats::{Segment, writer::SegmentWriter};
    /// # let vpp = SegmentWriter::new(1 << 16)?;
    /// # let mut huge = File::from(memfd_create("of huge pages", MemfdFlags::CLOEXEC)?);
    /// # std::io::copy(&mut File::from(vpp.fd().try_clone_to_owned()?), &mut huge)?;
    /// # let of_huge_pages = Segment::from_file(&huge)?;
    /// let segment = vpp.reader()?;
    /// assert!(segment.is_sealed());
    /// // The same with `statseg { page-size 2M }`.
    /// assert!(!of_huge_pages.is_sealed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_sealed(&self) -> bool {
        self.shared.map.is_sealed()
    }

    /// The header, word by word as it is now, also in the middle of a change.
    ///
    /// # Errors
    /// [`StatsError::UnknownVersion`] and the like if the header no longer is what it was.
    pub fn header(&self) -> Result<Header, StatsError> {
        self.shared.map.check()?;
        header::check(&self.shared.map)?;
        Header::read(&self.shared.map)
    }

    /// Changes of the directory so far. While it stands still, so do names, types and the places of tables.
    ///
    /// # Errors
    /// [`StatsError::Busy`] while VPP is in the middle of a change for too long.
    pub fn epoch(&self) -> Result<u64, StatsError> {
        epoch::consistently(&self.shared.map, self.retries, |moment| Ok(moment.epoch))
    }

    /// All entries, in the order of the directory, without free slots. Copies every name: not for each scrape.
    ///
    /// *Caveats.* An entry in the middle of whose name VPP stops while it adds or renames it outside of a change is
    /// given with what is stored of its name; see [`Directory`].
    ///
    /// # Errors
    /// [`StatsError::Busy`] if VPP changed the directory during every attempt; safe to call again. The others say that
    /// the segment is corrupt.
    pub fn entries(&self) -> Result<Vec<Entry>, StatsError> {
        self.attempt(directory::entries)
    }

    /// Goes through the directory without copying it: each step finds the next entry, consistent in itself.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// use vpp_stats::EntryKind;
    ///
    /// # let vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// let mut scalars = 0;
    /// for entry in segment.directory() {
    ///     scalars += usize::from(entry?.kind == EntryKind::Scalar);
    /// }
    /// assert_eq!(scalars, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn directory(&self) -> Directory<'_> {
        Directory::new(self)
    }

    /// All entries that `pattern` takes, to be read again and again. Nothing is looked at before the first read.
    pub fn select(&self, pattern: Pattern) -> Selection {
        Selection::new(self.clone(), pattern)
    }

    /// The names of all entries, in the order of the directory.
    ///
    /// # Errors
    /// As [`entries`](Self::entries).
    pub fn names(&self) -> Result<Vec<String>, StatsError> {
        Ok(self.entries()?.into_iter().map(|entry| entry.name).collect())
    }

    /// A copy of what the entry `name` holds; `None` if there is no such entry.
    ///
    /// Copies the whole table. For a few columns, or again and again, use a handle such as [`simple`](Self::simple).
    ///
    /// *Caveats.* The name is looked up in what was read of the directory when it last changed. A symlink that VPP
    /// renames in place, outside of a change, is absent under its new name until the next one;
    /// [`entries`](Self::entries) has it.
    ///
    /// # Errors
    /// [`StatsError::Busy`] if VPP changed the directory during every attempt; safe to call again.
    /// [`StatsError::Dangling`] for a symlink whose target is gone. The others say that the segment is corrupt.
    pub fn value(&self, name: &str) -> Result<Option<Value>, StatsError> {
        let Some(name) = Name::new(name) else {
            return Ok(None);
        };
        self.attempt(|frame| {
            let Some(entry) = self.find(frame, &name).and_then(|index| frame.entry(index)) else {
                return Ok(None);
            };
            let value = read_entry(frame, &entry)?;
            // Cleared, or filled again, since its name was compared.
            if entry.is_named(&name) { Ok(Some(value)) } else { Err(Failure::Torn) }
        })
    }

    /// A copy of what the entry at `index` of the directory holds, whatever its name is by now; `None` beyond its end.
    ///
    /// # Errors
    /// As [`value`](Self::value).
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// use vpp_stats::Value;
    ///
    /// let drops = vpp.add_simple("/if/drops", 2, 3)?;
    /// let entry = segment.entries()?.pop().expect("the last one");
    /// assert_eq!(segment.value_at(entry.index)?, Some(Value::Simple(vec![vec![0; 3]; 2])));
    /// vpp.remove(drops)?;
    /// assert_eq!(segment.value_at(entry.index)?, Some(Value::Empty));
    /// assert_eq!(segment.value_at(entry.index + 1)?, None); // beyond the end
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn value_at(&self, index: u32) -> Result<Option<Value>, StatsError> {
        self.attempt(|frame| match frame.entry(index) {
            // Without a name it is being filled or cleared, and its union may be anything.
            Some(entry) if entry.kind().is_occupied() && !entry.is_taken() => Ok(Some(Value::Empty)),
            entry => entry.map(|entry| read_entry(frame, &entry)).transpose(),
        })
    }

    /// A handle to the entry `name` of any type, which need not exist yet.
    pub fn entry(&self, name: &str) -> EntryHandle {
        EntryHandle::new(self.clone(), name)
    }

    /// A handle to the simple counter `name`, which need not exist yet.
    pub fn simple(&self, name: &str) -> SimpleHandle {
        SimpleHandle::new(self.clone(), name)
    }

    /// A handle to the combined counter `name`, which need not exist yet.
    pub fn combined(&self, name: &str) -> CombinedHandle {
        CombinedHandle::new(self.clone(), name)
    }

    /// A handle to the scalar or gauge `name`, which need not exist yet.
    pub fn scalar(&self, name: &str) -> ScalarHandle {
        ScalarHandle::new(self.clone(), name)
    }

    /// The same as [`scalar`](Self::scalar): the two types are read alike.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # let id = vpp.add_gauge("/sys/vector_rate", 12)?;
    /// let mut vectors = segment.gauge("/sys/vector_rate");
    /// assert_eq!(vectors.value()?, Some(12));
    /// # vpp.set_gauge(id, 3)?;
    /// // The load has fallen.
    /// assert_eq!(vectors.value()?, Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn gauge(&self, name: &str) -> ScalarHandle {
        self.scalar(name)
    }

    /// A handle to the ring buffer `name`, which need not exist yet.
    pub fn ring(&self, name: &str) -> RingHandle {
        RingHandle::new(self.clone(), name)
    }

    /// Device and inode of the file that it is a mapping of.
    pub(crate) fn file(&self) -> Option<(u64, u64)> {
        self.shared.file
    }

    /// Whether both are of one mapping.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Calls `read` until the directory stood still during a whole call.
    pub(crate) fn attempt<T>(&self, mut read: impl FnMut(&Frame<'_>) -> Result<T, Failure>) -> Result<T, StatsError> {
        let map = &self.shared.map;
        epoch::consistently(map, self.retries, |moment| read(&Frame::new(map, moment)?))
    }

    /// Index of the entry named `name`. Looks at the whole directory only if that changed since it last did.
    pub(crate) fn find(&self, frame: &Frame<'_>, name: &Name) -> Option<u32> {
        // A cache torn by a panic holds hints like any other.
        let mut names = self.shared.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.find(frame, name)
    }
}

fn read_entry(frame: &Frame<'_>, entry: &RawEntry<'_>) -> Result<Value, Failure> {
    let notes = Notes::default();
    let access = Access { frame, notes: &notes };
    entry.read(|held| {
        let value = view::of(access, held).map(|view| view.map_or(Value::Empty, |view| view.to_value()));
        notes.checked(frame, value)
    })
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment").field("size", &self.size()).finish_non_exhaustive()
    }
}
