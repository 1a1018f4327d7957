//! Addresses and prefixes, VPP `src/vnet/ip/ip_types.api` and `src/vnet/ethernet/ethernet_types.api`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use thiserror::Error;

use crate::codec::{Reader, Wire, Writer};
use crate::error::DecodeError;
use crate::schema::{Array, Field, Number, Shape, Type};
use crate::{wire_alias, wire_enum, wire_struct};

wire_enum! {
    /// `address_family`, one byte.
    ///
    /// VPP's decoder leaves the destination uninitialised for any other value, so that only these two may be sent.
    ///
    /// ```
    /// use vpp_api::types::AddressFamily;
    ///
    /// assert_eq!(AddressFamily::from(1), AddressFamily::Ip6);
    /// ```
    enum address_family: u8 as AddressFamily {
        /// IPv4: the first 4 of the 16 address bytes count.
        ADDRESS_IP4 = 0 as Ip4,
        /// IPv6.
        ADDRESS_IP6 = 1 as Ip6,
    }
}

/// `address`, 17 bytes: family and a 16-byte union, IPv4 in its first 4 bytes.
///
/// ```
/// use std::net::{IpAddr, Ipv4Addr};
/// use vpp_api::types::{Address, AddressFamily};
///
/// let address = Address::from(Ipv4Addr::new(192, 0, 2, 10));
/// assert_eq!(address.af, AddressFamily::Ip4);
/// assert_eq!(address.bytes[..5], [192, 0, 2, 10, 0]);
/// assert_eq!(address.ip(), IpAddr::from([192, 0, 2, 10]));
/// ```
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Address {
    /// Family.
    pub af: AddressFamily,
    /// The union as it is on the wire. For IPv4 VPP sends zeros in the last 12.
    pub bytes: [u8; 16],
}

impl Address {
    /// The address it stands for. A family that VPP does not define is read as IPv6, so that no byte is hidden.
    ///
    /// ```
    /// use vpp_api::types::{Address, AddressFamily};
    ///
    /// let odd = Address { af: AddressFamily::Unknown(9), bytes: [1; 16] };
    /// assert_eq!(odd.ip().to_string(), "101:101:101:101:101:101:101:101");
    /// ```
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        let [a, b, c, d, ..] = self.bytes;
        match self.af {
            AddressFamily::Ip4 => Ipv4Addr::new(a, b, c, d).into(),
            AddressFamily::Ip6 | AddressFamily::Unknown(_) => Ipv6Addr::from(self.bytes).into(),
        }
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self { af: AddressFamily::Ip4, bytes: widened(ip) },
            IpAddr::V6(ip) => Self { af: AddressFamily::Ip6, bytes: ip.octets() },
        }
    }
}

impl From<Ipv4Addr> for Address {
    fn from(ip: Ipv4Addr) -> Self {
        IpAddr::from(ip).into()
    }
}

impl From<Ipv6Addr> for Address {
    fn from(ip: Ipv6Addr) -> Self {
        IpAddr::from(ip).into()
    }
}

impl Default for Address {
    /// 0.0.0.0, all bytes zero.
    fn default() -> Self {
        Self { af: AddressFamily::Ip4, bytes: [0; 16] }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}

impl Wire for Address {
    const MIN: usize = 17;
    const SHAPE: Shape = Shape::of(&Type::Struct {
        name: "address",
        fields: &[Field::new("af", AddressFamily::SHAPE), Field::new("un", AddressUnion::SHAPE)],
    });

    fn zero() -> Self {
        Self::default()
    }

    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        Ok(Self { af: AddressFamily::decode(reader, wanted)?, bytes: reader.array(wanted)? })
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        self.af.encode(writer);
        writer.put(&self.bytes);
    }
}

/// `prefix`, 18 bytes: an address and a length in bits. See [`AddressWithPrefix`] for VPP's other name of it.
///
/// The length is kept as the peer sent it. Releases up to 26.06 count 96 more for IPv4 in the lb messages, so that
/// 128 with an IPv4 address does occur; [`Prefix::net`] refuses it.
///
/// ```
/// use ipnet::IpNet;
/// use vpp_api::types::Prefix;
///
/// let net: IpNet = "192.0.2.10/32".parse()?;
/// let prefix = Prefix::from(net);
/// assert_eq!(prefix.net(), Ok(net));
/// assert!(Prefix { len: 128, ..prefix }.net().is_err());
/// # Ok::<_, ipnet::AddrParseError>(())
/// ```
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct Prefix {
    /// Address; host bits may be set.
    pub address: Address,
    /// Length in bits, unchecked.
    pub len: u8,
}

impl Prefix {
    /// As a network, host bits kept.
    ///
    /// ```
    /// use vpp_api::types::{Address, Prefix};
    ///
    /// let prefix = Prefix { address: Address::from(std::net::Ipv4Addr::new(192, 0, 2, 10)), len: 24 };
    /// assert_eq!(prefix.net()?.to_string(), "192.0.2.10/24");
    /// assert!(Prefix { len: 33, ..prefix }.net().is_err());
    /// # Ok::<_, vpp_api::types::PrefixError>(())
    /// ```
    ///
    /// # Errors
    /// [`PrefixError`] if the length exceeds what the family has.
    pub fn net(&self) -> Result<IpNet, PrefixError> {
        IpNet::new(self.address.ip(), self.len).map_err(|_| PrefixError { ip: self.address.ip(), len: self.len })
    }
}

impl From<IpNet> for Prefix {
    fn from(net: IpNet) -> Self {
        Self { address: net.addr().into(), len: net.prefix_len() }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Wire for Prefix {
    const MIN: usize = 18;
    const SHAPE: Shape = Shape::of(&Type::Struct {
        name: "prefix",
        fields: &[Field::new("address", Address::SHAPE), Field::new("len", u8::SHAPE)],
    });

    fn zero() -> Self {
        Self::default()
    }

    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        Ok(Self { address: Address::decode(reader, wanted)?, len: u8::decode(reader, wanted)? })
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        self.address.encode(writer);
        self.len.encode(writer);
    }
}

/// A prefix longer than its family allows.
///
/// ```
/// use vpp_api::types::Prefix;
///
/// let error = Prefix { len: 33, ..Prefix::default() }.net().unwrap_err();
/// assert_eq!(error.to_string(), "0.0.0.0/33 is longer than an address");
/// ```
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{ip}/{len} is longer than an address")]
pub struct PrefixError {
    /// The address.
    pub ip: IpAddr,
    /// The length the peer sent.
    pub len: u8,
}

wire_alias! {
    /// `address_with_prefix`, which VPP defines as another name for `prefix`: a field that has it is a
    /// `Prefix as As<AddressWithPrefix>`.
    ///
    /// ```
    /// use vpp_api::types::{AddressWithPrefix, Prefix};
    ///
    /// let prefix = Prefix::default();
    /// assert_eq!(Prefix::from(AddressWithPrefix(prefix)), prefix);
    /// ```
    #[derive(Copy)]
    alias address_with_prefix as AddressWithPrefix: Prefix;
}

wire_struct! {
    /// `prefix_matcher`, 2 bytes. No message here gives it a meaning.
    ///
    /// ```
    /// use vpp_api::types::PrefixMatcher;
    ///
    /// let any_length = PrefixMatcher { le: 255, ge: 255 };
    /// assert_ne!(any_length, PrefixMatcher::default());
    /// ```
    #[derive(Copy)]
    struct prefix_matcher as PrefixMatcher {
        /// At most this long; 255 is unset.
        le: u8,
        /// At least this long; 255 is unset.
        ge: u8,
    }
}

/// `address_union`, 16 bytes whose family another field tells.
///
/// ```
/// use std::net::IpAddr;
/// use vpp_api::types::AddressUnion;
///
/// let next_hop = AddressUnion::from(IpAddr::from([10, 0, 0, 1]));
/// assert_eq!(next_hop.ip4().octets(), [10, 0, 0, 1]);
/// assert_eq!(next_hop.to_string(), "10.0.0.1");
/// ```
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct AddressUnion(pub [u8; 16]);

impl AddressUnion {
    /// Read as IPv4: the first 4 bytes.
    #[must_use]
    pub fn ip4(&self) -> Ipv4Addr {
        let [a, b, c, d, ..] = self.0;
        Ipv4Addr::new(a, b, c, d)
    }

    /// Read as IPv6.
    #[must_use]
    pub fn ip6(&self) -> Ipv6Addr {
        self.0.into()
    }
}

impl From<IpAddr> for AddressUnion {
    fn from(ip: IpAddr) -> Self {
        Self(Address::from(ip).bytes)
    }
}

impl fmt::Display for AddressUnion {
    /// As IPv4 when only the first 4 bytes are set, else as IPv6.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [_, _, _, _, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] => self.ip4().fmt(f),
            _ => self.ip6().fmt(f),
        }
    }
}

impl fmt::Debug for AddressUnion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Wire for AddressUnion {
    const MIN: usize = 16;
    const SHAPE: Shape = Shape::of(&Type::Union {
        name: "address_union",
        arms: &[Field::new("ip4", Ipv4Addr::SHAPE), Field::new("ip6", Ipv6Addr::SHAPE)],
    });

    fn zero() -> Self {
        Self::default()
    }

    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        reader.array(wanted).map(Self)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(&self.0);
    }
}

/// `ip4_address`, 4 bytes.
impl Wire for Ipv4Addr {
    const MIN: usize = 4;
    const SHAPE: Shape = Shape::of(&Type::Alias { name: "ip4_address", of: OCTET.arrayed(Array::Fixed(4)) });

    fn zero() -> Self {
        Self::UNSPECIFIED
    }

    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        reader.array::<4>(wanted).map(Self::from)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(&self.octets());
    }
}

/// `ip6_address`, 16 bytes.
impl Wire for Ipv6Addr {
    const MIN: usize = 16;
    const SHAPE: Shape = Shape::of(&Type::Alias { name: "ip6_address", of: OCTET.arrayed(Array::Fixed(16)) });

    fn zero() -> Self {
        Self::UNSPECIFIED
    }

    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        reader.array::<16>(wanted).map(Self::from)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(&self.octets());
    }
}

/// `mac_address`, 6 bytes.
///
/// ```
/// use vpp_api::types::MacAddress;
///
/// assert_eq!(MacAddress([2, 0xfe, 0, 0, 0, 0x11]).to_string(), "02:fe:00:00:00:11");
/// ```
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Wire for MacAddress {
    const MIN: usize = 6;
    const SHAPE: Shape = Shape::of(&Type::Alias { name: "mac_address", of: OCTET.arrayed(Array::Fixed(6)) });

    fn zero() -> Self {
        Self::default()
    }

    fn decode(reader: &mut Reader<'_>, wanted: &'static str) -> Result<Self, DecodeError> {
        reader.array(wanted).map(Self)
    }

    fn encode(&self, writer: &mut Writer<'_>) {
        writer.put(&self.0);
    }
}

#[cfg(feature = "serde")]
mod text_in_json {
    use super::{Address, AddressUnion, MacAddress, Prefix};

    macro_rules! as_text {
        ($($ty:ty),*) => {$(
            impl serde::Serialize for $ty {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }
        )*};
    }

    as_text!(Address, AddressUnion, MacAddress, Prefix);
}

/// IPv4 at the front of the union, zeros behind.
fn widened(ip: Ipv4Addr) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&ip.octets());
    bytes
}

const OCTET: Shape = Shape::of(&Type::Number(Number::U8));
