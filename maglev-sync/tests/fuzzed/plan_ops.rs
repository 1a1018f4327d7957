//! Any two states, and the plan from one to the other carried out.
//!
//! Input: a byte of scope, two bytes that say which VIPs are ours, what VPP holds, what it should hold.

use std::collections::{BTreeMap, BTreeSet};

use maglev_sync::{ActualEncap, Call, Desired, DesiredAs, ForeignVips, Note, Plan, Scope, Stage, Step, VipKey};

use super::states::{byte, desired, key, vpp};
use super::vpp::Vpp;

/// Checks that the plan can be carried out, keeps serving, leaves alone what is not its business, and is enough. Returns
/// the number of its steps.
pub(crate) fn check(mut data: &[u8]) -> usize {
    let data = &mut data;
    let (bits, ours) = (byte(data), u16::from_le_bytes([byte(data), byte(data)]));
    let scope = Scope {
        ours: (0..16).filter(|number| ours >> number & 1 == 1).map(key).collect(),
        prune: bits & 1 == 0,
        recreate: bits & 2 != 0,
    };
    let whole = bits & 4 == 0;
    let before = vpp(data);
    let desired = desired(data);
    let plan = Plan::new(&desired, &before.read_for(&desired, whole), &scope);
    let _ = plan.to_string();

    let mut after = before.clone();
    carry_out(&plan, plan.steps(), &mut after, &desired);
    // Units run side by side, their cuts first.
    let mut side_by_side: Vec<&Step> = plan.steps().collect();
    side_by_side.sort_by_key(|step| step.stage);
    let mut other = before.clone();
    carry_out(&plan, side_by_side.into_iter(), &mut other, &desired);
    assert_eq!(after.actual(true), other.actual(true));

    is_as_desired(&plan, &after, &desired, whole, &scope);
    leaves_others_alone(&plan, &before, &after, &desired, &scope);
    flushes_with_the_vip_alone(&plan);
    let second = Plan::new(&desired, &after.read_for(&desired, whole), &scope);
    if after.vips.is_empty() && !plan.notes().is_empty() {
        // The last VIP went with this plan: from now on another number of sticky buckets costs nobody anything.
        assert_eq!((second.conf().is_some(), second.steps().count(), second.notes().len()), (true, 0, 0));
    } else {
        assert!(second.is_empty(), "{second}after\n{plan}");
        assert_eq!(second.notes(), plan.notes());
    }
    plan.steps().count()
}

/// Carries out the steps, none of which VPP refuses, and looks after what serves.
fn carry_out<'a>(plan: &Plan, steps: impl Iterator<Item = &'a Step>, vpp: &mut Vpp, desired: &Desired) {
    let rebuilt: BTreeSet<VipKey> =
        plan.steps().filter(|step| is_of_the_vip(step.stage)).map(|step| step.key).collect();
    let will_serve = desired.vips.iter().filter(|(_, vip)| vip.targets.values().any(|target| !target.weight.is_zero()));
    let must_serve: Vec<VipKey> =
        will_serve.map(|(key, _)| *key).filter(|key| vpp.serves(key) && !rebuilt.contains(key)).collect();
    if let Some(conf) = plan.conf() {
        assert_eq!(vpp.write(&Call::Conf(*conf)), Ok(()));
    }
    for step in steps {
        assert_eq!(vpp.write(&step.call), Ok(()), "{step} of\n{plan}");
        for key in &must_serve {
            assert!(vpp.serves(key), "{key} is empty after {step} of\n{plan}");
        }
    }
}

fn is_as_desired(plan: &Plan, vpp: &Vpp, desired: &Desired, whole: bool, scope: &Scope) {
    for (key, wanted) in &desired.vips {
        if plan.notes().iter().any(|note| matches!(note, Note::InTheWay { key: other, .. } if other == key)) {
            continue;
        }
        let vip = &vpp.vips[key];
        assert_eq!(vip.encap, ActualEncap::Gre(wanted.encap), "{key}");
        assert!(vip.sticky == wanted.src_ip_sticky || !whole, "{key}");
        let weight = |target: &DesiredAs| vpp.abilities.weight(target.weight);
        let weights = wanted.targets.iter().map(|(&address, target)| (address, weight(target)));
        // Without weights a server at weight 0 is not in use.
        let weights = weights.filter(|(_, weight)| vpp.abilities.weights || !weight.is_zero());
        let weights = weights.map(|(address, weight)| (address, weight.get()));
        assert_eq!(vip.ases, weights.collect::<BTreeMap<_, _>>(), "{key}");
        let length = if whole { vip.length } else { vip.length & 0xffff };
        let wanted_length = if whole { wanted.table_length.get() } else { wanted.table_length.get() & 0xffff };
        let noted =
            plan.notes().iter().any(|note| matches!(note, Note::TableLength { key: other, .. } if other == key));
        assert!(length == wanted_length || (noted && !scope.recreate), "{key}");
    }
    let conf = &desired.conf;
    assert_eq!((vpp.conf.ip4_src, vpp.conf.ip6_src), (conf.ip4_src, conf.ip6_src));
    assert_eq!(vpp.conf.flow_timeout, Some(conf.flow_timeout.as_secs()));
    let noted = plan.notes().iter().any(|note| matches!(note, Note::StickyBuckets { .. }));
    assert_eq!(vpp.conf.sticky_buckets_per_core != Some(conf.sticky_buckets.get()), noted);
}

/// A VIP that is not desired stays as it is, unless it may go.
fn leaves_others_alone(plan: &Plan, before: &Vpp, after: &Vpp, desired: &Desired, scope: &Scope) {
    let (old, new) = (before.actual(true), after.actual(true));
    for (key, vip) in old.vips.iter().filter(|(key, _)| !desired.vips.contains_key(key)) {
        let may_go = scope.prune && (desired.foreign == ForeignVips::Remove || scope.ours.contains(key));
        // Nothing goes to make room for what cannot come.
        let in_vain = plan
            .notes()
            .iter()
            .any(|note| matches!(note, Note::InTheWay { key: other, .. } if other.prefix() == key.prefix()));
        match new.vips.get(key) {
            Some(left) => assert!(left == vip && (!may_go || in_vain), "{key}"),
            None => assert!(may_go, "{key}"),
        }
    }
    assert!(new.vips.keys().all(|key| old.vips.contains_key(key) || desired.vips.contains_key(key)));
}

fn flushes_with_the_vip_alone(plan: &Plan) {
    for step in plan.steps() {
        let leaves = matches!(step.call, Call::AsDel { .. });
        assert_eq!(step.call.is_flush(), leaves && is_of_the_vip(step.stage), "{step}");
    }
}

fn is_of_the_vip(stage: Stage) -> bool {
    matches!(stage, Stage::Create | Stage::Remove)
}
