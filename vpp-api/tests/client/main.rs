//! The tokio client against a scripted peer.

mod calls;
mod lifecycle;
mod peer;
