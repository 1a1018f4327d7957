//! Flushes that a VIP owes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{ActualVip, DesiredAs, FlushOrder};

/// The orders of one VIP, by server, and how far each has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Debts(BTreeMap<IpAddr, Debt>);

#[derive(Clone, Debug)]
struct Debt {
    order: FlushOrder,
    state: State,
}

/// ```text
/// Undecided ──VPP has nothing to flush──> Settled <──acknowledged, or VPP restarted── Owed
///     └───────────────else────────────────────────────────────────────────────────────>┘
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Whether VPP holds flows is not known yet.
    Undecided,
    /// Repeated until acknowledged.
    Owed,
    /// Nothing left to do for this incident.
    Settled,
}

impl Debts {
    /// Takes over the present orders: a new incident is a new debt, an order that is gone drops its debt.
    pub(crate) fn update(&mut self, targets: &BTreeMap<IpAddr, DesiredAs>) {
        let order_for = |address: &IpAddr| {
            targets.get(address).filter(|target| target.weight.is_zero()).and_then(|target| target.flush)
        };
        self.0.retain(|address, _| order_for(address).is_some());
        for &address in targets.keys() {
            let Some(order) = order_for(&address) else { continue };
            let debt = self.0.entry(address).or_insert(Debt { order, state: State::Undecided });
            if debt.order.incident != order.incident {
                debt.state = State::Undecided;
            }
            debt.order = order;
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Decides what is not decided, by what VPP holds before anything is written on account of the incident.
    pub(crate) fn decide(&mut self, vip: Option<&ActualVip>) {
        for (address, debt) in &mut self.0 {
            if debt.state != State::Undecided {
                continue;
            }
            let server = vip.and_then(|vip| vip.ases.get(address));
            let idle_already = server.is_none_or(|server| server.weight == 0);
            let never_raised = server.is_some_and(|server| server.never_raised);
            debt.state =
                if never_raised || debt.order.first_verdict && idle_already { State::Settled } else { State::Owed };
        }
    }

    /// VPP restarted and has forgotten all flows.
    pub(super) fn forgive(&mut self) {
        self.0.values_mut().for_each(|debt| debt.state = State::Settled);
    }

    /// The next server to flush, with its incident.
    pub(crate) fn next(&mut self, vip: &ActualVip) -> Option<(IpAddr, u64)> {
        let serving = vip.is_serving();
        self.0.iter_mut().filter(|(_, debt)| debt.state == State::Owed).find_map(|(&address, debt)| {
            // Absent, or not cut yet: its turn comes after that.
            let server = vip.ases.get(&address).filter(|server| server.weight == 0)?;
            if server.never_raised {
                debt.state = State::Settled;
                return None;
            }
            (serving || !debt.order.needs_server).then_some((address, debt.order.incident))
        })
    }

    /// VPP carried out the flush of this incident.
    pub(crate) fn acknowledge(&mut self, address: IpAddr, incident: u64) {
        if let Some(debt) = self.0.get_mut(&address)
            && debt.order.incident == incident
        {
            debt.state = State::Settled;
        }
    }

    /// Whether there are no orders.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Flushes owed.
    pub(super) fn owed(&self) -> usize {
        self.0.values().filter(|debt| debt.state == State::Owed).count()
    }
}
