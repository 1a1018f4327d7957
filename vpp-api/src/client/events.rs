//! Subscriptions to what VPP sends by itself.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Client;
use super::feed::{Fed, Feed};
use super::shared::{Core, Shared, Waiter};
use crate::error::{Absent, CallError, DecodeError, Disconnect};
use crate::message::{Envelope, Event, Request, decode_body, encode_body};
use crate::schema::{self, Field, Number};
use crate::types::Retval;

impl Client {
    /// The events `E` that VPP sends from now on. It sends none before it is asked to, with the `want_…` request that
    /// goes with them: [`subscribe`](Self::subscribe) does both.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_client(async |client| {
    /// use vpp_api::client::Notice;
    /// use vpp_api::messages::interface::{SwInterfaceEvent, WantInterfaceEvents};
    ///
    /// let mut events = client.events::<SwInterfaceEvent>()?;
    /// client.call(&WantInterfaceEvents { enable_disable: 1, pid: 7 }).await?;
    /// let Some(Ok(Notice::Event(event))) = events.next().await else { panic!("an event") };
    /// assert_eq!(event.pid, 7);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`Absent`] if VPP has no such event.
    pub fn events<E: Event>(&self) -> Result<Events<E>, Absent> {
        Events::new(&self.owner.shared)
    }

    /// Asks VPP for the events `E` by the request `want`, and gives them from the first on.
    ///
    /// A connection is registered once for all its subscriptions: that VPP already knows of it (`-31
    /// INVALID_REGISTRATION`, as `want_interface_events` answers then) is success. The registration ends with the
    /// connection. When nobody listens any more VPP still sends and the events are thrown away, not decoded; see
    /// [`subscribe_until_dropped`](Self::subscribe_until_dropped) for events that are too many for that.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_client(async |client| {
    /// use vpp_api::client::Notice;
    /// use vpp_api::messages::interface::{SwInterfaceEvent, WantInterfaceEvents};
    ///
    /// let want = WantInterfaceEvents { enable_disable: 1, pid: 7 };
    /// let mut events = client.subscribe::<SwInterfaceEvent>(&want).await?;
    /// assert!(matches!(events.next().await, Some(Ok(Notice::Event(_)))));
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`CallError`]: VPP has no such event or request, or `want` failed.
    pub async fn subscribe<E: Event>(&self, want: &impl Request) -> Result<Events<E>, CallError> {
        // First, so that no event falls between.
        let events = self.events()?;
        self.want(want).await?;
        Ok(events)
    }

    /// As [`subscribe`](Self::subscribe), and sends `unwant` when the last subscription made on this connection with
    /// an equal `unwant` is dropped. Those that differ in nothing but a field `pid` count as equal, as they do for VPP;
    /// then each of them is sent.
    ///
    /// Nobody waits for the answer to `unwant`, and an [`Observer`](super::Observer) is not told of it; but if VPP never
    /// answers it, the connection ends. VPP has one registration, whoever asked for it: it ends for those too that asked
    /// by [`subscribe`](Self::subscribe) or by [`call`](Self::call) on the same connection. Ask for one kind of events
    /// in one way.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_client(async |client| {
    /// use vpp_api::messages::interface::{SwInterfaceEvent, WantInterfaceEvents};
    ///
    /// let want = WantInterfaceEvents { enable_disable: 1, pid: 7 };
    /// let unwant = WantInterfaceEvents { enable_disable: 0, pid: 7 };
    /// let events = client.subscribe_until_dropped::<SwInterfaceEvent>(&want, unwant).await?;
    /// drop(events);
    /// assert_eq!(client.counters().frames_sent, 2);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`CallError`]: VPP has no such event or request, or `want` failed. Dropped while `want` is under way, it sends
    /// `unwant` behind it.
    pub async fn subscribe_until_dropped<E: Event>(
        &self,
        want: &impl Request,
        unwant: impl Request,
    ) -> Result<Events<E>, CallError> {
        let mut events = self.events()?;
        events.hold(unwant)?;
        match self.want(want).await {
            Ok(()) => Ok(events),
            Err(error) => {
                events.let_go();
                Err(error)
            }
        }
    }

    async fn want(&self, want: &impl Request) -> Result<(), CallError> {
        match self.call(want).await {
            Ok(_) | Err(CallError::Refused { retval: INVALID_REGISTRATION, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A subscription to the events `E` of one connection, in VPP's order: [`Client::events`](super::Client::events) and
/// [`Client::subscribe`](super::Client::subscribe) make it.
///
/// A [`Stream`] of `Result<Notice<E>, Disconnect>`, and the same without a trait by [`next`](Self::next). The last item
/// is the reason for which the connection ended. It does not keep the connection open.
///
/// An event is kept until it is read, up to 256 for each subscription; then the oldest go, and
/// [`Notice::Missed`] tells how many. Whoever does not read slows nobody down.
///
/// ```
/// use vpp_api::client::{Events, Notice};
/// use vpp_api::error::Disconnect;
/// use vpp_api::messages::interface::SwInterfaceEvent;
///
/// /// Returns why the connection ended.
/// async fn watch(mut events: Events<SwInterfaceEvent>) -> Option<Disconnect> {
///     loop {
///         match events.next().await? {
///             Ok(Notice::Event(event)) => println!("interface {} changed", event.sw_if_index.0),
///             Ok(Notice::Missed(count)) => println!("{count} changes missed: dump the interfaces"),
///             Ok(other) => println!("{other:?}"),
///             Err(reason) => return Some(reason),
///         }
///     }
/// }
/// ```
pub struct Events<E> {
    feed: Arc<EventFeed>,
    id: u16,
    shared: Arc<Shared>,
    registration: Option<Registration>,
    over: bool,
    event: PhantomData<fn() -> E>,
}

impl<E: Event> Events<E> {
    pub(super) fn new(shared: &Arc<Shared>) -> Result<Self, Absent> {
        let feed = Arc::new(EventFeed::new(DEPTH));
        let mut core = shared.lock();
        let id = core.connection.listen::<E>()?;
        match &core.closed {
            Some(reason) => feed.end(reason.clone()),
            None => core.topics.add(id, feed.clone()),
        }
        drop(core);
        Ok(Self { feed, id, shared: shared.clone(), registration: None, over: false, event: PhantomData })
    }

    /// Sends `end` when this is dropped, unless others that hold to the same are left.
    pub(super) fn hold<R: Request>(&mut self, end: R) -> Result<(), Absent> {
        let mut core = self.shared.lock();
        let registration = Registration::new(&core, end)?;
        core.topics.registrations.entry(registration.key.clone()).or_default().count += 1;
        drop(core);
        self.registration = Some(registration);
        Ok(())
    }

    /// Ends that without sending `end`.
    pub(super) fn let_go(&mut self) {
        if let Some(Registration { key, .. }) = self.registration.take() {
            release(&self.shared, self.shared.lock(), &key, None);
        }
    }

    /// The next event; `None` after the reason for which the connection ended.
    ///
    /// Safe to cancel: no event is lost.
    pub async fn next(&mut self) -> Option<Result<Notice<E>, Disconnect>> {
        poll_fn(|cx| self.poll_notice(cx)).await
    }

    fn poll_notice(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Notice<E>, Disconnect>>> {
        if self.over {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(match ready!(self.feed.poll(cx)) {
            Fed::Missed(count) => Ok(Notice::Missed(count)),
            Fed::Item(body) => Ok(match decode_body::<E>(&body) {
                Ok((_, event)) => Notice::Event(event),
                Err(error) => Notice::Malformed(error),
            }),
            Fed::End(reason) => {
                self.over = true;
                Err(reason)
            }
        }))
    }
}

impl<E: Event> Stream for Events<E> {
    type Item = Result<Notice<E>, Disconnect>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_notice(cx)
    }
}

impl<E> Drop for Events<E> {
    fn drop(&mut self) {
        let mut core = self.shared.lock();
        core.topics.remove(self.id, &self.feed);
        if let Some(Registration { key, end }) = self.registration.take() {
            release(&self.shared, core, &key, Some(end));
        }
    }
}

/// One that held to a registration is gone. After the last of them everything is sent that they wanted to be sent.
fn release(shared: &Shared, mut core: MutexGuard<'_, Core>, key: &Bytes, end: Option<End>) {
    let ends = core.topics.release(key, end);
    if ends.is_empty() || core.closed.is_some() {
        return;
    }
    // In the output before any request made later: a subscription that follows stands.
    for end in ends {
        (end.send)(&mut core);
    }
    drop(core);
    shared.wake.notify_one();
}

impl<E: Event> fmt::Debug for Events<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("event", &E::NAME).field("over", &self.over).finish_non_exhaustive()
    }
}

/// What a subscription has to tell.
///
/// ```
/// use vpp_api::client::Notice;
///
/// /// Whether what is known from events may be out of date.
/// fn is_gap<E>(notice: &Notice<E>) -> bool {
///     matches!(notice, Notice::Missed(_) | Notice::Malformed(_))
/// }
/// assert!(is_gap(&Notice::<()>::Missed(3)));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Notice<E> {
    /// VPP sent this.
    Event(E),
    /// The subscriber was too slow and this many events are lost here: dump what they are about.
    Missed(u64),
    /// VPP sent an event that does not have the layout its CRC promises. The connection is still good.
    Malformed(DecodeError),
}

/// Who listens for what on one connection.
#[derive(Default)]
pub(super) struct Topics {
    /// By message id.
    feeds: HashMap<u16, Vec<Arc<EventFeed>>>,
    /// Who holds to a registration at VPP, by its [`Registration::key`].
    registrations: HashMap<Bytes, Holders>,
}

impl Topics {
    /// Hands an event to those who listen for it; nobody else looks into it.
    pub(super) fn publish(&self, id: u16, body: &[u8]) {
        if let Some(feeds) = self.feeds.get(&id) {
            // A view would keep alive the whole buffer it was read into, for as long as the event waits.
            let body = Bytes::copy_from_slice(body);
            for feed in feeds {
                feed.push(body.clone());
            }
        }
    }

    pub(super) fn end(&mut self, reason: &Disconnect) {
        for feed in self.feeds.drain().flat_map(|(_, feeds)| feeds) {
            feed.end(reason.clone());
        }
    }

    fn add(&mut self, id: u16, feed: Arc<EventFeed>) {
        self.feeds.entry(id).or_default().push(feed);
    }

    fn remove(&mut self, id: u16, feed: &Arc<EventFeed>) {
        if let Some(feeds) = self.feeds.get_mut(&id) {
            feeds.retain(|other| !Arc::ptr_eq(other, feed));
            if feeds.is_empty() {
                self.feeds.remove(&id);
            }
        }
    }

    /// What has to be sent now: nothing before the last one is gone.
    fn release(&mut self, key: &Bytes, end: Option<End>) -> Vec<End> {
        let Some(holders) = self.registrations.get_mut(key) else {
            return Vec::new();
        };
        holders.count -= 1;
        if let Some(end) = end
            && holders.ends.iter().all(|other| other.request != end.request)
        {
            holders.ends.push(end);
        }
        match holders.count {
            0 => self.registrations.remove(key).map(|holders| holders.ends).unwrap_or_default(),
            _ => Vec::new(),
        }
    }
}

/// Subscriptions that hold to one registration.
#[derive(Default)]
struct Holders {
    count: usize,
    /// The requests of those that are gone, each once.
    ends: Vec<End>,
}

/// A registration at VPP, with what ends it.
struct Registration {
    /// The request that ends it, as bytes without client, context and pid.
    ///
    /// Nearly everywhere VPP has one registration per client, whatever its pid (`pub_sub_handler`, VPP
    /// `src/vlibapi/api_helper_macros.h`): what ends the one with pid 8 ends that with pid 7. Other fields make
    /// another registration: `want_ip_neighbor_events_v2` is by address, `want_wireguard_peer_events` by peer.
    key: Bytes,
    end: End,
}

/// A request that ends a registration.
struct End {
    /// As bytes without client and context.
    request: Bytes,
    send: Box<dyn FnOnce(&mut Core) + Send + Sync>,
}

impl Registration {
    fn new<R: Request>(core: &Core, end: R) -> Result<Self, Absent> {
        let id = core.connection.table().id_of::<R>()?;
        let mut request = BytesMut::new();
        encode_body(id, Envelope::default(), &end, &mut request);
        let mut key = request.clone();
        if let Some(pid) = pid_of::<R>().and_then(|pid| key.get_mut(pid)) {
            pid.fill(0);
        }
        let send = move |core: &mut Core| {
            // Nobody waits for the answer; the connection still expects one.
            let (waiter, _) = oneshot::channel();
            if let Ok(context) = core.connection.call(&end, Waiter::Once(waiter)) {
                let outstanding = core.connection.outstanding();
                core.deadlines.handle_start(Instant::now().into_std(), context, outstanding);
            }
        };
        Ok(Self { key: key.freeze(), end: End { request: request.freeze(), send: Box::new(send) } })
    }
}

/// Where the pid stands in a body, if `R` has one and nothing but numbers before it, as all of VPP's requests that
/// have one.
fn pid_of<R: Request>() -> Option<Range<usize>> {
    let width = |field: &Field| field.shape.number().map(Number::width);
    let at = R::FIELDS.iter().position(|field| field.name == "pid")?;
    let front = schema::prefix(R::KIND).iter().chain(&R::FIELDS[..at]);
    let start = size_of::<u16>() + front.map(width).sum::<Option<usize>>()?;
    Some(start..start + width(&R::FIELDS[at])?)
}

/// Events as VPP sent them, for one subscription.
type EventFeed = Feed<Bytes, Disconnect>;

/// Events kept for a subscription that does not read.
const DEPTH: usize = 256;

/// VPP has registered this client for these events before.
const INVALID_REGISTRATION: Retval = Retval(-31);
