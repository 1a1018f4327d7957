//! One VPP process as pure code: what it answers to each message. Sockets, clocks and the stats segment are elsewhere.

mod dispatch;
mod lb_handlers;
mod misc_handlers;

use std::collections::HashMap;
use std::time::Duration;

use vpp_api::types::MacAddress;

pub(crate) use self::dispatch::Answers;

use crate::cli;
use crate::fib::Fib;
use crate::lb::{COLLECTION_INTERVAL, Fatal, Lb};
use crate::release::Release;

/// A running VPP. It forgets everything when it is dropped, as VPP does when it dies.
#[derive(Clone, Debug)]
pub(crate) struct Vpp {
    identity: Identity,
    pub(crate) lb: Lb,
    pub(crate) fib: Fib,
    interfaces: Vec<Interface>,
    /// Who asked for interface events, with the `pid` to put into them.
    event_registrations: HashMap<u32, u32>,
    /// When garbage is collected next, on the clock of [`Now::since_start`].
    next_collection: Duration,
}

/// Who this VPP says it is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) release: Release,
    pub(crate) pid: u32,
}

/// An interface.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) driver: &'static str,
    pub(crate) mac: MacAddress,
    pub(crate) is_up: bool,
    pub(crate) mtu: u16,
}

/// The time of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Since this VPP started.
    pub(crate) since_start: Duration,
    /// Unix time, in seconds.
    pub(crate) unix: f64,
}

impl Now {
    /// As the lb plugin counts: whole seconds.
    pub(crate) fn seconds(self) -> u32 {
        self.since_start.as_secs() as u32
    }
}

impl Vpp {
    /// A VPP with `threads` threads, the main one included, and `routes` routes in its FIB.
    pub(crate) fn new(identity: Identity, threads: usize, routes: u32, interfaces: Vec<Interface>) -> Self {
        Self {
            lb: Lb::new(identity.release, threads),
            fib: Fib::new(routes),
            identity,
            interfaces,
            event_registrations: HashMap::new(),
            next_collection: Duration::from_secs(COLLECTION_INTERVAL.into()),
        }
    }

    pub(crate) fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// Does what VPP does by itself. Early and repeated calls do nothing.
    pub(crate) fn handle_timeout(&mut self, now: Now) {
        if !self.identity.release.collects_garbage_by_itself() || now.since_start < self.next_collection {
            return;
        }
        self.lb.collect_garbage(&mut self.fib, now.seconds());
        self.next_collection = now.since_start + Duration::from_secs(COLLECTION_INTERVAL.into());
    }

    /// Forgets what a client had asked for.
    pub(crate) fn handle_disconnect(&mut self, client_index: u32) {
        self.event_registrations.remove(&client_index);
    }

    /// Runs a CLI command: its code and what it prints.
    fn run_cli(&mut self, now: Now, command: &str) -> Result<(i32, String), Fatal> {
        cli::run(self, now, command)
    }

    /// The interface that servers are reached through.
    fn uplink(&self) -> u32 {
        (self.interfaces.len() as u32).saturating_sub(1)
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }
}

impl Interface {
    /// The interfaces of a simulator: the one that every VPP has, and a way out.
    pub(crate) fn defaults() -> Vec<Self> {
        let local = Self { name: "local0".to_owned(), driver: "local", mac: MacAddress([0; 6]), is_up: false, mtu: 0 };
        let host = Self {
            name: "host-sim0".to_owned(),
            driver: "af-packet",
            mac: MacAddress([0x02, 0xfe, 0x00, 0x00, 0x00, 0x01]),
            is_up: true,
            mtu: 9000,
        };
        vec![local, host]
    }
}

#[cfg(test)]
mod tests;
