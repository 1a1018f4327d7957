//! One writer that keeps changing the directory, and readers in other threads.
//!
//! The writer keeps rules that any torn read breaks. What the readers catch depends on the scheduler, but nothing they
//! accept may break a rule, however the threads run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use vpp_stats::writer::{SegmentWriter, WriteError};
use vpp_stats::{CombinedCounter, Presence, Retries, Segment, StatsError, Value};

const THREADS: usize = 3;
const ROUNDS: u64 = 3_000;
const LINKS: [&str; 2] = ["link", "another link"];

#[test]
fn readers_never_accept_a_torn_directory() {
    let mut vpp = SegmentWriter::new(1 << 20).expect("a memory file");
    let segment = vpp.reader().expect("it is sound").with_retries(Retries::new(4, 50));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| watch(&segment, &done))).collect();
        churn(&mut vpp).expect("there is room");
        done.store(true, Ordering::Release);
        for reader in readers {
            reader.join().expect("no rule was broken");
        }
    });
}

/// Rules, between changes: all cells of `table` are equal; `pairs` has bytes = 64 x packets in every cell; each entry
/// `place N` is a gauge of value N, or a simple counter whose one row holds N times N; names are their own index.
/// Outside of changes: `late` holds 5s, and is removed and cleared as VPP does it; `link` leads to them, and is added
/// without the epoch.
fn churn(vpp: &mut SegmentWriter) -> Result<(), WriteError> {
    let mut table = vpp.add_simple("table", THREADS, 4)?;
    let pairs = vpp.add_combined("pairs", THREADS, 4)?;
    let names = vpp.add_names("names", &[Some("0")])?;
    let mut link = None;
    for round in 1..=ROUNDS {
        // Re-use of slots and of memory: the table comes back elsewhere.
        vpp.update(|vpp| {
            let columns = vpp.columns(table)?;
            vpp.remove(table)?;
            let place = round % 7;
            let name = format!("place {place}");
            if vpp.entry_offset(&name).is_none() {
                if round % 2 == 0 {
                    vpp.add_gauge(&name, place)?;
                } else {
                    let id = vpp.add_simple(&name, 1, place as usize)?;
                    for column in 0..place as usize {
                        vpp.set(id, 0, column, place)?;
                    }
                }
            }
            let columns = if columns > 60 { 4 } else { columns + 3 };
            table = vpp.add_simple("table", THREADS, columns)?;
            for thread in 0..THREADS {
                for column in 0..columns {
                    vpp.set(table, thread, column, round)?;
                }
            }
            for thread in 0..THREADS {
                for column in 0..4 {
                    vpp.set(pairs, thread, column, CombinedCounter { packets: round, bytes: round * 64 })?;
                }
            }
            let index = (round % 40) as usize;
            vpp.set_name(names, index, Some(&index.to_string()))
        })?;
        let late = vpp.add_simple("late", 2, 1)?;
        vpp.set(late, 0, 0, 5)?;
        vpp.set(late, 1, 0, 5)?;
        if let Some(old) = link.replace(vpp.add_symlink_quietly(LINKS[(round % 2) as usize], late, 0)?) {
            vpp.remove(old)?;
        }
        // Quiet for long enough that a read may begin, and seldom for long enough that it may end.
        for _ in 0..(round % 97) * 20 {
            std::hint::spin_loop();
        }
        vpp.remove(late)?;
    }
    Ok(())
}

fn watch(segment: &Segment, done: &AtomicBool) {
    let mut handle = segment.simple("table");
    let mut pairs = segment.combined("pairs");
    loop {
        let is_last = done.load(Ordering::Acquire);
        let accepted = look(segment);
        let mut sums = [0; 4];
        let sum = accept(handle.sum_columns(&[0, 1, 2, 3], &mut sums));
        if sum == Some(Presence::Present { outside: 0 }) {
            assert!(sums.iter().all(|sum| *sum == sums[0] && sum % THREADS as u64 == 0), "{sums:?}");
        }
        if let Some(Some(sum)) = accept(pairs.sum(3)) {
            assert_eq!(sum.bytes, sum.packets * 64);
        }
        if is_last {
            assert!(accepted && sum.is_some_and(Presence::is_complete), "nothing changes any longer");
            assert_eq!(sums[0], ROUNDS * THREADS as u64);
            return;
        }
    }
}

/// Reads everything that has a rule. Returns whether all of it was accepted.
fn look(segment: &Segment) -> bool {
    let table = accept(segment.value("table"));
    if let Some(Some(value)) = &table {
        let Value::Simple(rows) = value else { panic!("a table is {value:?}") };
        assert_eq!(rows.len(), THREADS);
        let first = rows[0][0];
        assert!(rows.iter().all(|row| row.len() == rows[0].len()), "rows of different lengths: {rows:?}");
        assert!(rows.iter().flatten().all(|cell| *cell == first), "cells of different rounds: {rows:?}");
    }
    let entries = accept(segment.entries());
    for name in entries.iter().flatten().map(|entry| entry.name.as_str()) {
        let known = ["table", "pairs", "names"].contains(&name) || name.starts_with("/sys/");
        // These two are written and cleared while they can be seen.
        let known = known || [b"late".as_slice(), b"link", b"another link"].iter().any(|whole| is_piece(name, whole));
        assert!(known || name.starts_with("place "), "a name made of pieces: {name:?}");
    }
    let names = accept(segment.value("names"));
    if let Some(Some(value)) = &names {
        let Value::Names(names) = value else { panic!("names are {value:?}") };
        for (index, name) in names.iter().enumerate() {
            assert!(name.as_ref().is_none_or(|name| *name == index.to_string()), "{index} is {name:?}");
        }
    }
    let mut places = 0;
    for place in 0..7_u64 {
        match accept(segment.value(&format!("place {place}"))) {
            None => continue,
            Some(None) => {}
            Some(Some(Value::Gauge(value))) => assert_eq!(value, place),
            Some(Some(Value::Simple(rows))) => assert_eq!(rows, [vec![place; place as usize]]),
            Some(Some(other)) => panic!("place {place} is {other:?}"),
        }
        places += 1;
    }
    match accept(segment.value("late")) {
        None | Some(None) => {}
        Some(Some(Value::Simple(rows))) => {
            // Its data goes with the change, and its cells come after it.
            assert!(rows.is_empty() || rows.len() == 2, "{rows:?}");
            assert!(rows.iter().all(|row| *row == [5] || *row == [0]), "{rows:?}");
        }
        Some(Some(other)) => panic!("late is {other:?}"),
    }
    for link in LINKS {
        match segment.value(link) {
            Ok(None) | Err(StatsError::Busy { .. } | StatsError::Dangling { .. }) => {}
            Ok(Some(Value::Symlink(_))) => {}
            other => panic!("{link} is {other:?}"),
        }
    }
    table.is_some() && entries.is_some() && names.is_some() && places == 7
}

/// Whether `name` is made of words of `whole`, the others being clear still, or clear already.
fn is_piece(name: &str, whole: &[u8]) -> bool {
    whole.starts_with(name.as_bytes())
}

/// What a read gave, or `None` if the writer was always in the way. No other error is right.
fn accept<T>(result: Result<T, StatsError>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(StatsError::Busy { .. }) => None,
        Err(error) => panic!("a torn read was taken for corruption: {error}"),
    }
}
