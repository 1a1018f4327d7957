//! What identifies a VIP, and the dumps that ask by it.

use ipnet::IpNet;

use super::{LbAsDump, LbAsV2Dump, LbVipDump};
use crate::codec::As;
use crate::types::{Address, AddressFamily, AddressWithPrefix, IpProto, Prefix, PrefixMatcher};
use crate::wire_struct;

wire_struct! {
    /// `lb_vip`, 21 bytes: what identifies a VIP.
    ///
    /// ```
    /// use vpp_api::messages::lb::{LbAsV2Dump, LbVip};
    /// use vpp_api::types::PrefixError;
    ///
    /// /// Asks for its servers.
    /// fn servers(vip: &LbVip) -> Result<LbAsV2Dump, PrefixError> {
    ///     Ok(LbAsV2Dump::vip(vip.pfx.net()?, vip.protocol, vip.port))
    /// }
    /// ```
    #[derive(Copy)]
    struct lb_vip as LbVip {
        /// Masked prefix.
        pfx: Prefix as As<AddressWithPrefix>,
        /// IP protocol, 255 for an all-port VIP.
        protocol: IpProto,
        /// Port, 0 for an all-port VIP.
        port: u16,
    }
}

impl LbVipDump {
    /// Every VIP in use.
    #[must_use]
    pub fn all() -> Self {
        Self {
            pfx: Prefix::default(),
            pfx_matcher: PrefixMatcher { le: 255, ge: 255 },
            protocol: IpProto::ANY,
            port: 0,
        }
    }
}

impl LbAsDump {
    /// Every application server of every VIP, removed ones included.
    #[must_use]
    pub fn all() -> Self {
        Self { pfx: Prefix::default(), protocol: IpProto(0), port: 0 }
    }

    /// Those of one VIP; see [`LbAsV2Dump::vip`].
    #[must_use]
    pub fn vip(prefix: IpNet, protocol: IpProto, port: u16) -> Self {
        Self { pfx: filter(prefix), protocol, port }
    }
}

impl LbAsV2Dump {
    /// Every application server of every VIP, removed ones included.
    #[must_use]
    pub fn all() -> Self {
        Self { pfx: Prefix::default(), protocol: IpProto(0), port: 0 }
    }

    /// Those of one VIP, also of a removed one with the same key.
    ///
    /// `protocol` and `port` must be what VPP shows for it: 255 and 0 for an all-port VIP. Host bits of `prefix` are
    /// cleared here. 0.0.0.0/n and ::/n cannot be asked for: VPP takes them for "everything".
    #[must_use]
    pub fn vip(prefix: IpNet, protocol: IpProto, port: u16) -> Self {
        Self { pfx: filter(prefix), protocol, port }
    }
}

/// The prefix as VPP stores it: 16 bytes, IPv4 in the last 4 and its length counted from there.
///
/// VPP ignores family and length here. IPv6 is said so that all 16 bytes show when the request is printed.
fn filter(prefix: IpNet) -> Prefix {
    let (address, len) = match prefix.trunc() {
        IpNet::V4(net) => (net.network().to_ipv6_compatible(), 96 + net.prefix_len()),
        IpNet::V6(net) => (net.network(), net.prefix_len()),
    };
    Prefix { address: Address { af: AddressFamily::Ip6, bytes: address.octets() }, len }
}
