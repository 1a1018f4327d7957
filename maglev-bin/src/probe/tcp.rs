use std::io;
use std::net::SocketAddr;

use maglev_health::Code;
use rustix::io::Errno;
use socket2::Socket;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::end::{End, Step};
use super::fault::{local, sending, words};

/// Connects a socket that `Wanted::open` made. Cancelled or failed, the socket is closed.
///
/// `TcpSocket::connect` does not tell an error of the call itself, which may be our own fault, from one that the network sent back,
/// which never is. So the two steps are taken here.
pub(super) async fn connect(socket: Socket, to: SocketAddr) -> Step<TcpStream> {
    if let Err(error) = socket.connect(&to.into())
        && Errno::from_io_error(&error) != Some(Errno::INPROGRESS)
    {
        return Err(sending(Code::L4Con, "connect", &error));
    }
    let stream = TcpStream::from_std(socket.into()).map_err(|error| local("no socket", &error))?;
    let connected = stream
        .async_io(Interest::WRITABLE, || match (stream.take_error()?, stream.peer_addr()) {
            (Some(error), _) | (None, Err(error)) if error.kind() != io::ErrorKind::NotConnected => Err(error),
            (None, Ok(peer)) => Ok(peer),
            // Neither done nor failed: woken too early.
            _ => Err(io::ErrorKind::WouldBlock.into()),
        })
        .await;
    match connected {
        // Nobody listens on a port of our own machine, and the kernel gave that very port to our side: TCP then connects to itself.
        Ok(peer) if stream.local_addr().is_ok_and(|own| own == peer) => Err(End::fail(Code::L4Con, "connect refused")),
        Ok(_) => Ok(stream),
        Err(error) => Err(End::fail(Code::L4Con, format!("connect {}", words(&error)))),
    }
}
