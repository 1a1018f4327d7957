//! Making the socket of a probe. Everything here runs where the socket is to live: inside the namespace, if there is one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use rustix::io::Errno;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use super::end::{End, Step};
use super::fault::local;
use super::report::Cause;

/// The socket that a probe needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) transport: Transport,
    /// Where the probe will go; gives the family.
    pub(super) address: IpAddr,
    pub(super) source: Option<IpAddr>,
    /// Interface that packets must go through.
    pub(super) device: Option<&'a Arc<str>>,
    /// Firewall mark of its packets.
    pub(super) mark: Option<u32>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Transport {
    Tcp,
    Icmp,
    /// Also for seeing whether namespace and source are still there.
    Udp,
}

impl Wanted<'_> {
    /// A new socket with its options, bound to its source, not connected to anybody. Nothing is sent.
    ///
    /// Does not block. Every error is our own fault.
    pub(super) fn open(self) -> Step<Socket> {
        let socket = match self.transport {
            Transport::Tcp => self.tcp(),
            Transport::Icmp => self.icmp(),
            Transport::Udp => self.new_socket(Type::DGRAM, Protocol::UDP),
        };
        let socket = socket.map_err(|error| local("no socket", &error))?;
        if let Some(device) = self.device {
            socket.bind_device(Some(device.as_bytes())).map_err(|error| device_fault(device, &error))?;
        }
        if let Some(mark) = self.mark {
            socket.set_mark(mark).map_err(|error| local("cannot set the mark", &error))?;
        }
        if let Some(source) = self.source {
            socket.bind(&SocketAddr::new(source, 0).into()).map_err(|error| bind_fault(source, &error))?;
            if self.transport == Transport::Udp {
                // It may be connected to somebody else afterwards. With `net.ipv4.ip_nonlocal_bind` one can bind to what is not there. The way from there to there is asked for
                // here; it is only found if the address is our own.
                let itself = SocketAddr::new(source, DISCARD);
                socket.connect(&itself.into()).map_err(|error| bind_fault(source, &error))?;
            }
        }
        Ok(socket)
    }

    fn tcp(self) -> io::Result<Socket> {
        let socket = self.new_socket(Type::STREAM, Protocol::TCP)?;
        socket.set_tcp_nodelay(true)?;
        // Closing then sends a reset: thousands of probes leave no TIME_WAIT, on neither side.
        socket.set_linger(Some(Duration::ZERO))?;
        if self.source.is_some() {
            // Else `bind` takes a port of the source address for this socket alone, whatever the destination.
            setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
        }
        Ok(socket)
    }

    /// A datagram ("ping") socket, which `net.ipv4.ping_group_range` allows to some groups without any capability; a raw socket else.
    fn icmp(self) -> io::Result<Socket> {
        let protocol = if self.address.is_ipv4() { Protocol::ICMPV4 } else { Protocol::ICMPV6 };
        let socket = match self.new_socket(Type::DGRAM, protocol) {
            Err(error) if is_refusal(&error) => {
                let raw = self.new_socket(Type::RAW, protocol)?;
                // Until it is connected it would get every ICMP message there is, and have no room left for its reply.
                raw.attach_filter(&[SockFilter::new(BPF_RETURN, 0, 0, 0)])?;
                raw
            }
            other => other?,
        };
        // Without it "host unreachable" from a router is not reported, and the probe could only time out.
        if self.address.is_ipv4() {
            setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
        } else {
            setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
        }
        Ok(socket)
    }

    fn new_socket(self, kind: Type, protocol: Protocol) -> io::Result<Socket> {
        let domain = if self.address.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        Socket::new(domain, kind.nonblocking().cloexec(), Some(protocol))
    }
}

fn device_fault(device: &Arc<str>, error: &io::Error) -> End {
    match Errno::from_io_error(error) {
        Some(Errno::NODEV | Errno::INVAL) => {
            let cause = Cause::Device(Arc::clone(device));
            let detail = cause.to_string();
            End::own(cause, detail)
        }
        _ => local("cannot bind to the device", error),
    }
}

fn bind_fault(source: IpAddr, error: &io::Error) -> End {
    match Errno::from_io_error(error) {
        // What `bind` says to an address that is not there, and to one of the other family; and what `connect` says to the former.
        Some(Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT | Errno::INVAL | Errno::NETUNREACH) => {
            let cause = Cause::Source(source);
            let detail = cause.to_string();
            End::own(cause, detail)
        }
        _ => local("cannot bind", error),
    }
}

/// Instruction of a packet filter: ends it with so many bytes of the packet; 0 drops it.
pub(super) const BPF_RETURN: u16 = 0x06;

/// A port for a socket that sends nothing.
const DISCARD: u16 = 9;

fn is_refusal(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::ACCESS | Errno::PERM | Errno::PROTONOSUPPORT))
}
