//! Application servers: adding, removing, weights, flushing, and what becomes of removed ones.

use vpp_api::types::Retval;

use super::vip::NO_SERVER;
use super::{AppServer, Lb, VipKey};
use crate::addr::Ip46;
use crate::fib::{Family, Fib};

impl Lb {
    /// Adds servers, all or none (`lb_vip_add_ass`). A removed one that lingers is used again, with its sessions unless `flush`.
    ///
    /// New ones get their slots in the reverse order of the list, as VPP's do; the API always names one.
    pub(crate) fn add_servers(
        &mut self,
        fib: &mut Fib,
        now: u32,
        key: VipKey,
        addresses: &[Ip46],
        weight: u8,
        flush: bool,
    ) -> Retval {
        let Some(index) = self.find_vip(key) else {
            return Retval::NO_SUCH_ENTRY;
        };
        let Some(family) = self.vips.get(index).map(|vip| vip.vip_type.server_family()) else {
            return Retval::NO_SUCH_ENTRY;
        };
        let mut created = Vec::new();
        let mut revived = Vec::new();
        for (at, &address) in addresses.iter().enumerate().rev() {
            if let Some((slot, server)) = self.find_server(index, address) {
                if server.in_use {
                    return Retval::VALUE_EXIST;
                }
                revived.push(slot);
                continue;
            }
            let given = if address.is_ip4() { Family::Ip4 } else { Family::Ip6 };
            if given != family {
                return Retval::INVALID_ADDRESS_FAMILY;
            }
            if !addresses[..at].contains(&address) {
                created.push(address);
            }
        }
        for slot in revived {
            let server = self.ases.raw_mut(slot);
            server.in_use = true;
            server.weight = weight;
            if flush {
                self.flush_server(index, slot);
            }
        }
        for address in created {
            let stats_index = fib.hold_server(family, address);
            let (slot, server) = self.ases.take();
            let stale_index = server.stats_index;
            // `last_used` keeps what the slot's last owner left there.
            *server = AppServer { address, vip: index, weight, in_use: true, stats_index, ..*server };
            // 0 in a slot never used before: that index is no server's.
            fib.release_index(stale_index);
            if self.references.len() <= slot as usize {
                self.references.resize(slot as usize + 1, 0);
            }
            if let Some(vip) = self.vips.get_mut(index) {
                *vip.ases.take().1 = slot;
            }
        }
        self.rebuild(index);
        self.collect_servers(fib, now, index);
        Retval::OK
    }

    /// Removes one server (`lb_vip_del_ass`): it keeps its sessions unless `flush`, and lingers until garbage collection.
    pub(crate) fn remove_servers(
        &mut self,
        fib: &mut Fib,
        now: u32,
        key: VipKey,
        addresses: &[Ip46],
        flush: bool,
    ) -> Retval {
        match self.find_vip(key) {
            Some(index) => self.delete_servers(fib, now, index, addresses, flush),
            None => Retval::NO_SUCH_ENTRY,
        }
    }

    /// Changes the weight of a server in use (`lb_vip_set_as_weight`). Any byte will do.
    pub(crate) fn set_weight(&mut self, key: VipKey, address: Ip46, weight: u8, flush: bool) -> Retval {
        let Some(index) = self.find_vip(key) else {
            return Retval::NO_SUCH_ENTRY;
        };
        let Some((slot, _)) = self.find_server(index, address).filter(|(_, server)| server.in_use) else {
            return Retval::NO_SUCH_ENTRY;
        };
        self.ases.raw_mut(slot).weight = weight;
        self.rebuild(index);
        if flush {
            self.flush_server(index, slot);
        }
        Retval::OK
    }

    /// Evicts all sessions of a VIP.
    pub(crate) fn flush_vip(&mut self, index: u32) {
        self.evict(|vip, _| vip == index);
    }

    /// Forgets all sessions and the sticky tables themselves (`test lb flowtable flush`).
    pub(crate) fn flush_everything(&mut self) {
        self.evict(|_, _| true);
        self.sticky.fill(None);
    }

    pub(super) fn delete_servers(
        &mut self,
        fib: &mut Fib,
        now: u32,
        index: u32,
        addresses: &[Ip46],
        flush: bool,
    ) -> Retval {
        let mut slots = Vec::new();
        for &address in addresses.iter().rev() {
            match self.find_server(index, address) {
                Some((slot, _)) => slots.push(slot),
                None => return Retval::NO_SUCH_ENTRY,
            }
        }
        self.collect_servers(fib, now, index);
        for slot in slots {
            // The collection may just have freed the slot. VPP marks it all the same.
            let server = self.ases.raw_mut(slot);
            server.in_use = false;
            server.last_used = now;
            if flush {
                self.flush_server(index, slot);
            }
        }
        self.rebuild(index);
        Retval::OK
    }

    /// Frees the removed servers of a VIP that no session names, unless it was done less than a minute ago
    /// (`lb_vip_garbage_collection`).
    pub(super) fn collect_servers(&mut self, fib: &mut Fib, now: u32, index: u32) {
        let Some(vip) = self.vips.get_mut(index) else {
            return;
        };
        if !reached(now, vip.last_collection.wrapping_add(super::COLLECTION_INTERVAL)) {
            return;
        }
        vip.last_collection = now;
        let family = vip.vip_type.server_family();
        let positions: Vec<(u32, u32)> = vip.ases.iter().map(|(at, &slot)| (at, slot)).collect();
        for (at, slot) in positions {
            let Some(server) = self.ases.get(slot).copied() else {
                continue;
            };
            let idle = reached(now, server.last_used.wrapping_add(IDLE_BEFORE_FREED));
            if server.in_use || !idle || self.references(slot) != 0 {
                continue;
            }
            fib.release_server(family, server.address);
            self.vips.raw_mut(index).ases.put(at);
            self.ases.put(slot);
        }
    }

    fn find_server(&self, vip: u32, address: Ip46) -> Option<(u32, AppServer)> {
        let vip = self.vips.get(vip)?;
        vip.ases
            .iter()
            .filter_map(|(_, &slot)| Some((slot, *self.ases.get(slot)?)))
            .find(|(_, server)| server.address == address)
    }

    fn flush_server(&mut self, vip: u32, slot: u32) {
        self.evict(|of, names| of == vip && names == slot);
    }

    fn evict(&mut self, which: impl Fn(u32, u32) -> bool) {
        for table in self.sticky.iter_mut().flatten() {
            for slot in table.evict(&which) {
                self.references[slot as usize] -= 1;
                self.references[NO_SERVER as usize] += 1;
            }
        }
    }

    /// The table is stale; the next packet fills a new one.
    fn rebuild(&mut self, index: u32) {
        if let Some(vip) = self.vips.get_mut(index) {
            vip.table = None;
        }
    }
}

/// VPP's `clib_u32_loop_gt`: in spite of its name true also for equal times.
fn reached(now: u32, then: u32) -> bool {
    now.wrapping_sub(then) < 0x7fff_ffff
}

/// Seconds that a removed server stays at least.
const IDLE_BEFORE_FREED: u32 = 10;
