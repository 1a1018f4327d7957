//! What a change costs before anything is sent: planning, foretelling and reconciling 1,000 VIPs of eight servers.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use maglev_sync::{
    Abilities, Actual, ActualAs, ActualLength, ActualVip, AsRow, BootId, Call, Cut, Desired, DesiredAs, DesiredConf,
    DesiredVip, Encap, FlowTimeout, ForeignVips, LbConf, Outlook, Plan, Protocol, Reconciler, Reply, Scope, Settings,
    StickyBuckets, TableLength, VipKey, VipRow, Weight,
};

fn benchmarks(criterion: &mut Criterion) {
    plan(criterion);
    forecast(criterion);
    reconcile(criterion);
}

fn plan(criterion: &mut Criterion) {
    let desired = desired();
    let actual = actual(&desired);
    let scope = Scope { prune: true, ..Scope::default() };
    let mut one = desired.clone();
    cut(&mut one);
    let mut all = desired.clone();
    all.vips.values_mut().for_each(cut_vip);

    for (changed, wanted) in [(0, &desired), (1, &one), (1000, &all)] {
        criterion.bench_function(&format!("plan/vips=1000,changed={changed}"), |bencher| {
            bencher.iter(|| {
                let plan = Plan::new(black_box(wanted), black_box(&actual), &scope);
                assert_eq!(plan.steps().count(), changed);
            });
        });
    }
}

/// A copy of what a daemon knows, and what a sync would do and move from there.
fn forecast(criterion: &mut Criterion) {
    let desired = desired();
    let mut one = desired.clone();
    cut(&mut one);
    let mut all = desired.clone();
    all.vips.values_mut().for_each(cut_vip);
    let (reconciler, _) = settled(&desired);
    criterion.bench_function("outlook/vips=1000", |bencher| {
        bencher.iter(|| black_box(&reconciler).outlook().expect("both states are known"));
    });
    for (changed, wanted) in [(0, desired.clone()), (1, one), (1000, all.clone())] {
        let outlook = Outlook::new(wanted, actual(&desired));
        criterion.bench_function(&format!("forecast/vips=1000,changed={changed}"), |bencher| {
            bencher.iter(|| {
                let forecast = black_box(&outlook).forecast(false);
                assert_eq!(forecast.vips().len(), changed);
            });
        });
    }
    let mut long = actual(&desired);
    long.vips.retain(|key, _| desired.vips.keys().take(100).any(|first| first == key));
    long.vips.values_mut().for_each(|vip| vip.table_length = ActualLength::Whole(65_536));
    all.vips.retain(|key, _| long.vips.contains_key(key));
    let outlook = Outlook::new(all, long);
    let mut group = criterion.benchmark_group("forecast");
    group.sample_size(10);
    group.bench_function("vips=100,changed=100,buckets=65536", |bencher| {
        bencher.iter(|| black_box(&outlook).forecast(false).vips().len());
    });
}

/// From a verdict to the call that leaves, and on to the end of its pass, in a daemon that has 1,000 VIPs.
fn reconcile(criterion: &mut Criterion) {
    let desired = desired();
    let mut changed = desired.clone();
    cut(&mut changed);
    let (key, down) = changed.vips.pop_first().expect("there are VIPs");
    let up = desired.vips[&key].clone();
    let (mut reconciler, now) = settled(&desired);
    criterion.bench_function("reconciler/vips=1000,cut-and-raise=1", |bencher| {
        bencher.iter(|| {
            for vip in [&down, &up] {
                reconciler.update_vip(now, key, vip.clone());
                let (id, call) = reconciler.poll_call(now).expect("the change");
                assert!(call.is_write());
                reconciler.handle_reply(now, id, Ok(Reply::Done));
                while reconciler.poll_event().is_some() {}
            }
        });
    });
}

/// A reconciler over a VPP that is as desired, with nothing left to do at this moment.
fn settled(desired: &Desired) -> (Reconciler, Instant) {
    #[expect(clippy::disallowed_methods, reason = "a bench has a clock")]
    let now = Instant::now();
    let mut settings = Settings::default();
    (settings.startup_min_delay, settings.startup_max_delay) = (Duration::ZERO, Duration::ZERO);
    let actual = actual(desired);
    let mut reconciler = Reconciler::new(settings, now);
    reconciler.set_desired(now, desired.clone());
    reconciler.handle_link_up(now, BootId(1, 1), Abilities::default());
    loop {
        while reconciler.poll_event().is_some() {}
        let Some((id, call)) = reconciler.poll_call(now) else { return (reconciler, now) };
        assert!(!call.is_write(), "{call}");
        reconciler.handle_reply(now, id, Ok(answer(&actual, &call)));
    }
}

fn answer(actual: &Actual, call: &Call) -> Reply {
    match call {
        Call::ConfGet => Reply::Conf(actual.conf),
        Call::VipDump => {
            let row = |(key, vip): (&VipKey, &ActualVip)| VipRow { key: *key, encap: vip.encap, table_length: 1024 };
            Reply::Vips(actual.vips.iter().map(row).collect())
        }
        Call::AsDump(_) => {
            let rows = actual.vips.iter().flat_map(|(key, vip)| {
                let row = |(address, server): (&IpAddr, &ActualAs)| AsRow {
                    key: *key,
                    address: *address,
                    in_use: true,
                    weight: server.weight,
                };
                vip.ases.iter().map(row)
            });
            Reply::Ases(rows.collect())
        }
        Call::Verbose => Reply::Text(String::new()),
        Call::Route(_) => Reply::Route(Some(1)),
        _ => Reply::Done,
    }
}

fn desired() -> Desired {
    let target = |n: u8| {
        let weight = Weight::new(100).expect("a weight");
        (IpAddr::from([10, 0, 0, n]), DesiredAs { weight, cut: Cut::Serving, flush: None })
    };
    let vip = DesiredVip {
        encap: Encap::Gre4,
        src_ip_sticky: false,
        table_length: TableLength::MIN,
        targets: (1..=8).map(target).collect(),
        decided: true,
    };
    let key = |n: u16| {
        let [high, low] = n.to_be_bytes();
        VipKey::host(IpAddr::V4(Ipv4Addr::new(198, 18, high, low)), Protocol::TCP, 80)
    };
    Desired {
        conf: DesiredConf {
            ip4_src: Ipv4Addr::new(10, 0, 0, 254),
            ip6_src: "2001:db8::254".parse().expect("an address"),
            sticky_buckets: StickyBuckets::MIN,
            flow_timeout: FlowTimeout::from_secs(40).expect("a time-out"),
        },
        foreign: ForeignVips::Keep,
        vips: (0..1000).map(|n| (key(n), vip.clone())).collect(),
    }
}

/// One server of the first VIP is down.
fn cut(desired: &mut Desired) {
    cut_vip(desired.vips.values_mut().next().expect("there are VIPs"));
}

/// One of its servers is down.
fn cut_vip(vip: &mut DesiredVip) {
    let target = vip.targets.values_mut().next().expect("there are servers");
    *target = DesiredAs { weight: Weight::ZERO, cut: Cut::Urgent, flush: None };
}

fn actual(desired: &Desired) -> Actual {
    let vip = |vip: &DesiredVip| ActualVip {
        encap: vip.encap.into(),
        src_ip_sticky: Some(vip.src_ip_sticky),
        table_length: ActualLength::Whole(vip.table_length.get()),
        pool_index: None,
        ases: vip.targets.keys().map(|address| (*address, ActualAs { weight: 100, never_raised: false })).collect(),
        lingering: Default::default(),
    };
    let conf = &desired.conf;
    Actual {
        abilities: Abilities::default(),
        conf: LbConf {
            ip4_src: conf.ip4_src,
            ip6_src: conf.ip6_src,
            sticky_buckets_per_core: Some(conf.sticky_buckets.get()),
            flow_timeout: Some(conf.flow_timeout.as_secs()),
        },
        vips: desired.vips.iter().map(|(key, wanted)| (*key, vip(wanted))).collect::<BTreeMap<_, _>>(),
    }
}

criterion_group!(benches, benchmarks);
criterion_main!(benches);
