use std::io;
use std::net::SocketAddr;

use maglev_health::Code;
use rustix::io::Errno;
use socket2::Socket;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::end::{Deadline, End, Step};
use super::fault::{local, sending, words};

/// Connects a socket that `Wanted::open` made. Cancelled or failed, the socket is closed.
///
/// `TcpSocket::connect` does not tell an error of the call itself, which may be our own fault, from one that the network sent back,
/// which never is. So the two steps are taken here.
pub(super) async fn connect(socket: Socket, to: SocketAddr, deadline: Deadline) -> Step<TcpStream> {
    if let Err(error) = socket.connect(&to.into())
        && Errno::from_io_error(&error) != Some(Errno::INPROGRESS)
    {
        return Err(sending(Code::L4Con, "connect", &error));
    }
    let stream = TcpStream::from_std(socket.into()).map_err(|error| local("no socket", &error))?;
    let connected = stream.async_io(Interest::WRITABLE, || match (stream.take_error()?, stream.peer_addr()) {
        (Some(error), _) => Err(error),
        (None, Ok(peer)) => Ok(peer),
        // Neither done nor failed: woken too early.
        (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
        (None, Err(error)) => Err(error),
    });
    match deadline.limit(connected).await {
        // Nobody listens on a port of our own machine, and the kernel gave that very port to our side: TCP connects to itself.
        Some(Ok(peer)) if stream.local_addr().is_ok_and(|own| own == peer) => {
            Err(End::fail(Code::L4Con, "connect refused"))
        }
        Some(Ok(_)) => Ok(stream),
        Some(Err(error)) => Err(failed(&error)),
        // Still trying, but a router may have said why in vain.
        None => Err(match stream.take_error() {
            Ok(Some(soft)) => failed(&soft),
            _ => unanswered(),
        }),
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
