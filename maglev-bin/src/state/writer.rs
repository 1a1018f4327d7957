//! Saves the newest state, off the task that decides.
//!
//! One task. In: the newest [`State`] and its number; it replaces one that still waits, so that the task never lags behind and a state
//! that was overtaken is never written. Out: up to which number an attempt has ended, and how. The disk is touched on a blocking
//! thread, one attempt at a time. After a failure the newest state is tried again until it is saved; a new one is tried at once. The
//! task ends with [`Writer::finish`], or when every [`Writer`] is dropped; in both cases after an attempt with the last state.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::{SaveError, State, StateFile};
use crate::daemon::chain;
use crate::event::{Bus, Text, What};

/// Whether the newest state is in the state file.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Saved {
    /// It is, and a power cut leaves it there.
    Yes,
    /// It is not, for this reason. It is tried again until it is.
    Not(Text),
    /// There is no state file: what operators decide is forgotten at exit.
    NoFile,
}

impl Saved {
    /// Why a restart would forget it, in words for an operator; empty if it would not.
    pub fn not_saved(&self) -> &str {
        match self {
            Self::Yes => "",
            Self::Not(reason) => reason,
            Self::NoFile => "this daemon has no state file",
        }
    }
}

/// Hands states to the task that saves them. Cheap to clone; no call waits for a disk.
#[derive(Clone, Debug)]
pub struct Writer {
    path: Option<PathBuf>,
    newest: watch::Sender<Numbered>,
    progress: watch::Receiver<Progress>,
    end: CancellationToken,
}

/// A state and how many came before it.
#[derive(Clone, Debug, Default)]
struct Numbered {
    number: u64,
    state: Arc<State>,
}

#[derive(Clone, Debug)]
struct Progress {
    /// The newest state with which an attempt has ended.
    tried: u64,
    /// How it ended.
    saved: Saved,
}

impl Writer {
    /// Starts to save into `file`; without one every answer is [`Saved::NoFile`]. Call it inside a tokio runtime.
    ///
    /// Failures are told on `bus`: one error for each cause, and an event when saving works again.
    pub fn start(file: Option<StateFile>, bus: Bus) -> Self {
        match file {
            Some(file) => Self::over(Some(file.path().to_owned()), file, bus),
            None => {
                let progress = watch::channel(Progress { tried: u64::MAX, saved: Saved::NoFile }).1;
                Self { path: None, newest: watch::Sender::default(), progress, end: CancellationToken::new() }
            }
        }
    }

    fn over(path: Option<PathBuf>, store: impl Store, bus: Bus) -> Self {
        let (newest, states) = watch::channel(Numbered::default());
        let (done, progress) = watch::channel(Progress { tried: 0, saved: Saved::Yes });
        let end = CancellationToken::new();
        let ended = end.clone();
        tokio::spawn(async move {
            // The store, and with it the lock of the file, is gone before `done` tells the end.
            run(store, states, &done, &ended, bus).await;
        });
        Self { path, newest, progress, end }
    }

    /// Where the states go.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Has `state` saved, unless a newer one comes before its turn. Returns at once; what it returns may be dropped.
    pub fn save(&self, state: Arc<State>) -> Saving {
        let mut wanted = 0;
        self.newest.send_modify(|newest| {
            *newest = Numbered { number: newest.number + 1, state };
            wanted = newest.number;
        });
        Saving { wanted, progress: self.progress.clone() }
    }

    /// Whether the newest state is saved, without waiting for it.
    pub fn status(&self) -> Saved {
        let newest = self.newest.borrow().number;
        match &*self.progress.borrow() {
            Progress { tried, saved: Saved::Yes } if *tried < newest => {
                Saved::Not("it is still on its way to the disk".into())
            }
            Progress { saved, .. } => saved.clone(),
        }
    }

    /// Ends the saving, after an attempt with the newest state, and says whether that is saved. The file is free for another then.
    ///
    /// A disk that does not answer within 5 s is not waited for.
    pub async fn finish(&self) -> Saved {
        self.end.cancel();
        // Either the task ends or time is up; the status tells what came of it.
        let _ = tokio::time::timeout(PATIENCE, self.progress.clone().wait_for(|_| false)).await;
        self.status()
    }
}

/// A state on its way to the disk.
#[derive(Debug)]
pub struct Saving {
    wanted: u64,
    progress: watch::Receiver<Progress>,
}

impl Saving {
    /// How the attempt with this state, or with a newer one, ended.
    ///
    /// A disk that does not answer within 5 s counts as a failure; what it was asked to do goes on.
    pub async fn outcome(mut self) -> Saved {
        let tried = self.progress.wait_for(|progress| progress.tried >= self.wanted);
        match tokio::time::timeout(PATIENCE, tried).await {
            Ok(Ok(progress)) => progress.saved.clone(),
            Ok(Err(_)) => Saved::Not("the daemon is stopping".into()),
            Err(_) => Saved::Not(format!("the disk of the state file has not answered for {PATIENCE:?}").into()),
        }
    }
}

/// How long an operator waits for a disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// Time from a failure to the next attempt: doubled each time, from here…
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// … up to here.
const LAST_RETRY: Duration = Duration::from_secs(60);

/// Where states go. Tests put one here that fails or hangs.
trait Store: Send + 'static {
    fn save(&mut self, state: &State) -> Result<(), SaveError>;
}

impl Store for StateFile {
    fn save(&mut self, state: &State) -> Result<(), SaveError> {
        Self::save(self, state)
    }
}

async fn run(
    mut store: impl Store,
    mut newest: watch::Receiver<Numbered>,
    progress: &watch::Sender<Progress>,
    end: &CancellationToken,
    bus: Bus,
) {
    let mut outage: Option<Text> = None;
    let mut retry: Option<Duration> = None;
    loop {
        // A new state before the end: the last one is not to be missed.
        tokio::select! {
            biased;
            changed = newest.changed() => if changed.is_err() { return },
            () = end.cancelled() => return,
            () = sleep(retry) => {}
        }
        let Numbered { number: tried, state } = newest.borrow_and_update().clone();
        let attempt = spawn_blocking(move || {
            let outcome = store.save(&state);
            (store, outcome)
        });
        // None comes back from a runtime that is shutting down.
        let Ok((back, outcome)) = attempt.await else { return };
        store = back;
        let saved = match outcome {
            Ok(()) => {
                retry = None;
                if outage.take().is_some() {
                    bus.emit(What::StateSaved {});
                }
                Saved::Yes
            }
            Err(error) => {
                retry = Some(retry.map_or(FIRST_RETRY, |pause| LAST_RETRY.min(pause * 2)));
                let reason = reason(&error);
                if outage.as_ref() != Some(&reason) {
                    bus.emit(What::Error { cause: "state-file".into(), message: reason.clone() });
                    outage = Some(reason.clone());
                }
                Saved::Not(reason)
            }
        };
        progress.send_replace(Progress { tried, saved });
    }
}

async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}

/// What an operator is told, over the API and in the log.
fn reason(error: &SaveError) -> Text {
    let (what, advice) = (chain(error), error.advice());
    format!("{what}; {advice}; until then what was changed is in force, and will be forgotten at a restart").into()
}

#[cfg(test)]
mod tests;
