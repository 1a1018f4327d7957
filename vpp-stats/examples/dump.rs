//! Lists a stats segment: `dump [SOCKET | FILE] [PART OF A NAME]`.
//!
//! Without arguments it asks the VPP at `/run/vpp/stats.sock`. A regular file is taken for a recording of a segment.

use std::error::Error;
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use vpp_stats::{Column, Entry, Segment, StatsError, Value};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_else(|| "/run/vpp/stats.sock".to_owned());
    let pattern = args.next().unwrap_or_default();
    match run(&path, &pattern) {
        Ok(()) => ExitCode::SUCCESS,
        // Somebody closed the pipe, such as `head`.
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            eprintln!("dump: {text}");
            ExitCode::FAILURE
        }
    }
}

fn run(path: &str, pattern: &str) -> Result<(), Box<dyn Error>> {
    let segment = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Segment::from_file(&File::open(path)?)?,
        _ => Segment::connect(path)?,
    };
    let mut out = io::stdout().lock();
    for entry in segment.entries()? {
        if entry.name.contains(pattern) {
            let value = segment.value_at(entry.index);
            print(&mut out, &entry, value)?;
        }
    }
    Ok(())
}

fn print(out: &mut impl Write, entry: &Entry, value: Result<Option<Value>, StatsError>) -> io::Result<()> {
    let name = &entry.name;
    match value {
        // The directory never shrinks, so this is an entry that turned into nothing in between.
        Ok(None | Some(Value::Empty)) => Ok(()),
        Ok(Some(Value::Scalar(number) | Value::Gauge(number))) => writeln!(out, "{name}: {number}"),
        Ok(Some(Value::Simple(rows))) => print_rows(out, name, &rows),
        Ok(Some(Value::Combined(rows))) => {
            let rows: Vec<Vec<_>> =
                rows.iter().map(|row| row.iter().map(|cell| (cell.packets, cell.bytes)).collect()).collect();
            print_rows(out, name, &rows)
        }
        Ok(Some(Value::Names(names))) => {
            for (index, text) in names.iter().enumerate() {
                writeln!(out, "{name}[{index}]: {}", text.as_deref().unwrap_or("-"))?;
            }
            Ok(())
        }
        Ok(Some(Value::Symlink(Column::Simple(values)))) => {
            writeln!(out, "{name}: {values:?} by thread")
        }
        Ok(Some(other)) => writeln!(out, "{name}: {other:?}"),
        Err(error) => writeln!(out, "{name}: {error}"),
    }
}

fn print_rows<T: Debug>(out: &mut impl Write, name: &str, rows: &[Vec<T>]) -> io::Result<()> {
    for (thread, row) in rows.iter().enumerate() {
        writeln!(out, "{name} thread {thread}: {row:?}")?;
    }
    Ok(())
}
