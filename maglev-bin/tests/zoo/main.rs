//! A zoo of servers that misbehave, and what a user sees of a probe that meets one: code, detail, end, bytes.
//!
//! Most animals are scripts (`animal.rs`). Codes are asserted whole, details by the words that a user needs. Animals
//! that keep a probe waiting get a short time-out and must not hold it any longer; the others get a long one and must
//! not come near it.
//!
//! Tests in network namespaces need root and `ip`; elsewhere they say on stderr that they skip.

#[path = "../probe/alone.rs"]
mod alone;
mod animal;
#[path = "../probe/authority.rs"]
#[allow(dead_code, reason = "the probe tests use the rest")]
mod authority;
mod body;
mod certificates;
mod connect;
#[path = "../probe/echo.rs"]
mod echo;
mod flood;
mod head;
mod icmp;
#[path = "../probe/namespace.rs"]
#[allow(dead_code, reason = "the probe tests use the rest")]
mod namespace;
#[path = "../probe/server.rs"]
#[allow(dead_code, reason = "the probe tests use the rest")]
mod server;
mod tls;

/// For `flood.rs`. Counts nothing unless asked.
#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;
