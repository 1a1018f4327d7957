//! The gRPC server.
//!
//! | module | says |
//! | --- | --- |
//! | `address`, `options` | where it listens and on which terms |
//! | `peer` | who a client is and what it may do |
//! | `tls` | which certificates are shown and trusted |
//! | `listen` | how a connection gets from the kernel to a handler |

mod address;
mod listen;
mod options;
mod peer;
mod throttle;
mod tls;

pub use self::address::{AddressError, GrpcAddr, GrpcAddrs};
pub use self::listen::{BindError, Connection, Listeners, MAX_OPEN, MAX_SILENT, SILENCE};
pub use self::options::{GrpcOptions, OptionsError};
pub use self::peer::{Grounds, OperatorName, Peer, Who};
pub use self::tls::{Certificates, TlsFiles};
pub use crate::tls::FileError;

pub(crate) use self::address::unix_path;
pub(crate) use self::listen::{FULL, SPEAKS_TLS};
