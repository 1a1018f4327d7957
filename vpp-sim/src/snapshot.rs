//! What the lb plugin holds at one moment, and what became of the flows so far.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::lb::{Lb, Vip};

/// The load balancer at one moment.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
/// # fn main() { sim::with_options(async |options| {
/// use vpp_sim::Simulator;
///
/// let simulator = Simulator::start(options)?;
/// let before = simulator.lb();
/// assert_eq!((before.vips.len(), before.sticky_buckets, before.flow_timeout), (0, 1024, 40));
///
/// sim::add_web(&simulator).await?;
/// let after = simulator.lb();
/// assert_eq!(after.vips.len(), 1);
/// assert!(after.vip("192.0.2.1/32".parse()?, 6, 80).is_some());
/// assert!(after.vip("192.0.2.1/32".parse()?, 17, 80).is_none(), "it is TCP alone");
/// # Ok(()) }) }
/// ```
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
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
/// # fn main() { sim::with_options(async |options| {
/// use vpp_sim::Simulator;
///
/// let simulator = Simulator::start(options)?;
/// sim::add_web(&simulator).await?;
/// let lb = simulator.lb();
/// let vip = lb.vip("192.0.2.1/32".parse()?, 6, 80).ok_or("it was added")?;
/// assert_eq!((vip.vip_type, vip.table_length), ("ip4-gre4", 1024));
/// assert_eq!(vip.servers.iter().map(|server| server.buckets).sum::<u32>(), vip.table_length);
/// assert!(vip.server("10.0.0.1".parse()?).is_some());
/// assert!(vip.server("10.0.0.3".parse()?).is_none());
/// # Ok(()) }) }
/// ```
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
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
/// # fn main() { sim::with_options(async |options| {
/// use vpp_api::messages::vlib::CliInband;
/// use vpp_sim::Simulator;
///
/// let simulator = Simulator::start(options)?;
/// let vpp = sim::add_web(&simulator).await?;
/// let delete = "lb as 192.0.2.1/32 protocol tcp port 80 10.0.0.2 del";
/// vpp.call(&CliInband { cmd: delete.into() }).await?;
///
/// let lb = simulator.lb();
/// let server = lb.vips[0].server("10.0.0.2".parse()?).ok_or("it lingers")?;
/// assert_eq!((server.in_use, server.weight, server.buckets), (false, 100, 0));
/// # Ok(()) }) }
/// ```
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
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
/// # fn main() { sim::with_options(async |options| {
/// use vpp_api::messages::vlib::CliInband;
/// use vpp_sim::{FlowTotals, Simulator};
///
/// /// Flows that nobody answers, in percent.
/// fn lost(totals: FlowTotals) -> u64 {
///     (totals.new_flows_dropped + totals.new_flows_to_dead) * 100 / totals.new_flows.max(1)
/// }
///
/// let simulator = Simulator::start(options)?;
/// let vpp = sim::add_web(&simulator).await?;
/// let delete = "lb as 192.0.2.1/32 protocol tcp port 80 10.0.0.1 10.0.0.2 del";
/// vpp.call(&CliInband { cmd: delete.into() }).await?;
/// simulator.set_flows(1000);
/// sim::until(|| simulator.flow_totals().new_flows > 0).await;
/// simulator.set_flows(0);
/// assert_eq!(lost(simulator.flow_totals()), 100, "no server is left");
/// # Ok(()) }) }
/// ```
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
