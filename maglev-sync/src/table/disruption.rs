//! What another table moves, server by server, and what of it had to move.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::moved::{Moved, Side};
use super::{NOBODY, Table};

/// What becomes of the buckets of one server. See [`disruption`].
///
/// All numbers are buckets of the longer of both tables.
///
/// ```
/// use maglev_sync::TableLength;
/// use maglev_sync::table::{Side, disruption};
///
/// // A second server, half as strong, joins the first one.
/// let both = [("10.0.0.1".parse()?, 100_u8), ("10.0.0.2".parse()?, 50)];
/// let change = disruption(Side::new(TableLength::MIN, &both[..1]), Side::new(TableLength::MIN, &both));
/// let [old, new] = [both[0], both[1]].map(|(address, _)| change.servers[&address]);
/// assert_eq!((old.before, old.after, old.lost, old.gained), (1024, 674, 350, 0));
/// assert_eq!((new.before, new.after, new.lost, new.gained), (0, 350, 0, 350));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct ServerMoves {
    /// Named it before.
    pub before: u32,
    /// Name it after: `before` and `gained` without `lost`.
    pub after: u32,
    /// Name it after and named another server, or nobody, before.
    pub gained: u32,
    /// Named it before and name another server, or nobody, after.
    pub lost: u32,
}

/// What a change of servers, weights or length does to the buckets of a VIP. See [`disruption`].
///
/// ```
/// use maglev_sync::TableLength;
/// use maglev_sync::table::{Side, disruption};
///
/// // One of three equal servers goes to half its weight.
/// let before = [("10.0.0.1".parse()?, 100_u8), ("10.0.0.2".parse()?, 100), ("10.0.0.3".parse()?, 100)];
/// let mut after = before;
/// after[2].1 = 50;
/// let change = disruption(Side::new(TableLength::MIN, &before), Side::new(TableLength::MIN, &after));
/// let server = change.servers[&before[2].0];
/// assert_eq!((server.before, server.after), (341, 208));
/// // So 133 buckets had to move. Maglev moves 220 of 1,024, here all of them between servers that stay.
/// assert_eq!((change.least, change.moved.buckets, change.avoidable()), (133, 220, 87));
/// assert_eq!(change.between_survivors, 220);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Disruption {
    /// Buckets that name another server than before.
    pub moved: Moved,
    /// Those of them that went from one server with a weight before and after to another such. Where servers only came or went, and
    /// no other weight changed, none of these had to move.
    pub between_survivors: u32,
    /// The fewest that any two tables with these numbers of buckets a server could have moved: what servers have less than before.
    pub least: u32,
    /// Every server with a weight before or after.
    pub servers: BTreeMap<IpAddr, ServerMoves>,
}

impl Disruption {
    /// Buckets that moved without need: what Maglev costs beside a table that is patched instead of built.
    pub fn avoidable(&self) -> u32 {
        self.moved.buckets - self.least
    }
}

/// Compares the new-flow tables of one VIP before and after, as [`moved`](super::moved()) does, and tells who gains and loses.
///
/// What moves are new flows, and flows that VPP has forgotten; it sends the others where they went before.
///
/// Cost: that of two [`Table::build`] and a pass over the longer table, whatever the sides.
///
/// # Panics
/// In debug builds, where a side has one address twice, as [`Table::build`].
///
/// ```
/// use maglev_sync::TableLength;
/// use maglev_sync::table::{Side, disruption};
///
/// // The third of three equal servers goes.
/// let before = [("10.0.0.1".parse()?, 100_u8), ("10.0.0.2".parse()?, 100), ("10.0.0.3".parse()?, 100)];
/// let after = [before[0], before[1]];
/// let change = disruption(Side::new(TableLength::MIN, &before), Side::new(TableLength::MIN, &after));
/// // It had 341 of the 1,024 buckets, and those had to go to somebody.
/// assert_eq!((change.servers[&before[2].0].lost, change.least), (341, 341));
/// // Some of the others' changed hands as well.
/// assert_eq!((change.moved.buckets, change.avoidable(), change.between_survivors), (406, 65, 65));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn disruption<A, B>(before: Side<'_, A>, after: Side<'_, B>) -> Disruption
where
    A: Copy + Into<u8>,
    B: Copy + Into<u8>,
{
    let of = before.size.max(after.size).get();
    let (old, new) = (before.claims(), after.claims());
    // Servers of either side in one list: those of the old one, then those that join.
    let mut places: BTreeMap<IpAddr, usize> = old.iter().enumerate().map(|(at, (address, _))| (*address, at)).collect();
    let joined: Vec<usize> = new
        .iter()
        .map(|(address, _)| {
            let next = places.len();
            *places.entry(*address).or_insert(next)
        })
        .collect();
    let mut survives = vec![false; places.len()];
    joined.iter().filter(|&&at| at < old.len()).for_each(|&at| survives[at] = true);

    let (old, new) = (Table::build(before.size, &old), Table::build(after.size, &new));
    let mut moves = vec![ServerMoves::default(); places.len()];
    // Buckets that named nobody before, and after.
    let (mut unnamed_before, mut unnamed_after) = (0, 0);
    let (mut buckets, mut between_survivors) = (0, 0);
    for hash in 0..of {
        let was = Some(old.at(hash)).filter(|&owner| owner != NOBODY).map(|owner| owner as usize);
        let is = Some(new.at(hash)).filter(|&owner| owner != NOBODY).map(|owner| joined[owner as usize]);
        let changed = u32::from(was != is);
        match was {
            Some(was) => {
                moves[was].before += 1;
                moves[was].lost += changed;
            }
            None => unnamed_before += 1,
        }
        match is {
            Some(is) => {
                moves[is].after += 1;
                moves[is].gained += changed;
            }
            None => unnamed_after += 1,
        }
        buckets += changed;
        let among = was.is_some_and(|was| survives[was]) && is.is_some_and(|is| survives[is]);
        between_survivors += if among { changed } else { 0 };
    }
    let less = |before: u32, after: u32| before.saturating_sub(after);
    let least: u32 = moves.iter().map(|server| less(server.before, server.after)).sum();
    Disruption {
        moved: Moved { buckets, of },
        between_survivors,
        least: least + less(unnamed_before, unnamed_after),
        servers: places.into_iter().map(|(address, at)| (address, moves[at])).collect(),
    }
}
