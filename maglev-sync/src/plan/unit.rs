//! The smallest part of a plan: a VIP, or the VIPs of one address that exclude each other in VPP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Stage, Step};
use crate::call::Call;
use crate::model::{Abilities, ActualEncap, ActualVip, Cut, DesiredVip, Encap, Protocol, VipKey, Weight};

/// Both states, and what may be done about their difference.
pub(crate) struct View<'a> {
    pub(crate) desired: &'a BTreeMap<VipKey, DesiredVip>,
    pub(crate) actual: &'a BTreeMap<VipKey, ActualVip>,
    pub(crate) permit: &'a dyn Permit,
    pub(crate) abilities: Abilities,
}

/// What may be done to a VIP.
pub(crate) trait Permit {
    /// Whether a VIP of the desired state may be written.
    fn may_write(&self, key: &VipKey) -> bool;
    /// Whether a VIP that is not in the desired state may go.
    fn may_remove(&self, key: &VipKey) -> bool;
    /// Whether a VIP may be re-created for another table length.
    fn may_resize(&self, key: &VipKey) -> bool;
}

/// What is to become of a VIP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Intent {
    /// Nothing: it is not ours to touch, or not yet.
    Leave,
    /// It stands and stays; its servers may change.
    Keep,
    /// It is missing.
    Create,
    /// It stands in a form that cannot be changed.
    Recreate,
    /// It goes.
    Remove,
}

/// Steps that depend on each other, and on no other unit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Unit {
    /// Its VIPs, in order.
    pub(crate) keys: Vec<VipKey>,
    /// Its steps; a stage begins when every call of the one before succeeded. None is empty.
    pub(crate) stages: Vec<Vec<Step>>,
}

impl Unit {
    pub(crate) fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }

    fn of(key: &VipKey, stages: impl IntoIterator<Item = Vec<Step>>) -> Self {
        Self { keys: vec![*key], stages: stages.into_iter().filter(|stage| !stage.is_empty()).collect() }
    }
}

impl View<'_> {
    /// What is to become of this VIP by itself.
    pub(crate) fn intent(&self, key: &VipKey) -> Intent {
        match (self.desired.get(key), self.actual.get(key)) {
            (Some(_), _) if !self.permit.may_write(key) => Intent::Leave,
            (Some(wanted), _) if !self.can_hold(wanted) => Intent::Leave,
            (Some(_), None) => Intent::Create,
            (Some(wanted), Some(vip)) => {
                let another_form = vip.encap != ActualEncap::Gre(wanted.encap)
                    || vip.src_ip_sticky.is_some_and(|sticky| sticky != wanted.src_ip_sticky);
                let another_size = !vip.table_length.agrees_with(wanted.table_length) && self.permit.may_resize(key);
                if another_form || another_size { Intent::Recreate } else { Intent::Keep }
            }
            (None, Some(_)) if self.permit.may_remove(key) => Intent::Remove,
            (None, _) => Intent::Leave,
        }
    }

    /// Whether VPP can hold such a VIP at all.
    pub(crate) fn can_hold(&self, wanted: &DesiredVip) -> bool {
        self.abilities.src_ip_sticky || !wanted.src_ip_sticky
    }

    /// The unit that this VIP belongs to, or the VIP that stays in its way.
    pub(crate) fn unit(&self, key: &VipKey) -> Result<Unit, VipKey> {
        let intent = self.intent(key);
        if matches!(intent, Intent::Leave | Intent::Keep) {
            return Ok(self.alone(key, intent));
        }
        let exchange = self.exchange(key.prefix());
        if exchange.contains(key) {
            // Nothing is deleted unless everything can be added.
            return match exchange.iter().find_map(|member| self.obstacle(member)) {
                Some(by) => Err(by),
                None => Ok(self.together(exchange)),
            };
        }
        match self.obstacle(key) {
            Some(by) => Err(by),
            None => Ok(self.alone(key, intent)),
        }
    }

    /// Whether a server that does not serve still has a weight.
    pub(crate) fn has_urgent_cut(&self, key: &VipKey) -> bool {
        let (Some(wanted), Some(vip)) = (self.desired.get(key), self.actual.get(key)) else { return false };
        wanted.targets.iter().any(|(address, target)| {
            target.cut == Cut::Urgent
                && target.weight.is_zero()
                && vip.ases.get(address).is_some_and(|server| server.weight > 0)
        })
    }

    /// VIPs of one address that must change places: something is created that VPP cannot hold beside something that goes.
    fn exchange(&self, prefix: IpNet) -> BTreeSet<VipKey> {
        let mut members = BTreeSet::new();
        for (created, encap) in self.created_on(prefix) {
            for (other, vip) in on_prefix(self.actual, prefix) {
                let goes = matches!(self.intent(other), Intent::Remove | Intent::Recreate);
                if goes && excludes(created, encap, other, vip.encap) {
                    members.extend([*created, *other]);
                }
            }
        }
        members
    }

    /// A VIP that stays although VPP cannot hold this one beside it.
    fn obstacle(&self, key: &VipKey) -> Option<VipKey> {
        let (created, encap) = self.created_on(key.prefix()).find(|(created, _)| *created == key)?;
        on_prefix(self.actual, key.prefix())
            .find(|(other, vip)| {
                let stays = matches!(self.intent(other), Intent::Leave | Intent::Keep);
                stays && excludes(created, encap, other, vip.encap)
            })
            .map(|(other, _)| *other)
    }

    fn created_on(&self, prefix: IpNet) -> impl Iterator<Item = (&VipKey, Encap)> {
        on_prefix(self.desired, prefix)
            .filter(|(key, _)| matches!(self.intent(key), Intent::Create | Intent::Recreate))
            .map(|(key, wanted)| (key, wanted.encap))
    }

    fn alone(&self, key: &VipKey, intent: Intent) -> Unit {
        let (wanted, vip) = (self.desired.get(key), self.actual.get(key));
        match (intent, wanted, vip) {
            (Intent::Keep, Some(wanted), Some(vip)) => Unit::of(key, self.agree(key, wanted, vip)),
            (Intent::Create, Some(wanted), _) => Unit::of(key, [self.create(key, wanted)]),
            (Intent::Recreate, Some(wanted), Some(vip)) => {
                let mut steps = remove_servers(key, vip, Stage::Create);
                steps.push(step(key, Stage::Create, Call::VipDel(*key), None));
                steps.extend(self.create(key, wanted));
                Unit::of(key, [steps])
            }
            (Intent::Remove, _, Some(vip)) => Unit::of(
                key,
                [remove_servers(key, vip, Stage::Remove), vec![step(key, Stage::Remove, Call::VipDel(*key), None)]],
            ),
            _ => Unit::of(key, []),
        }
    }

    /// All deletions, then all additions.
    fn together(&self, members: BTreeSet<VipKey>) -> Unit {
        let mut steps = Vec::new();
        for key in &members {
            if let Some(vip) = self.actual.get(key) {
                steps.extend(remove_servers(key, vip, Stage::Create));
                steps.push(step(key, Stage::Create, Call::VipDel(*key), None));
            }
        }
        for key in &members {
            if let Some(wanted) = self.desired.get(key) {
                steps.extend(self.create(key, wanted));
            }
        }
        Unit { keys: members.into_iter().collect(), stages: vec![steps] }
    }

    /// The stages that bring the servers of a standing VIP to their desired state.
    fn agree(&self, key: &VipKey, wanted: &DesiredVip, vip: &ActualVip) -> [Vec<Step>; 3] {
        let mut cuts = Vec::new();
        let mut grows = Vec::new();
        let mut shrinks = Vec::new();

        let addresses: BTreeSet<&IpAddr> = wanted.targets.keys().chain(vip.ases.keys()).collect();
        for &address in addresses {
            let before = vip.ases.get(&address).map(|server| server.weight);
            let Some(target) = wanted.targets.get(&address) else {
                // It left the desired state: its flows drain.
                let call = Call::AsDel { key: *key, address, flush: false };
                shrinks.push(step(key, Stage::Shrink, call, before));
                continue;
            };
            let weight = self.abilities.weight(target.weight);
            let set = Call::AsSetWeight { key: *key, address, weight, flush: false };
            match before {
                None => grows.push(step(key, Stage::Grow, Call::AsAdd { key: *key, address, weight }, None)),
                Some(now) if now < weight.get() => grows.push(step(key, Stage::Grow, set, before)),
                Some(now) if now > weight.get() => {
                    if target.cut == Cut::Urgent && weight.is_zero() {
                        cuts.push(step(key, Stage::UrgentCut, set, before));
                    } else {
                        shrinks.push(step(key, Stage::Shrink, set, before));
                    }
                }
                Some(_) => {}
            }
        }

        // The cuts never wait for an answer, but they need not leave the VIP empty either: VPP carries calls out in order.
        let cut: BTreeSet<IpAddr> = cuts.iter().filter_map(target_of).map(|(address, _)| address).collect();
        let still_serves = vip.ases.iter().any(|(address, server)| server.weight > 0 && !cut.contains(address));
        if !cuts.is_empty() && !still_serves {
            let successor = grows.iter().position(|step| target_of(step).is_some_and(|(_, weight)| !weight.is_zero()));
            if let Some(at) = successor {
                let mut successor = grows.remove(at);
                successor.stage = Stage::UrgentCut;
                cuts.insert(0, successor);
            }
        }
        [cuts, grows, shrinks]
    }

    fn create(&self, key: &VipKey, wanted: &DesiredVip) -> Vec<Step> {
        let add = Call::VipAdd {
            key: *key,
            encap: wanted.encap,
            table_length: wanted.table_length,
            src_ip_sticky: wanted.src_ip_sticky,
        };
        let servers = wanted.targets.iter().map(|(&address, target)| Call::AsAdd {
            key: *key,
            address,
            weight: self.abilities.weight(target.weight),
        });
        [add].into_iter().chain(servers).map(|call| step(key, Stage::Create, call, None)).collect()
    }
}

fn remove_servers(key: &VipKey, vip: &ActualVip, stage: Stage) -> Vec<Step> {
    let delete = |(&address, server): (&IpAddr, &crate::model::ActualAs)| {
        step(key, stage, Call::AsDel { key: *key, address, flush: true }, Some(server.weight))
    };
    vip.ases.iter().map(delete).collect()
}

fn step(key: &VipKey, stage: Stage, call: Call, before: Option<u8>) -> Step {
    Step { key: *key, call, stage, before }
}

fn target_of(step: &Step) -> Option<(IpAddr, Weight)> {
    match step.call {
        Call::AsAdd { address, weight, .. } | Call::AsSetWeight { address, weight, .. } => Some((address, weight)),
        _ => None,
    }
}

/// Whether VPP refuses to create the first VIP while the second one of the same prefix stands.
fn excludes(key: &VipKey, encap: Encap, other: &VipKey, other_encap: ActualEncap) -> bool {
    // VPP src/plugins/lb/lb.c, lb_vip_add: -81 for a per-port VIP beside an all-port one, -73 for another encapsulation.
    key != other && (key.is_all_port() != other.is_all_port() || other_encap != ActualEncap::Gre(encap))
}

/// The VIPs of one prefix.
pub(crate) fn on_prefix<T>(vips: &BTreeMap<VipKey, T>, prefix: IpNet) -> impl Iterator<Item = (&VipKey, &T)> {
    vips.range(prefix_range(prefix))
}

/// All keys of one prefix.
pub(crate) fn prefix_range(prefix: IpNet) -> std::ops::RangeInclusive<VipKey> {
    VipKey::lowest(prefix)..=VipKey::new(prefix, Protocol::ANY, u16::MAX)
}
