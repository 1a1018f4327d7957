//! What another table moves.

use std::net::IpAddr;

use super::claim::assert_distinct;
use super::{NOBODY, Table, TableSize, vpp_bytes};

/// What a VIP's new-flow table follows from: its length, its servers and their weights. See [`moved`].
///
/// Weights are as in [`Table::build`]: anything that turns into a `u8`. Both sides of a comparison need not have the same type.
///
/// ```
/// use maglev_sync::table::{Side, moved};
/// use maglev_sync::{TableLength, Weight};
///
/// let servers = [("10.0.0.1".parse()?, Weight::MAX), ("10.0.0.2".parse()?, Weight::MAX)];
/// let there = Side::new(TableLength::MIN, &servers);
/// // A VIP that comes gives every flow its first server.
/// assert_eq!(moved(Side::absent(), there).share(), 1.0);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Side<'a, W = u8> {
    pub(super) size: TableSize,
    ases: &'a [(IpAddr, W)],
}

impl<'a, W: Copy + Into<u8>> Side<'a, W> {
    /// A VIP with a table of this size and these servers, in any order, none of them twice.
    pub fn new(size: impl Into<TableSize>, ases: &'a [(IpAddr, W)]) -> Self {
        Self { size: size.into(), ases }
    }

    /// The servers that take part, in VPP's order.
    pub(super) fn claims(&self) -> Vec<(IpAddr, u8)> {
        let weights = self.ases.iter().map(|&(address, weight)| (address, weight.into()));
        let mut claims: Vec<(IpAddr, u8)> = weights.filter(|(_, weight)| *weight > 0).collect();
        claims.sort_by_key(|(address, _)| vpp_bytes(*address));
        assert_distinct(claims.iter().map(|(address, _)| *address));
        claims
    }
}

impl Side<'_> {
    /// A VIP that is not there: its flows find nobody.
    pub fn absent() -> Self {
        Self { size: TableSize(1), ases: &[] }
    }
}

/// How many buckets name another server than before. See [`moved`].
///
/// ```
/// use maglev_sync::TableLength;
/// use maglev_sync::table::{Side, moved};
///
/// let server = [("10.0.0.1".parse()?, 100_u8)];
/// let successor = [("10.0.0.2".parse()?, 100_u8)];
/// let moved = moved(Side::new(TableLength::MIN, &server), Side::new(TableLength::MIN, &successor));
/// assert_eq!((moved.buckets, moved.of, moved.share()), (1024, 1024, 1.0));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Moved {
    /// Buckets whose server changes. One that gets its first server, or loses its last, counts.
    pub buckets: u32,
    /// Buckets in all, of the longer of both tables.
    pub of: u32,
}

impl Moved {
    /// The share of new flows that go to another server than before, 0 to 1.
    pub fn share(self) -> f64 {
        f64::from(self.buckets) / f64::from(self.of)
    }
}

/// Compares the new-flow tables of one VIP, bucket by bucket and by the address of the server.
///
/// A flow's bucket is the low bits of its hash. So where the lengths differ, bucket `i` of the longer table is compared with bucket
/// `i mod n` of the shorter one of `n`: that is where the same flows were.
///
/// [`disruption`](super::disruption) tells more of the same comparison: which servers gain and lose, and what of it had to be.
///
/// Cost: nothing to speak of where both sides are equal or one of them has no server with a weight, else that of two
/// [`Table::build`].
///
/// # Panics
/// In debug builds, where a side has one address twice, as [`Table::build`].
///
/// ```
/// use maglev_sync::TableLength;
/// use maglev_sync::table::{Side, moved};
///
/// let both = [("10.0.0.1".parse()?, 100_u8), ("10.0.0.2".parse()?, 100)];
/// let [one, _] = both;
/// let moved = moved(Side::new(TableLength::MIN, &both), Side::new(TableLength::MIN, &[one]));
/// // What the second server had, and nothing else.
/// assert_eq!((moved.buckets, moved.of, moved.share()), (512, 1024, 0.5));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn moved<A, B>(before: Side<'_, A>, after: Side<'_, B>) -> Moved
where
    A: Copy + Into<u8>,
    B: Copy + Into<u8>,
{
    let of = before.size.max(after.size).get();
    let (old, new) = (before.claims(), after.claims());
    // Alone, or nobody, a server has every bucket of any table.
    if old == new && (before.size == after.size || old.len() < 2) {
        return Moved { buckets: 0, of };
    }
    if old.is_empty() || new.is_empty() {
        return Moved { buckets: of, of };
    }
    // Where each server of the new list stands in the old one.
    let places: Vec<u32> = new
        .iter()
        .map(|(address, _)| old.binary_search_by_key(&vpp_bytes(*address), |(other, _)| vpp_bytes(*other)))
        .map(|place| place.map_or(NOBODY, |place| place as u32))
        .collect();
    let (old, new) = (Table::build(before.size, &old), Table::build(after.size, &new));
    // With some server on either side every bucket has an owner.
    let is_moved = |hash: &u32| places[new.at(*hash) as usize] != old.at(*hash);
    Moved { buckets: (0..of).filter(is_moved).count() as u32, of }
}
