//! Probes: one question to one backend, one [`Report`].
//!
//! [`Prober::run`] sends the probe that a [`Target`] describes and says what came back: pass, fail, or no verdict when it could not
//! be sent for a reason of our own. What the report means for the backend is decided elsewhere (`maglev-health`); when to probe, too.
//!
//! # Threads and sockets
//! - All probes run on one thread (`engine.rs`), with an executor, sockets and timers of its own. [`Prober::run`] and the daemon hand it
//!   orders and get answers back.
//! - A probe is one future and holds its socket itself, so dropping it closes the socket; each TCP socket closes with a reset and leaves
//!   no `TIME_WAIT` behind. The socket of a probe that passed is disconnected, which sends the same reset, and used again.
//! - With a network namespace that thread is in it only while it makes a socket (`ground.rs`): a socket stays in the namespace it was
//!   made in.
//! - The TLS configuration is built once and shared (`tls.rs`). The system's trust roots are read when a probe first needs them, by
//!   a task that the end of the probe does not cancel.
//!
//! # Whose fault
//! A system call that fails here, before anything is sent, for one of the reasons in `fault.rs` is our own fault: no verdict. An
//! error that comes back from the network is a verdict about the backend, even when it has the same number: a firewall that answers
//! an IPv6 connect with "administratively prohibited" ends in `EACCES`, as a local policy does.

mod datagram;
mod dns;
mod end;
mod engine;
mod exec;
mod expect;
mod fault;
mod ground;
mod grpc;
mod http;
mod icmp;
mod method;
mod ping;
mod prober;
mod proxy;
mod report;
mod socket;
mod talk;
mod target;
mod timed;
mod tls;

pub use self::dns::{DnsName, DnsNameError, Query, Rcode, RecordType};
pub(crate) use self::engine::{Load, Outbox};
pub use self::expect::{EscapeError, Expect, unescape};
pub use self::ground::ProberError;
pub use self::method::Method;
pub use self::prober::Prober;
pub(crate) use self::prober::{Ended, Order};
pub use self::proxy::ProxyVersion;
pub use self::report::{Cause, Report};
pub use self::target::{
    Dns, Exec, ExpectHeader, Grpc, Header, Host, Http, Kind, Path, ServerName, Target, TargetError, Tcp, Tls, Udp,
};
