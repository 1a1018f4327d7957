//! Exports a stats segment to Prometheus: `prometheus [--once] [SOCKET [ADDRESS]]`, by default the VPP at
//! `/run/vpp/stats.sock` at `127.0.0.1:9482`. `--once` prints what a scrape would give.
//!
//! Each number is a sample whose name is that of its entry, made valid, with the entry's own in a label:
//! `vpp_if_drops{entry="/if/drops",thread="0",index="1"} 7`. Names are samples of value 1 with the text in a label.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use vpp_stats::{Cell, CombinedCounter, LinkView, Pattern, SelectedEntry, Selection, Source, TableView, View};

type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> Fallible<()> {
    let (options, args): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let source = Source::new(args.first().map_or("/run/vpp/stats.sock", String::as_str));
    let mut exporter = Exporter { source, everything: None, start: Instant::now(), page: String::new() };
    if options.iter().any(|option| option == "--once") {
        return Ok(std::io::stdout().write_all(exporter.scrape()?.as_bytes())?);
    }
    let listener = TcpListener::bind(args.get(1).map_or("127.0.0.1:9482", String::as_str))?;
    eprintln!("http://{}/metrics", listener.local_addr()?);
    for stream in listener.incoming() {
        // One client after another; one that says nothing must not keep the others waiting.
        if let Err(error) = stream.map_err(Into::into).and_then(|stream| answer(stream, &mut exporter)) {
            eprintln!("prometheus: {error}");
        }
    }
    Ok(())
}

fn answer(mut stream: TcpStream, exporter: &mut Exporter) -> Fallible<()> {
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    let mut request = BufReader::new(&stream).lines();
    let first = request.next().transpose()?.unwrap_or_default();
    // The whole header, lest the connection be reset with the answer under way.
    while request.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let (status, body) = match first.split(' ').nth(1).map(|path| (path, exporter.scrape())) {
        Some(("/metrics", Ok(page))) => ("200 OK", page),
        Some(("/metrics", Err(error))) => ("503 Service Unavailable", &*format!("{error}\n")),
        _ => ("404 Not Found", "try /metrics\n"),
    };
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}", body.len());
    Ok(write!(stream, "{head}\r\nConnection: close\r\n\r\n{body}")?)
}

/// Where the segment comes from, and what is kept from one scrape to the next.
struct Exporter {
    source: Source,
    everything: Option<Selection>,
    start: Instant,
    page: String,
}

impl Exporter {
    fn scrape(&mut self) -> Fallible<&str> {
        let Self { source, everything, start, page } = self;
        let segment = source.poll(start.elapsed())?;
        let everything = everything.get_or_insert_with(|| segment.select(Pattern::everything()));
        everything.rebind(segment);
        let result = everything.read(|entries| {
            page.clear();
            entries.for_each(|entry| export(page, &entry));
        });
        Ok(result.map(|()| page.as_str()).inspect_err(|_| source.suspect())?)
    }
}

fn export(page: &mut String, entry: &SelectedEntry<'_>) {
    let before = page.len();
    let mut put = |suffix: &str, labels: fmt::Arguments<'_>, value: u64| {
        let name = entry.name();
        let _ = writeln!(page, "{}{suffix}{{entry=\"{}\"{labels}}} {value}", Valid(name), Escaped(name));
    };
    let pair =
        |put: &mut dyn FnMut(&str, fmt::Arguments<'_>, u64), labels: fmt::Arguments<'_>, cell: CombinedCounter| {
            put("_packets", labels, cell.packets);
            put("_bytes", labels, cell.bytes);
        };
    let result = entry.read(|view| match view {
        View::Scalar(number) | View::Gauge(number) => put("", format_args!(""), number),
        View::Simple(table) => cells(table, |labels, cell| put("", labels, cell)),
        View::Combined(table) => cells(table, |labels, cell| pair(&mut put, labels, cell)),
        View::Symlink(LinkView::Simple(column)) => {
            column.iter().enumerate().for_each(|(t, cell)| put("", format_args!(",thread=\"{t}\""), cell));
        }
        View::Symlink(LinkView::Combined(column)) => {
            column.iter().enumerate().for_each(|(t, cell)| pair(&mut put, format_args!(",thread=\"{t}\""), cell));
        }
        View::Names(names) => {
            for (index, name) in names.iter().enumerate().filter_map(|(index, name)| Some((index, name?.to_string()))) {
                put("", format_args!(",index=\"{index}\",name=\"{}\"", Escaped(&name)), 1);
            }
        }
        View::Histogram(histogram) => histogram.rows().enumerate().for_each(|(thread, row)| {
            let mut count = 0_u64;
            for (bin, counted) in row.iter().enumerate() {
                count = count.wrapping_add(counted);
                let le = row.bound(bin).map_or("+Inf".to_owned(), |bound| bound.to_string());
                put("_bucket", format_args!(",thread=\"{thread}\",le=\"{le}\""), count);
            }
            put("_count", format_args!(",thread=\"{thread}\""), count);
        }),
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

/// An entry's name as that of a metric.
struct Valid<'a>(&'a str);

impl fmt::Display for Valid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.starts_with('/') { "vpp" } else { "vpp_" })?;
        self.0.chars().try_for_each(|c| f.write_char(if c.is_ascii_alphanumeric() { c } else { '_' }))
    }
}

/// The value of a label.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' | '"' => write!(f, "\\{c}"),
            '\n' => f.write_str("\\n"),
            c => f.write_char(c),
        })
    }
}
