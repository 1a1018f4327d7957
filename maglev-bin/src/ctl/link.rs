//! The way to the server.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use super::args::TlsArgs;
use crate::proto::maglev_client::MaglevClient;

pub(super) type Client = MaglevClient<Channel>;

/// Where the server is and how it is spoken to.
#[derive(Clone, Debug)]
pub(super) struct Link {
    server: String,
}

/// Why there is no way to the server.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The address makes no sense; trying again does not help.
    #[error("`{0}` is no address: write HOST:PORT or unix:/path")]
    Address(String),
    /// It does not answer, or not as it should; it may later.
    #[error("{0}")]
    Connect(String),
}

impl Link {
    /// The way to `server`.
    ///
    /// # Errors
    /// The address makes no sense.
    pub(super) fn new(server: &str, _tls: &TlsArgs) -> Result<Self, LinkError> {
        let makes_sense = match server.strip_prefix("unix:") {
            Some(path) => !path.is_empty(),
            None => server.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()),
        };
        if makes_sense { Ok(Self { server: server.to_owned() }) } else { Err(LinkError::Address(server.to_owned())) }
    }

    /// As it was given.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// A client whose connection stands.
    ///
    /// # Errors
    /// The server is out of reach.
    pub(super) async fn connect(&self, patience: Duration) -> Result<Client, LinkError> {
        let uri = match self.server.strip_prefix("unix:") {
            Some(path) => format!("unix://{path}"),
            None => format!("http://{}", self.server),
        };
        let endpoint = Endpoint::from_shared(uri).map_err(|_| LinkError::Address(self.server.clone()))?;
        let channel = endpoint.connect_timeout(patience).connect().await;
        let channel = channel.map_err(|error| LinkError::Connect(crate::daemon::chain(&error)))?;
        Ok(MaglevClient::new(channel).max_decoding_message_size(LARGEST))
    }
}

/// The state of 40,000 servers is a few MiB.
const LARGEST: usize = 64 << 20;
