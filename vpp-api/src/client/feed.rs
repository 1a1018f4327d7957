//! A bounded queue with one reader, which drops the oldest and says how many.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Items for one reader. Whoever fills it never waits: when it is full the oldest item goes, because the newest says
/// how things are.
pub(super) struct Feed<T, R> {
    state: Mutex<State<T, R>>,
    depth: usize,
}

struct State<T, R> {
    items: VecDeque<T>,
    missed: u64,
    end: Option<R>,
    reader: Option<Waker>,
}

/// What a reader gets.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Fed<T, R> {
    /// This many items are lost between the last one and the next.
    Missed(u64),
    Item(T),
    /// Nothing more comes, for this reason; the same again when asked again.
    End(R),
}

impl<T, R: Clone> Feed<T, R> {
    /// Keeps `depth` items, at least one.
    pub(super) fn new(depth: usize) -> Self {
        let state = State { items: VecDeque::new(), missed: 0, end: None, reader: None };
        Self { state: Mutex::new(state), depth: depth.max(1) }
    }

    pub(super) fn push(&self, item: T) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        if state.items.len() == self.depth {
            state.items.pop_front();
            state.missed += 1;
        }
        state.items.push_back(item);
        wake(state);
    }

    /// Nothing comes after what is in it. The first reason stands.
    pub(super) fn end(&self, reason: R) {
        let mut state = self.lock();
        state.end.get_or_insert(reason);
        wake(state);
    }

    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Fed<T, R>> {
        let mut state = self.lock();
        if state.missed > 0 {
            return Poll::Ready(Fed::Missed(std::mem::take(&mut state.missed)));
        }
        if let Some(item) = state.items.pop_front() {
            return Poll::Ready(Fed::Item(item));
        }
        if let Some(reason) = &state.end {
            return Poll::Ready(Fed::End(reason.clone()));
        }
        match &mut state.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            reader => *reader = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Nothing that can panic is done under the lock but allocation, after which the state is as it was.
    fn lock(&self) -> MutexGuard<'_, State<T, R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the reader when the lock is free again: it may run at once.
fn wake<T, R>(mut state: MutexGuard<'_, State<T, R>>) {
    let reader = state.reader.take();
    drop(state);
    if let Some(reader) = reader {
        reader.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read<T, R: Clone>(feed: &Feed<T, R>) -> Poll<Fed<T, R>> {
        feed.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_oldest_go_and_the_gap_is_told_where_it_is() {
        let feed = Feed::<_, ()>::new(2);
        for item in 1..=5 {
            feed.push(item);
        }
        assert_eq!(read(&feed), Poll::Ready(Fed::Missed(3)));
        assert_eq!(read(&feed), Poll::Ready(Fed::Item(4)));
        feed.push(6);
        assert_eq!(read(&feed), Poll::Ready(Fed::Item(5)));
        assert_eq!(read(&feed), Poll::Ready(Fed::Item(6)));
        assert_eq!(read(&feed), Poll::Pending);
    }

    #[test]
    fn what_is_there_comes_before_the_end_which_comes_for_ever() {
        let feed = Feed::new(2);
        feed.push(1);
        feed.end("over");
        feed.end("a second reason");
        feed.push(2);
        assert_eq!(read(&feed), Poll::Ready(Fed::Item(1)));
        for _ in 0..2 {
            assert_eq!(read(&feed), Poll::Ready(Fed::End("over")));
        }
    }

    #[test]
    fn the_reader_that_polled_last_is_woken_once() {
        let feed = Feed::<_, ()>::new(2);
        let (first, last) = (Arc::new(Count::default()), Arc::new(Count::default()));
        for count in [&first, &last] {
            assert_eq!(feed.poll(&mut Context::from_waker(&count.clone().into())), Poll::Pending);
        }
        feed.push(1);
        feed.push(2);
        assert_eq!((first.0.load(Ordering::Relaxed), last.0.load(Ordering::Relaxed)), (0, 1));
    }

    #[test]
    fn a_depth_of_nothing_still_keeps_the_newest() {
        let feed = Feed::<_, ()>::new(0);
        feed.push(1);
        feed.push(2);
        assert_eq!(read(&feed), Poll::Ready(Fed::Missed(1)));
        assert_eq!(read(&feed), Poll::Ready(Fed::Item(2)));
    }
}
