//! What a message is: a name, a CRC over its definition, a kind and typed fields. [`messages!`](crate::messages!)
//! declares them.
//!
//! ```
//! use bytes::BytesMut;
//! use vpp_api::message::{Envelope, Message, decode_body, encode_body};
//! use vpp_api::messages::lb::LbConfReply;
//! use vpp_api::types::Retval;
//!
//! assert_eq!(LbConfReply::NAME_CRC, "lb_conf_reply_e8d4e804");
//!
//! // The id is from the message table of the connection, the context from the request.
//! let (id, envelope) = (58, Envelope { client_index: 0, context: 7 });
//! let mut body = BytesMut::new();
//! encode_body(id, envelope, &LbConfReply { retval: Retval::OK }, &mut body);
//! assert_eq!(&body[..], [0, 58, 0, 0, 0, 7, 0, 0, 0, 0]);
//! assert_eq!(decode_body::<LbConfReply>(&body)?, (envelope, LbConfReply { retval: Retval::OK }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use bytes::BytesMut;

use crate::codec::{Reader, Wire, Writer};
use crate::error::DecodeError;
use crate::schema::{Field, Service};
use crate::types::Retval;

/// One message of VPP's API.
///
/// The fields of the type are those that follow the common prefix (message id, client index, context), which
/// [`Kind`] describes and [`Envelope`] carries.
///
/// ```
/// use vpp_api::message::{Kind, Message};
/// use vpp_api::messages::lb::LbConf;
///
/// assert_eq!((LbConf::NAME, LbConf::CRC), ("lb_conf", 0x56cd_3261));
/// assert_eq!(LbConf::NAME_CRC, "lb_conf_56cd3261");
/// assert_eq!(LbConf::KIND, Kind::Request);
/// assert_eq!(LbConf::FIELDS[0].name, "ip4_src_address");
/// ```
pub trait Message: Clone + fmt::Debug + Eq + Send + Sync + Sized + 'static {
    /// Name in VPP's `.api` file, such as `lb_conf`.
    const NAME: &'static str;
    /// CRC over the definition: the same CRC is the same layout.
    const CRC: u32;
    /// The key of the message table, such as `lb_conf_56cd3261`.
    const NAME_CRC: &'static str;
    /// Who sends it and what stands in front of the fields.
    const KIND: Kind;
    /// The fields as VPP's definition has them, counts of arrays included.
    const FIELDS: &'static [Field];
    /// What answers it, if clients send it.
    const SERVICE: Option<Service> = None;
    /// Bytes that VPP may send after the last field; 0 but for `get_api_json_reply`.
    const SPARE: usize = 0;

    /// Reads the fields, leaving what follows them.
    ///
    /// # Errors
    /// [`DecodeError`] if the body ends too soon.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Appends the fields.
    fn encode(&self, writer: &mut Writer<'_>);

    /// The result code, for messages that carry one.
    ///
    /// ```
    /// use vpp_api::message::Message;
    /// use vpp_api::messages::lb::{LbConf, LbConfReply};
    /// use vpp_api::types::Retval;
    ///
    /// /// One line for a log, whatever the message.
    /// fn line<M: Message>(message: &M) -> String {
    ///     let status = message.status().map(|retval| format!(": {retval}"));
    ///     format!("{}{}", M::NAME, status.unwrap_or_default())
    /// }
    ///
    /// assert_eq!(line(&LbConf::default()), "lb_conf");
    /// assert_eq!(line(&LbConfReply { retval: Retval(-1) }), "lb_conf_reply: -1 UNSPECIFIED (Unspecified Error)");
    /// ```
    fn status(&self) -> Option<Retval> {
        None
    }
}

/// A message that VPP answers with exactly one reply.
///
/// ```
/// use vpp_api::connection::{Connection, StartError};
/// use vpp_api::message::{Message, Request};
///
/// /// Calls with the names of both, for a log.
/// fn call<R: Request>(connection: &mut Connection<String>, request: &R) -> Result<u32, StartError> {
///     connection.call(request, format!("{} => {}", R::NAME, R::Reply::NAME))
/// }
/// ```
pub trait Request: Message {
    /// The reply.
    type Reply: Reply;
}

/// The answer to a [`Request`].
///
/// ```
/// use vpp_api::message::Reply;
///
/// /// One line for a log.
/// fn outcome<R: Reply>(reply: &R) -> String {
///     format!("{} {}", R::NAME, reply.retval())
/// }
///
/// let reply = vpp_api::messages::lb::LbConfReply::default();
/// assert_eq!(outcome(&reply), "lb_conf_reply 0 OK (Success)");
/// ```
pub trait Reply: Message {
    /// The result code.
    fn retval(&self) -> Retval;

    /// What a person should read with a refusal.
    fn text(&self) -> Option<String> {
        None
    }
}

/// A message that VPP answers with any number of details and no end mark: `control_ping` finds the end.
///
/// ```
/// use vpp_api::error::DecodeError;
/// use vpp_api::message::{Dump, decode_body};
///
/// /// The elements, out of the bodies that [`Event::Details`](vpp_api::connection::Event::Details) has.
/// fn details<D: Dump>(bodies: &[bytes::Bytes]) -> Result<Vec<D::Details>, DecodeError> {
///     bodies.iter().map(|body| Ok(decode_body(body)?.1)).collect()
/// }
/// ```
pub trait Dump: Message {
    /// One element of the answer.
    type Details: Message;
}

/// A message that VPP answers with any number of details and then one reply, which may ask to be called again.
///
/// VPP's definitions declare it as `rpc x_get returns x_get_reply stream x_details`. All of VPP 25.10 and 26.10 have a
/// cursor in request and reply: VPP stops after about a millisecond with [`CALL_AGAIN`], and the next call goes on where
/// this one stopped. One that is declared without a cursor is answered in one part: the same request would begin anew,
/// so that `CALL_AGAIN` is a refusal there. Source: `REPLY_AND_DETAILS_MACRO` in VPP `src/vlibapi/api_helper_macros.h`.
///
/// ```
/// use vpp_api::message::Get;
///
/// /// How many calls it takes to get all of it, when VPP answers with `replies`.
/// fn calls<G: Get>(request: &G, replies: &[G::Reply]) -> usize {
///     replies.iter().take_while(|reply| request.following(reply).is_some()).count() + 1
/// }
/// ```
pub trait Get: Message {
    /// One element of the answer.
    type Details: Message;
    /// What ends the answer, or this part of it.
    type Reply: Reply;

    /// The request for what follows after `reply`; `None` if that was all, or a failure, or without a cursor.
    fn following(&self, reply: &Self::Reply) -> Option<Self>;
}

/// `EAGAIN`: more follows after the cursor in the reply to a [`Get`].
///
/// ```
/// use vpp_api::message::{CALL_AGAIN, Reply};
///
/// /// What a reply to a get means: `Some` is the end, good or bad.
/// fn end<R: Reply>(reply: &R) -> Option<Result<(), String>> {
///     match reply.retval() {
///         CALL_AGAIN => None,
///         retval => Some(if retval.is_ok() { Ok(()) } else { Err(retval.to_string()) }),
///     }
/// }
///
/// # use vpp_api::{messages::lb::LbConfReply, types::Retval};
/// # let reply = |retval| LbConfReply { retval };
/// assert_eq!(end(&reply(CALL_AGAIN)), None);
/// assert_eq!(end(&reply(Retval::OK)), Some(Ok(())));
/// assert!(!CALL_AGAIN.is_ok(), "a negative number, though nothing went wrong");
/// ```
pub const CALL_AGAIN: Retval = Retval(-165);

/// A message that VPP does not answer: `service { rpc x returns null; }` in its definitions.
///
/// ```
/// use vpp_api::connection::{Connection, StartError};
/// use vpp_api::message::Oneway;
/// use vpp_api::messages::memclnt::ControlPing;
///
/// /// The answer comes when VPP has handled `message`: it handles what a client sends in order.
/// fn send_and_ping<M: Oneway, T>(connection: &mut Connection<T>, message: &M, tag: T) -> Result<u32, StartError> {
///     connection.send(message)?;
///     connection.call(&ControlPing {}, tag)
/// }
/// ```
pub trait Oneway: Message {}

/// A message that VPP sends by itself after it was asked to.
///
/// ```
/// use vpp_api::error::Absent;
/// use vpp_api::message::Event;
/// use vpp_api::messages::interface::SwInterfaceEvent;
/// use vpp_api::table::MessageTable;
///
/// /// Whether VPP can send it.
/// fn is_there<E: Event>(table: &MessageTable) -> Result<(), Absent> {
///     table.id_of::<E>().map(drop)
/// }
/// assert!(is_there::<SwInterfaceEvent>(&MessageTable::default()).is_err());
/// ```
pub trait Event: Message {}

/// Who sends a message, and with it the layout of the common prefix after the `u16` message id.
///
/// ```
/// use vpp_api::message::Kind;
///
/// assert!(Kind::Dump.is_from_client() && Kind::Dump.has_client_index() && Kind::Dump.has_context());
/// assert!(Kind::Reply.has_context() && !Kind::Reply.has_client_index());
/// assert!(!Kind::Event.has_context(), "nobody asked for it");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// Client to VPP, one reply: `u32 client_index`, `u32 context`.
    Request,
    /// Client to VPP, many details: as [`Kind::Request`].
    Dump,
    /// Client to VPP, many details and one reply: as [`Kind::Request`].
    Get,
    /// VPP to client: `u32 context`. A result code follows as the first field.
    Reply,
    /// VPP to client: `u32 context`.
    Details,
    /// VPP to client, unasked: `u32 client_index`, no context.
    Event,
    /// Client to VPP: `u32 context`, as the client has no index yet. `sockclnt_create`, and two of shared memory's.
    Hello,
    /// `sockclnt_create_reply` alone: `u32 client_index`, `u32 context`.
    HelloReply,
    /// As [`Kind::Reply`] with a `u32 client_index` before the context, as a few definitions have it.
    IndexedReply,
    /// As [`Kind::Details`] with a `u32 client_index` before the context, as a few definitions have it.
    IndexedDetails,
    /// Neither client index nor context, whoever sends it. Cannot be matched to a call.
    Bare,
}

impl Kind {
    /// Whether the prefix has a client index, right after the message id.
    #[must_use]
    pub const fn has_client_index(self) -> bool {
        matches!(
            self,
            Self::Request
                | Self::Dump
                | Self::Get
                | Self::Event
                | Self::HelloReply
                | Self::IndexedReply
                | Self::IndexedDetails
        )
    }

    /// Whether the prefix has a context, as its last part.
    #[must_use]
    pub const fn has_context(self) -> bool {
        !matches!(self, Self::Event | Self::Bare)
    }

    /// Whether clients send it. Of [`Kind::Bare`] that is not known, and not said.
    #[must_use]
    pub const fn is_from_client(self) -> bool {
        matches!(self, Self::Request | Self::Dump | Self::Get | Self::Hello)
    }
}

/// The common prefix without the message id. What a [`Kind`] lacks is 0 when decoded and not encoded.
///
/// ```
/// use vpp_api::codec::Reader;
/// use vpp_api::message::{Envelope, Kind};
///
/// let envelope = Envelope::decode(Kind::Reply, &mut Reader::new(&[0, 0, 0, 7]))?;
/// assert_eq!(envelope, Envelope { client_index: 0, context: 7 });
/// # Ok::<_, vpp_api::error::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Envelope {
    /// The client, as `sockclnt_create_reply` named it.
    pub client_index: u32,
    /// Copied by VPP from a request into all that answers it.
    pub context: u32,
}

impl Envelope {
    /// Reads the prefix of a `kind` behind the message id.
    ///
    /// ```
    /// use vpp_api::codec::Reader;
    /// use vpp_api::message::{Envelope, Kind};
    ///
    /// let mut reader = Reader::new(&[0, 0, 0, 1, 0, 0, 0, 7]);
    /// let envelope = Envelope::decode(Kind::Request, &mut reader)?;
    /// assert_eq!((envelope.client_index, envelope.context), (1, 7));
    /// # Ok::<_, vpp_api::error::DecodeError>(())
    /// ```
    ///
    /// # Errors
    /// [`DecodeError::Short`] if the body ends inside it.
    pub fn decode(kind: Kind, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut envelope = Self::default();
        if kind.has_client_index() {
            envelope.client_index = u32::decode(reader, "client_index")?;
        }
        if kind.has_context() {
            envelope.context = u32::decode(reader, "context")?;
        }
        Ok(envelope)
    }

    /// Appends the prefix of a `kind`.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use vpp_api::codec::Writer;
    /// use vpp_api::message::{Envelope, Kind};
    ///
    /// let mut out = BytesMut::new();
    /// Envelope { client_index: 1, context: 7 }.encode(Kind::Details, &mut Writer::new(&mut out));
    /// assert_eq!(&out[..], [0, 0, 0, 7], "details have no client index");
    /// ```
    pub fn encode(&self, kind: Kind, writer: &mut Writer<'_>) {
        if kind.has_client_index() {
            self.client_index.encode(writer);
        }
        if kind.has_context() {
            self.context.encode(writer);
        }
    }
}

/// The message id of a body, if it is long enough to have one.
///
/// ```
/// use vpp_api::message::message_id;
///
/// assert_eq!(message_id(&[0, 23, 0, 0, 0, 7]), Some(23));
/// assert_eq!(message_id(&[0]), None);
/// ```
#[must_use]
pub fn message_id(body: &[u8]) -> Option<u16> {
    body.first_chunk().map(|id| u16::from_be_bytes(*id))
}

/// Appends a body: message id, prefix, fields.
///
/// ```
/// use bytes::BytesMut;
/// use vpp_api::message::{Envelope, encode_body};
/// use vpp_api::messages::memclnt::ControlPing;
///
/// let mut body = BytesMut::new();
/// encode_body(23, Envelope { client_index: 1, context: 7 }, &ControlPing {}, &mut body);
/// assert_eq!(&body[..], [0, 23, 0, 0, 0, 1, 0, 0, 0, 7]);
/// ```
pub fn encode_body<M: Message>(id: u16, envelope: Envelope, message: &M, out: &mut BytesMut) {
    let mut writer = Writer::new(out);
    id.encode(&mut writer);
    envelope.encode(M::KIND, &mut writer);
    message.encode(&mut writer);
}

/// Reads a body strictly: every byte has to belong to the message. The message id is skipped, not compared.
///
/// ```
/// use vpp_api::message::decode_body;
/// use vpp_api::messages::lb::LbConfReply;
///
/// let body = [0, 58, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xba];
/// let (envelope, reply) = decode_body::<LbConfReply>(&body)?;
/// assert_eq!((envelope.context, reply.retval.0), (7, -70));
/// # Ok::<_, vpp_api::error::DecodeError>(())
/// ```
///
/// # Errors
/// [`DecodeError`] if the body is shorter or longer than the message.
pub fn decode_body<M: Message>(body: &[u8]) -> Result<(Envelope, M), DecodeError> {
    let mut reader = Reader::new(body);
    let decoded = decode_front(&mut reader)?;
    if reader.left() > M::SPARE {
        reader.finish()?;
    }
    Ok(decoded)
}

/// Reads a body as VPP does: what follows the last field is ignored.
///
/// ```
/// use vpp_api::message::{decode_body, decode_body_lenient};
/// use vpp_api::messages::memclnt::ControlPing;
///
/// let body = [0, 23, 0, 0, 0, 1, 0, 0, 0, 7, 0xff];
/// assert!(decode_body::<ControlPing>(&body).is_err());
/// assert!(decode_body_lenient::<ControlPing>(&body).is_ok());
/// ```
///
/// # Errors
/// [`DecodeError::Short`] if the body is shorter than the message.
pub fn decode_body_lenient<M: Message>(body: &[u8]) -> Result<(Envelope, M), DecodeError> {
    decode_front(&mut Reader::new(body))
}

fn decode_front<M: Message>(reader: &mut Reader<'_>) -> Result<(Envelope, M), DecodeError> {
    u16::decode(reader, "message id")?;
    Ok((Envelope::decode(M::KIND, reader)?, M::decode(reader)?))
}

/// The number behind 8 hexadecimal digits.
#[doc(hidden)]
#[must_use]
pub const fn hex(digits: &str) -> u32 {
    match u32::from_str_radix(digits, 16) {
        Ok(number) => number,
        Err(_) => panic!("a CRC is 8 hexadecimal digits"),
    }
}

#[cfg(test)]
mod tests;
