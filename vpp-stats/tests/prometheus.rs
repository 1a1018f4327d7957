//! The example `prometheus`: what it exports, against what FD.io's own Python reader says of the same segment, and its HTTP.
//!
//! Where the Python reader comes from, and what happens without it, stands in `python`.

#[path = "../../vpp-sim/tests/python/mod.rs"]
mod python;
mod support;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use python::Python;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use serde_json::{Value as Json, json};
use support::{Scratch, recording};
use vpp_stats::CombinedCounter;
use vpp_stats::writer::{Listener, SegmentWriter, WriteError, send_fd};

static PYTHON: Python = Python {
    name: "vpp-papi",
    oldest: (3, 8),
    packages: &["vpp-papi==2.4.2"],
    modules: "vpp_papi.vpp_stats",
    required_by: "MAGLEV_REQUIRE_PAPI",
    interpreter: OnceLock::new(),
};
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/papi/read.py");

/// Gives `memory` to everybody who connects, for as long as the test runs.
fn serve(path: &Path, memory: OwnedFd) {
    let listener = Listener::bind(path).expect("a fresh path");
    thread::spawn(move || {
        while let Ok(peer) = listener.accept() {
            // A peer that gave up is gone.
            let _ = send_fd(peer.as_fd(), memory.as_fd());
        }
    });
}

/// The example, which `cargo test` builds unless it is told which test to run.
fn example() -> PathBuf {
    let test = std::env::current_exe().expect("a test is a file");
    let path = test.ancestors().nth(2).expect("tests lie in deps").join("examples/prometheus");
    assert!(path.exists(), "no {}: run cargo build -p vpp-stats --example prometheus", path.display());
    path
}

fn once(socket: &Path) -> String {
    let output = Command::new(example()).arg("--once").arg(socket).output().expect("it can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[derive(Clone, Debug, PartialEq)]
struct Sample {
    metric: String,
    labels: BTreeMap<String, String>,
    value: u64,
}

/// Parses the text format; anything that is not valid in it is a failure.
fn parse(page: &str) -> Vec<Sample> {
    page.lines().map(|line| sample(line).unwrap_or_else(|| panic!("not a sample: {line:?}"))).collect()
}

fn sample(line: &str) -> Option<Sample> {
    let (metric, mut rest) = line.split_once('{')?;
    let is_valid = |(index, c): (usize, char)| c == '_' || c.is_ascii_alphabetic() || (index > 0 && c.is_ascii_digit());
    if metric.is_empty() || !metric.chars().enumerate().all(is_valid) {
        return None;
    }
    let mut labels = BTreeMap::new();
    loop {
        let (label, quoted) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at + 1,
                (_, '\\') => value.push(match chars.next()?.1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    _ => return None,
                }),
                (_, c) => value.push(c),
            }
        };
        labels.insert(label.to_owned(), value);
        rest = &quoted[end..];
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break,
        }
    }
    Some(Sample { metric: metric.to_owned(), labels, value: rest.strip_prefix("} ")?.parse().ok()? })
}

/// Samples by entry, in the form in which the Python reader gives them.
fn by_entry(page: &str, kinds: &BTreeMap<String, (i64, Json)>) -> BTreeMap<String, Vec<Json>> {
    let mut entries: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    for sample in parse(page) {
        entries.entry(sample.labels["entry"].clone()).or_default().push(sample);
    }
    let numbers = |(name, samples): (String, Vec<Sample>)| {
        let values = match kinds.get(&name).map(|(kind, _)| *kind) {
            Some(4) => samples.iter().map(|sample| json!(sample.labels["name"])).collect(),
            Some(7) => {
                // The last one of a row is that without a limit.
                let is_bin = |sample: &&Sample| sample.metric.ends_with("_bucket");
                let mut last = (String::new(), 0);
                let bins = samples.iter().filter(is_bin).map(|sample| {
                    let thread = &sample.labels["thread"];
                    let before = if last.0 == *thread { last.1 } else { 0 };
                    last = (thread.clone(), sample.value);
                    json!(sample.value - before)
                });
                bins.collect()
            }
            // All packets, then all bytes.
            Some(3 | 6) if samples.last().is_some_and(|last| last.metric != samples[0].metric) => {
                let (packets, bytes) = samples.split_at(samples.len() / 2);
                packets
                    .iter()
                    .zip(bytes)
                    .flat_map(|(packets, bytes)| [json!(packets.value), json!(bytes.value)])
                    .collect()
            }
            _ => samples.iter().map(|sample| json!(sample.value)).collect(),
        };
        (name, values)
    };
    entries.into_iter().map(numbers).collect()
}

/// Compares both readers, name for name and number for number. Returns the number of entries.
fn agree(socket: &Path) -> usize {
    let output = PYTHON.run(SCRIPT, &[socket]);
    let expected: BTreeMap<String, (i64, Json)> = serde_json::from_str(&output).expect("JSON");
    let mut exported = by_entry(&once(socket), &expected);
    for (name, (kind, numbers)) in &expected {
        let ours = exported.remove(name).unwrap_or_default();
        assert_eq!(json!(ours), *numbers, "{name:?} of type {kind}");
    }
    assert!(exported.is_empty(), "the Python reader has no {exported:?}");
    expected.len()
}

/// One of each type, with names that need care.
fn everything() -> Result<SegmentWriter, WriteError> {
    let mut vpp = SegmentWriter::new(1 << 20).expect("a memory file");
    vpp.set_scalar(vpp.boottime(), 1_800_000_000)?;
    vpp.add_gauge("/sys/num_worker_threads", 2)?;
    vpp.add_gauge("/large", u64::MAX)?;
    let gone = vpp.add_scalar("gone", 1)?;
    let drops = vpp.add_simple("/if/drops", 3, 4)?;
    let rx = vpp.add_combined("/if/rx", 3, 4)?;
    for (thread, column) in (0..3).flat_map(|thread| (0..4).map(move |column| (thread, column))) {
        let packets = (thread * 10 + column) as u64;
        vpp.set(drops, thread, column, packets)?;
        vpp.set(rx, thread, column, CombinedCounter { packets, bytes: packets * 64 })?;
    }
    vpp.add_symlink("/interfaces/loop0/drops", drops, 2)?;
    vpp.add_symlink("/interfaces/loop0/rx", rx, 3)?;
    vpp.add_names("/if/names", &[Some("local0"), None, Some("a \"name\"\\ with\nall")])?;
    vpp.add_simple("first session packet", 2, 1)?;
    vpp.add_simple("\"quoted\" \\ and\nbroken", 1, 1)?;
    vpp.add_simple("/empty", 2, 0)?;
    vpp.add_gauge(&"x".repeat(127), 9)?;
    let latency = vpp.add_histogram("/latency", 2, 3, 5)?;
    (0..5).try_for_each(|bin| vpp.add_to_bin(latency, bin % 2, bin, bin as u64))?;
    let ring = vpp.add_ring_buffer("/events", 2, 4, 10, b"schema")?;
    (0..7_u8).try_for_each(|number| vpp.push(ring, 1, &[number; 10]))?;
    vpp.remove(gone)?;
    Ok(vpp)
}

#[test]
fn every_type_is_exported_as_the_python_reader_has_it() {
    if !PYTHON.is_here() {
        return;
    }
    let scratch = Scratch::new("prometheus-types");
    let socket = scratch.path("stats.sock");
    let vpp = everything().expect("there is room");
    serve(&socket, vpp.fd().try_clone_to_owned().expect("a descriptor"));
    assert_eq!(agree(&socket), 16);
}

#[test]
fn a_histogram_has_the_bounds_of_vpp_and_ends_without_one_and_samples_of_a_metric_stand_together() {
    let scratch = Scratch::new("prometheus-histogram");
    let socket = scratch.path("stats.sock");
    let vpp = everything().expect("there is room");
    serve(&socket, vpp.fd().try_clone_to_owned().expect("a descriptor"));
    let page = once(&socket);
    // Two threads, bins from 2^3; bin 1 has one of thread 1, bin 2 two of thread 0, and so on.
    let buckets = |thread: &str| -> Vec<(String, u64)> {
        let samples = parse(&page).into_iter().filter(|sample| sample.labels["entry"] == "/latency");
        let samples = samples.filter(|sample| sample.labels["thread"] == thread);
        samples.map(|sample| (sample.labels.get("le").unwrap_or(&sample.metric).clone(), sample.value)).collect()
    };
    let expected = |rows: [(&str, u64); 6]| rows.map(|(le, count)| (le.to_owned(), count)).to_vec();
    let end = "vpp_latency_count";
    assert_eq!(buckets("0"), expected([("15", 0), ("31", 0), ("63", 2), ("127", 2), ("+Inf", 6), (end, 6)]));
    assert_eq!(buckets("1"), expected([("15", 0), ("31", 1), ("63", 1), ("127", 4), ("+Inf", 4), (end, 4)]));
    let mut metrics: Vec<_> = parse(&page).into_iter().map(|sample| sample.metric).collect();
    metrics.dedup();
    let groups = metrics.len();
    metrics.sort();
    metrics.dedup();
    assert_eq!(metrics.len(), groups, "one group each: {page}");
}

#[test]
fn the_recorded_segment_is_exported_as_the_python_reader_has_it() {
    let Some(bytes) = recording("stats-segment.bin.gz") else { return };
    let scratch = Scratch::new("prometheus-recorded");
    let socket = scratch.path("stats.sock");
    serve(&socket, memory(&bytes));
    // Without Python, against what it said when the segment was recorded.
    let expected = recording("stats-segment.expected.json.gz").expect("beside the segment");
    let expected: BTreeMap<String, Json> = serde_json::from_slice(&expected).expect("JSON");
    let kinds =
        expected.iter().map(|(name, entry)| (name.clone(), (entry["type"].as_i64().expect("a number"), Json::Null)));
    let mut exported = by_entry(&once(&socket), &kinds.collect());
    for (name, entry) in &expected {
        let ours = exported.remove(name).unwrap_or_default();
        assert_eq!(ours, flat(&entry["value"]), "{name}");
    }
    assert_eq!((exported.len(), expected.len()), (0, 3_129));
    if PYTHON.is_here() {
        assert_eq!(agree(&socket), 3_129);
    }
}

fn flat(value: &Json) -> Vec<Json> {
    value.as_array().map_or_else(|| vec![value.clone()], |parts| parts.iter().flat_map(flat).collect())
}

fn memory(bytes: &[u8]) -> OwnedFd {
    let memfd = memfd_create("recording", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("a memory file");
    let mut file = File::from(memfd);
    file.write_all(bytes).expect("it has the room");
    fcntl_add_seals(&file, SealFlags::SHRINK).expect("it allows seals");
    file.into()
}

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed by then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn pages_are_served_over_http_through_a_restart_of_vpp() -> Result<(), WriteError> {
    let scratch = Scratch::new("prometheus-http");
    let socket = scratch.path("stats.sock");
    let child = Command::new(example()).arg(&socket).arg("127.0.0.1:0").stderr(Stdio::piped()).spawn();
    let mut server = Server(child.expect("it can be run"));
    let mut says = BufReader::new(server.0.stderr.take().expect("it was piped")).lines();
    let url = says.next().expect("a line").expect("text");
    let address = url.strip_prefix("http://").and_then(|url| url.strip_suffix("/metrics")).expect("its address");
    let get = |path: &str| {
        let mut stream = TcpStream::connect(address).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers and closes");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
        (head.lines().next().expect("a status").to_owned(), body.to_owned())
    };
    assert_eq!(get("/").0, "HTTP/1.1 404 Not Found");
    // A request without an end is cut, and the next one is answered.
    let mut endless = TcpStream::connect(address).expect("it listens");
    let _ = endless.write_all(&[b'x'; 64 << 10]);
    // An end or a reset, by whether all of it was on the way when it was refused; and no byte.
    assert_eq!(endless.read(&mut [0; 1]).unwrap_or(0), 0);
    let (status, reason) = get("/metrics");
    assert_eq!(status, "HTTP/1.1 503 Service Unavailable");
    assert!(reason.contains("cannot connect"), "{reason}");
    for boottime in [100, 200] {
        let mut vpp = everything()?;
        vpp.set_scalar(vpp.boottime(), boottime)?;
        serve(&socket, vpp.fd().try_clone_to_owned().expect("a descriptor"));
        let (status, page) = get("/metrics");
        assert_eq!(status, "HTTP/1.1 200 OK");
        let wanted = format!("vpp_sys_boottime{{entry=\"/sys/boottime\"}} {boottime}\n");
        assert!(page.contains(&wanted), "{page}");
        let quoted =
            "vpp__quoted____and_broken{entry=\"\\\"quoted\\\" \\\\ and\\nbroken\",thread=\"0\",index=\"0\"} 0\n";
        assert!(page.contains(quoted), "{page}");
        assert!(parse(&page).len() > 20);
        std::fs::remove_file(&socket).expect("VPP's own");
        assert_eq!(get("/metrics").0, "HTTP/1.1 503 Service Unavailable", "no VPP, no old numbers");
    }
    Ok(())
}
