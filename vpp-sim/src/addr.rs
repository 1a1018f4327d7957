//! Addresses and prefixes as VPP's lb plugin keeps them: 16 bytes, IPv4 behind twelve zeros, an IPv4 prefix length as 96 + n.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// An address in 16 bytes (`ip46_address_t`).
///
/// It counts as IPv4 when its first twelve bytes are zero, so `::5` is taken for 0.0.0.5: that is VPP's own confusion, kept.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Ip46([u8; 16]);

impl Ip46 {
    /// The placeholder VIP and AS have this one.
    pub(crate) const ALL_ONES: Self = Self([0xff; 16]);

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(self) -> [u8; 16] {
        self.0
    }

    pub(crate) fn is_ip4(self) -> bool {
        self.0[..12].iter().all(|&byte| byte == 0)
    }

    pub(crate) fn is_zero(self) -> bool {
        self.0 == [0; 16]
    }

    /// Clears the host bits behind a stored prefix length (`ip46_prefix_normalize`).
    ///
    /// A length above 128 is undefined there; the shift count then wraps at 64 as it does on x86.
    pub(crate) fn masked(self, stored_len: u8) -> Self {
        let bits = u128::from_be_bytes(self.0);
        let masked = match stored_len {
            0 => 0,
            1..=128 => bits & (u128::MAX << (128 - u32::from(stored_len))),
            _ => {
                let shift = 128_u32.wrapping_sub(u32::from(stored_len)) & 63;
                bits & (u128::from(u64::MAX) << 64 | u128::from(u64::MAX << shift))
            }
        };
        Self(masked.to_be_bytes())
    }

    pub(crate) fn to_ip(self) -> IpAddr {
        if self.is_ip4() {
            let [.., a, b, c, d] = self.0;
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        } else {
            IpAddr::V6(Ipv6Addr::from(self.0))
        }
    }
}

impl From<IpAddr> for Ip46 {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => {
                let mut bytes = [0; 16];
                bytes[12..].copy_from_slice(&address.octets());
                Self(bytes)
            }
            IpAddr::V6(address) => Self(address.octets()),
        }
    }
}

/// As VPP prints it (`format_ip46_address`): the standard library's IPv6 text would show `::ffff:a.b.c.d` in another way.
impl fmt::Display for Ip46 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_ip() {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(address) => write!(f, "{}", ip6_text(address)),
        }
    }
}

/// A prefix as the plugin keeps it: masked when it was looked up or stored, with the length counted from bit 0 of 128.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Prefix46 {
    pub(crate) address: Ip46,
    /// 96 + n for IPv4.
    pub(crate) stored_len: u8,
}

impl Prefix46 {
    pub(crate) fn masked(self) -> Self {
        Self { address: self.address.masked(self.stored_len), ..self }
    }

    /// `ip46_prefix_is_ip4`.
    pub(crate) fn is_ip4(self) -> bool {
        self.stored_len >= 96 && self.address.is_ip4()
    }

    /// The length as people and VPP 26.10's replies write it.
    pub(crate) fn len(self) -> u8 {
        if self.is_ip4() { self.stored_len.wrapping_sub(96) } else { self.stored_len }
    }

    /// Whether the length is one that exists. VPP does not ask.
    pub(crate) fn is_valid(self) -> bool {
        self.stored_len <= 128
    }

    /// As a network, for people and other crates. A length that does not exist is cut.
    pub(crate) fn to_net(self) -> IpNet {
        let bytes = self.address.bytes();
        let net = if self.is_ip4() {
            IpNet::new(self.address.to_ip(), self.len().min(32))
        } else {
            IpNet::new(IpAddr::from(bytes), self.stored_len.min(128))
        };
        net.expect("the length was cut to what the family has")
    }

    /// The /32 or /128 of an address.
    pub(crate) fn host(address: Ip46) -> Self {
        Self { address, stored_len: 128 }
    }
}

impl fmt::Display for Prefix46 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ip4() {
            write!(f, "{}/{}", self.address, self.len())
        } else {
            write!(f, "{}/{}", ip6_text(Ipv6Addr::from(self.address.bytes())), self.stored_len)
        }
    }
}

/// An IPv6 address as VPP prints it, also one that the plugin would take for IPv4.
pub(crate) fn ip6_text(address: Ipv6Addr) -> impl fmt::Display {
    struct Text(Ipv6Addr);
    impl fmt::Display for Text {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_ip6(f, self.0.segments())
        }
    }
    Text(address)
}

/// Lower case, the longest run of at least two zero groups as `::`, the first of equals (`format_ip6_address`).
fn write_ip6(f: &mut fmt::Formatter<'_>, groups: [u16; 8]) -> fmt::Result {
    let (mut start, mut length) = (0, 0);
    let mut at = 0;
    while at < groups.len() {
        let run = groups[at..].iter().take_while(|&&group| group == 0).count();
        if run > length {
            (start, length) = (at, run);
        }
        at += run.max(1);
    }
    if length < 2 {
        return write_groups(f, &groups);
    }
    write_groups(f, &groups[..start])?;
    f.write_str("::")?;
    write_groups(f, &groups[start + length..])
}

fn write_groups(f: &mut fmt::Formatter<'_>, groups: &[u16]) -> fmt::Result {
    for (at, group) in groups.iter().enumerate() {
        let colon = if at == 0 { "" } else { ":" };
        write!(f, "{colon}{group:x}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str, len: u8) -> Prefix46 {
        let address: IpAddr = text.parse().expect("an address");
        let stored_len = if address.is_ipv4() { 96 + len } else { len };
        Prefix46 { address: address.into(), stored_len }
    }

    #[test]
    fn host_bits_are_cleared_in_both_families() {
        assert_eq!(prefix("203.0.113.5", 24).masked(), prefix("203.0.113.0", 24));
        assert_eq!(prefix("2001:db8::1:5", 64).masked(), prefix("2001:db8::", 64));
        assert_eq!(prefix("2001:db8::1:5", 112).masked(), prefix("2001:db8::1:0", 112));
        assert!(prefix("2001:db8::5", 0).masked().address.is_zero());
    }

    #[test]
    fn a_low_ip6_address_is_taken_for_ip4() {
        assert!(prefix("::5", 128).is_ip4());
        assert_eq!(prefix("::5", 128).to_string(), "0.0.0.5/32");
        assert!(!prefix("::", 32).is_ip4());
        assert_eq!(prefix("::", 32).to_string(), "::/32");
    }

    #[test]
    fn ip6_text_is_vpps() {
        for text in ["2001:db8:a::10", "2001:db8::", "::1:0:0:1:0:0", "1:0:2:3:4:5:6:7", "fe80::1:0:0:2"] {
            let address: Ipv6Addr = text.parse().expect("an address");
            let vpp = Ip46::from(IpAddr::V6(address)).to_string();
            assert_eq!(vpp.parse::<Ipv6Addr>(), Ok(address), "{vpp}");
        }
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().expect("an address");
        assert_eq!(Ip46::from(mapped).to_string(), "::ffff:c000:201");
    }

    #[test]
    fn a_length_past_the_end_masks_as_x86_shifts() {
        let wide = prefix("192.0.2.10", 32);
        let wild = Prefix46 { stored_len: 136, ..wide };
        assert_eq!(wild.masked().address, Ip46::from_bytes([0; 16]));
        assert!(!wild.is_valid());
    }
}
