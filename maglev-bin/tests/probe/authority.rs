//! Certificates, and servers that show them.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use maglev_bin::probe::{Http, Kind, Prober, Target, Tcp, Tls};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::server::{LOCALHOST, OK, Server, http_params, read_head, target};

/// Issues the certificates of the tests.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What a server shows.
#[derive(Clone)]
pub(crate) struct Identity(pub(crate) Arc<CertifiedKey>);

impl Authority {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mut params = CertificateParams::new([]).unwrap();
        // A name of its own: of two authorities with one name the verifier says that a signature is bad.
        let name = format!("Authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn der(&self) -> Vec<u8> {
        self.0.der().to_vec()
    }

    /// Roots of trust that are this authority alone.
    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der().into()).unwrap();
        Arc::new(roots)
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A prober that trusts this authority alone.
    pub(crate) fn prober(&self) -> Prober {
        Prober::with_roots(None, [self.der()]).unwrap()
    }

    /// Valid from 2000 until 2100.
    pub(crate) fn issue(&self, names: &[&str]) -> Identity {
        self.issue_for((2000, 1, 1), (2100, 1, 1), names)
    }

    pub(crate) fn issue_for(&self, from: (i32, u8, u8), until: (i32, u8, u8), names: &[&str]) -> Identity {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], signing_key(&key))))
    }
}

impl Identity {
    /// The same certificate with a key that is not the one in it.
    pub(crate) fn with_a_stolen_certificate(&self) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(Arc::new(CertifiedKey::new(self.0.cert.clone(), signing_key(&key))))
    }

    pub(crate) fn config(&self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        server_config(versions, Shown { key: Arc::clone(&self.0), hellos: None })
    }

    /// A server that answers over TLS.
    pub(crate) async fn serve(&self) -> Server {
        serve(self.config(&[&TLS12, &TLS13]), answer_ok).await
    }

    /// As [`Identity::serve`], to clients alone that show a certificate of this authority.
    pub(crate) async fn serve_clients_of(&self, authority: &Authority) -> Server {
        let provider = Arc::new(ring::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(authority.roots(), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_client_cert_verifier(clients.build().unwrap())
            .with_cert_resolver(Arc::new(Shown { key: Arc::clone(&self.0), hellos: None }));
        serve(config, answer_ok).await
    }
}

pub(crate) fn signing_key(key: &KeyPair) -> Arc<dyn rustls::sign::SigningKey> {
    let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    ring::sign::any_supported_type(&der).unwrap()
}

pub(crate) fn server_config(versions: &[&'static SupportedProtocolVersion], shown: Shown) -> ServerConfig {
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown))
}

/// Shows the same to everybody, and tells what they asked for.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) hellos: Option<mpsc::UnboundedSender<Hello>>,
}

#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Hello {
    pub(crate) name: Option<String>,
    /// Of ALPN, with blanks between.
    pub(crate) protocols: String,
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(hellos) = &self.hellos {
            let protocols: Vec<_> = hello.alpn().into_iter().flatten().map(String::from_utf8_lossy).collect();
            let name = hello.server_name().map(str::to_owned);
            let _ = hellos.send(Hello { name, protocols: protocols.join(" ") });
        }
        Some(Arc::clone(&self.key))
    }
}

async fn answer_ok(mut stream: TlsStream<TcpStream>) -> io::Result<()> {
    read_head(&mut stream).await?;
    stream.write_all(OK).await?;
    stream.shutdown().await
}

pub(crate) async fn serve<F>(
    config: ServerConfig,
    act: impl Fn(TlsStream<TcpStream>) -> F + Clone + Send + Sync + 'static,
) -> Server
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Server::new(LOCALHOST, move |stream, _| {
        let (acceptor, act) = (acceptor.clone(), act.clone());
        async move { act(acceptor.accept(stream).await?).await }
    })
    .await
}

pub(crate) fn https(at: SocketAddr, tls: Tls) -> Target {
    target(at.ip(), Kind::Http(Http { tls: Some(tls), ..http_params(at.port()) }))
}

pub(crate) fn tcp_ssl(at: SocketAddr, tls: Tls) -> Target {
    target(at.ip(), Kind::Tcp(Tcp { port: at.port(), tls: Some(tls), ..Tcp::default() }))
}

pub(crate) fn named(name: &str) -> Tls {
    Tls { server_name: Some(name.parse().unwrap()), ..Tls::default() }
}

pub(crate) fn unverified() -> Tls {
    Tls { insecure_skip_verify: true, ..Tls::default() }
}
