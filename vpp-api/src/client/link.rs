//! A connection that is made again whenever it ends.

mod backoff;
mod hub;
mod state;
mod task;

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use state::{LinkClosed, LinkDown, LinkState, LinkStates};

use super::{Client, Options};
use hub::Hub;

/// Keeps one connection to VPP and makes another when it ends. Clones share it.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
/// # fn main() { vpp::with_path(async |path| {
/// # vpp::start(&path)?;
/// use vpp_api::client::{Link, LinkOptions};
/// use vpp_api::messages::vpe::ShowVersion;
///
/// let link = Link::new(path, LinkOptions::default());
/// // Waits for VPP if it is not there yet.
/// let client = link.client().await?;
/// assert_eq!(client.call(&ShowVersion {}).await?.version.to_string(), "26.10-rc0");
/// # Ok(()) }) }
/// ```
///
/// # Guarantees
/// - One task keeps one connection. It never gives up, and ends when the last `Link` is dropped.
/// - After an attempt that failed it waits: [`LinkOptions::first_wait`], then twice as long each time, up to
///   [`LinkOptions::longest_wait`]. When a connection ends that stood for at least the longest wait, the next is tried at once; one
///   that stood for less counts as a failure, so that a VPP that hangs up on everybody is not asked in a loop. There
///   is no jitter: VPP and its few clients share a machine.
/// - Each connection goes through the setup before anybody gets its client.
/// - With [`LinkOptions::ping`] a VPP that hangs is noticed on a quiet connection too.
///
/// # Caveats
/// - **No call is ever made again.** A call that ends with [`CallError::Disconnected`](crate::error::CallError) may
///   have been carried out; only the caller knows whether to repeat it, and what to read back first. For the same
///   reason there is no `call` here: a [`Client`] is one connection, and its calls fail when that ends.
/// - VPP forgets a connection's `want_…` registrations with it, and one that restarted has forgotten everything. The
///   setup is the place to ask again, [`LinkState::Up`]'s generation tells that it is another connection.
/// - A client outlives the link: its connection stays until the last clone of it is dropped.
/// - Closing a client makes the link connect again.
/// - It looks at nothing but its clock and [`retry_now`](Self::retry_now): no socket file is watched, since that takes
///   inotify or polling. A daemon that wants to be back within milliseconds of VPP's start watches the file itself and
///   calls `retry_now`; one that needs `Up` and `Down` strictly in pairs, or the setup's findings with them, as `maglevd`
///   does, is better off with a loop of its own around [`Client::connect`] and [`Client::closed`].
#[derive(Clone)]
pub struct Link {
    handle: Arc<Handle>,
}

impl Link {
    /// Keeps a connection to VPP's API socket, usually `/run/vpp/api.sock`. The first attempt begins at once.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time enabled.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, options: LinkOptions) -> Self {
        Self::with_setup(path, options, |_| async { Ok(()) })
    }

    /// As [`new`](Self::new), and runs `setup` on each connection before anybody else gets it. If that fails or takes longer
    /// than [`LinkOptions::setup_timeout`] the connection is closed, which counts as a failed attempt.
    ///
    /// ```no_run
    /// use tokio::sync::mpsc;
    /// use vpp_api::client::{Link, LinkOptions};
    /// use vpp_api::messages::interface::{SwInterfaceEvent, WantInterfaceEvents};
    ///
    /// # async fn example() {
    /// // A subscription ends with its connection: each new one is sent to whoever watches.
    /// let (sender, mut subscriptions) = mpsc::channel(1);
    /// let link = Link::with_setup("/run/vpp/api.sock", LinkOptions::default(), move |client| {
    ///     let sender = sender.clone();
    ///     async move {
    ///         let want = WantInterfaceEvents { enable_disable: 1, pid: 0 };
    ///         sender.send(client.subscribe::<SwInterfaceEvent>(&want).await?).await?;
    ///         Ok(())
    ///     }
    /// });
    /// while let Some(mut events) = subscriptions.recv().await {
    ///     while let Some(notice) = events.next().await {
    ///         println!("{notice:?}");
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time enabled. A `setup` that panics ends the link: see [`LinkClosed`].
    #[must_use]
    pub fn with_setup<S, F>(path: impl Into<PathBuf>, options: LinkOptions, setup: S) -> Self
    where
        S: FnMut(Client) -> F + Send + 'static,
        F: Future<Output = Result<(), Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let hub = Arc::new(Hub::new());
        tokio::spawn(task::run(path.into(), options, setup, hub.clone()));
        Self { handle: Arc::new(Handle { hub }) }
    }

    /// The client of the connection that stands; waits for one if there is none. Its connection may end at any time.
    ///
    /// ```
    /// use vpp_api::client::Link;
    /// use vpp_api::error::CallError;
    /// use vpp_api::messages::lb::LbVipDump;
    ///
    /// /// Reads until it works: a dump may be repeated.
    /// async fn vips(link: &Link) -> Result<usize, Box<dyn std::error::Error>> {
    ///     loop {
    ///         match link.client().await?.dump(&LbVipDump::all()).await {
    ///             Ok(vips) => return Ok(vips.len()),
    ///             Err(CallError::Disconnected(_)) => {}
    ///             Err(error) => return Err(error.into()),
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`LinkClosed`] if the link's task is gone.
    pub async fn client(&self) -> Result<Client, LinkClosed> {
        let mut states = self.states();
        while let Some(state) = states.next().await {
            // One that has ended is still the last state for a moment.
            if let LinkState::Up { client, .. } = state
                && !client.is_closed()
            {
                return Ok(client);
            }
        }
        Err(LinkClosed)
    }

    /// The client of the connection that stands, if one does.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_path(async |path| {
    /// # vpp::start(&path)?;
    /// use vpp_api::client::{Link, LinkOptions};
    ///
    /// let link = Link::new(path, LinkOptions::default());
    /// assert!(link.try_client().is_none(), "the first attempt only begins");
    /// let client = link.client().await?;
    /// assert!(link.try_client().is_some());
    /// client.close();
    /// client.closed().await;
    /// assert!(link.try_client().is_none(), "until there is another connection");
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn try_client(&self) -> Option<Client> {
        match self.state() {
            LinkState::Up { client, .. } if !client.is_closed() => Some(client),
            _ => None,
        }
    }

    /// How things are.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_path(async |path| {
    /// # vpp::start(&path)?;
    /// use vpp_api::client::{Link, LinkDown, LinkOptions, LinkState};
    ///
    /// let link = Link::new(path, LinkOptions::default());
    /// assert!(matches!(link.state(), LinkState::Down { reason: LinkDown::Starting, failures: 0, .. }));
    /// link.client().await?;
    /// assert!(matches!(link.state(), LinkState::Up { generation: 1, .. }));
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn state(&self) -> LinkState {
        self.handle.hub.state()
    }

    /// How things are, and then every change.
    ///
    /// ```
    /// use vpp_api::client::{Link, LinkState};
    ///
    /// async fn report(link: &Link) {
    ///     let mut states = link.states();
    ///     while let Some(state) = states.next().await {
    ///         match state {
    ///             LinkState::Up { generation, .. } => println!("connection {generation}"),
    ///             LinkState::Down { reason, wait, .. } => println!("{reason}; next attempt in {wait:?}"),
    ///             _ => {}
    ///         }
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn states(&self) -> LinkStates {
        self.handle.hub.states()
    }

    /// Ends the wait before the next attempt, if there is one: for those who know that VPP has come back, say because
    /// its socket file appeared. Waits that follow are as long as they would have been.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_path(async |path| {
    /// use std::time::Duration;
    /// use vpp_api::client::{Link, LinkOptions, LinkState};
    ///
    /// let wait = Duration::from_secs(60);
    /// let link = Link::new(&path, LinkOptions { first_wait: wait, longest_wait: wait, ..LinkOptions::default() });
    /// // VPP is not there, so that the next attempt is a minute away.
    /// let mut states = link.states();
    /// while !matches!(states.next().await, Some(LinkState::Down { failures: 1, .. })) {}
    ///
    /// // It starts.
    /// # vpp::start(&path)?;
    /// link.retry_now();
    /// let client = tokio::time::timeout(wait / 2, link.client()).await;
    /// assert!(client.is_ok_and(|client| client.is_ok()), "a minute earlier");
    /// # Ok(()) }) }
    /// ```
    pub fn retry_now(&self) {
        self.handle.hub.retry();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// How patient a [`Link`] is.
///
/// ```
/// use std::time::Duration;
/// use vpp_api::client::{LinkOptions, Options};
///
/// let options = LinkOptions {
///     client: Options { name: "my-program".to_owned(), ..Options::default() },
///     longest_wait: Duration::from_secs(1),
///     ..LinkOptions::default()
/// };
/// assert_eq!(options.first_wait, Duration::from_millis(100));
/// ```
#[derive(Clone, Debug)]
pub struct LinkOptions {
    /// For each connection.
    pub client: Options,
    /// The wait after the first failed attempt.
    pub first_wait: Duration,
    /// The longest wait, reached by doubling.
    pub longest_wait: Duration,
    /// Longest time for the setup.
    pub setup_timeout: Duration,
    /// Time between two `control_ping`s. None: a VPP that hangs is noticed with the next call.
    pub ping: Option<Duration>,
}

impl Default for LinkOptions {
    /// 100 ms, as VPP binds its socket well before it is ready; at most 5 s, so that one that was started by hand is found while its
    /// operator looks; 30 s for the setup, the time of one call; a ping every 10 s, which costs VPP no barrier.
    fn default() -> Self {
        Self {
            client: Options::default(),
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(5),
            setup_timeout: Duration::from_secs(30),
            ping: Some(Duration::from_secs(10)),
        }
    }
}

/// The users' end: dropped with the last of them, and the task with it.
struct Handle {
    hub: Arc<Hub>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.hub.stop();
    }
}
