use maglev_bin::event::What;
use vpp_sim::{Release, Simulator};

use crate::every_release::on_every_release;
use crate::support::{Lab, shown, until, weight, writes};

on_every_release! {
    a_vpp_that_comes_late_is_programmed_when_it_is_there,
    a_restarted_vpp_is_programmed_again,
    a_killed_vpp_and_its_successor_on_the_same_path,
    nothing_is_written_to_a_vpp_without_the_lb_plugin,
}

async fn a_vpp_that_comes_late_is_programmed_when_it_is_there(release: Release) {
    let lab = Lab::new(2);
    let mut running = lab.daemon(&lab.config("", ""));
    let absent = |what: &What| matches!(what, What::Warning { cause, .. } if &**cause == "vpp-absent");
    let warning = running.event("a warning that VPP is absent", absent).await;
    assert!(warning.what.to_string().contains("Probes go on"), "{}", warning.what);
    running.becomes("web0", "up").await;
    let simulator = lab.simulator_of(release);
    until("the servers serve", || weight(&simulator, lab.address(0)) == shown(release, 100)).await;
    simulator.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stats_socket_without_an_api_socket_is_explained() {
    let lab = Lab::new(1);
    std::fs::write(lab.folder.join("stats.sock"), b"").unwrap();
    let mut running = lab.daemon(&lab.config("", ""));
    let absent = |what: &What| matches!(what, What::Warning { cause, .. } if &**cause == "vpp-absent");
    let warning = running.event("a warning that VPP is absent", absent).await;
    assert!(warning.what.to_string().contains("socksvr"), "{}", warning.what);
}

async fn a_restarted_vpp_is_programmed_again(release: Release) {
    let lab = Lab::new(2);
    let simulator = lab.simulator_of(release);
    let mut running = lab.daemon(&lab.config("", ""));
    let first = lab.address(0);
    until("the servers serve", || weight(&simulator, first) == shown(release, 100)).await;
    simulator.restart().unwrap();
    running.event("the loss of the link", |what| matches!(what, What::VppDisconnect { .. })).await;
    until("the new VPP has what the old one had", || weight(&simulator, first) == shown(release, 100)).await;
    assert_eq!(simulator.crashes(), 0);
    simulator.stop();
}

async fn a_killed_vpp_and_its_successor_on_the_same_path(release: Release) {
    let lab = Lab::new(2);
    let simulator = lab.simulator_of(release);
    let mut running = lab.daemon(&lab.config("", ""));
    let first = lab.address(0);
    until("the servers serve", || weight(&simulator, first) == shown(release, 100)).await;
    simulator.kill();
    running.event("the loss of the link", |what| matches!(what, What::VppDisconnect { .. })).await;
    assert!(running.daemon.published().snapshot().vpp.link.is_none());
    let successor = lab.simulator_of(release);
    until("the successor is programmed", || weight(&successor, first) == shown(release, 100)).await;
    until("its counters are read", || running.daemon.published().counters().is_some()).await;
    successor.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_for_one_vpp_does_not_start() {
    let lab = Lab::new(1);
    let config = lab.config("", "");
    let _first = lab.daemon(&config);
    let options = maglev_bin::daemon::Options::new(Some(lab.folder.join("api.sock")), None);
    let bus = maglev_bin::event::Bus::new();
    let refused = maglev_bin::daemon::Daemon::start(crate::support::parse(&config), options, bus).unwrap_err();
    assert!(refused.to_string().contains("already steers"), "{refused}");
}

async fn nothing_is_written_to_a_vpp_without_the_lb_plugin(release: Release) {
    let lab = Lab::new(2);
    let absent = "absent:message=lb_add_del_vip".parse().unwrap();
    let simulator = Simulator::start(vpp_sim::Options { release, faults: vec![absent], ..lab.sim_options() }).unwrap();
    let mut running = lab.daemon(&lab.config(", startup-min-delay: 0s, startup-max-delay: 0s", ""));
    let refused = |what: &What| matches!(what, What::Error { cause, .. } if &**cause == "vpp-unsupported");
    let error = running.event("an error about the plugin", refused).await;
    assert!(error.what.to_string().contains("lb_plugin.so"), "{}", error.what);
    running.becomes("web0", "up").await;
    let text = maglev_bin::metrics::Metrics::new(running.daemon.published().clone(), running.daemon.totals()).render();
    assert!(text.contains("maglev_vpp_unsupported 1"), "{text}");
    assert!(text.contains(r#"maglev_vpp_capability{capability="lb"} 0"#), "{text}");
    assert_eq!(writes(&simulator.api_log()), [""; 0]);
    simulator.stop();
}
