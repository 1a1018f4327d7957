use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// Wakes a thread that sleeps in `epoll_wait`, and only then costs a system call.
///
/// Whoever rings has stored before what the sleeper is to find, and the sleeper looks for it between [`Bell::lie_down`] and its
/// sleep: one of the two sees the other.
#[derive(Debug)]
pub(super) struct Bell {
    counter: OwnedFd,
    asleep: AtomicBool,
}

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        let counter = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { counter, asleep: AtomicBool::new(false) })
    }

    /// Wakes the sleeper, if it sleeps or is about to.
    pub(super) fn ring(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            // It fails only when the counter is full, after 2^64 rings; then it is readable all the same.
            let _ = rustix::io::write(&self.counter, &1_u64.to_ne_bytes());
        }
    }

    /// The owner will sleep next. What was stored before a ring that this call missed is visible after it.
    pub(super) fn lie_down(&self) {
        self.asleep.swap(true, Ordering::SeqCst);
    }

    /// The owner is awake: rings need no system call.
    pub(super) fn get_up(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.counter.as_fd()
    }
}
