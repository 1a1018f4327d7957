//! From dirty VIPs to calls, and from their answers to the model.

use std::time::Instant;

use ipnet::IpNet;

use super::{Doubt, Reconciler};
use crate::call::{Call, CallFailure, Reply};
use crate::event::{Event, Failure, SyncScope, WarmUpPhase, Warning};
use crate::exec::{CallId, Ended, Next, Priority};
use crate::model::VipKey;
use crate::plan::{Intent, Stage, Step, Unit, conf_update, prefix_range};

impl Reconciler {
    /// Everything is planned again, and what does not belong there goes.
    pub(super) fn full_pass(&mut self, now: Instant) {
        let keys: Vec<VipKey> = self.vips.keys().copied().collect();
        let wanted =
            |this: &Self, key: &VipKey| this.desired.as_ref().is_some_and(|desired| desired.vips.contains_key(key));
        let mut vips = std::collections::BTreeSet::new();
        for key in keys {
            let prune = !wanted(self, &key);
            let state = self.state(&key);
            state.prune |= prune;
            state.dirty.get_or_insert(Priority::Pass);
            let touchable = self.with_view(|view| view.intent(&key) != Intent::Leave).unwrap_or(false);
            if touchable && self.is_free(&key) {
                vips.insert(key);
            }
        }
        let mut events = Vec::new();
        self.runs.start(now, SyncScope::All, vips.clone(), &mut events);
        self.events.extend(events);
        vips.iter().for_each(|key| self.offer(now, key));
    }

    /// The VIP is to be planned anew, since what is wanted has changed.
    pub(super) fn touch(&mut self, now: Instant, key: &VipKey, priority: Priority) {
        self.state(key).dirty = Some(self.state(key).dirty.map_or(priority, |dirty| dirty.min(priority)));
        // What its job has not sent yet follows from what was wanted before.
        if let Some(lead) = self.state(key).job
            && self.exec.drop_unsent(&lead)
        {
            self.free(now, &lead, Priority::Pass);
        }
        self.offer(now, key);
    }

    /// Queues the VIP for planning, if it is dirty and nothing speaks against it.
    pub(super) fn offer(&mut self, now: Instant, key: &VipKey) {
        let Some(state) = self.vips.get_mut(key) else { return };
        if let Some(queued) = state.queued.take() {
            self.ready.remove(&(queued, *key));
        }
        let dirty = state.dirty;
        self.note_doubt(key);
        let (Some(dirty), true) = (dirty, self.is_free(key)) else { return };
        let Some(intent) = self.with_view(|view| view.intent(key)) else { return };
        if intent == Intent::Leave {
            // Whatever frees it marks it dirty again.
            self.state(key).dirty = None;
            let failure = (!self.can_hold(key)).then_some(Failure::SrcIpSticky);
            self.settle(now, key, failure.as_ref());
            return;
        }
        let urgent = self.with_view(|view| view.has_urgent_cut(key)).unwrap_or(false);
        let priority = if urgent { Priority::Urgent } else { dirty };
        self.runs.join(now, key);
        self.ready.insert((priority, *key));
        self.state(key).queued = Some(priority);
    }

    /// Whether nothing is under way for the VIP, nor waited for.
    fn is_free(&self, key: &VipKey) -> bool {
        self.vips
            .get(key)
            .is_some_and(|state| state.job.is_none() && state.doubt.is_none() && !state.backoff.is_waiting())
    }

    /// The passes need not wait for this VIP any longer.
    pub(super) fn settle(&mut self, now: Instant, key: &VipKey, failure: Option<&Failure>) {
        let mut events = Vec::new();
        self.runs.settle(now, key, failure, &mut events);
        self.events.extend(events);
    }

    /// The settings, when they differ.
    pub(super) fn poll_conf(&mut self) -> Option<(CallId, Call)> {
        let (desired, model) = (self.desired.as_ref()?, self.model.as_ref()?);
        let conf = &self.conf;
        if self.warm_up.phase() == WarmUpPhase::HandsOff || conf.in_flight.is_some() || conf.backoff.is_waiting() {
            return None;
        }
        if conf.doubt {
            return self.poll_conf_again();
        }
        let holds_no_vip = model.vips.is_empty() && self.exec.in_flight() == 0;
        let Some(update) = conf_update(&desired.conf, &model.conf, holds_no_vip || conf.resize) else {
            self.conf.resize = false;
            return None;
        };
        let id = self.exec.next_id();
        self.conf.in_flight = Some((id, update));
        Some((id, Call::Conf(update)))
    }

    pub(super) fn handle_conf_reply(&mut self, now: Instant, reply: Result<Reply, CallFailure>) {
        let Some((_, update)) = self.conf.in_flight.take() else { return };
        match Reply::of_write(reply) {
            Ok(()) => {
                self.conf.backoff.clear();
                self.conf.resize = false;
                if let Some(model) = &mut self.model {
                    model.settle(&Call::Conf(update));
                }
                self.push(Event::ConfUpdated(update));
                self.warn_of_differences();
            }
            Err(failure) => {
                self.conf.backoff.fail(now);
                self.conf.doubt = true;
                self.warn(Warning::ConfRefused { update, failure });
            }
        }
    }

    /// The next write of at least this priority.
    pub(super) fn poll_writes(&mut self, now: Instant, least: Priority) -> Option<(CallId, Call)> {
        loop {
            let planned = self.ready.first().map(|(priority, _)| *priority);
            let queued = self.exec.best();
            // Steps that are already planned go before plans of the same priority.
            let plan_first = planned.is_some_and(|planned| queued.is_none_or(|queued| planned < queued));
            if (if plan_first { planned } else { queued })? > least {
                return None;
            }
            if plan_first {
                self.plan_next(now);
                continue;
            }
            match self.exec.poll(now)? {
                Next::Call(id, step) => {
                    self.wrote(now, id, &step);
                    return Some((id, step.call));
                }
                Next::Forbidden { step, rule, ended } => {
                    self.fail(now, &step.key, Failure::Forbidden { call: step.call, rule });
                    self.job_ended(now, ended);
                }
            }
        }
    }

    pub(super) fn handle_write_reply(&mut self, now: Instant, id: CallId, reply: Result<Reply, CallFailure>) {
        let outcome = Reply::of_write(reply);
        let Some((step, ended)) = self.exec.finish(now, id, outcome.is_ok()) else { return };
        let next = self.exec.peek_id();
        let key = step.key;
        let state = self.state(&key);
        state.touched = next;
        state.answered(id, (step, outcome));
        // VPP carried a VIP's writes out in the order in which they were sent; so must the model, whatever order their answers come in.
        while let Some((step, outcome)) = self.state(&key).pop_settled() {
            match outcome {
                Ok(()) => self.acknowledged(&step),
                Err(failure) => self.fail(now, &key, Failure::Refused { call: step.call, failure }),
            }
        }
        self.job_ended(now, ended);
    }

    /// Plans the first VIP in the queue.
    fn plan_next(&mut self, now: Instant) {
        let Some((_, key)) = self.ready.pop_first() else { return };
        self.state(&key).queued = None;
        let Some(unit) = self.with_view(|view| view.unit(&key)) else { return };
        match unit {
            Ok(unit) if unit.is_empty() => self.plan_flush(now, &key),
            Ok(unit) => self.start(now, key, unit),
            Err(by) => self.in_the_way(now, &key, by),
        }
    }

    /// Starts the first stage of a unit; the next one is planned when its answers are there.
    fn start(&mut self, now: Instant, key: VipKey, unit: Unit) {
        if !unit.keys.iter().all(|other| self.is_free(other)) {
            // It stays dirty; the others wake it.
            return;
        }
        let (Some(lead), Some(steps)) = (unit.keys.first().copied(), unit.stages.into_iter().next()) else { return };
        let urgent = steps.first().is_some_and(|step| step.stage == Stage::UrgentCut);
        let dirty = self.state(&key).dirty.unwrap_or(Priority::Pass);
        for other in &unit.keys {
            let vip = self.model.as_ref().and_then(|model| model.vips.get(other));
            if let Some(state) = self.vips.get_mut(other) {
                state.debts.decide(vip);
                state.job = Some(lead);
                state.dirty = None;
                if let Some(queued) = state.queued.take() {
                    self.ready.remove(&(queued, *other));
                }
            }
            self.runs.join(now, other);
        }
        self.exec.submit(lead, if urgent { Priority::Urgent } else { dirty }, steps);
    }

    /// Nothing is left to do for the VIP but the flushes that it owes, one after another.
    fn plan_flush(&mut self, now: Instant, key: &VipKey) {
        let vip = self.model.as_ref().and_then(|model| model.vips.get(key));
        let Some(state) = self.vips.get_mut(key) else { return };
        state.debts.decide(vip);
        state.dirty = None;
        state.resize = false;
        let next = vip.filter(|_| state.released).and_then(|vip| state.debts.next(vip));
        if let Some((address, incident)) = next {
            state.job = Some(*key);
            state.flushing = Some(incident);
            self.exec.submit(*key, Priority::Debt, vec![Step::flush(key, address)]);
        } else {
            state.backoff.clear();
            state.last_error = None;
        }
        self.settle(now, key, None);
    }

    /// VPP cannot hold the VIP beside another one.
    fn in_the_way(&mut self, now: Instant, key: &VipKey, by: VipKey) {
        let wanted = self.desired.as_ref().is_some_and(|desired| desired.vips.contains_key(key));
        if wanted && self.stays(&by) {
            let failure = Failure::InTheWay { by };
            self.settle(now, key, Some(&failure));
            self.state(key).last_error = Some(failure);
            self.warn(Warning::InTheWay { key: *key, by });
        } else {
            // The other one may go or change soon; this one stays dirty and is woken then.
            self.settle(now, key, None);
        }
    }

    /// Whether a VIP will stay as it is, as far as can be told.
    fn stays(&self, key: &VipKey) -> bool {
        let Some(desired) = &self.desired else { return false };
        match self.vips.get(key) {
            Some(state) if desired.vips.contains_key(key) => state.released,
            _ => !self.ours.contains(key) && desired.foreign == crate::model::ForeignVips::Keep,
        }
    }

    fn wrote(&mut self, now: Instant, id: CallId, step: &Step) {
        let mut events = Vec::new();
        self.runs.writing(now, &step.key, &mut events);
        self.events.extend(events);
        let state = self.state(&step.key);
        state.unsettled.push_back((id, None));
        state.touched = id;
    }

    /// VPP carried a step out.
    fn acknowledged(&mut self, step: &Step) {
        let key = step.key;
        let server_before = match step.call {
            Call::AsSetWeight { address, .. } => self.model.as_ref().and_then(|model| model.server(&key, address)),
            _ => None,
        };
        if let Some(model) = &mut self.model {
            model.settle(&step.call);
        }
        match step.call {
            Call::VipAdd { .. } => {
                self.verbose.count_vip();
                self.need_indices_of_new_vip(&key);
                if std::mem::take(&mut self.state(&key).recreating) {
                    self.runs.count(&key, |counts| counts.vips_recreated += 1);
                    self.push(Event::VipRecreated(key));
                } else {
                    self.runs.count(&key, |counts| counts.vips_added += 1);
                    self.push(Event::VipAdded(key));
                }
            }
            Call::VipDel(_) => {
                self.forget_indices_of(&key);
                let wanted = self.desired.as_ref().is_some_and(|desired| desired.vips.contains_key(&key));
                if wanted {
                    self.state(&key).recreating = true;
                } else {
                    // Behind it may be its creation again, sent while it was still wanted: then it stands once more, and is ours.
                    if self.state(&key).unsettled.is_empty() {
                        self.ours.remove(&key);
                    }
                    self.runs.count(&key, |counts| counts.vips_removed += 1);
                    self.push(Event::VipRemoved(key));
                }
            }
            Call::AsAdd { address, weight, .. } => {
                self.verbose.count_as();
                self.need_index_of_new_server(address);
                self.runs.count(&key, |counts| counts.ases_added += 1);
                self.push(Event::AsAdded { key, address, weight });
            }
            Call::AsDel { address, flush, .. } => {
                self.forget_index_of_unused_server(&address);
                self.runs.count(&key, |counts| counts.ases_removed += 1);
                self.push(Event::AsRemoved { key, address, flush });
            }
            Call::AsSetWeight { address, weight, flush, .. } => {
                if let Some(incident) = self.state(&key).flushing.take() {
                    self.state(&key).debts.acknowledge(address, incident);
                } else {
                    self.runs.count(&key, |counts| counts.weights_updated += 1);
                }
                let from = server_before.map_or(0, |server| server.weight);
                if !self.abilities.weights && from == 0 && !weight.is_zero() {
                    self.need_index_of_revived_server(address);
                }
                self.push(Event::AsWeightUpdated { key, address, from, to: weight, flush });
            }
            Call::ConfGet | Call::Conf(_) | Call::VipDump | Call::AsDump(_) | Call::Verbose | Call::Route(_) => {}
        }
    }

    /// A step of the VIP was refused, by VPP or by the gate. Only the first failure of a job counts: the others follow from it.
    fn fail(&mut self, now: Instant, key: &VipKey, failure: Failure) {
        let since = self.exec.peek_id();
        let state = self.state(key);
        state.flushing = None;
        let first = state.doubt.is_none();
        state.doubt = Some(Doubt { since, listed: false });
        if !first {
            return;
        }
        let retry_in = state.backoff.fail(now);
        state.last_error = Some(failure.clone());
        state.dirty = Some(Priority::Pass);
        self.push(Event::VipFailed { key: *key, failure: failure.clone(), retry_in });
        self.settle(now, key, Some(&failure));
        self.timers.insert((now + retry_in, *key));
    }

    fn job_ended(&mut self, now: Instant, ended: Option<Ended>) {
        let Some(Ended { lead, priority, failed }) = ended else { return };
        // What follows a cut or a flush is no longer as urgent.
        let priority = if failed { Priority::Pass } else { priority.max(Priority::Health) };
        self.free(now, &lead, priority);
    }

    /// The VIPs of a job are free, and to be planned again; so may be those that waited for them.
    fn free(&mut self, now: Instant, lead: &VipKey, priority: Priority) {
        for (_, state) in self.vips.range_mut(prefix_range(lead.prefix())) {
            if state.job == Some(*lead) {
                state.job = None;
                state.flushing = None;
                state.dirty = Some(state.dirty.map_or(priority, |dirty| dirty.min(priority)));
            }
        }
        self.wake(now, lead.prefix());
    }

    /// Something changed on this prefix: its VIPs may be able to go on.
    pub(super) fn wake(&mut self, now: Instant, prefix: IpNet) {
        let keys: Vec<VipKey> = self.vips.range(prefix_range(prefix)).map(|(key, _)| *key).collect();
        keys.iter().for_each(|key| self.offer(now, key));
    }
}
