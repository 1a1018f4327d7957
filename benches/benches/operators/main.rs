//! What operators wait for, and what their readers cost: 1,000 frontends x 10 backends, over a simulated VPP.
//!
//! First lists: `ListFrontends` and what completion needs, over a Unix socket and over loopback TCP, and the real `maglevc`. Then the
//! stream of events: while 1,000 events per second are told, 50 backends are probed every 100 ms, and readers in a process of their own
//! read along or, worse, do not. The checker's rows stand side by side from one run, in turns.

mod lab;
mod lists;
mod readers;
mod usage;
mod watch;
mod web;

use std::time::Duration;

use maglev_benches::is_smoke_run;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [role, address, count, habit] = &arguments[..]
        && role == readers::ROLE
    {
        return readers::run(address, count, habit);
    }
    let size = if is_smoke_run() { SMOKE } else { FULL };
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("checker").enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let lab = lab::Lab::start(&size).await;
        lists::measure(&lab, &size).await;
        watch::measure(&lab, &size).await;
    });
}

/// How much of everything.
struct Size {
    frontends: u32,
    /// In each frontend.
    members: u32,
    /// Backends that are probed; ten times as many as there are members of a frontend are there in all.
    probed: u8,
    /// How often each list is asked for.
    lists: u32,
    readers: usize,
    silent: usize,
    /// How long one row of the stream takes, and how often each is taken.
    span: Duration,
    rounds: u32,
}

const FULL: Size = Size {
    frontends: 1_000,
    members: 10,
    probed: 50,
    lists: 50,
    readers: 100,
    silent: 10,
    span: Duration::from_secs(10),
    rounds: 3,
};

const SMOKE: Size = Size {
    frontends: 20,
    members: 3,
    probed: 5,
    lists: 2,
    readers: 3,
    silent: 1,
    span: Duration::from_millis(500),
    rounds: 1,
};
