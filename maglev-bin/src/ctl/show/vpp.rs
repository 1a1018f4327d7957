//! VPP: who it is, what its load balancer holds, and what it counted.

use jiff::Timestamp as Time;
use serde::Serialize;

use super::style::{Tone, age, clean, count, digits, or_dash, percent, time, vip};
use super::table::{Table, cell, facts, indented};
use crate::build;
use crate::proto::{AsState, VipState, VppInfo, VpplbConf, VpplbCounters, VpplbState};

/// What runs at each end.
#[derive(Serialize)]
pub(crate) struct Versions<'a> {
    maglevc: Version<'a>,
    maglevd: Version<'a>,
    vpp: VppVersion<'a>,
}

#[derive(Serialize)]
struct Version<'a> {
    version: &'a str,
    commit: &'a str,
    date: &'a str,
}

#[derive(Serialize)]
struct VppVersion<'a> {
    #[serde(skip)]
    dataplane: bool,
    connected: bool,
    version: &'a str,
    build_date: &'a str,
}

impl<'a> Versions<'a> {
    /// Of this program, and of what `info` tells.
    pub(crate) fn new(info: &'a VppInfo) -> Self {
        Self {
            maglevc: Version { version: build::VERSION, commit: build::COMMIT, date: build::date() },
            maglevd: Version { version: &info.maglevd_version, commit: &info.maglevd_commit, date: &info.maglevd_date },
            vpp: VppVersion {
                dataplane: has_dataplane(info),
                connected: info.connected,
                version: &info.version,
                build_date: &info.build_date,
            },
        }
    }
}

/// A line for each program.
pub(crate) fn versions(Versions { maglevc, maglevd, vpp }: &Versions<'_>) -> String {
    let mut table = Table::bare([false, false, false, false]);
    for (name, of) in [("maglevc", maglevc), ("maglevd", maglevd)] {
        table.row([name.into(), of.version.into(), cell(format_args!("commit {}", of.commit)), of.date.into()]);
    }
    if vpp.connected {
        table.row(["VPP".into(), vpp.version.into(), "built".into(), vpp.build_date.into()]);
    } else if !vpp.dataplane {
        table.row(["VPP".into(), NO_DATAPLANE.into(), "".into(), "".into()]);
    } else {
        table.row(["VPP".into(), cell("out of reach").tone(Tone::Bad), "".into(), "".into()]);
    }
    table.to_string()
}

fn has_dataplane(info: &VppInfo) -> bool {
    info.warm_up != "no dataplane"
}

/// There is no VPP, and none is missed.
const NO_DATAPLANE: &str = "no dataplane (empty --vpp-api-addr)";

/// Who is at the other end, and what it can do.
pub(crate) fn info(info: &VppInfo, now: Time) -> String {
    let ago = |time: &Option<_>| match time {
        Some(_) => format!("{} ago", age(time.as_ref(), now)),
        None => String::new(),
    };
    let title = match (info.connected, has_dataplane(info)) {
        (true, _) => Tone::Good.paint("VPP is connected"),
        (false, true) => Tone::Bad.paint("VPP is out of reach"),
        (false, false) => Tone::Plain.paint(NO_DATAPLANE),
    };
    let pid = if info.pid == 0 { String::new() } else { info.pid.to_string() };
    let owed = if info.connected { info.flushes_owed.to_string() } else { String::new() };
    let mut facts = facts([
        ("version", cell(&info.version)),
        ("built", cell(&info.build_date)),
        ("built in", cell(&info.build_directory)),
        ("pid", cell(pid)),
        ("started", cell(ago(&info.boot_time))),
        ("connected", cell(ago(&info.connected_since))),
        ("can do", cell(info.capabilities.join(" "))),
        ("not written", cell(&info.unsupported).tone(Tone::Bad)),
        ("warm-up", cell(&info.warm_up)),
        ("flushes owed", cell(owed)),
        (
            "maglevd",
            cell(format_args!("{} (commit {}, {})", info.maglevd_version, info.maglevd_commit, info.maglevd_date)),
        ),
        ("maglevd started", cell(ago(&info.maglevd_started))),
        ("config", cell(&info.config_sha256)),
    ]);
    for difference in &info.differs {
        facts.row([cell("differs").tone(Tone::Faint), cell(difference).tone(Tone::Doubt)]);
    }
    format!("{title}\n{}", indented(&facts))
}

/// What VPP's load balancer holds: the settings, then VIP by VIP its servers.
pub(crate) fn state(state: &VpplbState, now: Time) -> String {
    let mut text = state.conf.as_ref().map(conf).unwrap_or_default();
    if let Some(read) = &state.flows_read {
        text.push_str(&format!("flows were read {} ago and include expired ones\n", age(Some(read), now)));
    }
    // One table for all, so that columns are aligned from VIP to VIP.
    let mut ases = Table::bare([false, false, false, true, true, true]);
    let width = state.vips.iter().flat_map(|vip| &vip.ases).map(|one| digits(one.weight)).max().unwrap_or(0);
    for (vip, one) in state.vips.iter().flat_map(|vip| vip.ases.iter().map(move |one| (vip, one))) {
        ases.row([
            cell(&one.address),
            if one.backend.is_empty() { cell("foreign").tone(Tone::Doubt) } else { cell(&one.backend) },
            cell(format_args!("weight {:>width$}", one.weight)),
            cell(buckets(vip, one)),
            cell(vip.table_length.map_or_else(String::new, |whole| percent(one.buckets.into(), whole.into()))),
            cell(one.flows.map_or_else(String::new, |flows| count(flows, "flow"))),
        ]);
    }
    let mut lines = ases.lines().into_iter();
    for vip in &state.vips {
        text.push_str(&format!("\n{}\n", heading(vip, now)));
        for line in lines.by_ref().take(vip.ases.len()) {
            text.push_str(&format!("  {line}\n"));
        }
        if vip.ases.is_empty() {
            text.push_str("  no servers\n");
        }
        if !vip.error.is_empty() {
            text.push_str(&format!("  {}\n", Tone::Bad.paint(clean(&vip.error))));
        }
    }
    if state.vips.is_empty() {
        text.push_str("no VIPs\n");
    }
    text
}

fn conf(conf: &VpplbConf) -> String {
    let sources = format!("GRE from {} and {}", clean(&conf.ipv4_src_address), clean(&conf.ipv6_src_address));
    match (conf.sticky_buckets_per_core, conf.flow_timeout_seconds) {
        (0, _) | (_, 0) => format!("{sources}; VPP does not tell buckets and time-out before its first session\n"),
        (buckets, timeout) => {
            format!("{sources}, {buckets} sticky buckets per core, flows time out after {timeout}s\n")
        }
    }
}

fn heading(of: &VipState, now: Time) -> String {
    let name =
        if of.frontend.is_empty() { Tone::Doubt.paint("foreign") } else { Tone::Strong.paint(clean(&of.frontend)) };
    let table = of.table_length.map_or_else(|| "table unknown".to_owned(), |length| format!("table {length}"));
    let sticky = if of.src_ip_sticky == Some(true) { ", by source address" } else { "" };
    let agrees = match (of.released, of.in_sync) {
        (false, _) => Tone::Doubt.paint("waits for the warm-up"),
        (true, true) => Tone::Good.paint("as it should be"),
        (true, false) => Tone::Doubt.paint("differs"),
    };
    let compared = match &of.compared {
        Some(compared) => format!("compared {} ago", age(Some(compared), now)),
        None => "never compared".to_owned(),
    };
    let vip = vip(&of.prefix, &of.protocol, of.port);
    format!("{vip}  {name}  {}, {table}{sticky}  {agrees}, {compared}", clean(&of.encap))
}

fn buckets(vip: &VipState, one: &AsState) -> String {
    if vip.table_length.is_some() { count(one.buckets.into(), "bucket") } else { String::new() }
}

/// What VPP counted, by VIP and by backend.
pub(crate) fn counters(counters: &VpplbCounters, now: Time) -> String {
    let Some(taken) = &counters.taken else {
        return "no counters: the stats segment cannot be read\n".to_owned();
    };
    let mut vips =
        Table::new(["frontend", "vip", ">first", ">next", ">untracked", ">no-server", ">fib-packets", ">fib-bytes"]);
    for of in &counters.vips {
        let lost = of.no_server.is_some_and(|packets| packets > 0);
        vips.row([
            cell(&of.frontend).tone(Tone::Strong),
            cell(vip(&of.prefix, &of.protocol, of.port)),
            cell(or_dash(of.first)),
            cell(or_dash(of.next)),
            cell(or_dash(of.untracked)),
            cell(or_dash(of.no_server)).tone(if lost { Tone::Bad } else { Tone::Plain }),
            cell(or_dash(of.fib_packets)),
            cell(or_dash(of.fib_bytes)),
        ]);
    }
    let mut backends = Table::new(["backend", "address", ">packets", ">bytes"]);
    for of in &counters.backends {
        backends.row([
            cell(&of.name).tone(Tone::Strong),
            cell(&of.address),
            cell(or_dash(of.packets)),
            cell(or_dash(of.bytes)),
        ]);
    }
    let read = format!("read at {}, {} ago", time(Some(taken)), age(Some(taken), now));
    format!("{vips}\n{backends}\n{}\n", Tone::Faint.paint(read))
}

#[cfg(test)]
mod tests {
    use super::super::frontend::tests::{ago, now};
    use super::*;
    use crate::proto::{BackendCounters, VipCounters};
    use anstream::adapter::strip_str;

    fn example() -> VpplbState {
        let one = |address: &str, backend: &str, weight, buckets, flows| AsState {
            address: address.into(),
            backend: backend.into(),
            weight,
            buckets,
            flows,
        };
        let vip = VipState {
            prefix: "192.0.2.1".into(),
            protocol: "tcp".into(),
            port: 80,
            frontend: "web-v4".into(),
            encap: "gre4".into(),
            src_ip_sticky: Some(false),
            table_length: Some(1_024),
            ases: vec![one("10.2.1.1", "web0", 100, 512, Some(1_200)), one("10.2.1.2", "web1", 5, 512, Some(1))],
            compared: ago(4),
            in_sync: true,
            released: true,
            error: String::new(),
        };
        let foreign = VipState {
            prefix: "198.51.100.0/24".into(),
            protocol: "any".into(),
            port: 0,
            frontend: String::new(),
            table_length: None,
            ases: vec![one("10.9.9.9", "", 255, 0, None)],
            compared: None,
            in_sync: false,
            error: "lb_as_set_weight refused".into(),
            ..vip.clone()
        };
        VpplbState {
            conf: Some(VpplbConf {
                ipv4_src_address: "10.0.0.1".into(),
                ipv6_src_address: "2001:db8::1".into(),
                sticky_buckets_per_core: 65_536,
                flow_timeout_seconds: 40,
            }),
            vips: vec![vip, foreign],
            flows_read: ago(2),
        }
    }

    #[test]
    fn the_state_of_vpp_is_told_vip_by_vip() {
        insta::assert_snapshot!(strip_str(&state(&example(), now())), @r"
        GRE from 10.0.0.1 and 2001:db8::1, 65536 sticky buckets per core, flows time out after 40s
        flows were read 2s ago and include expired ones

        192.0.2.1 tcp/80  web-v4  gre4, table 1024  as it should be, compared 4s ago
          10.2.1.1  web0     weight 100  512 buckets  50.0 %  1200 flows
          10.2.1.2  web1     weight   5  512 buckets  50.0 %      1 flow

        198.51.100.0/24 any  foreign  gre4, table unknown  differs, never compared
          10.9.9.9  foreign  weight 255
          lb_as_set_weight refused
        ");
        assert_eq!(state(&VpplbState::default(), now()), "no VIPs\n");
    }

    #[test]
    fn counters_stand_in_the_order_of_the_specification() {
        let all = VpplbCounters {
            taken: ago(3),
            vips: vec![VipCounters {
                frontend: "web-v4".into(),
                prefix: "192.0.2.1".into(),
                protocol: "tcp".into(),
                port: 80,
                first: Some(1),
                next: Some(2),
                untracked: Some(3),
                no_server: Some(4),
                fib_packets: Some(5),
                fib_bytes: None,
                compared: None,
            }],
            backends: vec![BackendCounters {
                name: "web0".into(),
                address: "10.2.1.1".into(),
                packets: Some(6),
                bytes: Some(7),
            }],
        };
        insta::assert_snapshot!(strip_str(&counters(&all, now())), @r"
        frontend  vip               first  next  untracked  no-server  fib-packets  fib-bytes
        web-v4    192.0.2.1 tcp/80      1     2          3          4            5          -

        backend  address   packets  bytes
        web0     10.2.1.1        6      7

        read at 1970-01-12 13:46:37Z, 3s ago
        ");
        let none = counters(&VpplbCounters::default(), now());
        assert_eq!(none, "no counters: the stats segment cannot be read\n");
    }

    #[test]
    fn an_absent_vpp_leaves_what_the_daemon_knows_of_itself() {
        let absent = VppInfo {
            warm_up: "hands-off".into(),
            maglevd_version: "0.1.0".into(),
            maglevd_commit: "abc".into(),
            maglevd_date: "2026-11-21".into(),
            maglevd_started: ago(60),
            config_sha256: "00ff".into(),
            ..Default::default()
        };
        insta::assert_snapshot!(strip_str(&info(&absent, now())), @r"
        VPP is out of reach
          warm-up          hands-off
          maglevd          0.1.0 (commit abc, 2026-11-21)
          maglevd started  1m ago
          config           00ff
        ");
        let none = VppInfo { warm_up: "no dataplane".into(), ..absent.clone() };
        assert!(strip_str(&info(&none, now())).to_string().starts_with("no dataplane (empty --vpp-api-addr)\n"));
        assert!(versions(&Versions::new(&none)).contains("no dataplane (empty --vpp-api-addr)"));
        let present = VppInfo {
            connected: true,
            version: "26.10".into(),
            build_date: "2026-10-01".into(),
            build_directory: "/w/vpp".into(),
            pid: 7,
            boot_time: ago(187_200),
            connected_since: ago(120),
            capabilities: vec!["lb".into(), "lb-weights".into(), "stats".into()],
            differs: vec!["sticky buckets: 1024 in VPP, 65536 in the config".into()],
            ..absent
        };
        insta::assert_snapshot!(strip_str(&info(&present, now())), @r"
        VPP is connected
          version          26.10
          built            2026-10-01
          built in         /w/vpp
          pid              7
          started          2d4h ago
          connected        2m ago
          can do           lb lb-weights stats
          warm-up          hands-off
          flushes owed     0
          maglevd          0.1.0 (commit abc, 2026-11-21)
          maglevd started  1m ago
          config           00ff
          differs          sticky buckets: 1024 in VPP, 65536 in the config
        ");
    }
}
