//! How a TLS handshake is done, and the files that it takes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};

use super::get;
use crate::config::item::{Fields, Item};
use crate::config::kind::{FromFile, TlsParams};
use crate::config::read::boolean;
use crate::config::report::{At, Report, Spot};
use crate::tls::provider;

/// The keys here.
const KEYS: [&str; 5] = ["server-name", "insecure-skip-verify", "ca-file", "client-cert-file", "client-key-file"];

/// Of a type that does TLS with `ssl: true`.
pub(super) fn read_if_wanted(fields: Option<&Fields<'_>>, report: &mut Report) -> Option<TlsParams> {
    if boolean(get(fields, "ssl"), report, false) {
        return Some(read(fields, report));
    }
    for key in KEYS {
        if let Some(item) = get(fields, key) {
            let help = format!("add `ssl: true` for a TLS handshake, or remove `{key}`");
            report.semantic(item.spot(), format!("`{key}` has no meaning without `ssl: true`"), help);
        }
    }
    None
}

pub(super) fn read(fields: Option<&Fields<'_>>, report: &mut Report) -> TlsParams {
    let insecure_skip_verify = boolean(get(fields, "insecure-skip-verify"), report, false);
    let roots = get(fields, "ca-file").and_then(|item| {
        if insecure_skip_verify {
            let help = "remove one of them: with `insecure-skip-verify` any certificate passes".to_owned();
            report.semantic(item.spot(), "`ca-file` has no meaning beside `insecure-skip-verify: true`", help);
        }
        authorities(item, report)
    });
    TlsParams {
        server_name: get(fields, "server-name").and_then(|item| server_name(item, report)),
        insecure_skip_verify,
        roots,
        identity: fields.and_then(|fields| identity(fields, report)),
    }
}

fn server_name(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let name = item.text(report, "the name in a certificate")?;
    if ServerName::try_from(name.value.as_str()).is_err() {
        let message = format!("`{}` is neither a DNS name nor an IP address", name.value);
        report.semantic(&name.spot, message, "write the name that the certificate carries, without port".to_owned());
        return None;
    }
    Some(name.value)
}

fn authorities(item: &Item<'_>, report: &mut Report) -> Option<FromFile<RootCertStore>> {
    let file = text_of_file(item, report)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&file, report)? {
        if let Err(error) = roots.add(certificate) {
            let message = format!("{} has a certificate that cannot be used: {error}", file.path);
            report.semantic(&file.spot, message, None);
            return None;
        }
    }
    Some(FromFile::new(roots, sha256(&[&file])))
}

/// A certificate and its key, which come together or not at all.
fn identity(fields: &Fields<'_>, report: &mut Report) -> Option<FromFile<CertifiedKey>> {
    let (cert, key) = (fields.get("client-cert-file"), fields.get("client-key-file"));
    if let (Some(one), None, other) | (None, Some(one), other) =
        (cert, key, if cert.is_some() { "key" } else { "cert" })
    {
        let message = format!("`client-{other}-file` is missing");
        report.semantic(
            one.spot(),
            message,
            "a certificate is of use only with its key: set both, or neither".to_owned(),
        );
    }
    // Both are looked at, so that one run tells what is wrong with either.
    let cert_file = cert.and_then(|item| text_of_file(item, report));
    let chain = cert_file.as_ref().and_then(|file| certificates(file, report));
    let key_file = key.and_then(|item| text_of_file(item, report));
    let secret = key_file.as_ref().and_then(|file| match PrivateKeyDer::from_pem_slice(&file.bytes) {
        Ok(secret) => Some(secret),
        Err(error) => no_pem(file, "private key", &error, report),
    });
    let (cert_file, key_file) = (cert_file?, key_file?);
    match CertifiedKey::from_der(chain?, secret?, &provider()) {
        Ok(key) => Some(FromFile::new(key, sha256(&[&cert_file, &key_file]))),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let message = format!("the key in {} is not that of the certificate in {}", key_file.path, cert_file.path);
            let help =
                "the certificate of the key comes first in its file, those of its authorities behind it".to_owned();
            report.semantic(&key_file.spot, message, help);
            None
        }
        Err(error) => {
            let message = format!("{} and {} cannot be used: {error}", cert_file.path, key_file.path);
            report.semantic(&key_file.spot, message, None);
            None
        }
    }
}

fn certificates(file: &PemFile, report: &mut Report) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&file.bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Some(found),
        Ok(_) => no_pem(file, "certificate", &pem::Error::NoItemsFound, report),
        Err(error) => no_pem(file, "certificate", &error, report),
    }
}

/// Never tells what the file holds: whoever may ask for a config to be checked need not be one who may read its keys.
fn no_pem<T>(file: &PemFile, wanted: &str, error: &pem::Error, report: &mut Report) -> Option<T> {
    let why = match error {
        pem::Error::NoItemsFound => "",
        pem::Error::MissingSectionEnd { .. } => ": a section has no end",
        pem::Error::Base64Decode(_) => ": a section is no base64",
        _ => ": it is damaged",
    };
    let help = format!("a {wanted} in PEM form starts with a line such as `-----BEGIN {}-----`", wanted.to_uppercase());
    report.semantic(&file.spot, format!("{} has no {wanted} in PEM form{why}", file.path), help);
    None
}

/// A file of the config's, as it is now.
struct PemFile {
    path: String,
    spot: Spot,
    bytes: Vec<u8>,
}

/// All authorities of a large system are a quarter of this.
const LARGEST: u64 = 1 << 20;

fn text_of_file(item: &Item<'_>, report: &mut Report) -> Option<PemFile> {
    let At { value: path, spot } = item.text(report, "the path of a file")?;
    if !path.starts_with('/') || path.contains('\0') {
        let message = format!("`{path}` is not the whole path of a file");
        report.semantic(&spot, message, "write it from `/` on: maglevd may run in any directory".to_owned());
        return None;
    }
    match bytes_of_file(Path::new(&path)) {
        Ok(bytes) => Some(PemFile { path, spot, bytes }),
        Err((why, help)) => {
            report.semantic(&spot, format!("cannot read {path}: {why}"), help);
            None
        }
    }
}

/// The bytes, or why there are none and what to do about it.
fn bytes_of_file(path: &Path) -> Result<Vec<u8>, (String, Option<String>)> {
    let found = fs::metadata(path).map_err(|error| refused(path, &error))?;
    // A pipe or a terminal would keep the daemon waiting.
    if !found.is_file() {
        return Err(("it is no regular file".to_owned(), None));
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    read.map_err(|error| refused(path, &error))?;
    if bytes.len() as u64 > LARGEST {
        return Err((format!("it is larger than {} MiB", LARGEST >> 20), None));
    }
    Ok(bytes)
}

/// An error of the system in words, and for missing rights who would need them on what.
fn refused(path: &Path, error: &io::Error) -> (String, Option<String>) {
    let help = match error.kind() {
        io::ErrorKind::NotFound => return ("there is no such file".to_owned(), None),
        io::ErrorKind::PermissionDenied => needed(path),
        _ => None,
    };
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    (text[..end].to_lowercase(), help)
}

/// Who this process is, and the first thing on the way to the file that it may not pass.
fn needed(path: &Path) -> Option<String> {
    // The directory of a process belongs to its effective user.
    let us = fs::metadata("/proc/self").map_or_else(|_| "this user".to_owned(), |found| format!("uid {}", found.uid()));
    let mut above: Vec<&Path> = path.ancestors().collect();
    above.reverse();
    let pairs = above
        .windows(2)
        .find(|pair| fs::metadata(pair[1]).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied));
    let (what, verb) = pairs.map_or((path, "read"), |pair| (pair[0], "enter"));
    let found = fs::metadata(what).ok()?;
    Some(format!(
        "maglevd runs as {us}, which may not {verb} {}: mode {:o}, owner {}, group {}",
        what.display(),
        found.mode() & 0o7777,
        found.uid(),
        found.gid()
    ))
}

/// Of all the bytes, each file's behind the number of them, so that no two lists of files are alike.
fn sha256(files: &[&PemFile]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        hash.update((file.bytes.len() as u64).to_be_bytes());
        hash.update(&file.bytes);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
