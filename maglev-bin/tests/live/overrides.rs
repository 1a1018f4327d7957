//! Words of operators that outlive the daemon they were said to.

use maglev_bin::daemon::{Action, Order};
use maglev_bin::event::What;
use maglev_sync::SyncCounts;

use crate::agreement::agree_on;
use crate::support::{Lab, Running, until};
use crate::vpp::Vpp;

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_what_operators_said_and_leaves_every_line_of_vpp_as_it_was() {
    let lab = Lab::new(4);
    let Some(mut vpp) = Vpp::start(&lab).await else { return };
    let config = lab.config(", startup-min-delay: 0s, startup-max-delay: 0s", "");
    let start = || lab.daemon_with(&config, |options| options.state_file = Some(lab.folder.join("state.json")));
    let running = start();
    agree_on(&vpp, &running, &[("web0", "up"), ("web1", "up"), ("web2", "up"), ("web3", "up")]).await;
    let flows = 400;
    vpp.receive("192.0.2.1".parse().unwrap(), "TCP", 80, flows).await;
    let all = sessions(&vpp).await;
    assert!(all.iter().all(|sessions| *sessions > 0), "{all:?}");

    say(&running, Action::Disable("web0".into())).await;
    say(&running, Action::Pause("web1".into())).await;
    say(&running, Action::weight("web-v4", "primary", "web2", Some(60))).await;
    let states = [("web0", "disabled"), ("web1", "paused"), ("web2", "up"), ("web3", "up")];
    agree_on(&vpp, &running, &states).await;
    let published = running.daemon.published().clone();
    until("the flush to be acknowledged", || published.snapshot().vpp.flush_owed == 0).await;
    assert_eq!(sessions(&vpp).await, [0, all[1], all[2], all[3]], "those of the disabled one are gone");
    // New flows of the evicted clients go to the others.
    vpp.receive("192.0.2.1".parse().unwrap(), "TCP", 80, flows).await;

    let before = vpp.verbose().await;
    vpp.remember_calls().await;
    drop(running);
    assert_eq!(vpp.verbose().await, before, "a daemon that ends changes nothing");
    let mut running = start();
    let is_full_pass = |what: &What| matches!(what, What::VppLbSyncDone { scope, .. } if &**scope == "all");
    running.event("a full pass", is_full_pass).await;
    agree_on(&vpp, &running, &states).await;
    let synced = running.daemon.sync(None, true).await.expect("VPP is there");
    assert_eq!(synced.counts, SyncCounts::default(), "it agrees");
    assert_eq!(running.daemon.published().snapshot().vpp.flush_owed, 0, "it was flushed before");
    assert_eq!(vpp.verbose().await, before);
    assert_eq!(vpp.remembered_writes().await, [""; 0]);

    // They are still in force, and can be ended.
    for action in [
        Action::Enable("web0".into()),
        Action::Resume("web1".into()),
        Action::weight("web-v4", "primary", "web2", None),
    ] {
        say(&running, action).await;
    }
    let vips = agree_on(&vpp, &running, &[("web0", "up"), ("web1", "up")]).await;
    assert!(vips["web-v4"].servers.values().all(|(weight, _)| *weight == vpp.takes([100])[0]), "{vips:?}");
}

/// Something that was not in force, and that is saved.
async fn say(running: &Running, action: Action) {
    let order = Order { action, who: "tests".into(), reason: "disk swap".into() };
    let outcome = running.daemon.operate(order).await.expect("everything is known");
    assert!(outcome.changed && outcome.not_saved.is_none(), "{outcome:?}");
}

/// Of the servers of the only VIP, in order of address.
async fn sessions(vpp: &Vpp) -> Vec<u64> {
    vpp.vips().await.into_iter().flat_map(|vip| vip.sessions.into_values()).collect()
}
