use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{SealFlags, fcntl_get_seals, fstat};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, RecvMsg, ReturnFlags, SocketAddrUnix,
    SocketFlags, SocketType,
};

use crate::error::{ConnectError, StatsError};
use crate::header::HEAP_START;
use crate::map::Map;

/// How long [`Segment::connect`](crate::Segment::connect) waits for VPP to take the connection, and again for its
/// answer. VPP does both from its main loop, which an API call can hold for a while.
///
/// ```
/// use std::time::Duration;
/// use vpp_stats::{DEFAULT_TIMEOUT, Source};
///
/// // Connecting waits twice at most, and shall not take longer than it is from one scrape to the next.
/// let interval = Duration::from_secs(1);
/// let timeout = DEFAULT_TIMEOUT.min(interval / 2);
/// let mut source = Source::new("/no/vpp/here/stats.sock").with_connect_timeout(timeout);
/// assert!(source.poll(Duration::ZERO).is_err(), "what is not there at all is not waited for");
/// ```
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);

/// A recording larger than this is refused rather than copied. VPP's default is 32 MiB.
const LARGEST_COPY: usize = 1 << 30;

/// Takes the descriptor of the segment from the stats socket at `path`.
///
/// VPP sends one message of length zero with the descriptor as control data, and closes.
pub(crate) fn receive_fd(path: &Path, timeout: Duration) -> Result<OwnedFd, ConnectError> {
    let failed = |errno: Errno| match errno {
        Errno::AGAIN | Errno::TIMEDOUT => ConnectError::TimedOut { path: path.into() },
        errno => ConnectError::Connect { path: path.into(), source: errno.into() },
    };
    let socket = open(path, timeout).map_err(failed)?;

    // One byte of room, so that an answer with contents is told from the end of the connection.
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = receive(&socket, &mut byte, &mut control).map_err(|errno| match errno {
        Errno::AGAIN => ConnectError::TimedOut { path: path.into() },
        errno => ConnectError::Receive(errno.into()),
    })?;
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(ConnectError::NoDescriptor);
    }
    let mut fds = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    fds.next().ok_or(ConnectError::NoDescriptor)
}

fn open(path: &Path, timeout: Duration) -> Result<OwnedFd, Errno> {
    let address = SocketAddrUnix::new(path)?;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    // The kernel takes a time-out of zero for none at all.
    let timeout = Some(timeout.max(Duration::from_millis(1)));
    // On a Unix socket this limits connect() too, which blocks while the queue of connections is full.
    set_socket_timeout(&socket, Timeout::Send, timeout)?;
    set_socket_timeout(&socket, Timeout::Recv, timeout)?;
    retry_on_intr(|| rustix::net::connect(&socket, &address))?;
    Ok(socket)
}

fn receive(socket: &OwnedFd, byte: &mut [u8; 1], control: &mut RecvAncillaryBuffer<'_>) -> Result<RecvMsg, Errno> {
    retry_on_intr(|| rustix::net::recvmsg(socket, &mut [IoSliceMut::new(byte)], control, RecvFlags::CMSG_CLOEXEC))
}

/// Maps a memory file, or copies any other file.
pub(crate) fn map(fd: BorrowedFd<'_>) -> Result<Map, ConnectError> {
    // Before the size: of a file that is found sealed, a size that is read afterwards is one that stays. The other way
    // round its owner could truncate and seal it in between.
    let seals = fcntl_get_seals(fd);
    let status = fstat(fd).map_err(|errno| ConnectError::Map(errno.into()))?;
    let size = check_size(u64::try_from(status.st_size).unwrap_or(0))?;
    let map = match seals {
        Ok(seals) if seals.contains(SealFlags::SHRINK) => Map::live(fd, size),
        // Only files in memory have seals. One without a name is a memfd, which nobody truncates but who made it.
        Ok(_) if status.st_nlink == 0 => fd.try_clone_to_owned().and_then(|fd| Map::watched(fd, size)),
        _ => read_file(fd, size),
    };
    map.map_err(ConnectError::Map)
}

/// Device and inode of a file.
pub(crate) fn identity(fd: BorrowedFd<'_>) -> Option<(u64, u64)> {
    fstat(fd).ok().map(|status| (status.st_dev, status.st_ino))
}

/// Copies a recording.
pub(crate) fn copy(bytes: &[u8]) -> Result<Map, ConnectError> {
    let size = check_size(bytes.len() as u64)?;
    let copied = Map::copied(size, |memory| {
        memory.copy_from_slice(bytes);
        Ok(())
    });
    copied.map_err(ConnectError::Map)
}

fn check_size(size: u64) -> Result<usize, ConnectError> {
    let error = StatsError::Truncated { size };
    if size < HEAP_START {
        return Err(error.into());
    }
    usize::try_from(size).map_err(|_| error.into())
}

/// The first `size` bytes of a file, wherever its cursor is.
fn read_file(fd: BorrowedFd<'_>, size: usize) -> io::Result<Map> {
    if size > LARGEST_COPY {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let file = File::from(fd.try_clone_to_owned()?);
    Map::copied(size, |memory| file.read_exact_at(memory, 0))
}
