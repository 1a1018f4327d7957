//! Messages of a plugin that this crate does not know, declared as a crate that uses it would.
//!
//! No feature is asked for here: which of them `vpp-api` has is its own business, also inside its macros.

#![deny(missing_docs, unused)]

mod acme;
#[path = "../support/arbitrary.rs"]
mod arbitrary;
mod by_hand;
#[cfg(all(feature = "tokio", feature = "server"))]
mod calls;
mod layout;
