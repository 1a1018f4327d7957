//! Configurations out of bytes: few names, so that two of them have much in common.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use maglev_health::{BackendSpec, Check, CheckSpec, FrontendSpec, MemberSpec, PoolSpec, Spec, Weight};

/// A configuration: a byte for each backend, then for each frontend a byte and one for each of its pools. `None` if it
/// makes no sense, such as an address twice in a frontend.
pub(super) fn spec(data: &mut &[u8]) -> Option<Spec> {
    let all: Vec<u8> = (0..BACKENDS).map(|_| byte(data)).collect();
    let there = |number: u8| all[usize::from(number)] & 0x80 == 0;
    let backends = (0..BACKENDS).filter(|number| there(*number)).map(|number| {
        let what = all[usize::from(number)];
        let check = CHECKS[usize::from(what & 7) % CHECKS.len()];
        BackendSpec {
            name: backend_name(number),
            address: address(number + (what >> 4 & 7)),
            check: check.map(|(timing, identity)| CheckSpec { timing, identity: identity.into() }),
            enabled: what & 8 == 0,
        }
    });
    let mut frontends = Vec::new();
    for number in 0..FRONTENDS {
        let what = byte(data);
        let pools = (0..=what >> 4 & 3).map(|pool| pool_spec(pool, byte(data), &there));
        let pools: Vec<PoolSpec> = pools.filter(|pool| !pool.members.is_empty()).collect();
        if what & 0x80 == 0 && !pools.is_empty() {
            let vip = vip_name(number + (what & 3));
            frontends.push(FrontendSpec { name: frontend_name(number), vip, flush_on_down: what & 4 == 0, pools });
        }
    }
    Spec::new(backends.collect(), frontends).ok()
}

/// Bits 0 to 3 leave out backends; bits 4 to 7 give them another weight.
fn pool_spec(number: u8, what: u8, there: &dyn Fn(u8) -> bool) -> PoolSpec {
    let members = (0..BACKENDS).filter(|&backend| what >> backend & 1 == 0 && there(backend)).map(|backend| {
        let weight = match (what >> (4 + backend) & 1, backend % 2) {
            (0, _) => Weight::MAX,
            (_, 0) => Weight::ZERO,
            _ => Weight::new(10 + number).unwrap_or_default(),
        };
        MemberSpec { backend: backend_name(backend), weight }
    });
    PoolSpec { name: pool_name(number), members: members.collect() }
}

/// The VIP of each frontend.
pub(super) fn vips(spec: &Spec) -> BTreeMap<Arc<str>, Arc<str>> {
    spec.frontends().iter().map(|frontend| (frontend.name.clone(), frontend.vip.clone())).collect()
}

/// The next byte, or 0.
pub(super) fn byte(data: &mut &[u8]) -> u8 {
    data.split_off_first().copied().unwrap_or_default()
}

pub(super) fn backend_name(number: u8) -> Arc<str> {
    format!("b{number}").into()
}

pub(super) fn frontend_name(number: u8) -> Arc<str> {
    format!("f{number}").into()
}

pub(super) fn pool_name(number: u8) -> Arc<str> {
    format!("p{number}").into()
}

pub(super) fn vip_name(number: u8) -> Arc<str> {
    format!("v{}", number % 4).into()
}

pub(super) fn address(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, number % 8).into()
}

pub(super) const BACKENDS: u8 = 4;
const FRONTENDS: u8 = 2;

/// Timing and identity by number; `None` is static.
const CHECKS: [Option<(Check, &str)>; 6] = [
    Some((timing(2_000, 500, 30_000, 2, 3), "a")),
    Some((timing(2_000, 500, 30_000, 2, 3), "b")),
    Some((timing(1_000, 1_000, 1_000, 1, 1), "a")),
    Some((timing(300, 10, 200, 3, 2), "a")),
    Some((timing(1_000, 2_000, 500, 1, 4), "a")),
    None,
];

const fn timing(interval: u64, fast: u64, down: u64, rise: u8, fall: u8) -> Check {
    let (Some(rise), Some(fall)) = (NonZeroU8::new(rise), NonZeroU8::new(fall)) else {
        panic!("rise and fall are at least 1");
    };
    Check {
        interval: Duration::from_millis(interval),
        fast_interval: Duration::from_millis(fast),
        down_interval: Duration::from_millis(down),
        rise,
        fall,
        damping: None,
    }
}
