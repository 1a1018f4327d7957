//! The client side of one API connection, without a socket and without a clock.
//!
//! First the [`Handshake`], then the [`Connection`] that it gives:
//!
//! ```
//! use std::io::{Read, Write};
//!
//! use vpp_api::connection::{Config, Connection, Handshake};
//!
//! /// The handshake over anything that carries bytes.
//! fn greet<T>(mut stream: impl Read + Write) -> Result<Connection<T>, Box<dyn std::error::Error>> {
//!     let mut handshake = Handshake::new(Config::default());
//!     while let Some(to_send) = handshake.poll_transmit() {
//!         stream.write_all(&to_send)?;
//!     }
//!     let mut buffer = [0; 4096];
//!     loop {
//!         match stream.read(&mut buffer)? {
//!             0 => return Err("VPP hung up".into()),
//!             count => {
//!                 if let Some(connection) = handshake.handle_bytes(&buffer[..count])? {
//!                     return Ok(connection);
//!                 }
//!             }
//!         }
//!     }
//! }
//! ```

mod call;
mod deadlines;
mod event;
mod handshake;
mod known;
mod mix;
mod receive;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

pub use deadlines::{Deadlines, Expired};
pub use event::{Counters, Event, StartError};
pub use handshake::{Config, Handshake};

use crate::error::{Absent, FrameError};
use crate::frame::{FrameDecoder, encode_frame};
use crate::message::{Dump, Envelope, Get, Message, Oneway, Request, encode_body};
use crate::messages::memclnt::{ControlPing, ControlPingReply, SockclntCreateReply};
use crate::table::MessageTable;
use call::{Call, Details};
use known::Known;
use mix::BuildMix;

/// An established connection: requests in, frames out, frames in, answers out.
///
/// `T` is whatever the owner wants back with the answer to a call, such as the sending half of a channel.
///
/// - After every `call`, `send`, `dump`, `get` and `handle_bytes`: send what [`poll_transmit`](Self::poll_transmit) gives, and call
///   [`poll_event`](Self::poll_event) until `None`. Extra calls are harmless.
/// - After an error of [`handle_bytes`](Self::handle_bytes) the position in the stream is lost: close the socket and
///   take the calls that will never be answered from [`abandon`](Self::abandon).
/// - A call that nobody waits for any more stays outstanding until VPP answers; its answer is still an event.
/// - Messages that the user declared are learnt when they are called, dumped or listened for.
///
/// Decoding and encoding of one frame is linear in its length. Nothing else here depends on the number of calls in
/// flight.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
/// # fn main() { vpp::with_connection(|mut connection, mut vpp| {
/// use vpp_api::connection::Event;
/// use vpp_api::message::decode_body;
/// use vpp_api::messages::vpe::{ShowVersion, ShowVersionReply};
///
/// connection.call(&ShowVersion {}, "version")?;
/// let to_send = connection.poll_transmit().expect("the request");
/// let received = vpp.answer(&to_send);
/// connection.handle_bytes(&received)?;
/// let Some(Event::Reply { tag: "version", body }) = connection.poll_event() else { panic!("the reply") };
/// let (_, reply) = decode_body::<ShowVersionReply>(&body)?;
/// assert_eq!(reply.version.to_string(), "26.10-rc0");
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
pub struct Connection<T> {
    client_index: u32,
    max_frame: usize,
    table: Arc<MessageTable>,
    known: Known,
    calls: HashMap<u32, Call<T>, BuildMix>,
    last_context: u32,
    decoder: FrameDecoder,
    out: BytesMut,
    events: VecDeque<Event<T>>,
    counters: Counters,
}

impl<T> Connection<T> {
    fn new(max_frame: usize, decoder: FrameDecoder, welcome: &SockclntCreateReply) -> Self {
        let table = Arc::new(MessageTable::new(&welcome.message_table));
        Self {
            client_index: welcome.index,
            max_frame,
            known: Known::of(&table),
            table,
            calls: HashMap::default(),
            last_context: 0,
            decoder,
            out: BytesMut::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// The messages VPP has.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_connection(|mut connection, mut vpp| {
    /// assert!(connection.table().by_name("lb_vip_dump").is_some());
    /// # let _ = (&mut connection, &mut vpp);
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn table(&self) -> &Arc<MessageTable> {
        &self.table
    }

    /// The index VPP gave to this client.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_connection(|mut connection, mut vpp| {
    /// assert_eq!(connection.client_index(), 0x8000_0001);
    /// # let _ = (&mut connection, &mut vpp);
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn client_index(&self) -> u32 {
        self.client_index
    }

    /// Totals since the handshake.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_connection(|mut connection, mut vpp| {
    /// use vpp_api::messages::vpe::ShowVersion;
    ///
    /// connection.call(&ShowVersion {}, "tag")?;
    /// assert_eq!(connection.counters().frames_sent, 1);
    /// # let _ = &mut vpp;
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Calls that VPP has not answered yet.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_connection(|mut connection, mut vpp| {
    /// use vpp_api::messages::vpe::ShowVersion;
    ///
    /// connection.call(&ShowVersion {}, "tag")?;
    /// let answer = vpp.answer(&connection.poll_transmit().expect("the request"));
    /// assert_eq!(connection.outstanding(), 1);
    /// connection.handle_bytes(&answer)?;
    /// assert_eq!(connection.outstanding(), 0);
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.calls.len()
    }

    /// The request that waits under `context`, if it still does.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_connection(|mut connection, mut vpp| {
    /// use vpp_api::messages::vpe::ShowVersion;
    ///
    /// let context = connection.call(&ShowVersion {}, "tag")?;
    /// assert_eq!(connection.pending(context), Some("show_version"));
    /// connection.give_up(context);
    /// assert_eq!(connection.pending(context), None);
    /// # let _ = &mut vpp;
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn pending(&self, context: u32) -> Option<&'static str> {
        self.calls.get(&context).map(|call| call.message)
    }

    /// Puts a request into the output and returns its context. The answer is [`Event::Reply`] with `tag`.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_connection(|mut connection, mut vpp| {
    /// use vpp_api::messages::vpe::ShowVersion;
    ///
    /// let context = connection.call(&ShowVersion {}, "tag")?;
    /// assert_eq!(connection.pending(context), Some("show_version"));
    /// assert_eq!(connection.outstanding(), 1);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`StartError`], and `tag` is dropped; nothing was put into the output.
    pub fn call<R: Request>(&mut self, request: &R, tag: T) -> Result<u32, StartError> {
        let id = self.known.id_of::<R>(&self.table)?;
        let answer_id = self.learn::<R::Reply>()?;
        let context = self.next_context();
        self.push(id, context, request)?;
        self.calls.insert(context, Call { message: R::NAME, answer_id, details: None, tag });
        Ok(context)
    }

    /// Puts a message into the output that VPP does not answer.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_connection(|mut connection, mut vpp| {
    /// use vpp_api::connection::StartError;
    ///
    /// vpp_api::messages! {
    ///     /// Takes somebody's word for it.
    ///     oneway acme_nudge "51077d14" as AcmeNudge {}
    /// }
    ///
    /// let outcome = connection.send(&AcmeNudge {});
    /// assert!(matches!(outcome, Err(StartError::Absent(_))), "this VPP has no such plugin");
    /// assert_eq!(connection.outstanding(), 0);
    /// # let _ = &mut vpp;
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`StartError`]; nothing was put into the output.
    pub fn send<O: Oneway>(&mut self, message: &O) -> Result<(), StartError> {
        let id = self.known.id_of::<O>(&self.table)?;
        self.push(id, NO_CONTEXT, message)
    }

    /// Puts a dump and the `control_ping` that marks its end into the output and returns their context. The answer is
    /// [`Event::Details`] with `tag`.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_connection(|mut connection, mut vpp| {
    /// use vpp_api::connection::Event;
    /// use vpp_api::messages::lb::LbAsV2Dump;
    ///
    /// connection.dump(&LbAsV2Dump::all(), "servers")?;
    /// let to_send = connection.poll_transmit().expect("the dump and its ping");
    /// connection.handle_bytes(&vpp.answer(&to_send))?;
    /// let Some(Event::Details { bodies, .. }) = connection.poll_event() else { panic!("the details") };
    /// assert_eq!(bodies.len(), 2);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`StartError`], and `tag` is dropped; nothing was put into the output.
    pub fn dump<D: Dump>(&mut self, request: &D, tag: T) -> Result<u32, StartError> {
        let id = self.known.id_of::<D>(&self.table)?;
        let details = Some(Details::of(self.learn::<D::Details>()?));
        let ping_id = self.known.id_of::<ControlPing>(&self.table)?;
        let answer_id = self.learn::<ControlPingReply>()?;
        let context = self.next_context();
        self.push(id, context, request)?;
        self.push(ping_id, context, &ControlPing {})?;
        self.calls.insert(context, Call { message: D::NAME, answer_id, details, tag });
        Ok(context)
    }

    /// Puts a get into the output and returns its context. The answer is [`Event::Details`] with `tag`; whether more
    /// is to be asked for is in its reply.
    ///
    /// ```
    /// use vpp_api::connection::{Connection, StartError};
    /// use vpp_api::message::{Get, decode_body};
    ///
    /// /// Asks for what follows after `end`, the message behind the details of `request`. False: that was all.
    /// fn go_on<G: Get>(connection: &mut Connection<G>, request: G, end: &[u8]) -> Result<bool, StartError> {
    ///     let following = decode_body::<G::Reply>(end).ok().and_then(|(_, reply)| request.following(&reply));
    ///     match following {
    ///         Some(next) => connection.get(&next, next.clone()).map(|_| true),
    ///         None => Ok(false),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// [`StartError`], and `tag` is dropped; nothing was put into the output.
    pub fn get<G: Get>(&mut self, request: &G, tag: T) -> Result<u32, StartError> {
        let id = self.known.id_of::<G>(&self.table)?;
        let details = Some(Details::of(self.learn::<G::Details>()?));
        let answer_id = self.learn::<G::Reply>()?;
        let context = self.next_context();
        self.push(id, context, request)?;
        self.calls.insert(context, Call { message: G::NAME, answer_id, details, tag });
        Ok(context)
    }

    /// All bytes to send since the last time, if any.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        if self.out.is_empty() {
            return None;
        }
        self.counters.transmissions += 1;
        Some(self.out.split().freeze())
    }

    /// Gives up one call: its answer, should it come, is counted as unknown.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_connection(|mut connection, mut vpp| {
    /// use vpp_api::messages::vpe::ShowVersion;
    ///
    /// let context = connection.call(&ShowVersion {}, "tag")?;
    /// assert_eq!(connection.give_up(context), Some(("show_version", "tag")));
    /// # let _ = &mut vpp;
    /// # Ok(()) }) }
    /// ```
    pub fn give_up(&mut self, context: u32) -> Option<(&'static str, T)> {
        self.calls.remove(&context).map(|call| (call.message, call.tag))
    }

    /// Gives up all: the calls that were not answered, by name, in no order.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_connection(|mut connection, mut vpp| {
    /// use vpp_api::messages::vpe::ShowVersion;
    ///
    /// let context = connection.call(&ShowVersion {}, "tag")?;
    /// assert_eq!(connection.abandon().collect::<Vec<_>>(), [(context, "show_version", "tag")]);
    /// # let _ = &mut vpp;
    /// # Ok(()) }) }
    /// ```
    pub fn abandon(&mut self) -> impl Iterator<Item = (u32, &'static str, T)> {
        std::mem::take(&mut self.calls).into_iter().map(|(context, call)| (context, call.message, call.tag))
    }

    /// The id of a message that VPP sends. Only what is learnt is taken in: without its kind nobody knows where its
    /// context stands.
    fn learn<M: Message>(&mut self) -> Result<u16, Absent> {
        let id = self.known.id_of::<M>(&self.table)?;
        self.known.learn::<M>(id);
        Ok(id)
    }

    /// A context that no call uses: never [`NO_CONTEXT`], and below bit 31, so
    /// that it differs from every client index, which events carry in the same place.
    fn next_context(&mut self) -> u32 {
        loop {
            self.last_context = self.last_context % MAX_CONTEXT + 1;
            if !self.calls.contains_key(&self.last_context) {
                return self.last_context;
            }
        }
    }

    fn push<M: Message>(&mut self, id: u16, context: u32, message: &M) -> Result<(), StartError> {
        let envelope = Envelope { client_index: self.client_index, context };
        let before = self.out.len();
        encode_frame(&mut self.out, self.max_frame, |out| encode_body(id, envelope, message, out))
            .map_err(|FrameError::Oversized { len, max }| StartError::TooLarge { message: M::NAME, len, max })?;
        self.counters.frames_sent += 1;
        self.counters.bytes_sent += (self.out.len() - before) as u64;
        Ok(())
    }
}

const MAX_CONTEXT: u32 = 0x7fff_ffff;

/// "No answer wanted", as other clients have it too.
const NO_CONTEXT: u32 = 0;

#[cfg(test)]
mod tests;
