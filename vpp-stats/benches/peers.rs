//! The same scrape through this crate and through FD.io's own Python reader, of one segment behind one stats socket: 1,000
//! VIPs, 2 threads, a million routes. Prints the medians and their ratio, which must be 100 at least.
//!
//! Not a criterion bench, since one scrape of the other takes seconds. `benches/peers/stats/run` runs it: it needs
//! `VPP_STATS_PEERS_PYTHON`, a Python that has `vpp_papi`, and without it measures this crate alone.

mod vips;

use std::hint::black_box;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use vips::{COUNTERS, Scrape, Sums, VIPS, fill};
use vpp_stats::Segment;
use vpp_stats::writer::{Listener, SegmentWriter, send_fd};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../benches/peers/vpp_papi_stats.py");
const THREADS: usize = 2;
const SCRAPES: usize = 1_001;
/// How many times as long the other takes at least.
const FACTOR: f64 = 100.0;

fn main() {
    // As criterion: once, as a smoke test.
    let is_test = std::env::args().any(|arg| arg == "--test");
    let (routes, scrapes) = if is_test { (10_000, 1) } else { (1_000_000, SCRAPES) };
    let step = routes as u32 / VIPS;
    let columns: Vec<u32> = (0..VIPS).map(|vip| vip * step + 5).collect();
    let mut vpp = SegmentWriter::new(1 << 26).expect("a memory file");
    fill(&mut vpp, THREADS, routes, &columns).expect("the segment is large enough");
    let socket = std::env::temp_dir().join(format!("vpp-stats-peers-{}.sock", std::process::id()));
    let listener = Listener::bind(&socket).expect("a fresh path");
    let memory = vpp.fd().try_clone_to_owned().expect("a descriptor");
    thread::spawn(move || {
        while let Ok(peer) = listener.accept() {
            send_fd(peer.as_fd(), memory.as_fd()).expect("the peer waits");
        }
    });
    let (ours, sum) = ours(&socket, &columns, scrapes);
    println!("vpp-stats: {ours:?} for a scrape, median of {scrapes}");
    match std::env::var_os("VPP_STATS_PEERS_PYTHON") {
        Some(python) if !is_test => {
            let theirs = theirs(Path::new(&python), &socket, step, sum);
            let factor = theirs.div_duration_f64(ours);
            println!("vpp_papi: {theirs:?} for a scrape, {factor:.0} times as long");
            assert!(factor >= FACTOR, "{factor:.0} times, and not {FACTOR}");
        }
        _ => println!("SKIPPED: vpp_papi; see benches/peers/stats/run"),
    }
    std::fs::remove_file(&socket).expect("it is ours");
}

/// Median of a scrape, and the sum of all that was read.
fn ours(socket: &Path, columns: &[u32], scrapes: usize) -> (Duration, u64) {
    let segment = Segment::connect(socket).expect("it answers");
    let mut scrape = Scrape::new(&segment);
    let mut sums = Sums::default();
    let mut times: Vec<Duration> = (0..scrapes)
        .map(|_| {
            let start = Instant::now();
            scrape.read(black_box(columns), &mut sums);
            start.elapsed()
        })
        .collect();
    times.sort();
    let counters = sums.counters.iter().flatten().sum::<u64>();
    (times[scrapes / 2], counters + sums.routes.iter().map(|route| route.packets + route.bytes).sum::<u64>())
}

fn theirs(python: &Path, socket: &Path, step: u32, wanted: u64) -> Duration {
    let (vips, step) = (VIPS.to_string(), step.to_string());
    let output = Command::new(python)
        .arg(SCRIPT)
        .arg(socket)
        .args([&vips, &step, "5"])
        .args(COUNTERS)
        .output()
        .expect("a Python that can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let (seconds, sum) = text.trim().split_once(' ').expect("seconds and a sum");
    assert_eq!(sum.parse(), Ok(wanted), "both read the same");
    Duration::from_secs_f64(seconds.parse().expect("seconds"))
}
