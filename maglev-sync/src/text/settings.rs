//! Reads the text of `show lb`: up to VPP 26.06 the only place that tells the plugin's settings.
//!
//! Lines as `src/plugins/lb/lb.c`, `format_lb_main`, prints them in all releases from 22.10 to 26.10.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use nom::bytes::complete::{tag, take_till1};
use nom::character::complete::{line_ending, space0, u32 as number32, u64 as number64};
use nom::combinator::{cut, map_opt, map_res};
use nom::multi::many0;
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

use super::TextError;
use crate::model::LbConf;

/// Reads the text of `show lb`.
///
/// The source addresses always stand there. Number of sticky buckets and time-out are those of a thread's sticky table, which takes
/// the settings over at its next packet; nothing while no thread has one. Of several threads the last one counts: the first is VPP's
/// main thread, which packets may have left long ago.
///
/// # Errors
/// [`TextError`] names the first line that VPP would not print.
///
/// ```
/// let text = "lb_main ip4-src-address: 10.2.0.1 \n ip6-src-address: 2001:db8:2::1 \n #vips: 2\n #ass: 1\n";
/// let settings = maglev_sync::text::settings(text)?;
/// assert_eq!(settings.ip4_src.to_string(), "10.2.0.1");
/// assert_eq!(settings.sticky_buckets_per_core, None);
///
/// let text = format!("{text}core 1\n  timeout: 40s\n  usage: 12 / 1027\n");
/// let settings = maglev_sync::text::settings(&text)?;
/// assert_eq!((settings.sticky_buckets_per_core, settings.flow_timeout), (Some(1024), Some(40)));
/// # Ok::<(), maglev_sync::TextError>(())
/// ```
pub fn settings(text: &str) -> Result<LbConf, TextError> {
    read(text).map(|(conf, _)| conf)
}

/// What `show lb` prints of the sticky table of each thread that has one, by the number of the thread.
///
/// The settings of each are as old as its thread's last packet: VPP may have got others since.
///
/// # Errors
/// As [`settings`].
///
/// ```
/// use maglev_sync::text::{self, StickySettings, StickyTable};
///
/// let text = "lb_main ip4-src-address: 10.2.0.1 \n ip6-src-address: 2001:db8:2::1 \n #vips: 2\n #ass: 1\n";
/// let text = format!("{text}core 1\n  timeout: 40s\n  usage: 12 / 1027\ncore 2\n  timeout: 30s\n  usage: 0 / 1027\n");
/// let tables = text::sticky_tables(&text)?;
/// assert_eq!(tables[&1].used, 12);
/// assert_eq!(tables[&2], StickyTable { settings: StickySettings { buckets: 1024, timeout: 30 }, used: 0 });
/// assert_eq!(tables.len(), 2);
/// # Ok::<(), maglev_sync::TextError>(())
/// ```
pub fn sticky_tables(text: &str) -> Result<BTreeMap<u32, StickyTable>, TextError> {
    read(text).map(|(_, tables)| tables)
}

/// A thread's sticky table.
///
/// ```
/// use maglev_sync::text::{StickySettings, StickyTable};
///
/// // More sessions than before: the thread had packets meanwhile, and these are the settings it took over then.
/// let settings = StickySettings { buckets: 1024, timeout: 40 };
/// let (before, after) = (StickyTable { settings, used: 12 }, StickyTable { settings, used: 13 });
/// assert!(before.settings == after.settings && before.used < after.used);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StickyTable {
    /// What the thread took over.
    pub settings: StickySettings,
    /// Entries that have not expired: only a packet of this thread makes them more.
    pub used: u64,
}

/// The settings that a thread took over at its last packet.
///
/// ```
/// use maglev_sync::text::StickySettings;
///
/// // A table of another size was made anew, and with it every session forgotten.
/// let before = StickySettings { buckets: 1024, timeout: 40 };
/// let after = StickySettings { buckets: 65_536, timeout: 40 };
/// assert_ne!(before, after);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StickySettings {
    /// Sticky buckets, four sessions each: 1 or more, a power of two in all releases so far.
    pub buckets: u32,
    /// Flow time-out, in seconds.
    pub timeout: u32,
}

fn read(text: &str) -> Result<(LbConf, BTreeMap<u32, StickyTable>), TextError> {
    match whole(text) {
        Ok((rest, shown)) if rest.trim_ascii().is_empty() => Ok(shown),
        Ok((rest, _)) => Err(TextError::located(text, rest)),
        Err(nom::Err::Error(error) | nom::Err::Failure(error)) => Err(TextError::located(text, error.input)),
        Err(nom::Err::Incomplete(_)) => Err(TextError::located(text, "")),
    }
}

fn whole(input: &str) -> IResult<&str, (LbConf, BTreeMap<u32, StickyTable>)> {
    let (input, ip4_src) =
        delimited(tag("lb_main ip4-src-address: "), map_res(word, str::parse::<Ipv4Addr>), end).parse(input)?;
    let (input, ip6_src) =
        delimited(tag(" ip6-src-address: "), map_res(word, str::parse::<Ipv6Addr>), end).parse(input)?;
    let (input, _vips) = delimited(tag(" #vips: "), number32, end).parse(input)?;
    // One less than the servers and their placeholder: `4294967295` was never seen, and would be read.
    let (input, _ases) = delimited(tag(" #ass: "), number32, end).parse(input)?;
    // Once there is a table, what is strange in it is strange: not the whole of it.
    let (input, tables) = many0(preceded(tag("core "), cut(table))).parse(input)?;
    let (sticky_buckets_per_core, flow_timeout) =
        tables.last().map(|(_, it)| (it.settings.buckets, it.settings.timeout)).unzip();
    let conf = LbConf { ip4_src, ip6_src, sticky_buckets_per_core, flow_timeout };
    Ok((input, (conf, tables.into_iter().collect())))
}

/// A thread behind `core `, and its sticky table.
fn table(input: &str) -> IResult<&str, (u32, StickyTable)> {
    let (input, thread) = terminated(number32, end).parse(input)?;
    let (input, timeout) = delimited(tag("  timeout: "), terminated(number32, tag("s")), end).parse(input)?;
    let (input, used) = preceded(tag("  usage: "), number64).parse(input)?;
    // Not the capacity: `lb_hash_size` is the mask of the buckets plus the entries of one.
    let (input, buckets) =
        delimited(tag(" / "), map_opt(number32, |size| size.checked_sub(BEYOND_THE_BUCKETS)), end).parse(input)?;
    Ok((input, (thread, StickyTable { settings: StickySettings { buckets, timeout }, used })))
}

const BEYOND_THE_BUCKETS: u32 = 3;

fn word(input: &str) -> IResult<&str, &str> {
    take_till1(|character: char| character.is_ascii_whitespace()).parse(input)
}

fn end(input: &str) -> IResult<&str, &str> {
    preceded(space0, line_ending).parse(input)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "lb_main ip4-src-address: 255.255.255.255 \n ip6-src-address: ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \n #vips: 1\n #ass: 0\n";

    #[test]
    fn an_untouched_vpp_tells_its_addresses_and_no_numbers() {
        let expected = LbConf { sticky_buckets_per_core: None, flow_timeout: None, ..LbConf::default() };
        assert_eq!(settings(TEXT), Ok(expected));
    }

    #[test]
    fn of_several_threads_the_last_one_counts() {
        let text =
            format!("{TEXT}core 0\n  timeout: 40s\n  usage: 0 / 1027\ncore 2\n  timeout: 30s\n  usage: 7 / 65539\n");
        let settings = settings(&text).expect("VPP's own format strings");
        assert_eq!((settings.sticky_buckets_per_core, settings.flow_timeout), (Some(65_536), Some(30)));
    }

    #[test]
    fn an_error_names_the_line() {
        let line = |text: &str| settings(text).expect_err("it is broken").line;
        assert_eq!(line(""), 1);
        assert_eq!(line(&TEXT.replace("ffff:", "gggg:")), 2);
        assert_eq!(line(&format!("{TEXT}something else\n")), 5);
    }

    #[test]
    fn an_error_within_a_table_names_its_own_line() {
        let error = |tables: &str| settings(&format!("{TEXT}{tables}")).expect_err("it is broken");
        let told = |line, text: &str| TextError { line, text: text.to_owned() };
        assert_eq!(error("core 0\n  timeout: 40s\n  usage: many\n"), told(7, "  usage: many"));
        assert_eq!(error("core 0\n  timeout: soon\n  usage: 0 / 1027\n"), told(6, "  timeout: soon"));
        assert_eq!(error("core first\n"), told(5, "core first"));
        // A table of fewer entries than one bucket has.
        assert_eq!(error("core 0\n  timeout: 40s\n  usage: 0 / 2\n"), told(7, "  usage: 0 / 2"));
        // The first table is sound, the second one ends too early.
        assert_eq!(error("core 0\n  timeout: 40s\n  usage: 0 / 1027\ncore 1\n  timeout: 40s\n"), told(10, ""));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(text in "\\PC*|[ -~\n]{0,200}") {
            let _ = settings(&text);
        }

        #[test]
        fn a_text_with_one_byte_changed_never_panics(at in 0..TEXT.len(), byte in 0_u8..128) {
            let mut text = TEXT.as_bytes().to_vec();
            text[at] = byte;
            let _ = settings(std::str::from_utf8(&text).expect("ASCII"));
        }
    }
}
