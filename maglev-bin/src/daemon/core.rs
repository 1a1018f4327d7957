//! What decides, without a clock and without a socket: health and reconciliation, glued.
//!
//! [`Core`] owns the only `Control` and the only `Reconciler` of the process. It turns each input into outputs in one step, so that a
//! verdict and the weight that follows from it are never apart. The rules themselves are in `maglev-health` and `maglev-sync`; here is
//! only who hears what from whom:
//!
//! ```text
//! probe results, operators ─> Control ── programs that changed ──> Reconciler ──> calls
//!                                ^                                    │
//!                                └── what VPP had, once it was read ──┘
//! ```

mod changed;
mod tick;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use maglev_health::{
    BackendId, Control, ControlOptions, Dataplane, Event as HealthEvent, FleetOptions, FrontendIdx, Jitter, ProbeId,
    ProbeResult, SpecError, Weight as HealthWeight,
};
use maglev_sync::{
    Abilities, BootId, Call, CallFailure, CallId, Desired, Event as SyncEvent, OutOfRange, Reconciler, Reply,
    RequestScope, Settings, SyncRequest, SyncScope, VipKey,
};

pub(crate) use self::changed::Changed;
use super::operate::Refusal;
use super::report::{self, Pass, about_override};
use super::translate;
use crate::config::Config;
use crate::event::{Text, What};
use crate::state::State;

/// What to do, in order.
#[derive(Debug)]
pub(crate) enum Output {
    /// Send a probe, which was to start at an instant just past.
    Probe { probe: ProbeId, due: Instant },
    /// Stop a probe.
    Cancel(ProbeId),
    /// Make a call on VPP.
    Call { id: CallId, call: Call },
    /// Tell everyone.
    Tell(What),
    /// A pass over VIPs began.
    Begun(SyncScope),
    /// A pass over VIPs ended.
    Ended(Pass),
}

/// A config that the cores cannot take, although it passed its own checks: a fault of ours, told rather than suffered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("names do not fit together")]
    Spec(#[from] SpecError),
    #[error("a number is out of VPP's range")]
    Range(#[from] OutOfRange),
}

/// Health and reconciliation of one daemon.
///
/// Feed inputs, then take outputs until there are none; call [`Core::handle_timeout`] at [`Core::poll_timeout`]. Instants never go
/// backwards.
#[derive(Debug)]
pub(crate) struct Core {
    /// What ticks are counted from.
    origin: Instant,
    config: Arc<Config>,
    control: Control,
    /// `None` without a dataplane.
    sync: Option<Reconciler>,
    /// VIP of each frontend, in config order.
    keys: Vec<VipKey>,
    places: HashMap<VipKey, usize>,
    /// Pool each frontend was last reported to serve from.
    pools: BTreeMap<Text, (usize, Text)>,
    ready: VecDeque<Output>,
    changed: Changed,
}

impl Core {
    /// Starts with `config` and what an earlier process left. With `dataplane` false nothing is ever held or programmed.
    pub(crate) fn new(
        config: Arc<Config>,
        before: &State,
        dataplane: bool,
        now: Instant,
        wall: SystemTime,
    ) -> Result<Self, Unfit> {
        let spec = translate::spec(&config)?;
        let options = ControlOptions {
            fleet: FleetOptions {
                history: config.healthchecker.transition_history,
                startup_max_delay: config.lb.startup_max_delay,
            },
            dataplane: if dataplane { Dataplane::Present } else { Dataplane::Absent },
            overrides: before.overrides(),
        };
        let control = Control::new(options, &spec, now, wall);
        let mut sync = dataplane.then(|| Reconciler::new(settings(&config), now));
        if let Some(sync) = &mut sync {
            sync.adopt(before.vips.iter().copied());
        }
        let mut core = Self {
            origin: now,
            config: config.clone(),
            control,
            sync,
            keys: Vec::new(),
            places: HashMap::new(),
            pools: BTreeMap::new(),
            ready: VecDeque::new(),
            changed: Changed { all: true, ..Changed::default() },
        };
        core.adopt(config, now)?;
        Ok(core)
    }

    /// Goes over to another config. Nothing has changed after an error about names or the plugin's settings; that a VIP is out of
    /// range cannot happen behind the config's own checks.
    ///
    /// Returns what became of overrides whose value or target the config changed, in words.
    pub(crate) fn reload(&mut self, config: Arc<Config>, now: Instant, wall: SystemTime) -> Result<Vec<String>, Unfit> {
        let spec = translate::spec(&config)?;
        let keys: BTreeMap<String, VipKey> =
            config.frontends.iter().map(|frontend| (frontend.name.clone(), translate::key(frontend))).collect();
        translate::lb_conf(&config)?;
        let sync = self.sync.as_ref();
        self.control.set_history(config.healthchecker.transition_history);
        self.control.reload(now, wall, &spec, &|frontend, address| weight_in_vpp(sync?, keys.get(frontend)?, address));
        let mut overrides = Vec::new();
        while let Some(event) = self.control.poll_event() {
            overrides.extend(about_override(&event).map(|(_, text)| text));
            self.on_health(event);
        }
        self.adopt(config, now)?;
        Ok(overrides)
    }

    /// Tells the reconciler everything that `config` and health want.
    fn adopt(&mut self, config: Arc<Config>, now: Instant) -> Result<(), Unfit> {
        self.keys = config.frontends.iter().map(translate::key).collect();
        self.places = self.keys.iter().enumerate().map(|(place, key)| (*key, place)).collect();
        self.config = config;
        self.changed.all = true;
        self.changed.indices = true;
        let _ = self.control.take_dirty();
        if let Some(sync) = &mut self.sync
            && let Some(desired) = desired(&self.config, &self.control)?
        {
            sync.set_settings(now, settings(&self.config));
            sync.set_desired(now, desired);
        }
        let frontends: Vec<_> = self.control.frontends().map(|frontend| frontend.index()).collect();
        let names: BTreeSet<Text> = self.control.frontends().map(|frontend| frontend.name().clone()).collect();
        self.pools.retain(|name, _| names.contains(name));
        for index in frontends {
            self.note_pool(index);
        }
        Ok(())
    }

    /// The config in force.
    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Health, to look at.
    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    /// Health, for operators. Whatever changes in it is picked up by the next [`Core::poll_output`].
    pub(super) fn control_mut(&mut self) -> &mut Control {
        &mut self.control
    }

    /// Something outside of the core changed that a snapshot shows of this backend.
    pub(super) fn show_backend(&mut self, backend: BackendId) {
        self.changed.backends.insert(backend);
    }

    /// Something about this backend is to be shown at once.
    pub(super) fn touched(&mut self, backend: BackendId) {
        self.changed.backends.insert(backend);
        self.changed.frontends.extend(self.control.users(backend).map(FrontendIdx::get));
        self.changed.urgent = true;
    }

    /// An operator's word concerns a weight in this frontend.
    pub(super) fn changed_member(&mut self, frontend: &str) {
        self.changed.frontends.extend(self.control.frontend_idx(frontend).map(FrontendIdx::get));
        self.changed.urgent = true;
    }

    /// Reconciliation, to look at.
    pub(crate) fn sync(&self) -> Option<&Reconciler> {
        self.sync.as_ref()
    }

    /// VIPs in config order.
    pub(crate) fn keys(&self) -> &[VipKey] {
        &self.keys
    }

    /// What changed since the last call.
    pub(crate) fn take_changed(&mut self) -> Changed {
        std::mem::take(&mut self.changed)
    }

    /// Something outside of the core changed that every part of a snapshot may show.
    pub(crate) fn changed_all(&mut self) {
        self.changed.all = true;
    }

    /// Whether anything changed that a snapshot shows.
    pub(crate) fn changed(&self) -> &Changed {
        &self.changed
    }

    /// A probe ended. False, and no effect, if nobody wants its result any more.
    pub(crate) fn handle_probe(
        &mut self,
        now: Instant,
        wall: SystemTime,
        probe: ProbeId,
        result: ProbeResult,
        jitter: Jitter,
    ) -> bool {
        let backend = probe.backend();
        let counter = |control: &Control| control.backend(backend).map(|view| view.counter());
        let before = counter(&self.control);
        let wanted = self.control.handle_result(now, wall, probe, result, jitter);
        // What a result changes beside it comes as an event.
        if counter(&self.control) != before {
            self.changed.backends.insert(backend);
        }
        wanted
    }

    /// The link to VPP stands and may be written to.
    pub(crate) fn handle_link_up(&mut self, now: Instant, boot: BootId, abilities: Abilities) {
        if let Some(sync) = &mut self.sync {
            sync.handle_link_up(now, boot, abilities);
            self.changed.all = true;
            self.changed.urgent = true;
        }
    }

    /// The link to VPP is gone.
    pub(crate) fn handle_link_down(&mut self, now: Instant) {
        if let Some(sync) = &mut self.sync {
            sync.handle_link_down(now);
            self.changed.all = true;
            self.changed.urgent = true;
            self.changed.indices = true;
        }
    }

    /// A call on VPP ended.
    pub(crate) fn handle_reply(&mut self, now: Instant, id: CallId, result: Result<Reply, CallFailure>) {
        if let Some(sync) = &mut self.sync {
            let read_at = |sync: &Reconciler| sync.flows().map(|flows| flows.at);
            let before = read_at(sync);
            sync.handle_reply(now, id, result);
            self.changed.answered = true;
            // Newer flows concern the readers of the counters also when every index is as before.
            if read_at(sync) != before {
                self.changed.indices = true;
                // The text also tells what no dump does: whole lengths of tables, and how flows are hashed.
                self.changed.frontends.extend(0..self.keys.len());
            }
        }
    }

    /// Asks for the sessions per AS, within what VPP can bear.
    pub(crate) fn request_flows(&mut self, now: Instant) {
        if let Some(sync) = &mut self.sync {
            sync.request_flows(now);
        }
    }

    /// What a sync of this frontend, or of everything, covers.
    pub(super) fn sync_scope(&self, frontend: Option<&str>) -> Result<RequestScope, Refusal> {
        let sync = self.sync.as_ref().ok_or(Refusal::NoDataplane)?;
        let scope = match frontend {
            None => RequestScope::All,
            Some(name) => RequestScope::Vip(self.vip_of(name)?),
        };
        match sync.actual() {
            Some(_) => Ok(scope),
            None => Err(Refusal::NoVpp("it has not been read yet; every second is tried again".into())),
        }
    }

    /// Reads VPP and makes it agree, on behalf of an operator.
    pub(super) fn request_sync(&mut self, now: Instant, request: SyncRequest) {
        if let Some(sync) = &mut self.sync {
            sync.request_sync(now, request);
        }
    }

    fn vip_of(&self, frontend: &str) -> Result<VipKey, Refusal> {
        let index = self.control.frontend_idx(frontend);
        index.and_then(|index| self.keys.get(index.get())).copied().ok_or_else(|| {
            let names = self.config.frontends.iter().map(|frontend| frontend.name.as_str());
            Refusal::no_such("frontend", frontend, names)
        })
    }

    /// The next thing to do.
    pub(crate) fn poll_output(&mut self, now: Instant, wall: SystemTime) -> Option<Output> {
        loop {
            if let Some(output) = self.ready.pop_front() {
                return Some(output);
            }
            if let Some(event) = self.control.poll_event() {
                self.on_health(event);
                continue;
            }
            let dirty = self.control.take_dirty();
            if !dirty.is_empty() {
                for index in dirty {
                    self.on_program(now, index);
                }
                continue;
            }
            // Every event before any call: what VPP had must be known to health before anything is written.
            let sync = self.sync.as_mut()?;
            if let Some(event) = sync.poll_event() {
                self.on_sync(event, wall);
                continue;
            }
            if let Some((id, call)) = sync.poll_call(now) {
                return Some(Output::Call { id, call });
            }
            // Polling a call may make events, also where it yields none: a pass over what is right ends so.
            let event = sync.poll_event()?;
            self.on_sync(event, wall);
        }
    }

    fn tell(&mut self, what: What) {
        self.ready.push_back(Output::Tell(what));
    }

    fn on_program(&mut self, now: Instant, index: FrontendIdx) {
        self.changed.frontends.insert(index.get());
        self.note_pool(index);
        let Some(program) = self.control.program(index) else { return };
        let (Some(frontend), Some(key)) = (self.config.frontends.get(index.get()), self.keys.get(index.get())) else {
            return;
        };
        let Some(sync) = &mut self.sync else { return };
        match translate::desired(frontend, program) {
            Ok(desired) => sync.update_vip(now, *key, desired),
            Err(error) => {
                let message = format!("frontend {} is left as it is: {error}", frontend.name);
                self.tell(What::Error { cause: "internal".into(), message: message.into() });
            }
        }
    }

    /// Reports a frontend that serves from another pool than before.
    fn note_pool(&mut self, index: FrontendIdx) {
        let Some(frontend) = self.control.frontend(index) else { return };
        // Before VPP was read nobody knows which pool serves.
        if frontend.program().pending {
            return;
        }
        let active = frontend.active_pool();
        let Some(pool) = frontend.pools().nth(active) else { return };
        let (name, pool) = (frontend.name().clone(), pool.name().clone());
        let before = self.pools.insert(name.clone(), (active, pool.clone()));
        if let Some((_, from)) = before
            && from != pool
        {
            self.changed.urgent = true;
            self.tell(What::FrontendPool { frontend: name, from, to: pool });
        }
    }

    fn on_health(&mut self, event: HealthEvent) {
        let what = match event {
            HealthEvent::Probe { probe, due, .. } => return self.ready.push_back(Output::Probe { probe, due }),
            HealthEvent::Cancel { probe, .. } => return self.ready.push_back(Output::Cancel(probe)),
            HealthEvent::Started { backend, name } => {
                let address = self.control.backend(backend).map(|view| view.address().to_string());
                What::BackendStart { backend: name, address: address.unwrap_or_default().into() }
            }
            HealthEvent::Stopped { name, .. } => What::BackendStop { backend: name },
            HealthEvent::Restarted { name, .. } => What::BackendRestart { backend: name },
            HealthEvent::Transition { backend, name, transition } => {
                self.touched(backend);
                What::BackendTransition {
                    backend: name,
                    from: transition.from.as_str().into(),
                    to: transition.to.as_str().into(),
                    code: transition.code.as_str().into(),
                    detail: transition.detail.clone(),
                }
            }
            HealthEvent::Suppressed { backend, name, penalty, rest } => {
                self.touched(backend);
                What::BackendSuppressed { backend: name, penalty, seconds: rest.as_secs_f64() }
            }
            HealthEvent::Reused { backend, name, penalty } => {
                self.touched(backend);
                What::BackendReused { backend: name, penalty }
            }
            HealthEvent::Agent { backend, name, from, to } => {
                self.touched(backend);
                let from = from.map(|from| from.to_string()).unwrap_or_default();
                What::BackendAgent { backend: name, from: from.into(), to: to.to_string().into() }
            }
            HealthEvent::FrontendTransition { frontend, from, to } => {
                self.changed.urgent = true;
                What::FrontendTransition { frontend, from: from.as_str().into(), to: to.as_str().into() }
            }
            other => match about_override(&other) {
                Some((cause, text)) => warning(cause, text),
                None => warning("internal", format!("unknown health event {other:?}")),
            },
        };
        self.tell(what);
    }

    fn on_sync(&mut self, event: SyncEvent, wall: SystemTime) {
        if let SyncEvent::Read { .. } = &event {
            let names: HashMap<&str, &VipKey> =
                self.config.frontends.iter().map(|frontend| frontend.name.as_str()).zip(&self.keys).collect();
            if let Some(sync) = &self.sync {
                self.control
                    .handle_actual(wall, &|frontend, address| weight_in_vpp(sync, names.get(frontend)?, address));
            }
            self.changed.all = true;
        }
        let told = report::sync_event(&event);
        self.changed.told |= told.what.is_some();
        if let Some(place) = told.vip.and_then(|key| self.places.get(&key)) {
            self.changed.frontends.insert(*place);
        }
        self.changed.indices |= told.indices;
        self.ready.extend(told.begun.map(Output::Begun));
        self.ready.extend(told.pass.map(Output::Ended));
        if let Some(what) = told.what {
            self.tell(what);
        }
    }
}

fn warning(cause: &str, message: String) -> What {
    What::Warning { cause: cause.into(), message: message.into() }
}

/// What `config` and health want VPP to hold; `None` where the config leaves out the plugin's settings because there is no dataplane.
pub(super) fn desired(config: &Config, control: &Control) -> Result<Option<Desired>, OutOfRange> {
    let Some(conf) = translate::lb_conf(config)? else { return Ok(None) };
    let programs = control.frontends().map(|frontend| frontend.program());
    let vips = config.frontends.iter().zip(programs);
    let vips = vips.map(|(frontend, program)| Ok((translate::key(frontend), translate::desired(frontend, program)?)));
    let vips = vips.collect::<Result<_, OutOfRange>>()?;
    Ok(Some(Desired { conf, foreign: translate::foreign(config), vips }))
}

/// Weight that VPP has for an address of a VIP, in health's terms.
fn weight_in_vpp(sync: &Reconciler, key: &VipKey, address: IpAddr) -> Option<HealthWeight> {
    sync.actual_weight(key, address).map(health_weight)
}

/// A weight of VPP in health's terms. VPP may hold up to 255: what is above 100 counts as 100.
pub(super) fn health_weight(weight: u8) -> HealthWeight {
    HealthWeight::new(weight).unwrap_or(HealthWeight::MAX)
}

/// Shorter, and VPP would hear nothing but dumps.
const SHORTEST_SYNC: Duration = Duration::from_millis(100);

fn settings(config: &Config) -> Settings {
    let lb = &config.lb;
    let mut settings = Settings::default();
    settings.sync_interval = lb.sync_interval.max(SHORTEST_SYNC);
    settings.startup_min_delay = lb.startup_min_delay;
    settings.startup_max_delay = lb.startup_max_delay;
    settings
}

#[cfg(test)]
mod tests;
