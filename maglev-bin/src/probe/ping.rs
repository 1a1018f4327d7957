//! The ICMP probe: sends one echo request and waits for its reply, or for a router to say that there is no way.

use std::io;
use std::net::{IpAddr, SocketAddr};

use maglev_health::Code;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny, recv, recvfrom, send};
use socket2::{SockFilter, Socket, Type};

use super::end::{End, Step};
use super::engine::{Ready, Registered, Site};
use super::fault::{local, sending, words};
use super::icmp::{Echo, LENGTH, Version, in_ipv4};
use super::socket::BPF_RETURN;

/// An ICMP socket that has sent its request.
#[derive(Debug)]
pub(super) struct Ping {
    socket: Registered<Socket>,
    to: IpAddr,
    version: Version,
    raw: bool,
    echo: Echo,
}

impl Ping {
    /// Sends an echo request over a socket that `Wanted::open` made.
    pub(super) fn send(site: &Site, socket: Socket, to: IpAddr) -> Step<Self> {
        let version = if to.is_ipv4() { Version::V4 } else { Version::V6 };
        let raw = socket.r#type().map_err(|error| local("no socket", &error))? == Type::RAW;
        // Connected, so that the kernel passes on only what concerns this peer, errors of routers on the way included.
        socket.connect(&SocketAddr::new(to, 0).into()).map_err(|error| sending(Code::L3Err, "echo", &error))?;
        let identifier = if raw { fastrand::u16(..) } else { kernel_identifier(&socket)? };
        if raw {
            // In place of the filter that lets nothing through.
            socket.attach_filter(&replies_only(version, identifier)).map_err(|error| local("no socket", &error))?;
        }
        let mut payload = [0; _];
        fastrand::fill(&mut payload);
        let echo = Echo { identifier, sequence: fastrand::u16(..), payload };
        send(&socket, &echo.request(version), SendFlags::empty())
            .map_err(|errno| sending(Code::L3Err, "echo", &errno.into()))?;
        let socket = site.register(socket).map_err(|error| local("no socket", &error))?;
        Ok(Self { socket, to, version, raw, echo })
    }

    /// Waits for the reply. Messages that are not about this probe's request are ignored.
    pub(super) async fn answer(&self) -> End {
        let mut packet = [0; MOST];
        loop {
            let received =
                self.socket.io(Ready::READ, |socket| Ok(recvfrom(socket, &mut packet[..], RecvFlags::empty())?));
            match received.await {
                Ok((length, _, ref from)) if self.is_from_peer(from.as_ref()) && self.is_reply(&packet[..length]) => {
                    return End::pass(Code::L3Ok, "echo reply");
                }
                Err(error) if self.is_failure(&error) => {
                    return End::fail(Code::L3Err, words(&error));
                }
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// A datagram socket that is connected is given replies of anybody (Linux net/ipv4/ping.c, `ping_lookup`).
    fn is_from_peer(&self, from: Option<&SocketAddrAny>) -> bool {
        from.and_then(|from| SocketAddr::try_from(from.clone()).ok()).is_some_and(|from| from.ip() == self.to)
    }

    fn is_reply(&self, packet: &[u8]) -> bool {
        let message = match (self.raw, self.version) {
            (true, Version::V4) => in_ipv4(packet),
            _ => Some(packet),
        };
        message.is_some_and(|message| self.echo.is_answered_by(self.version, message))
    }

    /// Whether an error means that this request went nowhere.
    fn is_failure(&self, error: &io::Error) -> bool {
        // A datagram socket's way to report a redirect or a source quench (Linux net/ipv4/ping.c, `ping_err`): the request went on.
        if Errno::from_io_error(error) == Some(Errno::REMOTEIO) {
            return false;
        }
        // A raw socket is told of errors of every echo to its peer, those of somebody's traceroute included. The error queue has
        // the messages in question. Without any there the error is a local one, and true for all.
        let mut quoted = 0;
        let mut quote = [0; LENGTH];
        while let Ok((_, length)) = recv(self.socket.get(), &mut quote[..], RecvFlags::ERRQUEUE) {
            quoted += 1;
            if self.echo.is_quoted_by(self.version, &quote[..length.min(LENGTH)]) {
                return true;
            }
        }
        quoted == 0
    }
}

/// The kernel puts an identifier of its own into what a datagram socket sends: the socket's "port".
fn kernel_identifier(socket: &Socket) -> Step<u16> {
    let own = socket.local_addr().map_err(|error| local("no socket", &error))?;
    Ok(own.as_socket().map_or(0, |own| own.port()))
}

/// A packet filter that lets only echo replies with this identifier through.
fn replies_only(version: Version, identifier: u16) -> [SockFilter; 7] {
    /// X = length of the IPv4 header that starts here.
    const LOAD_HEADER_LENGTH: u16 = 0xb1;
    /// X = constant.
    const LOAD_INDEX: u16 = 0x01;
    /// A = byte, half word at X + constant.
    const LOAD_BYTE: u16 = 0x50;
    const LOAD_HALF: u16 = 0x48;
    const JUMP_IF_EQUAL: u16 = 0x15;
    let start = match version {
        Version::V4 => SockFilter::new(LOAD_HEADER_LENGTH, 0, 0, 0),
        // The kernel passes ICMPv6 on without its IPv6 header.
        Version::V6 => SockFilter::new(LOAD_INDEX, 0, 0, 0),
    };
    [
        start,
        SockFilter::new(LOAD_BYTE, 0, 0, 0),
        SockFilter::new(JUMP_IF_EQUAL, 0, 3, version.reply().into()),
        SockFilter::new(LOAD_HALF, 0, 0, 4),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, identifier.into()),
        SockFilter::new(BPF_RETURN, 0, 0, u32::MAX),
        SockFilter::new(BPF_RETURN, 0, 0, 0),
    ]
}

/// An IPv4 header with all its options, and the reply. What is longer is no reply, and cut.
const MOST: usize = 60 + LENGTH + 1;
