//! Sockets that are used again.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::reactor::Registered;
use crate::probe::socket::Wanted;

/// TCP sockets of probes that passed, disconnected and as good as new but already made, bound and registered.
///
/// Each is a descriptor and some kilobytes of the kernel's memory. So there is a limit, 0 at first, and those that were not
/// needed between two calls of [`Pool::trim`] go. None that is bound to a device is kept: it would stay bound to one that went away,
/// whatever has its name since.
#[derive(Debug, Default)]
pub(super) struct Pool {
    kinds: Vec<Kind>,
    size: usize,
    most: usize,
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
        if self.size >= self.most || about.device.is_some() {
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

    /// Keeps no more than this; those beyond go.
    pub(super) fn limit(&mut self, most: usize) {
        self.most = most;
        if self.size > most {
            self.clear();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self { most: self.most, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::os::unix::net::UnixStream;
    use std::rc::Rc;

    use super::super::bell::Bell;
    use super::super::reactor::Reactor;
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

    #[test]
    fn no_more_are_kept_than_the_limit_and_none_of_a_device() {
        let reactor = Rc::new(Reactor::new(&Bell::new().expect("an eventfd")).expect("epoll"));
        let socket = || {
            let (one, _) = UnixStream::pair().expect("a pair of sockets");
            Registered::new(&reactor, OwnedFd::from(one)).expect("epoll takes it")
        };
        let lo: Arc<str> = "lo".into();
        let address = Ipv4Addr::LOCALHOST.into();
        let plain = Wanted { transport: Transport::Tcp, address, source: None, device: None, mark: None };
        let bound = Wanted { device: Some(&lo), ..plain };
        let mut pool = Pool::default();
        pool.put(About::of(&plain), socket());
        assert!(pool.take(&plain).is_none(), "no limit was set yet");
        pool.limit(2);
        pool.put(About::of(&bound), socket());
        (0..3).for_each(|_| pool.put(About::of(&plain), socket()));
        assert!(pool.take(&bound).is_none());
        assert_eq!([(); 3].map(|()| pool.take(&plain).is_some()), [true, true, false]);

        (0..2).for_each(|_| pool.put(About::of(&plain), socket()));
        pool.limit(1);
        assert!(pool.take(&plain).is_none(), "more than may be kept");
        pool.put(About::of(&plain), socket());
        assert!(pool.take(&plain).is_some(), "and the limit stands");
    }
}
