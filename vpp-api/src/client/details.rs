//! Answers of many messages, one by one as they arrive.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::vec;

use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::observer::Report;
use super::shared::{Chunk, Waiter};
use super::{CallResult, Client, Observer, accept, read};
use crate::connection::{Connection, StartError};
use crate::error::{CallError, Disconnect, ReplyError};
use crate::message::{Dump, Get, Message};

/// The details that answer one dump, as they arrive: [`Client::dump_stream`] makes it.
///
/// A [`Stream`] of `Result<D::Details, CallError>`, and the same without a trait by [`next`](Self::next). It ends after
/// the last element, or after the first error; only an end without an error means that all are there.
///
/// VPP answers a dump all at once, and what it cannot send it keeps in its main heap, at a cost that grows with the
/// square of it. So nothing is ever left in the socket: a reader that is slower than VPP has the rest of the answer in
/// memory, not decoded, and other calls never wait for it. A [`Get`] is what can be read at the reader's pace.
///
/// Dropped before its end it does no harm: what still comes is discarded. It keeps the connection open.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
/// # fn main() { vpp::with_client(async |client| {
/// use futures_util::TryStreamExt;
/// use vpp_api::messages::lb::LbAsV2Dump;
///
/// let servers = client.dump_stream(&LbAsV2Dump::all());
/// let buckets = servers.try_fold(0, async |sum, server| Ok(sum + server.num_buckets)).await?;
/// assert_eq!(buckets, 1024);
/// # Ok(()) }) }
/// ```
#[must_use = "the answer is discarded if nobody reads it"]
pub struct DumpStream<D> {
    _client: Client,
    /// Until the end.
    answer: Option<Answering>,
    request: PhantomData<fn() -> D>,
}

impl<D: Dump> DumpStream<D> {
    pub(super) fn new(client: &Client, request: &D) -> Self {
        let answer = Answering::start::<D>(client, |connection, waiter| connection.dump(request, waiter));
        Self { _client: client.clone(), answer: Some(answer), request: PhantomData }
    }

    /// The next element; `None` after the last, or after an error.
    ///
    /// Safe to cancel: no element is lost.
    pub async fn next(&mut self) -> Option<Result<D::Details, CallError>> {
        poll_fn(|cx| self.poll_details(cx)).await
    }

    fn poll_details(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<D::Details, CallError>>> {
        let Some(answer) = &mut self.answer else {
            return Poll::Ready(None);
        };
        let outcome = match ready!(answer.poll(cx)) {
            Part::Detail(body) => match read::<D::Details>(D::NAME, &body) {
                Ok(details) => return Poll::Ready(Some(Ok(details))),
                Err(error) => Err((Instant::now(), error)),
            },
            Part::End { at, .. } => Ok(at),
            Part::Failed(error) => Err((Instant::now(), error)),
        };
        let report = self.answer.take().map(|answer| answer.report);
        Poll::Ready(match outcome {
            Ok(at) => {
                end(report, CallResult::Ok, at);
                None
            }
            Err((at, error)) => {
                end(report, CallResult::of_error(&error), at);
                Some(Err(error))
            }
        })
    }
}

impl<D: Dump> Stream for DumpStream<D> {
    type Item = Result<D::Details, CallError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_details(cx)
    }
}

impl<D: Dump> fmt::Debug for DumpStream<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DumpStream").field("dump", &D::NAME).field("over", &self.answer.is_none()).finish()
    }
}

/// The details that answer a [`Get`], as they arrive: [`Client::get_stream`] makes it.
///
/// A [`Stream`] of `Result<G::Details, CallError>`, and the same without a trait by [`next`](Self::next). It ends after
/// the last element, or after the first error; only an end without an error means that all are there.
///
/// VPP answers in parts of about a millisecond of its time. The next part is asked for when the last element of the one before was read, so
/// that a slow reader holds one part in memory and VPP waits for it. Between two parts VPP's table may change: an
/// element that was there all the time comes at least once. Each part is a call of its own, with its own time-out.
///
/// Dropped before its end it does no harm: what still comes is discarded, and nothing more is asked for. It keeps the
/// connection open.
///
/// ```
/// use futures_util::TryStreamExt;
/// use vpp_api::client::GetStream;
/// use vpp_api::error::CallError;
/// use vpp_api::message::Get;
///
/// /// The elements one by one, and the reply behind the last of them.
/// async fn print<G: Get>(mut elements: GetStream<G>) -> Result<Option<G::Reply>, CallError> {
///     while let Some(element) = elements.try_next().await? {
///         println!("{element:?}");
///     }
///     Ok(elements.reply().cloned())
/// }
/// ```
#[must_use = "the answer is discarded if nobody reads it"]
pub struct GetStream<G: Get> {
    client: Client,
    /// What the part under way answers.
    request: G,
    /// Until the end.
    part: Option<Answering>,
    /// Elements of this part.
    count: u64,
    reply: Option<G::Reply>,
}

impl<G: Get> GetStream<G> {
    pub(super) fn new(client: &Client, request: &G) -> Self {
        let part = Some(Self::ask(client, request));
        Self { client: client.clone(), request: request.clone(), part, count: 0, reply: None }
    }

    /// The next element; `None` after the last, or after an error.
    ///
    /// Safe to cancel: no element is lost.
    pub async fn next(&mut self) -> Option<Result<G::Details, CallError>> {
        poll_fn(|cx| self.poll_details(cx)).await
    }

    /// The reply behind the last element, once the stream has ended well.
    #[must_use]
    pub fn reply(&self) -> Option<&G::Reply> {
        self.reply.as_ref()
    }

    fn ask(client: &Client, request: &G) -> Answering {
        Answering::start::<G>(client, |connection, waiter| connection.get(request, waiter))
    }

    fn poll_details(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<G::Details, CallError>>> {
        loop {
            let Some(part) = &mut self.part else {
                return Poll::Ready(None);
            };
            let (at, outcome) = match ready!(part.poll(cx)) {
                Part::Detail(body) => match read::<G::Details>(G::NAME, &body) {
                    Ok(details) => {
                        self.count += 1;
                        return Poll::Ready(Some(Ok(details)));
                    }
                    Err(error) => (Instant::now(), Err(error)),
                },
                Part::End { at, reply } => (at, self.follow(&reply)),
                Part::Failed(error) => (Instant::now(), Err(error)),
            };
            let report = self.part.take().map(|part| part.report);
            match outcome {
                Ok(following) => {
                    end(report, CallResult::Ok, at);
                    if let Some(request) = following {
                        self.part = Some(Self::ask(&self.client, &request));
                        (self.request, self.count) = (request, 0);
                    }
                }
                Err(error) => {
                    end(report, CallResult::of_error(&error), at);
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    /// What to ask for after `reply`, if that was not all.
    fn follow(&mut self, reply: &[u8]) -> Result<Option<G>, CallError> {
        let reply = read::<G::Reply>(G::NAME, reply)?;
        let Some(following) = self.request.following(&reply) else {
            self.reply = Some(accept(G::NAME, reply)?);
            return Ok(None);
        };
        if self.count == 0 && following == self.request {
            // The same question would get the same answer for ever.
            return Err(CallError::Malformed { message: G::NAME, source: ReplyError::Stuck });
        }
        Ok(Some(following))
    }
}

impl<G: Get> Stream for GetStream<G> {
    type Item = Result<G::Details, CallError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_details(cx)
    }
}

// Nothing in it is ever pinned.
impl<G: Get> Unpin for GetStream<G> {}

impl<G: Get> fmt::Debug for GetStream<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetStream").field("get", &self.request).field("over", &self.part.is_none()).finish()
    }
}

/// The answer to one request, under way.
struct Answering {
    chunks: mpsc::UnboundedReceiver<Chunk>,
    ready: vec::IntoIter<Bytes>,
    /// Set by the last chunk.
    end: Option<(Instant, Bytes)>,
    report: Report<Arc<dyn Observer>>,
}

/// What comes next.
enum Part {
    Detail(Bytes),
    End { at: Instant, reply: Bytes },
    Failed(CallError),
}

impl Answering {
    /// Sends a request. If it cannot be sent, that is the answer.
    fn start<M: Message>(
        client: &Client,
        begin: impl FnOnce(&mut Connection<Waiter>, Waiter) -> Result<u32, StartError>,
    ) -> Self {
        let report = Report::start(client.shared().observer.clone(), M::NAME);
        let (sender, chunks) = mpsc::unbounded_channel();
        let started = client.start(Waiter::Stream(sender.clone()), |connection, waiter| {
            let context = begin(connection, waiter)?;
            connection.announce_details(context);
            Ok(context)
        });
        if let Err(error) = started {
            Waiter::Stream(sender).answer(Err(error));
        }
        Self { chunks, ready: Vec::new().into_iter(), end: None, report }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Part> {
        loop {
            if let Some(body) = self.ready.next() {
                return Poll::Ready(Part::Detail(body));
            }
            if let Some((at, reply)) = self.end.take() {
                return Poll::Ready(Part::End { at, reply });
            }
            match ready!(self.chunks.poll_recv(cx)) {
                Some(Chunk::Details(bodies)) => self.ready = bodies.into_iter(),
                Some(Chunk::End(Ok(arrived))) => {
                    self.ready = arrived.details.into_iter();
                    self.end = Some((arrived.at, arrived.reply));
                }
                Some(Chunk::End(Err(error))) => return Poll::Ready(Part::Failed(error)),
                // The driver answers every call before it ends; only a runtime that shuts down drops one.
                None => return Poll::Ready(Part::Failed(CallError::Disconnected(Disconnect::Closed))),
            }
        }
    }
}

fn end(report: Option<Report<Arc<dyn Observer>>>, result: CallResult, at: Instant) {
    if let Some(report) = report {
        report.end(result, at);
    }
}
