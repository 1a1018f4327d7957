//! FD.io VPP's binary API over its Unix socket: typed messages, a sans-IO connection, a tokio client, and the other
//! side for simulators.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/vpp.rs"));
//! # #[cfg(not(feature = "tokio"))]
//! # fn main() {}
//! # #[cfg(feature = "tokio")]
//! # fn main() { vpp::with_path(async |path| {
//! # vpp::start(&path)?;
//! use vpp_api::client::{Client, Options};
//! use vpp_api::messages::lb::LbAsV2Dump;
//!
//! // The path is usually /run/vpp/api.sock.
//! let client = Client::connect(path, Options::default()).await?;
//! for server in client.dump(&LbAsV2Dump::all()).await? {
//!     println!("{} has weight {}", server.app_srv, server.weight);
//! }
//! # Ok(()) }) }
//! ```
//!
//! | module | holds |
//! | --- | --- |
//! | [`frame`], [`codec`], [`types`] | the 16-byte frame header, fields, field types |
//! | [`message`], [`mod@messages`] | what a message is; those a load-balancer controller needs |
//! | [`messages!`], [`wire_struct!`], [`wire_enum!`], [`wire_number!`], [`wire_union!`], [`wire_alias!`] | declare those of any other plugin |
//! | [`schema`] | what the declarations say, as VPP's `.api.json` |
//! | [`table`], [`connection`] | message ids; handshake and calls without a socket or a clock |
//! | [`release`] | what the connected VPP can do; one meaning for every generation of the lb plugin |
//! | `client` (feature `tokio`, on by default) | the same on a socket, for any number of tasks |
//! | `server` (feature `server`) | handshake and requests as VPP sees them |
//! | [`error`] | what can go wrong |
//!
//! Feature `serde` adds `serde::Serialize` to all messages, fields named as in VPP, addresses as text and
//! enumerations as numbers.
//!
//! Everything is stated for a little-endian VPP, the only kind it was checked against.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "tokio")]
pub mod client;
pub mod codec;
pub mod connection;
pub mod error;
pub mod frame;
mod macros;
pub mod message;
pub mod messages;
pub mod release;
pub mod schema;
#[cfg(feature = "server")]
pub mod server;
pub mod table;
pub mod types;

#[doc(hidden)]
pub use macros::private as __private;

// So that code shared with tests outside this crate has one name for it.
#[cfg(test)]
extern crate self as vpp_api;

/// The example of the README, run as a test.
#[cfg(all(doctest, feature = "tokio", feature = "server"))]
#[doc = include_str!("../README.md")]
mod readme {}
