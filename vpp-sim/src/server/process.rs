//! One life of VPP: everything that a restart forgets.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vpp_api::message::Message;
use vpp_api::messages::{Visitor, visit_all};
use vpp_api::server::ServedTable;

use crate::fib::FEWEST_ROUTES;
use crate::options::Options;
use crate::release::Release;
use crate::segment::{Board, SegmentError};
use crate::vpp::{Identity, Interface, Now, Vpp};

/// A running VPP with its segment and its message ids.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) vpp: Vpp,
    pub(super) board: Board,
    pub(super) table: Arc<ServedTable>,
    started: Instant,
    /// Unix time of its start, in whole seconds; never the same twice.
    boottime: u64,
}

impl Process {
    /// Starts VPP for the `life`th time, from 0. `last_boottime` is that of the life before.
    pub(super) fn start<'a>(
        options: &Options,
        life: u32,
        last_boottime: u64,
        absent: impl Iterator<Item = &'a str>,
    ) -> Result<Self, SegmentError> {
        let threads = usize::from(options.workers) + 1;
        let identity = Identity { release: options.release, pid: std::process::id().wrapping_add(life) };
        let routes = options.routes.max(FEWEST_ROUTES);
        let vpp = Vpp::new(identity, threads, routes, Interface::defaults());
        let boottime = (unix_time() as u64).max(last_boottime + 1);
        let board = Board::new(&vpp, threads, boottime)?;
        let seed = options.seed.wrapping_add(u64::from(life));
        Ok(Self {
            vpp,
            board,
            table: Arc::new(served_table(options.release, absent, seed)),
            started: Instant::now(),
            boottime,
        })
    }

    pub(super) fn boottime(&self) -> u64 {
        self.boottime
    }

    pub(super) fn now(&self) -> Now {
        Now { since_start: self.started.elapsed(), unix: unix_time() }
    }

    /// When something is due that no message asks for, at most a second from now.
    pub(super) fn next_timeout(&self) -> Duration {
        let now = self.started.elapsed();
        self.board.next_update().saturating_sub(now).min(Duration::from_secs(1))
    }
}

/// Messages of a release with ids of their own, but for the absent ones.
fn served_table<'a>(release: Release, absent: impl Iterator<Item = &'a str>, seed: u64) -> ServedTable {
    let absent: HashSet<&str> = absent.collect();
    let mut names = Names(Vec::new());
    visit_all(&mut names);
    names.0.retain(|(name, _)| !absent.contains(name) && !release.lacks(name));
    ServedTable::new(names.0.into_iter().map(|(_, name_crc)| name_crc), seed)
}

struct Names(Vec<(&'static str, &'static str)>);

impl Visitor for Names {
    fn visit<M: Message>(&mut self) {
        self.0.push((M::NAME, M::NAME_CRC));
    }
}

pub(super) fn unix_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
