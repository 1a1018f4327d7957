//! A stats segment of any contents.
//!
//! Input: 48 bytes of header, then what lies in the heap from offset 4,096 on. What is between them in a segment has no
//! meaning, and inputs without it are smaller.

use std::collections::HashMap;
use std::time::Duration;

use vpp_stats::{
    CombinedCounter, CombinedRate, Entry, EntryKind, Life, Meter, Pattern, Presence, Retries, Segment, StatsError,
    Value, View,
};

/// Reads all there is to read in every way there is, and checks that the ways agree. Returns the number of values.
pub(crate) fn check(data: &[u8]) -> usize {
    let Ok(segment) = Segment::from_snapshot(&unpack(data)) else {
        return 0;
    };
    // Nobody ends a change that the header says is under way.
    let segment = segment.with_retries(Retries::new(1, 1));
    let header = segment.header().expect("it was sound a moment ago");
    assert_eq!(header.version, 2);
    match segment.epoch() {
        Ok(epoch) => assert_eq!((epoch, header.in_progress), (header.epoch, false)),
        Err(error) => assert!(header.in_progress && matches!(error, StatsError::Busy { .. }), "{error}"),
    }
    for name in STRANGE_NAMES {
        let _ = segment.value(name);
    }
    let Ok(entries) = segment.entries() else {
        assert!(segment.names().is_err());
        assert!(segment.select(Pattern::everything()).refresh().is_err());
        assert!(segment.directory().next().is_some_and(|step| step.is_err()));
        return 0;
    };
    steps_agree(&segment, &entries);
    selections_agree(&segment, &entries);
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert!(segment.names().is_ok_and(|found| found == names));
    let mut occurrences: HashMap<&str, usize> = HashMap::new();
    for name in names {
        *occurrences.entry(name).or_default() += 1;
    }
    // A directory that covers much of the segment, over and over, is read slowly: the first entries tell enough.
    let unique = |entry: &Entry| occurrences[entry.name.as_str()] == 1 && !entry.name.contains('\u{fffd}');
    entries.iter().take(MOST_ENTRIES).map(|entry| usize::from(entry_agrees(&segment, entry, unique(entry)))).sum()
}

/// Reads one entry by its place, and if no other has its name by name and through handles. True if it holds a value.
fn entry_agrees(segment: &Segment, entry: &Entry, unique: bool) -> bool {
    let value = segment.value_at(entry.index);
    if let Ok(value) = &value {
        let value = value.as_ref().expect("its place is in the directory");
        assert_is(entry.kind, value);
    }
    if entry.kind == EntryKind::RingBuffer && unique {
        ring_is_read(segment, &entry.name);
    }
    if unique {
        assert_eq!(segment.value(&entry.name), value, "{entry:?}");
        handles_agree(segment, entry, value.as_ref().ok().and_then(Option::as_ref));
    }
    value.is_ok()
}

fn assert_is(kind: EntryKind, value: &Value) {
    let right = match value {
        Value::Scalar(_) => kind == EntryKind::Scalar,
        Value::Gauge(_) => kind == EntryKind::Gauge,
        Value::Simple(_) => kind == EntryKind::Simple,
        Value::Combined(_) => kind == EntryKind::Combined,
        Value::Names(_) => kind == EntryKind::Names,
        Value::Symlink(_) => kind == EntryKind::Symlink,
        Value::Histogram(_) => kind == EntryKind::Histogram,
        Value::RingBuffer(_) => kind == EntryKind::RingBuffer,
        Value::Unknown(number) => kind == EntryKind::Unknown(*number),
        _ => false,
    };
    assert!(right, "{kind:?} holds {value:?}");
}

/// Handles say the same as the value, which is missing if it cannot be read.
fn handles_agree(segment: &Segment, entry: &Entry, value: Option<&Value>) {
    let (mut simple, mut combined) = (segment.simple(&entry.name), segment.combined(&entry.name));
    let mut scalar = segment.scalar(&entry.name);
    let mut sums = [1; COLUMNS.len()];
    let mut pairs = [CombinedCounter { packets: 1, bytes: 1 }; COLUMNS.len()];
    let summed = simple.sum_columns(&COLUMNS, &mut sums);
    let paired = combined.sum_columns(&COLUMNS, &mut pairs);
    assert_eq!(simple.columns().is_ok(), summed.is_ok());
    assert_eq!(combined.columns().is_ok(), paired.is_ok());

    let is_wrong_type = |error: &StatsError| matches!(error, StatsError::WrongType { .. });
    assert_eq!(summed.as_ref().is_err_and(is_wrong_type), entry.kind != EntryKind::Simple);
    assert_eq!(paired.as_ref().is_err_and(is_wrong_type), entry.kind != EntryKind::Combined);
    let is_number = matches!(entry.kind, EntryKind::Scalar | EntryKind::Gauge);
    assert_eq!(scalar.value().is_err(), !is_number);

    match value {
        Some(Value::Scalar(number) | Value::Gauge(number)) => assert_eq!(scalar.value(), Ok(Some(*number))),
        Some(Value::Simple(rows)) => {
            let column = |at| rows.iter().filter_map(move |row| row.get(at as usize)).copied();
            assert_eq!(sums, COLUMNS.map(|at| column(at).fold(0, u64::wrapping_add)));
            assert_presence(summed, rows);
        }
        Some(Value::Combined(rows)) => {
            let column = |at| rows.iter().filter_map(move |row| row.get(at as usize)).copied();
            assert_eq!(pairs, COLUMNS.map(|at| column(at).fold(CombinedCounter::default(), add)));
            assert_presence(paired, rows);
        }
        _ => {}
    }
}

/// Steps through the directory find what a list of it has.
fn steps_agree(segment: &Segment, entries: &[Entry]) {
    let mut steps = segment.directory();
    for entry in entries {
        let step = steps.next().expect("as many as listed").expect("nothing changes");
        assert_eq!((step.index, step.kind, &*step.name.to_text()), (entry.index, entry.kind, entry.name.as_str()));
    }
    assert_eq!(steps.next(), None);
}

/// Selections have what a list of the directory has, and their entries the values that are read by place; rates of what
/// they hold are numbers.
fn selections_agree(segment: &Segment, entries: &[Entry]) {
    let prefix = entries.first().map_or("", |entry| entry.name.get(..2).unwrap_or(""));
    for pattern in [Pattern::everything(), Pattern::prefix(prefix), Pattern::any_of([])] {
        let is_lossless = |entry: &&Entry| !entry.name.contains('\u{fffd}');
        let taken = entries.iter().filter(is_lossless).filter(|entry| pattern.matches(&entry.name));
        let mut selection = segment.select(pattern.clone());
        let (mut found, mut pairs) = (vec![], vec![]);
        let read = selection.read(|entries| {
            found.clear();
            pairs.clear();
            for (number, entry) in entries.enumerate() {
                // As of single entries: the first tell enough.
                let value = (number < MOST_ENTRIES).then(|| {
                    let value = entry.read(|view| {
                        if let View::Combined(table) = &view {
                            pairs.extend(table.rows().take(4).flat_map(|row| row.iter().take(4)));
                        }
                        view.to_value()
                    });
                    value.map(Some)
                });
                found.push((entry.index(), entry.kind(), entry.name().to_owned(), value));
            }
        });
        assert_eq!(read, Ok(()));
        assert_eq!(found.len(), selection.names().len());
        let mut seen = found.iter().filter(|(_, _, name, _)| !name.contains('\u{fffd}'));
        for entry in taken {
            let (index, kind, name, value) = seen.next().expect("as many as match");
            assert_eq!((*index, *kind, name.as_str()), (entry.index, entry.kind, entry.name.as_str()));
            if let Some(value) = value {
                assert_eq!(*value, segment.value_at(entry.index), "{entry:?}");
            }
        }
        assert!(seen.next().is_none());
        rates_are_numbers(&pairs);
    }
}

fn rates_are_numbers(pairs: &[CombinedCounter]) {
    let mut meter = Meter::new();
    meter.update(Duration::ZERO, Life::default(), &vec![CombinedCounter::default(); pairs.len()]);
    meter.update(Duration::from_nanos(1), Life::default(), pairs);
    let is_number = |rate: &CombinedRate| rate.packets.is_finite() && rate.bytes.is_finite() && rate.packets >= 0.0;
    assert!(meter.rates().iter().all(|rate| rate.as_ref().is_some_and(is_number)));
    meter.update(Duration::from_secs(1), Life::default(), &vec![CombinedCounter::default(); pairs.len()]);
    for (rate, pair) in meter.rates().iter().zip(pairs) {
        assert_eq!(rate.is_some(), *pair == CombinedCounter::default(), "what fell has no rate");
    }
}

/// A ring is read to its end, and then has nothing new.
fn ring_is_read(segment: &Segment, name: &str) {
    let mut ring = segment.ring(name);
    for thread in [0, 1, u32::MAX] {
        let mut last = None;
        let pass = ring.read(thread, |number, entry| {
            assert!(last.replace(number).is_none_or(|last| last + 1 == number) && !entry.is_empty());
        });
        let Ok(Some(pass)) = pass else { continue };
        assert!(pass.read == 0 || last.is_some());
        let again = ring.read(thread, |number, _| panic!("{number} once more")).expect("it was sound");
        assert_eq!(again.map(|pass| (pass.read, pass.lost, pass.restarted)), Some((0, 0, false)));
    }
    let schema = segment.entry(name).read(|view| match view {
        View::RingBuffer(Some(ring)) => {
            let mut schema = vec![];
            ring.thread(0).inspect(|thread| thread.schema(&mut schema));
            schema.len()
        }
        _ => 0,
    });
    assert!(schema.is_err() || schema.is_ok_and(|schema| schema.is_none_or(|len| len as u64 <= segment.size())));
}

/// A table without rows may be there or not be there yet: the value does not tell.
fn assert_presence<C>(presence: Result<Presence, StatsError>, rows: &[Vec<C>]) {
    let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
    let outside = COLUMNS.iter().filter(|column| **column as usize >= longest).count();
    let presence = presence.expect("what can be copied can be summed");
    assert!(presence == Presence::Present { outside } || (rows.is_empty() && presence == Presence::Absent));
}

fn add(sum: CombinedCounter, more: CombinedCounter) -> CombinedCounter {
    CombinedCounter { packets: sum.packets.wrapping_add(more.packets), bytes: sum.bytes.wrapping_add(more.bytes) }
}

/// The segment that an input stands for.
fn unpack(data: &[u8]) -> Vec<u8> {
    let (header, heap) = data.split_at(data.len().min(HEADER));
    let mut segment = header.to_vec();
    segment.resize(HEAP_START, 0);
    segment.extend(heap);
    segment
}

/// Bytes of the header, with the word that tells releases before 22.06.
const HEADER: usize = 48;
const HEAP_START: usize = 4_096;
const COLUMNS: [u32; 4] = [0, 1, 3, u32::MAX];
const STRANGE_NAMES: [&str; 4] = ["", "\0", "nowhere", "/if/names"];
const MOST_ENTRIES: usize = 64;
