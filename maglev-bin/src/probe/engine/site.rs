use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use socket2::Socket;

use super::pool::{About, Pool};
use super::reactor::{Reactor, Registered};
use super::stream::unregistered;
use crate::probe::end::{End, Step};
use crate::probe::ground::{Ground, ProberError};
use crate::probe::report::Cause;
use crate::probe::socket::{Transport, Wanted};

/// What the probes of one thread share.
#[derive(Debug)]
pub(in crate::probe) struct Site {
    reactor: Rc<Reactor>,
    ground: RefCell<Ground>,
    /// What [`Ground::look`] last gave.
    change: Cell<u64>,
    /// What [`Ground::given_ports`] last gave.
    ports: Cell<(u16, u16)>,
    pool: RefCell<Pool>,
    /// Buffers that nobody uses.
    buffers: RefCell<Vec<Vec<u8>>>,
}

/// Bytes of a buffer that is kept: some answers are longer, few.
const BUFFER: usize = 4_096;

/// Buffers that are kept.
const MOST_BUFFERS: usize = 64;

impl Site {
    pub(super) fn new(reactor: Rc<Reactor>) -> Self {
        Self {
            reactor,
            ground: RefCell::default(),
            change: Cell::default(),
            ports: Cell::new((0, u16::MAX)),
            pool: RefCell::default(),
            buffers: RefCell::default(),
        }
    }

    pub(super) fn move_to(&self, netns: Option<&str>) -> Result<(), ProberError> {
        self.ground.borrow_mut().move_to(netns)?;
        self.tend();
        Ok(())
    }

    /// Looks whether the namespace is still the one that sockets were made in, and closes those that are kept if not. Gives a number
    /// that is another one whenever that has changed.
    pub(in crate::probe) fn look(&self) -> u64 {
        let change = self.ground.borrow_mut().look();
        if self.change.replace(change) != change {
            self.pool.borrow_mut().clear();
        }
        change
    }

    /// Closes sockets that were not needed since the last call, and looks after what changes rarely.
    pub(super) fn tend(&self) {
        self.look();
        self.pool.borrow_mut().trim();
        self.ports.set(self.ground.borrow().given_ports());
    }

    /// Keeps no more sockets than this.
    pub(super) fn keep_at_most(&self, most: usize) {
        self.pool.borrow_mut().limit(most);
    }

    /// Closes all sockets that are kept.
    pub(super) fn forget_sockets(&self) {
        self.pool.borrow_mut().clear();
    }

    /// Whether the kernel may give this port to a socket of ours.
    pub(super) fn gives(&self, port: u16) -> bool {
        let (first, last) = self.ports.get();
        (first..=last).contains(&port)
    }

    /// A new socket, with the number of the ground it is on.
    pub(in crate::probe) fn fresh(&self, wanted: Wanted<'_>) -> Step<(Socket, u64)> {
        let change = self.look();
        Ok((self.open(wanted)?, change))
    }

    /// A new socket.
    pub(in crate::probe) fn open(&self, wanted: Wanted<'_>) -> Step<Socket> {
        self.ground.borrow().open(wanted)
    }

    /// Whether ICMP sockets can be had.
    pub(super) fn check_icmp(&self) -> Result<(), ProberError> {
        for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let wanted = Wanted { transport: Transport::Icmp, address, source: None, device: None, mark: None };
            if let Err(End { cause: Some(Cause::Permission), .. }) = self.open(wanted) {
                return Err(ProberError::Capability {
                    capability: "CAP_NET_RAW",
                    needed_for: "probing by ICMP outside of net.ipv4.ping_group_range".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// A TCP socket, new or used before, with the number of the ground it is on.
    pub(super) fn tcp(&self, wanted: Wanted<'_>) -> Step<(Registered<OwnedFd>, u64)> {
        if let Some(socket) = self.pool.borrow_mut().take(&wanted) {
            return Ok((socket, self.change.get()));
        }
        let (socket, change) = self.fresh(wanted)?;
        let socket = self.register(OwnedFd::from(socket)).map_err(|error| unregistered(&error))?;
        Ok((socket, change))
    }

    pub(in crate::probe) fn register<S: AsFd>(&self, socket: S) -> io::Result<Registered<S>> {
        Registered::new(&self.reactor, socket)
    }

    /// Keeps a socket that is not connected any more.
    pub(super) fn keep(&self, about: About, change: u64, socket: Registered<OwnedFd>) {
        if change == self.change.get() {
            self.pool.borrow_mut().put(about, socket);
        }
    }

    /// An empty buffer.
    pub(in crate::probe) fn buffer(&self) -> Vec<u8> {
        self.buffers.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(BUFFER))
    }

    /// Takes a buffer back.
    pub(in crate::probe) fn take_back(&self, mut buffer: Vec<u8>) {
        let mut buffers = self.buffers.borrow_mut();
        if buffers.len() < MOST_BUFFERS && buffer.capacity() <= 4 * BUFFER {
            buffer.clear();
            buffers.push(buffer);
        }
    }
}
