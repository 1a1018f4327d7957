//! The last gate before a call leaves.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

use crate::call::Call;
use crate::model::{ActualVip, VipKey};
use crate::plan::prefix_range;

/// A call that would kill VPP: a server whose address is a VIP crashes it at the first packet (`ip4_load_balance`).
///
/// ```
#[doc = include_str!("../doc/vpp.md")]
/// # let mut reconciler = Reconciler::new(warm(), now);
/// # reconciler.set_desired(now, desired.clone());
/// # reconciler.handle_link_up(now, boot, Abilities::default());
/// # settle(&mut reconciler, now, &mut vpp);
/// # vpp.log.clear();
/// // By mistake the VIP gets its own address for a server.
/// let own = "192.0.2.1".parse()?;
/// let mut vip = vip;
/// vip.targets.insert(own, serving);
/// reconciler.update_vip(now, web, vip);
/// let held_back = settle(&mut reconciler, now, &mut vpp).into_iter().find_map(|event| match event {
///     Event::VipFailed { failure: Failure::Forbidden { rule, .. }, .. } => Some(rule),
///     _ => None,
/// });
/// assert_eq!(held_back, Some(Forbidden::ServerIsVip { address: own, vip: web }));
/// assert!(vpp.log.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Forbidden {
    /// The address of the server belongs to a VIP.
    #[error("the address of server {address} belongs to the VIP {vip}, over which VPP crashes")]
    ServerIsVip {
        /// The server.
        address: IpAddr,
        /// The VIP, which may be a foreign one.
        vip: VipKey,
    },
    /// The VIP covers the address of a server.
    #[error("the VIP would cover server {address} of {vip}, over which VPP crashes")]
    VipIsServer {
        /// The server; it may be a removed one that still has flows.
        address: IpAddr,
        /// The VIP that has it.
        vip: VipKey,
    },
}

/// The addresses of all VIPs and servers that VPP holds or is about to hold.
///
/// An addition counts from the moment on which it leaves, so that two calls in flight cannot break the rule together. Servers that VPP
/// lists as removed count, too: packets of their old flows still go to them.
#[derive(Clone, Debug, Default)]
pub(crate) struct AddressBook {
    vips: BTreeSet<VipKey>,
    /// How many VIPs have a prefix of this family (true for IPv6) and length.
    lengths: BTreeMap<(bool, u8), usize>,
    /// The VIPs of each server.
    servers: BTreeMap<IpAddr, BTreeSet<VipKey>>,
    /// The same the other way round.
    servers_of: BTreeMap<VipKey, BTreeSet<IpAddr>>,
    /// VIPs, and servers of VIPs, whose deletion left and was not followed by an addition: its answer takes them out. A VIP that is made
    /// anew is added before the answer to its deletion comes, and must stay.
    going_vips: BTreeSet<VipKey>,
    going_servers: BTreeSet<(VipKey, IpAddr)>,
}

impl AddressBook {
    pub(crate) fn of(vips: &BTreeMap<VipKey, ActualVip>) -> Self {
        let mut book = Self::default();
        vips.iter().for_each(|(key, vip)| book.put(key, Some(vip)));
        book
    }

    /// Takes over what is now known of a VIP that has no call in flight.
    pub(crate) fn replace(&mut self, key: &VipKey, vip: Option<&ActualVip>) {
        self.remove_vip(key);
        self.going_vips.remove(key);
        for address in self.servers_of.remove(key).into_iter().flatten() {
            self.remove_server(address, key);
            self.going_servers.remove(&(*key, address));
        }
        self.put(key, vip);
    }

    /// Whether the call may leave; if so, what it adds is there from now on.
    pub(crate) fn admit(&mut self, call: &Call) -> Result<(), Forbidden> {
        match *call {
            Call::VipAdd { key, .. } => {
                if let Some((address, vip)) = self.server_within(key.prefix()) {
                    return Err(Forbidden::VipIsServer { address, vip });
                }
                self.insert_vip(&key);
                self.going_vips.remove(&key);
            }
            Call::AsAdd { key, address, .. } => {
                if let Some(vip) = self.vip_of(address) {
                    return Err(Forbidden::ServerIsVip { address, vip });
                }
                self.insert_server(address, &key);
                self.going_servers.remove(&(key, address));
            }
            Call::VipDel(key) => {
                self.going_vips.insert(key);
            }
            Call::AsDel { key, address, flush: true } => {
                self.going_servers.insert((key, address));
            }
            Call::AsSetWeight { address, weight, .. } if !weight.is_zero() => {
                if let Some(vip) = self.vip_of(address) {
                    return Err(Forbidden::ServerIsVip { address, vip });
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes the outcome of a call that left. What was refused stays in the book until its VIP is read again.
    pub(crate) fn settle(&mut self, call: &Call, succeeded: bool) {
        match *call {
            Call::VipDel(key) if succeeded && self.going_vips.remove(&key) => {
                // No packet finds its way to the servers that it may have left behind.
                self.replace(&key, None);
            }
            Call::AsDel { key, address, flush: true } if succeeded && self.going_servers.remove(&(key, address)) => {
                self.remove_server(address, &key);
                if let Some(servers) = self.servers_of.get_mut(&key) {
                    servers.remove(&address);
                }
            }
            _ => {}
        }
    }

    /// How many VIPs have this server, removed ones included.
    pub(crate) fn vips_with_server(&self, address: IpAddr) -> usize {
        self.servers.get(&address).map_or(0, BTreeSet::len)
    }

    fn put(&mut self, key: &VipKey, vip: Option<&ActualVip>) {
        let Some(vip) = vip else { return };
        self.insert_vip(key);
        vip.ases.keys().chain(&vip.lingering).for_each(|&address| self.insert_server(address, key));
    }

    fn insert_vip(&mut self, key: &VipKey) {
        if self.vips.insert(*key) {
            *self.lengths.entry(shape(key.prefix())).or_default() += 1;
        }
    }

    fn remove_vip(&mut self, key: &VipKey) {
        if !self.vips.remove(key) {
            return;
        }
        if let Entry::Occupied(mut count) = self.lengths.entry(shape(key.prefix())) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    fn insert_server(&mut self, address: IpAddr, key: &VipKey) {
        self.servers.entry(address).or_default().insert(*key);
        self.servers_of.entry(*key).or_default().insert(address);
    }

    fn remove_server(&mut self, address: IpAddr, key: &VipKey) {
        if let Entry::Occupied(mut vips) = self.servers.entry(address) {
            vips.get_mut().remove(key);
            if vips.get().is_empty() {
                vips.remove();
            }
        }
    }

    fn vip_of(&self, address: IpAddr) -> Option<VipKey> {
        let family = address.is_ipv6();
        let lengths = self.lengths.range((family, 0)..=(family, u8::MAX));
        lengths
            .filter_map(|(&(_, length), _)| IpNet::new(address, length).ok())
            .find_map(|prefix| self.vips.range(prefix_range(prefix)).next().copied())
    }

    fn server_within(&self, prefix: IpNet) -> Option<(IpAddr, VipKey)> {
        let (&address, vips) = self.servers.range(prefix.network()..=prefix.broadcast()).next()?;
        Some((address, *vips.first()?))
    }
}

fn shape(prefix: IpNet) -> (bool, u8) {
    (prefix.addr().is_ipv6(), prefix.prefix_len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ActualAs, ActualLength, Encap, Protocol, TableLength, Weight};

    fn vip(prefix: &str, port: u16) -> VipKey {
        VipKey::new(prefix.parse().expect("a prefix"), Protocol::TCP, port)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn add_vip(key: VipKey) -> Call {
        Call::VipAdd { key, encap: Encap::Gre4, table_length: TableLength::MIN, src_ip_sticky: false }
    }

    fn add_server(key: VipKey, server: &str) -> Call {
        Call::AsAdd { key, address: address(server), weight: Weight::MAX }
    }

    fn set(key: VipKey, server: &str, weight: Weight) -> Call {
        Call::AsSetWeight { key, address: address(server), weight, flush: false }
    }

    fn standing(servers: &[&str], lingering: &[&str]) -> ActualVip {
        let server = ActualAs { weight: 1, never_raised: false };
        ActualVip {
            encap: Encap::Gre4.into(),
            src_ip_sticky: None,
            table_length: ActualLength::Low16(1024),
            pool_index: None,
            ases: servers.iter().map(|server_address| (address(server_address), server)).collect(),
            lingering: lingering.iter().map(|server| address(server)).collect(),
        }
    }

    #[test]
    fn no_server_may_be_a_vip_its_own_or_a_foreign_one() {
        let (own, foreign) = (vip("192.0.2.1/32", 80), vip("198.51.100.0/28", 0));
        let mut book = AddressBook::of(&[(own, standing(&[], &[])), (foreign, standing(&[], &[]))].into());
        for (server, culprit) in [("192.0.2.1", own), ("198.51.100.9", foreign)] {
            let refused = Err(Forbidden::ServerIsVip { address: address(server), vip: culprit });
            assert_eq!(book.admit(&add_server(own, server)), refused);
            assert_eq!(book.admit(&set(own, server, Weight::MAX)), refused);
            // Taking it out of service makes things better, not worse.
            assert_eq!(book.admit(&set(own, server, Weight::ZERO)), Ok(()));
        }
        assert_eq!(book.admit(&add_server(own, "198.51.100.16")), Ok(()));
        assert_eq!(book.admit(&add_server(own, "192.0.2.2")), Ok(()));
    }

    #[test]
    fn no_vip_may_cover_a_server_removed_ones_included() {
        let key = vip("192.0.2.1/32", 80);
        let mut book = AddressBook::of(&[(key, standing(&["10.0.0.1"], &["10.0.1.7"]))].into());
        for (prefix, server) in [("10.0.0.1/32", "10.0.0.1"), ("10.0.1.0/24", "10.0.1.7")] {
            let refused = Err(Forbidden::VipIsServer { address: address(server), vip: key });
            assert_eq!(book.admit(&add_vip(vip(prefix, 443))), refused);
        }
        assert_eq!(book.admit(&add_vip(vip("10.0.2.0/24", 443))), Ok(()));
    }

    #[test]
    fn two_calls_in_flight_do_not_break_the_rule_together() {
        let (one, other) = (vip("192.0.2.1/32", 80), vip("192.0.2.2/32", 80));
        let mut book = AddressBook::default();
        book.admit(&add_vip(one)).expect("nothing stands yet");
        book.admit(&add_server(one, "192.0.2.2")).expect("there is no such VIP yet");
        assert!(book.admit(&add_vip(other)).is_err());
    }

    #[test]
    fn a_vip_that_is_created_again_counts_whatever_answer_comes_last() {
        let (one, other) = (vip("192.0.2.1/32", 80), vip("192.0.2.2/32", 80));
        let mut book = AddressBook::of(&[(one, standing(&["10.0.0.1"], &["10.0.0.2"]))].into());
        let batch = [
            Call::AsDel { key: one, address: address("10.0.0.1"), flush: true },
            Call::VipDel(one),
            add_vip(one),
            add_server(one, "10.0.0.1"),
        ];
        batch.iter().for_each(|call| book.admit(call).expect("nothing is in the way"));
        batch.iter().for_each(|call| book.settle(call, true));
        assert!(book.admit(&add_server(other, "192.0.2.1")).is_err());
        assert!(book.admit(&add_vip(vip("10.0.0.1/32", 80))).is_err());
    }

    #[test]
    fn a_vip_that_is_gone_leaves_nothing_behind() {
        let one = vip("192.0.2.1/32", 80);
        let mut book = AddressBook::of(&[(one, standing(&[], &["10.0.0.2"]))].into());
        book.admit(&Call::VipDel(one)).expect("a deletion is always admitted");
        book.settle(&Call::VipDel(one), true);
        assert_eq!(book.admit(&add_vip(vip("10.0.0.2/32", 80))), Ok(()));
        assert_eq!(book.vips_with_server(address("10.0.0.2")), 0);
    }

    #[test]
    fn what_is_gone_is_no_longer_in_the_way() {
        let (one, other) = (vip("192.0.2.1/32", 80), vip("10.0.0.1/32", 80));
        let mut book = AddressBook::of(&[(one, standing(&["10.0.0.1"], &[]))].into());
        let carry_out = |book: &mut AddressBook, call: Call, succeeds| {
            assert_eq!(book.admit(&call), Ok(()));
            book.settle(&call, succeeds);
        };
        let delete = |flush| Call::AsDel { key: one, address: address("10.0.0.1"), flush };
        // Not flushed, it still has its flows.
        carry_out(&mut book, delete(false), true);
        assert!(book.admit(&add_vip(other)).is_err());
        carry_out(&mut book, delete(true), false);
        assert!(book.admit(&add_vip(other)).is_err());
        carry_out(&mut book, delete(true), true);
        assert_eq!(book.admit(&add_vip(other)), Ok(()));

        assert!(book.admit(&add_server(one, "10.0.0.1")).is_err());
        carry_out(&mut book, Call::VipDel(other), true);
        assert_eq!(book.admit(&add_server(one, "10.0.0.1")), Ok(()));
        book.replace(&one, None);
        assert_eq!(book.admit(&add_vip(other)), Ok(()));
    }
}
