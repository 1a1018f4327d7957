//! The writer, seen through the reader.

mod support;

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use support::read_everything;
use vpp_stats::writer::{GaugeId, SegmentWriter, WriteError};
use vpp_stats::{Column, CombinedCounter, EntryKind, Presence, Retries, Segment, StatsError, Value};

fn start(size: usize) -> (SegmentWriter, Segment) {
    let vpp = SegmentWriter::new(size).expect("a memory file");
    let segment = vpp.reader().expect("it is sound");
    (vpp, segment)
}

fn pair(packets: u64, bytes: u64) -> CombinedCounter {
    CombinedCounter { packets, bytes }
}

#[test]
fn a_new_segment_begins_as_vpps_does() {
    let (mut vpp, segment) = start(40_000);
    assert_eq!((vpp.size(), segment.size()), (40_960, 40_960), "whole pages");
    let header = segment.header().expect("sound");
    assert_eq!((header.version, header.epoch, header.in_progress), (2, 1, false));
    let names = segment.names().expect("sound");
    assert_eq!(names, ["/sys/heartbeat", "/sys/last_stats_clear", "/sys/boottime"]);
    for (value, id) in (10..).zip([vpp.heartbeat(), vpp.last_stats_clear(), vpp.boottime()]) {
        vpp.set_scalar(id, value).expect("it is there");
    }
    let values: Vec<_> = names.iter().map(|name| segment.value(name)).collect();
    assert_eq!(values, [10, 11, 12].map(|value| Ok(Some(Value::Scalar(value)))));
    assert_eq!(segment.epoch(), Ok(1), "values move without the epoch");
}

#[test]
fn a_segment_without_room_for_anything_is_refused() {
    for size in [0, 4096, usize::MAX] {
        let error = SegmentWriter::new(size).expect_err("no room");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
}

#[test]
fn a_handle_made_before_its_table_works_as_soon_as_that_is_there() -> Result<(), WriteError> {
    let (mut vpp, segment) = start(1 << 16);
    let mut drops = segment.simple("/if/drops");
    let mut gauge = segment.gauge("/sys/num_worker_threads");
    for _ in 0..2 {
        let mut sums = [9, 9];
        assert_eq!(drops.sum_columns(&[0, 1], &mut sums), Ok(Presence::Absent));
        assert_eq!(sums, [0, 0]);
        assert_eq!((drops.sum(0), drops.columns(), gauge.value()), (Ok(None), Ok(None), Ok(None)));
    }
    let id = vpp.add_simple("/if/drops", 2, 3)?;
    vpp.add_gauge("/sys/num_worker_threads", 1)?;
    vpp.add(id, 0, 1, 4)?;
    vpp.add(id, 1, 1, 5)?;
    assert_eq!((drops.sum(1), drops.columns(), gauge.value()), (Ok(Some(9)), Ok(Some(3)), Ok(Some(1))));
    assert_eq!(drops.sum(3), Ok(None));
    let mut sums = [7; 4];
    assert_eq!(drops.sum_columns(&[9, 1, 0, 3], &mut sums), Ok(Presence::Present { outside: 2 }));
    assert_eq!(sums, [0, 9, 0, 0]);
    Ok(())
}

#[test]
fn a_table_grows_in_place_while_it_can_and_then_moves() -> Result<(), WriteError> {
    let (mut vpp, segment) = start(1 << 20);
    let id = vpp.add_combined("/net/route/to", 3, 2)?;
    let mut handle = segment.combined("/net/route/to");
    for thread in 0..3 {
        vpp.set(id, thread, 1, pair(thread as u64, 100))?;
    }
    let (mut moves, mut epoch) = (0, segment.epoch());
    for columns in 3..500 {
        vpp.grow(id, columns)?;
        assert_eq!(vpp.columns(id), Ok(columns));
        assert_eq!(handle.columns(), Ok(Some(columns)));
        assert_eq!(handle.sum(1), Ok(Some(pair(3, 300))));
        assert_eq!(handle.sum(columns as u32 - 1), Ok(Some(pair(0, 0))), "a new column is zero");
        let now = segment.epoch();
        moves += u32::from(now != epoch);
        epoch = now;
    }
    assert!((5..20).contains(&moves), "growth by half, not by one: {moves} moves");
    vpp.grow(id, 10)?;
    assert_eq!((vpp.columns(id), segment.epoch()), (Ok(499), epoch), "tables do not shrink");
    Ok(())
}

#[test]
fn memory_that_is_used_again_begins_as_zeros() -> Result<(), WriteError> {
    let (mut vpp, segment) = start(1 << 16);
    let old = vpp.add_simple("old", 1, 100)?;
    for column in 0..100 {
        vpp.set(old, 0, column, u64::MAX)?;
    }
    let free = vpp.free_bytes();
    vpp.remove(old)?;
    assert!(vpp.free_bytes() > free);
    vpp.add_simple("new", 1, 60)?;
    vpp.add_simple("newer", 1, 20)?;
    assert_eq!(segment.value("new"), Ok(Some(Value::Simple(vec![vec![0; 60]]))));
    assert_eq!(segment.value("newer"), Ok(Some(Value::Simple(vec![vec![0; 20]]))));
    Ok(())
}

#[test]
fn an_entry_in_the_slot_of_another_is_not_taken_for_it() -> Result<(), WriteError> {
    let (mut vpp, segment) = start(1 << 16);
    let first = vpp.add_simple("first", 1, 1)?;
    vpp.set(first, 0, 0, 1)?;
    let mut handle = segment.simple("first");
    assert_eq!(handle.sum(0), Ok(Some(1)));

    vpp.remove(first)?;
    assert_eq!(handle.sum(0), Ok(None));
    assert_eq!(segment.value("first"), Ok(None));
    assert_eq!(segment.value_at(3), Ok(Some(Value::Empty)));
    assert_eq!(vpp.set(first, 0, 0, 2), Err(WriteError::Stale));
    assert_eq!(vpp.remove(first), Err(WriteError::Stale));

    let second = vpp.add_simple("second", 1, 1)?;
    vpp.set(second, 0, 0, 2)?;
    assert_eq!(segment.entries().expect("sound")[3].name, "second", "the slot is used again");
    assert_eq!(handle.sum(0), Ok(None));
    assert_eq!((vpp.get(first, 0, 0), vpp.get(second, 0, 0)), (Err(WriteError::Stale), Ok(2)));

    vpp.add_gauge("first", 3)?;
    assert_eq!(
        handle.sum(0),
        Err(StatsError::WrongType { expected: EntryKind::Simple, found: EntryKind::Gauge }),
        "the same name for another thing"
    );
    Ok(())
}

#[test]
fn changes_made_as_one_raise_the_epoch_once() -> Result<(), WriteError> {
    let (mut vpp, segment) = start(1 << 16);
    let reader = segment.with_retries(Retries::new(1, 1));
    let busy = Err(StatsError::Busy { attempts: 1 });
    vpp.update(|vpp| {
        assert_eq!(reader.value("one"), busy, "nobody reads in the middle");
        let one = vpp.add_scalar("one", 1)?;
        vpp.update(|vpp| vpp.add_scalar("two", 2))?;
        assert_eq!(reader.epoch(), Err(StatsError::Busy { attempts: 1 }), "the inner one does not end it");
        vpp.remove(one)
    })?;
    assert_eq!(reader.epoch(), Ok(2));
    assert_eq!((reader.value("one"), reader.value("two")), (Ok(None), Ok(Some(Value::Scalar(2)))));
    Ok(())
}

#[test]
fn a_writer_that_died_in_a_change_makes_readers_busy_and_not_hang() -> Result<(), WriteError> {
    let (mut vpp, segment) = start(1 << 16);
    let mut beat = segment.scalar("/sys/heartbeat");
    assert_eq!(beat.value(), Ok(Some(0)));
    vpp.set_in_progress(true);
    let busy = StatsError::Busy { attempts: 1 };
    assert_eq!(beat.value(), Err(busy.clone()));
    assert_eq!(segment.entries(), Err(busy.clone()));
    assert!(segment.header().expect("the header is read as it is").in_progress);
    vpp.add_gauge("later", 1)?;
    assert_eq!(segment.value("later"), Err(busy), "later changes do not end it");
    vpp.set_in_progress(false);
    assert_eq!(segment.value("later"), Ok(Some(Value::Gauge(1))));
    assert_eq!(beat.value(), Ok(Some(0)));
    Ok(())
}

#[test]
fn symlinks_outlive_their_target_and_then_dangle() -> Result<(), WriteError> {
    let (mut vpp, segment) = start(1 << 16);
    let rx = vpp.add_combined("/if/rx", 2, 4)?;
    let link = vpp.add_symlink("/interfaces/loop0/rx", rx, 3)?;
    vpp.set(rx, 1, 3, pair(2, 120))?;
    let name = "/interfaces/loop0/rx";
    let column = Value::Symlink(Column::Combined(vec![pair(0, 0), pair(2, 120)]));
    assert_eq!(segment.value(name), Ok(Some(column)));

    vpp.remove(rx)?;
    let dangling = |found| Err(StatsError::Dangling { target: 3, column: 3, found });
    assert_eq!(segment.value(name), dangling(EntryKind::Empty));
    let gauge = vpp.add_gauge("in its place", 1)?;
    assert_eq!(segment.value(name), dangling(EntryKind::Gauge));
    vpp.remove(gauge)?;
    let short = vpp.add_simple("too short", 2, 3)?;
    assert_eq!(segment.value(name), dangling(EntryKind::Simple));
    vpp.grow(short, 4)?;
    assert_eq!(segment.value(name), Ok(Some(Value::Symlink(Column::Simple(vec![0, 0])))), "as VPP's readers see it");
    vpp.remove(link)?;
    assert_eq!(segment.value(name), Ok(None));
    assert_eq!(vpp.add_symlink("late", rx, 0), Err(WriteError::Stale));
    Ok(())
}

#[test]
fn a_symlink_is_renamed_byte_by_byte_where_it_lies() -> Result<(), WriteError> {
    let (mut vpp, segment) = start(1 << 16);
    let rx = vpp.add_simple("/if/rx", 1, 4)?;
    vpp.set(rx, 0, 3, 7)?;
    let (long, short) = ("/interfaces/GigabitEthernet0/rx", "/interfaces/tap0/rx");
    let link = vpp.add_symlink(long, rx, 3)?;
    let other = vpp.add_symlink("other", rx, 0)?;
    let at = vpp.entry_offset(long).expect("just added") + 16;
    let epoch = segment.epoch();
    vpp.rename(link, short)?;
    assert_eq!(segment.epoch(), epoch, "nothing tells of it");
    assert_eq!(vpp.entry_offset(short), Some(at - 16));
    assert_eq!((vpp.entry_offset(long), segment.value(long)), (None, Ok(None)));
    let mut field = [0; 32];
    File::from(vpp.fd().try_clone_to_owned().expect("a descriptor")).read_exact_at(&mut field, at).expect("inside");
    assert_eq!(&field, b"/interfaces/tap0/rx\0thernet0/rx\0", "the end of the old name is left behind the NUL");
    assert_eq!(segment.entries().expect("sound")[4].name, short);

    assert_eq!(vpp.rename(other, short), Err(WriteError::Exists(short.to_owned())));
    assert_eq!(vpp.rename(other, ""), Err(WriteError::Name(String::new())));
    vpp.rename(link, short)?;
    vpp.update(|vpp| vpp.rename(link, long))?;
    assert_ne!(segment.epoch(), epoch);
    assert_eq!(segment.value(long), Ok(Some(Value::Symlink(Column::Simple(vec![7])))));
    vpp.rename(other, short)?;
    vpp.remove(link)?;
    assert_eq!(vpp.rename(link, "late"), Err(WriteError::Stale));
    assert_eq!(vpp.entry_offset("late"), None);
    Ok(())
}

#[test]
fn symlinks_added_behind_the_epochs_back_are_found() -> Result<(), WriteError> {
    let (mut vpp, segment) = start(1 << 20);
    let table = vpp.add_simple("/node/errors", 1, 200)?;
    let free = vpp.add_gauge("to be freed", 0)?;
    vpp.remove(free)?;
    let epoch = segment.epoch();
    assert_eq!(segment.value("/err/0"), Ok(None));
    // The first fills a free slot, the others lengthen the directory, which moves some of the times.
    let mut directories = vec![segment.header().expect("sound").directory];
    for column in 0..200 {
        let name = format!("/err/{column}");
        vpp.add_symlink_quietly(&name, table, column)?;
        vpp.set(table, 0, column as usize, u64::from(column) + 1)?;
        let value = Value::Symlink(Column::Simple(vec![u64::from(column) + 1]));
        assert_eq!(segment.value(&name), Ok(Some(value)));
        directories.push(segment.header().expect("sound").directory);
    }
    directories.dedup();
    assert!(directories.len() > 2, "the directory moved");
    assert_eq!(segment.epoch(), epoch, "and the epoch did not");
    assert_eq!(read_everything(&segment), 0);
    Ok(())
}

#[test]
fn a_full_segment_refuses_and_stays_as_it_was() -> Result<(), WriteError> {
    let (mut vpp, segment) = start(32 * 1024);
    let table = vpp.add_simple("table", 2, 100)?;
    let names = vpp.add_names("names", &[Some("a"), None])?;
    let free = vpp.free_bytes();
    let all = |segment: &Segment| {
        let entries = segment.entries().expect("sound");
        entries.iter().map(|entry| (entry.clone(), segment.value_at(entry.index))).collect::<Vec<_>>()
    };
    let before = all(&segment);
    let is_full = |error| matches!(error, WriteError::Full { .. });
    // The first row fits, the second does not.
    assert!(is_full(vpp.add_simple("large", 2, 2000).expect_err("too large")));
    assert!(is_full(vpp.add_simple("huge", 1, usize::MAX).expect_err("too large")));
    assert!(is_full(vpp.grow(table, 2000).expect_err("too large")));
    assert!(is_full(vpp.set_name(names, 1 << 20, Some("b")).expect_err("too large")));
    assert!(is_full(vpp.set_name(names, 0, Some(&"b".repeat(40_000))).expect_err("too large")));
    assert!(is_full(vpp.add_names("more", &[Some("x"), Some(&"y".repeat(40_000))]).expect_err("too large")));
    assert_eq!(all(&segment), before);
    assert_eq!(vpp.columns(table), Ok(100));
    assert_eq!(vpp.get(table, 1, 100), Err(WriteError::NoCell { thread: 1, column: 100 }));
    // Nothing leaked, but what a block was split from costs the room of a vector header.
    assert!(free - vpp.free_bytes() <= 1024, "{free} then, {} now", vpp.free_bytes());
    vpp.grow(table, 120)?;
    vpp.set_name(names, 1, Some("b"))?;
    assert_eq!(read_everything(&segment), 0);
    Ok(())
}

#[test]
fn entries_can_be_added_until_the_segment_is_full() {
    let (mut vpp, segment) = start(64 * 1024);
    let mut gauges: Vec<GaugeId> = Vec::new();
    let error = loop {
        match vpp.add_gauge(&format!("gauge {}", gauges.len()), gauges.len() as u64) {
            Ok(id) => gauges.push(id),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, WriteError::Full { .. }), "{error}");
    assert!(gauges.len() > 100, "{} entries of 144 bytes", gauges.len());
    for (index, _) in gauges.iter().enumerate() {
        assert_eq!(segment.value(&format!("gauge {index}")), Ok(Some(Value::Gauge(index as u64))));
    }
    // A slot that was freed needs no room.
    vpp.remove(gauges[7]).expect("it is there");
    vpp.add_gauge("one more", 1).expect("there is a free slot");
}

#[test]
fn names_that_cannot_be_found_again_are_refused() -> Result<(), WriteError> {
    let (mut vpp, segment) = start(1 << 16);
    for name in ["", "a\0b", &"x".repeat(128)] {
        assert_eq!(vpp.add_gauge(name, 1), Err(WriteError::Name(name.to_owned())));
    }
    assert_eq!(vpp.add_simple("/sys/boottime", 1, 1), Err(WriteError::Exists("/sys/boottime".to_owned())));
    let longest = "x".repeat(127);
    vpp.add_gauge(&longest, 5)?;
    assert_eq!(segment.value(&longest), Ok(Some(Value::Gauge(5))));
    Ok(())
}

#[test]
fn name_vectors_grow_and_have_holes() -> Result<(), WriteError> {
    let (mut vpp, segment) = start(1 << 16);
    let id = vpp.add_names("/if/names", &[])?;
    assert_eq!(segment.value("/if/names"), Ok(Some(Value::Names(vec![]))));
    vpp.set_name(id, 20, Some("loop20"))?;
    vpp.set_name(id, 1, Some("a name that is longer than the words before it"))?;
    vpp.set_name(id, 1, Some(""))?;
    let mut names = vec![None; 21];
    names[20] = Some("loop20".to_owned());
    names[1] = Some(String::new());
    assert_eq!(segment.value("/if/names"), Ok(Some(Value::Names(names.clone()))));
    vpp.set_name(id, 1, None)?;
    names[1] = None;
    assert_eq!(segment.value("/if/names"), Ok(Some(Value::Names(names))));
    vpp.remove(id)?;
    assert_eq!(vpp.set_name(id, 0, None), Err(WriteError::Stale));
    Ok(())
}

#[test]
fn histograms_count_in_bins() -> Result<(), WriteError> {
    let (mut vpp, segment) = start(1 << 16);
    let id = vpp.add_histogram("/sys/latency", 2, 10, 3)?;
    vpp.add_to_bin(id, 1, 2, 5)?;
    vpp.add_to_bin(id, 1, 2, 1)?;
    assert_eq!(vpp.add_to_bin(id, 1, 3, 1), Err(WriteError::NoCell { thread: 1, column: 4 }));
    let Ok(Some(Value::Histogram(rows))) = segment.value("/sys/latency") else { panic!("not a histogram") };
    let rows: Vec<_> = rows.iter().map(|row| (row.lowest_exponent, row.bins.as_slice())).collect();
    assert_eq!(rows, [(10, [0, 0, 0].as_slice()), (10, [0, 0, 6].as_slice())]);
    Ok(())
}

#[test]
fn memory_can_be_damaged_on_purpose() -> Result<(), WriteError> {
    let (mut vpp, segment) = start(1 << 16);
    let id = vpp.add_simple("table", 1, 1)?;
    let entry = vpp.entry_offset("table").expect("just added");
    assert_eq!(vpp.entry_offset("no table"), None);
    vpp.corrupt(entry + 8, &[0xff; 8])?;
    assert!(matches!(segment.value("table"), Err(StatsError::Corrupt(_))));
    vpp.corrupt(entry + 16, b"TAB")?; // not aligned to anything
    assert_eq!(segment.value("table"), Ok(None));
    assert!(matches!(segment.value("TABle"), Err(StatsError::Corrupt(_))));
    assert_eq!(vpp.corrupt(vpp.size() - 1, &[1, 2]), Err(WriteError::OutOfBounds(vpp.size() - 1)));
    assert_eq!(vpp.corrupt(u64::MAX, &[1]), Err(WriteError::OutOfBounds(u64::MAX)));
    // The writer keeps its own books and goes on.
    vpp.set(id, 0, 0, 1)?;
    vpp.remove(id)?;
    Ok(())
}

/// Names are looked up in a cache that is made anew when the directory changed, and not for each call. Overwriting a
/// name in place makes that visible.
#[test]
fn the_directory_is_read_as_a_whole_only_after_it_changed() -> Result<(), WriteError> {
    let (mut vpp, segment) = start(1 << 16);
    vpp.add_gauge("before", 1)?;
    assert_eq!(segment.value("before"), Ok(Some(Value::Gauge(1))));
    let name = vpp.entry_offset("before").expect("just added") + 16;
    vpp.corrupt(name, b"behind")?;
    assert_eq!(segment.value("behind"), Ok(None), "nothing told that there is a new name");
    assert_eq!(segment.value("before"), Ok(None), "the old one is checked each time");
    vpp.add_gauge("after", 2)?;
    assert_eq!(segment.value("behind"), Ok(Some(Value::Gauge(1))));
    Ok(())
}

/// What one VPP with a full routing table and 16 workers has. The memory is taken when a column moves.
#[test]
fn a_million_columns_and_seventeen_threads_have_room() -> Result<(), WriteError> {
    let (mut vpp, segment) = start(1 << 29);
    let routes = vpp.add_combined("/net/route/to", 17, 1_000_000)?;
    let mut handle = segment.combined("/net/route/to");
    for thread in 0..17 {
        vpp.add(routes, thread, 999_999, pair(1, 1500))?;
    }
    assert_eq!(handle.columns(), Ok(Some(1_000_000)));
    assert_eq!(handle.sum(999_999), Ok(Some(pair(17, 25_500))));
    assert_eq!(handle.sum(1_000_000), Ok(None));
    Ok(())
}
