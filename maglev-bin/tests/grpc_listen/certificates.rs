use std::io;
use std::sync::Arc;

use maglev_bin::cli::Role;
use maglev_bin::client::{ClientTls, Trouble};
use maglev_bin::grpc::{BindError, GrpcOptions, Listeners, TlsFiles};
use rstest::rstest;
use rustls::crypto::ring;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::authority::{Authority, Day, FAR_OFF, LONG_AGO};
use crate::rig::{Folder, Served, soon, trouble};

#[tokio::test]
async fn a_client_is_known_by_its_certificate() {
    let folder = Folder::new();
    let authority = Authority::new(&folder);
    let mut served = Served::new(&authority.options());
    for (common_name, dns, who) in
        [("ops", &["lb.example"][..], "cert:ops"), ("", &["lb.example", "b.example"], "cert:lb.example")]
    {
        let peer = served.seen_as(Some(&authority.showing(authority.issue(common_name, dns)))).await;
        assert_eq!((peer.to_string().as_str(), peer.role), (who, Role::Operator));
    }
}

#[tokio::test]
async fn only_certificates_that_are_named_may_write() {
    let folder = Folder::new();
    let authority = Authority::new(&folder);
    let operators = vec!["ops".parse().unwrap(), "LB.example".parse().unwrap()];
    let mut served = Served::new(&GrpcOptions { operators, ..authority.options() });
    for (common_name, dns, role) in [
        ("ops", &[][..], Role::Operator),
        ("web", &["a.example", "lb.EXAMPLE"], Role::Operator),
        ("web", &["ops.example"], Role::Viewer),
    ] {
        let peer = served.seen_as(Some(&authority.showing(authority.issue(common_name, dns)))).await;
        assert_eq!(peer.role, role, "{common_name} {dns:?}");
    }
}

#[tokio::test]
async fn without_a_client_ca_whoever_speaks_tls_is_a_viewer() {
    let folder = Folder::new();
    let authority = Authority::new(&folder);
    let mut served = Served::new(&authority.options_without_client_ca());
    let peer = served.seen_as(Some(&authority.trusting())).await;
    assert_eq!(peer.role, Role::Viewer);
    let refused = peer.require_operator("disable a backend").unwrap_err();
    assert!(refused.message().contains("--grpc-client-ca"), "{refused}");
}

#[rstest]
#[case::expired(LONG_AGO, (2020, 1, 2), Trouble::ClientCertificate("it has expired, or is not valid yet"), "certificate expired 2020-01-02")]
#[case::not_yet_valid((2099, 1, 1), FAR_OFF, Trouble::ClientCertificate("it has expired, or is not valid yet"), "certificate not valid before 2099-01-01")]
#[tokio::test]
async fn a_certificate_out_of_its_time_is_refused(
    #[case] from: Day,
    #[case] until: Day,
    #[case] expected: Trouble,
    #[case] warning: &str,
) {
    let folder = Folder::new();
    let authority = Authority::new(&folder);
    let client = authority.showing(authority.issue_for(from, until, "ops", &[]));
    refused(&authority, &client, expected, warning).await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let folder = Folder::new();
    let authority = Authority::new(&folder);
    let client = authority.showing(Authority::new(&folder).issue("ops", &[]));
    let expected = Trouble::ClientCertificate("its authority is not in --grpc-client-ca");
    refused(&authority, &client, expected, "not in --grpc-client-ca").await;
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let folder = Folder::new();
    let authority = Authority::new(&folder);
    refused(&authority, &authority.trusting(), Trouble::CertificateWanted, "shows no certificate").await;
}

#[rstest]
#[case::tls_1_2(&TLS12)]
#[case::tls_1_3(&TLS13)]
#[tokio::test]
async fn a_stolen_certificate_is_worth_nothing_without_its_key(#[case] version: &'static SupportedProtocolVersion) {
    let folder = Folder::new();
    let authority = Authority::new(&folder);
    let (stolen, own) = (authority.issue("ops", &[]), authority.issue("thief", &[]));
    let key = PrivateKeyDer::from_pem_file(own.key).unwrap();
    let chain = vec![CertificateDer::from_pem_file(stolen.cert).unwrap()];
    // Our own client would refuse to.
    let shown = CertifiedKey::new(chain, any_supported_type(&key).unwrap());
    let mut served = Served::new(&authority.options());
    let outcome = exchange(&served, &authority, version, SingleCertAndKey::from(shown)).await;
    assert!(outcome.unwrap_err().to_string().contains("DecryptError"));
    let told = served.warning("grpc-tls").await;
    assert!(told.contains("does not hold the key of its certificate"), "{told}");
}

#[rstest]
#[case::tls_1_2(&TLS12)]
#[case::tls_1_3(&TLS13)]
#[tokio::test]
async fn either_version_of_tls_will_do(#[case] version: &'static SupportedProtocolVersion) {
    let folder = Folder::new();
    let authority = Authority::new(&folder);
    let TlsFiles { cert, key } = authority.issue("ops", &[]);
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let shown =
        CertifiedKey::new(vec![CertificateDer::from_pem_file(cert).unwrap()], any_supported_type(&key).unwrap());
    let served = Served::new(&authority.options());
    let heard = exchange(&served, &authority, version, SingleCertAndKey::from(shown)).await.unwrap();
    assert!(heard.starts_with("HTTP/1.1 400"), "{heard}");
}

/// Asks over TLS for something that is answered without a gRPC client.
async fn exchange(
    served: &Served,
    authority: &Authority,
    version: &'static SupportedProtocolVersion,
    shown: SingleCertAndKey,
) -> io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.ca()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(shown));
    let stream = TcpStream::connect(served.addresses[0].to_string()).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await?;
    let mut heard = String::new();
    soon("an answer", stream.read_to_string(&mut heard)).await?;
    Ok(heard)
}

async fn refused(authority: &Authority, client: &ClientTls, expected: Trouble, warning: &str) {
    let mut served = Served::new(&authority.options());
    let (trouble, text) = trouble(served.connect(Some(client)).await);
    assert_eq!(trouble, expected, "{text}");
    let told = served.warning("grpc-tls").await;
    assert!(told.contains("gRPC client 127.0.0.1:") && told.contains(warning), "{told}");
    assert!(served.saw_nobody());
}

#[rstest]
#[case::no_certificate_file("nowhere.pem", "", "cannot read", "No such file")]
#[case::empty_certificate("", "", "no certificate in PEM form", "")]
#[case::certificate_is_no_pem(
    "-----BEGIN CERTIFICATE-----\n%%\n-----END CERTIFICATE-----\n",
    "",
    "no certificate in PEM form",
    ""
)]
fn files_that_cannot_be_used_are_named(#[case] cert: &str, #[case] key: &str, #[case] what: &str, #[case] why: &str) {
    let folder = Folder::new();
    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        if !text.ends_with(".pem") {
            std::fs::write(&file, text).unwrap();
        }
        file
    };
    let tls = Some(TlsFiles { cert: write("cert", cert), key: write("key", key) });
    let error = refusal(&GrpcOptions { tls, ..Authority::new(&folder).options() });
    let file = folder.join("cert").display().to_string();
    assert!(error.contains(&file) && error.contains(what) && error.contains(why), "{error}");
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let folder = Folder::new();
    let authority = Authority::new(&folder);
    let (one, other) = (authority.issue("one", &[]), authority.issue("other", &[]));
    let tls = Some(TlsFiles { key: other.key, ..one });
    let error = refusal(&GrpcOptions { tls, ..authority.options() });
    assert!(error.contains("is not that of the certificate"), "{error}");
    // A certificate where the key should be.
    let tls = Some(TlsFiles { key: other.cert, cert: authority.ca() });
    let error = refusal(&GrpcOptions { tls, ..authority.options() });
    assert!(error.contains("no private key in PEM form"), "{error}");
}

fn refusal(options: &GrpcOptions) -> String {
    match Listeners::bind(options) {
        Err(error @ BindError::Certificates(_)) => maglev_bin::daemon::chain(&error),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[tokio::test]
async fn a_reload_shows_new_certificates_and_trusts_a_new_authority() {
    let folder = Folder::new();
    let (old, new) = (Authority::new(&folder), Authority::new(&folder));
    let options = old.options();
    let mut served = Served::new(&options);
    let old_client = old.showing(old.issue("old", &[]));
    assert_eq!(served.seen_as(Some(&old_client)).await.to_string(), "cert:old");
    let (files, client_ca) = (options.tls.unwrap(), options.client_ca.unwrap());
    // Half written: nothing changes, and it is said.
    std::fs::write(&files.cert, "").unwrap();
    let error = served.certificates.reload().unwrap_err().to_string();
    assert!(error.contains("no certificate in PEM form"), "{error}");
    assert_eq!(served.seen_as(Some(&old_client)).await.to_string(), "cert:old");
    let issued = new.issue("server", &["127.0.0.1"]);
    std::fs::copy(issued.cert, &files.cert).unwrap();
    std::fs::copy(issued.key, &files.key).unwrap();
    std::fs::copy(new.ca(), &client_ca).unwrap();
    served.certificates.reload().unwrap();
    let new_client = new.showing(new.issue("new", &[]));
    assert_eq!(served.seen_as(Some(&new_client)).await.to_string(), "cert:new");
    let (trouble, text) = trouble(served.connect(Some(&old_client)).await);
    assert!(matches!(trouble, Trouble::ServerCertificate(_)), "{text}");
}
