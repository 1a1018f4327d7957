//! How a client behaves.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(doc)]
use super::Client;
use super::Observer;
use crate::frame::DEFAULT_MAX_LEN;

/// How a [`Client`] behaves.
///
/// ```
/// use std::time::Duration;
/// use vpp_api::client::Options;
///
/// let options = Options { name: "my-program".to_owned(), call_timeout: Duration::from_secs(60), ..Options::default() };
/// assert_eq!(options.silence, Duration::from_secs(5));
/// ```
#[derive(Clone)]
pub struct Options {
    /// Client name, shown by VPP's `show api clients`; cut to 63 bytes.
    pub name: String,
    /// Longest wait for opening the socket and the handshake together.
    pub connect_timeout: Duration,
    /// Longest wait for the reply to one call. When it passes the connection is closed: VPP says nothing when it
    /// drops a reply, so that its state is unknown.
    pub call_timeout: Duration,
    /// Longest time in which calls are outstanding and nothing at all arrives; then the connection is closed.
    pub silence: Duration,
    /// Largest message taken or sent, in bytes.
    pub max_frame: usize,
    /// Told of every call.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Default for Options {
    /// Name `vpp-api`; 5 s to connect and of silence, which VPP exceeds only when it hangs; 30 s per call, as a large
    /// dump may take seconds; 64 MiB, four times VPP's API segment.
    fn default() -> Self {
        Self {
            name: "vpp-api".to_owned(),
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(30),
            silence: Duration::from_secs(5),
            max_frame: DEFAULT_MAX_LEN,
            observer: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("name", &self.name)
            .field("connect_timeout", &self.connect_timeout)
            .field("call_timeout", &self.call_timeout)
            .field("silence", &self.silence)
            .field("max_frame", &self.max_frame)
            .finish_non_exhaustive()
    }
}
