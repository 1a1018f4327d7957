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

/// Tasks with something known of each: `K`. Each ends with a `T`, or with `None` when it panicked.
pub(super) struct Tasks<K, T> {
    places: Vec<Place<K, T>>,
    free: Vec<usize>,
    woken: Arc<Woken>,
}

/// What a task does.
pub(super) type Work<T> = Pin<Box<dyn Future<Output = T>>>;

struct Place<K, T> {
    task: Option<(K, Work<T>)>,
    alarm: Arc<Alarm>,
    waker: Waker,
}

impl<K, T> Tasks<K, T> {
    pub(super) fn new(woken: Arc<Woken>) -> Self {
        Self { places: Vec::new(), free: Vec::new(), woken }
    }

    /// Tasks that have not ended.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Adds a task, which is polled first when [`Tasks::poll`] is called. Gives its place, which is its own until it ends.
    pub(super) fn add(&mut self, about: K, future: Work<T>) -> usize {
        let place = self.free.pop().unwrap_or_else(|| {
            let place = self.places.len();
            let alarm = Arc::new(Alarm { place, woken: Arc::clone(&self.woken), rung: AtomicBool::new(false) });
            self.places.push(Place { task: None, waker: Waker::from(Arc::clone(&alarm)), alarm });
            place
        });
        self.places[place].task = Some((about, future));
        place
    }

    /// Has a task polled.
    pub(super) fn wake(&self, place: usize) {
        self.places[place].waker.wake_by_ref();
    }

    /// Drops a task.
    pub(super) fn remove(&mut self, place: usize) -> Option<K> {
        let (about, _) = self.places.get_mut(place)?.task.take()?;
        self.free.push(place);
        Some(about)
    }

    /// Moves the places of tasks that were woken into `taken`, which is empty.
    pub(super) fn take_woken(&self, taken: &mut Vec<usize>) {
        self.woken.take(taken);
    }

    /// Polls one task. If that was its end: what is known of it, and its result.
    pub(super) fn poll(&mut self, index: usize) -> Option<(K, Option<T>)> {
        let place = self.places.get_mut(index)?;
        // From here on a wake asks for another poll.
        place.alarm.rung.store(false, Ordering::Release);
        let (_, future) = place.task.as_mut()?;
        let mut context = Context::from_waker(&place.waker);
        // The future is dropped after a panic, whatever state it is in.
        let result = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context))) {
            Ok(Poll::Pending) => return None,
            Ok(Poll::Ready(result)) => Some(result),
            Err(_) => None,
        };
        let (about, _) = place.task.take()?;
        self.free.push(index);
        Some((about, result))
    }
}
