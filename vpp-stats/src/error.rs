use std::io;
use std::path::PathBuf;

use crate::directory::EntryKind;
use crate::header::VERSION;

/// Why a read of the segment gave nothing.
///
/// The segment stays usable after every one of them but [`Shrunk`](Self::Shrunk): the next read starts afresh.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// use vpp_stats::StatsError;
///
/// match segment.simple("/sys/boottime").sum(0) {
///     Err(StatsError::Busy { .. }) => println!("later"),
///     Err(error) => assert_eq!(error.to_string(), "the entry is a scalar, not a simple counter"),
///     Ok(sum) => println!("{sum:?}"),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StatsError {
    /// VPP changed the directory during every attempt, or one change never ended. Safe to call again; if it goes on
    /// for seconds VPP died in the middle of a change, and only a new connection helps.
    #[error("the stats segment was being changed during each of {attempts} attempts")]
    Busy {
        /// Attempts that were made; see [`Retries`](crate::Retries).
        attempts: u32,
    },
    /// A pointer or length in the segment leads outside of it: the segment is corrupt, or not VPP's.
    #[error("{what} at offset {offset:#x}, {length} bytes, is not inside the stats segment")]
    OutOfBounds {
        /// What was to be read.
        what: &'static str,
        /// Offset from the start of the segment, wrapped around for a pointer below its base.
        offset: u64,
        /// Bytes that were wanted there.
        length: u64,
    },
    /// Something inside the segment contradicts its layout.
    #[error("the stats segment is corrupt: {0}")]
    Corrupt(Corruption),
    /// The header names a layout that this crate does not know; 1 is VPP 20.05 and earlier.
    #[error("version {0} of the stats segment is not supported, only {VERSION}")]
    UnknownVersion(u64),
    /// The segment is one of VPP 20.09 to 22.02, whose entry types have other numbers.
    #[error("the stats segment has the entry types of VPP 20.09 to 22.02, which are not supported")]
    OldNumbering,
    /// The memory is shorter than the smallest segment.
    #[error("{size} bytes are too few for a stats segment")]
    Truncated {
        /// Bytes there are.
        size: u64,
    },
    /// Somebody truncated the memory, which is not sealed against that; see [`Segment`](crate::Segment). It is of no use
    /// any longer: connect again.
    #[error("the stats segment was truncated to {size} of its {mapped} bytes")]
    Shrunk {
        /// Bytes there are.
        size: u64,
        /// Bytes there were when it was mapped.
        mapped: u64,
    },
    /// The entry exists, with another type than the handle was made for. Fix the call.
    #[error("the entry is {found}, not {expected}")]
    WrongType {
        /// What the handle reads.
        expected: EntryKind,
        /// What the directory says now.
        found: EntryKind,
    },
    /// A symlink leads to something that is not a table of counters, or to a column that none of its rows has. VPP
    /// leaves such links behind for a moment when the target is removed first; skip the entry.
    #[error("the symlink leads to column {column} of entry {target}, which is {found}")]
    Dangling {
        /// Directory index the link names.
        target: u32,
        /// Column the link names.
        column: u32,
        /// What is at that index.
        found: EntryKind,
    },
    /// The caller's two slices differ in length. Fix the call.
    #[error("{columns} columns were asked for, with room for {room}")]
    Room {
        /// Columns in the request.
        columns: usize,
        /// Elements in the output.
        room: usize,
    },
}

/// In which way a segment contradicts its layout.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # vpp.add_simple("/if/drops", 2, 3)?;
/// use vpp_stats::{Corruption, StatsError};
///
/// // The lowest byte of the pointer to the table.
/// let pointer = vpp.entry_offset("/if/drops").expect("it was added") + 8;
/// vpp.corrupt(pointer, &[1])?;
/// assert_eq!(segment.simple("/if/drops").total(), Err(StatsError::Corrupt(Corruption::Misaligned)));
/// // Other entries may be sound.
/// assert_eq!(segment.scalar("/sys/heartbeat").value(), Ok(Some(0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Corruption {
    /// A pointer is not a multiple of 8, which every pointer VPP hands out is.
    #[error("a pointer is not aligned")]
    Misaligned,
    /// A table has more rows than VPP can have threads.
    #[error("a table has too many rows")]
    TooLong,
    /// The rows of one entry together are longer than the segment, so they must overlap.
    #[error("the rows of an entry overlap")]
    Overlap,
}

/// Why there is no [`Segment`](crate::Segment).
///
/// ```
/// use vpp_stats::{ConnectError, Segment, StatsError};
///
/// let error = Segment::from_snapshot(b"too short").expect_err("it is no segment");
/// assert!(matches!(error, ConnectError::Segment(StatsError::Truncated { size: 9 })));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nobody answers at the socket: VPP is not running, or the path is wrong. Retry later.
    #[error("cannot connect to the stats socket {}", path.display())]
    Connect {
        /// The path that was tried.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// VPP did not accept or did not answer in time. Retry later.
    #[error("no answer from the stats socket {}", path.display())]
    TimedOut {
        /// The path that was tried.
        path: PathBuf,
    },
    /// The connection broke before the answer.
    #[error("cannot receive from the stats socket")]
    Receive(#[source] io::Error),
    /// The answer carried no file descriptor, or one that was cut off: the peer is not VPP, or this process has no
    /// descriptors left.
    #[error("the stats socket answered without a file descriptor")]
    NoDescriptor,
    /// The descriptor cannot be mapped.
    #[error("cannot map the stats segment")]
    Map(#[source] io::Error),
    /// The memory is no segment that this crate can read. Give up until VPP is replaced.
    #[error("the memory is not a stats segment that can be read")]
    Segment(#[from] StatsError),
}
