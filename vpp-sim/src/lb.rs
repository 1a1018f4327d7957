//! VPP's lb plugin, as pure code: VIPs, application servers, sticky sessions, garbage collection.
//!
//! A transcript of behaviour, not of code: the facts come from VPP 26.10's `src/plugins/lb` and from recorded sessions. Checks
//! come in VPP's order, so that a request with two faults gets the retval that VPP would give. Time is seconds since VPP
//! started and comes in as an argument.
//!
//! New-flow tables are filled only when a packet asks for one; bucket counts come from a formula with the same result. So
//! programming a thousand VIPs costs next to nothing here, while VPP fills a table on each change.

mod packet;
mod servers;
mod sticky;
mod vip;

use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, Ipv6Addr};

use maglev_sync::table::TableSize;
use thiserror::Error;
use vpp_api::types::Retval;

pub(crate) use self::packet::{Packet, Passage, VipCounter};
use self::sticky::StickyTable;
pub(crate) use self::vip::{AppServer, Vip, VipKey, VipType};
use crate::addr::{Ip46, Prefix46};
use crate::fib::{Delivery, Family, Fib};
use crate::pool::Pool;
use crate::release::Release;

/// The plugin.
#[derive(Clone, Debug)]
pub(crate) struct Lb {
    release: Release,
    conf: Conf,
    /// Slot 0 is a placeholder that collects packets no VIP wants.
    vips: Pool<Vip>,
    /// Slot 0 stands for "no server".
    ases: Pool<AppServer>,
    /// The VIPs in use by prefix, in pool order.
    by_prefix: HashMap<Prefix46, BTreeSet<u32>>,
    /// Sticky entries that name an AS slot, summed over threads. Slot 0 counts down, as in VPP.
    references: Vec<i64>,
    /// By thread; made by the first packet.
    sticky: Vec<Option<StickyTable>>,
    /// By thread, then VIP slot.
    counters: Vec<Vec<[u64; 4]>>,
    /// Node ports in use. A deleted VIP does not give its own back.
    node_ports: BTreeSet<u16>,
    /// Numbers given to prefixes of VIPs with ports.
    prefix_numbers: Vec<bool>,
    /// Which VIP a packet for a prefix number, protocol and port belongs to.
    port_filter: HashMap<(u32, u8, u16), u32>,
    /// VIP slots whose counters were zeroed since the last look.
    zeroed: Vec<u32>,
}

/// What `lb_conf` sets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Conf {
    pub(crate) ip4_source: Ipv4Addr,
    pub(crate) ip6_source: Ipv6Addr,
    pub(crate) sticky_buckets: u32,
    /// Seconds.
    pub(crate) flow_timeout: u32,
}

/// What an added VIP shall be, apart from its key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NewVip {
    pub(crate) vip_type: VipType,
    /// Any number: 0 and huge ones pass VPP's check and kill it.
    pub(crate) table_length: u32,
    pub(crate) src_ip_sticky: bool,
    /// Masked to six bits by the handlers.
    pub(crate) dscp: u8,
    pub(crate) srv_type: u8,
    pub(crate) target_port: u16,
}

/// What would have killed VPP. The simulator says so, drops its links and starts again empty.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub(crate) enum Fatal {
    #[error("a new-flow table of {0} entries does not fit VPP's heap")]
    TableLength(u64),
    #[error("the prefix length of {0} does not exist, and VPP does not check it")]
    PrefixLength(Prefix46),
    #[error("a NAT VIP without a port leads through an unset DPO type")]
    NatWithoutPort,
    #[error("a sticky table of {0} buckets corrupts memory at the first packet")]
    StickyBuckets(u32),
    #[error("server {0} is itself a VIP: its packets go round in circles until VPP dies")]
    ServerIsVip(Ip46),
    #[error("a reply of {0} bytes does not fit the API segment")]
    ReplyTooLarge(usize),
}

impl Lb {
    /// An empty plugin on a VPP with `threads` threads, the main one included.
    pub(crate) fn new(release: Release, threads: usize) -> Self {
        let mut vips = Pool::default();
        let placeholder: &mut Vip = vips.take().1;
        placeholder.in_use = true;
        let mut ases = Pool::default();
        let nobody: &mut AppServer = ases.take().1;
        nobody.address = Ip46::ALL_ONES;
        nobody.vip = u32::MAX;
        Self {
            release,
            conf: Conf {
                ip4_source: Ipv4Addr::BROADCAST,
                ip6_source: Ipv6Addr::from([0xff; 16]),
                sticky_buckets: 1024,
                flow_timeout: 40,
            },
            vips,
            ases,
            by_prefix: HashMap::new(),
            references: vec![0],
            sticky: vec![None; threads],
            counters: vec![Vec::new(); threads],
            node_ports: BTreeSet::new(),
            prefix_numbers: Vec::new(),
            port_filter: HashMap::new(),
            zeroed: Vec::new(),
        }
    }

    pub(crate) fn release(&self) -> Release {
        self.release
    }

    pub(crate) fn conf(&self) -> Conf {
        self.conf
    }

    /// `lb_conf`. Buckets of 0 pass the test for a power of two; the next packet then finds out.
    pub(crate) fn set_conf(&mut self, conf: Conf) -> Retval {
        if conf.sticky_buckets & conf.sticky_buckets.wrapping_sub(1) != 0 {
            return Retval::INVALID_MEMORY_SIZE;
        }
        self.conf = conf;
        Retval::OK
    }

    /// Adds a VIP (`lb_vip_add`) and gives its pool index with retval 0.
    pub(crate) fn add_vip(
        &mut self,
        fib: &mut Fib,
        now: u32,
        key: VipKey,
        new: NewVip,
    ) -> Result<(Retval, u32), Fatal> {
        if let Err(retval) = self.check_new_vip(key, new) {
            return Ok((retval, 0));
        }
        let table_length = table_size(new.table_length)?;
        if !key.prefix.is_valid() {
            return Err(Fatal::PrefixLength(key.prefix));
        }
        if new.vip_type.is_nat() && key.port == 0 {
            return Err(Fatal::NatWithoutPort);
        }

        let (index, vip) = self.vips.take();
        *vip = Vip {
            key,
            vip_type: new.vip_type,
            table_length,
            src_ip_sticky: new.src_ip_sticky,
            in_use: true,
            last_collection: now,
            ases: Pool::default(),
            table: None,
            ..std::mem::take(vip)
        };
        if new.vip_type == VipType::Ip4L3dsr {
            vip.dscp_or_srv_type = new.dscp;
        } else if new.vip_type.is_nat() {
            vip.dscp_or_srv_type = new.srv_type;
            vip.target_port = new.target_port;
        }
        let is_node_port = new.vip_type.is_nat() && vip.is_node_port();
        self.zero_counters(index);
        let prefix_number = self.add_adjacency(fib, index, key, new.vip_type.vip_family());
        // VPP notices a taken node port only now: the VIP stands, but outside of the port filter, and no packet finds it.
        if is_node_port && !self.node_ports.insert(key.port) {
            return Ok((Retval::VALUE_EXIST, index));
        }
        if let Some(number) = prefix_number {
            self.port_filter.insert((number, key.protocol, key.port), index);
            self.vips.raw_mut(index).prefix_number = number;
        }
        Ok((Retval::OK, index))
    }

    /// Deletes a VIP (`lb_vip_del`): it and its servers linger until garbage collection.
    pub(crate) fn delete_vip(&mut self, fib: &mut Fib, now: u32, key: VipKey) -> Retval {
        let Some(index) = self.find_vip(key) else {
            return Retval::NO_SUCH_ENTRY;
        };
        let addresses: Vec<Ip46> = self.servers_of(index).iter().map(|(_, server)| server.address).collect();
        if !addresses.is_empty() {
            // Every address is one of its own, so this cannot fail.
            self.delete_servers(fib, now, index, &addresses, false);
        }
        self.remove_adjacency(fib, index, key);
        let vip = self.vips.raw_mut(index);
        vip.in_use = false;
        let filtered = (vip.prefix_number, key.protocol, key.port);
        match key.port {
            0 => Retval::OK,
            // Without its place in the filter VPP calls it unknown, after it has deleted it.
            _ => self.port_filter.remove(&filtered).map_or(Retval::NO_SUCH_ENTRY, |_| Retval::OK),
        }
    }

    /// Leads packets for the prefix here, unless another port's VIP does already (`lb_vip_add_adjacency`). Returns the prefix's
    /// number in the port filter, for a VIP with a port.
    fn add_adjacency(&mut self, fib: &mut Fib, index: u32, key: VipKey, family: Family) -> Option<u32> {
        let sharing = self.of_prefix(key.prefix).next().map(|(_, vip)| vip.prefix_number);
        self.by_prefix.entry(key.prefix).or_default().insert(index);
        if key.port == 0 {
            fib.add_vip(family, key.prefix, Delivery::Vip(index));
            return None;
        }
        let number = sharing.unwrap_or_else(|| {
            let free = self.prefix_numbers.iter().position(|&taken| !taken);
            let number = free.unwrap_or(self.prefix_numbers.len());
            self.prefix_numbers.resize(self.prefix_numbers.len().max(number + 1), false);
            self.prefix_numbers[number] = true;
            fib.add_vip(family, key.prefix, Delivery::Ports(number as u32));
            number as u32
        });
        Some(number)
    }

    /// The way back (`lb_vip_del_adjacency`).
    fn remove_adjacency(&mut self, fib: &mut Fib, index: u32, key: VipKey) {
        if let Some(indices) = self.by_prefix.get_mut(&key.prefix) {
            indices.remove(&index);
            if !indices.is_empty() {
                return;
            }
        }
        self.by_prefix.remove(&key.prefix);
        let Some(vip) = self.vips.get(index) else {
            return;
        };
        fib.remove_vip(vip.vip_type.vip_family(), key.prefix);
        if let Some(taken) = self.prefix_numbers.get_mut(vip.prefix_number as usize).filter(|_| key.port != 0) {
            *taken = false;
        }
    }

    /// Frees what may be freed, of all VIPs (`lb_garbage_collection`); VPP 26.10 does so every [`COLLECTION_INTERVAL`].
    pub(crate) fn collect_garbage(&mut self, fib: &mut Fib, now: u32) {
        let indices: Vec<u32> = self.vips.iter().map(|(index, _)| index).collect();
        for index in indices {
            self.collect_servers(fib, now, index);
            let gone = self.vips.get(index).is_some_and(|vip| !vip.in_use && vip.ases.count() == 0);
            if gone {
                self.vips.put(index);
            }
        }
    }

    /// The pool index of a VIP in use.
    pub(crate) fn find_vip(&self, key: VipKey) -> Option<u32> {
        self.of_prefix(key.prefix).find(|&(_, vip)| vip.key == key).map(|(index, _)| index)
    }

    /// VIPs in pool order, removed ones included, without the placeholder.
    pub(crate) fn vips(&self) -> impl Iterator<Item = (u32, &Vip)> {
        self.vips.iter().skip(1)
    }

    /// VIPs in the pool, the placeholder and removed ones included.
    pub(crate) fn vip_count(&self) -> usize {
        self.vips.count()
    }

    /// ASes in the pool, removed ones included, without the placeholder.
    pub(crate) fn server_count(&self) -> usize {
        self.ases.count() - 1
    }

    /// The servers of a VIP in the order of its own index pool, removed ones included.
    pub(crate) fn servers_of(&self, vip: u32) -> Vec<(u32, AppServer)> {
        let Some(vip) = self.vips.get(vip) else {
            return Vec::new();
        };
        let server = |slot: u32| self.ases.get(slot).map(|server| (slot, *server));
        vip.ases.iter().filter_map(|(_, &slot)| server(slot)).collect()
    }

    /// The same with each one's number of buckets.
    pub(crate) fn servers_with_buckets(&self, vip: u32) -> Vec<(u32, AppServer, u32)> {
        let Some(length) = self.vips.get(vip).filter(|vip| vip.in_use).map(|vip| vip.table_length) else {
            let without = |(slot, server)| (slot, server, 0);
            return self.servers_of(vip).into_iter().map(without).collect();
        };
        let servers = self.servers_of(vip);
        let buckets = vip::buckets(length, &servers);
        servers.into_iter().zip(buckets).map(|((slot, server), buckets)| (slot, server, buckets)).collect()
    }

    /// Sticky entries that name an AS, expired ones included (`flows` in the verbose text).
    pub(crate) fn references(&self, slot: u32) -> i64 {
        self.references.get(slot as usize).copied().unwrap_or(0)
    }

    /// Sum over threads of a VIP's counters.
    pub(crate) fn counters(&self, vip: u32) -> [u64; 4] {
        let mut sum = [0; 4];
        for row in self.counters.iter().filter_map(|thread| thread.get(vip as usize)) {
            for (sum, value) in sum.iter_mut().zip(row) {
                *sum += value;
            }
        }
        sum
    }

    /// Rows that the counters have: VIP slots since the first VIP, 0 before it.
    pub(crate) fn counter_slots(&self) -> usize {
        self.counters.first().map_or(0, Vec::len)
    }

    /// VIP slots whose counters were zeroed since the last call.
    pub(crate) fn take_zeroed(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.zeroed)
    }

    /// Per thread that has a sticky table: thread, time-out, live entries, buckets + 3, which VPP takes for the capacity.
    pub(crate) fn sticky_usage(&self, now: u32) -> Vec<(usize, u32, usize, u32)> {
        let usage = |(thread, table): (usize, &Option<StickyTable>)| {
            let table = table.as_ref()?;
            Some((thread, table.timeout(), table.live(sticky_time(now)), table.buckets() + 3))
        };
        self.sticky.iter().enumerate().filter_map(usage).collect()
    }

    fn check_new_vip(&self, key: VipKey, new: NewVip) -> Result<(), Retval> {
        let other = |&(_, vip): &(u32, &Vip)| (vip.key.protocol, vip.key.port) != (key.protocol, key.port);
        let first_other = self.of_prefix(key.prefix).find(other);
        if self.find_vip(key).is_some() {
            return Err(Retval::VALUE_EXIST);
        }
        if key.port != 0 && self.of_prefix(key.prefix).any(|(_, vip)| vip.key.port == 0) {
            return Err(Retval::VALUE_EXIST);
        }
        if key.port == 0 && first_other.is_some() {
            return Err(Retval::VALUE_EXIST);
        }
        if key.port != 0 && first_other.is_some_and(|(_, vip)| vip.vip_type != new.vip_type) {
            return Err(Retval::INVALID_ARGUMENT);
        }
        if new.table_length & new.table_length.wrapping_sub(1) != 0 {
            return Err(Retval::INVALID_MEMORY_SIZE);
        }
        let family = if key.prefix.is_ip4() { Family::Ip4 } else { Family::Ip6 };
        if new.vip_type.vip_family() != family {
            return Err(Retval::INVALID_ADDRESS_FAMILY);
        }
        Ok(())
    }

    fn of_prefix(&self, prefix: Prefix46) -> impl Iterator<Item = (u32, &Vip)> {
        self.by_prefix.get(&prefix).into_iter().flatten().filter_map(|&index| Some((index, self.vips.get(index)?)))
    }

    fn zero_counters(&mut self, vip: u32) {
        for thread in &mut self.counters {
            if thread.len() <= vip as usize {
                thread.resize(vip as usize + 1, [0; 4]);
            }
            thread[vip as usize] = [0; 4];
        }
        self.zeroed.push(vip);
    }
}

fn table_size(length: u32) -> Result<TableSize, Fatal> {
    // A length of 0 asks for 2^32 entries.
    let entries = if length == 0 { 1 << 32 } else { u64::from(length) };
    TableSize::new(length).filter(|_| length <= LONGEST_TABLE).ok_or(Fatal::TableLength(entries))
}

/// The clock of the sticky tables (`lb_hash_time_now`).
fn sticky_time(now: u32) -> u32 {
    now.wrapping_add(10_000)
}

/// Seconds between two rounds of `lb-gc-process`.
pub(crate) const COLLECTION_INTERVAL: u32 = 60;

/// 256 MiB of table; more does not fit a main heap of the usual 1 GiB beside everything else. VPP itself has no limit.
const LONGEST_TABLE: u32 = 1 << 26;

#[cfg(test)]
mod tests;
