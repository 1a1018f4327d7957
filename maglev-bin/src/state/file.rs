//! The state file: read once at the start, replaced whole at each change, never by two daemons.
//!
//! Nothing is done to a file without the lock beside it, `NAME.lock`. The lock file is never renamed and never removed, so that it is one
//! inode for everyone. A file that is reached by a symlink is replaced where it lies; the link stays.

use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::State;
use super::format::{CAP, FormatError};
use super::replace::{Disk, Real, Step, beside, folder, replace, temporary};
use crate::filelock::{FileLock, holder};

/// A state file that this daemon alone writes.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    /// `None` while it could not be taken: then nothing is written either.
    lock: Option<File>,
    found: Found,
}

/// What was there at the start and is not to be lost.
#[derive(Debug)]
enum Found {
    /// Nothing that is not in the state as well.
    Known,
    /// A file that makes no sense: it is to be moved aside before another takes its place.
    Corrupt,
    /// A file that was not read, for this reason: it may hold anything, and is left alone.
    Unread(String),
}

/// What a start finds.
#[derive(Debug)]
#[non_exhaustive]
pub struct Loaded {
    /// Where to save from now on.
    pub file: StateFile,
    /// What it said; empty for a file that is absent or in trouble.
    pub state: State,
    /// What an operator should know. The daemon runs on.
    pub troubles: Vec<Trouble>,
}

/// What is wrong with the state file at a start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// It makes no sense.
    #[error("the state file {} is corrupt ({why}): overrides of before are forgotten; it was kept as {}", .path.display(), .kept.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: FormatError,
        /// Where it is now.
        kept: PathBuf,
    },
    /// It makes no sense, and is still in its place. It stays there until it can be moved; nothing is saved before.
    #[error("the state file {} is corrupt ({why}): overrides of before are forgotten, and none is saved until it is out of the way", .path.display())]
    Stuck {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: FormatError,
        /// Why it could not be moved.
        source: SaveError,
    },
    /// It is there and cannot be read. It stays as it is: nothing is saved until it is gone or the daemon starts anew.
    #[error("the state file {} cannot be read: overrides of before are not in force, and none is saved; make it readable and restart maglevd, or move it away", .path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be written if it had to.
    #[error("overrides will be forgotten at a restart")]
    Unsaved(#[source] SaveError),
}

/// Another daemon has the same state file. Stop it, or give each its own.
#[derive(Debug, thiserror::Error)]
#[error("another maglevd{} uses the state file {}; stop it first, or pass another --state-file", holder(.pid), .path.display())]
#[non_exhaustive]
pub struct Held {
    /// The file.
    pub path: PathBuf,
    /// Process that has it, when the lock tells.
    pub pid: Option<i32>,
}

/// Why the state was not saved. It is worth trying again: each can pass.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// Another daemon has the file: it took it while this one could not.
    #[error(transparent)]
    Held(#[from] Held),
    /// The system refused a step. What the file held before stays.
    #[error("the state file {} cannot be written: {step}", .path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What was tried.
        step: Step,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A corrupt file is in its place and cannot be moved.
    #[error("the state file {} is corrupt and cannot be moved aside", .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is in its place that was not read at the start.
    #[error("the state file {} is left alone, for it was not read at the start: {why}", .path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The state is larger than what would be read again.
    #[error("the state is too large for the state file {}: {size} bytes", .path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its size, in bytes.
        size: usize,
    },
}

impl SaveError {
    /// What an operator can do about it.
    pub fn advice(&self) -> &'static str {
        let source = match self {
            Self::Held(_) => return "saving goes on once it has stopped",
            Self::Unread { .. } => return "see that it is readable and restart maglevd, or move it away",
            Self::TooLong { .. } => return "clear overrides",
            Self::Disk { source, .. } | Self::Corrupt { source, .. } => source,
        };
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room there",
            io::ErrorKind::PermissionDenied => "let maglevd's user write to the folder",
            io::ErrorKind::ReadOnlyFilesystem => "mount it writable, or pass another --state-file",
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "make the folder, or pass another --state-file",
            _ => "look at the disk, or pass another --state-file",
        }
    }
}

impl StateFile {
    /// Takes the state file at `path` and reads it. It need not be there; the last component of its folder is made.
    ///
    /// A corrupt file is moved to `NAME.corrupt-YYYYMMDDTHHMMSSZ`, over nothing that is there. What a killed daemon left of an
    /// unfinished save is removed.
    ///
    /// # Errors
    /// [`Held`], while another daemon has it. Everything else is in [`Loaded::troubles`].
    pub fn open(path: &Path) -> Result<Loaded, Held> {
        let mut file = Self { path: resolve(path), lock: None, found: Found::Known };
        let mut troubles = Vec::new();
        match file.lock() {
            // What cannot be removed is told when it is in the way.
            Ok(()) => drop(Real.clear(&temporary(&file.path))),
            Err(SaveError::Held(held)) => return Err(held),
            Err(error) => troubles.push(Trouble::Unsaved(error)),
        }
        let path = file.path.clone();
        let state = match read(&path) {
            Ok(None) => {
                // Without the lock somebody else may make it, or a disk may be mounted that has it.
                if file.lock.is_none() {
                    file.found = Found::Unread("it was not there".into());
                }
                State::default()
            }
            Ok(Some(text)) => State::from_json(&text).unwrap_or_else(|why| {
                file.found = Found::Corrupt;
                troubles.push(match file.move_aside() {
                    Ok(kept) => Trouble::Corrupt { path, why, kept },
                    Err(source) => Trouble::Stuck { path, why, source },
                });
                State::default()
            }),
            Err(source) => {
                file.found = Found::Unread(source.to_string());
                troubles.push(Trouble::Unread { path, source });
                State::default()
            }
        };
        Ok(Loaded { file, state, troubles })
    }

    /// Where the file lies, links followed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces what the file holds. It is on the disk when this returns; until then the file holds what it did before.
    ///
    /// # Errors
    /// [`SaveError`]. The file holds what it did before, but for a folder that cannot be synced: then it may hold either.
    pub fn save(&mut self, state: &State) -> Result<(), SaveError> {
        let text = state.to_json();
        if text.len() > CAP {
            return Err(SaveError::TooLong { path: self.path.clone(), size: text.len() });
        }
        self.lock()?;
        if is_there(&self.path) {
            match &self.found {
                Found::Known => {}
                Found::Corrupt => drop(self.move_aside()?),
                Found::Unread(why) => return Err(SaveError::Unread { path: self.path.clone(), why: why.clone() }),
            }
        }
        self.found = Found::Known;
        replace(&Real, &self.path, &text).map_err(|(step, source)| self.failed(step)(source))
    }

    /// Takes the lock, if it is not ours yet.
    fn lock(&mut self) -> Result<(), SaveError> {
        if self.lock.is_some() {
            return Ok(());
        }
        make_folder(folder(&self.path)).map_err(self.failed(Step::Folder))?;
        self.lock = match FileLock::take(&beside(&self.path, ".lock")) {
            FileLock::Taken(file) => Some(file),
            FileLock::Held(pid) => return Err(Held { path: self.path.clone(), pid }.into()),
            FileLock::Impossible(source) => return Err(self.failed(Step::Lock)(source)),
        };
        Ok(())
    }

    /// Gives a corrupt file another name, which nothing has yet, and returns that.
    fn move_aside(&mut self) -> Result<PathBuf, SaveError> {
        self.lock()?;
        let path = &self.path;
        let kept =
            move_aside(path, Timestamp::now()).map_err(|source| SaveError::Corrupt { path: path.clone(), source })?;
        self.found = Found::Known;
        Ok(kept)
    }

    fn failed(&self, step: Step) -> impl FnOnce(io::Error) -> SaveError + use<> {
        let path = self.path.clone();
        move |source| SaveError::Disk { path, step, source }
    }
}

/// Where a file lies to which `path` may be a link. The file need not be there.
fn resolve(path: &Path) -> PathBuf {
    // As many links as the kernel follows. Of a circle the last one is good enough to fail at.
    const LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(target) = std::fs::read_link(&path) else { break };
        path = folder(&path).join(target);
    }
    path
}

/// Whether anything is in this place. What cannot be known counts as yes.
fn is_there(path: &Path) -> bool {
    !std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// The bytes of a file, at most one more than it may have; `None` if it is absent.
fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    // A pipe would block here for ever.
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = match File::options().read(true).custom_flags(nonblocking).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut text = Vec::new();
    file.take(CAP as u64 + 1).read_to_end(&mut text)?;
    Ok(Some(text))
}

/// Makes a folder whose parent is there.
fn make_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o750).create(path) {
        Ok(()) => Real.sync_folder(folder(path)),
        Err(_) if path.is_dir() => Ok(()),
        outcome => outcome,
    }
}

fn move_aside(path: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let first = beside(path, &now.strftime(".corrupt-%Y%m%dT%H%M%SZ").to_string());
    let (mut kept, mut number) = (first.clone(), 1);
    // The name is reserved before it is used: a rename would silently go over whatever has it.
    while let Err(error) = File::create_new(&kept) {
        if error.kind() != io::ErrorKind::AlreadyExists {
            return Err(error);
        }
        number += 1;
        kept = beside(&first, &format!("-{number}"));
    }
    let moved = std::fs::rename(path, &kept);
    if moved.is_err() {
        let _ = std::fs::remove_file(&kept);
    }
    moved.map(|()| kept)
}

#[cfg(test)]
mod tests;
