//! The daemon between real HTTP servers and a simulated VPP, over real sockets.
//!
//! Waits are bounded and say what they waited for; what is measured in time is in `benches/`.

mod every_release;
mod failover;
mod faults;
mod links;
mod restart;
mod steady;
mod support;
