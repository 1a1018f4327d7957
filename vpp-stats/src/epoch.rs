//! VPP's protocol for readers and its writer, apart from memory so that a test can try every order of events.

use std::hint::spin_loop;
use std::sync::atomic::{Ordering, fence};
use std::thread::yield_now;

use crate::error::StatsError;
use crate::header::Control;

/// How long a read goes on while VPP keeps changing the directory. Counted, not timed.
///
/// VPP holds a change for some microseconds, and for milliseconds while it moves a table of a million counters.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// use vpp_stats::{Retries, StatsError};
///
/// let hasty = segment.with_retries(Retries::new(1, 1));
/// vpp.update(|_| assert_eq!(hasty.epoch(), Err(StatsError::Busy { attempts: 1 })));
/// assert!(hasty.epoch().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Retries {
    /// Reads that may turn out to be overtaken by a change, at least 1. Default 16.
    pub attempts: u32,
    /// Times that one attempt looks whether a change under way has ended. The first 64 looks spin, the others give
    /// the processor away. Default 4,096, some milliseconds.
    pub looks: u32,
}

impl Retries {
    /// At most `attempts` reads, each waiting for at most `looks` looks.
    pub fn new(attempts: u32, looks: u32) -> Self {
        Self { attempts, looks }
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self::new(16, 4_096)
    }
}

/// What a read relies on: the directory as of one epoch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Moment {
    pub(crate) epoch: u64,
    pub(crate) directory: u64,
}

/// Why one attempt gave nothing.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was read contradicts itself because VPP changed it meanwhile without moving the epoch: try again.
    Torn,
    Error(StatsError),
}

impl From<StatsError> for Failure {
    fn from(error: StatsError) -> Self {
        Self::Error(error)
    }
}

/// The header, for readers.
pub(crate) trait Controls {
    /// Called before the first load of each attempt: whether there is anything to load from.
    fn ready(&self) -> Result<(), StatsError> {
        Ok(())
    }

    /// A relaxed load of one word.
    fn load(&self, control: Control) -> u64;

    /// Keeps loads before it from moving behind loads after it.
    fn acquire_fence(&self) {
        fence(Ordering::Acquire);
    }
}

/// Calls `read` until VPP left the directory alone during a whole call, and returns what that call returned.
///
/// Results of overtaken calls are dropped, errors too: an overtaken read may have followed a stale pointer.
///
/// # Errors
/// [`StatsError::Busy`] when `retries` are used up, what `read` returned in a quiet moment, and what
/// [`Controls::ready`] says.
pub(crate) fn consistently<C: Controls, T>(
    controls: &C,
    retries: Retries,
    mut read: impl FnMut(Moment) -> Result<T, Failure>,
) -> Result<T, StatsError> {
    let attempts = retries.attempts.max(1);
    for attempt in 1..=attempts {
        controls.ready()?;
        let Some(moment) = begin(controls, retries.looks) else {
            // A change that outlasts one wait will hardly be over after the next: VPP hangs or died in it.
            return Err(StatsError::Busy { attempts: attempt });
        };
        let result = read(moment);
        if undisturbed(controls, moment) {
            match result {
                Ok(value) => return Ok(value),
                Err(Failure::Error(error)) => return Err(error),
                Err(Failure::Torn) => {}
            }
        }
    }
    Err(StatsError::Busy { attempts })
}

/// Waits for the end of a change under way, then notes what the read relies on. `None` if the wait was in vain.
fn begin<C: Controls>(controls: &C, looks: u32) -> Option<Moment> {
    let mut look = 0;
    while acquire(controls, Control::InProgress) != 0 {
        look += 1;
        match look {
            _ if look >= looks => return None,
            1..=64 => spin_loop(),
            _ => yield_now(),
        }
    }
    let epoch = acquire(controls, Control::Epoch);
    let directory = acquire(controls, Control::Directory);
    Some(Moment { epoch, directory })
}

/// Whether no change began since `moment`.
fn undisturbed<C: Controls>(controls: &C, moment: Moment) -> bool {
    // The loads of the data come before the loads below.
    controls.acquire_fence();
    // in_progress first. VPP raises the epoch and then clears in_progress: with the other order a reader could load the
    // old epoch, VPP do both, and the reader find in_progress clear, and so accept a torn read.
    acquire(controls, Control::InProgress) == 0
        && acquire(controls, Control::Epoch) == moment.epoch
        // `vlib_stats_add_symlink` may move the directory with neither of them moving.
        && acquire(controls, Control::Directory) == moment.directory
}

/// A load with acquire order. The mapping is read-only, and for such memory Rust allows relaxed loads alone; a fence
/// behind them gives the order.
fn acquire<C: Controls>(controls: &C, control: Control) -> u64 {
    let word = controls.load(control);
    controls.acquire_fence();
    word
}

/// The header, for the writer.
#[cfg(any(feature = "writer", test))]
pub(crate) trait ControlsMut {
    /// A store with release order of one word.
    fn store(&self, control: Control, value: u64);

    /// Keeps stores before it from moving behind stores after it.
    fn release_fence(&self) {
        fence(Ordering::Release);
    }
}

/// Tells readers that the directory is about to change.
#[cfg(any(feature = "writer", test))]
pub(crate) fn begin_change<C: ControlsMut>(controls: &C) {
    controls.store(Control::InProgress, 1);
    // A reader that sees any store made from here on, and then looks at in_progress, finds it set. VPP does
    // without this barrier, since x86 keeps stores in order.
    controls.release_fence();
}

/// Ends a change. The epoch first: who finds in_progress clear again then finds the new epoch.
#[cfg(any(feature = "writer", test))]
pub(crate) fn end_change<C: ControlsMut>(controls: &C, epoch: u64) {
    controls.store(Control::Epoch, epoch);
    controls.store(Control::InProgress, 0);
}

/// Moves the directory outside of a change, as `vlib_stats_add_symlink` may.
#[cfg(any(feature = "writer", test))]
pub(crate) fn move_directory<C: ControlsMut>(controls: &C, directory: u64) {
    controls.store(Control::Directory, directory);
    // A reader that sees what comes to lie in the old directory's place, and then looks, finds it moved.
    controls.release_fence();
}

#[cfg(test)]
mod tests;
