//! Runs a plan over a [`Dataplane`].
//!
//! No task is spawned: the calls in flight are futures of the one that applies. Dropping it abandons calls whose fate is then unknown;
//! VPP must be read again before the next plan.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use crate::call::{Call, CallFailure, Reply};
use crate::dataplane::Dataplane;
use crate::event::Failure;
use crate::exec::{CallId, Ended, Executor, Next, Priority};
use crate::model::{Actual, VipKey};
use crate::plan::{Note, Plan, Stage, Step};

/// How to apply a plan.
///
/// ```
/// # use std::sync::Mutex;
/// # use maglev_sync::*;
/// # let conf = DesiredConf {
/// #     ip4_src: "10.0.0.254".parse()?,
/// #     ip6_src: "2001:db8::254".parse()?,
/// #     sticky_buckets: StickyBuckets::MIN,
/// #     flow_timeout: FlowTimeout::from_secs(40)?,
/// # };
/// # let server = DesiredAs { weight: Weight::MAX, cut: Cut::Serving, flush: None };
/// # let vip = DesiredVip {
/// #     encap: Encap::Gre4,
/// #     src_ip_sticky: false,
/// #     table_length: TableLength::MIN,
/// #     targets: [("10.0.0.1".parse()?, server)].into(),
/// #     decided: true,
/// # };
/// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// # let dns = VipKey::host("192.0.2.9".parse()?, Protocol::UDP, 53);
/// # let desired = Desired { conf, foreign: ForeignVips::Keep, vips: [(web, vip.clone()), (dns, vip)].into() };
/// # let empty = Actual { abilities: Abilities::default(), conf: LbConf::default(), vips: Default::default() };
/// /// Tells how many calls were in flight at most.
/// struct Gauge(Mutex<[usize; 2]>);
///
/// impl Dataplane for Gauge {
///     async fn call(&self, _: Call) -> Result<Reply, CallFailure> {
///         let change = |by: isize| {
///             let [now, most] = &mut *self.0.lock().unwrap();
///             *now = now.saturating_add_signed(by);
///             *most = (*most).max(*now);
///         };
///         change(1);
///         tokio::task::yield_now().await;
///         change(-1);
///         Ok(Reply::Done)
///     }
/// }
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let plan = Plan::new(&desired, &empty, &Scope::default());
/// let most_in_flight = async |options| {
///     let gauge = Gauge(Mutex::default());
///     apply(&plan, &gauge, options).await;
///     gauge.0.into_inner().unwrap()[1]
/// };
/// // Two VIPs are to be made. They do not wait for each other, unless that is asked for.
/// assert_eq!(most_in_flight(ApplyOptions::default()).await, 4);
/// let mut one_by_one = ApplyOptions::default();
/// one_by_one.in_flight = 1;
/// assert_eq!(most_in_flight(one_by_one).await, 1);
/// # });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ApplyOptions {
    /// Calls in flight at the same time, at least 1. 64: ten times the speed of one at a time, and VPP's main loop still breathes.
    pub in_flight: usize,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        Self { in_flight: 64 }
    }
}

/// What became of a plan, key by key.
///
/// ```
/// # use maglev_sync::*;
/// # let conf = DesiredConf {
/// #     ip4_src: "10.0.0.254".parse()?,
/// #     ip6_src: "2001:db8::254".parse()?,
/// #     sticky_buckets: StickyBuckets::MIN,
/// #     flow_timeout: FlowTimeout::from_secs(40)?,
/// # };
/// # let server = DesiredAs { weight: Weight::MAX, cut: Cut::Serving, flush: None };
/// # let vip = DesiredVip {
/// #     encap: Encap::Gre4,
/// #     src_ip_sticky: false,
/// #     table_length: TableLength::MIN,
/// #     targets: [("10.0.0.1".parse()?, server)].into(),
/// #     decided: true,
/// # };
/// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// # let desired = Desired { conf, foreign: ForeignVips::Keep, vips: [(web, vip)].into() };
/// # let empty = Actual { abilities: Abilities::default(), conf: LbConf::default(), vips: Default::default() };
///
/// /// For the operator who asked.
/// fn report(status: &Status) -> String {
///     if status.is_ok() {
///         let changed = status.vips.values().filter(|outcome| **outcome == Outcome::Changed).count();
///         return format!("{changed} VIPs changed");
///     }
///     status.failures().map(|(key, failure)| format!("{key}: {failure}\n")).collect()
/// }
/// # struct Willing;
/// # impl Dataplane for Willing {
/// #     async fn call(&self, _: Call) -> Result<Reply, CallFailure> {
/// #         Ok(Reply::Done)
/// #     }
/// # }
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let dataplane = Willing;
/// let plan = Plan::new(&desired, &empty, &Scope::default());
/// let status = apply(&plan, &dataplane, ApplyOptions::default()).await;
/// assert_eq!(report(&status), "1 VIPs changed");
/// # });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// The settings.
    pub conf: Outcome,
    /// Each VIP of either state.
    pub vips: BTreeMap<VipKey, Outcome>,
}

impl Status {
    /// Whether everything is as desired now, as far as the plan could tell.
    pub fn is_ok(&self) -> bool {
        self.failures().next().is_none() && !matches!(self.conf, Outcome::Failed(_))
    }

    /// The VIPs that failed.
    pub fn failures(&self) -> impl Iterator<Item = (&VipKey, &Failure)> {
        self.vips.iter().filter_map(|(key, outcome)| match outcome {
            Outcome::Failed(failure) => Some((key, failure)),
            Outcome::Unchanged | Outcome::Changed => None,
        })
    }
}

/// What became of one key.
///
/// ```
/// # use std::sync::Mutex;
/// # use maglev_sync::*;
/// # let conf = DesiredConf {
/// #     ip4_src: "10.0.0.254".parse()?,
/// #     ip6_src: "2001:db8::254".parse()?,
/// #     sticky_buckets: StickyBuckets::MIN,
/// #     flow_timeout: FlowTimeout::from_secs(40)?,
/// # };
/// # let server = DesiredAs { weight: Weight::MAX, cut: Cut::Serving, flush: None };
/// # let vip = DesiredVip {
/// #     encap: Encap::Gre4,
/// #     src_ip_sticky: false,
/// #     table_length: TableLength::MIN,
/// #     targets: [("10.0.0.1".parse()?, server)].into(),
/// #     decided: true,
/// # };
/// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// # let dns = VipKey::host("192.0.2.9".parse()?, Protocol::UDP, 53);
/// # let desired = Desired { conf, foreign: ForeignVips::Keep, vips: [(web, vip.clone()), (dns, vip)].into() };
/// # let empty = Actual { abilities: Abilities::default(), conf: LbConf::default(), vips: Default::default() };
/// /// Takes VIPs on TCP alone.
/// struct TcpAlone;
///
/// impl Dataplane for TcpAlone {
///     async fn call(&self, call: Call) -> Result<Reply, CallFailure> {
///         match call {
///             Call::VipAdd { key, .. } if key.protocol() != Protocol::TCP => {
///                 Err(CallFailure::Refused { retval: -1, text: "TCP alone".to_owned() })
///             }
///             _ => Ok(Reply::Done),
///         }
///     }
/// }
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let plan = Plan::new(&desired, &empty, &Scope::default());
/// let status = apply(&plan, &TcpAlone, ApplyOptions::default()).await;
/// assert_eq!((&status.conf, &status.vips[&web]), (&Outcome::Changed, &Outcome::Changed));
/// let Outcome::Failed(failure) = &status.vips[&dns] else { panic!("{status:?}") };
/// assert_eq!(failure.to_string(), "refused: 192.0.2.9 udp/53: create, gre4, 1024 buckets");
/// # });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "complete by nature")]
pub enum Outcome {
    /// It was as desired.
    Unchanged,
    /// It is as desired now.
    Changed,
    /// It is not, and VPP must be read to know what it is.
    Failed(Failure),
}

/// Carries a plan out.
///
/// Every step is attempted, in the order that [`Plan`] describes: a refused call fails its unit alone, a lost link all that is left. Flushes
/// of VIPs that go are paced to a quarter of the time.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::collections::BTreeMap;
/// # use maglev_sync::*;
/// # struct Refuses;
/// # impl Dataplane for Refuses {
/// #     async fn call(&self, call: Call) -> Result<Reply, CallFailure> {
/// #         match call {
/// #             Call::ConfGet => Ok(Reply::Conf(LbConf::default())),
/// #             Call::VipDump => Ok(Reply::Vips(Vec::new())),
/// #             Call::AsDump(_) => Ok(Reply::Ases(Vec::new())),
/// #             _ => Err(CallFailure::Refused { retval: -1, text: "no".into() }),
/// #         }
/// #     }
/// # }
/// # let conf = DesiredConf {
/// #     ip4_src: "10.0.0.254".parse()?,
/// #     ip6_src: "2001:db8::254".parse()?,
/// #     sticky_buckets: StickyBuckets::MIN,
/// #     flow_timeout: FlowTimeout::from_secs(40)?,
/// # };
/// # let vip = |targets: &[(&str, u8, Cut)]| -> Result<DesiredVip, Box<dyn std::error::Error>> {
/// #     let mut vip = DesiredVip {
/// #         encap: Encap::Gre4,
/// #         src_ip_sticky: false,
/// #         table_length: TableLength::MIN,
/// #         targets: Default::default(),
/// #         decided: true,
/// #     };
/// #     for (address, weight, cut) in targets {
/// #         vip.targets.insert(address.parse()?, DesiredAs { weight: Weight::new(*weight)?, cut: *cut, flush: None });
/// #     }
/// #     Ok(vip)
/// # };
/// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// # let desired = |targets: &[(&str, u8, Cut)]| -> Result<Desired, Box<dyn std::error::Error>> {
/// #     Ok(Desired { conf, foreign: ForeignVips::Keep, vips: [(web, vip(targets)?)].into() })
/// # };
/// let vpp = Refuses;
/// let desired = desired(&[("10.0.0.1", 100, Cut::Serving)])?;
/// let plan = Plan::new(&desired, &read(&vpp).await?, &Scope::default());
/// let status = apply(&plan, &vpp, ApplyOptions::default()).await;
/// // This VPP says no to all of it: each key tells why.
/// assert!(!status.is_ok());
/// let (key, failure) = status.failures().next().ok_or("a refused call is a failure")?;
/// assert_eq!(format!("{key}: {failure}"), "192.0.2.1 tcp/80: refused: 192.0.2.1 tcp/80: create, gre4, 1024 buckets");
/// # Ok(())
/// # }
/// ```
pub async fn apply(plan: &Plan, dataplane: &impl Dataplane, options: ApplyOptions) -> Status {
    let mut pass = Pass::new(plan);
    if let Some(update) = plan.conf() {
        let call = Call::Conf(*update);
        pass.conf = match Reply::of_write(dataplane.call(call.clone()).await) {
            Ok(()) => Outcome::Changed,
            Err(CallFailure::Lost) => {
                pass.lost();
                Outcome::Failed(Failure::LinkLost)
            }
            Err(failure) => Outcome::Failed(Failure::Refused { call, failure }),
        };
    }

    let mut calls = FuturesUnordered::new();
    loop {
        pass.exec.handle_timeout(now());
        while calls.len() < options.in_flight.max(1)
            && let Some((id, call)) = pass.poll()
        {
            calls.push(async move { (id, dataplane.call(call).await) });
        }
        let rested = pass.exec.poll_timeout();
        let rest = async {
            match rested {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        if calls.is_empty() && rested.is_none() {
            return pass.finish();
        }
        tokio::select! {
            biased;
            Some((id, reply)) = calls.next() => pass.handle_reply(id, reply),
            () = rest => {}
        }
    }
}

/// Reads what VPP holds, as far as its dumps tell: not `src_ip_sticky`, nor lengths above 65,535.
///
/// # Errors
/// The first call that failed.
///
/// ```
/// # use maglev_sync::*;
/// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// /// One VIP with a long table and two servers, of which one was removed.
/// struct Fixed(VipKey);
///
/// impl Dataplane for Fixed {
///     async fn call(&self, call: Call) -> Result<Reply, CallFailure> {
///         let row = |host: u8, in_use| AsRow { key: self.0, address: [10, 0, 0, host].into(), in_use, weight: 100 };
///         Ok(match call {
///             Call::ConfGet => Reply::Conf(LbConf::default()),
///             Call::VipDump => Reply::Vips(vec![VipRow { key: self.0, encap: Encap::Gre4.into(), table_length: 0 }]),
///             Call::AsDump(None) => Reply::Ases(vec![row(1, true), row(2, false)]),
///             _ => return Err(CallFailure::Refused { retval: -1, text: "read only".to_owned() }),
///         })
///     }
/// }
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let actual = read(&Fixed(web)).await?;
/// let vip = &actual.vips[&web];
/// assert_eq!((vip.ases.len(), vip.lingering.len()), (1, 1));
/// // What dumps do not tell.
/// assert_eq!((vip.src_ip_sticky, vip.table_length.known()), (None, None));
/// assert_eq!(vip.table_length.to_string(), "65536 or more");
/// # Ok::<(), CallFailure>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn read(dataplane: &impl Dataplane) -> Result<Actual, CallFailure> {
    let Reply::Conf(conf) = dataplane.call(Call::ConfGet).await? else { return Err(CallFailure::senseless()) };
    let Reply::Vips(vips) = dataplane.call(Call::VipDump).await? else { return Err(CallFailure::senseless()) };
    let Reply::Ases(ases) = dataplane.call(Call::AsDump(None)).await? else {
        return Err(CallFailure::senseless());
    };
    Ok(Actual::from_dumps(dataplane.abilities(), conf, &vips, &ases))
}

/// A plan under way.
struct Pass {
    exec: Executor,
    /// The stages of each unit that have not begun, and its VIPs, by its first VIP.
    units: BTreeMap<VipKey, (Vec<VipKey>, VecDeque<Vec<Step>>)>,
    conf: Outcome,
    vips: BTreeMap<VipKey, Outcome>,
    lost: bool,
}

impl Pass {
    fn new(plan: &Plan) -> Self {
        let (units, book) = plan.parts();
        let mut pass = Self {
            exec: Executor::new(book.clone()),
            units: BTreeMap::new(),
            conf: Outcome::Unchanged,
            vips: plan.unchanged().iter().map(|key| (*key, Outcome::Unchanged)).collect(),
            lost: false,
        };
        for note in plan.notes() {
            match *note {
                Note::InTheWay { key, by } => pass.vips.insert(key, Outcome::Failed(Failure::InTheWay { by })),
                Note::SrcIpSticky { key } => pass.vips.insert(key, Outcome::Failed(Failure::SrcIpSticky)),
                Note::TableLength { .. } | Note::StickyBuckets { .. } => continue,
            };
        }
        for unit in units {
            let Some(lead) = unit.keys.first() else { continue };
            pass.units.insert(*lead, (unit.keys.clone(), unit.stages.iter().cloned().collect()));
        }
        let leads: BTreeSet<VipKey> = pass.units.keys().copied().collect();
        leads.iter().for_each(|lead| pass.next_stage(lead));
        pass
    }

    fn poll(&mut self) -> Option<(CallId, Call)> {
        while !self.lost {
            match self.exec.poll(now())? {
                Next::Call(id, step) => return Some((id, step.call)),
                Next::Forbidden { step, rule, ended } => {
                    self.fail(&step.key, Failure::Forbidden { call: step.call, rule });
                    self.ended(ended);
                }
            }
        }
        None
    }

    fn handle_reply(&mut self, id: CallId, reply: Result<Reply, CallFailure>) {
        let outcome = Reply::of_write(reply);
        let Some((step, ended)) = self.exec.finish(now(), id, outcome.is_ok()) else { return };
        match outcome {
            Ok(()) => {}
            Err(CallFailure::Lost) => return self.lost(),
            Err(failure) => self.fail(&step.key, Failure::Refused { call: step.call, failure }),
        }
        self.ended(ended);
    }

    fn next_stage(&mut self, lead: &VipKey) {
        let Some((keys, stages)) = self.units.get_mut(lead) else { return };
        if let Some(steps) = stages.pop_front() {
            let urgent = steps.first().is_some_and(|step| step.stage == Stage::UrgentCut);
            self.exec.submit(*lead, if urgent { Priority::Urgent } else { Priority::Pass }, steps);
            return;
        }
        for key in std::mem::take(keys) {
            self.vips.entry(key).or_insert(Outcome::Changed);
        }
        self.units.remove(lead);
    }

    fn ended(&mut self, ended: Option<Ended>) {
        let Some(Ended { lead, failed, .. }) = ended else { return };
        if !failed {
            return self.next_stage(&lead);
        }
        // The VIPs of a unit share its fate.
        let Some((keys, _)) = self.units.remove(&lead) else { return };
        let failure = keys.iter().find_map(|key| match self.vips.get(key) {
            Some(Outcome::Failed(failure)) => Some(failure.clone()),
            _ => None,
        });
        if let Some(failure) = failure {
            keys.iter().for_each(|key| self.fail(key, failure.clone()));
        }
    }

    /// Only the first failure of a VIP counts: the others follow from it.
    fn fail(&mut self, key: &VipKey, failure: Failure) {
        self.vips.entry(*key).or_insert(Outcome::Failed(failure));
    }

    fn lost(&mut self) {
        self.lost = true;
        for (_, (keys, _)) in std::mem::take(&mut self.units) {
            keys.iter().for_each(|key| self.fail(key, Failure::LinkLost));
        }
        self.exec.clear();
    }

    fn finish(self) -> Status {
        Status { conf: self.conf, vips: self.vips }
    }
}

/// Tokio's clock, which tests can pause.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;
