//! VIPs of every kind, side by side.

use std::collections::BTreeSet;

use maglev_bin::event::What;
use maglev_sync::text;
use vpp_sim::Release;

use crate::every_release::on_every_release;
use crate::support::{Lab, parse, until, writes};
use crate::vpp::{cli, compared, find, takes_new_flows, verbose};

on_every_release! {
    each_stands_as_it_is_wanted_and_is_repaired_by_itself,
}

/// IPv4 and IPv6, over GRE of both, TCP and UDP on one address and port, every port, hashed with and without ports.
const CONFIG: &str = "maglev:
  vpp: { lb: { ipv4-src-address: 10.0.0.1, ipv6-src-address: '2001:db8::1', startup-min-delay: 0s, startup-max-delay: 0s, sync-interval: 200ms } }
  backends:
    a4: { address: 10.2.0.11 }
    b4: { address: 10.2.0.12 }
    a6: { address: '2001:db8:2::11' }
    b6: { address: '2001:db8:2::12' }
  frontends:
    dns-tcp: { address: 192.0.2.1, protocol: tcp, port: 53, pools: [ { name: p, backends: { a4: {}, b4: {} } } ] }
    dns-udp: { address: 192.0.2.1, protocol: udp, port: 53, pools: [ { name: p, backends: { a4: {}, b4: { weight: 0 } } } ] }
    every4: { address: 192.0.2.2, pools: [ { name: p, backends: { a4: {}, b4: {} } } ] }
    v4-over-6: { address: 192.0.2.3, protocol: tcp, port: 443, src-ip-sticky: true, pools: [ { name: p, backends: { a6: {}, b6: {} } } ] }
    v6: { address: '2001:db8:a::1', protocol: tcp, port: 443, pools: [ { name: p, backends: { a6: {}, b6: {} } } ] }
    every6: { address: '2001:db8:a::2', pools: [ { name: p, backends: { a4: {} } } ] }
";

fn kinds(text: &str) -> BTreeSet<String> {
    let vips = text::vips(text).expect("VPP's own words").into_iter().filter(|vip| !vip.removed);
    let kind = |vip: text::ShownVip| {
        let servers = vip.ases.iter().filter(|server| !server.removed && server.buckets > 0).count();
        format!("{} {}{} {servers}", vip.key, vip.encap, if vip.src_ip_sticky { " sticky" } else { "" })
    };
    vips.map(kind).collect()
}

async fn each_stands_as_it_is_wanted_and_is_repaired_by_itself(release: Release) {
    let lab = Lab::new(0);
    let simulator = lab.simulator_of(release);
    let mut running = lab.daemon(CONFIG);
    compared(&running).await;
    let expected = [
        "192.0.2.1 tcp/53 gre4 2",
        "192.0.2.1 udp/53 gre4 1",
        "192.0.2.2 any gre4 2",
        "192.0.2.3 tcp/443 gre6 sticky 2",
        "2001:db8:a::1 tcp/443 gre6 2",
        "2001:db8:a::2 any gre4 1",
    ];
    let expected: BTreeSet<String> = expected.map(str::to_owned).into();
    assert_eq!(kinds(&verbose(&simulator).await), expected);
    // The settings were taken, whatever VPP told of them.
    let lb = simulator.lb();
    assert_eq!((lb.sticky_buckets, lb.flow_timeout), (65_536, 40));

    // Nothing more is sent, nor taken for changed.
    let before = simulator.api_log().len();
    compared(&running).await;
    assert_eq!(writes(&simulator.api_log()[before..]), [""; 0]);

    // Strangers: a server out of one of two VIPs on an address and port, one into the other, a VIP gone.
    let gone = "10.2.0.11".parse().expect("an address");
    cli(&simulator, "lb as 192.0.2.1/32 protocol udp port 53 10.2.0.11 del").await;
    let put_back = |simulator: &_| takes_new_flows(simulator, ("192.0.2.1/32", 17, 53), gone);
    running.event("the drift of the UDP VIP", |what| matches!(what, What::Drift { .. })).await;
    until("the server is put back", || put_back(&simulator)).await;
    cli(&simulator, "lb vip 2001:db8:a::1/128 protocol tcp port 443 encap gre6 del").await;
    until("the VIP that somebody deleted is back", || {
        find(&simulator, ("2001:db8:a::1/128", 6, 443)).is_some_and(|vip| vip.servers.len() == 2)
    })
    .await;
    compared(&running).await;
    assert_eq!(kinds(&verbose(&simulator).await), expected);

    // Another hash makes one VIP anew; a frontend that leaves the config takes its VIP with it.
    let changed = CONFIG.replace("port: 443, src-ip-sticky: true", "port: 443, src-ip-sticky: false");
    let changed: String =
        changed.lines().filter(|line| !line.contains("dns-tcp")).map(|line| format!("{line}\n")).collect();
    running.daemon.reload(parse(&changed), &[]).await.unwrap();
    until("the VIP is gone", || find(&simulator, ("192.0.2.1/32", 6, 53)).is_none()).await;
    compared(&running).await;
    let mut expected = expected;
    expected.remove("192.0.2.1 tcp/53 gre4 2");
    expected.remove("192.0.2.3 tcp/443 gre6 sticky 2");
    expected.insert("192.0.2.3 tcp/443 gre6 2".to_owned());
    assert_eq!(kinds(&verbose(&simulator).await), expected);
    assert_eq!(simulator.crashes(), 0);
    simulator.stop();
}
