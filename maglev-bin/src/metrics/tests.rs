use super::*;
use maglev_health::{Code, Outcome};

use crate::snapshot::tests::example;
use crate::snapshot::{AgentView, BackendView, Counters, DampingView, Traffic, VipCounters, VipName, VppInfo, VppView};
use maglev_health::{Damping, Penalty};
use std::time::{Duration, Instant};

fn page(published: &Arc<Published>, totals: &Totals) -> String {
    Metrics::new(published.clone(), totals).render()
}

fn has(page: &str, line: &str) {
    assert!(page.lines().any(|found| found == line), "no line `{line}` in\n{page}");
}

#[test]
fn every_state_of_a_backend_is_there_as_zero_or_one() {
    let page = page(&Published::new(example()), &Totals::default());
    has(&page, r#"maglev_backend_state{backend="web0",state="up"} 1"#);
    has(&page, r#"maglev_backend_state{backend="web0",state="down"} 0"#);
    has(&page, r#"maglev_backend_state{backend="web1",state="down"} 1"#);
    has(&page, r#"maglev_frontend_pool_backend_effective_weight{frontend="web-v4",pool="primary",backend="web1"} 0"#);
    has(&page, r#"maglev_vpp_as_buckets{prefix="192.0.2.1",protocol="tcp",port="80",backend="web0"} 512"#);
    has(&page, "maglev_vpp_connected 0");
    has(&page, "maglev_vpp_stats_connected 0");
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn flaps_and_words_of_servers_are_there_for_those_that_have_them() {
    let mut snapshot = example();
    let seconds = Duration::from_secs;
    let damping = Damping::new(1_000, 2_000, 750, seconds(3_600), seconds(36_000)).unwrap();
    let penalty = Penalty::NONE.added(&damping, Instant::now() + seconds(60));
    let damping = DampingView { damping, penalty, suppressed_until: Some(snapshot.taken) };
    let agent = AgentView { share: 75, mode: "drain" };
    let backend = BackendView { damping: Some(damping), agent: Some(agent), ..(*snapshot.backends[0]).clone() };
    snapshot.backends[0] = Arc::new(backend);
    let page = page(&Published::new(snapshot), &Totals::default());
    // Its flap lies ahead, so that none of it has decayed.
    has(&page, r#"maglev_backend_penalty{backend="web0"} 1000"#);
    has(&page, r#"maglev_backend_suppressed{backend="web0"} 1"#);
    has(&page, r#"maglev_backend_agent_share{backend="web0"} 75"#);
    has(&page, r#"maglev_backend_agent_mode{backend="web0",mode="drain"} 1"#);
    has(&page, r#"maglev_backend_agent_mode{backend="web0",mode="ready"} 0"#);
    for metric in ["penalty", "suppressed", "agent_share", "agent_mode"] {
        assert!(!page.contains(&format!("maglev_backend_{metric}{{backend=\"web1\"")), "{page}");
    }
}

#[test]
fn counters_appear_with_the_stats_segment_and_go_with_it() {
    let published = Published::new(example());
    let mut counters = Counters::default();
    let vip = VipName { prefix: "192.0.2.1".into(), protocol: "tcp".into(), port: 80 };
    counters.vips.insert(vip, VipCounters { first: 7, next: 8, untracked: 9, no_server: 10 });
    counters.routes.insert("192.0.2.1".into(), Traffic { packets: 34, bytes: 2_040 });
    counters.backends.insert("10.2.1.1".parse().unwrap(), Traffic { packets: 24, bytes: 2_016 });
    published.publish_counters(Some(counters));
    let with = page(&published, &Totals::default());
    has(&with, r#"maglev_vpp_vip_packets_total{prefix="192.0.2.1",protocol="tcp",port="80",kind="no_server"} 10"#);
    has(&with, r#"maglev_vpp_vip_route_bytes_total{prefix="192.0.2.1"} 2040"#);
    has(&with, r#"maglev_vpp_backend_packets_total{backend="web0",address="10.2.1.1"} 24"#);
    has(&with, "maglev_vpp_stats_connected 1");
    published.publish_counters(None);
    assert!(!page(&published, &Totals::default()).contains("maglev_vpp_vip_packets_total{"));
}

#[test]
fn the_vpp_at_the_other_end_is_named() {
    let info = VppInfo {
        version: "26.10".into(),
        build_date: "today".into(),
        build_directory: "/usr/src".into(),
        can: crate::snapshot::Can { lb: true, weights: true, src_ip_sticky: true },
        pid: 77,
        boot_time: Some(1),
        connected: jiff::Timestamp::now(),
    };
    let vpp = VppView { link: Some(info), ..VppView::default() };
    let published = Published::new(crate::snapshot::Snapshot { vpp: Arc::new(vpp), ..example() });
    let page = page(&published, &Totals::default());
    has(&page, r#"maglev_vpp_info{version="26.10",build_date="today",pid="77"} 1"#);
    has(&page, "maglev_vpp_connected 1");
    assert!(page.contains("maglev_vpp_uptime_seconds "));
}

#[test]
fn totals_count_by_their_labels() {
    let totals = Totals::default();
    totals.probes_of(&"web0".into(), "http").count(Outcome::Pass, Code::L7Ok, Duration::from_millis(3));
    totals.transition(&"web0".into(), &"unknown".into(), &"up".into());
    totals.api_sent("lb_conf");
    totals.api_received("lb_conf", "ok", Duration::from_micros(80));
    totals.reload("refused");
    totals.sync("vip", "as-added", 1);
    let page = page(&Published::new(example()), &totals);
    has(&page, r#"maglev_probe_total{backend="web0",type="http",result="pass",code="L7OK"} 1"#);
    has(&page, r#"maglev_probe_duration_seconds_bucket{le="0.005",backend="web0",type="http"} 1"#);
    has(&page, r#"maglev_backend_transitions_total{backend="web0",from="unknown",to="up"} 1"#);
    has(&page, r#"maglev_vpp_api_total{msg="lb_conf",direction="tx",result="ok"} 1"#);
    has(&page, r#"maglev_config_reload_total{result="refused"} 1"#);
    assert_eq!(totals.api_calls(&["lb_conf", "lb_conf_get"]), 1);
}
