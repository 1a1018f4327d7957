//! Waits until a socket file may be worth another try.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use tokio::io::unix::AsyncFd;

/// Returns after `limit`, or as soon as a file with the name of `path` appears in its folder.
///
/// Where the folder cannot be watched (it does not exist, no watch is left) only the limit counts.
pub(crate) async fn appears(path: &Path, limit: Duration) {
    let watched = async {
        match watch(path) {
            // Between making the watch and here the file may have appeared already; the caller looks again at the latest after `limit`.
            Ok(fd) => wait(&fd, path).await,
            Err(_) => std::future::pending().await,
        }
    };
    let _ = tokio::time::timeout(limit, watched).await;
}

fn watch(path: &Path) -> io::Result<AsyncFd<OwnedFd>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    inotify::add_watch(&fd, folder, WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ATTRIB)?;
    // Its successor `register` is unsafe for the sake of types whose descriptor can change. An `OwnedFd` cannot.
    #[expect(deprecated, reason = "an OwnedFd keeps what `register` asks for, and unsafe code is forbidden here")]
    AsyncFd::new(fd)
}

async fn wait(fd: &AsyncFd<OwnedFd>, path: &Path) {
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4_096];
    loop {
        let Ok(mut ready) = fd.readable().await else { return };
        let mut events = inotify::Reader::new(fd.get_ref(), &mut buffer);
        loop {
            match events.next() {
                Ok(event) if is_for(&event, path) => return,
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(_) => return std::future::pending().await,
            }
        }
        ready.clear_ready();
    }
}

fn is_for(event: &inotify::Event<'_>, path: &Path) -> bool {
    let _: ReadFlags = event.events();
    event
        .file_name()
        .is_some_and(|name| path.file_name().is_some_and(|file| file.as_encoded_bytes() == name.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn a_file_that_appears_ends_the_wait() {
        let folder = std::env::temp_dir().join(format!("maglev-appear-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("api.sock");
        let waiting = tokio::spawn({
            let path = path.clone();
            async move { appears(&path, NEVER).await }
        });
        // The watch may not stand yet when the first file is made: make others until the wait ends.
        let made = async {
            loop {
                std::fs::write(folder.join("other"), b"").unwrap();
                let _ = std::fs::remove_file(&path);
                std::fs::write(&path, b"").unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            ended = waiting => ended.unwrap(),
            () = made => unreachable!("the loop has no end"),
            () = tokio::time::sleep(Duration::from_secs(20)) => panic!("a new socket file was not noticed within 20 s"),
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_folder_only_the_limit_counts() {
        let start = tokio::time::Instant::now();
        appears(Path::new("/nowhere/at/all/api.sock"), Duration::from_secs(1)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(1));
    }
}
