//! What VPP prints: the texts of `show lb vips verbose` and `show lb`, and how long the first one may be.
//!
//! The texts tell what no message does: pool indices, flows and `src_ip_sticky` in every release, and up to VPP 26.06 also which VIPs
//! there are (`lb_vip_dump` lists removed ones without a mark) and the plugin's settings (there is no `lb_conf_get`).

mod settings;
mod vips;

use thiserror::Error;

pub use self::settings::settings;
pub use self::vips::{ShownAs, ShownVip, vips};

/// Why a text was not understood.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("line {line} is not what VPP prints there: {text:?}")]
#[non_exhaustive]
pub struct TextError {
    /// Line, from 1.
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
        let line = text[start..].lines().next().unwrap_or_default();
        Self { line: read.matches('\n').count() + 1, text: line.chars().take(80).collect() }
    }
}

/// `show lb vips verbose` must not be asked for.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the text of `show lb vips verbose` may have {expected} bytes, more than VPP's API segment may have room for")]
#[non_exhaustive]
pub struct TooLarge {
    /// Bytes expected.
    pub expected: u64,
}

/// Whether `show lb vips verbose` may be asked for of a VPP with so many VIPs and servers, removed ones included.
///
/// A live VPP aborted over a text larger than its API segment, which has 16 MiB unless configured otherwise. The limit is 4 MiB,
/// at 300 bytes a VIP and 70 a server.
///
/// # Errors
/// [`TooLarge`] with the expected size. Do not ask.
///
/// ```
/// use maglev_sync::text;
///
/// assert!(text::check_size(1_000, 8_000).is_ok());
/// assert_eq!(text::check_size(600, 60_000).unwrap_err().expected, 4_380_000);
/// ```
pub fn check_size(vips: u64, ases: u64) -> Result<(), TooLarge> {
    let expected = vips.saturating_mul(BYTES_A_VIP).saturating_add(ases.saturating_mul(BYTES_AN_AS));
    if expected > LARGEST { Err(TooLarge { expected }) } else { Ok(()) }
}

const BYTES_A_VIP: u64 = 300;
const BYTES_AN_AS: u64 = 70;
const LARGEST: u64 = 4 << 20;
