//! Who claims which bucket, and in which order.

use std::net::IpAddr;

use super::TableSize;

/// Every bucket of a table, in the order in which a replica of a server would claim them: the permutation of Maglev.
///
/// It begins at the bucket that the upper half of the hash of `address` and `replica` names, and goes on around the table by the lower
/// half, made odd. An odd step meets each bucket of a power of two exactly once.
///
/// ```
/// use maglev_sync::table::{TableSize, permutation};
///
/// let size = TableSize::new(8).ok_or("no power of two")?;
/// let order: Vec<u32> = permutation(size, "10.0.0.1".parse()?, 0).collect();
/// assert_eq!(order, [1, 2, 3, 4, 5, 6, 7, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn permutation(size: impl Into<TableSize>, address: IpAddr, replica: u8) -> impl Iterator<Item = u32> {
    let size = size.into().get();
    let mut claim = Claim::new(size, address, replica, 0);
    (0..size).map(move |_| claim.step(size - 1))
}

/// Where a replica of a server is in its permutation: at `position`, then on by `skip`, around the table.
pub(super) struct Claim {
    position: u32,
    skip: u32,
    /// Position of the server in the caller's list.
    pub(super) owner: u32,
}

impl Claim {
    fn new(size: u32, address: IpAddr, replica: u8, owner: u32) -> Self {
        let mask = size - 1;
        let seed = xxhash(address_seed(address) ^ u64::from(replica));
        Self { position: (seed >> 32) as u32 & mask, skip: (seed as u32 | 1) & mask, owner }
    }

    /// The bucket at hand; the next one comes next.
    pub(super) fn step(&mut self, mask: u32) -> u32 {
        let bucket = self.position;
        self.position = bucket.wrapping_add(self.skip) & mask;
        bucket
    }
}

/// All replicas in the order of their turns: by replica number, then by address.
pub(super) fn claims<W: Copy + Into<u8>>(size: u32, ases: &[(IpAddr, W)]) -> Vec<Claim> {
    let order = in_order_of_address(ases);
    assert_distinct(order.iter().map(|&at| ases[at].0));
    let highest: u8 = ases.iter().map(|&(_, weight)| weight.into()).max().unwrap_or(0);
    let mut claims = Vec::new();
    for replica in 0..highest {
        let present = order.iter().filter(|&&at| ases[at].1.into() > replica);
        claims.extend(present.map(|&at| Claim::new(size, ases[at].0, replica, at as u32)));
    }
    claims
}

/// Checks, in debug builds, that no two of these are one server to VPP. They come in VPP's order.
pub(super) fn assert_distinct(sorted: impl Iterator<Item = IpAddr> + Clone) {
    if cfg!(debug_assertions) {
        for (one, next) in sorted.clone().zip(sorted.skip(1)) {
            assert_ne!(vpp_bytes(one), vpp_bytes(next), "a server is listed twice: {next}");
        }
    }
}

/// Positions in the list by address as VPP sorts them: 16 bytes, IPv4 behind twelve zeros.
pub(super) fn in_order_of_address<W>(ases: &[(IpAddr, W)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ases.len()).collect();
    order.sort_by_key(|&at| vpp_bytes(ases[at].0));
    order
}

/// An address as VPP keeps it, IPv4 in the last four bytes (`ip46_address_t`).
pub(super) fn vpp_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[12..].copy_from_slice(&address.octets());
            bytes
        }
        IpAddr::V6(address) => address.octets(),
    }
}

pub(super) fn address_seed(address: IpAddr) -> u64 {
    let bytes = u128::from_le_bytes(vpp_bytes(address));
    bytes as u64 ^ (bytes >> 64) as u64
}

/// `clib_xxhash` (VPP `src/vppinfra/xxhash.h`): xxHash64 of one word, but with an initial constant that ends in 13.
pub(super) fn xxhash(key: u64) -> u64 {
    const P1: u64 = 11_400_714_785_074_694_791;
    const P2: u64 = 14_029_467_366_897_019_727;
    const P3: u64 = 1_609_587_929_392_839_161;
    const P4: u64 = 9_650_029_242_287_828_579;
    const P5: u64 = 2_870_177_450_012_600_261;

    let k = key.wrapping_mul(P2).rotate_left(31).wrapping_mul(P1);
    let mut h = 0x9e37_79b9_7f4a_7c13_u64.wrapping_add(P5).wrapping_add(8) ^ k;
    h = h.rotate_left(27).wrapping_mul(P1).wrapping_add(P4);
    h ^= h >> 33;
    h = h.wrapping_mul(P2);
    h ^= h >> 29;
    h = h.wrapping_mul(P3);
    h ^ h >> 32
}
