//! FIB table 0 as far as the lb plugin and `ip_route_lookup` need it: which prefixes stand in it and at which statistics index.

use std::collections::{BTreeMap, HashMap};

use crate::addr::{Ip46, Prefix46};

/// Address family of a table. VPP keeps one FIB per family; the lb plugin's own idea of IPv4 is in [`Ip46::is_ip4`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Family {
    Ip4,
    Ip6,
}

/// Where packets of an entry go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Forwarding {
    /// Into the lb plugin: the prefix is a VIP's.
    Lb(Delivery),
    /// To an application server, whose host route lb keeps alive.
    Server,
    /// The default route, which drops.
    Drop,
}

impl Forwarding {
    /// For whom, if into the lb plugin.
    pub(crate) fn delivery(self) -> Option<Delivery> {
        match self {
            Self::Lb(delivery) => Some(delivery),
            Self::Server | Self::Drop => None,
        }
    }
}

/// Which VIP the lb plugin shall take a packet for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Delivery {
    /// The one with this pool index, for every port.
    Vip(u32),
    /// The one that the port filter has for this prefix number and the packet's protocol and port.
    Ports(u32),
}

/// What a look-up found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Route {
    pub(crate) prefix: Prefix46,
    /// Row of `/net/route/to` and `/net/route/via`.
    pub(crate) stats_index: u32,
    pub(crate) forwarding: Forwarding,
}

/// The FIB. Statistics indices are handed out in ascending order, freed ones again, last freed first, as VPP's load-balance pool
/// does.
///
/// An index is held by its entry and by each AS that forwards through it. The lb plugin does not let go of it when it frees an AS,
/// but when the AS's slot is taken again: so the index of a server that is gone stays taken for a while.
#[derive(Clone, Debug)]
pub(crate) struct Fib {
    entries: HashMap<(Family, Prefix46), Entry>,
    /// How many entries have each length, longest match's order of search.
    lengths: BTreeMap<(Family, u8), usize>,
    next_index: u32,
    free_indices: Vec<u32>,
    /// How many hold each index.
    holders: HashMap<u32, u32>,
    /// Indices given to new entries since the last look.
    fresh: Vec<u32>,
}

impl Fib {
    /// A FIB that holds `routes` entries of no interest to us, so that the next one gets that statistics index.
    pub(crate) fn new(routes: u32) -> Self {
        let mut fib = Self {
            entries: HashMap::new(),
            lengths: BTreeMap::new(),
            next_index: routes,
            free_indices: Vec::new(),
            holders: HashMap::new(),
            fresh: Vec::new(),
        };
        for (family, stored_len, stats_index) in [(Family::Ip4, 96, 1), (Family::Ip6, 0, 6)] {
            let everything = Prefix46 { address: Ip46::default(), stored_len };
            fib.insert(family, everything, Entry::default_route(stats_index));
        }
        fib
    }

    /// One more than the highest statistics index there ever was: the least length of the route counters.
    pub(crate) fn indices(&self) -> u32 {
        self.next_index
    }

    /// Statistics indices given to new entries since the last call: their counters begin at 0.
    pub(crate) fn take_fresh(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.fresh)
    }

    /// Enters the prefix of a VIP, which must be masked. Returns its statistics index.
    pub(crate) fn add_vip(&mut self, family: Family, prefix: Prefix46, delivery: Delivery) -> u32 {
        let entry = self.entry(family, prefix);
        entry.vip = Some(delivery);
        entry.stats_index
    }

    pub(crate) fn remove_vip(&mut self, family: Family, prefix: Prefix46) {
        if let Some(entry) = self.entries.get_mut(&(family, prefix)) {
            entry.vip = None;
            self.collect(family, prefix);
        }
    }

    /// Makes an AS forward through the host route of a server. Returns its statistics index.
    pub(crate) fn hold_server(&mut self, family: Family, address: Ip46) -> u32 {
        let entry = self.entry(family, Prefix46::host(address));
        entry.servers += 1;
        let stats_index = entry.stats_index;
        *self.holders.entry(stats_index).or_default() += 1;
        stats_index
    }

    /// An AS no longer needs the host route. Its hold on the statistics index stays.
    pub(crate) fn release_server(&mut self, family: Family, address: Ip46) {
        let host = Prefix46::host(address);
        if let Some(entry) = self.entries.get_mut(&(family, host)) {
            entry.servers = entry.servers.saturating_sub(1);
            self.collect(family, host);
        }
    }

    /// Lets go of a statistics index: what held it forwards through another one.
    pub(crate) fn release_index(&mut self, stats_index: u32) {
        let Some(holders) = self.holders.get_mut(&stats_index) else {
            return;
        };
        *holders -= 1;
        if *holders == 0 {
            self.holders.remove(&stats_index);
            self.free_indices.push(stats_index);
        }
    }

    /// The entry of exactly this prefix; host bits do not matter.
    pub(crate) fn exact(&self, family: Family, prefix: Prefix46) -> Option<Route> {
        let prefix = prefix.masked();
        let entry = self.entries.get(&(family, prefix))?;
        Some(entry.route(prefix))
    }

    /// The longest entry that covers the prefix: at worst the default route.
    pub(crate) fn longest(&self, family: Family, prefix: Prefix46) -> Option<Route> {
        self.lengths
            .range(..=(family, prefix.stored_len))
            .rev()
            .take_while(|&(&(of, _), _)| of == family)
            .find_map(|(&(_, stored_len), _)| self.exact(family, Prefix46 { stored_len, ..prefix }))
    }

    fn entry(&mut self, family: Family, prefix: Prefix46) -> &mut Entry {
        if !self.entries.contains_key(&(family, prefix)) {
            let stats_index = self.free_indices.pop().unwrap_or_else(|| {
                self.next_index += 1;
                self.next_index - 1
            });
            self.fresh.push(stats_index);
            self.holders.insert(stats_index, 1);
            self.insert(family, prefix, Entry::new(stats_index));
        }
        self.entries.get_mut(&(family, prefix)).expect("it was there or has just been inserted")
    }

    fn insert(&mut self, family: Family, prefix: Prefix46, entry: Entry) {
        self.entries.insert((family, prefix), entry);
        *self.lengths.entry((family, prefix.stored_len)).or_default() += 1;
    }

    /// Removes the entry if nothing needs it any more.
    fn collect(&mut self, family: Family, prefix: Prefix46) {
        let unneeded = |entry: &Entry| entry.vip.is_none() && entry.servers == 0 && !entry.default_route;
        let Some(entry) = self.entries.get(&(family, prefix)).filter(|entry| unneeded(entry)) else {
            return;
        };
        let stats_index = entry.stats_index;
        self.entries.remove(&(family, prefix));
        self.release_index(stats_index);
        if let Some(count) = self.lengths.get_mut(&(family, prefix.stored_len)) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&(family, prefix.stored_len));
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    stats_index: u32,
    vip: Option<Delivery>,
    /// ASes that hold it, over all VIPs.
    servers: u32,
    default_route: bool,
}

impl Entry {
    fn new(stats_index: u32) -> Self {
        Self { stats_index, vip: None, servers: 0, default_route: false }
    }

    fn default_route(stats_index: u32) -> Self {
        Self { default_route: true, ..Self::new(stats_index) }
    }

    /// The lb source has the higher priority, so a server whose address is a VIP is reached through the VIP.
    fn route(&self, prefix: Prefix46) -> Route {
        let forwarding = match (self.vip, self.servers) {
            (Some(delivery), _) => Forwarding::Lb(delivery),
            (None, 1..) => Forwarding::Server,
            (None, 0) => Forwarding::Drop,
        };
        Route { prefix, stats_index: self.stats_index, forwarding }
    }
}

/// Entries that VPP makes for itself before any route is added, in the recorded session and about so in any.
pub(crate) const FEWEST_ROUTES: u32 = 28;

#[cfg(test)]
mod tests {
    use super::*;

    fn ip4(address: [u8; 4], len: u8) -> Prefix46 {
        Prefix46 { address: std::net::IpAddr::from(address).into(), stored_len: 96 + len }
    }

    #[test]
    fn longest_match_prefers_the_longer_and_ends_at_the_default_route() {
        let mut fib = Fib::new(FEWEST_ROUTES);
        assert_eq!(fib.add_vip(Family::Ip4, ip4([198, 51, 100, 0], 28), Delivery::Vip(1)), 28);
        assert_eq!(fib.add_vip(Family::Ip4, ip4([198, 51, 100, 7], 32), Delivery::Vip(1)), 29);
        let found =
            |fib: &Fib, last| fib.longest(Family::Ip4, ip4([198, 51, 100, last], 32)).map(|route| route.stats_index);
        assert_eq!(found(&fib, 7), Some(29));
        assert_eq!(found(&fib, 8), Some(28));
        assert_eq!(found(&fib, 99), Some(1));
        assert_eq!(fib.exact(Family::Ip4, ip4([198, 51, 100, 8], 32)), None);
        fib.remove_vip(Family::Ip4, ip4([198, 51, 100, 7], 32));
        assert_eq!(found(&fib, 7), Some(28));
    }

    #[test]
    fn a_server_is_held_once_per_as_and_its_index_is_used_again() {
        let mut fib = Fib::new(100);
        let server = ip4([10, 2, 0, 11], 32);
        assert_eq!(fib.hold_server(Family::Ip4, server.address), 100);
        assert_eq!(fib.hold_server(Family::Ip4, server.address), 100);
        fib.release_server(Family::Ip4, server.address);
        assert!(fib.exact(Family::Ip4, server).is_some());
        fib.release_server(Family::Ip4, server.address);
        assert_eq!(fib.exact(Family::Ip4, server), None);
        // Both ASes are gone, but their slots still name the index.
        assert_eq!(fib.add_vip(Family::Ip4, ip4([192, 0, 2, 1], 32), Delivery::Vip(1)), 101);
        fib.release_index(100);
        fib.release_index(100);
        assert_eq!(fib.add_vip(Family::Ip4, ip4([192, 0, 2, 2], 32), Delivery::Vip(1)), 100);
        assert_eq!(fib.indices(), 102);
    }

    #[test]
    fn a_server_that_is_a_vip_leads_into_lb() {
        let mut fib = Fib::new(FEWEST_ROUTES);
        let both = ip4([192, 0, 2, 1], 32);
        fib.hold_server(Family::Ip4, both.address);
        fib.add_vip(Family::Ip4, both, Delivery::Vip(1));
        assert_eq!(fib.exact(Family::Ip4, both).map(|route| route.forwarding), Some(Forwarding::Lb(Delivery::Vip(1))));
        fib.remove_vip(Family::Ip4, both);
        assert_eq!(fib.exact(Family::Ip4, both).map(|route| route.forwarding), Some(Forwarding::Server));
    }
}
