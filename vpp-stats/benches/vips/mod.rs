//! What benches read: four counters of each VIP and its column of `/net/route/to`.

#![allow(dead_code)] // each bench takes its part of it

use vpp_stats::writer::{SegmentWriter, WriteError};
use vpp_stats::{CombinedCounter, CombinedHandle, Segment, SimpleHandle};

pub(crate) const VIPS: u32 = 1_000;
pub(crate) const COUNTERS: [&str; 4] =
    ["packet from existing sessions", "first session packet", "untracked packet", "no server configured"];

#[derive(PartialEq)]
pub(crate) struct Sums {
    pub(crate) counters: [Vec<u64>; 4],
    pub(crate) routes: Vec<CombinedCounter>,
}

impl Default for Sums {
    fn default() -> Self {
        let vips = VIPS as usize;
        Self { counters: [(); 4].map(|()| vec![0; vips]), routes: vec![CombinedCounter::default(); vips] }
    }
}

pub(crate) struct Scrape {
    vips: Vec<u32>,
    counters: [SimpleHandle; 4],
    routes: CombinedHandle,
}

pub(crate) fn cell(thread: usize, vip: usize) -> u64 {
    (thread * 10_000 + vip) as u64
}

/// Lays out what a VPP has that carries `columns` as the routes of its VIPs among `routes`.
pub(crate) fn fill(vpp: &mut SegmentWriter, threads: usize, routes: usize, columns: &[u32]) -> Result<(), WriteError> {
    let ids = COUNTERS.map(|name| vpp.add_simple(name, threads, VIPS as usize));
    let to = vpp.add_combined("/net/route/to", threads, routes)?;
    for thread in 0..threads {
        // Every column, as in a VPP with traffic: a page that was never written is the kernel's page of zeros.
        for column in 0..routes {
            vpp.set(to, thread, column, CombinedCounter { packets: 1, bytes: 64 })?;
        }
        for (vip, column) in columns.iter().enumerate() {
            for id in &ids {
                vpp.set(id.clone()?, thread, vip, cell(thread, vip))?;
            }
            let packets = cell(thread, vip);
            vpp.set(to, thread, *column as usize, CombinedCounter { packets, bytes: packets * 64 })?;
        }
    }
    Ok(())
}

impl Scrape {
    pub(crate) fn new(segment: &Segment) -> Self {
        let counters = COUNTERS.map(|name| segment.simple(name));
        Self { vips: (0..VIPS).collect(), counters, routes: segment.combined("/net/route/to") }
    }

    pub(crate) fn read(&mut self, columns: &[u32], sums: &mut Sums) {
        for (handle, sums) in self.counters.iter_mut().zip(&mut sums.counters) {
            handle.sum_columns(&self.vips, sums).expect("nothing changes");
        }
        self.routes.sum_columns(columns, &mut sums.routes).expect("nothing changes");
    }
}
