//! Where VPP keeps the counters: looked up when the set of VIPs or servers changes, never otherwise.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use crate::model::VipKey;
use crate::status::{Flows, Indices, VerboseStatus};
use crate::text::{Limit, TooLarge};

/// The indices, and the look-ups that are still to be made.
#[derive(Debug, Default)]
pub(super) struct IndexBook {
    indices: Indices,
    vip_routes: BTreeSet<IpNet>,
    as_routes: BTreeSet<IpAddr>,
    looking_up: bool,
    changed: bool,
    /// Something must no longer be used.
    revoked: bool,
}

impl IndexBook {
    pub(super) fn indices(&self) -> &Indices {
        &self.indices
    }

    /// Forgets everything: the link is gone.
    pub(super) fn clear(&mut self) {
        let generation = self.indices.generation;
        let known =
            !(self.indices.vips.is_empty() && self.indices.vip_routes.is_empty() && self.indices.as_routes.is_empty());
        *self = Self { indices: Indices { generation, ..Indices::default() }, ..Self::default() };
        if known {
            self.revoke();
        }
    }

    pub(super) fn set_pool_index(&mut self, key: &VipKey, index: Option<u32>) {
        let old = match index {
            Some(index) => self.indices.vips.insert(*key, index),
            None => self.indices.vips.remove(key),
        };
        if old != index {
            self.touch();
            self.revoked |= old.is_some();
        }
    }

    /// Looks the prefix up, even if it is known: its route may be a new one.
    pub(super) fn want_vip_route(&mut self, prefix: IpNet) {
        self.vip_routes.insert(prefix);
    }

    /// Looks the prefix up unless that was done.
    pub(super) fn need_vip_route(&mut self, prefix: IpNet) {
        if !self.indices.vip_routes.contains_key(&prefix) {
            self.want_vip_route(prefix);
        }
    }

    /// Looks the server up, even if it is known: its route may be a new one.
    pub(super) fn want_as_route(&mut self, address: IpAddr) {
        self.as_routes.insert(address);
    }

    /// Looks the server up unless that was done.
    pub(super) fn need_as_route(&mut self, address: IpAddr) {
        if !self.indices.as_routes.contains_key(&address) {
            self.want_as_route(address);
        }
    }

    /// The route is gone: its index may soon be that of another one.
    pub(super) fn forget_vip_route(&mut self, prefix: &IpNet) {
        self.vip_routes.remove(prefix);
        if self.indices.vip_routes.remove(prefix).is_some() {
            self.revoke();
        }
    }

    /// The route is gone: its index may soon be that of another one.
    pub(super) fn forget_as_route(&mut self, address: &IpAddr) {
        self.as_routes.remove(address);
        if self.indices.as_routes.remove(address).is_some() {
            self.revoke();
        }
    }

    /// What to look up next, one at a time. Servers can wait for the verbose text, which tells them all at once.
    pub(super) fn poll_lookup(&mut self, servers_too: bool) -> Option<IpNet> {
        if self.looking_up {
            return None;
        }
        let server = || self.as_routes.first().copied().filter(|_| servers_too).map(IpNet::from);
        let prefix = self.vip_routes.first().copied().or_else(server)?;
        self.looking_up = true;
        Some(prefix)
    }

    /// The answer: it may be a VIP's route, a server's, or both.
    pub(super) fn handle_route(&mut self, prefix: IpNet, index: Option<u32>) {
        self.looking_up = false;
        if self.vip_routes.remove(&prefix) {
            let old = match index {
                Some(index) => self.indices.vip_routes.insert(prefix, index),
                None => self.indices.vip_routes.remove(&prefix),
            };
            if old != index {
                self.touch();
            }
        }
        if prefix.prefix_len() == prefix.max_prefix_len() && self.as_routes.remove(&prefix.addr()) {
            self.set_as_route(prefix.addr(), index);
        }
    }

    /// A server's index from the verbose text.
    pub(super) fn handle_as_route(&mut self, address: IpAddr, index: u32) {
        self.as_routes.remove(&address);
        self.set_as_route(address, Some(index));
    }

    /// The new generation, if something changed since the last call and nothing more is about to.
    pub(super) fn poll_changed(&mut self) -> Option<u64> {
        let settled = self.vip_routes.is_empty() && !self.looking_up;
        (self.changed && settled || self.revoked).then(|| {
            (self.changed, self.revoked) = (false, false);
            self.indices.generation
        })
    }

    fn set_as_route(&mut self, address: IpAddr, index: Option<u32>) {
        let old = match index {
            Some(index) => self.indices.as_routes.insert(address, index),
            None => self.indices.as_routes.remove(&address),
        };
        if old != index {
            self.touch();
        }
    }

    fn revoke(&mut self) {
        self.touch();
        self.revoked = true;
    }

    fn touch(&mut self) {
        self.changed = true;
        self.indices.generation += 1;
    }
}

/// When to ask for `show lb vips verbose`: when wanted, when it fits, and for at most 0.1 % of the time.
#[derive(Debug, Default)]
pub(super) struct VerboseText {
    wanted: bool,
    sent: Option<Instant>,
    not_before: Option<Instant>,
    /// VIPs and servers in VPP, removed ones included, as far as known.
    census: (u64, u64),
    pub(super) status: VerboseStatus,
    pub(super) flows: Option<Flows>,
}

impl VerboseText {
    /// A link came up; `same_boot` if it leads to the VPP of before, whose time the text has taken.
    pub(super) fn reset(&mut self, same_boot: bool) {
        let not_before = self.not_before.filter(|_| same_boot);
        *self = Self { not_before, ..Self::default() };
    }

    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// Whether it is worth waiting for.
    pub(super) fn is_coming(&self) -> bool {
        (self.wanted || self.sent.is_some()) && self.status != VerboseStatus::Failed
    }

    /// VIPs and servers, removed ones included, as the dumps tell.
    pub(super) fn set_census(&mut self, vips: u64, ases: u64) {
        self.census = (vips, ases);
    }

    pub(super) fn count_vip(&mut self) {
        self.census.0 += 1;
    }

    pub(super) fn count_as(&mut self) {
        self.census.1 += 1;
    }

    /// Whether to ask now. Drops the wish if the text could be too large.
    pub(super) fn poll(&mut self, now: Instant) -> Result<bool, TooLarge> {
        // A text about nothing is as long a rest: the first VIP would wait for its counters.
        if !self.wanted || self.sent.is_some() || self.census == (0, 0) {
            return Ok(false);
        }
        let (vips, ases) = self.census;
        if let Err(too_large) = Limit::default().check_verbose(vips, ases) {
            self.wanted = false;
            self.status = VerboseStatus::TooLarge { expected: too_large.expected };
            self.flows = None;
            return Err(too_large);
        }
        if self.not_before.is_some() {
            return Ok(false);
        }
        self.wanted = false;
        self.sent = Some(now);
        Ok(true)
    }

    /// The answer is here; its duration says when the next one may be asked for.
    pub(super) fn answered(&mut self, now: Instant) {
        if let Some(sent) = self.sent.take() {
            self.not_before = Some(now + now.saturating_duration_since(sent).saturating_mul(REST).max(SHORTEST_REST));
        }
    }

    /// The text was refused: it is asked for again, but not soon.
    pub(super) fn retry(&mut self, now: Instant) {
        self.wanted = true;
        self.not_before = self.not_before.max(Some(now + RETRY));
    }

    /// When the rest ends, if somebody waits for that.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.not_before.filter(|_| self.wanted && self.sent.is_none())
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.not_before.is_some_and(|not_before| not_before <= now) {
            self.not_before = None;
        }
    }
}

/// Rest after the text in lengths of the wait for it: 0.1 % of the time.
const REST: u32 = 1000;
/// Wait after a refusal.
const RETRY: Duration = Duration::from_secs(60);
/// Clocks are coarse.
const SHORTEST_REST: Duration = Duration::from_millis(100);
