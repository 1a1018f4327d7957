use std::collections::BTreeMap;
use std::fmt::Write;

use vpp_sim::Release;

use crate::every_release::on_every_release;
use crate::support::{Lab, requests, until};

on_every_release! {
    in_the_steady_state_vpp_hears_filtered_dumps_one_list_of_vips_and_pings,
}

/// A config of `vips` VIPs with 8 static servers each, compared with VPP once in two seconds.
fn many(vips: u32) -> String {
    let mut text = "maglev:
  vpp: { lb: { ipv4-src-address: 10.0.0.1, ipv6-src-address: '2001:db8::1', sync-interval: 2s } }
  backends:\n"
        .to_owned();
    for server in 0..8 {
        writeln!(text, "    s{server}: {{ address: 10.2.0.{} }}", server + 11).unwrap();
    }
    text.push_str("  frontends:\n");
    let members: Vec<_> = (0..8).map(|server| format!("s{server}: {{}}")).collect();
    for vip in 0..vips {
        let (high, low) = (vip / 250, vip % 250 + 1);
        writeln!(
            text,
            "    f{vip}: {{ address: 198.18.{high}.{low}, protocol: tcp, port: 80, new-flows-table-length: 1024, pools: [{{ name: p, backends: {{ {} }} }}] }}",
            members.join(", ")
        )
        .unwrap();
    }
    text
}

async fn in_the_steady_state_vpp_hears_filtered_dumps_one_list_of_vips_and_pings(release: Release) {
    const VIPS: u32 = 200;
    // Before 26.10 the dump of VIPs only counts them, and a short text lists them.
    let (dump_of_servers, list_of_vips) =
        if release >= Release::V26_10 { ("lb_as_v2_dump", None) } else { ("lb_as_dump", Some("cli_inband")) };
    let lab = Lab::new(0);
    let simulator = lab.simulator_of(release);
    let running = lab.daemon(&many(VIPS));
    let published = running.daemon.published().clone();
    until("everything is programmed and counted", || {
        let standing = simulator.lb().vips.iter().filter(|vip| vip.servers.len() == 8).count();
        let indexed = published.counters().map_or(0, |counters| counters.vips.len());
        standing == VIPS as usize && indexed == VIPS as usize
    })
    .await;
    // A whole interval that begins after the programming is over: from one VIP dump to the next, wherever the log is looked at.
    let now = simulator.api_log().len();
    let vip_dumps = |log: &[vpp_sim::LogEntry]| -> Vec<usize> {
        let dumps = log.iter().enumerate().skip(now).filter(|(_, entry)| entry.name == "lb_vip_dump");
        dumps.map(|(at, _)| at).collect()
    };
    // A machine under load may stop for longer than an interval, and skips the rest of that round.
    let is_whole = |interval: &[vpp_sim::LogEntry]| {
        let dumps = interval.iter().filter(|entry| entry.name == dump_of_servers).count();
        (VIPS - VIPS / 10..=VIPS + VIPS / 10).contains(&(dumps as u32))
    };
    let metrics = maglev_bin::metrics::Metrics::new(published.clone(), running.daemon.totals());
    let mut interval = None;
    until("an interval in which each VIP is read once", || {
        assert!(metrics.render().contains("maglev_vpp_vip_packets_total"));
        let log = simulator.api_log();
        let intervals = vip_dumps(&log).windows(2).map(|ends| log[ends[0]..ends[1]].to_vec()).collect::<Vec<_>>();
        interval = intervals.into_iter().find(|interval| is_whole(interval));
        interval.is_some()
    })
    .await;
    let log = &interval.expect("it was found")[..];
    let mut heard = BTreeMap::new();
    for name in requests(log) {
        *heard.entry(name).or_insert(0_u32) += 1;
    }
    let expected = [Some("control_ping"), Some("lb_vip_dump"), Some(dump_of_servers), list_of_vips];
    let unexpected: Vec<_> = heard.keys().filter(|name| !expected.contains(&Some(name))).collect();
    assert!(unexpected.is_empty(), "{heard:?}");
    assert_eq!(heard["lb_vip_dump"], 1, "{heard:?}");
    assert!(heard.get("cli_inband").is_none_or(|texts| *texts == 1), "{heard:?}");
    let whole = log.iter().filter(|entry| entry.name == dump_of_servers && entry.fields["port"] == 0);
    assert_eq!(whole.count(), 0, "a dump of everything");
    drop(running);
    simulator.stop();
}
