//! A lock on a file of its own, held until the process ends.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;

/// What came of trying to lock a file.
pub(crate) enum FileLock {
    /// It is ours until the file is dropped.
    Taken(File),
    /// By the process that wrote its id into it.
    Held(Option<i32>),
    /// No such folder, or one that is not ours to write to.
    Impossible(io::Error),
}

impl FileLock {
    /// Locks the file at `path`, which is made if it is missing and stays when the lock goes: were it removed, two could hold it.
    pub(crate) fn take(path: &Path) -> Self {
        let file = File::options().create(true).truncate(false).read(true).write(true).open(path);
        let mut file = match file {
            Ok(file) => file,
            Err(error) => return Self::Impossible(error),
        };
        match file.try_lock() {
            Ok(()) => {
                // For people and for the message of whoever comes second; the lock holds without it.
                let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
                Self::Taken(file)
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.take(32).read_to_string(&mut text);
                Self::Held(text.trim().parse().ok())
            }
            Err(TryLockError::Error(error)) => Self::Impossible(error),
        }
    }
}

/// ` (process 123)`, or nothing when the lock does not tell.
pub(crate) fn holder(pid: &Option<i32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}
