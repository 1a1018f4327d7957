//! The API of the daemon: who may connect, what is answered.
//!
//! | module | its one idea |
//! | --- | --- |
//! | `address`, `options` | where it listens and on which terms |
//! | `peer` | who is at the other end, and what they may do |
//! | `tls` | which certificates are shown and trusted |
//! | `listen` | how a connection gets from the kernel to a handler |
//! | `server` | the thread that serves |
//! | `service` | the calls of `maglev.v1.Maglev` |
//! | `watch` | the stream of events |
//! | `show`, `plan`, `refuse` | from the daemon's types to messages and statuses |
//! | `layer` | counts |

mod address;
mod layer;
mod listen;
mod options;
mod peer;
mod plan;
mod refuse;
mod server;
mod service;
mod show;
mod throttle;
mod tls;
mod watch;

pub use self::address::{AddressError, GrpcAddr, GrpcAddrs};
pub use self::listen::{BindError, Connection, Listeners, MAX_OPEN, MAX_SILENT, SILENCE};
pub use self::options::{GrpcOptions, OptionsError};
pub use self::peer::{Grounds, OperatorName, Peer, Who};
pub use self::server::Server;
pub use self::tls::{Certificates, TlsFiles};
pub use crate::tls::FileError;

pub(crate) use self::address::unix_path;
pub(crate) use self::layer::code_word;
pub(crate) use self::listen::{FULL, SPEAKS_TLS};
