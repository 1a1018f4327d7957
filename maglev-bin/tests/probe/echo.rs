//! What tests of ICMP probes share.

use maglev_bin::probe::{Kind, Target};

use crate::namespace::Namespace;
use crate::server::target;

pub(crate) fn icmp(address: &str) -> Target {
    target(address.parse().unwrap(), Kind::Icmp)
}

/// Which kind of socket the probes of a namespace are to use.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sockets {
    /// Everybody's, within a range of groups that is empty at first.
    Datagram,
    /// For those who have CAP_NET_RAW.
    Raw,
}

impl Sockets {
    pub(crate) fn use_in(self, namespace: &Namespace) {
        let groups = match self {
            Sockets::Datagram => "0 2147483647",
            Sockets::Raw => "1 0",
        };
        namespace.sysctl("net.ipv4.ping_group_range", groups);
    }
}

/// Writes the checksum of an ICMP message.
pub(crate) fn seal(message: &mut [u8]) {
    message[2..4].fill(0);
    let words = message.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0)));
    // The ones' complement sum of 16-bit words is the sum modulo 65,535.
    let sum = !((words.sum::<u64>() % 65_535) as u16);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
}
