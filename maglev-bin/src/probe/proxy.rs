//! Headers of the PROXY protocol, with which a server behind a proxy is told whom the proxy speaks for.
//!
//! ```text
//! version 1   PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n
//! version 2   12 bytes of signature, 0x20 (version 2, LOCAL), 0x00 (no family), 0x0000 (nothing follows)
//! ```
//! Source: HAProxy `doc/proxy-protocol.txt`, 2.1 and 2.2.

use std::net::SocketAddr;

/// Version of the PROXY protocol.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ProxyVersion {
    /// A line of text, with the addresses of the probe's own connection.
    V1,
    /// Bytes that say `LOCAL`: the proxy speaks for itself, and there is nobody behind it.
    V2,
}

impl ProxyVersion {
    /// What is sent before everything else on a connection between these two.
    pub(crate) fn header(self, from: SocketAddr, to: SocketAddr) -> Vec<u8> {
        match self {
            Self::V1 => {
                let family = if to.is_ipv4() { "TCP4" } else { "TCP6" };
                let (from, from_port, to, to_port) = (from.ip(), from.port(), to.ip(), to.port());
                format!("PROXY {family} {from} {to} {from_port} {to_port}\r\n").into_bytes()
            }
            Self::V2 => LOCAL.to_vec(),
        }
    }
}

/// Version 2, command LOCAL, family unspecified, no addresses.
const LOCAL: [u8; 16] =
    [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x20, 0x00, 0x00, 0x00];

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;

    use super::ProxyVersion::{V1, V2};

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn version_1_names_both_ends() {
        let header = V1.header(address("192.0.2.1:40000"), address("192.0.2.2:80"));
        assert_eq!(header, b"PROXY TCP4 192.0.2.1 192.0.2.2 40000 80\r\n");
        let header = V1.header(address("[2001:db8::1]:40000"), address("[2001:db8::2]:80"));
        assert_eq!(header, b"PROXY TCP6 2001:db8::1 2001:db8::2 40000 80\r\n");
    }

    #[test]
    fn version_2_says_that_there_is_nobody_behind() {
        let header = V2.header(address("192.0.2.1:40000"), address("192.0.2.2:80"));
        assert_eq!(header, b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00");
    }

    proptest! {
        #[test]
        fn a_line_of_version_1_reads_back_and_is_no_longer_than_allowed(from: SocketAddr, port: u16) {
            // A zone is for this machine alone, and no socket of a probe has one.
            let from = SocketAddr::new(from.ip(), from.port());
            let to = SocketAddr::new(from.ip(), port);
            let line = String::from_utf8(V1.header(from, to)).unwrap();
            prop_assert!(line.len() <= 107, "{line}");
            let words: Vec<&str> = line.trim_end_matches("\r\n").split(' ').collect();
            prop_assert_eq!(words.len(), 6);
            prop_assert_eq!(SocketAddr::new(words[2].parse().unwrap(), words[4].parse().unwrap()), from);
            prop_assert_eq!(SocketAddr::new(words[3].parse().unwrap(), words[5].parse().unwrap()), to);
        }
    }
}
