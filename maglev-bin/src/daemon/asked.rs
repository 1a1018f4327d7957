//! A probe that an operator asks for, and its end; and what came of the last probe, whoever wanted it.

use std::time::{Duration, SystemTime};

use tokio::sync::broadcast::error::RecvError;
use tracing::Level;

use super::brain::Command;
use super::handle::Handle;
use super::operate::{Action, Order, Refusal};
use crate::event::{Subscription, Text, What};
use crate::probe::Report;

/// What came of asking for a probe.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Asked {
    /// A probe was under way; no other was sent, and this is that one's result.
    pub under_way: bool,
    /// What it found; `None` if its end was not seen: it was cancelled, or events were lost.
    pub found: Option<Found>,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Found {
    /// `pass`, `fail`, or `error` for one that could not be sent.
    pub result: &'static str,
    /// Its code.
    pub code: Text,
    /// What was seen.
    pub detail: Text,
    /// How long it took.
    pub elapsed: Duration,
}

/// What came of the last probe of a backend.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LastResult {
    /// When it was counted.
    pub at: SystemTime,
    /// All of it.
    pub report: Report,
}

/// Beyond the time-out of a check: the wait for a descriptor, a second at most, and the way through the daemon.
const MARGIN: Duration = Duration::from_secs(2);

impl Handle {
    /// What came of the last probe of a backend, also if that was no verdict. It is kept over a reload, as long as the
    /// backend has a check; what a cancelled probe found is not. No snapshot has it: it is fetched from the brain.
    ///
    /// `None` for a backend that is not there or was not probed yet, and when the daemon has ended.
    pub async fn last_result(&self, backend: &str) -> Option<LastResult> {
        self.ask(|done| Command::LastResult { backend: backend.into(), done }).await.ok().flatten()
    }

    /// Has a backend probed now, and waits for the end of that probe: at most for the time-out of its check and two seconds. What it finds
    /// counts like any other; a state that follows from it is published when this returns.
    ///
    /// # Errors
    /// [`Refusal`]: no such backend, or one that is not probed. Nothing is planned then.
    pub async fn probe_now(&self, backend: &str, who: Text) -> Result<Asked, Refusal> {
        let timeout =
            self.published.snapshot().config.backend(backend).and_then(|of| Some(of.healthcheck.as_ref()?.timeout));
        let mut events = self.bus.subscribe_at(Level::DEBUG);
        let order = Order { action: Action::Probe(backend.into()), who, reason: "".into() };
        let under_way = !self.operate(order).await?.changed;
        let end = end(&mut events, backend, under_way);
        let found = tokio::time::timeout(timeout.unwrap_or_default() + MARGIN, end).await.ok().flatten();
        // The result is told before it is counted: one more turn, and what follows from it can be seen.
        self.turns().await;
        Ok(Asked { under_way, found })
    }
}

/// Waits for the end of the next probe of a backend, or of the one that is under way.
async fn end(events: &mut Subscription, name: &str, under_way: bool) -> Option<Found> {
    let mut started = under_way;
    loop {
        let event = match events.recv().await {
            Ok(event) => event,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return None,
        };
        match &event.what {
            What::ProbeStart { backend, .. } if **backend == *name => started = true,
            What::ProbeDone { backend, ok, code, detail, elapsed, .. } if started && **backend == *name => {
                let result = match (ok, &**code) {
                    (true, _) => "pass",
                    (false, "SOCKERR") => "error",
                    (false, _) => "fail",
                };
                let elapsed = Duration::try_from_secs_f64(*elapsed).unwrap_or_default();
                return Some(Found { result, code: code.clone(), detail: detail.clone(), elapsed });
            }
            // Its probe was cancelled.
            What::BackendTransition { backend, to, .. }
                if **backend == *name && matches!(&**to, "paused" | "disabled" | "removed") =>
            {
                return None;
            }
            What::BackendRestart { backend } if **backend == *name => return None,
            _ => {}
        }
    }
}
