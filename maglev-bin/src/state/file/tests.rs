use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::daemon::chain;
use crate::state::scratch::{Scratch, names};

const PAUSED: &str = r#"{"version": 1, "weights": [], "vips": [], "backends":
    [{"backend": "web0", "action": "pause", "time": "2026-11-26T22:55:44Z", "who": "uid:0", "reason": ""}]}"#;

fn paused() -> State {
    State::from_json(PAUSED.as_bytes()).unwrap()
}

fn open(path: &Path) -> (StateFile, State) {
    let Loaded { file, state, troubles } = StateFile::open(path).unwrap();
    assert!(troubles.is_empty(), "{troubles:?}");
    (file, state)
}

/// A start that finds one thing wrong, and what it says.
fn troubled(path: &Path) -> (StateFile, Trouble) {
    let Loaded { file, state, mut troubles } = StateFile::open(path).unwrap();
    assert_eq!((state, troubles.len()), (State::default(), 1), "{troubles:?}");
    (file, troubles.remove(0))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn an_absent_file_is_an_empty_state_and_what_is_saved_is_there_at_the_next_start() {
    let scratch = Scratch::new();
    let path = scratch.path("lib/state.json");
    let (mut file, state) = open(&path);
    assert_eq!(state, State::default());
    file.save(&paused()).unwrap();
    drop(file);
    assert_eq!(open(&path).1, paused());
    assert_eq!((mode(&path), mode(&scratch.path("lib"))), (0o640, 0o750));
    assert_eq!(names(&scratch.path("lib")), ["state.json", "state.json.lock"]);
}

#[test]
fn a_folder_whose_parent_is_missing_is_not_guessed() {
    let scratch = Scratch::new();
    let path = scratch.path("var/lib/state.json");
    let (mut file, trouble) = troubled(&path);
    assert!(chain(&trouble).contains("forgotten at a restart: the state file"), "{}", chain(&trouble));
    let error = file.save(&paused()).unwrap_err();
    assert!(matches!(error, SaveError::Disk { step: Step::Folder, .. }), "{error}");
    assert_eq!(error.advice(), "make the folder, or pass another --state-file");
    std::fs::create_dir(scratch.path("var")).unwrap();
    file.save(&paused()).unwrap();
    drop(file);
    assert_eq!(open(&path).1, paused());
}

#[test]
fn a_corrupt_file_is_kept_aside_and_never_over_an_earlier_one() {
    let scratch = Scratch::new();
    let path = scratch.path("state.json");
    std::fs::write(&path, "{").unwrap();
    let (mut file, trouble) = troubled(&path);
    let Trouble::Corrupt { kept, .. } = &trouble else { panic!("{trouble}") };
    assert!(trouble.to_string().contains("no state file: EOF"), "{trouble}");
    assert_eq!(std::fs::read(kept).unwrap(), b"{");
    file.save(&paused()).unwrap();
    assert_eq!(std::fs::read(kept).unwrap(), b"{");
    let now = "2026-11-26T22:55:44Z".parse().unwrap();
    for content in ["one", "two", "three"] {
        std::fs::write(&path, content).unwrap();
        move_aside(&path, now).unwrap();
    }
    for (end, content) in [("", "one"), ("-2", "two"), ("-3", "three")] {
        let kept = scratch.path(&format!("state.json.corrupt-20261126T225544Z{end}"));
        assert_eq!(std::fs::read_to_string(kept).unwrap(), content);
    }
}

#[test]
fn a_file_of_a_hundred_megabytes_is_corrupt_and_not_read_whole() {
    let scratch = Scratch::new();
    let path = scratch.path("state.json");
    File::create(&path).unwrap().set_len(100 << 20).unwrap();
    let (_file, trouble) = troubled(&path);
    assert!(matches!(trouble, Trouble::Corrupt { why: FormatError::TooLong, .. }), "{trouble}");
}

#[test]
fn a_corrupt_file_that_cannot_be_moved_is_not_overwritten() {
    let scratch = Scratch::new();
    // Long enough that the name of the copy is too long, even for root.
    let path = scratch.path(&"s".repeat(240));
    std::fs::write(&path, "precious").unwrap();
    let (mut file, trouble) = troubled(&path);
    assert!(matches!(&trouble, Trouble::Stuck { source: SaveError::Corrupt { .. }, .. }), "{trouble}");
    let error = file.save(&paused()).unwrap_err();
    assert!(matches!(error, SaveError::Corrupt { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    std::fs::remove_file(&path).unwrap();
    file.save(&paused()).unwrap();
}

#[test]
fn a_corrupt_file_is_moved_aside_once_that_is_possible() {
    let scratch = Scratch::new();
    let (path, lock) = (scratch.path("state.json"), scratch.path("state.json.lock"));
    std::fs::write(&path, "precious").unwrap();
    std::fs::create_dir(&lock).unwrap();
    let Loaded { mut file, troubles, .. } = StateFile::open(&path).unwrap();
    assert!(matches!(&troubles[..], [Trouble::Unsaved(_), Trouble::Stuck { .. }]), "{troubles:?}");
    let error = file.save(&paused()).unwrap_err();
    assert!(matches!(error, SaveError::Disk { step: Step::Lock, .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    std::fs::remove_dir(&lock).unwrap();
    file.save(&paused()).unwrap();
    let names = scratch.names();
    let kept = names.iter().find(|name| name.contains(".corrupt-")).expect("it was kept");
    assert_eq!(std::fs::read(scratch.path(kept)).unwrap(), b"precious");
    drop(file);
    assert_eq!(open(&path).1, paused());
}

#[test]
fn what_cannot_be_read_is_left_alone_until_it_is_gone() {
    let scratch = Scratch::new();
    let path = scratch.path("state.json");
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("precious"), "").unwrap();
    let (mut file, trouble) = troubled(&path);
    assert!(chain(&trouble).contains("not a regular file"), "{}", chain(&trouble));
    let error = file.save(&paused()).unwrap_err();
    assert!(matches!(error, SaveError::Unread { .. }), "{error}");
    assert!(path.join("precious").exists());
    std::fs::remove_dir_all(&path).unwrap();
    file.save(&paused()).unwrap();
}

#[test]
fn a_file_that_comes_with_a_late_disk_is_left_alone() {
    let scratch = Scratch::new();
    let path = scratch.path("disk/lib/state.json");
    let (mut file, _) = troubled(&path);
    std::fs::create_dir_all(scratch.path("disk/lib")).unwrap();
    std::fs::write(&path, "precious").unwrap();
    let error = file.save(&paused()).unwrap_err();
    assert!(matches!(error, SaveError::Unread { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[test]
fn a_pipe_does_not_hold_up_the_start() {
    let scratch = Scratch::new();
    let path = scratch.path("state.json");
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU);
    rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
    let (_file, trouble) = troubled(&path);
    assert!(matches!(trouble, Trouble::Unread { .. }), "{trouble}");
}

#[test]
fn a_link_stays_and_its_target_is_replaced() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.path("etc")).unwrap();
    std::fs::create_dir(scratch.path("var")).unwrap();
    let (link, second, target) = (scratch.path("etc/link"), scratch.path("var/link"), scratch.path("var/state.json"));
    // One relative, one absolute; the target is not there yet.
    symlink("../var/link", &link).unwrap();
    symlink(&target, &second).unwrap();
    let (mut file, _) = open(&link);
    file.save(&paused()).unwrap();
    assert!(link.is_symlink() && second.is_symlink() && !target.is_symlink());
    assert_eq!(State::from_json(&std::fs::read(&target).unwrap()).unwrap(), paused());
    StateFile::open(&target).unwrap_err();
    drop(file);
    assert_eq!(open(&target).1, paused());
}

#[test]
fn links_in_a_circle_are_trouble_and_nothing_worse() {
    let scratch = Scratch::new();
    let path = scratch.path("state.json");
    symlink("state.json", &path).unwrap();
    let (mut file, trouble) = troubled(&path);
    assert!(matches!(trouble, Trouble::Unread { .. }), "{trouble}");
    file.save(&paused()).unwrap_err();
    assert!(path.is_symlink());
}

#[test]
fn two_daemons_never_share_a_state_file() {
    let scratch = Scratch::new();
    let path = scratch.path("state.json");
    let (mut first, _) = open(&path);
    for _ in 0..2 {
        let refused = StateFile::open(&path).unwrap_err();
        assert_eq!(refused.pid, i32::try_from(std::process::id()).ok());
        assert!(refused.to_string().starts_with("another maglevd (process "), "{refused}");
        // A save is a new inode; the lock is not on it.
        first.save(&paused()).unwrap();
    }
    open(&scratch.path("other.json"));
    drop(first);
    open(&path);
}

#[test]
fn what_a_killed_daemon_left_of_a_save_is_cleared_away_but_never_that_of_a_live_one() {
    let scratch = Scratch::new();
    let path = scratch.path("state.json");
    std::fs::write(scratch.path("state.json.tmp"), "{").unwrap();
    let (_file, _) = open(&path);
    assert_eq!(scratch.names(), ["state.json.lock"]);
    std::fs::write(scratch.path("state.json.tmp"), "{").unwrap();
    StateFile::open(&path).unwrap_err();
    assert!(scratch.path("state.json.tmp").exists());
}

#[test]
fn a_state_that_could_not_be_read_again_is_not_saved() {
    let scratch = Scratch::new();
    let path = scratch.path("state.json");
    let (mut file, _) = open(&path);
    file.save(&paused()).unwrap();
    let mut state = paused();
    for noted in state.backends.values_mut() {
        noted.note.reason = "x".repeat(CAP).into();
    }
    let error = file.save(&state).unwrap_err();
    assert!(matches!(error, SaveError::TooLong { .. }), "{error}");
    drop(file);
    assert_eq!(open(&path).1, paused());
}
