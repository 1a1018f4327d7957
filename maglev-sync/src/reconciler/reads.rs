//! What is asked of VPP, and who takes the answer.

use std::time::Instant;

use ipnet::IpNet;

use super::drift::Comparison;
use super::full_read::Part;
use super::{Doubt, Reconciler};
use crate::call::{Call, CallFailure, Reply};
use crate::event::{Event, Failure, SyncFailure, SyncScope, Warning};
use crate::exec::{CallId, Priority};
use crate::model::VipKey;

/// A read in flight.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Read {
    /// Part of a full read.
    Full(Part),
    /// The settings, after they were refused.
    Conf,
    /// Which VIPs there are.
    Vips,
    /// The servers of one VIP.
    Ases(VipKey),
    Verbose,
    Route(IpNet),
}

impl Reconciler {
    pub(super) fn request_vip(&mut self, now: Instant, key: VipKey, resize: bool) {
        let wanted = self.desired.as_ref().is_some_and(|desired| desired.vips.contains_key(&key));
        if !wanted && !self.stands(&key) && self.model.is_some() {
            self.refuse_sync(SyncScope::Vip(key), SyncFailure::UnknownVip);
            return;
        }
        let since = self.exec.peek_id();
        let state = self.state(&key);
        state.backoff.clear();
        state.resize |= resize;
        state.dirty.get_or_insert(Priority::Health);
        state.doubt = Some(Doubt { since, listed: false });
        let mut events = Vec::new();
        self.runs.start(now, SyncScope::Vip(key), [key].into(), &mut events);
        self.events.extend(events);
        self.offer(now, &key);
    }

    pub(super) fn poll_conf_again(&mut self) -> Option<(CallId, Call)> {
        if self.reads.values().any(|read| *read == Read::Conf) {
            return None;
        }
        Some(self.ask(Read::Conf, Call::ConfGet))
    }

    /// Reads VIPs again whose state is in doubt: first whether they are there, then their servers, one after another.
    pub(super) fn poll_doubts(&mut self) -> Option<(CallId, Call)> {
        // Whatever is in doubt, the first reading of this link will tell.
        self.model.as_ref()?;
        let unlisted = self
            .doubtful
            .iter()
            .any(|key| self.vips.get(key).and_then(|state| state.doubt).is_some_and(|doubt| !doubt.listed));
        if unlisted && !self.reads.values().any(|read| *read == Read::Vips) {
            return Some(self.ask(Read::Vips, Call::VipDump));
        }
        if self.reads.values().any(|read| matches!(read, Read::Ases(_))) {
            return None;
        }
        let listed = self
            .doubtful
            .iter()
            .copied()
            .find(|key| self.vips.get(key).and_then(|state| state.doubt).is_some_and(|doubt| doubt.listed))?;
        Some(self.ask(Read::Ases(listed), Call::AsDump(Some(listed))))
    }

    /// The comparison that is due, one at a time.
    pub(super) fn poll_drift(&mut self) -> Option<(CallId, Call)> {
        self.model.as_ref()?;
        if self.full_read.is_some() || self.reads.values().any(|read| matches!(read, Read::Vips | Read::Ases(_))) {
            return None;
        }
        let vips = &self.vips;
        let can_be = |comparison: &Comparison| match comparison {
            Comparison::Vips => true,
            // What is being written cannot be compared.
            Comparison::Ases(key) => vips.get(key).is_none_or(|state| state.unsettled.is_empty()),
        };
        Some(match self.drift.pop_due(can_be)? {
            Comparison::Vips => self.ask(Read::Vips, Call::VipDump),
            Comparison::Ases(key) => self.ask(Read::Ases(key), Call::AsDump(Some(key))),
        })
    }

    pub(super) fn handle_read(&mut self, now: Instant, id: CallId, read: Read, reply: Result<Reply, CallFailure>) {
        match (read, reply) {
            (Read::Full(part), reply) => self.handle_full_read(now, id, part, reply),
            (Read::Conf, Ok(Reply::Conf(conf))) => {
                self.conf.doubt = false;
                if let Some(model) = &mut self.model {
                    model.conf = conf;
                }
            }
            (Read::Conf, _) => {
                self.conf.backoff.fail(now);
            }
            (Read::Vips, Ok(Reply::Vips(rows))) => self.handle_vips(now, id, &rows),
            (Read::Vips, reply) => self.read_refused(now, None, reply),
            (Read::Ases(key), Ok(Reply::Ases(rows))) => self.handle_ases(now, id, &key, &rows),
            (Read::Ases(key), reply) => self.read_refused(now, Some(key), reply),
            (Read::Verbose, reply) => self.handle_verbose(now, id, reply),
            (Read::Route(prefix), Ok(Reply::Route(index))) => self.index_book.handle_route(prefix, index),
            (Read::Route(prefix), _) => self.index_book.handle_route(prefix, None),
        }
    }

    /// Notes whether the VIP waits to be read again.
    pub(super) fn note_doubt(&mut self, key: &VipKey) {
        let Some(state) = self.vips.get(key) else { return };
        if state.doubt.is_some() && state.job.is_none() && !state.backoff.is_waiting() {
            self.doubtful.insert(*key);
        } else {
            self.doubtful.remove(key);
        }
    }

    pub(super) fn ask(&mut self, read: Read, call: Call) -> (CallId, Call) {
        let id = self.exec.next_id();
        self.reads.insert(id, read);
        (id, call)
    }

    /// VPP refused a dump: what was to be read is read again later.
    fn read_refused(&mut self, now: Instant, key: Option<VipKey>, reply: Result<Reply, CallFailure>) {
        let refusal = reply.err().unwrap_or_else(CallFailure::senseless);
        self.warn(Warning::ReadRefused(refusal.clone()));
        let failure = Failure::Unread(refusal);
        let waiting: Vec<VipKey> = match key {
            Some(key) => vec![key],
            None => self.doubtful.iter().copied().collect(),
        };
        for key in waiting {
            let Some(state) = self.vips.get_mut(&key).filter(|state| state.doubt.is_some()) else { continue };
            let retry_in = state.backoff.fail(now);
            state.last_error = Some(failure.clone());
            self.timers.insert((now + retry_in, key));
            self.note_doubt(&key);
            self.push(Event::VipFailed { key, failure: failure.clone(), retry_in });
            self.settle(now, &key, Some(&failure));
        }
    }

    /// Says what stays different on purpose.
    pub(super) fn warn_of_differences(&mut self) {
        let (Some(desired), Some(model)) = (&self.desired, &self.model) else { return };
        let mut warnings = Vec::new();
        let wanted = desired.conf.sticky_buckets;
        if let Some(actual) = model.conf.sticky_buckets_per_core
            && wanted.get() != actual
            && !model.vips.is_empty()
        {
            warnings.push(Warning::StickyBucketsDiffer { wanted, actual });
        }
        for (key, wanted) in &desired.vips {
            if wanted.src_ip_sticky && !model.abilities.src_ip_sticky {
                warnings.push(Warning::SrcIpSticky { key: *key });
            }
            if let Some(vip) = model.vips.get(key)
                && !vip.table_length.agrees_with(wanted.table_length)
            {
                let (wanted, actual) = (wanted.table_length, vip.table_length);
                warnings.push(Warning::TableLengthDiffers { key: *key, wanted, actual });
            }
        }
        warnings.into_iter().for_each(|warning| self.warn(warning));
    }
}
