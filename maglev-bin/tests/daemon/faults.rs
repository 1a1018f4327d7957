use maglev_bin::event::What;

use rstest::rstest;
use vpp_sim::{Release, Simulator};

use crate::support::{Lab, parse, until, weight, writes};

fn start(lab: &Lab, release: Release) -> Simulator {
    Simulator::start(vpp_sim::Options { release, ..lab.sim_options() }).unwrap()
}

fn serves(simulator: &Simulator, lab: &Lab, server: usize) -> bool {
    weight(simulator, lab.address(server)).is_some_and(|weight| weight > 0)
}

/// Reloads a config that keeps probes from being sent, and expects a warning, no transition and no write.
async fn changes_no_weight(lab: &Lab, release: Release, broken: &str, cause: &str) {
    let simulator = start(lab, release);
    let config = lab.config("", "");
    let mut running = lab.daemon(&config);
    let both_serve = || serves(&simulator, lab, 0) && serves(&simulator, lab, 1);
    until("the servers serve", both_serve).await;
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
    assert!(both_serve());
    let log = simulator.api_log();
    assert_eq!(writes(&log[before..]), [""; 0]);
    drop(running);
    simulator.stop();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_source_address_that_is_missing_changes_no_weight(
    #[values(Release::V25_10, Release::V26_10)] release: Release,
) {
    let lab = Lab::new(2);
    let broken = lab.config("", ", probe-ipv4-src: 198.51.100.77");
    changes_no_weight(&lab, release, &broken, "source").await;
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_missing_changes_no_weight(#[values(Release::V25_10, Release::V26_10)] release: Release) {
    let lab = Lab::new(2);
    let broken = lab.config("", "").replace("maglev:\n", "maglev:\n  healthchecker: { netns: maglev-test-nowhere }\n");
    changes_no_weight(&lab, release, &broken, "netns-missing").await;
}

#[rstest]
#[case::with_weights(Release::V26_10, "lb_add_del_as_v2")]
#[case::without_weights(Release::V25_10, "lb_add_del_as")]
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_call_is_told_and_tried_again(#[case] release: Release, #[case] message: &str) {
    let lab = Lab::new(2);
    let simulator = start(&lab, release);
    simulator.inject(format!("refuse:message={message},call=1,retval=-1").parse().unwrap());
    let mut running = lab.daemon(&lab.config("", ""));
    let failed = |what: &What| matches!(what, What::VppLbSyncError { .. });
    running.event("an error about the refused call", failed).await;
    until("the server is added after all", || serves(&simulator, &lab, 0) && serves(&simulator, &lab, 1)).await;
    simulator.stop();
}
