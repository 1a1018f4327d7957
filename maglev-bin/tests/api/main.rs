//! The API over real sockets, against the daemon between real servers and a simulated VPP.
//!
//! Who may connect at all is in `tests/grpc_listen`; here is what is answered.

#[expect(dead_code, reason = "the tests of probes need more of it")]
#[path = "../probe/authority.rs"]
mod authority;
#[path = "../daemon/every_release.rs"]
mod every_release;
#[expect(dead_code, reason = "the tests of probes need more of it")]
#[path = "../probe/server.rs"]
mod server;
#[expect(dead_code, reason = "the laboratory has more than every test needs")]
#[path = "../daemon/support.rs"]
mod support;

mod commands;
mod config;
mod health;
mod lab;
mod last;
mod plans;
mod priority;
mod reads;
mod restart;
mod size;
mod watch;
mod writes;
