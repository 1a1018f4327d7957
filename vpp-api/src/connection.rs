//! The client side of one API connection, without a socket and without a clock.

mod deadlines;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use thiserror::Error;

pub use deadlines::{Deadlines, Expired};

use crate::codec::Reader;
use crate::error::{Absent, FrameError, ProtocolError};
use crate::frame::{DEFAULT_MAX_LEN, FrameDecoder, encode_frame};
use crate::message::{Dump, Envelope, Kind, Message, Request, decode_body, encode_body, message_id};
use crate::messages::memclnt::{ControlPing, ControlPingReply, MemclntKeepalive, SockclntCreate, SockclntCreateReply};
use crate::messages::{Visitor, visit_all};
use crate::table::MessageTable;
use crate::types::{FixedString, Retval};

/// What a connection needs to know beforehand.
#[derive(Clone, Debug)]
pub struct Config {
    /// Client name, shown by VPP's `show api clients`.
    pub name: FixedString<64>,
    /// Largest body taken or sent, in bytes.
    pub max_frame: usize,
}

impl Default for Config {
    /// The crate's name, and [`DEFAULT_MAX_LEN`].
    fn default() -> Self {
        Self { name: FixedString::clipped("vpp-api"), max_frame: DEFAULT_MAX_LEN }
    }
}

/// A connection on which the message ids are not known yet: no call can be made.
///
/// Send what [`poll_transmit`](Self::poll_transmit) gives, feed what arrives to
/// [`handle_bytes`](Self::handle_bytes), until that returns the [`Connection`].
#[derive(Debug)]
pub struct Handshake {
    config: Config,
    decoder: FrameDecoder,
    out: BytesMut,
}

impl Handshake {
    /// Starts with `sockclnt_create` in the output.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut out = BytesMut::new();
        let hello = SockclntCreate { name: config.name };
        // 70 bytes; a limit below that is the caller's wish to talk to nobody.
        let envelope = Envelope { client_index: 0, context: HELLO_CONTEXT };
        let _ = encode_frame(&mut out, config.max_frame, |out| encode_body(HELLO_ID, envelope, &hello, out));
        Self { decoder: FrameDecoder::new(config.max_frame), config, out }
    }

    /// Bytes to send, if any.
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        (!self.out.is_empty()).then(|| self.out.split().freeze())
    }

    /// Takes in bytes from VPP. `Some` ends the handshake; bytes behind it are already in the connection, and its
    /// events may be polled at once.
    ///
    /// # Errors
    /// [`ProtocolError`] if the peer is not VPP or refuses; the handshake is over then.
    pub fn handle_bytes<T>(&mut self, bytes: &[u8]) -> Result<Option<Connection<T>>, ProtocolError> {
        self.decoder.extend(bytes);
        while let Some(body) = self.decoder.next_frame()? {
            match message_id(&body) {
                None => return Err(ProtocolError::NoMessageId { len: body.len() }),
                // VPP sends nothing before its answer; whatever it is, it is not for us.
                Some(id) if id != HELLO_REPLY_ID => {}
                Some(_) => return self.finish(&body).map(Some),
            }
        }
        Ok(None)
    }

    fn finish<T>(&mut self, body: &[u8]) -> Result<Connection<T>, ProtocolError> {
        let (_, welcome) = decode_body::<SockclntCreateReply>(body).map_err(ProtocolError::Handshake)?;
        if welcome.response != 0 {
            return Err(ProtocolError::Unwelcome(Retval(welcome.response)));
        }
        let decoder = std::mem::replace(&mut self.decoder, FrameDecoder::new(0));
        let mut connection = Connection::new(self.config.max_frame, decoder, &welcome);
        connection.drain()?;
        Ok(connection)
    }
}

/// An established connection: requests in, frames out, frames in, answers out.
///
/// `T` is whatever the owner wants back with the answer to a call, such as the sending half of a channel.
///
/// - After every `call`, `dump` and `handle_bytes`: send what [`poll_transmit`](Self::poll_transmit) gives, and call
///   [`poll_event`](Self::poll_event) until `None`. Extra calls are harmless.
/// - After an error of [`handle_bytes`](Self::handle_bytes) the position in the stream is lost: close the socket and
///   take the calls that will never be answered from [`abandon`](Self::abandon).
/// - A call that nobody waits for any more stays outstanding until VPP answers; its answer is still an event.
///
/// Decoding and encoding of one frame is linear in its length. Nothing else here depends on the number of calls in
/// flight.
#[derive(Debug)]
pub struct Connection<T> {
    client_index: u32,
    max_frame: usize,
    table: Arc<MessageTable>,
    /// What this crate knows of the message with that id.
    known: Vec<Option<Known>>,
    calls: HashMap<u32, Call<T>>,
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
            known: known(&table),
            table,
            calls: HashMap::new(),
            last_context: 0,
            decoder,
            out: BytesMut::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// The messages VPP has.
    #[must_use]
    pub fn table(&self) -> &Arc<MessageTable> {
        &self.table
    }

    /// The index VPP gave to this client.
    #[must_use]
    pub fn client_index(&self) -> u32 {
        self.client_index
    }

    /// Totals since the handshake.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Calls that VPP has not answered yet.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.calls.len()
    }

    /// The request that waits under `context`, if it still does.
    #[must_use]
    pub fn pending(&self, context: u32) -> Option<&'static str> {
        self.calls.get(&context).map(|call| call.message)
    }

    /// Puts a request into the output and returns its context. The answer is [`Event::Reply`] with `tag`.
    ///
    /// # Errors
    /// [`StartError`], and `tag` is dropped; nothing was put into the output.
    pub fn call<R: Request>(&mut self, request: &R, tag: T) -> Result<u32, StartError> {
        let id = self.table.id_of::<R>()?;
        let answer_id = self.table.id_of::<R::Reply>()?;
        let context = self.next_context();
        self.push(id, context, request)?;
        self.calls.insert(context, Call { message: R::NAME, answer_id, details: None, tag });
        Ok(context)
    }

    /// Puts a dump and the `control_ping` that marks its end into the output and returns their context. The answer is
    /// [`Event::Details`] with `tag`.
    ///
    /// # Errors
    /// [`StartError`], and `tag` is dropped; nothing was put into the output.
    pub fn dump<D: Dump>(&mut self, request: &D, tag: T) -> Result<u32, StartError> {
        let id = self.table.id_of::<D>()?;
        let details = Details { id: self.table.id_of::<D::Details>()?, bodies: Vec::new() };
        let ping_id = self.table.id_of::<ControlPing>()?;
        let answer_id = self.table.id_of::<ControlPingReply>()?;
        let context = self.next_context();
        self.push(id, context, request)?;
        self.push(ping_id, context, &ControlPing {})?;
        self.calls.insert(context, Call { message: D::NAME, answer_id, details: Some(details), tag });
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

    /// Takes in bytes from VPP, in pieces of any size.
    ///
    /// # Errors
    /// [`ProtocolError`]; the connection is of no use any more. What came before the offending frame can be polled.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.counters.bytes_received += bytes.len() as u64;
        self.decoder.extend(bytes);
        self.drain()
    }

    /// What happened; call until `None`.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event<T>> {
        self.events.pop_front()
    }

    /// Gives up one call: its answer, should it come, is counted as unknown.
    pub fn give_up(&mut self, context: u32) -> Option<(&'static str, T)> {
        self.calls.remove(&context).map(|call| (call.message, call.tag))
    }

    /// Gives up all: the calls that were not answered, by name, in no order.
    pub fn abandon(&mut self) -> impl Iterator<Item = (u32, &'static str, T)> {
        std::mem::take(&mut self.calls).into_iter().map(|(context, call)| (context, call.message, call.tag))
    }

    /// A context that no call uses: never 0, which other clients take for "no answer wanted", and below bit 31, so
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

    fn drain(&mut self) -> Result<(), ProtocolError> {
        while let Some(body) = self.decoder.next_frame()? {
            self.counters.frames_received += 1;
            self.handle_body(body)?;
        }
        Ok(())
    }

    fn handle_body(&mut self, body: Bytes) -> Result<(), ProtocolError> {
        let Some(id) = message_id(&body) else {
            return Err(ProtocolError::NoMessageId { len: body.len() });
        };
        // Where the context stands depends on the message, so that one we do not know cannot be matched.
        let Some(known) = self.known.get(usize::from(id)).copied().flatten() else {
            self.counters.unknown_messages += 1;
            return Ok(());
        };
        match known.kind {
            Kind::Reply | Kind::Details => self.handle_answer(id, known, body),
            Kind::Event => {
                self.counters.events += 1;
                self.events.push_back(Event::Notice { name_crc: known.name_crc, body });
                Ok(())
            }
            // VPP sends these to shared-memory clients alone; there is nothing to answer.
            Kind::Request if known.name_crc == MemclntKeepalive::NAME_CRC => {
                self.counters.keepalives += 1;
                Ok(())
            }
            Kind::Request | Kind::Dump | Kind::Hello | Kind::HelloReply => {
                self.counters.unknown_messages += 1;
                Ok(())
            }
        }
    }

    fn handle_answer(&mut self, id: u16, known: Known, body: Bytes) -> Result<(), ProtocolError> {
        let mut reader = Reader::new(body.get(2..).unwrap_or_default());
        let context = Envelope::decode(known.kind, &mut reader)
            .map_err(|source| ProtocolError::Message { message: known.name, source })?
            .context;
        let Some(call) = self.calls.get_mut(&context) else {
            self.counters.unknown_contexts += 1;
            return Ok(());
        };
        if let Some(details) = &mut call.details
            && details.id == id
        {
            details.bodies.push(body);
            return Ok(());
        }
        let right = call.answer_id == id;
        let Some(Call { message, details, tag, .. }) = self.calls.remove(&context) else {
            return Ok(());
        };
        self.events.push_back(match (right, details) {
            (true, None) => Event::Reply { tag, body },
            (true, Some(Details { bodies, .. })) => Event::Details { tag, bodies },
            (false, _) => Event::Mismatch { tag, message, got: known.name_crc },
        });
        Ok(())
    }
}

/// Something the owner of a [`Connection`] should know.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<T> {
    /// The reply to a call.
    Reply {
        /// As given to [`Connection::call`].
        tag: T,
        /// The reply from its message id on, not decoded; it is the reply's own type.
        body: Bytes,
    },
    /// A dump is complete.
    Details {
        /// As given to [`Connection::dump`].
        tag: T,
        /// Each details message from its message id on, not decoded, in VPP's order.
        bodies: Vec<Bytes>,
    },
    /// A call was answered with a message that is not its reply. The call is over.
    Mismatch {
        /// As given to the call.
        tag: T,
        /// Name of the request.
        message: &'static str,
        /// Name and CRC of what came.
        got: &'static str,
    },
    /// A message VPP sent by itself, such as `sw_interface_event`.
    Notice {
        /// Name and CRC.
        name_crc: &'static str,
        /// The message from its id on, not decoded.
        body: Bytes,
    },
}

/// Why a call was not sent.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum StartError {
    /// VPP has no such message.
    #[error(transparent)]
    Absent(#[from] Absent),
    /// The request exceeds the frame limit.
    #[error("{message} takes {len} bytes, at most {max} are allowed")]
    TooLarge {
        /// Name of the request.
        message: &'static str,
        /// Length of its body.
        len: usize,
        /// The limit.
        max: usize,
    },
}

/// Totals of one connection since its handshake.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counters {
    /// Frames put into the output.
    pub frames_sent: u64,
    /// Bytes put into the output, headers included.
    pub bytes_sent: u64,
    /// Times that output was taken; frames sent per transmission is how well writes coalesce.
    pub transmissions: u64,
    /// Whole frames taken in.
    pub frames_received: u64,
    /// Bytes taken in.
    pub bytes_received: u64,
    /// Keepalives, which were ignored.
    pub keepalives: u64,
    /// Events.
    pub events: u64,
    /// Messages skipped because this crate does not know them or clients do not get them.
    pub unknown_messages: u64,
    /// Answers skipped because no call waits under their context.
    pub unknown_contexts: u64,
}

#[derive(Debug)]
struct Call<T> {
    message: &'static str,
    /// The reply, or for a dump that of the ping behind it.
    answer_id: u16,
    details: Option<Details>,
    tag: T,
}

#[derive(Debug)]
struct Details {
    id: u16,
    bodies: Vec<Bytes>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    kind: Kind,
    name: &'static str,
    name_crc: &'static str,
}

/// The messages this crate knows, by the ids of this VPP.
fn known(table: &MessageTable) -> Vec<Option<Known>> {
    struct Fill<'a>(&'a MessageTable, Vec<Option<Known>>);

    impl Visitor for Fill<'_> {
        fn visit<M: Message>(&mut self) {
            let Some(id) = self.0.id(M::NAME_CRC).map(usize::from) else {
                return;
            };
            if self.1.len() <= id {
                self.1.resize(id + 1, None);
            }
            self.1[id] = Some(Known { kind: M::KIND, name: M::NAME, name_crc: M::NAME_CRC });
        }
    }

    let mut fill = Fill(table, Vec::new());
    visit_all(&mut fill);
    fill.1
}

/// `sockclnt_create` and its reply have the same id in every VPP: without them no other id can be learnt.
const HELLO_ID: u16 = 15;
const HELLO_REPLY_ID: u16 = 16;
/// Any will do: there is one handshake and its reply is known by its id.
const HELLO_CONTEXT: u32 = 1;
const MAX_CONTEXT: u32 = 0x7fff_ffff;

#[cfg(test)]
mod tests;
