//! What people hear of a VPP that has no weights.

use maglev_bin::event::What;
use maglev_bin::metrics::Metrics;
use vpp_sim::Release;

use crate::support::{Lab, parse, until};
use crate::vpp::{compared, serves};

const QUICK: &str = ", startup-min-delay: 0s, startup-max-delay: 0s, sync-interval: 200ms";

fn is_weightless(what: &What) -> bool {
    matches!(what, What::Warning { cause, .. } if &**cause == "vpp-without-weights")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_says_what_it_means_and_names_uneven_weights() {
    let lab = Lab::new(2);
    let simulator = lab.simulator_of(Release::V25_10);
    let even = lab.config(QUICK, "");
    let mut running = lab.daemon(&even);
    let warning = running.event("a word about weights", is_weightless).await.what.to_string();
    assert!(warning.contains("in or out") && !warning.contains("web-v4"), "{warning}");
    until("both serve", || (0..2).all(|server| serves(&simulator, lab.address(server)))).await;
    compared(&running).await;
    assert_eq!(running.daemon.published().snapshot().vpp.differs, []);

    running.daemon.reload(parse(&even.replace("web1: {}", "web1: { weight: 10 }")), &[]).await.unwrap();
    let warning = running.event("a word about uneven weights", is_weightless).await.what.to_string();
    assert!(warning.contains("web-v4"), "{warning}");
    until("the difference is shown", || {
        let differs = &running.daemon.published().snapshot().vpp.differs;
        differs.len() == 1 && differs[0].contains("web-v4")
    })
    .await;
    // Health's view stays the config's, VPP's is what VPP has.
    until("both weights are shown", || {
        let snapshot = running.daemon.published().snapshot();
        let members = &snapshot.frontends[0].pools[0].backends;
        let vip = snapshot.frontends[0].dataplane.as_ref();
        let shown = members.iter().map(|member| member.effective_weight).collect::<Vec<_>>();
        let in_vpp: Vec<_> = vip.map(|vip| vip.ases.values().map(|server| server.weight).collect()).unwrap_or_default();
        shown == [100, 10] && in_vpp == [1, 1]
    })
    .await;
    simulator.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_what_it_can_do() {
    let lab = Lab::new(1);
    for (release, weights) in [(Release::V26_06, 0), (Release::V26_10, 1)] {
        let simulator = lab.simulator_of(release);
        let running = lab.daemon(&lab.config(QUICK, ""));
        until("the server serves", || serves(&simulator, lab.address(0))).await;
        let text = Metrics::new(running.daemon.published().clone(), running.daemon.totals()).render();
        for line in [
            "maglev_vpp_unsupported 0".to_owned(),
            format!("maglev_vpp_capability{{capability=\"lb-weights\"}} {weights}"),
            "maglev_vpp_capability{capability=\"lb\"} 1".to_owned(),
        ] {
            assert!(text.lines().any(|told| told == line), "{release}: {line} is not in\n{text}");
        }
        drop(running);
        simulator.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_and_sessions_are_found_there_too() {
    let lab = Lab::new(2);
    let simulator = lab.simulator_of(Release::V24_10);
    let running = lab.daemon(&lab.config(QUICK, ""));
    until("both serve", || (0..2).all(|server| serves(&simulator, lab.address(server)))).await;
    simulator.set_flows(2_000);
    let published = running.daemon.published().clone();
    until("packets to the VIP and to both servers are counted", || {
        let Some(counters) = published.counters() else { return false };
        counters.vips.values().map(|vip| vip.first).sum::<u64>() > 100
            && counters.routes.len() == 1
            && counters.backends.values().filter(|of| of.packets > 10).count() == 2
    })
    .await;
    simulator.set_flows(0);
    running.daemon.request_flows().await;
    until("sessions of both servers are known", || {
        let flows = published.snapshot().flows.clone();
        flows.is_some_and(|flows| flows.per_as.values().any(|of| of.values().filter(|flows| **flows > 0).count() == 2))
    })
    .await;
    simulator.stop();
}
