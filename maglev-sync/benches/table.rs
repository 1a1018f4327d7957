//! What VPP's new-flow table costs to compute: whole, as counts alone, and compared with another one.

use std::hint::black_box;
use std::net::IpAddr;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use maglev_sync::table::{Side, Table, TableSize, auto_length, bucket_counts, disruption, moved};

const SIZES: [u32; 3] = [1_024, 65_536, 1_048_576];
const SERVERS: [u16; 3] = [2, 10, 100];

fn build(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("table/build");
    group.sample_size(10);
    for buckets in SIZES {
        group.throughput(Throughput::Elements(buckets.into()));
        for count in SERVERS {
            let servers = servers(count, 100);
            group.bench_function(name(buckets, count), |bencher| {
                bencher.iter(|| Table::build(size(buckets), black_box(&servers)));
            });
        }
    }
}

fn counts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("table/counts");
    for count in SERVERS {
        let servers = servers(count, 100);
        group.bench_function(name(65_536, count), |bencher| {
            bencher.iter(|| bucket_counts(size(65_536), black_box(&servers)));
        });
    }
    group.finish();
    let ten = servers(10, 100);
    criterion.bench_function("table/auto-length/ases=10", |bencher| {
        bencher.iter(|| auto_length(black_box(&ten)));
    });
}

/// One server of all goes.
fn compare(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("table");
    group.sample_size(10);
    for (buckets, count) in [(1_024, 10), (65_536, 10), (65_536, 100)] {
        let servers = servers(count, 100);
        let sides = || (Side::new(size(buckets), black_box(&servers)), Side::new(size(buckets), &servers[1..]));
        group.bench_function(BenchmarkId::new("moved", name(buckets, count)), |bencher| {
            bencher.iter(|| {
                let (before, after) = sides();
                moved(before, after)
            });
        });
        group.bench_function(BenchmarkId::new("disruption", name(buckets, count)), |bencher| {
            bencher.iter(|| {
                let (before, after) = sides();
                disruption(before, after)
            });
        });
    }
}

fn name(buckets: u32, ases: u16) -> String {
    format!("buckets={buckets},ases={ases}")
}

fn size(buckets: u32) -> TableSize {
    TableSize::new(buckets).expect("a power of two")
}

fn servers(count: u16, weight: u8) -> Vec<(IpAddr, u8)> {
    let address = |n: u16| {
        let [high, low] = n.to_be_bytes();
        IpAddr::from([10, 0, high, low])
    };
    (1..=count).map(|n| (address(n), weight)).collect()
}

criterion_group!(benches, build, counts, compare);
criterion_main!(benches);
