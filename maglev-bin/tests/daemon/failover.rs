use maglev_bin::event::What;

use crate::support::{Lab, until, weight};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_loses_its_weight_and_gets_it_back() {
    let mut lab = Lab::new(2);
    let simulator = lab.simulator();
    let running = lab.daemon(&lab.config("", ""));
    let (first, second) = (lab.address(0), lab.address(1));
    until("both servers get weight 100", || {
        weight(&simulator, first) == Some(100) && weight(&simulator, second) == Some(100)
    })
    .await;

    lab.servers[0].stop().await;
    running.becomes("web0", "down").await;
    until("the stopped server has weight 0", || weight(&simulator, first) == Some(0)).await;
    assert_eq!(weight(&simulator, second), Some(100));

    lab.servers[0].start().unwrap();
    running.becomes("web0", "up").await;
    until("the server that is back has weight 100", || weight(&simulator, first) == Some(100)).await;
    simulator.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_pool_takes_over_only_while_the_first_is_empty() {
    let mut lab = Lab::new(3);
    let simulator = lab.simulator();
    let config = lab.pools("", "", &[("primary", vec![0, 1]), ("backup", vec![2])]);
    let mut running = lab.daemon(&config);
    let weights = |simulator: &_| [0, 1, 2].map(|server| weight(simulator, lab.servers[server].address().ip()));
    until("the first pool carries the weight", || weights(&simulator) == [Some(100), Some(100), Some(0)]).await;

    lab.servers[0].stop().await;
    running.becomes("web0", "down").await;
    lab.servers[1].stop().await;
    let failover = |what: &What| matches!(what, What::FrontendPool { to, .. } if &**to == "backup");
    running.event("the failover to the second pool", failover).await;
    let weights = |simulator: &_| [0, 1, 2].map(|server| weight(simulator, lab.servers[server].address().ip()));
    until("the second pool carries the weight", || weights(&simulator) == [Some(0), Some(0), Some(100)]).await;

    lab.servers[1].start().unwrap();
    let recovery = |what: &What| matches!(what, What::FrontendPool { to, .. } if &**to == "primary");
    running.event("the return to the first pool", recovery).await;
    let weights = |simulator: &_| [0, 1, 2].map(|server| weight(simulator, lab.servers[server].address().ip()));
    until("the first pool is back", || weights(&simulator) == [Some(0), Some(100), Some(0)]).await;
    simulator.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_server_is_flushed_once_after_all_cuts() {
    let mut lab = Lab::new(2);
    let simulator = lab.simulator();
    let mut running = lab.daemon(&lab.config("", ""));
    let first = lab.address(0);
    until("the servers serve", || weight(&simulator, first) == Some(100)).await;
    lab.servers[0].stop().await;
    let flushed = |what: &What| matches!(what, What::AsWeightUpdated { flush: true, .. });
    running.event("the flush of the dead server", flushed).await;
    let log = simulator.api_log();
    let flushes: Vec<_> = log
        .iter()
        .filter(|entry| entry.name == "lb_as_set_weight")
        .map(|entry| (entry.fields["weight"].clone(), entry.fields["is_flush"].clone()))
        .collect();
    let expected = [(0.into(), false.into()), (0.into(), true.into())];
    assert!(flushes.ends_with(&expected), "a cut without flush and then one flush, not {flushes:?}");
    simulator.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_follow_the_traffic_of_each_vip_and_server() {
    let lab = Lab::new(2);
    let simulator = lab.simulator();
    let running = lab.daemon(&lab.config("", ""));
    let first = lab.address(0);
    until("the servers serve", || weight(&simulator, first) == Some(100)).await;
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
