//! What is done to both: few keys, so that they meet, and every field that matters at random.

use std::net::IpAddr;

use ipnet::IpNet;
use vpp_api::messages::ip::IpRouteLookup;
use vpp_api::messages::lb::{
    LbAddDelAs, LbAddDelAsV2, LbAddDelVip, LbAddDelVipV2, LbAsDump, LbAsSetWeight, LbAsV2Dump, LbConf, LbConfGet,
    LbFlushVip,
};
use vpp_api::types::{Address, Encap, IpProto, Prefix, SrvType};

use super::{Pair, lasting_conf};
use crate::addr::Ip46;

impl Pair {
    /// Does one thing at random to both.
    pub(super) async fn step(&mut self) {
        let net = self.net();
        let key = self.vip(net);
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
            5..=10 if self.has_weights => {
                self.call(&LbAddDelAsV2 { pfx, protocol, port, as_address, weight, is_del, is_flush }).await
            }
            12..=14 if self.has_weights => {
                self.call(&LbAsSetWeight { pfx, protocol, port, as_address, weight, is_flush }).await
            }
            5..=14 => self.call(&LbAddDelAs { pfx, protocol, port, as_address, is_del, is_flush }).await,
            15 => {
                let pfx = if self.random.bool() { pfx } else { self.quirks.flush_prefix(net) };
                let request = LbFlushVip { pfx, protocol, port };
                // Undefined for a VIP that is not there.
                if self.ours.lb.find_vip(self.ours.key_to_flush(&request)).is_some() {
                    self.call(&request).await;
                }
            }
            16 => {
                let sticky_buckets_per_core =
                    if self.random.bool() { 1 << self.random.u32(0..8) } else { self.random.u32(1..2000) };
                self.call(&LbConf { sticky_buckets_per_core, ..lasting_conf() }).await;
                if self.has_weights {
                    self.call(&LbConfGet {}).await;
                }
            }
            18 if self.has_weights => {
                let pfx = self.filter(net, pfx);
                self.dump(&LbAsV2Dump { pfx, protocol, port }).await;
            }
            17 | 18 => {
                let pfx = self.filter(net, pfx);
                let port = if self.random.bool() { port } else { port.swap_bytes() };
                self.dump(&LbAsDump { pfx, protocol, port }).await;
            }
            19 => {
                let (table_id, exact) = (self.random.u32(0..2), self.random.u8(0..2));
                let of_server = IpNet::from(as_address.ip());
                let prefix = Prefix::from(if self.random.bool() { net } else { of_server });
                self.call(&IpRouteLookup { table_id, exact, prefix }).await;
            }
            20 => self.cli_command(net, port, as_address).await,
            _ => self.packet(net, port).await,
        }
    }

    fn net(&mut self) -> IpNet {
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
        let text = self.random.choice(&PREFIXES).unwrap_or(&"192.0.2.1/32");
        text.parse().expect("a prefix")
    }

    /// A VIP request, as this release wants it but for one in eight, which says what it means in 26.10.
    fn vip(&mut self, net: IpNet) -> LbAddDelVipV2 {
        let encap = self.encap();
        let is_plain = self.random.u8(0..8) == 0;
        let random = &mut self.random;
        let (port, protocol) =
            (*random.choice(&[0, 53, 80]).unwrap_or(&0), *random.choice(&[6, 17, 255]).unwrap_or(&17));
        // NAT without a port kills VPP.
        let encap = Encap::from(if port == 0 && matches!(encap, 3 | 4) { 1 } else { encap });
        LbAddDelVipV2 {
            pfx: if is_plain { net.into() } else { self.quirks.prefix(net) },
            protocol: IpProto(protocol),
            port,
            encap: if is_plain { encap } else { self.quirks.encap(encap) },
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
    fn filter(&mut self, net: IpNet, pfx: Prefix) -> Prefix {
        match self.random.u8(0..3) {
            0 => Prefix::default(),
            1 => pfx,
            _ => {
                let stored = Ip46::from(net.addr()).bytes();
                Prefix { address: IpAddr::from(stored).into(), ..pfx }
            }
        }
    }

    async fn cli_command(&mut self, net: IpNet, port: u16, server: Address) {
        let vip = if port == 0 { net.to_string() } else { format!("{net} protocol udp port {port}") };
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
            format!("lb as {vip} {server} flush"),
            format!("lb as {vip} {server} del weight 3"),
            format!("lb as {vip}"),
            format!("lb as {vip} {server} bananas 7"),
            format!("lb flush vip {vip}"),
            "lb conf buckets 3".to_owned(),
            "lb conf buckets-log2 5".to_owned(),
            "lb conf ip4-src-address 10.2.0.7".to_owned(),
            "show lb vips".to_owned(),
            "show lb vips briefly".to_owned(),
            "no such command".to_owned(),
        ];
        let command = self.random.choice(&commands).cloned().unwrap_or_default();
        self.cli(&command).await;
    }
}
