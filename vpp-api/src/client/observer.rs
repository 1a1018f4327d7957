//! Telling somebody of every call, for metrics.

use std::ops::Deref;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{CallError, ConnectError, ProtocolError};

/// Is told of calls as they start and end. Called on the path of every call: be quick, do not block.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
/// # fn main() { vpp::with_socket(async |socket| {
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
/// use std::time::Duration;
/// use vpp_api::client::{CallResult, Client, Observer, Options};
/// use vpp_api::messages::memclnt::ControlPing;
///
/// #[derive(Default)]
/// struct Calls {
///     under_way: AtomicU64,
///     good: AtomicU64,
///     failed: AtomicU64,
/// }
///
/// impl Observer for Calls {
///     fn sent(&self, _name: &'static str) {
///         self.under_way.fetch_add(1, Relaxed);
///     }
///
///     fn received(&self, _name: &'static str, result: CallResult, _elapsed: Duration) {
///         self.under_way.fetch_sub(1, Relaxed);
///         let count = if result == CallResult::Ok { &self.good } else { &self.failed };
///         count.fetch_add(1, Relaxed);
///     }
/// }
///
/// let calls = Arc::new(Calls::default());
/// let options = Options { observer: Some(calls.clone()), ..Options::default() };
/// let client = Client::from_stream(socket, options).await?;
/// client.call(&ControlPing {}).await?;
/// assert_eq!(calls.good.load(Relaxed), 2, "the handshake is one");
/// assert_eq!((calls.failed.load(Relaxed), calls.under_way.load(Relaxed)), (0, 0));
/// # Ok(()) }) }
/// ```
pub trait Observer: Send + Sync {
    /// A call of the request `name` started.
    fn sent(&self, name: &'static str) {
        let _ = name;
    }

    /// The call of the request `name` ended. `elapsed` runs from its start to the arrival of the reply, or to the
    /// failure. Every [`Observer::sent`] is followed by one of these.
    fn received(&self, name: &'static str, result: CallResult, elapsed: Duration) {
        let _ = (name, result, elapsed);
    }
}

/// How a call ended.
///
/// ```
/// use vpp_api::client::CallResult;
///
/// assert_eq!(CallResult::TimedOut.as_str(), "timeout");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CallResult {
    /// With its reply, or all its details.
    Ok,
    /// VPP said no.
    Refused,
    /// VPP has no such message; nothing was sent.
    Absent,
    /// No reply came in time.
    TimedOut,
    /// The connection ended.
    Disconnected,
    /// The reply was nonsense.
    Malformed,
    /// The request was too large; nothing was sent.
    TooLarge,
    /// Nobody waited any more.
    Cancelled,
}

impl CallResult {
    /// One lower-case word, for a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Absent => "absent",
            Self::TimedOut => "timeout",
            Self::Disconnected => "disconnected",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Cancelled => "cancelled",
        }
    }

    pub(super) fn of<T>(outcome: &Result<T, CallError>) -> Self {
        match outcome {
            Ok(_) => Self::Ok,
            Err(error) => Self::of_error(error),
        }
    }

    pub(super) fn of_error(error: &CallError) -> Self {
        match error {
            CallError::Refused { .. } => Self::Refused,
            CallError::Absent(_) => Self::Absent,
            CallError::TimedOut { .. } => Self::TimedOut,
            CallError::Disconnected(_) => Self::Disconnected,
            CallError::Malformed { .. } => Self::Malformed,
            CallError::TooLarge { .. } => Self::TooLarge,
        }
    }

    pub(super) fn of_handshake<T>(outcome: &Result<T, ConnectError>) -> Self {
        match outcome {
            Ok(_) => Self::Ok,
            Err(ConnectError::TimedOut { .. }) => Self::TimedOut,
            Err(ConnectError::Protocol(ProtocolError::Unwelcome(_))) => Self::Refused,
            Err(ConnectError::Protocol(_)) => Self::Malformed,
            Err(ConnectError::Connect { .. } | ConnectError::Io(_) | ConnectError::Eof) => Self::Disconnected,
        }
    }
}

/// One call under observation. Dropped before its end, it was cancelled.
pub(super) struct Report<O: Deref<Target = dyn Observer>> {
    /// With the start of the call; without an observer nobody asks for it.
    observer: Option<(O, Instant)>,
    name: &'static str,
}

impl<O: Deref<Target = dyn Observer>> Report<O> {
    pub(super) fn start(observer: Option<O>, name: &'static str) -> Self {
        let observer = observer.map(|observer| {
            observer.sent(name);
            (observer, Instant::now())
        });
        Self { observer, name }
    }

    pub(super) fn end(mut self, result: CallResult, at: Instant) {
        self.tell(result, at);
    }

    fn tell(&mut self, result: CallResult, at: Instant) {
        if let Some((observer, start)) = self.observer.take() {
            observer.received(self.name, result, at.saturating_duration_since(start));
        }
    }
}

impl<O: Deref<Target = dyn Observer>> Drop for Report<O> {
    fn drop(&mut self) {
        if self.observer.is_some() {
            self.tell(CallResult::Cancelled, Instant::now());
        }
    }
}
