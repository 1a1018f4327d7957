//! Sockets that are used again.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::reactor::Registered;
use crate::probe::socket::Wanted;

/// TCP sockets of probes that passed, disconnected and as good as new but already made, bound and registered.
///
/// Each is a descriptor and some kilobytes of the kernel's memory. So there are never more than [`MOST`], and those that were not
/// needed between two calls of [`Pool::trim`] go.
#[derive(Debug, Default)]
pub(super) struct Pool {
    kinds: Vec<Kind>,
    size: usize,
}

#[derive(Debug)]
struct Kind {
    about: About,
    idle: Vec<Registered<OwnedFd>>,
    /// The fewest there were since the last trim: so many are not needed.
    spare: usize,
}

/// What sockets must have in common to stand for each other.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct About {
    is_v4: bool,
    source: Option<IpAddr>,
    device: Option<Arc<str>>,
    mark: Option<u32>,
}

/// Sockets that are kept at most.
const MOST: usize = 512;

impl About {
    pub(super) fn of(wanted: &Wanted<'_>) -> Self {
        Self {
            is_v4: wanted.address.is_ipv4(),
            source: wanted.source,
            device: wanted.device.map(Arc::clone),
            mark: wanted.mark,
        }
    }

    fn is(&self, wanted: &Wanted<'_>) -> bool {
        self.is_v4 == wanted.address.is_ipv4()
            && self.source == wanted.source
            && self.mark == wanted.mark
            && self.device.as_ref() == wanted.device
    }
}

impl Pool {
    /// The socket that was used last: its memory is in the caches.
    pub(super) fn take(&mut self, wanted: &Wanted<'_>) -> Option<Registered<OwnedFd>> {
        let kind = self.kinds.iter_mut().find(|kind| kind.about.is(wanted))?;
        let socket = kind.idle.pop()?;
        kind.spare = kind.spare.min(kind.idle.len());
        self.size -= 1;
        Some(socket)
    }

    /// Keeps a socket that is not connected, or closes it.
    pub(super) fn put(&mut self, about: About, socket: Registered<OwnedFd>) {
        if self.size == MOST {
            return;
        }
        self.size += 1;
        match self.kinds.iter_mut().find(|kind| kind.about == about) {
            Some(kind) => kind.idle.push(socket),
            None => self.kinds.push(Kind { about, idle: vec![socket], spare: 0 }),
        }
    }

    /// Closes what was not needed since the last call.
    pub(super) fn trim(&mut self) {
        for kind in &mut self.kinds {
            // Those at the beginning were not used for longest.
            kind.idle.drain(..kind.spare);
            self.size -= kind.spare;
            kind.spare = kind.idle.len();
        }
        self.kinds.retain(|kind| !kind.idle.is_empty());
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::probe::socket::Transport;

    #[test]
    fn a_socket_stands_for_those_alone_that_it_is_like() {
        let (lo, other): (Arc<str>, Arc<str>) = ("lo".into(), "eth0".into());
        let plain = Wanted {
            transport: Transport::Tcp,
            address: Ipv4Addr::LOCALHOST.into(),
            source: None,
            device: None,
            mark: None,
        };
        let all = [
            plain,
            Wanted { address: "::1".parse().unwrap(), ..plain },
            Wanted { source: Some(Ipv4Addr::LOCALHOST.into()), ..plain },
            Wanted { device: Some(&lo), ..plain },
            Wanted { device: Some(&other), ..plain },
            Wanted { mark: Some(1), ..plain },
            Wanted { mark: Some(2), ..plain },
            Wanted { device: Some(&lo), mark: Some(1), ..plain },
        ];
        for (mine, one) in all.iter().enumerate() {
            for (theirs, other) in all.iter().enumerate() {
                assert_eq!(About::of(one).is(other), mine == theirs, "{one:?}, {other:?}");
            }
        }
        let elsewhere = Wanted { address: Ipv4Addr::BROADCAST.into(), ..plain };
        assert!(About::of(&plain).is(&elsewhere), "whatever the destination");
    }
}
