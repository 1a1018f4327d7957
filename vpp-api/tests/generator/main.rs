//! `vpp-api-gen`: what it writes is what is committed, compiles, and has the bytes of the built-in messages.

#[path = "../support/arbitrary.rs"]
mod arbitrary;
mod bytes_agree;
mod failures;
// Committed as the program wrote it: `vpp-api-gen ../../shared/vectors/vpp-26.10/api-json/*.api.json -o tests/generated`.
#[allow(clippy::all, unreachable_pub, reason = "modules for a library, with VPP's comments")]
#[path = "../generated/mod.rs"]
mod generated;
#[expect(dead_code, reason = "a recording has more than this test needs")]
#[path = "../recorded/session.rs"]
mod session;
mod up_to_date;
