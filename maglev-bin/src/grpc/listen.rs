//! From the kernel to a handler.
//!
//! | task | ends |
//! | --- | --- |
//! | `accept`, one a listener | when told to stop, or when nobody takes connections any more; closes its socket and removes its file |
//! | `greet`, one a connection | when the client has begun to speak HTTP/2, and hands it on; or has been turned away, or was silent |
//!
//! A connection costs a descriptor from the moment it is accepted, so there is a bound for those that have said nothing ([`MAX_SILENT`],
//! in `seats`) and one for those that have ([`MAX_OPEN`], a permit that the [`Connection`] holds). Neither kind can use up what the
//! other needs, nor what the probes need.

mod connection;
mod greet;
mod opening;
mod seats;
mod unix;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;

use self::greet::Door;
use self::unix::UnixSocket;
use super::address::GrpcAddr;
use super::options::{GrpcOptions, OptionsError};
use super::peer::Policy;
use super::tls::Certificates;
use crate::event::Bus;
use crate::sockets::listen_tcp;
use crate::tls::FileError;

pub use self::connection::Connection;
pub(crate) use self::opening::{FULL, SPEAKS_TLS};

/// Connections of one listener that may be silent at a time, or in the middle of their TLS handshake: more than any site has clients that connect within
/// a round trip, few enough for the usual limit of 1,024 descriptors. One more closes the one that has been silent longest, though not
/// before that has had 100 ms.
pub const MAX_SILENT: usize = 256;

/// Time to finish TLS and to say the first bytes, which every client says at once: slow links and lost packets included.
pub const SILENCE: Duration = Duration::from_secs(10);

/// Connections that may be open at a time on one listener after they have spoken: ten times the watchers this is built for. One more is turned away.
pub const MAX_OPEN: usize = 1_024;

/// Sockets that listen, before anybody is served: what the daemon has before it touches VPP.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<Socket>,
    certificates: Certificates,
    policy: Policy,
}

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The flags contradict each other.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// A file of certificates or keys cannot be used.
    #[error("the certificates for gRPC cannot be used")]
    Certificates(#[from] FileError),
    /// The kernel refuses the address.
    #[error("cannot listen on {address} for gRPC: {advice}")]
    Listen {
        /// The address.
        address: GrpcAddr,
        /// What to do.
        advice: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Another process serves at this socket.
    #[error("cannot listen on unix:{} for gRPC: somebody answers there; stop that process, or pass another --grpc-addr", .0.display())]
    Live(PathBuf),
    /// Something that is not ours to remove.
    #[error("cannot listen on unix:{} for gRPC: a file is there that is no socket; pass another --grpc-addr", .0.display())]
    NoSocket(PathBuf),
    /// Another process is at work on the sockets of this folder.
    #[error("cannot listen on unix:{} for gRPC: another process has locked its folder; try again", .0.display())]
    Locked(PathBuf),
}

impl Listeners {
    /// Checks the options, reads the certificates and listens on every address. Clients may connect from now on; they are served
    /// once [`run`](Self::run) is called. Call it before the daemon touches VPP. Blocks for as long as files take to read.
    ///
    /// # Errors
    /// [`BindError`]; nothing listens then.
    pub fn bind(options: &GrpcOptions) -> Result<Self, BindError> {
        options.check()?;
        let tls = options.tls.as_ref().filter(|_| !options.addresses.is_empty());
        let certificates = Certificates::read(tls, options.client_ca.as_deref())?;
        let sockets = options.addresses.iter().map(Socket::bind).collect::<Result<_, _>>()?;
        Ok(Self { sockets, certificates, policy: options.policy() })
    }

    /// Where it listens, in the order of the options; tells the port that the kernel chose for 0.
    pub fn addresses(&self) -> Vec<GrpcAddr> {
        self.sockets.iter().map(Socket::address).collect()
    }

    /// The certificates, to be read again when the daemon reloads.
    pub fn certificates(&self) -> Certificates {
        self.certificates.clone()
    }

    /// Serves: a stream of connections that have begun to speak HTTP/2, each with its [`Peer`](super::Peer) as tonic's connect info.
    /// It ends, the sockets close and the files of Unix sockets are removed when `stop` is cancelled or the stream is dropped. No
    /// item is an error. Call it inside the tokio runtime that is to do the work.
    ///
    /// Warnings go to `bus`: `grpc-tls` for a client that was turned away, `grpc-connections` when connections or descriptors are short.
    ///
    /// # Errors
    /// The runtime cannot watch one more socket.
    pub fn run(
        self,
        stop: CancellationToken,
        bus: Bus,
    ) -> io::Result<impl Stream<Item = io::Result<Connection>> + Send + Unpin + 'static> {
        // Nothing waits for long between here and the server, so a few are plenty.
        let (sender, receiver) = mpsc::channel(16);
        let listeners = self.sockets.into_iter().map(Socket::listener).collect::<io::Result<Vec<_>>>()?;
        for listener in listeners {
            // Each has room of its own: who fills one from the network locks nobody out of the Unix socket.
            let door = Arc::new(Door::new(self.certificates.clone(), self.policy.clone(), bus.clone()));
            let accepting = accept(listener, door, sender.clone(), stop.clone());
            tokio::spawn(stop.clone().run_until_cancelled_owned(accepting));
        }
        Ok(ReceiverStream::new(receiver).map(Ok))
    }
}

/// Accepts until nobody wants connections any more.
async fn accept(mut listener: Listener, door: Arc<Door>, sender: mpsc::Sender<Connection>, stop: CancellationToken) {
    let mut short = false;
    loop {
        let accepted = tokio::select! {
            () = sender.closed() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(stream) => {
                short = false;
                let greeting = door.clone().greet(stream, door.seat().await);
                tokio::spawn(stop.clone().run_until_cancelled_owned(hand_over(greeting, sender.clone())));
            }
            // The client was gone before its turn came.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {}
            Err(error) => {
                if !std::mem::replace(&mut short, true) {
                    door.cannot_accept(&error);
                }
                // Whoever waits in the backlog keeps the socket readable: without a pause this would spin.
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Gives the server what a greeting brings, unless the server is gone.
async fn hand_over(greeting: impl Future<Output = Option<Connection>>, sender: mpsc::Sender<Connection>) {
    let connection = tokio::select! {
        connection = greeting => connection,
        () = sender.closed() => None,
    };
    if let Some(connection) = connection {
        // Dropped with the server.
        let _ = sender.send(connection).await;
    }
}

/// A socket that listens, outside of any runtime.
#[derive(Debug)]
enum Socket {
    Tcp(std::net::TcpListener, SocketAddr),
    Unix(UnixSocket),
}

impl Socket {
    fn bind(address: &GrpcAddr) -> Result<Self, BindError> {
        match address {
            GrpcAddr::Unix(path) => UnixSocket::bind(path).map(Self::Unix),
            GrpcAddr::Tcp(socket_address) => listen_tcp(*socket_address, BACKLOG)
                .and_then(|listener| listener.local_addr().map(|local| Self::Tcp(listener, local)))
                .map_err(|source| refused(address, source)),
        }
    }

    fn address(&self) -> GrpcAddr {
        match self {
            Self::Tcp(_, address) => GrpcAddr::Tcp(*address),
            Self::Unix(socket) => GrpcAddr::Unix(socket.path().to_owned()),
        }
    }

    fn listener(self) -> io::Result<Listener> {
        Ok(match self {
            Self::Tcp(listener, _) => Listener::Tcp(TcpListener::from_std(listener)?),
            Self::Unix(socket) => {
                let (file, listener) = socket.into_parts();
                Listener::Unix { _file: file, listener: UnixListener::from_std(listener)? }
            }
        })
    }
}

/// A socket that listens, inside the runtime that serves.
enum Listener {
    Tcp(TcpListener),
    // In this order: the file goes first, while the socket is live and nobody would replace it.
    Unix { _file: unix::SocketFile, listener: UnixListener },
}

impl Listener {
    async fn accept(&mut self) -> io::Result<Accepted> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Accepted::Tcp(stream, canonical(address))
            }
            Self::Unix { listener, .. } => Accepted::Unix(listener.accept().await?.0),
        })
    }
}

/// A connection of which nothing is known.
enum Accepted {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

/// An IPv4 client of a listener for both families comes with an address inside IPv6; here it is as everybody knows it.
fn canonical(mut address: SocketAddr) -> SocketAddr {
    if let IpAddr::V4(ip) = address.ip().to_canonical() {
        address.set_ip(ip.into());
    }
    address
}

/// Says what to do about an address that the kernel refuses.
fn refused(address: &GrpcAddr, source: io::Error) -> BindError {
    let tcp = matches!(address, GrpcAddr::Tcp(_));
    let advice = match source.kind() {
        io::ErrorKind::AddrInUse => "another process listens there; stop it, or pass another --grpc-addr",
        io::ErrorKind::AddrNotAvailable => "this host has no such address; pass another --grpc-addr",
        io::ErrorKind::PermissionDenied if tcp => {
            "this user may not use this port; pass another --grpc-addr, or grant CAP_NET_BIND_SERVICE"
        }
        io::ErrorKind::PermissionDenied => "this user may not make files there; pass another --grpc-addr",
        io::ErrorKind::NotFound => "its folder is missing; make it, or pass another --grpc-addr",
        _ => "pass another --grpc-addr, or an empty one to switch the API off",
    };
    BindError::Listen { address: address.clone(), advice, source }
}

/// Connections that the kernel keeps until they are accepted: a burst that passes in two seconds if all are silent. The kernel lowers it
/// to its own limit (`net.core.somaxconn`).
const BACKLOG: i32 = 4_096;

/// Between two attempts to accept when there is no descriptor.
const PAUSE: Duration = Duration::from_millis(100);
