//! From a packet to its bucket.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use super::claim::xxhash;

/// The parts of a packet that VPP hashes. See [`flow_hash`].
///
/// ```
/// use maglev_sync::table::{Flow, flow_hash};
///
/// let flow = Flow::v6("[2001:db8::1]:12345".parse()?, "[2001:db8:1::1]:80".parse()?);
/// let next = Flow::v6("[2001:db8::1]:12346".parse()?, "[2001:db8:1::1]:80".parse()?);
/// assert_eq!(flow_hash(&flow, false), 0x928b_b80c);
/// // The next connection of the same client goes elsewhere, unless ports are left out.
/// assert_ne!(flow_hash(&flow, false), flow_hash(&next, false));
/// assert_eq!(flow_hash(&flow, true), flow_hash(&next, true));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Flow {
    addresses: Addresses,
    /// Source and destination port; 0 where the protocol has none.
    ports: (u16, u16),
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Addresses {
    V4 { source: Ipv4Addr, destination: Ipv4Addr },
    V6 { source: Ipv6Addr, destination: Ipv6Addr },
}

impl Flow {
    /// A TCP or UDP flow over IPv4. For other protocols the ports are 0.
    pub fn v4(source: SocketAddrV4, destination: SocketAddrV4) -> Self {
        Self {
            addresses: Addresses::V4 { source: *source.ip(), destination: *destination.ip() },
            ports: (source.port(), destination.port()),
        }
    }

    /// A TCP or UDP flow over IPv6. For other protocols the ports are 0.
    pub fn v6(source: SocketAddrV6, destination: SocketAddrV6) -> Self {
        Self {
            addresses: Addresses::V6 { source: *source.ip(), destination: *destination.ip() },
            ports: (source.port(), destination.port()),
        }
    }

    /// The five words that VPP hashes, as a little-endian host loads them.
    fn words(&self, src_ip_sticky: bool) -> [u64; 5] {
        let ports = if src_ip_sticky {
            0
        } else {
            // VPP loads the ports as they stand in the packet.
            u64::from(self.ports.0.swap_bytes()) << 16 | u64::from(self.ports.1.swap_bytes())
        };
        match self.addresses {
            Addresses::V4 { source, destination } => {
                let source = u32::from_le_bytes(source.octets());
                let destination = u32::from_le_bytes(destination.octets());
                [u64::from(source) | u64::from(destination) << 32, ports, 0, 0, 0]
            }
            Addresses::V6 { source, destination } => {
                let source = u128::from_le_bytes(source.octets());
                let destination = u128::from_le_bytes(destination.octets());
                [source as u64, (source >> 64) as u64, destination as u64, (destination >> 64) as u64, ports]
            }
        }
    }
}

/// VPP's hash of a flow, on CPUs with CRC-32C instructions; its bucket is `hash & (buckets - 1)`.
///
/// Source: VPP `src/vppinfra/lb_hash_hash.h` and `src/plugins/lb/node.c`, `lb_node_get_hash`. Release builds of VPP for x86-64 and
/// 64-bit ARM have the instructions. A VIP with `src_ip_sticky` leaves the ports out, but not the destination address. Whether the
/// packet is TCP or UDP is not part of it.
///
/// ```
/// use maglev_sync::table::{Flow, flow_hash};
///
/// let flow = Flow::v4("192.0.2.1:12345".parse()?, "198.51.100.1:80".parse()?);
/// assert_eq!(flow_hash(&flow, false), 0x6804_6bbf);
/// assert_eq!(flow_hash(&flow, true), 0xd064_592e);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn flow_hash(flow: &Flow, src_ip_sticky: bool) -> u32 {
    flow.words(src_ip_sticky).into_iter().fold(0, crc32c_word)
}

/// VPP's hash of a flow, on CPUs without CRC-32C instructions or in builds that do not use them. Otherwise as [`flow_hash`].
///
/// ```
/// use maglev_sync::table::{Flow, flow_hash_without_crc};
///
/// let flow = Flow::v4("192.0.2.1:12345".parse()?, "198.51.100.1:80".parse()?);
/// assert_eq!(flow_hash_without_crc(&flow, false), 0x955a_5142);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn flow_hash_without_crc(flow: &Flow, src_ip_sticky: bool) -> u32 {
    xxhash(flow.words(src_ip_sticky).into_iter().fold(0, |all, word| all ^ word)) as u32
}

/// One step of the CRC-32C instruction: eight bytes, least significant first, without inversion.
fn crc32c_word(crc: u32, word: u64) -> u32 {
    word.to_le_bytes().into_iter().fold(crc, |crc, byte| crc >> 8 ^ CRC32C[usize::from(crc as u8 ^ byte)])
}

const CRC32C: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_agree_with_the_numbers_computed_by_vpps_own_code() {
        let v4 = Flow::v4("192.0.2.1:12345".parse().unwrap(), "198.51.100.1:80".parse().unwrap());
        let v6 = Flow::v6("[2001:db8::1]:12345".parse().unwrap(), "[2001:db8:1::1]:80".parse().unwrap());
        for (flow, sticky, hash) in
            [(v4, false, 0x6804_6bbf), (v4, true, 0xd064_592e), (v6, false, 0x928b_b80c), (v6, true, 0x5863_d3da)]
        {
            assert_eq!(flow_hash(&flow, sticky), hash, "{flow:?} sticky {sticky}");
        }
        for (flow, sticky, hash) in
            [(v4, false, 0x955a_5142), (v4, true, 0x1706_3812), (v6, false, 0xd5d4_88a7), (v6, true, 0xb2d4_54c7)]
        {
            assert_eq!(flow_hash_without_crc(&flow, sticky), hash, "{flow:?} sticky {sticky}");
        }
    }
}
