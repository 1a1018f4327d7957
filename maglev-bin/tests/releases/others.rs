//! VIPs of somebody else, and a VPP without the lb plugin's help.

use vpp_sim::Release;

use crate::every_release::on_every_release;
use crate::support::{Lab, until};
use crate::vpp::{cli, compared, find, serves};

const STRANGE: (&str, u8, u16) = ("198.51.100.7/32", 6, 25);
const REMOVED: (&str, u8, u16) = ("198.51.100.8/32", 6, 25);

on_every_release! {
    foreign_vips_go_if_the_config_says_so,
    foreign_vips_stay_if_the_config_says_so,
}

async fn foreign_vips_go_if_the_config_says_so(release: Release) {
    foreign_vips(release, "remove").await;
}

async fn foreign_vips_stay_if_the_config_says_so(release: Release) {
    foreign_vips(release, "keep").await;
}

async fn foreign_vips(release: Release, foreign: &str) {
    let lab = Lab::new(1);
    let simulator = lab.simulator_of(release);
    cli(&simulator, "lb vip 198.51.100.7/32 protocol tcp port 25 encap gre4 new_len 1024").await;
    cli(&simulator, "lb as 198.51.100.7/32 protocol tcp port 25 10.9.9.9").await;
    // One that was removed is nobody's any more, and must not come back to life.
    cli(&simulator, "lb vip 198.51.100.8/32 protocol tcp port 25 encap gre4 new_len 1024").await;
    cli(&simulator, "lb as 198.51.100.8/32 protocol tcp port 25 10.9.9.9").await;
    cli(&simulator, "lb vip 198.51.100.8/32 protocol tcp port 25 encap gre4 del").await;
    let lb = format!(", startup-min-delay: 0s, startup-max-delay: 0s, sync-interval: 200ms, foreign-vips: {foreign}");
    let running = lab.daemon(&lab.config(&lb, ""));
    let first = lab.address(0);
    until("the server serves", || serves(&simulator, first)).await;
    compared(&running).await;
    if foreign == "remove" {
        until("the foreign VIP is gone", || find(&simulator, STRANGE).is_none()).await;
    } else {
        let vip = find(&simulator, STRANGE).expect("it is kept");
        assert!(vip.servers[0].in_use && vip.servers[0].buckets == 1024);
    }
    // The one that was removed before is not among them.
    let expected: &[&str] = if foreign == "keep" { &["198.51.100.7 tcp/25"] } else { &[] };
    until("what is foreign is told", || {
        let told = running.daemon.published().snapshot();
        told.vpp.foreign.iter().map(|(name, _)| name.to_string()).eq(expected.iter().copied())
    })
    .await;
    assert!(find(&simulator, REMOVED).is_none(), "a removed VIP came back to life");
    simulator.stop();
}
