//! What a link tells of itself.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use thiserror::Error;

use super::hub::StateFeed;
#[cfg(doc)]
use super::{Link, LinkOptions};
use crate::client::Client;
use crate::client::feed::Fed;
use crate::error::{ConnectError, Disconnect};

/// How a [`Link`] is.
///
/// ```
/// use vpp_api::client::LinkState;
///
/// /// For a health check.
/// fn is_up(state: &LinkState) -> bool {
///     matches!(state, LinkState::Up { client, .. } if !client.is_closed())
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LinkState {
    /// A connection stands, and its setup is done.
    Up {
        /// For calls. Whoever holds the state holds the client.
        client: Client,
        /// 1 for the first connection that came up, one more for each that follows.
        generation: u64,
    },
    /// There is none.
    Down {
        /// Why.
        reason: LinkDown,
        /// Failed attempts in a row; 0 after the end of a connection that stood long enough, and at first.
        failures: u32,
        /// Until the next attempt.
        wait: Duration,
    },
}

/// Why there is no connection.
///
/// ```
/// use std::io::ErrorKind;
/// use vpp_api::client::LinkDown;
/// use vpp_api::error::ConnectError;
///
/// /// Whether VPP does not run, or its API socket is somewhere else.
/// fn is_absent(reason: &LinkDown) -> bool {
///     matches!(reason, LinkDown::Connect(ConnectError::Connect { source, .. }) if source.kind() == ErrorKind::NotFound)
/// }
/// ```
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum LinkDown {
    /// The first attempt is under way.
    #[error("not connected yet")]
    Starting,
    /// The attempt failed.
    #[error("no connection")]
    Connect(#[source] ConnectError),
    /// The setup said no, and the connection was closed for it.
    #[error("the setup failed")]
    Setup(#[source] Arc<dyn Error + Send + Sync>),
    /// The setup took too long, and the connection was closed for it.
    #[error("no setup within {after:?}")]
    SetupTimedOut {
        /// The limit that passed.
        after: Duration,
    },
    /// The connection ended, during the setup or after it.
    #[error("lost the API connection")]
    Lost(#[source] Disconnect),
    /// The link's task has ended: the last [`Link`] was dropped, its runtime was shut down, or the setup panicked.
    #[error("the link has ended")]
    Closed,
}

/// The link's task is gone and connects no more: its runtime was shut down, or the setup panicked.
///
/// ```
/// use vpp_api::client::{Link, LinkClosed, LinkOptions};
///
/// let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
/// let inner = runtime()?;
/// let link = inner.block_on(async { Link::new("/run/vpp/api.sock", LinkOptions::default()) });
/// drop(inner);
/// // Whoever still waits for a connection learns that there will be none.
/// assert_eq!(runtime()?.block_on(link.client()).map(drop), Err(LinkClosed));
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the link has ended")]
pub struct LinkClosed;

/// The state of a [`Link`] and then every change, in order: [`Link::states`] makes it.
///
/// A [`Stream`] of [`LinkState`], and the same without a trait by [`next`](Self::next). It ends when the last `Link` is dropped,
/// which it does not keep. Of a reader that is more than 16 changes behind, the oldest are forgotten;
/// generations tell.
///
/// ```
/// use futures_util::StreamExt;
/// use vpp_api::client::{Link, LinkState};
///
/// /// Waits for a connection other than `generation`.
/// async fn after(link: &Link, generation: u64) -> Option<LinkState> {
///     let is_other = |state: &LinkState| matches!(state, LinkState::Up { generation: now, .. } if *now != generation);
///     link.states().filter(|state| std::future::ready(is_other(state))).next().await
/// }
/// ```
pub struct LinkStates {
    feed: Arc<StateFeed>,
}

impl LinkStates {
    pub(super) fn new(feed: Arc<StateFeed>) -> Self {
        Self { feed }
    }

    /// The next state, at first the one that is; `None` when the link is gone.
    ///
    /// Safe to cancel: no state is lost.
    pub async fn next(&mut self) -> Option<LinkState> {
        poll_fn(|cx| self.poll_state(cx)).await
    }

    fn poll_state(&mut self, cx: &mut Context<'_>) -> Poll<Option<LinkState>> {
        loop {
            match ready!(self.feed.poll(cx)) {
                Fed::Item(state) => return Poll::Ready(Some(state)),
                Fed::Missed(_) => {}
                Fed::End(()) => return Poll::Ready(None),
            }
        }
    }
}

impl Stream for LinkStates {
    type Item = LinkState;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_state(cx)
    }
}

impl fmt::Debug for LinkStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkStates").finish_non_exhaustive()
    }
}
