//! Whole sessions recorded from live VPPs.

mod frames;
#[cfg(feature = "server")]
mod replay;
mod session;
