//! One daemon per API socket: two would undo each other's weights.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Proof that this process alone steers a VPP. The kernel takes it back when the process ends, however it ends.
#[derive(Debug)]
pub struct ApiLock {
    _listener: UnixListener,
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

fn holder(pid: &Option<i32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

impl ApiLock {
    /// Takes the lock for the API socket at `path`, which need not exist.
    ///
    /// The lock is an abstract Unix socket named after the absolute path: it leaves no file behind and needs no folder to write to.
    /// It is seen by all processes of one network namespace.
    ///
    /// # Errors
    /// [`LockError::Held`] while another process has it.
    pub fn acquire(path: &Path) -> Result<Self, LockError> {
        let fail = |source| LockError::Io { path: path.to_owned(), source };
        let address = SocketAddr::from_abstract_name(name(path)).map_err(fail)?;
        match UnixListener::bind_addr(&address) {
            Ok(listener) => Ok(Self { _listener: listener }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                Err(LockError::Held { path: path.to_owned(), pid: pid_of(&address) })
            }
            Err(error) => Err(fail(error)),
        }
    }
}

fn name(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // Two spellings of one folder are one VPP.
    let folder = absolute.parent().and_then(|folder| folder.canonicalize().ok());
    let whole = match (folder, absolute.file_name()) {
        (Some(folder), Some(file)) => folder.join(file),
        _ => absolute,
    };
    let digest = Sha256::digest(whole.as_os_str().as_encoded_bytes());
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("vpp-maglev/{hex}")
}

fn pid_of(address: &SocketAddr) -> Option<i32> {
    let peer = UnixStream::connect_addr(address).ok()?;
    let credentials = rustix::net::sockopt::socket_peercred(&peer).ok()?;
    Some(credentials.pid.as_raw_nonzero().get())
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
    fn different_vpps_are_independent() {
        let _one = ApiLock::acquire(Path::new("/nowhere/one/api.sock")).unwrap();
        ApiLock::acquire(Path::new("/nowhere/two/api.sock")).unwrap();
    }
}
