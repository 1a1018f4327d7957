//! What becomes of one VIP.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use super::Wait;
use crate::call::Call;
use crate::model::{ActualEncap, ActualLength, ActualVip};
use crate::plan::Step;
use crate::table::{Moved, Side, TableSize, bucket_counts, moved};

/// What becomes of a VIP.
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
/// let forecast = Outlook::new(desired, empty).forecast(false);
/// let vip = &forecast.vips()[&web];
/// assert_eq!((vip.action, vip.before.is_none(), vip.steps.len()), (Action::Create, true, 2));
/// // Every flow goes somewhere that it did not go before.
/// assert_eq!(vip.moved.map(|moved| moved.share()), Some(1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VipForecast {
    /// In a word.
    pub action: Action,
    /// Its form before; nothing if VPP lacks it.
    pub before: Option<Form>,
    /// Its form after; nothing if it goes.
    pub after: Option<Form>,
    /// Every server that it has before or after.
    pub ases: BTreeMap<IpAddr, AsForecast>,
    /// Buckets that name another server than before. Nothing if the length of a table is not known.
    pub moved: Option<Moved>,
    /// The calls, in order; flushes that are owed come last.
    pub steps: Vec<Step>,
    /// Why it would not happen now.
    pub waits: Option<Wait>,
}

/// What becomes of a VIP, in a word.
///
/// ```
/// # use maglev_sync::*;
/// # let conf = DesiredConf {
/// #     ip4_src: "10.0.0.254".parse()?,
/// #     ip6_src: "2001:db8::254".parse()?,
/// #     sticky_buckets: StickyBuckets::MIN,
/// #     flow_timeout: FlowTimeout::from_secs(40)?,
/// # };
/// # let server = |weight| DesiredAs { weight, cut: Cut::Serving, flush: None };
/// # let [first, second] = ["10.0.0.1".parse()?, "10.0.0.2".parse()?];
/// # let vip = DesiredVip {
/// #     encap: Encap::Gre4,
/// #     src_ip_sticky: false,
/// #     table_length: TableLength::MIN,
/// #     targets: [(first, server(Weight::MAX)), (second, server(Weight::MAX))].into(),
/// #     decided: true,
/// # };
/// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// # let desired = Desired { conf, foreign: ForeignVips::Keep, vips: [(web, vip)].into() };
/// # let empty = Actual { abilities: Abilities::default(), conf: LbConf::default(), vips: Default::default() };
/// # let standing = Outlook::new(desired.clone(), empty).forecast(false).after().clone();
/// # let mut desired = desired;
/// // A VIP stands. What becomes of it if its flows are to be hashed without ports?
/// desired.vips.entry(web).and_modify(|vip| vip.src_ip_sticky = true);
/// let forecast = Outlook::new(desired, standing).forecast(false);
/// let action = forecast.vips()[&web].action;
/// // The word for people and for machines.
/// assert_eq!((action, action.as_str()), (Action::Recreate, "recreate"));
/// assert_eq!(format!("{action:>10}"), "  recreate");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// VPP lacks it.
    Create,
    /// Its servers change.
    Change,
    /// It is deleted and created again: every flow is evicted.
    Recreate,
    /// It goes, with its servers and their flows.
    Remove,
    /// Nothing changes, but flows are evicted.
    Flush,
}

impl Action {
    /// The word, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Change => "change",
            Self::Recreate => "recreate",
            Self::Remove => "remove",
            Self::Flush => "flush",
        }
    }
}

/// The word, in lower case.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What of a VIP cannot be changed without making it anew.
///
/// ```
/// # use maglev_sync::*;
/// # let conf = DesiredConf {
/// #     ip4_src: "10.0.0.254".parse()?,
/// #     ip6_src: "2001:db8::254".parse()?,
/// #     sticky_buckets: StickyBuckets::MIN,
/// #     flow_timeout: FlowTimeout::from_secs(40)?,
/// # };
/// # let server = |weight| DesiredAs { weight, cut: Cut::Serving, flush: None };
/// # let [first, second] = ["10.0.0.1".parse()?, "10.0.0.2".parse()?];
/// # let vip = DesiredVip {
/// #     encap: Encap::Gre4,
/// #     src_ip_sticky: false,
/// #     table_length: TableLength::MIN,
/// #     targets: [(first, server(Weight::MAX)), (second, server(Weight::MAX))].into(),
/// #     decided: true,
/// # };
/// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// # let desired = Desired { conf, foreign: ForeignVips::Keep, vips: [(web, vip)].into() };
/// # let empty = Actual { abilities: Abilities::default(), conf: LbConf::default(), vips: Default::default() };
/// # let standing = Outlook::new(desired.clone(), empty).forecast(false).after().clone();
/// # let mut desired = desired;
/// // A VIP stands, and a sync that may make VIPs anew finds that it should have longer tables.
/// desired.vips.entry(web).and_modify(|vip| vip.table_length = TableLength::MAX);
/// let forecast = Outlook::new(desired, standing).forecast(true);
/// let vip = &forecast.vips()[&web];
/// let (before, after) = vip.before.zip(vip.after).ok_or("it stands before and after")?;
/// assert_eq!((before.table_length.to_string(), after.table_length.to_string()), ("1024".into(), "1048576".into()));
/// assert_eq!(before.encap, after.encap);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Form {
    /// How packets travel to its servers.
    pub encap: ActualEncap,
    /// Whether flows are hashed without ports, as far as known.
    pub src_ip_sticky: Option<bool>,
    /// Length of its new-flow table, as far as known.
    pub table_length: ActualLength,
}

/// What becomes of a server of a VIP.
///
/// ```
/// # use maglev_sync::*;
/// # let conf = DesiredConf {
/// #     ip4_src: "10.0.0.254".parse()?,
/// #     ip6_src: "2001:db8::254".parse()?,
/// #     sticky_buckets: StickyBuckets::MIN,
/// #     flow_timeout: FlowTimeout::from_secs(40)?,
/// # };
/// # let server = |weight| DesiredAs { weight, cut: Cut::Serving, flush: None };
/// # let [first, second] = ["10.0.0.1".parse()?, "10.0.0.2".parse()?];
/// # let vip = DesiredVip {
/// #     encap: Encap::Gre4,
/// #     src_ip_sticky: false,
/// #     table_length: TableLength::MIN,
/// #     targets: [(first, server(Weight::MAX)), (second, server(Weight::MAX))].into(),
/// #     decided: true,
/// # };
/// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// # let desired = Desired { conf, foreign: ForeignVips::Keep, vips: [(web, vip)].into() };
/// # let empty = Actual { abilities: Abilities::default(), conf: LbConf::default(), vips: Default::default() };
/// # let standing = Outlook::new(desired.clone(), empty).forecast(false).after().clone();
/// # let mut desired = desired;
/// // Two servers stand. The first one is drained, the second one is replaced.
/// let third = "10.0.0.3".parse()?;
/// desired.vips.entry(web).and_modify(|vip| {
///     vip.targets = [(first, server(Weight::ZERO)), (third, server(Weight::MAX))].into();
/// });
/// let forecast = Outlook::new(desired, standing).forecast(false);
/// let ases = &forecast.vips()[&web].ases;
/// let weights = |address| [ases[address].before, ases[address].after].map(|claim| claim.map(|claim| claim.weight));
/// assert_eq!(weights(&first), [Some(100), Some(0)]);
/// assert_eq!(weights(&second), [Some(100), None]);
/// assert_eq!(weights(&third), [None, Some(100)]);
/// // Who leaves in peace keeps the flows that it has.
/// assert!(ases.values().all(|server| !server.flush));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct AsForecast {
    /// What it has before; nothing if it is added.
    pub before: Option<Claim>,
    /// What it has after; nothing if it is deleted.
    pub after: Option<Claim>,
    /// Whether its flows are evicted.
    pub flush: bool,
}

/// What a server has of a VIP.
///
/// ```
/// # use maglev_sync::*;
/// # let conf = DesiredConf {
/// #     ip4_src: "10.0.0.254".parse()?,
/// #     ip6_src: "2001:db8::254".parse()?,
/// #     sticky_buckets: StickyBuckets::MIN,
/// #     flow_timeout: FlowTimeout::from_secs(40)?,
/// # };
/// # let server = |weight| DesiredAs { weight, cut: Cut::Serving, flush: None };
/// # let [first, second] = ["10.0.0.1".parse()?, "10.0.0.2".parse()?];
/// # let vip = DesiredVip {
/// #     encap: Encap::Gre4,
/// #     src_ip_sticky: false,
/// #     table_length: TableLength::MIN,
/// #     targets: [(first, server(Weight::MAX)), (second, server(Weight::MAX))].into(),
/// #     decided: true,
/// # };
/// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// # let desired = Desired { conf, foreign: ForeignVips::Keep, vips: [(web, vip)].into() };
/// # let empty = Actual { abilities: Abilities::default(), conf: LbConf::default(), vips: Default::default() };
/// # let standing = Outlook::new(desired.clone(), empty).forecast(false).after().clone();
/// # let mut desired = desired;
/// // Two equal servers share the 1,024 buckets. The second one is to take half of what the first one takes.
/// let half = server(Weight::new(50)?);
/// desired.vips.entry(web).and_modify(|vip| drop(vip.targets.insert(second, half)));
/// let forecast = Outlook::new(desired, standing).forecast(false);
/// let server = forecast.vips()[&web].ases[&second];
/// assert_eq!(server.before, Some(Claim { weight: 100, buckets: Some(512) }));
/// assert_eq!(server.after, Some(Claim { weight: 50, buckets: Some(350) }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Claim {
    /// Its weight; VPP takes up to 255.
    pub weight: u8,
    /// Buckets of the new-flow table that name it; nothing if the table's length is not known.
    pub buckets: Option<u32>,
}

impl VipForecast {
    /// Of a VIP that is so before and after these steps.
    pub(super) fn new(
        (before, after): (Option<&ActualVip>, Option<&ActualVip>),
        steps: Vec<Step>,
        waits: Option<Wait>,
    ) -> Self {
        let action = match (before, after) {
            (None, _) => Action::Create,
            (Some(_), None) => Action::Remove,
            (Some(_), Some(_)) if steps.iter().any(|step| matches!(step.call, Call::VipAdd { .. })) => Action::Recreate,
            (Some(_), Some(_)) if steps.iter().all(|step| step.call.is_flush()) => Action::Flush,
            (Some(_), Some(_)) => Action::Change,
        };
        let (old, new) = (Half::of(before), Half::of(after));
        let (had, has) = (old.claims(), new.claims());
        let flushed: BTreeSet<IpAddr> = steps.iter().filter_map(|step| flushed_by(&step.call)).collect();
        let server = |address: &IpAddr| {
            let (before, after) = (had.get(address).copied(), has.get(address).copied());
            (*address, AsForecast { before, after, flush: flushed.contains(address) })
        };
        Self {
            action,
            before: before.map(Form::of),
            after: after.map(Form::of),
            ases: had.keys().chain(has.keys()).map(server).collect(),
            moved: old.side().zip(new.side()).map(|(old, new)| moved(old, new)),
            steps,
            waits,
        }
    }
}

impl Form {
    fn of(vip: &ActualVip) -> Self {
        Self { encap: vip.encap, src_ip_sticky: vip.src_ip_sticky, table_length: vip.table_length }
    }
}

/// A VIP before or after, which may not be there.
struct Half {
    weights: Vec<(IpAddr, u8)>,
    /// Nothing if it is not known.
    size: Option<TableSize>,
}

impl Half {
    fn of(vip: Option<&ActualVip>) -> Self {
        let Some(vip) = vip else { return Self { weights: Vec::new(), size: TableSize::new(1) } };
        Self {
            weights: vip.ases.iter().map(|(address, server)| (*address, server.weight)).collect(),
            size: vip.table_length.known().and_then(TableSize::new),
        }
    }

    fn side(&self) -> Option<Side<'_>> {
        Some(Side::new(self.size?, &self.weights))
    }

    fn claims(&self) -> BTreeMap<IpAddr, Claim> {
        let buckets: Vec<Option<u32>> = match self.size {
            Some(size) => bucket_counts(size, &self.weights).into_iter().map(Some).collect(),
            None => vec![None; self.weights.len()],
        };
        let claim = |(&(address, weight), buckets)| (address, Claim { weight, buckets });
        self.weights.iter().zip(buckets).map(claim).collect()
    }
}

fn flushed_by(call: &Call) -> Option<IpAddr> {
    match *call {
        Call::AsDel { address, flush: true, .. } | Call::AsSetWeight { address, flush: true, .. } => Some(address),
        _ => None,
    }
}
