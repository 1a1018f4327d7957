//! The channel on which events travel.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tracing::Level;

use super::{Event, What};

/// Carries events to the log and to everyone who listens.
#[derive(Clone, Debug)]
pub struct Bus {
    sender: broadcast::Sender<Arc<Event>>,
    /// Readers who want debug events.
    debug: Arc<AtomicUsize>,
}

impl Bus {
    /// A bus on which a reader may be `DEPTH` events behind before it loses any.
    pub fn new() -> Self {
        Self { sender: broadcast::channel(DEPTH).0, debug: Arc::default() }
    }

    /// Logs `what` and hands it to every reader. Ask [`Bus::wants`] before making a debug event: there are many.
    pub fn emit(&self, what: What) {
        what.log();
        // No reader is no error: the log has it.
        let _ = self.sender.send(Arc::new(Event { time: Timestamp::now(), what }));
    }

    /// Whether an event of this level would be heard: of info and above always, of debug while the log or a reader wants it.
    pub fn wants(&self, level: Level) -> bool {
        level <= Level::INFO
            || self.debug.load(Ordering::Relaxed) > 0
            || tracing::enabled!(target: "maglev", Level::DEBUG)
    }

    /// Every event from now on; debug events only while somebody else wants them.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.sender.subscribe()
    }

    /// Every event from now on that is at least as severe as `level`. Debug events are made for it until it is dropped.
    pub fn subscribe_at(&self, level: Level) -> Subscription {
        let demand = (level > Level::INFO).then(|| Demand::new(self.debug.clone()));
        Subscription { events: self.sender.subscribe(), level, _demand: demand }
    }
}

impl Default for Bus {
    fn default() -> Self {
        Self::new()
    }
}

/// A reader of events from some level on.
#[derive(Debug)]
pub struct Subscription {
    events: broadcast::Receiver<Arc<Event>>,
    level: Level,
    _demand: Option<Demand>,
}

impl Subscription {
    /// The next event. Nothing is lost if the call is cancelled.
    ///
    /// # Errors
    /// `Lagged` with how many events, of any level, this reader was too slow for; the next call goes on behind them. `Closed` once
    /// every [`Bus`] is gone.
    pub async fn recv(&mut self) -> Result<Arc<Event>, RecvError> {
        loop {
            let event = self.events.recv().await?;
            if event.what.level() <= self.level {
                return Ok(event);
            }
        }
    }

    /// Whether everything that was told so far was read.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Forgets everything that was told and not yet read, and tells how many events of any level that were.
    pub fn skip_backlog(&mut self) -> u64 {
        let mut skipped = 0;
        loop {
            match self.events.try_recv() {
                Ok(_) => skipped += 1,
                Err(TryRecvError::Lagged(lost)) => skipped += lost,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return skipped,
            }
        }
    }
}

/// A reader's wish for debug events, counted while it lives.
#[derive(Debug)]
struct Demand(Arc<AtomicUsize>);

impl Demand {
    fn new(readers: Arc<AtomicUsize>) -> Self {
        readers.fetch_add(1, Ordering::Relaxed);
        Self(readers)
    }
}

impl Drop for Demand {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Events a reader may be behind: some seconds of debug events of a thousand backends.
const DEPTH: usize = 4_096;

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Mutex;

    use tracing_subscriber::filter::Targets;
    use tracing_subscriber::prelude::*;

    use super::*;

    fn probe_start() -> What {
        What::ProbeStart { backend: "web0".into(), r#type: "http".into() }
    }

    /// Where a log goes that a test reads.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a log of this level says while `work` runs.
    fn log(level: Level, work: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        let log = tracing_subscriber::registry().with(layer.with_filter(Targets::new().with_target("maglev", level)));
        tracing::subscriber::with_default(log, work);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[tokio::test]
    async fn a_reader_that_falls_behind_is_told_how_many_it_lost() {
        let bus = Bus::new();
        let mut reader = bus.subscribe_at(Level::INFO);
        for count in 0..(DEPTH as u64 + 5) {
            bus.emit(What::EventDrop { count });
        }
        assert_eq!(reader.recv().await.unwrap_err(), RecvError::Lagged(5));
        assert_eq!(reader.recv().await.unwrap().what, What::EventDrop { count: 5 });
    }

    #[test]
    fn debug_events_are_wanted_while_somebody_reads_them() {
        let bus = Bus::new();
        let quiet = [bus.subscribe_at(Level::INFO), bus.subscribe_at(Level::ERROR)];
        assert!(bus.wants(Level::INFO) && bus.wants(Level::ERROR) && !bus.wants(Level::DEBUG));
        let (first, second) = (bus.subscribe_at(Level::DEBUG), bus.clone().subscribe_at(Level::DEBUG));
        drop(first);
        assert!(bus.wants(Level::DEBUG));
        drop(second);
        assert!(!bus.wants(Level::DEBUG));
        drop(quiet);
    }

    #[test]
    fn a_log_at_debug_wants_debug_events_and_one_at_info_does_not() {
        let bus = Bus::new();
        log(Level::DEBUG, || assert!(bus.wants(Level::DEBUG)));
        log(Level::INFO, || assert!(!bus.wants(Level::DEBUG)));
    }

    #[tokio::test]
    async fn events_made_for_a_reader_are_neither_in_a_quieter_log_nor_with_a_quieter_reader() {
        let bus = Bus::new();
        let (mut curious, mut calm) = (bus.subscribe_at(Level::DEBUG), bus.subscribe_at(Level::INFO));
        let log = log(Level::INFO, || {
            assert!(bus.wants(Level::DEBUG));
            bus.emit(probe_start());
            bus.emit(What::EventDrop { count: 1 });
        });
        assert!(log.contains("event-drop") && !log.contains("probe-start"), "{log}");
        assert_eq!(curious.recv().await.unwrap().what, probe_start());
        assert_eq!(calm.recv().await.unwrap().what, What::EventDrop { count: 1 });
    }
}
