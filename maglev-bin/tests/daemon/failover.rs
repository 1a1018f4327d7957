use maglev_bin::event::What;
use vpp_sim::Release;

use crate::every_release::on_every_release;
use crate::support::{Lab, cuts, shown, until, weight};

on_every_release! {
    a_server_that_stops_loses_its_weight_and_gets_it_back,
    the_second_pool_takes_over_only_while_the_first_is_empty,
    a_dead_server_is_flushed_once_after_all_cuts,
    counters_follow_the_traffic_of_each_vip_and_server,
}

async fn a_server_that_stops_loses_its_weight_and_gets_it_back(release: Release) {
    let mut lab = Lab::new(2);
    let simulator = lab.simulator_of(release);
    let running = lab.daemon(&lab.config("", ""));
    let (first, second) = (lab.address(0), lab.address(1));
    until("both servers get weight 100", || {
        weight(&simulator, first) == shown(release, 100) && weight(&simulator, second) == shown(release, 100)
    })
    .await;

    lab.servers[0].stop().await;
    running.becomes("web0", "down").await;
    until("the stopped server has weight 0", || weight(&simulator, first) == shown(release, 0)).await;
    assert_eq!(weight(&simulator, second), shown(release, 100));

    lab.servers[0].start().unwrap();
    running.becomes("web0", "up").await;
    until("the server that is back has weight 100", || weight(&simulator, first) == shown(release, 100)).await;
    simulator.stop();
}

async fn the_second_pool_takes_over_only_while_the_first_is_empty(release: Release) {
    let mut lab = Lab::new(3);
    let simulator = lab.simulator_of(release);
    let config = lab.pools("", "", &[("primary", vec![0, 1]), ("backup", vec![2])]);
    let mut running = lab.daemon(&config);
    let addresses = [0, 1, 2].map(|server| lab.address(server));
    let weights = || addresses.map(|server| weight(&simulator, server));
    let shown = |weights: [u8; 3]| weights.map(|weight| shown(release, weight));
    until("the first pool carries the weight", || weights() == shown([100, 100, 0])).await;

    lab.servers[0].stop().await;
    running.becomes("web0", "down").await;
    lab.servers[1].stop().await;
    let failover = |what: &What| matches!(what, What::FrontendPool { to, .. } if &**to == "backup");
    running.event("the failover to the second pool", failover).await;
    until("the second pool carries the weight", || weights() == shown([0, 0, 100])).await;

    lab.servers[1].start().unwrap();
    let recovery = |what: &What| matches!(what, What::FrontendPool { to, .. } if &**to == "primary");
    running.event("the return to the first pool", recovery).await;
    until("the first pool is back", || weights() == shown([0, 100, 0])).await;
    simulator.stop();
}

async fn a_dead_server_is_flushed_once_after_all_cuts(release: Release) {
    let mut lab = Lab::new(2);
    let simulator = lab.simulator_of(release);
    let mut running = lab.daemon(&lab.config("", ""));
    let first = lab.address(0);
    until("the servers serve", || weight(&simulator, first) == shown(release, 100)).await;
    lab.servers[0].stop().await;
    let flushed = |what: &What| matches!(what, What::AsWeightUpdated { flush: true, .. });
    running.event("the flush of the dead server", flushed).await;
    let flushes: Vec<_> = cuts(&simulator.api_log()).iter().map(|cut| cut.flushes).collect();
    assert!(flushes.ends_with(&[false, true]), "a cut without flush and then one flush, not {flushes:?}");
    simulator.stop();
}

async fn counters_follow_the_traffic_of_each_vip_and_server(release: Release) {
    let lab = Lab::new(2);
    let simulator = lab.simulator_of(release);
    let running = lab.daemon(&lab.config("", ""));
    let first = lab.address(0);
    until("the servers serve", || weight(&simulator, first) == shown(release, 100)).await;
    simulator.set_flows(2_000);
    let published = running.daemon.published().clone();
    until("packets to the VIP and to both servers are counted", || {
        let Some(counters) = published.counters() else { return false };
        let first_packets: u64 = counters.vips.values().map(|vip| vip.first).sum();
        first_packets > 100
            && counters.routes.len() == 1
            && counters.backends.values().filter(|of| of.packets > 10).count() == 2
    })
    .await;
    simulator.set_flows(0);
    until("what went to the servers adds up to what came for the VIP", || {
        let Some(counters) = published.counters() else { return false };
        let to: u64 = counters.routes.values().map(|of| of.packets).sum();
        let via: u64 = counters.backends.values().map(|of| of.packets).sum();
        to > 0 && to == via
    })
    .await;
    simulator.stop();
}
