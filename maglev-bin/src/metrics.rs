//! `/metrics`: what Prometheus reads.
//!
//! State comes from the published snapshot and counters at the moment of the scrape (`collect`); what only ever grows is counted where it
//! happens ([`Totals`]). A scrape makes no API call, takes no lock that a decision could wait for, and renders in one pass.

mod collect;
mod server;
mod totals;

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

pub use server::{Listener, ServeError};
pub(crate) use totals::ApiObserver;
pub(crate) use totals::ProbeTotals;
pub use totals::Totals;

use crate::snapshot::Published;

/// Everything `/metrics` shows.
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// Metrics over the daemon's published state and its running totals.
    pub fn new(published: Arc<Published>, totals: &Totals) -> Self {
        let mut registry = Registry::default();
        totals.register(&mut registry);
        registry.register_collector(Box::new(collect::State::new(published)));
        Self { registry }
    }

    /// The text of one scrape, in the OpenMetrics format.
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(64 << 10);
        // Writing to a string cannot fail, and every collector only writes.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
