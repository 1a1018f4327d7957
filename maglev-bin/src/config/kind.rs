//! What a check sends and what counts as a success, by type.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::sign::CertifiedKey;

use crate::probe::{Expect, Method, Query, Rcode};

/// What a probe sends and what counts as a success.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CheckKind {
    /// `http` without TLS parameters, `https` with them.
    Http(HttpParams),
    /// A connection, with TLS parameters a TLS handshake too.
    Tcp(TcpParams),
    /// An echo and its reply.
    Icmp,
    /// A call of gRPC's health service, with TLS parameters over TLS.
    Grpc(GrpcParams),
    /// A DNS query over UDP.
    Dns(DnsParams),
    /// A datagram and an answer.
    Udp(UdpParams),
    /// A program.
    Exec(ExecParams),
}

impl CheckKind {
    /// The word of the config: `http`, `https`, `tcp`, `grpc`, `dns`, `udp`, `icmp` or `exec`.
    pub fn type_name(&self) -> &'static str {
        match self {
            CheckKind::Http(HttpParams { tls: None, .. }) => "http",
            CheckKind::Http(HttpParams { tls: Some(_), .. }) => "https",
            CheckKind::Tcp(_) => "tcp",
            CheckKind::Icmp => "icmp",
            CheckKind::Grpc(_) => "grpc",
            CheckKind::Dns(_) => "dns",
            CheckKind::Udp(_) => "udp",
            CheckKind::Exec(_) => "exec",
        }
    }

    /// How TLS is done, where it is.
    pub fn tls(&self) -> Option<&TlsParams> {
        match self {
            CheckKind::Http(params) => params.tls.as_ref(),
            CheckKind::Tcp(params) => params.tls.as_ref(),
            CheckKind::Grpc(params) => params.tls.as_ref(),
            CheckKind::Icmp | CheckKind::Dns(_) | CheckKind::Udp(_) | CheckKind::Exec(_) => None,
        }
    }
}

/// A request and the replies that count as a success.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct HttpParams {
    /// Of the request.
    pub method: Method,
    /// Path and query, starting with `/`.
    pub path: String,
    /// `Host` of the request; `None` is the backend's address.
    pub host: Option<String>,
    /// More headers of the request, in the order of the file: names (tokens of RFC 9110) and values (printable ASCII).
    pub headers: Vec<(String, String)>,
    /// Status codes that count as a success, within 100..=599.
    pub response_codes: RangeInclusive<u16>,
    /// A header that the response has to have.
    pub response_header: Option<HeaderRule>,
    /// What the body has to contain.
    pub response_regexp: Option<Regexp>,
    /// How much of the body is searched: 1..=1,048,576 bytes.
    pub body_limit: u32,
    /// Header of the response in which the backend tells how it fares, in lower case.
    pub agent_header: Option<String>,
    /// Set for `https`.
    pub tls: Option<TlsParams>,
}

impl HttpParams {
    /// [`HttpParams::body_limit`] where the config says nothing: 64 KiB, far more than a page that is made for checks has.
    pub const BODY_LIMIT: u32 = 64 * 1024;
}

impl Default for HttpParams {
    /// What holds for keys that are left out.
    fn default() -> Self {
        Self {
            method: Method::Get,
            path: "/".to_owned(),
            host: None,
            headers: Vec::new(),
            response_codes: 200..=399,
            response_header: None,
            response_regexp: None,
            body_limit: Self::BODY_LIMIT,
            agent_header: None,
            tls: None,
        }
    }
}

/// A header that a response has to have.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct HeaderRule {
    /// Its name, in lower case: a token of RFC 9110.
    pub name: String,
    /// What has to be found in its value, if that matters.
    pub value: Option<Regexp>,
}

/// A connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct TcpParams {
    /// What is sent once connected; may be empty.
    pub send: Vec<u8>,
    /// What the answer has to contain.
    pub expect: Option<Expect>,
    /// The first line of the answer tells how the backend fares.
    pub agent_line: bool,
    /// Set with `ssl: true`.
    pub tls: Option<TlsParams>,
}

/// A call of gRPC's health service.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct GrpcParams {
    /// The service that is asked for; empty is the server as a whole.
    pub service: String,
    /// Set with `ssl: true`.
    pub tls: Option<TlsParams>,
}

/// A DNS query.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DnsParams {
    /// What is asked.
    pub query: Query,
    /// The answer that counts as a success.
    pub rcode: Rcode,
}

/// A datagram.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct UdpParams {
    /// What is sent; may be empty.
    pub send: Vec<u8>,
    /// What the answer has to contain; `None` takes any.
    pub expect: Option<Expect>,
}

/// A program.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ExecParams {
    /// Its whole path.
    pub program: String,
    /// What it is started with.
    pub arguments: Vec<String>,
}

/// A compiled regular expression over bytes. Equal when its text is.
#[derive(Clone)]
pub struct Regexp(regex::bytes::Regex);

impl Regexp {
    /// Compiles `text`.
    ///
    /// # Errors
    /// What is wrong with the text, or that the compiled program would be too large.
    pub fn new(text: &str) -> Result<Self, regex::Error> {
        regex::bytes::Regex::new(text).map(Self)
    }

    /// Whether the expression is found anywhere in `body`. Linear in its length.
    pub fn is_match(&self, body: &[u8]) -> bool {
        self.0.is_match(body)
    }

    /// The compiled expression.
    pub fn regex(&self) -> &regex::bytes::Regex {
        &self.0
    }

    /// The text as written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for Regexp {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Regexp {}

impl fmt::Debug for Regexp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// How the peer of a TLS handshake is addressed and verified.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct TlsParams {
    /// Name for SNI, and the one the certificate must carry.
    pub server_name: Option<String>,
    /// Accept any certificate.
    pub insecure_skip_verify: bool,
    /// The authorities to believe in place of the system's.
    pub roots: Option<FromFile<RootCertStore>>,
    /// The certificate and key to show to a server that asks for one.
    pub identity: Option<FromFile<CertifiedKey>>,
}

/// What a file, or two, held when the config was read. Equal when the bytes were, whatever the names of the files.
pub struct FromFile<T> {
    value: Arc<T>,
    sha256: String,
}

impl<T> FromFile<T> {
    /// `value` was made of bytes with this hash.
    pub(super) fn new(value: T, sha256: String) -> Self {
        Self { value: Arc::new(value), sha256 }
    }

    /// What was made of the bytes.
    pub fn value(&self) -> &Arc<T> {
        &self.value
    }

    /// SHA-256 of the bytes, in lower-case hex. Of two files: of one behind the other.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

impl<T> Clone for FromFile<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), sha256: self.sha256.clone() }
    }
}

impl<T> PartialEq for FromFile<T> {
    fn eq(&self, other: &Self) -> bool {
        self.sha256 == other.sha256
    }
}

impl<T> Eq for FromFile<T> {}

impl<T> fmt::Debug for FromFile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.sha256)
    }
}
