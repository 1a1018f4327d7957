//! Synthetic flows: new ones at an even rate, spread over the VIPs, a few packets each.
//!
//! A run depends on the seed, the rate and the times of the calls alone. Flows have random sources, so they fall into buckets as
//! real ones would, by VPP's own hash.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use maglev_sync::table::{Flow, flow_hash};

use crate::addr::Prefix46;
use crate::fib::Family;
use crate::lb::{Lb, Packet, VipKey};

/// Makes flows and says when their packets are due.
#[derive(Debug)]
pub(crate) struct Flows {
    random: fastrand::Rng,
    /// New flows per second.
    rate: u32,
    /// When the next flow begins, on the clock of the calls.
    next: Duration,
    /// How many flows there were.
    begun: u64,
    live: BinaryHeap<Reverse<Live>>,
    threads: usize,
}

/// One packet of a flow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlowPacket {
    pub(crate) packet: Packet,
    /// Whether the flow begins with it.
    pub(crate) is_first: bool,
}

impl Flows {
    /// Flows for a VPP with `threads` threads: all but the first, main one receive packets if there are others.
    pub(crate) fn new(seed: u64, threads: usize) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            rate: 0,
            next: Duration::ZERO,
            begun: 0,
            live: BinaryHeap::new(),
            threads,
        }
    }

    /// Changes the rate from now on. Flows under way go on.
    pub(crate) fn set_rate(&mut self, now: Duration, rate: u32) {
        self.rate = rate;
        self.next = now;
    }

    /// Whether there is, or may be, anything to send.
    pub(crate) fn are_idle(&self) -> bool {
        self.rate == 0 && self.live.is_empty()
    }

    /// Flows that have packets left.
    pub(crate) fn under_way(&self) -> u64 {
        self.live.len() as u64
    }

    /// The next packet that is due, in order of time; call until `None`. New flows go to the VIPs that `lb` has in use.
    #[must_use]
    pub(crate) fn poll_packet(&mut self, now: Duration, lb: &Lb) -> Option<FlowPacket> {
        self.begin(now, lb);
        if self.live.peek().is_none_or(|Reverse(live)| live.due > now) {
            return None;
        }
        let Reverse(mut live) = self.live.pop()?;
        let is_first = live.is_first;
        let packet = live.packet;
        live.left -= 1;
        if live.left > 0 {
            live.is_first = false;
            live.due += Duration::from_millis(self.random.u64(20..200));
            live.packet.bytes = self.random.u32(52..=1500);
            self.live.push(Reverse(live));
        }
        Some(FlowPacket { packet, is_first })
    }

    /// Begins the flows that are due. One that is late by more than a second is not made up for.
    fn begin(&mut self, now: Duration, lb: &Lb) {
        if self.rate == 0 {
            return;
        }
        let interval = Duration::from_secs(1) / self.rate;
        self.next = self.next.max(now.saturating_sub(Duration::from_secs(1)));
        if self.next > now {
            return;
        }
        let targets: Vec<Target> =
            lb.vips().filter(|(_, vip)| vip.in_use).filter_map(|(_, vip)| Target::of(vip.key)).collect();
        while self.next <= now {
            if !targets.is_empty() {
                let target = targets[(self.begun % targets.len() as u64) as usize];
                let live = self.flow(self.next, target);
                self.live.push(Reverse(live));
            }
            self.next += interval.max(Duration::from_nanos(1));
        }
    }

    fn flow(&mut self, due: Duration, target: Target) -> Live {
        let ports = (self.random.u16(1024..), target.port.unwrap_or_else(|| self.random.u16(1..1024)));
        let (flow, destination) = match target.prefix.address.to_ip() {
            IpAddr::V4(network) if target.prefix.is_ip4() => {
                let host = self.random.u32(..) & u32::MAX.checked_shr(target.prefix.len().into()).unwrap_or(0);
                let destination = Ipv4Addr::from_bits(network.to_bits() | host);
                // 198.18.0.0/15 is set aside for measurements.
                let source = Ipv4Addr::from_bits(0xc612_0000 | self.random.u32(..0x2_0000));
                let flow = Flow::v4(SocketAddrV4::new(source, ports.0), SocketAddrV4::new(destination, ports.1));
                (flow, IpAddr::V4(destination))
            }
            _ => {
                let network = u128::from_be_bytes(target.prefix.address.bytes());
                let host = self.random.u128(..) & u128::MAX.checked_shr(target.prefix.stored_len.into()).unwrap_or(0);
                let destination = Ipv6Addr::from_bits(network | host);
                // 2001:2::/48 likewise.
                let source = Ipv6Addr::from_bits(0x2001_0002_u128 << 96 | u128::from(self.random.u64(..)));
                let end = |address, port| SocketAddrV6::new(address, port, 0, 0);
                (Flow::v6(end(source, ports.0), end(destination, ports.1)), IpAddr::V6(destination))
            }
        };
        let hash = flow_hash(&flow, false);
        self.begun += 1;
        Live {
            due,
            number: self.begun,
            left: self.random.u32(2..=6),
            is_first: true,
            packet: Packet {
                // Receive-side scaling keeps a flow on one worker.
                thread: match self.threads {
                    0 | 1 => 0,
                    threads => 1 + (hash >> 16) as usize % (threads - 1),
                },
                destination: destination.into(),
                family: if destination.is_ipv4() { Family::Ip4 } else { Family::Ip6 },
                protocol: target.protocol,
                port: ports.1,
                hash,
                address_hash: flow_hash(&flow, true),
                bytes: 60,
            },
        }
    }
}

/// A VIP as a client sees it.
#[derive(Clone, Copy)]
struct Target {
    prefix: Prefix46,
    protocol: u8,
    /// None for a VIP of every port.
    port: Option<u16>,
}

impl Target {
    /// None for a VIP that no TCP or UDP packet can reach.
    fn of(key: VipKey) -> Option<Self> {
        const TCP: u8 = 6;
        const UDP: u8 = 17;
        let (protocol, port) = match (key.protocol, key.port) {
            (_, 0) => (TCP, None),
            (protocol @ (TCP | UDP), port) => (protocol, Some(port)),
            _ => return None,
        };
        Some(Self { prefix: key.prefix, protocol, port })
    }
}

/// A flow that has packets left.
#[derive(Clone, Copy, Debug)]
struct Live {
    due: Duration,
    /// Makes the order of packets that are due at the same time certain.
    number: u64,
    left: u32,
    is_first: bool,
    packet: Packet,
}

impl Ord for Live {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

impl PartialOrd for Live {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Live {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Live {}

#[cfg(test)]
mod tests;
