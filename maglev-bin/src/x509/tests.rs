use proptest::prelude::*;
use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, SanType, date_time_ymd};
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
        assert_eq!(Names::of(&der[..length]), None, "cut at {length}");
    }
}

/// A certificate of this subject and these DNS names, among other names.
fn named(subject: &[(DnType, DnValue)], dns: &[&str]) -> Vec<u8> {
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in subject {
        params.distinguished_name.push(kind.clone(), value.clone());
    }
    params.subject_alt_names = dns.iter().map(|name| SanType::DnsName((*name).try_into().unwrap())).collect();
    if !dns.is_empty() {
        params.subject_alt_names.insert(0, SanType::IpAddress([192, 0, 2, 1].into()));
        params.subject_alt_names.push(SanType::Rfc822Name("ops@example.com".try_into().unwrap()));
    }
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

fn text(text: &str) -> DnValue {
    DnValue::Utf8String(text.to_owned())
}

#[rstest]
#[case::both(&[(DnType::OrganizationName, text("Example")), (DnType::CommonName, text("ops"))], &["a.example", "b.example"], Some("ops"))]
#[case::printable(&[(DnType::CommonName, DnValue::PrintableString("ops".try_into().unwrap()))], &[], Some("ops"))]
#[case::not_ascii(&[(DnType::CommonName, text("Zoë"))], &[], Some("Zoë"))]
#[case::no_common_name(&[(DnType::OrganizationName, text("ops"))], &["a.example"], None)]
#[case::empty_common_name(&[(DnType::CommonName, text(""))], &["a.example"], None)]
#[case::empty_subject(&[], &["a.example"], None)]
// UTF-16 is in nobody's certificate any more.
#[case::exotic_string(&[(DnType::CommonName, DnValue::BmpString("ops".try_into().unwrap()))], &["a.example"], None)]
#[case::no_name_at_all(&[], &[], None)]
fn names_of_others_certificates_are_read(
    #[case] subject: &[(DnType, DnValue)],
    #[case] dns: &[&str],
    #[case] common_name: Option<&str>,
) {
    let names = Names::of(&named(subject, dns)).unwrap();
    let owned: Vec<_> = dns.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!((names.common_name.as_deref(), names.dns.as_slice()), (common_name, &owned[..]));
    assert_eq!(names.first(), common_name.or(dns.first().copied()));
}

#[test]
fn of_two_common_names_none_counts() {
    let attribute = |name: &str| {
        let pair = [&wrap(OBJECT_ID, COMMON_NAME)[..], &wrap(UTF8_STRING, name.as_bytes())].concat();
        wrap(SET, &wrap(SEQUENCE, &pair))
    };
    let subject = [attribute("one"), attribute("two")].concat();
    let tbs = [&[INTEGER, 1, 7, SEQUENCE, 0, SEQUENCE, 0, SEQUENCE, 0][..], &wrap(SEQUENCE, &subject), &[SEQUENCE, 0]];
    let der = wrap(SEQUENCE, &wrap(SEQUENCE, &tbs.concat()));
    assert_eq!(Names::of(&der), Some(Names::default()));
}

#[test]
fn a_dns_name_is_the_same_in_either_case_and_a_common_name_is_not() {
    let names = Names { common_name: Some("Ops".into()), dns: vec!["Lb1.Example".into()] };
    for (name, included) in [
        ("Ops", true),
        ("ops", false),
        ("lb1.example", true),
        ("LB1.EXAMPLE", true),
        ("lb2.example", false),
        ("", false),
    ] {
        assert_eq!(names.include(name), included, "{name}");
    }
}

proptest! {
    #[test]
    fn garbage_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0..400_usize, byte: u8) {
        let _ = (not_after(&bytes), Names::of(&bytes));
        let mut der = until(2026, 1, 2);
        let at = at % der.len();
        der[at] = byte;
        let _ = (not_after(&der), Names::of(&der));
    }
}
