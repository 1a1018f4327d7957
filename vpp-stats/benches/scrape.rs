//! What a controller reads of its VIPs every few seconds: four simple counters and one column of `/net/route/to` for each.
//!
//! Beside it, in the same run, what cannot be beaten: a plain loop that adds up the same words at the same places in
//! vectors of its own. The ratio between the two is the price of reading a memory that VPP is writing. Criterion
//! measures one after the other; so before it the two are timed in turns, and their ratio is printed and held against
//! the limit.

mod vips;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use vips::{Scrape, Sums, VIPS, cell, fill};
use vpp_stats::CombinedCounter;
use vpp_stats::writer::SegmentWriter;

/// Scrapes of each kind from which a ratio comes.
const PAIRS: usize = 501;
/// How many times as long as the plain loop a scrape may take.
const LIMIT: f64 = 3.0;

criterion_group!(benches, scrape);
criterion_main!(benches);

fn scrape(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scrape");
    group.throughput(Throughput::Elements(VIPS.into()));
    for (threads, routes) in [(2, 10_000), (2, 1_000_000), (16, 100_000)] {
        let step = routes as u32 / VIPS;
        // VIPs get their routes one after another, or in the midst of those of a full table.
        for (name, columns) in [
            ("near", (0..VIPS).map(|vip| vip + 30).collect::<Vec<_>>()),
            ("spread", (0..VIPS).map(|vip| vip * step + 5).collect()),
        ] {
            let mut vpp = SegmentWriter::new(1 << 29).expect("a memory file");
            fill(&mut vpp, threads, routes, &columns).expect("the segment is large enough");
            let mut scrape = Scrape::new(&vpp.reader().expect("it is sound"));
            let plain = Plain::new(threads, routes, &columns);
            let size = format!("vips={VIPS},threads={threads},routes={routes},{name}");
            let (mut sums, mut wanted) = (Sums::default(), Sums::default());
            plain.read(&columns, &mut wanted);
            scrape.read(&columns, &mut sums);
            assert!(sums == wanted && sums.routes[7].bytes > 0, "both read the same");
            in_turns(
                &size,
                || plain.read(black_box(&columns), &mut wanted),
                || scrape.read(black_box(&columns), &mut sums),
            );
            group.bench_function(BenchmarkId::new("plain", &size), |bencher| {
                bencher.iter(|| plain.read(black_box(&columns), &mut sums));
            });
            group.bench_function(BenchmarkId::new("segment", &size), |bencher| {
                bencher.iter(|| scrape.read(black_box(&columns), &mut sums));
            });
        }
    }
    group.finish();
}

/// Times `plain` and `segment` in turns and prints the medians, of the times and of the ratios of all pairs.
///
/// # Panics
/// If the ratio is not below the limit. Where benches are run once, as a smoke test, nothing is measured.
fn in_turns(size: &str, mut plain: impl FnMut(), mut segment: impl FnMut()) {
    if cfg!(debug_assertions) || std::env::args().any(|arg| arg == "--test") {
        return;
    }
    let mut pairs: Vec<(Duration, Duration)> = (0..PAIRS)
        .map(|pair| {
            // Neither is always the second one.
            if pair % 2 == 0 {
                let plain = time(&mut plain);
                (plain, time(&mut segment))
            } else {
                let segment = time(&mut segment);
                (time(&mut plain), segment)
            }
        })
        .collect();
    let mut ratios: Vec<f64> = pairs.iter().map(|(plain, segment)| segment.div_duration_f64(*plain)).collect();
    ratios.sort_by(f64::total_cmp);
    pairs.sort_by_key(|(plain, _)| *plain);
    let plain = pairs[PAIRS / 2].0;
    pairs.sort_by_key(|(_, segment)| *segment);
    let (segment, ratio) = (pairs[PAIRS / 2].1, ratios[PAIRS / 2]);
    println!("in turns/{size}: plain {plain:?}, segment {segment:?}, ratio {ratio:.2} (limit {LIMIT})");
    assert!(ratio < LIMIT, "{ratio} times as long as the plain loop");
}

fn time(run: &mut impl FnMut()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

/// The same words, in vectors.
struct Plain {
    vips: Vec<u32>,
    counters: [Vec<Vec<u64>>; 4],
    /// Packets and bytes one after the other.
    routes: Vec<Vec<u64>>,
}

impl Plain {
    fn new(threads: usize, routes: usize, columns: &[u32]) -> Self {
        let row = |thread| (0..VIPS as usize).map(|vip| cell(thread, vip)).collect();
        let table: Vec<Vec<u64>> = (0..threads).map(row).collect();
        let route = |thread| {
            let mut row = [1, 64].repeat(routes);
            for (vip, column) in columns.iter().enumerate() {
                let at = *column as usize * 2;
                row[at] = cell(thread, vip);
                row[at + 1] = cell(thread, vip) * 64;
            }
            row
        };
        let counters = [(); 4].map(|()| table.clone());
        Self { vips: (0..VIPS).collect(), counters, routes: (0..threads).map(route).collect() }
    }

    fn read(&self, columns: &[u32], sums: &mut Sums) {
        for (table, sums) in self.counters.iter().zip(&mut sums.counters) {
            sums.fill(0);
            for row in table {
                for (sum, vip) in sums.iter_mut().zip(&self.vips) {
                    *sum += row[*vip as usize];
                }
            }
        }
        sums.routes.fill(CombinedCounter::default());
        for row in &self.routes {
            for (sum, column) in sums.routes.iter_mut().zip(columns) {
                let at = *column as usize * 2;
                sum.packets += row[at];
                sum.bytes += row[at + 1];
            }
        }
    }
}
