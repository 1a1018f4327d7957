//! The one thing read from a certificate here: until when it is valid.

use std::time::{Duration, SystemTime};

use jiff::civil;
use nom::bytes::complete::{tag, take};
use nom::combinator::{all_consuming, map_opt, opt};
use nom::error::Error;
use nom::number::complete::be_u8;
use nom::{IResult, Parser};

/// `notAfter` of an X.509 certificate in DER, or `None` if the bytes do not have the form of RFC 5280, 4.1 up to there.
pub(super) fn not_after(der: &[u8]) -> Option<SystemTime> {
    certificate(der).ok().map(|(_, time)| time)
}

/// ```text
/// Certificate    ::= SEQUENCE { tbsCertificate TBSCertificate, ... }
/// TBSCertificate ::= SEQUENCE { version [0] OPTIONAL, serialNumber INTEGER, signature SEQUENCE,
///                               issuer SEQUENCE, validity SEQUENCE { notBefore Time, notAfter Time }, ... }
/// ```
fn certificate(input: &[u8]) -> IResult<&[u8], SystemTime> {
    let (_, certificate) = element(SEQUENCE).parse(input)?;
    let (_, tbs) = element(SEQUENCE).parse(certificate)?;
    let (tbs, _) = opt(element(VERSION)).parse(tbs)?;
    let (tbs, _) = element(INTEGER).parse(tbs)?;
    let (tbs, _signature) = element(SEQUENCE).parse(tbs)?;
    let (tbs, _issuer) = element(SEQUENCE).parse(tbs)?;
    let (_, validity) = element(SEQUENCE).parse(tbs)?;
    let (left, (_, not_after)) = all_consuming((time, time)).parse(validity)?;
    Ok((left, not_after))
}

/// The contents of an element with this tag.
fn element<'a>(wanted: u8) -> impl Parser<&'a [u8], Output = &'a [u8], Error = Error<&'a [u8]>> {
    move |input| {
        let (input, _) = tag([wanted].as_slice()).parse(input)?;
        let (input, length) = length(input)?;
        take(length).parse(input)
    }
}

/// A definite length: below 128 one byte, else the number of bytes that follow and hold it. Four of them are plenty.
fn length(input: &[u8]) -> IResult<&[u8], u32> {
    let (input, first) = be_u8(input)?;
    match first {
        0..0x80 => Ok((input, first.into())),
        _ => map_opt(take(first & 0x7f), big_endian).parse(input),
    }
}

/// `YYMMDDHHMMSSZ` of the years 1950 to 2049, or `YYYYMMDDHHMMSSZ`.
fn time(input: &[u8]) -> IResult<&[u8], SystemTime> {
    let utc = map_opt(element(UTC_TIME), |text| {
        let (short, text) = number(text, 2)?;
        let year = if short < 50 { 2000 + short } else { 1900 + short };
        point_in_time(year, text)
    });
    let generalized = map_opt(element(GENERALIZED_TIME), |text| {
        let (year, text) = number(text, 4)?;
        point_in_time(year, text)
    });
    utc.or(generalized).parse(input)
}

/// From a year and `MMDDHHMMSSZ`. Civil arithmetic, as the usual "never", 9999-12-31 23:59:59, is beyond `jiff::Timestamp`.
fn point_in_time(year: i16, text: &[u8]) -> Option<SystemTime> {
    let (month, text) = number(text, 2)?;
    let (day, text) = number(text, 2)?;
    let (hour, text) = number(text, 2)?;
    let (minute, text) = number(text, 2)?;
    let (second, text) = number(text, 2)?;
    if text != b"Z" {
        return None;
    }
    let small = |n: i16| i8::try_from(n).ok();
    let then =
        civil::DateTime::new(year, small(month)?, small(day)?, small(hour)?, small(minute)?, small(second)?, 0).ok()?;
    let since = then.duration_since(civil::datetime(1970, 1, 1, 0, 0, 0, 0)).as_secs();
    let distance = Duration::from_secs(since.unsigned_abs());
    if since < 0 { SystemTime::UNIX_EPOCH.checked_sub(distance) } else { SystemTime::UNIX_EPOCH.checked_add(distance) }
}

/// A decimal number of so many digits, and what follows it.
fn number(text: &[u8], digits: usize) -> Option<(i16, &[u8])> {
    let (number, left) = text.split_at_checked(digits)?;
    let mut value = 0;
    for digit in number {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i16::from(digit - b'0');
    }
    Some((value, left))
}

fn big_endian(bytes: &[u8]) -> Option<u32> {
    let mut word = [0; 4];
    word.get_mut(4_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(u32::from_be_bytes(word))
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
