//! TLS handshakes: one shared configuration, and a verifier that also notes until when the server's certificate is valid.

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use maglev_health::Code;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, InvalidMessage, ProtocolVersion, RootCertStore, SignatureScheme,
};
use rustls_native_certs::ErrorKind;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::end::{End, Step};
use super::engine::Stream;
use super::fault::{own_fault, words};
use super::report::Cause;
use super::target::Tls;
use crate::tls::provider;
use crate::x509::{Names, date, not_after, refusal};

type Verifier = Arc<dyn ServerCertVerifier>;

/// Does the handshakes of all probes.
#[derive(Debug)]
pub(super) struct Connector {
    /// Shared by all probes but for the verifier, which each probe wraps in its own [`Witness`].
    config: ClientConfig,
    any: Verifier,
    /// `None`: those of the system.
    roots: Option<Arc<RootCertStore>>,
    /// Made from the roots when first needed. The inner cell is replaced to read the system's again.
    chain: ArcSwap<OnceCell<Verifier>>,
}

/// What the server's protocol is to be, inside TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Inside {
    Http,
    Grpc,
    Nothing,
}

/// What is kept of a server's own certificate.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) expires: SystemTime,
    pub(super) subject: Option<Arc<str>>,
}

/// The certificate that a server sent; set as soon as it has arrived.
pub(super) type Seen = Arc<OnceLock<Certificate>>;

impl Connector {
    pub(super) fn new(roots: Option<RootCertStore>) -> Self {
        let any: Verifier = Arc::new(AnyCertificate(provider()));
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring has cipher suites for TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&any))
            .with_no_client_auth();
        // A resumed session shows no certificate.
        config.resumption = Resumption::disabled();
        Self { config, any, roots: roots.map(Arc::new), chain: ArcSwap::default() }
    }

    /// Reads the system's trust roots again when they are next needed.
    pub(super) fn reload_roots(&self) {
        self.chain.store(Arc::default());
    }

    /// A client for one handshake. Reads the trust roots if that was not done yet; sends nothing.
    pub(super) async fn client(&self, tls: &Tls, inside: Inside, seen: &Seen) -> Step<TlsConnector> {
        let inner = match &tls.roots {
            _ if tls.insecure_skip_verify => Arc::clone(&self.any),
            Some(roots) => chain_verifier(Arc::clone(roots))?,
            None => self.verifier().await?,
        };
        let mut config = self.config.clone();
        if let Some(identity) = &tls.identity {
            config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(Arc::clone(identity)));
        }
        config.dangerous().set_certificate_verifier(Arc::new(Witness { inner, seen: Arc::clone(seen) }));
        config.alpn_protocols = match inside {
            Inside::Http => vec![b"http/1.1".to_vec()],
            Inside::Grpc => vec![b"h2".to_vec()],
            Inside::Nothing => Vec::new(),
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }

    /// Verifies against the trust roots. Reads them if that was not done yet, or failed.
    async fn verifier(&self) -> Step<Verifier> {
        let chain = self.chain.load_full();
        if let Some(verifier) = chain.get() {
            return Ok(Arc::clone(verifier));
        }
        // In a task, so that it goes on should this probe be over first: reading may take longer than a time-out allows.
        let roots = self.roots.clone();
        let read = tokio::spawn(async move { chain.get_or_try_init(|| given_or_system(roots)).await.cloned() });
        read.await.unwrap_or_else(|gone| Err(no_roots(&gone.to_string())))
    }
}

/// Does a handshake. Without a name the server is known by its address, and no SNI is sent.
pub(super) async fn handshake(
    client: &TlsConnector,
    stream: Stream,
    tls: &Tls,
    address: IpAddr,
) -> Step<TlsStream<Stream>> {
    let name = match &tls.server_name {
        Some(name) => name.to_rustls(),
        None => ServerName::IpAddress(address.into()),
    };
    let failed = |error: io::Error| End::fail(Code::L6Rsp, reason(&error));
    client.connect(name, stream).await.map_err(failed)
}

/// For details: `TLS 1.3, certificate until 2027-01-02`.
pub(super) fn describe(stream: &TlsStream<Stream>, seen: &Seen) -> String {
    let version = match stream.get_ref().1.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS 1.3",
    };
    match seen.get().and_then(|certificate| certificate.expires.duration_since(SystemTime::UNIX_EPOCH).ok()) {
        Some(end) => format!("{version}, certificate until {}", date(end.as_secs())),
        None => version.to_owned(),
    }
}

async fn given_or_system(given: Option<Arc<RootCertStore>>) -> Step<Verifier> {
    let roots = match given {
        Some(roots) => roots,
        // Reads files, hence not on this thread.
        None => {
            tokio::task::spawn_blocking(system_roots).await.unwrap_or_else(|gone| Err(no_roots(&gone.to_string())))?
        }
    };
    chain_verifier(roots)
}

fn chain_verifier(roots: Arc<RootCertStore>) -> Step<Verifier> {
    match WebPkiServerVerifier::builder_with_provider(roots, provider()).build() {
        Ok(verifier) => Ok(verifier),
        Err(error) => Err(no_roots(&error.to_string())),
    }
}

/// The system's trust roots. What cannot be read or parsed is left out, but a list cut short for want of descriptors or memory is an
/// error: it would refuse good servers for as long as it is kept.
fn system_roots() -> Step<Arc<RootCertStore>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        if let ErrorKind::Io { inner, .. } = &error.kind
            && let Some(shortage @ (Cause::Descriptors | Cause::Memory)) = own_fault(inner)
        {
            return Err(End::own(shortage, format!("cannot read trust roots: {}", words(inner))));
        }
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    match found.errors.first() {
        Some(error) if roots.is_empty() => Err(no_roots(&error.to_string())),
        _ => Ok(Arc::new(roots)),
    }
}

fn no_roots(why: &str) -> End {
    End::own(Cause::TrustRoots, format!("no trust roots: {why}"))
}

/// Passes everything on to another verifier and notes the certificate's end of validity, whatever that one thinks of it.
#[derive(Debug)]
struct Witness {
    inner: Verifier,
    seen: Seen,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(expires) = not_after(end_entity) {
            let subject = Names::of(end_entity).and_then(|names| names.first().map(Arc::from));
            // A handshake shows one certificate.
            let _ = self.seen.set(Certificate { expires, subject });
        }
        self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Takes any certificate. The server must still sign the handshake with its key: else a broken server would pass.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Why a handshake failed, in a few words.
fn reason(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(error)) => refusal(error),
        Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => "answer is not TLS".to_owned(),
        Some(error) => format!("TLS: {error}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "closed during the TLS handshake".to_owned(),
        None => format!("{} during the TLS handshake", words(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::Poll;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn trust_roots_are_read_even_if_the_first_probe_does_not_wait() {
        if rustls_native_certs::load_native_certs().certs.is_empty() {
            eprintln!("skipped: this system has no trust roots");
            return;
        }
        let connector = Connector::new(None);
        {
            let mut asked = pin!(connector.verifier());
            let first = poll_fn(|cx| Poll::Ready(asked.as_mut().poll(cx))).await;
            assert!(first.is_pending());
        }
        let read = async {
            while !connector.chain.load().initialized() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let patience = Duration::from_secs(20);
        tokio::time::timeout(patience, read).await.expect("reading a few hundred certificates takes no 20 seconds");
    }
}
