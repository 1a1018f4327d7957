//! Issues the certificates of the tests.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use maglev_bin::client::ClientTls;
use maglev_bin::grpc::{GrpcOptions, TlsFiles};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair, date_time_ymd,
};

pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

/// A date: year, month, day.
pub(crate) type Day = (i32, u8, u8);

pub(crate) const LONG_AGO: Day = (2000, 1, 1);
pub(crate) const FAR_OFF: Day = (2100, 1, 1);

impl Authority {
    /// Its files go to `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        // Of two authorities with one name a verifier says that a signature is bad.
        params.distinguished_name.push(DnType::CommonName, format!("Authority {}", next()));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, folder: folder.to_owned() }
    }

    /// A file of this authority's own certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.write("ca", &self.issuer.pem())
    }

    pub(crate) fn issue(&self, common_name: &str, dns: &[&str]) -> TlsFiles {
        self.issue_for(LONG_AGO, FAR_OFF, common_name, dns)
    }

    pub(crate) fn issue_for(&self, from: Day, until: Day, common_name: &str, dns: &[&str]) -> TlsFiles {
        let names: Vec<_> = dns.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        TlsFiles { cert: self.write("cert", &certificate.pem()), key: self.write("key", &key.serialize_pem()) }
    }

    /// A server for 127.0.0.1 that wants certificates of this authority.
    pub(crate) fn options(&self) -> GrpcOptions {
        GrpcOptions { client_ca: Some(self.ca()), ..self.options_without_client_ca() }
    }

    pub(crate) fn options_without_client_ca(&self) -> GrpcOptions {
        let tls = Some(self.issue("server", &["127.0.0.1", "maglevd.example"]));
        GrpcOptions { addresses: vec!["127.0.0.1:0".parse().unwrap()], tls, ..GrpcOptions::default() }
    }

    /// A client that trusts this authority and shows nothing.
    pub(crate) fn trusting(&self) -> ClientTls {
        ClientTls { ca: Some(self.ca()), ..ClientTls::default() }
    }

    /// A client that trusts this authority and shows these.
    pub(crate) fn showing(&self, TlsFiles { cert, key }: TlsFiles) -> ClientTls {
        ClientTls { cert: Some(cert), key: Some(key), ..self.trusting() }
    }

    fn write(&self, kind: &str, pem: &str) -> PathBuf {
        let file = self.folder.join(format!("{kind}{}.pem", next()));
        std::fs::write(&file, pem).unwrap();
        file
    }
}

fn next() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}
