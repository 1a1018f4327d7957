//! Durations as operators write them: `500ms`, `2s`, `1m30s`, `1.5h`.

use std::time::Duration;

/// Why a text is no duration.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// Nothing there.
    #[error("an empty text is no duration")]
    Empty,
    /// A minus sign.
    #[error("a duration cannot be negative")]
    Negative,
    /// A number that no unit follows. Carries the number.
    #[error("`{0}` has no unit")]
    NoUnit(String),
    /// A unit that does not exist. Carries it.
    #[error("`{0}` is no unit of time")]
    UnknownUnit(String),
    /// Something where a number has to be.
    #[error("`{0}` is not a number")]
    NoNumber(String),
    /// More than fits.
    #[error("this is longer than 500 years")]
    TooLong,
}

/// Reads numbers with units, as Go's `time.ParseDuration` does: `ns`, `us`, `µs`, `ms`, `s`, `m`, `h`. A bare 0 needs
/// no unit. What is finer than a nanosecond is cut off.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    if text.starts_with('-') {
        return Err(DurationError::Negative);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total: u64 = 0;
    loop {
        let (number, behind) = split_at(rest, |c| !(c.is_ascii_digit() || c == '.'));
        let (unit, behind) = split_at(behind, |c| c.is_ascii_digit() || c == '.');
        let nanos = match unit {
            _ if number.is_empty() => return Err(DurationError::NoNumber(rest.to_owned())),
            "" => return Err(DurationError::NoUnit(number.to_owned())),
            "ns" => 1,
            // The micro sign and the Greek letter look the same.
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            other => return Err(DurationError::UnknownUnit(other.to_owned())),
        };
        let part = scale(number, nanos)?;
        total = total.checked_add(part).ok_or(DurationError::TooLong)?;
        if behind.is_empty() {
            return Ok(Duration::from_nanos(total));
        }
        rest = behind;
    }
}

/// The shortest text that [`parse`] reads back as `duration`.
pub(super) fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    let mut rest = nanos;
    for (unit, size) in [
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ] {
        if rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    text
}

/// `number` units of `nanos` nanoseconds. Integers throughout, so that `0.1s` is 100 ms exactly.
fn scale(number: &str, nanos: u64) -> Result<u64, DurationError> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(DurationError::NoNumber(number.to_owned()));
    }
    // Digits and nothing else, so that only their number can be too much.
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| DurationError::TooLong)? };
    let whole = whole.checked_mul(nanos).ok_or(DurationError::TooLong)?;
    // An hour is 3.6e12 ns: digits behind the fifteenth are below a nanosecond.
    let part = fraction
        .bytes()
        .take(15)
        .fold((0u128, 1u128), |(part, of), digit| (part * 10 + u128::from(digit - b'0'), of * 10));
    let part = u64::try_from(part.0 * u128::from(nanos) / part.1).map_err(|_| DurationError::TooLong)?;
    whole.checked_add(part).ok_or(DurationError::TooLong)
}

fn split_at(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(end).unwrap_or(text.len()))
}
