//! When the core is due.

use std::time::{Duration, Instant};

use maglev_sync::Reconciler;

use super::Core;

impl Core {
    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.control.handle_timeout(now);
        if let Some(sync) = &mut self.sync {
            sync.handle_timeout(now);
        }
    }

    /// When [`Core::handle_timeout`] is due. Probes are started together, at whole multiples of [`TICK`] after the start of the process:
    /// thousands a second are then some hundred turns.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let sync = self.sync.as_ref().and_then(Reconciler::poll_timeout);
        let probes = self.control.poll_timeout().map(|due| next_tick(self.origin, due));
        probes.into_iter().chain(sync).min()
    }
}

/// How late a probe may start for the sake of company.
pub(super) const TICK: Duration = Duration::from_millis(4);

/// The first tick at or after an instant.
fn next_tick(origin: Instant, due: Instant) -> Instant {
    let since = due.saturating_duration_since(origin).as_nanos();
    let ahead = (TICK.as_nanos() - since % TICK.as_nanos()) % TICK.as_nanos();
    // Less than a tick.
    due + Duration::from_nanos(ahead as u64)
}
