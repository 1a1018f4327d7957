//! Asks a real VPP and this one the same at random, packets included, and compares every answer.
//!
//! Needs `MAGLEV_VPP_BIN`, the `vpp` program, and `MAGLEV_VPP_PLUGINS`, the folder of its plugins, of 26.10-rc0, and root.
//! `MAGLEV_VPP_SEED` repeats a run. With `MAGLEV_VPP_SLOW` it also waits, two minutes, until garbage is collected.

mod process;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};
use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;
use maglev_sync::table::{Flow, flow_hash};
use vpp_api::client::Client;
use vpp_api::error::CallError;
use vpp_api::message::{Dump, Reply, Request};
use vpp_api::messages::ip::IpRouteLookup;
use vpp_api::messages::lb::{
    LbAddDelAs, LbAddDelAsV2, LbAddDelVip, LbAddDelVipV2, LbAsDump, LbAsSetWeight, LbAsV2Dump, LbConf, LbConfGet,
    LbFlushVip, LbVipDump,
};
use vpp_api::messages::vlib::CliInband;
use vpp_api::types::{Address, Encap, IpProto, Prefix, PrefixMatcher, SrvType, Text};
use vpp_stats::{CombinedCounter, Segment};

use self::process::LiveVpp;
use super::*;
use crate::addr::Ip46;
use crate::fib::Family;
use crate::lb::Packet;

#[tokio::test]
async fn a_real_vpp_gives_the_same_answers() {
    let (Some(program), Some(plugins)) = (std::env::var_os("MAGLEV_VPP_BIN"), std::env::var_os("MAGLEV_VPP_PLUGINS"))
    else {
        eprintln!("skipped: MAGLEV_VPP_BIN and MAGLEV_VPP_PLUGINS name no VPP");
        return;
    };
    let seed =
        std::env::var("MAGLEV_VPP_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    eprintln!("MAGLEV_VPP_SEED={seed}");
    let is_slow = std::env::var_os("MAGLEV_VPP_SLOW").is_some();
    let mut pair = Pair::start(Path::new(&program), Path::new(&plugins), seed).await;
    // Two NAT VIPs with a server in common would be VPP's end when their garbage is collected.
    pair.has_nat = !is_slow;
    pair.steps(4000).await;
    pair.compare_counters();
    if is_slow {
        // The first collection is a minute after VPP's start and passes those by that are not a minute old.
        while pair.started.elapsed() < Duration::from_secs(125) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            pair.ours.handle_timeout(pair.now());
        }
        let left = pair.ours.lb.server_count();
        pair.compare_all().await;
        pair.steps(1000).await;
        eprintln!("{left} servers were left by the garbage collection");
    }
    eprintln!("{} packets", pair.packets);
}

/// A real VPP and ours.
struct Pair {
    live: LiveVpp,
    client: Client,
    ours: Vpp,
    started: Instant,
    random: Rng,
    /// What the real one's statistics indices are ahead by.
    offset: i64,
    packets: u64,
    has_nat: bool,
    /// What our packets should have moved: rows of `/net/route/to` and `/net/route/via`.
    to: BTreeMap<u32, CombinedCounter>,
    via: BTreeMap<u32, CombinedCounter>,
}

impl Pair {
    async fn start(program: &Path, plugins: &Path, seed: u64) -> Self {
        let started = Instant::now();
        let live = LiveVpp::start(program, plugins);
        let client = live.connect().await;
        let identity = Identity { release: Release::V26_10, pid: 0 };
        let mut pair = Self {
            live,
            client,
            ours: Vpp::new(identity, 1, FIRST_INDEX as u32, Interface::defaults()),
            started,
            random: Rng::with_seed(seed),
            offset: 0,
            packets: 0,
            has_nat: true,
            to: BTreeMap::new(),
            via: BTreeMap::new(),
        };
        // Nothing shall expire during the test.
        pair.call(&pair.ours.release_conf()).await;
        let first = LbAddDelVipV2 {
            is_del: false,
            port: 1,
            protocol: IpProto::UDP,
            pfx: prefix("192.0.2.100/32"),
            ..pair.vip()
        };
        pair.call(&LbAddDelVipV2 { new_flows_table_length: 16, encap: Encap::from(0), ..first }).await;
        let look_up = IpRouteLookup { table_id: 0, exact: 1, prefix: prefix("192.0.2.100/32") };
        pair.offset = pair.client.call(&look_up).await.expect("a route").route.stats_index.into();
        pair.offset -= FIRST_INDEX;
        pair
    }

    /// Does so many things, within 40 s: garbage is collected a minute after VPP's start at the earliest.
    async fn steps(&mut self, count: u32) {
        let begin = Instant::now();
        for step in 0..count {
            if begin.elapsed() > Duration::from_secs(40) {
                eprintln!("only {step} steps, the machine is slow");
                break;
            }
            self.step().await;
            if step % 50 == 0 {
                self.compare_all().await;
            }
        }
        self.compare_all().await;
    }

    /// Does one thing at random to both.
    async fn step(&mut self) {
        let key = self.vip();
        let LbAddDelVipV2 { pfx, protocol, port, is_del, .. } = key;
        let (as_address, weight) = (self.server(), self.weight());
        let is_flush = self.random.bool();
        match self.random.u32(0..28) {
            0..=3 => self.call(&key).await,
            4 => {
                let LbAddDelVipV2 { encap, dscp, r#type, target_port, node_port, new_flows_table_length, .. } = key;
                let v1 = LbAddDelVip {
                    pfx,
                    protocol,
                    port,
                    encap,
                    dscp,
                    r#type,
                    target_port,
                    node_port,
                    new_flows_table_length,
                    is_del,
                };
                self.call(&v1).await;
            }
            5..=10 => self.call(&LbAddDelAsV2 { pfx, protocol, port, as_address, weight, is_del, is_flush }).await,
            11 => self.call(&LbAddDelAs { pfx, protocol, port, as_address, is_del, is_flush }).await,
            12..=14 => self.call(&LbAsSetWeight { pfx, protocol, port, as_address, weight, is_flush }).await,
            15 => {
                // Undefined for a VIP that is not there.
                let there = self.ours.lb.find_vip(self.ours.key(&pfx, protocol, port)).is_some();
                if there {
                    self.call(&LbFlushVip { pfx, protocol, port }).await;
                }
            }
            16 => {
                let sticky_buckets_per_core =
                    if self.random.bool() { 1 << self.random.u32(0..8) } else { self.random.u32(1..2000) };
                self.call(&LbConf { sticky_buckets_per_core, ..self.ours.release_conf() }).await;
                self.call(&LbConfGet {}).await;
            }
            17 => {
                let pfx = self.filter(pfx);
                self.dump(&LbAsDump { pfx, protocol, port }).await;
            }
            18 => {
                let pfx = self.filter(pfx);
                self.dump(&LbAsV2Dump { pfx, protocol, port }).await;
            }
            19 => {
                let (table_id, exact) = (self.random.u32(0..2), self.random.u8(0..2));
                let prefix = if self.random.bool() { pfx } else { Prefix { address: as_address, len: 32 } };
                let is_ip6 = prefix.address.ip().is_ipv6();
                let prefix = Prefix { len: if is_ip6 { prefix.len } else { prefix.len.min(32) }, ..prefix };
                self.call(&IpRouteLookup { table_id, exact, prefix }).await;
            }
            20 => self.cli_command(pfx, port, as_address).await,
            _ => self.packet(pfx, port).await,
        }
    }

    /// A VIP request: few keys, so that they meet, with every field that matters at random.
    fn vip(&mut self) -> LbAddDelVipV2 {
        const PREFIXES: [&str; 9] = [
            "192.0.2.1/32",
            "192.0.2.2/32",
            "192.0.2.0/30",
            "192.0.2.3/30",
            "203.0.113.9/24",
            "2001:db8::1/128",
            "2001:db8::/64",
            "2001:db8::5/64",
            "::5/128",
        ];
        let encap = self.encap();
        let random = &mut self.random;
        let (port, protocol) =
            (*random.choice(&[0, 53, 80]).unwrap_or(&0), *random.choice(&[6, 17, 255]).unwrap_or(&17));
        LbAddDelVipV2 {
            pfx: prefix(random.choice(&PREFIXES).unwrap_or(&"192.0.2.1/32")),
            protocol: IpProto(protocol),
            port,
            // NAT without a port kills VPP.
            encap: Encap::from(if port == 0 && matches!(encap, 3 | 4) { 1 } else { encap }),
            dscp: random.u8(..),
            r#type: SrvType::from(*random.choice(&[0, 0, 0, 1, 1 << 24]).unwrap_or(&0)),
            target_port: random.u16(..),
            node_port: random.u16(..),
            new_flows_table_length: if random.u8(0..8) == 0 { random.u32(1..5000) } else { 1 << random.u32(0..9) },
            src_ip_sticky: random.bool(),
            is_del: random.u8(0..3) == 0,
        }
    }

    fn encap(&mut self) -> u32 {
        let encaps: &[u32] = if self.has_nat { &[0, 0, 0, 1, 1, 1, 2, 3, 4, 9] } else { &[0, 0, 0, 1, 1, 1, 2, 9] };
        *self.random.choice(encaps).unwrap_or(&0)
    }

    fn server(&mut self) -> Address {
        let number = self.random.u8(11..17);
        let ip: IpAddr = match self.random.bool() {
            true => [10, 2, 0, number].into(),
            false => [0xfd02, 0, 0, 0, 0, 0, 0, u16::from(number)].into(),
        };
        ip.into()
    }

    fn weight(&mut self) -> u8 {
        *self.random.choice(&[0, 1, 10, 50, 100, 255]).unwrap_or(&1)
    }

    /// A dump's prefix: everything, as it is, or in the place where IPv4 is found.
    fn filter(&mut self, pfx: Prefix) -> Prefix {
        match self.random.u8(0..3) {
            0 => Prefix::default(),
            1 => pfx,
            _ => {
                let stored = Ip46::from(pfx.address.ip()).bytes();
                Prefix { address: IpAddr::from(stored).into(), ..pfx }
            }
        }
    }

    async fn cli_command(&mut self, pfx: Prefix, port: u16, server: Address) {
        let vip = if port == 0 { pfx.to_string() } else { format!("{pfx} protocol udp port {port}") };
        let commands = [
            format!("lb vip {vip} encap gre4 new_len 64"),
            format!("lb vip {vip} encap gre6 new_len 100 src_ip_sticky"),
            format!("lb vip {vip} encap gre4 dscp 3"),
            format!("lb vip {vip} del"),
            format!("lb as {vip} {server}"),
            format!("lb as {vip} {server} 10.2.0.33 10.2.0.34"),
            format!("lb as {vip} {server} weight 30"),
            format!("lb as {vip} {server} weight 130"),
            format!("lb as {vip} {server} del flush"),
            format!("lb as {vip} {server} del weight 3"),
            format!("lb as {vip}"),
            format!("lb as {vip} {server} bananas 7"),
            format!("lb flush vip {vip}"),
            "lb conf buckets 3".to_owned(),
            "lb conf buckets-log2 5".to_owned(),
            "lb conf ip4-src-address 10.2.0.7".to_owned(),
            "show lb vips".to_owned(),
            "no such command".to_owned(),
        ];
        let command = self.random.choice(&commands).cloned().unwrap_or_default();
        self.cli(&command).await;
    }

    /// Sends a UDP packet to a VIP: through VPP's packet generator, and through ours.
    async fn packet(&mut self, pfx: Prefix, port: u16) {
        let destination = self.ours.host_of(&pfx, &mut self.random);
        let source: IpAddr = match destination {
            IpAddr::V4(_) => [198, 18, 0, self.random.u8(..)].into(),
            IpAddr::V6(_) => [0x2001, 2, 0, 0, 0, 0, 0, self.random.u16(0..256)].into(),
        };
        let ports = (self.random.u16(1024..1032), if port == 0 { 7 } else { port });
        let node = if destination.is_ipv4() { "ip4-lookup" } else { "ip6-lookup" };
        let (udp, data) = if destination.is_ipv4() { (80, 72) } else { (60, 52) };
        let stream = format!(
            "packet-generator new {{ name p limit 1 size 100-100 node {node} data {{ UDP: {source} -> {destination} \
             UDP: {} -> {} length {udp} checksum 0 incrementing {data} }} }}",
            ports.0, ports.1
        );
        for command in [&stream, "packet-generator enable-stream p"] {
            self.client.call(&CliInband { cmd: Text::from(command) }).await.expect("a packet generator");
        }
        let wait = CliInband { cmd: Text::from("show packet-generator") };
        // The stream disables itself once its packet is through.
        while !self.client.call(&wait).await.expect("a list of streams").reply.to_string().contains("No ") {}
        self.client.call(&CliInband { cmd: Text::from("packet-generator delete p") }).await.expect("its end");

        let flow = match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                Flow::v4(SocketAddrV4::new(source, ports.0), SocketAddrV4::new(destination, ports.1))
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let end = |address, port| SocketAddrV6::new(address, port, 0, 0);
                Flow::v6(end(source, ports.0), end(destination, ports.1))
            }
            _ => unreachable!("both were made of one family"),
        };
        let packet = Packet {
            thread: 0,
            destination: destination.into(),
            family: if destination.is_ipv4() { Family::Ip4 } else { Family::Ip6 },
            protocol: 17,
            port: ports.1,
            hash: flow_hash(&flow, false),
            address_hash: flow_hash(&flow, true),
            bytes: 100,
        };
        let seconds = self.now().seconds();
        let passage = self.ours.lb.forward(&self.ours.fib, seconds, &packet).expect("VPP survives");
        self.packets += 1;
        let Some(passage) = passage else {
            return;
        };
        add(&mut self.to, passage.route, 100);
        if let Some(served) = passage.server {
            add(&mut self.via, served.route, served.bytes);
        }
    }

    /// Compares all there is to see.
    async fn compare_all(&mut self) {
        self.dump(&LbVipDump {
            pfx: Prefix::default(),
            pfx_matcher: PrefixMatcher::default(),
            protocol: IpProto(0),
            port: 0,
        })
        .await;
        self.dump(&LbAsV2Dump::all()).await;
        for command in ["show lb", "show lb vips", "show lb vips verbose"] {
            self.cli(command).await;
        }
    }

    /// Compares what the packets have moved.
    fn compare_counters(&self) {
        let segment = Segment::connect(self.live.directory.join("stats.sock")).expect("a segment");
        for (name, expected) in [("/net/route/to", &self.to), ("/net/route/via", &self.via)] {
            let mut handle = segment.combined(name);
            for (index, counter) in expected {
                let live = handle.sum((i64::from(*index) + self.offset) as u32).expect("a sound segment");
                assert_eq!(live, Some(*counter), "{name} at {index}");
            }
        }
    }

    async fn cli(&mut self, command: &str) {
        self.call(&CliInband { cmd: Text::from(command) }).await;
    }

    /// Makes a call of both, and compares.
    async fn call<R: Request + Into<AnyRequest>>(&mut self, request: &R)
    where
        R::Reply: Serialize,
    {
        let live = match self.client.call(request).await {
            Ok(reply) => (reply.retval().0, serde_json::to_value(&reply).expect("JSON")),
            Err(CallError::Refused { retval, text, .. }) => {
                (retval.0, text.map_or(serde_json::json!({}), |reply| serde_json::json!({ "reply": reply })))
            }
            Err(error) => panic!("{request:?}: {error:?}"),
        };
        let mut ours = self.ask(request.clone());
        assert_eq!(ours.len(), 1, "one reply to {request:?}");
        let (retval, value) = ours.remove(0);
        // Of a refused call the client shows no fields.
        let value = match value.get("route") {
            Some(_) if retval != 0 => serde_json::json!({}),
            _ => value,
        };
        let (ours, live) = (self.comparable((retval, value), 0), self.comparable(live, self.offset));
        assert!(ours == live, "{request:?}:\n{}", difference(&ours, &live));
    }

    async fn dump<D: Dump + Into<AnyRequest>>(&mut self, request: &D)
    where
        D::Details: Serialize,
    {
        let live = self.client.dump(request).await.expect("a dump");
        let live: Vec<_> = live.iter().map(|details| (0, serde_json::to_value(details).expect("JSON"))).collect();
        let ours = self.ask(request.clone());
        let comparable =
            |rows: Vec<_>, offset| rows.into_iter().map(|row| self.comparable(row, offset)).collect::<Vec<_>>();
        let (ours, live) = (comparable(ours, 0), comparable(live, self.offset));
        assert_eq!(ours.len(), live.len(), "{request:?}");
        for (ours, live) in ours.iter().zip(&live) {
            assert!(ours == live, "{request:?}:\n{}", difference(ours, live));
        }
    }

    fn ask(&mut self, request: impl Into<AnyRequest>) -> Vec<(i32, serde_json::Value)> {
        let incoming = vpp_api::server::Incoming { context: 1, client_index: 1, request: request.into() };
        let mut answers = Values::default();
        let now = self.now();
        self.ours.handle(now, &incoming, None, &mut answers).expect("VPP survives");
        // A new route begins at 0, also in a row that was another's.
        for row in self.ours.fib.take_fresh() {
            self.to.remove(&row);
            self.via.remove(&row);
        }
        answers.0
    }

    fn now(&self) -> Now {
        Now { since_start: self.started.elapsed(), unix: 0.0 }
    }

    /// An answer without what depends on the machine: indices are shifted, times of removal and paths left out.
    fn comparable(&self, (retval, mut value): (i32, serde_json::Value), offset: i64) -> (i32, serde_json::Value) {
        // Fields that an encapsulation does not use show what an earlier VIP left there, in memory that VPP does not clear.
        let unused: &[&str] = match value.get("encap").and_then(|encap| encap.as_u64()) {
            Some(2) => &["target_port"],
            Some(3 | 4) => &[],
            _ => &["dscp", "srv_type", "target_port"],
        };
        for field in unused.iter().chain(&["in_use_since"]) {
            value.as_object_mut().and_then(|fields| fields.remove(*field));
        }
        if let Some(route) = value.get_mut("route") {
            let index = route["stats_index"].as_i64().unwrap_or(0) - offset;
            // Below are VPP's own routes, which ours numbers otherwise.
            route["stats_index"] = index.max(FIRST_INDEX - 1).into();
            route.as_object_mut().and_then(|route| route.remove("paths"));
        }
        if let Some(text) = value.get("reply").and_then(|reply| reply.as_str()) {
            value["reply"] = shifted(text, offset).into();
        }
        (retval, value)
    }
}

/// Where two answers part: a few lines before, and the first that differs.
fn difference(ours: &(i32, serde_json::Value), live: &(i32, serde_json::Value)) -> String {
    let lines = |answer: &(i32, serde_json::Value)| -> Vec<String> {
        let text = answer.1.get("reply").and_then(|reply| reply.as_str());
        let text = text.map_or_else(|| answer.1.to_string(), str::to_owned);
        std::iter::once(format!("retval {}", answer.0)).chain(text.lines().map(str::to_owned)).collect()
    };
    let (ours, live) = (lines(ours), lines(live));
    let same = ours.iter().zip(&live).take_while(|(ours, live)| ours == live).count();
    let line = |lines: &[String]| lines.get(same).cloned().unwrap_or_else(|| "(end)".to_owned());
    let before = ours[same.saturating_sub(12)..same].join("\n");
    format!("{before}\nours: {}\nlive: {}", line(&ours), line(&live))
}

/// The text with `dpo:` numbers that much lower.
fn shifted(text: &str, offset: i64) -> String {
    let mut parts = text.split("dpo:");
    let mut shifted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(' ').unwrap_or(part.len());
        let number: i64 = part[..end].parse().expect("a number");
        shifted.push_str(&format!("dpo:{}{}", number - offset, &part[end..]));
    }
    shifted
}

fn add(counters: &mut BTreeMap<u32, CombinedCounter>, row: u32, bytes: u32) {
    let counter = counters.entry(row).or_default();
    counter.packets += 1;
    counter.bytes += u64::from(bytes);
}

fn prefix(text: &str) -> Prefix {
    Prefix::from(text.parse::<ipnet::IpNet>().expect("a prefix"))
}

impl Vpp {
    /// A configuration in which nothing expires.
    fn release_conf(&self) -> LbConf {
        LbConf {
            ip4_src_address: [10, 2, 0, 1].into(),
            ip6_src_address: "fd02::1".parse().expect("an address"),
            sticky_buckets_per_core: 16,
            flow_timeout: 1000,
        }
    }

    /// A host of a prefix.
    fn host_of(&self, pfx: &Prefix, random: &mut Rng) -> IpAddr {
        match pfx.address.ip() {
            IpAddr::V4(ip) => {
                let host = random.u32(..) & u32::MAX.checked_shr(pfx.len.into()).unwrap_or(0);
                IpAddr::V4((ip.to_bits() | host).into())
            }
            IpAddr::V6(ip) => {
                let host = random.u128(0..4) & u128::MAX.checked_shr(pfx.len.into()).unwrap_or(0);
                IpAddr::V6((ip.to_bits() | host).into())
            }
        }
    }
}

/// Answers as JSON.
#[derive(Default)]
struct Values(Vec<(i32, serde_json::Value)>);

impl Answers for Values {
    fn send<M: Message + Serialize>(&mut self, message: &M) {
        let retval = message.status().map_or(0, |retval| retval.0);
        self.0.push((retval, serde_json::to_value(message).expect("JSON")));
    }
}

/// The first statistics index that ours gives.
const FIRST_INDEX: i64 = 28;
