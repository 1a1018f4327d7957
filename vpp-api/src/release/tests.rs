use bytes::BytesMut;
use ipnet::IpNet;

use super::*;
use crate::message::{Envelope, Message, decode_body, encode_body};
use crate::messages::lb::{LbAsDetails, LbFlushVip, LbVip, LbVipDetails};
use crate::messages::{Visitor, visit_all};
use crate::types::{Address, AddressFamily, Encap, IpProto, Prefix, PrefixError, SrvType};

const BOTH: [Quirks; 2] = [Quirks::NONE, Quirks::BEFORE_26_10];

/// The table of a VPP that has every message of this crate but those whose name begins so.
fn table_without(absent: &[&str]) -> MessageTable {
    struct Names(Vec<&'static str>);

    impl Visitor for Names {
        fn visit<M: Message>(&mut self) {
            self.0.push(M::NAME_CRC);
        }
    }

    let mut names = Names(Vec::new());
    visit_all(&mut names);
    names.0.retain(|name| !absent.iter().any(|absent| name.starts_with(absent)));
    (1..).zip(names.0).collect()
}

/// What 26.10 added.
const NEWEST: [&str; 4] = ["lb_conf_get", "lb_add_del_as_v2", "lb_as_set_weight", "lb_as_v2_"];

#[test]
fn the_table_of_each_release_tells_what_it_can_do() {
    let old = NEWEST;
    let before_24_06 = [&NEWEST[..], &["get_api_json"]].concat();
    let before_23_02 = [&before_24_06[..], &["lb_add_del_vip_v2"]].concat();
    for (release, absent, expected) in [
        ("26.10", &[][..], "lb, weights, lb_conf_get, src_ip_sticky, ip_route_lookup_v2, api json"),
        (
            "26.10 that keeps its definitions",
            &["get_api_json"],
            "lb, weights, lb_conf_get, src_ip_sticky, ip_route_lookup_v2",
        ),
        ("26.06 to 24.06", &old[..], "lb, src_ip_sticky, ip_route_lookup_v2, api json"),
        ("24.02 to 23.02", &before_24_06[..], "lb, ip_route_lookup_v2"),
        ("22.10", &before_23_02[..], "lb, ip_route_lookup_v2"),
        ("26.10 without lb", &["lb_"][..], "ip_route_lookup_v2, api json"),
    ] {
        assert_eq!(Capabilities::of(&table_without(absent)).to_string(), expected, "{release}");
    }
    assert_eq!(Capabilities::of(&MessageTable::default()), Capabilities::default());
    assert_eq!(Capabilities::default().to_string(), "none");
}

#[test]
fn a_capability_needs_each_of_its_messages_and_what_answers_it() {
    for (absent, expected) in [
        ("lb_conf_56cd3261", Capabilities { lb: false, ..everything() }),
        ("lb_add_del_as_35d72500", Capabilities { lb: false, ..everything() }),
        ("lb_as_details", Capabilities { lb: false, ..everything() }),
        ("lb_add_del_as_v2", Capabilities { weights: false, ..everything() }),
        ("lb_as_set_weight_reply", Capabilities { weights: false, ..everything() }),
        ("lb_as_v2_details", Capabilities { weights: false, ..everything() }),
        ("lb_conf_get_reply", Capabilities { lb_conf_get: false, ..everything() }),
        ("lb_add_del_vip_v2", Capabilities { src_ip_sticky: false, ..everything() }),
        ("ip_route_lookup_v2_reply", Capabilities { ip_route_lookup_v2: false, ..everything() }),
        ("get_api_json_reply", Capabilities { api_json: false, ..everything() }),
    ] {
        assert_eq!(Capabilities::of(&table_without(&[absent])), expected, "without {absent}");
    }
}

#[test]
fn a_message_of_another_layout_is_no_message() {
    let renamed = |(name, id): (&str, u16)| (id, name.replace("lb_conf_get_51077d14", "lb_conf_get_00000000"));
    let table: MessageTable = table_without(&[]).iter().map(renamed).collect();
    let capabilities = Capabilities::of(&table);
    assert!(!capabilities.lb_conf_get);
    assert_eq!(capabilities.quirks(), Quirks::BEFORE_26_10);
}

#[test]
fn the_corrected_handlers_are_recognised_without_weights_too() {
    // One commit of VPP was so.
    let between = Capabilities::of(&table_without(&["lb_add_del_as_v2", "lb_as_set_weight", "lb_as_v2_"]));
    assert!(!between.weights);
    assert_eq!(between.quirks(), Quirks::NONE);
}

#[test]
fn prefixes_come_back_as_they_went() {
    for quirks in BOTH {
        for text in ["192.0.2.10/32", "10.0.0.0/8", "0.0.0.0/0", "2001:db8::10/128", "2001:db8::/32", "fd00::/8"] {
            let net: IpNet = text.parse().expect("a prefix");
            assert_eq!(quirks.net(&quirks.prefix(net)), Ok(net), "{quirks:?}");
        }
    }
}

#[test]
fn what_a_plain_length_made_of_a_vip_is_seen_as_it_is() {
    let shown = Prefix { address: Address::default(), len: 32 };
    assert_eq!(Quirks::BEFORE_26_10.net(&shown), Ok("::/32".parse().expect("a prefix")));
    assert_eq!(Quirks::NONE.net(&shown), Ok("0.0.0.0/32".parse().expect("a prefix")));
}

#[test]
fn a_length_that_no_family_has_is_refused_as_it_came() {
    for (quirks, af, len) in [
        (Quirks::BEFORE_26_10, AddressFamily::Ip4, 129),
        (Quirks::BEFORE_26_10, AddressFamily::Ip4, 255),
        (Quirks::BEFORE_26_10, AddressFamily::Ip6, 129),
        (Quirks::NONE, AddressFamily::Ip4, 33),
        (Quirks::NONE, AddressFamily::Ip4, 128),
    ] {
        let pfx = Prefix { address: Address { af, bytes: [0; 16] }, len };
        assert_eq!(quirks.net(&pfx), Err(PrefixError { ip: pfx.address.ip(), len }), "{quirks:?} {pfx}");
    }
}

#[test]
fn encapsulations_are_swapped_for_the_old_handlers_alone() {
    for encap in [Encap::Gre4, Encap::Gre6, Encap::L3dsr, Encap::Nat4, Encap::Nat6] {
        assert_eq!(Quirks::NONE.encap(encap), encap);
        assert_eq!(u32::from(Quirks::BEFORE_26_10.encap(encap)), u32::from(encap) << 24);
    }
}

#[test]
fn the_internal_types_of_old_details_stand_for_encapsulations() {
    let old: Vec<_> = (0..=7).map(|number| Quirks::BEFORE_26_10.details_encap(Encap::from(number))).collect();
    // ip6-gre6, ip6-gre4, ip4-gre6, ip4-gre4, ip4-l3dsr, ip4-nat4, ip6-nat6, and one that is none.
    assert_eq!(
        old,
        [Encap::Gre6, Encap::Gre4, Encap::Gre6, Encap::Gre4, Encap::L3dsr, Encap::Nat4, Encap::Nat6, Encap::Unknown(7)]
    );
    let new: Vec<_> = (0..=7).map(|number| Quirks::NONE.details_encap(Encap::from(number))).collect();
    assert_eq!(new, (0..=7).map(Encap::from).collect::<Vec<_>>());
}

#[test]
fn a_protocol_that_is_not_told_is_none() {
    let vip = |protocol, port| LbVip { pfx: Prefix::default(), protocol: IpProto(protocol), port };
    assert_eq!(Quirks::NONE.protocol(&vip(6, 80)), Some(IpProto::TCP));
    assert_eq!(Quirks::NONE.protocol(&vip(255, 0)), Some(IpProto::ANY));
    assert_eq!(Quirks::BEFORE_26_10.protocol(&vip(0, 80)), None);
    assert_eq!(Quirks::BEFORE_26_10.protocol(&vip(0, 0)), Some(IpProto::ANY));
}

#[test]
fn every_table_length_is_told_by_one_generation_or_the_other() {
    for length in (0..32).map(|log2| 1_u32 << log2) {
        let told = BOTH.map(|quirks| quirks.table_length(quirks.shown_table_length(length)));
        let expected = if length < 65_536 { [Some(length), None] } else { [None, Some(length)] };
        assert_eq!(told, expected);
    }
}

// Golden bodies. Details came from a live 25.10, the first two requests were recorded, the others are what its handlers read; ids of those
// are 291.

#[test]
fn old_vips_and_servers_are_asked_for_as_25_10_takes_them() {
    let quirks = Quirks::BEFORE_26_10;
    // Recorded: VPP 25.10 made 192.0.2.20/32 of it.
    let vip = LbAddDelVipV2 {
        pfx: quirks.prefix("192.0.2.20/32".parse().expect("a prefix")),
        protocol: IpProto::TCP,
        port: 80,
        encap: quirks.encap(Encap::Gre4),
        dscp: 0,
        r#type: SrvType::ClusterIp,
        target_port: 0,
        node_port: 0,
        new_flows_table_length: 1024,
        src_ip_sticky: false,
        is_del: false,
    };
    golden(
        0x3c,
        8,
        &vip,
        "003c 80000001 00000008 00c0000214000000000000000000000000 80 06 0050 00000000 00 00000000 0000 0000 00000400 00 00",
    );
    let server = LbAddDelAs {
        pfx: vip.pfx,
        protocol: vip.protocol,
        port: vip.port,
        as_address: Address::from(std::net::IpAddr::from([10, 2, 0, 11])),
        is_del: false,
        is_flush: false,
    };
    golden(
        0x3e,
        9,
        &server,
        "003e 80000001 00000009 00c0000214000000000000000000000000 80 06 0050 000a02000b000000000000000000000000 00 00",
    );
    // Little-endian GRE6, and an IPv6 length as it is.
    let gre6 = LbAddDelVipV2 {
        pfx: quirks.prefix("2001:db8::10/128".parse().expect("a prefix")),
        encap: quirks.encap(Encap::Gre6),
        ..vip
    };
    golden(
        0x123,
        8,
        &gre6,
        "0123 80000001 00000008 0120010db8000000000000000000000010 80 06 0050 01000000 00 00000000 0000 0000 00000400 00 00",
    );
}

#[test]
fn old_flushes_and_filters_have_ipv4_at_the_end_and_filters_a_little_endian_port() {
    let net: IpNet = "192.0.2.20/32".parse().expect("a prefix");
    let flush = |quirks: Quirks| LbFlushVip { pfx: quirks.flush_prefix(net), protocol: IpProto::TCP, port: 80 };
    golden(
        0x123,
        9,
        &flush(Quirks::BEFORE_26_10),
        "0123 80000001 00000009 01000000000000000000000000c0000214 80 06 0050",
    );
    golden(0x123, 9, &flush(Quirks::NONE), "0123 80000001 00000009 00c0000214000000000000000000000000 20 06 0050");
    golden(
        0x123,
        9,
        &Quirks::BEFORE_26_10.as_dump(net, IpProto::TCP, 80),
        "0123 80000001 00000009 01000000000000000000000000c0000214 80 06 5000",
    );
    golden(
        0x123,
        9,
        &Quirks::NONE.as_dump(net, IpProto::TCP, 80),
        "0123 80000001 00000009 01000000000000000000000000c0000214 80 06 0050",
    );
}

#[test]
fn details_of_25_10_are_understood() {
    let quirks = Quirks::BEFORE_26_10;
    for (body, prefix, port, protocol, encap, length) in [
        (
            "00c00002140000000000000000000000008000005000000003000000000000000000",
            "192.0.2.20/32",
            80,
            None,
            Encap::Gre4,
            None,
        ),
        (
            "0120010db8000a00000000000000000010800001bb00000000000000000000000000",
            "2001:db8:a::10/128",
            443,
            None,
            Encap::Gre6,
            None,
        ),
        (
            "00c000021500000000000000000000000080000050000000042e2e00000000000000",
            "192.0.2.21/32",
            80,
            None,
            Encap::L3dsr,
            None,
        ),
        (
            "00c000021600000000000000000000000080000035000000050101000000901f0000",
            "192.0.2.22/32",
            53,
            None,
            Encap::Nat4,
            None,
        ),
        (
            "00c00002170000000000000000000000008000000000000002000000000000000002",
            "192.0.2.23/32",
            0,
            Some(IpProto::ANY),
            Encap::Gre6,
            Some(131_072),
        ),
        // Asked for as 192.0.2.25/32, with its plain length.
        ("00000000000000000000000000000000002000005000000001000000000000000000", "::/32", 80, None, Encap::Gre4, None),
    ] {
        let (_, row) = decode_body::<LbVipDetails>(&bytes(&format!("0043 000001f3 {body}"))).expect("a VIP");
        assert_eq!(quirks.net(&row.vip.pfx), Ok(prefix.parse().expect("a prefix")));
        assert_eq!((row.vip.port, quirks.protocol(&row.vip)), (port, protocol), "{prefix}");
        assert_eq!(quirks.details_encap(row.encap), encap, "{prefix}");
        assert_eq!(quirks.table_length(row.flow_table_length), length, "{prefix}");
    }

    let body = "0045 000001f4 0120010db8000a00000000000000000010800001bb0120010db80002000000000000000000110100000000";
    let (_, server) = decode_body::<LbAsDetails>(&bytes(body)).expect("a server");
    assert_eq!(quirks.net(&server.vip.pfx), Ok("2001:db8:a::10/128".parse().expect("a prefix")));
    assert_eq!((server.app_srv.to_string().as_str(), server.flags), ("2001:db8:2::11", 1));
}

fn everything() -> Capabilities {
    Capabilities::of(&table_without(&[]))
}

fn golden<M: Message>(id: u16, context: u32, message: &M, expected: &str) {
    let mut out = BytesMut::new();
    encode_body(id, Envelope { client_index: 0x8000_0001, context }, message, &mut out);
    assert_eq!(out, bytes(expected), "{message:?}");
}

fn bytes(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal")).collect()
}
