//! A frontend's life as far as VPP's text and sessions show it: drain, restart, an upgrade of VPP.

use maglev_bin::daemon::{Action, Order};
use maglev_bin::event::What;
use vpp_sim::Release;

use crate::every_release::on_every_release;
use crate::support::{Lab, until, writes};
use crate::vpp::{cli, compared, serves, verbose};

on_every_release! {
    a_paused_backend_drains_and_a_disabled_one_is_cut,
    a_restart_without_sessions_leaves_vpp_byte_for_byte_as_it_was,
    a_restart_with_sessions_leaves_vpp_byte_for_byte_as_it_was,
}

const QUICK: &str = ", startup-min-delay: 0s, startup-max-delay: 0s, sync-interval: 200ms";

async fn a_paused_backend_drains_and_a_disabled_one_is_cut(release: Release) {
    let lab = Lab::new(2);
    let simulator = lab.simulator_of(release);
    let mut running = lab.daemon(&lab.config(QUICK, ""));
    let (first, second) = (lab.address(0), lab.address(1));
    until("both servers serve", || serves(&simulator, first) && serves(&simulator, second)).await;
    simulator.set_flows(500);
    let flows = |simulator: &vpp_sim::Simulator| {
        let vip = crate::vpp::find(simulator, ("192.0.2.1/32", 6, 80));
        vip.and_then(|vip| vip.server(first).map(|server| server.flows)).unwrap_or_default()
    };
    until("the first server has sessions", || flows(&simulator) > 10).await;
    simulator.set_flows(0);

    let order = |action| Order { who: "test".into(), reason: "".into(), action };
    running.daemon.operate(order(Action::Pause("web0".into()))).await.unwrap();
    until("the paused server takes no new flows", || !serves(&simulator, first)).await;
    compared(&running).await;
    assert!(flows(&simulator) > 10, "its sessions go on");

    running.daemon.operate(order(Action::Disable("web0".into()))).await.unwrap();
    let flushed = |what: &What| matches!(what, What::AsWeightUpdated { flush: true, .. });
    running.event("the flush of the disabled server", flushed).await;
    assert_eq!(flows(&simulator), 0);

    running.daemon.operate(order(Action::Enable("web0".into()))).await.unwrap();
    until("the enabled server serves", || serves(&simulator, first)).await;
    simulator.stop();
}

async fn a_restart_without_sessions_leaves_vpp_byte_for_byte_as_it_was(release: Release) {
    restart(release, false).await;
}

async fn a_restart_with_sessions_leaves_vpp_byte_for_byte_as_it_was(release: Release) {
    restart(release, true).await;
}

async fn restart(release: Release, sessions: bool) {
    let mut lab = Lab::new(4);
    let simulator = lab.simulator_of(release);
    let config = lab.pools(QUICK, "", &[("primary", vec![0, 1, 2]), ("backup", vec![3])]);
    let running = lab.daemon(&config);
    lab.servers[0].stop().await;
    running.becomes("web0", "down").await;
    let served =
        |simulator: &vpp_sim::Simulator| [0, 1, 2, 3].map(|n| serves(simulator, lab.servers[n].address().ip()));
    until("two of three serve", || served(&simulator) == [false, true, true, false]).await;
    if sessions {
        simulator.set_flows(500);
        until("there are sessions", || simulator.flow_totals().new_flows > 100).await;
        simulator.set_flows(0);
        until("no packet is under way", || simulator.flow_totals().under_way == 0).await;
    }
    compared(&running).await;
    drop(running);

    let (text, settings) = (verbose(&simulator).await, cli(&simulator, "show lb").await);
    let before = simulator.api_log().len();
    let again = lab.daemon(&config);
    for (name, state) in [("web0", "down"), ("web1", "up"), ("web2", "up"), ("web3", "up")] {
        again.becomes(name, state).await;
    }
    compared(&again).await;
    assert_eq!(verbose(&simulator).await, text);
    assert_eq!(cli(&simulator, "show lb").await, settings);
    // Where VPP does not tell its settings they are sent again, as they are.
    let tells = sessions || release >= Release::V26_10;
    let written = writes(&simulator.api_log()[before..]);
    assert!(written.iter().all(|write| !tells && write.starts_with("lb_conf ")), "{written:?}");
    simulator.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vpp_that_is_upgraded_under_a_running_daemon_gets_the_weights_that_are_wanted() {
    let lab = Lab::new(2);
    let config = lab.config(QUICK, "").replace("web1: {}", "web1: { weight: 10 }");
    let simulator = lab.simulator_of(Release::V25_10);
    let mut running = lab.daemon(&config);
    let (first, second) = (lab.address(0), lab.address(1));
    until("both servers serve", || serves(&simulator, first) && serves(&simulator, second)).await;
    compared(&running).await;
    simulator.kill();
    running.event("the loss of the link", |what| matches!(what, What::VppDisconnect { .. })).await;

    let successor = lab.simulator_of(Release::V26_10);
    let weights = |simulator: &_| [first, second].map(|server| crate::support::weight(simulator, server));
    until("the new VPP has both weights", || weights(&successor) == [Some(100), Some(10)]).await;
    successor.kill();
    running.event("the loss of the link", |what| matches!(what, What::VppDisconnect { .. })).await;

    // And back.
    let predecessor = lab.simulator_of(Release::V26_06);
    until("both servers serve", || serves(&predecessor, first) && serves(&predecessor, second)).await;
    compared(&running).await;
    predecessor.stop();
}
