//! Counts the calls of the API and how long they took, and bounds those of viewers.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Request, Response};
use tokio::sync::Semaphore;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::peer::Peer;
use crate::metrics::Totals;

/// Calls of viewers that may be under way at a time, all together: each may hold a request of 4 MiB. Operators are not counted.
const VIEWERS_CALLS: usize = 32;

/// Makes a service count its calls.
#[derive(Clone, Debug)]
pub(super) struct Counting {
    totals: Totals,
    viewers: Arc<Semaphore>,
}

impl Counting {
    pub(super) fn new(totals: Totals) -> Self {
        Self { totals, viewers: Arc::new(Semaphore::new(VIEWERS_CALLS)) }
    }
}

impl<S> Layer<S> for Counting {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, counting: self.clone() }
    }
}

/// A service that counts its calls: by method and status, with the time until the answer began. A stream counts when it begins.
#[derive(Clone, Debug)]
pub(super) struct Counted<S> {
    inner: S,
    counting: Counting,
}

impl<S: NamedService> NamedService for Counted<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, Q, R> Service<Request<Q>> for Counted<S>
where
    S: Service<Request<Q>, Response = Response<R>, Error = Infallible>,
    S::Future: Send + 'static,
    R: Default + 'static,
{
    type Response = Response<R>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let Counting { totals, viewers } = self.counting.clone();
        let (method, start) = (method(request.uri().path()), Instant::now());
        let is_operator = request.extensions().get::<Peer>().is_some_and(Peer::may_write);
        let place = if is_operator { Some(None) } else { viewers.try_acquire_owned().ok().map(Some) };
        // Nothing of the request is read before the answer is asked for.
        let answer = place.map(|place| (place, self.inner.call(request)));
        Box::pin(async move {
            let response = match answer {
                Some((_place, answer)) => answer.await?,
                None => Status::resource_exhausted("too many calls of viewers are under way; try again in a moment")
                    .into_http(),
            };
            // An error comes as headers alone; a success tells its status behind the messages.
            let status =
                response.headers().get("grpc-status").map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()));
            totals.grpc(method, code_word(status), start.elapsed());
            Ok(response)
        })
    }
}

/// Calls of `maglev.v1.Maglev`; a test holds them against the `.proto`.
const METHODS: [&str; 22] = [
    "ListFrontends",
    "GetFrontend",
    "ListBackends",
    "GetBackend",
    "ListHealthChecks",
    "GetHealthCheck",
    "PauseBackend",
    "ResumeBackend",
    "EnableBackend",
    "DisableBackend",
    "ProbeBackend",
    "SetFrontendPoolBackendWeight",
    "ListOverrides",
    "ClearOverride",
    "WatchEvents",
    "CheckConfig",
    "ReloadConfig",
    "GetVPPInfo",
    "GetVPPLBState",
    "GetVPPLBCounters",
    "PlanVPPLBState",
    "SyncVPPLBState",
];

/// The method that a path names. Clients can ask for anything: what is not ours is one label.
fn method(path: &str) -> &'static str {
    let name = path.strip_prefix("/maglev.v1.Maglev/");
    name.and_then(|name| METHODS.into_iter().find(|method| *method == name)).unwrap_or("other")
}

/// The word for a status, as the gRPC documentation spells it in small letters.
pub(crate) fn code_word(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "cancelled",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
        Code::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_of_the_proto_has_a_label_of_its_own() {
        let proto = include_str!("../../proto/maglev/v1/maglev.proto");
        let calls = proto.lines().filter_map(|line| line.trim().strip_prefix("rpc ")?.split('(').next());
        assert_eq!(calls.collect::<Vec<_>>(), METHODS);
        assert_eq!(method("/maglev.v1.Maglev/GetBackend"), "GetBackend");
        assert_eq!(method("/maglev.v1.Maglev/../../etc"), "other");
        assert_eq!(method("/grpc.health.v1.Health/Check"), "other");
    }
}
