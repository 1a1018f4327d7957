//! What a message is: a name, a CRC over its definition, a kind and typed fields; and the macro that declares one.

use std::fmt;

use bytes::BytesMut;

use crate::codec::{Reader, Wire, Writer};
use crate::error::DecodeError;
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

    /// Any value.
    #[cfg(test)]
    fn arbitrary(source: &mut crate::codec::tests::Source) -> Self;
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
/// VPP's definitions declare it as `rpc x_get returns x_get_reply stream x_details`. Most have a cursor in request and
/// reply: VPP stops after about a millisecond with [`CALL_AGAIN`], and the next call goes on where this one stopped.
/// Source: `REPLY_AND_DETAILS_MACRO` in VPP `src/vlibapi/api_helper_macros.h`.
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

    /// The request for what follows after `reply`; `None` if that was all, or a failure.
    fn following(&self, reply: &Self::Reply) -> Option<Self>;
}

/// `EAGAIN`: more follows after the cursor in the reply to a [`Get`].
pub const CALL_AGAIN: Retval = Retval(-165);

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
    /// `sockclnt_create` alone: `u32 context`, as the client has no index yet.
    Hello,
    /// `sockclnt_create_reply` alone: `u32 client_index`, `u32 context`.
    HelloReply,
}

impl Kind {
    /// Whether the prefix has a client index, right after the message id.
    #[must_use]
    pub const fn has_client_index(self) -> bool {
        matches!(self, Self::Request | Self::Dump | Self::Get | Self::Event | Self::HelloReply)
    }

    /// Whether the prefix has a context, as its last part.
    #[must_use]
    pub const fn has_context(self) -> bool {
        !matches!(self, Self::Event)
    }

    /// Whether clients send it.
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
pub(crate) const fn hex(digits: &str) -> u32 {
    match u32::from_str_radix(digits, 16) {
        Ok(number) => number,
        Err(_) => panic!("a CRC is 8 hexadecimal digits"),
    }
}

/// Declares messages, one entry each: kind, VPP's name, CRC, Rust name, what answers it, and the fields in wire order.
///
/// An entry gives the struct, its [`Message`] impl and the trait of its kind. `reply` puts `retval` in front of the
/// fields; `answer` is a reply that has its result code elsewhere and implements [`Reply`] by hand. `get` names its
/// details after `stream`, and both it and its reply have a field `cursor`. A field may name
/// an [`Adapter`](crate::codec::Adapter) after `as`. All messages of one invocation can be visited.
macro_rules! messages {
    ($(
        $(#[$meta:meta])*
        $kind:ident $name:ident $crc:literal as $ty:ident
        $(=> $answer:ident $(stream $details:ident)?)? $([spare $spare:literal])? {
            $($fields:tt)*
        }
    )*) => {
        $( $crate::message::messages! {
            @$kind $(#[$meta])* $name $crc $ty [$($answer $($details)?)?] [$(const SPARE: usize = $spare;)?] { $($fields)* }
        } )*

        /// Shows every message of this module to `visitor`, in the order of VPP's definition.
        pub(crate) fn visit(visitor: &mut impl $crate::messages::Visitor) {
            $( visitor.visit::<$ty>(); )*
        }
    };

    (@request $(#[$meta:meta])* $name:ident $crc:literal $ty:ident [$reply:ident] $extra:tt $fields:tt) => {
        $crate::message::messages! { @define Request $(#[$meta])* $name $crc $ty $extra [] $fields }
        impl $crate::message::Request for $ty {
            type Reply = $reply;
        }
    };
    (@hello $(#[$meta:meta])* $name:ident $crc:literal $ty:ident [$reply:ident] $extra:tt $fields:tt) => {
        $crate::message::messages! { @define Hello $(#[$meta])* $name $crc $ty $extra [] $fields }
    };
    (@dump $(#[$meta:meta])* $name:ident $crc:literal $ty:ident [$details:ident] $extra:tt $fields:tt) => {
        $crate::message::messages! { @define Dump $(#[$meta])* $name $crc $ty $extra [] $fields }
        impl $crate::message::Dump for $ty {
            type Details = $details;
        }
    };
    (@get $(#[$meta:meta])* $name:ident $crc:literal $ty:ident [$reply:ident $details:ident] $extra:tt $fields:tt) => {
        $crate::message::messages! { @define Get $(#[$meta])* $name $crc $ty $extra [] $fields }
        impl $crate::message::Get for $ty {
            type Details = $details;
            type Reply = $reply;

            fn following(&self, reply: &$reply) -> Option<Self> {
                (reply.retval == $crate::message::CALL_AGAIN).then(|| {
                    let mut next = self.clone();
                    next.cursor = reply.cursor;
                    next
                })
            }
        }
    };
    (@reply $(#[$meta:meta])* $name:ident $crc:literal $ty:ident [] $extra:tt { $($fields:tt)* }) => {
        $crate::message::messages! { @define Reply $(#[$meta])* $name $crc $ty $extra [retval] {
            /// Result code. Not serialised: in a log it stands beside the fields.
            #[cfg_attr(feature = "serde", serde(skip))]
            retval: $crate::types::Retval,
            $($fields)*
        } }
        impl $crate::message::Reply for $ty {
            fn retval(&self) -> $crate::types::Retval {
                self.retval
            }
        }
    };
    (@answer $(#[$meta:meta])* $name:ident $crc:literal $ty:ident [] $extra:tt $fields:tt) => {
        $crate::message::messages! { @define Reply $(#[$meta])* $name $crc $ty $extra [result] $fields }
    };
    (@hello_reply $(#[$meta:meta])* $name:ident $crc:literal $ty:ident [] $extra:tt $fields:tt) => {
        $crate::message::messages! { @define HelloReply $(#[$meta])* $name $crc $ty $extra [result] $fields }
    };
    (@details $(#[$meta:meta])* $name:ident $crc:literal $ty:ident [] $extra:tt $fields:tt) => {
        $crate::message::messages! { @define Details $(#[$meta])* $name $crc $ty $extra [] $fields }
    };
    (@event $(#[$meta:meta])* $name:ident $crc:literal $ty:ident [] $extra:tt $fields:tt) => {
        $crate::message::messages! { @define Event $(#[$meta])* $name $crc $ty $extra [] $fields }
        impl $crate::message::Event for $ty {}
    };

    (@define $kind:ident $(#[$meta:meta])* $name:ident $crc:literal $ty:ident [$($extra:tt)*] [$($status:ident)?] {
        $( $(#[$field_meta:meta])* $field:ident : $field_ty:ty $(as $adapter:ty)? ),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize))]
        pub struct $ty {
            $( $(#[$field_meta])* pub $field: $field_ty, )*
        }

        impl $crate::message::Message for $ty {
            const NAME: &'static str = stringify!($name);
            const CRC: u32 = $crate::message::hex($crc);
            const NAME_CRC: &'static str = concat!(stringify!($name), "_", $crc);
            const KIND: $crate::message::Kind = $crate::message::Kind::$kind;
            $($extra)*

            fn decode(_reader: &mut $crate::codec::Reader<'_>) -> Result<Self, $crate::error::DecodeError> {
                Ok(Self {
                    $( $field: <$crate::codec::adapter!($($adapter)?) as $crate::codec::Adapter<$field_ty>>::decode(
                        _reader,
                        const { $crate::codec::field_name(stringify!($field)) },
                    )?, )*
                })
            }

            fn encode(&self, _writer: &mut $crate::codec::Writer<'_>) {
                $( <$crate::codec::adapter!($($adapter)?) as $crate::codec::Adapter<$field_ty>>::encode(
                    &self.$field,
                    _writer,
                ); )*
            }

            #[cfg(test)]
            fn arbitrary(_source: &mut $crate::codec::tests::Source) -> Self {
                Self { $( $field: <$field_ty as $crate::codec::Wire>::arbitrary(_source), )* }
            }

            $( fn status(&self) -> Option<$crate::types::Retval> {
                Some($crate::message::messages!(@status $status self))
            } )?
        }
    };
    (@status retval $self:ident) => { $self.retval };
    (@status result $self:ident) => { $crate::message::Reply::retval($self) };
}
pub(crate) use messages;

#[cfg(test)]
mod tests;
