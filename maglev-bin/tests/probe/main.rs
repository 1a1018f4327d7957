//! Probes over real sockets, as the daemon sends them.
//!
//! Tests in network namespaces need root and `ip`; elsewhere they say on stderr that they skip.

mod alone;
mod anew;
mod authority;
mod dns;
mod echo;
mod exec;
mod grpc;
mod http;
mod icmp;
mod limits;
mod namespace;
mod netns;
mod route;
mod server;
mod talk;
mod tcp;
mod tls;
mod udp;
