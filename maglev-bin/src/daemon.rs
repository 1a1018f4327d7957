//! The daemon: tasks around one brain.
//!
//! | task | module | owns |
//! | --- | --- | --- |
//! | brain | `brain` | the `Core`: health, reconciliation, every decision |
//! | a probe each | `probes` | its socket |
//! | link | `link` | the life of the API socket |
//! | counters | `counters` | the mapping of the stats segment |
//!
//! What they tell each other, and how deep the channels are, stands in each module's head and in `ARCHITECTURE.md`.

mod appear;
mod brain;
mod core;
mod counters;
mod dataplane;
mod link;
mod lock;
mod probes;
mod report;
mod translate;
mod views;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::config::{CheckKind, Config, Diagnostic};
use crate::event::{Bus, What};
use crate::metrics::{ApiObserver, Totals};
use crate::probe::{Prober, ProberError};
use crate::snapshot::Published;

pub use dataplane::VppDataplane;
pub use link::chain;
pub use lock::{ApiLock, LockError};

/// What a daemon is started with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// VPP's API socket; `None` probes only.
    pub api: Option<PathBuf>,
    /// VPP's stats socket; `None` has no counters.
    pub stats: Option<PathBuf>,
    /// Time between two readings of the counters.
    pub counters_every: Duration,
}

impl Options {
    /// For a VPP at these sockets, with counters every 5 s.
    pub fn new(api: Option<PathBuf>, stats: Option<PathBuf>) -> Self {
        Self { api, stats, counters_every: Duration::from_secs(5) }
    }
}

/// Why a daemon does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another one steers this VPP.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Probes could never be sent.
    #[error("probes cannot be sent")]
    Prober(#[from] ProberError),
    /// The config passed its checks and the cores cannot take it: a bug, please report it with the config.
    #[error("the configuration cannot be used: {0}")]
    Unfit(String),
}

/// A running daemon. Dropping it ends all its tasks and leaves VPP as it is.
#[derive(Debug)]
pub struct Daemon {
    published: Arc<Published>,
    bus: Bus,
    totals: Totals,
    commands: mpsc::Sender<brain::Command>,
    stop: CancellationToken,
    gone: CancellationToken,
    _lock: Option<ApiLock>,
}

/// Tries whether the probes of `config` could be sent with the rights of this process.
///
/// # Errors
/// [`StartError::Prober`] names the capability that is missing. A namespace or a source that is missing now is no error.
pub async fn check_privileges(config: &Config) -> Result<(), StartError> {
    let prober = Prober::new(config.healthchecker.netns.as_deref())?;
    if config
        .backends
        .iter()
        .filter_map(|backend| backend.healthcheck.as_ref())
        .any(|check| check.kind == CheckKind::Icmp)
    {
        prober.check_icmp().await?;
    }
    Ok(())
}

impl Daemon {
    /// Starts to probe what `config` says and, with an API socket, to program VPP. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then. A VPP that is absent is no error: it is waited for.
    pub fn start(config: Config, options: Options, bus: Bus) -> Result<Self, StartError> {
        let lock = options.api.as_deref().map(ApiLock::acquire).transpose()?;
        let prober = Arc::new(Prober::new(config.healthchecker.netns.as_deref())?);
        let (now, wall) = (Instant::now(), SystemTime::now());
        let config = Arc::new(config);
        let core = core::Core::new(config, options.api.is_some(), now, wall)
            .map_err(|error| StartError::Unfit(chain(&error)))?;
        let totals = Totals::default();
        let stop = CancellationToken::new();
        let (result_sender, results) = mpsc::channel(1_024);
        let (link_sender, links) = mpsc::channel(8);
        let (commands, command_receiver) = mpsc::channel(64);
        let (plan, plan_receiver) = watch::channel(Arc::default());
        let mut probes = probes::Probes::new(prober.clone(), result_sender, bus.clone(), totals.clone());
        probes.configure(core.config(), core.control());
        let mut views = views::Views::new(&core, wall);
        // Whoever looks at once sees every backend and frontend, not an empty daemon.
        views.update(&core, &probes, core.changed());
        let published = Published::new(views.snapshot());
        let brain = brain::Brain {
            core,
            probes,
            prober,
            views,
            bus: bus.clone(),
            totals: totals.clone(),
            published: published.clone(),
            results,
            links,
            commands: command_receiver,
            plan,
            stop: stop.clone(),
            told: Vec::new(),
            answers: Vec::new(),
        };
        let gone = CancellationToken::new();
        let guard = gone.clone().drop_guard();
        tokio::spawn(async move {
            // However the task ends, also by a panic, whoever watches hears of it.
            let _guard = guard;
            brain::run(brain).await;
        });
        if let Some(api) = options.api {
            let observer = Arc::new(ApiObserver::new(totals.clone(), bus.clone()));
            let link = link::LinkOptions { api, stats: options.stats.clone(), observer };
            tokio::spawn(stop.clone().run_until_cancelled_owned(link::run(link, link_sender, bus.clone())));
            if let Some(stats) = options.stats {
                let counters =
                    counters::run(stats, options.counters_every, plan_receiver, published.clone(), bus.clone());
                tokio::spawn(stop.clone().run_until_cancelled_owned(counters));
            }
        }
        Ok(Self { published, bus, totals, commands, stop, gone, _lock: lock })
    }

    /// Where the current state can be had.
    pub fn published(&self) -> &Arc<Published> {
        &self.published
    }

    /// Where events can be had.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// What was counted since the start.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Goes over to another config, checked already. Returns once it is in force.
    ///
    /// # Errors
    /// Why it was refused, in words; nothing has changed then.
    pub async fn reload(&self, config: Config, warnings: &[Diagnostic]) -> Result<(), String> {
        let (done, outcome) = oneshot::channel();
        let warnings = warnings.iter().map(ToString::to_string).collect();
        let command = brain::Command::Reload { config: Box::new(config), warnings, done };
        let stopped = || "the daemon is stopping".to_owned();
        self.commands.send(command).await.map_err(|_| stopped())?;
        outcome.await.unwrap_or_else(|_| Err(stopped()))
    }

    /// Notes that a config was not even worth trying, so that metrics and log show it.
    pub fn reload_refused(&self, reason: &str) {
        let sha256 = self.published.snapshot().config_sha256.clone();
        let what = What::ConfigReload { result: "refused".into(), sha256, detail: reason.into() };
        report::count(&self.totals, &what);
        self.bus.emit(what);
    }

    /// Returns when the task that decides has ended, which it never should: without it nothing is probed and nothing is cut.
    pub async fn died(&self) {
        self.gone.cancelled().await;
    }

    /// Returns once the task that decides has had a turn.
    pub async fn turns(&self) {
        let (done, answer) = oneshot::channel();
        // A brain that is gone drops the answer; `died` tells.
        let _ = self.commands.send(brain::Command::Ping { done }).await;
        let _ = answer.await;
    }

    /// Asks for a new reading of the sessions per AS. It happens when VPP can bear it.
    pub async fn request_flows(&self) {
        // A daemon that is stopping reads no flows.
        let _ = self.commands.send(brain::Command::RequestFlows).await;
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
