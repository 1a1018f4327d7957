//! The client side of one API connection, without a socket and without a clock.

mod deadlines;
mod event;
mod handshake;
mod known;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

pub use deadlines::{Deadlines, Expired};
pub use event::{Counters, Event, StartError};
pub use handshake::{Config, Handshake};

use crate::codec::Reader;
use crate::error::{FrameError, ProtocolError};
use crate::frame::{FrameDecoder, encode_frame};
use crate::message::{Dump, Envelope, Kind, Message, Request, encode_body, message_id};
use crate::messages::memclnt::{ControlPing, ControlPingReply, MemclntKeepalive, SockclntCreateReply};
use crate::table::MessageTable;
use known::{Entry, Known};

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
    known: Known,
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
            known: Known::of(&table),
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
        let Some(known) = self.known.get(id) else {
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

    fn handle_answer(&mut self, id: u16, known: Entry, body: Bytes) -> Result<(), ProtocolError> {
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

const MAX_CONTEXT: u32 = 0x7fff_ffff;

#[cfg(test)]
mod tests;
