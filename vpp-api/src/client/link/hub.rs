//! Where the link's task and its users meet.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::{LinkDown, LinkState, LinkStates};
use crate::client::feed::Feed;

/// The state, those who follow it, and the users' wishes.
pub(super) struct Hub {
    inner: Mutex<Inner>,
    stop: Notify,
    retry: Notify,
}

struct Inner {
    state: LinkState,
    readers: Vec<Weak<StateFeed>>,
    over: bool,
}

/// States for one reader.
pub(super) type StateFeed = Feed<LinkState, ()>;

impl Hub {
    pub(super) fn new() -> Self {
        let state = LinkState::Down { reason: LinkDown::Starting, failures: 0, wait: Duration::ZERO };
        let inner = Inner { state, readers: Vec::new(), over: false };
        Self { inner: Mutex::new(inner), stop: Notify::new(), retry: Notify::new() }
    }

    pub(super) fn state(&self) -> LinkState {
        self.lock().state.clone()
    }

    pub(super) fn states(&self) -> LinkStates {
        let mut inner = self.lock();
        let feed = Arc::new(StateFeed::new(DEPTH));
        feed.push(inner.state.clone());
        if inner.over {
            feed.end(());
        } else {
            inner.readers.retain(|reader| reader.strong_count() > 0);
            inner.readers.push(Arc::downgrade(&feed));
        }
        LinkStates::new(feed)
    }

    pub(super) fn set(&self, state: LinkState) {
        let mut inner = self.lock();
        for reader in inner.readers.iter().filter_map(Weak::upgrade) {
            reader.push(state.clone());
        }
        let before = std::mem::replace(&mut inner.state, state);
        drop(inner);
        // It may be the last client of its connection.
        drop(before);
    }

    /// The task is gone.
    pub(super) fn end(&self) {
        self.set(LinkState::Down { reason: LinkDown::Closed, failures: 0, wait: Duration::MAX });
        let mut inner = self.lock();
        inner.over = true;
        for reader in inner.readers.drain(..).filter_map(|reader| reader.upgrade()) {
            reader.end(());
        }
    }

    /// Nobody needs the link any more.
    pub(super) fn stop(&self) {
        self.stop.notify_one();
    }

    pub(super) async fn stopped(&self) {
        self.stop.notified().await;
    }

    pub(super) fn retry(&self) {
        self.retry.notify_waiters();
    }

    /// The next wish to try at once, from now on, whether it is polled yet or not.
    pub(super) fn retried(&self) -> Notified<'_> {
        self.retry.notified()
    }

    /// Nothing is half done when a panic could occur: see [`Feed`].
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// States kept for a reader that does not read.
const DEPTH: usize = 16;
