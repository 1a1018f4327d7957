//! Sockets inside a network namespace.
//!
//! A thread enters a namespace as a whole, and a tokio worker that did would take other tasks along. So one OS thread does nothing
//! but make sockets; they stay in the namespace they were made in and can be used from anywhere.
//!
//! For each socket the thread opens the namespace by name, enters, and leaves again. So a namespace that was deleted and created
//! anew is found at the next probe, and a deleted one is not kept alive, with its interfaces, by a thread that sits in it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, mpsc as blocking};
use std::thread;

use arc_swap::ArcSwapOption;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, LinkNameSpaceType, capabilities, move_into_link_name_space};
use socket2::Socket;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

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
    /// The thread that makes sockets could not be started.
    #[error("cannot start the thread for network namespace {netns}")]
    Thread {
        /// Name of the namespace.
        netns: Arc<str>,
        /// What the system said.
        source: io::Error,
    },
}

/// Makes sockets, in the namespace that is configured at that time.
#[derive(Debug)]
pub(super) struct Sockets {
    /// `None`: the namespace of the process.
    namespace: ArcSwapOption<Namespace>,
}

impl Sockets {
    /// An empty name is none.
    pub(super) fn new(netns: Option<&str>) -> Result<Self, ProberError> {
        let sockets = Self { namespace: ArcSwapOption::empty() };
        sockets.set_netns(netns)?;
        Ok(sockets)
    }

    /// Makes later sockets elsewhere. On an error nothing changes.
    pub(super) fn set_netns(&self, netns: Option<&str>) -> Result<(), ProberError> {
        let netns = netns.filter(|name| !name.is_empty());
        if self.namespace.load().as_ref().map(|n| &*n.name) != netns {
            let started = netns.map(Namespace::start).transpose()?;
            self.namespace.store(started.map(Arc::new));
        }
        Ok(())
    }

    /// A socket, or why it cannot be had: always our own fault. When the caller gives up, a socket made meanwhile is closed.
    pub(super) async fn open(&self, wanted: Wanted) -> Step<Socket> {
        match self.namespace.load_full() {
            None => wanted.open(),
            Some(namespace) => namespace.open(wanted).await,
        }
    }
}

/// A namespace with its thread, which ends when this is dropped.
#[derive(Debug)]
struct Namespace {
    name: Arc<str>,
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
struct Request {
    wanted: Wanted,
    reply: oneshot::Sender<Step<Socket>>,
}

impl Namespace {
    /// Requests that may wait for the thread. A socket takes it some ten microseconds.
    const DEPTH: usize = 256;

    fn start(name: &str) -> Result<Self, ProberError> {
        let name: Arc<str> = name.into();
        let (requests, inbox) = mpsc::channel(Self::DEPTH);
        let (ready, started) = blocking::sync_channel(1);
        let door = Door { name: Arc::clone(&name), path: path_of(&name) };
        thread::Builder::new()
            .name("netns".to_owned())
            .spawn(move || serve(&door, inbox, &ready))
            .map_err(|source| ProberError::thread(&name, source))?;
        started.recv().unwrap_or_else(|gone| Err(ProberError::thread(&name, io::Error::other(gone))))?;
        Ok(Self { name, requests })
    }

    async fn open(&self, wanted: Wanted) -> Step<Socket> {
        let (reply, answer) = oneshot::channel();
        let gone = || End::own(Cause::NamespaceRefused(Arc::clone(&self.name)), "the thread of the namespace is gone");
        let request = Request { wanted, reply };
        self.requests.send(request).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl ProberError {
    fn thread(netns: &Arc<str>, source: io::Error) -> Self {
        Self::Thread { netns: Arc::clone(netns), source }
    }
}

/// The thread: says whether it can work at all, then makes sockets until nobody can ask any more.
fn serve(door: &Door, mut inbox: mpsc::Receiver<Request>, ready: &blocking::SyncSender<Result<(), ProberError>>) {
    let home = match own_namespace() {
        Ok(home) => home,
        Err(error) => {
            let _ = ready.send(Err(ProberError::thread(&door.name, error)));
            return;
        }
    };
    let allowed = door.check(&home);
    let stop = allowed.is_err();
    let _ = ready.send(allowed);
    if stop {
        return;
    }
    while let Some(Request { wanted, reply }) = inbox.blocking_recv() {
        if !reply.is_closed() {
            let _ = reply.send(door.within(&home, || wanted.open()));
        }
    }
}

/// The way into a namespace.
#[derive(Debug)]
struct Door {
    name: Arc<str>,
    path: PathBuf,
}

impl Door {
    /// Whether this process may enter namespaces. One that is not there, or refuses us all the same, may come round later.
    fn check(&self, home: &OwnedFd) -> Result<(), ProberError> {
        if self.within(home, || Ok(())).is_ok() || may_enter() {
            return Ok(());
        }
        Err(ProberError::Capability {
            capability: "CAP_SYS_ADMIN",
            needed_for: format!("probing in network namespace {}", self.name),
        })
    }

    /// Does something inside.
    fn within<T>(&self, home: &OwnedFd, act: impl FnOnce() -> Step<T>) -> Step<T> {
        // Not blocking, should the path be a pipe.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let namespace = rustix::fs::open(&self.path, flags, Mode::empty()).map_err(|errno| self.shut(errno))?;
        enter(&namespace).map_err(|errno| self.shut(errno))?;
        let done = act();
        // Refused only where this process may enter the other namespace and not its own (a user namespace). Then the thread stays
        // where it is, which does no harm: it comes here for each socket again.
        let _ = enter(home);
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

fn own_namespace() -> io::Result<OwnedFd> {
    File::open("/proc/thread-self/ns/net").map(OwnedFd::from)
}

/// A name as `ip netns` knows it, or the path of a namespace file.
fn path_of(name: &str) -> PathBuf {
    // Joining an absolute path gives that path.
    PathBuf::from("/run/netns").join(name)
}
