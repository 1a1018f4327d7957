//! What clients and driver have in common.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::events::Topics;
use super::{Observer, Options};
use crate::connection::{Connection, Deadlines};
use crate::error::{CallError, Disconnect};
use crate::table::MessageTable;

/// One connection, for all its clients and its driver.
pub(super) struct Shared {
    core: Mutex<Core>,
    /// There is output, or a wish to close.
    pub(super) wake: Notify,
    pub(super) table: Arc<MessageTable>,
    pub(super) observer: Option<Arc<dyn Observer>>,
    pub(super) closed: watch::Sender<Option<Disconnect>>,
}

impl Shared {
    pub(super) fn new(connection: Connection<Waiter>, options: &Options) -> Self {
        Self {
            table: connection.table().clone(),
            core: Mutex::new(Core {
                connection,
                deadlines: Deadlines::new(options.call_timeout, options.silence),
                topics: Topics::default(),
                closing: false,
                closed: None,
            }),
            wake: Notify::new(),
            observer: options.observer.clone(),
            closed: watch::Sender::new(None),
        }
    }

    /// A panic while the lock was held cannot leave the core half changed in a way that matters: the worst is a call
    /// that ends by its time-out.
    pub(super) fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }
}

/// What is behind the lock.
pub(super) struct Core {
    pub(super) connection: Connection<Waiter>,
    pub(super) deadlines: Deadlines,
    pub(super) topics: Topics,
    /// Nobody needs the connection any more.
    pub(super) closing: bool,
    /// Set once, when the driver ends.
    pub(super) closed: Option<Disconnect>,
}

/// Who waits for an answer.
pub(super) enum Waiter {
    /// For all of it.
    Once(oneshot::Sender<Answer>),
    /// For every detail as it comes.
    Stream(mpsc::UnboundedSender<Chunk>),
}

impl Waiter {
    /// One that is gone was cancelled: its answer is discarded.
    pub(super) fn answer(self, answer: Answer) {
        match self {
            Self::Once(waiter) => drop(waiter.send(answer)),
            Self::Stream(waiter) => drop(waiter.send(Chunk::End(answer))),
        }
    }
}

/// Part of an answer.
pub(super) enum Chunk {
    /// Details, not decoded, and there is more.
    Details(Vec<Bytes>),
    /// The rest.
    End(Answer),
}

pub(super) type Answer = Result<Arrived, CallError>;

/// An answer, not decoded.
pub(super) struct Arrived {
    pub(super) at: Instant,
    /// The details of a dump or get, as far as they were not told before; empty for a call.
    pub(super) details: Vec<Bytes>,
    /// The reply; of a dump the one to its ping.
    pub(super) reply: Bytes,
}
