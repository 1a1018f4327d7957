//! A client of the API, for `maglevc` and for other tools.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use maglev_bin::client::connect;
//! use maglev_bin::proto::ListFrontendsRequest;
//!
//! # async fn list() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = connect(&"127.0.0.1:9090".parse()?, None, Duration::from_secs(5)).await?;
//! let frontends = client.list_frontends(ListFrontendsRequest::default()).await?;
//! # Ok(())
//! # }
//! ```

mod address;
mod dial;
mod trouble;

use std::error::Error;
use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use self::dial::Dialler;
use crate::proto::maglev_client::MaglevClient;

pub use self::address::{Address, ParseAddressError};
pub use self::dial::{ClientTls, TlsError};
pub use self::trouble::Trouble;
pub use crate::tls::FileError;

/// A connection to maglevd. It is made anew by itself when it was lost: the call that meets the loss fails, later ones do not.
pub type Client = MaglevClient<Channel>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// What TLS needs cannot be had on this side. Nothing was sent.
    #[error("cannot use TLS")]
    Tls(#[from] TlsError),
    /// It did not come about with the other side.
    #[error("cannot talk to maglevd at {address}: {trouble}")]
    Failed {
        /// The other side.
        address: Address,
        /// What is wrong, and what to try.
        trouble: Trouble,
        /// What the layers below said.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
}

/// Connects, and makes sure that a gRPC server answers: some refusals, such as that of our certificate, come only with the first
/// answer. A Unix socket has no TLS; `tls` is not looked at then.
///
/// # Errors
/// [`ConnectError`], after `timeout` at the latest.
pub async fn connect(address: &Address, tls: Option<&ClientTls>, timeout: Duration) -> Result<Client, ConnectError> {
    let dialler = Dialler::new(address, tls)?;
    let failed = |trouble, source| ConnectError::Failed { address: address.clone(), trouble, source };
    match tokio::time::timeout(timeout, open(dialler)).await {
        Ok(Ok(channel)) => Ok(MaglevClient::new(channel).max_decoding_message_size(MAX_MESSAGE)),
        Ok(Err(error)) => Err(failed(Trouble::of(&*error), Some(error))),
        Err(_) => Err(failed(Trouble::TimedOut, None)),
    }
}

async fn open(dialler: Dialler) -> Result<Channel, Box<dyn Error + Send + Sync>> {
    let witness = dialler.clone();
    let channel = Endpoint::from_static("http://maglevd")
        .origin(dialler.origin())
        .user_agent(concat!("maglev-rs/", env!("CARGO_PKG_VERSION")))?
        // A watcher that hears nothing knows that nothing happens.
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10))
        .connect_with_connector(tower::service_fn(move |_| dialler.clone().dial()))
        .await?;
    let answer = HealthClient::new(channel.clone()).check(HealthCheckRequest::default()).await;
    match answer {
        // With a source it is from the layers below; without, the server said it, and so there is one.
        // A web server answers in HTTP, of which the client makes a status.
        Err(status) if status.source().is_some() || status.message().contains("mapped from HTTP status code") => {
            Err(witness.last_word().map_or_else(|| status.into(), |word| word.into()))
        }
        _ => Ok(channel),
    }
}

/// Thousands of frontends with their backends fit.
const MAX_MESSAGE: usize = 64 << 20;
