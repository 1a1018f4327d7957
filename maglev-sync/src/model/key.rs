//! What names a VIP.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// IP protocol number of a VIP; 255 stands for every protocol.
///
/// ```
/// use maglev_sync::Protocol;
///
/// assert_eq!(Protocol::TCP.to_string(), "tcp");
/// assert_eq!(Protocol::new(132).to_string(), "132");
/// assert_eq!((Protocol::UDP.number(), Protocol::new(17)), (17, Protocol::UDP));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Protocol(u8);

impl Protocol {
    /// 6.
    pub const TCP: Self = Self(6);
    /// 17.
    pub const UDP: Self = Self(17);
    /// 255: what VPP keeps for a VIP of all protocols and ports.
    pub const ANY: Self = Self(255);

    /// The protocol of this number.
    pub fn new(number: u8) -> Self {
        Self(number)
    }

    /// The number itself.
    pub fn number(self) -> u8 {
        self.0
    }
}

/// `tcp`, `udp`, `any`, else the number.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TCP => f.write_str("tcp"),
            Self::UDP => f.write_str("udp"),
            Self::ANY => f.write_str("any"),
            Self(number) => number.fmt(f),
        }
    }
}

/// Name of a VIP: prefix without host bits, protocol, port.
///
/// Keys are ordered: IPv4 before IPv6, then numerically by address, prefix length, protocol and port. Two spellings of what VPP
/// takes for one VIP are one key: host bits are cleared, and port 0 is every protocol (`src/plugins/lb/api.c`).
///
/// ```
/// use maglev_sync::{Protocol, VipKey};
///
/// let web = VipKey::host("192.0.2.1".parse()?, Protocol::TCP, 80);
/// assert_eq!(web.to_string(), "192.0.2.1 tcp/80");
/// assert_eq!((web.prefix(), web.protocol(), web.port()), ("192.0.2.1/32".parse()?, Protocol::TCP, 80));
/// // Host bits are no part of the name, and port 0 is every protocol.
/// let net = VipKey::new("198.51.100.7/28".parse()?, Protocol::UDP, 0);
/// assert_eq!(net.to_string(), "198.51.100.0/28 any");
/// assert!(net.is_all_port());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct VipKey {
    prefix: IpNet,
    protocol: Protocol,
    port: u16,
}

impl VipKey {
    /// The VIP of this prefix, protocol and port; port 0 means every protocol and port.
    pub fn new(prefix: IpNet, protocol: Protocol, port: u16) -> Self {
        let protocol = if port == 0 { Protocol::ANY } else { protocol };
        Self { prefix: prefix.trunc(), protocol, port }
    }

    /// The VIP of one address.
    pub fn host(address: IpAddr, protocol: Protocol, port: u16) -> Self {
        Self::new(IpNet::from(address), protocol, port)
    }

    /// What sorts before or equals every key of this prefix.
    pub(crate) fn lowest(prefix: IpNet) -> Self {
        Self { prefix: prefix.trunc(), protocol: Protocol(0), port: 0 }
    }

    /// Its prefix, without host bits.
    pub fn prefix(&self) -> IpNet {
        self.prefix
    }

    /// Its protocol.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Its port; 0 for every port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it takes every protocol and port.
    pub fn is_all_port(&self) -> bool {
        self.port == 0
    }
}

/// `192.0.2.1 tcp/80`, `2001:db8::1 any`, `198.51.100.0/28 udp/53`: without /32 or /128.
impl fmt::Display for VipKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix.prefix_len() == self.prefix.max_prefix_len() {
            write!(f, "{} {}", self.prefix.addr(), self.protocol)?;
        } else {
            write!(f, "{} {}", self.prefix, self.protocol)?;
        }
        if self.port == 0 { Ok(()) } else { write!(f, "/{}", self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(prefix: &str, protocol: Protocol, port: u16) -> VipKey {
        VipKey::new(prefix.parse().expect("a prefix"), protocol, port)
    }

    #[test]
    fn one_vip_has_one_key_however_it_is_spelt() {
        assert_eq!(key("203.0.113.5/24", Protocol::TCP, 80), key("203.0.113.0/24", Protocol::TCP, 80));
        assert_eq!(key("192.0.2.1/32", Protocol::TCP, 0), key("192.0.2.1/32", Protocol::ANY, 0));
        assert_ne!(key("192.0.2.1/32", Protocol::TCP, 80), key("192.0.2.1/32", Protocol::ANY, 80));
    }

    #[test]
    fn keys_are_written_without_the_length_of_a_host() {
        assert_eq!(key("192.0.2.1/32", Protocol::TCP, 80).to_string(), "192.0.2.1 tcp/80");
        assert_eq!(key("2001:db8::1/128", Protocol::UDP, 443).to_string(), "2001:db8::1 udp/443");
        assert_eq!(key("198.51.100.0/28", Protocol::TCP, 0).to_string(), "198.51.100.0/28 any");
        assert_eq!(key("192.0.2.1/32", Protocol::new(132), 80).to_string(), "192.0.2.1 132/80");
    }

    #[test]
    fn keys_sort_by_family_address_protocol_and_port() {
        let sorted = [
            key("192.0.2.2/32", Protocol::TCP, 443),
            key("192.0.2.10/32", Protocol::TCP, 80),
            key("192.0.2.10/32", Protocol::UDP, 53),
            key("2001:db8::1/128", Protocol::TCP, 80),
        ];
        assert!(sorted.is_sorted());
    }
}
