//! Sends the probes that the core asks for, each in a task of its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use maglev_health::{BackendId, Code, Control, Outcome, ProbeId, ProbeResult};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::translate;
use crate::config::Config;
use crate::event::{Bus, Text, What};
use crate::metrics::Totals;
use crate::probe::{Cause, Prober, Report, Target};

/// A probe that ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) backend: BackendId,
    pub(super) probe: ProbeId,
    pub(super) report: Report,
}

/// What a backend is asked, and how it is named.
#[derive(Clone, Debug)]
struct Question {
    name: Text,
    kind: &'static str,
    /// `None` when the config asks for something that cannot be sent.
    target: Option<Arc<Target>>,
}

/// Probes under way and what is known of their surroundings.
pub(super) struct Probes {
    prober: Arc<Prober>,
    results: mpsc::Sender<Ended>,
    bus: Bus,
    totals: Totals,
    questions: HashMap<BackendId, Question>,
    /// `None` for one that could not even be started.
    running: HashMap<ProbeId, Option<AbortHandle>>,
    faults: Faults,
    /// End of the certificate that the last TLS probe of a backend saw.
    certificates: HashMap<BackendId, SystemTime>,
}

impl Probes {
    pub(super) fn new(prober: Arc<Prober>, results: mpsc::Sender<Ended>, bus: Bus, totals: Totals) -> Self {
        Self {
            prober,
            results,
            bus,
            totals,
            questions: HashMap::new(),
            running: HashMap::new(),
            faults: Faults::default(),
            certificates: HashMap::new(),
        }
    }

    /// Takes over what a config asks of its backends.
    pub(super) fn configure(&mut self, config: &Config, control: &Control) {
        self.questions.clear();
        for backend in &config.backends {
            let Some(id) = control.backend_id(&backend.name) else { continue };
            let kind = backend.healthcheck.as_ref().map_or("static", |check| check.kind.type_name());
            let target = translate::target(backend).unwrap_or_else(|error| {
                let message = format!("backend {} cannot be probed: {error}", backend.name);
                self.bus.emit(What::Error { cause: "internal".into(), message: message.into() });
                None
            });
            self.questions.insert(id, Question { name: backend.name.as_str().into(), kind, target });
        }
        self.certificates.retain(|id, _| self.questions.contains_key(id));
        self.faults.retain(|id| self.questions.contains_key(&id));
    }

    /// Kind of a backend's probe, for people and metrics.
    pub(super) fn kind(&self, backend: BackendId) -> &'static str {
        self.questions.get(&backend).map_or("static", |question| question.kind)
    }

    /// When the certificate of a backend ends, as far as a probe has seen it.
    pub(super) fn certificate(&self, backend: BackendId) -> Option<SystemTime> {
        self.certificates.get(&backend).copied()
    }

    /// Starts a probe.
    pub(super) fn start(&mut self, backend: BackendId, probe: ProbeId) {
        let answer = Answer { results: self.results.clone(), backend, probe, sent: false };
        self.running.insert(probe, None);
        let question = self.questions.get(&backend);
        let Some((question, target)) = question.and_then(|question| Some((question, question.target.clone()?))) else {
            return;
        };
        if self.bus.wants(tracing::Level::DEBUG) {
            self.bus.emit(What::ProbeStart { backend: question.name.clone(), r#type: question.kind.into() });
        }
        let prober = self.prober.clone();
        let task = tokio::spawn(async move {
            let report = prober.run(&target).await;
            answer.send(report).await;
        });
        self.running.insert(probe, Some(task.abort_handle()));
    }

    /// Stops a probe; its socket closes.
    pub(super) fn cancel(&mut self, probe: ProbeId) {
        if let Some(Some(task)) = self.running.remove(&probe) {
            task.abort();
        }
    }

    /// Counts a probe that ended, warns of causes of our own, and gives its result for the core; nothing if it was cancelled.
    pub(super) fn ended(&mut self, ended: &Ended) -> Option<ProbeResult> {
        let Ended { backend, probe, report } = ended;
        self.running.remove(probe)?;
        if let Some(question) = self.questions.get(backend) {
            let result = match report.outcome {
                Outcome::Pass => "pass",
                Outcome::Fail => "fail",
                Outcome::NoVerdict => "error",
            };
            self.totals.probe(&question.name, question.kind, result, report.code.as_str(), report.elapsed);
            if self.bus.wants(tracing::Level::DEBUG) {
                self.bus.emit(done(question, report));
            }
            if let Some(cause) = self.faults.note(*backend, report.cause.as_ref()) {
                let message = format!(
                    "probes cannot be sent: {cause} (first seen at backend {}); states and weights stay as they are, each is tried again at its fast-interval",
                    question.name
                );
                self.bus.emit(What::Warning { cause: cause.key().into(), message: message.into() });
            }
        }
        if let Some(time) = report.certificate_expires {
            self.certificates.insert(*backend, time);
        }
        let detail: Text = report.detail.as_str().into();
        Some(match report.outcome {
            Outcome::Pass => ProbeResult::pass(report.code, detail),
            Outcome::Fail => ProbeResult::fail(report.code, detail),
            Outcome::NoVerdict => ProbeResult::no_verdict(detail),
        })
    }
}

/// The answer that the core waits for. It comes in any case, also from a probe that panicked: a backend that waits for ever would never
/// be probed again.
struct Answer {
    results: mpsc::Sender<Ended>,
    backend: BackendId,
    probe: ProbeId,
    sent: bool,
}

impl Answer {
    async fn send(mut self, report: Report) {
        let Self { backend, probe, .. } = self;
        // A brain that is gone needs no results.
        let _ = self.results.send(Ended { backend, probe, report }).await;
        self.sent = true;
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.sent {
            let Self { backend, probe, .. } = *self;
            // A probe that was cancelled comes here too; its answer is ignored.
            let _ = self.results.try_send(Ended { backend, probe, report: Report::of_bug() });
        }
    }
}

fn done(question: &Question, report: &Report) -> What {
    let code: Code = report.code;
    What::ProbeDone {
        backend: question.name.clone(),
        r#type: question.kind.into(),
        ok: report.outcome == Outcome::Pass,
        code: code.as_str().into(),
        detail: report.detail.as_str().into(),
        elapsed: report.elapsed.as_secs_f64(),
    }
}

/// Causes of our own that are in the way now, and whose probes they are in the way of.
#[derive(Debug, Default)]
struct Faults {
    by_cause: BTreeMap<Cause, BTreeSet<BackendId>>,
    by_backend: HashMap<BackendId, Cause>,
}

impl Faults {
    /// Notes how a probe of a backend fared. Gives the cause if nobody suffered from it until now: worth one warning.
    fn note(&mut self, backend: BackendId, cause: Option<&Cause>) -> Option<Cause> {
        if self.by_backend.get(&backend) == cause {
            return None;
        }
        self.forget(backend);
        let cause = cause?;
        self.by_backend.insert(backend, cause.clone());
        let sufferers = self.by_cause.entry(cause.clone()).or_default();
        sufferers.insert(backend);
        (sufferers.len() == 1).then(|| cause.clone())
    }

    fn forget(&mut self, backend: BackendId) {
        let Some(cause) = self.by_backend.remove(&backend) else { return };
        if let Some(sufferers) = self.by_cause.get_mut(&cause) {
            sufferers.remove(&backend);
            if sufferers.is_empty() {
                self.by_cause.remove(&cause);
            }
        }
    }

    fn retain(&mut self, keep: impl Fn(BackendId) -> bool) {
        let gone: Vec<_> = self.by_backend.keys().copied().filter(|id| !keep(*id)).collect();
        for backend in gone {
            self.forget(backend);
        }
    }
}
