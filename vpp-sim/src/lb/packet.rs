//! What happens to a packet that the FIB handed to the plugin (VPP `src/plugins/lb/node.c`).

use super::sticky::{Hit, StickyTable};
use super::vip::{NO_SERVER, NewFlowTable};
use super::{Fatal, Lb, sticky_time};
use crate::addr::{Ip46, Prefix46};
use crate::fib::{Delivery, Family, Fib};

/// A packet on its way to a VIP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    /// The thread that received it.
    pub(crate) thread: usize,
    pub(crate) destination: Ip46,
    pub(crate) family: Family,
    pub(crate) protocol: u8,
    pub(crate) port: u16,
    /// VPP's hash of its flow with ports, and without for a VIP that is sticky by source address.
    pub(crate) hash: u32,
    pub(crate) address_hash: u32,
    /// Length of the IP packet.
    pub(crate) bytes: u32,
}

/// What became of a packet that reached the plugin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Passage {
    /// Row of `/net/route/to` that it moved.
    pub(crate) route: u32,
    /// Pool index of the VIP; 0 if the prefix is a VIP's, but none has this port.
    pub(crate) vip: u32,
    pub(crate) counter: VipCounter,
    /// Where it went, unless dropped.
    pub(crate) server: Option<Served>,
}

/// The server that got a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Served {
    pub(crate) address: Ip46,
    /// Row of `/net/route/via` that it moved.
    pub(crate) route: u32,
    /// Length with the encapsulation.
    pub(crate) bytes: u32,
    /// Whether the server is in use with a weight above 0.
    pub(crate) is_weighted: bool,
}

/// The four counters of a VIP, in VPP's order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum VipCounter {
    Next = 0,
    First = 1,
    Untracked = 2,
    NoServer = 3,
}

impl VipCounter {
    /// In order.
    pub(crate) const ALL: [Self; 4] = [Self::Next, Self::First, Self::Untracked, Self::NoServer];

    /// Its name in the stats segment and in the verbose text.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Next => "packet from existing sessions",
            Self::First => "first session packet",
            Self::Untracked => "untracked packet",
            Self::NoServer => "no server configured",
        }
    }
}

impl Lb {
    /// Forwards one packet. Nothing if its destination is no VIP: VPP then drops it before the plugin sees it.
    ///
    /// # Errors
    /// What this packet makes VPP die of.
    pub(crate) fn forward(&mut self, fib: &Fib, now: u32, packet: &Packet) -> Result<Option<Passage>, Fatal> {
        let route = fib.longest(packet.family, Prefix46::host(packet.destination));
        let Some((route, delivery)) = route.and_then(|route| Some((route, route.forwarding.delivery()?))) else {
            return Ok(None);
        };
        let index = match delivery {
            Delivery::Vip(index) => index,
            Delivery::Ports(number) => {
                let wanted = (number, packet.protocol, packet.port);
                self.port_filter.get(&wanted).copied().unwrap_or(PLACEHOLDER)
            }
        };
        let time = sticky_time(now);
        self.prepare_sticky_table(packet.thread)?;
        let src_ip_sticky = self.vips.get(index).is_some_and(|vip| vip.src_ip_sticky);
        let hash = if src_ip_sticky { packet.address_hash } else { packet.hash };

        let hit = self.sticky_table(packet.thread).map_or(Hit::Full, |table| table.get(hash, index, time));
        let (slot, counter) = match hit {
            Hit::Server(slot) => (slot, VipCounter::Next),
            Hit::Free(way) => {
                let slot = self.place(index, hash);
                let before =
                    self.sticky_table(packet.thread).map_or(NO_SERVER, |table| table.put(hash, way, index, slot, time));
                self.references[before as usize] -= 1;
                self.references[slot as usize] += 1;
                let counter = if slot == NO_SERVER { VipCounter::NoServer } else { VipCounter::First };
                (slot, counter)
            }
            Hit::Full => (self.place(index, hash), VipCounter::Untracked),
        };
        if let Some(row) = self.counters[packet.thread].get_mut(index as usize) {
            row[counter as usize] += 1;
        }
        let server = self.served(fib, index, slot, packet.bytes)?;
        Ok(Some(Passage { route: route.stats_index, vip: index, counter, server }))
    }

    /// The AS slot that the new-flow table names, filling the table if need be.
    fn place(&mut self, index: u32, hash: u32) -> u32 {
        let Some(vip) = self.vips.get(index) else {
            return NO_SERVER;
        };
        if vip.table.is_none() {
            let servers: Vec<_> =
                self.servers_of(index).into_iter().filter(|(_, server)| server.in_use && server.weight > 0).collect();
            let table = NewFlowTable::build(vip.table_length, &servers);
            self.vips.raw_mut(index).table = Some(table);
        }
        let table = self.vips.get(index).and_then(|vip| vip.table.as_ref());
        table.map_or(NO_SERVER, |table| table.slot(hash))
    }

    fn served(&self, fib: &Fib, vip: u32, slot: u32, bytes: u32) -> Result<Option<Served>, Fatal> {
        let Some((vip, server)) = self.vips.get(vip).zip(self.ases.get(slot)).filter(|_| slot != NO_SERVER) else {
            return Ok(None);
        };
        let host = fib.exact(vip.vip_type.server_family(), Prefix46::host(server.address));
        if host.is_some_and(|route| route.forwarding.delivery().is_some()) {
            return Err(Fatal::ServerIsVip(server.address));
        }
        Ok(Some(Served {
            address: server.address,
            route: server.stats_index,
            bytes: bytes + vip.vip_type.overhead(),
            is_weighted: server.in_use && server.weight > 0,
        }))
    }

    fn sticky_table(&mut self, thread: usize) -> Option<&mut StickyTable> {
        self.sticky.get_mut(thread)?.as_mut()
    }

    /// Makes the thread's table, or makes it anew if another size was asked for: then all its sessions are forgotten
    /// (`lb_get_sticky_table`).
    fn prepare_sticky_table(&mut self, thread: usize) -> Result<(), Fatal> {
        let (buckets, timeout) = (self.conf.sticky_buckets, self.conf.flow_timeout);
        if !(1..=MOST_STICKY_BUCKETS).contains(&buckets) {
            return Err(Fatal::StickyBuckets(buckets));
        }
        let old = self.sticky[thread].take();
        let table = match old {
            Some(table) if table.buckets() == buckets => table,
            Some(table) => {
                for slot in table.servers() {
                    self.references[slot as usize] -= 1;
                    self.references[NO_SERVER as usize] += 1;
                }
                StickyTable::new(buckets, timeout)
            }
            None => StickyTable::new(buckets, timeout),
        };
        let table = self.sticky[thread].insert(table);
        table.set_timeout(timeout);
        Ok(())
    }
}

const PLACEHOLDER: u32 = 0;

/// 256 MiB a thread. A live VPP died of 67,108,864, whose size in bytes wraps at 32 bits; this is the largest that is safe.
const MOST_STICKY_BUCKETS: u32 = 4_194_304;
