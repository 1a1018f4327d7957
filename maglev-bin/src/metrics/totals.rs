//! Numbers that only grow, counted where things happen.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use maglev_health::{Code, Outcome};
use vpp_api::client::{CallResult, Observer};

use crate::event::{Bus, Text, What};
use crate::probe::Load;

/// Running totals of the process. Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct Totals {
    probes: Family<Probe, Counter>,
    probe_seconds: Family<ProbeKind, Histogram, fn() -> Histogram>,
    probe_delay: Histogram,
    probe_load: Load,
    transitions: Family<Transition, Counter>,
    api: Family<ApiMessage, Counter>,
    api_seconds: Family<ApiCall, Histogram, fn() -> Histogram>,
    syncs: Family<Sync, Counter>,
    sync_seconds: Family<SyncScope, Histogram, fn() -> Histogram>,
    reloads: Family<Reload, Counter>,
    grpc: Family<GrpcCall, Counter>,
    grpc_seconds: Family<GrpcMethod, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Probe {
    backend: Text,
    r#type: &'static str,
    result: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ProbeKind {
    backend: Text,
    r#type: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Transition {
    backend: Text,
    from: Text,
    to: Text,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ApiMessage {
    msg: &'static str,
    direction: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ApiCall {
    msg: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Sync {
    scope: &'static str,
    kind: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct SyncScope {
    scope: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Reload {
    result: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct GrpcCall {
    method: &'static str,
    code: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct GrpcMethod {
    method: &'static str,
}

/// The probes of one backend. Keeps what it last counted in at hand, which is what it will count in next: thousands of probes a second
/// then look up nothing.
#[derive(Clone, Debug)]
pub(crate) struct ProbeTotals {
    all: Totals,
    backend: Text,
    kind: &'static str,
    last: Option<(Outcome, Code, Counter)>,
    seconds: Option<Histogram>,
}

impl ProbeTotals {
    /// A probe ended.
    pub(crate) fn count(&mut self, outcome: Outcome, code: Code, elapsed: Duration) {
        match &self.last {
            Some((last, with, counter)) if (*last, *with) == (outcome, code) => {
                counter.inc();
            }
            _ => {
                let result = match outcome {
                    Outcome::Pass => "pass",
                    Outcome::Fail => "fail",
                    Outcome::NoVerdict => "error",
                };
                let labels = Probe { backend: self.backend.clone(), r#type: self.kind, result, code: code.as_str() };
                let counter = self.all.probes.get_or_create_owned(&labels);
                counter.inc();
                self.last = Some((outcome, code, counter));
            }
        }
        let seconds = self.seconds.get_or_insert_with(|| {
            let labels = ProbeKind { backend: self.backend.clone(), r#type: self.kind };
            self.all.probe_seconds.get_or_create_owned(&labels)
        });
        seconds.observe(elapsed.as_secs_f64());
    }
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            probes: Family::default(),
            probe_seconds: Family::new_with_constructor(|| Histogram::new(PROBE_BUCKETS)),
            probe_delay: Histogram::new(DELAY_BUCKETS),
            probe_load: Load::default(),
            transitions: Family::default(),
            api: Family::default(),
            api_seconds: Family::new_with_constructor(|| Histogram::new(API_BUCKETS)),
            syncs: Family::default(),
            sync_seconds: Family::new_with_constructor(|| Histogram::new(PROBE_BUCKETS)),
            reloads: Family::default(),
            grpc: Family::default(),
            grpc_seconds: Family::new_with_constructor(|| Histogram::new(API_BUCKETS)),
        }
    }
}

impl Totals {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "maglev_probe",
            "Probes by result: pass, fail, or error when none could be sent",
            self.probes.clone(),
        );
        registry.register("maglev_probe_duration_seconds", "How long probes took", self.probe_seconds.clone());
        registry.register(
            "maglev_probe_start_delay_seconds",
            "From when probes were due to when they started",
            self.probe_delay.clone(),
        );
        registry.register("maglev_probes_running", "Probes under way", self.probe_load.running.clone());
        registry.register(
            "maglev_probes_waiting",
            "Probes that wait for a file descriptor",
            self.probe_load.waiting.clone(),
        );
        registry.register("maglev_backend_transitions", "Changes of a backend's state", self.transitions.clone());
        registry.register(
            "maglev_vpp_api",
            "Messages sent to VPP (direction tx) and calls that ended (rx)",
            self.api.clone(),
        );
        registry.register("maglev_vpp_api_seconds", "How long calls on VPP took", self.api_seconds.clone());
        registry.register("maglev_vpp_lbsync", "Changes made in VPP, and passes", self.syncs.clone());
        registry.register("maglev_vpp_lbsync_seconds", "How long passes over VIPs took", self.sync_seconds.clone());
        registry.register(
            "maglev_config_reload",
            "Reloads of the configuration, refused ones too",
            self.reloads.clone(),
        );
        registry.register("maglev_grpc_requests", "Calls of the gRPC API, by status", self.grpc.clone());
        registry.register(
            "maglev_grpc_request_seconds",
            "How long calls of the gRPC API took, streams until they began",
            self.grpc_seconds.clone(),
        );
    }

    /// Where the probes of one backend are counted.
    pub(crate) fn probes_of(&self, backend: &Text, kind: &'static str) -> ProbeTotals {
        ProbeTotals { all: self.clone(), backend: backend.clone(), kind, last: None, seconds: None }
    }

    /// A probe started so long after it was due.
    pub(crate) fn probe_started(&self, delay: Duration) {
        self.probe_delay.observe(delay.as_secs_f64());
    }

    /// Where the probe thread says what it has to do.
    pub(crate) fn probe_load(&self) -> Load {
        self.probe_load.clone()
    }

    /// A backend changed its state.
    pub fn transition(&self, backend: &Text, from: &Text, to: &Text) {
        let labels = Transition { backend: backend.clone(), from: from.clone(), to: to.clone() };
        self.transitions.get_or_create(&labels).inc();
    }

    /// A message left for VPP.
    pub fn api_sent(&self, msg: &'static str) {
        self.api.get_or_create(&ApiMessage { msg, direction: "tx", result: "ok" }).inc();
    }

    /// A call on VPP ended.
    pub fn api_received(&self, msg: &'static str, result: &'static str, elapsed: Duration) {
        self.api.get_or_create(&ApiMessage { msg, direction: "rx", result }).inc();
        self.api_seconds.get_or_create(&ApiCall { msg }).observe(elapsed.as_secs_f64());
    }

    /// Things were changed in VPP, or a pass ended. `scope` is `all`, `batch` or `vip`.
    pub fn sync(&self, scope: &'static str, kind: &'static str, count: u64) {
        self.syncs.get_or_create(&Sync { scope, kind }).inc_by(count);
    }

    /// A pass took this long.
    pub fn sync_took(&self, scope: &'static str, elapsed: Duration) {
        self.sync_seconds.get_or_create(&SyncScope { scope }).observe(elapsed.as_secs_f64());
    }

    /// A reload was taken or refused.
    pub fn reload(&self, result: &'static str) {
        self.reloads.get_or_create(&Reload { result }).inc();
    }

    /// A call of the gRPC API was answered.
    pub fn grpc(&self, method: &'static str, code: &'static str, elapsed: Duration) {
        self.grpc.get_or_create(&GrpcCall { method, code }).inc();
        self.grpc_seconds.get_or_create(&GrpcMethod { method }).observe(elapsed.as_secs_f64());
    }

    /// Messages sent to VPP so far.
    pub fn api_calls(&self, messages: &[&'static str]) -> u64 {
        let sent = |msg: &&'static str| {
            let labels = ApiMessage { msg, direction: "tx", result: "ok" };
            self.api.get(&labels).map_or(0, |counter| counter.get())
        };
        messages.iter().map(sent).sum()
    }
}

const PROBE_BUCKETS: [f64; 11] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];
const DELAY_BUCKETS: [f64; 9] = [0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0];
const API_BUCKETS: [f64; 11] = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0];

/// Counts and, for who wants debug events, tells what the API client does.
#[derive(Clone, Debug)]
pub(crate) struct ApiObserver {
    totals: Totals,
    bus: Bus,
}

impl ApiObserver {
    pub(crate) fn new(totals: Totals, bus: Bus) -> Self {
        Self { totals, bus }
    }
}

impl Observer for ApiObserver {
    fn sent(&self, name: &'static str) {
        self.totals.api_sent(name);
        if self.bus.wants(tracing::Level::DEBUG) {
            self.bus.emit(What::VppApiSend { msg: name.into() });
        }
    }

    fn received(&self, name: &'static str, result: CallResult, elapsed: Duration) {
        self.totals.api_received(name, result.as_str(), elapsed);
        if self.bus.wants(tracing::Level::DEBUG) {
            let (msg, result) = (name.into(), result.as_str().into());
            self.bus.emit(What::VppApiRecv { msg, result, elapsed: elapsed.as_secs_f64() });
        }
    }
}
