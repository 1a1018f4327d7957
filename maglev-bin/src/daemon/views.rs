//! Turns what the core knows into the snapshot that everyone reads, part by part: only what changed is built anew.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use jiff::Timestamp;
use maglev_health::{self as health, BackendId, FrontendState};
use maglev_sync::table::{TableSize, bucket_counts};
use maglev_sync::{Reconciler, SyncStatus, VipKey, VipStatus};

use super::core::{Changed, Core};
use super::counters::CounterPlan;
use super::link::{Link, chain};
use super::probes::Probes;
use super::translate::vip_name;
use super::weightless;
use crate::config::Config;
use crate::event::Text;
use crate::snapshot::{
    AgentView, AsView, BackendView, DampingView, Flows, FrontendView, LbConfView, MemberView, OverriddenWeight,
    OverrideView, PoolView, Snapshot, TransitionView, VipView, VppInfo, VppView,
};
use crate::state::{Book, Noted, State};

/// The parts of the next snapshot.
#[derive(Debug)]
pub(super) struct Views {
    started: Timestamp,
    config_sha256: Text,
    backends: Vec<Arc<BackendView>>,
    places: HashMap<BackendId, usize>,
    frontends: Vec<Arc<FrontendView>>,
    /// State of each frontend, and since when.
    states: HashMap<Text, (FrontendState, Timestamp)>,
    link: Option<VppInfo>,
    unsupported: Option<Text>,
    vpp: Arc<VppView>,
    flows: Option<Arc<Flows>>,
    /// When each VIP had last been compared when its frontend was last built.
    seen: HashMap<VipKey, Option<Instant>>,
}

impl Views {
    /// Before anything has happened.
    pub(super) fn new(core: &Core, wall: SystemTime) -> Self {
        Self {
            started: time(wall),
            config_sha256: core.config().sha256.as_str().into(),
            backends: Vec::new(),
            places: HashMap::new(),
            frontends: Vec::new(),
            states: HashMap::new(),
            link: None,
            unsupported: None,
            vpp: Arc::new(VppView { warm_up: "hands-off".into(), ..VppView::default() }),
            flows: None,
            seen: HashMap::new(),
        }
    }

    /// The link came or went.
    pub(super) fn link_changed(&mut self, link: Option<&Link>) {
        self.link = link.map(|link| link.info.clone());
        self.unsupported = link.and_then(|link| link.unsupported.clone());
    }

    /// The VPP at the other end, if it has no weights.
    pub(super) fn vpp_without_weights(&self) -> Option<&VppInfo> {
        self.link.as_ref().filter(|vpp| vpp.can.lb && !vpp.can.weights)
    }

    /// Builds anew what changed.
    pub(super) fn update(&mut self, core: &Core, probes: &Probes, changed: &Changed) {
        if changed.all {
            self.config_sha256 = core.config().sha256.as_str().into();
            let control = core.control();
            let views: Vec<_> = control.backends().collect();
            self.places = views.iter().enumerate().map(|(place, view)| (view.id(), place)).collect();
            self.backends = views.iter().map(|view| Arc::new(backend(probes, view))).collect();
            let frontends = (0..core.keys().len()).filter_map(|place| self.frontend(core, place));
            self.frontends = frontends.collect();
            self.seen.clear();
        } else {
            for id in &changed.backends {
                let view = core.control().backend(*id);
                if let Some((place, view)) = self.places.get(id).zip(view) {
                    self.backends[*place] = Arc::new(backend(probes, &view));
                }
            }
            let compared = self.compared(core);
            for place in changed.frontends.iter().copied().chain(compared) {
                if let Some(view) = self.frontend(core, place)
                    && let Some(slot) = self.frontends.get_mut(place)
                {
                    *slot = view;
                }
            }
        }
        self.update_vpp(core, changed);
        if changed.all || changed.indices {
            self.flows = core.sync().and_then(flows).map(Arc::new);
        }
    }

    /// The snapshot made of the parts as they are.
    pub(super) fn snapshot(&self, core: &Core, overrides: Arc<[OverrideView]>) -> Snapshot {
        Snapshot {
            taken: Timestamp::now(),
            started: self.started,
            config_sha256: self.config_sha256.clone(),
            config: core.config().clone(),
            backends: self.backends.clone(),
            frontends: self.frontends.clone(),
            vpp: self.vpp.clone(),
            flows: self.flows.clone(),
            overrides,
        }
    }

    /// Frontends whose VIP was compared with VPP since they were last built.
    fn compared(&mut self, core: &Core) -> Vec<usize> {
        let Some(sync) = core.sync() else { return Vec::new() };
        let news = |(place, key): (usize, &VipKey)| {
            let compared = sync.last_compared(key);
            (self.seen.insert(*key, compared) != Some(compared)).then_some(place)
        };
        core.keys().iter().enumerate().filter_map(news).collect()
    }

    fn frontend(&mut self, core: &Core, place: usize) -> Option<Arc<FrontendView>> {
        let config = core.config().frontends.get(place)?;
        let key = core.keys().get(place)?;
        let index = core.control().frontend_idx(&config.name)?;
        let view = core.control().frontend(index)?;
        let status = core.sync().and_then(|sync| sync.vip_status(key));
        let (state, since) = *self
            .states
            .entry(view.name().clone())
            .and_modify(|known| {
                if known.0 != view.state() {
                    *known = (view.state(), Timestamp::now());
                }
            })
            .or_insert_with(|| (view.state(), Timestamp::now()));
        Some(Arc::new(FrontendView {
            name: view.name().clone(),
            description: config.description.as_str().into(),
            vip: vip_name(key),
            state: state.as_str(),
            since,
            active_pool: view.active_pool(),
            pools: view.pools().map(|view| pool(core, &view)).collect(),
            table_length_wanted: config.table_length_chosen,
            released: core.sync().is_none() || status.as_ref().is_some_and(|status| status.released),
            dataplane: core.sync().and_then(|sync| vip(sync, key, status)),
        }))
    }

    fn update_vpp(&mut self, core: &Core, changed: &Changed) {
        let vpp = match core.sync() {
            // To look at every VIP is worth it only when something was said of one.
            Some(sync) if changed.all || changed.told => self.vpp(core.config(), sync, &sync.status()),
            Some(sync) => {
                let flush_owed = u64::try_from(sync.flushes_owed()).unwrap_or(u64::MAX);
                if self.vpp.flush_owed == flush_owed {
                    return;
                }
                VppView { flush_owed, ..(*self.vpp).clone() }
            }
            None => VppView { warm_up: "no dataplane".into(), ..VppView::default() },
        };
        if *self.vpp != vpp {
            self.vpp = Arc::new(vpp);
        }
    }

    fn vpp(&self, config: &Config, sync: &Reconciler, status: &SyncStatus) -> VppView {
        let name = |key: &VipKey| -> Text { vip_name(key).to_string().into() };
        let sticky = status.sticky_buckets_differ.map(|(wanted, actual)| {
            format!("sticky-buckets-per-core is {actual} in VPP and {wanted} in the config").into()
        });
        let tables = status.vips.iter().filter_map(|(key, vip)| {
            let (wanted, actual) = (vip.table_length_wanted?, vip.table_length?);
            let differs =
                || format!("new-flows-table-length of {} is {actual} in VPP and {wanted} in the config", name(key));
            (!actual.agrees_with(wanted)).then(|| differs().into())
        });
        let uneven = self.vpp_without_weights().into_iter().flat_map(|_| weightless::uneven(config));
        let shares = uneven.map(|frontend| {
            format!("frontend {} has uneven weights, which count as equal in VPP", frontend.name).into()
        });
        // VIPs of ours that left the config and have not gone yet are nobody's, too.
        let wanted = |key: &&VipKey| !sync.desired().is_some_and(|desired| desired.vips.contains_key(key));
        let standing = sync.actual().into_iter().flat_map(|actual| actual.vips.keys());
        let others =
            standing.filter(wanted).filter_map(|key| Some((vip_name(key), vip(sync, key, sync.vip_status(key))?)));
        VppView {
            link: self.link.clone(),
            unsupported: self.unsupported.clone(),
            warm_up: status.warm_up.to_string().into(),
            flush_owed: u64::try_from(status.flushes_owed).unwrap_or(u64::MAX),
            conf: sync.actual().map(|actual| LbConfView {
                ipv4_src_address: actual.conf.ip4_src,
                ipv6_src_address: actual.conf.ip6_src,
                sticky_buckets_per_core: actual.conf.sticky_buckets_per_core,
                flow_timeout: actual.conf.flow_timeout,
            }),
            foreign: others.collect(),
            differs: sticky.into_iter().chain(tables).chain(shares).collect(),
        }
    }
}

fn backend(probes: &Probes, view: &health::BackendView<'_>) -> BackendView {
    let transition = |transition: &health::Transition| TransitionView {
        time: time(transition.at),
        from: transition.from.as_str(),
        to: transition.to.as_str(),
        code: transition.code.as_str().into(),
        detail: transition.detail.clone(),
    };
    BackendView {
        name: view.name().clone(),
        address: view.address(),
        healthcheck: probes.check(view.id()),
        kind: probes.kind(view.id()),
        state: view.state().as_str(),
        health: view.counter().into(),
        rise: view.rise().into(),
        fall: view.fall().into(),
        enabled: view.is_enabled(),
        held: view.hold().is_held(),
        r#override: view.overridden().map(|overridden| overridden.as_str()),
        certificate_expires: probes.certificate(view.id()).map(time),
        damping: view.penalty().map(|(damping, penalty)| DampingView {
            damping,
            penalty,
            suppressed_until: view.suppressed_until().map(ahead),
        }),
        agent: view.agent().map(|word| AgentView { share: word.share(), mode: word.mode().as_str() }),
        since: time(view.since()),
        history: view.history().map(transition).collect(),
    }
}

fn pool(core: &Core, view: &health::PoolView<'_>) -> PoolView {
    let member = |member: health::MemberView<'_>| {
        Some(MemberView {
            name: member.name.clone(),
            address: core.control().backend(member.backend)?.address(),
            weight: member.overridden.unwrap_or(member.configured).get(),
            configured_weight: member.configured.get(),
            effective_weight: member.effective.get(),
            overridden: member.overridden.is_some(),
        })
    };
    PoolView { name: view.name().clone(), backends: view.members().filter_map(member).collect() }
}

/// A VIP as VPP has it, with the buckets that follow from it.
fn vip(sync: &Reconciler, key: &VipKey, status: Option<VipStatus>) -> Option<VipView> {
    let actual = sync.actual()?.vips.get(key)?;
    let table_length = actual.table_length.known();
    let weights: Vec<(IpAddr, u8)> = actual.ases.iter().map(|(address, of)| (*address, of.weight)).collect();
    let buckets = match table_length.and_then(TableSize::new) {
        Some(size) => bucket_counts(size, &weights),
        None => vec![0; weights.len()],
    };
    let ases = weights.into_iter().zip(buckets);
    Some(VipView {
        encap: actual.encap.to_string().into(),
        src_ip_sticky: actual.src_ip_sticky,
        table_length,
        ases: ases.map(|((address, weight), buckets)| (address, AsView { weight, buckets })).collect(),
        compared: sync.last_compared(key).map(wall),
        in_sync: status.as_ref().is_some_and(|status| status.in_sync),
        released: status.as_ref().is_some_and(|status| status.released),
        error: status.and_then(|status| status.last_error).map(|error| chain(&error).into()),
    })
}

/// What operators have said, with what is known of it.
pub(super) fn overrides(core: &Core, book: &Book) -> Arc<[OverrideView]> {
    let State { backends, weights, .. } = &**book.state();
    let of_backends = backends.iter().map(|(name, Noted { value, note })| OverrideView {
        kind: value.as_str(),
        backend: name.clone(),
        weight: None,
        time: note.time,
        who: note.who.clone(),
        reason: note.reason.clone(),
    });
    let of_weights = weights.iter().map(|(member, Noted { value, note })| OverrideView {
        kind: "weight",
        backend: member.backend.clone(),
        weight: Some(OverriddenWeight {
            frontend: member.frontend.clone(),
            pool: member.pool.clone(),
            weight: value.get(),
            configured: configured(core, member).unwrap_or_default(),
        }),
        time: note.time,
        who: note.who.clone(),
        reason: note.reason.clone(),
    });
    of_backends.chain(of_weights).collect()
}

fn configured(core: &Core, member: &health::MemberKey) -> Option<u8> {
    let pools = &core.config().frontend(&member.frontend)?.pools;
    let pool = pools.iter().find(|pool| *pool.name == *member.pool)?;
    Some(pool.members.iter().find(|known| *known.backend == *member.backend)?.weight)
}

/// What the counters task should read while the link of this number stands.
pub(super) fn counter_plan(core: &Core, link: Option<u64>) -> CounterPlan {
    let Some(sync) = core.sync() else { return CounterPlan { link, ..CounterPlan::default() } };
    let indices = sync.indices();
    let vips = core.keys().iter().filter_map(|key| Some((vip_name(key), *indices.vips.get(key)?)));
    let routes =
        core.keys().iter().filter_map(|key| Some((vip_name(key).prefix, *indices.vip_routes.get(&key.prefix())?)));
    // VIPs of one address share a route, backends may share an address: each is read once.
    let routes: BTreeMap<Text, u32> = routes.collect();
    let backends = core.control().backends().map(|backend| backend.address());
    let backends: BTreeMap<IpAddr, u32> =
        backends.filter_map(|address| Some((address, *indices.as_routes.get(&address)?))).collect();
    CounterPlan {
        link,
        vips: vips.collect(),
        routes: routes.into_iter().collect(),
        backends: backends.into_iter().collect(),
        flows: flows(sync),
    }
}

fn flows(sync: &Reconciler) -> Option<Flows> {
    let read = sync.flows()?;
    let mut per_as: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for ((key, address), sessions) in &read.flows {
        per_as.entry(vip_name(key)).or_default().insert(*address, *sessions);
    }
    Some(Flows { taken: wall(read.at), per_as })
}

/// Times that jiff cannot hold lie thousands of years off.
fn time(wall: SystemTime) -> Timestamp {
    Timestamp::try_from(wall).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// When an instant will be, by today's clock.
fn ahead(instant: Instant) -> Timestamp {
    time(SystemTime::now() + instant.saturating_duration_since(Instant::now()))
}

/// When an instant of the past was, by today's clock.
fn wall(instant: Instant) -> Timestamp {
    time(SystemTime::now() - instant.elapsed())
}
