use proptest::prelude::*;

use super::*;
use crate::model::Encap;

/// Of VPP 26.10.
const TEXT: &str = include_str!("tests/show-lb-vips-verbose.txt");
/// Of VPP 25.10, which tells no weights.
const OLD_TEXT: &str = include_str!("tests/show-lb-vips-verbose-25.10.txt");

fn key(prefix: &str, protocol: Protocol, port: u16) -> VipKey {
    VipKey::new(prefix.parse().expect("a prefix"), protocol, port)
}

#[test]
fn a_recorded_text_is_read_whole() {
    let shown = vips(TEXT).expect("VPP printed it");
    let told: Vec<(VipKey, u32, bool, bool, u32, usize)> = shown
        .iter()
        .map(|vip| (vip.key, vip.pool_index, vip.src_ip_sticky, vip.removed, vip.table_length, vip.ases.len()))
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
    let first = &shown[0].ases;
    assert_eq!(
        (first[0].address.to_string(), first[0].flows, first[0].stats_index, first[0].removed),
        ("10.2.0.11".to_owned(), 0, 36, true)
    );
    assert_eq!((first[1].flows, first[1].removed), (43, false));
}

#[test]
fn vips_of_other_kinds_are_read_too() {
    let text = " ip4-l3dsr [1] 192.0.2.1/32\n  new_size:1024\n  protocol:6 port:80\n  dscp:10\n  counters:\n    packet from existing sessions: 0\n    first session packet: 0\n    untracked packet: 0\n    no server configured: 0\n  #as:0\n\n ip4-nat4 [2] 192.0.2.2/32\n  new_size:1024\n  protocol:17 port:53\n  type:nodeport port:20480 target_port:8080  counters:\n    packet from existing sessions: 1\n    first session packet: 2\n    untracked packet: 3\n    no server configured: 4\n  #as:0\n\n";
    let shown = vips(text).expect("VPP's own format strings");
    assert_eq!(shown.iter().map(|vip| vip.pool_index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(shown[1].key, key("192.0.2.2/32", Protocol::UDP, 53));
}

#[test]
fn no_vips_are_no_text() {
    assert_eq!(vips(""), Ok(vec![]));
    assert_eq!(vips("\n"), Ok(vec![]));
}

#[test]
fn an_error_names_the_line() {
    let broken = TEXT.replacen("  new_size:1024", "  new_size:many", 1);
    assert_eq!(vips(&broken), Err(TextError { line: 2, text: "  new_size:many".to_owned() }));
    let broken = TEXT.replacen("flows:43", "flows:-1", 1);
    assert_eq!(vips(&broken).map_err(|error| error.line), Err(11));
    let cut = &TEXT[..TEXT.len() / 2];
    assert!(vips(cut).is_err());
    assert!(vips("show: unknown input").is_err());
    let broken = OLD_TEXT.replacen("341 buckets", "-1 buckets", 1);
    assert_eq!(vips(&broken).map_err(|error| error.line), Err(33));
}

#[test]
fn a_text_recorded_from_25_10_is_read_whole() {
    let shown = vips(OLD_TEXT).expect("VPP printed it");
    let told: Vec<(VipKey, ActualEncap, bool, bool)> =
        shown.iter().map(|vip| (vip.key, vip.encap, vip.src_ip_sticky, vip.removed)).collect();
    let [gre4, gre6] = [Encap::Gre4, Encap::Gre6].map(ActualEncap::Gre);
    assert_eq!(
        told,
        [
            (key("::/32", Protocol::TCP, 80), gre4, false, false),
            (key("2001:db8:a::10/128", Protocol::TCP, 443), gre6, true, false),
            (key("192.0.2.20/32", Protocol::TCP, 80), gre4, false, false),
            (key("192.0.2.30/32", Protocol::TCP, 443), gre4, true, false),
            (key("192.0.2.31/32", Protocol::ANY, 0), gre4, false, true),
        ]
    );
    let buckets: Vec<u32> = shown[2].ases.iter().map(|server| server.buckets).collect();
    assert_eq!(buckets, [342, 341, 341]);
    assert!(shown.iter().flat_map(|vip| &vip.ases).all(|server| server.weight.is_none()));
    let row = |address: &str, in_use| AsRow {
        key: key("192.0.2.30/32", Protocol::TCP, 443),
        address: address.parse().expect("an address"),
        in_use,
        weight: 1,
    };
    assert_eq!(shown[3].as_rows().collect::<Vec<_>>(), [row("10.2.0.12", true), row("10.2.0.11", false)]);
    assert_eq!(shown[2].row(), VipRow { key: shown[2].key, encap: gre4, table_length: 1024 });
}

#[test]
fn a_dump_shows_the_low_half_of_a_length_and_so_does_a_row() {
    let row = vips(TEXT).expect("VPP printed it")[5].row();
    assert_eq!((row.key, row.table_length), (key("2001:db8:b::/64", Protocol::ANY, 0), 0));
}

proptest! {
    #[test]
    fn garbage_never_panics(text in "\\PC*|[ -~\n]{0,400}") {
        let _ = vips(&text);
    }

    #[test]
    fn a_text_with_one_byte_changed_never_panics(at in 0..TEXT.len(), byte in 0_u8..128) {
        let mut text = TEXT.as_bytes().to_vec();
        text[at] = byte;
        let _ = vips(std::str::from_utf8(&text).expect("ASCII"));
    }
}
