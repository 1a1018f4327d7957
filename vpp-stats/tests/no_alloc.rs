//! Proves with a counting allocator that scrapes allocate nothing: sums, views, selections, steps, rings and rates; and
//! what a controller reads of 1,000 VIPs of a VPP with a million routes.

#[path = "../benches/vips/mod.rs"]
mod vips;

use std::fmt::Write as _;
use std::time::Duration;

use vpp_stats::writer::{SegmentWriter, WriteError};
use vpp_stats::{CombinedCounter, LifeHandle, LinkView, Meter, Pattern, Presence, Segment, View};

const ROUTES: usize = 1_000_000;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// One test alone in this file: the counter is the process's.
#[test]
fn adding_up_the_columns_of_a_thousand_vips_allocates_nothing() -> Result<(), WriteError> {
    let mut vpp = SegmentWriter::new(1 << 24).expect("a memory file");
    let segment = vpp.reader().expect("it is sound");
    let to = vpp.add_combined("/net/route/to", 3, 10_000)?;
    let sessions = vpp.add_simple("first session packet", 3, 1_000)?;
    let columns: Vec<u32> = (0..1_000).map(|vip| vip * 9 + 5).collect();
    let vips: Vec<u32> = (0..1_000).collect();
    for (column, vip) in columns.iter().zip(&vips) {
        vpp.set(to, 1, *column as usize, CombinedCounter { packets: 2, bytes: 120 })?;
        vpp.set(sessions, 2, *vip as usize, u64::from(*vip))?;
    }
    let mut routes = segment.combined("/net/route/to");
    let mut first = segment.simple("first session packet");
    let mut beat = segment.scalar("/sys/heartbeat");
    let mut absent = segment.simple("no server configured");
    let mut pairs = vec![CombinedCounter::default(); columns.len()];
    let mut numbers = vec![0; vips.len()];
    let complete = Ok(Presence::Present { outside: 0 });
    let events = vpp.add_ring_buffer("/events", 1, 8, 16, b"")?;
    vpp.add_symlink("/interfaces/loop0/first", sessions, 3)?;
    vpp.add_names("/if/names", &[Some("local0"), None, Some("loop0")])?;
    vpp.add_histogram("/latency", 3, 4, 10)?;
    let mut scrape = Scrape::new(&segment);
    // The first read looks the names up, for which the directory is read.
    scrape.run(1);
    for event in 0..7_u8 {
        vpp.push(events, 0, &[event; 16])?;
    }
    scrape.run(2);
    assert_eq!(routes.sum_columns(&columns, &mut pairs), complete);
    assert_eq!(first.sum_columns(&vips, &mut numbers), complete);
    assert_eq!((beat.value(), absent.sum(0)), (Ok(Some(0)), Ok(None)));
    // 4 simple counters of each VIP and its column of the routes', over 2 threads.
    let spread: Vec<u32> = (0..vips::VIPS).map(|vip| vip * (ROUTES as u32 / vips::VIPS) + 5).collect();
    let mut full = SegmentWriter::new(1 << 26).expect("a memory file");
    vips::fill(&mut full, 2, ROUTES, &spread)?;
    let (mut controller, mut sums) = (vips::Scrape::new(&full.reader().expect("it is sound")), vips::Sums::default());
    controller.read(&spread, &mut sums);
    sums.routes.fill(CombinedCounter::default());

    let profiler = dhat::Profiler::builder().testing().build();
    controller.read(&spread, &mut sums);
    for _ in 0..10 {
        assert_eq!(routes.sum_columns(&columns, &mut pairs), complete);
        assert_eq!(first.sum_columns(&vips, &mut numbers), complete);
        assert_eq!((beat.value(), absent.sum(0), first.sum(7)), (Ok(Some(0)), Ok(None), Ok(Some(7))));
    }
    for second in 3..13 {
        scrape.run(second);
        for event in 0..5_u8 {
            vpp.push(events, 0, &[event; 16])?;
        }
    }
    let after_reads = dhat::HeapStats::get().total_blocks;

    // Neither when VPP changed something else meanwhile: the entries are where they were.
    let epoch = segment.epoch();
    vpp.grow(sessions, 5_000)?;
    let after_growth = dhat::HeapStats::get().total_blocks;
    assert_ne!(segment.epoch(), epoch);
    assert_eq!(first.sum_columns(&vips, &mut numbers), complete);
    assert_eq!(routes.sum_columns(&columns, &mut pairs), complete);
    let after_change = dhat::HeapStats::get().total_blocks;
    drop(profiler);

    assert_eq!(after_reads, 0, "blocks allocated by reads");
    assert_eq!(after_change - after_growth, 0, "blocks allocated by reads after a change");
    for (vip, route) in sums.routes.iter().enumerate() {
        let packets = vips::cell(0, vip) + vips::cell(1, vip);
        assert_eq!(*route, CombinedCounter { packets, bytes: packets * 64 });
        assert!(sums.counters.iter().all(|counter| counter[vip] == packets));
    }
    assert_eq!(pairs, vec![CombinedCounter { packets: 2, bytes: 120 }; 1_000]);
    assert_eq!(numbers, (0..1_000).collect::<Vec<u64>>());
    Ok(())
}

/// What an exporter does, with everything that it keeps from one scrape to the next.
struct Scrape {
    segment: Segment,
    selection: vpp_stats::Selection,
    names: vpp_stats::EntryHandle,
    ring: vpp_stats::RingHandle,
    sessions: vpp_stats::SimpleHandle,
    life: LifeHandle,
    meter: Meter<u64>,
    room: Vec<u64>,
    text: String,
}

impl Scrape {
    fn new(segment: &Segment) -> Self {
        let patterns = [Pattern::prefix("/"), Pattern::regex("^first.*packet$").expect("an expression")];
        Self {
            segment: segment.clone(),
            selection: segment.select(Pattern::any_of(patterns)),
            names: segment.entry("/if/names"),
            ring: segment.ring("/events"),
            sessions: segment.simple("first session packet"),
            life: LifeHandle::new(segment),
            meter: Meter::new(),
            room: vec![0; 1_000],
            text: String::with_capacity(4_096),
        }
    }

    fn run(&mut self, second: u64) {
        let text = &mut self.text;
        let written = self.selection.read(|entries| {
            text.clear();
            for entry in entries {
                let number = entry.read(|view| match view {
                    View::Scalar(number) | View::Gauge(number) => number,
                    View::Simple(table) => table.total(),
                    View::Combined(table) => table.total().packets,
                    View::Symlink(LinkView::Simple(column)) => column.sum(),
                    View::Names(names) => names.len() as u64,
                    View::Histogram(histogram) => histogram.rows().flat_map(|row| row.iter()).sum(),
                    View::RingBuffer(Some(ring)) => ring.thread(0).map_or(0, |thread| thread.written()),
                    other => panic!("{other:?}"),
                });
                let _ = writeln!(text, "{} {}", entry.name(), number.expect("sound"));
            }
        });
        assert!(written.is_ok() && self.text.contains("first session packet 499500\n"), "{}", self.text);
        let text = &mut self.text;
        let names = self.names.read(|view| {
            text.clear();
            let View::Names(names) = view else { return };
            names.iter().flatten().for_each(|name| write!(text, "{name} ").expect("there is room"));
        });
        assert_eq!((names, self.text.as_str()), (Ok(Some(())), "local0 loop0 "));
        assert_eq!(self.segment.directory().filter(Result::is_ok).count(), 9);
        assert!(self.ring.read(0, |_, entry| assert_eq!(entry.len(), 16)).is_ok_and(|pass| pass.is_some()));
        assert_eq!(self.sessions.sum_all(&mut self.room), Ok(Presence::Present { outside: 0 }));
        assert_eq!(self.sessions.copy_row(2, &mut self.room), Ok(Some(1_000)));
        self.meter.update(Duration::from_secs(second), self.life.read(1).expect("sound"), &self.room);
        assert_eq!(self.meter.rate(7), (second > 1).then_some(0.0));
    }
}
