//! Animals with papers that are not in order.

use std::net::IpAddr;
use std::sync::Arc;

use maglev_bin::probe::{Prober, Tls};
use maglev_health::Code;
use rcgen::{CertificateParams, KeyPair};
use rstest::rstest;
use rustls::SupportedProtocolVersion;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;

use crate::animal::{BOTH, Verdict, gone, soon};
use crate::authority::{Authority, Identity, https, named, signing_key, tcp_ssl, unverified};
use crate::server::{OK, Server, read_head};

type Day = (i32, u8, u8);

const PAST: Day = (2000, 1, 1);
const FUTURE: Day = (2100, 1, 1);

/// Answers over TLS at an address.
async fn serve(identity: &Identity, version: &'static SupportedProtocolVersion, address: IpAddr) -> Server {
    let acceptor = TlsAcceptor::from(Arc::new(identity.config(&[version])));
    Server::new(address, move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await?;
            read_head(&mut stream).await?;
            stream.write_all(OK).await?;
            stream.shutdown().await?;
            gone(&mut stream).await
        }
    })
    .await
}

/// Both kinds of probe with both versions of TLS over both of IP.
async fn meets(prober: &Prober, identity: &Identity, tls: &Tls, verdict: Verdict) {
    for address in BOTH {
        for version in [&TLS12, &TLS13] {
            let server = serve(identity, version, address).await;
            for target in [https(server.at, tls.clone()), tcp_ssl(server.at, tls.clone())] {
                let report = verdict.check(prober, &target).await;
                assert!(report.certificate_expires.is_some(), "{report:?}");
            }
            // Who does not look sees nothing wrong.
            let report = soon(&[Code::L7Ok], &[]).check(prober, &https(server.at, unverified())).await;
            assert!(report.certificate_expires.is_some(), "{report:?}");
            soon(&[Code::L6Ok], &[]).check(prober, &tcp_ssl(server.at, unverified())).await;
        }
    }
}

const PASS: Verdict = soon(&[Code::L7Ok, Code::L6Ok], &[]);
const WHO: &[&str] = &["127.0.0.1", "::1"];

#[rstest]
#[case::good(PAST, FUTURE, WHO, Tls::default(), PASS)]
#[case::expired(PAST, (2020, 1, 2), WHO, Tls::default(), soon(&[Code::L6Rsp], &[&["expired"], &["2020-01-02"]]))]
#[case::not_yet_valid(
    (2099, 1, 1), FUTURE, WHO, Tls::default(), soon(&[Code::L6Rsp], &[&["not valid before"], &["2099-01-01"]])
)]
#[case::other_name(
    PAST, FUTURE, &["a.example.com"], named("www.example.com"),
    soon(&[Code::L6Rsp], &[&["a.example.com"], &["www.example.com"]])
)]
#[case::other_address(
    PAST, FUTURE, &["192.0.2.1", "2001:db8::1"], Tls::default(),
    soon(&[Code::L6Rsp], &[&["192.0.2.1"], &["127.0.0.1", "::1"]])
)]
#[case::name_and_not_address(
    PAST, FUTURE, &["localhost"], Tls::default(), soon(&[Code::L6Rsp], &[&["localhost"], &["127.0.0.1", "::1"]])
)]
#[case::wildcard_of_more(
    PAST, FUTURE, &["*.example.com"], named("a.b.example.com"), soon(&[Code::L6Rsp], &[&["a.b.example.com"]])
)]
#[case::no_name(PAST, FUTURE, &[], Tls::default(), soon(&[Code::L6Rsp], &[&["no name"], &["127.0.0.1", "::1"]]))]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn shows_a_certificate(
    #[case] from: Day,
    #[case] until: Day,
    #[case] names: &[&str],
    #[case] tls: Tls,
    #[case] verdict: Verdict,
) {
    let authority = Authority::new();
    meets(&authority.prober(), &authority.issue_for(from, until, names), &tls, verdict).await;
}

/// Vouched for by nobody else.
fn self_signed(names: &[&str]) -> Identity {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    Identity(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], signing_key(&key))))
}

const UNKNOWN: Verdict = soon(&[Code::L6Rsp], &[&["unknown issuer", "self-signed"]]);

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn shows_a_certificate_of_an_unknown_authority() {
    let identity = Authority::new().issue(WHO);
    meets(&Authority::new().prober(), &identity, &Tls::default(), UNKNOWN).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn shows_a_certificate_of_its_own_making() {
    meets(&Authority::new().prober(), &self_signed(WHO), &Tls::default(), UNKNOWN).await;
}
