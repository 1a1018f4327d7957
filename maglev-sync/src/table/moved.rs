//! What another table moves.

use std::net::IpAddr;

use super::{NOBODY, Table, TableSize, vpp_bytes};

/// What a VIP's new-flow table follows from: its length, its servers and their weights. See [`moved`].
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    pub(super) size: TableSize,
    ases: &'a [(IpAddr, u8)],
}

impl<'a> Side<'a> {
    /// A VIP with a table of this size and these servers, in any order.
    pub fn new(size: impl Into<TableSize>, ases: &'a [(IpAddr, u8)]) -> Self {
        Self { size: size.into(), ases }
    }

    /// A VIP that is not there: its flows find nobody.
    pub fn absent() -> Self {
        Self { size: TableSize(1), ases: &[] }
    }

    /// The servers that take part, in VPP's order.
    pub(super) fn claims(&self) -> Vec<(IpAddr, u8)> {
        let mut claims: Vec<_> = self.ases.iter().filter(|(_, weight)| *weight > 0).copied().collect();
        claims.sort_by_key(|(address, _)| vpp_bytes(*address));
        claims
    }
}

/// How many buckets name another server than before. See [`moved`].
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
/// ```
/// use maglev_sync::TableLength;
/// use maglev_sync::table::{Side, moved};
///
/// let both = [("10.0.0.1".parse()?, 100), ("10.0.0.2".parse()?, 100)];
/// let [one, _] = both;
/// let moved = moved(Side::new(TableLength::MIN, &both), Side::new(TableLength::MIN, &[one]));
/// // What the second server had, and nothing else.
/// assert_eq!((moved.buckets, moved.of, moved.share()), (512, 1024, 0.5));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn moved(before: Side<'_>, after: Side<'_>) -> Moved {
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
