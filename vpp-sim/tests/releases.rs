//! Every release that the simulator plays, asked with and without what `vpp-api` knows of its quirks.

mod common;

use common::{Directory, connect, eventually, net, vip};
use ipnet::IpNet;
use vpp_api::client::Client;
use vpp_api::messages::lb::{LbAddDelAs, LbAddDelVipV2, LbFlushVip, LbVipDump};
use vpp_api::messages::vlib::CliInband;
use vpp_api::messages::vpe::ShowVersion;
use vpp_api::release::Quirks;
use vpp_api::types::{Encap, IpProto, Text};
use vpp_sim::{Options, Release, Simulator};
use vpp_stats::{Segment, Value};

/// VIPs of every type, with a server each: prefix, port, encapsulation, server, and what VPP calls it.
const VIPS: [(&str, u16, Encap, &str, &str); 8] = [
    ("192.0.2.1/32", 80, Encap::Gre4, "10.0.0.1", "ip4-gre4"),
    ("192.0.2.2/32", 0, Encap::Gre6, "fd00::2", "ip4-gre6"),
    ("192.0.2.3/32", 80, Encap::L3dsr, "10.0.0.3", "ip4-l3dsr"),
    ("192.0.2.4/32", 53, Encap::Nat4, "10.0.0.4", "ip4-nat4"),
    ("198.51.100.0/24", 0, Encap::Gre4, "10.0.0.5", "ip4-gre4"),
    ("2001:db8::1/128", 80, Encap::Gre6, "fd00::6", "ip6-gre6"),
    ("2001:db8:1::/48", 0, Encap::Gre4, "10.0.0.7", "ip6-gre4"),
    ("2001:db8::2/128", 53, Encap::Nat6, "fd00::8", "ip6-nat6"),
];

#[tokio::test]
async fn requests_made_with_the_quirks_mean_the_same_to_every_release() {
    for release in Release::ALL {
        let directory = Directory::new();
        let simulator = start(&directory, release);
        let vpp = connect(simulator.api_path()).await;
        let quirks = vpp.capabilities().quirks();
        for (prefix, port, encap, server, _) in VIPS {
            add(&vpp, net(prefix), port, encap, server).await;
        }

        let rows = vpp.dump(&LbVipDump::all()).await.expect("VIPs");
        let read = rows.iter().map(|row| {
            let net = quirks.net(&row.vip.pfx).expect("a prefix");
            (net, row.vip.port, quirks.details_encap(row.encap), quirks.protocol(&row.vip).unwrap_or(IpProto::TCP))
        });
        let protocol = |port| if port == 0 { IpProto::ANY } else { IpProto::TCP };
        let asked = VIPS.map(|(prefix, port, encap, ..)| (net(prefix), port, encap, protocol(port)));
        assert_eq!(read.collect::<Vec<_>>(), asked, "{release}");

        let snapshot = simulator.lb();
        for ((prefix, port, _, server, name), vip) in VIPS.into_iter().zip(&snapshot.vips) {
            assert_eq!((vip.prefix, vip.vip_type), (net(prefix), name), "{release}");
            let filter = quirks.as_dump(net(prefix), protocol(port), port);
            let servers = vpp.dump(&filter).await.expect("servers");
            let told: Vec<_> = servers.iter().map(|row| row.app_srv.to_string()).collect();
            assert_eq!(told, [server], "{release} {prefix}");
        }
    }
}

#[tokio::test]
async fn a_flush_made_with_the_quirks_reaches_its_vip_in_every_release() {
    for release in Release::ALL {
        let directory = Directory::new();
        let simulator = start(&directory, release);
        let vpp = connect(simulator.api_path()).await;
        add(&vpp, net("192.0.2.1/32"), 80, Encap::Gre4, "10.0.0.1").await;
        let flows = || simulator.lb().vips[0].servers[0].flows;
        let flush = async |quirks: Quirks| {
            let pfx = quirks.flush_prefix(net("192.0.2.1/32"));
            vpp.call(&LbFlushVip { pfx, protocol: IpProto::TCP, port: 80 }).await.expect("a flush, says VPP");
        };
        send_flows(&simulator).await;
        if release < Release::V26_10 {
            flush(Quirks::NONE).await;
            assert_ne!(flows(), 0, "{release}");
        }
        flush(vpp.capabilities().quirks()).await;
        assert_eq!(flows(), 0, "{release}");
    }
}

#[tokio::test]
async fn a_server_that_is_added_again_with_flush_keeps_its_sessions_before_26_10() {
    for release in Release::ALL {
        let directory = Directory::new();
        let simulator = start(&directory, release);
        let vpp = connect(simulator.api_path()).await;
        add(&vpp, net("192.0.2.1/32"), 80, Encap::Gre4, "10.0.0.1").await;
        send_flows(&simulator).await;
        cli(&vpp, "lb as 192.0.2.1/32 protocol tcp port 80 10.0.0.1 del").await;
        cli(&vpp, "lb as 192.0.2.1/32 protocol tcp port 80 10.0.0.1 flush").await;
        let server = &simulator.lb().vips[0].servers[0];
        assert!(server.in_use);
        assert_eq!(server.flows != 0, release < Release::V26_10, "{release}: {} flows", server.flows);
    }
}

#[tokio::test]
async fn a_request_of_26_10_is_another_vip_before_it() {
    for release in Release::ALL {
        let directory = Directory::new();
        let simulator = start(&directory, release);
        let vpp = connect(simulator.api_path()).await;
        vpp.call(&vip("192.0.2.10/32")).await.expect("a VIP, says VPP");
        let expected = if vpp.capabilities().lb_conf_get { "192.0.2.10/32" } else { "::/32" };
        let text = cli(&vpp, "show lb vips verbose").await;
        assert!(text.contains(&format!(" [1] {expected}\n")), "{release}: {text}");
        // The details say the same to those who know how to read them.
        let rows = vpp.dump(&LbVipDump::all()).await.expect("VIPs");
        assert_eq!(vpp.capabilities().quirks().net(&rows[0].vip.pfx), Ok(net(expected)), "{release}");
    }
}

#[tokio::test]
async fn removed_vips_are_hidden_where_the_quirks_say_so() {
    for release in Release::ALL {
        let directory = Directory::new();
        let simulator = start(&directory, release);
        let vpp = connect(simulator.api_path()).await;
        let quirks = vpp.capabilities().quirks();
        add(&vpp, net("192.0.2.1/32"), 80, Encap::Gre4, "10.0.0.1").await;
        let request = LbAddDelVipV2 { pfx: quirks.prefix(net("192.0.2.1/32")), is_del: true, ..vip("192.0.2.1/32") };
        vpp.call(&request).await.expect("a removal");
        let shown = vpp.dump(&LbVipDump::all()).await.expect("VIPs").len();
        assert_eq!(shown, usize::from(!quirks.hides_removed_vips()), "{release}");
        assert!(cli(&vpp, "show lb vips verbose").await.contains("192.0.2.1/32 removed\n"), "{release}");
    }
}

#[tokio::test]
async fn each_release_has_its_version_its_messages_its_text_and_its_gauges() {
    let old = "lb, src_ip_sticky, ip_route_lookup_v2, api json";
    let new = "lb, weights, lb_conf_get, src_ip_sticky, ip_route_lookup_v2, api json";
    for (release, version, capabilities, has_gauges) in [
        (Release::V24_10, "24.10-release", old, false),
        (Release::V25_10, "25.10-release", old, false),
        (Release::V26_06, "26.06-release", old, true),
        (Release::V26_10, "26.10-rc0~374-gb575ec2c56d", new, true),
    ] {
        let directory = Directory::new();
        let simulator = start(&directory, release);
        let vpp = connect(simulator.api_path()).await;
        assert_eq!(vpp.call(&ShowVersion {}).await.expect("a version").version.to_string(), version);
        assert_eq!(vpp.capabilities().to_string(), capabilities, "{release}");

        add(&vpp, net("192.0.2.1/32"), 80, Encap::Gre4, "10.0.0.1").await;
        let has_weights = vpp.capabilities().weights;
        let line = if has_weights { " weight:100 buckets:1024 flows:0 " } else { " 1024 buckets   0 flows  " };
        let text = cli(&vpp, "show lb vips verbose").await;
        assert!(text.contains(&format!("\n    10.0.0.1{line}dpo:")), "{release}: {text}");
        assert_eq!(cli(&vpp, "show lb vips").await.is_empty(), !has_weights, "{release}");
        let weighted = vpp.call(&command("lb as 192.0.2.1/32 protocol tcp port 80 10.0.0.1 weight 7")).await;
        assert_eq!(weighted.is_ok(), has_weights, "{release}: {weighted:?}");

        let segment = Segment::connect(simulator.stats_path()).expect("a segment");
        for name in ["/sys/input_rate", "/sys/num_worker_threads", "/buffer-pools/default-numa-0/used"] {
            let value = segment.value(name).expect("a sound segment");
            match has_gauges {
                true => assert!(matches!(value, Some(Value::Gauge(_))), "{release} {name}: {value:?}"),
                false => assert!(matches!(value, Some(Value::Scalar(_))), "{release} {name}: {value:?}"),
            }
        }
    }
}

fn start(directory: &Directory, release: Release) -> Simulator {
    Simulator::start(Options { release, ..directory.options() }).expect("a simulator")
}

/// Has some flows placed, and waits until their last packet is through.
async fn send_flows(simulator: &Simulator) {
    simulator.set_flows(500);
    eventually("flows", || (simulator.flow_totals().new_flows > 20).then_some(())).await;
    simulator.set_flows(0);
    eventually("the last of them", || (simulator.flow_totals().under_way == 0).then_some(())).await;
    assert_ne!(simulator.lb().vips[0].servers[0].flows, 0);
}

/// Adds a VIP for TCP, or for everything when `port` is 0, and its one server, as `vpp` wants to be asked.
async fn add(vpp: &Client, net: IpNet, port: u16, encap: Encap, server: &str) {
    let quirks = vpp.capabilities().quirks();
    let new = LbAddDelVipV2 {
        pfx: quirks.prefix(net),
        port,
        encap: quirks.encap(encap),
        target_port: 8080,
        ..vip("192.0.2.1/32")
    };
    vpp.call(&new).await.expect("a VIP");
    let server = LbAddDelAs {
        pfx: new.pfx,
        protocol: new.protocol,
        port,
        as_address: server.parse::<std::net::IpAddr>().expect("an address").into(),
        is_del: false,
        is_flush: false,
    };
    vpp.call(&server).await.expect("a server");
}

async fn cli(vpp: &Client, line: &str) -> String {
    vpp.call(&command(line)).await.expect("a command").reply.to_string()
}

fn command(line: &str) -> CliInband {
    CliInband { cmd: Text::from(line) }
}
