//! Packets: through VPP's packet generator, and through ours.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use fastrand::Rng;
use ipnet::IpNet;
use maglev_sync::table::{Flow, flow_hash};
use vpp_api::messages::vlib::CliInband;
use vpp_api::types::Text;
use vpp_stats::{CombinedCounter, Segment};

use super::Pair;
use crate::fib::Family;
use crate::lb::Packet;

impl Pair {
    /// Sends a UDP packet to a VIP.
    pub(super) async fn packet(&mut self, net: IpNet, port: u16) {
        let destination = host_of(net, &mut self.random);
        let source: IpAddr = match destination {
            IpAddr::V4(_) => [198, 18, 0, self.random.u8(..)].into(),
            IpAddr::V6(_) => [0x2001, 2, 0, 0, 0, 0, 0, self.random.u16(0..256)].into(),
        };
        let ports = (self.random.u16(1024..1032), if port == 0 { 7 } else { port });
        let node = if destination.is_ipv4() { "ip4-lookup" } else { "ip6-lookup" };
        let (udp, data) = if destination.is_ipv4() { (80, 72) } else { (60, 52) };
        let stream = format!(
            "packet-generator new {{ name p limit 1 size 100-100 node {node} data {{ UDP: {source} -> {destination} \
             UDP: {} -> {} length {udp} checksum 0 incrementing {data} }} }}",
            ports.0, ports.1
        );
        for command in [&stream, "packet-generator enable-stream p"] {
            self.client.call(&CliInband { cmd: Text::from(command) }).await.expect("a packet generator");
        }
        let wait = CliInband { cmd: Text::from("show packet-generator") };
        // The stream disables itself once its packet is through.
        while !self.client.call(&wait).await.expect("a list of streams").reply.to_string().contains("No ") {}
        self.client.call(&CliInband { cmd: Text::from("packet-generator delete p") }).await.expect("its end");

        let flow = match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                Flow::v4(SocketAddrV4::new(source, ports.0), SocketAddrV4::new(destination, ports.1))
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let end = |address, port| SocketAddrV6::new(address, port, 0, 0);
                Flow::v6(end(source, ports.0), end(destination, ports.1))
            }
            _ => unreachable!("both were made of one family"),
        };
        let packet = Packet {
            thread: 0,
            destination: destination.into(),
            family: if destination.is_ipv4() { Family::Ip4 } else { Family::Ip6 },
            protocol: 17,
            port: ports.1,
            hash: flow_hash(&flow, false),
            address_hash: flow_hash(&flow, true),
            bytes: 100,
        };
        let seconds = self.now().seconds();
        let passage = self.ours.lb.forward(&self.ours.fib, seconds, &packet).expect("VPP survives");
        self.packets += 1;
        let Some(passage) = passage else {
            return;
        };
        add(&mut self.to, passage.route, 100);
        if let Some(served) = passage.server {
            add(&mut self.via, served.route, served.bytes);
        }
    }

    /// Compares what the packets have moved.
    pub(super) fn compare_counters(&self) {
        let segment = Segment::connect(self.live.directory.join("stats.sock")).expect("a segment");
        for (name, expected) in [("/net/route/to", &self.to), ("/net/route/via", &self.via)] {
            let mut handle = segment.combined(name);
            for (index, counter) in expected {
                let live = handle.sum((i64::from(*index) + self.offset) as u32).expect("a sound segment");
                assert_eq!(live, Some(*counter), "{name} at {index}");
            }
        }
    }
}

/// A host of a prefix.
fn host_of(net: IpNet, random: &mut Rng) -> IpAddr {
    match net {
        IpNet::V4(net) => (net.addr() | (net.hostmask() & Ipv4Addr::from(random.u32(..)))).into(),
        IpNet::V6(net) => (net.addr() | (net.hostmask() & Ipv6Addr::from(random.u128(0..4)))).into(),
    }
}

fn add(counters: &mut BTreeMap<u32, CombinedCounter>, row: u32, bytes: u32) {
    let counter = counters.entry(row).or_default();
    counter.packets += 1;
    counter.bytes += u64::from(bytes);
}
