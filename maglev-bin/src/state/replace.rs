//! Replaces a file whole: whoever reads it, a start after a power cut included, finds the old content or the new one.

use std::ffi::OsString;
use std::fmt;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A step of saving, to say which one failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Step {
    /// Making the folder.
    Folder,
    /// Locking the lock file beside it.
    Lock,
    /// Clearing away a temporary file that a killed daemon left.
    Clear,
    /// Making the temporary file.
    Create,
    /// Writing it.
    Write,
    /// Letting the group read it.
    Share,
    /// Having its content on the disk.
    Sync,
    /// Putting it in the place of the old one.
    Rename,
    /// Having its name on the disk. The new file is there, though a power cut may bring back the old one.
    SyncFolder,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder => "cannot make its folder",
            Self::Lock => "cannot lock its lock file",
            Self::Clear => "cannot clear away the old temporary file",
            Self::Create => "cannot create the temporary file",
            Self::Write => "cannot write the temporary file",
            Self::Share => "cannot set the mode of the temporary file",
            Self::Sync => "cannot sync the temporary file",
            Self::Rename => "cannot rename the temporary file",
            Self::SyncFolder => "cannot sync the folder",
        })
    }
}

/// What [`replace`] asks of a disk. Tests put one here that fails or loses its power.
pub(super) trait Disk {
    /// Removes a file; none is no error.
    fn clear(&self, path: &Path) -> io::Result<()>;
    /// Makes a file that must not be there yet, for its owner only.
    fn create(&self, path: &Path) -> io::Result<File>;
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()>;
    /// Lets the group read a file.
    fn share(&self, file: &File) -> io::Result<()>;
    fn sync(&self, file: &File) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// Makes `bytes` the content of the file at `path`, which need not be there. One caller at a time: the temporary file has one name.
///
/// The temporary file is complete on the disk before it takes the name, and the name is on the disk before this returns.
///
/// # Errors
/// The step that failed, and why. The old content stays, and no temporary file does, unless the step was [`Step::SyncFolder`].
pub(super) fn replace(disk: &impl Disk, path: &Path, bytes: &[u8]) -> Result<(), (Step, io::Error)> {
    let temporary = &temporary(path);
    let at = |step| move |error| (step, error);
    disk.clear(temporary).map_err(at(Step::Clear))?;
    let mut file = disk.create(temporary).map_err(at(Step::Create))?;
    let written = disk
        .write(&mut file, bytes)
        .map_err(at(Step::Write))
        .and_then(|()| disk.share(&file).map_err(at(Step::Share)))
        .and_then(|()| disk.sync(&file).map_err(at(Step::Sync)))
        .and_then(|()| disk.rename(temporary, path).map_err(at(Step::Rename)));
    if written.is_err() {
        // Best effort: it would be cleared away before the next attempt.
        let _ = disk.clear(temporary);
        return written;
    }
    disk.sync_folder(folder(path)).map_err(at(Step::SyncFolder))
}

/// Where a new content of the file at `path` is written before it takes the name.
pub(super) fn temporary(path: &Path) -> PathBuf {
    beside(path, ".tmp")
}

/// The path with `end` behind its name.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

/// The folder in which a file lies.
pub(super) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The disk of this machine.
pub(super) struct Real;

impl Disk for Real {
    fn clear(&self, path: &Path) -> io::Result<()> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        File::options().write(true).create_new(true).mode(0o600).open(path)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn share(&self, file: &File) -> io::Result<()> {
        file.set_permissions(Permissions::from_mode(0o640))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests;
