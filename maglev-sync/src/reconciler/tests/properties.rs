//! Whatever happens in whatever order, VPP ends as desired, and is never worse on the way.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;

use crate::call::Call;
use crate::model::{Cut, Desired, DesiredAs, DesiredVip, FlushOrder, ForeignVips, VipKey, Weight};
use crate::plan::{Note, Plan, Scope};
use crate::reconciler::{RequestScope, SyncRequest};
use crate::testing::strategies::{a_key, a_state};
use crate::testing::{FakeVpp, Rig, abilities, desired, key, secs, server, up, vip, weight};

/// Flushes counted by VIP, server and incident.
type Flushes = BTreeMap<(VipKey, IpAddr, u64), u32>;

/// Something that happens to a reconciler.
#[derive(Clone, Debug)]
enum Op {
    /// A reload.
    Want(Desired),
    /// A server of some VIP changes its weight.
    Weight { vip: usize, server: usize, weight: u8, urgent: bool },
    /// A server of some VIP goes down, or is disabled.
    Down { vip: usize, server: usize, needs_server: bool },
    /// Time passes.
    Advance(u64),
    /// Some replies are delivered.
    Deliver(usize),
    /// The link goes.
    LinkDown,
    /// The link comes.
    LinkUp,
    /// VPP restarts, as one with or without weights.
    Restart { weights: bool },
    /// Some of the next calls are refused.
    Refuse(Vec<bool>),
    /// Somebody else changes VPP.
    Meddle { key: VipKey, n: u8, what: u8 },
    /// An operator asks for a sync.
    Sync { key: Option<VipKey>, recreate: bool },
}

fn an_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => a_state().prop_map(Op::Want),
        6 => (any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop::sample::select(vec![0_u8, 50, 100]), any::<bool>())
            .prop_map(|(vip, server, weight, urgent)| Op::Weight { vip: vip.index(64), server: server.index(64), weight, urgent }),
        3 => (0_usize..64, 0_usize..64, any::<bool>()).prop_map(|(vip, server, needs_server)| Op::Down { vip, server, needs_server }),
        4 => (1_u64..40_000).prop_map(Op::Advance),
        6 => (1_usize..8).prop_map(Op::Deliver),
        1 => Just(Op::LinkDown),
        2 => Just(Op::LinkUp),
        1 => any::<bool>().prop_map(|weights| Op::Restart { weights }),
        2 => prop::collection::vec(prop::bool::weighted(0.4), 1..12).prop_map(Op::Refuse),
        2 => (a_key(), 1_u8..6, 0_u8..4).prop_map(|(key, n, what)| Op::Meddle { key, n, what }),
        1 => (prop::option::of(a_key()), any::<bool>()).prop_map(|(key, recreate)| Op::Sync { key, recreate }),
    ]
}

/// A rig with refusals and a reply order of its own, and the desired state as its owner knows it.
struct Chaos {
    rig: Rig,
    wanted: Desired,
    refusals: Rc<RefCell<Vec<bool>>>,
    incident: u64,
    connected: bool,
}

impl Chaos {
    fn new(weights: bool, standing: &Desired, wanted: Desired, order: Vec<u8>) -> Self {
        let mut rig = Rig::warm(FakeVpp::holding(standing, weights));
        let refusals: Rc<RefCell<Vec<bool>>> = Rc::default();
        let told = Rc::clone(&refusals);
        rig.refuse = Box::new(move |call| !matches!(call, Call::Route(_)) && told.borrow_mut().pop().unwrap_or(false));
        let mut order = order.into_iter().cycle();
        rig.pick = Box::new(move |waiting| usize::from(order.next().unwrap_or(0)) % waiting);
        rig.sync.set_desired(rig.now, wanted.clone());
        Self { rig, wanted, refusals, incident: 0, connected: false }
    }

    fn run(&mut self, op: Op) {
        let rig = &mut self.rig;
        match op {
            Op::Want(wanted) => {
                self.wanted = wanted;
                rig.sync.set_desired(rig.now, self.wanted.clone());
            }
            Op::Weight { vip, server, weight: to, urgent } => {
                let cut = if urgent { Cut::Urgent } else { Cut::Serving };
                self.change(vip, server, DesiredAs { weight: weight(to), cut, flush: None });
            }
            Op::Down { vip, server, needs_server } => {
                self.incident += 1;
                let order = FlushOrder { incident: self.incident, first_verdict: false, needs_server };
                self.change(vip, server, DesiredAs { weight: Weight::ZERO, cut: Cut::Urgent, flush: Some(order) });
            }
            Op::Advance(millis) => rig.advance(Duration::from_millis(millis)),
            Op::Deliver(replies) => {
                for _ in 0..replies {
                    rig.send();
                    rig.deliver();
                }
            }
            Op::LinkDown => {
                rig.send();
                rig.down();
                self.connected = false;
            }
            Op::LinkUp => {
                if !self.connected {
                    rig.up();
                    self.connected = true;
                }
            }
            Op::Restart { weights } => {
                rig.vpp.abilities = abilities(weights);
                rig.restart_vpp();
                self.connected = false;
            }
            Op::Refuse(refusals) => *self.refusals.borrow_mut() = refusals,
            Op::Meddle { key, n, what } => {
                let address = server(n);
                let meddled = |to| rig.vpp.abilities.weight(weight(to));
                let call = match what {
                    0 => Call::AsAdd { key, address, weight: meddled(33) },
                    1 => Call::AsDel { key, address, flush: false },
                    2 => Call::AsSetWeight { key, address, weight: meddled(44), flush: false },
                    _ => Call::VipDel(key),
                };
                let (log, flushes) = (rig.vpp.log.len(), rig.vpp.flushes.len());
                let _ = rig.vpp.execute(&call);
                rig.vpp.log.truncate(log);
                rig.vpp.flushes.truncate(flushes);
            }
            Op::Sync { key, recreate } => {
                let scope = key.map_or(RequestScope::All, RequestScope::Vip);
                rig.sync.request_sync(rig.now, SyncRequest { scope, recreate });
            }
        }
    }

    fn change(&mut self, vip: usize, server: usize, target: DesiredAs) {
        let count = self.wanted.vips.len().max(1);
        let Some((key, wanted)) = self.wanted.vips.iter_mut().nth(vip % count) else { return };
        let count = wanted.targets.len().max(1);
        let Some(slot) = wanted.targets.values_mut().nth(server % count) else { return };
        *slot = target;
        self.rig.sync.update_vip(self.rig.now, *key, wanted.clone());
    }

    /// Peace: nothing is refused, the link is up, and time passes.
    fn settle(&mut self) {
        self.refusals.borrow_mut().clear();
        if !self.connected {
            self.rig.up();
            self.connected = true;
        }
        self.rig.advance(secs(240));
    }

    /// What a plan over what VPP really holds would still do.
    fn left_over(&self) -> Plan {
        let scope = Scope { ours: self.rig.sync.ours().clone(), prune: true, recreate: false };
        Plan::new(&self.wanted, &self.rig.vpp.read_for(&self.wanted), &scope)
    }
}

/// VIPs that stand in the same form in both states and serve in both, with a server that nobody takes for dead.
fn must_serve(standing: &Desired, wanted: &Desired) -> BTreeSet<VipKey> {
    let serves = |vip: &DesiredVip| vip.targets.values().any(|target| !target.weight.is_zero());
    let alive = |key: &VipKey, before: &DesiredVip| {
        before.targets.iter().any(|(address, target)| {
            let dead = |now: &DesiredAs| now.cut == Cut::Urgent && now.weight.is_zero();
            !target.weight.is_zero() && !wanted.vips[key].targets.get(address).is_some_and(dead)
        })
    };
    let same_form = |before: &DesiredVip, after: &DesiredVip| {
        (before.encap, before.src_ip_sticky) == (after.encap, after.src_ip_sticky)
    };
    wanted
        .vips
        .iter()
        .filter(|(key, after)| {
            standing
                .vips
                .get(key)
                .is_some_and(|before| same_form(before, after) && serves(before) && serves(after) && alive(key, before))
        })
        .map(|(key, _)| *key)
        .collect()
}

proptest! {
    #[test]
    fn whatever_happens_vpp_ends_as_desired_and_then_stays_quiet(
        standing in a_state(),
        wanted in a_state(),
        ops in prop::collection::vec(an_op(), 0..40),
        order in prop::collection::vec(any::<u8>(), 1..16),
        weights in any::<bool>(),
    ) {
        let mut chaos = Chaos::new(weights, &standing, wanted, order);
        for op in ops {
            chaos.run(op);
        }
        chaos.settle();
        prop_assert!(chaos.rig.most_in_flight <= 64);
        let left = chaos.left_over();
        prop_assert!(left.is_empty(), "left over:\n{left}events: {:#?}", chaos.rig.events);
        // The model agrees with VPP, and nothing more is sent.
        // Where a VIP is in the way nothing is deleted on that address.
        let blocked: BTreeSet<_> = left.notes().iter().filter_map(|note| match note {
            Note::InTheWay { key, .. } => Some(key.prefix()),
            _ => None,
        }).collect();
        for (key, status) in &chaos.rig.sync.status().vips {
            prop_assert!(status.in_sync || blocked.contains(&key.prefix()), "{key}: {status:?}");
        }
        chaos.rig.vpp.log.clear();
        chaos.rig.advance(secs(60));
        prop_assert_eq!(chaos.rig.vpp.writes(), vec![]);
        // A debt left over waits for a server to take the flows.
        let owed = chaos.rig.sync.status().vips.into_iter().filter(|(_, status)| status.flushes_owed > 0);
        for (key, _) in owed {
            prop_assert!(!chaos.rig.vpp.serves(&key) || blocked.contains(&key.prefix()), "{key} owes a flush");
        }
    }

    #[test]
    fn no_serving_vip_stands_empty_after_any_call_whatever_is_refused_or_lost(
        standing in a_state(),
        wanted in a_state(),
        refusals in prop::collection::vec(prop::bool::weighted(0.3), 0..60),
        order in prop::collection::vec(any::<u8>(), 1..16),
        cut_after in prop::collection::vec(1_usize..12, 0..4),
        weights in any::<bool>(),
    ) {
        let must_serve = must_serve(&standing, &wanted);
        let mut chaos = Chaos::new(weights, &standing, wanted, order);
        *chaos.refusals.borrow_mut() = refusals;
        let broken: Rc<RefCell<Option<String>>> = Rc::default();
        let seen = Rc::clone(&broken);
        chaos.rig.watch = Box::new(move |call, vpp| {
            for key in must_serve.iter().filter(|key| !vpp.serves(key)) {
                seen.borrow_mut().get_or_insert_with(|| format!("{key} is empty after {call}"));
            }
        });
        for calls in cut_after {
            chaos.run(Op::LinkUp);
            chaos.run(Op::Deliver(calls));
            chaos.run(Op::LinkDown);
        }
        chaos.run(Op::LinkUp);
        chaos.run(Op::Advance(100_000));
        chaos.settle();
        prop_assert_eq!(broken.borrow().clone(), None);
        prop_assert!(chaos.left_over().is_empty(), "{}", chaos.left_over());
    }

    #[test]
    fn an_incident_is_flushed_once_when_no_reply_is_lost_and_never_without_an_order(
        changes in prop::collection::vec((0_usize..3, 1_u8..4, 0_u8..4, any::<bool>(), 0_u64..200), 1..40),
        order in prop::collection::vec(any::<u8>(), 1..8),
        weights in any::<bool>(),
    ) {
        let keys = [1, 2, 3].map(|n| key(&format!("192.0.2.{n}"), 80));
        let wanted = desired(keys.map(|key| (key, vip([up(1, 100), up(2, 100), up(3, 100)]))));
        let mut chaos = Chaos::new(weights, &wanted, wanted.clone(), order);
        chaos.run(Op::LinkUp);
        let orders: Rc<RefCell<BTreeMap<(VipKey, IpAddr), u64>>> = Rc::default();
        let flushed: Rc<RefCell<Flushes>> = Rc::default();
        let (ordered, counted) = (Rc::clone(&orders), Rc::clone(&flushed));
        chaos.rig.watch = Box::new(move |call, _| {
            if let Call::AsSetWeight { key, address, flush: true, weight } = *call {
                let order = ordered.borrow().get(&(key, address)).copied();
                // An order that is gone may have its flush in flight, but none may leave after it.
                let incident = order.unwrap_or(u64::MAX);
                *counted.borrow_mut().entry((key, address, incident)).or_default() += 1;
                assert!(weight.is_zero(), "a flush at a weight");
            }
        });
        let mut incident = 0;
        for (vip, n, to, needs_server, wait) in changes {
            let key = keys[vip];
            let address = server(n);
            let target = if to == 0 {
                incident += 1;
                orders.borrow_mut().insert((key, address), incident);
                let order = FlushOrder { incident, first_verdict: false, needs_server };
                DesiredAs { weight: Weight::ZERO, cut: Cut::Urgent, flush: Some(order) }
            } else {
                orders.borrow_mut().remove(&(key, address));
                up(n, to * 30).1
            };
            let mut changed = chaos.wanted.vips[&key].clone();
            changed.targets.insert(address, target);
            chaos.wanted.vips.insert(key, changed.clone());
            chaos.rig.sync.update_vip(chaos.rig.now, key, changed);
            chaos.run(Op::Deliver(2));
            chaos.run(Op::Advance(wait));
        }
        chaos.settle();
        for ((key, address, incident), count) in flushed.borrow().iter() {
            prop_assert!(*incident != u64::MAX, "{key} {address} was flushed without an order");
            prop_assert_eq!(*count, 1, "{} {} incident {}", key, address, incident);
        }
        // Orders that stand were carried out, unless nobody could take the flows.
        for ((key, address), incident) in orders.borrow().iter() {
            let done = flushed.borrow().contains_key(&(*key, *address, *incident));
            prop_assert!(done || !chaos.rig.vpp.serves(key), "{} {} incident {}", key, address, incident);
        }
    }

    #[test]
    fn a_restart_over_any_state_that_is_right_sends_no_write(
        state in a_state(),
        min in 0_u64..3,
        max in 0_u64..40,
        weights in any::<bool>(),
    ) {
        let mut rig = Rig::new(FakeVpp::holding(&state, weights), secs(min), secs(max.max(min)));
        rig.sync.set_desired(rig.now, state);
        rig.up();
        rig.advance(secs(120));
        prop_assert_eq!(rig.vpp.writes(), vec![]);
    }

    #[test]
    fn before_the_min_delay_nothing_is_written_whatever_happens(
        standing in a_state(),
        wanted in a_state(),
        ops in prop::collection::vec(an_op(), 0..20),
        weights in any::<bool>(),
    ) {
        if standing.vips.is_empty() {
            // A VPP without VIPs at the first connect is another matter.
            return Ok(());
        }
        let mut chaos = Chaos::new(weights, &standing, wanted.clone(), vec![0]);
        chaos.rig.sync = crate::Reconciler::new(
            crate::Settings { startup_min_delay: secs(5), startup_max_delay: secs(30), ..crate::Settings::default() },
            chaos.rig.now,
        );
        chaos.rig.sync.set_desired(chaos.rig.now, wanted);
        let start = chaos.rig.now;
        chaos.run(Op::LinkUp);
        for op in ops {
            let op = if let Op::Advance(millis) = op { Op::Advance(millis / 20) } else { op };
            chaos.run(op);
            if chaos.rig.now - start >= secs(5) {
                break;
            }
            prop_assert_eq!(chaos.rig.vpp.writes(), vec![]);
        }
    }

    #[test]
    fn what_is_foreign_and_kept_is_never_touched(
        standing in a_state(),
        wanted in a_state(),
        ops in prop::collection::vec(an_op(), 0..30),
        weights in any::<bool>(),
    ) {
        let mut wanted = wanted;
        wanted.foreign = ForeignVips::Keep;
        let foreign: BTreeSet<VipKey> =
            standing.vips.keys().filter(|key| !wanted.vips.contains_key(key)).copied().collect();
        let mut chaos = Chaos::new(weights, &standing, wanted, vec![0]);
        chaos.run(Op::LinkUp);
        for op in ops {
            if !matches!(op, Op::Want(_) | Op::Restart { .. } | Op::Meddle { .. }) {
                chaos.run(op);
            }
        }
        chaos.settle();
        for call in chaos.rig.vpp.writes() {
            prop_assert!(call.vip().is_none_or(|key| !foreign.contains(key)), "{call}");
        }
    }
}
