//! What VPP prints: the texts of `show lb vips`, with and without `verbose`, and of `show lb`, and how long they may be.
//!
//! The texts tell what no message does: pool indices, flows and `src_ip_sticky` in every release, and up to VPP 26.06 also which VIPs
//! there are (`lb_vip_dump` lists removed ones without a mark) and the plugin's settings (there is no `lb_conf_get`).
//!
//! ```
//! use maglev_sync::text::{Limit, list};
//!
//! // First whether the text may be asked for, here of 10 VIPs; then VPP's answer.
//! Limit::default().check_list(10)?;
//! let vips = list("ip4-gre4 192.0.2.10/32 new_size:1024 #as:2  protocol:6 port:80 \n")?;
//! assert_eq!((vips[0].key.to_string(), vips[0].servers), ("192.0.2.10 tcp/80".to_owned(), 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod list;
mod settings;
mod vips;

use thiserror::Error;

pub use self::list::{ListedVip, list};
pub use self::settings::{StickySettings, StickyTable, settings, sticky_tables};
pub use self::vips::{ShownAs, ShownVip, vips};

/// Why a text was not understood.
///
/// ```
/// use maglev_sync::text::list;
///
/// // VPP answered in words that no release so far has.
/// let text = "ip4-gre4 192.0.2.10/32 new_size:1024 #as:6\nip4-gre4 192.0.2.11/32 buckets:1024\n";
/// let error = list(text).unwrap_err();
/// assert_eq!((error.line, error.text.as_str()), (2, "ip4-gre4 192.0.2.11/32 buckets:1024"));
/// assert_eq!(error.to_string(), "line 2 is not what VPP prints there: \"ip4-gre4 192.0.2.11/32 buckets:1024\"");
/// ```
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("line {line} is not what VPP prints there: {text:?}")]
#[non_exhaustive]
pub struct TextError {
    /// Line, from 1. For a text that ends too early the one at which it ends.
    pub line: usize,
    /// What stands there, at most 80 characters.
    pub text: String,
}

impl TextError {
    /// The line at which reading stopped; `at` is a tail of `text`.
    fn located(text: &str, at: &str) -> Self {
        let offset = text.len().saturating_sub(at.len());
        let read = text.get(..offset).unwrap_or(text);
        let start = read.rfind('\n').map_or(0, |end| end + 1);
        Self::new(read.matches('\n').count() + 1, text[start..].lines().next().unwrap_or_default())
    }

    fn new(line: usize, text: &str) -> Self {
        Self { line, text: text.chars().take(80).collect() }
    }
}

/// A text must not be asked for.
///
/// ```
/// use maglev_sync::text::Limit;
///
/// // A VPP whose API segment was configured small.
/// let limit = Limit::bytes(256 << 10);
/// assert!(limit.check_list(2_000).is_ok());
/// let error = limit.check_verbose(2_000, 8_000).unwrap_err();
/// assert_eq!((error.command, error.expected), ("show lb vips verbose", 1_160_000));
/// ```
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the text of `{command}` may have {expected} bytes, more than VPP's API segment may have room for")]
#[non_exhaustive]
pub struct TooLarge {
    /// The command that prints it.
    pub command: &'static str,
    /// Bytes expected.
    pub expected: u64,
}

/// How many bytes a text may have. A live VPP aborted over one larger than its API segment, which has 16 MiB unless configured otherwise.
///
/// ```
/// use maglev_sync::text::Limit;
///
/// let limit = Limit::default();
/// assert!(limit.check_verbose(1_000, 8_000).is_ok());
/// assert_eq!(limit.check_verbose(600, 60_000).unwrap_err().expected, 4_380_000);
/// // The list has no servers.
/// assert!(limit.check_list(32_768).is_ok() && limit.check_list(32_769).is_err());
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limit(u64);

/// 4 MiB.
impl Default for Limit {
    fn default() -> Self {
        Self(4 << 20)
    }
}

impl Limit {
    /// So many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Whether `show lb vips verbose` may be asked for of a VPP with so many VIPs and servers, removed ones included, at 300 bytes a VIP
    /// and 70 a server.
    ///
    /// # Errors
    /// [`TooLarge`] with the expected size. Do not ask.
    pub fn check_verbose(self, vips: u64, ases: u64) -> Result<(), TooLarge> {
        let expected = vips.saturating_mul(300).saturating_add(ases.saturating_mul(70));
        self.check("show lb vips verbose", expected)
    }

    /// Whether `show lb vips` may be asked for of a VPP with so many VIPs, removed ones included, at 128 bytes a VIP: the longest line of
    /// one over GRE has 126.
    ///
    /// # Errors
    /// [`TooLarge`] with the expected size. Do not ask.
    pub fn check_list(self, vips: u64) -> Result<(), TooLarge> {
        self.check("show lb vips", vips.saturating_mul(128))
    }

    fn check(self, command: &'static str, expected: u64) -> Result<(), TooLarge> {
        if expected > self.0 { Err(TooLarge { command, expected }) } else { Ok(()) }
    }
}
