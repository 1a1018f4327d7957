//! A segment recorded from a live VPP 26.10, against what FD.io's Python reader says of the same memory.

mod support;

use serde_json::{Value as Json, json};
use support::recording;
use vpp_stats::{Column, CombinedCounter, Presence, Segment, Value};

#[test]
fn every_recorded_value_is_read_as_the_python_client_reads_it() {
    let Some((segment, expected)) = load() else { return };
    let entries = segment.entries().expect("a recording stands still");
    assert_eq!(entries.len(), expected.len());
    for entry in &entries {
        let expected = &expected[&entry.name];
        assert_eq!(json!(entry.kind.number()), expected["type"], "type of {}", entry.name);
        let by_name = segment.value(&entry.name).expect("sound").expect("listed just now");
        assert_eq!(as_python(&by_name), expected["value"], "{}", entry.name);
        assert_eq!(segment.value_at(entry.index), Ok(Some(by_name)), "{}", entry.name);
    }
}

#[test]
fn handles_add_up_every_column_of_every_recorded_table() {
    let Some((segment, expected)) = load() else { return };
    let mut tables = 0;
    for (name, expected) in &expected {
        let rows = || expected["value"].as_array().expect("rows").iter().map(|row| row.as_array().expect("a row"));
        match expected["type"].as_i64() {
            Some(2) => {
                let longest = rows().map(Vec::len).max().unwrap_or(0);
                let columns: Vec<u32> = (0..longest as u32).collect();
                let mut sums = vec![u64::MAX; longest];
                let presence = segment.simple(name).sum_columns(&columns, &mut sums);
                assert_eq!(presence, Ok(Presence::Present { outside: 0 }), "{name}");
                let wanted: Vec<u64> =
                    (0..longest).map(|column| rows().filter_map(|row| row.get(column)?.as_u64()).sum()).collect();
                assert_eq!(sums, wanted, "{name}");
            }
            Some(3) => {
                let longest = rows().map(Vec::len).max().unwrap_or(0);
                let mut handle = segment.combined(name);
                for column in 0..longest {
                    let part = |index: usize| rows().filter_map(|row| row.get(column)?[index].as_u64()).sum();
                    let wanted = CombinedCounter { packets: part(0), bytes: part(1) };
                    assert_eq!(handle.sum(column as u32), Ok(Some(wanted)), "{name} column {column}");
                }
                assert_eq!(handle.sum(longest as u32), Ok(None), "{name} ends");
            }
            _ => continue,
        }
        tables += 1;
    }
    assert_eq!(tables, 43);
}

#[test]
fn the_header_is_the_recorded_one() {
    let Some((segment, _)) = load() else { return };
    let header = segment.header().expect("sound");
    assert_eq!(header.version, 2);
    assert_eq!(header.epoch, 615);
    assert!(!header.in_progress);
    assert_eq!(segment.epoch(), Ok(615));
    let first: Vec<String> = segment.names().expect("sound").into_iter().take(3).collect();
    assert_eq!(first, ["/sys/heartbeat", "/sys/last_stats_clear", "/sys/boottime"]);
}

fn load() -> Option<(Segment, serde_json::Map<String, Json>)> {
    let bytes = recording("stats-segment.bin.gz")?;
    let expected = recording("stats-segment.expected.json.gz")?;
    let segment = Segment::from_snapshot(&bytes).expect("the recording is a sound segment");
    let Ok(Json::Object(expected)) = serde_json::from_slice(&expected) else {
        panic!("the expected values are a JSON object");
    };
    Some((segment, expected))
}

/// The value in the form in which the recording has it.
fn as_python(value: &Value) -> Json {
    match value {
        Value::Scalar(number) | Value::Gauge(number) => json!(number),
        Value::Simple(rows) => json!(rows),
        Value::Combined(rows) => rows.iter().map(|row| row.iter().map(pair).collect::<Json>()).collect(),
        Value::Symlink(Column::Simple(values)) => json!(values),
        Value::Symlink(Column::Combined(values)) => values.iter().map(pair).collect(),
        // The Python client leaves empty places out.
        Value::Names(names) => names.iter().flatten().map(|name| json!(name)).collect(),
        other => panic!("the recorded VPP had nothing like {other:?}"),
    }
}

fn pair(cell: &CombinedCounter) -> Json {
    json!([cell.packets, cell.bytes])
}
