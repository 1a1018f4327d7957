//! Whatever is wanted, what comes is what was foretold.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use proptest::prelude::*;

use crate::call::Call;
use crate::forecast::{Claim, Forecast, Outlook, VipForecast};
use crate::model::*;
use crate::plan::Stage;
use crate::reconciler::{RequestScope, SyncRequest};
use crate::table::{Table, TableSize};
use crate::testing::strategies::a_state;
use crate::testing::{FakeVpp, Rig, secs};

/// A desired state with orders to flush, and sometimes other sticky tables.
fn a_wanted_state() -> impl Strategy<Value = Desired> {
    let orders = prop::collection::vec(prop::option::of((any::<bool>(), any::<bool>())), 32);
    (a_state(), orders, prop::bool::weighted(0.2)).prop_map(|(mut state, orders, resize)| {
        let targets = state.vips.values_mut().flat_map(|vip| vip.targets.values_mut());
        for ((target, order), incident) in targets.zip(orders).zip(1000..) {
            let order = order.map(|(first_verdict, needs_server)| FlushOrder { incident, first_verdict, needs_server });
            target.flush = order.filter(|_| target.weight.is_zero());
        }
        if resize {
            state.conf.sticky_buckets = StickyBuckets::MAX;
        }
        state
    })
}

/// Something that is about to happen to a reconciler at rest.
#[derive(Clone, Debug)]
enum Change {
    /// A reload.
    Want(Desired),
    /// A server goes down, or is disabled.
    Down { vip: usize, server: usize, first_verdict: bool, needs_server: bool },
    /// A server comes up with this weight.
    Up { vip: usize, server: usize, weight: u8 },
    /// An operator asks for a sync that may re-create.
    Recreate,
}

fn a_change() -> impl Strategy<Value = Change> {
    let weight = prop::sample::select(vec![0_u8, 30, 100]);
    prop_oneof![
        2 => a_wanted_state().prop_map(Change::Want),
        4 => (0_usize..8, 0_usize..8, any::<bool>(), any::<bool>()).prop_map(
            |(vip, server, first_verdict, needs_server)| Change::Down { vip, server, first_verdict, needs_server }
        ),
        3 => (0_usize..8, 0_usize..8, weight).prop_map(|(vip, server, weight)| Change::Up { vip, server, weight }),
        1 => Just(Change::Recreate),
    ]
}

/// The desired state in which the server that these numbers choose is so.
fn with_target(desired: &Desired, vip: usize, server: usize, target: DesiredAs) -> Desired {
    let mut desired = desired.clone();
    let count = desired.vips.len().max(1);
    let chosen = desired.vips.values_mut().nth(vip % count);
    let mut targets: Vec<&mut DesiredAs> = chosen.into_iter().flat_map(|vip| vip.targets.values_mut()).collect();
    let count = targets.len().max(1);
    if let Some(slot) = targets.get_mut(server % count) {
        **slot = target;
    }
    desired
}

/// What VPP can be asked: without what only the model knows.
fn told(mut actual: Actual) -> Actual {
    for vip in actual.vips.values_mut() {
        vip.pool_index = None;
        vip.lingering.clear();
        vip.ases.retain(|_, server| actual.abilities.weights || server.weight > 0);
        vip.ases.values_mut().for_each(|server| server.never_raised = false);
    }
    actual
}

/// The servers' calls, in order by VIP; under no VIP the settings.
fn by_vip<'a>(calls: impl Iterator<Item = &'a Call>) -> BTreeMap<Option<VipKey>, Vec<String>> {
    let mut of: BTreeMap<_, Vec<String>> = BTreeMap::new();
    calls.for_each(|call| of.entry(call.vip().copied()).or_default().push(call.to_string()));
    of
}

fn foretold(forecast: &Forecast) -> BTreeMap<Option<VipKey>, Vec<String>> {
    let settings: Vec<Call> = forecast.settings().iter().map(|update| Call::Conf(*update)).collect();
    by_vip(settings.iter().chain(forecast.vips().values().flat_map(|vip| &vip.steps).map(|step| &step.call)))
}

/// The server of each bucket, by VPP's own list; a table of one empty bucket for a VIP that is not there.
fn owners(actual: &Actual, key: &VipKey) -> Vec<Option<IpAddr>> {
    let Some(vip) = actual.vips.get(key) else { return vec![None] };
    let servers: Vec<(IpAddr, u8)> = vip.ases.iter().map(|(address, server)| (*address, server.weight)).collect();
    let size = vip.table_length.known().and_then(TableSize::new).expect("VPP knows its tables");
    Table::build(size, &servers).iter().map(|owner| owner.map(|at| servers[at].0)).collect()
}

/// Compares what is said of a VIP with the whole tables before and after.
fn check_buckets(key: &VipKey, vip: &VipForecast, before: &Actual, after: &Actual) -> Result<(), TestCaseError> {
    let (old, new) = (owners(before, key), owners(after, key));
    for (address, server) in &vip.ases {
        for (claim, actual, owners) in [(server.before, before, &old), (server.after, after, &new)] {
            let count = owners.iter().filter(|owner| **owner == Some(*address)).count() as u32;
            let weight = actual.vips.get(key).and_then(|vip| Some(vip.ases.get(address)?.weight));
            let there = weight.map(|weight| Claim { weight, buckets: Some(count) });
            prop_assert_eq!(claim, there, "{} {}", key, address);
        }
    }
    let of = old.len().max(new.len());
    let moved = (0..of).filter(|bucket| old[bucket % old.len()] != new[bucket % new.len()]).count();
    prop_assert_eq!(vip.moved.map(|moved| (moved.buckets as usize, moved.of as usize)), Some((moved, of)));
    Ok(())
}

proptest! {
    #[test]
    fn a_plan_carried_out_leaves_what_was_foretold(
        standing in a_state(),
        wanted in a_wanted_state(),
        ours in any::<bool>(),
        recreate in any::<bool>(),
        weights in any::<bool>(),
    ) {
        let mut vpp = FakeVpp::holding(&standing, weights);
        let before = vpp.read_for(&wanted);
        let ours: Vec<VipKey> = if ours { standing.vips.keys().copied().collect() } else { Vec::new() };
        let outlook = Outlook::new(wanted.clone(), before.clone()).with_ours(ours);
        let forecast = outlook.forecast(recreate);
        // Units order their VIPs among each other; flushes come after everything.
        let steps = forecast.vips().values().flat_map(|vip| &vip.steps);
        let flushes = steps.filter(|step| step.stage == Stage::Flush);
        for step in forecast.plan().steps().chain(flushes) {
            prop_assert!(vpp.execute(&step.call).is_ok(), "{}", step);
        }
        forecast.settings().iter().for_each(|update| vpp.quietly(Call::Conf(*update)));

        let after = vpp.read_for(&wanted);
        prop_assert_eq!(told(after.clone()), told(forecast.after().clone()));
        for (key, vip) in forecast.vips() {
            check_buckets(key, vip, &before, &after)?;
        }
        for key in forecast.unchanged() {
            prop_assert_eq!(before.vips.get(key), after.vips.get(key), "{} is called unchanged", key);
        }
        let servers = forecast.vips().iter().flat_map(|(key, vip)| vip.ases.iter().map(move |server| (*key, server)));
        let flushed: Vec<(VipKey, IpAddr)> =
            servers.filter(|(_, (_, server))| server.flush).map(|(key, (address, _))| (key, *address)).collect();
        vpp.flushes.sort();
        prop_assert_eq!(flushed, vpp.flushes);
        prop_assert!(forecast.then().forecast(recreate).is_empty());
    }

    #[test]
    fn a_reconciler_sends_what_was_foretold_and_nothing_else(
        standing in a_state(),
        foreign in prop::collection::vec(any::<bool>(), 8),
        changes in prop::collection::vec(a_change(), 1..8),
        weights in any::<bool>(),
    ) {
        // Some of what stands is ours, and VPP was read whole.
        let mut rig = Rig::warm(FakeVpp::holding(&standing, weights));
        let mut wanted = Desired { foreign: ForeignVips::Keep, ..standing };
        let foreign: BTreeSet<VipKey> =
            wanted.vips.keys().zip(foreign).filter(|(_, foreign)| *foreign).map(|(key, _)| *key).collect();
        wanted.vips.retain(|key, _| !foreign.contains(key));
        rig.want(wanted.clone());
        rig.up();
        rig.advance(secs(1));
        prop_assert_eq!(rig.take_writes(), Vec::<String>::new());

        for (change, incident) in changes.into_iter().zip(1..) {
            let mut recreate = false;
            wanted = match change {
                Change::Want(state) => state,
                Change::Down { vip, server, first_verdict, needs_server } => {
                    let flush = Some(FlushOrder { incident, first_verdict, needs_server });
                    with_target(&wanted, vip, server, DesiredAs { weight: Weight::ZERO, cut: Cut::Urgent, flush })
                }
                Change::Up { vip, server, weight } => {
                    let weight = Weight::new(weight).expect("a weight");
                    with_target(&wanted, vip, server, DesiredAs { weight, cut: Cut::Serving, flush: None })
                }
                Change::Recreate => {
                    recreate = true;
                    wanted
                }
            };
            let before = rig.vpp.read_for(rig.sync.desired().expect("it was given"));
            let outlook = rig.sync.outlook().expect("both states are known").with_desired(wanted.clone());
            let forecast = outlook.forecast(recreate);

            let same_vips = rig.sync.desired().is_some_and(|now| now.vips.keys().eq(wanted.vips.keys()));
            if same_vips && incident % 2 == 0 {
                // As a verdict would.
                wanted.vips.iter().for_each(|(key, vip)| rig.sync.update_vip(rig.now, *key, vip.clone()));
            }
            rig.want(wanted.clone());
            // Foreign VIPs go with a full pass.
            rig.request(SyncRequest { scope: RequestScope::All, recreate });
            rig.advance(secs(1));

            prop_assert_eq!(by_vip(rig.vpp.writes().iter()), foretold(&forecast));
            let after = rig.vpp.read_for(&wanted);
            prop_assert_eq!(told(after.clone()), told(forecast.after().clone()));
            for (key, vip) in forecast.vips() {
                check_buckets(key, vip, &before, &after)?;
            }
            prop_assert!(rig.sync.outlook().expect("both states are known").forecast(recreate).is_empty());
            rig.vpp.log.clear();
        }
        // Nothing comes afterwards.
        rig.advance(secs(60));
        prop_assert_eq!(rig.take_writes(), Vec::<String>::new());
    }
}
