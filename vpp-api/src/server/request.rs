//! Any request at all, decoded as VPP would.

use bytes::{Bytes, BytesMut};

use crate::codec::{Reader, Writer};
use crate::error::DecodeError;
use crate::message::{Envelope, Message, decode_body_lenient};
use crate::messages::interface::{SwInterfaceDump, WantInterfaceEvents};
use crate::messages::ip::{IpRouteLookup, IpRouteLookupV2};
use crate::messages::lb::{
    LbAddDelAs, LbAddDelAsV2, LbAddDelIntfNat4, LbAddDelIntfNat6, LbAddDelVip, LbAddDelVipV2, LbAsDump, LbAsSetWeight,
    LbAsV2Dump, LbConf, LbConfGet, LbFlushVip, LbVipDump,
};
use crate::messages::memclnt::{
    ApiVersions, ControlPing, GetApiJson, GetFirstMsgId, MemclntKeepalive, SockclntCreate, SockclntDelete,
};
use crate::messages::vlib::CliInband;
use crate::messages::vpe::{ShowVersion, ShowVpeSystemTime};

/// Turns a body into a request of one type.
pub(super) type Decoder = fn(&[u8]) -> (Envelope, AnyRequest);

macro_rules! any_request {
    ($($ty:ident),* $(,)?) => {
        /// A request, of whichever type.
        ///
        /// ```
        /// use vpp_api::messages::lb::LbConfGet;
        /// use vpp_api::server::AnyRequest;
        ///
        /// /// Whether it changes anything.
        /// fn is_write(request: &AnyRequest) -> bool {
        ///     use AnyRequest::{LbAddDelAs, LbAddDelAsV2, LbAddDelVip, LbAddDelVipV2, LbAsSetWeight, LbConf};
        ///
        ///     matches!(
        ///         request,
        ///         LbConf(_) | LbAddDelVip(_) | LbAddDelVipV2(_) | LbAddDelAs(_) | LbAddDelAsV2(_) | LbAsSetWeight(_)
        ///     )
        /// }
        ///
        /// let request = AnyRequest::from(LbConfGet {});
        /// assert_eq!(request.name(), "lb_conf_get");
        /// assert!(!is_write(&request));
        /// ```
        #[derive(Clone, Debug, Eq, PartialEq)]
        #[non_exhaustive]
        pub enum AnyRequest {
            $(
                #[doc = concat!("A [`", stringify!($ty), "`].")]
                $ty($ty),
            )*
            /// A message this crate has no type for, or one that clients do not send. VPP logs a line and says
            /// nothing, unless it knows the message better.
            Unknown {
                /// The message id the client used.
                id: u16,
                /// Name and CRC under that id, if there is one.
                name: Option<String>,
                /// All of it, from the message id on.
                body: Bytes,
            },
            /// A message too short for its fields. VPP logs a line and says nothing.
            Truncated {
                /// Name of the message.
                name: &'static str,
                /// Where it ends.
                source: DecodeError,
            },
        }

        impl AnyRequest {
            /// Name without CRC; empty for an id that no message has.
            #[must_use]
            pub fn name(&self) -> &str {
                match self {
                    $( Self::$ty(_) => $ty::NAME, )*
                    Self::Unknown { name, .. } => {
                        name.as_deref().and_then(|name| name.rsplit_once('_')).map_or("", |(name, _)| name)
                    }
                    Self::Truncated { name, .. } => name,
                }
            }

            /// The request as an `M`: any message, also one that its user declared. `None` if it is another one.
            ///
            /// ```
            /// use vpp_api::messages::memclnt::ControlPing;
            /// use vpp_api::messages::vpe::ShowVersion;
            /// use vpp_api::server::AnyRequest;
            ///
            /// let request = AnyRequest::from(ControlPing {});
            /// assert_eq!(request.read::<ControlPing>(), Some(Ok(ControlPing {})));
            /// assert_eq!(request.read::<ShowVersion>(), None);
            /// ```
            ///
            /// # Errors
            /// [`DecodeError::Short`] if it is an `M` and too short for one. VPP logs a line and says nothing.
            #[must_use]
            pub fn read<M: Message>(&self) -> Option<Result<M, DecodeError>> {
                match self {
                    // A type of the same name and CRC that somebody else declared has the same bytes.
                    $( Self::$ty(request) => (M::NAME_CRC == $ty::NAME_CRC).then(|| copy(request)), )*
                    Self::Unknown { name, body, .. } => (name.as_deref() == Some(M::NAME_CRC))
                        .then(|| decode_body_lenient(body).map(|(_, request)| request)),
                    Self::Truncated { name, source } => (*name == M::NAME).then(|| Err(source.clone())),
                }
            }

            /// How to read the message with this name and CRC, if it is one that clients send.
            pub(super) fn decoder(name_crc: &str) -> Option<Decoder> {
                match name_crc {
                    $( $ty::NAME_CRC => Some(|body| decode(body, Self::$ty)), )*
                    _ => None,
                }
            }
        }

        $(
            impl From<$ty> for AnyRequest {
                fn from(request: $ty) -> Self {
                    Self::$ty(request)
                }
            }
        )*

        #[cfg(feature = "serde")]
        impl serde::Serialize for AnyRequest {
            /// The fields as an object; of an unknown message the id and the bytes in hexadecimal.
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeStruct;

                match self {
                    $( Self::$ty(request) => request.serialize(serializer), )*
                    Self::Unknown { id, body, .. } => {
                        let mut fields = serializer.serialize_struct("Unknown", 2)?;
                        fields.serialize_field("id", id)?;
                        fields.serialize_field("body", &format_args!("{body:02x}"))?;
                        fields.end()
                    }
                    Self::Truncated { source, .. } => {
                        let mut fields = serializer.serialize_struct("Truncated", 1)?;
                        fields.serialize_field("truncated", &format_args!("{source}"))?;
                        fields.end()
                    }
                }
            }
        }
    };
}

// Every message of kind request, dump or hello: a test compares this list with the declarations.
any_request! {
    GetFirstMsgId,
    ApiVersions,
    SockclntCreate,
    SockclntDelete,
    MemclntKeepalive,
    ControlPing,
    GetApiJson,
    ShowVersion,
    ShowVpeSystemTime,
    CliInband,
    IpRouteLookup,
    IpRouteLookupV2,
    LbConf,
    LbConfGet,
    LbAddDelVip,
    LbAddDelVipV2,
    LbAddDelAs,
    LbAddDelAsV2,
    LbAsSetWeight,
    LbFlushVip,
    LbVipDump,
    LbAsDump,
    LbAsV2Dump,
    LbAddDelIntfNat4,
    LbAddDelIntfNat6,
    WantInterfaceEvents,
    SwInterfaceDump,
}

fn decode<M: Message>(body: &[u8], wrap: fn(M) -> AnyRequest) -> (Envelope, AnyRequest) {
    match decode_body_lenient::<M>(body) {
        Ok((envelope, request)) => (envelope, wrap(request)),
        Err(source) => (super::session::envelope(body), AnyRequest::Truncated { name: M::NAME, source }),
    }
}

fn copy<M: Message, N: Message>(request: &M) -> Result<N, DecodeError> {
    let mut fields = BytesMut::new();
    request.encode(&mut Writer::new(&mut fields));
    N::decode(&mut Reader::new(&fields))
}
