//! Reads the text of `show lb vips verbose`.
//!
//! Lines as VPP prints them (`src/plugins/lb/lb.c`, `format_lb_vip_detailed`); leading blanks matter, and a block ends with an
//! empty line. Up to 26.06 the line of a server tells no weight and is worded otherwise; all else is the same since 22.10.

use std::net::IpAddr;

use ipnet::IpNet;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_till1, take_while1};
use nom::character::complete::{
    char, line_ending, space0, u8 as number8, u16 as number16, u32 as number32, u64 as number64,
};
use nom::combinator::{eof, map_opt, map_res, opt, value};
use nom::multi::{count, many0};
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

use super::TextError;
use crate::call::{AsRow, VipRow};
use crate::model::{ActualEncap, Protocol, VipKey, Weight};

/// A VIP as `show lb vips verbose` tells it.
///
/// ```
/// # let text = " ip4-gre4 [2] 192.0.2.30/32 src_ip_sticky
/// #   new_size:1024
/// #   protocol:6 port:443
/// #   counters:
/// #     packet from existing sessions: 5712
/// #     first session packet: 43
/// #     untracked packet: 0
/// #     no server configured: 0
/// #   #as:2
/// #     10.2.0.11 0 buckets   3 flows  dpo:36  removed
/// #     10.2.0.12 1024 buckets   40 flows  dpo:37 used
/// #
/// # ";
/// // The text of a VPP 25.10 with one VIP, of whose two servers the first one was removed.
/// let vips = maglev_sync::text::vips(text)?;
/// let vip = &vips[0];
/// // What no message tells: where its counters are, how it hashes, and how many flows it has.
/// assert_eq!((vip.pool_index, vip.src_ip_sticky), (2, true));
/// assert_eq!(vip.ases.iter().map(|server| server.flows).sum::<u64>(), 43);
/// // What dumps would say: there is no weight, so a server in use counts 1.
/// assert_eq!((vip.row().key.to_string(), vip.row().table_length), ("192.0.2.30 tcp/443".to_owned(), 1024));
/// let rows: Vec<_> = vip.as_rows().map(|row| (row.address, row.in_use, row.weight)).collect();
/// assert_eq!(rows, [("10.2.0.11".parse()?, false, 1), ("10.2.0.12".parse()?, true, 1)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ShownVip {
    /// Its name. A removed VIP may have that of one in use.
    pub key: VipKey,
    /// How packets travel to its servers; [`ActualEncap::Other`] of `u32::MAX` for a kind that no release so far prints.
    pub encap: ActualEncap,
    /// Its slot in VPP's pool of VIPs, the column of its counters.
    pub pool_index: u32,
    /// Whether flows are hashed without ports.
    pub src_ip_sticky: bool,
    /// Whether it was removed and lingers, for the sake of servers that still have flows.
    pub removed: bool,
    /// The whole length of the new-flow table, in buckets.
    pub table_length: u32,
    /// Its servers, removed ones included, in the order of VPP's pool.
    pub ases: Vec<ShownAs>,
}

/// A server of a VIP as `show lb vips verbose` tells it.
///
/// ```
/// # let text = " ip4-gre4 [2] 192.0.2.30/32 src_ip_sticky
/// #   new_size:1024
/// #   protocol:6 port:443
/// #   counters:
/// #     packet from existing sessions: 5712
/// #     first session packet: 43
/// #     untracked packet: 0
/// #     no server configured: 0
/// #   #as:2
/// #     10.2.0.11 0 buckets   3 flows  dpo:36  removed
/// #     10.2.0.12 1024 buckets   40 flows  dpo:37 used
/// #
/// # ";
/// let vips = maglev_sync::text::vips(text)?;
/// // A server was removed and is left with three flows, another one took over.
/// let [removed, used] = vips[0].ases[..] else { return Err("two servers".into()) };
/// assert!(removed.removed && (removed.buckets, removed.flows) == (0, 3));
/// assert_eq!((used.buckets, used.flows), (1024, 40));
/// // Its bytes and packets are in row 37 of `/net/route/via`; a weight is told since 26.10.
/// assert_eq!((used.stats_index, used.weight), (37, None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ShownAs {
    /// Its address.
    pub address: IpAddr,
    /// Its weight; nothing up to VPP 26.06, which has none.
    pub weight: Option<u8>,
    /// Buckets of the new-flow table that name it.
    pub buckets: u32,
    /// Entries of the sticky tables that name it, expired ones included.
    pub flows: u64,
    /// Its load-balance object, the index of its route in `/net/route/via`.
    pub stats_index: u32,
    /// Whether it was removed and lingers. It takes no new flows, but keeps the old ones that were not flushed.
    pub removed: bool,
}

impl ShownVip {
    /// The VIP as a dump would list it.
    pub fn row(&self) -> VipRow {
        VipRow { key: self.key, encap: self.encap, table_length: self.table_length as u16 }
    }

    /// Its servers as a dump would list them.
    pub fn as_rows(&self) -> impl Iterator<Item = AsRow> {
        let row = |server: &ShownAs| AsRow {
            key: self.key,
            address: server.address,
            in_use: !server.removed,
            weight: server.weight.unwrap_or(Weight::ONE.get()),
        };
        self.ases.iter().map(row)
    }
}

/// Reads the text of `show lb vips verbose`, of every release from 22.10 to 26.10: all VIPs in the order of VPP's pool, removed
/// ones included. No VIPs are an empty text.
///
/// # Errors
/// [`TextError`] names the first line that VPP would not print.
///
/// ```
/// let text = " ip4-gre4 [2] 192.0.2.10/32 src_ip_sticky
///   new_size:1024
///   protocol:6 port:443
///   counters:
///     packet from existing sessions: 0
///     first session packet: 0
///     untracked packet: 0
///     no server configured: 0
///   #as:2
///     10.2.0.11 weight:100 buckets:1024 flows:3 dpo:36 used
///     10.2.0.12 weight:100 buckets:0 flows:1 dpo:37  removed
///
/// ";
/// let vips = maglev_sync::text::vips(text)?;
/// assert_eq!(vips[0].key.to_string(), "192.0.2.10 tcp/443");
/// assert_eq!((vips[0].pool_index, vips[0].src_ip_sticky), (2, true));
/// assert_eq!((vips[0].ases[1].flows, vips[0].ases[1].removed), (1, true));
/// # Ok::<(), maglev_sync::TextError>(())
/// ```
pub fn vips(text: &str) -> Result<Vec<ShownVip>, TextError> {
    let mut vips = Vec::new();
    let mut rest = text;
    while !rest.trim_ascii_start().is_empty() {
        match vip(rest) {
            Ok((after, vip)) => {
                vips.push(vip);
                rest = after;
            }
            Err(error) => {
                let at = match error {
                    nom::Err::Error(error) | nom::Err::Failure(error) => error.input,
                    nom::Err::Incomplete(_) => rest,
                };
                return Err(TextError::located(text, at));
            }
        }
    }
    Ok(vips)
}

fn vip(input: &str) -> IResult<&str, ShownVip> {
    // ` ip4-gre4 [2] 192.0.2.10/32 src_ip_sticky`
    let (input, encap) = preceded(char(' '), take_while1(is_kind)).map(encap).parse(input)?;
    let (input, pool_index) = delimited(tag(" ["), number32, tag("] ")).parse(input)?;
    let (input, prefix) = map_res(word, str::parse::<IpNet>).parse(input)?;
    let (input, src_ip_sticky) = flag(" src_ip_sticky").parse(input)?;
    let (input, removed) = flag(" removed").parse(input)?;
    let (input, _) = end_of_line(input)?;

    let (input, table_length) = delimited(tag("  new_size:"), number32, end_of_line).parse(input)?;
    let (input, port) =
        opt((preceded(tag("  protocol:"), number8), delimited(tag(" port:"), number16, end_of_line))).parse(input)?;
    let (input, _) = opt(delimited(tag("  dscp:"), number8, end_of_line)).parse(input)?;
    // The line of a NAT VIP lacks its end: `counters:` follows at once.
    let (input, _) = opt((
        preceded(tag("  type:"), alt((tag("clusterip"), tag("nodeport")))),
        preceded(tag(" port:"), number16),
        preceded(tag(" target_port:"), number16),
        opt(line_ending),
    ))
    .parse(input)?;

    let (input, _) = (tag("  counters:"), end_of_line).parse(input)?;
    let (input, _) = count(counter, 4).parse(input)?;
    let (input, servers) = delimited(tag("  #as:"), number32, end_of_line).parse(input)?;
    let (input, ases) = many0(server).parse(input)?;
    if ases.len() != servers as usize {
        return Err(nom::Err::Error(nom::error::Error::new(input, nom::error::ErrorKind::Count)));
    }
    let (input, _) = alt((line_ending, eof)).parse(input)?;

    let (protocol, port) = port.unwrap_or((Protocol::ANY.number(), 0));
    let key = VipKey::new(prefix, Protocol::new(protocol), port);
    Ok((input, ShownVip { key, encap, pool_index, src_ip_sticky, removed, table_length, ases }))
}

/// `    first session packet: 12`
fn counter(input: &str) -> IResult<&str, ()> {
    let name = alt((
        tag("packet from existing sessions"),
        tag("first session packet"),
        tag("untracked packet"),
        tag("no server configured"),
    ));
    value((), (tag("    "), name, tag(": "), number64, end_of_line)).parse(input)
}

/// `    10.2.0.11 weight:100 buckets:627 flows:0 dpo:36 used`, and up to 26.06 `    10.2.0.11 627 buckets   0 flows  dpo:36 used`
fn server(input: &str) -> IResult<&str, ShownAs> {
    let (input, address) = preceded(tag("    "), map_opt(word, |word| word.parse::<IpAddr>().ok())).parse(input)?;
    let (input, (weight, buckets, flows)) = alt((claim_with_weight, claim_without_weight)).parse(input)?;
    let (input, stats_index) = preceded(tag("dpo:"), number32).parse(input)?;
    let (input, removed) =
        delimited(space0, alt((value(false, tag("used")), value(true, tag("removed")))), end_of_line).parse(input)?;
    Ok((input, ShownAs { address, weight, buckets, flows, stats_index, removed }))
}

type Claim = (Option<u8>, u32, u64);

fn claim_with_weight(input: &str) -> IResult<&str, Claim> {
    let (input, weight) = preceded(tag(" weight:"), number8).parse(input)?;
    let (input, buckets) = preceded(tag(" buckets:"), number32).parse(input)?;
    let (input, flows) = delimited(tag(" flows:"), number64, tag(" ")).parse(input)?;
    Ok((input, (Some(weight), buckets, flows)))
}

fn claim_without_weight(input: &str) -> IResult<&str, Claim> {
    let (input, buckets) = delimited(tag(" "), number32, tag(" buckets   ")).parse(input)?;
    let (input, flows) = terminated(number64, tag(" flows  ")).parse(input)?;
    Ok((input, (None, buckets, flows)))
}

/// `ip4-gre4`: the second half is the encapsulation.
pub(super) fn encap(kind: &str) -> ActualEncap {
    ActualEncap::from_number(match kind.split_once('-').map_or(kind, |(_, encap)| encap) {
        "gre4" => 0,
        "gre6" => 1,
        "l3dsr" => 2,
        "nat4" => 3,
        "nat6" => 4,
        _ => u32::MAX,
    })
}

pub(super) fn is_kind(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-'
}

pub(super) fn word(input: &str) -> IResult<&str, &str> {
    take_till1(|character: char| character.is_ascii_whitespace()).parse(input)
}

pub(super) fn flag<'a>(name: &'static str) -> impl Parser<&'a str, Output = bool, Error = nom::error::Error<&'a str>> {
    opt(tag(name)).map(|found: Option<&str>| found.is_some())
}

fn end_of_line(input: &str) -> IResult<&str, &str> {
    preceded(space0, line_ending).parse(input)
}

#[cfg(test)]
mod tests;
