//! Sockets inside a network namespace.
//!
//! A thread enters a namespace as a whole, and a tokio worker that did would take other tasks along. The thread of the probes is its own,
//! and enters the namespace only while it makes a socket: a socket stays in the namespace it was made in.
//!
//! The namespace is opened by its name each time, so one that was deleted and created anew is found. As sockets are used more than
//! once, [`Ground::look`] tells when the name leads elsewhere: then those that are kept must go, for each of them keeps a deleted
//! namespace alive with its interfaces.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, LinkNameSpaceType, capabilities, move_into_link_name_space};
use socket2::Socket;
use thiserror::Error;

use super::end::{End, Step};
use super::fault::{own_fault, words};
use super::report::Cause;
use super::socket::Wanted;

/// Why no probe could ever be sent.
#[non_exhaustive]
#[derive(Debug, Error)]
pub enum ProberError {
    /// Give the process the capability, or do without what needs it. Retrying does not help.
    #[error("{needed_for} needs the capability {capability}")]
    Capability {
        /// `CAP_SYS_ADMIN` or `CAP_NET_RAW`.
        capability: &'static str,
        /// What would not work without it.
        needed_for: String,
    },
    /// The thread that probes could not be started, or has ended.
    #[error("cannot start the thread that probes")]
    Thread {
        /// What the system said.
        source: io::Error,
    },
}

impl ProberError {
    pub(super) fn thread(source: io::Error) -> Self {
        Self::Thread { source }
    }
}

/// Where sockets are made: the namespace of the process, or another one. For one thread.
#[derive(Debug, Default)]
pub(super) struct Ground {
    door: Option<Door>,
    /// Counts changes of what the name leads to.
    changes: u64,
}

/// A namespace with its way in, and the way back.
#[derive(Debug)]
struct Door {
    name: Arc<str>,
    path: PathBuf,
    home: OwnedFd,
    /// Device and inode of what the name led to when it was last looked at; `None` if it led nowhere.
    leads_to: Option<(u64, u64)>,
}

impl Ground {
    /// Sockets are made elsewhere from now on. An empty name is none. On an error nothing changes.
    pub(super) fn move_to(&mut self, netns: Option<&str>) -> Result<(), ProberError> {
        let netns = netns.filter(|name| !name.is_empty());
        if self.door.as_ref().map(|door| &*door.name) != netns {
            self.door = netns.map(Door::find).transpose()?;
            self.changes += 1;
        }
        Ok(())
    }

    /// A socket, or why it cannot be had: always our own fault.
    pub(super) fn open(&self, wanted: Wanted<'_>) -> Step<Socket> {
        match &self.door {
            None => wanted.open(),
            Some(door) => door.within(|| wanted.open()),
        }
    }

    /// First and last of the ports that the kernel gives to sockets that did not ask for one; all, if that cannot be read.
    pub(super) fn given_ports(&self) -> (u16, u16) {
        let read = || std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
        let text = match &self.door {
            None => read(),
            Some(door) => door.within(|| Ok(read())).unwrap_or_default(),
        };
        let mut ports = text.split_whitespace().map(str::parse);
        match (ports.next(), ports.next()) {
            (Some(Ok(first)), Some(Ok(last))) => (first, last),
            _ => (0, u16::MAX),
        }
    }

    /// Looks where the name leads, and gives a number that is another one whenever that has changed.
    pub(super) fn look(&mut self) -> u64 {
        if let Some(door) = &mut self.door {
            let now = door.destination();
            if std::mem::replace(&mut door.leads_to, now) != now {
                self.changes += 1;
            }
        }
        self.changes
    }
}

impl Door {
    /// Whether this process may enter namespaces. One that is not there, or refuses us all the same, may come round later.
    fn find(name: &str) -> Result<Self, ProberError> {
        let home = File::open("/proc/thread-self/ns/net").map_err(ProberError::thread)?.into();
        // A name as `ip netns` knows it, or the path of a namespace file: joining an absolute path gives that path.
        let path = PathBuf::from("/run/netns").join(name);
        let mut door = Self { name: name.into(), path, home, leads_to: None };
        if door.within(|| Ok(())).is_err() && !may_enter() {
            let needed_for = format!("probing in network namespace {name}");
            return Err(ProberError::Capability { capability: "CAP_SYS_ADMIN", needed_for });
        }
        door.leads_to = door.destination();
        Ok(door)
    }

    fn destination(&self) -> Option<(u64, u64)> {
        let file = rustix::fs::stat(&self.path).ok()?;
        Some((file.st_dev, file.st_ino))
    }

    /// Does something inside.
    fn within<T>(&self, act: impl FnOnce() -> Step<T>) -> Step<T> {
        // Not blocking, should the path be a pipe.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let namespace = rustix::fs::open(&self.path, flags, Mode::empty()).map_err(|errno| self.shut(errno))?;
        enter(&namespace).map_err(|errno| self.shut(errno))?;
        let done = act();
        // Refused only where this process may enter the other namespace and not its own (a user namespace). Then the thread stays
        // where it is, which does no harm: it comes here for each socket again.
        let _ = enter(&self.home);
        done
    }

    /// Why the door does not open.
    fn shut(&self, errno: Errno) -> End {
        let error = io::Error::from(errno);
        let cause = match errno {
            Errno::NOENT | Errno::NOTDIR => Cause::NamespaceMissing(Arc::clone(&self.name)),
            // The name is there and no namespace behind it: `ip netns add` is half done, or the mount is gone.
            Errno::INVAL => Cause::NamespaceMissing(Arc::clone(&self.name)),
            _ => match own_fault(&error) {
                Some(shortage @ (Cause::Descriptors | Cause::Memory)) => shortage,
                _ => Cause::NamespaceRefused(Arc::clone(&self.name)),
            },
        };
        let detail = match &cause {
            Cause::NamespaceMissing(_) => cause.to_string(),
            _ => format!("network namespace {}: {}", self.name, words(&error)),
        };
        End::own(cause, detail)
    }
}

fn enter(namespace: impl AsFd) -> Result<(), Errno> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
}

fn may_enter() -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN))
}
