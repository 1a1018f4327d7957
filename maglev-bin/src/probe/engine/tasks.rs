//! Futures on one thread, woken from anywhere.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use super::bell::Bell;

/// Tasks that were woken and not polled yet.
#[derive(Debug)]
pub(super) struct Woken {
    places: Mutex<Vec<usize>>,
    bell: Arc<Bell>,
}

impl Woken {
    pub(super) fn new(bell: Arc<Bell>) -> Self {
        Self { places: Mutex::default(), bell }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Swaps those that were woken into `taken`, which is empty.
    fn take(&self, taken: &mut Vec<usize>) {
        std::mem::swap(taken, &mut self.places.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn push(&self, place: usize) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).push(place);
        self.bell.ring();
    }
}

/// Wakes whatever task has a place. A task that came later is polled once too often, which does no harm.
#[derive(Debug)]
struct Alarm {
    place: usize,
    woken: Arc<Woken>,
    rung: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.woken.push(self.place);
        }
    }
}

/// Tasks that do `F`, with something known of each: `K`.
pub(super) struct Tasks<K, F> {
    places: Vec<Place<K, F>>,
    free: Vec<usize>,
    woken: Arc<Woken>,
    /// Memory of tasks that ended, for the next ones.
    spare: Vec<Memory<F>>,
}

type Memory<F> = Pin<Box<Option<F>>>;

/// Memory of ended tasks that is kept.
const MOST_SPARE: usize = 64;

struct Place<K, F> {
    task: Option<(K, Memory<F>)>,
    alarm: Arc<Alarm>,
    waker: Waker,
}

impl<K, F: Future> Tasks<K, F> {
    pub(super) fn new(woken: Arc<Woken>) -> Self {
        Self { places: Vec::new(), free: Vec::new(), woken, spare: Vec::new() }
    }

    /// Tasks that have not ended.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Adds a task, which is polled first when [`Tasks::poll`] is called. Gives its place, which is its own until it ends.
    pub(super) fn add(&mut self, about: K, future: F) -> usize {
        let place = self.free.pop().unwrap_or_else(|| {
            let place = self.places.len();
            let alarm = Arc::new(Alarm { place, woken: Arc::clone(&self.woken), rung: AtomicBool::new(false) });
            self.places.push(Place { task: None, waker: Waker::from(Arc::clone(&alarm)), alarm });
            place
        });
        let mut memory = self.spare.pop().unwrap_or_else(|| Box::pin(None));
        memory.set(Some(future));
        self.places[place].task = Some((about, memory));
        place
    }

    /// Drops a task.
    pub(super) fn remove(&mut self, place: usize) -> Option<K> {
        let (about, mut memory) = self.places.get_mut(place)?.task.take()?;
        self.free.push(place);
        memory.set(None);
        if self.spare.len() < MOST_SPARE {
            self.spare.push(memory);
        }
        Some(about)
    }

    /// Moves the places of tasks that were woken into `taken`, which is empty.
    pub(super) fn take_woken(&self, taken: &mut Vec<usize>) {
        self.woken.take(taken);
    }

    /// What is known of the task at a place.
    pub(super) fn about(&self, place: usize) -> Option<&K> {
        self.places.get(place)?.task.as_ref().map(|(about, _)| about)
    }

    /// Polls one task. If that was its end: what is known of it, and its result, `None` when it panicked.
    pub(super) fn poll(&mut self, index: usize) -> Option<(K, Option<F::Output>)> {
        let place = self.places.get_mut(index)?;
        // From here on a wake asks for another poll.
        place.alarm.rung.store(false, Ordering::Release);
        let future = place.task.as_mut()?.1.as_mut().as_pin_mut()?;
        let mut context = Context::from_waker(&place.waker);
        // The future is dropped after a panic, whatever state it is in.
        let result = match catch_unwind(AssertUnwindSafe(|| future.poll(&mut context))) {
            Ok(Poll::Pending) => return None,
            Ok(Poll::Ready(result)) => Some(result),
            Err(_) => None,
        };
        self.remove(index).map(|about| (about, result))
    }
}
