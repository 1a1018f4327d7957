//! The verbose text and the routes: what they tell, and when they are asked for.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use super::Reconciler;
use super::reads::Read;
use crate::call::{Call, CallFailure, Reply};
use crate::event::{Drift, Event, Warning};
use crate::exec::{CallId, Priority};
use crate::model::{Actual, ActualLength, ActualVip, VipKey};
use crate::status::{Flows, VerboseStatus};
use crate::text::{self, ShownAs, ShownVip};

impl Reconciler {
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

    pub(super) fn handle_verbose(&mut self, now: Instant, id: CallId, reply: Result<Reply, CallFailure>) {
        self.verbose.answered(now);
        let warning = match reply {
            Ok(Reply::Text(shown)) => match text::vips(&shown) {
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

    pub(super) fn take_verbose(&mut self, now: Instant, id: CallId, vips: &[ShownVip]) {
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
            let is_wanted = |server: &ShownAs| !self.abilities.weights && vip.ases.contains_key(&server.address);
            // On a VPP without weights a server at weight 0 is a removed one, whose flows go on all the same.
            for server in told.ases.iter().filter(|server| !server.removed || is_wanted(server)) {
                flows.insert((told.key, server.address), server.flows);
                self.index_book.handle_as_route(server.address, server.stats_index);
            }
            if !self.vips.get(&told.key).is_some_and(|state| state.believes(id)) {
                // Written meanwhile: this may be the VIP of before. The next text tells.
                self.verbose.want();
                continue;
            }
            // Where it cannot be trusted nobody asked for it, and whatever stands there is taken for right.
            let told_sticky = self.abilities.src_ip_sticky.then_some(told.src_ip_sticky);
            let other_hash = vip.src_ip_sticky.zip(told_sticky).is_some_and(|(known, told)| known != told);
            vip.src_ip_sticky = told_sticky;
            vip.table_length = ActualLength::Whole(told.table_length);
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
    pub(super) fn verbose_is_lost(&mut self) {
        let Some(model) = &mut self.model else { return };
        for (key, vip) in &mut model.vips {
            vip.pool_index = None;
            self.index_book.set_pool_index(key, None);
        }
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

    /// A VPP without weights took a server into use again: it may have forgotten its route in between.
    pub(super) fn need_index_of_revived_server(&mut self, address: IpAddr) {
        self.index_book.want_as_route(address);
    }

    /// VPP keeps a server's route only as long as some VIP has the server.
    pub(super) fn forget_index_of_unused_server(&mut self, address: &IpAddr) {
        let used = |model: &Actual| model.vips.values().any(|vip| vip.ases.contains_key(address));
        if !self.model.as_ref().is_some_and(used) {
            self.index_book.forget_as_route(address);
        }
    }

    /// A VPP without weights forgets a server at weight 0, and its route, once no flow is left and somebody changes the VIP.
    pub(super) fn forget_index_of_collected_server(&mut self, address: &IpAddr) {
        let known = |vip: &ActualVip| vip.ases.get(address).is_some_and(|server| !server.never_raised);
        if !self.model.as_ref().is_some_and(|model| model.vips.values().any(known)) {
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
    pub(super) fn renew_indices_of(&mut self, key: &VipKey) {
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
