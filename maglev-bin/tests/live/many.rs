//! A hundred VIPs of both families, over GRE in both.

use std::fmt::Write as _;

use maglev_bin::event::What;
use maglev_bin::metrics::Metrics;

use crate::agreement::agree_on;
use crate::support::{Lab, until};
use crate::vpp::Vpp;

const VIPS: usize = 100;

/// A quarter each: IPv4 over GRE4, IPv4 over GRE6, IPv6 over GRE6, and IPv6 over GRE4 of every port; eight static servers behind each.
fn config() -> String {
    let mut text = "maglev:
  vpp:
    lb: { ipv4-src-address: 10.2.0.1, ipv6-src-address: 'fd02::1', sync-interval: 1s, startup-min-delay: 0s, startup-max-delay: 0s }
  backends:\n"
        .to_owned();
    for host in 11..=18 {
        writeln!(text, "    four{host}: {{ address: 10.2.0.{host} }}\n    six{host}: {{ address: 'fd02::{host}' }}")
            .unwrap();
    }
    text.push_str("  frontends:\n");
    for vip in 0..VIPS {
        let number = vip / 4 + 1;
        let (address, servers, port) = match vip % 4 {
            0 => (format!("192.0.2.{number}"), "four", "protocol: tcp, port: 80, "),
            1 => (format!("198.51.100.{number}"), "six", "protocol: tcp, port: 443, "),
            2 => (format!("2001:db8:1::{number}"), "six", "protocol: udp, port: 53, "),
            _ => (format!("2001:db8:2::{number}"), "four", ""),
        };
        let members: Vec<_> =
            (11..=18).map(|host| format!("{servers}{host}: {{ weight: {} }}", (host * 7 + vip * 3) % 101)).collect();
        let members = members.join(", ");
        writeln!(
            text,
            "    f{vip}: {{ address: '{address}', {port}new-flows-table-length: 4096, pools: [{{ name: all, backends: {{ {members} }} }}] }}"
        )
        .unwrap();
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_vips_stand_as_wanted_and_a_second_look_finds_nothing_to_do() {
    let lab = Lab::new(0);
    let Some(vpp) = Vpp::start(&lab).await else { return };
    let mut running = lab.daemon(&config());
    let published = running.daemon.published().clone();
    let vips = agree_on(&vpp, &running, &[]).await;
    assert_eq!(vips.len(), VIPS);
    assert!(vips.values().all(|vip| vip.servers.len() == 8));
    running
        .event("the end of the pass", |what| matches!(what, What::VppLbSyncDone { scope, .. } if &**scope == "all"))
        .await;

    // The counters of each VIP are read from the segment.
    let metrics = Metrics::new(published.clone(), running.daemon.totals());
    let rows = |name: &str| metrics.render().lines().filter(|line| line.starts_with(&format!("{name}{{"))).count();
    until("every VIP has its counters", || rows("maglev_vpp_vip_packets_total") == 4 * VIPS).await;
    let text = metrics.render();
    let connected = text.lines().find_map(|line| line.strip_prefix("maglev_vpp_stats_connected "));
    assert_eq!(connected.map(str::parse), Some(Ok(1.0)));
    assert_eq!(rows("maglev_vpp_vip_route_packets_total"), VIPS);
    assert_eq!(rows("maglev_vpp_backend_packets_total"), 16);

    // Each VIP is compared with VPP, and nothing is written.
    vpp.remember_calls().await;
    let begin = jiff::Timestamp::now();
    until("every VIP to be compared with VPP", || {
        let compared = |view: &maglev_bin::snapshot::VipView| view.compared.is_some_and(|at| at > begin);
        published.snapshot().frontends.iter().all(|frontend| frontend.dataplane.as_ref().is_some_and(compared))
    })
    .await;
    drop(running);

    // Nor has another daemon anything to do.
    let mut running = lab.daemon(&config());
    let done = running
        .event("a full pass", |what| matches!(what, What::VppLbSyncDone { scope, .. } if &**scope == "all"))
        .await;
    assert!(matches!(&done.what, What::VppLbSyncDone { changes: 0, .. }), "{}", done.what);
    agree_on(&vpp, &running, &[]).await;
    let calls = vpp.remembered_calls().await;
    let writes =
        calls.iter().filter(|call| call.starts_with("lb_") && !call.ends_with("_dump") && *call != "lb_conf_get");
    assert_eq!(writes.collect::<Vec<_>>(), [""; 0]);
}
