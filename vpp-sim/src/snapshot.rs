//! What the lb plugin holds at one moment, and what became of the flows so far.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::lb::{Lb, Vip};

/// The load balancer at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct LbSnapshot {
    /// VIPs in pool order, removed ones that linger included.
    pub vips: Vec<VipSnapshot>,
    /// Sticky buckets per thread.
    pub sticky_buckets: u32,
    /// Flow time-out in seconds.
    pub flow_timeout: u32,
}

/// A VIP.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct VipSnapshot {
    /// Number in VPP's pool, the column of its counters.
    pub pool_index: u32,
    /// Masked prefix.
    pub prefix: IpNet,
    /// IP protocol, 255 for a VIP of every port.
    pub protocol: u8,
    /// Port, 0 for a VIP of every port.
    pub port: u16,
    /// Type as the CLI prints it, such as `ip4-gre4`.
    pub vip_type: &'static str,
    /// Buckets of the new-flow table.
    pub table_length: u32,
    /// Whether flows are placed by addresses alone.
    pub src_ip_sticky: bool,
    /// False for one that was removed.
    pub in_use: bool,
    /// Packets since it was added: from existing sessions, first of a session, untracked, without a server.
    pub counters: [u64; 4],
    /// Its servers in VPP's order, removed ones included.
    pub servers: Vec<ServerSnapshot>,
}

/// An application server of a VIP.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ServerSnapshot {
    /// Its address.
    pub address: IpAddr,
    /// Its weight, kept after removal.
    pub weight: u8,
    /// Buckets of the new-flow table that name it.
    pub buckets: u32,
    /// Sticky entries that name it, expired ones included.
    pub flows: u64,
    /// False for one that was removed.
    pub in_use: bool,
}

/// New synthetic flows since the simulator started, over all restarts of its VPP.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct FlowTotals {
    /// Flows whose first packet reached a VIP.
    pub new_flows: u64,
    /// Of these, flows that VPP dropped because no bucket named a server.
    pub new_flows_dropped: u64,
    /// Of these, flows that went to a server with weight 0 or a removed one.
    pub new_flows_to_zero_weight: u64,
    /// Of these, flows that went to a server marked as dead.
    pub new_flows_to_dead: u64,
    /// Flows that have packets left to send, at this moment.
    pub under_way: u64,
}

impl LbSnapshot {
    pub(crate) fn of(lb: &Lb) -> Self {
        Self {
            vips: lb.vips().map(|(index, vip)| VipSnapshot::of(lb, index, vip)).collect(),
            sticky_buckets: lb.conf().sticky_buckets,
            flow_timeout: lb.conf().flow_timeout,
        }
    }

    /// The VIP in use with this prefix, protocol and port.
    pub fn vip(&self, prefix: IpNet, protocol: u8, port: u16) -> Option<&VipSnapshot> {
        self.vips.iter().find(|vip| vip.in_use && (vip.prefix, vip.protocol, vip.port) == (prefix, protocol, port))
    }
}

impl VipSnapshot {
    fn of(lb: &Lb, index: u32, vip: &Vip) -> Self {
        let servers = lb.servers_with_buckets(index).into_iter();
        Self {
            pool_index: index,
            prefix: vip.key.prefix.to_net(),
            protocol: vip.key.protocol,
            port: vip.key.port,
            vip_type: vip.vip_type.name(),
            table_length: vip.table_length.get(),
            src_ip_sticky: vip.src_ip_sticky,
            in_use: vip.in_use,
            counters: lb.counters(index),
            servers: servers
                .map(|(slot, server, buckets)| ServerSnapshot {
                    address: server.address.to_ip(),
                    weight: server.weight,
                    buckets,
                    flows: lb.references(slot) as u64,
                    in_use: server.in_use,
                })
                .collect(),
        }
    }

    /// The server with this address, removed or not.
    pub fn server(&self, address: IpAddr) -> Option<&ServerSnapshot> {
        self.servers.iter().find(|server| server.address == address)
    }
}
