//! What a sync would do, and what it would move, before it is done.

mod outlook;
mod vip;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use self::outlook::Hurdles;
pub use self::outlook::{Outlook, Wait};
pub use self::vip::{Action, AsForecast, Claim, Form, VipForecast};
use crate::call::{Call, ConfUpdate};
use crate::model::{Actual, VipKey};
use crate::plan::{Note, Plan, Scope, Step, conf_update};

/// What a sync would do, and what it would move.
///
/// It comes from an [`Outlook`], which [`Reconciler::outlook`](crate::Reconciler::outlook) gives.
///
/// ```
/// # use maglev_sync::*;
/// # use std::collections::BTreeMap;
/// # let server = |weight| DesiredAs { weight, cut: Cut::Serving, flush: None };
/// # let vip = DesiredVip {
/// #     encap: Encap::Gre4,
/// #     src_ip_sticky: false,
/// #     table_length: TableLength::MIN,
/// #     targets: [("10.0.0.1".parse()?, server(Weight::MAX)), ("10.0.0.2".parse()?, server(Weight::MAX))].into(),
/// #     decided: true,
/// # };
/// # let conf = DesiredConf {
/// #     ip4_src: "10.0.0.254".parse()?,
/// #     ip6_src: "2001:db8::254".parse()?,
/// #     sticky_buckets: StickyBuckets::MIN,
/// #     flow_timeout: FlowTimeout::from_secs(40)?,
/// # };
/// # let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// # let desired = Desired { conf, foreign: ForeignVips::Keep, vips: [(web, vip)].into() };
/// # let empty = Actual { abilities: Abilities::default(), conf: LbConf::default(), vips: BTreeMap::new() };
/// // A VIP with two servers is wanted, and VPP is empty.
/// let forecast = Outlook::new(desired.clone(), empty).forecast(false);
/// assert_eq!(forecast.vips()[&web].action, Action::Create);
///
/// // And if, once it stands, the first server were drained?
/// let mut drained = desired;
/// let first = "10.0.0.1".parse()?;
/// drained.vips.get_mut(&web).unwrap().targets.insert(first, server(Weight::ZERO));
/// let forecast = forecast.then().clone().with_desired(drained).forecast(false);
/// let web = &forecast.vips()[&web];
/// assert_eq!(web.action, Action::Change);
/// assert_eq!(web.steps[0].to_string(), "192.0.2.1 tcp/80: server 10.0.0.1 weight 0 (was 100)");
/// assert_eq!(web.ases[&first].before, Some(Claim { weight: 100, buckets: Some(512) }));
/// assert_eq!(web.moved.unwrap().share(), 0.5);
/// // Nothing needs nothing, and nothing is left different on purpose.
/// assert!(forecast.unchanged().next().is_none() && forecast.plan().notes().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Guarantees
/// For each VIP the steps are those that a [`Reconciler`](crate::Reconciler) sends, in this order, once nothing holds it back; buckets are
/// those of VPP's own tables. Equal outlooks have equal forecasts.
///
/// # Assumptions
/// VPP holds what was read of it, carries every call out, and nobody else changes it. What is in flight has not happened. No server is
/// a VIP: calls that would be held back for that ([`Forbidden`](crate::Forbidden)) are foretold all the same.
///
/// # Caveats
/// Flows that VPP remembers stay with their server until they are evicted: what moves is where new flows go. A change of
/// `src_ip_sticky` hashes every flow anew, which no comparison of tables shows; the two [`Form`]s do.
#[derive(Clone, Debug)]
pub struct Forecast {
    plan: Plan,
    settings: Vec<ConfUpdate>,
    vips: BTreeMap<VipKey, VipForecast>,
    then: Outlook,
}

impl Forecast {
    fn new(outlook: &Outlook, recreate: bool) -> Self {
        let scope = Scope { ours: outlook.ours.clone(), prune: true, recreate };
        let plan = Plan::of(&outlook.desired, &outlook.actual, &scope);
        let mut then = outlook.clone();
        let mut steps: BTreeMap<VipKey, Vec<Step>> = BTreeMap::new();
        for step in plan.steps() {
            then.actual.settle(&step.call);
            steps.entry(step.key).or_default().push(step.clone());
        }
        // What cannot be brought to its desired state is not flushed either.
        let blocked: BTreeSet<VipKey> = plan.notes().iter().filter_map(left_alone).collect();
        for (key, flushes) in then.flush(&outlook.actual, &blocked) {
            steps.entry(key).or_default().extend(flushes);
        }
        then.forget_what_is_gone();

        let mut settings: Vec<ConfUpdate> = plan.conf().copied().into_iter().collect();
        settings.iter().for_each(|update| then.actual.settle(&Call::Conf(*update)));
        // Sticky tables of another size had to wait for the last VIP to go.
        if let Some(update) = conf_update(&then.desired.conf, &then.actual.conf, then.actual.vips.is_empty()) {
            then.actual.settle(&Call::Conf(update));
            settings.push(update);
        }

        let vip = |(key, steps)| {
            let sides = (outlook.actual.vips.get(&key), then.actual.vips.get(&key));
            (key, VipForecast::new(sides, steps, outlook.wait(&key)))
        };
        let vips = steps.into_iter().map(vip).collect();
        Self { plan, settings, vips, then }
    }

    /// Whether nothing would be sent.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.vips.is_empty()
    }

    /// The plan behind it: its notes tell what differs and is left as it is.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// New settings of the plugin, in the order in which they are sent: first of all, and once more if sticky tables of another
    /// size must wait until the last VIP is gone.
    pub fn settings(&self) -> &[ConfUpdate] {
        &self.settings
    }

    /// Each VIP that changes, or whose flows are evicted.
    pub fn vips(&self) -> &BTreeMap<VipKey, VipForecast> {
        &self.vips
    }

    /// VIPs that need nothing, foreign ones that stay included.
    pub fn unchanged(&self) -> impl Iterator<Item = &VipKey> {
        self.plan.unchanged().iter().filter(|key| !self.vips.contains_key(key))
    }

    /// What VPP holds when all of it was carried out. Pool indices of VIPs that were created are not known.
    pub fn after(&self) -> &Actual {
        &self.then.actual
    }

    /// How things stand when all of it was carried out: from here on another forecast tells what a later change would do.
    pub fn then(&self) -> &Outlook {
        &self.then
    }
}

fn left_alone(note: &Note) -> Option<VipKey> {
    match note {
        Note::InTheWay { key, .. } | Note::SrcIpSticky { key } => Some(*key),
        Note::TableLength { .. } | Note::StickyBuckets { .. } => None,
    }
}

#[cfg(test)]
mod tests;
