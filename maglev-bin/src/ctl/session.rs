//! A connection to the server that is made when it is needed, and made anew when it broke.

use std::error::Error;
use std::time::Duration;

use tonic::{Response, Status};

use super::link::{Client, Link, LinkError};
use super::run::Failure;
use crate::daemon::chain;

/// The server, as far as it is in reach.
pub(super) struct Session {
    link: Link,
    client: Option<Client>,
}

impl Session {
    pub(super) fn new(link: Link) -> Self {
        Self { link, client: None }
    }

    /// Where the server is.
    pub(super) fn server(&self) -> &str {
        self.link.server()
    }

    /// Makes a call, after connecting if need be; both together take at most `patience`.
    ///
    /// # Errors
    /// The server is out of reach, is silent, or says no.
    pub(super) async fn call<T>(
        &mut self,
        patience: Duration,
        call: impl AsyncFnOnce(&mut Client) -> Result<Response<T>, Status>,
    ) -> Result<T, Failure> {
        let server = self.link.server().to_owned();
        let outcome = tokio::time::timeout(patience, self.attempt(patience, call)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(Failure::NoAnswer { server, seconds: patience.as_secs_f64() }));
        if outcome.as_ref().is_err_and(Failure::is_out_of_reach) {
            self.client = None;
        }
        outcome
    }

    async fn attempt<T>(
        &mut self,
        patience: Duration,
        call: impl AsyncFnOnce(&mut Client) -> Result<Response<T>, Status>,
    ) -> Result<T, Failure> {
        let client = match &mut self.client {
            Some(client) => client,
            none => none.insert(self.link.connect(patience).await.map_err(|error| match error {
                LinkError::Address(_) => Failure::Argument(error.to_string()),
                LinkError::Connect(reason) => Failure::Unreachable { server: self.link.server().to_owned(), reason },
            })?),
        };
        match call(client).await {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(self.failure(status)),
        }
    }

    /// What a status means: one with a source was made here, because the connection failed; others come from the server.
    pub(super) fn failure(&self, status: Status) -> Failure {
        match status.source() {
            Some(source) => Failure::Unreachable { server: self.link.server().to_owned(), reason: chain(source) },
            None => Failure::Refused(status),
        }
    }
}
