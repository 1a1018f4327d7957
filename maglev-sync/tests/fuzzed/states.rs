//! Desired and actual states out of bytes: few names, so that two of them have much in common.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use maglev_sync::{
    Abilities, ActualEncap, Cut, Desired, DesiredAs, DesiredConf, DesiredVip, Encap, FlowTimeout, FlushOrder,
    ForeignVips, LbConf, Protocol, StickyBuckets, TableLength, VipKey, Weight,
};

use super::vpp::{IN_USE, Vip, Vpp};

/// What VPP holds: a byte of settings and abilities, the number of VIPs, and each VIP. What VPP would refuse is left out.
pub(super) fn vpp(data: &mut &[u8]) -> Vpp {
    let what = byte(data);
    let mut vpp = Vpp::able(abilities(what & 0x10 == 0));
    if what & 1 == 0 {
        let DesiredConf { ip4_src, ip6_src, sticky_buckets, flow_timeout } = conf(what >> 1);
        let (buckets, timeout) = (sticky_buckets.get(), flow_timeout.as_secs());
        vpp.conf = LbConf { ip4_src, ip6_src, sticky_buckets_per_core: Some(buckets), flow_timeout: Some(timeout) };
    }
    for _ in 0..byte(data) % MOST_VIPS {
        let key = key(byte(data));
        let wanted = vip(data);
        let foreign = byte(data);
        let encap = if foreign & 1 == 0 { ActualEncap::Gre(wanted.encap) } else { ActualEncap::from_number(3) };
        let weight = |target: &DesiredAs| if foreign & 2 == 0 { target.weight.get() } else { 255 };
        let weights = wanted.targets.iter().map(|(&address, target)| (address, weight(target)));
        let mut vip = Vip::new(encap, wanted.table_length.get(), wanted.src_ip_sticky);
        if vpp.abilities.weights {
            vip.ases = weights.collect();
        } else {
            let (used, others): (Vec<_>, Vec<_>) = weights.partition(|(_, weight)| *weight > 0);
            vip.ases = used.into_iter().map(|(address, _)| (address, IN_USE)).collect();
            // Removed with flows left, or never there.
            vip.removed = others.into_iter().map(|(address, _)| address).filter(|_| foreign & 4 == 0).collect();
        }
        if vpp.may_add(&key, encap).is_ok() {
            vpp.vips.insert(key, vip);
        }
    }
    vpp
}

/// Those of VPP 26.10, or of one without weights.
pub(super) fn abilities(weights: bool) -> Abilities {
    let mut abilities = Abilities::default();
    abilities.weights = weights;
    abilities
}

/// What VPP should hold: likewise.
pub(super) fn desired(data: &mut &[u8]) -> Desired {
    let what = byte(data);
    let foreign = if what & 1 == 0 { ForeignVips::Remove } else { ForeignVips::Keep };
    let mut desired = Desired { conf: conf(what >> 1), foreign, vips: BTreeMap::new() };
    for _ in 0..byte(data) % MOST_VIPS {
        let key = key(byte(data));
        let vip = vip(data);
        // A config that says otherwise is refused.
        let fits = desired.vips.iter().filter(|(other, _)| other.prefix() == key.prefix()).all(|(other, beside)| {
            *other != key && other.is_all_port() == key.is_all_port() && beside.encap == vip.encap
        });
        if fits {
            desired.vips.insert(key, vip);
        }
    }
    desired
}

/// A VIP: a byte for itself, a byte that says which servers it has, and a byte for each of them.
pub(super) fn vip(data: &mut &[u8]) -> DesiredVip {
    let (what, servers) = (byte(data), byte(data));
    let encap = if what & 1 == 0 { Encap::Gre4 } else { Encap::Gre6 };
    let length = [1 << 10, 1 << 11, 1 << 16, 1 << 17][usize::from(what >> 2 & 3)];
    let targets = (0..SERVERS).filter(|number| servers >> number & 1 == 1).map(|number| (number, byte(data)));
    DesiredVip {
        encap,
        src_ip_sticky: what & 2 != 0,
        table_length: TableLength::new(length).unwrap_or(TableLength::MIN),
        decided: what & 0x10 == 0,
        targets: targets.map(|(number, what)| (server(encap, number), target(what))).collect(),
    }
}

fn target(what: u8) -> DesiredAs {
    let weight = Weight::new([100, 50, 1, 0][usize::from(what & 3)]).unwrap_or_default();
    // What has a weight serves, and nothing is owed for it.
    if !weight.is_zero() || what & 4 == 0 {
        return DesiredAs { weight, cut: Cut::Serving, flush: None };
    }
    let incident = u64::from(what >> 5);
    let order = FlushOrder { incident, first_verdict: what & 8 != 0, needs_server: what & 0x10 != 0 };
    DesiredAs { weight, cut: Cut::Urgent, flush: (incident > 0).then_some(order) }
}

/// One of the few VIPs there may be. They share addresses, so that some exclude each other.
pub(super) fn key(what: u8) -> VipKey {
    let address: IpAddr = match what & 3 {
        number @ 0..=2 => Ipv4Addr::new(192, 0, 2, number).into(),
        _ => Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 1).into(),
    };
    let protocol = if what & 0x10 == 0 { Protocol::TCP } else { Protocol::UDP };
    VipKey::host(address, protocol, [80, 443, 0, 53][usize::from(what >> 2 & 3)])
}

fn server(encap: Encap, number: u8) -> IpAddr {
    match encap {
        Encap::Gre4 => Ipv4Addr::new(10, 0, 0, number).into(),
        Encap::Gre6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number.into()).into(),
    }
}

fn conf(what: u8) -> DesiredConf {
    DesiredConf {
        ip4_src: Ipv4Addr::new(10, 0, 0, 250 + (what & 1)),
        ip6_src: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xff),
        sticky_buckets: if what & 2 == 0 { StickyBuckets::MIN } else { StickyBuckets::MAX },
        flow_timeout: FlowTimeout::from_secs(40 + u32::from(what >> 2 & 1)).expect("below two minutes"),
    }
}

/// The next byte, or 0.
pub(super) fn byte(data: &mut &[u8]) -> u8 {
    data.split_off_first().copied().unwrap_or_default()
}

const SERVERS: u8 = 4;
const MOST_VIPS: u8 = 6;
