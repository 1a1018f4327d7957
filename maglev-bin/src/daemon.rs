//! The daemon: tasks around one brain.
//!
//! | task | module | owns |
//! | --- | --- | --- |
//! | brain | `brain` | the `Core`: health, reconciliation, every decision |
//! | the probe thread | `crate::probe` | every probe and its socket |
//! | link | `link` | the life of the API socket |
//! | counters | `counters` | the mapping of the stats segment |
//!
//! What they tell each other, and how deep the channels are, stands in each module's head and in `ARCHITECTURE.md`.

mod appear;
mod asked;
mod brain;
mod core;
mod counters;
mod dataplane;
mod handle;
mod link;
mod lock;
mod operate;
mod probes;
mod prospect;
mod queue;
mod report;
mod syncs;
mod translate;
mod views;
mod weightless;

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::config::{CheckKind, Config, Context};
use crate::event::{Bus, What};
use crate::metrics::{ApiObserver, Totals};
use crate::probe::{Outbox, Prober, ProberError};
use crate::snapshot::Published;
use crate::state::{Book, Held, Loaded, State, StateFile, Writer};

pub use asked::{Asked, Found, LastResult};
pub use dataplane::VppDataplane;
pub use handle::{ConfigFile, Handle, Outcome, ReloadError, Reloaded};
pub use link::chain;
pub use lock::{ApiLock, LockError};
pub use operate::{Action, LONGEST_REASON, Order, Refusal};
pub use prospect::{Forecasts, Names, Prospect, Standing};
pub use syncs::Synced;

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
    /// Where overrides are kept over a restart; `None` forgets them at exit.
    pub state_file: Option<PathBuf>,
    /// Where a reload finds the config; `None` leaves only [`Handle::reload`].
    pub config_file: Option<ConfigFile>,
}

impl Options {
    /// For a VPP at these sockets, with counters every 5 s, without a config file and without a state file.
    pub fn new(api: Option<PathBuf>, stats: Option<PathBuf>) -> Self {
        Self { api, stats, counters_every: Duration::from_secs(5), state_file: None, config_file: None }
    }
}

/// Why a daemon does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another one steers this VPP.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Another one has the state file.
    #[error(transparent)]
    State(#[from] Held),
    /// Probes could never be sent.
    #[error("probes cannot be sent")]
    Prober(#[from] ProberError),
    /// The config passed its checks and the cores cannot take it: a bug, please report it with the config.
    #[error("the configuration cannot be used: {0}")]
    Unfit(String),
}

/// A running daemon: its [`Handle`], and its life. Dropping it ends all its tasks and leaves VPP as it is.
#[derive(Debug)]
pub struct Daemon {
    handle: Handle,
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
        let context = Context { dataplane: options.api.is_some() };
        let lock = options.api.as_deref().map(ApiLock::acquire).transpose()?;
        let prober = Arc::new(Prober::new(config.healthchecker.netns.as_deref())?);
        let (now, wall) = (Instant::now(), SystemTime::now());
        let config = Arc::new(config);
        let (state, mut file) = open_state(options.state_file.as_deref(), &bus)?;
        let core = core::Core::new(config, &state, options.api.is_some(), now, wall)
            .map_err(|error| StartError::Unfit(chain(&error)))?;
        let totals = Totals::default();
        let stop = CancellationToken::new();
        let results = Arc::new(Outbox::new(totals.probe_load()));
        let (link_sender, links) = mpsc::channel(8);
        let (commands, command_receiver) = mpsc::channel(64);
        let (plan, plan_receiver) = watch::channel(Arc::default());
        let mut probes = probes::Probes::new(prober.clone(), results.clone(), bus.clone(), totals.clone());
        probes.configure(core.config(), core.control());
        let mut views = views::Views::new(&core, wall);
        let mut book = Book::new(state);
        // A VIP is ours on the disk before it is one in VPP: whatever ends this process, the next one knows. What cannot be saved now is
        // tried again and told by the writer.
        let news = core.sync().is_some_and(|sync| book.settle_vips(sync.ours()));
        let unsaved = news && file.as_mut().is_some_and(|file| file.save(book.state()).is_err());
        let writer = Writer::start(file, bus.clone());
        if unsaved {
            drop(writer.save(book.state().clone()));
        }
        // Whoever looks at once sees every backend and frontend, not an empty daemon.
        views.update(&core, &probes, core.changed());
        let overrides = views::overrides(&core, &book);
        let published = Published::new(views.snapshot(&core, overrides.clone()));
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
            syncs: syncs::Syncs::default(),
            weightless: weightless::Told::default(),
            book,
            writer: writer.clone(),
            overrides,
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
        let file = options.config_file.map(Arc::new);
        let handle = Handle { published, bus, totals, commands, file, context, writer, reloading: Arc::default() };
        Ok(Self { handle, stop, gone, _lock: lock })
    }

    /// For whoever speaks to the daemon without owning it.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Returns when the task that decides has ended, which it never should: without it nothing is probed and nothing is cut.
    pub async fn died(&self) {
        self.gone.cancelled().await;
    }
}

/// What an earlier process left, and where to save from now on. Trouble with it stops nothing.
fn open_state(path: Option<&Path>, bus: &Bus) -> Result<(State, Option<StateFile>), Held> {
    let Some(path) = path else { return Ok(Default::default()) };
    let Loaded { file, state, troubles, .. } = StateFile::open(path)?;
    for trouble in &troubles {
        bus.emit(What::Error { cause: "state-file".into(), message: chain(trouble).into() });
    }
    Ok((state, Some(file)))
}

impl Deref for Daemon {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
