//! Finds out who has come and whether they can be served.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::connection::{Connection, Replay, Stream};
use super::opening::{
    ENHANCE_YOUR_CALM, FULL, INADEQUATE_SECURITY, NO_TLS, Opening, SPEAKS_GRPC, SPEAKS_TLS, bad_request, open, part,
    refuse,
};
use super::seats::{Seat, Seats};
use super::{Accepted, MAX_OPEN, MAX_SILENT, SILENCE, canonical, unix};
use crate::event::Bus;
use crate::grpc::peer::{Evidence, Policy};
use crate::grpc::throttle::Throttle;
use crate::grpc::tls::{Certificates, reason, verified};

/// What every connection of a listener passes.
pub(super) struct Door {
    certificates: Certificates,
    policy: Policy,
    seats: Seats,
    room: Arc<Semaphore>,
    /// Tells of clients that were turned away.
    turned_away: Throttle,
    /// Tells that connections are short.
    short: Throttle,
}

impl Door {
    pub(super) fn new(certificates: Certificates, policy: Policy, bus: Bus) -> Self {
        Self {
            certificates,
            policy,
            seats: Seats::new(MAX_SILENT),
            room: Arc::new(Semaphore::new(MAX_OPEN)),
            turned_away: Throttle::new(bus.clone(), "grpc-tls"),
            short: Throttle::new(bus, "grpc-connections"),
        }
    }

    /// A seat for a connection that was just accepted.
    pub(super) async fn seat(&self) -> Seat {
        self.seats.take().await
    }

    /// Tells once why no connection comes in.
    pub(super) fn cannot_accept(&self, error: &io::Error) {
        self.short.warn(format!("gRPC clients have to wait, as no connection can be accepted: {error}"));
    }

    /// A connection whose client has begun to speak HTTP/2. `None` if it was turned away, gave up, or was silent for too long.
    pub(super) async fn greet(self: Arc<Self>, accepted: Accepted, mut seat: Seat) -> Option<Connection> {
        let evicted = seat.evicted();
        let meeting = async {
            match accepted {
                Accepted::Unix(stream) => {
                    let evidence = unix::evidence(&stream)?;
                    self.plain(stream, "on the Unix socket", Stream::Unix, evidence).await
                }
                Accepted::Tcp(stream, address) => {
                    stream.set_nodelay(true)?;
                    match self.certificates.config() {
                        Some(config) => self.tls(stream, address, config, &mut seat).await,
                        None => {
                            let local = canonical(stream.local_addr()?);
                            let loopback = address.ip().is_loopback() && local.ip().is_loopback();
                            let evidence = Evidence::Plain { address, loopback };
                            self.plain(stream, &address.to_string(), Stream::Tcp, evidence).await
                        }
                    }
                }
            }
        };
        tokio::select! {
            biased;
            () = evicted.cancelled() => None,
            // An error here is a client that is gone.
            met = timeout(SILENCE, meeting) => met.ok()?.ok()?,
        }
    }

    async fn plain<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        client: &str,
        kind: fn(Replay<S>) -> Stream,
        evidence: Evidence,
    ) -> io::Result<Option<Connection>> {
        let (opening, stream) = open(stream).await?;
        if opening == Opening::Tls {
            self.turned_away.warn(format!(
                "gRPC client {client} speaks TLS, and this listener does not: it needs no --tls-ca, or maglevd needs \
                 --grpc-tls-cert and --grpc-tls-key"
            ));
            part(stream, &NO_TLS).await;
            return Ok(None);
        }
        Ok(self.admit(opening, stream, kind, evidence).await)
    }

    async fn tls(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        config: Arc<ServerConfig>,
        seat: &mut Seat,
    ) -> io::Result<Option<Connection>> {
        let (opening, stream) = open(stream).await?;
        match opening {
            Opening::Tls => seat.begin(),
            Opening::Http2 | Opening::Http1 => {
                self.turned_away.warn(format!("gRPC client {address} does not speak TLS, and this listener does"));
                match opening {
                    Opening::Http2 => refuse(stream, INADEQUATE_SECURITY, SPEAKS_TLS).await,
                    _ => part(stream, &bad_request(SPEAKS_TLS)).await,
                }
                return Ok(None);
            }
            Opening::Other => return Ok(None),
        }
        let stream = match TlsAcceptor::from(config).accept(stream).into_fallible().await {
            Ok(stream) => stream,
            Err((error, stream)) => {
                self.turned_away.warn(format!("TLS handshake of gRPC client {address} failed: {}", reason(&error)));
                // The alert is written.
                part(stream, &[]).await;
                return Ok(None);
            }
        };
        let certificate = verified(stream.get_ref().1.peer_certificates());
        let (opening, stream) = open(stream).await?;
        let evidence = Evidence::Tls { address, certificate };
        Ok(self.admit(opening, stream, |stream| Stream::Tls(Box::new(stream)), evidence).await)
    }

    /// Lets in who speaks HTTP/2, while there is room.
    async fn admit<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        opening: Opening,
        stream: Replay<S>,
        kind: fn(Replay<S>) -> Stream,
        evidence: Evidence,
    ) -> Option<Connection> {
        match opening {
            Opening::Http2 => {}
            Opening::Http1 => {
                part(stream, &bad_request(SPEAKS_GRPC)).await;
                return None;
            }
            Opening::Tls | Opening::Other => return None,
        }
        let peer = self.policy.judge(evidence);
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            self.short.warn(format!("{peer} was turned away: {MAX_OPEN} gRPC connections are open"));
            refuse(stream, ENHANCE_YOUR_CALM, FULL).await;
            return None;
        };
        Some(Connection::new(kind(stream), peer, permit))
    }
}
