#![doc = include_str!("table/maglev.md")]

mod claim;
mod disruption;
mod flow;
mod moved;
mod share;

use std::net::IpAddr;

pub use self::claim::permutation;
use self::claim::{claims, vpp_bytes};
pub use self::disruption::{Disruption, ServerMoves, disruption};
pub use self::flow::{Flow, flow_hash, flow_hash_without_crc};
pub use self::moved::{Moved, Side, moved};
pub use self::share::{AutoLength, Share, auto_length, bucket_counts, fixed_length, shares};
use crate::TableLength;

/// Number of buckets of a table that a VPP may hold: any power of two up to 2^31.
///
/// Wider than [`TableLength`], which is what we may ask for: this one also describes tables that others made.
///
/// ```
/// use maglev_sync::TableLength;
/// use maglev_sync::table::TableSize;
///
/// assert_eq!(TableSize::new(16).map(TableSize::get), Some(16));
/// assert_eq!(TableSize::new(1000), None);
/// assert_eq!(TableSize::from(TableLength::MIN).get(), 1024);
/// ```
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
///
/// ```
/// use maglev_sync::table::{Table, TableSize};
///
/// let servers = [("10.0.0.1".parse()?, 100_u8), ("10.0.0.2".parse()?, 100), ("10.0.0.3".parse()?, 50)];
/// let size = TableSize::new(16).ok_or("no power of two")?;
/// let table = Table::build(size, &servers);
/// let owners: Vec<usize> = table.iter().flatten().collect();
/// assert_eq!(owners, [1, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 0, 0, 2, 2]);
/// assert_eq!((table.owner(9), table.owner(16)), (Some(2), None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Table {
    buckets: Vec<u32>,
}

impl Table {
    /// Fills a table as VPP does, for servers with their weights in any order.
    ///
    /// Weights are whole bytes, since VPP's API accepts more than the 100 that this crate ever sends: anything that turns into a `u8`
    /// will do, [`crate::Weight`] included. Servers of weight 0 take no part. A server must not be listed twice: VPP holds an
    /// address once a VIP, and a table with two would be none that VPP has.
    ///
    /// Cost: about `n ln n` steps for `n` buckets, 1 to 2 ms for 65,536. Memory: 4 bytes a bucket, and while it is filled 12 for each
    /// unit of weight.
    ///
    /// # Panics
    /// In debug builds, if an address is listed twice; `10.0.0.1` and `::10.0.0.1` are one to VPP.
    pub fn build<W: Copy + Into<u8>>(size: impl Into<TableSize>, ases: &[(IpAddr, W)]) -> Self {
        let size = size.into().get();
        let mut buckets = vec![NOBODY; size as usize];
        let mut claims = claims(size, ases);
        if claims.is_empty() {
            return Self { buckets };
        }
        let mut free = size;
        loop {
            for claim in &mut claims {
                let bucket = loop {
                    let bucket = claim.step(size - 1) as usize;
                    if buckets[bucket] == NOBODY {
                        break bucket;
                    }
                };
                buckets[bucket] = claim.owner;
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

    /// Bucket of the flows with this hash: its low bits, `hash & (buckets - 1)`.
    pub fn bucket_of(&self, hash: u32) -> usize {
        hash as usize & (self.buckets.len() - 1)
    }

    /// Owner of the bucket that a flow with this hash falls into. Nothing if no server has a weight above 0: VPP drops the packet.
    ///
    /// A VPP that remembers the flow from earlier sends it where it went then, whatever the table says now.
    ///
    /// ```
    /// use maglev_sync::TableLength;
    /// use maglev_sync::table::{Flow, Table, flow_hash};
    ///
    /// let servers = [("10.0.0.1".parse()?, 100_u8), ("10.0.0.2".parse()?, 100), ("10.0.0.3".parse()?, 100)];
    /// let table = Table::build(TableLength::MIN, &servers);
    /// let flow = Flow::v4("192.0.2.1:12345".parse()?, "198.51.100.1:80".parse()?);
    /// assert_eq!(table.bucket_of(flow_hash(&flow, false)), 0x3bf);
    /// assert_eq!(table.owner_of(flow_hash(&flow, false)), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn owner_of(&self, hash: u32) -> Option<usize> {
        self.owner(self.bucket_of(hash))
    }

    /// As [`owner_of`](Self::owner_of), [`NOBODY`] included.
    fn at(&self, hash: u32) -> u32 {
        self.buckets[self.bucket_of(hash)]
    }
}

fn named(owner: u32) -> Option<usize> {
    (owner != NOBODY).then_some(owner as usize)
}

const NOBODY: u32 = u32::MAX;

#[cfg(test)]
mod tests;
