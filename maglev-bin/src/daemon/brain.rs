//! The task that decides: owns the [`Core`], feeds it, does what it says, publishes what it believes.
//!
//! | comes in | from | depth |
//! | --- | --- | --- |
//! | results of probes | the probe thread's outbox | at most one per backend |
//! | the link's life | link task | 8 |
//! | commands | signals, operators | 64 |
//! | replies of VPP | futures that this task polls itself, at most 64 | – |
//!
//! Nothing here blocks for longer than it takes to start a thread: parsing a config happens before its command is sent, reading the stats segment elsewhere. The task ends when the
//! daemon is dropped; VPP stays as it is.

mod life;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use maglev_health::Jitter;
use maglev_sync::{BootId, CallFailure, CallId, Dataplane, Reply, RequestScope, SyncRequest, SyncScope};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use self::life::Life;
use super::asked::LastResult;
use super::core::{Core, Output, Unfit};
use super::counters::CounterPlan;
use super::dataplane::VppDataplane;
use super::link::{Link, LinkEvent, chain};
use super::operate::{Action, Effect, Order, Refusal};
use super::probes::Probes;
use super::prospect::Standing;
use super::queue::Queue;
use super::report;
use super::syncs::{Caller, Syncs};
use super::views::{Views, overrides};
use super::weightless;
use crate::config::Config;
use crate::event::{Bus, Text, What};
use crate::metrics::Totals;
use crate::probe::{Ended, Outbox, Prober};
use crate::seam::show_then_tell;
use crate::snapshot::{OverrideView, Published, VppInfo};
use crate::state::{Book, Note, Saving, Writer};

/// What can be asked of the brain.
#[derive(Debug)]
pub(super) enum Command {
    /// Take over a config that passed its own checks.
    Reload {
        /// The config.
        config: Box<Config>,
        /// What it is warned of.
        warnings: Vec<String>,
        /// Told when it is in force, or why it is not.
        done: oneshot::Sender<Result<Vec<String>, String>>,
    },
    /// Carry out an operator's word.
    Operate {
        /// The word.
        order: Order,
        /// Told what came of it.
        done: oneshot::Sender<Result<Carried, Refusal>>,
    },
    /// Read VPP and make it agree: one frontend, or everything.
    Sync {
        /// The frontend; `None` for everything.
        frontend: Option<Text>,
        /// What may be made anew.
        recreate: bool,
        /// Told when it is done.
        done: Caller,
    },
    /// Say how things stand, to look ahead from.
    Standing {
        /// Told in its turn.
        done: oneshot::Sender<Result<Standing, Refusal>>,
    },
    /// Read the sessions per AS, when VPP can bear it.
    RequestFlows,
    /// Say what came of the last probe of a backend.
    LastResult {
        /// Its name.
        backend: Text,
        /// Told in its turn.
        done: oneshot::Sender<Option<LastResult>>,
    },
    /// Show that the brain still turns.
    Ping {
        /// Told in its turn.
        done: oneshot::Sender<()>,
    },
}

/// Everything the brain is made of.
pub(super) struct Brain {
    pub(super) core: Core,
    pub(super) probes: Probes,
    pub(super) prober: Arc<Prober>,
    pub(super) views: Views,
    pub(super) bus: Bus,
    pub(super) totals: Totals,
    pub(super) published: Arc<Published>,
    pub(super) results: Arc<Outbox>,
    pub(super) links: mpsc::Receiver<LinkEvent>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) plan: watch::Sender<Arc<CounterPlan>>,
    pub(super) stop: CancellationToken,
    /// What happened since the last turn. It is told after what is urgent was published, so that whoever hears of a transition finds
    /// it in the snapshot.
    pub(super) told: Vec<What>,
    /// Answers that wait for the same publication.
    pub(super) answers: Vec<Answer>,
    /// Who waits for a sync.
    pub(super) syncs: Syncs,
    /// What was said of a VPP without weights.
    pub(super) weightless: weightless::Told,
    /// What is to outlive the process.
    pub(super) book: Book,
    /// Saves the book.
    pub(super) writer: Writer,
    /// The overrides of the book, as everybody sees them.
    pub(super) overrides: Arc<[OverrideView]>,
}

/// Says to whoever asked how it went.
pub(super) type Answer = Box<dyn FnOnce() + Send>;

/// What came of an operator's word.
#[derive(Debug)]
pub(super) struct Carried {
    /// Whether it changed anything.
    pub(super) changed: bool,
    /// The override on its way to the state file; `None` if there was nothing to save.
    pub(super) saving: Option<Saving>,
}

/// The link that stands, and the calls on it.
#[derive(Default)]
struct Attached {
    dataplane: Option<VppDataplane>,
    link: Option<Link>,
    /// Counts links, so that readers of the stats segment notice a new one.
    generation: u64,
    /// The life of VPP that the last link led to.
    life: Life,
    calls: FuturesUnordered<BoxFuture<'static, (CallId, Result<Reply, CallFailure>)>>,
}

/// Between publications of what is not urgent is at least this.
const PACE: Duration = Duration::from_millis(50);

/// When the next publication of what is not urgent is due, behind one that took from `begin` to `end`. At least half of the time is for
/// decisions: were it counted from the beginning, a publication of more than [`PACE`] would leave room for a single event before the next.
fn next_publication(begin: Instant, end: Instant) -> Instant {
    end + PACE.max(end - begin)
}

/// Decides until it is stopped.
pub(super) async fn run(mut brain: Brain) {
    let mut attached = Attached::default();
    let mut publication_due = Instant::now();
    let bus = brain.bus.clone();
    let (results, mut ended) = (brain.results.clone(), Vec::new());
    let mut queue = Queue::default();
    loop {
        results.take(&mut ended);
        brain.on_results(&mut ended);
        let warning = queue.note(Instant::now(), results.waiting());
        warning.into_iter().for_each(|warning| brain.tell(warning));
        brain.act(&mut attached);
        let now = Instant::now();
        let changed = brain.core.changed();
        let is_due = changed.urgent || changed.all || (changed.any() && now >= publication_due);
        let show = || {
            if is_due {
                brain.publish(&attached);
                publication_due = next_publication(now, Instant::now());
            }
            std::mem::take(&mut brain.told)
        };
        show_then_tell(show, |what| bus.emit(what));
        brain.answers.drain(..).for_each(|answer| answer());
        let due = brain.core.poll_timeout();
        let publication = brain.core.changed().any().then_some(publication_due);
        let wake = due.into_iter().chain(publication).min();
        tokio::select! {
            biased;
            () = brain.stop.cancelled() => return,
            Some(event) = brain.links.recv() => brain.on_link(&mut attached, event),
            Some((id, result)) = attached.calls.next(), if !attached.calls.is_empty() => {
                brain.core.handle_reply(Instant::now(), id, result);
            }
            () = results.ready() => {}
            Some(command) = brain.commands.recv() => brain.on_command(command),
            () = sleep_until(wake) => brain.core.handle_timeout(Instant::now()),
        }
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake.into()).await,
        None => std::future::pending().await,
    }
}

impl Brain {
    /// Does everything the core says.
    fn act(&mut self, attached: &mut Attached) {
        let (now, wall) = (Instant::now(), SystemTime::now());
        while let Some(output) = self.core.poll_output(now, wall) {
            match output {
                Output::Probe { probe, due } => self.probes.start(probe, due),
                Output::Cancel(probe) => self.probes.cancel(probe),
                Output::Tell(what) => self.tell(what),
                Output::Begun(scope) => self.syncs.begin(scope),
                Output::Ended(pass) => {
                    report::count_pass(&self.totals, &pass);
                    self.syncs.end(Instant::now(), &pass);
                }
                Output::Call { id, call } => {
                    // The core makes calls only while it believes in a link; should there be none, the call is lost.
                    let dataplane = attached.dataplane.clone();
                    attached.calls.push(Box::pin(async move {
                        match dataplane {
                            Some(dataplane) => (id, dataplane.call(call).await),
                            None => (id, Err(CallFailure::Lost)),
                        }
                    }));
                }
            }
        }
        self.probes.send();
    }

    fn tell(&mut self, what: What) {
        report::count(&self.totals, &what);
        self.told.push(what);
    }

    fn on_results(&mut self, all: &mut Vec<Ended>) {
        let (now, wall) = (Instant::now(), SystemTime::now());
        for ended in all.drain(..) {
            let jitter = Jitter::new(fastrand::f64().mul_add(2.0, -1.0));
            let (core, probe) = (&mut self.core, ended.probe);
            if self.probes.handle(ended, wall, |result| core.handle_probe(now, wall, probe, result, jitter)) {
                core.show_backend(probe.backend());
            }
        }
    }

    fn on_link(&mut self, attached: &mut Attached, event: LinkEvent) {
        match event {
            LinkEvent::Up(link) => {
                let VppInfo { version, build_date, pid, boot_time, .. } = &link.info;
                let (version, build_date) = (version.clone(), build_date.clone());
                self.tell(What::VppConnect { version, build_date, pid: (*pid).into() });
                attached.generation += 1;
                match &link.unsupported {
                    Some(why) => self.tell(What::Error { cause: "vpp-unsupported".into(), message: why.clone() }),
                    None => {
                        if !link.info.can.weights {
                            let warning = self.weightless.connected(&link.info.version, self.core.config());
                            self.tell(warning);
                        }
                        let dataplane = VppDataplane::new(link.client.clone());
                        let abilities = dataplane.abilities();
                        attached.dataplane = Some(dataplane);
                        attached.life = attached.life.next(*pid, *boot_time);
                        self.core.handle_link_up(
                            Instant::now(),
                            BootId(attached.life.number, (*pid).into()),
                            abilities,
                        );
                    }
                }
                attached.link = Some(link);
            }
            LinkEvent::Down { reason } => {
                self.syncs.lost(&reason);
                self.tell(What::VppDisconnect { reason });
                let Attached { generation, life, .. } = *attached;
                *attached = Attached { generation, life, ..Attached::default() };
                self.core.handle_link_down(Instant::now());
            }
        }
        self.views.link_changed(attached.link.as_ref());
        self.core.changed_all();
        self.send_plan(attached);
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Operate { order, done } => self.operate(order, done),
            Command::Sync { frontend, recreate, done } => self.sync(frontend.as_deref(), recreate, done),
            // Whoever asked may have gone.
            Command::Standing { done } => drop(done.send(self.core.standing())),
            Command::RequestFlows => self.core.request_flows(Instant::now()),
            Command::LastResult { backend, done } => {
                let id = self.core.control().backend_id(&backend);
                // Whoever asked may have gone.
                drop(done.send(id.and_then(|id| self.probes.last(id)).cloned()));
            }
            Command::Ping { done } => {
                // Whoever asked may have gone.
                let _ = done.send(());
            }
            Command::Reload { config, warnings, done } => {
                let outcome = self.reload(*config, &warnings);
                let (result, detail) = match &outcome {
                    Ok(_) => ("ok", warnings.join("; ")),
                    Err(reason) => ("refused", reason.clone()),
                };
                let sha256 = self.core.config().sha256.as_str().into();
                self.tell(What::ConfigReload { result: result.into(), sha256, detail: detail.into() });
                // Whoever asked may have gone.
                self.answers.push(Box::new(move || drop(done.send(outcome))));
            }
        }
    }

    /// Hands the book to whoever writes it down. Returns at once.
    fn save(&self) -> Saving {
        self.writer.save(self.book.state().clone())
    }

    fn operate(&mut self, order: Order, done: oneshot::Sender<Result<Carried, Refusal>>) {
        let outcome = self.core.operate(&order, Instant::now(), SystemTime::now());
        let result = match &outcome {
            Ok(Effect::Already) => "already".into(),
            Ok(_) => "ok".into(),
            Err(refusal) => format!("refused: {refusal}").into(),
        };
        self.tell(What::OperatorAction {
            who: order.who.clone(),
            action: order.action.verb().into(),
            target: order.action.target().into(),
            // One that was refused for its length is not told at that length.
            reason: if matches!(outcome, Err(Refusal::Reason)) { "".into() } else { order.reason.clone() },
            result,
        });
        if let (Ok(Effect::Weight { from, to }), Action::SetWeight { member, .. }) = (&outcome, &order.action)
            && from != to
        {
            self.tell(What::FrontendWeight {
                frontend: member.frontend.clone(),
                pool: member.pool.clone(),
                backend: member.backend.clone(),
                from: (*from).into(),
                to: (*to).into(),
                who: order.who.clone(),
                reason: order.reason.clone(),
            });
        }
        let outcome = outcome.map(|effect| {
            let changed = effect != Effect::Already;
            let note = Note { time: Timestamp::now(), who: order.who, reason: order.reason };
            let news = self.book.settle(self.core.control().overrides(), &note);
            if news {
                self.overrides = overrides(&self.core, &self.book);
            }
            Carried { changed, saving: news.then(|| self.save()) }
        });
        self.answers.push(Box::new(move || drop(done.send(outcome))));
    }

    fn sync(&mut self, frontend: Option<&str>, recreate: bool, done: Caller) {
        let scope = match self.core.sync_scope(frontend) {
            Ok(scope) => scope,
            // Whoever asked may have gone.
            Err(refusal) => return drop(done.send(Err(refusal))),
        };
        let now = Instant::now();
        let waits_for = match scope {
            RequestScope::All => SyncScope::All,
            RequestScope::Vip(key) => SyncScope::Vip(key),
        };
        self.syncs.ask(now, waits_for, done);
        self.core.request_sync(now, SyncRequest { scope, recreate });
    }

    /// Goes over to a config, and tells what became of overrides.
    fn reload(&mut self, config: Config, warnings: &[String]) -> Result<Vec<String>, String> {
        for warning in warnings {
            self.tell(What::Warning { cause: "config".into(), message: warning.as_str().into() });
        }
        let netns = config.healthchecker.netns.clone();
        let before = self.core.config().healthchecker.netns.clone();
        self.prober.set_netns(netns.as_deref()).map_err(|error| chain(&error))?;
        let config = Arc::new(config);
        let overrides = match self.core.reload(config, Instant::now(), SystemTime::now()) {
            Ok(overrides) => overrides,
            Err(error) => {
                // The namespace was entered a moment ago with the same rights.
                let _ = self.prober.set_netns(before.as_deref());
                let error: Unfit = error;
                return Err(chain(&error));
            }
        };
        if let Some(vpp) = self.views.vpp_without_weights()
            && let Some(warning) = self.weightless.reloaded(&vpp.version, self.core.config())
        {
            self.tell(warning);
        }
        self.prober.reload_roots();
        self.probes.configure(self.core.config(), self.core.control());
        Ok(overrides)
    }

    fn publish(&mut self, attached: &Attached) {
        let changed = self.core.take_changed();
        if changed.all || changed.told {
            self.keep_book(changed.all);
        }
        self.views.update(&self.core, &self.probes, &changed);
        self.published.publish(self.views.snapshot(&self.core, self.overrides.clone()));
        if changed.all || changed.indices {
            self.send_plan(attached);
        }
    }

    /// Brings the book in line with what a reload dropped, and with which VIPs are ours.
    fn keep_book(&mut self, reloaded: bool) {
        let mut news = false;
        if reloaded {
            let note = Note { time: Timestamp::now(), who: "".into(), reason: "".into() };
            news = self.book.settle(self.core.control().overrides(), &note);
            self.overrides = overrides(&self.core, &self.book);
        }
        if let Some(sync) = self.core.sync() {
            news |= self.book.settle_vips(sync.ours());
        }
        if news {
            // Nobody waits for it; the writer tells when it fails.
            drop(self.save());
        }
    }

    fn send_plan(&self, attached: &Attached) {
        let link = attached.dataplane.is_some().then_some(attached.generation);
        let plan = Arc::new(super::views::counter_plan(&self.core, link));
        self.plan.send_if_modified(|current| {
            let new = **current != *plan;
            if new {
                *current = plan;
            }
            new
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{PACE, next_publication};

    #[test]
    fn a_publication_that_takes_long_leaves_as_much_time_for_decisions() {
        let begin = Instant::now();
        let rest = |millis| {
            let end = begin + Duration::from_millis(millis);
            next_publication(begin, end) - end
        };
        assert_eq!([rest(0), rest(5), rest(300)], [PACE, PACE, Duration::from_millis(300)]);
    }
}
