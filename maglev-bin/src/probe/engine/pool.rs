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
