//! What the dumps say about the model.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use super::drift::Comparison;
use super::{Doubt, Reconciler, VipState};
use crate::call::{AsRow, VipRow};
use crate::event::{Drift, Event, WarmUpPhase};
use crate::exec::{CallId, Priority};
use crate::model::{Abilities, Actual, ActualVip, ForeignVips, VipKey};

impl Reconciler {
    /// A dump of VIPs: which came, went or changed behind our back, and which of those in doubt are there.
    pub(super) fn handle_vips(&mut self, now: Instant, id: CallId, rows: &[VipRow]) {
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

    pub(super) fn handle_vip(&mut self, now: Instant, id: CallId, key: &VipKey, row: Option<&VipRow>) {
        let Some(model) = &mut self.model else { return };
        let since = self.exec.peek_id();
        let state = self.vips.entry(*key).or_insert_with(VipState::new);
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
    pub(super) fn handle_ases(&mut self, now: Instant, id: CallId, key: &VipKey, rows: &[AsRow]) {
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
        let abilities = model.abilities;
        rows.for_each(|row| found.add_row(row, abilities));
        if let Some(wanted) = self.desired.as_ref().and_then(|desired| desired.vips.get(key)) {
            found.complete(wanted, abilities);
        }
        let drifts = differences(vip, &mut found, abilities);
        let collected = if abilities.weights { Vec::new() } else { collected(vip, &found) };
        let changed = *vip != found;
        *vip = found;
        if changed {
            let vip = vip.clone();
            self.exec.book().replace(key, Some(&vip));
        }
        collected.iter().for_each(|address| self.forget_index_of_collected_server(address));
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
    pub(super) fn sure(&mut self, now: Instant, key: &VipKey) {
        self.note_doubt(key);
        self.offer(now, key);
        self.wake(now, key.prefix());
    }

    /// After the warm-up a dump of VIPs is an occasion to remove what does not belong there.
    pub(super) fn prune(&mut self, now: Instant) {
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
    pub(super) fn forget_unused(&mut self) {
        let (desired, model) = (&self.desired, &self.model);
        self.vips.retain(|key, state| {
            desired.as_ref().is_some_and(|desired| desired.vips.contains_key(key))
                || model.as_ref().is_some_and(|model| model.vips.contains_key(key))
                || state.doubt.is_some()
                || state.job.is_some()
                || !state.unsettled.is_empty()
        });
    }
}

/// Servers in which VPP differs from what was expected. What no dump tells of them goes over into `found`.
fn differences(expected: &ActualVip, found: &mut ActualVip, abilities: Abilities) -> Vec<Drift> {
    let mut drifts = Vec::new();
    let addresses: BTreeSet<IpAddr> = expected.ases.keys().chain(found.ases.keys()).copied().collect();
    for address in addresses {
        let was = expected.ases.get(&address);
        let is = found.ases.get_mut(&address);
        let (before, now) = (was.map(|server| server.weight), is.as_ref().map(|server| server.weight));
        if let (Some(was), Some(is)) = (was, is)
            && abilities.weights
        {
            is.never_raised = was.never_raised && is.weight == 0;
        }
        // Without weights no dump shows a server at weight 0, and it is not completed when nobody wants it any more.
        let not_in_use = |weight: Option<u8>| weight.is_none_or(|weight| weight == 0);
        if before != now && (abilities.weights || !not_in_use(before) || !not_in_use(now)) {
            drifts.push(Drift::As { address, expected: before, found: now });
        }
    }
    drifts
}

/// Servers at weight 0 that a VPP without weights knew and does not know any more.
fn collected(expected: &ActualVip, found: &ActualVip) -> Vec<IpAddr> {
    let known = |vip: &ActualVip, address: &IpAddr| vip.ases.get(address).is_some_and(|server| !server.never_raised);
    let gone = |address: &&IpAddr| known(expected, address) && !known(found, address);
    expected.ases.keys().filter(gone).copied().collect()
}

/// Whether VIPs come in the order of the pool indices that we know of.
fn is_in_pool_order(rows: &[VipRow], model: &Actual) -> bool {
    rows.iter().filter_map(|row| model.vips.get(&row.key).and_then(|vip| vip.pool_index)).is_sorted()
}
