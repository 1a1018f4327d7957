//! Whole sessions recorded from live VPPs.

mod definitions;
mod frames;
mod release;
#[cfg(feature = "server")]
mod replay;
mod session;
