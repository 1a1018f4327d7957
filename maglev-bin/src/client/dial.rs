//! Makes the connection under the gRPC channel.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::address::Address;
use crate::tls::{FileError, authorities, identity, provider};

/// How a client knows its server, and makes itself known. By default: any server that the system's authorities vouch for, and nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ClientTls {
    /// File of the authorities that may vouch for the server (PEM); `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// File of our certificate (PEM). Needs `key`.
    pub cert: Option<PathBuf>,
    /// File of its key (PEM). Needs `cert`.
    pub key: Option<PathBuf>,
    /// The name that the server's certificate has to have; `None`: that of the address.
    pub server_name: Option<String>,
}

/// Why TLS cannot be used on this side.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file is of no use.
    #[error(transparent)]
    File(#[from] FileError),
    /// One of the two is missing.
    #[error("a client certificate needs its key, and a key its certificate: pass both")]
    Half,
    /// There is nobody to trust.
    #[error("this system has no authorities to trust; pass a file of them")]
    NoRoots(#[source] Option<rustls_native_certs::Error>),
    /// It is neither a DNS name nor an address.
    #[error("`{0}` is no name that a certificate could have; pass another server name")]
    ServerName(String),
}

/// Dials one address, as often as the channel needs it.
#[derive(Clone)]
pub(super) struct Dialler {
    address: Address,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    last_word: Arc<OnceLock<rustls::Error>>,
}

/// Which step failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("cannot look up {0}")]
    Lookup(String, #[source] io::Error),
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    #[error("TLS was ended")]
    Ended(#[source] rustls::Error),
}

/// What the channel runs over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Dialler {
    /// Reads the files.
    pub(super) fn new(address: &Address, tls: Option<&ClientTls>) -> Result<Self, TlsError> {
        let tls = match (address, tls) {
            (Address::Tcp { host, .. }, Some(tls)) => {
                let name = tls.server_name.as_ref().unwrap_or(host);
                let name = ServerName::try_from(name.clone()).map_err(|_| TlsError::ServerName(name.clone()))?;
                Some((TlsConnector::from(Arc::new(config(tls)?)), name))
            }
            _ => None,
        };
        Ok(Self { address: address.clone(), tls, last_word: Arc::default() })
    }

    /// What requests are addressed to.
    pub(super) fn origin(&self) -> Uri {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let authority = match &self.address {
            Address::Tcp { .. } => self.address.to_string(),
            Address::Unix(_) => "localhost".to_owned(),
        };
        let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build();
        uri.expect("an address is parsed such that it is an authority")
    }

    /// How TLS ended on a connection after its handshake, if it did. In TLS 1.3 that is how the server refuses our certificate; the layers
    /// above may say no more than that the connection is closed.
    pub(super) fn last_word(&self) -> Option<DialError> {
        self.last_word.get().cloned().map(DialError::Ended)
    }

    pub(super) async fn dial(self) -> Result<TokioIo<Box<dyn Stream>>, DialError> {
        let stream: Box<dyn Stream> = match self.address {
            Address::Unix(path) => Box::new(UnixStream::connect(path).await.map_err(DialError::Connect)?),
            Address::Tcp { host, port } => {
                let found = lookup_host((host.as_str(), port)).await;
                let found: Vec<_> = found.map_err(|error| DialError::Lookup(host.clone(), error))?.collect();
                let stream = TcpStream::connect(&*found).await.map_err(DialError::Connect)?;
                stream.set_nodelay(true).map_err(DialError::Connect)?;
                match self.tls {
                    None => Box::new(stream),
                    Some((tls, name)) => {
                        let stream = tls.connect(name, stream).await.map_err(DialError::Handshake)?;
                        Box::new(Attentive { stream, last_word: self.last_word })
                    }
                }
            }
        };
        Ok(TokioIo::new(stream))
    }
}

/// Notes how TLS ends.
struct Attentive {
    stream: TlsStream<TcpStream>,
    last_word: Arc<OnceLock<rustls::Error>>,
}

impl AsyncRead for Attentive {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        if let Err(error) = &read
            && let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            let _ = self.last_word.set(error.clone());
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Attentive {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn config(tls: &ClientTls) -> Result<ClientConfig, TlsError> {
    let roots = tls.ca.as_deref().map_or_else(system_roots, |ca| Ok(authorities(ca)?))?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3")
        .with_root_certificates(roots);
    let mut config = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => identity(cert, key, |chain, key| builder.with_client_auth_cert(chain, key))?,
        (None, None) => builder.with_no_client_auth(),
        _ => return Err(TlsError::Half),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() { Err(TlsError::NoRoots(found.errors.pop())) } else { Ok(roots) }
}
