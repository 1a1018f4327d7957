//! What the plugin's two pools hold.

use maglev_sync::table::{Table, TableSize, bucket_counts};

use crate::addr::{Ip46, Prefix46};
use crate::fib::Family;
use crate::pool::Pool;

/// VIP type: address family of the VIP and treatment of its packets, numbered as `lb_vip_type_t`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum VipType {
    #[default]
    Ip6Gre6 = 0,
    Ip6Gre4 = 1,
    Ip4Gre6 = 2,
    Ip4Gre4 = 3,
    Ip4L3dsr = 4,
    Ip4Nat4 = 5,
    Ip6Nat6 = 6,
}

impl VipType {
    /// The type that the API handlers derive from a prefix and an encapsulation number.
    ///
    /// Whatever they do not know becomes type 0, which is ip6-gre6: an IPv4 VIP is then refused for its family, an IPv6 one is
    /// silently something else than what was asked for.
    pub(crate) fn of(prefix: Prefix46, encap: u32) -> Self {
        match (prefix.is_ip4(), encap) {
            (true, GRE4) => Self::Ip4Gre4,
            (true, GRE6) => Self::Ip4Gre6,
            (true, L3DSR) => Self::Ip4L3dsr,
            (true, NAT4) => Self::Ip4Nat4,
            (false, GRE4) => Self::Ip6Gre4,
            (false, NAT6) => Self::Ip6Nat6,
            _ => Self::Ip6Gre6,
        }
    }

    /// The API's encapsulation number (`lb_vip_type_to_api_encap`).
    pub(crate) fn encap(self) -> u32 {
        match self {
            Self::Ip4Gre4 | Self::Ip6Gre4 => GRE4,
            Self::Ip4Gre6 | Self::Ip6Gre6 => GRE6,
            Self::Ip4L3dsr => L3DSR,
            Self::Ip4Nat4 => NAT4,
            Self::Ip6Nat6 => NAT6,
        }
    }

    /// Family of the VIP itself.
    pub(crate) fn vip_family(self) -> Family {
        match self {
            Self::Ip4Gre6 | Self::Ip4Gre4 | Self::Ip4L3dsr | Self::Ip4Nat4 => Family::Ip4,
            Self::Ip6Gre6 | Self::Ip6Gre4 | Self::Ip6Nat6 => Family::Ip6,
        }
    }

    /// Family that its servers must have.
    pub(crate) fn server_family(self) -> Family {
        match self {
            Self::Ip6Gre4 | Self::Ip4Gre4 | Self::Ip4L3dsr | Self::Ip4Nat4 => Family::Ip4,
            Self::Ip6Gre6 | Self::Ip4Gre6 | Self::Ip6Nat6 => Family::Ip6,
        }
    }

    pub(crate) fn is_nat(self) -> bool {
        matches!(self, Self::Ip4Nat4 | Self::Ip6Nat6)
    }

    /// Bytes that a packet gains on its way to the server: outer IP header and GRE header.
    pub(crate) fn overhead(self) -> u32 {
        match self {
            Self::Ip4Gre4 | Self::Ip6Gre4 => 20 + 4,
            Self::Ip4Gre6 | Self::Ip6Gre6 => 40 + 4,
            Self::Ip4L3dsr | Self::Ip4Nat4 | Self::Ip6Nat6 => 0,
        }
    }

    /// As the CLI prints it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ip6Gre6 => "ip6-gre6",
            Self::Ip6Gre4 => "ip6-gre4",
            Self::Ip4Gre6 => "ip4-gre6",
            Self::Ip4Gre4 => "ip4-gre4",
            Self::Ip4L3dsr => "ip4-l3dsr",
            Self::Ip4Nat4 => "ip4-nat4",
            Self::Ip6Nat6 => "ip6-nat6",
        }
    }
}

/// `lb_encap_type` in the API.
pub(crate) const GRE4: u32 = 0;
pub(crate) const GRE6: u32 = 1;
pub(crate) const L3DSR: u32 = 2;
pub(crate) const NAT4: u32 = 3;
pub(crate) const NAT6: u32 = 4;

/// What names a VIP: prefix, protocol, port. Protocol 255 and port 0 stand for all of them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct VipKey {
    pub(crate) prefix: Prefix46,
    pub(crate) protocol: u8,
    pub(crate) port: u16,
}

impl VipKey {
    /// The key as the API handlers form it: without a port the protocol is forced to 255, and host bits are cleared.
    pub(crate) fn new(prefix: Prefix46, protocol: u8, port: u16) -> Self {
        Self { prefix: prefix.masked(), protocol: if port == 0 { ANY_PROTOCOL } else { protocol }, port }
    }
}

/// The protocol of a VIP for every port.
pub(crate) const ANY_PROTOCOL: u8 = 255;

/// A VIP (`lb_vip_t`).
#[derive(Clone, Debug)]
pub(crate) struct Vip {
    pub(crate) key: VipKey,
    pub(crate) vip_type: VipType,
    /// A union in VPP: the DSCP of an l3dsr VIP, the service type of a NAT one, for the others what an earlier VIP left.
    pub(crate) dscp_or_srv_type: u8,
    /// NAT only, else what an earlier VIP left. Host order.
    pub(crate) target_port: u16,
    pub(crate) table_length: TableSize,
    pub(crate) src_ip_sticky: bool,
    /// Number of its prefix in the port filter, if it has a port; else, or when its addition failed half-way, what an earlier
    /// VIP left.
    pub(crate) prefix_number: u32,
    /// False from its deletion until garbage collection.
    pub(crate) in_use: bool,
    /// Seconds since VPP started.
    pub(crate) last_collection: u32,
    /// Its servers as slots of the plugin's AS pool, removed ones included.
    pub(crate) ases: Pool<u32>,
    /// The new-flow table, filled when a packet first asks for it.
    pub(crate) table: Option<NewFlowTable>,
}

impl Default for Vip {
    fn default() -> Self {
        Self {
            key: VipKey {
                prefix: Prefix46 { address: Ip46::ALL_ONES, stored_len: 0 },
                protocol: ANY_PROTOCOL,
                port: 0,
            },
            vip_type: VipType::default(),
            dscp_or_srv_type: 0,
            target_port: 0,
            table_length: TableSize::new(1).expect("1 is a power of two"),
            src_ip_sticky: false,
            prefix_number: 0,
            in_use: false,
            last_collection: 0,
            ases: Pool::default(),
            table: None,
        }
    }
}

impl Vip {
    /// The service type, of a NAT VIP: anything but 0 is a node port.
    pub(crate) fn is_node_port(&self) -> bool {
        self.dscp_or_srv_type != 0
    }
}

/// An application server of one VIP (`lb_as_t`).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AppServer {
    pub(crate) address: Ip46,
    pub(crate) vip: u32,
    pub(crate) weight: u8,
    pub(crate) in_use: bool,
    /// Seconds since VPP started, of its last removal; a reused slot keeps the old one.
    pub(crate) last_used: u32,
    /// Its host route's statistics index, `dpo` in the verbose text.
    pub(crate) stats_index: u32,
}

/// A filled new-flow table together with the AS slots behind its owners.
#[derive(Clone, Debug)]
pub(crate) struct NewFlowTable {
    table: Table,
    slots: Vec<u32>,
}

impl NewFlowTable {
    pub(crate) fn build(length: TableSize, servers: &[(u32, AppServer)]) -> Self {
        Self { table: Table::build(length, &claims(servers)), slots: servers.iter().map(|&(slot, _)| slot).collect() }
    }

    /// The AS slot of a flow; slot 0, which drops, when the table is empty.
    pub(crate) fn slot(&self, hash: u32) -> u32 {
        self.table.owner_of(hash).map_or(NO_SERVER, |owner| self.slots[owner])
    }
}

/// Buckets of each server, removed ones having none.
pub(crate) fn buckets(length: TableSize, servers: &[(u32, AppServer)]) -> Vec<u32> {
    bucket_counts(length, &claims(servers))
}

fn claims(servers: &[(u32, AppServer)]) -> Vec<(std::net::IpAddr, u8)> {
    let weight = |server: &AppServer| if server.in_use { server.weight } else { 0 };
    servers.iter().map(|(_, server)| (server.address.to_ip(), weight(server))).collect()
}

/// The AS slot that stands for "no server".
pub(crate) const NO_SERVER: u32 = 0;
