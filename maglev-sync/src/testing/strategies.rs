//! Random states, small enough that VIPs and servers meet.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use proptest::prelude::*;

use super::{conf, key, server};
use crate::model::*;

/// Keys that share addresses, so that they can exclude each other.
pub(crate) fn a_key() -> impl Strategy<Value = VipKey> {
    let address = prop::sample::select(vec!["192.0.2.1", "192.0.2.2", "2001:db8:a::1"]);
    let port = prop::sample::select(vec![0, 80, 443]);
    (address, port).prop_map(|(address, port)| key(address, port))
}

fn a_target() -> impl Strategy<Value = DesiredAs> {
    let weight = prop_oneof![2 => Just(0_u8), 1 => Just(50), 3 => Just(100)];
    (weight, any::<bool>()).prop_map(|(weight, urgent)| DesiredAs {
        weight: Weight::new(weight).expect("a weight"),
        cut: if urgent { Cut::Urgent } else { Cut::Serving },
        flush: None,
    })
}

/// A VIP of this encapsulation.
pub(crate) fn a_vip(encap: Encap) -> impl Strategy<Value = DesiredVip> {
    let targets = prop::collection::btree_map(1_u8..6, a_target(), 0..5);
    (targets, any::<bool>(), prop::sample::select(vec![1024_u32, 2048])).prop_map(
        move |(targets, src_ip_sticky, length)| DesiredVip {
            encap,
            src_ip_sticky,
            table_length: TableLength::new(length).expect("a length"),
            targets: targets.into_iter().map(|(n, target)| (address(encap, n), target)).collect(),
            decided: true,
        },
    )
}

fn address(encap: Encap, n: u8) -> IpAddr {
    match encap {
        Encap::Gre4 => server(n),
        Encap::Gre6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n.into())),
    }
}

/// A desired state whose VIPs may stand together.
pub(crate) fn a_state() -> impl Strategy<Value = Desired> {
    let encap = prop::sample::select(vec![Encap::Gre4, Encap::Gre6]);
    // One encapsulation an address, and no all-port VIP beside another one.
    let vips = encap.prop_flat_map(|encap| prop::collection::btree_map(a_key(), a_vip(encap), 0..6));
    let other = prop::collection::btree_map(a_key(), a_vip(Encap::Gre4), 0..4);
    (vips, other, any::<bool>()).prop_map(|(vips, other, keep)| {
        let mut chosen: BTreeMap<VipKey, DesiredVip> = BTreeMap::new();
        for (key, vip) in vips.into_iter().chain(other) {
            let compatible =
                chosen.iter().filter(|(taken, _)| taken.prefix() == key.prefix()).all(|(taken, beside)| {
                    *taken != key && taken.is_all_port() == key.is_all_port() && beside.encap == vip.encap
                });
            if compatible {
                chosen.insert(key, vip);
            }
        }
        let foreign = if keep { ForeignVips::Keep } else { ForeignVips::Remove };
        Desired { conf: conf(), foreign, vips: chosen }
    })
}
