//! What a connection tells its owner.

use bytes::Bytes;
use thiserror::Error;

#[cfg(doc)]
use super::Connection;
use crate::error::Absent;

/// Something the owner of a [`Connection`] should know.
///
/// ```
/// use vpp_api::connection::{Connection, Event};
///
/// /// Tells each caller, numbered by its tag, how many messages answered it.
/// fn settle(connection: &mut Connection<usize>, answers: &mut [usize]) {
///     while let Some(event) = connection.poll_event() {
///         match event {
///             Event::Reply { tag, .. } => answers[tag] = 1,
///             Event::Details { tag, bodies, .. } => answers[tag] = bodies.len(),
///             _ => {}
///         }
///     }
/// }
/// ```
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
    /// A dump or a get is complete.
    Details {
        /// As given to [`Connection::dump`] or [`Connection::get`].
        tag: T,
        /// Each details message from its message id on, not decoded, in VPP's order, without those that
        /// [`Connection::take_details`] gave.
        bodies: Vec<Bytes>,
        /// What came behind them, from its message id on: the `control_ping_reply` of a dump, the reply to a get.
        end: Bytes,
    },
    /// Details have come for a call that [`Connection::announce_details`] was asked for: take them with
    /// [`Connection::take_details`]. If that gives nothing, [`Event::Details`] follows and has them.
    Arrived {
        /// The context of the call.
        context: u32,
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
///
/// ```
/// use vpp_api::connection::StartError;
///
/// /// Whether another VPP might take the call.
/// fn is_about_vpp(error: &StartError) -> bool {
///     matches!(error, StartError::Absent(_))
/// }
/// ```
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
///
/// ```
/// use vpp_api::connection::Counters;
///
/// /// How well writes coalesce.
/// fn frames_per_write(counters: &Counters) -> f64 {
///     counters.frames_sent as f64 / counters.transmissions.max(1) as f64
/// }
/// assert_eq!(frames_per_write(&Counters::default()), 0.0);
/// ```
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
