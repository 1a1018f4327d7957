//! What a message is: a name, a CRC over its definition, a kind and typed fields. [`messages!`](crate::messages!)
//! declares them.

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
    fn status(&self) -> Option<Retval> {
        None
    }
}

/// A message that VPP answers with exactly one reply.
pub trait Request: Message {
    /// The reply.
    type Reply: Reply;
}

/// The answer to a [`Request`].
pub trait Reply: Message {
    /// The result code.
    fn retval(&self) -> Retval;

    /// What a person should read with a refusal.
    fn text(&self) -> Option<String> {
        None
    }
}

/// A message that VPP answers with any number of details and no end mark: `control_ping` finds the end.
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
pub const CALL_AGAIN: Retval = Retval(-165);

/// A message that VPP does not answer: `service { rpc x returns null; }` in its definitions.
///
/// ```
/// use vpp_api::client::Client;
/// use vpp_api::error::CallError;
/// use vpp_api::message::Oneway;
/// use vpp_api::messages::memclnt::ControlPing;
///
/// /// Returns when VPP has handled `message`: it handles what a client sends in order.
/// async fn send_and_wait<M: Oneway>(client: &Client, message: &M) -> Result<(), CallError> {
///     client.send(message)?;
///     client.call(&ControlPing {}).await.map(drop)
/// }
/// ```
pub trait Oneway: Message {}

/// A message that VPP sends by itself after it was asked to.
pub trait Event: Message {}

/// Who sends a message, and with it the layout of the common prefix after the `u16` message id.
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
#[must_use]
pub fn message_id(body: &[u8]) -> Option<u16> {
    body.first_chunk().map(|id| u16::from_be_bytes(*id))
}

/// Appends a body: message id, prefix, fields.
pub fn encode_body<M: Message>(id: u16, envelope: Envelope, message: &M, out: &mut BytesMut) {
    let mut writer = Writer::new(out);
    id.encode(&mut writer);
    envelope.encode(M::KIND, &mut writer);
    message.encode(&mut writer);
}

/// Reads a body strictly: every byte has to belong to the message. The message id is skipped, not compared.
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
