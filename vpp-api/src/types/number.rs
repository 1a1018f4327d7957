//! Enumerations, flags and indices.

use std::fmt;

use crate::codec::{Reader, Wire, Writer};
use crate::error::DecodeError;
use crate::schema::{Number, Order, Shape, Type, Value};
use crate::{wire_alias, wire_enum, wire_number};

wire_enum! {
    /// `lb_encap_type`: how packets travel to the application server. VPP `src/plugins/lb/lb_types.api`.
    ///
    /// ```
    /// use vpp_api::types::Encap;
    ///
    /// assert_eq!(u32::from(Encap::L3dsr), 2);
    /// assert_eq!(Encap::from(9), Encap::Unknown(9), "of a later VPP");
    /// ```
    enum lb_encap_type: u32 as Encap {
        /// GRE in IPv4.
        LB_API_ENCAP_TYPE_GRE4 = 0 as Gre4,
        /// GRE in IPv6.
        LB_API_ENCAP_TYPE_GRE6 = 1 as Gre6,
        /// Layer 3 direct server return by DSCP. An IPv6 VIP silently becomes GRE6.
        LB_API_ENCAP_TYPE_L3DSR = 2 as L3dsr,
        /// IPv4 NAT, UDP only. An IPv6 VIP silently becomes GRE6.
        LB_API_ENCAP_TYPE_NAT4 = 3 as Nat4,
        /// IPv6 NAT.
        LB_API_ENCAP_TYPE_NAT6 = 4 as Nat6,
        ; LB_API_ENCAP_N_TYPES = 5,
    }

    /// `if_type`. VPP `src/vnet/interface_types.api`.
    ///
    /// ```
    /// use vpp_api::types::IfType;
    ///
    /// assert_eq!(IfType::from(1), IfType::Sub);
    /// ```
    enum if_type: u32 as IfType {
        /// A hardware interface.
        IF_API_TYPE_HARDWARE = 0 as Hardware,
        /// A sub-interface.
        IF_API_TYPE_SUB = 1 as Sub,
        /// Point to point.
        IF_API_TYPE_P2P = 2 as P2p,
        /// A pipe.
        IF_API_TYPE_PIPE = 3 as Pipe,
    }

    /// `link_duplex`. VPP `src/vnet/interface_types.api`.
    ///
    /// ```
    /// use vpp_api::types::LinkDuplex;
    ///
    /// assert_eq!(LinkDuplex::from(2), LinkDuplex::Full);
    /// ```
    enum link_duplex: u32 as LinkDuplex {
        /// Not known.
        LINK_DUPLEX_API_UNKNOWN = 0 as NotKnown,
        /// One direction at a time.
        LINK_DUPLEX_API_HALF = 1 as Half,
        /// Both directions.
        LINK_DUPLEX_API_FULL = 2 as Full,
    }

    /// `fib_path_type`. VPP `src/vnet/fib/fib_types.api`.
    ///
    /// ```
    /// use vpp_api::types::FibPathType;
    ///
    /// /// Whether packets come out somewhere.
    /// fn delivers(path: FibPathType) -> bool {
    ///     !matches!(path, FibPathType::Drop | FibPathType::IcmpUnreach | FibPathType::IcmpProhibit)
    /// }
    /// assert!(delivers(FibPathType::Normal));
    /// ```
    enum fib_path_type: u32 as FibPathType {
        /// Forwarded to a next hop.
        FIB_API_PATH_TYPE_NORMAL = 0 as Normal,
        /// For VPP itself.
        FIB_API_PATH_TYPE_LOCAL = 1 as Local,
        /// Dropped.
        FIB_API_PATH_TYPE_DROP = 2 as Drop,
        /// Through a UDP encapsulation.
        FIB_API_PATH_TYPE_UDP_ENCAP = 3 as UdpEncap,
        /// BIER imposition.
        FIB_API_PATH_TYPE_BIER_IMP = 4 as BierImp,
        /// Answered with ICMP unreachable.
        FIB_API_PATH_TYPE_ICMP_UNREACH = 5 as IcmpUnreach,
        /// Answered with ICMP prohibited.
        FIB_API_PATH_TYPE_ICMP_PROHIBIT = 6 as IcmpProhibit,
        /// Looked up again by source.
        FIB_API_PATH_TYPE_SOURCE_LOOKUP = 7 as SourceLookup,
        /// Distributed virtual routing.
        FIB_API_PATH_TYPE_DVR = 8 as Dvr,
        /// Received on another interface.
        FIB_API_PATH_TYPE_INTERFACE_RX = 9 as InterfaceRx,
        /// Given to a classifier table.
        FIB_API_PATH_TYPE_CLASSIFY = 10 as Classify,
    }

    /// `fib_path_nh_proto`. VPP `src/vnet/fib/fib_types.api`.
    ///
    /// ```
    /// use vpp_api::types::NextHopProto;
    ///
    /// assert_eq!(NextHopProto::from(1), NextHopProto::Ip6);
    /// ```
    enum fib_path_nh_proto: u32 as NextHopProto {
        /// IPv4.
        FIB_API_PATH_NH_PROTO_IP4 = 0 as Ip4,
        /// IPv6.
        FIB_API_PATH_NH_PROTO_IP6 = 1 as Ip6,
        /// MPLS.
        FIB_API_PATH_NH_PROTO_MPLS = 2 as Mpls,
        /// Ethernet.
        FIB_API_PATH_NH_PROTO_ETHERNET = 3 as Ethernet,
        /// BIER.
        FIB_API_PATH_NH_PROTO_BIER = 4 as Bier,
    }
}

wire_number! {
    /// `interface_index`, VPP's `sw_if_index`.
    ///
    /// ```
    /// use vpp_api::types::InterfaceIndex;
    ///
    /// assert_eq!(InterfaceIndex::from(u32::MAX), InterfaceIndex::NONE);
    /// assert_eq!(InterfaceIndex(3).0, 3);
    /// ```
    alias interface_index: u32 as InterfaceIndex {
        /// None, or in a dump all: all ones.
        NONE = u32::MAX,
    }

    /// `ip_proto`: IP protocol number, one byte.
    ///
    /// ```
    /// use vpp_api::types::IpProto;
    ///
    /// assert_eq!(IpProto::TCP.0, 6);
    /// assert_eq!(IpProto::from(255), IpProto::ANY);
    /// ```
    enum ip_proto: u8 as IpProto {
        /// IPv6 hop-by-hop options.
        IP_API_PROTO_HOPOPT = 0 as HOPOPT,
        /// ICMP.
        IP_API_PROTO_ICMP = 1 as ICMP,
        /// IGMP.
        IP_API_PROTO_IGMP = 2 as IGMP,
        /// TCP.
        IP_API_PROTO_TCP = 6 as TCP,
        /// UDP.
        IP_API_PROTO_UDP = 17 as UDP,
        /// GRE.
        IP_API_PROTO_GRE = 47 as GRE,
        /// IPsec ESP.
        IP_API_PROTO_ESP = 50 as ESP,
        /// IPsec AH.
        IP_API_PROTO_AH = 51 as AH,
        /// ICMPv6.
        IP_API_PROTO_ICMP6 = 58 as ICMP6,
        /// EIGRP.
        IP_API_PROTO_EIGRP = 88 as EIGRP,
        /// OSPF.
        IP_API_PROTO_OSPF = 89 as OSPF,
        /// SCTP.
        IP_API_PROTO_SCTP = 132 as SCTP,
        /// Any protocol, which is what VPP makes of a VIP without a port.
        IP_API_PROTO_RESERVED = 255 as ANY,
    }

    /// `ip_dscp`: 6 bits of differentiated services code point, in one byte.
    ///
    /// ```
    /// use vpp_api::types::Dscp;
    ///
    /// assert_eq!(Dscp::EF.0, 46);
    /// assert_eq!(Dscp::from(8), Dscp::CS1);
    /// ```
    enum ip_dscp: u8 as Dscp {
        /// `CS0`.
        IP_API_DSCP_CS0 = 0 as CS0,
        /// `CS1`.
        IP_API_DSCP_CS1 = 8 as CS1,
        /// `AF11`.
        IP_API_DSCP_AF11 = 10 as AF11,
        /// `AF12`.
        IP_API_DSCP_AF12 = 12 as AF12,
        /// `AF13`.
        IP_API_DSCP_AF13 = 14 as AF13,
        /// `CS2`.
        IP_API_DSCP_CS2 = 16 as CS2,
        /// `AF21`.
        IP_API_DSCP_AF21 = 18 as AF21,
        /// `AF22`.
        IP_API_DSCP_AF22 = 20 as AF22,
        /// `AF23`.
        IP_API_DSCP_AF23 = 22 as AF23,
        /// `CS3`.
        IP_API_DSCP_CS3 = 24 as CS3,
        /// `AF31`.
        IP_API_DSCP_AF31 = 26 as AF31,
        /// `AF32`.
        IP_API_DSCP_AF32 = 28 as AF32,
        /// `AF33`.
        IP_API_DSCP_AF33 = 30 as AF33,
        /// `CS4`.
        IP_API_DSCP_CS4 = 32 as CS4,
        /// `AF41`.
        IP_API_DSCP_AF41 = 34 as AF41,
        /// `AF42`.
        IP_API_DSCP_AF42 = 36 as AF42,
        /// `AF43`.
        IP_API_DSCP_AF43 = 38 as AF43,
        /// `CS5`.
        IP_API_DSCP_CS5 = 40 as CS5,
        /// `EF`.
        IP_API_DSCP_EF = 46 as EF,
        /// `CS6`.
        IP_API_DSCP_CS6 = 48 as CS6,
        /// `CS7`.
        IP_API_DSCP_CS7 = 50 as CS7,
    }

    /// `if_status_flags`, bits.
    ///
    /// ```
    /// use vpp_api::types::IfStatusFlags;
    ///
    /// let flags = IfStatusFlags(3);
    /// assert!(flags.0 & IfStatusFlags::LINK_UP.0 != 0);
    /// ```
    enum if_status_flags: u32 as IfStatusFlags {
        /// Set up by the administrator.
        IF_STATUS_API_FLAG_ADMIN_UP = 1 as ADMIN_UP,
        /// The link is there.
        IF_STATUS_API_FLAG_LINK_UP = 2 as LINK_UP,
    }

    /// `sub_if_flags`, bits.
    ///
    /// ```
    /// use vpp_api::types::SubIfFlags;
    ///
    /// let flags = SubIfFlags(18);
    /// assert_eq!(flags.0, SubIfFlags::ONE_TAG.0 | SubIfFlags::EXACT_MATCH.0);
    /// ```
    enum sub_if_flags: u32 as SubIfFlags {
        /// No VLAN tag.
        SUB_IF_API_FLAG_NO_TAGS = 1 as NO_TAGS,
        /// One VLAN tag.
        SUB_IF_API_FLAG_ONE_TAG = 2 as ONE_TAG,
        /// Two VLAN tags.
        SUB_IF_API_FLAG_TWO_TAGS = 4 as TWO_TAGS,
        /// 802.1ad.
        SUB_IF_API_FLAG_DOT1AD = 8 as DOT1AD,
        /// Tags match exactly.
        SUB_IF_API_FLAG_EXACT_MATCH = 16 as EXACT_MATCH,
        /// Takes what no other sub-interface takes.
        SUB_IF_API_FLAG_DEFAULT = 32 as DEFAULT,
        /// Any outer VLAN.
        SUB_IF_API_FLAG_OUTER_VLAN_ID_ANY = 64 as OUTER_VLAN_ID_ANY,
        /// Any inner VLAN.
        SUB_IF_API_FLAG_INNER_VLAN_ID_ANY = 128 as INNER_VLAN_ID_ANY,
        /// All that VPP keeps of the flags.
        SUB_IF_API_FLAG_MASK_VNET = 254 as MASK_VNET,
        /// 802.1ah.
        SUB_IF_API_FLAG_DOT1AH = 256 as DOT1AH,
    }

    /// `fib_path_flags`, bits.
    ///
    /// ```
    /// use vpp_api::types::FibPathFlags;
    ///
    /// assert_eq!(FibPathFlags::default(), FibPathFlags::NONE);
    /// ```
    enum fib_path_flags: u32 as FibPathFlags {
        /// None.
        FIB_API_PATH_FLAG_NONE = 0 as NONE,
        /// Resolved through an attached next hop.
        FIB_API_PATH_FLAG_RESOLVE_VIA_ATTACHED = 1 as RESOLVE_VIA_ATTACHED,
        /// Resolved through a host route.
        FIB_API_PATH_FLAG_RESOLVE_VIA_HOST = 2 as RESOLVE_VIA_HOST,
        /// Pops a pseudo-wire control word.
        FIB_API_PATH_FLAG_POP_PW_CW = 4 as POP_PW_CW,
    }
}

/// `lb_srv_type`, for NAT VIPs only, 4 bytes in the order of VPP's host (little-endian).
///
/// VPP copies this field to and from a single byte without swapping, in requests and in details
/// (`src/plugins/lb/api.c`): only the first byte on the wire counts there. This codec puts the value where VPP looks
/// for it; a peer that encodes big-endian shows up as [`SrvType::Unknown`] and VPP would take it for `ClusterIp`.
///
/// ```
/// use vpp_api::codec::{Reader, Wire};
/// use vpp_api::types::SrvType;
///
/// let of_vpp = SrvType::decode(&mut Reader::new(&[1, 0, 0, 0]), "type");
/// assert_eq!(of_vpp, Ok(SrvType::NodePort));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SrvType {
    /// Address and port of the VIP.
    #[default]
    ClusterIp,
    /// A port of the node.
    NodePort,
    /// Any other value, as it came. In details of a VIP that is not NAT it is left-over memory.
    Unknown(u32),
}

impl From<u32> for SrvType {
    fn from(value: u32) -> Self {
        match value {
            0 => Self::ClusterIp,
            1 => Self::NodePort,
            other => Self::Unknown(other),
        }
    }
}

impl From<SrvType> for u32 {
    fn from(value: SrvType) -> Self {
        match value {
            SrvType::ClusterIp => 0,
            SrvType::NodePort => 1,
            SrvType::Unknown(other) => other,
        }
    }
}

impl Wire for SrvType {
    const MIN: usize = 4;
    const SHAPE: Shape = Shape::of(&Type::Enum {
        name: "lb_srv_type",
        base: Number::U32,
        values: &[
            Value { name: "LB_API_SRV_TYPE_CLUSTERIP", value: 0 },
            Value { name: "LB_API_SRV_TYPE_NODEPORT", value: 1 },
            Value { name: "LB_API_SRV_N_TYPES", value: 2 },
        ],
        is_flags: false,
    });
    const ORDER: Order = Order::Host;

    fn zero() -> Self {
        Self::ClusterIp
    }

    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        reader.array(wanted).map(u32::from_le_bytes).map(Self::from)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(&u32::from(*self).to_le_bytes());
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for SrvType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32((*self).into())
    }
}

/// `f64`, in the order of VPP's host (little-endian).
///
/// VPP does not swap f64 (`clib_host_to_net_f64` returns its argument, `src/vppinfra/byte_order.h`). Kept as bits, so
/// that two are equal when their bytes are.
///
/// ```
/// use vpp_api::types::F64;
///
/// assert_eq!(F64::from(1.5).get(), 1.5);
/// assert_eq!(F64::from(f64::NAN), F64::from(f64::NAN));
/// ```
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct F64(u64);

impl F64 {
    /// The number; whatever the peer sent, also a NaN.
    #[must_use]
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl From<f64> for F64 {
    fn from(value: f64) -> Self {
        Self(value.to_bits())
    }
}

impl fmt::Debug for F64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl fmt::Display for F64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl Wire for F64 {
    const MIN: usize = 8;
    const SHAPE: Shape = Shape::of(&Type::Number(Number::F64));

    fn zero() -> Self {
        Self::default()
    }

    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        reader.array(wanted).map(u64::from_le_bytes).map(Self)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(&self.0.to_le_bytes());
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for F64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.get())
    }
}

wire_alias! {
    /// `timestamp`: Unix time in seconds with a fraction.
    ///
    /// ```
    /// use vpp_api::types::Timestamp;
    ///
    /// let when = Timestamp::from_secs(1_700_000_000.5);
    /// assert_eq!(when.secs().fract(), 0.5);
    /// ```
    #[derive(Copy)]
    alias timestamp as Timestamp: F64;

    /// `timedelta`: seconds with a fraction.
    ///
    /// ```
    /// use vpp_api::types::Timedelta;
    ///
    /// assert_eq!(Timedelta::from_secs(0.25).secs(), 0.25);
    /// ```
    #[derive(Copy)]
    alias timedelta as Timedelta: F64;
}

impl Timestamp {
    /// From seconds since 1970.
    #[must_use]
    pub fn from_secs(secs: f64) -> Self {
        Self(secs.into())
    }

    /// Seconds since 1970; whatever the peer sent, also a NaN.
    #[must_use]
    pub fn secs(self) -> f64 {
        self.0.get()
    }
}

impl Timedelta {
    /// From seconds.
    #[must_use]
    pub fn from_secs(secs: f64) -> Self {
        Self(secs.into())
    }

    /// Seconds; whatever the peer sent, also a NaN.
    #[must_use]
    pub fn secs(self) -> f64 {
        self.0.get()
    }
}
