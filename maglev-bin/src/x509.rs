//! What is read from a certificate here: until when it is valid, and whom it names. Whether to believe it is rustls' business.

use std::time::{Duration, SystemTime};

use jiff::{Timestamp, civil};
use nom::bytes::complete::{tag, take};
use nom::combinator::{all_consuming, map_opt, opt};
use nom::error::Error;
use nom::multi::many0;
use nom::number::complete::be_u8;
use nom::{IResult, Parser};
use rustls::CertificateError;

/// `notAfter` of an X.509 certificate in DER, or `None` if the bytes do not have the form of RFC 5280, 4.1 up to there.
pub(crate) fn not_after(der: &[u8]) -> Option<SystemTime> {
    let (_, validity) = validity(der).ok()?;
    let (_, (_, not_after)) = all_consuming((time, time)).parse(validity).ok()?;
    Some(not_after)
}

/// Whom a certificate is for.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Names {
    /// Common name of the subject. `None` also if there are several: nobody could say which one counts.
    pub(crate) common_name: Option<String>,
    /// DNS names among the subject's alternative names, in their order.
    pub(crate) dns: Vec<String>,
}

impl Names {
    /// From an X.509 certificate in DER, or `None` if the bytes do not have the form of RFC 5280, 4.1.
    pub(crate) fn of(der: &[u8]) -> Option<Self> {
        names(der).ok().map(|(_, names)| names)
    }

    /// Whether this is one of the names: the common name as it is written, a DNS name in either case (RFC 4343).
    pub(crate) fn include(&self, name: &str) -> bool {
        self.common_name.as_deref() == Some(name) || self.dns.iter().any(|dns| dns.eq_ignore_ascii_case(name))
    }

    /// The name to show: the common name, else the first DNS name.
    pub(crate) fn first(&self) -> Option<&str> {
        self.common_name.as_deref().or(self.dns.first().map(String::as_str))
    }
}

/// ```text
/// Certificate    ::= SEQUENCE { tbsCertificate TBSCertificate, ... }
/// TBSCertificate ::= SEQUENCE { version [0] OPTIONAL, serialNumber INTEGER, signature SEQUENCE,
///                               issuer SEQUENCE, validity SEQUENCE { notBefore Time, notAfter Time },
///                               subject Name, subjectPublicKeyInfo SEQUENCE, issuerUniqueID [1] OPTIONAL,
///                               subjectUniqueID [2] OPTIONAL, extensions [3] OPTIONAL }
/// ```
/// The contents of `validity`, with `subject` and what follows it left.
fn validity(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let (_, certificate) = element(SEQUENCE).parse(input)?;
    let (_, tbs) = element(SEQUENCE).parse(certificate)?;
    let (tbs, _) = opt(element(VERSION)).parse(tbs)?;
    let (tbs, _) = element(INTEGER).parse(tbs)?;
    let (tbs, _signature) = element(SEQUENCE).parse(tbs)?;
    let (tbs, _issuer) = element(SEQUENCE).parse(tbs)?;
    element(SEQUENCE).parse(tbs)
}

fn names(input: &[u8]) -> IResult<&[u8], Names> {
    let (tbs, _) = validity(input)?;
    let (tbs, subject) = element(SEQUENCE).parse(tbs)?;
    let (tbs, _key) = element(SEQUENCE).parse(tbs)?;
    let (tbs, _) = opt(element(ISSUER_ID)).parse(tbs)?;
    let (tbs, _) = opt(element(SUBJECT_ID)).parse(tbs)?;
    let (left, extensions) = opt(element(EXTENSIONS)).parse(tbs)?;
    let (_, common_name) = common_name(subject)?;
    let (_, dns) = extensions.map_or(Ok((left, Vec::new())), dns_names)?;
    Ok((left, Names { common_name, dns }))
}

/// ```text
/// Name ::= SEQUENCE OF SET OF SEQUENCE { type OBJECT IDENTIFIER, value ANY }
/// ```
fn common_name(subject: &[u8]) -> IResult<&[u8], Option<String>> {
    let attribute = |input| {
        let (left, attribute) = element(SEQUENCE).parse(input)?;
        let (value, kind) = element(OBJECT_ID).parse(attribute)?;
        let (_, (tag, value)) = all_consuming(any_element).parse(value)?;
        Ok((left, (kind, tag, value)))
    };
    let relative_name = |input| {
        let (left, set) = element(SET).parse(input)?;
        let (_, attributes) = all_consuming(many0(attribute)).parse(set)?;
        Ok((left, attributes))
    };
    let (left, subject) = all_consuming(many0(relative_name)).parse(subject)?;
    let mut named = subject.into_iter().flatten().filter(|(kind, ..)| *kind == COMMON_NAME);
    let name = match (named.next(), named.next()) {
        (Some((_, UTF8_STRING | PRINTABLE_STRING | IA5_STRING, text)), None) => String::from_utf8(text.to_vec()).ok(),
        _ => None,
    };
    let name = name.filter(|name| !name.is_empty());
    Ok((left, name))
}

/// ```text
/// extensions     ::= SEQUENCE OF SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE,
///                                           extnValue OCTET STRING }
/// SubjectAltName ::= SEQUENCE OF CHOICE { dNSName [2] IA5String, ... }, inside `extnValue`
/// ```
fn dns_names(extensions: &[u8]) -> IResult<&[u8], Vec<String>> {
    let extension = |input| {
        let (left, extension) = element(SEQUENCE).parse(input)?;
        let (value, id) = element(OBJECT_ID).parse(extension)?;
        let (value, _critical) = opt(element(BOOLEAN)).parse(value)?;
        let (_, value) = all_consuming(element(OCTET_STRING)).parse(value)?;
        Ok((left, (id, value)))
    };
    let (left, extensions) = all_consuming(element(SEQUENCE)).parse(extensions)?;
    let (_, extensions) = all_consuming(many0(extension)).parse(extensions)?;
    let mut names = Vec::new();
    for (_, value) in extensions.into_iter().filter(|(id, _)| *id == SUBJECT_ALT_NAME) {
        let (_, list) = all_consuming(element(SEQUENCE)).parse(value)?;
        let (_, list) = all_consuming(many0(any_element)).parse(list)?;
        let dns = list.into_iter().filter(|(tag, name)| *tag == DNS_NAME && name.is_ascii());
        names.extend(dns.map(|(_, name)| String::from_utf8_lossy(name).into_owned()));
    }
    Ok((left, names))
}

/// Why a verifier refuses a certificate, in a few words.
pub(crate) fn refusal(error: &CertificateError) -> String {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("certificate expired {}", date(not_after.as_secs()))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("certificate not valid before {}", date(not_before.as_secs()))
        }
        CertificateError::UnknownIssuer => "certificate from an unknown issuer".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<_> = presented.iter().map(|name| bare(name)).collect();
            let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            format!("certificate is for {names}, not {}", expected.to_str())
        }
        CertificateError::BadSignature => "bad signature".to_owned(),
        other => other.to_string(),
    }
}

/// A name without the wrapping that the verifier gives it: `DnsName("www.example.com")`, `IpAddress(192.0.2.1)`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

/// The UTC day of a Unix time.
pub(crate) fn date(unix_seconds: u64) -> String {
    i64::try_from(unix_seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .map_or_else(|| "9999-12-31".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
}

/// The contents of an element with this tag.
fn element<'a>(wanted: u8) -> impl Parser<&'a [u8], Output = &'a [u8], Error = Error<&'a [u8]>> {
    move |input| {
        let (input, _) = tag([wanted].as_slice()).parse(input)?;
        let (input, length) = length(input)?;
        take(length).parse(input)
    }
}

/// Any element of a one-byte tag, as its tag and contents.
fn any_element(input: &[u8]) -> IResult<&[u8], (u8, &[u8])> {
    let (input, tag) = map_opt(be_u8, |tag| (tag & LONG_TAG != LONG_TAG).then_some(tag)).parse(input)?;
    let (input, length) = length(input)?;
    let (input, contents) = take(length).parse(input)?;
    Ok((input, (tag, contents)))
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

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// Says in the low bits of a tag that its number follows.
const LONG_TAG: u8 = 0x1f;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const ISSUER_ID: u8 = 0x81;
const SUBJECT_ID: u8 = 0x82;
/// In `GeneralName`.
const DNS_NAME: u8 = 0x82;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// 2.5.4.3
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

#[cfg(test)]
mod tests;
