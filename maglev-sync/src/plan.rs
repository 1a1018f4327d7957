//! From desired and actual state to an ordered list of calls.

mod unit;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

pub(crate) use self::unit::{Intent, Permit, Unit, View, prefix_range};
use crate::call::{Call, ConfUpdate};
#[cfg(feature = "tokio")]
use crate::exec::AddressBook;
use crate::model::{
    Actual, ActualLength, Desired, DesiredConf, ForeignVips, LbConf, StickyBuckets, TableLength, VipKey, Weight,
};

/// What a plan may touch besides the VIPs of the desired state.
///
/// ```
/// use maglev_sync::{Protocol, Scope, VipKey};
///
/// // What an earlier process programmed goes if it is not wanted any more; VIPs of others stay or go as `Desired::foreign` says.
/// let old = VipKey::host("192.0.2.9".parse()?, Protocol::UDP, 53);
/// let scope = Scope { ours: [old].into(), prune: true, ..Scope::default() };
/// assert!(!scope.recreate);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scope {
    /// VIPs that we programmed: they go when they left the desired state, whatever becomes of foreign ones.
    pub ours: BTreeSet<VipKey>,
    /// Whether VIPs that are not in the desired state may go at all.
    pub prune: bool,
    /// Whether VIPs are re-created for another table length, and sticky tables for another size. Both cut flows.
    pub recreate: bool,
}

/// The calls that take VPP from its actual to the desired state, in order, and what is left as it is on purpose.
///
/// A plan is made of the settings and of units that do not depend on each other: a VIP, or the VIPs of one address that exclude each
/// other in VPP. The steps of a unit are grouped in stages; a stage begins when every call of the one before succeeded:
///
/// 1. cuts of servers that do not serve. Where that would leave the VIP empty although another server is about to be added or
///    raised, that one comes right before, in the same stage;
/// 2. additions and raises;
/// 3. deletions, and cuts of servers that still serve.
///
/// So no VIP stands empty on the way from one state that serves to another, whatever VPP refuses; unless only servers that do not serve
/// had a weight, and VPP refuses their successor. A VIP that must be re-created is one
/// stage: its servers deleted with flush, the VIP deleted and added, servers added. VIPs that exclude each other are treated likewise, all
/// deletions first. A VIP that goes loses its servers, with flush, and then itself.
///
/// # Guarantees
/// The plan depends on the two states alone. Over equal states it is empty. A setting that VPP does not tell is not equal: before 26.10
/// it is sent as long as VPP has no session ([`LbConf`]).
///
/// # Caveats
/// Flushes that are owed depend on history and are not part of a plan; see [`crate::Reconciler`], and [`crate::Forecast`] for what
/// they will be.
///
/// ```
/// # use maglev_sync::*;
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
///
/// use std::collections::BTreeMap;
///
/// use Cut::{Serving, Urgent};
///
/// let empty = Actual { abilities: Abilities::default(), conf: LbConf::default(), vips: BTreeMap::new() };
/// let plan = Plan::new(&desired(&[("10.0.0.1", 100, Serving)])?, &empty, &Scope::default());
/// assert_eq!(plan.conf().map(|conf| conf.ip4_src), Some(conf.ip4_src));
/// assert_eq!(plan.steps().map(ToString::to_string).collect::<Vec<_>>(), [
///     "192.0.2.1 tcp/80: create, gre4, 1024 buckets",
///     "192.0.2.1 tcp/80: add server 10.0.0.1 weight 100",
/// ]);
///
/// // Another server takes over from one that is dead: it comes first, or the VIP would stand empty in between.
/// let before = Outlook::new(desired(&[("10.0.0.1", 100, Serving)])?, empty).forecast(false).after().clone();
/// let after = desired(&[("10.0.0.1", 0, Urgent), ("10.0.0.2", 100, Serving)])?;
/// let plan = Plan::new(&after, &before, &Scope::default());
/// assert_eq!(plan.steps().map(ToString::to_string).collect::<Vec<_>>(), [
///     "192.0.2.1 tcp/80: add server 10.0.0.2 weight 100",
///     "192.0.2.1 tcp/80: server 10.0.0.1 weight 0 (was 100)",
/// ]);
///
/// // Once that is done the VIP needs nothing, nor do the settings.
/// let done = Outlook::new(after.clone(), before).forecast(false).after().clone();
/// let plan = Plan::new(&after, &done, &Scope::default());
/// assert!(plan.is_empty() && plan.conf().is_none() && plan.unchanged().contains(&web));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plan {
    conf: Option<ConfUpdate>,
    units: Vec<Unit>,
    unchanged: BTreeSet<VipKey>,
    notes: Vec<Note>,
    /// What the last gate needs to know when the plan is applied.
    #[cfg(feature = "tokio")]
    book: AddressBook,
}

impl Plan {
    /// Plans the way from `actual`, as it was read, to `desired`.
    pub fn new(desired: &Desired, actual: &Actual, scope: &Scope) -> Self {
        Self::of(desired, &actual.completed(desired), scope)
    }

    /// Plans the way from what is known, and complete already.
    pub(crate) fn of(desired: &Desired, actual: &Actual, scope: &Scope) -> Self {
        let permit = Everything { scope, foreign: desired.foreign };
        let view = View { desired: &desired.vips, actual: &actual.vips, permit: &permit, abilities: actual.abilities };
        let mut notes = Vec::new();

        let conf = conf_update(&desired.conf, &actual.conf, actual.vips.is_empty() || scope.recreate);
        if conf.is_none_or(|update| update.sticky_buckets.is_none())
            && !desired.conf.has_sticky_buckets_of(&actual.conf)
            && let Some(actual) = actual.conf.sticky_buckets_per_core
        {
            notes.push(Note::StickyBuckets { wanted: desired.conf.sticky_buckets, actual });
        }

        let mut units = Vec::new();
        let mut unchanged = BTreeSet::new();
        let mut planned = BTreeSet::new();
        let keys: BTreeSet<VipKey> = desired.vips.keys().chain(actual.vips.keys()).copied().collect();
        for &key in &keys {
            if planned.contains(&key) {
                continue;
            }
            match view.unit(&key) {
                Ok(unit) if unit.is_empty() => {
                    unchanged.insert(key);
                }
                Ok(unit) => {
                    planned.extend(unit.keys.iter().copied());
                    units.push(unit);
                }
                Err(by) if desired.vips.contains_key(&key) => notes.push(Note::InTheWay { key, by }),
                // It would only have gone to make room.
                Err(_) => {}
            }
            if desired.vips.get(&key).is_some_and(|wanted| !view.can_hold(wanted)) {
                notes.push(Note::SrcIpSticky { key });
            }
            if let (Some(wanted), Some(vip)) = (desired.vips.get(&key), actual.vips.get(&key))
                && view.intent(&key) == Intent::Keep
                && !vip.table_length.agrees_with(wanted.table_length)
            {
                notes.push(Note::TableLength { key, wanted: wanted.table_length, actual: vip.table_length });
            }
        }
        // The address book of a large VPP takes longer than the plan itself.
        #[cfg(feature = "tokio")]
        let book = if units.is_empty() { AddressBook::default() } else { AddressBook::of(&actual.vips) };
        Self {
            conf,
            units,
            unchanged,
            notes,
            #[cfg(feature = "tokio")]
            book,
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.conf.is_none() && self.units.is_empty()
    }

    /// New settings, sent before anything else.
    pub fn conf(&self) -> Option<&ConfUpdate> {
        self.conf.as_ref()
    }

    /// Every step but the settings, unit by unit, in order.
    ///
    /// Units run side by side: the cuts of all of them come first.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.units.iter().flat_map(|unit| unit.stages.iter().flatten())
    }

    /// VIPs that need nothing.
    pub fn unchanged(&self) -> &BTreeSet<VipKey> {
        &self.unchanged
    }

    /// What differs and is left as it is, and why.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The units, and the addresses that VPP holds.
    #[cfg(feature = "tokio")]
    pub(crate) fn parts(&self) -> (&[Unit], &AddressBook) {
        (&self.units, &self.book)
    }
}

/// One line a step, notes last; `nothing to do` for an empty plan.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            writeln!(f, "nothing to do")?;
        }
        if let Some(conf) = &self.conf {
            writeln!(f, "{}", Call::Conf(*conf))?;
        }
        for step in self.steps() {
            writeln!(f, "{step}")?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

/// One call of a plan.
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
/// let plan = Plan::new(&desired, &empty, &Scope::default());
/// let step = plan.steps().next().ok_or("there is something to do")?;
/// assert_eq!((step.key, step.stage, step.before), (web, Stage::Create, None));
/// assert_eq!(step.to_string(), "192.0.2.1 tcp/80: create, gre4, 1024 buckets");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// The VIP it is for.
    pub key: VipKey,
    /// The call.
    pub call: Call,
    /// Where it stands in the order of its unit.
    pub stage: Stage,
    /// The server's weight before, if it had one.
    pub before: Option<u8>,
}

impl Step {
    /// The eviction of the flows of a server that has no weight.
    pub(crate) fn flush(key: &VipKey, address: IpAddr) -> Self {
        let call = Call::AsSetWeight { key: *key, address, weight: Weight::ZERO, flush: true };
        Self { key: *key, call, stage: Stage::Flush, before: Some(0) }
    }
}

/// The call, with the weight before.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.before, &self.call) {
            (Some(before), Call::AsSetWeight { .. } | Call::AsDel { .. }) => {
                write!(f, "{} (was {before})", self.call)
            }
            _ => self.call.fmt(f),
        }
    }
}

/// Where a step stands in the order of its unit.
///
/// ```
/// use maglev_sync::Stage;
///
/// // Who does not serve goes first, and who still does when others have come.
/// assert!(Stage::UrgentCut < Stage::Grow && Stage::Grow < Stage::Shrink);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Stage {
    /// A cut of a server that does not serve, or the addition or raise that must come right before it.
    UrgentCut,
    /// An addition or raise.
    Grow,
    /// A deletion, or a cut of a server that still serves.
    Shrink,
    /// Creation or re-creation of VIPs.
    Create,
    /// Removal of a VIP.
    Remove,
    /// A flush that is owed.
    Flush,
}

/// Something that differs and is left as it is.
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
/// let mut longer = desired.clone();
/// longer.vips.values_mut().for_each(|vip| vip.table_length = TableLength::MAX);
/// let standing = Outlook::new(desired, empty).forecast(false).after().clone();
/// // It would take the VIP's flows, so nobody does it unasked.
/// let plan = Plan::new(&longer, &standing, &Scope::default());
/// assert!(plan.is_empty());
/// assert!(matches!(plan.notes(), [Note::TableLength { wanted: TableLength::MAX, .. }]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Note {
    /// Another table length needs a re-creation, which cuts flows.
    TableLength {
        /// The VIP.
        key: VipKey,
        /// The length wanted.
        wanted: TableLength,
        /// The length in VPP.
        actual: ActualLength,
    },
    /// Another number of sticky buckets forgets all sessions.
    StickyBuckets {
        /// The number wanted.
        wanted: StickyBuckets,
        /// The number in VPP.
        actual: u32,
    },
    /// VPP cannot hold the VIP beside another one, which stays. Nothing of its unit is done.
    InTheWay {
        /// The VIP.
        key: VipKey,
        /// The other one.
        by: VipKey,
    },
    /// This release of VPP cannot be trusted to hash flows without ports, so the VIP is left as it is.
    SrcIpSticky {
        /// The VIP.
        key: VipKey,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TableLength { key, wanted, actual } => {
                write!(f, "{key}: stands with {actual} buckets, not {wanted}; left until it is re-created")
            }
            Self::StickyBuckets { wanted, actual } => {
                write!(f, "{actual} sticky buckets per core, not {wanted}; left while there are VIPs")
            }
            Self::InTheWay { key, by } => write!(f, "{key}: VPP cannot hold it beside {by}; nothing is deleted"),
            Self::SrcIpSticky { key } => {
                write!(f, "{key}: left as it is, for this release of VPP cannot be trusted with src-ip-sticky")
            }
        }
    }
}

/// The settings to send, if any; other sticky buckets only if that is allowed, or VPP has no sticky table yet: then there are no
/// sessions to forget.
pub(crate) fn conf_update(desired: &DesiredConf, actual: &LbConf, buckets_may_change: bool) -> Option<ConfUpdate> {
    let may_change = buckets_may_change || actual.sticky_buckets_per_core.is_none();
    let sticky_buckets = (may_change && !desired.has_sticky_buckets_of(actual)).then_some(desired.sticky_buckets);
    if sticky_buckets.is_none() && desired.has_addresses_and_timeout_of(actual) {
        return None;
    }
    Some(ConfUpdate {
        ip4_src: desired.ip4_src,
        ip6_src: desired.ip6_src,
        sticky_buckets,
        flow_timeout: Some(desired.flow_timeout),
    })
}

/// The permit of a plan that stands for itself.
struct Everything<'a> {
    scope: &'a Scope,
    foreign: ForeignVips,
}

impl Permit for Everything<'_> {
    fn may_write(&self, _: &VipKey) -> bool {
        true
    }

    fn may_remove(&self, key: &VipKey) -> bool {
        self.scope.prune && (self.foreign == ForeignVips::Remove || self.scope.ours.contains(key))
    }

    fn may_resize(&self, _: &VipKey) -> bool {
        self.scope.recreate
    }
}

#[cfg(test)]
mod tests;
