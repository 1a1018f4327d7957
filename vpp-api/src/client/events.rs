//! Subscriptions to what VPP sends by itself.

use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::watch;

use super::ended;
use crate::error::Disconnect;
use crate::messages::interface::SwInterfaceEvent;

/// A subscription of [`Client::events`](super::Client::events).
#[derive(Debug)]
pub struct Events {
    events: broadcast::Receiver<SwInterfaceEvent>,
    closed: watch::Receiver<Option<Disconnect>>,
}

impl Events {
    pub(super) fn new(
        events: broadcast::Receiver<SwInterfaceEvent>,
        closed: watch::Receiver<Option<Disconnect>>,
    ) -> Self {
        Self { events, closed }
    }

    /// The next event, in VPP's order.
    ///
    /// Safe to cancel: no event is lost.
    ///
    /// # Errors
    /// The reason for which the connection ended, after its last event.
    pub async fn next(&mut self) -> Result<Notice, Disconnect> {
        tokio::select! {
            biased;
            event = self.events.recv() => match event {
                Ok(event) => Ok(Notice::Interface(event)),
                Err(RecvError::Lagged(count)) => Ok(Notice::Missed(count)),
                Err(RecvError::Closed) => Err(Disconnect::Closed),
            },
            reason = ended(&mut self.closed) => Err(reason),
        }
    }
}

/// What VPP sent by itself.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// An interface changed.
    Interface(SwInterfaceEvent),
    /// The subscriber was too slow and this many events are lost: dump what they are about.
    Missed(u64),
}
