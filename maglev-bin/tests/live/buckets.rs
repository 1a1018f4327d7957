//! Asks VPP itself which server each bucket of a VIP names: by packets, and by what VPP says it did with them.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use maglev_sync::table::{Flow, flow_hash};

use crate::text::Vip;
use crate::vpp::{Stream, Vpp};

/// The server that a new flow of each bucket goes to, in order of bucket; `None` where VPP has nobody to send it to. VPP must have no
/// sessions of these flows; afterwards it has them.
pub(crate) async fn owners(vpp: &mut Vpp, vip: &Vip) -> Vec<Option<IpAddr>> {
    let mut owners = vec![None; vip.table_length as usize];
    for stream in one_flow_a_bucket(vip) {
        for packet in vpp.trace(&stream).await.iter().map(|text| Packet::parse(text)) {
            let owner = owners[bucket(vip, packet.source)].get_or_insert(packet.server);
            assert_eq!(*owner, packet.server, "{} of {} goes where its bucket goes", packet.source, vip.name);
        }
    }
    owners.into_iter().map(|owner| owner.expect("a flow was sent to each bucket")).collect()
}

/// Flows that fall into every bucket, from as few sources as it takes.
fn one_flow_a_bucket(vip: &Vip) -> Vec<Stream> {
    let source = |number: u16| match destination(vip) {
        // Ports are not hashed: only other clients fall into other buckets.
        SocketAddr::V4(_) if vip.is_sticky => {
            let [high, low] = number.to_be_bytes();
            SocketAddr::from(([198, 18, high, low], 1_024))
        }
        SocketAddr::V4(_) => SocketAddr::from(([198, 18, 0, 1], number)),
        SocketAddr::V6(_) => SocketAddr::from(([0x2001, 0xdb8, 0x18, 0, 0, 0, 0, 1], number)),
    };
    let mut missing: BTreeSet<usize> = (0..vip.table_length as usize).collect();
    let last = (FIRST..=u16::MAX).find(|number| {
        missing.remove(&bucket(vip, source(*number)));
        missing.is_empty()
    });
    let last = last.unwrap_or_else(|| panic!("no flow falls into the buckets {missing:?}"));
    let stream = |first: u16| Stream {
        first: source(first),
        last: source(last.min(first.saturating_add(AT_ONCE - 1))),
        packets: (last - first + 1).min(AT_ONCE).into(),
        destination: destination(vip),
        protocol: if &*vip.name.protocol == "udp" { "UDP" } else { "TCP" },
    };
    (FIRST..=last).step_by(AT_ONCE.into()).map(stream).collect()
}

fn bucket(vip: &Vip, source: SocketAddr) -> usize {
    let flow = match (source, destination(vip)) {
        (SocketAddr::V4(source), SocketAddr::V4(destination)) => Flow::v4(source, destination),
        (SocketAddr::V6(source), SocketAddr::V6(destination)) => Flow::v6(source, destination),
        (source, destination) => panic!("no packet goes from {source} to {destination}"),
    };
    (flow_hash(&flow, vip.is_sticky) & (vip.table_length - 1)) as usize
}

fn destination(vip: &Vip) -> SocketAddr {
    // Any port is good for a VIP of every port.
    let port = if vip.name.port == 0 { 7 } else { vip.name.port };
    SocketAddr::new(vip.name.prefix.parse().expect("an address"), port)
}

/// What became of a packet.
struct Packet {
    source: SocketAddr,
    server: Option<IpAddr>,
}

impl Packet {
    /// Reads lines such as `TCP: 198.18.0.1 -> 192.0.2.1`, `TCP: 1024 -> 80` and `lb as[3]: 10.2.0.11 weight:100 used`.
    fn parse(text: &str) -> Self {
        let lines = || text.lines().map(str::trim);
        let sent = || lines().filter_map(|line| line.strip_prefix("TCP: ").or(line.strip_prefix("UDP: ")));
        let sources = || sent().filter_map(|line| Some(line.split_once(" -> ")?.0));
        let address: Option<IpAddr> = sources().find_map(|source| source.parse().ok());
        let port: Option<u16> = sources().find_map(|source| source.parse().ok());
        let (number, server) = lines()
            .find_map(|line| line.strip_prefix("lb as[")?.split_once("]: "))
            .unwrap_or_else(|| panic!("it did not come to a VIP:\n{text}"));
        let server = server.split_whitespace().next().and_then(|address| address.parse().ok());
        let source = address.zip(port).map(SocketAddr::from);
        Self {
            source: source.unwrap_or_else(|| panic!("no source in\n{text}")),
            // Number 0 stands for nobody.
            server: if number == "0" { None } else { Some(server.unwrap_or_else(|| panic!("no server in\n{text}"))) },
        }
    }
}

const FIRST: u16 = 1_024;
/// VPP keeps the traces of a stream in memory, and gives them in one text.
const AT_ONCE: u16 = 512;
