//! Exports a stats segment to Prometheus: `prometheus [--once] [SOCKET [ADDRESS]]`, by default the VPP at
//! `/run/vpp/stats.sock` at `127.0.0.1:9482`. `--once` prints what a scrape would give.
//! Each number is a sample whose name is that of its entry, made valid, with the entry's own in a label:
//! `vpp_if_drops{entry="/if/drops",thread="0",index="1"} 7`. Names: value 1, the text in a label. Histograms: no `_sum`.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use vpp_stats::{Cell, CombinedCounter, LinkView, Pattern, SelectedEntry, Selection, Source, TableView, View};

fn main() -> Result<(), Box<dyn Error>> {
    let (options, args): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let source = Source::new(args.first().map_or("/run/vpp/stats.sock", String::as_str));
    let mut exporter = Exporter { source, everything: None, start: Instant::now() };
    if options.iter().any(|option| option == "--once") {
        return Ok(std::io::stdout().write_all(exporter.scrape()?.as_bytes())?);
    }
    let listener = TcpListener::bind(args.get(1).map_or("127.0.0.1:9482", String::as_str))?;
    eprintln!("http://{}/metrics", listener.local_addr()?);
    for stream in listener.incoming() {
        // One client after another; one that is slow must not keep the others waiting.
        if let Err(error) = stream.map_err(Into::into).and_then(|stream| answer(stream, &mut exporter)) {
            eprintln!("prometheus: {error}");
        }
    }
    Ok(())
}

fn answer(mut stream: TcpStream, exporter: &mut Exporter) -> Result<(), Box<dyn Error>> {
    let deadline = Instant::now() + Duration::from_secs(5); // past it, the time-out of zero is an error of its own
    let left = || Some(deadline.saturating_duration_since(Instant::now()));
    let (mut request, mut len) = ([0; 8 << 10], 0);
    while !request[..len].windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        stream.set_read_timeout(left())?;
        let read = Some(stream.read(&mut request[len..])?).filter(|read| *read > 0);
        len += read.ok_or("a request that is too long, or has no end")?;
    }
    let (status, body) = match request.split(|byte| *byte == b' ').nth(1) {
        Some(b"/metrics") => match exporter.scrape() {
            Ok(page) => ("200 OK", page),
            Err(error) => ("503 Service Unavailable", format!("{error}\n")),
        },
        _ => ("404 Not Found", "try /metrics\n".to_owned()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close", body.len());
    let answer = format!("{head}\r\nContent-Type: text/plain; version=0.0.4\r\n\r\n{body}");
    let mut bytes = answer.as_bytes();
    while !bytes.is_empty() {
        stream.set_write_timeout(left())?;
        bytes = &bytes[stream.write(bytes)?..];
    }
    Ok(())
}

/// Where the segment comes from, and what is kept from one scrape to the next.
struct Exporter {
    source: Source,
    everything: Option<Selection>,
    start: Instant,
}

impl Exporter {
    fn scrape(&mut self) -> Result<String, Box<dyn Error>> {
        let Self { source, everything, start } = self;
        let segment = source.poll(start.elapsed())?;
        let everything = everything.get_or_insert_with(|| segment.select(Pattern::everything()));
        everything.rebind(segment);
        let result = everything.read(|entries| {
            let mut page = String::new();
            entries.for_each(|entry| export(&mut page, &entry));
            page
        });
        Ok(result.inspect_err(|_| source.suspect())?)
    }
}

fn export(page: &mut String, entry: &SelectedEntry<'_>) {
    let before = page.len();
    let (metric, label) = (valid(entry.name()), escaped(entry.name()));
    let mut put = |suffix: &str, labels: fmt::Arguments<'_>, value: u64| {
        let _ = writeln!(page, "{metric}{suffix}{{entry=\"{label}\"{labels}}} {value}");
    };
    let result = entry.read(|view| match view {
        View::Scalar(number) | View::Gauge(number) => put("", format_args!(""), number),
        View::Simple(table) => cells(table, |labels, cell| put("", labels, cell)),
        View::Combined(table) => {
            HALVES.iter().for_each(|(suffix, half)| cells(table, |labels, cell| put(suffix, labels, half(cell))));
        }
        View::Symlink(LinkView::Simple(column)) => {
            column.iter().enumerate().for_each(|(t, cell)| put("", format_args!(",thread=\"{t}\""), cell));
        }
        View::Symlink(LinkView::Combined(column)) => HALVES.iter().for_each(|(suffix, half)| {
            let cells = column.iter().enumerate();
            cells.for_each(|(t, cell)| put(suffix, format_args!(",thread=\"{t}\""), half(cell)));
        }),
        View::Names(names) => {
            for (index, name) in names.iter().enumerate().filter_map(|(index, name)| Some((index, name?.to_string()))) {
                put("", format_args!(",index=\"{index}\",name=\"{}\"", escaped(&name)), 1);
            }
        }
        View::Histogram(histogram) => {
            let mut counts = vec![];
            for (thread, row) in histogram.rows().enumerate() {
                let mut count = 0_u64;
                for (bin, counted) in row.iter().enumerate() {
                    count = count.wrapping_add(counted);
                    let Some(bound) = row.bound(bin) else { continue };
                    put("_bucket", format_args!(",thread=\"{thread}\",le=\"{bound}\""), count);
                }
                put("_bucket", format_args!(",thread=\"{thread}\",le=\"+Inf\""), count);
                counts.push(count);
            }
            counts.iter().enumerate().for_each(|(t, count)| put("_count", format_args!(",thread=\"{t}\""), *count));
        }
        View::RingBuffer(Some(ring)) => {
            for (thread, ring) in (0..ring.about().threads).map_while(|thread| Some((thread, ring.thread(thread)?))) {
                put("_written", format_args!(",thread=\"{thread}\""), ring.written());
            }
        }
        _ => {}
    });
    if result.is_err() {
        page.truncate(before); // such as a symlink whose target is gone
    }
}

fn cells<C: Cell>(table: TableView<'_, C>, mut put: impl FnMut(fmt::Arguments<'_>, C)) {
    for (thread, row) in table.rows().enumerate() {
        let cells = row.iter().enumerate();
        cells.for_each(|(index, cell)| put(format_args!(",thread=\"{thread}\",index=\"{index}\""), cell));
    }
}

/// The samples of a metric stand together, so packets and bytes of a table come one after the other.
type Half = (&'static str, fn(CombinedCounter) -> u64);
const HALVES: [Half; 2] = [("_packets", |c| c.packets), ("_bytes", |c| c.bytes)];

/// An entry's name as that of a metric.
fn valid(name: &str) -> String {
    format!("vpp_{}", name.strip_prefix('/').unwrap_or(name).replace(|c: char| !c.is_ascii_alphanumeric(), "_"))
}

/// The value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
