//! The channel on which events travel.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::broadcast;

use super::{Event, What};

/// Carries events to the log and to everyone who listens.
#[derive(Clone, Debug)]
pub struct Bus {
    sender: broadcast::Sender<Arc<Event>>,
}

impl Bus {
    /// A bus on which a reader may be `DEPTH` events behind before it loses any.
    pub fn new() -> Self {
        Self { sender: broadcast::channel(DEPTH).0 }
    }

    /// Logs `what` and hands it to every reader.
    pub fn emit(&self, what: What) {
        what.log();
        // No reader is no error: the log has it.
        let _ = self.sender.send(Arc::new(Event { time: Timestamp::now(), what }));
    }

    /// Every event from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.sender.subscribe()
    }
}

impl Default for Bus {
    fn default() -> Self {
        Self::new()
    }
}

/// Events a reader may be behind: some seconds of debug events of a thousand backends.
const DEPTH: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_that_falls_behind_is_told_how_many_it_lost() {
        let bus = Bus::new();
        let mut reader = bus.subscribe();
        for count in 0..(DEPTH as u64 + 5) {
            bus.emit(What::EventDrop { count });
        }
        let lost = match reader.recv().await {
            Err(broadcast::error::RecvError::Lagged(lost)) => lost,
            other => panic!("expected a loss, got {other:?}"),
        };
        assert_eq!(lost, 5);
    }
}
