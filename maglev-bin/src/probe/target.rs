use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue};
use regex::bytes::Regex;
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, pki_types};
use thiserror::Error;

use super::dns::{Query, Rcode};
use super::expect::Expect;
use super::method::Method;
use super::proxy::ProxyVersion;

/// What to probe, and how.
#[derive(Clone, Debug)]
pub struct Target {
    /// Name of the backend, for the debug log.
    pub backend: Arc<str>,
    /// Where to send the probe.
    pub address: IpAddr,
    /// Where to send it from; `None` leaves it to the routing table. A source of the other family is never sent.
    pub source: Option<IpAddr>,
    /// The interface to send it through (`SO_BINDTODEVICE`); `None` leaves it to the routing table.
    pub device: Option<Arc<str>>,
    /// The mark of its packets (`SO_MARK`), for rules of routing and firewalls.
    pub mark: Option<u32>,
    /// For the whole probe, from its start.
    pub timeout: Duration,
    /// What to send and what to expect.
    pub kind: Kind,
}

/// The question a probe asks.
#[non_exhaustive]
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "one for each backend, behind an `Arc`")]
pub enum Kind {
    /// An HTTP/1.1 request, over TLS or not.
    Http(Http),
    /// A connection, with or without a TLS handshake.
    Tcp(Tcp),
    /// An ICMP echo.
    Icmp,
    /// The health service of gRPC, over TLS or not.
    Grpc(Grpc),
    /// A DNS query over UDP.
    Dns(Dns),
    /// A datagram and an answer.
    Udp(Udp),
    /// A program.
    Exec(Exec),
}

/// An HTTP or HTTPS probe.
#[derive(Clone, Debug)]
pub struct Http {
    /// TCP port.
    pub port: u16,
    /// Of the request. A POST has an empty body.
    pub method: Method,
    /// What to ask for.
    pub path: Path,
    /// Value of the `Host` header, sent as it is. `None` sends the address, in brackets when it is IPv6, and the port unless it is
    /// the scheme's own.
    pub host: Option<Host>,
    /// More headers of the request, in this order.
    pub headers: Vec<Header>,
    /// Status codes that pass.
    pub codes: RangeInclusive<u16>,
    /// The response must have it, if set.
    pub expect_header: Option<ExpectHeader>,
    /// Must be found in the body, as far as `body_limit`, if set.
    pub regexp: Option<Regex>,
    /// How many bytes of the body are searched.
    pub body_limit: usize,
    /// The header of the response whose value is the report's `agent`.
    pub agent: Option<HeaderName>,
    /// The header of the PROXY protocol to send first, if any.
    pub proxy: Option<ProxyVersion>,
    /// TLS makes it HTTPS.
    pub tls: Option<Tls>,
}

impl Default for Http {
    /// `GET /` on port 80; passes with a status from 200 to 399.
    fn default() -> Self {
        Self {
            port: 80,
            method: Method::Get,
            path: Path::default(),
            host: None,
            headers: Vec::new(),
            codes: 200..=399,
            expect_header: None,
            regexp: None,
            body_limit: 64 * 1024,
            agent: None,
            proxy: None,
            tls: None,
        }
    }
}

/// A header of a request: a name and printable ASCII.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Header {
    name: HeaderName,
    value: HeaderValue,
}

impl Header {
    /// From its two parts.
    ///
    /// # Errors
    /// [`TargetError::Header`] if the name is no token (RFC 9110, 5.6.2), or the value has more than printable ASCII, blanks and tabs.
    pub fn new(name: &str, value: &str) -> Result<Self, TargetError> {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| TargetError::Header)?;
        let value = HeaderValue::from_str(value).map_err(|_| TargetError::Header)?;
        Ok(Self { name, value })
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Its value.
    #[must_use]
    pub const fn value(&self) -> &HeaderValue {
        &self.value
    }
}

/// A header that a response must have.
#[derive(Clone, Debug)]
pub struct ExpectHeader {
    name: HeaderName,
    value: Option<Regex>,
}

impl ExpectHeader {
    /// A header of this name; with `value`, one in which that is found.
    ///
    /// # Errors
    /// [`TargetError::Header`] if the name is no token (RFC 9110, 5.6.2).
    pub fn new(name: &str, value: Option<Regex>) -> Result<Self, TargetError> {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| TargetError::Header)?;
        Ok(Self { name, value })
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Whether a header with this value is the one. Ask for each header of the name: there may be several.
    #[must_use]
    pub fn is_met_by(&self, value: &[u8]) -> bool {
        self.value.as_ref().is_none_or(|regexp| regexp.is_match(value))
    }
}

/// A TCP probe.
#[derive(Clone, Debug, Default)]
pub struct Tcp {
    /// TCP port.
    pub port: u16,
    /// What to send once connected, inside TLS if there is any. May be empty.
    pub send: Arc<[u8]>,
    /// What must be found in the first 64 KiB of the answer, if set.
    pub expect: Option<Expect>,
    /// Wait for a first line, which is the report's `agent`.
    pub agent: bool,
    /// The header of the PROXY protocol to send first, if any.
    pub proxy: Option<ProxyVersion>,
    /// Do a TLS handshake once connected.
    pub tls: Option<Tls>,
}

impl Tcp {
    /// Whether there is more to it than the connection.
    pub(super) fn talks(&self) -> bool {
        !self.send.is_empty() || self.expect.is_some() || self.agent
    }
}

/// A gRPC probe: one call of `grpc.health.v1.Health/Check`.
#[derive(Clone, Debug, Default)]
pub struct Grpc {
    /// TCP port.
    pub port: u16,
    /// The service to ask for; empty is the server as a whole.
    pub service: String,
    /// The header of the PROXY protocol to send first, if any.
    pub proxy: Option<ProxyVersion>,
    /// Do a TLS handshake once connected.
    pub tls: Option<Tls>,
}

/// A DNS probe.
#[derive(Clone, Debug)]
pub struct Dns {
    /// UDP port.
    pub port: u16,
    /// What to ask.
    pub query: Query,
    /// The answer that passes.
    pub rcode: Rcode,
}

/// A UDP probe.
#[derive(Clone, Debug, Default)]
pub struct Udp {
    /// UDP port.
    pub port: u16,
    /// The datagram to send. May be empty: a datagram of no bytes.
    pub send: Arc<[u8]>,
    /// What must be found in the first answer. `None` takes any.
    pub expect: Option<Expect>,
}

/// A probe that runs a program, in the namespace of the daemon and with its rights. Passes if it exits with 0.
///
/// Its environment is `PATH`, `MAGLEV_BACKEND` (the name), `MAGLEV_ADDRESS` and `MAGLEV_PORT` (empty without a port), and nothing else.
#[derive(Clone, Debug)]
pub struct Exec {
    /// Its whole path.
    pub program: String,
    /// Its arguments. No shell looks at them.
    pub arguments: Vec<String>,
    /// Told to the program.
    pub port: Option<u16>,
}

/// How to do a TLS handshake.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The name to ask for (SNI) and to find in the certificate. `None` asks for no name, and the certificate must have the
    /// backend's address among its names.
    pub server_name: Option<ServerName>,
    /// Take any certificate. The server must still prove that it holds the key.
    pub insecure_skip_verify: bool,
    /// The authorities to believe; `None` believes those of the [`Prober`](super::Prober). Nobody is asked with
    /// `insecure_skip_verify`.
    pub roots: Option<Arc<RootCertStore>>,
    /// What to show to a server that asks for a certificate. `None` shows none, and the server decides what to make of it.
    pub identity: Option<Arc<CertifiedKey>>,
}

/// A value that can be sent in no probe.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum TargetError {
    /// Correct the path.
    #[error("a path starts with `/` and has less than 64 KiB of printable ASCII, without spaces and `#`")]
    Path,
    /// Correct the host.
    #[error("a host has only printable ASCII characters and no space")]
    Host,
    /// Correct the header.
    #[error("a header has a name of letters, digits and punctuation, and a value of printable ASCII")]
    Header,
    /// Correct the server name.
    #[error("neither a DNS name nor an IP address")]
    ServerName,
}

/// Path and query of a request. The default is `/`.
///
/// Starts with `/`, printable ASCII without spaces and without `#`, less than 64 KiB. It is sent as written, but for the characters
/// that no URL may hold (RFC 3986): these go percent-encoded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Path(PathAndQuery);

impl Path {
    pub(super) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Default for Path {
    fn default() -> Self {
        Self(PathAndQuery::from_static("/"))
    }
}

impl FromStr for Path {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        // A fragment is for browsers and never sent.
        if !text.starts_with('/') || !text.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
            return Err(TargetError::Path);
        }
        let mut path = String::with_capacity(text.len());
        for c in text.chars() {
            if r#""<>\^`{|}"#.contains(c) {
                path.push_str(&format!("%{:02X}", u32::from(c)));
            } else {
                path.push(c);
            }
        }
        PathAndQuery::try_from(path).map(Self).map_err(|_| TargetError::Path)
    }
}

/// Value of a `Host` header: not empty, printable ASCII without spaces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Host(HeaderValue);

impl Host {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for Host {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        match HeaderValue::from_str(text) {
            Ok(value) if plain => Ok(Self(value)),
            _ => Err(TargetError::Host),
        }
    }
}

/// Name of a TLS server: a DNS name, or an IP address (for which no SNI is sent).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerName(pki_types::ServerName<'static>);

impl ServerName {
    pub(super) fn to_rustls(&self) -> pki_types::ServerName<'static> {
        self.0.clone()
    }
}

impl FromStr for ServerName {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        match pki_types::ServerName::try_from(text) {
            Ok(name) => Ok(Self(name.to_owned())),
            Err(_) => Err(TargetError::ServerName),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ExpectHeader, Header, Host, Path, ServerName, TargetError};

    #[test]
    fn a_path_is_sent_as_written_or_not_at_all() {
        for good in ["/", "/healthz", "/a/b?c=d&e", "/%20", "/a:b;c=1", "//"] {
            assert_eq!(good.parse::<Path>().unwrap().as_str(), good);
        }
        for bad in ["", "healthz", "*", "/a b", "/a#b", "/ä", "/\r\nX: y", "http://a/"] {
            assert_eq!(bad.parse::<Path>(), Err(TargetError::Path), "{bad:?}");
        }
    }

    #[test]
    fn every_printable_character_but_one_may_be_in_a_path() {
        for c in ('!'..='~').filter(|c| *c != '#') {
            let sent = match c {
                '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}' => format!("%{:X}", u32::from(c)),
                _ => c.to_string(),
            };
            let path = format!("/{c}?{c}").parse::<Path>().map(|p| p.as_str().to_owned());
            assert_eq!(path, Ok(format!("/{sent}?{sent}")));
        }
        assert_eq!("/".repeat(1 << 16).parse::<Path>(), Err(TargetError::Path));
    }

    #[test]
    fn a_host_cannot_smuggle_a_header() {
        for good in ["www.example.com", "[2001:db8::1]:8080"] {
            assert_eq!(good.parse::<Host>().unwrap().as_bytes(), good.as_bytes());
        }
        for bad in ["", "a b", "a\r\nX: y", "ä"] {
            assert_eq!(bad.parse::<Host>(), Err(TargetError::Host), "{bad:?}");
        }
    }

    #[test]
    fn a_header_cannot_smuggle_another() {
        assert!(Header::new("X-Probe", "a b\tc").is_ok_and(|header| header.name() == "x-probe"));
        for (name, value) in [("", "a"), ("X Y", "a"), ("X:", "a"), ("ä", "a"), ("X", "a\r\nY: b"), ("X", "\0")] {
            assert_eq!(Header::new(name, value), Err(TargetError::Header), "{name:?}: {value:?}");
        }
        assert_eq!(ExpectHeader::new("X Y", None).err(), Some(TargetError::Header));
    }

    #[test]
    fn a_header_is_expected_with_a_value_or_any() {
        let any = ExpectHeader::new("X-State", None).unwrap();
        assert!(any.is_met_by(b"") && any.is_met_by(b"\xff"));
        let one = ExpectHeader::new("X-State", Some(regex::bytes::Regex::new("^up$").unwrap())).unwrap();
        assert!(one.is_met_by(b"up") && !one.is_met_by(b"upside"));
    }

    #[test]
    fn a_server_name_is_a_dns_name_or_an_address() {
        for good in ["www.example.com", "192.0.2.1", "2001:db8::1"] {
            assert_eq!(good.parse::<ServerName>().unwrap().to_rustls().to_str(), good);
        }
        for bad in ["", "a b", "-", "https://www.example.com"] {
            assert_eq!(bad.parse::<ServerName>(), Err(TargetError::ServerName), "{bad:?}");
        }
    }
}
