//! Where everything stands, for people and metrics.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use super::{Reconciler, VipState};
use crate::call::Call;
use crate::event::Failure;
use crate::model::VipKey;
use crate::plan::{Intent, Stage, Step, View};
use crate::status::{SyncStatus, VipStatus};

impl Reconciler {
    /// Where everything stands.
    pub fn status(&self) -> SyncStatus {
        let mut status = SyncStatus {
            connected: self.connected,
            reading: self.full_read.is_some(),
            warm_up: self.warm_up.phase(),
            vips: BTreeMap::new(),
            foreign: Vec::new(),
            sticky_buckets_differ: None,
            flushes_owed: self.flushes_owed(),
            calls_in_flight: self.calls_in_flight(),
            verbose: self.verbose.status,
        };
        for (key, state) in &self.vips {
            if !self.is_wanted(key) && !self.ours.contains(key) {
                if self.stands(key) {
                    status.foreign.push(*key);
                }
                continue;
            }
            status.vips.extend(self.status_of(key, state).map(|status| (*key, status)));
        }
        if let (Some(desired), Some(model)) = (&self.desired, &self.model)
            && !desired.conf.has_sticky_buckets_of(&model.conf)
        {
            let actual = model.conf.sticky_buckets_per_core;
            status.sticky_buckets_differ = actual.map(|actual| (desired.conf.sticky_buckets, actual));
        }
        status
    }

    /// Where one VIP stands; nothing for one that is neither wanted nor ours. Cheap, where [`Reconciler::status`] looks at
    /// everything.
    ///
    /// ```
    #[doc = include_str!("../doc/vpp.md")]
    /// # let mut reconciler = Reconciler::new(warm(), now);
    /// # reconciler.set_desired(now, desired);
    /// # vpp.refuses = |call| matches!(call, Call::AsAdd { .. });
    /// # reconciler.handle_link_up(now, boot, Abilities::default());
    /// # settle(&mut reconciler, now, &mut vpp);
    /// // VPP took the VIP and refused its first server.
    /// let status = reconciler.vip_status(&web).ok_or("it is wanted")?;
    /// assert!(status.standing && !status.in_sync);
    /// let failure = status.last_error.ok_or("it was refused")?;
    /// assert_eq!(failure.to_string(), "refused: 192.0.2.1 tcp/80: add server 10.0.0.1 weight 100");
    /// assert_eq!(status.backoff_until, Some(now + Duration::from_secs(1)));
    ///
    /// let other = VipKey::host("192.0.2.9".parse()?, Protocol::UDP, 53);
    /// assert!(reconciler.vip_status(&other).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn vip_status(&self, key: &VipKey) -> Option<VipStatus> {
        let state = self.vips.get(key)?;
        if !self.is_wanted(key) && !self.ours.contains(key) {
            return None;
        }
        self.status_of(key, state)
    }

    /// The weight that VPP has for this server, 100 for one in use by a VPP without weights; nothing if it has no such
    /// server, or VPP was never read.
    ///
    /// A write on its way counts as done, but for a deletion that makes room to add the same anew. While there is no link, or VPP has not been read again, it is the
    /// weight that VPP had last: whoever keeps what VPP has must not take a lost link, or a restart of VPP, for servers
    /// without weight.
    pub fn actual_weight(&self, key: &VipKey, address: IpAddr) -> Option<u8> {
        let model = self.model.as_ref().or(self.last_known.as_ref())?;
        let under_way = self.vips.get(key).into_iter().flat_map(|state| self.writes_under_way(state));
        let weights = under_way.filter_map(|call| match *call {
            Call::AsAdd { address: of, weight, .. } | Call::AsSetWeight { address: of, weight, .. } => {
                (of == address).then_some(Some(weight.get()))
            }
            Call::AsDel { address: of, .. } => (of == address).then_some(None),
            Call::VipDel(_) => Some(None),
            _ => None,
        });
        match weights.last() {
            Some(weight) => weight.map(|weight| model.abilities.meaning(weight)),
            None => model.weight(key, address),
        }
    }

    /// Writes that the model does not show yet, unless VPP refused them, in the order in which they were sent. Without the
    /// deletions of what is about to be made anew.
    pub(super) fn writes_under_way<'a>(&'a self, state: &'a VipState) -> impl Iterator<Item = &'a Call> {
        let steps = state.unsettled.iter().filter_map(|(id, answer)| match answer {
            Some((step, Ok(()))) => Some(step),
            Some((_, Err(_))) => None,
            None => self.exec.step(*id),
        });
        let is_news = |step: &&Step| match step.call {
            Call::AsDel { .. } | Call::VipDel(_) => step.stage != Stage::Create,
            Call::AsAdd { .. } | Call::AsSetWeight { .. } => true,
            _ => false,
        };
        steps.filter(is_news).map(|step| &step.call)
    }

    /// When VPP was last asked for the servers of a VIP.
    ///
    /// ```
    #[doc = include_str!("../doc/vpp.md")]
    /// # let mut reconciler = Reconciler::new(warm(), now);
    /// # reconciler.set_desired(now, desired.clone());
    /// # reconciler.handle_link_up(now, boot, Abilities::default());
    /// # settle(&mut reconciler, now, &mut vpp);
    /// assert_eq!(reconciler.last_compared(&web), Some(now));
    /// // Half a minute on it was compared again, in its turn.
    /// let later = now + Duration::from_secs(30);
    /// while let Some(due) = reconciler.poll_timeout().filter(|due| *due < later) {
    ///     reconciler.handle_timeout(due);
    ///     settle(&mut reconciler, due, &mut vpp);
    /// }
    /// assert_eq!(reconciler.last_compared(&web), Some(now + Duration::from_millis(22_500)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn last_compared(&self, key: &VipKey) -> Option<Instant> {
        self.vips.get(key)?.compared
    }

    /// Flushes that are owed and not yet acknowledged.
    ///
    /// ```
    #[doc = include_str!("../doc/vpp.md")]
    /// # let mut reconciler = Reconciler::new(warm(), now);
    /// # reconciler.set_desired(now, desired.clone());
    /// # reconciler.handle_link_up(now, boot, Abilities::default());
    /// # settle(&mut reconciler, now, &mut vpp);
    /// # vpp.refuses = Call::is_flush;
    /// let mut vip = reconciler.desired().ok_or("it was set")?.vips[&web].clone();
    /// let order = FlushOrder { incident: 1, first_verdict: false, needs_server: false };
    /// vip.targets.insert(first, DesiredAs { weight: Weight::ZERO, cut: Cut::Urgent, flush: Some(order) });
    /// reconciler.update_vip(now, web, vip);
    /// settle(&mut reconciler, now, &mut vpp);
    /// // VPP took the weight of 0 and refused the flush.
    /// assert_eq!(vpp.vips[&web].1[&first], 0);
    /// assert_eq!(reconciler.flushes_owed(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flushes_owed(&self) -> usize {
        self.vips.values().map(|state| state.debts.owed()).sum()
    }

    fn status_of(&self, key: &VipKey, state: &VipState) -> Option<VipStatus> {
        let wanted = self.desired.as_ref().and_then(|desired| desired.vips.get(key));
        let standing = self.model.as_ref().and_then(|model| model.vips.get(key));
        if wanted.is_none() && standing.is_none() {
            return None;
        }
        let agrees =
            |view: View<'_>| view.unit(key).is_ok_and(|unit| unit.is_empty()) && view.intent(key) == Intent::Keep;
        Some(VipStatus {
            released: state.released,
            standing: standing.is_some(),
            in_sync: state.doubt.is_none() && self.with_view(agrees).unwrap_or(false),
            compared: state.compared,
            last_error: if self.can_hold(key) { state.last_error.clone() } else { Some(Failure::SrcIpSticky) },
            backoff_until: state.backoff.until(),
            table_length_wanted: wanted.map(|vip| vip.table_length),
            table_length: standing.map(|vip| vip.table_length),
            flushes_owed: state.debts.owed(),
        })
    }
}
