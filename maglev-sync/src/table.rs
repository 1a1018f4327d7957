//! VPP's new-flow table, computed exactly: which server each bucket of a VIP names.
//!
//! The rules are those of VPP 26.10 (`src/plugins/lb/lb.c`, `lb_vip_update_new_flow_table`): each server in use
//! with a weight above 0 takes part `weight` times, as replicas 0, 1, …; the replicas, in order of replica number and then
//! address, take turns in claiming the next free bucket of their own permutation of the table. Order of addition does not
//! matter, so two VPPs with the same servers have the same table, bucket by bucket.
//!
//! Weights are whole bytes here, since VPP's API accepts more than the 100 that this crate ever sends: anything that turns into
//! a `u8` will do, [`crate::Weight`] included. A server must not be listed twice: VPP holds an address once a VIP.

mod flow;
mod moved;

use std::net::IpAddr;

pub use self::flow::{Flow, flow_hash};
pub use self::moved::{Moved, Side, moved};
use crate::TableLength;

/// Number of buckets of a table that a VPP may hold: any power of two up to 2^31.
///
/// Wider than [`TableLength`], which is what we may ask for: this one also describes tables that others made.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TableSize(u32);

impl TableSize {
    /// The size `buckets`, or nothing unless it is a power of two.
    pub fn new(buckets: u32) -> Option<Self> {
        buckets.is_power_of_two().then_some(Self(buckets))
    }

    /// The number of buckets.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl From<TableLength> for TableSize {
    fn from(length: TableLength) -> Self {
        Self(length.get())
    }
}

/// A VIP's new-flow table: for each bucket the position of its server in the list the table was built from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Table {
    buckets: Vec<u32>,
}

impl Table {
    /// Fills a table as VPP does.
    ///
    /// Cost: about `n ln n` steps for `n` buckets, 1 to 2 ms for 65,536. Memory: 4 bytes a bucket.
    pub fn build<W: Copy + Into<u8>>(size: impl Into<TableSize>, ases: &[(IpAddr, W)]) -> Self {
        let size = size.into().get();
        let mut buckets = vec![NOBODY; size as usize];
        let mut permutations = permutations(size, ases);
        if permutations.is_empty() {
            return Self { buckets };
        }
        let mask = size - 1;
        let mut free = size;
        loop {
            for permutation in &mut permutations {
                let bucket = loop {
                    let bucket = permutation.position as usize;
                    permutation.position = permutation.position.wrapping_add(permutation.skip) & mask;
                    if buckets[bucket] == NOBODY {
                        break bucket;
                    }
                };
                buckets[bucket] = permutation.owner;
                free -= 1;
                if free == 0 {
                    return Self { buckets };
                }
            }
        }
    }

    /// Number of buckets, a power of two.
    #[expect(clippy::len_without_is_empty, reason = "a table has at least one bucket")]
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Position in the list of servers of the one that `bucket` names; nothing if no server has a weight above 0, or if there
    /// is no such bucket.
    pub fn owner(&self, bucket: usize) -> Option<usize> {
        self.buckets.get(bucket).and_then(|&owner| named(owner))
    }

    /// The owner of each bucket, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<usize>> + '_ {
        self.buckets.iter().map(|&owner| named(owner))
    }

    /// Owner of the bucket that a flow with this hash falls into: `hash & (buckets - 1)`.
    pub fn owner_of(&self, hash: u32) -> Option<usize> {
        self.owner(hash as usize & (self.buckets.len() - 1))
    }
}

/// How many buckets each server gets, in the order of the list.
///
/// The same numbers as counting a [`Table`], without filling one: with `t` replicas in all, each of them has
/// `n / t` of the `n` buckets, and the first `n % t` in order of claim have one more.
pub fn bucket_counts<W: Copy + Into<u8>>(size: impl Into<TableSize>, ases: &[(IpAddr, W)]) -> Vec<u32> {
    let size = size.into().get();
    let weights: Vec<u32> = ases.iter().map(|&(_, weight)| weight.into().into()).collect();
    let total: u32 = weights.iter().sum();
    if total == 0 {
        return vec![0; ases.len()];
    }
    let (each, spare) = (size / total, size % total);

    // Whole rounds of replica numbers that the spare buckets pay for, and what they leave for the next round.
    let mut left = spare;
    let mut rounds = 0;
    loop {
        let claims = weights.iter().filter(|&&weight| weight > rounds).count() as u32;
        if claims == 0 || claims > left {
            break;
        }
        left -= claims;
        rounds += 1;
    }

    let mut counts: Vec<u32> = weights.iter().map(|&weight| weight * each + weight.min(rounds)).collect();
    if left > 0 {
        let in_next_round = in_order_of_address(ases).into_iter().filter(|&at| weights[at] > rounds);
        for at in in_next_round.take(left as usize) {
            counts[at] += 1;
        }
    }
    counts
}

/// A table length together with how well it serves the weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AutoLength {
    /// The length.
    pub length: TableLength,
    /// How far the server worst served is off its share, as a fraction of that share: 0.1 is 10 % more or less buckets than
    /// its weight claims. 0 without servers.
    pub worst_share_error: f64,
    /// The server worst served, the numerically first of equals; nothing if no server has a weight above 0.
    pub worst_address: Option<IpAddr>,
}

impl AutoLength {
    /// Whether no server is more than 10 % off its share.
    pub fn is_fair(&self) -> bool {
        self.worst_share_error <= FAIR
    }
}

/// The smallest length from 1,024 to 65,536 with which no server is more than 10 % off its share, else 65,536: then
/// [`AutoLength::is_fair`] is false.
pub fn auto_length<W: Copy + Into<u8>>(ases: &[(IpAddr, W)]) -> AutoLength {
    let mut length = TableLength::MIN;
    loop {
        let choice = fixed_length(length, ases);
        let next = TableLength::new(length.get() * 2).ok().filter(|next| next.get() <= LONGEST_AUTO);
        match next {
            Some(next) if !choice.is_fair() => length = next,
            _ => return choice,
        }
    }
}

/// How well the given length serves the weights.
pub fn fixed_length<W: Copy + Into<u8>>(length: TableLength, ases: &[(IpAddr, W)]) -> AutoLength {
    let total: u32 = ases.iter().map(|&(_, weight)| u32::from(weight.into())).sum();
    let mut worst = AutoLength { length, worst_share_error: 0.0, worst_address: None };
    let counts = bucket_counts(length, ases);
    for at in in_order_of_address(ases) {
        let (address, weight) = ases[at];
        let weight: u8 = weight.into();
        if weight == 0 {
            continue;
        }
        let share = f64::from(length.get()) * f64::from(weight) / f64::from(total);
        let error = (f64::from(counts[at]) - share).abs() / share;
        if worst.worst_address.is_none() || error > worst.worst_share_error {
            worst = AutoLength { length, worst_share_error: error, worst_address: Some(address) };
        }
    }
    worst
}

/// The sequence of buckets that one replica of a server claims: `position`, then on by `skip`, around the table.
struct Permutation {
    position: u32,
    skip: u32,
    owner: u32,
}

/// The permutations in order of claim: by replica number, then by address.
fn permutations<W: Copy + Into<u8>>(size: u32, ases: &[(IpAddr, W)]) -> Vec<Permutation> {
    let order = in_order_of_address(ases);
    let highest: u8 = ases.iter().map(|&(_, weight)| weight.into()).max().unwrap_or(0);
    let mask = size - 1;
    let mut permutations = Vec::new();
    for replica in 0..highest {
        for &at in &order {
            let (address, weight) = ases[at];
            if weight.into() <= replica {
                continue;
            }
            let seed = xxhash(address_seed(address) ^ u64::from(replica));
            permutations.push(Permutation {
                position: (seed >> 32) as u32 & mask,
                skip: (seed as u32 | 1) & mask,
                owner: at as u32,
            });
        }
    }
    permutations
}

/// Positions in the list by address as VPP sorts them: 16 bytes, IPv4 behind twelve zeros.
fn in_order_of_address<W>(ases: &[(IpAddr, W)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ases.len()).collect();
    order.sort_by_key(|&at| vpp_bytes(ases[at].0));
    order
}

fn address_seed(address: IpAddr) -> u64 {
    let bytes = u128::from_le_bytes(vpp_bytes(address));
    bytes as u64 ^ (bytes >> 64) as u64
}

/// An address as VPP keeps it, IPv4 in the last four bytes (`ip46_address_t`).
fn vpp_bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[12..].copy_from_slice(&address.octets());
            bytes
        }
        IpAddr::V6(address) => address.octets(),
    }
}

/// `clib_xxhash` (VPP `src/vppinfra/xxhash.h`): xxHash64 of one word, but with an initial constant that ends in 13.
fn xxhash(key: u64) -> u64 {
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

fn named(owner: u32) -> Option<usize> {
    (owner != NOBODY).then_some(owner as usize)
}

const NOBODY: u32 = u32::MAX;
/// Off its share by more than this, a server is served badly.
const FAIR: f64 = 0.1;
const LONGEST_AUTO: u32 = 65_536;

#[cfg(test)]
mod tests;
