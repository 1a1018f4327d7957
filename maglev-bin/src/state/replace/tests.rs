use std::cell::{Cell, RefCell};

use super::*;
use crate::state::scratch::Scratch;
use crate::state::{State, StateFile};

/// A state of a few hundred bytes that names `who`.
fn state(who: &str) -> State {
    let text = format!(
        r#"{{"version": 1, "weights": [], "vips": [{{"prefix": "192.0.2.1/32", "protocol": "tcp", "port": 80}}],
            "backends": [{{"backend": "web0", "action": "pause", "time": "2026-11-26T22:55:44Z", "who": "{who}", "reason": ""}}]}}"#
    );
    State::from_json(text.as_bytes()).unwrap()
}

/// What the next start of a daemon finds, which must find no trouble.
fn next_start(path: &Path) -> State {
    let loaded = StateFile::open(path).unwrap();
    assert!(loaded.troubles.is_empty(), "{:?}", loaded.troubles);
    loaded.state
}

/// A real folder on a disk that loses its power before one of the steps. A sync counts here, and costs nothing.
#[derive(Default)]
struct PowerCut {
    /// Steps until then.
    steps: Cell<usize>,
    /// Content that is not on the disk yet: where it is now.
    unsynced_data: RefCell<Option<PathBuf>>,
    /// A name that is not on the disk yet.
    unsynced_name: RefCell<Option<Renamed>>,
}

struct Renamed {
    from: PathBuf,
    to: PathBuf,
    /// What had the name.
    before: Option<Vec<u8>>,
}

impl PowerCut {
    fn after(steps: usize) -> Self {
        Self { steps: Cell::new(steps), ..Self::default() }
    }

    /// Does a step, if there still is power.
    fn step<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let left = self.steps.get().checked_sub(1).ok_or_else(|| io::Error::other("no power"))?;
        self.steps.set(left);
        work()
    }

    /// Takes from the folder what a power cut would: all but `bytes` of content that was not synced and, if `name`, a name that was not.
    fn lose(&self, bytes: u64, name: bool) {
        if let Some(path) = self.unsynced_data.take() {
            let file = File::options().write(true).open(path).unwrap();
            file.set_len(bytes.min(file.metadata().unwrap().len())).unwrap();
        }
        if let Some(Renamed { from, to, before }) = self.unsynced_name.take()
            && name
        {
            std::fs::rename(&to, from).unwrap();
            if let Some(before) = before {
                std::fs::write(to, before).unwrap();
            }
        }
    }
}

impl Disk for PowerCut {
    fn clear(&self, path: &Path) -> io::Result<()> {
        self.step(|| Real.clear(path))
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        self.step(|| {
            self.unsynced_data.replace(Some(path.to_owned()));
            Real.create(path)
        })
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        self.step(|| Real.write(file, bytes))
    }

    fn share(&self, file: &File) -> io::Result<()> {
        self.step(|| Real.share(file))
    }

    fn sync(&self, _file: &File) -> io::Result<()> {
        self.step(|| {
            self.unsynced_data.take();
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(|| {
            let mut data = self.unsynced_data.borrow_mut();
            *data = data.take().map(|_| to.to_owned());
            let before = std::fs::read(to).ok();
            self.unsynced_name.replace(Some(Renamed { from: from.to_owned(), to: to.to_owned(), before }));
            Real.rename(from, to)
        })
    }

    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        self.step(|| {
            self.unsynced_name.take();
            Ok(())
        })
    }
}

/// Steps of a save that nothing goes wrong with.
const STEPS: usize = 7;

/// Cuts a save from `old` to `new` at every step and, of what is not on the disk then, at every byte and name.
fn cut_everywhere(old: Option<&State>, new: &State) {
    let text = new.to_json();
    let mut seen = 0;
    for steps in 0..=STEPS {
        for name in [false, true] {
            let mut bytes = 0;
            while bytes <= cut(old, new, steps, bytes, name) {
                bytes += 1;
                seen += 1;
            }
        }
    }
    // At least every byte, as long as they are only written, and the rest of the steps once.
    assert!(seen > 2 * text.len() + STEPS, "{seen} cuts");
}

/// Cuts a save after some steps, and checks what the next start finds. Returns how many bytes could have been lost.
fn cut(old: Option<&State>, new: &State, steps: usize, bytes: u64, name: bool) -> u64 {
    let scratch = Scratch::new();
    let path = scratch.path("state.json");
    if let Some(old) = old {
        std::fs::write(&path, old.to_json()).unwrap();
    }
    let disk = PowerCut::after(steps);
    let outcome = replace(&disk, &path, &new.to_json());
    assert_eq!(outcome.is_ok(), steps == STEPS);
    let unsynced = disk.unsynced_data.borrow().as_ref().map_or(0, |path| path.metadata().unwrap().len());
    disk.lose(bytes, name);
    let found = next_start(&path);
    let is_new = found == *new;
    assert!(is_new || found == *old.unwrap_or(&State::default()), "neither, after {steps} steps and {bytes} bytes");
    assert!(is_new || outcome.is_err(), "what was said to be saved is not there");
    assert!(!is_new || steps >= STEPS - 1, "there before it was renamed");
    assert!(scratch.names().iter().all(|name| name == "state.json" || name == "state.json.lock"));
    unsynced
}

#[test]
fn a_power_cut_at_any_byte_or_step_leaves_the_old_state_or_the_new_one() {
    cut_everywhere(Some(&state("uid:0")), &state("uid:1000"));
}

#[test]
fn a_power_cut_during_the_first_save_leaves_no_state_or_the_new_one() {
    cut_everywhere(None, &state("uid:0"));
}

/// A disk that notes what is asked of it, and refuses one thing.
#[derive(Default)]
struct Strict {
    refused: Option<Step>,
    log: RefCell<Vec<Step>>,
}

impl Strict {
    fn step<T>(&self, step: Step, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        // Only once: clearing up afterwards is a `Clear` as well.
        let again = self.log.borrow().contains(&step);
        self.log.borrow_mut().push(step);
        if self.refused == Some(step) && !again { Err(io::ErrorKind::StorageFull.into()) } else { work() }
    }
}

impl Disk for Strict {
    fn clear(&self, path: &Path) -> io::Result<()> {
        self.step(Step::Clear, || Real.clear(path))
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        self.step(Step::Create, || Real.create(path))
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        self.step(Step::Write, || Real.write(file, bytes)).inspect_err(|_| {
            // As a full disk does: what fitted is there.
            let _ = file.write_all(&bytes[..bytes.len() / 2]);
        })
    }

    fn share(&self, file: &File) -> io::Result<()> {
        self.step(Step::Share, || Real.share(file))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.step(Step::Sync, || Real.sync(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(Step::Rename, || Real.rename(from, to))
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step(Step::SyncFolder, || Real.sync_folder(folder))
    }
}

#[test]
fn content_is_synced_before_it_takes_the_name_and_the_name_after_that() {
    let scratch = Scratch::new();
    let disk = Strict::default();
    replace(&disk, &scratch.path("state.json"), b"new").unwrap();
    let wanted = [Step::Clear, Step::Create, Step::Write, Step::Share, Step::Sync, Step::Rename, Step::SyncFolder];
    assert_eq!(*disk.log.borrow(), wanted);
    assert_eq!(wanted.len(), STEPS);
}

#[test]
fn a_step_that_fails_leaves_the_old_state_and_no_temporary_file() {
    for refused in [Step::Clear, Step::Create, Step::Write, Step::Share, Step::Sync, Step::Rename] {
        let scratch = Scratch::new();
        let path = scratch.path("state.json");
        std::fs::write(&path, "old").unwrap();
        let disk = Strict { refused: Some(refused), ..Strict::default() };
        let (step, error) = replace(&disk, &path, b"new").unwrap_err();
        assert_eq!((step, error.kind()), (refused, io::ErrorKind::StorageFull));
        assert_eq!(std::fs::read(&path).unwrap(), b"old", "after {refused:?}");
        assert_eq!(scratch.names(), ["state.json"], "after {refused:?}");
    }
}

#[test]
fn a_folder_that_cannot_be_synced_is_reported_though_the_new_state_is_there() {
    let scratch = Scratch::new();
    let path = scratch.path("state.json");
    let disk = Strict { refused: Some(Step::SyncFolder), ..Strict::default() };
    let (step, _) = replace(&disk, &path, b"new").unwrap_err();
    assert_eq!(step, Step::SyncFolder);
    assert_eq!(std::fs::read(&path).unwrap(), b"new");
}
