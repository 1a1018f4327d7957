//! The tokio client: [`Connection`] on a Unix socket.
//!
//! | there is | per | and it |
//! | --- | --- | --- |
//! | one task, the *driver* | connection | owns the socket; ends when the connection does or the last [`Client`] goes. Dropped with its runtime it still ends every call |
//! | one mutex | connection | guards the [`Connection`]; held to encode a frame or to hand out what one read brought, never across an `await` |
//! | one channel of one message | call | carries the answer, not decoded |
//! | one broadcast channel of 256 | connection | carries events; a subscriber that lags is told how many it missed |
//! | one watch channel | connection | carries the reason of the end |
//!
//! A call encodes its frame into the connection's output, wakes the driver and waits; the driver sends all that has
//! gathered in one write. Answers are decoded by the task that called. There is no limit on calls in flight but the
//! caller's own: output waits in memory while VPP does not read.
//!
//! A call that is dropped leaves the connection as it is. Its request may have been sent; the answer is discarded.

mod driver;
mod events;
mod handshake;
mod observer;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UnixStream;
use tokio::sync::{Notify, broadcast, oneshot, watch};
use tokio::time::Instant;

pub use events::{Events, Notice};
pub use observer::{CallResult, Observer};

use crate::connection::{Connection, Counters, Deadlines, StartError};
use crate::error::{CallError, ConnectError, Disconnect, ReplyError};
use crate::frame::DEFAULT_MAX_LEN;
use crate::message::{Dump, Message, Reply, Request, decode_body};
use crate::messages::interface::SwInterfaceEvent;
use crate::messages::memclnt::SockclntCreate;
use crate::release::Capabilities;
use crate::table::MessageTable;
use handshake::Limit;
use observer::Report;

/// How a [`Client`] behaves.
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

/// A connection to VPP. Clones share it; it closes when the last one is dropped.
#[derive(Clone)]
pub struct Client {
    owner: Arc<Owner>,
}

impl Client {
    /// Connects to VPP's API socket, usually `/run/vpp/api.sock`, and does the handshake.
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
    /// # Errors
    /// [`CallError::Refused`] if VPP said no; see [`CallError`] for the rest.
    pub async fn call<R: Request>(&self, request: &R) -> Result<R::Reply, CallError> {
        let report = Report::start(self.shared().observer.as_deref(), R::NAME);
        let arrived = match self.start(|connection, waiter| connection.call(request, waiter)) {
            Ok(answer) => wait(answer).await,
            Err(error) => Err(error),
        };
        let (at, outcome) = match arrived {
            Ok(Arrived { at, reply, .. }) => (at, read_reply::<R>(&reply)),
            Err(error) => (Instant::now(), Err(error)),
        };
        report.end(CallResult::of(&outcome), at);
        outcome
    }

    /// Sends `request` and collects its details, in VPP's order. A `control_ping` in the same write finds their end.
    ///
    /// VPP answers an unknown filter as it does an empty table: with nothing.
    ///
    /// # Errors
    /// [`CallError`]; never [`CallError::Refused`].
    pub async fn dump<D: Dump>(&self, request: &D) -> Result<Vec<D::Details>, CallError> {
        let report = Report::start(self.shared().observer.as_deref(), D::NAME);
        let arrived = match self.start(|connection, waiter| connection.dump(request, waiter)) {
            Ok(answer) => wait(answer).await,
            Err(error) => Err(error),
        };
        let (at, outcome) = match arrived {
            Ok(Arrived { at, details, .. }) => {
                (at, details.iter().map(|body| read::<D::Details>(D::NAME, body)).collect())
            }
            Err(error) => (Instant::now(), Err(error)),
        };
        report.end(CallResult::of(&outcome), at);
        outcome
    }

    /// Whether this VPP has `M`, with exactly this layout.
    #[must_use]
    pub fn supports<M: Message>(&self) -> bool {
        self.table().id(M::NAME_CRC).is_some()
    }

    /// The messages this VPP has.
    #[must_use]
    pub fn table(&self) -> &MessageTable {
        &self.shared().table
    }

    /// What this VPP can do, and how its lb plugin has to be spoken to.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        Capabilities::of(self.table())
    }

    /// The index VPP gave to this client.
    #[must_use]
    pub fn client_index(&self) -> u32 {
        self.shared().lock().connection.client_index()
    }

    /// Totals of this connection.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared().lock().connection.counters()
    }

    /// What VPP sends by itself from now on. Nothing comes before it is asked for with
    /// [`WantInterfaceEvents`](crate::messages::interface::WantInterfaceEvents).
    #[must_use]
    pub fn events(&self) -> Events {
        Events::new(self.shared().events.subscribe(), self.shared().closed.subscribe())
    }

    /// Waits until the connection has ended, and says why. May be awaited by any number of tasks, at any time.
    pub async fn closed(&self) -> Disconnect {
        ended(&mut self.shared().closed.subscribe()).await
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared().closed.borrow().is_some()
    }

    /// Closes the connection for all clones. Calls in flight end with [`Disconnect::Closed`].
    pub fn close(&self) {
        self.shared().close();
    }

    fn shared(&self) -> &Shared {
        &self.owner.shared
    }

    fn start(
        &self,
        begin: impl FnOnce(&mut Connection<Waiter>, Waiter) -> Result<u32, StartError>,
    ) -> Result<oneshot::Receiver<Answer>, CallError> {
        let (waiter, answer) = oneshot::channel();
        let mut core = self.shared().lock();
        if let Some(reason) = &core.closed {
            return Err(CallError::Disconnected(reason.clone()));
        }
        let context = begin(&mut core.connection, waiter).map_err(CallError::from)?;
        let outstanding = core.connection.outstanding();
        core.deadlines.handle_start(Instant::now().into_std(), context, outstanding);
        drop(core);
        self.shared().wake.notify_one();
        Ok(answer)
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

/// What clients and driver have in common.
struct Shared {
    core: Mutex<Core>,
    /// There is output, or a wish to close.
    wake: Notify,
    table: Arc<MessageTable>,
    observer: Option<Arc<dyn Observer>>,
    events: broadcast::Sender<SwInterfaceEvent>,
    closed: watch::Sender<Option<Disconnect>>,
}

impl Shared {
    fn new(connection: Connection<Waiter>, options: &Options) -> Self {
        Self {
            table: connection.table().clone(),
            core: Mutex::new(Core {
                connection,
                deadlines: Deadlines::new(options.call_timeout, options.silence),
                closing: false,
                closed: None,
            }),
            wake: Notify::new(),
            observer: options.observer.clone(),
            events: broadcast::Sender::new(EVENT_DEPTH),
            closed: watch::Sender::new(None),
        }
    }

    /// A panic while the lock was held cannot leave the core half changed in a way that matters: the worst is a call
    /// that ends by its time-out.
    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }
}

struct Core {
    connection: Connection<Waiter>,
    deadlines: Deadlines,
    /// Nobody needs the connection any more.
    closing: bool,
    /// Set once, when the driver ends.
    closed: Option<Disconnect>,
}

type Waiter = oneshot::Sender<Answer>;
type Answer = Result<Arrived, CallError>;

/// An answer, not decoded.
struct Arrived {
    at: Instant,
    /// The reply to a call; what came behind the details of a dump.
    reply: Bytes,
    /// The details of a dump; empty for a call.
    details: Vec<Bytes>,
}

impl From<StartError> for CallError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Absent(absent) => Self::Absent(absent),
            StartError::TooLarge { message, len, max } => Self::TooLarge { message, len, max },
        }
    }
}

async fn wait(answer: oneshot::Receiver<Answer>) -> Answer {
    // The driver answers every call before it ends; only a runtime that shuts down drops one.
    answer.await.unwrap_or(Err(CallError::Disconnected(Disconnect::Closed)))
}

async fn ended(closed: &mut watch::Receiver<Option<Disconnect>>) -> Disconnect {
    // Without a sender all clients and the driver are gone.
    closed.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone()).unwrap_or(Disconnect::Closed)
}

fn read_reply<R: Request>(body: &[u8]) -> Result<R::Reply, CallError> {
    let reply = read::<R::Reply>(R::NAME, body)?;
    match reply.retval() {
        retval if retval.is_ok() => Ok(reply),
        retval => Err(CallError::Refused { message: R::NAME, retval, text: reply.text() }),
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

/// Events kept for a subscriber that does not read; the oldest go first, and it is told how many.
const EVENT_DEPTH: usize = 256;

/// Bytes asked of the socket at once.
const READ_LEN: usize = 64 << 10;
