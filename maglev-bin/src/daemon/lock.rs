//! One daemon per API socket: two would undo each other's weights.

use std::fs::File;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::filelock::{FileLock, holder};

/// Proof that this process alone steers a VPP. The kernel takes it back when the process ends, however it ends.
///
/// Two locks, because neither does alone: a file beside the socket is seen from every network namespace, and an abstract Unix socket needs
/// no folder to be there or to be writable.
#[derive(Debug)]
pub struct ApiLock {
    _file: Option<File>,
    _listener: Option<UnixListener>,
}

/// Why the lock could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody has it. Stop that process, or give this one another VPP.
    #[error("another maglevd{} already steers the VPP at {}; stop it first, or pass another --vpp-api-addr", holder(.pid), .path.display())]
    Held {
        /// The API socket.
        path: PathBuf,
        /// Process that holds it, when the kernel tells.
        pid: Option<i32>,
    },
    /// The kernel refused the lock itself.
    #[error("cannot take the lock for the VPP at {}", .path.display())]
    Io {
        /// The API socket.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl ApiLock {
    /// Takes the lock for the API socket at `path`, which need not exist.
    ///
    /// # Errors
    /// [`LockError::Held`] while another process has it.
    pub fn acquire(path: &Path) -> Result<Self, LockError> {
        let fail = |source| LockError::Io { path: path.to_owned(), source };
        let held = |pid| LockError::Held { path: path.to_owned(), pid };
        let socket = canonical(path);
        let file = match lock_file(&socket) {
            FileLock::Taken(file) => Some(file),
            FileLock::Held(pid) => return Err(held(pid)),
            FileLock::Impossible(_) => None,
        };
        let address = SocketAddr::from_abstract_name(name(&socket)).map_err(fail)?;
        match UnixListener::bind_addr(&address) {
            Ok(listener) => Ok(Self { _file: file, _listener: Some(listener) }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => match holder_of(&address) {
                // Anybody may bind an abstract name; only who could steer VPP keeps us from it, where the file says that we may.
                Some((_, uid)) if file.is_some() && uid != 0 && uid != own_uid() => {
                    Ok(Self { _file: file, _listener: None })
                }
                holder => Err(held(holder.map(|(pid, _)| pid))),
            },
            Err(error) => Err(fail(error)),
        }
    }
}

/// The one spelling of a path, whether it exists yet or not.
fn canonical(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = absolute.parent().and_then(|folder| folder.canonicalize().ok());
    match (folder, absolute.file_name()) {
        (Some(folder), Some(file)) => folder.join(file),
        _ => absolute,
    }
}

fn lock_file(socket: &Path) -> FileLock {
    let mut path = socket.as_os_str().to_owned();
    path.push(".maglevd.lock");
    FileLock::take(Path::new(&path))
}

fn name(socket: &Path) -> String {
    let digest = Sha256::digest(socket.as_os_str().as_encoded_bytes());
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("vpp-maglev/{hex}")
}

/// Process and user that hold an abstract name.
fn holder_of(address: &SocketAddr) -> Option<(i32, u32)> {
    let peer = UnixStream::connect_addr(address).ok()?;
    let credentials = rustix::net::sockopt::socket_peercred(&peer).ok()?;
    Some((credentials.pid.as_raw_nonzero().get(), credentials.uid.as_raw()))
}

fn own_uid() -> u32 {
    rustix::process::getuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_refused_until_the_first_is_gone() {
        let path = Path::new("/nowhere/lock-test/api.sock");
        let first = ApiLock::acquire(path).unwrap();
        let refused = ApiLock::acquire(Path::new("/nowhere/./lock-test/api.sock")).unwrap_err();
        let own_pid = i32::try_from(std::process::id()).unwrap();
        assert!(matches!(&refused, LockError::Held { pid: Some(pid), .. } if *pid == own_pid), "{refused}");
        assert!(refused.to_string().contains("already steers"));
        drop(first);
        ApiLock::acquire(path).unwrap();
    }

    #[test]
    fn a_link_to_the_socket_is_the_same_vpp_and_the_file_alone_is_enough() {
        let folder = std::env::temp_dir().join(format!("maglev-lock-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (socket, link) = (folder.join("api.sock"), folder.join("link.sock"));
        std::fs::write(&socket, b"").unwrap();
        std::os::unix::fs::symlink(&socket, &link).unwrap();
        let mut first = ApiLock::acquire(&socket).unwrap();
        assert!(matches!(ApiLock::acquire(&link), Err(LockError::Held { .. })));
        // As from another network namespace, where the abstract name is free.
        first._listener = None;
        assert!(matches!(ApiLock::acquire(&socket), Err(LockError::Held { .. })));
        drop(first);
        ApiLock::acquire(&link).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn different_vpps_are_independent() {
        let _one = ApiLock::acquire(Path::new("/nowhere/one/api.sock")).unwrap();
        ApiLock::acquire(Path::new("/nowhere/two/api.sock")).unwrap();
    }
}
