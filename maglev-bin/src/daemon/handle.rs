//! Speaks to a running daemon: looks at what it publishes, asks its brain.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::{Mutex, mpsc, oneshot};

use super::brain::{Carried, Command};
use super::operate::{Order, Refusal};
use super::prospect::Standing;
use super::syncs::Synced;
use super::{StartError, chain, check_privileges, report};
use crate::config::{Config, ConfigError, Context, Diagnostic, Loaded};
use crate::event::{Bus, Text, What};
use crate::metrics::Totals;
use crate::snapshot::Published;
use crate::state::{Saved, Writer};

/// Where the config of a daemon comes from, and what it is checked for.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "callers write it out")]
pub struct ConfigFile {
    /// Its path.
    pub path: PathBuf,
    /// What the daemon has.
    pub context: Context,
}

/// Speaks to a running daemon. Cheap to clone; it does not keep the daemon alive.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) published: Arc<Published>,
    pub(super) bus: Bus,
    pub(super) totals: Totals,
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) file: Option<Arc<ConfigFile>>,
    pub(super) context: Context,
    pub(super) writer: Writer,
    /// One reload of the file at a time: the last one that was asked for reads what is there last.
    pub(super) reloading: Arc<Mutex<()>>,
}

/// A config that is in force now.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reloaded {
    /// The config, and what is odd about it.
    pub loaded: Loaded,
    /// What became of overrides whose value or target it changed, in words.
    pub overrides: Vec<String>,
}

/// Why a reload changed nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// Everything that is wrong with the file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its probes could not be sent with the rights of this process.
    #[error(transparent)]
    Privileges(#[from] StartError),
    /// The running daemon cannot go over to it.
    #[error("{0}")]
    Refused(String),
    /// There is no file to read.
    #[error("this daemon runs without a config file")]
    NoFile,
}

/// What came of an operator's word.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// False if it was in force already.
    pub changed: bool,
    /// Why a restart would forget it; `None` if it would not, or if there was nothing to save.
    pub not_saved: Option<Text>,
}

impl Handle {
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

    /// Where the config comes from; `None` for a daemon that was given one without a file.
    pub fn config_file(&self) -> Option<&ConfigFile> {
        self.file.as_deref()
    }

    /// Goes over to another config, checked already. Returns once it is in force, with what became of overrides whose value or target
    /// it changed, in words.
    ///
    /// # Errors
    /// Why it was refused, in words; nothing has changed then.
    pub async fn reload(&self, config: Config, warnings: &[Diagnostic]) -> Result<Vec<String>, String> {
        let warnings = warnings.iter().map(ToString::to_string).collect();
        self.ask(|done| Command::Reload { config: Box::new(config), warnings, done })
            .await
            .unwrap_or_else(|refusal| Err(refusal.to_string()))
    }

    /// Reads the daemon's config file again and goes over to it. On any error everything stays as it is, and log and metrics say so.
    ///
    /// # Errors
    /// [`ReloadError`], with everything that is wrong.
    pub async fn reload_file(&self) -> Result<Reloaded, ReloadError> {
        let _one_at_a_time = self.reloading.lock().await;
        let read = async {
            let loaded = self.read_file().await?;
            check_privileges(&loaded.config).await?;
            Ok(loaded)
        };
        match read.await {
            Ok(loaded) => {
                // The brain tells the log what came of it.
                let overrides = self.reload(loaded.config.clone(), &loaded.warnings).await;
                Ok(Reloaded { loaded, overrides: overrides.map_err(ReloadError::Refused)? })
            }
            Err(error) => {
                self.reload_refused(&in_one_line(&error));
                Err(error)
            }
        }
    }

    /// Reads and checks the daemon's config file, and changes nothing.
    ///
    /// # Errors
    /// [`ReloadError::Config`], [`ReloadError::NoFile`].
    pub async fn read_file(&self) -> Result<Loaded, ReloadError> {
        let ConfigFile { path, context } = self.file.as_deref().ok_or(ReloadError::NoFile)?.clone();
        let read = tokio::task::spawn_blocking(move || Config::load(path, context)).await;
        Ok(read.map_err(|panic| ReloadError::Refused(format!("reading the config failed: {panic}")))??)
    }

    /// Notes that a config was not even worth trying, so that metrics and log show it.
    fn reload_refused(&self, reason: &str) {
        let sha256 = self.published.snapshot().config_sha256.clone();
        let what = What::ConfigReload { result: "refused".into(), sha256, detail: reason.into() };
        report::count(&self.totals, &what);
        self.bus.emit(what);
        // After a signal the log is all that tells, also a log of errors alone.
        let message = format!("the config is refused and the one in force stays: {reason}");
        self.bus.emit(What::Error { cause: "config".into(), message: message.into() });
    }

    /// Carries out an operator's word. Returns once it is in force, published, and saved or not.
    ///
    /// # Errors
    /// [`Refusal`]; nothing has changed then.
    pub async fn operate(&self, order: Order) -> Result<Outcome, Refusal> {
        let Carried { changed, saving } = self.ask(|done| Command::Operate { order, done }).await??;
        let not_saved = match saving {
            Some(saving) => not_saved(&saving.outcome().await),
            None => None,
        };
        Ok(Outcome { changed, not_saved })
    }

    /// Reads VPP and makes it agree: one frontend by name, or everything. Returns when that is done.
    ///
    /// # Errors
    /// [`Refusal`]: no such frontend, no VPP, or the pass failed.
    pub async fn sync(&self, frontend: Option<Text>, recreate: bool) -> Result<Synced, Refusal> {
        self.ask(|done| Command::Sync { frontend, recreate, done }).await?
    }

    /// How things stand, to look ahead from. Nothing changes.
    ///
    /// # Errors
    /// [`Refusal`]: no dataplane, or VPP has not been read.
    pub async fn standing(&self) -> Result<Standing, Refusal> {
        self.ask(|done| Command::Standing { done }).await?
    }

    /// Notes in the log what an operator asked for beside the brain: a reload, a sync, or something that was refused.
    pub fn note_action(&self, who: &Text, action: &str, target: &str, refused: Option<String>) {
        let result = refused.map_or_else(|| "ok".to_owned(), |reason| format!("refused: {reason}"));
        self.bus.emit(What::OperatorAction {
            who: who.clone(),
            action: action.into(),
            target: target.into(),
            reason: "".into(),
            result: result.into(),
        });
    }

    /// Where overrides are kept; `None` if they are forgotten at exit.
    pub fn state_file(&self) -> Option<&Path> {
        self.writer.path()
    }

    /// Why a restart would forget the newest overrides; `None` if it would not.
    pub fn not_saved(&self) -> Option<Text> {
        not_saved(&self.writer.status())
    }

    /// Waits until the newest state is saved, or a try failed: what a process does before it ends.
    pub async fn save(&self) -> Saved {
        self.writer.finish().await
    }

    /// What configs are checked for.
    pub fn context(&self) -> Context {
        self.context
    }

    /// Returns when the task that decides has ended.
    pub async fn stopped(&self) {
        self.commands.closed().await;
    }

    /// Returns once the task that decides has had a turn.
    pub async fn turns(&self) {
        // A brain that is gone answers with an error; `Daemon::died` tells.
        let _ = self.ask(|done| Command::Ping { done }).await;
    }

    /// Asks for a new reading of the sessions per AS. It happens when VPP can bear it.
    pub async fn request_flows(&self) {
        // A daemon that is stopping reads no flows.
        let _ = self.commands.send(Command::RequestFlows).await;
    }

    pub(super) async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Refusal> {
        let (done, answer) = oneshot::channel();
        self.commands.send(command(done)).await.map_err(|_| Refusal::Stopping)?;
        answer.await.map_err(|_| Refusal::Stopping)
    }
}

fn not_saved(saved: &Saved) -> Option<Text> {
    Some(saved.not_saved()).filter(|why| !why.is_empty()).map(Into::into)
}

/// For the log: all that is wrong, without the lines of the file.
fn in_one_line(error: &ReloadError) -> String {
    match error {
        ReloadError::Config(error) => {
            let diagnostics: Vec<_> = error.diagnostics.iter().map(ToString::to_string).collect();
            diagnostics.join("; ")
        }
        other => chain(other),
    }
}
