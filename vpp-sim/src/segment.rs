//! The stats segment: what entries it has and what moves them.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use thiserror::Error;
use vpp_stats::CombinedCounter;
use vpp_stats::writer::{CombinedId, GaugeId, ScalarId, SegmentWriter, SimpleId, WriteError};

use crate::faults::BrokenSegment;
use crate::lb::{Passage, VipCounter};
use crate::vpp::{Now, Vpp};

/// The segment of one VPP process.
#[derive(Debug)]
pub(crate) struct Board {
    writer: SegmentWriter,
    threads: usize,
    ids: Ids,
    /// There from the first VIP on.
    vip_counters: Option<[SimpleId; 4]>,
    heartbeats: u64,
    /// Packets since the last update.
    packets: u64,
    next_update: Duration,
}

/// The entries that move.
#[derive(Debug)]
struct Ids {
    route_to: CombinedId,
    route_via: CombinedId,
    rx: CombinedId,
    tx: CombinedId,
    drops: SimpleId,
    last_update: ScalarId,
    input_rate: LevelId,
    loops_per_worker: SimpleId,
    heap: SimpleId,
}

/// A number that may also fall.
#[derive(Clone, Copy, Debug)]
enum LevelId {
    Gauge(GaugeId),
    /// In releases that have no gauges.
    Scalar(ScalarId),
}

/// The segment cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum SegmentError {
    #[error("cannot make the memory of the stats segment")]
    Memory(#[source] io::Error),
    #[error("cannot lay out the stats segment")]
    Layout(#[from] WriteError),
}

impl Board {
    /// Lays a segment out for a VPP that has just started.
    pub(crate) fn new(vpp: &Vpp, threads: usize, boottime: u64) -> Result<Self, SegmentError> {
        let routes = vpp.fib.indices() as usize;
        let mut writer = SegmentWriter::new(size(threads, routes)).map_err(SegmentError::Memory)?;
        writer.set_scalar(writer.boottime(), boottime)?;
        let ids = writer.update(|writer| lay_out(writer, vpp, threads, routes))?;
        Ok(Self { writer, threads, ids, vip_counters: None, heartbeats: 0, packets: 0, next_update: UPDATE_INTERVAL })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.writer.fd()
    }

    /// Makes room for what a message has added, and zeroes what now stands for something else.
    ///
    /// # Errors
    /// If the segment is full: a real VPP dies of it.
    pub(crate) fn follow(&mut self, vpp: &mut Vpp) -> Result<(), WriteError> {
        let zeroed = vpp.lb.take_zeroed();
        if !zeroed.is_empty() {
            self.make_vip_counters(vpp.lb.counter_slots())?;
        }
        for id in self.vip_counters.into_iter().flatten() {
            for (&vip, thread) in zeroed.iter().flat_map(|vip| (0..self.threads).map(move |thread| (vip, thread))) {
                self.writer.set(id, thread, vip as usize, 0)?;
            }
        }
        let columns = vpp.fib.indices() as usize;
        for id in [self.ids.route_to, self.ids.route_via] {
            self.writer.grow(id, columns)?;
        }
        for index in vpp.fib.take_fresh() {
            for thread in 0..self.threads {
                self.writer.set(self.ids.route_to, thread, index as usize, CombinedCounter::default())?;
                self.writer.set(self.ids.route_via, thread, index as usize, CombinedCounter::default())?;
            }
        }
        Ok(())
    }

    /// Counts a packet of `bytes` bytes that thread received, and what became of it.
    pub(crate) fn count(&mut self, thread: usize, bytes: u32, passage: Option<&Passage>) -> Result<(), WriteError> {
        self.packets += 1;
        let one = |bytes: u32| CombinedCounter { packets: 1, bytes: bytes.into() };
        self.writer.add(self.ids.rx, thread, UPLINK, one(bytes + ETHERNET))?;
        let Some(passage) = passage else {
            return self.writer.add(self.ids.drops, thread, UPLINK, 1);
        };
        self.writer.add(self.ids.route_to, thread, passage.route as usize, one(bytes))?;
        if let Some(ids) = self.vip_counters {
            self.writer.add(ids[passage.counter as usize], thread, passage.vip as usize, 1)?;
        }
        match passage.server {
            Some(served) => {
                self.writer.add(self.ids.route_via, thread, served.route as usize, one(served.bytes))?;
                self.writer.add(self.ids.tx, thread, UPLINK, one(served.bytes + ETHERNET))
            }
            None => self.writer.add(self.ids.drops, thread, UPLINK, 1),
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next due, since VPP's start.
    pub(crate) fn next_update(&self) -> Duration {
        self.next_update
    }

    /// Moves the heartbeat and what else is only updated now and then. Early calls do nothing.
    pub(crate) fn handle_timeout(&mut self, now: Now) -> Result<(), WriteError> {
        if now.since_start < self.next_update {
            return Ok(());
        }
        self.next_update = now.since_start + UPDATE_INTERVAL;
        self.heartbeats += 1;
        self.writer.set_scalar(self.writer.heartbeat(), self.heartbeats)?;
        self.writer.set_scalar(self.ids.last_update, now.since_start.as_secs())?;
        let rate = std::mem::take(&mut self.packets) / UPDATE_INTERVAL.as_secs();
        match self.ids.input_rate {
            LevelId::Gauge(id) => self.writer.set_gauge(id, rate)?,
            LevelId::Scalar(id) => self.writer.set_scalar(id, rate)?,
        }
        for thread in 0..self.threads {
            self.writer.set(self.ids.loops_per_worker, 0, thread, 1_000_000)?;
        }
        let (total, free) = (self.writer.size(), self.writer.free_bytes());
        for (column, value) in [total, total - free, free].into_iter().enumerate() {
            self.writer.set(self.ids.heap, 0, column, value)?;
        }
        Ok(())
    }

    /// Breaks the segment.
    pub(crate) fn corrupt(&mut self, how: BrokenSegment) {
        const VERSION: u64 = 0;
        const DIRECTORY: u64 = 32;
        let nowhere = 0xdead_beef_dead_beef_u64.to_le_bytes();
        let result = match how {
            BrokenSegment::Version => self.writer.corrupt(VERSION, &99_u64.to_le_bytes()),
            BrokenSegment::Directory => self.writer.corrupt(DIRECTORY, &nowhere),
            BrokenSegment::Pointer => {
                let entry = self.writer.entry_offset("/net/route/to").unwrap_or(0);
                self.writer.corrupt(entry + 8, &nowhere)
            }
            BrokenSegment::Busy => {
                self.writer.set_in_progress(true);
                Ok(())
            }
        };
        if let Err(error) = result {
            tracing::error!(%error, "cannot corrupt the segment");
        }
    }

    /// As in VPP the counters come with the first VIP and only grow.
    fn make_vip_counters(&mut self, slots: usize) -> Result<(), WriteError> {
        let threads = self.threads;
        match self.vip_counters {
            Some(ids) => ids.into_iter().try_for_each(|id| self.writer.grow(id, slots)),
            None => {
                let mut make = |counter: VipCounter| self.writer.add_simple(counter.name(), threads, slots);
                let [next, first, untracked, no_server] = VipCounter::ALL;
                self.vip_counters = Some([make(next)?, make(first)?, make(untracked)?, make(no_server)?]);
                Ok(())
            }
        }
    }
}

/// Makes all entries that a VPP without VIPs has, as far as they are of use to a reader.
fn lay_out(writer: &mut SegmentWriter, vpp: &Vpp, threads: usize, routes: usize) -> Result<Ids, WriteError> {
    let last_update = writer.add_scalar("/sys/last_update", 0)?;
    let has_gauges = vpp.identity().release.has_gauges();
    let level = |writer: &mut SegmentWriter, name: &str, value| match has_gauges {
        true => writer.add_gauge(name, value).map(LevelId::Gauge),
        false => writer.add_scalar(name, value).map(LevelId::Scalar),
    };
    level(writer, "/sys/num_worker_threads", threads as u64 - 1)?;
    let input_rate = level(writer, "/sys/input_rate", 0)?;
    level(writer, "/sys/vector_rate", 0)?;
    writer.add_simple("/sys/vector_rate_per_worker", 1, threads)?;
    let loops_per_worker = writer.add_simple("/sys/loops_per_worker", 1, threads)?;
    for gauge in ["cached", "used", "available"] {
        level(writer, &format!("/buffer-pools/default-numa-0/{gauge}"), 0)?;
    }
    let heap = add_heap(writer, "stat segment")?;
    add_heap(writer, "main heap")?;
    let (rx, tx, drops) = add_interfaces(writer, vpp, threads)?;
    add_nodes(writer, threads)?;
    let route_to = writer.add_combined("/net/route/to", threads, routes)?;
    let route_via = writer.add_combined("/net/route/via", threads, routes)?;
    writer.add_combined("/net/adjacency", threads, 4)?;
    Ok(Ids { route_to, route_via, rx, tx, drops, last_update, input_rate, loops_per_worker, heap })
}

/// A heap's seven numbers, of which three have names of their own.
fn add_heap(writer: &mut SegmentWriter, name: &str) -> Result<SimpleId, WriteError> {
    let heap = writer.add_simple(&format!("/mem/{name}"), 1, 7)?;
    for (column, what) in (0..).zip(["total", "used", "free"]) {
        writer.add_symlink(&format!("/mem/{name}/{what}"), heap, column)?;
    }
    Ok(heap)
}

/// Counters by interface, and what of them the simulator moves.
fn add_interfaces(
    writer: &mut SegmentWriter,
    vpp: &Vpp,
    threads: usize,
) -> Result<(CombinedId, CombinedId, SimpleId), WriteError> {
    let names: Vec<Option<&str>> = vpp.interfaces().iter().map(|interface| Some(interface.name.as_str())).collect();
    writer.add_names("/if/names", &names)?;
    let columns = names.len();
    let link = |writer: &mut SegmentWriter,
                what: &str,
                add: &mut dyn FnMut(&mut SegmentWriter, String, u32) -> Result<(), WriteError>| {
        for (column, interface) in (0..).zip(vpp.interfaces()) {
            add(writer, format!("/interfaces/{}/{what}", interface.name.replace('/', "_")), column)?;
        }
        Ok::<(), WriteError>(())
    };
    let mut drops = None;
    for what in ["drops", "punt", "ip4", "ip6", "rx-no-buf", "rx-miss", "rx-error", "tx-error", "mpls"] {
        let id = writer.add_simple(&format!("/if/{what}"), threads, columns)?;
        drops.get_or_insert(id);
        link(writer, what, &mut |writer, name, column| writer.add_symlink(&name, id, column).map(drop))?;
    }
    let mut combined = Vec::new();
    for what in ["rx", "tx", "rx-unicast", "rx-multicast", "rx-broadcast", "tx-unicast", "tx-multicast", "tx-broadcast"]
    {
        let id = writer.add_combined(&format!("/if/{what}"), threads, columns)?;
        combined.push(id);
        link(writer, what, &mut |writer, name, column| writer.add_symlink(&name, id, column).map(drop))?;
    }
    Ok((combined[0], combined[1], drops.expect("the list of counters is not empty")))
}

/// Graph nodes as with `per-node-counters on`, and their error counters.
fn add_nodes(writer: &mut SegmentWriter, threads: usize) -> Result<(), WriteError> {
    let names: Vec<Option<&str>> = NODES.iter().copied().map(Some).collect();
    writer.add_names("/sys/node/names", &names)?;
    for what in ["clocks", "vectors", "calls", "suspends"] {
        // VPP makes one row too many here.
        let id = writer.add_simple(&format!("/sys/node/{what}"), threads + 1, NODES.len())?;
        for (column, node) in (0..).zip(NODES) {
            writer.add_symlink(&format!("/nodes/{node}/{what}"), id, column)?;
        }
    }
    let errors = writer.add_simple("/node/errors", threads, 2 * NODES.len())?;
    for (at, node) in (0..).zip(NODES) {
        writer.add_symlink(&format!("/err/{node}/no error"), errors, 2 * at)?;
        writer.add_symlink(&format!("/err/{node}/protocol not supported"), errors, 2 * at + 1)?;
    }
    Ok(())
}

/// VPP's usual 32 MiB, and room for the route counters to move a few times.
fn size(threads: usize, routes: usize) -> usize {
    const USUAL: usize = 32 << 20;
    USUAL + 2 * size_of::<CombinedCounter>() * threads * routes * 4
}

/// The nodes of the lb plugin.
const NODES: [&str; 8] = [
    "lb4-gre4",
    "lb4-gre6",
    "lb6-gre4",
    "lb6-gre6",
    "lb4-gre4-port",
    "lb4-gre6-port",
    "lb6-gre4-port",
    "lb6-gre6-port",
];
const UPDATE_INTERVAL: Duration = Duration::from_secs(10);
/// The column of the interface that packets come and go through.
const UPLINK: usize = 1;
/// Bytes of an Ethernet header, which interface counters include.
const ETHERNET: u32 = 14;
