//! Probes: one question to one backend, one [`Report`].
//!
//! [`Prober::run`] sends the probe that a [`Target`] describes and says what came back: pass, fail, or no verdict when it could not
//! be sent for a reason of our own. What the report means for the backend is decided elsewhere (`maglev-health`); when to probe, too.
//!
//! # Tasks, threads and sockets
//! - A probe is one future on the caller's task and holds its socket itself, so dropping it closes the socket; each TCP socket closes
//!   with a reset and leaves no `TIME_WAIT` behind.
//! - With a network namespace one OS thread makes the sockets (`netns.rs`): requests 256 deep, one reply each. The thread is in the
//!   namespace only while it makes a socket, and a socket stays in the namespace it was made in, so connecting and everything after
//!   it run on the caller's runtime.
//! - The TLS configuration is built once and shared (`tls.rs`). The system's trust roots are read when a probe first needs them, by
//!   a task that the end of the probe does not cancel.
//!
//! # Whose fault
//! A system call that fails here, before anything is sent, for one of the reasons in `fault.rs` is our own fault: no verdict. An
//! error that comes back from the network is a verdict about the backend, even when it has the same number: a firewall that answers
//! an IPv6 connect with "administratively prohibited" ends in `EACCES`, as a local policy does.

mod end;
mod fault;
mod http;
mod icmp;
mod netns;
mod ping;
mod prober;
mod report;
mod socket;
mod target;
mod tcp;
mod tls;

pub use self::netns::ProberError;
pub use self::prober::Prober;
pub use self::report::{Cause, Report};
pub use self::target::{Host, Http, Kind, Path, ServerName, Target, TargetError, Tcp, Tls};
