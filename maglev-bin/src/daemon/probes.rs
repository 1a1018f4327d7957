//! Sends the probes that the core asks for, and says what became of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use maglev_health::{BackendId, Code, Control, Outcome, ProbeId, ProbeResult};

use super::asked::LastResult;
use super::translate;
use crate::config::Config;
use crate::event::{Bus, Text, What};
use crate::metrics::{ProbeTotals, Totals};
use crate::probe::{Cause, Ended, Order, Outbox, Prober, Report, Target};

/// What a backend is asked, how it is named, and what came of it.
#[derive(Debug)]
struct Question {
    name: Text,
    kind: &'static str,
    /// Name of the check; `None` for a static backend.
    check: Option<Text>,
    totals: ProbeTotals,
    /// Detail of its newest result: most are like the one before.
    detail: Text,
    /// `None` when the config asks for something that cannot be sent.
    target: Option<Arc<Target>>,
    /// End of the certificate that its last TLS probe saw.
    certificate: Option<SystemTime>,
    /// What came of its last probe, in full. Nothing is made of it until somebody asks.
    last: Option<LastResult>,
}

/// Bytes of a certificate's name that are kept. RFC 5280 allows 64 characters in a common name, DNS 253 in a name.
const LONGEST_SUBJECT: usize = 256;

/// Probes under way and what is known of their surroundings.
pub(super) struct Probes {
    prober: Arc<Prober>,
    results: Arc<Outbox>,
    orders: Vec<Order>,
    bus: Bus,
    totals: Totals,
    questions: HashMap<BackendId, Box<Question>>,
    faults: Faults,
}

impl Probes {
    /// Answers go to `results`.
    pub(super) fn new(prober: Arc<Prober>, results: Arc<Outbox>, bus: Bus, totals: Totals) -> Self {
        prober.deliver_to(results.clone());
        Self { prober, results, orders: Vec::new(), bus, totals, questions: HashMap::new(), faults: Faults::default() }
    }

    /// Takes over what a config asks of its backends.
    pub(super) fn configure(&mut self, config: &Config, control: &Control) {
        let mut before = std::mem::take(&mut self.questions);
        for backend in &config.backends {
            let Some(id) = control.backend_id(&backend.name) else { continue };
            let kind = backend.healthcheck.as_ref().map_or("static", |check| check.kind.type_name());
            let check = backend.healthcheck.as_ref().map(|check| check.name.as_str().into());
            let target = translate::target(backend).unwrap_or_else(|error| {
                let message = format!("backend {} cannot be probed: {error}", backend.name);
                self.bus.emit(What::Error { cause: "internal".into(), message: message.into() });
                None
            });
            let name: Text = backend.name.as_str().into();
            let totals = self.totals.probes_of(&name, kind);
            let (certificate, last) = match before.remove(&id) {
                Some(before) => (before.certificate, before.last.filter(|_| check.is_some())),
                None => (None, None),
            };
            let question = Question { name, kind, check, totals, detail: Text::default(), target, certificate, last };
            self.questions.insert(id, Box::new(question));
        }
        self.faults.retain(|id| self.questions.contains_key(&id));
    }

    /// Kind of a backend's probe, for people and metrics.
    pub(super) fn kind(&self, backend: BackendId) -> &'static str {
        self.questions.get(&backend).map_or("static", |question| question.kind)
    }

    /// Name of a backend's check.
    pub(super) fn check(&self, backend: BackendId) -> Option<Text> {
        self.questions.get(&backend)?.check.clone()
    }

    /// When the certificate of a backend ends, as far as a probe has seen it.
    pub(super) fn certificate(&self, backend: BackendId) -> Option<SystemTime> {
        self.questions.get(&backend)?.certificate
    }

    /// What came of the last probe of a backend.
    pub(super) fn last(&self, backend: BackendId) -> Option<&LastResult> {
        self.questions.get(&backend)?.last.as_ref()
    }

    /// Starts a probe, with the next [`Probes::send`].
    pub(super) fn start(&mut self, probe: ProbeId, due: Instant) {
        let question = self.questions.get(&probe.backend());
        let Some((question, target)) = question.and_then(|question| Some((question, question.target.clone()?))) else {
            // The core waits for an answer.
            self.results.put(Ended { probe, delay: None, report: Report::of_bug() });
            return;
        };
        if self.bus.wants(tracing::Level::DEBUG) {
            self.bus.emit(What::ProbeStart { backend: question.name.clone(), r#type: question.kind.into() });
        }
        self.orders.push(Order::Start { probe, target, due });
    }

    /// Stops a probe, with the next [`Probes::send`]; its socket closes.
    pub(super) fn cancel(&mut self, probe: ProbeId) {
        self.orders.push(Order::Cancel(probe));
    }

    /// Has done what was said since the last call.
    pub(super) fn send(&mut self) {
        if !self.orders.is_empty() {
            self.prober.order(self.orders.drain(..));
        }
    }

    /// Takes what came of a probe. `hear` is told its result, and says whether that is still wanted: only then the report is counted,
    /// warned of and kept. Whether there is news of the certificate.
    pub(super) fn handle(&mut self, ended: Ended, at: SystemTime, hear: impl FnOnce(ProbeResult) -> bool) -> bool {
        let Ended { probe, delay, report } = ended;
        let Some(question) = self.questions.get_mut(&probe.backend()) else {
            // Nobody wants it, who is not asked any more.
            hear(result(&report, &mut Text::default()));
            return false;
        };
        if !hear(result(&report, &mut question.detail)) {
            return false;
        }
        if let Some(delay) = delay {
            self.totals.probe_started(delay);
        }
        question.totals.count(report.outcome, report.code, report.elapsed);
        if self.bus.wants(tracing::Level::DEBUG) {
            self.bus.emit(done(question, &report));
        }
        if let Some(cause) = self.faults.note(probe.backend(), report.cause.as_ref()) {
            let message = format!(
                "probes cannot be sent: {cause} (first seen at backend {}); states and weights stay as they are, each is tried again at its fast-interval",
                question.name
            );
            self.bus.emit(What::Warning { cause: cause.key().into(), message: message.into() });
        }
        let news = report.certificate_expires.is_some_and(|time| question.certificate.replace(time) != Some(time));
        question.last = Some(LastResult { at, report: bounded(report) });
        news
    }
}

/// What a report says to the core. `before` is the detail of the report before, and then that of this one.
fn result(report: &Report, before: &mut Text) -> ProbeResult {
    if **before != *report.detail {
        *before = (&*report.detail).into();
    }
    let detail = before.clone();
    let result = match report.outcome {
        Outcome::Pass => ProbeResult::pass(report.code, detail),
        Outcome::Fail => ProbeResult::fail(report.code, detail),
        Outcome::NoVerdict => ProbeResult::no_verdict(detail),
    };
    // What does not read is no word: the last one stands.
    match report.agent.as_deref().and_then(|word| word.parse().ok()) {
        Some(word) => result.with_agent(word),
        None => result,
    }
}

/// A certificate may name itself at the length of a handshake: that is not kept for each backend.
fn bounded(mut report: Report) -> Report {
    let subject = report.certificate_subject.as_deref().filter(|subject| subject.len() > LONGEST_SUBJECT);
    if let Some(subject) = subject {
        report.certificate_subject = Some(subject[..subject.floor_char_boundary(LONGEST_SUBJECT)].into());
    }
    report
}

fn done(question: &Question, report: &Report) -> What {
    let code: Code = report.code;
    What::ProbeDone {
        backend: question.name.clone(),
        r#type: question.kind.into(),
        ok: report.outcome == Outcome::Pass,
        code: code.as_str().into(),
        detail: (&*report.detail).into(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_name_of_a_certificate_the_beginning_is_kept() {
        for (name, wanted) in [
            ("www.example.com".to_owned(), 15),
            ("a".repeat(257), 256),
            ("ü".repeat(4_000), 256),
            (format!("a{}", "ü".repeat(200)), 255),
        ] {
            let report = Report { certificate_subject: Some(name.as_str().into()), ..Report::of_bug() };
            let kept = bounded(report).certificate_subject.expect("a name");
            assert_eq!(&*kept, &name[..wanted]);
        }
    }

    #[test]
    fn the_word_of_an_agent_goes_to_the_core_if_it_reads() {
        let said = |agent: Option<&str>| {
            let report =
                Report { outcome: Outcome::Pass, code: Code::L7Ok, agent: agent.map(Into::into), ..Report::of_bug() };
            result(&report, &mut Text::default()).agent
        };
        let word = said(Some("75%, drain")).expect("it reads");
        assert_eq!((word.share(), word.mode().as_str()), (75, "drain"));
        assert_eq!([said(None), said(Some("")), said(Some("fine, thank you"))], [None; 3]);
    }
}
