//! Many entries at once: patterns, selections, and steps through the directory.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use support::{BASE, Image};
use vpp_stats::writer::{SegmentWriter, WriteError};
use vpp_stats::{EntryKind, LinkView, Pattern, Retries, Segment, Selection, StatsError, Value, View};

fn start() -> (SegmentWriter, Segment) {
    let vpp = SegmentWriter::new(1 << 20).expect("a memory file");
    let segment = vpp.reader().expect("it is sound");
    (vpp, segment)
}

/// Names and numbers of what is selected; sums of tables.
fn read(selection: &mut Selection) -> Vec<(String, u64)> {
    let mut found = vec![];
    let read = selection.read(|entries| {
        found.clear();
        for entry in entries {
            let number = entry.read(|view| match view {
                View::Scalar(number) | View::Gauge(number) => number,
                View::Simple(table) => table.total(),
                View::Symlink(LinkView::Simple(column)) => column.sum(),
                other => panic!("{other:?}"),
            });
            found.push((entry.name().to_owned(), number.expect("sound")));
        }
    });
    read.expect("nothing is in the way");
    found
}

fn found(names: &[(&str, u64)]) -> Vec<(String, u64)> {
    names.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
}

#[test]
fn patterns_are_anchored_as_their_names_say() {
    let takes = |pattern: &Pattern| ["/if/rx", "/if/rx-miss", "/net/if/rx", ""].map(|name| pattern.matches(name));
    assert_eq!(takes(&Pattern::everything()), [true; 4]);
    assert_eq!(takes(&Pattern::exact("/if/rx")), [true, false, false, false]);
    assert_eq!(takes(&Pattern::prefix("/if/rx")), [true, true, false, false]);
    assert_eq!(takes(&Pattern::any_of([])), [false; 4]);
    let two = Pattern::any_of([Pattern::exact("/if/rx-miss"), Pattern::prefix("/net")]);
    assert_eq!(takes(&two), [false, true, true, false]);
    // As govpp and the C client search; vpp_papi's re.match finds the first two.
    let regex = |expression| Pattern::regex(expression).expect("an expression");
    assert_eq!(takes(&regex("/if/rx")), [true, true, true, false]);
    assert_eq!(takes(&regex("^/if/rx")), [true, true, false, false]);
    assert_eq!(takes(&regex("^(?:/if/rx)$")), [true, false, false, false]);
    let error = Pattern::regex("/if/(rx").expect_err("a parenthesis is open");
    assert!(error.to_string().contains("unclosed"), "{error}");
}

#[test]
fn a_selection_follows_what_is_added_and_removed() -> Result<(), WriteError> {
    let (mut vpp, segment) = start();
    let mut selection = segment.select(Pattern::prefix("/a/"));
    assert_eq!(read(&mut selection), []);
    let one = vpp.add_gauge("/a/1", 1)?;
    vpp.add_gauge("/b/1", 9)?;
    let table = vpp.add_simple("/a/table", 2, 2)?;
    vpp.set(table, 1, 1, 5)?;
    assert_eq!(read(&mut selection), found(&[("/a/1", 1), ("/a/table", 5)]));
    // Values move without the directory.
    vpp.set_gauge(one, 2)?;
    vpp.set(table, 0, 0, 1)?;
    assert_eq!(read(&mut selection), found(&[("/a/1", 2), ("/a/table", 6)]));
    vpp.remove(one)?;
    assert_eq!(read(&mut selection), found(&[("/a/table", 6)]));
    vpp.add_gauge("/b/in the place of 1", 7)?;
    assert_eq!(read(&mut selection), found(&[("/a/table", 6)]));
    vpp.grow(table, 500)?;
    vpp.set(table, 0, 499, 10)?;
    assert_eq!(read(&mut selection), found(&[("/a/table", 16)]));
    assert_eq!(selection.names().collect::<Vec<_>>(), ["/a/table"]);
    Ok(())
}

#[test]
fn symlinks_added_behind_the_epochs_back_are_selected() -> Result<(), WriteError> {
    let (mut vpp, segment) = start();
    let table = vpp.add_simple("/node/errors", 1, 200)?;
    let free = vpp.add_gauge("/err/to be freed", 0)?;
    let mut selection = segment.select(Pattern::prefix("/err/"));
    assert_eq!(selection.refresh(), Ok(1));
    vpp.remove(free)?;
    assert_eq!(selection.refresh(), Ok(0));
    let epoch = segment.epoch();
    for column in 0..200 {
        vpp.set(table, 0, column as usize, u64::from(column) + 1)?;
        vpp.add_symlink_quietly(&format!("/err/{column}"), table, column)?;
        let seen = read(&mut selection);
        assert_eq!(seen.len(), column as usize + 1);
        assert!(seen.contains(&(format!("/err/{column}"), u64::from(column) + 1)));
    }
    assert_eq!(segment.epoch(), epoch, "nothing told of them");
    Ok(())
}

#[test]
fn a_symlink_that_is_seen_before_its_name_is_whole_is_found_afterwards() -> Result<(), WriteError> {
    let name = "/interfaces/loop0/drops";
    for looks in 0..18 {
        let (mut vpp, segment) = start();
        let table = vpp.add_simple("/if/drops", 1, 1)?;
        let mut selection = segment.select(Pattern::regex("0/drops$").expect("an expression"));
        let mut handle = segment.entry(name);
        let mut look = |wanted: &[&str]| {
            assert_eq!(handle.read(|_| ()).map(|found| found.is_some()), Ok(wanted.contains(&name)));
            assert_eq!(segment.value(name).map(|found| found.is_some()), Ok(wanted.contains(&name)));
            selection.refresh().expect("sound");
            assert!(selection.names().eq(wanted.iter().copied()), "{wanted:?} after {looks} words");
        };
        look(&[]);
        let mut stored = 0;
        vpp.add_symlink_slowly(name, table, 0, || {
            // Type, union, and three words of name.
            if stored == looks {
                look(&[name][..usize::from(stored >= 5)]);
            }
            stored += 1;
        })?;
        look(&[name]);
    }
    Ok(())
}

#[test]
fn a_name_is_never_given_in_part_while_it_is_cleared() {
    let (mut vpp, segment) = start();
    let (name, done) = ("x".repeat(127), AtomicBool::new(false));
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0_u64;
            let mut check = |found: &str| {
                assert!(found == name || found.starts_with("/sys/"), "{found:?}");
                seen += 1;
            };
            while !done.load(Ordering::Acquire) {
                segment.entries().iter().flatten().for_each(|entry| check(&entry.name));
                segment.directory().flatten().for_each(|entry| check(&entry.name.to_text()));
            }
            seen
        });
        for _ in 0..20_000 {
            let gauge = vpp.add_gauge(&name, 1).expect("there is room");
            vpp.remove(gauge).expect("it is there");
            // The epoch stands still while the name is cleared, and for some reads more.
            (0..300).for_each(|_| std::hint::spin_loop());
        }
        done.store(true, Ordering::Release);
        assert!(reader.join().expect("no name was torn") > 0);
    });
}

#[test]
fn an_entry_without_a_name_yet_is_none() -> Result<(), WriteError> {
    let (mut vpp, segment) = start();
    let table = vpp.add_simple("/if/drops", 1, 1)?;
    let gone = vpp.add_gauge("/gone", 1)?;
    vpp.remove(gone)?;
    let (mut values, mut stored) = (vec![], 0);
    vpp.add_symlink_slowly("/quiet", table, 0, || {
        if stored < 3 {
            values.push((segment.value_at(4).expect("sound"), segment.entries().expect("sound").len()));
        }
        stored += 1;
    })?;
    // The type alone would make a symlink of the number of the next free slot.
    assert_eq!(values, vec![(Some(Value::Empty), 4); 3]);
    assert!(matches!(segment.value_at(4), Ok(Some(Value::Symlink(_)))));
    Ok(())
}

/// What is renamed away is not read under its old name. What is renamed to a name that is taken is found with the next
/// change, or when an entry that was selected turns out to be another.
#[test]
fn an_entry_renamed_in_place_is_left_out() -> Result<(), WriteError> {
    let (mut vpp, segment) = start();
    vpp.add_gauge("/a/1", 1)?;
    vpp.add_gauge("/b/2", 2)?;
    let mut selection = segment.select(Pattern::prefix("/a/"));
    assert_eq!(read(&mut selection), found(&[("/a/1", 1)]));
    let [first, second] = ["/a/1", "/b/2"].map(|name| vpp.entry_offset(name).expect("just added") + 16);
    vpp.corrupt(second, b"/a")?;
    assert_eq!(read(&mut selection), found(&[("/a/1", 1)]), "nothing told of the other");
    vpp.corrupt(first, b"/b")?;
    assert_eq!(read(&mut selection), []);
    assert_eq!(read(&mut selection), found(&[("/a/2", 2)]));
    vpp.corrupt(first, b"/a")?;
    assert_eq!(read(&mut selection), found(&[("/a/2", 2)]));
    vpp.add_gauge("/c", 1)?;
    assert_eq!(read(&mut selection), found(&[("/a/1", 1), ("/a/2", 2)]));
    Ok(())
}

#[test]
fn one_bad_entry_does_not_spoil_the_others() {
    let mut image = Image::new();
    let good = image.words(&[1]);
    let rows = image.words(&[good, BASE + 4]);
    image.entry(2, BASE + 4, b"bad table").entry(2, rows, b"bad row").entry(6, 99, b"dangling").entry(9, 8, b"gauge");
    image.entry(5, u64::MAX, b"").entry(0, 1, b"illegal").entry(77, 1, b"of a later release");
    let segment = image.segment();
    let mut selection = segment.select(Pattern::everything());
    let seen = selection.read(|entries| {
        assert!(!entries.is_empty() && entries.len() == 5);
        entries.map(|entry| (entry.index(), entry.kind(), entry.read(|view| view.to_value()))).collect::<Vec<_>>()
    });
    let (Ok(seen), Ok(entries)) = (seen, segment.entries()) else { panic!("a directory that is sound") };
    assert_eq!(seen.len(), entries.len());
    for ((index, kind, value), entry) in seen.iter().zip(&entries) {
        assert_eq!((*index, *kind), (entry.index, entry.kind));
        assert_eq!(value.clone().map(Some), segment.value_at(*index), "{}", entry.name);
    }
    let sound: Vec<_> = seen.iter().map(|(_, _, value)| value.is_ok()).collect();
    assert_eq!(sound, [false, false, false, true, true]);
}

#[test]
fn an_error_in_an_overtaken_attempt_is_forgotten() -> Result<(), WriteError> {
    let (mut vpp, segment) = start();
    let table = vpp.add_simple("/a", 1, 1)?;
    let mut selection = segment.select(Pattern::exact("/a"));
    let mut attempts = 0;
    let seen = selection.read(|entries| {
        attempts += 1;
        if attempts == 1 {
            // Between the look at the directory and the look at the entry.
            vpp.remove(table).expect("it is there");
            vpp.add_gauge("/b", 1).expect("there is room");
        }
        entries.map(|entry| entry.read(|view| view.to_value())).collect::<Vec<_>>()
    });
    assert_eq!((seen, attempts), (Ok(vec![]), 2));
    Ok(())
}

#[test]
fn a_selection_moves_to_another_segment() -> Result<(), WriteError> {
    let (mut old, segment) = start();
    let (mut new, restarted) = start();
    old.add_gauge("/a/1", 1)?;
    old.add_gauge("/a/2", 1)?;
    new.add_gauge("/b/1", 2)?;
    new.add_gauge("/a/2", 2)?;
    let mut selection = segment.select(Pattern::prefix("/a/"));
    let (mut handle, mut number) = (segment.entry("/a/2"), segment.gauge("/a/2"));
    let value = |view: View<'_>| view.to_value();
    assert_eq!(handle.read(value), Ok(Some(Value::Gauge(1))));
    assert_eq!((read(&mut selection).len(), number.value()), (2, Ok(Some(1))));
    selection.rebind(&restarted);
    handle.rebind(&restarted);
    number.rebind(&restarted);
    assert_eq!(read(&mut selection), found(&[("/a/2", 2)]));
    assert_eq!((handle.read(value), number.value()), (Ok(Some(Value::Gauge(2))), Ok(Some(2))));
    Ok(())
}

#[test]
fn a_stuck_change_makes_selections_and_steps_busy() -> Result<(), WriteError> {
    let (mut vpp, segment) = start();
    let segment = segment.with_retries(Retries::new(2, 3));
    let mut selection = segment.select(Pattern::everything());
    vpp.set_in_progress(true);
    let busy = StatsError::Busy { attempts: 1 };
    assert_eq!(selection.refresh(), Err(busy.clone()));
    assert_eq!(segment.directory().collect::<Vec<_>>(), [Err(busy)], "one error, and then the end");
    vpp.set_in_progress(false);
    assert_eq!((selection.refresh(), segment.directory().count()), (Ok(3), 3));
    Ok(())
}

#[test]
fn steps_give_what_stays_once_whatever_happens_between_them() -> Result<(), WriteError> {
    let (mut vpp, segment) = start();
    let ids: Vec<_> = (0..50).map(|number| vpp.add_gauge(&format!("/a/{number}"), number)).collect::<Result<_, _>>()?;
    let mut names = vec![];
    for (step, entry) in segment.directory().enumerate() {
        let entry = entry.expect("sound");
        assert_eq!(segment.value(&entry.name.to_text()).expect("sound").is_some(), entry.kind != EntryKind::Empty);
        names.push(entry.name.to_string());
        if step == 10 {
            // One before and one behind the cursor, and enough new ones to move the directory.
            vpp.remove(ids[2])?;
            vpp.remove(ids[40])?;
            (0..100).try_for_each(|number| vpp.add_gauge(&format!("/b/{number}"), 0).map(|_| ()))?;
        }
    }
    let stayed = |number: &usize| !matches!(number, 2 | 40);
    for number in (0..50).filter(stayed) {
        let name = format!("/a/{number}");
        assert_eq!(names.iter().filter(|seen| **seen == name).count(), 1, "{name}");
    }
    assert!(!names.contains(&"/a/40".to_owned()) && names.contains(&"/b/99".to_owned()));
    Ok(())
}

#[test]
fn steps_and_selections_see_what_a_list_of_the_recorded_directory_has() {
    let Some(bytes) = support::recording("stats-segment.bin.gz") else { return };
    let segment = Segment::from_snapshot(&bytes).expect("sound");
    let entries = segment.entries().expect("a recording stands still");
    let steps = segment.directory().map(|entry| entry.map(|entry| (entry.index, entry.kind, entry.name.to_string())));
    let listed = entries.iter().map(|entry| Ok((entry.index, entry.kind, entry.name.clone())));
    assert!(steps.eq(listed));
    for pattern in [Pattern::everything(), Pattern::prefix("/err/"), Pattern::regex("(drops|names)$").expect("one")] {
        let mut selection = segment.select(pattern.clone());
        let taken: Vec<_> = entries.iter().filter(|entry| pattern.matches(&entry.name)).collect();
        assert!(!taken.is_empty() && selection.refresh() == Ok(taken.len()));
        let seen = selection.read(|read| {
            for (entry, listed) in read.zip(&taken) {
                assert_eq!((entry.name(), entry.index()), (listed.name.as_str(), listed.index));
                let value = entry.read(|view| view.to_value());
                assert_eq!(value.map(Some), segment.value_at(entry.index()));
            }
        });
        assert_eq!(seen, Ok(()));
    }
}
