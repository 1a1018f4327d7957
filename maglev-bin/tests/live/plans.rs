//! What a running daemon foretells of a change is what VPP has after it: by VPP's own words, and by where it sends packets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use maglev_bin::config::{Config, Context, Loaded};
use maglev_bin::daemon::{Forecasts, Order, Refusal};
use maglev_bin::snapshot::VipName;
use maglev_sync::table::Moved;
use maglev_sync::{Action, AsForecast, Claim, Forecast, VipForecast, Wait};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::agreement::{agree_on, until_told};
use crate::buckets::owners;
use crate::forecast_changes::name;
use crate::random::{PROBED, a_deed, a_site};
use crate::support::{Lab, PATIENCE, Running, until};
use crate::text::Vip;
use crate::vpp::Vpp;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_daemon_foretells_of_random_changes_is_what_vpp_has_after_them() {
    let lab = Lab::new(PROBED);
    let Some(vpp) = Vpp::start(&lab).await else { return };
    let a_round = (a_site(), prop::collection::vec(a_deed(), 0..4));
    let mut runner = TestRunner::deterministic();
    let rounds = prop::collection::vec(a_round, 20).new_tree(&mut runner).expect("sites have frontends").current();

    let mut stage = Stage { vpp, running: lab.daemon(&rounds[0].0.config(&lab)) };
    stage.settles().await;
    let mut moved = 0;
    for (site, deeds) in &rounds {
        let loaded = load(&site.config(&lab));
        let foretold = stage.foretell(Some(loaded.clone()), false).await;
        let before = stage.look().await;
        stage.running.daemon.reload(loaded.config, &[]).await.expect("a config that fits");
        moved += usize::from(stage.came_true(&foretold, &before).await);

        // Lengths of tables change when they are told to.
        let foretold = stage.foretell(None, true).await;
        if !foretold.now.is_empty() {
            let before = stage.look().await;
            stage.running.daemon.sync(None, true).await.expect("nothing is refused");
            stage.came_true(&foretold, &before).await;
        }

        for deed in deeds {
            let order = Order { action: site.action(deed), who: "tests".into(), reason: "".into() };
            let what = format!("{} {}", order.action.verb(), order.action.target());
            match stage.running.daemon.operate(order).await {
                Ok(_) | Err(Refusal::Disabled { .. }) => {}
                Err(refusal) => panic!("{what}: {refusal}"),
            }
            stage.settles().await;
        }
        let foretold = stage.foretell(None, true).await;
        assert!(foretold.now.is_empty(), "the daemon has done everything:\n{:#?}", foretold.now.vips());
    }
    assert!(moved > rounds.len() / 2, "packets showed buckets that moved in {moved} rounds");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_foretold_while_the_warm_up_holds_everything_back_is_what_the_next_daemon_does() {
    let lab = Lab::new(PROBED);
    let Some(vpp) = Vpp::start(&lab).await else { return };
    let mut runner = TestRunner::deterministic();
    let sites = prop::collection::vec(a_site(), 6).new_tree(&mut runner).expect("sites have frontends").current();
    let mut configs = sites.iter().map(|site| site.config(&lab));
    let mut stage = Stage { vpp, running: lab.daemon(&configs.next().expect("the first of six")) };
    stage.settles().await;
    for config in configs {
        let no_delay = "startup-min-delay: 0s, startup-max-delay: 0s";
        assert!(config.contains(no_delay));
        let patient = config.replace(no_delay, "startup-min-delay: 1h, startup-max-delay: 1h");
        stage = stage.restart(&lab, &patient).await;
        let foretold = stage.foretell(None, true).await;
        let waits = foretold.now.vips().values().all(|vip| vip.waits == Some(Wait::WarmUp));
        assert!(waits, "{:#?}", foretold.now.vips());
        let before = stage.look().await;
        stage = stage.restart(&lab, &config).await;
        stage.running.daemon.sync(None, true).await.expect("nothing is refused");
        stage.came_true(&foretold, &before).await;
    }
}

/// A VPP, and a daemon that steers it.
struct Stage {
    vpp: Vpp,
    running: Running,
}

/// What VPP has.
struct Sight {
    vips: BTreeMap<VipName, Vip>,
    /// The server of each bucket.
    owners: BTreeMap<VipName, Vec<Option<IpAddr>>>,
}

/// Weight and buckets of each.
type Servers = BTreeMap<IpAddr, (u8, u32)>;

impl Stage {
    /// Another daemon takes the place of this one. Returns when it knows everything of VPP and its backends have their verdicts.
    async fn restart(self, lab: &Lab, config: &str) -> Self {
        let Self { vpp, running } = self;
        drop(running);
        let running = lab.daemon(config);
        let published = running.daemon.published();
        until_told("how the VIPs hash, which only the text says", || {
            let snapshot = published.snapshot();
            let ours = snapshot.frontends.iter().filter_map(|frontend| frontend.dataplane.as_ref());
            let mut all = ours.chain(snapshot.vpp.foreign.iter().map(|(_, vip)| vip));
            snapshot.vpp.conf.is_some() && all.all(|vip| vip.src_ip_sticky.is_some())
        })
        .await;
        let stage = Self { vpp, running };
        stage.knows_every_backend().await;
        stage
    }

    async fn knows_every_backend(&self) {
        let published = self.running.daemon.published();
        let all_known = || published.snapshot().backends.iter().all(|backend| backend.state != "unknown");
        until("every backend to have its verdict", all_known).await;
    }

    async fn owes_nothing(&self) {
        let published = self.running.daemon.published();
        until("every flush to be acknowledged", || published.snapshot().vpp.flush_owed == 0).await;
    }

    /// Waits until everything is decided and done.
    async fn settles(&self) {
        self.knows_every_backend().await;
        agree_on(&self.vpp, &self.running, &[]).await;
        self.owes_nothing().await;
    }

    async fn foretell(&self, config: Option<Loaded>, recreate: bool) -> Forecasts {
        let refused = |refusal: Refusal| -> ! { panic!("nothing can be foretold: {refusal}") };
        let standing = self.running.daemon.standing().await.unwrap_or_else(|refusal| refused(refusal));
        let prospect = match config {
            Some(loaded) => {
                standing.under(loaded, Instant::now(), SystemTime::now()).unwrap_or_else(|refusal| refused(refusal))
            }
            None => standing.as_it_is(),
        };
        prospect.forecast(recreate)
    }

    /// Sends a flow to each bucket of each VIP. These sessions stay in VPP, and no others.
    async fn look(&mut self) -> Sight {
        self.vpp.forget_sessions().await;
        let mut all = BTreeMap::new();
        for vip in self.vpp.vips().await {
            let owners = owners(&mut self.vpp, &vip).await;
            all.insert(vip.name, owners);
        }
        Sight { vips: self.vips().await, owners: all }
    }

    async fn vips(&self) -> BTreeMap<VipName, Vip> {
        self.vpp.vips().await.into_iter().map(|vip| (vip.name.clone(), vip)).collect()
    }

    /// Compares what VPP has, once it has changed, with what was foretold. Returns whether packets showed that something moved.
    async fn came_true(&mut self, foretold: &Forecasts, before: &Sight) -> bool {
        let forecasts: Vec<&Forecast> = [&foretold.now].into_iter().chain(&foretold.later).collect();
        let mut wanted = servers(&before.vips);
        for forecast in &forecasts {
            wanted = follow(wanted, forecast, self.vpp.has_weights());
        }
        self.has(&wanted).await;
        // Another pass finds nothing to do.
        let synced = self.running.daemon.sync(None, false).await.expect("nothing is refused");
        self.owes_nothing().await;
        let vips = self.vips().await;
        assert_eq!(servers(&vips), wanted, "after another pass, which did {synced:?}");
        for (key, vip) in forecasts.iter().flat_map(|forecast| forecast.vips()) {
            check_form(vip, vips.get(&name(key)));
        }
        check_sessions(&forecasts, &before.vips, &vips);
        let after = self.look().await;
        check_moved(&forecasts, before, &after)
    }

    /// Waits until VPP has these servers.
    async fn has(&self, wanted: &BTreeMap<VipName, Servers>) {
        let begin = Instant::now();
        loop {
            let has = servers(&self.vips().await);
            if has == *wanted {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "after {PATIENCE:?} VPP has\n{has:#?}\nand foretold was\n{wanted:#?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn servers(vips: &BTreeMap<VipName, Vip>) -> BTreeMap<VipName, Servers> {
    vips.iter().map(|(name, vip)| (name.clone(), vip.servers.clone())).collect()
}

/// What comes of these servers. It must be these that the forecast is about.
fn follow(
    mut before: BTreeMap<VipName, Servers>,
    forecast: &Forecast,
    shows_weight_0: bool,
) -> BTreeMap<VipName, Servers> {
    let shares = |claim: Claim| (claim.weight, claim.buckets.expect("every length is known"));
    for (key, vip) in forecast.vips() {
        let of = |side: fn(&AsForecast) -> Option<Claim>| -> Servers {
            let servers = vip.ases.iter().filter_map(|(address, server)| Some((*address, shares(side(server)?))));
            // A VPP without weights has only those in use.
            servers.filter(|(_, (weight, _))| shows_weight_0 || *weight > 0).collect()
        };
        let had = before.remove(&name(key));
        assert_eq!(had, vip.before.map(|_| of(|server| server.before)), "{key} before");
        if vip.after.is_some() {
            before.insert(name(key), of(|server| server.after));
        }
    }
    before
}

fn check_form(foretold: &VipForecast, vip: Option<&Vip>) {
    let form = foretold.after.map(|form| (form.table_length.known(), form.src_ip_sticky, form.encap.to_string()));
    let seen = vip.map(|vip| {
        let (_, encap) = vip.kind.split_once('-').expect("such as ip4-gre6");
        (Some(vip.table_length), Some(vip.is_sticky), encap.to_owned())
    });
    assert_eq!(form, seen, "{:?}", vip.map(|vip| &vip.name));
}

/// Sessions go where that was foretold, and nowhere else.
fn check_sessions(forecasts: &[&Forecast], before: &BTreeMap<VipName, Vip>, after: &BTreeMap<VipName, Vip>) {
    let vips = || forecasts.iter().flat_map(|forecast| forecast.vips());
    let anew: BTreeSet<VipName> =
        vips().filter(|(_, vip)| vip.action == Action::Recreate).map(|(key, _)| name(key)).collect();
    let flushed = vips().flat_map(|(key, vip)| {
        let flushed = vip.ases.iter().filter(|(_, server)| server.flush);
        flushed.map(move |(address, _)| (name(key), *address))
    });
    let flushed: BTreeSet<(VipName, IpAddr)> = flushed.collect();
    for (name, vip) in before {
        let Some(then) = after.get(name).filter(|_| !anew.contains(name)) else { continue };
        for (address, sessions) in vip.sessions.iter().filter(|(address, _)| then.servers.contains_key(address)) {
            let stay = if flushed.contains(&(name.clone(), *address)) { 0 } else { *sessions };
            assert_eq!(then.sessions[address], stay, "sessions of {address} in {name}, of {sessions}");
        }
    }
}

/// Whether packets showed a bucket that moved.
fn check_moved(forecasts: &[&Forecast], before: &Sight, after: &Sight) -> bool {
    let names: BTreeSet<&VipName> = before.owners.keys().chain(after.owners.keys()).collect();
    let mut something = false;
    for vip in names {
        // A VIP that is not there has nobody for any flow.
        let of = |sight: &Sight| sight.owners.get(vip).cloned().unwrap_or_else(|| vec![None]);
        let (old, new) = (of(before), of(after));
        let buckets = old.len().max(new.len());
        let moved = (0..buckets).filter(|bucket| old[bucket % old.len()] != new[bucket % new.len()]).count();
        something |= moved > 0;
        let foretold = forecasts.iter().filter_map(|forecast| {
            let (_, of_vip) = forecast.vips().iter().find(|(key, _)| name(key) == *vip)?;
            let Moved { buckets: moved, of, .. } = of_vip.moved.expect("every length is known");
            // A step between shorter tables.
            Some(moved as usize * buckets / of as usize)
        });
        let foretold: Vec<usize> = foretold.collect();
        // In two steps a bucket may move twice, and back.
        let (most, all) = (foretold.iter().copied().max().unwrap_or(0), foretold.iter().sum::<usize>());
        assert!((2 * most - all..=all).contains(&moved), "{vip}: {moved} of {buckets} moved, foretold {foretold:?}");
    }
    something
}

fn load(text: &str) -> Loaded {
    Config::parse(text, "random.yaml", Context { dataplane: true }).unwrap_or_else(|error| panic!("{error}\n{text}"))
}
