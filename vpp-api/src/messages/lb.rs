//! The load balancer, VPP `src/plugins/lb/lb.api` and `lb_types.api`.
//!
//! Field meanings are those of 26.10-rc0. Releases up to 26.06 have the same CRCs for the messages they share and
//! read `pfx.len`, `encap` and `port` differently: presence of [`LbConfGet`] tells the two apart, and
//! [`Quirks`](crate::release::Quirks) has what each wants. VPP stops its workers while it handles any of these, dumps
//! included.

mod vip;

use std::net::{Ipv4Addr, Ipv6Addr};

pub use vip::LbVip;

use crate::codec::{As, HostOrder};
use crate::messages;
use crate::types::{Address, AddressWithPrefix, Dscp, Encap, InterfaceIndex, IpProto, Prefix, PrefixMatcher, SrvType};

messages! {
    //!
    //! ```
    //! use vpp_api::{messages::lb, schema::Module};
    //!
    //! let mut module = Module::new("lb", "1.2.0");
    //! lb::visit(&mut module);
    //! assert_eq!(module.message_count(), 26, "as in VPP's `lb.api` of 26.10");
    //! ```

    /// Sets source addresses, sticky table size and flow time-out; -70 for a size that is no power of two. 38 bytes.
    ///
    /// ```
    /// use vpp_api::messages::lb::LbConf;
    ///
    /// let (ip4_src_address, ip6_src_address) = ([192, 0, 2, 1].into(), [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into());
    /// let conf = LbConf { ip4_src_address, ip6_src_address, ..LbConf::default() };
    /// assert_eq!(conf.flow_timeout, u32::MAX, "stays as it is");
    /// ```
    request lb_conf "56cd3261" as LbConf => LbConfReply {
        /// GRE source for IPv4; always set.
        ip4_src_address: Ipv4Addr,
        /// GRE source for IPv6; always set.
        ip6_src_address: Ipv6Addr,
        /// Buckets of 4 entries per thread, a power of two; all ones keeps. **0 is accepted and corrupts memory.**
        sticky_buckets_per_core: u32 = 4294967295,
        /// Seconds; all ones keeps.
        flow_timeout: u32 = 4294967295,
    }

    /// Answer to [`LbConf`]. 10 bytes.
    ///
    /// ```
    /// use vpp_api::{messages::lb::LbConfReply, types::Retval};
    ///
    /// // Whether the number of buckets is no power of two. Then nothing was changed, addresses included.
    /// let is_wrong_size = |reply: LbConfReply| reply.retval == Retval::INVALID_MEMORY_SIZE;
    /// assert!(is_wrong_size(LbConfReply { retval: Retval(-70) }));
    /// ```
    reply lb_conf_reply "e8d4e804" as LbConfReply {}

    /// Asks for what [`LbConf`] sets; 26.10-rc0 and later. 10 bytes.
    ///
    /// ```
    /// use vpp_api::{message::Message, messages::lb::LbConfGet, table::MessageTable};
    ///
    /// /// Whether this VPP reads `pfx.len`, `encap` and `port` as 26.10-rc0 does.
    /// fn is_recent(table: &MessageTable) -> bool {
    ///     table.id(LbConfGet::NAME_CRC).is_some()
    /// }
    /// ```
    request lb_conf_get "51077d14" as LbConfGet => LbConfGetReply {}

    /// Answer to [`LbConfGet`]. 38 bytes.
    ///
    /// ```
    /// /// The source of GRE in IPv4, if one was ever set.
    /// fn ip4_source(conf: &vpp_api::messages::lb::LbConfGetReply) -> Option<std::net::Ipv4Addr> {
    ///     Some(conf.ip4_src_address).filter(|source| !source.is_broadcast())
    /// }
    /// ```
    reply lb_conf_get_reply "923427ac" as LbConfGetReply {
        /// 255.255.255.255 until configured.
        ip4_src_address: Ipv4Addr,
        /// All ones until configured.
        ip6_src_address: Ipv6Addr,
        /// 1024 at first.
        sticky_buckets_per_core: u32,
        /// Seconds, 40 at first.
        flow_timeout: u32,
    }

    /// Adds or deletes a VIP, without source stickiness. 49 bytes.
    ///
    /// ```
    /// use vpp_api::messages::lb::LbAddDelVip;
    ///
    /// let pfx = "192.0.2.10/32".parse::<ipnet::IpNet>()?.into();
    /// let delete = LbAddDelVip { pfx, is_del: true, ..LbAddDelVip::default() };
    /// assert_eq!((delete.protocol.0, delete.port), (255, 0), "the one for all ports");
    /// # Ok::<_, ipnet::AddrParseError>(())
    /// ```
    request lb_add_del_vip "6fa569c7" as LbAddDelVip => LbAddDelVipReply {
        /// Prefix of the VIP; VPP does not check the length.
        pfx: Prefix as As<AddressWithPrefix>,
        /// IP protocol, forced to 255 when `port` is 0.
        protocol: IpProto as As<u8> = 255,
        /// 0 for all protocols and ports.
        port: u16,
        /// How packets reach the servers.
        encap: Encap,
        /// For L3DSR, 6 bits.
        dscp: u8,
        /// For NAT; little-endian, see [`SrvType`].
        r#type: SrvType,
        /// For NAT.
        target_port: u16,
        /// Ignored by VPP.
        node_port: u16,
        /// Buckets, a power of two. **0 is accepted and makes VPP abort.**
        new_flows_table_length: u32 = 1024,
        /// Delete; then only `pfx`, `protocol` and `port` count.
        is_del: bool,
    }

    /// Answer to [`LbAddDelVip`]. 10 bytes.
    ///
    /// ```
    /// use vpp_api::{messages::lb::LbAddDelVipReply, types::Retval};
    ///
    /// // Whether the VIP is gone after a delete, from now on or since before.
    /// let is_gone = |reply: LbAddDelVipReply| matches!(reply.retval, Retval::OK | Retval::NO_SUCH_ENTRY);
    /// assert!(is_gone(LbAddDelVipReply { retval: Retval(-6) }));
    /// ```
    reply lb_add_del_vip_reply "e8d4e804" as LbAddDelVipReply {}

    /// Adds or deletes a VIP; 23.02 and later. 50 bytes.
    ///
    /// ```
    /// use vpp_api::messages::lb::LbAddDelVipV2;
    /// use vpp_api::types::{Encap, IpProto};
    ///
    /// let pfx = "192.0.2.10/32".parse::<ipnet::IpNet>()?.into();
    /// let (protocol, port, encap) = (IpProto::TCP, 443, Encap::Gre6);
    /// let add = LbAddDelVipV2 { pfx, protocol, port, encap, src_ip_sticky: true, ..LbAddDelVipV2::default() };
    /// assert_eq!(add.new_flows_table_length, 1024);
    /// # Ok::<_, ipnet::AddrParseError>(())
    /// ```
    request lb_add_del_vip_v2 "7c520e0f" as LbAddDelVipV2 => LbAddDelVipV2Reply {
        /// Prefix of the VIP; VPP does not check the length.
        pfx: Prefix as As<AddressWithPrefix>,
        /// IP protocol, forced to 255 when `port` is 0.
        protocol: IpProto as As<u8> = 255,
        /// 0 for all protocols and ports.
        port: u16,
        /// How packets reach the servers.
        encap: Encap,
        /// For L3DSR, 6 bits.
        dscp: u8,
        /// For NAT; little-endian, see [`SrvType`].
        r#type: SrvType,
        /// For NAT.
        target_port: u16,
        /// Ignored by VPP.
        node_port: u16,
        /// Buckets, a power of two. **0 is accepted and makes VPP abort.**
        new_flows_table_length: u32 = 1024,
        /// Hash over addresses alone.
        src_ip_sticky: bool,
        /// Delete; then only `pfx`, `protocol` and `port` count.
        is_del: bool,
    }

    /// Answer to [`LbAddDelVipV2`]. 10 bytes.
    ///
    /// ```
    /// # use vpp_api::{messages::lb::LbAddDelVipV2Reply, types::Retval};
    /// assert_eq!(LbAddDelVipV2Reply { retval: Retval(-81) }.retval, Retval::VALUE_EXIST);
    /// ```
    reply lb_add_del_vip_v2_reply "e8d4e804" as LbAddDelVipV2Reply {}

    /// Adds, with weight 100, or deletes an application server. 50 bytes.
    ///
    /// ```
    /// use vpp_api::messages::lb::LbAddDelAs;
    ///
    /// let pfx = "192.0.2.10/32".parse::<ipnet::IpNet>()?.into();
    /// let as_address = std::net::Ipv4Addr::new(10, 0, 0, 1).into();
    /// let delete = LbAddDelAs { pfx, as_address, is_del: true, is_flush: true, ..LbAddDelAs::default() };
    /// # Ok::<_, ipnet::AddrParseError>(())
    /// ```
    request lb_add_del_as "35d72500" as LbAddDelAs => LbAddDelAsReply {
        /// The VIP's prefix.
        pfx: Prefix as As<AddressWithPrefix>,
        /// The VIP's protocol.
        protocol: IpProto as As<u8> = 255,
        /// The VIP's port.
        port: u16,
        /// The server, of the family that the VIP's encap asks for.
        as_address: Address,
        /// Delete.
        is_del: bool,
        /// With `is_del`: forget its sessions.
        is_flush: bool,
    }

    /// Answer to [`LbAddDelAs`]. 10 bytes.
    ///
    /// ```
    /// use vpp_api::{messages::lb::LbAddDelAsReply, types::Retval};
    ///
    /// // Whether the encapsulation of the VIP takes servers of the other family.
    /// let is_wrong_family = |reply: LbAddDelAsReply| reply.retval == Retval::INVALID_ADDRESS_FAMILY;
    /// assert!(is_wrong_family(LbAddDelAsReply { retval: Retval(-97) }));
    /// ```
    reply lb_add_del_as_reply "e8d4e804" as LbAddDelAsReply {}

    /// Adds or deletes an application server; 26.10-rc0 and later. 51 bytes.
    ///
    /// ```
    /// use vpp_api::messages::lb::LbAddDelAsV2;
    ///
    /// let pfx = "192.0.2.10/32".parse::<ipnet::IpNet>()?.into();
    /// let as_address = std::net::Ipv4Addr::new(10, 0, 0, 1).into();
    /// let add = LbAddDelAsV2 { pfx, as_address, ..LbAddDelAsV2::default() };
    /// assert_eq!(add.weight, 100);
    /// # Ok::<_, ipnet::AddrParseError>(())
    /// ```
    request lb_add_del_as_v2 "2f1d3b0e" as LbAddDelAsV2 => LbAddDelAsV2Reply {
        /// The VIP's prefix.
        pfx: Prefix as As<AddressWithPrefix>,
        /// The VIP's protocol.
        protocol: IpProto as As<u8> = 255,
        /// The VIP's port.
        port: u16,
        /// The server, of the family that the VIP's encap asks for.
        as_address: Address,
        /// 0 to 100 when adding; VPP does not check it.
        weight: u8 = 100,
        /// Delete.
        is_del: bool,
        /// With `is_del`, or when adding a removed server again: forget its sessions.
        is_flush: bool,
    }

    /// Answer to [`LbAddDelAsV2`]. 10 bytes.
    ///
    /// ```
    /// use vpp_api::{messages::lb::LbAddDelAsV2Reply, types::Retval};
    ///
    /// // Whether the server was in use before an add: its weight is what it was, and takes an `LbAsSetWeight`.
    /// let was_there = |reply: LbAddDelAsV2Reply| reply.retval == Retval::VALUE_EXIST;
    /// assert!(was_there(LbAddDelAsV2Reply { retval: Retval(-81) }));
    /// ```
    reply lb_add_del_as_v2_reply "e8d4e804" as LbAddDelAsV2Reply {}

    /// Changes the weight of an application server in use; 26.10-rc0 and later. 50 bytes.
    ///
    /// ```
    /// use vpp_api::messages::lb::{LbAddDelAsV2, LbAsSetWeight};
    ///
    /// /// No new flows for a server that was added.
    /// fn drain(&LbAddDelAsV2 { pfx, protocol, port, as_address, .. }: &LbAddDelAsV2) -> LbAsSetWeight {
    ///     LbAsSetWeight { pfx, protocol, port, as_address, weight: 0, is_flush: false }
    /// }
    /// ```
    request lb_as_set_weight "2d89bdbd" as LbAsSetWeight => LbAsSetWeightReply {
        /// The VIP's prefix.
        pfx: Prefix as As<AddressWithPrefix>,
        /// The VIP's protocol.
        protocol: IpProto as As<u8> = 255,
        /// The VIP's port.
        port: u16,
        /// The server.
        as_address: Address,
        /// 0 to 100; VPP does not check it.
        weight: u8,
        /// Forget its sessions.
        is_flush: bool,
    }

    /// Answer to [`LbAsSetWeight`]. 10 bytes.
    ///
    /// ```
    /// use vpp_api::{messages::lb::LbAsSetWeightReply, types::Retval};
    ///
    /// // Whether the server is unknown or was removed, so that it has to be added.
    /// let is_absent = |reply: LbAsSetWeightReply| reply.retval == Retval::NO_SUCH_ENTRY;
    /// assert!(is_absent(LbAsSetWeightReply { retval: Retval(-6) }));
    /// ```
    reply lb_as_set_weight_reply "e8d4e804" as LbAsSetWeightReply {}

    /// Forgets all sessions of a VIP. 31 bytes.
    ///
    /// **For a VIP that does not exist VPP returns 0 and works on an uninitialised index.**
    ///
    /// ```
    /// use vpp_api::messages::lb::{LbFlushVip, LbVip};
    ///
    /// /// Of one that was dumped, so that it exists.
    /// fn flush(&LbVip { pfx, protocol, port }: &LbVip) -> LbFlushVip {
    ///     LbFlushVip { pfx, protocol, port }
    /// }
    /// ```
    request lb_flush_vip "1063f819" as LbFlushVip => LbFlushVipReply {
        /// The VIP's prefix.
        pfx: Prefix as As<AddressWithPrefix>,
        /// The VIP's protocol.
        protocol: IpProto as As<u8>,
        /// The VIP's port.
        port: u16,
    }

    /// Answer to [`LbFlushVip`], always 0. 10 bytes.
    ///
    /// ```
    /// use vpp_api::{messages::lb::LbFlushVipReply, types::Retval};
    ///
    /// // It tells nothing: that the VIP is there must be known before.
    /// assert!(LbFlushVipReply { retval: Retval(0) }.retval.is_ok());
    /// ```
    reply lb_flush_vip_reply "e8d4e804" as LbFlushVipReply {}

    /// Asks for all VIPs in use; VPP ignores every field. 33 bytes.
    ///
    /// ```
    /// use vpp_api::connection::{Connection, StartError};
    /// use vpp_api::messages::lb::LbVipDump;
    ///
    /// fn ask(connection: &mut Connection<&'static str>) -> Result<u32, StartError> {
    ///     connection.dump(&LbVipDump::all(), "vips")
    /// }
    /// ```
    dump lb_vip_dump "56110cb7" as LbVipDump => LbVipDetails {
        /// Ignored.
        pfx: Prefix as As<AddressWithPrefix>,
        /// Ignored.
        pfx_matcher: PrefixMatcher,
        /// Ignored.
        protocol: IpProto as As<u8> = 255,
        /// Ignored.
        port: u16,
    }

    /// One VIP. 40 bytes.
    ///
    /// ```
    /// use vpp_api::messages::lb::LbVipDetails;
    ///
    /// /// Such as `192.0.2.10/32 all ports`.
    /// fn title(LbVipDetails { vip, .. }: &LbVipDetails) -> String {
    ///     if vip.port == 0 { format!("{} all ports", vip.pfx) } else { format!("{} {}", vip.pfx, vip.port) }
    /// }
    /// ```
    details lb_vip_details "1329ec9b" as LbVipDetails {
        /// Its key.
        vip: LbVip,
        /// How packets reach the servers.
        encap: Encap,
        /// For L3DSR only; left-over memory for GRE, `srv_type` for NAT.
        dscp: Dscp,
        /// For NAT only, little-endian; left-over memory else.
        srv_type: SrvType,
        /// For NAT only, swapped twice by VPP and so little-endian; left-over memory else.
        target_port: u16 as HostOrder,
        /// Buckets modulo 65536: the request carries a u32, this a u16.
        flow_table_length: u16,
    }

    /// Asks for application servers. 31 bytes. See [`LbAsV2Dump`] for the filter.
    ///
    /// ```
    /// let everything = vpp_api::messages::lb::LbAsDump::all();
    /// assert_eq!(everything.pfx.address.bytes, [0; 16]);
    /// ```
    dump lb_as_dump "1063f819" as LbAsDump => LbAsDetails {
        /// All 16 address bytes zero: everything.
        pfx: Prefix as As<AddressWithPrefix>,
        /// The VIP's protocol.
        protocol: IpProto as As<u8>,
        /// The VIP's port.
        port: u16,
    }

    /// One application server. 49 bytes.
    ///
    /// ```
    /// /// Whether it was removed, and only waits for its flows to end.
    /// fn lingers(server: &vpp_api::messages::lb::LbAsDetails) -> bool {
    ///     server.flags & 1 == 0
    /// }
    /// ```
    details lb_as_details "8d24c29e" as LbAsDetails {
        /// The VIP.
        vip: LbVip,
        /// The server.
        app_srv: Address,
        /// Bit 0: in use; 0: removed and lingering.
        flags: u8,
        /// Seconds since VPP started at the last removal; 0 or stale if it never was.
        in_use_since: u32,
    }

    /// Asks for application servers with weights; 26.10-rc0 and later. 31 bytes.
    ///
    /// The filter compares the 16 address bytes with VPP's own form of a prefix, in which IPv4 stands at the end;
    /// an IPv4 prefix in its normal place matches nothing. [`LbAsV2Dump::vip`] places it right.
    ///
    /// ```
    /// use vpp_api::{messages::lb::LbAsV2Dump, types::IpProto};
    ///
    /// let of_one = LbAsV2Dump::vip("192.0.2.10/32".parse()?, IpProto::TCP, 443);
    /// assert_eq!(of_one.pfx.address.bytes[12..], [192, 0, 2, 10]);
    /// # Ok::<_, ipnet::AddrParseError>(())
    /// ```
    dump lb_as_v2_dump "1063f819" as LbAsV2Dump => LbAsV2Details {
        /// All 16 address bytes zero: everything; `af` and `len` are ignored.
        pfx: Prefix as As<AddressWithPrefix>,
        /// The VIP's protocol, 255 for an all-port VIP.
        protocol: IpProto as As<u8>,
        /// The VIP's port.
        port: u16,
    }

    /// One application server with its weight. 54 bytes.
    ///
    /// ```
    /// /// Whether new flows come to it.
    /// fn takes_flows(server: &vpp_api::messages::lb::LbAsV2Details) -> bool {
    ///     server.flags & 1 == 1 && server.num_buckets > 0
    /// }
    /// ```
    details lb_as_v2_details "90064aae" as LbAsV2Details {
        /// The VIP; a removed one appears under the same key as its successor.
        vip: LbVip,
        /// The server.
        app_srv: Address,
        /// Bit 0: in use; 0: removed and lingering.
        flags: u8,
        /// Seconds since VPP started at the last removal; 0 or stale if it never was.
        in_use_since: u32,
        /// Weight, kept after removal.
        weight: u8,
        /// Entries of the new-flow table that point here; 0 for a removed one.
        num_buckets: u32,
    }

    /// Switches NAT4 on an interface; -2 for a bad index. 15 bytes.
    ///
    /// ```
    /// use vpp_api::{messages::lb::LbAddDelIntfNat4, types::InterfaceIndex};
    ///
    /// let on = LbAddDelIntfNat4 { is_add: true, sw_if_index: InterfaceIndex(1) };
    /// ```
    request lb_add_del_intf_nat4 "47d6e753" as LbAddDelIntfNat4 => LbAddDelIntfNat4Reply {
        /// On or off.
        is_add: bool,
        /// Interface.
        sw_if_index: InterfaceIndex,
    }

    /// Answer to [`LbAddDelIntfNat4`]. 10 bytes.
    ///
    /// ```
    /// # use vpp_api::{messages::lb::LbAddDelIntfNat4Reply, types::Retval};
    /// let refused = LbAddDelIntfNat4Reply { retval: Retval(-2) };
    /// assert_eq!(refused.retval.name(), Some("INVALID_SW_IF_INDEX"));
    /// ```
    reply lb_add_del_intf_nat4_reply "e8d4e804" as LbAddDelIntfNat4Reply {}

    /// Switches NAT6 on an interface; -2 for a bad index. 15 bytes.
    ///
    /// ```
    /// use vpp_api::{messages::lb::LbAddDelIntfNat6, types::InterfaceIndex};
    ///
    /// let off = LbAddDelIntfNat6 { is_add: false, sw_if_index: InterfaceIndex(1) };
    /// ```
    request lb_add_del_intf_nat6 "47d6e753" as LbAddDelIntfNat6 => LbAddDelIntfNat6Reply {
        /// On or off.
        is_add: bool,
        /// Interface.
        sw_if_index: InterfaceIndex,
    }

    /// Answer to [`LbAddDelIntfNat6`]. 10 bytes.
    ///
    /// ```
    /// # use vpp_api::{messages::lb::LbAddDelIntfNat6Reply, types::Retval};
    /// let refused = LbAddDelIntfNat6Reply { retval: Retval(-2) };
    /// assert_eq!(refused.retval.text(), Some("Invalid sw_if_index"));
    /// ```
    reply lb_add_del_intf_nat6_reply "e8d4e804" as LbAddDelIntfNat6Reply {}
}
