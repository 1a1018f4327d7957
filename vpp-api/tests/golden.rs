//! Golden bodies, both ways: bytes to value, value to bytes. See `tests/golden/README.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use serde::Serialize;
use serde_json::{Value, json};
use vpp_api::message::{Envelope, Message, decode_body, encode_body, message_id};
use vpp_api::messages::interface::{
    SwInterfaceDetails, SwInterfaceDump, SwInterfaceEvent, WantInterfaceEvents, WantInterfaceEventsReply,
};
use vpp_api::messages::ip::{IpRouteLookup, IpRouteLookupReply, IpRouteLookupV2, IpRouteLookupV2Reply};
use vpp_api::messages::lb::*;
use vpp_api::messages::memclnt::*;
use vpp_api::messages::vlib::{CliInband, CliInbandReply};
use vpp_api::messages::vpe::{ShowVersion, ShowVersionReply, ShowVpeSystemTime, ShowVpeSystemTimeReply};
use vpp_api::messages::{Visitor, visit_all};
use vpp_api::types::{Encap, FixedString, IpProto, Prefix, SrvType, Text};

#[test]
fn every_golden_body_means_what_its_json_says_and_encodes_to_the_same_bytes() {
    let mut cases = 0;
    for message in entries(&directory()).into_iter().filter(|path| path.is_dir()) {
        let name = message.file_name().expect("a directory has a name").to_string_lossy().into_owned();
        for hex in entries(&message).into_iter().filter(|path| path.extension().is_some_and(|end| end == "hex")) {
            check_by_name(&name, &hex);
            cases += 1;
        }
    }
    assert!(cases > 80, "only {cases} cases");
}

#[test]
fn every_message_has_a_golden_body() {
    struct Missing(BTreeSet<String>, Vec<&'static str>);

    impl Visitor for Missing {
        fn visit<M: Message>(&mut self) {
            if !self.0.contains(M::NAME) {
                self.1.push(M::NAME);
            }
        }
    }

    let there = entries(&directory())
        .iter()
        .filter(|path| path.is_dir() && !entries(path).is_empty())
        .map(|path| path.file_name().expect("a directory has a name").to_string_lossy().into_owned())
        .collect();
    let mut missing = Missing(there, Vec::new());
    visit_all(&mut missing);
    assert_eq!(missing.1, [""; 0]);
}

// The same bytes again from values written in Rust: here a wrong field name or type does not compile.

#[test]
fn sockclnt_create_is_as_the_python_client_packs_it() {
    let message = SockclntCreate { name: FixedString::clipped("lbctl") };
    typed("sockclnt_create/lbctl", 15, Envelope { client_index: 0, context: 0x1122_3344 }, &message);
}

#[test]
fn control_ping_is_as_the_python_client_packs_it() {
    typed("control_ping/context_7", 23, envelope(7), &ControlPing {});
}

#[test]
fn vips_are_as_the_python_client_packs_them() {
    let gre4 = LbAddDelVipV2 {
        pfx: prefix("192.0.2.10/32"),
        protocol: IpProto::TCP,
        port: 443,
        encap: Encap::Gre4,
        dscp: 0,
        r#type: SrvType::ClusterIp,
        target_port: 0,
        node_port: 0,
        new_flows_table_length: 1024,
        src_ip_sticky: true,
        is_del: false,
    };
    typed("lb_add_del_vip_v2/gre4_src_ip_sticky", 0x123, envelope(8), &gre4);
    let gre6 = LbAddDelVipV2 {
        pfx: prefix("2001:db8::10/128"),
        protocol: IpProto::ANY,
        port: 0,
        encap: Encap::Gre6,
        new_flows_table_length: 65_536,
        src_ip_sticky: false,
        ..gre4
    };
    typed("lb_add_del_vip_v2/gre6_all_ports", 0x123, envelope(8), &gre6);
}

#[test]
fn a_nodeport_stands_in_the_byte_that_vpp_keeps() {
    let nodeport = LbAddDelVipV2 {
        pfx: prefix("192.0.2.10/32"),
        protocol: IpProto::UDP,
        port: 53,
        encap: Encap::Nat4,
        dscp: 0,
        r#type: SrvType::NodePort,
        target_port: 8080,
        node_port: 30_080,
        new_flows_table_length: 4096,
        src_ip_sticky: false,
        is_del: false,
    };
    typed("lb_add_del_vip_v2/nodeport", 0x123, envelope(8), &nodeport);
}

#[test]
fn servers_are_as_the_python_client_packs_them() {
    let message = LbAddDelAsV2 {
        pfx: prefix("192.0.2.10/32"),
        protocol: IpProto::TCP,
        port: 443,
        as_address: prefix("10.0.0.1/32").address,
        weight: 100,
        is_del: false,
        is_flush: false,
    };
    typed("lb_add_del_as_v2/weight_100", 0x123, envelope(9), &message);
}

#[test]
fn dumps_of_everything_are_as_the_python_client_packs_them() {
    typed("lb_as_v2_dump/all", 0x123, envelope(10), &LbAsV2Dump::all());
    typed("lb_vip_dump/all", 0x123, envelope(10), &LbVipDump::all());
}

#[test]
fn the_filter_of_one_vip_is_placed_as_vpp_compares_it() {
    let prefix = "192.0.2.10/32".parse().expect("a prefix");
    typed("lb_as_v2_dump/one_vip", 0x123, envelope(10), &LbAsV2Dump::vip(prefix, IpProto::TCP, 80));
}

#[test]
fn commands_are_as_the_python_client_packs_them() {
    let message = CliInband { cmd: Text::from("show lb vips verbose") };
    typed("cli_inband/show_lb_vips_verbose", 0x123, envelope(11), &message);
}

#[test]
fn look_ups_are_as_the_python_client_packs_them() {
    let message = IpRouteLookup { table_id: 0, exact: 1, prefix: prefix("192.0.2.10/32") };
    typed("ip_route_lookup/exact", 0x123, envelope(12), &message);
}

#[test]
fn lb_conf_is_as_the_python_client_packs_it() {
    let message = LbConf {
        ip4_src_address: [192, 0, 2, 1].into(),
        ip6_src_address: "2001:db8::1".parse().expect("an address"),
        sticky_buckets_per_core: u32::MAX,
        flow_timeout: u32::MAX,
    };
    typed("lb_conf/keep", 0x123, envelope(13), &message);
}

fn envelope(context: u32) -> Envelope {
    Envelope { client_index: 0x8000_0001, context }
}

fn prefix(text: &str) -> Prefix {
    Prefix::from(text.parse::<ipnet::IpNet>().expect("a prefix"))
}

fn typed<M: Message>(case: &str, id: u16, envelope: Envelope, message: &M) {
    let golden = read_hex(&directory().join(case).with_extension("hex"));
    let mut out = BytesMut::new();
    encode_body(id, envelope, message, &mut out);
    assert_eq!(out, golden, "{case}");
    assert_eq!(decode_body::<M>(&golden).expect(case), (envelope, message.clone()), "{case}");
}

macro_rules! check_one_of {
    ($name:expr, $hex:expr; $($ty:ident)*) => {
        match $name {
            $( $ty::NAME => check::<$ty>($hex), )*
            other => panic!("tests/golden/{other} belongs to no message"),
        }
    };
}

fn check_by_name(name: &str, hex: &Path) {
    check_one_of!(name, hex;
        GetFirstMsgId GetFirstMsgIdReply ApiVersions ApiVersionsReply SockclntCreate SockclntCreateReply
        SockclntDelete SockclntDeleteReply MemclntKeepalive MemclntKeepaliveReply ControlPing ControlPingReply
        GetApiJson GetApiJsonReply ShowVersion ShowVersionReply ShowVpeSystemTime ShowVpeSystemTimeReply CliInband
        CliInbandReply IpRouteLookup IpRouteLookupReply IpRouteLookupV2 IpRouteLookupV2Reply LbConf LbConfReply
        LbConfGet LbConfGetReply LbAddDelVip LbAddDelVipReply LbAddDelVipV2 LbAddDelVipV2Reply LbAddDelAs
        LbAddDelAsReply LbAddDelAsV2 LbAddDelAsV2Reply LbAsSetWeight LbAsSetWeightReply LbFlushVip LbFlushVipReply
        LbVipDump LbVipDetails LbAsDump LbAsDetails LbAsV2Dump LbAsV2Details LbAddDelIntfNat4 LbAddDelIntfNat4Reply
        LbAddDelIntfNat6 LbAddDelIntfNat6Reply WantInterfaceEvents WantInterfaceEventsReply SwInterfaceEvent
        SwInterfaceDetails SwInterfaceDump
    );
}

fn check<M: Message + Serialize>(hex: &Path) {
    let case = hex.display();
    let golden = read_hex(hex);
    let expected: Value =
        serde_json::from_slice(&fs::read(hex.with_extension("json")).expect("each .hex has its .json")).expect("JSON");

    let (envelope, message) = decode_body::<M>(&golden).unwrap_or_else(|error| panic!("{case}: {error}"));
    let id = message_id(&golden).expect("a body has an id");
    let mut found = json!({ "origin": expected["origin"], "id": id, "fields": message });
    if M::KIND.has_client_index() {
        found["client_index"] = json!(envelope.client_index);
    }
    if M::KIND.has_context() {
        found["context"] = json!(envelope.context);
    }
    // Those whose result code has another name show it among the fields.
    if let Some(retval) = message.status().filter(|_| expected["fields"].get("response").is_none()) {
        found["retval"] = json!(retval);
    }
    assert_eq!(found, expected, "{case}");

    let mut out = BytesMut::new();
    encode_body(id, envelope, &message, &mut out);
    assert_eq!(out, golden, "{case}");
}

fn read_hex(path: &Path) -> Vec<u8> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("bytes in hexadecimal")).collect()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries.map(|entry| entry.expect("a readable directory").path()).collect()
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}
