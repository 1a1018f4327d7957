use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::connect::DEFAULT_TIMEOUT;
use crate::error::{ConnectError, StatsError};
use crate::handle::ScalarHandle;
use crate::rate::{Life, LifeHandle};
use crate::segment::Segment;

/// The segment of whatever VPP is behind a stats socket: connects, notices that VPP was restarted, and connects again.
///
/// Has no thread, timer or clock: [`poll`](Self::poll) is called when the caller is about to read, with the caller's time,
/// which must not go backwards.
///
/// What tells that a segment is out of date:
/// - there is no socket file any longer, or another one: VPP ended, or was restarted;
/// - `/sys/boottime` moved;
/// - `/sys/heartbeat` stands still for longer than the [patience](Self::with_patience): VPP died without removing its
///   socket, or hangs. If it then answers with the same memory, at once or at a later call, all is well;
/// - the caller says so: [`suspect`](Self::suspect).
///
/// *Guarantees.* One call connects at most once, and so blocks for at most twice the
/// [time-out](Self::with_connect_timeout); a call that finds nothing suspicious makes one `stat` system call, and blocks
/// for nothing. It does not wait between attempts to connect: how often to call is for the caller.
///
/// ```
/// # use std::os::fd::AsFd;
/// # use vpp_stats::writer::{Listener, SegmentWriter, send_fd};
/// use std::time::{Duration, Instant};
/// use vpp_stats::Source;
///
/// # let path = std::env::temp_dir().join(format!("vpp-stats-source-{}.sock", std::process::id()));
/// # let vpp = SegmentWriter::new(1 << 16)?;
/// # let listener = Listener::bind(&path)?;
/// # std::thread::scope(|scope| {
/// # scope.spawn(|| send_fd(listener.accept().expect("a reader").as_fd(), vpp.fd()).expect("it waits"));
/// let (mut source, start) = (Source::new(&path), Instant::now());
/// let mut beat = source.poll(start.elapsed())?.scalar("/sys/heartbeat");
/// // For each scrape:
/// beat.rebind(source.poll(start.elapsed())?);
/// assert_eq!((beat.value()?, source.generation()), (Some(0), 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    timeout: Duration,
    patience: Duration,
    generation: u64,
    open: Option<Open>,
}

/// How long the heartbeat may stand still: three times the 10 s after which VPP moves it unless told otherwise.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Open {
    segment: Segment,
    /// The socket file from before the connection.
    socket: SocketFile,
    heartbeat: ScalarHandle,
    life: LifeHandle,
    boottime: Option<u64>,
    beat: Option<u64>,
    /// When the heartbeat was last seen to have moved, or the connection was made.
    moved: Duration,
    is_suspect: bool,
}

/// Device, inode and time of the last change of a socket file. File systems re-use inodes at once; the time also moves
/// when VPP sets the file's mode, which costs a connection that finds the same memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct SocketFile {
    place: (u64, u64),
    changed: (i64, i64),
}

impl Source {
    /// A source that is not connected yet, for the stats socket at `path`, usually `/run/vpp/stats.sock`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), timeout: DEFAULT_TIMEOUT, patience: DEFAULT_PATIENCE, generation: 0, open: None }
    }

    /// Waits for a connection, and again for the answer, for at most `timeout`. Default
    /// [`DEFAULT_TIMEOUT`](crate::DEFAULT_TIMEOUT).
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("vpp-stats-hurry-{}.sock", std::process::id()));
    /// # let listener = vpp_stats::writer::Listener::bind(&path)?;
    /// use std::time::Duration;
    /// use vpp_stats::{ConnectError, Source};
    ///
    /// let mut source = Source::new(&path).with_connect_timeout(Duration::from_millis(20));
    /// // Something holds VPP's main loop.
    /// let error = source.poll(Duration::ZERO).expect_err("it does not answer");
    /// assert!(matches!(error, ConnectError::TimedOut { path } if path == source.path()));
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Connects anew when the heartbeat stands still for longer than `patience`. Default 30 s: three times VPP's default
    /// `statseg { update-interval }`, which is what moves it.
    ///
    /// ```
    /// # use std::os::fd::AsFd;
    /// # use vpp_stats::writer::{Listener, SegmentWriter, send_fd};
    /// # let path = std::env::temp_dir().join(format!("vpp-stats-patience-{}.sock", std::process::id()));
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # vpp.set_scalar(vpp.boottime(), 1_800_000_000)?;
    /// # let listener = Listener::bind(&path)?;
    /// use std::time::Duration;
    /// use vpp_stats::{ConnectError, Source};
    ///
    /// let mut source = Source::new(&path).with_patience(Duration::from_secs(25));
    /// # std::thread::scope(|scope| {
    /// # scope.spawn(|| send_fd(listener.accept().expect("a reader").as_fd(), vpp.fd()).expect("it waits"));
    /// source.poll(Duration::ZERO)?;
    /// # Ok::<(), ConnectError>(())
    /// # })?;
    /// # drop(listener);
    /// // VPP is killed. Its socket file and its memory stay, and the heartbeat stands still.
    /// assert!(source.poll(Duration::from_secs(25)).is_ok());
    /// assert!(matches!(source.poll(Duration::from_secs(26)), Err(ConnectError::Connect { .. })));
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The socket it connects to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Counts the segments that there were so far: 0 before the first. While it stays the same so does the segment.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The segment to read now. If it is another one than before, [`generation`](Self::generation) has moved, and handles
    /// have to be [bound](crate::CounterHandle::rebind) to it; to bind them anyway costs nothing.
    ///
    /// # Errors
    /// See [`ConnectError`]: there is no VPP at this moment. Retry later.
    pub fn poll(&mut self, now: Duration) -> Result<&Segment, ConnectError> {
        let socket = self.socket();
        let old = match (self.open.take(), &socket) {
            // Without a socket there is no VPP, and the memory is what was left of it.
            (_, Err(_)) => None,
            (Some(mut open), Ok(socket)) => {
                if open.is_current(*socket, now, self.patience) {
                    return Ok(&self.open.insert(open).segment);
                }
                Some(open)
            }
            (None, Ok(_)) => None,
        };
        let socket = socket.map_err(|source| ConnectError::Connect { path: self.path.clone(), source })?;
        let segment = match Segment::connect_timeout(&self.path, self.timeout) {
            Ok(segment) => segment,
            Err(error) => {
                // Where somebody listens it may be the same VPP, which is slow: what it answers at last tells.
                if !matches!(error, ConnectError::Connect { .. }) {
                    self.open = old.map(|old| Open { is_suspect: true, ..old });
                }
                return Err(error);
            }
        };
        let mut fresh = Open::new(segment, socket, now);
        match old {
            // It answered with what we have: VPP was slow, and handles can stay.
            Some(old) if old.segment.file() == fresh.segment.file() && old.boottime == fresh.boottime => {
                fresh.segment = old.segment;
                fresh.heartbeat = old.heartbeat;
                fresh.life = old.life;
            }
            _ => self.generation += 1,
        }
        Ok(&self.open.insert(fresh).segment)
    }

    /// Life of the counters in the segment that the last [`poll`](Self::poll) gave, for a [`Meter`](crate::Meter).
    ///
    /// # Errors
    /// As [`ScalarHandle::value`]. Without a segment the life has no boot time.
    ///
    /// ```
    /// # use std::os::fd::AsFd;
    /// # use vpp_stats::writer::{Listener, SegmentWriter, send_fd};
    /// # let path = std::env::temp_dir().join(format!("vpp-stats-life-{}.sock", std::process::id()));
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # vpp.set_scalar(vpp.boottime(), 1_800_000_000)?;
    /// # let listener = Listener::bind(&path)?;
    /// # std::thread::scope(|scope| {
    /// # scope.spawn(|| send_fd(listener.accept().expect("a reader").as_fd(), vpp.fd()).expect("it waits"));
    /// use std::time::Duration;
    /// use vpp_stats::Source;
    ///
    /// let mut source = Source::new(&path);
    /// assert_eq!(source.life()?.boottime, None);
    /// source.poll(Duration::ZERO)?;
    /// let life = source.life()?;
    /// assert_eq!((life.generation, life.boottime), (1, Some(1_800_000_000)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn life(&mut self) -> Result<Life, StatsError> {
        let generation = self.generation;
        match &mut self.open {
            Some(open) => open.life.read(generation),
            None => Ok(Life { generation, ..Life::default() }),
        }
    }

    /// Has the next [`poll`](Self::poll) connect anew, such as after a [`StatsError`] that is not [of one
    /// entry](StatsError::Dangling).
    ///
    /// ```
    /// # use std::os::fd::AsFd;
    /// # use vpp_stats::writer::{Listener, SegmentWriter, send_fd};
    /// # let path = std::env::temp_dir().join(format!("vpp-stats-suspect-{}.sock", std::process::id()));
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # vpp.set_scalar(vpp.boottime(), 1_800_000_000)?;
    /// # let listener = Listener::bind(&path)?;
    /// use std::time::Duration;
    /// use vpp_stats::{ConnectError, Source};
    ///
    /// let mut source = Source::new(&path);
    /// # std::thread::scope(|scope| {
    /// # scope.spawn(|| send_fd(listener.accept().expect("a reader").as_fd(), vpp.fd()).expect("it waits"));
    /// source.poll(Duration::from_secs(10))?;
    /// # Ok::<(), ConnectError>(())
    /// # })?;
    /// # drop(listener);
    /// // The API connection is lost: no need to wait until the heartbeat has stood still for 30 s.
    /// source.suspect();
    /// assert!(matches!(source.poll(Duration::from_secs(11)), Err(ConnectError::Connect { .. })));
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn suspect(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_suspect = true;
        }
    }

    fn socket(&self) -> io::Result<SocketFile> {
        let metadata = fs::metadata(&self.path)?;
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Ok(SocketFile { place: (metadata.dev(), metadata.ino()), changed })
    }
}

impl Open {
    fn new(segment: Segment, socket: SocketFile, now: Duration) -> Self {
        let (heartbeat, life) = (segment.scalar("/sys/heartbeat"), LifeHandle::new(&segment));
        let mut open =
            Self { segment, socket, heartbeat, life, boottime: None, beat: None, moved: now, is_suspect: false };
        // What cannot be read now is looked at again with the next poll.
        open.boottime = open.read_boottime();
        open.beat = open.heartbeat.value().ok().flatten();
        open
    }

    fn is_current(&mut self, socket: SocketFile, now: Duration, patience: Duration) -> bool {
        let boottime = self.read_boottime();
        // VPP stores it some time after it has made the segment.
        let is_restarted = self.boottime.is_some() && boottime.is_some() && boottime != self.boottime;
        self.boottime = self.boottime.or(boottime);
        if let Ok(Some(beat)) = self.heartbeat.value()
            && self.beat.replace(beat) != Some(beat)
        {
            self.moved = now;
        }
        let is_frozen = now.saturating_sub(self.moved) > patience;
        socket == self.socket && !self.is_suspect && !is_restarted && !is_frozen
    }

    fn read_boottime(&mut self) -> Option<u64> {
        self.life.read(0).ok()?.boottime.filter(|boottime| *boottime != 0)
    }
}
