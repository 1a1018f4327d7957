use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, fence};

use super::*;

/// A segment of two words besides the header. The writer keeps them equal, except in the middle of a change.
struct Tiny {
    header: [AtomicU64; 5],
    data: [AtomicU64; 2],
}

impl Tiny {
    fn new() -> Self {
        let header = [2, 0, 1, 0, 10].map(AtomicU64::new);
        Self { header, data: [0, 0].map(AtomicU64::new) }
    }

    fn write(&self, value: u64) {
        self.data.iter().for_each(|word| word.store(value, Relaxed));
    }

    fn read(&self) -> (u64, u64) {
        (self.data[0].load(Relaxed), self.data[1].load(Relaxed))
    }

    fn change(&self, value: u64) {
        begin_change(self);
        self.write(value);
        end_change(self, value + 1);
    }
}

impl Controls for Tiny {
    fn load(&self, control: Control) -> u64 {
        self.header[control as usize].load(Relaxed)
    }

    fn acquire_fence(&self) {
        fence(Acquire);
    }
}

impl ControlsMut for Tiny {
    fn store(&self, control: Control, value: u64) {
        self.header[control as usize].store(value, Release);
    }

    fn release_fence(&self) {
        fence(Release);
    }
}

/// Runs `write` beside one read in every order, with every reordering that the memory model allows. Returns how many of
/// the reads were accepted, and how many given up.
fn every_order(write: fn(&Tiny), read: fn(&Tiny) -> Option<(u64, u64)>) -> Outcomes {
    let outcomes = std::sync::Arc::new(std::sync::Mutex::new(Outcomes::default()));
    let sum = std::sync::Arc::clone(&outcomes);
    let mut model = loom::model::Builder::new();
    // Two threads with a handful of steps: more switches give no new outcome, and a hundred times the work.
    model.preemption_bound = Some(3);
    model.check(move || {
        let tiny = Arc::new(Tiny::new());
        let writer = loom::thread::spawn({
            let tiny = Arc::clone(&tiny);
            move || write(&tiny)
        });
        let result = read(&tiny);
        writer.join().expect("the writer does not panic");
        let mut sum = sum.lock().expect("no test panics with the lock");
        match result {
            None => sum.given_up += 1,
            Some((first, second)) if first == second => sum.whole += 1,
            Some(_) => sum.torn += 1,
        }
    });
    let outcomes = outcomes.lock().expect("no test panics with the lock");
    outcomes.clone()
}

#[derive(Clone, Debug, Default)]
struct Outcomes {
    whole: u32,
    torn: u32,
    given_up: u32,
}

fn by_protocol(tiny: &Tiny) -> Option<(u64, u64)> {
    let read = |moment: Moment| match moment.directory {
        10 => Ok(tiny.read()),
        _ => Ok((0, 0)), // it moved before the read began: what was its place is of no interest
    };
    consistently(tiny, Retries::new(1, 1), read).ok()
}

#[test]
fn no_order_of_events_lets_a_torn_read_through() {
    let outcomes = every_order(
        |tiny| {
            tiny.change(1);
            tiny.change(2);
        },
        by_protocol,
    );
    assert_eq!(outcomes.torn, 0, "{outcomes:?}");
    assert!(outcomes.whole > 0 && outcomes.given_up > 0, "both ends must occur: {outcomes:?}");
}

#[test]
fn a_directory_moved_without_an_epoch_is_noticed() {
    let outcomes = every_order(
        |tiny| {
            move_directory(tiny, 20);
            tiny.write(1); // what comes to lie in the old place
        },
        by_protocol,
    );
    assert_eq!(outcomes.torn, 0, "{outcomes:?}");
    assert!(outcomes.whole > 0 && outcomes.given_up > 0, "both ends must occur: {outcomes:?}");
}

/// What `vlib_stats_new_entry_internal` does: the directory moves inside of a change, and its old place is used again in
/// the next one.
#[test]
fn a_directory_moved_by_a_change_is_noticed_when_its_place_is_used_again() {
    let outcomes = every_order(
        |tiny| {
            begin_change(tiny);
            move_directory(tiny, 20);
            end_change(tiny, 2);
            tiny.change(2); // in the old place
        },
        by_protocol,
    );
    assert_eq!(outcomes.torn, 0, "{outcomes:?}");
    assert!(outcomes.whole > 0 && outcomes.given_up > 0, "both ends must occur: {outcomes:?}");
}

/// An attempt that was overtaken is followed by one that is not: retries bring nothing torn in.
#[test]
fn a_second_attempt_is_as_whole_as_the_first() {
    let outcomes = every_order(
        |tiny| {
            tiny.change(1);
            move_directory(tiny, 20);
            tiny.write(2);
        },
        |tiny| {
            let read = |moment: Moment| match moment.directory {
                10 => Ok(tiny.read()),
                _ => Ok((0, 0)),
            };
            consistently(tiny, Retries::new(2, 1), read).ok()
        },
    );
    assert_eq!(outcomes.torn, 0, "{outcomes:?}");
    assert!(outcomes.whole > 0, "{outcomes:?}");
}

/// The end check without the directory would take what lies in its old place.
#[test]
fn looking_at_the_epoch_alone_would_let_a_moved_directory_through() {
    let outcomes = every_order(
        |tiny| {
            move_directory(tiny, 20);
            tiny.write(1);
        },
        |tiny| {
            let moment = begin(tiny, 1)?;
            let data = if moment.directory == 10 { tiny.read() } else { (0, 0) };
            tiny.acquire_fence();
            let idle = acquire(tiny, Control::InProgress) == 0;
            (idle && acquire(tiny, Control::Epoch) == moment.epoch).then_some(data)
        },
    );
    assert!(outcomes.torn > 0, "{outcomes:?}");
}

/// The end of a ring buffer's read: an entry is whole if the number of entries did not reach its slot meanwhile.
#[test]
fn no_order_of_events_lets_an_overwritten_entry_of_a_ring_through() {
    // The header's word for the epoch stands for the number of entries, in a ring of one slot more than is read.
    let outcomes = every_order(
        |tiny| {
            tiny.store(Control::Epoch, 2);
            tiny.release_fence();
            tiny.write(2); // the slot of entry 0
        },
        |tiny| {
            let written = acquire(tiny, Control::Epoch);
            if written >= 2 {
                return None;
            }
            let data = tiny.read();
            tiny.acquire_fence();
            (acquire(tiny, Control::Epoch) < 2).then_some(data)
        },
    );
    assert_eq!(outcomes.torn, 0, "{outcomes:?}");
    assert!(outcomes.whole > 0 && outcomes.given_up > 0, "both ends must occur: {outcomes:?}");
}

/// Why `undisturbed` looks at in_progress first: VPP's C client and govpp do not.
#[test]
fn looking_at_the_epoch_first_would_let_torn_reads_through() {
    let outcomes = every_order(
        |tiny| tiny.change(1),
        |tiny| {
            let moment = begin(tiny, 1)?;
            let data = tiny.read();
            tiny.acquire_fence();
            let same = acquire(tiny, Control::Epoch) == moment.epoch;
            (same && acquire(tiny, Control::InProgress) == 0).then_some(data)
        },
    );
    assert!(outcomes.torn > 0, "{outcomes:?}");
}

/// A header that stands still, with a value for in_progress after each look.
struct Looks {
    in_progress: std::cell::RefCell<Vec<u64>>,
}

impl Controls for Looks {
    fn load(&self, control: Control) -> u64 {
        match control {
            Control::InProgress => self.in_progress.borrow_mut().pop().unwrap_or(1),
            _ => 0,
        }
    }
}

#[test]
fn a_stuck_change_is_given_up_after_as_many_looks_as_allowed() {
    let looks = Looks { in_progress: vec![1; 200].into() };
    let result = consistently(&looks, Retries::new(3, 100), |_| Ok(()));
    assert_eq!(result, Err(StatsError::Busy { attempts: 1 }));
    assert_eq!(looks.in_progress.borrow().len(), 100);
}

#[test]
fn a_change_that_ends_in_time_is_waited_for() {
    let mut in_progress = vec![0, 0];
    in_progress.extend([1; 99]);
    let looks = Looks { in_progress: in_progress.into() };
    let result = consistently(&looks, Retries::new(1, 100), |_| Ok(7));
    assert_eq!(result, Ok(7));
}

#[test]
fn an_attempt_that_was_overtaken_is_repeated_and_its_error_forgotten() {
    // Clear at the beginning and set at the end of each attempt, but for the third.
    let in_progress = [0, 0, 1, 0, 1, 0];
    let mut attempts = 0;
    let mut read = |_| {
        attempts += 1;
        if attempts < 3 { Err(StatsError::OldNumbering.into()) } else { Ok(attempts) }
    };
    let looks = Looks { in_progress: in_progress.to_vec().into() };
    assert_eq!(consistently(&looks, Retries::new(3, 10), &mut read), Ok(3));
}

#[test]
fn attempts_are_limited() {
    let mut attempts = 0;
    let looks = Looks { in_progress: [1, 0, 1, 0, 1, 0].to_vec().into() };
    let result = consistently(&looks, Retries::new(3, 10), |_| {
        attempts += 1;
        Ok(())
    });
    assert_eq!(result, Err(StatsError::Busy { attempts: 3 }));
    assert_eq!(attempts, 3);
}

#[test]
fn what_contradicts_itself_is_read_again_and_a_sound_error_is_final() {
    let mut attempts = 0;
    let looks = Looks { in_progress: vec![0; 10].into() };
    let result: Result<(), _> = consistently(&looks, Retries::new(5, 10), |_| {
        attempts += 1;
        if attempts == 1 { Err(Failure::Torn) } else { Err(StatsError::OldNumbering.into()) }
    });
    assert_eq!(result, Err(StatsError::OldNumbering));
    assert_eq!(attempts, 2);
}

#[test]
fn no_attempts_count_as_one() {
    let looks = Looks { in_progress: vec![0; 10].into() };
    assert_eq!(consistently(&looks, Retries::new(0, 0), |_| Ok(1)), Ok(1));
}
