//! The listeners of the gRPC API and its client, over real sockets.
//!
//! Tests that have to be another user need root; elsewhere they say on stderr that they skip.

mod authority;
mod certificates;
mod client;
mod plain;
mod rig;
mod silence;
mod unix;
