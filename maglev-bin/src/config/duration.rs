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

/// `duration` as a person would write it: `1m30s`, `1.5s`, `500ms`. [`parse`] reads it back.
pub(super) fn format(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), u64::from(duration.subsec_nanos()));
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = String::new();
    for (number, unit) in [(hours, "h"), (minutes, "m")] {
        if number > 0 {
            text.push_str(&format!("{number}{unit}"));
        }
    }
    // The largest unit that leaves a number of at least 1.
    let (number, unit, digits) = match (seconds, nanos) {
        (1.., _) => (seconds, "s", 9),
        (0, 1_000_000..) => (nanos / 1_000_000, "ms", 6),
        (0, 1_000..) => (nanos / 1_000, "us", 3),
        (0, 1..) => (nanos, "ns", 0),
        (0, 0) if text.is_empty() => (0, "s", 0),
        (0, 0) => return text,
    };
    text.push_str(&number.to_string());
    let fraction = format!("{:0digits$}", nanos % 10u64.pow(digits as u32));
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        text.push_str(&format!(".{fraction}"));
    }
    text.push_str(unit);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, nanos) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500_000_000),
            ("2s", 2_000_000_000),
            ("+2s", 2_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("0.1s", 100_000_000),
            ("1h", 3_600_000_000_000),
            ("1h1m1s1ms1us1ns", 3_661_001_001_001),
            ("1\u{b5}s", 1_000),
            ("1\u{3bc}s", 1_000),
            ("0.0000000001s", 0),
            ("1.00000000000000000000000000000000000001h", 3_600_000_000_000),
            ("18446744073709551615ns", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn tells_why_a_text_is_no_duration() {
        let owned = str::to_owned;
        for (text, error) in [
            ("", DurationError::Empty),
            ("-2s", DurationError::Negative),
            ("2", DurationError::NoUnit(owned("2"))),
            ("1m30", DurationError::NoUnit(owned("30"))),
            ("2 s", DurationError::UnknownUnit(owned(" s"))),
            ("2sec", DurationError::UnknownUnit(owned("sec"))),
            ("2S", DurationError::UnknownUnit(owned("S"))),
            ("1d", DurationError::UnknownUnit(owned("d"))),
            ("s", DurationError::NoNumber(owned("s"))),
            (".s", DurationError::NoNumber(owned("."))),
            ("1.2.3s", DurationError::NoNumber(owned("1.2.3"))),
            ("+-2s", DurationError::NoNumber(owned("-2s"))),
            ("600000000h", DurationError::TooLong),
            ("18446744073709551615ns1ns", DurationError::TooLong),
            ("99999999999999999999ns", DurationError::TooLong),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn writes_what_a_person_would() {
        for text in ["0s", "1ns", "9.9ms", "1.001us", "500ms", "1.5s", "40s", "1m30s", "24h", "1h250ms", "2m1.5s"] {
            assert_eq!(parse(text).map(format), Ok(text.to_owned()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(nanos in any::<u64>(), coarse in 0..10u32) {
            let duration = Duration::from_nanos(nanos / 10u64.pow(coarse) * 10u64.pow(coarse));
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+0-9.a-z\u{b5} ]{0,30}") {
            if let Ok(duration) = parse(&text) {
                prop_assert!(duration <= Duration::from_nanos(u64::MAX));
            }
        }
    }
}
