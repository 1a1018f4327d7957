//! Plans over random states, carried out on a small VPP step by step.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::call::Call;
use crate::model::{Actual, Cut, Desired, VipKey};
use crate::plan::{Plan, Scope, Stage};
use crate::testing::FakeVpp;
use crate::testing::strategies::a_state;

fn scope() -> Scope {
    Scope { prune: true, ..Scope::default() }
}

/// VIPs that serve before and are to serve afterwards, and need not be re-created or removed.
fn must_serve(plan: &Plan, vpp: &FakeVpp, wanted: &Desired) -> BTreeSet<VipKey> {
    let rebuilt: BTreeSet<VipKey> =
        plan.steps().filter(|step| matches!(step.stage, Stage::Create | Stage::Remove)).map(|step| step.key).collect();
    let will_serve = |key: &VipKey| wanted.vips[key].targets.values().any(|target| !target.weight.is_zero());
    wanted.vips.keys().filter(|key| vpp.serves(key) && will_serve(key) && !rebuilt.contains(key)).copied().collect()
}

/// Whether every server that still has a weight is one that does not serve: nobody loses anything by its cut.
fn only_dead_servers_served(before: &Actual, wanted: &Desired, key: &VipKey) -> bool {
    before.vips[key].ases.iter().filter(|(_, server)| server.weight > 0).all(|(address, _)| {
        let target = wanted.vips[key].targets.get(address);
        target.is_some_and(|target| target.weight.is_zero() && target.cut == Cut::Urgent)
    })
}

proptest! {
    #[test]
    fn a_second_plan_finds_nothing_to_do(standing in a_state(), wanted in a_state(), weights in any::<bool>()) {
        let mut vpp = FakeVpp::holding(&standing, weights);
        let plan = Plan::new(&wanted, &vpp.read_for(&wanted), &scope());
        let blocked: BTreeSet<VipKey> = plan.notes().iter().filter_map(|note| match note {
            crate::plan::Note::InTheWay { key, .. } => Some(*key),
            _ => None,
        }).collect();
        if let Some(conf) = plan.conf() {
            vpp.quietly(Call::Conf(*conf));
        }
        for step in plan.steps() {
            prop_assert!(vpp.execute(&step.call).is_ok(), "{step} of\n{plan}");
        }
        let second = Plan::new(&wanted, &vpp.read_for(&wanted), &scope());
        prop_assert!(second.is_empty(), "{}\nafter\n{}", second, plan);
        for (key, vip) in wanted.vips.iter().filter(|(key, _)| !blocked.contains(key)) {
            for (address, target) in &vip.targets {
                let weight = vpp.abilities.weight(target.weight).get();
                // Without weights a server at weight 0 is not in use.
                let expected = (weights || weight > 0).then_some(weight);
                prop_assert_eq!(vpp.weight(key, *address), expected, "{} {}", key, address);
            }
        }
    }

    #[test]
    fn equal_states_are_silent(state in a_state(), weights in any::<bool>()) {
        let plan = Plan::new(&state, &FakeVpp::holding(&state, weights).read_for(&state), &scope());
        prop_assert!(plan.is_empty(), "{}", plan);
    }

    #[test]
    fn a_plan_without_refusals_leaves_no_serving_vip_empty(standing in a_state(), wanted in a_state(), weights in any::<bool>()) {
        let mut vpp = FakeVpp::holding(&standing, weights);
        let plan = Plan::new(&wanted, &vpp.read_for(&wanted), &scope());
        let must_serve = must_serve(&plan, &vpp, &wanted);
        for step in plan.steps() {
            vpp.execute(&step.call).expect("the plan holds");
            for key in &must_serve {
                prop_assert!(vpp.serves(key), "{} is empty after {} of\n{}", key, step, plan);
            }
        }
    }

    #[test]
    fn not_even_when_calls_are_refused(
        standing in a_state(),
        wanted in a_state(),
        refused in prop::collection::vec(prop::bool::weighted(0.25), 64),
        weights in any::<bool>(),
    ) {
        let mut vpp = FakeVpp::holding(&standing, weights);
        let before = vpp.read_for(&wanted);
        let plan = Plan::new(&wanted, &before, &scope());
        let must_serve: BTreeSet<VipKey> = must_serve(&plan, &vpp, &wanted)
            .into_iter()
            .filter(|key| !only_dead_servers_served(&before, &wanted, key))
            .collect();
        let mut refused = refused.into_iter().cycle();
        for unit in plan.units.iter() {
            'unit: for stage in &unit.stages {
                let mut failed = false;
                for step in stage {
                    // Steps of one stage are in flight together: a refusal stops none of them.
                    if refused.next().unwrap_or(false) {
                        failed = true;
                    } else {
                        failed |= vpp.execute(&step.call).is_err();
                    }
                    for key in &must_serve {
                        prop_assert!(vpp.serves(key), "{} is empty after {} of\n{}", key, step, plan);
                    }
                }
                if failed {
                    break 'unit;
                }
            }
        }
    }

    #[test]
    fn flows_are_evicted_only_with_their_vip(standing in a_state(), wanted in a_state(), weights in any::<bool>()) {
        let mut vpp = FakeVpp::holding(&standing, weights);
        let plan = Plan::new(&wanted, &vpp.read_for(&wanted), &scope());
        for step in plan.steps() {
            prop_assert_eq!(
                step.call.is_flush(),
                matches!(step.stage, Stage::Create | Stage::Remove) && matches!(step.call, Call::AsDel { .. })
            );
            vpp.execute(&step.call).expect("the plan holds");
        }
        let mut once = BTreeSet::new();
        prop_assert!(vpp.flushes.iter().all(|flush| once.insert(*flush)), "{:?}", vpp.flushes);
    }

    #[test]
    fn the_order_in_which_vpp_lists_things_does_not_matter(
        standing in a_state(),
        wanted in a_state(),
        turn in 0_usize..8,
        weights in any::<bool>(),
    ) {
        let vpp = FakeVpp::holding(&standing, weights);
        let actual = vpp.read_for(&wanted);
        let mut turned = Desired { vips: Default::default(), ..standing.clone() };
        let mut keys: Vec<VipKey> = standing.vips.keys().copied().collect();
        let by = turn % keys.len().max(1);
        keys.rotate_left(by);
        let mut other = FakeVpp::holding(&turned, weights);
        for key in keys {
            let vip = standing.vips[&key].clone();
            other.put(key, &vip);
            turned.vips.insert(key, vip);
        }
        let mut other = other.read_for(&wanted);
        for (key, vip) in &mut other.vips {
            vip.pool_index = actual.vips[key].pool_index;
        }
        prop_assert_eq!(
            Plan::new(&wanted, &actual, &scope()).to_string(),
            Plan::new(&wanted, &other, &scope()).to_string()
        );
    }
}
