//! The listener of `/metrics`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use super::Metrics;
use crate::sockets::listen_tcp;

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
        let listener = listen_tcp(address, 64).and_then(TcpListener::from_std).map_err(fail)?;
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

async fn scrape(State(metrics): State<Arc<Metrics>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], metrics.render())
}
