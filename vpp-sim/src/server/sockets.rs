//! The two listening sockets and their files.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use thiserror::Error;
use vpp_stats::writer::Listener;

/// Listeners of one VPP process.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) api: UnixListener,
    pub(super) stats: Listener,
    api_path: PathBuf,
    stats_path: PathBuf,
}

/// A socket cannot be opened.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
/// # fn main() { sim::with_options(async |options| {
/// use vpp_sim::{BindError, Simulator, StartError};
///
/// let simulator = Simulator::start(options.clone())?;
/// match Simulator::start(options) {
///     Err(StartError::Bind(BindError::InUse(path))) => assert_eq!(path, simulator.api_path()),
///     other => panic!("two of them at one socket: {other:?}"),
/// }
/// # Ok(()) }) }
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BindError {
    /// Somebody answers there, another VPP or simulator.
    #[error("{0} is in use: somebody answers there")]
    InUse(PathBuf),
    /// Anything else.
    #[error("cannot listen at {path}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Sockets {
    /// Listens at both paths. Files that nobody answers behind, left by a killed process, are replaced; missing directories are
    /// made, as VPP makes its own.
    pub(super) fn open(api_path: &Path, stats_path: &Path) -> Result<Self, BindError> {
        let api = bind(api_path, bind_api)?;
        let stats = bind(stats_path, |path| Listener::bind(path)).inspect_err(|_| remove(api_path))?;
        stats.set_nonblocking(true).map_err(|source| io_error(stats_path, source))?;
        Ok(Self { api, stats, api_path: api_path.to_owned(), stats_path: stats_path.to_owned() })
    }

    /// Replaces both sockets and their files. The old ones stay open until the new ones are there, so that their inode numbers
    /// are not given out again: that is how clients notice.
    pub(super) fn reopen(&mut self) -> Result<(), BindError> {
        self.remove_files();
        *self = Self::open(&self.api_path, &self.stats_path)?;
        Ok(())
    }

    pub(super) fn remove_files(&self) {
        remove(&self.api_path);
        remove(&self.stats_path);
    }
}

fn bind<T>(path: &Path, listen: impl FnOnce(&Path) -> io::Result<T>) -> Result<T, BindError> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::create_dir_all(directory).map_err(|source| io_error(path, source))?;
    }
    let listener = listen(path).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(path.to_owned()),
        _ => io_error(path, source),
    })?;
    // VPP's sockets are open to its group.
    fs::set_permissions(path, fs::Permissions::from_mode(0o775)).map_err(|source| io_error(path, source))?;
    Ok(listener)
}

fn bind_api(path: &Path) -> io::Result<UnixListener> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        result => result?,
    };
    // A shorter queue than the standard library's: a client that does not block gets EAGAIN when it is full.
    rustix::net::listen(&listener, BACKLOG)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn is_stale(path: &Path) -> bool {
    UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Somebody else may have tidied up, which is just as well.
fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot remove a socket file");
        }
        _ => (),
    }
}

fn io_error(path: &Path, source: io::Error) -> BindError {
    BindError::Io { path: path.to_owned(), source }
}

const BACKLOG: i32 = 5;
