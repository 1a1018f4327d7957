//! What errors of the layers below mean to the person who wants to connect.

use std::error::Error;
use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage};

use super::dial::DialError;
use crate::grpc::{FULL, SPEAKS_TLS};
use crate::x509::refusal;

/// What is wrong between a client and its server. Displayed with what to try.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Trouble {
    /// The host is there and nobody listens, or only a socket file is left.
    Refused,
    /// There is no such socket file.
    NoSocket,
    /// This user may not use the socket.
    Permission,
    /// The name of the host has no address.
    UnknownHost,
    /// The host does not answer, or not in time.
    TimedOut,
    /// The network says that the host cannot be reached.
    Unreachable,
    /// The server speaks TLS and we do not.
    NeedsTls,
    /// We speak TLS and the server does not.
    NoTls,
    /// The server's certificate does not convince us, for this reason.
    ServerCertificate(String),
    /// The server's certificate is for other names than the one it should have, as this says.
    ServerName(String),
    /// The server wants a certificate of us.
    CertificateWanted,
    /// Our certificate does not convince the server, for this reason.
    ClientCertificate(&'static str),
    /// The server has no room for one more connection.
    Full,
    /// The connection was lost.
    Lost,
    /// None of these: whoever answers there does not do so as maglevd does.
    Strange,
}

impl Trouble {
    /// What an error of [`connect`](super::connect), or a `Status` with a source, comes down to.
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        chain(error).find_map(Self::of_one).unwrap_or(Self::Strange)
    }

    fn of_one(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(DialError::Lookup(..)) = error.downcast_ref() {
            return Some(Self::UnknownHost);
        }
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Self::of_tls(error);
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Self::of_io(error);
        }
        // The HTTP/2 library passes on what the server said as text alone.
        let text = error.to_string();
        let said = [(SPEAKS_TLS, Self::NeedsTls), (FULL, Self::Full)];
        said.into_iter().find(|(words, _)| text.contains(words)).map(|(_, trouble)| trouble)
    }

    fn of_tls(error: &rustls::Error) -> Option<Self> {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => Some(Self::ServerCertificate(
                "no authority that we trust has signed it; pass its authority with --tls-ca".to_owned(),
            )),
            rustls::Error::InvalidCertificate(
                error @ (CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }),
            ) => Some(Self::ServerName(refusal(error))),
            rustls::Error::InvalidCertificate(error) => Some(Self::ServerCertificate(refusal(error))),
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Some(Self::NoTls),
            rustls::Error::AlertReceived(alert) => Self::of_alert(*alert),
            _ => None,
        }
    }

    fn of_io(error: &io::Error) -> Option<Self> {
        // What is inside is not among the sources.
        if let Some(inner) = error.get_ref() {
            return Self::of_one(inner);
        }
        Some(match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::NotFound => Self::NoSocket,
            io::ErrorKind::PermissionDenied => Self::Permission,
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Self::Unreachable,
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::Lost,
            _ => return None,
        })
    }

    fn of_alert(alert: AlertDescription) -> Option<Self> {
        Some(match alert {
            // What maglevd says to TLS where it speaks none: it takes every version that we have.
            AlertDescription::ProtocolVersion => Self::NoTls,
            AlertDescription::CertificateRequired => Self::CertificateWanted,
            AlertDescription::CertificateExpired => Self::ClientCertificate("it has expired, or is not valid yet"),
            AlertDescription::UnknownCA => Self::ClientCertificate("its authority is not in --grpc-client-ca"),
            AlertDescription::DecryptError => Self::ClientCertificate("its key is another, or its signature is bad"),
            AlertDescription::CertificateRevoked => Self::ClientCertificate("it is revoked"),
            AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate => Self::ClientCertificate("it is not one for clients"),
            _ => return None,
        })
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "nobody listens there; is maglevd running, and with this --grpc-addr?",
            Self::NoSocket => "there is no such socket; is maglevd running, and with this --grpc-addr?",
            Self::Permission => "this user may not use the socket; be root, maglevd's user, or in the socket's group",
            Self::UnknownHost => "this name has no address",
            Self::TimedOut => "no answer in time; is a firewall in between?",
            Self::Unreachable => "the network knows no way there",
            Self::NeedsTls => SPEAKS_TLS,
            Self::NoTls => "this port does not speak TLS; connect without the TLS options",
            Self::ServerCertificate(why) => {
                return write!(f, "its certificate is refused: {why}");
            }
            Self::ServerName(why) => {
                return write!(f, "its certificate is refused: {why}; pass the name that it has with --tls-name");
            }
            Self::CertificateWanted => "it wants a certificate of ours; pass one with --tls-cert and --tls-key",
            Self::ClientCertificate(why) => {
                return write!(f, "it refuses our certificate: {why}; pass another with --tls-cert and --tls-key");
            }
            Self::Full => FULL,
            Self::Lost => "the connection was closed at the other end",
            Self::Strange => "whoever answers there does not do so as maglevd does; is this its gRPC port?",
        })
    }
}

/// An error and those behind it.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}
