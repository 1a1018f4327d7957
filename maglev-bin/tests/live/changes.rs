//! What changes under the daemon's feet, and what it is told to change.

use maglev_bin::event::What;

use crate::agreement::{agree_on, counted};
use crate::support::{Lab, Running, parse, until};
use crate::vpp::Vpp;

/// Static servers 10.2.0.11 to .14 and fd02::11 to ::14, compared twice a second.
fn config(frontends: &str) -> String {
    let four = (0..4).map(|host| format!("    four{host}: {{ address: 10.2.0.{} }}\n", 11 + host));
    let six = (0..4).map(|host| format!("    six{host}: {{ address: 'fd02::{}' }}\n", 11 + host));
    let backends: String = four.chain(six).collect();
    format!(
        "maglev:
  vpp:
    lb: {{ ipv4-src-address: 10.2.0.1, ipv6-src-address: 'fd02::1', sync-interval: 500ms, startup-min-delay: 0s, startup-max-delay: 0s }}
  backends:
{backends}  frontends:
{frontends}"
    )
}

const WEB: &str = "    web: { address: 192.0.2.1, protocol: tcp, port: 80, pools: [
      { name: first, backends: { four0: {}, four1: { weight: 50 } } }, { name: second, backends: { four2: {} } } ] }\n";
const DNS: &str = "    dns: { address: '2001:db8::1', protocol: udp, port: 53, pools: [
      { name: all, backends: { six0: {}, six1: {}, six2: {} } } ] }\n";

/// Returns once everybody can see that the daemon goes by the new config.
async fn reload(running: &Running, frontends: &str) {
    let config = parse(&config(frontends));
    let sha256 = config.sha256.clone();
    running.daemon.reload(config, &[]).await.expect("a config that fits");
    let published = running.daemon.published();
    until("the new config to be shown", || *published.snapshot().config_sha256 == *sha256).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vpp_that_died_is_programmed_again() {
    let lab = Lab::new(0);
    let Some(mut vpp) = Vpp::start(&lab).await else { return };
    let mut running = lab.daemon(&config(&[WEB, DNS].concat()));
    agree_on(&vpp, &running, &[]).await;
    for _ in 0..2 {
        vpp.kill();
        running.event("the loss of the link", |what| matches!(what, What::VppDisconnect { .. })).await;
        assert!(running.daemon.published().snapshot().vpp.link.is_none());
        vpp.start_again().await;
        let vips = agree_on(&vpp, &running, &[]).await;
        vpp.receive("192.0.2.1".parse().unwrap(), "TCP", 80, 50).await;
        counted(&running, &vips["web"].name, 50).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_weights_pools_and_vips() {
    let lab = Lab::new(0);
    let Some(mut vpp) = Vpp::start(&lab).await else { return };
    let running = lab.daemon(&config(&[WEB, DNS].concat()));
    let before = agree_on(&vpp, &running, &[]).await;
    vpp.receive("192.0.2.1".parse().unwrap(), "TCP", 80, 60).await;

    let other = WEB.replace("weight: 50", "weight: 7").replace("four2: {}", "four3: {}, four0: { weight: 9 }");
    let mail = "    mail: { address: 192.0.2.1, protocol: tcp, port: 25, pools: [
      { name: all, backends: { four0: {}, four1: {} } } ] }\n";
    reload(&running, &[&other, mail].concat()).await;
    let after = agree_on(&vpp, &running, &[]).await;
    let weights: Vec<_> = after["web"].servers.values().map(|(weight, _)| *weight).collect();
    assert_eq!(weights, vpp.takes([100, 7, 0]), "four2 is gone, four3 is there");
    assert_eq!(after["web"].index, before["web"].index, "it was changed, not made anew");
    assert_eq!(after.keys().collect::<Vec<_>>(), ["mail", "web"]);
    // Its counters go on, and the new VIP's begin.
    vpp.receive("192.0.2.1".parse().unwrap(), "TCP", 25, 40).await;
    counted(&running, &after["web"].name, 60).await;
    counted(&running, &after["mail"].name, 40).await;

    // The first pool has no weight left: the second serves.
    let drained = WEB.replace("four0: {}", "four0: { weight: 0 }").replace("weight: 50", "weight: 0");
    reload(&running, &drained).await;
    let after = agree_on(&vpp, &running, &[]).await;
    let weights: Vec<_> = after["web"].servers.values().map(|(weight, _)| *weight).collect();
    assert_eq!(weights, vpp.takes([0, 0, 100]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_does_to_vpp_is_found_and_put_right() {
    let lab = Lab::new(0);
    let Some(vpp) = Vpp::start(&lab).await else { return };
    let mut running = lab.daemon(&config(&[WEB, DNS].concat()));
    agree_on(&vpp, &running, &[]).await;
    let (web, dns) = ("192.0.2.1/32 protocol tcp port 80", "2001:db8::1/128 protocol udp port 53");
    let weights = [format!("lb as {web} 10.2.0.11 weight 3"), format!("lb as {dns} fd02::14 weight 20")];
    let presence = [
        format!("lb as {web} 10.2.0.12 del"),
        format!("lb as {dns} fd02::13 del flush"),
        format!("lb as {dns} fd02::14"),
        format!("lb vip {web} del"),
    ];
    for meddling in weights.into_iter().filter(|_| vpp.has_weights()).chain(presence) {
        vpp.cli(&meddling).await;
        running.event(&format!("`{meddling}` to be noticed"), |what| matches!(what, What::Drift { .. })).await;
        agree_on(&vpp, &running, &[]).await;
    }
    vpp.cli("lb vip 203.0.113.7/32 protocol tcp port 80 encap gre4 new_len 1024").await;
    vpp.cli("lb as 203.0.113.7/32 protocol tcp port 80 10.2.0.18").await;
    // A VIP that no config knows is not ours to keep: `foreign-vips` is `remove`.
    running
        .event("the foreign VIP to go", |what| matches!(what, What::VipRemoved { vip } if vip.contains("203.0.113.7")))
        .await;
    agree_on(&vpp, &running, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_vpp_cannot_change_is_made_anew_and_counts_in_its_new_place() {
    let lab = Lab::new(0);
    let Some(mut vpp) = Vpp::start(&lab).await else { return };
    let mut running = lab.daemon(&config(&[WEB, DNS].concat()));
    let before = agree_on(&vpp, &running, &[]).await;
    assert!(!before["web"].is_sticky);
    vpp.receive("192.0.2.1".parse().unwrap(), "TCP", 80, 60).await;
    counted(&running, &before["web"].name, 60).await;

    let sticky = WEB.replace("port: 80,", "port: 80, src-ip-sticky: true,");
    reload(&running, &[&sticky, DNS].concat()).await;
    recreated(&mut running, "192.0.2.1").await;
    let after = agree_on(&vpp, &running, &[]).await;
    assert!(after["web"].is_sticky);
    assert_eq!(after["dns"].index, before["dns"].index, "the other was left alone");
    vpp.receive("192.0.2.1".parse().unwrap(), "TCP", 80, 25).await;
    counted(&running, &after["web"].name, 25).await;

    // From GRE4 to GRE6.
    let over_six = sticky.replace("four", "six");
    reload(&running, &[&over_six, DNS].concat()).await;
    recreated(&mut running, "192.0.2.1").await;
    let after = agree_on(&vpp, &running, &[]).await;
    assert_eq!(after["web"].kind, "ip4-gre6");
    vpp.receive("192.0.2.1".parse().unwrap(), "TCP", 80, 30).await;
    counted(&running, &after["web"].name, 30).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vips_of_one_address_that_exclude_each_other_take_turns() {
    let lab = Lab::new(0);
    let Some(mut vpp) = Vpp::start(&lab).await else { return };
    let per_port = [
        WEB,
        "    mail: { address: 192.0.2.1, protocol: tcp, port: 25, pools: [{ name: all, backends: { four0: {} } }] }\n",
    ]
    .concat();
    let running = lab.daemon(&config(&per_port));
    agree_on(&vpp, &running, &[]).await;
    let every_port =
        "    all: { address: 192.0.2.1, pools: [{ name: all, backends: { six0: {}, six1: { weight: 1 } } }] }\n";
    for (frontends, count) in [(every_port, 1), (per_port.as_str(), 2), (every_port, 1)] {
        reload(&running, frontends).await;
        let vips = agree_on(&vpp, &running, &[]).await;
        assert_eq!(vips.len(), count);
    }
    let vips = agree_on(&vpp, &running, &[]).await;
    vpp.receive("192.0.2.1".parse().unwrap(), "TCP", 1_234, 33).await;
    counted(&running, &vips["all"].name, 33).await;
}

async fn recreated(running: &mut Running, address: &str) {
    let is_it = |what: &What| matches!(what, What::VipRecreated { vip } if vip.contains(address));
    running.event(&format!("{address} to be made anew"), is_it).await;
}
