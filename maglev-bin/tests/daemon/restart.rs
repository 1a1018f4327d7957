use maglev_bin::event::What;
use vpp_sim::{Release, Simulator};

use crate::every_release::on_every_release;
use crate::support::{Lab, Running, changes, cuts, shown, until, weight, writes};

on_every_release! {
    a_restart_writes_nothing,
    a_first_probe_that_is_lost_cuts_nobody,
    a_server_that_died_while_the_daemon_was_away_is_cut_after_its_fails,
    an_unchanged_config_reloads_without_a_write_and_without_a_transition,
    a_backend_that_leaves_the_config_is_deleted_without_flush,
    a_reload_while_vpp_is_away_keeps_the_weights_that_it_had,
}

const NO_DELAY: &str = ", startup-min-delay: 0s, startup-max-delay: 0s";

/// A lab whose servers serve, after a first daemon that is gone again.
async fn settled(lab: &Lab, simulator: &Simulator, release: Release, config: &str) {
    let running = lab.daemon(config);
    until("the first server serves", || weight(simulator, lab.address(0)) == shown(release, 100)).await;
    running.settles().await;
    drop(running);
}

/// Waits until both servers of a lab serve.
async fn serve(lab: &Lab, simulator: &Simulator, release: Release) {
    let serves = |server: &usize| weight(simulator, lab.address(*server)) == shown(release, 100);
    until("both servers serve", || [0, 1].iter().all(serves)).await;
}

/// Waits until a daemon has read VPP and every backend has its verdict.
async fn decided(running: &mut Running, verdicts: usize) {
    for _ in 0..verdicts {
        running
            .event("a verdict", |what| matches!(what, What::BackendTransition { from, .. } if &**from == "unknown"))
            .await;
    }
}

/// Lets the daemon compare everything with VPP once more: whatever it had decided before has been sent by then.
async fn compares(running: &Running) {
    running.settles().await;
    running.daemon.sync(None, false).await.expect("VPP is there and has been read");
}

async fn a_restart_writes_nothing(release: Release) {
    let lab = Lab::new(3);
    let simulator = lab.simulator_of(release);
    let pools = [("primary", vec![0, 1]), ("backup", vec![2])];
    for lb in [NO_DELAY, ", startup-min-delay: 50ms, startup-max-delay: 1s"] {
        let config = lab.pools(lb, "", &pools);
        settled(&lab, &simulator, release, &config).await;
        let before = simulator.api_log().len();
        let mut running = lab.daemon(&config);
        decided(&mut running, 3).await;
        let published = running.daemon.published().clone();
        until("the end of the warm-up", || &*published.snapshot().vpp.warm_up == "done").await;
        compares(&running).await;
        let log = simulator.api_log();
        assert_eq!(changes(release, &log[before..]), [""; 0], "with {lb}");
    }
    simulator.stop();
}

async fn a_first_probe_that_is_lost_cuts_nobody(release: Release) {
    let mut lab = Lab::new(2);
    let simulator = lab.simulator_of(release);
    let config = lab.config(NO_DELAY, ", fall: 3").replace(", fall: 2", "");
    settled(&lab, &simulator, release, &config).await;
    let before = simulator.api_log().len();
    lab.servers[0].stop().await;
    let running = lab.daemon(&config);
    running.becomes("web1", "up").await;
    let published = running.daemon.published().clone();
    let totals = running.daemon.totals().clone();
    until("a probe of the held server has failed", || {
        let text = maglev_bin::metrics::Metrics::new(published.clone(), &totals).render();
        text.lines().any(|line| line.starts_with(r#"maglev_probe_total{backend="web0",type="http",result="fail""#))
    })
    .await;
    lab.servers[0].start().unwrap();
    running.becomes("web0", "up").await;
    let log = simulator.api_log();
    assert_eq!(changes(release, &log[before..]), [""; 0]);
    simulator.stop();
}

async fn a_server_that_died_while_the_daemon_was_away_is_cut_after_its_fails(release: Release) {
    let mut lab = Lab::new(2);
    let simulator = lab.simulator_of(release);
    let config = lab.config(NO_DELAY, "");
    settled(&lab, &simulator, release, &config).await;
    lab.servers[0].stop().await;
    let running = lab.daemon(&config);
    running.becomes("web0", "down").await;
    let dead = lab.address(0);
    until("the dead server has weight 0", || weight(&simulator, dead) == shown(release, 0)).await;
    assert_eq!(weight(&simulator, lab.address(1)), shown(release, 100));
    simulator.stop();
}

async fn an_unchanged_config_reloads_without_a_write_and_without_a_transition(release: Release) {
    let lab = Lab::new(2);
    let simulator = lab.simulator_of(release);
    let config = lab.config("", "");
    let mut running = lab.daemon(&config);
    decided(&mut running, 2).await;
    serve(&lab, &simulator, release).await;
    let before = simulator.api_log().len();
    let renamed = config.replace("web: {", "http: {").replace("healthcheck: web", "healthcheck: http");
    running.daemon.reload(crate::support::parse(&renamed), &[]).await.unwrap();
    let reload = |what: &What| match what {
        What::BackendTransition { .. } => panic!("a reload that changes nothing made {what}"),
        what => matches!(what, What::ConfigReload { .. }),
    };
    running.event("the reload", reload).await;
    compares(&running).await;
    let log = simulator.api_log();
    assert_eq!(writes(&log[before..]), [""; 0]);
    simulator.stop();
}

async fn a_backend_that_leaves_the_config_is_deleted_without_flush(release: Release) {
    let lab = Lab::new(3);
    let simulator = lab.simulator_of(release);
    let mut running = lab.daemon(&lab.pools("", "", &[("primary", vec![0, 1, 2])]));
    decided(&mut running, 3).await;
    let gone = lab.address(2);
    until("the third server serves", || weight(&simulator, gone) == shown(release, 100)).await;
    running.settles().await;
    let before = simulator.api_log().len();
    let smaller = lab.pools("", "", &[("primary", vec![0, 1])]);
    running.daemon.reload(crate::support::parse(&smaller), &[]).await.unwrap();
    until("the third server is gone", || weight(&simulator, gone).is_none()).await;
    compares(&running).await;
    let log = simulator.api_log();
    assert_eq!(writes(&log[before..]).len(), 1, "{:?}", writes(&log[before..]));
    let cuts = cuts(&log[before..]);
    let deletions: Vec<_> = cuts.iter().filter(|cut| cut.deletes).collect();
    assert_eq!(deletions.len(), 1, "{cuts:?}");
    assert!(!deletions[0].flushes);
    simulator.stop();
}

async fn a_reload_while_vpp_is_away_keeps_the_weights_that_it_had(release: Release) {
    let lab = Lab::new(2);
    let simulator = lab.simulator_of(release);
    let config = lab.config(NO_DELAY, "");
    let mut running = lab.daemon(&config);
    decided(&mut running, 2).await;
    serve(&lab, &simulator, release).await;
    running.settles().await;
    simulator.kill();
    running.event("the loss of the link", |what| matches!(what, What::VppDisconnect { .. })).await;
    // Another check makes both unknown; their first probes come later than the successor.
    let changed = config.replace("rise: 2", "rise: 2, params: { path: /other }");
    running.daemon.reload(crate::support::parse(&changed), &[]).await.unwrap();
    running.daemon.turns().await;
    let held = running.daemon.published().snapshot();
    assert!(held.frontends[0].pools[0].backends.iter().all(|member| member.effective_weight == 100), "{held:?}");
    let successor = lab.simulator_of(release);
    serve(&lab, &successor, release).await;
    assert_eq!(cuts(&successor.api_log()), [], "a server that nobody had judged was added at 0 or cut");
    successor.stop();
}

/// Before 26.10 a list tells the length, and VPP is not read without it.
#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_text_tells_is_shown_as_soon_as_it_comes() {
    let lab = Lab::new(1);
    let simulator = lab.simulator();
    let never_compared = format!("{NO_DELAY}, sync-interval: 1h");
    let config =
        lab.config(&never_compared, "").replace("      pools:", "      new-flows-table-length: 65536\n      pools:");
    settled(&lab, &simulator, Release::V26_10, &config).await;
    // By then everything else has happened: a dump cannot tell this length.
    simulator.inject("delay:message=cli_inband,by=1s".parse().unwrap());
    let running = lab.daemon(&config);
    let published = running.daemon.published().clone();
    let shown = || published.snapshot().frontends[0].dataplane.as_ref().map(|vip| vip.table_length);
    until("VPP is read, but for the text", || shown() == Some(None)).await;
    until("the length of the table is shown", || shown() == Some(Some(65_536))).await;
    simulator.stop();
}
