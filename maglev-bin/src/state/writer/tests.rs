use std::sync::mpsc::{Receiver, Sender, channel};

use tokio::sync::broadcast;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::*;
use crate::event::Event;
use crate::state::scratch::Scratch;
use crate::state::{Noted, Step};

/// A state that names `backend` and nothing else.
fn state(backend: &str) -> Arc<State> {
    let note = crate::state::Note { time: jiff::Timestamp::UNIX_EPOCH, who: "uid:0".into(), reason: "".into() };
    let noted = Noted { value: maglev_health::BackendOverride::Paused, note };
    Arc::new(State { backends: [(backend.into(), noted)].into(), ..State::default() })
}

fn name(state: &State) -> String {
    state.backends.keys().next().unwrap().to_string()
}

fn no_room() -> Result<(), SaveError> {
    let source = std::io::ErrorKind::StorageFull.into();
    Err(SaveError::Disk { path: "/state.json".into(), step: Step::Write, source })
}

/// A disk of which each attempt waits for its fate.
struct Puppet {
    attempts: UnboundedSender<String>,
    fates: Receiver<Result<(), SaveError>>,
}

impl Store for Puppet {
    fn save(&mut self, state: &State) -> Result<(), SaveError> {
        self.attempts.send(name(state)).unwrap();
        self.fates.recv().unwrap()
    }
}

struct Stage {
    writer: Writer,
    attempts: UnboundedReceiver<String>,
    fates: Sender<Result<(), SaveError>>,
    events: broadcast::Receiver<Arc<Event>>,
}

impl Stage {
    fn new() -> Self {
        let (attempt_sender, attempts) = unbounded_channel();
        let (fates, fate_receiver) = channel();
        let bus = Bus::new();
        let events = bus.subscribe();
        let writer = Writer::over(None, Puppet { attempts: attempt_sender, fates: fate_receiver }, bus);
        Self { writer, attempts, fates, events }
    }

    async fn attempt(&mut self, fate: Result<(), SaveError>) -> String {
        let name = self.attempts.recv().await.unwrap();
        self.fates.send(fate).unwrap();
        name
    }

    fn told(&mut self) -> Option<&'static str> {
        Some(self.events.try_recv().ok()?.what.name())
    }
}

#[tokio::test]
async fn the_newest_state_wins_and_one_attempt_answers_all_who_wait() {
    let mut stage = Stage::new();
    let first = stage.writer.save(state("first"));
    assert_eq!(stage.attempts.recv().await.unwrap(), "first");
    let rest = ["second", "third", "fourth"].map(|backend| stage.writer.save(state(backend)));
    stage.fates.send(Ok(())).unwrap();
    assert_eq!(first.outcome().await, Saved::Yes);
    assert_eq!(stage.attempt(Ok(())).await, "fourth");
    for saving in rest {
        assert_eq!(saving.outcome().await, Saved::Yes);
    }
    assert!(stage.attempts.try_recv().is_err(), "nothing else was written");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_tried_again_ever_more_patiently_until_it_is_saved() {
    let mut stage = Stage::new();
    let saving = stage.writer.save(state("web0"));
    let mut last = Instant::now();
    let mut pauses = Vec::new();
    for _ in 0..9 {
        assert_eq!(stage.attempt(no_room()).await, "web0");
        pauses.push(last.elapsed().as_secs());
        last = Instant::now();
    }
    assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 32, 60, 60]);
    let wanted = "the state file /state.json cannot be written: cannot write the temporary file: no storage space; make room there; until then what was changed is in force, and will be forgotten at a restart";
    assert_eq!(saving.outcome().await.not_saved(), wanted);
    assert_eq!(stage.attempt(Ok(())).await, "web0");
    let mut progress = stage.writer.progress.clone();
    progress.wait_for(|progress| progress.saved == Saved::Yes).await.unwrap();
    assert_eq!(stage.writer.status(), Saved::Yes);
}

#[tokio::test(start_paused = true)]
async fn a_new_state_does_not_wait_for_the_retry_of_an_old_one() {
    let mut stage = Stage::new();
    let old = stage.writer.save(state("old"));
    stage.attempt(no_room()).await;
    assert_ne!(old.outcome().await, Saved::Yes);
    let start = Instant::now();
    let new = stage.writer.save(state("new"));
    assert_eq!(stage.attempt(Ok(())).await, "new");
    assert_eq!(new.outcome().await, Saved::Yes);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_once_for_each_cause_and_once_when_it_is_over() {
    let mut stage = Stage::new();
    stage.writer.save(state("web0"));
    for fate in [no_room(), no_room(), Err(SaveError::TooLong { path: "/state.json".into(), size: 1 })] {
        stage.attempt(fate).await;
    }
    assert_eq!(stage.attempt(Ok(())).await, "web0");
    stage.writer.progress.wait_for(|progress| progress.saved == Saved::Yes).await.unwrap();
    stage.writer.save(state("web1"));
    stage.attempt(Ok(())).await;
    assert_eq!(stage.writer.finish().await, Saved::Yes);
    assert_eq!(
        [stage.told(), stage.told(), stage.told(), stage.told()],
        [Some("error"), Some("error"), Some("state-saved"), None]
    );
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_keeps_nobody_waiting_for_ever() {
    let mut stage = Stage::new();
    let waiting = tokio::spawn(stage.writer.save(state("web0")).outcome());
    assert_eq!(stage.attempts.recv().await.unwrap(), "web0");
    // A blocking thread at work stops the paused clock from running by itself.
    tokio::time::advance(PATIENCE).await;
    assert_eq!(waiting.await.unwrap().not_saved(), "the disk of the state file has not answered for 5s");
    let (later, writer) = (stage.writer.save(state("web1")), stage.writer.clone());
    let finish = tokio::spawn(async move { writer.finish().await });
    tokio::task::yield_now().await;
    tokio::time::advance(PATIENCE).await;
    assert_eq!(finish.await.unwrap().not_saved(), "it is still on its way to the disk");
    stage.fates.send(Ok(())).unwrap();
    assert_eq!(stage.attempt(Ok(())).await, "web1");
    assert_eq!(later.outcome().await, Saved::Yes);
}

#[tokio::test]
async fn the_last_state_is_written_before_the_writer_ends() {
    for last in [Ok(()), no_room()] {
        let mut stage = Stage::new();
        stage.writer.save(state("first"));
        assert_eq!(stage.attempts.recv().await.unwrap(), "first");
        stage.writer.save(state("last"));
        let (writer, is_saved) = (stage.writer.clone(), last.is_ok());
        let finish = tokio::spawn(async move { writer.finish().await });
        stage.fates.send(Ok(())).unwrap();
        assert_eq!(stage.attempt(last).await, "last");
        assert_eq!(finish.await.unwrap() == Saved::Yes, is_saved);
        // The task has ended, its store with it.
        assert_eq!(stage.attempts.recv().await, None);
        assert_eq!(stage.writer.save(state("late")).outcome().await.not_saved(), "the daemon is stopping");
    }
}

#[tokio::test]
async fn a_writer_that_is_dropped_writes_the_last_state_too() {
    let Stage { writer, mut attempts, fates, .. } = Stage::new();
    writer.save(state("first"));
    assert_eq!(attempts.recv().await.unwrap(), "first");
    writer.save(state("last"));
    drop(writer);
    fates.send(Ok(())).unwrap();
    assert_eq!(attempts.recv().await.unwrap(), "last");
    fates.send(Ok(())).unwrap();
    assert_eq!(attempts.recv().await, None);
}

#[tokio::test]
async fn the_status_says_when_the_newest_state_is_not_on_the_disk_yet() {
    let mut stage = Stage::new();
    assert_eq!(stage.writer.status(), Saved::Yes);
    let saving = stage.writer.save(state("web0"));
    assert_eq!(stage.writer.status().not_saved(), "it is still on its way to the disk");
    stage.attempt(Ok(())).await;
    saving.outcome().await;
    assert_eq!(stage.writer.status(), Saved::Yes);
}

#[tokio::test]
async fn without_a_state_file_every_answer_says_so() {
    let writer = Writer::start(None, Bus::new());
    assert_eq!(writer.path(), None);
    assert_eq!(writer.save(state("web0")).outcome().await, Saved::NoFile);
    assert_eq!(writer.finish().await.not_saved(), "this daemon has no state file");
}

#[tokio::test(start_paused = true)]
async fn a_real_file_is_written_once_its_folder_is_in_order() {
    let scratch = Scratch::new();
    let path = scratch.path("lib/state.json");
    std::fs::write(scratch.path("lib"), "in the way of the folder").unwrap();
    let loaded = StateFile::open(&path).unwrap();
    let writer = Writer::start(Some(loaded.file), Bus::new());
    assert_eq!(writer.path(), Some(&*path));
    let refused = writer.save(state("web0")).outcome().await;
    assert!(refused.not_saved().contains("cannot make its folder: "), "{refused:?}");
    assert_eq!(writer.status(), refused);
    std::fs::remove_file(scratch.path("lib")).unwrap();
    let mut progress = writer.progress.clone();
    progress.wait_for(|progress| progress.saved == Saved::Yes).await.unwrap();
    assert_eq!(writer.finish().await, Saved::Yes);
    // Its lock is free.
    assert_eq!(StateFile::open(&path).unwrap().state, *state("web0"));
}
