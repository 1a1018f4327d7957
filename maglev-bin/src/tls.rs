//! What both ends of TLS share: the cryptography, and certificates and keys from files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why a file of certificates or keys cannot be used. Mend the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It is not there, or not for this user.
    #[error("cannot read {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// It holds something else.
    #[error("{} has no {wanted} in PEM form", .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        wanted: &'static str,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// The certificate in it cannot be used.
    #[error("{} has a certificate that cannot be used", .path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
    /// The key is of another certificate.
    #[error("the key in {} is not that of the certificate in {}", .key.display(), .cert.display())]
    Mismatch {
        /// File of the certificate.
        cert: PathBuf,
        /// File of the key.
        key: PathBuf,
    },
}

/// A certificate with what is between it and its authority, and its key, for a builder of either end.
pub(crate) fn identity<T>(
    cert: &Path,
    key: &Path,
    build: impl FnOnce(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) -> Result<T, rustls::Error>,
) -> Result<T, FileError> {
    let chain = certificates(cert)?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|source| unusable(key, "private key", source))?;
    build(chain, secret).map_err(|source| match source {
        rustls::Error::InconsistentKeys(_) => FileError::Mismatch { cert: cert.to_owned(), key: key.to_owned() },
        source => FileError::Certificate { path: cert.to_owned(), source },
    })
}

/// The authorities in a file, at least one.
pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, FileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|source| FileError::Certificate { path: path.to_owned(), source })?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let fail = |source| unusable(path, "certificate", source);
    let found = CertificateDer::pem_file_iter(path).map_err(fail)?.collect::<Result<Vec<_>, _>>().map_err(fail)?;
    if found.is_empty() { Err(fail(pem::Error::NoItemsFound)) } else { Ok(found) }
}

fn unusable(path: &Path, wanted: &'static str, source: pem::Error) -> FileError {
    let path = path.to_owned();
    match source {
        pem::Error::Io(source) => FileError::Unreadable { path, source },
        source => FileError::Pem { path, wanted, source },
    }
}

/// The cryptography of every TLS connection here.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(ring::default_provider())))
}
