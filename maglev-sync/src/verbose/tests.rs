use proptest::prelude::*;

use super::*;

const TEXT: &str = include_str!("tests/show-lb-vips-verbose.txt");

fn key(prefix: &str, protocol: Protocol, port: u16) -> VipKey {
    VipKey::new(prefix.parse().expect("a prefix"), protocol, port)
}

#[test]
fn a_recorded_text_is_read_whole() {
    let vips = parse(TEXT).expect("VPP printed it");
    let told: Vec<(VipKey, u32, bool, bool, u32, usize)> = vips
        .iter()
        .map(|vip| (vip.key, vip.pool_index, vip.src_ip_sticky, vip.removed, vip.new_size, vip.ases.len()))
        .collect();
    assert_eq!(
        told,
        [
            (key("192.0.2.10/32", Protocol::TCP, 80), 1, false, false, 1024, 6),
            (key("192.0.2.10/32", Protocol::TCP, 443), 2, true, false, 1024, 4),
            (key("192.0.2.10/32", Protocol::UDP, 53), 3, false, true, 1024, 1),
            (key("2001:db8:a::10/128", Protocol::TCP, 443), 4, false, false, 1024, 3),
            (key("198.51.100.0/28", Protocol::ANY, 0), 6, false, false, 1024, 1),
            (key("2001:db8:b::/64", Protocol::ANY, 0), 7, true, false, 65_536, 1),
            (key("203.0.113.5/32", Protocol::ANY, 80), 8, false, false, 1024, 0),
            (key("192.0.2.10/32", Protocol::UDP, 53), 11, false, false, 1024, 0),
        ]
    );
    let first = &vips[0].ases;
    assert_eq!(
        (first[0].address.to_string(), first[0].flows, first[0].stats_index, first[0].removed),
        ("10.2.0.11".to_owned(), 0, 36, true)
    );
    assert_eq!((first[1].flows, first[1].removed), (43, false));
}

#[test]
fn vips_of_other_kinds_are_read_too() {
    let text = " ip4-l3dsr [1] 192.0.2.1/32\n  new_size:1024\n  protocol:6 port:80\n  dscp:10\n  counters:\n    packet from existing sessions: 0\n    first session packet: 0\n    untracked packet: 0\n    no server configured: 0\n  #as:0\n\n ip4-nat4 [2] 192.0.2.2/32\n  new_size:1024\n  protocol:17 port:53\n  type:nodeport port:20480 target_port:8080  counters:\n    packet from existing sessions: 1\n    first session packet: 2\n    untracked packet: 3\n    no server configured: 4\n  #as:0\n\n";
    let vips = parse(text).expect("VPP's own format strings");
    assert_eq!(vips.iter().map(|vip| vip.pool_index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(vips[1].key, key("192.0.2.2/32", Protocol::UDP, 53));
}

#[test]
fn no_vips_are_no_text() {
    assert_eq!(parse(""), Ok(vec![]));
    assert_eq!(parse("\n"), Ok(vec![]));
}

#[test]
fn an_error_names_the_line() {
    let broken = TEXT.replacen("  new_size:1024", "  new_size:many", 1);
    assert_eq!(parse(&broken), Err(VerboseError { line: 2, text: "  new_size:many".to_owned() }));
    let broken = TEXT.replacen("flows:43", "flows:-1", 1);
    assert_eq!(parse(&broken).map_err(|error| error.line), Err(11));
    let cut = &TEXT[..TEXT.len() / 2];
    assert!(parse(cut).is_err());
    assert!(parse("show: unknown input").is_err());
    // A text of 25.10, whose lines tell no weight.
    let old = TEXT.replace("weight:100 buckets:0 flows:0", "0 buckets   0 flows ");
    assert!(parse(&old).is_err());
}

proptest! {
    #[test]
    fn garbage_never_panics(text in "\\PC*|[ -~\n]{0,400}") {
        let _ = parse(&text);
    }

    #[test]
    fn a_text_with_one_byte_changed_never_panics(at in 0..TEXT.len(), byte in 0_u8..128) {
        let mut text = TEXT.as_bytes().to_vec();
        text[at] = byte;
        let _ = parse(std::str::from_utf8(&text).expect("ASCII"));
    }
}
