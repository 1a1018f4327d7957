//! The daemon against every release of VPP that the simulator plays: the same config, the same verdicts, the same flows served.
//!
//! Before 26.10 a server is in use or it is not; what the tests ask is therefore whether it takes new flows, and what the daemon
//! sends is looked at only where it must be nothing.

mod dataplane;
#[path = "../daemon/every_release.rs"]
mod every_release;
mod kinds;
mod life;
mod others;
#[allow(dead_code, reason = "some of it is for other tests")]
#[path = "../daemon/support.rs"]
mod support;
mod vpp;
mod words;
