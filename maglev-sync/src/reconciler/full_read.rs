//! VPP read whole: settings, VIPs, all servers.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Reconciler;
use super::backoff::Backoff;
use super::reads::Read;
use crate::call::{AsRow, Call, CallFailure, Reply, VipRow};
use crate::event::{Event, SyncFailure, SyncScope, WarmUpPhase, Warning};
use crate::exec::{AddressBook, CallId, Priority};
use crate::model::{Actual, LbConf, VipKey};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    Conf,
    Vips,
    Ases,
}

/// VPP is read whole: settings, VIPs, all servers. At link-up, and on request.
#[derive(Debug)]
pub(super) struct FullRead {
    /// Whether it makes the model, or only corrects it.
    at_link_up: bool,
    /// Whether an operator asked for it, and wants to know how the pass after it went.
    pub(super) requested: bool,
    /// Whether that pass may re-create.
    pub(super) resize: bool,
    asked: Vec<Part>,
    conf: Option<LbConf>,
    vips: Option<(CallId, Vec<VipRow>)>,
    ases: Option<(CallId, Vec<AsRow>)>,
    backoff: Backoff,
}

impl FullRead {
    pub(super) fn at_link_up() -> Self {
        Self {
            at_link_up: true,
            requested: false,
            resize: false,
            asked: Vec::new(),
            conf: None,
            vips: None,
            ases: None,
            backoff: Backoff::default(),
        }
    }

    pub(super) fn on_request() -> Self {
        Self { at_link_up: false, ..Self::at_link_up() }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.backoff.until()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.backoff.handle_timeout(now);
    }

    /// Somebody asked: waiting has an end.
    pub(super) fn retry_now(&mut self) {
        self.backoff.clear();
    }

    fn poll(&mut self) -> Option<Part> {
        if self.backoff.is_waiting() {
            return None;
        }
        let part = [Part::Conf, Part::Vips, Part::Ases].into_iter().find(|part| !self.asked.contains(part))?;
        self.asked.push(part);
        Some(part)
    }

    /// Starts over, after a wait.
    fn fail(&mut self, now: Instant) {
        self.asked.clear();
        (self.conf, self.vips, self.ases) = (None, None, None);
        self.backoff.fail(now);
    }
}

impl Reconciler {
    pub(super) fn poll_full_read(&mut self) -> Option<(CallId, Call)> {
        let part = self.full_read.as_mut()?.poll()?;
        let call = match part {
            Part::Conf => Call::ConfGet,
            Part::Vips => Call::VipDump,
            Part::Ases => Call::AsDump(None),
        };
        Some(self.ask(Read::Full(part), call))
    }

    pub(super) fn handle_full_read(&mut self, now: Instant, id: CallId, part: Part, reply: Result<Reply, CallFailure>) {
        let Some(full_read) = &mut self.full_read else { return };
        match (part, reply) {
            (Part::Conf, Ok(Reply::Conf(conf))) => full_read.conf = Some(conf),
            (Part::Vips, Ok(Reply::Vips(rows))) => full_read.vips = Some((id, rows)),
            (Part::Ases, Ok(Reply::Ases(rows))) => full_read.ases = Some((id, rows)),
            (_, reply) => {
                let failure = reply.err().unwrap_or_else(CallFailure::senseless);
                let told = std::mem::take(&mut full_read.requested);
                full_read.fail(now);
                if !full_read.at_link_up {
                    // The model goes on as it was.
                    self.full_read = None;
                }
                if told {
                    self.refuse_sync(SyncScope::All, SyncFailure::Read(failure.clone()));
                }
                // The answers to the other parts belong to the attempt that failed.
                self.reads.retain(|_, read| !matches!(read, Read::Full(_)));
                self.warn(Warning::ReadRefused(failure));
                return;
            }
        }
        if full_read.conf.is_some() && full_read.vips.is_some() && full_read.ases.is_some() {
            let Some(full_read) = self.full_read.take() else { return };
            self.finish_full_read(now, full_read);
        }
    }

    pub(super) fn finish_full_read(&mut self, now: Instant, full_read: FullRead) {
        let FullRead {
            at_link_up,
            requested,
            resize,
            conf: Some(conf),
            vips: Some((vips_id, vips)),
            ases: Some((ases_id, ases)),
            ..
        } = full_read
        else {
            return;
        };
        self.warned.retain(|_, warning| !matches!(warning, Warning::ReadRefused(_)));
        self.count_bytes(&vips, &ases);
        if at_link_up {
            self.make_model(now, conf, &vips, &ases);
        } else {
            if let Some(model) = &mut self.model {
                model.conf = conf;
            }
            self.handle_vips(now, vips_id, &vips);
            let mut rows_of: BTreeMap<VipKey, Vec<AsRow>> = BTreeMap::new();
            ases.iter().for_each(|row| rows_of.entry(row.key).or_default().push(*row));
            let standing: Vec<VipKey> = self.model.iter().flat_map(|model| model.vips.keys()).copied().collect();
            for key in standing {
                let rows = rows_of.get(&key).map_or(&[][..], Vec::as_slice);
                self.handle_ases(now, ases_id, &key, rows);
            }
            self.verbose.want();
        }
        if requested {
            // Somebody asked: waiting has an end, and what fails again is part of the answer.
            self.vips.values_mut().for_each(|state| state.backoff.clear());
            self.conf.backoff.clear();
        }
        if resize {
            self.conf.resize = true;
            self.vips.values_mut().for_each(|state| state.resize = true);
        }
        self.warn_of_differences();
        if at_link_up {
            self.need_indices();
        }
        if self.warm_up.phase() == WarmUpPhase::Done || requested {
            self.full_pass(now);
        } else {
            let keys: Vec<VipKey> = self.vips.keys().copied().collect();
            for key in keys {
                self.state(&key).dirty.get_or_insert(Priority::Pass);
                self.offer(now, &key);
            }
        }
    }

    /// The model after a link came up.
    pub(super) fn make_model(&mut self, now: Instant, conf: LbConf, vips: &[VipRow], ases: &[AsRow]) {
        let mut model = Actual::from_dumps(self.abilities, conf, vips, ases);
        let in_use = model.vips.values().map(|vip| vip.ases.len()).sum();
        let read = Event::Read { first: !self.read_before, vips: model.vips.len(), ases: in_use, conf };
        if let Some(desired) = &self.desired {
            model.complete(desired);
        }
        *self.exec.book() = AddressBook::of(&model.vips);
        for key in model.vips.keys() {
            self.state(key);
        }
        self.model = Some(model);
        self.vips.values_mut().for_each(|state| state.compared = Some(now));
        self.forget_unused();
        let (desired, model) = (&self.desired, &self.model);
        // What is gone is ours no longer: whoever adds it again owns it.
        self.ours.retain(|key| {
            desired.as_ref().is_some_and(|desired| desired.vips.contains_key(key))
                || model.as_ref().is_some_and(|model| model.vips.contains_key(key))
        });
        self.push(read);

        let first = !std::mem::replace(&mut self.read_before, true);
        if first
            && self.model.as_ref().is_some_and(|model| model.vips.is_empty())
            && let Some(phase) = self.warm_up.skip_hands_off()
        {
            self.enter_phase(now, phase);
        }
        if self.warm_up.phase() == WarmUpPhase::Done {
            let standing: Vec<VipKey> = self
                .desired
                .iter()
                .flat_map(|desired| desired.vips.keys())
                .filter(|key| self.stands(key))
                .copied()
                .collect();
            standing.iter().for_each(|key| self.release(now, key));
        }
        let desired = &self.desired;
        self.drift.start(now, desired.iter().flat_map(|desired| desired.vips.keys()));
        self.verbose.want();
    }

    /// How much text to expect, removed VIPs and servers included: a removed VIP shows only by its servers.
    pub(super) fn count_bytes(&mut self, vips: &[VipRow], ases: &[AsRow]) {
        let mut removed_vips = 0;
        for block in ases.chunk_by(|one, next| one.key == next.key) {
            if block.iter().all(|row| !row.in_use) {
                removed_vips += 1;
            }
        }
        self.verbose.set_census(vips.len() as u64 + removed_vips, ases.len() as u64);
    }
}
