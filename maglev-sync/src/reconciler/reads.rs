//! What is asked of VPP, and what the answers say about the model.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use ipnet::IpNet;

use super::backoff::Backoff;
use super::drift::Comparison;
use super::{Doubt, Reconciler};
use crate::call::{AsRow, Call, CallFailure, Reply, VipRow};
use crate::event::{Drift, Event, Failure, SyncFailure, SyncScope, WarmUpPhase, Warning};
use crate::exec::{AddressBook, CallId, Priority};
use crate::model::{Actual, ActualLength, ActualVip, ForeignVips, LbConf, VipKey};
use crate::status::{Flows, VerboseStatus};
use crate::verbose::{self, VerboseVip};

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

    pub(super) fn poll_full_read(&mut self) -> Option<(CallId, Call)> {
        let part = self.full_read.as_mut()?.poll()?;
        let call = match part {
            Part::Conf => Call::ConfGet,
            Part::Vips => Call::VipDump,
            Part::Ases => Call::AsDump(None),
        };
        Some(self.ask(Read::Full(part), call))
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

    pub(super) fn poll_verbose(&mut self, now: Instant) -> Option<(CallId, Call)> {
        self.model.as_ref()?;
        if self.exec.in_flight() > 0 {
            // What is being written would be missing from it, and one text should do for all.
            return None;
        }
        match self.verbose.poll(now) {
            Ok(true) => Some(self.ask(Read::Verbose, Call::Verbose)),
            Ok(false) => None,
            Err(too_large) => {
                self.verbose_is_lost();
                self.warn(Warning::VerboseTooLarge { expected: too_large.expected });
                None
            }
        }
    }

    pub(super) fn poll_route(&mut self) -> Option<(CallId, Call)> {
        self.model.as_ref()?;
        let prefix = self.index_book.poll_lookup(!self.verbose.is_coming())?;
        Some(self.ask(Read::Route(prefix), Call::Route(prefix)))
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

    fn ask(&mut self, read: Read, call: Call) -> (CallId, Call) {
        let id = self.exec.next_id();
        self.reads.insert(id, read);
        (id, call)
    }

    fn handle_full_read(&mut self, now: Instant, id: CallId, part: Part, reply: Result<Reply, CallFailure>) {
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

    fn finish_full_read(&mut self, now: Instant, full_read: FullRead) {
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
    fn make_model(&mut self, now: Instant, conf: LbConf, vips: &[VipRow], ases: &[AsRow]) {
        let model = Actual::from_dumps(conf, vips, ases);
        let in_use = model.vips.values().map(|vip| vip.ases.len()).sum();
        let read = Event::Read { first: !self.read_before, vips: model.vips.len(), ases: in_use, conf };
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

    /// A dump of VIPs: which came, went or changed behind our back, and which of those in doubt are there.
    fn handle_vips(&mut self, now: Instant, id: CallId, rows: &[VipRow]) {
        let Some(model) = &self.model else { return };
        let listed_now: BTreeMap<VipKey, &VipRow> = rows.iter().map(|row| (row.key, row)).collect();
        let keys: BTreeSet<VipKey> = model
            .vips
            .keys()
            .chain(listed_now.keys())
            .chain(self.vips.iter().filter(|(_, state)| state.doubt.is_some()).map(|(key, _)| key))
            .copied()
            .collect();
        if !is_in_pool_order(rows, model) {
            // Somebody deleted and added VIPs again, as they were.
            self.verbose.want();
        }
        for key in keys {
            if !self.state(&key).believes(id) {
                continue;
            }
            self.handle_vip(now, id, &key, listed_now.get(&key).copied());
        }
        self.prune(now);
        self.forget_unused();
        self.warn_of_differences();
    }

    fn handle_vip(&mut self, now: Instant, id: CallId, key: &VipKey, row: Option<&VipRow>) {
        let Some(model) = &mut self.model else { return };
        let since = self.exec.peek_id();
        let state = self.vips.entry(*key).or_insert_with(super::VipState::new);
        let doubted = state.doubt.is_some();
        let answers = state.doubt.is_some_and(|doubt| id >= doubt.since);
        let mut gone = Vec::new();
        let drift = match (model.vips.get_mut(key), row) {
            (None, None) => {
                if answers {
                    state.doubt = None;
                    self.sure(now, key);
                }
                return;
            }
            (Some(_), None) => {
                let servers = model.vips.remove(key).map(|vip| vip.ases).unwrap_or_default();
                gone.extend(servers.into_keys());
                if !self.desired.as_ref().is_some_and(|desired| desired.vips.contains_key(key)) {
                    self.ours.remove(key);
                }
                if !doubted || answers {
                    state.doubt = None;
                }
                Drift::VipGone
            }
            (None, Some(row)) => {
                model.vips.insert(*key, ActualVip::listed(row));
                state.doubt = Some(Doubt { since, listed: true });
                Drift::VipCame
            }
            (Some(vip), Some(row)) if vip.encap != row.encap || !vip.table_length.shows_as(row.table_length) => {
                let lingering = std::mem::take(&mut vip.lingering);
                *vip = ActualVip { ases: std::mem::take(&mut vip.ases), lingering, ..ActualVip::listed(row) };
                state.doubt = Some(Doubt { since, listed: true });
                Drift::VipReplaced
            }
            (Some(_), Some(_)) => {
                if let Some(doubt) = state.doubt.as_mut().filter(|_| answers) {
                    doubt.listed = true;
                }
                self.note_doubt(key);
                return;
            }
        };
        state.dirty.get_or_insert(Priority::Pass);
        self.exec.book().replace(key, model.vips.get(key));
        if !doubted {
            self.push(Event::Drift { key: *key, what: drift });
        }
        self.renew_indices_of(key);
        gone.iter().for_each(|address| self.forget_index_of_unused_server(address));
        self.wake(now, key.prefix());
    }

    /// A dump of the servers of one VIP.
    fn handle_ases(&mut self, now: Instant, id: CallId, key: &VipKey, rows: &[AsRow]) {
        let Some(model) = &mut self.model else { return };
        let Some(state) = self.vips.get_mut(key) else { return };
        if !state.believes(id) {
            // Something was written meanwhile, so the dump may be older than that.
            self.drift.repeat(Comparison::Ases(*key));
            return;
        }
        // A filter also matches other prefixes with the same address bytes.
        let rows = rows.iter().filter(|row| row.key == *key);
        let doubted = state.doubt;
        state.compared = Some(now);
        let Some(vip) = model.vips.get_mut(key) else {
            if rows.clone().any(|row| row.in_use) && doubted.is_none() {
                let since = self.exec.peek_id();
                state.doubt = Some(Doubt { since, listed: false });
                self.note_doubt(key);
            }
            return;
        };

        let mut found = ActualVip { ases: BTreeMap::new(), lingering: BTreeSet::new(), ..vip.clone() };
        rows.for_each(|row| found.add_row(row));
        let mut drifts = Vec::new();
        let addresses: BTreeSet<IpAddr> = vip.ases.keys().chain(found.ases.keys()).copied().collect();
        for address in addresses {
            let expected = vip.ases.get(&address).copied();
            let seen = found.ases.get_mut(&address);
            let weight = seen.as_ref().map(|server| server.weight);
            if let (Some(expected), Some(seen)) = (expected, seen) {
                seen.never_raised = expected.never_raised && seen.weight == 0;
            }
            if expected.map(|server| server.weight) != weight {
                drifts.push(Drift::As { address, expected: expected.map(|server| server.weight), found: weight });
            }
        }
        let changed = *vip != found;
        *vip = found;
        if changed {
            let vip = vip.clone();
            self.exec.book().replace(key, Some(&vip));
        }
        if !drifts.is_empty() {
            self.state(key).dirty.get_or_insert(Priority::Pass);
            self.renew_indices_of(key);
            if doubted.is_none() {
                drifts.into_iter().for_each(|what| self.push(Event::Drift { key: *key, what }));
            }
        }
        match doubted {
            Some(doubt) if doubt.listed && id >= doubt.since => {
                self.state(key).doubt = None;
                self.sure(now, key);
            }
            _ => self.offer(now, key),
        }
    }

    /// The VIP is known again.
    fn sure(&mut self, now: Instant, key: &VipKey) {
        self.note_doubt(key);
        self.offer(now, key);
        self.wake(now, key.prefix());
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

    /// After the warm-up a dump of VIPs is an occasion to remove what does not belong there.
    fn prune(&mut self, now: Instant) {
        if self.warm_up.phase() != WarmUpPhase::Done {
            return;
        }
        let (Some(desired), Some(model)) = (&self.desired, &self.model) else { return };
        let unwanted: Vec<VipKey> = model
            .vips
            .keys()
            .filter(|key| !desired.vips.contains_key(key))
            .filter(|key| desired.foreign == ForeignVips::Remove || self.ours.contains(key))
            .copied()
            .collect();
        for key in unwanted {
            let state = self.state(&key);
            state.prune = true;
            state.dirty.get_or_insert(Priority::Pass);
            self.wake(now, key.prefix());
        }
    }

    /// Forgets VIPs that are neither wanted nor there.
    fn forget_unused(&mut self) {
        let (desired, model) = (&self.desired, &self.model);
        self.vips.retain(|key, state| {
            desired.as_ref().is_some_and(|desired| desired.vips.contains_key(key))
                || model.as_ref().is_some_and(|model| model.vips.contains_key(key))
                || state.doubt.is_some()
                || state.job.is_some()
                || !state.unsettled.is_empty()
        });
    }

    /// How much text to expect, removed VIPs and servers included: a removed VIP shows only by its servers.
    fn count_bytes(&mut self, vips: &[VipRow], ases: &[AsRow]) {
        let mut removed_vips = 0;
        for block in ases.chunk_by(|one, next| one.key == next.key) {
            if block.iter().all(|row| !row.in_use) {
                removed_vips += 1;
            }
        }
        self.verbose.set_census(vips.len() as u64 + removed_vips, ases.len() as u64);
    }

    fn handle_verbose(&mut self, now: Instant, id: CallId, reply: Result<Reply, CallFailure>) {
        self.verbose.answered(now);
        let warning = match reply {
            Ok(Reply::Text(text)) => match verbose::parse(&text) {
                Ok(vips) => return self.take_verbose(now, id, &vips),
                Err(error) => Warning::VerboseUnreadable(error),
            },
            reply => {
                self.verbose.retry(now);
                Warning::VerboseRefused(reply.err().unwrap_or_else(CallFailure::senseless))
            }
        };
        self.verbose.status = VerboseStatus::Failed;
        self.verbose.flows = None;
        self.verbose_is_lost();
        self.warn(warning);
    }

    fn take_verbose(&mut self, now: Instant, id: CallId, vips: &[VerboseVip]) {
        self.warned.retain(|_, warning| {
            !matches!(
                warning,
                Warning::VerboseTooLarge { .. } | Warning::VerboseUnreadable(_) | Warning::VerboseRefused(_)
            )
        });
        self.verbose.status = VerboseStatus::Read { at: now };
        self.verbose.set_census(vips.len() as u64, vips.iter().map(|vip| vip.ases.len() as u64).sum());
        let mut flows = BTreeMap::new();
        for told in vips.iter().filter(|vip| !vip.removed) {
            let Some(vip) = self.model.as_mut().and_then(|model| model.vips.get_mut(&told.key)) else { continue };
            for server in told.ases.iter().filter(|server| !server.removed) {
                flows.insert((told.key, server.address), server.flows);
                self.index_book.handle_as_route(server.address, server.stats_index);
            }
            if !self.vips.get(&told.key).is_some_and(|state| state.believes(id)) {
                // Written meanwhile: this may be the VIP of before. If it was added, another text follows.
                continue;
            }
            let other_hash = vip.src_ip_sticky.is_some_and(|sticky| sticky != told.src_ip_sticky);
            vip.src_ip_sticky = Some(told.src_ip_sticky);
            vip.table_length = ActualLength::Whole(told.new_size);
            vip.pool_index = Some(told.pool_index);
            self.index_book.set_pool_index(&told.key, Some(told.pool_index));
            if other_hash {
                self.push(Event::Drift { key: told.key, what: Drift::VipReplaced });
            }
            self.state(&told.key).dirty.get_or_insert(Priority::Pass);
            self.offer(now, &told.key);
        }
        self.verbose.flows = Some(Flows { at: now, flows });
        self.warn_of_differences();
    }

    /// Without the text nobody knows pool indices, and servers' routes must be looked up.
    fn verbose_is_lost(&mut self) {
        let Some(model) = &mut self.model else { return };
        for (key, vip) in &mut model.vips {
            vip.pool_index = None;
            self.index_book.set_pool_index(key, None);
        }
    }

    /// Says what stays different on purpose.
    pub(super) fn warn_of_differences(&mut self) {
        let (Some(desired), Some(model)) = (&self.desired, &self.model) else { return };
        let mut warnings = Vec::new();
        let (wanted, actual) = (desired.conf.sticky_buckets, model.conf.sticky_buckets_per_core);
        let buckets_differ = wanted.get() != actual;
        if buckets_differ && !model.vips.is_empty() {
            warnings.push(Warning::StickyBucketsDiffer { wanted, actual });
        }
        for (key, wanted) in &desired.vips {
            if let Some(vip) = model.vips.get(key)
                && !vip.table_length.agrees_with(wanted.table_length)
            {
                let (wanted, actual) = (wanted.table_length, vip.table_length);
                warnings.push(Warning::TableLengthDiffers { key: *key, wanted, actual });
            }
        }
        warnings.into_iter().for_each(|warning| self.warn(warning));
    }

    /// Looks up what is not known yet of the VIPs that are wanted and stand.
    pub(super) fn need_indices(&mut self) {
        let (Some(desired), Some(model)) = (&self.desired, &self.model) else { return };
        for (key, vip) in model.vips.iter().filter(|(key, _)| desired.vips.contains_key(key)) {
            self.index_book.need_vip_route(key.prefix());
            vip.ases.keys().for_each(|&address| self.index_book.need_as_route(address));
        }
    }

    pub(super) fn need_indices_of_new_vip(&mut self, key: &VipKey) {
        self.index_book.want_vip_route(key.prefix());
        self.verbose.want();
    }

    pub(super) fn need_index_of_new_server(&mut self, address: IpAddr) {
        // VPP keeps one route for all VIPs of a server, as long as there is one.
        if self.exec.book().vips_with_server(address) > 1 {
            self.index_book.need_as_route(address);
        } else {
            self.index_book.want_as_route(address);
        }
    }

    /// VPP keeps a server's route only as long as some VIP has the server.
    pub(super) fn forget_index_of_unused_server(&mut self, address: &IpAddr) {
        let used = |model: &Actual| model.vips.values().any(|vip| vip.ases.contains_key(address));
        if !self.model.as_ref().is_some_and(used) {
            self.index_book.forget_as_route(address);
        }
    }

    /// The VIP was deleted.
    pub(super) fn forget_indices_of(&mut self, key: &VipKey) {
        self.index_book.set_pool_index(key, None);
        let shared = self
            .model
            .as_ref()
            .is_some_and(|model| model.vips.keys().any(|other| other != key && other.prefix() == key.prefix()));
        if !shared {
            self.index_book.forget_vip_route(&key.prefix());
        }
        self.verbose.want();
    }

    /// Somebody changed the VIP: its indices may be others now.
    fn renew_indices_of(&mut self, key: &VipKey) {
        self.forget_indices_of(key);
        let (Some(desired), Some(model)) = (&self.desired, &self.model) else { return };
        let Some(vip) = model.vips.get(key).filter(|_| desired.vips.contains_key(key)) else { return };
        self.index_book.want_vip_route(key.prefix());
        for &address in vip.ases.keys() {
            self.index_book.forget_as_route(&address);
            self.index_book.want_as_route(address);
        }
    }
}

/// Whether VIPs come in the order of the pool indices that we know of.
fn is_in_pool_order(rows: &[VipRow], model: &Actual) -> bool {
    rows.iter().filter_map(|row| model.vips.get(&row.key).and_then(|vip| vip.pool_index)).is_sorted()
}
