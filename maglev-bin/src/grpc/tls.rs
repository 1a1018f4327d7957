//! Which certificates are shown and trusted.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::CertificateError;
use rustls::pki_types::CertificateDer;
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};
use sha2::{Digest, Sha256};

use super::peer::Verified;
use crate::tls::{FileError, authorities, identity, provider};
use crate::x509::{Names, refusal};

/// What a listener shows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TlsFiles {
    /// Its certificate and those between it and its authority (PEM).
    pub cert: PathBuf,
    /// The key of its certificate (PEM).
    pub key: PathBuf,
}

/// The certificates of a running listener, to be read again when their files have changed.
#[derive(Clone, Debug)]
pub struct Certificates(Option<Arc<Files>>);

#[derive(Debug)]
struct Files {
    shown: TlsFiles,
    client_ca: Option<PathBuf>,
    config: ArcSwap<ServerConfig>,
}

impl Certificates {
    /// Reads the files for the first time.
    pub(super) fn read(shown: Option<&TlsFiles>, client_ca: Option<&Path>) -> Result<Self, FileError> {
        let Some(shown) = shown else { return Ok(Self(None)) };
        let config = ArcSwap::from(server_config(shown, client_ca)?);
        Ok(Self(Some(Arc::new(Files { shown: shown.clone(), client_ca: client_ca.map(Path::to_owned), config }))))
    }

    /// Reads the files again, for handshakes from now on; connections that stand are left alone. Without TLS there is nothing to do.
    /// Blocks while it reads.
    ///
    /// # Errors
    /// [`FileError`]; the certificates of before stay in use then.
    pub fn reload(&self) -> Result<(), FileError> {
        if let Some(files) = &self.0 {
            files.config.store(server_config(&files.shown, files.client_ca.as_deref())?);
        }
        Ok(())
    }

    /// For the next handshake; `None` without TLS.
    pub(super) fn config(&self) -> Option<Arc<ServerConfig>> {
        self.0.as_ref().map(|files| files.config.load_full())
    }
}

fn server_config(shown: &TlsFiles, client_ca: Option<&Path>) -> Result<Arc<ServerConfig>, FileError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3");
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(path)?), provider())
                .build()
                .expect("there is an authority, and no revocation list that could be wrong"),
        ),
    };
    let mut config = identity(&shown.cert, &shown.key, |chain, key| builder.with_single_cert(chain, key))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // Whoever resumes a session shows no certificate, and that of the first time may have expired or lost its authority since.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// The certificate that a client showed, if it was asked for one.
pub(super) fn verified(shown: Option<&[CertificateDer<'_>]>) -> Option<Verified> {
    let der = shown?.first()?;
    let hex: String = Sha256::digest(der).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Some(Verified { names: Names::of(der).unwrap_or_default(), fingerprint: format!("sha256:{hex}") })
}

/// Why a handshake failed, in a few words about the client.
pub(super) fn reason(error: &io::Error) -> String {
    use rustls::Error;
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "its certificate is of an authority that is not in --grpc-client-ca".to_owned()
        }
        Some(Error::InvalidCertificate(CertificateError::BadSignature)) => {
            "it does not hold the key of its certificate".to_owned()
        }
        Some(Error::InvalidCertificate(error)) => format!("its {}", refusal(error)),
        Some(Error::NoCertificatesPresented) => "it shows no certificate, and --grpc-client-ca asks for one".to_owned(),
        Some(Error::AlertReceived(alert)) => format!("it gave up with the alert {alert:?}"),
        Some(error) => error.to_string(),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "it closed during the handshake".to_owned(),
        None => error.to_string(),
    }
}
