//! What comes in: bytes to messages, messages to the calls they answer.

use std::collections::hash_map;

use bytes::Bytes;

use super::call::{Call, Details};
use super::known::Entry;
use super::{Connection, Event};
use crate::codec::Reader;
use crate::error::{Absent, ProtocolError};
use crate::message::{self, Envelope, Kind, Message, message_id};
use crate::messages::memclnt::MemclntKeepalive;

impl<T> Connection<T> {
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

    /// Makes [`Event::Arrived`] tell from now on of details that come for the dump or get under `context`, so that
    /// they can be taken before the last of them is there. Of a call that is over or has no details, nothing is told.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_connection(|mut connection, mut vpp| {
    /// use vpp_api::connection::Event;
    /// use vpp_api::messages::lb::LbAsV2Dump;
    ///
    /// let context = connection.dump(&LbAsV2Dump::all(), "servers")?;
    /// connection.announce_details(context);
    /// let answer = vpp.answer(&connection.poll_transmit().expect("the dump and its ping"));
    /// // Half an answer has at least the first of two details.
    /// connection.handle_bytes(&answer[..answer.len() / 2])?;
    /// assert!(matches!(connection.poll_event(), Some(Event::Arrived { .. })));
    /// let (tag, bodies) = connection.take_details(context).expect("it goes on");
    /// assert_eq!((*tag, bodies.len()), ("servers", 1));
    /// # Ok(()) }) }
    /// ```
    pub fn announce_details(&mut self, context: u32) {
        if let Some(details) = self.calls.get_mut(&context).and_then(|call| call.details.as_mut()) {
            details.announce = true;
        }
    }

    /// The tag of the dump or get under `context`, and the details that have come since the last time. `None` for
    /// any other call and for one that is over: its [`Event::Details`] has the rest.
    pub fn take_details(&mut self, context: u32) -> Option<(&T, Vec<Bytes>)> {
        let Call { details, tag, .. } = self.calls.get_mut(&context)?;
        Some((tag, std::mem::take(&mut details.as_mut()?.bodies)))
    }

    /// Makes [`Event::Notice`] tell of the event `E` from now on, and returns its message id. Events that this crate
    /// declares are told anyway; others are counted as unknown messages before this.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
    /// # fn main() { vpp::with_connection(|mut connection, mut vpp| {
    /// use vpp_api::connection::Event;
    /// use vpp_api::messages::interface::{SwInterfaceEvent, WantInterfaceEvents};
    ///
    /// connection.listen::<SwInterfaceEvent>()?;
    /// connection.call(&WantInterfaceEvents { enable_disable: 1, pid: 7 }, "want")?;
    /// let answer = vpp.answer(&connection.poll_transmit().expect("the request"));
    /// connection.handle_bytes(&answer)?;
    /// assert!(matches!(connection.poll_event(), Some(Event::Reply { tag: "want", .. })));
    /// assert!(matches!(connection.poll_event(), Some(Event::Notice { .. })));
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`Absent`] if VPP has no such message.
    pub fn listen<E: message::Event>(&mut self) -> Result<u16, Absent> {
        self.learn::<E>()
    }

    pub(super) fn drain(&mut self) -> Result<(), ProtocolError> {
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
            Kind::Reply | Kind::Details | Kind::IndexedReply | Kind::IndexedDetails => {
                self.handle_answer(id, known, body)
            }
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
            Kind::Request | Kind::Dump | Kind::Get | Kind::Hello | Kind::HelloReply | Kind::Bare => {
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
        let hash_map::Entry::Occupied(mut waiting) = self.calls.entry(context) else {
            self.counters.unknown_contexts += 1;
            return Ok(());
        };
        let call = waiting.get_mut();
        if let Some(details) = &mut call.details
            && details.id == id
        {
            if details.announce && details.bodies.is_empty() {
                self.events.push_back(Event::Arrived { context });
            }
            details.bodies.push(body);
            return Ok(());
        }
        let right = call.answer_id == id;
        let Call { message, details, tag, .. } = waiting.remove();
        self.events.push_back(match (right, details) {
            (true, None) => Event::Reply { tag, body },
            (true, Some(Details { bodies, .. })) => Event::Details { tag, bodies, end: body },
            (false, _) => Event::Mismatch { tag, message, got: known.name_crc },
        });
        Ok(())
    }
}
