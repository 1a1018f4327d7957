//! What the tests share: a small VPP, a harness with its own clock, and short ways to say what is wanted.

mod rig;
pub(crate) mod strategies;
mod vpp;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

pub(crate) use self::rig::{Rig, secs};
pub(crate) use self::vpp::FakeVpp;
use crate::model::*;

/// The origin of all clocks in tests.
#[expect(clippy::disallowed_methods, reason = "the only way to make an `Instant`; tests count from here")]
pub(crate) fn origin() -> Instant {
    Instant::now()
}

/// The TCP VIP of a host.
pub(crate) fn key(address: &str, port: u16) -> VipKey {
    VipKey::host(address.parse().expect("an address"), Protocol::TCP, port)
}

/// 10.0.0.n.
pub(crate) fn server(n: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, n))
}

pub(crate) fn weight(weight: u8) -> Weight {
    Weight::new(weight).expect("a weight")
}

/// A server that is up.
pub(crate) fn up(n: u8, w: u8) -> (IpAddr, DesiredAs) {
    (server(n), DesiredAs { weight: weight(w), cut: Cut::Serving, flush: None })
}

/// A server that is down, not to be flushed.
pub(crate) fn down(n: u8) -> (IpAddr, DesiredAs) {
    (server(n), DesiredAs { weight: Weight::ZERO, cut: Cut::Urgent, flush: None })
}

/// A server that went down in this incident.
pub(crate) fn flushed(n: u8, incident: u64) -> (IpAddr, DesiredAs) {
    let order = FlushOrder { incident, first_verdict: false, needs_server: true };
    (server(n), DesiredAs { weight: Weight::ZERO, cut: Cut::Urgent, flush: Some(order) })
}

/// The same, as the first verdict.
pub(crate) fn flushed_first(n: u8, incident: u64) -> (IpAddr, DesiredAs) {
    let order = FlushOrder { incident, first_verdict: true, needs_server: true };
    (server(n), DesiredAs { weight: Weight::ZERO, cut: Cut::Urgent, flush: Some(order) })
}

/// A server that was disabled in this incident.
pub(crate) fn disabled(n: u8, incident: u64) -> (IpAddr, DesiredAs) {
    let order = FlushOrder { incident, first_verdict: false, needs_server: false };
    (server(n), DesiredAs { weight: Weight::ZERO, cut: Cut::Urgent, flush: Some(order) })
}

/// A decided VIP with these servers, over GRE4.
pub(crate) fn vip<const N: usize>(targets: [(IpAddr, DesiredAs); N]) -> DesiredVip {
    DesiredVip {
        encap: Encap::Gre4,
        src_ip_sticky: false,
        table_length: TableLength::MIN,
        targets: targets.into(),
        decided: true,
    }
}

/// What a VPP with or without weights can do.
pub(crate) fn abilities(weights: bool) -> Abilities {
    Abilities { weights, ..Abilities::default() }
}

pub(crate) fn conf() -> DesiredConf {
    DesiredConf {
        ip4_src: Ipv4Addr::new(10, 0, 0, 254),
        ip6_src: "2001:db8::254".parse().expect("an address"),
        sticky_buckets: StickyBuckets::MIN,
        flow_timeout: FlowTimeout::from_secs(40).expect("a time-out"),
    }
}

pub(crate) fn desired(vips: impl IntoIterator<Item = (VipKey, DesiredVip)>) -> Desired {
    Desired { conf: conf(), foreign: ForeignVips::Remove, vips: vips.into_iter().collect() }
}
