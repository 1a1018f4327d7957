//! Adding up the columns of 1,000 VIPs over all threads, in tables of different sizes.
//!
//! What is to be seen: the time follows VIPs times threads, and does not follow the size of the table. (A table that is
//! larger than the processor's caches costs one miss for each cell, since the VIPs lie far apart in it; so the
//! columns of the smaller table are the same ones, and `spread` puts them as far apart as the larger table allows.)

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use vpp_stats::writer::{SegmentWriter, WriteError};
use vpp_stats::{CombinedCounter, CombinedHandle};

const VIPS: u32 = 1_000;

criterion_group!(benches, reduce);
criterion_main!(benches);

fn reduce(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reduce");
    group.throughput(Throughput::Elements(VIPS.into()));
    for routes in [10_000, 1_000_000] {
        for threads in [2, 16] {
            let (_vpp, mut handle) = table(routes, threads).expect("the segment is large enough");
            let near: Vec<u32> = (0..VIPS).map(|vip| vip * 10).collect();
            let mut sums = vec![CombinedCounter::default(); near.len()];
            let name = format!("routes={routes},threads={threads}/vips={VIPS}");
            group.bench_function(BenchmarkId::from_parameter(&name), |bencher| {
                bencher.iter(|| handle.sum_columns(black_box(&near), &mut sums).expect("nothing changes"));
            });
            assert!(sums.iter().all(|sum| sum.packets == threads as u64), "every cell holds 1");

            let step = routes as u32 / VIPS;
            let far: Vec<u32> = (0..VIPS).map(|vip| vip * step).collect();
            group.bench_function(BenchmarkId::from_parameter(format!("{name},spread")), |bencher| {
                bencher.iter(|| handle.sum_columns(black_box(&far), &mut sums).expect("nothing changes"));
            });
        }
    }
    group.finish();
}

/// `/net/route/to` with `routes` columns, of which those that the benches read hold one packet for each thread.
fn table(routes: usize, threads: usize) -> Result<(SegmentWriter, CombinedHandle), WriteError> {
    let mut vpp = SegmentWriter::new(1 << 29).expect("a memory file");
    let to = vpp.add_combined("/net/route/to", threads, routes)?;
    for thread in 0..threads {
        for vip in 0..VIPS as usize {
            for column in [vip * 10, vip * (routes / VIPS as usize)] {
                vpp.set(to, thread, column, CombinedCounter { packets: 1, bytes: 64 })?;
            }
        }
    }
    let handle = vpp.reader().expect("it is sound").combined("/net/route/to");
    Ok((vpp, handle))
}
