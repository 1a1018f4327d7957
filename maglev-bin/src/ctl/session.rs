//! A connection to the server that is made when it is needed, and made anew when it broke.

use std::error::Error;
use std::time::Duration;

use tonic::{Response, Status};

use super::run::Failure;
use crate::client::{Address, Client, ClientTls, ConnectError, Trouble, connect};

/// The server, as far as it is in reach.
pub(super) struct Session {
    server: Address,
    tls: Option<ClientTls>,
    client: Option<Client>,
}

impl Session {
    /// Nothing is sent before the first call.
    pub(super) fn new(server: Address, tls: Option<ClientTls>) -> Self {
        Self { server, tls, client: None }
    }

    /// Where the server is.
    pub(super) fn server(&self) -> &Address {
        &self.server
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
        let outcome = tokio::time::timeout(patience, self.attempt(patience, call)).await;
        let no_answer = || Failure::NoAnswer { server: self.server.clone(), seconds: patience.as_secs_f64() };
        let outcome = outcome.unwrap_or_else(|_| Err(no_answer()));
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
            none => none.insert(connect(&self.server, self.tls.as_ref(), patience).await?),
        };
        match call(client).await {
            Ok(answer) => Ok(answer.into_inner()),
            Err(status) => Err(self.failure(status)),
        }
    }

    /// What a status means: one with a source was made here, because the connection failed; others come from the server.
    pub(super) fn failure(&self, status: Status) -> Failure {
        match status.source() {
            Some(source) => match Trouble::of(source) {
                // It was lost before, and did not come back: nothing was asked.
                trouble @ (Trouble::Refused
                | Trouble::NoSocket
                | Trouble::Permission
                | Trouble::UnknownHost
                | Trouble::Unreachable) => {
                    ConnectError::Failed { address: self.server.clone(), trouble, source: None }.into()
                }
                trouble => Failure::Lost { server: self.server.clone(), trouble },
            },
            None => Failure::Refused(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::GetVppInfoRequest;
    use tokio::net::TcpListener;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_nothing_is_given_up_in_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap().to_string();
        let mut session = Session::new(server.parse().unwrap(), None);
        let call =
            session.call(Duration::from_secs(10), async |client| client.get_vpp_info(GetVppInfoRequest {}).await);
        let failure = call.await.unwrap_err();
        assert_eq!(failure.status(), 3, "{failure}");
        assert!(failure.to_string().contains(&server), "{failure}");
    }
}
