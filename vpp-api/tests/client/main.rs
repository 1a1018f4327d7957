//! The tokio client against a scripted peer.

mod calls;
mod declared;
mod events;
mod lifecycle;
mod link;
mod peer;
mod streams;
