//! `maglevd`, the control plane for VPP's Maglev load balancer, as library modules that its binaries compose.
//!
//! What flows where is told in `ARCHITECTURE.md`. Rules of behaviour live in the crates below this one: verdicts and weights in
//! `maglev-health`, plans in `maglev-sync`, the wire in `vpp-api`, counters in `vpp-stats`. This crate holds sockets, files, tasks and
//! screens.

pub mod build;
pub mod cli;
pub mod client;
pub mod config;
pub mod ctl;
pub mod daemon;
pub mod demo;
pub mod event;
mod filelock;
pub mod grpc;
pub mod logging;
pub mod metrics;
mod nearest;
pub mod probe;
pub mod proto;
pub mod run;
mod seam;
pub mod snapshot;
mod sockets;
pub mod state;
mod tls;
mod x509;
