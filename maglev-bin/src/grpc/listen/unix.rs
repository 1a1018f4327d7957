//! A listening Unix socket and its file, and who is at the other end of a connection.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixStream;

use super::{BACKLOG, BindError, refused};
use crate::grpc::address::GrpcAddr;
use crate::grpc::peer::Evidence;

/// Listens at a path, for its own user and group.
#[derive(Debug)]
pub(super) struct UnixSocket {
    // In this order: see `SocketFile`.
    file: SocketFile,
    listener: UnixListener,
}

impl UnixSocket {
    /// Listens at `path`. A socket file behind which nobody answers, left by a process that was killed, is replaced.
    pub(super) fn bind(path: &Path) -> Result<Self, BindError> {
        let fail = |source| refused(&GrpcAddr::Unix(path.to_owned()), source);
        // Two processes that both find a dead socket must not remove each other's new one: looking, removing and listening are one step.
        let _lock = lock_folder(path, fail)?;
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => return Err(BindError::NoSocket(path.to_owned())),
            Ok(_) if answers(path).map_err(fail)? => return Err(BindError::Live(path.to_owned())),
            Ok(_) => fs::remove_file(path).map_err(fail)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(fail(error)),
        }
        Self::make(path).map_err(fail)
    }

    fn make(path: &Path) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        let file = SocketFile::of(path)?;
        // Before it listens, so that nobody else gets in meanwhile.
        fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(Self { file, listener: OwnedFd::from(socket).into() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }

    pub(super) fn into_parts(self) -> (SocketFile, UnixListener) {
        (self.file, self.listener)
    }
}

/// Removes the file when dropped, if it is still this socket's. Drop it before the socket: nobody replaces the file of a live one.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), id: id(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if id(&self.path).is_ok_and(|id| id == self.id) {
            // If that fails, the next daemon replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn id(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// A lock on the folder leaves no lock file behind. It is held for some system calls, so whoever has it is waited for.
fn lock_folder(path: &Path, fail: impl Fn(io::Error) -> BindError) -> Result<File, BindError> {
    let folder = File::open(path.parent().unwrap_or(path)).map_err(&fail)?;
    for _ in 0..ATTEMPTS {
        match folder.try_lock() {
            Ok(()) => return Ok(folder),
            Err(TryLockError::WouldBlock) => sleep(PAUSE),
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
    }
    Err(BindError::Locked(path.to_owned()))
}

/// Whether a process listens at `path`. Does not wait, however long its backlog is.
fn answers(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        // Its backlog is full: busy, or stopped, but alive.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) => Err(error),
    }
}

/// What the kernel says of the other end.
pub(super) fn evidence(stream: &UnixStream) -> io::Result<Evidence> {
    let credentials = stream.peer_cred()?;
    let (uid, gid) = (credentials.uid(), credentials.gid());
    let status = credentials.pid().and_then(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok());
    let mut gids = status.map(|status| supplementary(&status, uid, gid)).unwrap_or_default();
    gids.insert(gid);
    Ok(Evidence::Unix { uid, gids })
}

/// The supplementary groups in `/proc/PID/status`.
///
/// `SO_PEERGROUPS` would tell those of the moment of connecting, but needs `unsafe` here. The process may have become another since,
/// even another of the same number: so its groups count only while all its uids and gids are those that connected. Then it belongs to
/// the same user, who could have used it for the connection in the first place.
fn supplementary(status: &str, uid: u32, gid: u32) -> HashSet<u32> {
    let numbers = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
        line.split_ascii_whitespace().map(str::parse).collect::<Result<Vec<u32>, _>>().unwrap_or_default()
    };
    // Real, effective, saved, file system.
    let same = numbers("Uid:") == [uid; 4] && numbers("Gid:") == [gid; 4];
    if same { numbers("Groups:").into_iter().collect() } else { HashSet::new() }
}

/// Together two seconds, for what takes less than a millisecond.
const ATTEMPTS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    const STATUS: &str =
        "Name:\tmaglevc\nUid:\t1000\t1000\t1000\t1000\nGid:\t100\t100\t100\t100\nFDSize:\t64\nGroups:\t27 100 4242 \n";

    #[rstest]
    #[case::as_it_connected(STATUS, &[27, 100, 4242])]
    #[case::in_no_group("Uid:\t1000\t1000\t1000\t1000\nGid:\t100\t100\t100\t100\nGroups:\t \n", &[])]
    #[case::became_root(&STATUS.replace("1000\t1000\t1000\t1000", "1000\t0\t0\t0"), &[])]
    #[case::is_another_users(&STATUS.replace("1000", "1001"), &[])]
    #[case::runs_set_group_id(&STATUS.replace("100\t100\t100\t100\n", "100\t42\t42\t42\n"), &[])]
    #[case::cut("Uid:\t1000\t1000\t1000\t1000\nGid:\t100\t100\n", &[])]
    fn groups_count_only_of_a_process_that_is_still_who_connected(#[case] status: &str, #[case] gids: &[u32]) {
        assert_eq!(supplementary(status, 1000, 100), gids.iter().copied().collect());
    }

    #[tokio::test]
    async fn the_kernel_knows_this_process_with_its_groups() {
        let (stream, _other) = UnixStream::pair().unwrap();
        let Evidence::Unix { uid, gids } = evidence(&stream).unwrap() else { panic!("no other kind") };
        assert_eq!(uid, rustix::process::geteuid().as_raw());
        let own = rustix::process::getgroups().unwrap().into_iter().chain([rustix::process::getegid()]);
        assert_eq!(gids, own.map(|gid| gid.as_raw()).collect());
    }

    proptest! {
        #[test]
        fn any_status_will_do(status: String, uid: u32, gid: u32) {
            let _ = supplementary(&status, uid, gid);
        }
    }
}
