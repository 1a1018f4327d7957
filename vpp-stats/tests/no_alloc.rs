//! Proves with a counting allocator that a reduction allocates nothing.

use vpp_stats::writer::{SegmentWriter, WriteError};
use vpp_stats::{CombinedCounter, Presence};

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
    // The first read looks the names up, for which the directory is read.
    assert_eq!(routes.sum_columns(&columns, &mut pairs), complete);
    assert_eq!(first.sum_columns(&vips, &mut numbers), complete);
    assert_eq!((beat.value(), absent.sum(0)), (Ok(Some(0)), Ok(None)));

    let profiler = dhat::Profiler::builder().testing().build();
    for _ in 0..10 {
        assert_eq!(routes.sum_columns(&columns, &mut pairs), complete);
        assert_eq!(first.sum_columns(&vips, &mut numbers), complete);
        assert_eq!((beat.value(), absent.sum(0), first.sum(7)), (Ok(Some(0)), Ok(None), Ok(Some(7))));
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
    assert_eq!(pairs, vec![CombinedCounter { packets: 2, bytes: 120 }; 1_000]);
    assert_eq!(numbers, (0..1_000).collect::<Vec<u64>>());
    Ok(())
}
