//! Warnings that anybody in the network can cause, at a rate that does no harm.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use crate::event::{Bus, What};

/// Warnings of one cause: the first at once, then one a second at most, which counts what it stands for.
#[derive(Clone, Debug)]
pub(super) struct Throttle {
    bus: Bus,
    cause: &'static str,
    /// `None`: nothing was told within the last second. Else what is to be told at its end.
    held: Arc<Mutex<Option<Held>>>,
}

#[derive(Debug, Default)]
struct Held {
    count: u64,
    last: String,
}

impl Throttle {
    pub(super) fn new(bus: Bus, cause: &'static str) -> Self {
        Self { bus, cause, held: Arc::default() }
    }

    /// Tells it now, or among others within a second. Call it inside a tokio runtime.
    pub(super) fn warn(&self, message: String) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match held.as_mut() {
            Some(held) => {
                held.count += 1;
                held.last = message;
            }
            None => {
                *held = Some(Held::default());
                self.emit(message);
                tokio::spawn(self.clone().tell_the_rest());
            }
        }
    }

    async fn tell_the_rest(self) {
        loop {
            sleep(EVERY).await;
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            match held.take() {
                Some(Held { count: 1, last }) => self.emit(last),
                Some(Held { count, last }) if count > 1 => self.emit(format!("{count} more, the last: {last}")),
                _ => return,
            }
            *held = Some(Held::default());
        }
    }

    fn emit(&self, message: String) {
        self.bus.emit(What::Warning { cause: self.cause.into(), message: message.into() });
    }
}

const EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_one_line_a_second_and_loses_no_count() {
        let bus = Bus::new();
        let mut events = bus.subscribe();
        let throttle = Throttle::new(bus, "grpc-tls");
        for n in 0..1_000 {
            throttle.warn(format!("client {n}"));
        }
        sleep(EVERY * 3 / 2).await;
        throttle.warn("late".to_owned());
        sleep(EVERY * 3).await;
        throttle.warn("at rest".to_owned());
        let mut told = Vec::new();
        while let Ok(event) = events.try_recv() {
            match &event.what {
                What::Warning { cause, message } if &**cause == "grpc-tls" => told.push(message.to_string()),
                other => panic!("{other}"),
            }
        }
        assert_eq!(told, ["client 0", "999 more, the last: client 999", "late", "at rest"]);
    }
}
