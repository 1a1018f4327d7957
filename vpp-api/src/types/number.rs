//! Enumerations, flags and indices.

use std::fmt;

use crate::codec::{Reader, Wire, Writer};
use crate::error::DecodeError;

/// Declares an enumeration that keeps values it does not know.
macro_rules! wire_enum {
    ($(
        $(#[$meta:meta])*
        $ty:ident : $base:ty { $( $(#[$variant_meta:meta])* $variant:ident = $value:literal ),* $(,)? }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum $ty {
            $( $(#[$variant_meta])* $variant, )*
            /// A value that VPP's definition does not name, as it came.
            Unknown($base),
        }

        impl From<$base> for $ty {
            fn from(value: $base) -> Self {
                match value {
                    $( $value => Self::$variant, )*
                    other => Self::Unknown(other),
                }
            }
        }

        impl From<$ty> for $base {
            fn from(value: $ty) -> Self {
                match value {
                    $( $ty::$variant => $value, )*
                    $ty::Unknown(other) => other,
                }
            }
        }

        impl Default for $ty {
            fn default() -> Self {
                <$base>::default().into()
            }
        }

        impl $crate::codec::Wire for $ty {
            const MIN: usize = size_of::<$base>();

            fn decode(
                reader: &mut $crate::codec::Reader<'_>,
                wanted: &'static str,
            ) -> Result<Self, $crate::error::DecodeError> {
                <$base as $crate::codec::Wire>::decode(reader, wanted).map(Self::from)
            }

            fn encode(&self, writer: &mut $crate::codec::Writer<'_>) {
                $crate::codec::Wire::encode(&<$base>::from(*self), writer);
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $ty {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serde::Serialize::serialize(&<$base>::from(*self), serializer)
            }
        }
    )*};
}
pub(crate) use wire_enum;

/// Declares a newtype over a number that is encoded as that number.
macro_rules! wire_number {
    ($(
        $(#[$meta:meta])*
        $ty:ident : $base:ty { $( $(#[$const_meta:meta])* $const:ident = $value:expr ),* $(,)? }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        pub struct $ty(pub $base);

        impl $ty {
            $( $(#[$const_meta])* pub const $const: Self = Self($value); )*
        }

        impl From<$base> for $ty {
            fn from(value: $base) -> Self {
                Self(value)
            }
        }

        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Wire for $ty {
            const MIN: usize = size_of::<$base>();

            fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
                <$base>::decode(reader, wanted).map(Self)
            }

            fn encode(&self, writer: &mut Writer<'_>) {
                self.0.encode(writer);
            }
        }
    )*};
}

wire_enum! {
    /// `lb_encap_type`: how packets travel to the application server. VPP `src/plugins/lb/lb_types.api`.
    Encap: u32 {
        /// GRE in IPv4.
        Gre4 = 0,
        /// GRE in IPv6.
        Gre6 = 1,
        /// Layer 3 direct server return by DSCP. An IPv6 VIP silently becomes GRE6.
        L3dsr = 2,
        /// IPv4 NAT, UDP only. An IPv6 VIP silently becomes GRE6.
        Nat4 = 3,
        /// IPv6 NAT.
        Nat6 = 4,
    }

    /// `if_type`. VPP `src/vnet/interface_types.api`.
    IfType: u32 {
        /// A hardware interface.
        Hardware = 0,
        /// A sub-interface.
        Sub = 1,
        /// Point to point.
        P2p = 2,
        /// A pipe.
        Pipe = 3,
    }

    /// `link_duplex`. VPP `src/vnet/interface_types.api`.
    LinkDuplex: u32 {
        /// Not known.
        NotKnown = 0,
        /// One direction at a time.
        Half = 1,
        /// Both directions.
        Full = 2,
    }

    /// `fib_path_type`. VPP `src/vnet/fib/fib_types.api`.
    FibPathType: u32 {
        /// Forwarded to a next hop.
        Normal = 0,
        /// For VPP itself.
        Local = 1,
        /// Dropped.
        Drop = 2,
        /// Through a UDP encapsulation.
        UdpEncap = 3,
        /// BIER imposition.
        BierImp = 4,
        /// Answered with ICMP unreachable.
        IcmpUnreach = 5,
        /// Answered with ICMP prohibited.
        IcmpProhibit = 6,
        /// Looked up again by source.
        SourceLookup = 7,
        /// Distributed virtual routing.
        Dvr = 8,
        /// Received on another interface.
        InterfaceRx = 9,
        /// Given to a classifier table.
        Classify = 10,
    }

    /// `fib_path_nh_proto`. VPP `src/vnet/fib/fib_types.api`.
    NextHopProto: u32 {
        /// IPv4.
        Ip4 = 0,
        /// IPv6.
        Ip6 = 1,
        /// MPLS.
        Mpls = 2,
        /// Ethernet.
        Ethernet = 3,
        /// BIER.
        Bier = 4,
    }
}

wire_number! {
    /// `interface_index`, VPP's `sw_if_index`.
    InterfaceIndex: u32 {
        /// None, or in a dump all: all ones.
        NONE = u32::MAX,
    }

    /// `ip_proto`: IP protocol number, one byte.
    IpProto: u8 {
        /// TCP.
        TCP = 6,
        /// UDP.
        UDP = 17,
        /// Any protocol, which is what VPP makes of a VIP without a port.
        ANY = 255,
    }

    /// `ip_dscp`: 6 bits of differentiated services code point, in one byte.
    Dscp: u8 {}

    /// `if_status_flags`, bits.
    IfStatusFlags: u32 {
        /// Set up by the administrator.
        ADMIN_UP = 1,
        /// The link is there.
        LINK_UP = 2,
    }

    /// `fib_path_flags`, bits.
    FibPathFlags: u32 {
        /// Resolved through an attached next hop.
        RESOLVE_VIA_ATTACHED = 1,
        /// Resolved through a host route.
        RESOLVE_VIA_HOST = 2,
        /// Pops a pseudo-wire control word.
        POP_PW_CW = 4,
    }
}

/// `lb_srv_type`, for NAT VIPs only, 4 bytes in the order of VPP's host (little-endian).
///
/// VPP copies this field to and from a single byte without swapping, in requests and in details
/// (`src/plugins/lb/api.c`): only the first byte on the wire counts there. This codec puts the value where VPP looks
/// for it; a peer that encodes big-endian shows up as [`SrvType::Unknown`] and VPP would take it for `ClusterIp`.
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

/// `timestamp`: Unix time in seconds with a fraction, an f64 in the order of VPP's host (little-endian).
///
/// VPP does not swap f64 (`clib_host_to_net_f64` returns its argument, `src/vppinfra/byte_order.h`). Kept as bits, so
/// that two are equal when their bytes are.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From seconds since 1970.
    #[must_use]
    pub fn from_secs(secs: f64) -> Self {
        Self(secs.to_bits())
    }

    /// Seconds since 1970; whatever the peer sent, also a NaN.
    #[must_use]
    pub fn secs(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.secs().fmt(f)
    }
}

impl Wire for Timestamp {
    const MIN: usize = 8;

    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        reader.array(wanted).map(u64::from_le_bytes).map(Self)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(&self.0.to_le_bytes());
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.secs())
    }
}
