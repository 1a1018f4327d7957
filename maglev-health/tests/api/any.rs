//! Any configuration, any VPP and any operation, out of few names, so that two of them have much in common.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use maglev_health::{BackendSpec, Check, CheckSpec, FrontendSpec, MemberSpec, Outcome, PoolSpec, Spec, Weight};
use proptest::prelude::*;

use crate::rig::Vpp;

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Verdict(usize, Outcome),
    Wait(u64),
    Act(usize, Action),
    SetWeight(usize, usize, usize, Option<Weight>),
    Reload(Config),
    Sync,
    VppRestart,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Pause,
    Resume,
    Disable,
    Enable,
    Clear,
}

pub(crate) fn any_op() -> impl Strategy<Value = Op> {
    let outcome =
        prop::sample::select(vec![Outcome::Pass, Outcome::Pass, Outcome::Fail, Outcome::Fail, Outcome::NoVerdict]);
    let action =
        prop::sample::select(vec![Action::Pause, Action::Resume, Action::Disable, Action::Enable, Action::Clear]);
    prop_oneof![
        12 => (0..BACKENDS, outcome).prop_map(|(index, outcome)| Op::Verdict(index, outcome)),
        1 => (0..5000u64).prop_map(Op::Wait),
        3 => (0..BACKENDS, action).prop_map(|(index, action)| Op::Act(index, action)),
        2 => (0..FRONTENDS, 0..POOLS, 0..BACKENDS, prop::option::of(any_weight()))
            .prop_map(|(frontend, pool, backend, weight)| Op::SetWeight(frontend, pool, backend, weight)),
        2 => any_config().prop_map(Op::Reload),
        4 => Just(Op::Sync),
        1 => Just(Op::VppRestart),
    ]
}

/// A configuration of few names, so that two of them have much in common.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// By number: is it there, its check (`None` for static), is it enabled.
    backends: Vec<(bool, Option<u8>, bool)>,
    /// A permutation: which address each has.
    addresses: Vec<u8>,
    /// By number: is it there, does it flush, its pools of `(backend, weight)`.
    frontends: Vec<(bool, bool, Vec<Pool>)>,
    /// A permutation: which VIP each has.
    vips: Vec<usize>,
}

impl Config {
    pub(crate) fn spec(&self, reversed: bool) -> Spec {
        let there = |index: usize| self.backends[index].0;
        let backends = (0..BACKENDS)
            .filter(|&index| there(index))
            .map(|index| BackendSpec {
                name: backend_name(index).into(),
                address: address(self.addresses[index]),
                check: self.backends[index]
                    .1
                    .map(|check| CheckSpec { timing: Check::default(), identity: check.to_string().into() }),
                enabled: self.backends[index].2,
            })
            .collect();
        let mut frontends: Vec<FrontendSpec> = self
            .frontends
            .iter()
            .enumerate()
            .map(|(index, (_, flush_on_down, pools))| FrontendSpec {
                name: frontend_name(index).into(),
                vip: vip_name(self.vips[index]).into(),
                flush_on_down: *flush_on_down,
                pools: pools
                    .iter()
                    .enumerate()
                    .map(|(index, members)| PoolSpec {
                        name: pool_name(index).into(),
                        members: members
                            .iter()
                            .filter(|&(&backend, _)| there(backend))
                            .map(|(&backend, &weight)| MemberSpec { backend: backend_name(backend).into(), weight })
                            .collect(),
                    })
                    .filter(|pool| !pool.members.is_empty())
                    .collect(),
            })
            .zip(&self.frontends)
            .filter(|(spec, (there, ..))| *there && !spec.pools.is_empty())
            .map(|(spec, _)| spec)
            .collect();
        if reversed {
            frontends.reverse();
        }
        Spec::new(backends, frontends).unwrap()
    }
}

/// Weights by backend number.
type Pool = BTreeMap<usize, Weight>;

pub(crate) fn any_config() -> impl Strategy<Value = Config> {
    let often = || prop::bool::weighted(0.85);
    let check = prop::option::weighted(0.85, 0..2u8);
    let backends = prop::collection::vec((often(), check, often()), BACKENDS);
    // Mostly at home, so that a reload changes the address of few.
    let addresses = prop_oneof![
        3 => Just((0..ADDRESSES).collect::<Vec<u8>>()),
        1 => Just((0..ADDRESSES).collect::<Vec<u8>>()).prop_shuffle(),
    ];
    let pool = prop::collection::btree_map(0..BACKENDS, any_weight(), 1..4);
    let frontend = (often(), often(), prop::collection::vec(pool, 1..=POOLS));
    let frontends = prop::collection::vec(frontend, FRONTENDS);
    let vips = prop_oneof![
        3 => Just((0..=FRONTENDS).collect::<Vec<usize>>()),
        1 => Just((0..=FRONTENDS).collect::<Vec<usize>>()).prop_shuffle(),
    ];
    (backends, addresses, frontends, vips).prop_map(|(backends, addresses, frontends, vips)| Config {
        backends,
        addresses,
        frontends,
        vips,
    })
}

/// What some earlier daemon left in VPP.
pub(crate) fn any_vpp() -> impl Strategy<Value = Vpp> {
    let key = (0..=FRONTENDS, 0..ADDRESSES).prop_map(|(vip, number)| (Arc::from(vip_name(vip)), address(number)));
    prop::collection::btree_map(key, any_weight(), 0..12)
}

pub(crate) fn any_weight() -> impl Strategy<Value = Weight> {
    prop_oneof![Just(Weight::ZERO), Just(Weight::MAX), (1..100u8).prop_map(|weight| Weight::new(weight).unwrap())]
}

pub(crate) fn address(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, number).into()
}

pub(crate) fn backend_name(index: usize) -> String {
    format!("b{index}")
}

pub(crate) fn frontend_name(index: usize) -> String {
    format!("f{index}")
}

pub(crate) fn pool_name(index: usize) -> String {
    format!("p{index}")
}

pub(crate) fn vip_name(index: usize) -> String {
    format!("v{index}")
}

pub(crate) const BACKENDS: usize = 6;
pub(crate) const ADDRESSES: u8 = 8;
pub(crate) const FRONTENDS: usize = 3;
pub(crate) const POOLS: usize = 3;
