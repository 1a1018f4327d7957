//! ICMP and ICMPv6 echo messages, as bytes.
//!
//! ```text
//!  0                   1                   2                   3     RFC 792, RFC 4443 4.1; big endian
//! |     type      |   code = 0    |           checksum            |
//! |          identifier           |        sequence number        |
//! |  payload ...
//! ```

use nom::bytes::complete::take;
use nom::combinator::{rest, verify};
use nom::number::complete::{be_u8, be_u16};
use nom::{IResult, Parser};

/// ICMP for IPv4 or for IPv6.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Version {
    V4,
    V6,
}

/// An echo request, and what its reply must repeat.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Echo {
    pub(super) identifier: u16,
    pub(super) sequence: u16,
    pub(super) payload: [u8; PAYLOAD],
}

impl Echo {
    /// The request. Its checksum is left 0 for ICMPv6, where the kernel fills it in: it covers the IPv6 addresses.
    pub(super) fn request(&self, version: Version) -> [u8; LENGTH] {
        let mut packet = [0; LENGTH];
        packet[0] = version.request();
        packet[4..6].copy_from_slice(&self.identifier.to_be_bytes());
        packet[6..8].copy_from_slice(&self.sequence.to_be_bytes());
        packet[8..].copy_from_slice(&self.payload);
        if version == Version::V4 {
            let sum = checksum(&packet);
            packet[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        packet
    }

    /// Whether an ICMP message is the reply to this request, byte for byte.
    pub(super) fn is_answered_by(&self, version: Version, message: &[u8]) -> bool {
        // Over IPv6 the kernel has checked the sum before it passes a message on, over IPv4 not always.
        let intact = version == Version::V6 || checksum(message) == 0;
        intact
            && echo(version.reply(), message).is_ok_and(|(_, (identifier, sequence, payload))| {
                (identifier, sequence, payload) == (self.identifier, self.sequence, self.payload.as_slice())
            })
    }

    /// Whether this is the message that an ICMP error quotes. Routers may quote no more than the first 8 bytes.
    pub(super) fn is_quoted_by(&self, version: Version, quote: &[u8]) -> bool {
        echo(version.request(), quote)
            .is_ok_and(|(_, (identifier, sequence, _))| (identifier, sequence) == (self.identifier, self.sequence))
    }
}

impl Version {
    const fn request(self) -> u8 {
        match self {
            Self::V4 => 8,
            Self::V6 => 128,
        }
    }

    pub(super) const fn reply(self) -> u8 {
        match self {
            Self::V4 => 0,
            Self::V6 => 129,
        }
    }
}

/// The message in an IPv4 packet, which is what a raw socket receives (RFC 791, 3.1); `None` if it is not one that carries ICMP.
pub(super) fn in_ipv4(packet: &[u8]) -> Option<&[u8]> {
    let first = *packet.first()?;
    let header = usize::from(first & 0x0f) * 4;
    let icmp = first >> 4 == 4 && header >= 20 && packet.get(9) == Some(&1);
    packet.get(header..).filter(|_| icmp)
}

/// The Internet checksum (RFC 1071): of a message without its sum the sum to write, of one with its sum 0 if nothing was changed.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Identifier, sequence number and payload of an echo message of this type.
fn echo(kind: u8, message: &[u8]) -> IResult<&[u8], (u16, u16, &[u8])> {
    let (message, _) = verify(be_u8, |found| *found == kind).parse(message)?;
    let (message, _) = verify(be_u8, |code| *code == 0).parse(message)?;
    let (message, _checksum) = take(2_usize).parse(message)?;
    (be_u16, be_u16, rest).parse(message)
}

/// Bytes of payload: enough that no other program sends the same by chance.
pub(super) const PAYLOAD: usize = 32;

/// Bytes of a message.
pub(super) const LENGTH: usize = 8 + PAYLOAD;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ECHO: Echo = Echo { identifier: 0x1234, sequence: 1, payload: PATTERN };

    /// 0, 1, 2, ... 31.
    const PATTERN: [u8; PAYLOAD] = {
        let mut bytes = [0; PAYLOAD];
        let mut n = 0;
        while n < PAYLOAD {
            bytes[n] = n as u8;
            n += 1;
        }
        bytes
    };

    /// The reply to [`ECHO`], the sum from another implementation.
    fn reply_v4() -> Vec<u8> {
        [&[0, 0, 0xfc, 0xc9, 0x12, 0x34, 0, 1][..], &PATTERN].concat()
    }

    fn reply_v6() -> Vec<u8> {
        [&[129, 0, 0, 0, 0x12, 0x34, 0, 1][..], &PATTERN].concat()
    }

    #[test]
    fn requests_are_these_bytes() {
        let v4 = [&[8, 0, 0xf4, 0xc9, 0x12, 0x34, 0, 1][..], &PATTERN].concat();
        assert_eq!(ECHO.request(Version::V4), *v4);
        let v6 = [&[128, 0, 0, 0, 0x12, 0x34, 0, 1][..], &PATTERN].concat();
        assert_eq!(ECHO.request(Version::V6), *v6);
    }

    #[test]
    fn a_reply_must_repeat_everything() {
        assert!(ECHO.is_answered_by(Version::V4, &reply_v4()));
        assert!(ECHO.is_answered_by(Version::V6, &reply_v6()));
        assert!(!ECHO.is_answered_by(Version::V4, &reply_v6()), "a type of the other protocol");
        assert!(!ECHO.is_answered_by(Version::V4, &ECHO.request(Version::V4)), "our own request, which loops on lo");
        for (n, whole) in [(Version::V4, reply_v4()), (Version::V6, reply_v6())] {
            for at in 0..whole.len() {
                let mut changed = whole.clone();
                changed[at] ^= 0x40;
                // The checksum of ICMPv6 is the kernel's to check.
                let ignored = n == Version::V6 && (2..4).contains(&at);
                assert_eq!(ECHO.is_answered_by(n, &changed), ignored, "byte {at} of {n:?}");
                assert!(!ECHO.is_answered_by(n, &whole[..at]), "cut at {at}");
            }
            let longer = [&whole[..], &[0, 0]].concat();
            assert!(!ECHO.is_answered_by(n, &longer), "two bytes more, which the sum does not show");
        }
    }

    #[test]
    fn eight_bytes_of_a_quote_are_enough() {
        for version in [Version::V4, Version::V6] {
            let request = ECHO.request(version);
            assert!(ECHO.is_quoted_by(version, &request));
            assert!(ECHO.is_quoted_by(version, &request[..8]));
            assert!(!ECHO.is_quoted_by(version, &request[..7]));
            let other = Echo { sequence: 2, ..ECHO };
            assert!(!other.is_quoted_by(version, &request));
        }
        assert!(!ECHO.is_quoted_by(Version::V4, &reply_v4()));
    }

    #[test]
    fn the_ipv4_header_is_as_long_as_it_says() {
        let mut packet = [0; 30];
        packet[0] = 0x45;
        packet[9] = 1;
        assert_eq!(in_ipv4(&packet), Some(&packet[20..]));
        packet[0] = 0x47;
        assert_eq!(in_ipv4(&packet), Some(&packet[28..]));
        packet[0] = 0x4f;
        assert_eq!(in_ipv4(&packet), None, "a header longer than the packet");
        packet[0] = 0x44;
        assert_eq!(in_ipv4(&packet), None, "a header shorter than any");
        packet[0] = 0x65;
        assert_eq!(in_ipv4(&packet), None, "not IPv4");
        packet[0] = 0x45;
        packet[9] = 17;
        assert_eq!(in_ipv4(&packet), None, "UDP");
    }

    proptest! {
        #[test]
        fn only_the_reply_answers(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(ECHO.is_answered_by(Version::V4, &bytes), bytes == reply_v4());
            if let Some(message) = in_ipv4(&bytes) {
                prop_assert!(bytes.ends_with(message));
            }
            let _ = ECHO.is_quoted_by(Version::V6, &bytes);
        }

        #[test]
        fn every_request_has_a_reply(identifier: u16, sequence: u16, payload: [u8; PAYLOAD]) {
            let echo = Echo { identifier, sequence, payload };
            for version in [Version::V4, Version::V6] {
                let mut reply = echo.request(version);
                reply[0] = version.reply();
                if version == Version::V4 {
                    reply[2..4].fill(0);
                    let sum = checksum(&reply);
                    reply[2..4].copy_from_slice(&sum.to_be_bytes());
                }
                prop_assert!(echo.is_answered_by(version, &reply));
            }
        }
    }
}
