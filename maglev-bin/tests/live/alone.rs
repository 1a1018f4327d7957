//! One daemon, one VPP, and nobody else: what they say of each other, line by line.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use maglev_bin::event::What;
use maglev_bin::snapshot::{Snapshot, Traffic, VipCounters};

use crate::agreement::{agree_on, counted, until_told};
use crate::support::{Lab, until};
use crate::text::Vip;
use crate::vpp::Vpp;

/// Three probed servers and static ones of both families, behind VIPs of every kind.
fn config(lab: &Lab, lb: &str) -> String {
    let mut text = format!(
        "maglev:
  vpp:
    lb: {{ ipv4-src-address: 10.2.0.1, ipv6-src-address: 'fd02::1', startup-min-delay: 0s, startup-max-delay: 0s{lb} }}
  healthchecks:
    web: {{ type: http, port: {}, interval: 200ms, fast-interval: 50ms, timeout: 1s, rise: 2, fall: 2 }}
  backends:
    old0: {{ address: 10.2.0.11 }}
    old1: {{ address: 10.2.0.12 }}
    new0: {{ address: 'fd02::11' }}
    new1: {{ address: 'fd02::12' }}
    new2: {{ address: 'fd02::13' }}
",
        lab.port
    );
    for server in &lab.servers {
        writeln!(text, "    {}: {{ address: {}, healthcheck: web }}", server.name(), server.address().ip()).unwrap();
    }
    text.push_str(
        "  frontends:
    web:
      address: 192.0.2.1
      protocol: tcp
      port: 80
      pools:
        - { name: primary, backends: { web0: { weight: 100 }, web1: { weight: 40 }, old0: { weight: 0 } } }
        - { name: backup, backends: { web2: {} } }
    web-too:
      address: 192.0.2.1
      protocol: udp
      port: 443
      new-flows-table-length: 16384
      pools:
        - { name: all, backends: { web2: { weight: 3 }, old1: { weight: 1 } } }
    every-port:
      address: 192.0.2.2
      src-ip-sticky: true
      pools:
        - { name: all, backends: { new0: { weight: 1 }, new1: { weight: 2 }, new2: { weight: 97 } } }
    dns:
      address: '2001:db8::1'
      protocol: udp
      port: 53
      new-flows-table-length: 65536
      pools:
        - { name: all, backends: { new0: {}, new1: {}, new2: { weight: 33 } } }
    six-over-four:
      address: '2001:db8::2'
      protocol: tcp
      port: 443
      pools:
        - { name: all, backends: { old0: {}, old1: { weight: 50 }, web0: {} } }
",
    );
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn vpp_has_the_weights_buckets_and_tables_that_the_daemon_shows() {
    let lab = Lab::new(3);
    let Some(vpp) = Vpp::start(&lab).await else { return };
    let running = lab.daemon(&config(&lab, ""));
    let vips = agree_on(&vpp, &running, &[("web0", "up"), ("web1", "up"), ("web2", "up")]).await;
    let of = |frontend: &str| &vips[frontend];
    let weights = |frontend: &str| of(frontend).servers.values().map(|(weight, _)| *weight).collect::<Vec<_>>();
    assert_eq!(
        weights("web"),
        vpp.takes([0, 100, 40, 0]),
        "10.2.0.11, then the probed ones, of which the last is in the backup"
    );
    assert_eq!(weights("every-port"), vpp.takes([1, 2, 97]));
    assert_eq!((of("web-too").table_length, of("dns").table_length), (16_384, 65_536));
    let kinds: Vec<_> = vips.values().map(|vip| (vip.kind.as_str(), vip.is_sticky)).collect();
    let expected = ["ip6-gre6", "ip4-gre6", "ip6-gre4", "ip4-gre4", "ip4-gre4"];
    assert_eq!(kinds, expected.map(|kind| (kind, kind == "ip4-gre6")), "in order of name: {:?}", vips.keys());
    let text = vpp.cli("show lb").await;
    for line in ["ip4-src-address: 10.2.0.1", "ip6-src-address: fd02::1", "timeout: 40s"] {
        // The time-out is told per thread that has sessions: none has.
        assert_eq!(text.contains(line), !line.starts_with("timeout"), "{line:?} in\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_has_weight_0_in_vpp_until_it_is_back() {
    let mut lab = Lab::new(3);
    let Some(vpp) = Vpp::start(&lab).await else { return };
    let running = lab.daemon(&config(&lab, ""));
    agree_on(&vpp, &running, &[("web0", "up"), ("web1", "up"), ("web2", "up")]).await;
    let (web0, web2) = (lab.address(0), lab.address(2));

    lab.servers[0].stop().await;
    let vips = agree_on(&vpp, &running, &[("web0", "down")]).await;
    assert_eq!(vips["web"].servers[&web0], (0, 0));
    assert_eq!(vips["six-over-four"].servers[&web0], (0, 0));
    assert_eq!(vips["web"].servers[&web2], (0, 0), "the pool still has a server");

    lab.servers[1].stop().await;
    let vips = agree_on(&vpp, &running, &[("web1", "down")]).await;
    let whole = vpp.takes([100])[0];
    assert_eq!(vips["web"].servers[&web2], (whole, vips["web"].table_length), "the backup has every bucket");

    lab.servers[0].start().unwrap();
    let vips = agree_on(&vpp, &running, &[("web0", "up")]).await;
    assert_eq!(vips["web"].servers[&web0], (whole, vips["web"].table_length));
    assert_eq!(vips["web"].servers[&web2], (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sessions_of_a_server_that_died_are_evicted_and_those_of_the_others_stay() {
    let mut lab = Lab::new(3);
    let Some(mut vpp) = Vpp::start(&lab).await else { return };
    let running = lab.daemon(&config(&lab, ""));
    let vips = agree_on(&vpp, &running, &[("web0", "up"), ("web1", "up"), ("web2", "up")]).await;
    vpp.receive("192.0.2.1".parse().unwrap(), "TCP", 80, 300).await;
    let (web0, web1) = (lab.address(0), lab.address(1));
    let before = sessions(&vpp, &vips["web"]).await;
    assert!(before[&web0] > 0 && before[&web1] > 0, "{before:?}");

    // What VPP remembers is what the daemon tells when it is asked.
    running.daemon.request_flows().await;
    let published = running.daemon.published();
    until_told("the sessions to be read", || {
        let flows = published.counters().and_then(|counters| counters.flows.clone());
        flows.is_some_and(|flows| flows.per_as.get(&vips["web"].name) == Some(&before))
    })
    .await;

    lab.servers[0].stop().await;
    agree_on(&vpp, &running, &[("web0", "down")]).await;
    until("the flush to be acknowledged", || published.snapshot().vpp.flush_owed == 0).await;
    let after = sessions(&vpp, &vips["web"]).await;
    assert_eq!((after[&web0], after[&web1]), (0, before[&web1]));
}

async fn sessions(vpp: &Vpp, of: &Vip) -> BTreeMap<IpAddr, u64> {
    vpp.vips().await.into_iter().find(|vip| vip.name == of.name).expect("a VIP that stands").sessions
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_daemon_leaves_every_line_of_vpp_as_it_was() {
    let mut lab = Lab::new(3);
    let Some(vpp) = Vpp::start(&lab).await else { return };
    let text = config(&lab, "");
    let running = lab.daemon(&text);
    agree_on(&vpp, &running, &[("web0", "up"), ("web1", "up"), ("web2", "up")]).await;
    // One that is down stays so, too.
    lab.servers[2].stop().await;
    agree_on(&vpp, &running, &[("web2", "down")]).await;
    drop(running);

    let before = vpp.verbose().await;
    vpp.remember_calls().await;
    for lb in ["", ", startup-min-delay: 100ms, startup-max-delay: 2s"] {
        let text = match lb {
            "" => text.clone(),
            lb => text.replace(", startup-min-delay: 0s, startup-max-delay: 0s", lb),
        };
        let mut running = lab.daemon(&text);
        let done =
            running.event("a full pass", |what| matches!(what, What::VppLbSyncDone { scope, .. } if &**scope == "all"));
        let What::VppLbSyncDone { changes, .. } = done.await.what else { unreachable!("it was asked for") };
        assert_eq!(changes, 0, "with {lb:?}");
        agree_on(&vpp, &running, &[("web0", "up"), ("web1", "up"), ("web2", "down")]).await;
    }
    assert_eq!(vpp.verbose().await, before);
    let calls = vpp.remembered_calls().await;
    let reads: &[_] = match vpp.has_weights() {
        true => &["lb_conf_get", "lb_vip_dump", "lb_as_v2_dump"],
        false => &["cli_inband", "lb_vip_dump", "lb_as_dump"],
    };
    assert!(reads.iter().all(|name| calls.iter().any(|call| call == name)), "{calls:?}");
    assert_eq!(vpp.remembered_writes().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_are_counted_where_vpp_sends_them() {
    let lab = Lab::new(3);
    let Some(mut vpp) = Vpp::start(&lab).await else { return };
    let running = lab.daemon(&config(&lab, ""));
    let vips = agree_on(&vpp, &running, &[("web0", "up"), ("web1", "up"), ("web2", "up")]).await;
    let sent =
        [("web", "TCP", 80, 200), ("web-too", "UDP", 443, 100), ("every-port", "TCP", 7, 300), ("dns", "UDP", 53, 250)];
    for (frontend, protocol, port, packets) in sent {
        vpp.receive(vips[frontend].name.prefix.parse().unwrap(), protocol, port, packets).await;
    }
    for (frontend, _, _, packets) in sent {
        counted(&running, &vips[frontend].name, packets.into()).await;
    }
    let counters = running.daemon.published().counters().expect("counters were just read");
    assert_eq!(counters.vips[&vips["six-over-four"].name], VipCounters::default(), "nothing was sent there");
    let arrived = |address: &str| counters.routes[address].packets;
    assert_eq!((arrived("192.0.2.1"), arrived("192.0.2.2"), arrived("2001:db8::1")), (300, 300, 250));
    // Each server is in one of these VIPs, or in two of one address.
    let left = |servers: &[&str]| {
        let addresses = servers.iter().map(|server| address(&running.daemon.published().snapshot(), server));
        addresses
            .map(|address| counters.backends[&address])
            .fold((0, 0), |sum, Traffic { packets, bytes, .. }| (sum.0 + packets, sum.1 + bytes))
    };
    // GRE in IPv4 adds 24 bytes to a packet of 100, in IPv6 44.
    assert_eq!(left(&["web0", "web1", "web2", "old0", "old1"]), (300, 300 * 124));
    assert_eq!(left(&["new0", "new1", "new2"]), (550, 550 * 144));
    let idle = counters.backends[&address(&running.daemon.published().snapshot(), "old0")];
    assert_eq!(idle, Traffic::default(), "it has weight 0");
}

fn address(snapshot: &Snapshot, backend: &str) -> IpAddr {
    snapshot.backends.iter().find(|it| &*it.name == backend).expect("a backend of the config").address
}
