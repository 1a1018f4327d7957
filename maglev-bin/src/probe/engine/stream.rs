use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use maglev_health::Code;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, connect, connect_unspec, getpeername, getsockname, recv, send, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::pool::About;
use super::reactor::{Ready, Registered};
use super::site::Site;
use crate::probe::end::{Deadline, End, Step};
use crate::probe::fault::{local, sending, words};
use crate::probe::socket::Wanted;

/// A TCP connection of a probe. Dropped it closes with a reset.
#[derive(Debug)]
pub(in crate::probe) struct Stream {
    socket: Registered<OwnedFd>,
    about: About,
    /// Of the ground that the socket was made on.
    ground: u64,
}

impl Stream {
    /// A socket that is not connected to anybody. What went wrong is our own fault.
    pub(in crate::probe) fn new(site: &Site, wanted: Wanted<'_>) -> Step<Self> {
        let (socket, ground) = site.tcp(wanted)?;
        Ok(Self { socket, about: About::of(&wanted), ground })
    }

    /// Connects. Cancelled or failed, the socket is closed.
    pub(in crate::probe) async fn connect(self, site: &Site, to: SocketAddr, deadline: Deadline) -> Step<Self> {
        // The handshake's last ACK goes with the first bytes, or never if there are none: a packet less on either side. The option
        // lasts for one connection only, and what it saves is no reason to fail.
        let _ = sockopt::set_tcp_quickack(self.socket.get(), false);
        self.socket.clear(Ready::READ | Ready::WRITE | Ready::ERROR | Ready::END);
        match connect(self.socket.get(), &to) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(sending(Code::L4Con, "connect", &errno.into())),
        }
        match deadline.limit(self.connected()).await {
            Some(Ok(())) if site.gives(to.port()) && self.is_own_echo(to) => {
                Err(End::fail(Code::L4Con, "connect refused"))
            }
            Some(Ok(())) => Ok(self),
            Some(Err(error)) => Err(failed(&error)),
            // Still trying, but a router may have said why in vain.
            None => Err(match sockopt::socket_error(self.socket.get()) {
                Ok(Err(soft)) => failed(&soft.into()),
                _ => unanswered(),
            }),
        }
    }

    async fn connected(&self) -> io::Result<()> {
        self.socket
            .io(Ready::WRITE, |socket| {
                if !self.socket.ready().has(Ready::ERROR) {
                    return Ok(());
                }
                self.socket.clear(Ready::ERROR);
                sockopt::socket_error(socket)??;
                // Neither done nor failed is what was left of the socket's last connection.
                match getpeername(socket) {
                    Ok(_) => Ok(()),
                    Err(Errno::NOTCONN) => Err(io::ErrorKind::WouldBlock.into()),
                    Err(errno) => Err(errno.into()),
                }
            })
            .await
    }

    /// Nobody listens on a port of our own machine, and the kernel gave that very port to our side: TCP connects to itself.
    fn is_own_echo(&self, to: SocketAddr) -> bool {
        getsockname(self.socket.get()).is_ok_and(|own| SocketAddr::try_from(own).is_ok_and(|own| own == to))
    }

    /// Our side of the connection.
    pub(in crate::probe) fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::try_from(getsockname(self.socket.get())?)?)
    }

    /// Ends the handshake now, for a peer that is to speak first.
    pub(in crate::probe) fn acknowledge(&self) {
        // Refused, the ACK comes some 40 ms later.
        let _ = sockopt::set_tcp_quickack(self.socket.get(), true);
    }

    /// The number of its ground, see [`Site::look`].
    pub(in crate::probe) fn ground(&self) -> u64 {
        self.ground
    }

    /// Ends the connection with a reset, as closing it would, and keeps the socket for another probe.
    pub(in crate::probe) fn recycle(self, site: &Site) {
        let Self { socket, about, ground } = self;
        if connect_unspec(socket.get()).is_ok() {
            site.keep(about, ground, socket);
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let wanted = buf.remaining();
        let read = this
            .socket
            .poll_io(cx, Ready::READ, |socket| Ok(recv(socket, buf.initialize_unfilled(), RecvFlags::empty())?.0));
        let read = ready!(read)?;
        buf.advance(read);
        // Nothing was left. Another event follows, except for an end that is known already.
        if read < wanted && read > 0 && !this.socket.ready().has(Ready::END | Ready::ERROR) {
            this.socket.clear(Ready::READ);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().socket.poll_io(cx, Ready::WRITE, |socket| Ok(send(socket, bytes, SendFlags::NOSIGNAL)?))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Connections end with a reset.
        Poll::Ready(Ok(()))
    }
}

fn failed(error: &io::Error) -> End {
    // The kernel gives up after some two minutes, should the time-out be longer.
    if error.kind() == io::ErrorKind::TimedOut {
        return unanswered();
    }
    End::fail(Code::L4Con, format!("connect {}", words(error)))
}

fn unanswered() -> End {
    End::fail(Code::L4Tout, "no answer to connect in time")
}

/// An error of registering a socket: our own.
pub(super) fn unregistered(error: &io::Error) -> End {
    local("no socket", error)
}
