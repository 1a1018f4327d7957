//! What chance seldom brings together: sessions, a server that lingers, and flushes.

use vpp_api::messages::lb::{LbAddDelAs, LbAddDelVipV2, LbFlushVip};
use vpp_api::types::{Encap, IpProto, SrvType};

use super::{Pair, live_vpp};

#[tokio::test]
async fn sessions_are_kept_and_flushed_as_by_a_real_vpp() {
    let Some((program, plugins)) = live_vpp() else { return };
    let mut pair = Pair::start(&program, &plugins, 1).await;
    for text in ["192.0.2.1/32", "2001:db8::1/128"] {
        let net: ipnet::IpNet = text.parse().expect("a prefix");
        let pfx = pair.quirks.prefix(net);
        let (protocol, port) = (IpProto::UDP, 53);
        let vip = LbAddDelVipV2 {
            pfx,
            protocol,
            port,
            encap: pair.quirks.encap(Encap::Gre4),
            dscp: 0,
            r#type: SrvType::ClusterIp,
            target_port: 0,
            node_port: 0,
            new_flows_table_length: 64,
            src_ip_sticky: false,
            is_del: false,
        };
        pair.call(&vip).await;
        let server = |number: u8, is_del, is_flush| LbAddDelAs {
            pfx,
            protocol,
            port,
            as_address: std::net::Ipv4Addr::new(10, 2, 0, number).into(),
            is_del,
            is_flush,
        };
        pair.call(&server(11, false, false)).await;
        pair.call(&server(12, false, false)).await;
        pair.packets_to(net, port).await;

        let command = format!("lb as {net} protocol udp port 53 10.2.0.11");
        // Removed and added again, with its sessions, and with a flush that some releases forget.
        pair.call(&server(11, true, false)).await;
        pair.packets_to(net, port).await;
        pair.call(&server(11, false, true)).await;
        pair.compare_all().await;
        pair.cli(&format!("{command} del")).await;
        pair.cli(&format!("{command} flush")).await;
        pair.packets_to(net, port).await;
        // Removed with a flush, and the whole VIP flushed.
        pair.call(&server(12, true, true)).await;
        pair.packets_to(net, port).await;
        pair.call(&LbFlushVip { pfx: pair.quirks.flush_prefix(net), protocol, port }).await;
        pair.compare_all().await;
        assert!(pair.ours.lb.find_vip(pair.ours.key(&pfx, protocol, port)).is_some());
    }
    pair.compare_counters();
    assert!(pair.to.values().map(|counter| counter.packets).sum::<u64>() >= 300, "packets went through");
}

impl Pair {
    /// Sends enough packets for each server of the VIP to have sessions, and compares what they did.
    async fn packets_to(&mut self, net: ipnet::IpNet, port: u16) {
        for _ in 0..50 {
            self.packet(net, port).await;
        }
        self.compare_all().await;
    }
}
