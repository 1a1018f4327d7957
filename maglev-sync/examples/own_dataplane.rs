//! Keeps a load balancer that is not VPP as desired: here a table in memory, which prints itself as rules of a packet filter would look.
//!
//! ```console
//! $ cargo run -p maglev-sync --example own_dataplane
//! 1. a plan, applied once
//!    192.0.2.1 tcp/80: create, gre4, 1024 buckets
//!    192.0.2.1 tcp/80: add server 10.0.0.1 weight 100
//!    192.0.2.1 tcp/80: add server 10.0.0.2 weight 100
//!    | 192.0.2.1 tcp/80 { 10.0.0.1 : 0-511, 10.0.0.2 : 512-1023 }
//! 2. a reconciler finds all of it right
//! 3. a server fails
//!    192.0.2.1 tcp/80: server 10.0.0.1 weight 0
//!    | 192.0.2.1 tcp/80 { 10.0.0.2 : 0-1023 }
//! 4. it is replaced: the new one comes before the old one goes
//!    192.0.2.1 tcp/80: add server 10.0.0.3 weight 50
//!    192.0.2.1 tcp/80: delete server 10.0.0.1
//!    | 192.0.2.1 tcp/80 { 10.0.0.2 : 0-673, 10.0.0.3 : 674-1023 }
//! 5. somebody else meddles, and is found out within 30 s
//!    192.0.2.1 tcp/80: server 10.0.0.3 has weight 7, not 50
//!    192.0.2.1 tcp/80: server 10.0.0.3 weight 50
//!    | 192.0.2.1 tcp/80 { 10.0.0.2 : 0-673, 10.0.0.3 : 674-1023 }
//! 6. the load balancer restarts empty
//!    192.0.2.1 tcp/80: create, gre4, 1024 buckets
//!    192.0.2.1 tcp/80: add server 10.0.0.2 weight 100
//!    192.0.2.1 tcp/80: add server 10.0.0.3 weight 50
//!    | 192.0.2.1 tcp/80 { 10.0.0.2 : 0-673, 10.0.0.3 : 674-1023 }
//! ```
//!
//! What a dataplane has to do is [`Table::call`]; what a daemon has to do is [`settle`] and [`until`].

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use maglev_sync::table::bucket_counts;
use maglev_sync::{
    ApplyOptions, AsRow, BootId, Call, CallFailure, Cut, Dataplane, Desired, DesiredAs, DesiredConf, DesiredVip, Encap,
    Event, FlowTimeout, ForeignVips, LbConf, Plan, Protocol, Reconciler, Reply, Scope, Settings, StickyBuckets,
    TableLength, VipKey, VipRow, Weight, apply, read,
};
use tokio::time::Instant;

// The clock is paused, so that the half minute of step 5 takes no time: a daemon would leave `start_paused` out.
#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let table = Table::default();
    let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
    let mut desired = Desired {
        // The plugin's settings mean nothing here; the table takes them and thinks no more of it.
        conf: DesiredConf {
            ip4_src: "10.0.0.254".parse()?,
            ip6_src: "2001:db8::254".parse()?,
            sticky_buckets: StickyBuckets::MIN,
            flow_timeout: FlowTimeout::from_secs(40)?,
        },
        foreign: ForeignVips::Keep,
        vips: [(web, vip([("10.0.0.1".parse()?, serving(100)?), ("10.0.0.2".parse()?, serving(100)?)]))].into(),
    };

    println!("1. a plan, applied once");
    let plan = Plan::new(&desired, &read(&table).await?, &Scope::default());
    plan.steps().for_each(|step| println!("   {step}"));
    let status = apply(&plan, &table, ApplyOptions::default()).await;
    assert!(status.is_ok(), "{status:?}");
    println!("{table}");

    println!("2. a reconciler finds all of it right");
    let mut settings = Settings::default();
    // Health is known from the start here, so that no warm-up has to wait for it.
    (settings.startup_min_delay, settings.startup_max_delay) = (Duration::ZERO, Duration::ZERO);
    let mut reconciler = Reconciler::new(settings, now());
    reconciler.set_desired(now(), desired.clone());
    reconciler.handle_link_up(now(), BootId(1, 1), table.abilities());
    settle(&mut reconciler, &table).await;

    println!("3. a server fails");
    let failed = DesiredAs { weight: Weight::ZERO, cut: Cut::Urgent, flush: None };
    reconciler.update_vip(now(), web, vip([("10.0.0.1".parse()?, failed), ("10.0.0.2".parse()?, serving(100)?)]));
    settle(&mut reconciler, &table).await;
    println!("{table}");

    println!("4. it is replaced: the new one comes before the old one goes");
    let replaced = vip([("10.0.0.2".parse()?, serving(100)?), ("10.0.0.3".parse()?, serving(50)?)]);
    desired.vips.insert(web, replaced);
    reconciler.set_desired(now(), desired);
    settle(&mut reconciler, &table).await;
    println!("{table}");

    println!("5. somebody else meddles, and is found out within 30 s");
    table.vips().entry(web).or_default().servers.insert("10.0.0.3".parse()?, 7);
    until(now() + settings.sync_interval, &mut reconciler, &table).await;
    println!("{table}");

    println!("6. the load balancer restarts empty");
    table.vips().clear();
    reconciler.handle_link_down(now());
    // Another number says that it is another life, so that nothing of the old one is owed to it.
    reconciler.handle_link_up(now(), BootId(1, 2), table.abilities());
    settle(&mut reconciler, &table).await;
    println!("{table}");
    Ok(())
}

/// Lets the reconciler do all that it has to do at this moment.
///
/// The table answers at once, so one call at a time will do. Where an answer takes a while, poll calls until there are no more, send them
/// in this order, and hand back each answer when it comes.
async fn settle(reconciler: &mut Reconciler, table: &Table) {
    loop {
        let call = reconciler.poll_call(now());
        // Polling a call may make events, also where it yields none.
        let events: Vec<Event> = std::iter::from_fn(|| reconciler.poll_event()).collect();
        if call.is_none() && events.is_empty() {
            return;
        }
        for event in events {
            match event {
                Event::Drift { key, what } => println!("   {key}: {what}"),
                Event::VipFailed { key, failure, .. } => println!("   {key} failed: {failure}"),
                // A daemon logs the others, too.
                _ => {}
            }
        }
        if let Some((id, call)) = call {
            if call.is_write() && call.vip().is_some() {
                println!("   {call}");
            }
            let reply = table.call(call).await;
            reconciler.handle_reply(now(), id, reply);
        }
    }
}

/// Lets the reconciler run on its own until `end`. A daemon does this until something comes from outside: a verdict, a config, a lost link.
async fn until(end: std::time::Instant, reconciler: &mut Reconciler, table: &Table) {
    while let Some(due) = reconciler.poll_timeout().filter(|due| *due <= end) {
        tokio::time::sleep_until(due.into()).await;
        reconciler.handle_timeout(now());
        settle(reconciler, table).await;
    }
}

/// The load balancer: VIPs, their servers and weights.
#[derive(Default)]
struct Table(Mutex<BTreeMap<VipKey, Vip>>);

/// One VIP.
#[derive(Default)]
struct Vip {
    buckets: u32,
    servers: BTreeMap<IpAddr, u8>,
}

impl Table {
    fn vips(&self) -> MutexGuard<'_, BTreeMap<VipKey, Vip>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dataplane for Table {
    /// Carries out one call. The set of calls is closed, so that the compiler tells what is missing.
    async fn call(&self, call: Call) -> Result<Reply, CallFailure> {
        let mut vips = self.vips();
        let no_such_vip = || CallFailure::Refused { retval: -6, text: "no such VIP".to_owned() };
        match call {
            // What stands here. A VIP is compared by its own dump now and then, so `AsDump` has to heed its filter.
            Call::ConfGet => return Ok(Reply::Conf(LbConf::default())),
            Call::VipDump => {
                let encap = Encap::Gre4.into();
                // Rows carry the low half of the length, as VPP's do.
                let row = |(key, vip): (&VipKey, &Vip)| VipRow { key: *key, encap, table_length: vip.buckets as u16 };
                return Ok(Reply::Vips(vips.iter().map(row).collect()));
            }
            Call::AsDump(filter) => {
                let wanted = vips.iter().filter(|(key, _)| filter.is_none_or(|filter| filter == **key));
                let rows = wanted.flat_map(|(key, vip)| {
                    let row = |(address, weight): (&IpAddr, &u8)| AsRow {
                        key: *key,
                        address: *address,
                        in_use: true,
                        weight: *weight,
                    };
                    vip.servers.iter().map(row)
                });
                return Ok(Reply::Ases(rows.collect()));
            }
            // What VPP alone has: its text with flows and places of counters, and its routes.
            Call::Verbose => return Ok(Reply::Text(String::new())),
            Call::Route(_) => return Ok(Reply::Route(None)),
            // What changes.
            Call::Conf(_) => {}
            Call::VipAdd { key, table_length, .. } => {
                vips.entry(key).or_default().buckets = table_length.get();
            }
            Call::VipDel(key) => {
                vips.remove(&key).ok_or_else(no_such_vip)?;
            }
            Call::AsAdd { key, address, weight } | Call::AsSetWeight { key, address, weight, .. } => {
                vips.get_mut(&key).ok_or_else(no_such_vip)?.servers.insert(address, weight.get());
            }
            Call::AsDel { key, address, .. } => {
                vips.get_mut(&key).ok_or_else(no_such_vip)?.servers.remove(&address);
            }
        }
        Ok(Reply::Done)
    }
}

/// The table as a map of a packet filter: which hashes go to which server. It gives each as many as VPP's table would.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rules = Vec::new();
        for (key, vip) in self.vips().iter() {
            let servers: Vec<(IpAddr, u8)> = vip.servers.iter().map(|(address, weight)| (*address, *weight)).collect();
            let length = TableLength::new(vip.buckets).map_err(|_| fmt::Error)?;
            let mut next = 0;
            let mut ranges = Vec::new();
            for ((address, _), count) in servers.iter().zip(bucket_counts(length, &servers)) {
                if count > 0 {
                    ranges.push(format!("{address} : {next}-{}", next + count - 1));
                }
                next += count;
            }
            rules.push(format!("   | {key} {{ {} }}", ranges.join(", ")));
        }
        f.write_str(&rules.join("\n"))
    }
}

/// A VIP that nothing is left to find out about.
fn vip<const N: usize>(targets: [(IpAddr, DesiredAs); N]) -> DesiredVip {
    DesiredVip {
        encap: Encap::Gre4,
        src_ip_sticky: false,
        table_length: TableLength::MIN,
        targets: targets.into(),
        decided: true,
    }
}

/// A server that serves.
fn serving(weight: u8) -> Result<DesiredAs, Box<dyn Error>> {
    Ok(DesiredAs { weight: Weight::new(weight)?, cut: Cut::Serving, flush: None })
}

/// Tokio's clock, which can be paused.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}
