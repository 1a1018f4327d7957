//! The API over real sockets, against the daemon between real servers and a simulated VPP.
//!
//! Who may connect at all is in `tests/grpc_listen`; here is what is answered.

#[path = "../daemon/every_release.rs"]
mod every_release;
#[expect(dead_code, reason = "the laboratory has more than every test needs")]
#[path = "../daemon/support.rs"]
mod support;

mod commands;
mod config;
mod health;
mod lab;
mod plans;
mod priority;
mod reads;
mod restart;
mod size;
mod watch;
mod writes;
