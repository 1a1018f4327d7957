//! Reads the text of `show lb vips` without `verbose`: a line for each VIP, none for its servers.
//!
//! Lines as `src/plugins/lb/lb.c`, `format_lb_vip`, prints them in all releases from 22.10 to 26.10.

use ipnet::IpNet;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while1};
use nom::character::complete::{space0, u8 as number8, u16 as number16, u32 as number32};
use nom::combinator::{all_consuming, map_res, opt};
use nom::sequence::{preceded, terminated};
use nom::{IResult, Parser};

use super::TextError;
use super::vips::{encap, flag, is_kind, word};
use crate::call::VipRow;
use crate::model::{ActualEncap, Protocol, VipKey};

/// A VIP as `show lb vips` tells it.
///
/// ```
/// let text = "ip4-gre4 192.0.2.10/32 new_size:65536 #as:2  protocol:6 port:80 \n\
///             ip4-gre4 192.0.2.11/32 new_size:1024 #as:1 removed\n";
/// let vips = maglev_sync::text::list(text)?;
/// // Of a VPP before 26.10, whose dump does not tell which VIPs were removed.
/// let in_use: Vec<_> = vips.iter().filter(|vip| !vip.removed).collect();
/// assert_eq!(in_use.len(), 1);
/// // The length is whole here, and its low half in the row of a dump.
/// assert_eq!((in_use[0].table_length, in_use[0].row().table_length), (65_536, 0));
/// # Ok::<(), maglev_sync::TextError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct ListedVip {
    /// Its name. A removed VIP may have that of one in use.
    pub key: VipKey,
    /// How packets travel to its servers; [`ActualEncap::Other`] of `u32::MAX` for a kind that no release so far prints.
    pub encap: ActualEncap,
    /// Whether it was removed and lingers.
    pub removed: bool,
    /// The whole length of the new-flow table, in buckets.
    pub table_length: u32,
    /// How many servers it has, removed ones included.
    pub servers: u32,
}

impl ListedVip {
    /// The VIP as a dump would list it.
    pub fn row(&self) -> VipRow {
        VipRow { key: self.key, encap: self.encap, table_length: self.table_length as u16 }
    }
}

/// Reads the text of `show lb vips`: all VIPs in the order of VPP's pool, removed ones included.
///
/// Up to 26.06 VPP prints it only if some word follows, any but `verbose`: `show lb vips brief`.
///
/// # Errors
/// [`TextError`] names the first line that VPP would not print.
///
/// ```
/// let text = "ip4-gre4 192.0.2.10/32 new_size:1024 #as:6  protocol:6 port:80 \nip6-gre6 2001:db8::7/128 new_size:65536 #as:1 removed\n";
/// let vips = maglev_sync::text::list(text)?;
/// assert_eq!((vips[0].key.to_string(), vips[0].servers), ("192.0.2.10 tcp/80".to_owned(), 6));
/// assert_eq!((vips[1].table_length, vips[1].removed), (65_536, true));
/// # Ok::<(), maglev_sync::TextError>(())
/// ```
pub fn list(text: &str) -> Result<Vec<ListedVip>, TextError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
    let read = |(at, line): (usize, &str)| match all_consuming(vip).parse(line) {
        Ok((_, vip)) => Ok(vip),
        Err(_) => Err(TextError::new(at + 1, line)),
    };
    lines.map(read).collect()
}

/// `ip4-gre4 192.0.2.10/32 new_size:1024 #as:6 removed  protocol:6 port:80 `
fn vip(input: &str) -> IResult<&str, ListedVip> {
    let (input, encap) = take_while1(is_kind).map(encap).parse(input)?;
    let (input, prefix) = preceded(tag(" "), map_res(word, str::parse::<IpNet>)).parse(input)?;
    let (input, table_length) = preceded(tag(" new_size:"), number32).parse(input)?;
    let (input, servers) = preceded(tag(" #as:"), number32).parse(input)?;
    let (input, removed) = flag(" removed").parse(input)?;
    let (input, port) =
        opt((preceded(tag("  protocol:"), number8), terminated(preceded(tag(" port:"), number16), tag(" "))))
            .parse(input)?;
    let (input, _) = opt(preceded(tag("  dscp:"), number8)).parse(input)?;
    let (input, _) = opt((
        preceded(tag(" type:"), alt((tag("clusterip"), tag("nodeport")))),
        preceded(tag(" port:"), number16),
        preceded(tag(" target_port:"), number16),
    ))
    .parse(input)?;
    let (input, _) = space0(input)?;
    let (protocol, port) = port.unwrap_or((Protocol::ANY.number(), 0));
    let key = VipKey::new(prefix, Protocol::new(protocol), port);
    Ok((input, ListedVip { key, encap, removed, table_length, servers }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first two lines from a live VPP 26.10, the last one from a live 25.10, the others from VPP's format strings.
    const TEXT: &str = "ip4-gre4 192.0.2.10/32 new_size:1024 #as:6  protocol:6 port:80 
ip4-gre4 198.51.100.7/32 new_size:1024 #as:1
ip4-l3dsr 192.0.2.11/32 new_size:1024 #as:0  protocol:17 port:53   dscp:7
ip4-nat4 192.0.2.12/32 new_size:1024 #as:2 removed  protocol:6 port:80  type:clusterip port:20480 target_port:8080
ip6-gre4 2001:db8::/64 new_size:131072 #as:0 removed
ip6-gre6 2001:db8::1/128 new_size:131072 #as:0 removed  protocol:17 port:53 
";

    #[test]
    fn every_kind_of_line_is_read() {
        let vips = list(TEXT).expect("VPP's own lines");
        let told = |vip: &ListedVip| {
            let removed = if vip.removed { " removed" } else { "" };
            format!("{} {} {} {}{removed}", vip.key, vip.encap, vip.table_length, vip.servers)
        };
        assert_eq!(
            vips.iter().map(told).collect::<Vec<_>>(),
            [
                "192.0.2.10 tcp/80 gre4 1024 6",
                "198.51.100.7 any gre4 1024 1",
                "192.0.2.11 udp/53 l3dsr 1024 0",
                "192.0.2.12 tcp/80 nat4 1024 2 removed",
                "2001:db8::/64 any gre4 131072 0 removed",
                "2001:db8::1 udp/53 gre6 131072 0 removed",
            ]
        );
        assert_eq!(vips[4].row().table_length, 0);
        assert_eq!(list(""), Ok(Vec::new()));
    }

    #[test]
    fn an_error_names_the_line() {
        let line = |text: &str| list(text).expect_err("it is broken").line;
        assert_eq!(line(&TEXT.replace("#as:1\n", "#as:1 servers\n")), 2);
        assert_eq!(line(&TEXT.replace("dscp:7", "dscp:700")), 3);
        assert_eq!(line(&format!("{TEXT}\nsomething else\n")), 8);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(text in "\\PC*|[ -~\n]{0,200}") {
            let _ = list(&text);
        }

        #[test]
        fn a_text_with_one_byte_changed_never_panics(at in 0..TEXT.len(), byte in 0_u8..128) {
            let mut text = TEXT.as_bytes().to_vec();
            text[at] = byte;
            let _ = list(std::str::from_utf8(&text).expect("ASCII"));
        }
    }
}
