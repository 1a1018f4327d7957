//! Handlers of the lb plugin's messages (VPP `src/plugins/lb/api.c`), as of 26.10 and as of the releases before it.

use vpp_api::messages::lb::{
    LbAddDelAs, LbAddDelAsV2, LbAddDelIntfNat4, LbAddDelIntfNat6, LbAddDelVip, LbAddDelVipV2, LbAsDetails, LbAsDump,
    LbAsSetWeight, LbAsV2Details, LbAsV2Dump, LbConf, LbConfGetReply, LbFlushVip, LbVip, LbVipDetails,
};
use vpp_api::types::{Address, AddressFamily, Dscp, Encap, InterfaceIndex, IpProto, Prefix, Retval, SrvType};

use super::{Now, Vpp};
use crate::addr::{Ip46, Prefix46};
use crate::lb::{Conf, Fatal, NewVip, Vip, VipKey, VipType};

impl Vpp {
    pub(crate) fn lb_conf(&mut self, request: &LbConf) -> Retval {
        let conf = self.lb.conf();
        let kept_if_all_ones = |wanted, present| if wanted == u32::MAX { present } else { wanted };
        self.lb.set_conf(Conf {
            ip4_source: request.ip4_src_address,
            ip6_source: request.ip6_src_address,
            sticky_buckets: kept_if_all_ones(request.sticky_buckets_per_core, conf.sticky_buckets),
            flow_timeout: kept_if_all_ones(request.flow_timeout, conf.flow_timeout),
        })
    }

    pub(crate) fn lb_conf_get(&self) -> LbConfGetReply {
        let conf = self.lb.conf();
        LbConfGetReply {
            retval: Retval::OK,
            ip4_src_address: conf.ip4_source,
            ip6_src_address: conf.ip6_source,
            sticky_buckets_per_core: conf.sticky_buckets,
            flow_timeout: conf.flow_timeout,
        }
    }

    pub(crate) fn lb_add_del_vip(&mut self, now: Now, request: &LbAddDelVip) -> Result<Retval, Fatal> {
        self.lb_add_del_vip_v2(
            now,
            &LbAddDelVipV2 {
                pfx: request.pfx,
                protocol: request.protocol,
                port: request.port,
                encap: request.encap,
                dscp: request.dscp,
                r#type: request.r#type,
                target_port: request.target_port,
                node_port: request.node_port,
                new_flows_table_length: request.new_flows_table_length,
                src_ip_sticky: false,
                is_del: request.is_del,
            },
        )
    }

    pub(crate) fn lb_add_del_vip_v2(&mut self, now: Now, request: &LbAddDelVipV2) -> Result<Retval, Fatal> {
        let prefix = self.stored_prefix(&request.pfx);
        let key = VipKey::new(prefix, request.protocol.0, request.port);
        if request.is_del {
            return Ok(self.lb.delete_vip(&mut self.fib, now.seconds(), key));
        }
        let encap = self.host_encap(request.encap);
        let new = NewVip {
            vip_type: VipType::of(prefix, encap),
            table_length: request.new_flows_table_length,
            src_ip_sticky: request.src_ip_sticky,
            dscp: request.dscp & 0x3f,
            // Copied without swapping: only the first byte on the wire counts.
            srv_type: u32::from(request.r#type) as u8,
            target_port: request.target_port,
        };
        let (retval, _) = self.lb.add_vip(&mut self.fib, now.seconds(), key, new)?;
        Ok(retval)
    }

    pub(crate) fn lb_add_del_as(&mut self, now: Now, request: &LbAddDelAs) -> Retval {
        let key = self.key(&request.pfx, request.protocol, request.port);
        let address = stored_address(&request.as_address);
        if request.is_del {
            self.lb.remove_servers(&mut self.fib, now.seconds(), key, &[address], request.is_flush)
        } else {
            let weight = self.weight_of_v1();
            self.lb.add_servers(&mut self.fib, now.seconds(), key, &[address], weight, false)
        }
    }

    pub(crate) fn lb_add_del_as_v2(&mut self, now: Now, request: &LbAddDelAsV2) -> Retval {
        let key = self.key(&request.pfx, request.protocol, request.port);
        let addresses = [stored_address(&request.as_address)];
        let (now, flush) = (now.seconds(), request.is_flush);
        if request.is_del {
            self.lb.remove_servers(&mut self.fib, now, key, &addresses, flush)
        } else {
            self.lb.add_servers(&mut self.fib, now, key, &addresses, request.weight, flush)
        }
    }

    pub(crate) fn lb_as_set_weight(&mut self, request: &LbAsSetWeight) -> Retval {
        let key = self.key(&request.pfx, request.protocol, request.port);
        let address = stored_address(&request.as_address);
        self.lb.set_weight(key, address, request.weight, request.is_flush)
    }

    /// Always 0. For a VIP that does not exist VPP goes on with an uninitialised index; what that does is not defined, and here
    /// it does nothing but a warning.
    pub(crate) fn lb_flush_vip(&mut self, request: &LbFlushVip) -> Retval {
        match self.lb.find_vip(self.key_to_flush(request)) {
            Some(index) => self.lb.flush_vip(index),
            None => tracing::warn!(vip = %request.pfx, "lb_flush_vip of an unknown VIP: undefined in VPP"),
        }
        Retval::OK
    }

    pub(crate) fn lb_vip_dump(&self) -> Vec<LbVipDetails> {
        let all = !self.identity.release.hides_removed_vips();
        self.lb.vips().filter(|(_, vip)| vip.in_use || all).map(|(_, vip)| self.vip_details(vip)).collect()
    }

    pub(crate) fn lb_as_dump(&self, request: &LbAsDump) -> Vec<LbAsDetails> {
        let swaps = self.identity.release.swaps_the_port_of_filters();
        let port = if swaps { request.port } else { request.port.swap_bytes() };
        let details = |(_, vip): (u32, &Vip), server: crate::lb::AppServer| LbAsDetails {
            vip: self.vip_key(vip),
            app_srv: api_address(server.address),
            flags: server.in_use.into(),
            in_use_since: server.last_used,
        };
        self.matching(&request.pfx, request.protocol, port)
            .flat_map(|(index, vip)| {
                self.lb.servers_of(index).into_iter().map(move |(_, server)| details((index, vip), server))
            })
            .collect()
    }

    pub(crate) fn lb_as_v2_dump(&self, request: &LbAsV2Dump) -> Vec<LbAsV2Details> {
        self.matching(&request.pfx, request.protocol, request.port)
            .flat_map(|(index, vip)| {
                let servers = self.lb.servers_with_buckets(index);
                servers.into_iter().map(|(_, server, num_buckets)| LbAsV2Details {
                    vip: self.vip_key(vip),
                    app_srv: api_address(server.address),
                    flags: server.in_use.into(),
                    in_use_since: server.last_used,
                    weight: server.weight,
                    num_buckets,
                })
            })
            .collect()
    }

    pub(crate) fn lb_add_del_intf_nat4(&self, request: &LbAddDelIntfNat4) -> Retval {
        self.check_interface(request.sw_if_index)
    }

    pub(crate) fn lb_add_del_intf_nat6(&self, request: &LbAddDelIntfNat6) -> Retval {
        self.check_interface(request.sw_if_index)
    }

    fn check_interface(&self, index: InterfaceIndex) -> Retval {
        if (index.0 as usize) < self.interfaces.len() { Retval::OK } else { INVALID_SW_IF_INDEX }
    }

    /// The VIPs whose servers an AS dump shows, removed VIPs included.
    fn matching(&self, pfx: &Prefix, protocol: IpProto, port: u16) -> impl Iterator<Item = (u32, &Vip)> {
        let wanted = Ip46::from_bytes(pfx.address.bytes);
        self.lb.vips().filter(move |(_, vip)| {
            wanted.is_zero() || (vip.key.prefix.address, vip.key.protocol, vip.key.port) == (wanted, protocol.0, port)
        })
    }

    fn vip_details(&self, vip: &Vip) -> LbVipDetails {
        let length = vip.table_length.get();
        let release = self.identity.release;
        let encap = if release.tells_encap_as_defined() { vip.vip_type.encap() } else { vip.vip_type as u32 };
        let shown = if release.tells_the_low_half_of_the_table_length() { length } else { length >> 16 };
        LbVipDetails {
            vip: self.vip_key(vip),
            encap: Encap::from(encap),
            dscp: Dscp(vip.dscp_or_srv_type),
            srv_type: SrvType::from(u32::from(vip.dscp_or_srv_type)),
            target_port: vip.target_port,
            flow_table_length: shown as u16,
        }
    }

    fn vip_key(&self, vip: &Vip) -> LbVip {
        let (release, prefix) = (self.identity.release, vip.key.prefix);
        let len = if release.counts_ip4_lengths_from_0() { prefix.len() } else { prefix.stored_len };
        let protocol = if release.tells_the_protocol() { vip.key.protocol } else { 0 };
        LbVip {
            pfx: Prefix { address: api_address(prefix.address), len },
            protocol: IpProto(protocol),
            port: vip.key.port,
        }
    }

    pub(super) fn key(&self, pfx: &Prefix, protocol: IpProto, port: u16) -> VipKey {
        VipKey::new(self.stored_prefix(pfx), protocol.0, port)
    }

    /// The VIP that `lb_flush_vip` means.
    pub(super) fn key_to_flush(&self, LbFlushVip { pfx, protocol, port }: &LbFlushVip) -> VipKey {
        match self.identity.release.decodes_the_address_to_flush() {
            true => self.key(pfx, *protocol, *port),
            false => VipKey::new(raw_prefix(pfx), protocol.0, *port),
        }
    }

    /// What the handler makes of a prefix. Lengths are added up in a byte and wrap.
    fn stored_prefix(&self, pfx: &Prefix) -> Prefix46 {
        let from_0 = pfx.address.af == AddressFamily::Ip4 && self.identity.release.counts_ip4_lengths_from_0();
        let stored_len = if from_0 { pfx.len.wrapping_add(96) } else { pfx.len };
        Prefix46 { address: stored_address(&pfx.address), stored_len }
    }

    fn host_encap(&self, encap: Encap) -> u32 {
        let encap = u32::from(encap);
        if self.identity.release.swaps_encap() { encap } else { encap.swap_bytes() }
    }

    /// The weight of a server that is added without one.
    pub(crate) fn weight_of_v1(&self) -> u8 {
        if self.identity.release.has_weights() { 100 } else { 1 }
    }
}

fn raw_prefix(pfx: &Prefix) -> Prefix46 {
    Prefix46 { address: Ip46::from_bytes(pfx.address.bytes), stored_len: pfx.len }
}

fn stored_address(address: &Address) -> Ip46 {
    address.ip().into()
}

/// How VPP tells the family: by the first twelve bytes.
fn api_address(address: Ip46) -> Address {
    address.to_ip().into()
}

const INVALID_SW_IF_INDEX: Retval = Retval(-2);
