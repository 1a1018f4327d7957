//! The listener of `/metrics`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::{TcpListener, TcpSocket};

use super::Metrics;

/// Why `/metrics` cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for /metrics; pass another --metrics-addr, or an empty one to switch it off")]
pub struct ServeError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

/// A port that was found free, for `/metrics`.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens on `address`. `[::]` is both families; on a host without IPv6 it falls back to `0.0.0.0`. Call it inside a tokio runtime.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn bind(address: SocketAddr) -> Result<Self, ServeError> {
        let fail = |source| ServeError { address, source };
        let listener = listen(address).map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self { listener, address })
    }

    /// Where it listens; tells the port that the kernel chose for 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers `/metrics` from now on, as long as the runtime lives.
    pub fn serve(self, metrics: Arc<Metrics>) {
        let router = Router::new()
            .route("/metrics", get(scrape))
            .route("/", get(async || "maglevd: see /metrics\n"))
            .with_state(metrics);
        tokio::spawn(async move {
            if let Err(error) = axum::serve(self.listener, router).await {
                tracing::error!(target: "maglev", %error, "the /metrics listener ended");
            }
        });
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let bound = socket.and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(64)
    });
    match bound {
        Err(error) if address.ip().is_unspecified() && address.is_ipv6() && no_ipv6(&error) => {
            let any = SocketAddr::from(([0, 0, 0, 0], address.port()));
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(any)?;
            socket.listen(64)
        }
        other => other,
    }
}

fn no_ipv6(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let code = error.raw_os_error();
    [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL].iter().any(|errno| code == Some(errno.raw_os_error()))
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], metrics.render())
}
