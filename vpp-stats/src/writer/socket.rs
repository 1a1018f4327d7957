use std::fs;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};

/// Connections that may wait to be accepted, as in VPP.
const BACKLOG: i32 = 5;

/// A listening stats socket: `AF_UNIX`, `SOCK_SEQPACKET`, which std does not have.
///
/// Its owner accepts, sends the segment with [`send_fd`], and drops the connection. The socket file stays when the
/// listener is dropped.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("vpp-stats-listener-{}.sock", std::process::id()));
/// use std::os::fd::AsFd;
/// use vpp_stats::Segment;
/// use vpp_stats::writer::{Listener, SegmentWriter, send_fd};
///
/// let vpp = SegmentWriter::new(1 << 16)?;
/// let listener = Listener::bind(&path)?;
/// std::thread::scope(|scope| {
///     let reader = scope.spawn(|| Segment::connect(&path));
///     send_fd(listener.accept()?.as_fd(), vpp.fd())?;
///     assert_eq!(reader.join().expect("it does not panic")?.size(), 1 << 16);
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })?;
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
}

impl Listener {
    /// Listens at `path`. A socket file that nobody answers, left behind by a killed process, is replaced.
    ///
    /// # Errors
    /// [`io::ErrorKind::AddrInUse`] if somebody answers there, or it is not a socket.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let address = SocketAddrUnix::new(path)?;
        let socket = seqpacket()?;
        match rustix::net::bind(&socket, &address) {
            Err(Errno::ADDRINUSE) if is_stale(path, &address)? => {
                fs::remove_file(path)?;
                rustix::net::bind(&socket, &address)?;
            }
            result => result?,
        }
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(Self { socket })
    }

    /// Takes one connection, waiting for it unless the listener was told not to block.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if there is none and the listener does not block.
    pub fn accept(&self) -> io::Result<OwnedFd> {
        Ok(retry_on_intr(|| rustix::net::accept_with(&self.socket, SocketFlags::CLOEXEC))?)
    }

    /// Whether [`accept`](Self::accept) returns at once, as an event loop needs it.
    ///
    /// # Errors
    /// What the kernel says.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("vpp-stats-nonblocking-{}.sock", std::process::id()));
    /// use std::io::ErrorKind;
    /// use vpp_stats::writer::Listener;
    ///
    /// let listener = Listener::bind(&path)?;
    /// listener.set_nonblocking(true)?;
    /// // For an event loop: nobody has come yet.
    /// assert_eq!(listener.accept().map_err(|error| error.kind()).err(), Some(ErrorKind::WouldBlock));
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        Ok(rustix::io::ioctl_fionbio(&self.socket, nonblocking)?)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

/// Sends `fd` over `socket` as VPP does: in a message of length zero.
///
/// # Errors
/// What the kernel says, such as [`io::ErrorKind::BrokenPipe`] for a peer that is gone.
///
/// ```
/// # let path = std::env::temp_dir().join(format!("vpp-stats-send-{}.sock", std::process::id()));
/// use std::os::fd::AsFd;
/// use vpp_stats::Segment;
/// use vpp_stats::writer::{Listener, SegmentWriter, send_fd};
///
/// let mut vpp = SegmentWriter::new(1 << 16)?;
/// let listener = Listener::bind(&path)?;
/// let (first, second) = std::thread::scope(|scope| {
///     // Two readers; the connection of each is closed behind it.
///     scope.spawn(|| (0..2).try_for_each(|_| send_fd(listener.accept()?.as_fd(), vpp.fd())));
///     Ok::<_, vpp_stats::ConnectError>((Segment::connect(&path)?, Segment::connect(&path)?))
/// })?;
/// // They have the same memory, which outlives the connections.
/// vpp.set_scalar(vpp.heartbeat(), 1)?;
/// assert_eq!(first.scalar("/sys/heartbeat").value()?, Some(1));
/// assert_eq!(second.scalar("/sys/heartbeat").value()?, Some(1));
/// # std::fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn send_fd(socket: BorrowedFd<'_>, fd: BorrowedFd<'_>) -> io::Result<()> {
    let fds = [fd];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    let nothing = [IoSlice::new(&[])];
    retry_on_intr(|| rustix::net::sendmsg(socket, &nothing, &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Whether the file at `path` is a socket that refuses connections. Files of other types refuse them too.
fn is_stale(path: &Path, address: &SocketAddrUnix) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Ok(false);
    }
    let probe = seqpacket()?;
    rustix::io::ioctl_fionbio(&probe, true)?;
    Ok(rustix::net::connect(&probe, address) == Err(Errno::CONNREFUSED))
}

fn seqpacket() -> io::Result<OwnedFd> {
    Ok(rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}
