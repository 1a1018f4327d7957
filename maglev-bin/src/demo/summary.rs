//! What happened during a demo, in numbers.

use std::fmt;

use serde::Serialize;

use crate::event::What;

/// Counts for the summary that ends a demo.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Frontends that changed to a later pool.
    pub failovers: u64,
    /// Frontends that changed back to an earlier pool.
    pub recoveries: u64,
    /// Changes of a backend's state.
    pub transitions: u64,
    /// Passes over VIPs that ended.
    pub syncs: u64,
    /// Messages sent to VPP.
    pub api_calls: u64,
    /// Those of them that change its load balancer.
    pub lb_writes: u64,
    /// New flows that VPP placed.
    pub new_flows: u64,
    /// Those that went to a server after its weight had reached 0.
    pub new_flows_to_zero_weight: u64,
    /// Those that went to a server that had already stopped answering: the price of detection time.
    pub new_flows_to_dead: u64,
}

impl Summary {
    /// Counts an event. `position` tells where a pool stands in its frontend.
    pub(super) fn count(&mut self, what: &What, position: impl Fn(&str, &str) -> Option<usize>) {
        match what {
            What::BackendTransition { .. } => self.transitions += 1,
            What::VppLbSyncDone { .. } => self.syncs += 1,
            What::FrontendPool { frontend, from, to } => {
                let (from, to) = (position(frontend, from), position(frontend, to));
                self.failovers += u64::from(to > from);
                self.recoveries += u64::from(to < from);
            }
            _ => {}
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { failovers, recoveries, transitions, syncs, api_calls, lb_writes, .. } = self;
        writeln!(f, "Summary")?;
        writeln!(f, "  failovers to a later pool      {failovers}")?;
        writeln!(f, "  recoveries                     {recoveries}")?;
        writeln!(f, "  state changes of backends      {transitions}")?;
        writeln!(f, "  syncs with VPP                 {syncs}")?;
        writeln!(f, "  API calls                      {api_calls}, {lb_writes} of them writes to the load balancer")?;
        writeln!(f, "  new flows                      {}", self.new_flows)?;
        writeln!(f, "    to a server of weight 0      {}", self.new_flows_to_zero_weight)?;
        write!(f, "    to one that had just died    {} (the price of detection time)", self.new_flows_to_dead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_pool_is_a_failover_and_an_earlier_one_a_recovery() {
        let mut summary = Summary::default();
        let position = |_: &str, pool: &str| ["primary", "backup"].iter().position(|name| *name == pool);
        let change =
            |from: &str, to: &str| What::FrontendPool { frontend: "web".into(), from: from.into(), to: to.into() };
        summary.count(&change("primary", "backup"), position);
        assert_eq!((summary.failovers, summary.recoveries), (1, 0));
        summary.count(&change("backup", "primary"), position);
        assert_eq!((summary.failovers, summary.recoveries), (1, 1));
    }

    #[test]
    fn json_has_the_promised_fields() {
        let json = serde_json::to_value(Summary::default()).unwrap();
        for field in ["failovers", "recoveries", "transitions", "syncs", "api_calls", "lb_writes", "new_flows"] {
            assert_eq!(json[field], 0, "{field}");
        }
        assert_eq!(json["new_flows_to_zero_weight"], 0);
        assert_eq!(json["new_flows_to_dead"], 0);
    }
}
