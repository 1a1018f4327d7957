//! Reads the text of `show lb vips verbose`, the only place where VPP tells pool indices, `src_ip_sticky` and flows.
//!
//! Lines as VPP 26.10 prints them (`src/plugins/lb/lb.c`, `format_lb_vip_detailed`); leading blanks matter, and a block ends with an
//! empty line.

use std::net::IpAddr;

use ipnet::IpNet;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_till1, take_while1};
use nom::character::complete::{
    char, line_ending, space0, u8 as number8, u16 as number16, u32 as number32, u64 as number64,
};
use nom::combinator::{eof, map_opt, map_res, opt, value};
use nom::multi::{count, many0};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};
use thiserror::Error;

use crate::model::{Protocol, VipKey};

/// Why the text was not understood. The model goes on without pool indices and flows.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("line {line} is not what VPP prints there: {text:?}")]
pub struct VerboseError {
    /// Line, from 1.
    pub line: usize,
    /// What stands there, at most 80 characters.
    pub text: String,
}

/// One block of the text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct VerboseVip {
    pub(crate) key: VipKey,
    pub(crate) pool_index: u32,
    pub(crate) src_ip_sticky: bool,
    pub(crate) removed: bool,
    /// The whole length of the new-flow table.
    pub(crate) new_size: u32,
    pub(crate) ases: Vec<VerboseAs>,
}

/// One server of a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct VerboseAs {
    pub(crate) address: IpAddr,
    /// Entries of the sticky tables that name it, expired ones included.
    pub(crate) flows: u64,
    /// Its load-balance object, the index of its route in `/net/route/via`.
    pub(crate) stats_index: u32,
    pub(crate) removed: bool,
}

/// Reads the whole text.
pub(crate) fn parse(text: &str) -> Result<Vec<VerboseVip>, VerboseError> {
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
                return Err(located(text, at));
            }
        }
    }
    Ok(vips)
}

fn vip(input: &str) -> IResult<&str, VerboseVip> {
    // ` ip4-gre4 [2] 192.0.2.10/32 src_ip_sticky`
    let (input, _kind) = preceded(char(' '), take_while1(is_kind)).parse(input)?;
    let (input, pool_index) = delimited(tag(" ["), number32, tag("] ")).parse(input)?;
    let (input, prefix) = map_res(word, str::parse::<IpNet>).parse(input)?;
    let (input, src_ip_sticky) = flag(" src_ip_sticky").parse(input)?;
    let (input, removed) = flag(" removed").parse(input)?;
    let (input, _) = end_of_line(input)?;

    let (input, new_size) = delimited(tag("  new_size:"), number32, end_of_line).parse(input)?;
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
    Ok((input, VerboseVip { key, pool_index, src_ip_sticky, removed, new_size, ases }))
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

/// `    10.2.0.11 weight:100 buckets:627 flows:0 dpo:36 used`
fn server(input: &str) -> IResult<&str, VerboseAs> {
    let (input, address) = preceded(tag("    "), map_opt(word, |word| word.parse::<IpAddr>().ok())).parse(input)?;
    let (input, _weight) = preceded(tag(" weight:"), number32).parse(input)?;
    let (input, _buckets) = preceded(tag(" buckets:"), number32).parse(input)?;
    let (input, flows) = preceded(tag(" flows:"), number64).parse(input)?;
    let (input, stats_index) = preceded(tag(" dpo:"), number32).parse(input)?;
    let (input, removed) =
        delimited(space0, alt((value(false, tag("used")), value(true, tag("removed")))), end_of_line).parse(input)?;
    Ok((input, VerboseAs { address, flows, stats_index, removed }))
}

fn is_kind(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-'
}

fn word(input: &str) -> IResult<&str, &str> {
    take_till1(|character: char| character.is_ascii_whitespace()).parse(input)
}

fn flag<'a>(name: &'static str) -> impl Parser<&'a str, Output = bool, Error = nom::error::Error<&'a str>> {
    opt(tag(name)).map(|found: Option<&str>| found.is_some())
}

fn end_of_line(input: &str) -> IResult<&str, &str> {
    preceded(space0, line_ending).parse(input)
}

/// The line at which reading stopped; `at` is a tail of `text`.
fn located(text: &str, at: &str) -> VerboseError {
    let offset = text.len().saturating_sub(at.len());
    let read = text.get(..offset).unwrap_or(text);
    let start = read.rfind('\n').map_or(0, |end| end + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    VerboseError { line: read.matches('\n').count() + 1, text: line.chars().take(80).collect() }
}

#[cfg(test)]
mod tests;
