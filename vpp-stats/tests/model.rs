//! Random operations on a writer, against a model of what a reader must see.

mod support;

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use support::read_everything;
use vpp_stats::writer::{CombinedId, GaugeId, NamesId, SegmentWriter, SimpleId, WriteError};
use vpp_stats::{CombinedCounter, Segment, Value};

#[derive(Clone, Debug)]
enum Op {
    AddSimple {
        name: u8,
        threads: usize,
        columns: usize,
    },
    AddCombined {
        name: u8,
        threads: usize,
        columns: usize,
    },
    AddGauge {
        name: u8,
        value: u64,
    },
    AddNames {
        name: u8,
        names: Vec<Option<String>>,
    },
    Remove {
        name: u8,
    },
    Grow {
        name: u8,
        columns: usize,
    },
    /// To a cell, a gauge, or the name at that column.
    Set {
        name: u8,
        thread: usize,
        column: usize,
        value: u64,
    },
    /// The operations until the next one of these are one change.
    ToggleBatch,
}

fn op() -> impl Strategy<Value = Op> {
    let name = 0..8_u8;
    let (threads, columns) = (0..4_usize, 0..40_usize);
    let text = proptest::option::of("[a-z/ ]{0,20}");
    prop_oneof![
        2 => (name.clone(), threads.clone(), columns.clone())
            .prop_map(|(name, threads, columns)| Op::AddSimple { name, threads, columns }),
        2 => (name.clone(), threads.clone(), columns.clone())
            .prop_map(|(name, threads, columns)| Op::AddCombined { name, threads, columns }),
        1 => (name.clone(), any::<u64>()).prop_map(|(name, value)| Op::AddGauge { name, value }),
        1 => (name.clone(), vec(text, 0..5)).prop_map(|(name, names)| Op::AddNames { name, names }),
        2 => name.clone().prop_map(|name| Op::Remove { name }),
        2 => (name.clone(), columns.clone()).prop_map(|(name, columns)| Op::Grow { name, columns }),
        6 => (name, threads, columns, any::<u64>())
            .prop_map(|(name, thread, column, value)| Op::Set { name, thread, column, value }),
        1 => Just(Op::ToggleBatch),
    ]
}

#[derive(Clone, Debug)]
enum Thing {
    Simple(SimpleId, Vec<Vec<u64>>),
    Combined(CombinedId, Vec<Vec<CombinedCounter>>),
    Gauge(GaugeId, u64),
    Names(NamesId, Vec<Option<String>>),
}

impl Thing {
    fn value(&self) -> Value {
        match self.clone() {
            Self::Simple(_, rows) => Value::Simple(rows),
            Self::Combined(_, rows) => Value::Combined(rows),
            Self::Gauge(_, value) => Value::Gauge(value),
            Self::Names(_, names) => Value::Names(names),
        }
    }
}

type Model = BTreeMap<String, Thing>;

proptest! {
    #[test]
    fn a_reader_sees_what_the_writer_did(ops in vec(op(), 1..60)) {
        let mut vpp = SegmentWriter::new(1 << 18).expect("a memory file");
        let segment = vpp.reader().expect("it is sound");
        let mut model = Model::new();
        for batch in ops.split(|op| matches!(op, Op::ToggleBatch)).enumerate() {
            match batch {
                (index, batch) if index % 2 == 0 => {
                    for op in batch {
                        apply(&mut vpp, &mut model, op).expect("the segment is large enough");
                        agree(&segment, &model)?;
                    }
                }
                (_, batch) => {
                    let result = vpp.update(|vpp| batch.iter().try_for_each(|op| apply(vpp, &mut model, op)));
                    result.expect("the segment is large enough");
                    agree(&segment, &model)?;
                }
            }
        }
        prop_assert_eq!(read_everything(&segment), 0);
    }
}

fn agree(segment: &Segment, model: &Model) -> Result<(), TestCaseError> {
    let mut names = segment.names().expect("sound");
    names.sort();
    let mut known: Vec<String> = model.keys().cloned().collect();
    known.extend(["/sys/boottime", "/sys/heartbeat", "/sys/last_stats_clear"].map(str::to_owned));
    known.sort();
    prop_assert_eq!(names, known);
    for (name, thing) in model {
        prop_assert_eq!(segment.value(name), Ok(Some(thing.value())), "{}", name);
        let (columns, sums) = match thing {
            Thing::Simple(_, rows) => (segment.simple(name).columns(), columns_of(rows)),
            Thing::Combined(_, rows) => (segment.combined(name).columns(), columns_of(rows)),
            _ => continue,
        };
        prop_assert_eq!(columns, Ok(Some(sums)));
    }
    Ok(())
}

fn columns_of<T>(rows: &[Vec<T>]) -> usize {
    rows.iter().map(Vec::len).max().unwrap_or(0)
}

fn apply(vpp: &mut SegmentWriter, model: &mut Model, op: &Op) -> Result<(), WriteError> {
    let name_of = |name: &u8| format!("/entry/{name}");
    match op {
        Op::AddSimple { name, threads, columns } => {
            let name = name_of(name);
            let added = vpp.add_simple(&name, *threads, *columns);
            add(model, &name, added, |id| Thing::Simple(id, vec![vec![0; *columns]; *threads]))
        }
        Op::AddCombined { name, threads, columns } => {
            let name = name_of(name);
            let added = vpp.add_combined(&name, *threads, *columns);
            add(model, &name, added, |id| {
                Thing::Combined(id, vec![vec![CombinedCounter::default(); *columns]; *threads])
            })
        }
        Op::AddGauge { name, value } => {
            let name = name_of(name);
            let added = vpp.add_gauge(&name, *value);
            add(model, &name, added, |id| Thing::Gauge(id, *value))
        }
        Op::AddNames { name, names } => {
            let name = name_of(name);
            let borrowed: Vec<Option<&str>> = names.iter().map(Option::as_deref).collect();
            let added = vpp.add_names(&name, &borrowed);
            add(model, &name, added, |id| Thing::Names(id, names.clone()))
        }
        Op::Remove { name } => match model.remove(&name_of(name)) {
            Some(Thing::Simple(id, _)) => vpp.remove(id),
            Some(Thing::Combined(id, _)) => vpp.remove(id),
            Some(Thing::Gauge(id, _)) => vpp.remove(id),
            Some(Thing::Names(id, _)) => vpp.remove(id),
            None => Ok(()),
        },
        Op::Grow { name, columns } => match model.get_mut(&name_of(name)) {
            Some(Thing::Simple(id, rows)) => {
                rows.iter_mut().for_each(|row| row.resize(row.len().max(*columns), 0));
                vpp.grow(*id, *columns)
            }
            Some(Thing::Combined(id, rows)) => {
                rows.iter_mut().for_each(|row| row.resize(row.len().max(*columns), CombinedCounter::default()));
                vpp.grow(*id, *columns)
            }
            _ => Ok(()),
        },
        Op::Set { name, thread, column, value } => match model.get_mut(&name_of(name)) {
            Some(Thing::Simple(id, rows)) => {
                let cell = rows.get_mut(*thread).and_then(|row| row.get_mut(*column));
                set(vpp.add(*id, *thread, *column, *value), cell, |cell| *cell = cell.wrapping_add(*value))
            }
            Some(Thing::Combined(id, rows)) => {
                let cell = rows.get_mut(*thread).and_then(|row| row.get_mut(*column));
                let new = CombinedCounter { packets: *value, bytes: value.rotate_left(7) };
                set(vpp.set(*id, *thread, *column, new), cell, |cell| *cell = new)
            }
            Some(Thing::Gauge(id, number)) => {
                *number = *value;
                vpp.set_gauge(*id, *value)
            }
            Some(Thing::Names(id, names)) => {
                let name = value.is_multiple_of(2).then(|| value.to_string());
                names.resize(names.len().max(*column + 1), None);
                names[*column] = name.clone();
                vpp.set_name(*id, *column, name.as_deref())
            }
            None => Ok(()),
        },
        Op::ToggleBatch => Ok(()),
    }
}

/// Notes what was added, if the name was free.
fn add<I>(
    model: &mut Model,
    name: &str,
    added: Result<I, WriteError>,
    thing: impl FnOnce(I) -> Thing,
) -> Result<(), WriteError> {
    match added {
        Err(WriteError::Exists(_)) if model.contains_key(name) => {}
        added => {
            let old = model.insert(name.to_owned(), thing(added?));
            assert!(old.is_none(), "two entries of one name");
        }
    }
    Ok(())
}

/// Notes what was stored, if there is such a cell.
fn set<T>(stored: Result<(), WriteError>, cell: Option<&mut T>, note: impl FnOnce(&mut T)) -> Result<(), WriteError> {
    match (stored, cell) {
        (Err(WriteError::NoCell { .. }), None) => Ok(()),
        (stored, Some(cell)) => {
            note(cell);
            stored
        }
        (stored, None) => panic!("a cell that is not there: {stored:?}"),
    }
}
