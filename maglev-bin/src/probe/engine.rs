//! The thread that probes: an executor, sockets and timers of its own.
//!
//! ```text
//!  brain, Prober::run ── orders, cancels ──> inbox ──> [ probe thread ] ── answers ── outbox ────> brain
//!                              + bell                    tasks, timers     └ or one by one ──────> Prober::run
//!                                                        reactor, pool
//! ```
//!
//! One turn of the thread: take what is in the inbox, poll what was woken, hand over answers, sleep until a socket is ready, a timer
//! is due or the bell rings. Each probe is one future in one place, with one timer. What a probe needs of the thread is in [`Site`].
//!
//! # Answers
//! They lie in an outbox, from where the core takes them when it is awake. It is woken at once for a failure; for passes, which are
//! not urgent, when it has not come for [`COMPANY`].
//!
//! # Descriptors
//! A probe has one descriptor, and one that runs a program three: two pipes and its process. When as many run as the limit allows, less a reserve for the rest of the process, orders wait in a
//! queue, first come, first served; so they do when the kernel says that there are none. Time in the queue is not time of the probe.

mod bell;
mod pool;
mod reactor;
mod results;
mod site;
mod stream;
mod tasks;
mod worker;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc as blocking};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use maglev_health::ProbeId;
use rustls::RootCertStore;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use self::bell::Bell;
pub(super) use self::reactor::{Ready, Registered};
pub(crate) use self::results::{Load, Outbox};
pub(super) use self::site::Site;
pub(super) use self::stream::Stream;
use self::worker::Worker;
use super::ground::ProberError;
use super::prober::probe;
use super::report::Report;
use super::target::Target;

/// A probe that was ordered.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Ticket {
    /// By the core.
    Core(ProbeId),
    /// By somebody who waits for it, as the number says.
    Single(u64),
}

#[derive(Debug)]
pub(super) enum Message {
    /// Send a probe.
    Start(Start),
    /// Stop a probe; there will be no answer.
    Cancel(Ticket),
    /// Where answers to the core go.
    Deliver(Arc<Outbox>),
    /// Make sockets elsewhere, and say whether that is possible.
    Move(Option<String>, blocking::SyncSender<Result<(), ProberError>>),
    /// Try whether ICMP probes could be sent.
    CheckIcmp(oneshot::Sender<Result<(), ProberError>>),
    /// Read the trust roots again.
    ReloadRoots,
    /// Nobody can order any more.
    End,
}

/// A probe to send.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) ticket: Ticket,
    pub(super) target: Arc<Target>,
    /// When it was to start.
    pub(super) due: Instant,
    /// Who waits for its report; without it goes into the next batch.
    pub(super) answer: Option<oneshot::Sender<Report>>,
}

/// How long a pass waits to be taken before the core is woken for it: longer than from one turn of a busy core to the next.
const COMPANY: Duration = Duration::from_millis(6);

/// What the thread and those who order share.
#[derive(Debug)]
struct Inbox {
    messages: Mutex<Vec<Message>>,
    bell: Arc<Bell>,
}

impl Inbox {
    fn is_empty(&self) -> bool {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Swaps all messages into `taken`, which is empty.
    fn take(&self, taken: &mut Vec<Message>) {
        std::mem::swap(taken, &mut self.messages.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn put(&self, messages: impl IntoIterator<Item = Message>) {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).extend(messages);
        self.bell.ring();
    }
}

/// The probe thread, for those who order. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Engine {
    inbox: Arc<Inbox>,
    singles: AtomicU64,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Starts the thread. Inside a tokio runtime some kinds of probes have that one do what may block.
    pub(super) fn start(netns: Option<&str>, roots: Option<RootCertStore>) -> Result<Self, ProberError> {
        let bell = Arc::new(Bell::new().map_err(ProberError::thread)?);
        let inbox = Arc::new(Inbox { messages: Mutex::default(), bell });
        let mut engine = Self { inbox: Arc::clone(&inbox), singles: AtomicU64::default(), thread: None };
        let runtime = Handle::try_current().ok();
        let (answer, moved) = blocking::sync_channel(1);
        inbox.put([Message::Move(netns.map(str::to_owned), answer)]);
        let thread = thread::Builder::new()
            .name("probes".to_owned())
            .spawn(move || {
                let _inside = runtime.as_ref().map(Handle::enter);
                match Worker::new(inbox, roots, probe) {
                    Ok(worker) => worker.run(),
                    Err(error) => tracing::error!(target: "maglev", %error, "the thread that probes cannot start"),
                }
            })
            .map_err(ProberError::thread)?;
        engine.thread = Some(thread);
        moved.recv().unwrap_or_else(|_| Err(gone()))?;
        Ok(engine)
    }

    /// Has messages taken in order. Returns at once.
    pub(super) fn tell(&self, messages: impl IntoIterator<Item = Message>) {
        self.inbox.put(messages);
    }

    /// Makes later sockets elsewhere. Blocks until the thread has turned, some microseconds.
    pub(super) fn move_to(&self, netns: Option<&str>) -> Result<(), ProberError> {
        let (answer, moved) = blocking::sync_channel(1);
        self.tell([Message::Move(netns.map(str::to_owned), answer)]);
        moved.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// Whether ICMP probes could be sent.
    pub(super) async fn check_icmp(&self) -> Result<(), ProberError> {
        let (answer, checked) = oneshot::channel();
        self.tell([Message::CheckIcmp(answer)]);
        checked.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Sends one probe and waits for it. Dropped before its end, the probe stops.
    pub(super) async fn run(&self, target: Arc<Target>) -> Report {
        let ticket = Ticket::Single(self.singles.fetch_add(1, Ordering::Relaxed));
        let (answer, report) = oneshot::channel();
        self.tell([Message::Start(Start { ticket, target, due: Instant::now(), answer: Some(answer) })]);
        let _running = Running { engine: self, ticket };
        // A probe that panicked is answered for; without an answer the thread itself is gone.
        report.await.unwrap_or_else(|_| Report::of_bug())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.tell([Message::End]);
        // Its sockets are closed when this returns. It ends with its turn; that it panicked was told when it did.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Cancels a probe that nobody waits for any more. One that has ended takes no notice.
struct Running<'a> {
    engine: &'a Engine,
    ticket: Ticket,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.engine.tell([Message::Cancel(self.ticket)]);
    }
}

fn gone() -> ProberError {
    ProberError::thread(io::Error::other("it has ended"))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::rc::Rc;

    use super::*;
    use crate::probe::target::Kind;
    use crate::probe::tls::Connector;

    #[test]
    fn a_probe_takes_little_memory() {
        let bell = Arc::new(Bell::new().expect("an eventfd"));
        let site = Rc::new(Site::new(Rc::new(reactor::Reactor::new(&bell).expect("epoll"))));
        let (backend, address) = ("web".into(), Ipv4Addr::LOCALHOST.into());
        let target = Target {
            backend,
            address,
            source: None,
            device: None,
            mark: None,
            timeout: Duration::ZERO,
            kind: Kind::Icmp,
        };
        let probe = probe(site, Rc::new(Connector::new(None)), Arc::new(target), Instant::now());
        // Each is moved into its place, and ten thousand may hang at a time.
        assert!(size_of_val(&probe) <= 2_048, "{} bytes", size_of_val(&probe));
    }
}
