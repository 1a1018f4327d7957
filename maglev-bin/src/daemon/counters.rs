//! Reads VPP's stats segment every few seconds and publishes what it says, whole.
//!
//! One task. It owns the mapping and the handles into it; what to read (indices, names) comes from the brain as a [`CounterPlan`] when the
//! set of VIPs or backends changes. It makes no API call. When the API link drops the mapping is dropped too and the counters vanish.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use vpp_stats::{CombinedCounter, CombinedHandle, ConnectError, Presence, Segment, SimpleHandle, StatsError};

use super::link::chain;
use crate::event::{Bus, Text, What};
use crate::snapshot::{Counters, Flows, Published, Traffic, VipCounters, VipName};

/// What to read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CounterPlan {
    /// Number of the API link that stands; `None` while there is none.
    pub(crate) link: Option<u64>,
    /// VIPs and their index in the lb plugin's pool.
    pub(crate) vips: Vec<(VipName, u32)>,
    /// VIP addresses and their index in `/net/route/to`.
    pub(crate) routes: Vec<(Text, u32)>,
    /// Backend addresses and their index in `/net/route/via`.
    pub(crate) backends: Vec<(IpAddr, u32)>,
    /// The newest flows from the verbose text.
    pub(crate) flows: Option<Flows>,
}

/// Runs until the brain is gone.
pub(crate) async fn run(
    path: PathBuf,
    every: Duration,
    mut plan: watch::Receiver<Arc<CounterPlan>>,
    published: Arc<Published>,
    bus: Bus,
) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reader: Option<Reader> = None;
    let mut outage = Outage::default();
    loop {
        tokio::select! {
            changed = plan.changed() => if changed.is_err() { return },
            _ = ticks.tick() => {}
        }
        let plan = plan.borrow_and_update().clone();
        let Some(link) = plan.link else {
            reader = None;
            outage = Outage::default();
            published.publish_counters(None);
            continue;
        };
        if reader.as_ref().is_none_or(|reader| reader.link != link) {
            if !outage.may_try(every) {
                continue;
            }
            reader = match connect(&path).await {
                Ok(segment) => Some(Reader::new(link, &segment)),
                Err(error) => {
                    outage.tell(&bus, &chain(&error));
                    None
                }
            };
        }
        let Some(open) = &mut reader else {
            published.publish_counters(None);
            continue;
        };
        match open.read(&plan) {
            Ok(counters) => {
                outage = Outage::default();
                tell_vips(&bus, &counters);
                published.publish_counters(Some(counters));
            }
            // VPP was changing its directory: the next reading will do, unless it died over it.
            Err(StatsError::Busy { .. }) if outage.busy_again() => {}
            Err(error) => {
                outage.tell(&bus, &chain(&error));
                reader = None;
                published.publish_counters(None);
            }
        }
    }
}

async fn connect(path: &std::path::Path) -> Result<Segment, ConnectError> {
    let path = path.to_owned();
    // It blocks until VPP's main loop has accepted.
    tokio::task::spawn_blocking(move || Segment::connect(path)).await.unwrap_or_else(|panic| {
        std::panic::resume_unwind(panic.into_panic());
    })
}

fn tell_vips(bus: &Bus, counters: &Counters) {
    if !bus.wants(tracing::Level::DEBUG) {
        return;
    }
    for (vip, of) in &counters.vips {
        bus.emit(What::VppVipStats {
            vip: vip.to_string().into(),
            next: of.next,
            first: of.first,
            untracked: of.untracked,
            no_server: of.no_server,
        });
    }
}

/// A time without a readable segment: one error, then quiet attempts.
#[derive(Default)]
struct Outage {
    told: bool,
    last_try: Option<tokio::time::Instant>,
    busy: u32,
}

/// Readings in a row that may find VPP at work on its directory.
const PATIENCE: u32 = 3;

impl Outage {
    fn may_try(&mut self, every: Duration) -> bool {
        let now = tokio::time::Instant::now();
        if self.last_try.is_some_and(|last| now.duration_since(last) < every) {
            return false;
        }
        self.last_try = Some(now);
        true
    }

    /// Whether one more reading that found VPP at work is still no outage.
    fn busy_again(&mut self) -> bool {
        self.busy += 1;
        self.busy <= PATIENCE
    }

    fn tell(&mut self, bus: &Bus, reason: &str) {
        if !std::mem::replace(&mut self.told, true) {
            let message = format!(
                "VPP's stats segment cannot be read: {reason}. Counters are absent; VPP is programmed all the same."
            );
            bus.emit(What::Error { cause: "vpp-stats".into(), message: message.into() });
        }
    }
}

/// The four counters of the lb plugin, in the order of [`VipCounters`]. Releases differ in the leading slash.
const PLUGIN: [&str; 4] =
    ["first session packet", "packet from existing sessions", "untracked packet", "no server configured"];

/// Handles into one mapping, and room for what they read.
struct Reader {
    link: u64,
    plugin: [[SimpleHandle; 2]; 4],
    to: CombinedHandle,
    via: CombinedHandle,
    columns: Vec<u32>,
    simple: Vec<u64>,
    combined: Vec<CombinedCounter>,
}

impl Reader {
    fn new(link: u64, segment: &Segment) -> Self {
        let plugin = PLUGIN.map(|name| [segment.simple(name), segment.simple(&format!("/{name}"))]);
        let (to, via) = (segment.combined("/net/route/to"), segment.combined("/net/route/via"));
        Self { link, plugin, to, via, columns: Vec::new(), simple: Vec::new(), combined: Vec::new() }
    }

    fn read(&mut self, plan: &CounterPlan) -> Result<Counters, StatsError> {
        let mut counters = Counters { taken: Some(Timestamp::now()), flows: plan.flows.clone(), ..Counters::default() };
        self.read_plugin(plan, &mut counters)?;
        let room = &mut self.combined;
        self.columns.clear();
        self.columns.extend(plan.routes.iter().map(|(_, index)| *index));
        if sums(&mut self.to, &self.columns, room)? {
            let routes = plan.routes.iter().zip(&*room);
            counters.routes = routes.map(|((prefix, _), sum)| (prefix.clone(), traffic(*sum))).collect();
        }
        self.columns.clear();
        self.columns.extend(plan.backends.iter().map(|(_, index)| *index));
        if sums(&mut self.via, &self.columns, room)? {
            let backends = plan.backends.iter().zip(&*room);
            counters.backends = backends.map(|((address, _), sum)| (*address, traffic(*sum))).collect();
        }
        Ok(counters)
    }

    fn read_plugin(&mut self, plan: &CounterPlan, counters: &mut Counters) -> Result<(), StatsError> {
        self.columns.clear();
        self.columns.extend(plan.vips.iter().map(|(_, index)| *index));
        self.simple.resize(self.columns.len(), 0);
        let mut found = vec![VipCounters::default(); plan.vips.len()];
        let mut present = false;
        for (kind, names) in self.plugin.iter_mut().enumerate() {
            for handle in names {
                if handle.sum_columns(&self.columns, &mut self.simple)? == Presence::Absent {
                    continue;
                }
                present = true;
                for (vip, sum) in found.iter_mut().zip(&self.simple) {
                    *[&mut vip.first, &mut vip.next, &mut vip.untracked, &mut vip.no_server][kind] = *sum;
                }
                break;
            }
        }
        // What is not there is absent, not zero.
        if !present {
            return Ok(());
        }
        counters.vips = plan.vips.iter().map(|(vip, _)| vip.clone()).zip(found).collect();
        Ok(())
    }
}

/// Whether there is such a table.
fn sums(handle: &mut CombinedHandle, columns: &[u32], room: &mut Vec<CombinedCounter>) -> Result<bool, StatsError> {
    room.resize(columns.len(), CombinedCounter::default());
    Ok(handle.sum_columns(columns, room)? != Presence::Absent)
}

fn traffic(sum: CombinedCounter) -> Traffic {
    Traffic { packets: sum.packets, bytes: sum.bytes }
}
