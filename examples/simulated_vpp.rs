//! Talks to a simulated VPP as to a real one: adds a VIP and two servers, asks for them, and reads the counters from its stats segment.
//!
//! `cargo run -p maglev-examples --example simulated_vpp`

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use vpp_api::client::{Client, Options};
use vpp_api::messages::lb::{LbAddDelAsV2, LbAddDelVipV2, LbAsV2Dump};
use vpp_api::messages::vpe::ShowVersion;
use vpp_api::types::{Encap, IpProto, SrvType};
use vpp_sim::Simulator;
use vpp_stats::Segment;

const TCP: IpProto = IpProto(6);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("simulated-vpp-{}", std::process::id()));
    let simulator = Simulator::start(vpp_sim::Options {
        api_socket: folder.join("api.sock"),
        stats_socket: folder.join("stats.sock"),
        flows: 1_000,
        ..vpp_sim::Options::default()
    })?;

    let client = Client::connect(simulator.api_path(), Options::default()).await?;
    println!("connected to {}", client.call(&ShowVersion {}).await?.version);

    let vip: IpNet = "192.0.2.1/32".parse()?;
    client.call(&add_vip(vip)).await?;
    for (server, weight) in [("10.0.0.1", 100), ("10.0.0.2", 50)] {
        client.call(&add_server(vip, server.parse()?, weight)).await?;
    }
    for server in client.dump(&LbAsV2Dump::vip(vip, TCP, 80)).await? {
        println!("server {} weight {} buckets {}", server.app_srv.ip(), server.weight, server.num_buckets);
    }

    // The flows are synthetic, the memory is laid out as VPP lays it out.
    let mut first_packets = Segment::connect(simulator.stats_path())?.simple("first session packet");
    let pool_index = 1;
    while first_packets.sum(pool_index)?.unwrap_or(0) < 100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("more than 100 new flows were counted");

    simulator.stop();
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

fn add_vip(pfx: IpNet) -> LbAddDelVipV2 {
    LbAddDelVipV2 {
        pfx: pfx.into(),
        protocol: TCP,
        port: 80,
        encap: Encap::Gre4,
        dscp: 0,
        r#type: SrvType::ClusterIp,
        target_port: 0,
        node_port: 0,
        new_flows_table_length: 1_024,
        src_ip_sticky: false,
        is_del: false,
    }
}

fn add_server(pfx: IpNet, address: IpAddr, weight: u8) -> LbAddDelAsV2 {
    LbAddDelAsV2 {
        pfx: pfx.into(),
        protocol: TCP,
        port: 80,
        as_address: address.into(),
        weight,
        is_del: false,
        is_flush: false,
    }
}
