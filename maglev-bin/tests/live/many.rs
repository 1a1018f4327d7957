//! A hundred VIPs, and a thousand, of both families, over GRE in both.

use std::fmt::Write as _;

use maglev_bin::event::What;
use maglev_bin::metrics::Metrics;

use crate::agreement::{agree_on, until_told};
use crate::support::{Lab, Running, until};
use crate::vpp::Vpp;

/// A quarter each: IPv4 over GRE4, IPv4 over GRE6, IPv6 over GRE6, and IPv6 over GRE4 of every port; eight static servers behind each.
fn config(vips: usize) -> String {
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
    for vip in 0..vips {
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
    const VIPS: usize = 100;
    let lab = Lab::new(0);
    let Some(vpp) = Vpp::start(&lab).await else { return };
    let mut running = lab.daemon(&config(VIPS));
    let published = running.daemon.published().clone();
    let vips = agree_on(&vpp, &running, &[]).await;
    assert_eq!(vips.len(), VIPS);
    assert!(vips.values().all(|vip| vip.servers.len() == 8));
    assert_eq!(full_pass(&mut running).await, VIPS as u64 * 9);

    // The counters of each VIP are read from the segment.
    let metrics = Metrics::new(published.clone(), running.daemon.totals());
    let rows = |name: &str| metrics.render().lines().filter(|line| line.starts_with(&format!("{name}{{"))).count();
    for (name, count) in [
        ("maglev_vpp_vip_packets_total", 4 * VIPS),
        ("maglev_vpp_vip_route_packets_total", VIPS),
        ("maglev_vpp_backend_packets_total", 16),
    ] {
        until_told(&format!("{count} rows of {name}"), || rows(name) == count).await;
    }
    let text = metrics.render();
    let connected = text.lines().find_map(|line| line.strip_prefix("maglev_vpp_stats_connected "));
    assert_eq!(connected.map(str::parse), Some(Ok(1.0)));

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
    let mut running = lab.daemon(&config(VIPS));
    assert_eq!(full_pass(&mut running).await, 0);
    agree_on(&vpp, &running, &[]).await;
    assert_eq!(vpp.remembered_writes().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_vips_come_up_in_one_pass_again_and_again_without_a_refused_call() {
    const VIPS: usize = 1_000;
    let lab = Lab::new(0);
    let Some(mut vpp) = Vpp::start(&lab).await else { return };
    let mut running = lab.daemon(&config(VIPS));
    for _ in 0..3 {
        assert_eq!(full_pass(&mut running).await, VIPS as u64 * 9);
        agree_on(&vpp, &running, &[]).await;
        vpp.kill();
        running.event("the loss of the link", |what| matches!(what, What::VppDisconnect { .. })).await;
        vpp.start_again().await;
    }
}

/// Waits for the end of a pass over all VIPs, in which nothing may fail: how much it changed.
async fn full_pass(running: &mut Running) -> u64 {
    let is_done = |what: &What| match what {
        What::VppLbSyncError { .. } => panic!("{what}"),
        What::VppLbSyncDone { scope, .. } => &**scope == "all",
        _ => false,
    };
    match running.event("the end of a full pass", is_done).await.what {
        What::VppLbSyncDone { changes, .. } => changes,
        _ => unreachable!("that is what was waited for"),
    }
}
