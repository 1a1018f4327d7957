//! Everything that can go wrong, one small type per family of operations.
//!
//! Whose fault it was stays visible: [`DecodeError`] and [`ProtocolError`] blame the peer's bytes,
//! [`CallError::Refused`] is the peer's answer, [`CallError::TooLarge`] is a misuse by the caller.
//!
//! ```
//! use vpp_api::error::CallError;
//!
//! /// What to do after a call that failed.
//! fn advice(error: &CallError) -> &'static str {
//!     match error {
//!         CallError::Refused { .. } => "send something else",
//!         CallError::Absent(_) => "do without it on this VPP",
//!         CallError::TimedOut { .. } | CallError::Disconnected(_) => "connect again and read the state back",
//!         CallError::TooLarge { .. } => "make it smaller",
//!         _ => "report it",
//!     }
//! }
//! # assert_eq!(advice(&CallError::TooLarge { message: "cli_inband", len: 2000, max: 1000 }), "make it smaller");
//! ```

use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io, sync::Arc};

use thiserror::Error;

use crate::types::Retval;

/// A message body does not have the layout its CRC promises. The peer is at fault; a retry gives the same result.
///
/// ```
/// use vpp_api::messages::lb::LbConfReply;
/// use vpp_api::{error::DecodeError, message::decode_body};
///
/// let missing = decode_body::<LbConfReply>(&[0, 58, 0, 0, 0, 1, 0, 0]).unwrap_err();
/// assert_eq!(missing, DecodeError::Short { wanted: "retval", need: 4, left: 2 });
/// assert_eq!(missing.to_string(), "body ends inside `retval`: 4 bytes needed, 2 left");
/// ```
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The body ends inside a field.
    #[error("body ends inside `{wanted}`: {need} bytes needed, {left} left")]
    Short {
        /// Name of the field being read.
        wanted: &'static str,
        /// Bytes the field takes.
        need: usize,
        /// Bytes that were left.
        left: usize,
    },
    /// All fields were read and bytes are left.
    #[error("{count} bytes after the last field")]
    Leftover {
        /// How many bytes are left.
        count: usize,
    },
}

/// A frame header that cannot be followed: the position of the next frame is lost, so the stream is useless.
///
/// ```
/// use vpp_api::error::FrameError;
///
/// let error = FrameError::Oversized { len: 2000, max: 1024 };
/// assert_eq!(error.to_string(), "frame of 2000 bytes, at most 1024 are allowed");
/// ```
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum FrameError {
    /// The header announces more bytes than the reader is willing to hold. Nothing was allocated for them.
    #[error("frame of {len} bytes, at most {max} are allowed")]
    Oversized {
        /// `data_len` of the header.
        len: usize,
        /// The reader's limit.
        max: usize,
    },
}

/// The peer broke the protocol in a way that leaves the connection unusable.
///
/// ```
/// use vpp_api::error::{FrameError, ProtocolError};
///
/// /// Whether a higher limit would have helped.
/// fn is_too_long(error: &ProtocolError) -> bool {
///     matches!(error, ProtocolError::Frame(FrameError::Oversized { .. }))
/// }
/// ```
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A frame header was nonsense.
    #[error("bad frame header")]
    Frame(#[from] FrameError),
    /// A frame too short to hold a message id.
    #[error("frame of {len} bytes holds no message id")]
    NoMessageId {
        /// Length of the body.
        len: usize,
    },
    /// `sockclnt_create_reply` does not decode.
    #[error("malformed sockclnt_create_reply")]
    Handshake(#[source] DecodeError),
    /// A message that the connection itself has to understand does not decode.
    #[error("malformed {message}")]
    Message {
        /// Name of the message.
        message: &'static str,
        /// What was wrong with it.
        #[source]
        source: DecodeError,
    },
    /// VPP did not accept the client.
    #[error("sockclnt_create refused: {0}")]
    Unwelcome(Retval),
}

/// VPP has no message of this name and CRC: its plugin is not loaded, or this release does not know it or knows
/// another layout. Calling again on the same connection never helps.
///
/// ```
/// use vpp_api::error::Absent;
///
/// let absent = Absent { name_crc: "lb_as_v2_dump_1063f819", other: None };
/// assert_eq!(absent.to_string(), "VPP has no message lb_as_v2_dump_1063f819");
/// ```
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub struct Absent {
    /// What was looked for, such as `lb_as_v2_dump_1063f819`.
    pub name_crc: &'static str,
    /// The same name with another CRC, if the table has one: then the layout differs.
    pub other: Option<String>,
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VPP has no message {}", self.name_crc)?;
        match &self.other {
            Some(other) => write!(f, ", only {other}, whose layout differs"),
            None => Ok(()),
        }
    }
}

/// Why a connection ended. Every call in flight ends with the same reason.
///
/// ```
/// use vpp_api::error::Disconnect;
///
/// /// Whether somebody should look at it: VPP restarts, and clients close.
/// fn is_odd(reason: &Disconnect) -> bool {
///     !matches!(reason, Disconnect::Eof | Disconnect::Closed)
/// }
/// ```
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Disconnect {
    /// Reading or writing the socket failed.
    #[error("the API socket failed")]
    Io(#[source] Arc<io::Error>),
    /// VPP closed the connection.
    #[error("VPP closed the API connection")]
    Eof,
    /// Calls were outstanding and nothing at all arrived for this long.
    #[error("nothing arrived for {0:?} while calls were outstanding")]
    Silent(Duration),
    /// The reply to one call did not arrive in time. VPP says nothing when it drops a reply, so that the state of
    /// the connection is unknown and it was closed.
    #[error("no reply to {message} within {after:?}")]
    TimedOut {
        /// Name of the request.
        message: &'static str,
        /// The limit that passed.
        after: Duration,
    },
    /// VPP sent what cannot be followed.
    #[error("VPP broke the protocol")]
    Protocol(#[source] ProtocolError),
    /// This side closed it.
    #[error("the client was closed")]
    Closed,
}

/// Why a call gave no reply, or not the wished one.
///
/// ```
/// use vpp_api::{error::CallError, types::Retval};
///
/// /// Deleting what is not there is good as well.
/// fn deleted(outcome: Result<(), CallError>) -> Result<(), CallError> {
///     match outcome {
///         Err(CallError::Refused { retval: Retval::NO_SUCH_ENTRY, .. }) => Ok(()),
///         other => other,
///     }
/// }
///
/// let refused = CallError::Refused { message: "lb_add_del_as", retval: Retval::NO_SUCH_ENTRY, text: None };
/// assert_eq!(refused.to_string(), "lb_add_del_as refused: -6 NO_SUCH_ENTRY (No such entry)");
/// assert!(deleted(Err(refused)).is_ok());
/// ```
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum CallError {
    /// VPP understood the request and said no. The connection is still good.
    #[error("{message} refused: {retval}{}", Tail(text))]
    Refused {
        /// Name of the request.
        message: &'static str,
        /// The code VPP gave.
        retval: Retval,
        /// What `cli_inband` printed, if it was that.
        text: Option<String>,
    },
    /// VPP has no such message. The connection is still good; the call will never work on it.
    #[error(transparent)]
    Absent(#[from] Absent),
    /// No reply came in time, and the connection was closed for it: connect again and read the state back.
    #[error("no reply to {message} within {after:?}")]
    TimedOut {
        /// Name of the request.
        message: &'static str,
        /// The limit that passed.
        after: Duration,
    },
    /// The connection ended before the reply arrived. Whether VPP executed the request is unknown.
    #[error("lost the API connection")]
    Disconnected(#[source] Disconnect),
    /// A reply came and does not have the layout that its CRC promises. The connection is still good.
    #[error("malformed reply to {message}")]
    Malformed {
        /// Name of the request.
        message: &'static str,
        /// What was wrong with the reply.
        #[source]
        source: ReplyError,
    },
    /// The request is larger than the frame limit; nothing was sent. Make it smaller.
    #[error("{message} takes {len} bytes, at most {max} are allowed")]
    TooLarge {
        /// Name of the request.
        message: &'static str,
        /// Length of the encoded body.
        len: usize,
        /// The limit of the connection.
        max: usize,
    },
}

/// How a reply was wrong.
///
/// ```
/// use vpp_api::error::ReplyError;
///
/// let error = ReplyError::WrongMessage { got: "control_ping_reply_f6b0b8ca" };
/// assert_eq!(error.to_string(), "answered with control_ping_reply_f6b0b8ca");
/// ```
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ReplyError {
    /// Its fields do not decode.
    #[error("malformed {message}")]
    Decode {
        /// Name of the reply or details message.
        message: &'static str,
        /// What was wrong.
        #[source]
        source: DecodeError,
    },
    /// The context belongs to the call and the message is neither its reply nor its details.
    #[error("answered with {got}")]
    WrongMessage {
        /// Name and CRC of what came.
        got: &'static str,
    },
    /// A get was answered with nothing but the wish to be called again in the same way, which would never end.
    #[error("answered with no details and the same cursor")]
    Stuck,
}

/// Why no connection came about. All but [`ConnectError::Protocol`] are worth a retry.
///
/// ```
/// use vpp_api::error::ConnectError;
///
/// /// Whether to try again in a while.
/// fn is_temporary(error: &ConnectError) -> bool {
///     !matches!(error, ConnectError::Protocol(_))
/// }
/// assert!(is_temporary(&ConnectError::Eof));
/// ```
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The socket could not be opened: VPP does not run, or it is another's.
    #[error("cannot connect to {}", path.display())]
    Connect {
        /// Path of the socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// Connecting and the handshake together took too long.
    #[error("no handshake within {after:?}")]
    TimedOut {
        /// The limit that passed.
        after: Duration,
    },
    /// Reading or writing failed during the handshake.
    #[error("the API socket failed during the handshake")]
    Io(#[source] Arc<io::Error>),
    /// The peer hung up during the handshake.
    #[error("the peer closed the connection during the handshake")]
    Eof,
    /// What answers is not VPP, or refused the client.
    #[error("the handshake failed")]
    Protocol(#[from] ProtocolError),
}

/// `: text` when there is any.
struct Tail<'a>(&'a Option<String>);

impl fmt::Display for Tail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_deref().map(str::trim_end) {
            Some(text) if !text.is_empty() => write!(f, ": {text}"),
            _ => Ok(()),
        }
    }
}
