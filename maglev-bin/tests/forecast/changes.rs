//! Random changes: each is foretold from the one before, made over a socket, and looked up in VPP's words.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use maglev_bin::daemon::VppDataplane;
use maglev_bin::snapshot::VipName;
use maglev_sync::table::{Table, TableSize};
use maglev_sync::{
    Actual, ApplyOptions, AsForecast, Call, Claim, Cut, Dataplane, Desired, DesiredAs, DesiredConf, DesiredVip, Encap,
    FlowTimeout, FlushOrder, Forecast, ForeignVips, Outlook, Protocol, Reply, Stage, StickyBuckets, TableLength,
    VipKey, Weight, apply, read,
};
use proptest::prelude::*;

use crate::text::Vip;

/// Takes VPP from one state to the next. What is foretold follows from what was foretold before: VPP is read once.
pub(crate) async fn foretold_and_seen(dataplane: &VppDataplane, states: Vec<Desired>) {
    let actual: Actual = read(dataplane).await.expect("a VPP that can be read");
    let Some(first) = states.first() else { return };
    let mut outlook = Outlook::new(first.clone(), actual);
    let mut before = seen(dataplane).await;
    for desired in states {
        // Lengths change by re-creation alone.
        let forecast = outlook.with_desired(desired).forecast(true);
        carry_out(dataplane, &forecast).await;
        let after = seen(dataplane).await;
        check(&forecast, &before, &after, dataplane.abilities().weights);
        outlook = forecast.then().clone();
        before = after;
    }
}

/// What VPP says of its VIPs in use.
async fn seen(dataplane: &VppDataplane) -> BTreeMap<VipName, Vip> {
    let Ok(Reply::Text(text)) = dataplane.call(Call::Verbose).await else { panic!("VPP tells nothing") };
    let in_use = Vip::parse_all(&text).into_iter().filter(|vip| !vip.is_removed);
    in_use.map(|vip| (vip.name.clone(), vip)).collect()
}

async fn carry_out(dataplane: &VppDataplane, forecast: &Forecast) {
    let status = apply(forecast.plan(), dataplane, ApplyOptions::default()).await;
    assert!(status.is_ok(), "{status:?} of\n{}", forecast.plan());
    let steps = forecast.vips().values().flat_map(|vip| &vip.steps);
    for flush in steps.filter(|step| step.stage == Stage::Flush) {
        assert_eq!(dataplane.call(flush.call.clone()).await, Ok(Reply::Done), "{flush}");
    }
}

fn check(forecast: &Forecast, before: &BTreeMap<VipName, Vip>, after: &BTreeMap<VipName, Vip>, shows_weight_0: bool) {
    let names: BTreeSet<VipName> = forecast.after().vips.keys().map(name).collect();
    assert_eq!(after.keys().cloned().collect::<BTreeSet<_>>(), names);
    for (key, vip) in forecast.vips() {
        let (old, new) = (before.get(&name(key)), after.get(&name(key)));
        assert_eq!(vip.after.map(|form| form.table_length.known()), new.map(|vip| Some(vip.table_length)), "{key}");
        assert_eq!(vip.after.map(|form| form.src_ip_sticky), new.map(|vip| Some(vip.is_sticky)), "{key}");
        let claims = |vip: Option<&Vip>| -> BTreeMap<IpAddr, Claim> {
            let servers = vip.into_iter().flat_map(|vip| &vip.servers);
            let claim = |(weight, buckets)| Claim { weight, buckets: Some(buckets) };
            servers.map(|(address, shares)| (*address, claim(*shares))).collect()
        };
        // A VPP without weights has only those in use, which have one above 0.
        let foretold = |side: fn(&AsForecast) -> Option<Claim>| -> BTreeMap<IpAddr, Claim> {
            let servers = vip.ases.iter().filter_map(|(address, server)| Some((*address, side(server)?)));
            servers.filter(|(_, claim)| shows_weight_0 || claim.weight > 0).collect()
        };
        assert_eq!(foretold(|server| server.before), claims(old), "{key} before");
        assert_eq!(foretold(|server| server.after), claims(new), "{key} after");

        let (old, new) = (owners(old), owners(new));
        let of = old.len().max(new.len());
        let moved = (0..of).filter(|bucket| old[bucket % old.len()] != new[bucket % new.len()]).count();
        let foretold = vip.moved.expect("every length is known");
        assert_eq!((foretold.buckets as usize, foretold.of as usize), (moved, of), "{key}");
    }
    for key in forecast.unchanged() {
        let buckets = |vips: &BTreeMap<VipName, Vip>| vips.get(&name(key)).map(|vip| vip.servers.clone());
        assert_eq!(buckets(before), buckets(after), "{key} needed nothing");
    }
}

/// The server of each bucket, as VPP's rules make it of VPP's words; one empty bucket for a VIP that is not there.
fn owners(vip: Option<&Vip>) -> Vec<Option<IpAddr>> {
    let Some(vip) = vip else { return vec![None] };
    let servers: Vec<(IpAddr, u8)> = vip.servers.iter().map(|(address, (weight, _))| (*address, *weight)).collect();
    let table = Table::build(TableSize::new(vip.table_length).expect("a power of two"), &servers);
    let owners: Vec<_> = table.iter().map(|owner| owner.map(|at| servers[at].0)).collect();
    // VPP tells how many buckets each server has, and this table has as many.
    for (address, (_, buckets)) in &vip.servers {
        assert_eq!(owners.iter().filter(|owner| **owner == Some(*address)).count(), *buckets as usize, "{address}");
    }
    owners
}

/// As VPP's words have it.
pub(crate) fn name(key: &VipKey) -> VipName {
    VipName {
        prefix: key.prefix().addr().to_string().into(),
        protocol: key.protocol().to_string().into(),
        port: key.port(),
    }
}

/// A few VIPs of either family with a few servers, flushes ordered now and then.
pub(crate) fn a_desired_state() -> impl Strategy<Value = Desired> {
    let keys = [
        ("192.0.2.1", Protocol::TCP, 80, Encap::Gre4),
        ("192.0.2.1", Protocol::TCP, 443, Encap::Gre4),
        ("192.0.2.2", Protocol::ANY, 0, Encap::Gre6),
        ("2001:db8:a::1", Protocol::UDP, 53, Encap::Gre6),
        ("2001:db8:a::2", Protocol::TCP, 80, Encap::Gre4),
    ];
    let vips: Vec<_> = keys
        .into_iter()
        .map(|(address, protocol, port, encap)| {
            let key = VipKey::host(address.parse().expect("an address"), protocol, port);
            prop::option::weighted(0.8, a_vip(encap)).prop_map(move |vip| vip.map(|vip| (key, vip)))
        })
        .collect();
    vips.prop_map(|vips| Desired {
        conf: DesiredConf {
            ip4_src: "10.2.0.254".parse().expect("an address"),
            ip6_src: "fd02::fe".parse().expect("an address"),
            sticky_buckets: StickyBuckets::MIN,
            flow_timeout: FlowTimeout::from_secs(40).expect("a time-out"),
        },
        foreign: ForeignVips::Remove,
        vips: vips.into_iter().flatten().collect(),
    })
}

fn a_vip(encap: Encap) -> impl Strategy<Value = DesiredVip> {
    let length = prop_oneof![6 => Just(1024_u32), 2 => Just(4096), 1 => Just(65_536)];
    let targets = prop::collection::btree_map(11_u8..=18, a_target(), 0..7);
    (targets, prop::bool::weighted(0.2), length).prop_map(move |(targets, src_ip_sticky, length)| DesiredVip {
        encap,
        src_ip_sticky,
        table_length: TableLength::new(length).expect("a length"),
        targets: targets.into_iter().map(|(n, target)| (server(encap, n), target)).collect(),
        decided: true,
    })
}

fn server(encap: Encap, n: u8) -> IpAddr {
    match encap {
        Encap::Gre4 => IpAddr::from([10, 2, 0, n]),
        // fd02::11 and up, as the live tests have it.
        Encap::Gre6 => format!("fd02::{n}").parse().expect("an address"),
    }
}

fn a_target() -> impl Strategy<Value = DesiredAs> {
    let weight = prop_oneof![2 => Just(0_u8), 2 => 1_u8..100, 3 => Just(100)];
    (weight, any::<bool>(), prop::option::of((any::<u64>(), any::<bool>()))).prop_map(|(weight, urgent, order)| {
        DesiredAs {
            weight: Weight::new(weight).expect("a weight"),
            cut: if urgent { Cut::Urgent } else { Cut::Serving },
            flush: order.map(|(incident, needs_server)| FlushOrder { incident, first_verdict: false, needs_server }),
        }
    })
}
