use std::io::Read as _;
use std::net::IpAddr;

use serde_json::Value;

use super::vip::{GRE4, GRE6, L3DSR, NAT4, NAT6};
use super::*;

mod properties;

/// A plugin on a VPP with a worker, and the clock of the test.
struct Bench {
    lb: Lb,
    fib: Fib,
    now: u32,
}

impl Bench {
    fn new() -> Self {
        Self { lb: Lb::new(Release::V26_10, 2), fib: Fib::new(28), now: 1000 }
    }

    fn with_vip(vip: &str) -> Self {
        let mut bench = Self::new();
        assert_eq!(bench.add_vip(vip, GRE4, 1024), Ok(Retval::OK));
        bench
    }

    fn add_vip(&mut self, vip: &str, encap: u32, table_length: u32) -> Result<Retval, Fatal> {
        let key = key(vip);
        let new = NewVip {
            vip_type: VipType::of(key.prefix, encap),
            table_length,
            src_ip_sticky: false,
            dscp: 5,
            srv_type: 0,
            target_port: 8080,
        };
        self.lb.add_vip(&mut self.fib, self.now, key, new).map(|(retval, _)| retval)
    }

    fn delete_vip(&mut self, vip: &str) -> Retval {
        self.lb.delete_vip(&mut self.fib, self.now, key(vip))
    }

    fn add(&mut self, vip: &str, server: &str, weight: u8) -> Retval {
        self.lb.add_servers(&mut self.fib, self.now, key(vip), &[address(server)], weight, false)
    }

    fn remove(&mut self, vip: &str, server: &str, flush: bool) -> Retval {
        self.lb.remove_servers(&mut self.fib, self.now, key(vip), &[address(server)], flush)
    }

    fn set_weight(&mut self, vip: &str, server: &str, weight: u8, flush: bool) -> Retval {
        self.lb.set_weight(key(vip), address(server), weight, flush)
    }

    fn collect_garbage(&mut self) {
        self.lb.collect_garbage(&mut self.fib, self.now);
    }

    /// Sends a packet of flow number `hash` to a VIP's port.
    fn send(&mut self, vip: &str, hash: u32) -> Result<Option<Passage>, Fatal> {
        let key = key(vip);
        let packet = Packet {
            thread: 1,
            destination: key.prefix.address,
            family: if key.prefix.is_ip4() { Family::Ip4 } else { Family::Ip6 },
            protocol: key.protocol,
            port: key.port,
            hash,
            address_hash: 0,
            bytes: 100,
        };
        self.lb.forward(&self.fib, self.now, &packet)
    }

    /// What counts the packet, and the server that gets it.
    fn sent(&mut self, vip: &str, hash: u32) -> (VipCounter, Option<IpAddr>) {
        let passage = self.send(vip, hash).expect("VPP survives").expect("a VIP's packet");
        (passage.counter, passage.server.map(|served| served.address.to_ip()))
    }

    /// `address weight buckets flags` of each server, as the API shows them.
    fn servers(&self, vip: &str) -> Vec<(IpAddr, u8, u32, bool)> {
        let index = self.lb.find_vip(key(vip)).expect("a VIP in use");
        let row = |(_, server, buckets): (u32, AppServer, u32)| {
            (server.address.to_ip(), server.weight, buckets, server.in_use)
        };
        self.lb.servers_with_buckets(index).into_iter().map(row).collect()
    }
}

fn address(text: &str) -> Ip46 {
    text.parse::<IpAddr>().expect("an address").into()
}

/// `prefix`, or `prefix protocol port`.
fn key(text: &str) -> VipKey {
    let mut words = text.split(' ');
    let prefix: ipnet::IpNet = words.next().and_then(|word| word.parse().ok()).expect("a prefix");
    let stored_len = if prefix.addr().is_ipv4() { 96 + prefix.prefix_len() } else { prefix.prefix_len() };
    let mut number = |default: u16| words.next().map_or(default, |word| word.parse().expect("a number"));
    let (protocol, port) = (number(255) as u8, number(0));
    VipKey::new(Prefix46 { address: prefix.addr().into(), stored_len }, protocol, port)
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().expect("an address"))
}

#[test]
fn every_recorded_table_has_the_recorded_buckets() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors/vpp-26.10/new-flow-tables.json.gz");
    let Ok(file) = std::fs::File::open(path) else {
        eprintln!("skipped: no recording at {path}");
        return;
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("a gzip file of text");
    let cases: Vec<Value> = serde_json::from_str(&text).expect("a JSON array");
    let mut states = 0;
    for case in &cases {
        let vip = case["vip"].as_str().expect("a prefix");
        let encap = if case["encap"] == "gre4" { GRE4 } else { GRE6 };
        let length = case["new_flows_table_length"].as_u64().expect("a number") as u32;
        let mut bench = Bench::new();
        assert_eq!(bench.add_vip(vip, encap, length), Ok(Retval::OK));
        for step in case["steps"].as_array().expect("a list of steps") {
            for operation in step["ops"].as_array().expect("a list of operations") {
                let server = operation[1].as_str().expect("an address");
                let weight = operation[2].as_u64().expect("a weight") as u8;
                let recorded = operation.get(3).map_or(0, |retval| retval.as_i64().expect("a retval"));
                let retval = match operation[0].as_str() {
                    Some("add" | "readd") => bench.add(vip, server, weight),
                    Some("del") => bench.remove(vip, server, false),
                    Some("weight") => bench.set_weight(vip, server, weight, false),
                    other => panic!("no operation {other:?}"),
                };
                assert_eq!(i64::from(retval.0), recorded, "{operation}");
            }
            let recorded: Vec<_> =
                step["as"].as_array().expect("a list of servers").iter().map(recorded_server).collect();
            assert_eq!(bench.servers(vip), recorded, "{vip}");
            states += 1;
        }
    }
    assert_eq!((cases.len(), states), (59, 132));
}

fn recorded_server(row: &Value) -> (IpAddr, u8, u32, bool) {
    let number = |at: usize| row[at].as_u64().expect("a number") as u32;
    (
        row[0].as_str().and_then(|text| text.parse().ok()).expect("an address"),
        number(1) as u8,
        number(2),
        number(3) == 1,
    )
}

#[test]
fn a_new_vip_is_checked_in_vpps_order() {
    let mut bench = Bench::new();
    // What is asked for: VIP, encapsulation, table length; and what becomes of it.
    for (vip, encap, length, retval) in [
        ("192.0.2.1/32 6 80", GRE4, 1024, Retval::OK),
        ("192.0.2.1/32 6 80", GRE6, 1000, Retval::VALUE_EXIST),
        ("192.0.2.1/32", GRE6, 1000, Retval::VALUE_EXIST),
        ("192.0.2.1/32 6 81", GRE6, 1000, Retval::INVALID_ARGUMENT),
        ("192.0.2.1/32 6 81", GRE4, 1000, Retval::INVALID_MEMORY_SIZE),
        ("192.0.2.1/32 17 80", GRE4, 1024, Retval::OK),
        ("192.0.2.2/32", GRE4, 1024, Retval::OK),
        ("192.0.2.2/32 6 80", GRE4, 1024, Retval::VALUE_EXIST),
        ("192.0.2.3/32 6 80", NAT6, 1000, Retval::INVALID_MEMORY_SIZE),
        ("192.0.2.3/32 6 80", NAT6, 1024, Retval::INVALID_ADDRESS_FAMILY),
        ("192.0.2.3/32 6 80", 7, 1024, Retval::INVALID_ADDRESS_FAMILY),
        ("192.0.2.0/31", GRE4, 1024, Retval::OK),
        ("2001:db8::1/128 6 80", NAT6, 1024, Retval::OK),
        ("2001:db8::2/128", NAT4, 1024, Retval::OK),
        ("2001:db8::3/128", L3DSR, 1024, Retval::OK),
        ("2001:db8::4/128", 7, 1024, Retval::OK),
    ] {
        assert_eq!(bench.add_vip(vip, encap, length), Ok(retval), "{vip} {encap} {length}");
    }
    let types: Vec<_> = bench.lb.vips().map(|(_, vip)| vip.vip_type.name()).collect();
    let silently_gre6 = ["ip6-gre6"; 3];
    assert_eq!(types[..5], ["ip4-gre4", "ip4-gre4", "ip4-gre4", "ip4-gre4", "ip6-nat6"]);
    assert_eq!(types[5..], silently_gre6);
}

#[test]
fn the_family_of_a_server_must_fit_the_encapsulation() {
    let mut bench = Bench::with_vip("192.0.2.1/32");
    assert_eq!(bench.add_vip("192.0.2.2/32", GRE6, 1024), Ok(Retval::OK));
    assert_eq!(bench.add("192.0.2.1/32", "2001:db8::1", 100), Retval::INVALID_ADDRESS_FAMILY);
    assert_eq!(bench.add("192.0.2.2/32", "2001:db8::1", 100), Retval::OK);
    // Taken for IPv4.
    assert_eq!(bench.add("192.0.2.2/32", "::5", 100), Retval::INVALID_ADDRESS_FAMILY);
    assert_eq!(bench.add("192.0.2.9/32", "10.0.0.1", 100), Retval::NO_SUCH_ENTRY);
}

#[test]
fn a_removed_server_lingers_and_comes_back_with_its_sessions() {
    let vip = "192.0.2.1/32 6 80";
    let mut bench = Bench::with_vip(vip);
    bench.add(vip, "10.0.0.1", 100);
    assert_eq!(bench.sent(vip, 7), (VipCounter::First, ip("10.0.0.1")));
    assert_eq!(bench.remove(vip, "10.0.0.1", false), Retval::OK);
    assert_eq!(bench.servers(vip), [("10.0.0.1".parse().expect("an address"), 100, 0, false)]);
    assert_eq!(bench.set_weight(vip, "10.0.0.1", 5, false), Retval::NO_SUCH_ENTRY);
    // Its session goes on, a new one finds nobody.
    assert_eq!(bench.sent(vip, 7), (VipCounter::Next, ip("10.0.0.1")));
    assert_eq!(bench.sent(vip, 8), (VipCounter::NoServer, None));
    assert_eq!(bench.add(vip, "10.0.0.1", 50), Retval::OK);
    assert_eq!(bench.add(vip, "10.0.0.1", 60), Retval::VALUE_EXIST);
    assert_eq!(bench.sent(vip, 7), (VipCounter::Next, ip("10.0.0.1")));
    assert_eq!(bench.servers(vip)[0].1, 50);
}

#[test]
fn garbage_is_collected_only_when_nothing_names_it() {
    let vip = "192.0.2.1/32 6 80";
    let mut bench = Bench::with_vip(vip);
    bench.add(vip, "10.0.0.1", 100);
    bench.sent(vip, 7);
    bench.now += 100;
    bench.remove(vip, "10.0.0.1", false);
    bench.now += 59;
    bench.collect_garbage();
    assert_eq!(bench.lb.server_count(), 1, "a minute has not passed since the last collection");
    bench.now += 1;
    bench.collect_garbage();
    assert_eq!(bench.lb.server_count(), 1, "a session names it, though it has expired");
    assert_eq!(bench.remove(vip, "10.0.0.1", true), Retval::OK, "deleting it again flushes");
    bench.now += 60;
    bench.collect_garbage();
    assert_eq!(bench.lb.server_count(), 0);
    assert_eq!(bench.remove(vip, "10.0.0.1", true), Retval::NO_SUCH_ENTRY);
    let host = Prefix46::host(address("10.0.0.1"));
    assert_eq!(bench.fib.exact(Family::Ip4, host), None, "its route goes with it");
}

#[test]
fn a_removal_is_ten_seconds_old_before_it_is_final() {
    let vip = "192.0.2.1/32 6 80";
    let mut bench = Bench::with_vip(vip);
    bench.add(vip, "10.0.0.1", 100);
    bench.now += 200;
    bench.remove(vip, "10.0.0.1", false);
    // The removal itself collected, so the next collection is a minute away, and then the server is old enough.
    bench.now += 55;
    bench.remove(vip, "10.0.0.1", false);
    bench.now += 5;
    bench.collect_garbage();
    assert_eq!(bench.lb.server_count(), 1, "removed again five seconds ago");
    bench.now += 60;
    bench.collect_garbage();
    assert_eq!(bench.lb.server_count(), 0);
}

#[test]
fn a_vip_added_again_gets_a_new_index_while_the_old_one_lingers() {
    let vip = "192.0.2.1/32 6 80";
    let mut bench = Bench::with_vip(vip);
    bench.add(vip, "10.0.0.1", 100);
    assert_eq!(bench.delete_vip(vip), Retval::OK);
    assert_eq!(bench.delete_vip(vip), Retval::NO_SUCH_ENTRY);
    assert_eq!(bench.send(vip, 7), Ok(None), "its prefix has left the FIB");
    assert_eq!(bench.add_vip(vip, GRE4, 1024), Ok(Retval::OK));
    let indices: Vec<_> = bench.lb.vips().map(|(index, vip)| (index, vip.in_use)).collect();
    assert_eq!(indices, [(1, false), (2, true)]);
    bench.now += 60;
    bench.collect_garbage();
    let indices: Vec<_> = bench.lb.vips().map(|(index, vip)| (index, vip.in_use)).collect();
    assert_eq!(indices, [(2, true)]);
    assert_eq!(bench.add_vip("192.0.2.2/32", GRE4, 1024), Ok(Retval::OK));
    assert_eq!(bench.lb.find_vip(key("192.0.2.2/32")), Some(1), "the freed slot is used again");
}

#[test]
fn a_prefix_stays_in_the_fib_while_another_port_uses_it() {
    let mut bench = Bench::with_vip("192.0.2.1/32 6 80");
    assert_eq!(bench.add_vip("192.0.2.1/32 6 443", GRE4, 1024), Ok(Retval::OK));
    bench.delete_vip("192.0.2.1/32 6 80");
    let passage = bench.send("192.0.2.1/32 6 80", 7).expect("VPP survives").expect("the prefix is a VIP's");
    assert_eq!((passage.vip, passage.counter), (0, VipCounter::NoServer));
    bench.delete_vip("192.0.2.1/32 6 443");
    assert_eq!(bench.send("192.0.2.1/32 6 80", 7), Ok(None));
}

#[test]
fn a_weight_of_0_keeps_sessions_until_they_are_flushed() {
    let vip = "192.0.2.1/32 6 80";
    let mut bench = Bench::with_vip(vip);
    bench.add(vip, "10.0.0.1", 100);
    bench.sent(vip, 7);
    bench.add(vip, "10.0.0.2", 100);
    assert_eq!(bench.set_weight(vip, "10.0.0.1", 0, false), Retval::OK);
    assert_eq!(bench.sent(vip, 7), (VipCounter::Next, ip("10.0.0.1")));
    assert!((100..200).all(|hash| bench.sent(vip, hash).1 == ip("10.0.0.2")));
    assert_eq!(bench.set_weight(vip, "10.0.0.1", 0, true), Retval::OK);
    assert_eq!(bench.sent(vip, 7), (VipCounter::First, ip("10.0.0.2")));
    assert_eq!(bench.lb.counters(1), [1, 102, 0, 0]);
}

#[test]
fn a_session_idle_for_longer_than_the_timeout_is_placed_anew() {
    let vip = "192.0.2.1/32 6 80";
    let mut bench = Bench::with_vip(vip);
    bench.add(vip, "10.0.0.1", 100);
    bench.sent(vip, 7);
    bench.add(vip, "10.0.0.2", 100);
    bench.set_weight(vip, "10.0.0.1", 0, false);
    bench.now += 39;
    assert_eq!(bench.sent(vip, 7), (VipCounter::Next, ip("10.0.0.1")));
    bench.now += 40;
    assert_eq!(bench.sent(vip, 7), (VipCounter::First, ip("10.0.0.2")));
}

#[test]
fn a_flushed_bucket_is_full_until_its_entries_would_have_expired() {
    let vip = "192.0.2.1/32 6 80";
    let mut bench = Bench::with_vip(vip);
    bench.lb.set_conf(Conf { sticky_buckets: 1, ..bench.lb.conf() });
    bench.add(vip, "10.0.0.1", 100);
    assert!((0..4).all(|hash| bench.sent(vip, hash).0 == VipCounter::First));
    assert_eq!(bench.lb.references(1), 4);
    bench.lb.flush_vip(1);
    assert_eq!(bench.lb.references(1), 0);
    assert_eq!(bench.sent(vip, 0), (VipCounter::Untracked, ip("10.0.0.1")));
    bench.now += 40;
    assert_eq!(bench.sent(vip, 0), (VipCounter::First, ip("10.0.0.1")));
}

#[test]
fn a_flow_older_than_its_vips_first_server_is_never_remembered() {
    let vip = "192.0.2.1/32 6 80";
    let mut bench = Bench::with_vip(vip);
    assert_eq!(bench.sent(vip, 7), (VipCounter::NoServer, None));
    bench.add(vip, "10.0.0.1", 100);
    // Each packet finds the entry without a server and takes another place, until there is none left.
    let counters: Vec<_> = (0..5).map(|_| bench.sent(vip, 7).0).collect();
    assert_eq!(counters[..3], [VipCounter::First; 3]);
    assert_eq!(counters[3..], [VipCounter::Untracked; 2]);
}

#[test]
fn another_number_of_sticky_buckets_forgets_all_sessions_at_the_next_packet() {
    let vip = "192.0.2.1/32 6 80";
    let mut bench = Bench::with_vip(vip);
    bench.add(vip, "10.0.0.1", 100);
    assert!((0..10).all(|hash| bench.sent(vip, hash).0 == VipCounter::First));
    assert_eq!(bench.lb.set_conf(Conf { sticky_buckets: 1000, ..bench.lb.conf() }), Retval::INVALID_MEMORY_SIZE);
    assert_eq!(bench.lb.set_conf(Conf { sticky_buckets: 2048, ..bench.lb.conf() }), Retval::OK);
    assert_eq!(bench.lb.references(1), 10);
    assert_eq!(bench.sent(vip, 3).0, VipCounter::First);
    assert_eq!(bench.lb.references(1), 1);
    assert_eq!(bench.lb.sticky_usage(bench.now), [(1, 40, 1, 2051)]);
}

#[test]
fn packets_are_longer_behind_the_plugin() {
    let vip = "192.0.2.1/32 6 80";
    let mut bench = Bench::with_vip(vip);
    bench.add(vip, "10.0.0.1", 100);
    let passage = bench.send(vip, 7).expect("VPP survives").expect("a VIP's packet");
    let served = passage.server.expect("a server");
    assert_eq!((passage.route, served.route, served.bytes, served.is_weighted), (28, 29, 124, true));
}

#[test]
fn a_node_port_that_is_taken_leaves_its_vip_standing() {
    let mut bench = Bench::new();
    let mut add = |vip: &str| {
        let key = key(vip);
        let vip_type = VipType::of(key.prefix, NAT4);
        let new = NewVip { vip_type, table_length: 1024, src_ip_sticky: false, dscp: 0, srv_type: 1, target_port: 80 };
        bench.lb.add_vip(&mut bench.fib, 0, key, new).map(|(retval, _)| retval)
    };
    assert_eq!(add("192.0.2.1/32 6 53"), Ok(Retval::OK));
    assert_eq!(add("192.0.2.2/32 17 53"), Ok(Retval::VALUE_EXIST));
    assert!(bench.lb.find_vip(key("192.0.2.2/32 17 53")).is_some());
    // It is not in the port filter, so that no packet finds it, and VPP calls it unknown when it has deleted it.
    assert_eq!(bench.sent("192.0.2.2/32 17 53", 7), (VipCounter::NoServer, None));
    assert_eq!(bench.delete_vip("192.0.2.2/32 17 53"), Retval::NO_SUCH_ENTRY);
    assert_eq!(bench.lb.find_vip(key("192.0.2.2/32 17 53")), None);
}

#[test]
fn what_kills_vpp_is_said() {
    let mut bench = Bench::new();
    assert_eq!(bench.add_vip("192.0.2.1/32", GRE4, 0), Err(Fatal::TableLength(1 << 32)));
    assert_eq!(bench.add_vip("192.0.2.1/32", GRE4, 1 << 31), Err(Fatal::TableLength(1 << 31)));
    assert_eq!(bench.add_vip("192.0.2.1/32", NAT4, 1024), Err(Fatal::NatWithoutPort));
    let vip = "192.0.2.1/32 6 80";
    for buckets in [0, 1 << 26] {
        let mut bench = Bench::with_vip(vip);
        assert_eq!(bench.lb.set_conf(Conf { sticky_buckets: buckets, ..bench.lb.conf() }), Retval::OK);
        assert_eq!(bench.send(vip, 7), Err(Fatal::StickyBuckets(buckets)));
    }
    let mut bench = Bench::with_vip(vip);
    assert_eq!(bench.add(vip, "192.0.2.1", 100), Retval::OK);
    assert_eq!(bench.send(vip, 7), Err(Fatal::ServerIsVip(address("192.0.2.1"))));
}

#[test]
fn a_reused_slot_shows_what_was_left_in_it() {
    let mut bench = Bench::new();
    assert_eq!(bench.add_vip("192.0.2.1/32", L3DSR, 1024), Ok(Retval::OK));
    bench.delete_vip("192.0.2.1/32");
    bench.collect_garbage();
    assert_eq!(bench.add_vip("192.0.2.2/32", GRE4, 1024), Ok(Retval::OK));
    let (index, vip) = bench.lb.vips().next().expect("a VIP");
    assert_eq!((index, vip.dscp_or_srv_type), (1, 5));
}
