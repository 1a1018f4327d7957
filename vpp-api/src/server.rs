//! The other side of the socket, for simulators and tests: sans-IO as well.
//!
//! [`ServedTable`] gives message ids to names, [`Session`] is one client's connection. Who owns them moves bytes and
//! decides what to answer. Messages that somebody declared elsewhere are served by showing them to [`Names`], and read
//! with [`AnyRequest::read`].
//!
//! ```
//! use std::sync::Arc;
//! use vpp_api::messages::memclnt::ControlPingReply;
//! use vpp_api::server::{AnyRequest, ServedTable, Session};
//! use vpp_api::types::Retval;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let received: &[u8] = &[];
//! let table = Arc::new(ServedTable::of_this_crate(1));
//! let mut session = Session::new(table, 0x8000_0001);
//! session.handle_bytes(received);
//! while let Some(incoming) = session.poll_request()? {
//!     if let AnyRequest::ControlPing(_) = incoming.request {
//!         let client_index = incoming.client_index;
//!         session.reply(incoming.context, &ControlPingReply { retval: Retval::OK, client_index, vpe_pid: 1 })?;
//!     }
//! }
//! let to_send = session.take_output();
//! # Ok(())
//! # }
//! ```

mod request;
mod session;
mod table;

pub use request::AnyRequest;
pub use session::{Incoming, NotServed, Session, SessionError};
pub use table::{Names, ServedTable};

#[cfg(test)]
mod tests;
