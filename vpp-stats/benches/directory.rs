//! Finding entries in a directory of 300 and 3,000 symlinks and 60 tables, as a VPP has it: names that are there and
//! not, again after a change, and everything under a prefix. And what an exporter does with them: one line for each.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use vpp_stats::writer::{GaugeId, SegmentWriter, WriteError};
use vpp_stats::{LinkView, Pattern, Segment, View};

const LINKS: [u32; 2] = [300, 3_000];
const TABLES: u32 = 60;

criterion_group!(benches, lookup, select);
criterion_main!(benches);

fn vpp(links: u32) -> Result<(SegmentWriter, Segment, GaugeId), WriteError> {
    let mut vpp = SegmentWriter::new(1 << 24).expect("a memory file");
    let errors = vpp.add_simple("/node/errors", 2, links as usize)?;
    for table in 0..TABLES {
        vpp.add_combined(&format!("/net/table/{table}"), 2, 100)?;
    }
    for link in 0..links {
        vpp.add_symlink(&format!("/err/node-{}/counter {link}", link % 200), errors, link)?;
    }
    let gauge = vpp.add_gauge("/sys/gauge", 7)?;
    let segment = vpp.reader().expect("it is sound");
    Ok((vpp, segment, gauge))
}

fn lookup(criterion: &mut Criterion) {
    LINKS.into_iter().for_each(|links| lookup_among(criterion, links));
}

fn lookup_among(criterion: &mut Criterion, links: u32) {
    let (mut vpp, segment, _) = vpp(links).expect("there is room");
    let mut group = criterion.benchmark_group("lookup");
    let entries = links + TABLES;
    let id = |what| BenchmarkId::new(what, format!("entries={entries}"));
    let (mut there, mut absent) = (segment.gauge("/sys/gauge"), segment.gauge("/sys/no gauge"));
    group.bench_function(id("hit"), |bencher| bencher.iter(|| black_box(there.value())));
    group.bench_function(id("miss"), |bencher| bencher.iter(|| black_box(absent.value())));
    let change = |vpp: &mut SegmentWriter| vpp.update(|_| ());
    group.bench_function(id("hit,after_a_change"), |bencher| {
        bencher.iter(|| {
            change(&mut vpp);
            black_box(there.value())
        });
    });
    group.bench_function(id("miss,after_a_change"), |bencher| {
        bencher.iter(|| {
            change(&mut vpp);
            black_box(absent.value())
        });
    });
    assert_eq!((there.value(), absent.value()), (Ok(Some(7)), Ok(None)));
    group.finish();
}

fn select(criterion: &mut Criterion) {
    LINKS.into_iter().for_each(|links| select_among(criterion, links));
}

fn select_among(criterion: &mut Criterion, links: u32) {
    let (mut vpp, segment, _) = vpp(links).expect("there is room");
    let mut group = criterion.benchmark_group("select");
    let patterns = [("prefix", Pattern::prefix("/err/")), ("regex", Pattern::regex("^/err/").expect("an expression"))];
    for (name, pattern) in patterns {
        let mut selection = segment.select(pattern);
        group.bench_function(BenchmarkId::new("unchanged", format!("{name},selected={links}")), |bencher| {
            bencher.iter(|| black_box(selection.refresh()));
        });
        group.bench_function(BenchmarkId::new("after_a_change", format!("{name},selected={links}")), |bencher| {
            bencher.iter(|| {
                vpp.update(|_| ());
                black_box(selection.refresh())
            });
        });
        assert_eq!(selection.refresh(), Ok(links as usize));
    }
    let mut selection = segment.select(Pattern::prefix("/err/"));
    let mut sums = vec![];
    let mut sum_all = || {
        let sum = |view: View<'_>| match view {
            View::Symlink(LinkView::Simple(column)) => column.sum(),
            _ => 0,
        };
        let read = selection.read(|entries| {
            sums.clear();
            sums.extend(entries.filter_map(|entry| entry.read(sum).ok()));
        });
        read.expect("nothing changes");
        sums.len()
    };
    assert_eq!(sum_all(), links as usize);
    group.bench_function(BenchmarkId::new("sums", format!("selected={links}")), |bencher| bencher.iter(&mut sum_all));
    let mut page = String::new();
    let mut write_all = || {
        let read = selection.read(|entries| {
            page.clear();
            for entry in entries {
                let sum = entry.read(|view| match view {
                    View::Symlink(LinkView::Simple(column)) => column.sum(),
                    _ => 0,
                });
                let _ = writeln!(page, "{} {}", entry.name(), sum.unwrap_or(0));
            }
        });
        read.expect("nothing changes");
        page.len()
    };
    assert!(write_all() > links as usize);
    group.bench_function(BenchmarkId::new("page", format!("selected={links}")), |bencher| bencher.iter(&mut write_all));
    group.finish();
}
