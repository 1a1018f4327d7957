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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use rstest::rstest;

    use super::*;

    /// A self-signed certificate that is valid until this day, 00:00 UTC.
    fn until(year: i32, month: u8, day: u8) -> Vec<u8> {
        let mut params = CertificateParams::new(["www.example.com".to_owned()]).unwrap();
        params.not_before = date_time_ymd(1960, 1, 1);
        params.not_after = date_time_ymd(year, month, day);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn unix(seconds: u64) -> Option<SystemTime> {
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
    }

    /// `notBefore` and `notAfter` around a validity, as small as a certificate can be to get that far.
    fn around(validity: &[u8]) -> Vec<u8> {
        let tbs = [&[INTEGER, 1, 7, SEQUENCE, 0, SEQUENCE, 0][..], &wrap(SEQUENCE, validity)].concat();
        wrap(SEQUENCE, &wrap(SEQUENCE, &tbs))
    }

    fn wrap(tag: u8, contents: &[u8]) -> Vec<u8> {
        [&[tag, 0x81, u8::try_from(contents.len()).unwrap()][..], contents].concat()
    }

    fn times(tag: u8, after: &str) -> Vec<u8> {
        [wrap(UTC_TIME, b"200101000000Z"), wrap(tag, after.as_bytes())].concat()
    }

    #[rstest]
    // `date -u -d ... +%s` gave the seconds.
    #[case(until(2026, 1, 2), 1_767_312_000)]
    #[case(until(2049, 12, 31), 2_524_521_600)]
    #[case::generalized_time_from_here(until(2050, 1, 1), 2_524_608_000)]
    #[case(until(2400, 2, 29), 13_574_563_200)]
    fn certificates_of_others_are_read(#[case] der: Vec<u8>, #[case] seconds: u64) {
        assert_eq!(not_after(&der), unix(seconds));
    }

    #[rstest]
    #[case(UTC_TIME, "491231235959Z", unix(2_524_607_999))]
    #[case(UTC_TIME, "700101000001Z", unix(1))]
    #[case::before_1970(UTC_TIME, "500101000000Z", SystemTime::UNIX_EPOCH.checked_sub(Duration::from_secs(631_152_000)))]
    #[case::never(GENERALIZED_TIME, "99991231235959Z", unix(253_402_300_799))]
    #[case::no_such_day(UTC_TIME, "260230000000Z", None)]
    #[case::no_such_hour(UTC_TIME, "260101240000Z", None)]
    #[case::no_seconds(UTC_TIME, "2601010000Z", None)]
    #[case::no_zone(UTC_TIME, "260101000000", None)]
    #[case::other_zone(UTC_TIME, "260101000000+0100", None)]
    #[case::fraction(GENERALIZED_TIME, "20260101000000.5Z", None)]
    #[case::long_year_in_utc_time(UTC_TIME, "20260101000000Z", None)]
    #[case::not_digits(UTC_TIME, "26-1-1000000Z", None)]
    #[case::empty(UTC_TIME, "", None)]
    #[case::other_type(INTEGER, "260101000000Z", None)]
    fn times_are_read_as_rfc_5280_has_them(#[case] tag: u8, #[case] text: &str, #[case] expected: Option<SystemTime>) {
        assert_eq!(not_after(&around(&times(tag, text))), expected);
    }

    #[test]
    fn a_validity_has_two_times() {
        let one = times(UTC_TIME, "260101000000Z");
        assert_eq!(not_after(&around(&one[..16])), None);
        assert_eq!(not_after(&around(&[&one[..], &[0]].concat())), None);
    }

    #[rstest]
    #[case::indefinite(&[SEQUENCE, 0x80])]
    #[case::more_than_there_is(&[SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff])]
    #[case::longer_than_any(&[SEQUENCE, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1])]
    #[case::cut_in_the_length(&[SEQUENCE, 0x82, 1])]
    #[case::nothing(&[])]
    fn odd_lengths_are_refused(#[case] der: &[u8]) {
        assert_eq!(not_after(der), None);
    }

    #[test]
    fn a_certificate_cut_anywhere_is_refused() {
        let der = until(2026, 1, 2);
        for length in 0..der.len() {
            assert_eq!(not_after(&der[..length]), None, "cut at {length}");
        }
    }

    proptest! {
        #[test]
        fn garbage_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0..400_usize, byte: u8) {
            let _ = not_after(&bytes);
            let mut der = until(2026, 1, 2);
            let at = at % der.len();
            der[at] = byte;
            let _ = not_after(&der);
        }
    }
}
