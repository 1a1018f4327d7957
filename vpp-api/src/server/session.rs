//! One client's connection, seen from VPP.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use super::{AnyRequest, ServedTable};
use crate::codec::Reader;
use crate::error::FrameError;
use crate::frame::{DEFAULT_MAX_LEN, FrameDecoder, encode_frame};
use crate::message::{Envelope, Event, Kind, Message, encode_body, message_id};

/// One client's connection: bytes in, requests out, replies in, bytes out.
///
/// After [`handle_bytes`](Self::handle_bytes) call [`poll_request`](Self::poll_request) until `None`, answer, and send
/// what [`take_output`](Self::take_output) gives. Requests come in the order in which they were sent, and as in VPP
/// none has to be answered.
///
/// The session itself answers `sockclnt_create`, as often as it is sent, and yields it all the same. As VPP it takes
/// requests before that and does not compare client indices.
///
/// ```
/// use std::sync::Arc;
/// use vpp_api::connection::{Config, Connection, Handshake};
/// use vpp_api::server::{AnyRequest, ServedTable, Session};
///
/// let mut session = Session::new(Arc::new(ServedTable::of_this_crate(1)), 0x8000_0001);
/// let mut handshake = Handshake::new(Config::default());
/// session.handle_bytes(&handshake.poll_transmit().expect("sockclnt_create"));
/// let hello = session.poll_request()?.expect("all of it");
/// assert!(matches!(hello.request, AnyRequest::SockclntCreate(_)));
///
/// let connection: Option<Connection<()>> = handshake.handle_bytes(&session.take_output())?;
/// assert_eq!(connection.expect("all of the answer").client_index(), session.client_index());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Session {
    table: Arc<ServedTable>,
    client_index: u32,
    decoder: FrameDecoder,
    out: BytesMut,
}

impl Session {
    /// Serves `table` to the client that will be told it is `client_index`: `0x8000_0000` plus a slot from 1 on.
    #[must_use]
    pub fn new(table: Arc<ServedTable>, client_index: u32) -> Self {
        Self { table, client_index, decoder: FrameDecoder::new(DEFAULT_MAX_LEN), out: BytesMut::new() }
    }

    /// Takes in bytes from the client, in pieces of any size.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        self.decoder.extend(bytes);
    }

    /// The next whole request; `None` when more bytes are needed.
    ///
    /// Read as VPP reads: extra bytes are ignored, a body that is too short or unknown is a variant of
    /// [`AnyRequest`] and no error.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use vpp_api::server::{AnyRequest, ServedTable, Session};
    ///
    /// let mut session = Session::new(Arc::new(ServedTable::of_this_crate(1)), 0x8000_0001);
    /// // A frame of two bytes: id 23, `control_ping`, and nothing behind it.
    /// session.handle_bytes(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 23]);
    /// let incoming = session.poll_request()?.expect("all of it");
    /// assert!(matches!(incoming.request, AnyRequest::Truncated { name: "control_ping", .. }));
    /// assert_eq!(session.poll_request()?, None);
    /// # Ok::<_, vpp_api::server::SessionError>(())
    /// ```
    ///
    /// # Errors
    /// [`SessionError`] if a header announces more than 64 MiB. VPP would wait for them for ever; close the
    /// connection instead.
    pub fn poll_request(&mut self) -> Result<Option<Incoming>, SessionError> {
        let Some(body) = self.decoder.next_frame()? else {
            return Ok(None);
        };
        let incoming = self.read(body);
        if let AnyRequest::SockclntCreate(_) = incoming.request {
            let welcome = self.table.welcome(self.client_index);
            // Its id is 16 in every table, and its 66 bytes a message are far below the limit.
            let _ = self.send(Envelope { client_index: 0, context: incoming.context }, &welcome);
        }
        Ok(Some(incoming))
    }

    /// Puts a reply or one element of a dump into the output.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use vpp_api::messages::lb::{LbConfGetReply, LbConfReply};
    /// use vpp_api::server::{NotServed, ServedTable, Session};
    ///
    /// let before_26_10 = ServedTable::new(["lb_conf_56cd3261", "lb_conf_reply_e8d4e804"], 1);
    /// let mut session = Session::new(Arc::new(before_26_10), 0x8000_0001);
    /// assert_eq!(session.reply(7, &LbConfReply::default()), Ok(()));
    /// let absent = session.reply(8, &LbConfGetReply::default());
    /// assert_eq!(absent, Err(NotServed { name_crc: "lb_conf_get_reply_923427ac" }));
    /// ```
    ///
    /// # Errors
    /// [`NotServed`] if the table lacks `M`; nothing is sent.
    pub fn reply<M: Message>(&mut self, context: u32, message: &M) -> Result<(), NotServed> {
        self.send(Envelope { client_index: 0, context }, message)
    }

    /// Puts an event into the output.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use vpp_api::messages::interface::SwInterfaceEvent;
    /// use vpp_api::server::{ServedTable, Session};
    ///
    /// let mut session = Session::new(Arc::new(ServedTable::of_this_crate(1)), 0x8000_0001);
    /// session.event(&SwInterfaceEvent { deleted: true, ..SwInterfaceEvent::default() })?;
    /// assert_eq!(session.take_output().len(), 16 + 19);
    /// # Ok::<_, vpp_api::server::NotServed>(())
    /// ```
    ///
    /// # Errors
    /// [`NotServed`] if the table lacks `M`; nothing is sent.
    pub fn event<M: Event>(&mut self, message: &M) -> Result<(), NotServed> {
        self.send(Envelope { client_index: self.client_index, context: 0 }, message)
    }

    /// Everything to send since the last time; may be empty.
    #[must_use]
    pub fn take_output(&mut self) -> Bytes {
        self.out.split().freeze()
    }

    /// The output, for those who want to break it: header and body of one frame after the other. Remember the length
    /// before a reply to know where its frame begins.
    ///
    /// ```
    /// use vpp_api::message::Message;
    /// use vpp_api::server::{NotServed, Session};
    ///
    /// /// A reply that lacks its last byte, and whose header tells nothing of it.
    /// fn broken<M: Message>(session: &mut Session, context: u32, reply: &M) -> Result<(), NotServed> {
    ///     session.reply(context, reply)?;
    ///     let len = session.raw_output().len();
    ///     session.raw_output().truncate(len - 1);
    ///     Ok(())
    /// }
    /// ```
    pub fn raw_output(&mut self) -> &mut BytesMut {
        &mut self.out
    }

    /// What is served.
    #[must_use]
    pub fn table(&self) -> &Arc<ServedTable> {
        &self.table
    }

    /// The index this client was given.
    #[must_use]
    pub fn client_index(&self) -> u32 {
        self.client_index
    }

    fn read(&self, body: Bytes) -> Incoming {
        // VPP reads an id from beyond a body without one, normally 0.
        let id = message_id(&body).unwrap_or(0);
        let (Envelope { client_index, context }, request) = match self.table.decoder(id) {
            Some(decode) => decode(&body),
            None => {
                let name = self.table.table().name(id).map(str::to_owned);
                (envelope(&body), AnyRequest::Unknown { id, name, body })
            }
        };
        Incoming { context, client_index, request }
    }

    fn send<M: Message>(&mut self, envelope: Envelope, message: &M) -> Result<(), NotServed> {
        let id = self.table.table().id(M::NAME_CRC).ok_or(NotServed { name_crc: M::NAME_CRC })?;
        // VPP has no limit of its own, and the header's cannot be reached by what fits into memory here.
        let _ = encode_frame(&mut self.out, u32::MAX as usize, |out| encode_body(id, envelope, message, out));
        Ok(())
    }
}

/// One message from a client.
///
/// ```
/// use vpp_api::messages::memclnt::ControlPingReply;
/// use vpp_api::server::{Incoming, NotServed, Session};
/// use vpp_api::types::Retval;
///
/// /// Whatever it asks.
/// fn pong(session: &mut Session, incoming: &Incoming) -> Result<(), NotServed> {
///     let client_index = session.client_index();
///     session.reply(incoming.context, &ControlPingReply { retval: Retval::OK, client_index, vpe_pid: 1 })
/// }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Incoming {
    /// To be copied into every answer; 0 if the message is too short to have one.
    pub context: u32,
    /// What the client claims to be; 0 if the message is too short or has none. VPP routes the reply by it.
    pub client_index: u32,
    /// The message.
    pub request: AnyRequest,
}

/// The client's stream cannot be followed any more.
///
/// ```
/// use std::sync::Arc;
/// use vpp_api::error::FrameError;
/// use vpp_api::server::{ServedTable, Session, SessionError};
///
/// let mut session = Session::new(Arc::new(ServedTable::of_this_crate(1)), 0x8000_0001);
/// session.handle_bytes(&[0xff; 16]);
/// let outcome = session.poll_request();
/// assert!(matches!(outcome, Err(SessionError::Frame(FrameError::Oversized { .. }))));
/// ```
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SessionError {
    /// A frame header was nonsense.
    #[error("bad frame header")]
    Frame(#[from] FrameError),
}

/// The served table has no such message: a stand-in for an older release was asked for something newer.
///
/// ```
/// use vpp_api::server::NotServed;
///
/// let error = NotServed { name_crc: "lb_conf_get_reply_923427ac" };
/// assert_eq!(error.to_string(), "lb_conf_get_reply_923427ac is not served");
/// ```
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("{name_crc} is not served")]
pub struct NotServed {
    /// Name and CRC.
    pub name_crc: &'static str,
}

/// The prefix of a request that cannot be read as one, as far as there is any.
pub(super) fn envelope(body: &[u8]) -> Envelope {
    let mut reader = Reader::new(body.get(2..).unwrap_or_default());
    Envelope::decode(Kind::Request, &mut reader).unwrap_or_default()
}
