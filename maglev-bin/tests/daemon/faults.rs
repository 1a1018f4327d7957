use maglev_bin::event::What;
use vpp_sim::{Release, Simulator};

use crate::every_release::on_every_release;
use crate::support::{Lab, parse, until, weight, writes};

on_every_release! {
    a_source_address_that_is_missing_changes_no_weight,
    a_namespace_that_is_missing_changes_no_weight,
    a_refused_call_is_told_and_tried_again,
}

fn serves(simulator: &Simulator, lab: &Lab, server: usize) -> bool {
    weight(simulator, lab.address(server)).is_some_and(|weight| weight > 0)
}

/// Reloads a config that keeps probes from being sent, and expects a warning, no transition and no write.
async fn changes_no_weight(lab: &Lab, release: Release, broken: &str, cause: &str) {
    let simulator = lab.simulator_of(release);
    let config = lab.config("", "");
    let mut running = lab.daemon(&config);
    let both_serve = || serves(&simulator, lab, 0) && serves(&simulator, lab, 1);
    until("the servers serve", both_serve).await;
    running.settles().await;
    let before = simulator.api_log().len();
    running.daemon.reload(parse(broken), &[]).await.unwrap();
    let warned = |what: &What| match what {
        What::BackendTransition { from, to, .. } if &**from == "up" && &**to == "down" => panic!("a server was blamed"),
        What::Warning { cause: told, .. } => &**told == cause,
        _ => false,
    };
    running.event("one warning about our own fault", warned).await;
    let totals = running.daemon.totals().clone();
    let published = running.daemon.published().clone();
    until("more probes could not be sent than it takes to bring a server down", || {
        let text = maglev_bin::metrics::Metrics::new(published.clone(), &totals).render();
        let count = |name: &str| {
            let start = format!(r#"maglev_probe_total{{backend="{name}",type="http",result="error",code="SOCKERR"}} "#);
            text.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok()).unwrap_or(0_u32)
        };
        count("web0") > 4 && count("web1") > 4
    })
    .await;
    let log = simulator.api_log();
    assert_eq!(writes(&log[before..]), [""; 0]);
    assert!(both_serve());
    drop(running);
    simulator.stop();
}

async fn a_source_address_that_is_missing_changes_no_weight(release: Release) {
    let lab = Lab::new(2);
    let broken = lab.config("", ", probe-ipv4-src: 198.51.100.77");
    changes_no_weight(&lab, release, &broken, "source").await;
}

async fn a_namespace_that_is_missing_changes_no_weight(release: Release) {
    let lab = Lab::new(2);
    let broken = lab.config("", "").replace("maglev:\n", "maglev:\n  healthchecker: { netns: maglev-test-nowhere }\n");
    changes_no_weight(&lab, release, &broken, "netns-missing").await;
}

async fn a_refused_call_is_told_and_tried_again(release: Release) {
    let message = if release >= Release::V26_10 { "lb_add_del_as_v2" } else { "lb_add_del_as" };
    let lab = Lab::new(2);
    let simulator = lab.simulator_of(release);
    simulator.inject(format!("refuse:message={message},call=1,retval=-1").parse().unwrap());
    let mut running = lab.daemon(&lab.config("", ""));
    let failed = |what: &What| matches!(what, What::VppLbSyncError { .. });
    running.event("an error about the refused call", failed).await;
    until("the server is added after all", || serves(&simulator, &lab, 0) && serves(&simulator, &lab, 1)).await;
    simulator.stop();
}
