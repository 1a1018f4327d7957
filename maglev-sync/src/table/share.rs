//! How many buckets each server gets, without filling a table.

use std::net::IpAddr;

use super::TableSize;
use super::claim::in_order_of_address;
use crate::TableLength;

/// How many buckets each server gets, in the order of the list.
///
/// The same numbers as counting a [`Table`](super::Table), without filling one: with `t` replicas in all, each of them has
/// `n / t` of the `n` buckets, and the first `n % t` in order of claim have one more.
///
/// Cost: a sort of the list, whatever the size of the table. The weights may add up to 2^32 - 1.
///
/// An address that is listed twice counts as two servers, here and in what is computed from this, which so is safe to call on a
/// list not yet checked. [`Table::build`](super::Table::build) insists on each being there once.
///
/// ```
/// use maglev_sync::TableLength;
/// use maglev_sync::table::bucket_counts;
///
/// let servers = [("10.0.0.1".parse()?, 100_u8), ("10.0.0.2".parse()?, 100), ("10.0.0.3".parse()?, 50)];
/// assert_eq!(bucket_counts(TableLength::MIN, &servers), [408, 408, 208]);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
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

/// What a server gets of a VIP's new flows. See [`shares`].
///
/// ```
/// use maglev_sync::table::{TableSize, shares};
///
/// // A table that is much too short for these weights.
/// let servers = [("10.0.0.1".parse()?, 100_u8), ("10.0.0.2".parse()?, 100), ("10.0.0.3".parse()?, 5)];
/// let shares = shares(TableSize::new(16).ok_or("no power of two")?, &servers);
/// assert_eq!(shares.iter().map(|share| share.buckets).collect::<Vec<_>>(), [6, 5, 5]);
/// // The last server claims a forty-first part of all flows and gets nearly a third, over ten times too much.
/// let last = shares[2];
/// assert_eq!((last.claim, last.fraction), (1.0 / 41.0, 0.3125));
/// assert!(last.error() > 10.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Share {
    /// The server.
    pub address: IpAddr,
    /// Buckets that name it.
    pub buckets: u32,
    /// The part of all buckets that these are, 0 to 1: the part of new flows that it gets.
    pub fraction: f64,
    /// The part that its weight claims of the sum of all weights, 0 to 1.
    pub claim: f64,
}

impl Share {
    /// How far the server is off its claim, as a fraction of that: 0.1 is 10 % more flows than its weight says, -0.1 is 10 % less.
    /// 0 for a server without a claim.
    ///
    /// It is always less than the sum of all weights, divided by the number of buckets.
    pub fn error(&self) -> f64 {
        if self.claim == 0.0 { 0.0 } else { self.fraction / self.claim - 1.0 }
    }
}

/// What each server gets, in the order of the list, and what its weight claims.
///
/// Cost: that of [`bucket_counts`].
///
/// ```
/// use maglev_sync::TableLength;
/// use maglev_sync::table::shares;
///
/// let servers = [("10.0.0.1".parse()?, 100_u8), ("10.0.0.2".parse()?, 50)];
/// let shares = shares(TableLength::MIN, &servers);
/// assert_eq!(shares.iter().map(|share| share.buckets).collect::<Vec<_>>(), [674, 350]);
/// // 34.2 % of all flows, where a third would be its due.
/// assert_eq!(shares[1].fraction, 350.0 / 1024.0);
/// assert!((0.02..0.03).contains(&shares[1].error()));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn shares<W: Copy + Into<u8>>(size: impl Into<TableSize>, ases: &[(IpAddr, W)]) -> Vec<Share> {
    let size = size.into();
    let total: u32 = ases.iter().map(|&(_, weight)| u32::from(weight.into())).sum();
    let part = |of: u32, all: u32| if all == 0 { 0.0 } else { f64::from(of) / f64::from(all) };
    let share = |(&(address, weight), buckets): (&(IpAddr, W), u32)| Share {
        address,
        buckets,
        fraction: part(buckets, size.get()),
        claim: part(u32::from(weight.into()), total),
    };
    ases.iter().zip(bucket_counts(size, ases)).map(share).collect()
}

/// A table length together with how well it serves the weights. See [`auto_length`] and [`fixed_length`].
///
/// ```
/// use maglev_sync::TableLength;
/// use maglev_sync::table::{auto_length, fixed_length};
///
/// // Thirty servers of full weight, and one that is to take the least.
/// let server = |n: u8| (std::net::IpAddr::from([10, 0, 0, n]), if n < 31 { 100_u8 } else { 1 });
/// let servers: Vec<_> = (1..=31).map(server).collect();
/// // In 1,024 buckets the last one gets nearly three times its share.
/// let short = fixed_length(TableLength::MIN, &servers);
/// assert!(!short.is_fair() && short.worst_address == Some(servers[30].0));
/// assert_eq!(format!("{:.2}", short.worst_share_error), "1.93");
/// let enough = auto_length(&servers);
/// assert!(enough.is_fair() && enough.length.get() == 8192);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
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
///
/// ```
/// use std::net::IpAddr;
///
/// use maglev_sync::table::auto_length;
///
/// // Ten strong servers and ten half as strong.
/// let server = |n: u8| (IpAddr::from([10, 0, 0, n]), if n <= 10 { 100_u8 } else { 50 });
/// let servers: Vec<_> = (1..=20).map(server).collect();
/// assert_eq!(auto_length(&servers).length.get(), 4096);
/// ```
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
///
/// ```
/// use maglev_sync::TableLength;
/// use maglev_sync::table::fixed_length;
///
/// let servers = [("10.0.0.1".parse()?, 100_u8), ("10.0.0.2".parse()?, 1)];
/// let length = fixed_length(TableLength::MIN, &servers);
/// assert!(length.is_fair() && length.worst_address == Some(servers[1].0));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
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

/// Off its share by more than this, a server is served badly.
const FAIR: f64 = 0.1;
const LONGEST_AUTO: u32 = 65_536;
