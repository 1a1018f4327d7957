//! The tokio client: [`Connection`] on a Unix socket.
//!
//! | there is | per | and it |
//! | --- | --- | --- |
//! | one task, the *driver* | connection | owns the socket; ends when the connection does or the last [`Client`] goes. Dropped with its runtime it still ends every call |
//! | one mutex | connection | guards the [`Connection`]; held to encode a frame or to hand out what one read brought, never across an `await` |
//! | one channel of one message | call | carries the answer, not decoded |
//! | one channel without a bound | dump or get that is streamed | carries details, not decoded, as one read brought them; see [`DumpStream`] |
//! | one queue of 256 | subscription to events | carries events, not decoded; what is too much goes, oldest first, and is told |
//! | one watch channel | connection | carries the reason of the end |
//! | one task | [`Link`] | connects, runs the setup, pings, waits; ends with the last `Link` |
//!
//! A call encodes its frame into the connection's output, wakes the driver and waits; the driver sends all that has
//! gathered in one write. Answers are decoded by the task that called. There is no limit on calls in flight but the
//! caller's own: output waits in memory while VPP does not read.
//!
//! A call that is dropped leaves the connection as it is. Its request may have been sent; the answer is discarded.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
//! # fn main() { vpp::with_path(async |path| {
//! # vpp::start(&path)?;
//! use vpp_api::client::{Client, Options};
//! use vpp_api::messages::{lb::LbAsV2Dump, vpe::ShowVersion};
//!
//! // The path is usually /run/vpp/api.sock.
//! let client = Client::connect(path, Options::default()).await?;
//! let (version, servers) = (ShowVersion {}, LbAsV2Dump::all());
//! let (version, servers) = tokio::try_join!(client.call(&version), client.dump(&servers))?;
//! assert_eq!(version.version.to_string(), "26.10-rc0");
//! assert_eq!(servers.len(), 2);
//! # Ok(()) }) }
//! ```

mod details;
mod driver;
mod events;
mod feed;
mod handshake;
mod link;
mod observer;
mod options;
mod shared;
mod view;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, MutexGuard};

use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::time::Instant;

pub use details::{DumpStream, GetStream};
pub use events::{Events, Notice};
pub use link::{Link, LinkClosed, LinkDown, LinkOptions, LinkState, LinkStates};
pub use observer::{CallResult, Observer};
pub use options::Options;

use crate::connection::{Connection, StartError};
use crate::error::{CallError, ConnectError, Disconnect, ReplyError};
use crate::message::{Dump, Get, Message, Oneway, Reply, Request, decode_body};
use crate::messages::memclnt::SockclntCreate;
use handshake::Limit;
use observer::Report;
use shared::{Answer, Arrived, Core, Shared, Waiter};

/// A connection to VPP. Clones share it; it closes when the last one is dropped.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
/// # fn main() { vpp::with_client(async |client| {
/// use vpp_api::messages::vpe::ShowVersion;
///
/// let (one, two) = (client.clone(), client.clone());
/// let (one, two) = tokio::join!(one.call(&ShowVersion {}), two.call(&ShowVersion {}));
/// assert_eq!(one?, two?);
/// assert_eq!(client.counters().transmissions, 1, "both left in one write");
/// assert!(!client.is_closed());
/// # Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct Client {
    owner: Arc<Owner>,
}

impl Client {
    /// Connects to VPP's API socket, usually `/run/vpp/api.sock`, and does the handshake.
    ///
    /// ```no_run
    /// use vpp_api::client::{Client, Options};
    ///
    /// # async fn example() -> Result<(), vpp_api::error::ConnectError> {
    /// let options = Options { name: "my-program".to_owned(), ..Options::default() };
    /// let client = Client::connect("/run/vpp/api.sock", options).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ConnectError`]; nothing is left behind.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time enabled.
    pub async fn connect(path: impl AsRef<Path>, options: Options) -> Result<Self, ConnectError> {
        let limit = Limit::starting(options.connect_timeout);
        let stream = limit.bound(handshake::open(path.as_ref())).await?;
        Self::establish(stream, options, limit).await
    }

    /// Does the handshake on a socket that is connected already.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_socket(async |socket| {
    /// use vpp_api::client::{Client, Options};
    ///
    /// let client = Client::from_stream(socket, Options::default()).await?;
    /// assert_eq!(client.client_index(), 0x8000_0001);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`ConnectError`]; the socket is closed.
    ///
    /// # Panics
    /// Outside a tokio runtime with time enabled.
    pub async fn from_stream(stream: UnixStream, options: Options) -> Result<Self, ConnectError> {
        let limit = Limit::starting(options.connect_timeout);
        Self::establish(stream, options, limit).await
    }

    async fn establish(stream: UnixStream, options: Options, limit: Limit) -> Result<Self, ConnectError> {
        let report = Report::start(options.observer.as_deref(), SockclntCreate::NAME);
        let outcome = limit.bound(handshake::greet(&stream, &options)).await;
        report.end(CallResult::of_handshake(&outcome), Instant::now());
        let shared = Arc::new(Shared::new(outcome?, &options));
        tokio::spawn(driver::run(stream, shared.clone()));
        Ok(Self { owner: Arc::new(Owner { shared }) })
    }

    /// Sends `request` and waits for its reply.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_client(async |client| {
    /// use vpp_api::messages::vpe::ShowVersion;
    ///
    /// let reply = client.call(&ShowVersion {}).await?;
    /// assert_eq!(reply.version.to_string(), "26.10-rc0");
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`CallError::Refused`] if VPP said no; see [`CallError`] for the rest.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Reply, CallError> {
        let report = Report::start(self.shared().observer.as_deref(), R::NAME);
        let arrived = self.wait(|connection, waiter| connection.call(request, waiter)).await;
        let (at, outcome) = match arrived {
            Ok(Arrived { at, reply, .. }) => (at, read_reply::<R>(&reply)),
            Err(error) => (Instant::now(), Err(error)),
        };
        report.end(CallResult::of(&outcome), at);
        outcome
    }

    /// Sends `message`, which VPP does not answer, behind everything sent before.
    ///
    /// Returns at once: the message is on its way, and lost if the connection ends first, also because its last client
    /// is dropped. A call behind it tells that VPP has handled it: see [`Oneway`]. An [`Observer`] is not told of it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_client(async |client| {
    /// use vpp_api::error::CallError;
    ///
    /// vpp_api::messages! {
    ///     /// Takes somebody's word for it.
    ///     oneway acme_nudge "51077d14" as AcmeNudge {}
    /// }
    ///
    /// let outcome = client.send(&AcmeNudge {});
    /// assert!(matches!(outcome, Err(CallError::Absent(_))), "this VPP has no such plugin");
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`CallError::Absent`], [`CallError::TooLarge`] or [`CallError::Disconnected`]; nothing was sent.
    pub fn send<O: Oneway>(&self, message: &O) -> Result<(), CallError> {
        let mut core = self.open()?;
        core.connection.send(message)?;
        drop(core);
        self.shared().wake.notify_one();
        Ok(())
    }

    /// Sends `request` and collects its details, in VPP's order. A `control_ping` in the same write finds their end.
    ///
    /// VPP answers an unknown filter as it does an empty table: with nothing.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_client(async |client| {
    /// use vpp_api::messages::lb::LbAsV2Dump;
    ///
    /// let servers = client.dump(&LbAsV2Dump::all()).await?;
    /// assert_eq!(servers.iter().map(|server| server.num_buckets).sum::<u32>(), 1024);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`CallError`]; never [`CallError::Refused`].
    pub async fn dump<D: Dump>(&self, request: &D) -> Result<Vec<D::Details>, CallError> {
        let report = Report::start(self.shared().observer.as_deref(), D::NAME);
        let arrived = self.wait(|connection, waiter| connection.dump(request, waiter)).await;
        let (at, outcome) = match arrived {
            Ok(Arrived { at, details, .. }) => {
                (at, details.iter().map(|body| read::<D::Details>(D::NAME, body)).collect())
            }
            Err(error) => (Instant::now(), Err(error)),
        };
        report.end(CallResult::of(&outcome), at);
        outcome
    }

    /// Sends `request` at once and gives its details one by one as they arrive. What cannot be sent is the first item.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_client(async |client| {
    /// use vpp_api::messages::lb::LbAsV2Dump;
    ///
    /// let mut servers = client.dump_stream(&LbAsV2Dump::all());
    /// while let Some(server) = servers.next().await {
    ///     assert_eq!(server?.weight, 100);
    /// }
    /// # Ok(()) }) }
    /// ```
    pub fn dump_stream<D: Dump>(&self, request: &D) -> DumpStream<D> {
        DumpStream::new(self, request)
    }

    /// Sends `request`, and again as often as VPP asks for it, and collects all details, in VPP's order.
    ///
    /// ```
    /// use vpp_api::client::Client;
    /// use vpp_api::error::CallError;
    /// use vpp_api::message::Get;
    ///
    /// /// How many elements there are.
    /// async fn count<G: Get>(client: &Client, request: &G) -> Result<usize, CallError> {
    ///     Ok(client.get(request).await?.len())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`CallError::Refused`] if VPP said no; see [`CallError`] for the rest. What came before is lost.
    pub async fn get<G: Get>(&self, request: &G) -> Result<Vec<G::Details>, CallError> {
        let mut stream = self.get_stream(request);
        let mut all = Vec::new();
        while let Some(details) = stream.next().await {
            all.push(details?);
        }
        Ok(all)
    }

    /// Sends `request` at once and gives its details one by one as they arrive, asking for more when those were read.
    /// What cannot be sent is the first item.
    ///
    /// ```
    /// use vpp_api::client::Client;
    /// use vpp_api::error::CallError;
    /// use vpp_api::message::Get;
    ///
    /// /// The first element that `is_it`; VPP is not asked for what follows.
    /// async fn find<G: Get>(
    ///     client: &Client,
    ///     request: &G,
    ///     is_it: impl Fn(&G::Details) -> bool,
    /// ) -> Result<Option<G::Details>, CallError> {
    ///     let mut elements = client.get_stream(request);
    ///     while let Some(element) = elements.next().await.transpose()? {
    ///         if is_it(&element) {
    ///             return Ok(Some(element));
    ///         }
    ///     }
    ///     Ok(None)
    /// }
    /// ```
    pub fn get_stream<G: Get>(&self, request: &G) -> GetStream<G> {
        GetStream::new(self, request)
    }

    /// Closes the connection for all clones. Calls in flight end with [`Disconnect::Closed`].
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_client(async |client| {
    /// use vpp_api::error::{CallError, Disconnect};
    /// use vpp_api::messages::vpe::ShowVersion;
    ///
    /// client.close();
    /// let outcome = client.call(&ShowVersion {}).await;
    /// assert!(matches!(outcome, Err(CallError::Disconnected(Disconnect::Closed))));
    /// # Ok(()) }) }
    /// ```
    pub fn close(&self) {
        self.shared().close();
    }

    fn shared(&self) -> &Shared {
        &self.owner.shared
    }

    /// The connection, unless it has ended.
    fn open(&self) -> Result<MutexGuard<'_, Core>, CallError> {
        let core = self.shared().lock();
        match &core.closed {
            Some(reason) => Err(CallError::Disconnected(reason.clone())),
            None => Ok(core),
        }
    }

    /// The answer to what `begin` puts into the output.
    async fn wait(&self, begin: impl FnOnce(&mut Connection<Waiter>, Waiter) -> Result<u32, StartError>) -> Answer {
        let (waiter, answer) = oneshot::channel();
        self.start(Waiter::Once(waiter), begin)?;
        // The driver answers every call before it ends; only a runtime that shuts down drops one.
        answer.await.unwrap_or(Err(CallError::Disconnected(Disconnect::Closed)))
    }

    fn start(
        &self,
        waiter: Waiter,
        begin: impl FnOnce(&mut Connection<Waiter>, Waiter) -> Result<u32, StartError>,
    ) -> Result<(), CallError> {
        let mut core = self.open()?;
        let context = begin(&mut core.connection, waiter).map_err(CallError::from)?;
        let outstanding = core.connection.outstanding();
        core.deadlines.handle_start(Instant::now().into_std(), context, outstanding);
        drop(core);
        self.shared().wake.notify_one();
        Ok(())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// The clients' end: dropped with the last of them, and the driver with it.
struct Owner {
    shared: Arc<Shared>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl From<StartError> for CallError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Absent(absent) => Self::Absent(absent),
            StartError::TooLarge { message, len, max } => Self::TooLarge { message, len, max },
        }
    }
}

fn read_reply<R: Request>(body: &[u8]) -> Result<R::Reply, CallError> {
    accept(R::NAME, read(R::NAME, body)?)
}

/// `reply`, unless it says no.
fn accept<R: Reply>(request: &'static str, reply: R) -> Result<R, CallError> {
    match reply.retval() {
        retval if retval.is_ok() => Ok(reply),
        retval => Err(CallError::Refused { message: request, retval, text: reply.text() }),
    }
}

fn read<M: Message>(request: &'static str, body: &[u8]) -> Result<M, CallError> {
    match decode_body::<M>(body) {
        Ok((_, message)) => Ok(message),
        Err(source) => {
            Err(CallError::Malformed { message: request, source: ReplyError::Decode { message: M::NAME, source } })
        }
    }
}

/// Bytes asked of the socket at once.
const READ_LEN: usize = 64 << 10;
