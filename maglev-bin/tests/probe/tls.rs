use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use maglev_bin::probe::{Cause, Http, Kind, Prober, Target, Tcp, Tls};
use maglev_health::{Code, Outcome};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rstest::rstest;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::server::{LOCALHOST, OK, SHORT, Server, assert_report, http_params, read_head, soon, target};

/// Issues the certificates of the tests.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What a server shows.
#[derive(Clone)]
pub(crate) struct Identity(Arc<CertifiedKey>);

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

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A prober that trusts this authority alone.
    fn prober(&self) -> Prober {
        Prober::with_roots(None, [self.der()]).unwrap()
    }

    /// Valid from 2000 until 2100.
    pub(crate) fn issue(&self, names: &[&str]) -> Identity {
        self.issue_for((2000, 1, 1), (2100, 1, 1), names)
    }

    fn issue_for(&self, from: (i32, u8, u8), until: (i32, u8, u8), names: &[&str]) -> Identity {
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
    fn with_a_stolen_certificate(&self) -> Self {
        let key = KeyPair::generate().unwrap();
        Self(Arc::new(CertifiedKey::new(self.0.cert.clone(), signing_key(&key))))
    }

    fn config(&self, versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
        server_config(versions, Shown { key: Arc::clone(&self.0), hellos: None })
    }

    /// A server that answers over TLS.
    pub(crate) async fn serve(&self) -> Server {
        serve(self.config(&[&TLS12, &TLS13]), |mut stream| async move {
            read_head(&mut stream).await?;
            stream.write_all(OK).await?;
            stream.shutdown().await
        })
        .await
    }
}

fn signing_key(key: &KeyPair) -> Arc<dyn rustls::sign::SigningKey> {
    let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    ring::sign::any_supported_type(&der).unwrap()
}

fn server_config(versions: &[&'static SupportedProtocolVersion], shown: Shown) -> ServerConfig {
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown))
}

/// Shows the same to everybody, and tells what they asked for.
#[derive(Debug)]
struct Shown {
    key: Arc<CertifiedKey>,
    hellos: Option<mpsc::UnboundedSender<Hello>>,
}

#[derive(Debug, Eq, PartialEq)]
struct Hello {
    name: Option<String>,
    /// Of ALPN, with blanks between.
    protocols: String,
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

async fn serve<F>(
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

fn https(server: &Server, tls: Tls) -> Target {
    let http = Http { tls: Some(tls), ..http_params(server.at.port()) };
    target(LOCALHOST, Kind::Http(http))
}

fn tcp_ssl(server: &Server, tls: Tls) -> Target {
    target(LOCALHOST, Kind::Tcp(Tcp { port: server.at.port(), tls: Some(tls) }))
}

fn named(name: &str) -> Tls {
    Tls { server_name: Some(name.parse().unwrap()), insecure_skip_verify: false }
}

fn unverified() -> Tls {
    Tls { server_name: None, insecure_skip_verify: true }
}

fn unix(seconds: u64) -> Option<SystemTime> {
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// 2100-01-01
const IN_2100: u64 = 4_102_444_800;

#[rstest]
#[case::by_address(Tls::default(), &["127.0.0.1"])]
#[case::by_name(named("www.example.com"), &["www.example.com"])]
#[case::by_wildcard(named("www.example.com"), &["*.example.com"])]
#[case::by_another_address(named("192.0.2.1"), &["192.0.2.1"])]
#[case::unverified(unverified(), &["other.example.com"])]
#[tokio::test]
async fn a_good_certificate_passes(#[case] tls: Tls, #[case] names: &[&str]) {
    let authority = Authority::new();
    let server = authority.issue(names).serve().await;
    let prober = authority.prober();
    // Twice: a resumed session would show no certificate the second time.
    for _ in 0..2 {
        let report = prober.run(&https(&server, tls.clone())).await;
        assert_report(&report, Outcome::Pass, Code::L7Ok, "status 200");
        assert_eq!(report.certificate_expires, unix(IN_2100));
        let report = prober.run(&tcp_ssl(&server, tls.clone())).await;
        assert_report(&report, Outcome::Pass, Code::L6Ok, "TLS 1.3, certificate until 2100-01-01");
        assert_eq!(report.certificate_expires, unix(IN_2100));
    }
}

#[rstest]
#[case::expired((2000, 1, 1), (2020, 1, 2), &["127.0.0.1"], Tls::default(), "certificate expired 2020-01-02")]
#[case::not_yet((2099, 1, 1), (2100, 1, 1), &["127.0.0.1"], Tls::default(), "certificate not valid before 2099-01-01")]
#[case::other_name(
    (2000, 1, 1), (2100, 1, 1), &["a.example.com", "b.example.com"], named("www.example.com"),
    "certificate is for a.example.com, b.example.com, not www.example.com"
)]
#[case::name_and_not_address(
    (2000, 1, 1), (2100, 1, 1), &["www.example.com"], Tls::default(),
    "certificate is for www.example.com, not 127.0.0.1"
)]
#[case::address_and_not_name(
    (2000, 1, 1), (2100, 1, 1), &["127.0.0.1"], named("www.example.com"),
    "certificate is for 127.0.0.1, not www.example.com"
)]
#[case::no_name((2000, 1, 1), (2100, 1, 1), &[], Tls::default(), "certificate is for no name, not 127.0.0.1")]
#[tokio::test]
async fn a_bad_certificate_fails_unless_nobody_looks(
    #[case] from: (i32, u8, u8),
    #[case] until: (i32, u8, u8),
    #[case] names: &[&str],
    #[case] tls: Tls,
    #[case] detail: &str,
) {
    let authority = Authority::new();
    let server = authority.issue_for(from, until, names).serve().await;
    let prober = authority.prober();
    let expires = SystemTime::from(date_time_ymd(until.0, until.1, until.2));
    for target in [https(&server, tls.clone()), tcp_ssl(&server, tls)] {
        let report = prober.run(&target).await;
        assert_report(&report, Outcome::Fail, Code::L6Rsp, detail);
        assert_eq!(report.certificate_expires, Some(expires), "known all the same");
    }
    let report = prober.run(&https(&server, unverified())).await;
    assert_report(&report, Outcome::Pass, Code::L7Ok, "status 200");
    assert_eq!(report.certificate_expires, Some(expires));
}

#[tokio::test]
async fn a_certificate_of_another_authority_fails() {
    let server = Authority::new().issue(&["127.0.0.1"]).serve().await;
    let prober = Authority::new().prober();
    let report = prober.run(&https(&server, Tls::default())).await;
    assert_report(&report, Outcome::Fail, Code::L6Rsp, "certificate from an unknown issuer");
    assert_eq!(report.certificate_expires, unix(IN_2100));
}

#[rstest]
#[tokio::test]
async fn a_server_must_hold_the_key_even_if_nobody_looks(
    #[values(&TLS12, &TLS13)] version: &'static SupportedProtocolVersion,
    #[values(Tls::default(), unverified())] tls: Tls,
) {
    let authority = Authority::new();
    let stolen = authority.issue(&["127.0.0.1"]).with_a_stolen_certificate();
    let server = serve(stolen.config(&[version]), |_| async { Ok(()) }).await;
    let report = authority.prober().run(&tcp_ssl(&server, tls)).await;
    assert_report(&report, Outcome::Fail, Code::L6Rsp, "bad signature");
}

#[tokio::test]
async fn tls_1_2_will_do() {
    let authority = Authority::new();
    let identity = authority.issue(&["127.0.0.1"]);
    let server = serve(identity.config(&[&TLS12]), |_| async { Ok(()) }).await;
    let report = authority.prober().run(&tcp_ssl(&server, Tls::default())).await;
    assert_report(&report, Outcome::Pass, Code::L6Ok, "TLS 1.2, certificate until 2100-01-01");
}

#[tokio::test]
async fn the_server_hears_the_name_and_the_protocol() {
    let authority = Authority::new();
    let Identity(key) = authority.issue(&["www.example.com", "127.0.0.1"]);
    let (hellos, mut heard) = mpsc::unbounded_channel();
    let config = server_config(&[&TLS13], Shown { key, hellos: Some(hellos) });
    let server = serve(config, |_| async { Ok(()) }).await;
    let prober = authority.prober();
    for (target, name, protocols) in [
        (https(&server, named("www.example.com")), Some("www.example.com"), "http/1.1"),
        // An address is no name for SNI (RFC 6066, 3).
        (https(&server, Tls::default()), None, "http/1.1"),
        (tcp_ssl(&server, named("www.example.com")), Some("www.example.com"), ""),
    ] {
        prober.run(&target).await;
        let expected = Hello { name: name.map(str::to_owned), protocols: protocols.to_owned() };
        assert_eq!(soon("the hello", heard.recv()).await, Some(expected));
    }
}

#[tokio::test]
async fn a_server_without_our_protocol_fails() {
    let authority = Authority::new();
    let mut config = authority.issue(&["127.0.0.1"]).config(&[&TLS13]);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let server = serve(config, |_| async { Ok(()) }).await;
    let report = authority.prober().run(&https(&server, Tls::default())).await;
    assert_report(&report, Outcome::Fail, Code::L6Rsp, "TLS: received fatal alert: NoApplicationProtocol");
}

#[tokio::test]
async fn a_server_without_tls_fails() {
    let server = Server::new(LOCALHOST, |mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await?;
        read_head(&mut stream).await.map(drop)
    })
    .await;
    let report = Authority::new().prober().run(&https(&server, Tls::default())).await;
    assert_report(&report, Outcome::Fail, Code::L6Rsp, "answer is not TLS");
    assert_eq!(report.certificate_expires, None);
}

#[tokio::test]
async fn a_server_that_closes_in_the_handshake_fails() {
    let server = Server::new(LOCALHOST, |mut stream, _| async move {
        // All of the client's first message, so that what follows is a close and no reset.
        let mut hello = [0; 5];
        stream.read_exact(&mut hello).await?;
        let mut rest = vec![0; usize::from(u16::from_be_bytes([hello[3], hello[4]]))];
        stream.read_exact(&mut rest).await.map(drop)
    })
    .await;
    let report = Authority::new().prober().run(&https(&server, Tls::default())).await;
    assert_report(&report, Outcome::Fail, Code::L6Rsp, "closed during the TLS handshake");
}

#[tokio::test]
async fn a_server_that_says_nothing_times_out_in_the_handshake() {
    let server = Server::new(LOCALHOST, |mut stream, _| async move { read_head(&mut stream).await.map(drop) }).await;
    let target = Target { timeout: SHORT, ..https(&server, Tls::default()) };
    let report = Authority::new().prober().run(&target).await;
    assert_report(&report, Outcome::Fail, Code::L6Tout, "TLS handshake not done in time");
    assert!(report.elapsed >= SHORT, "{report:?}");
}

#[tokio::test]
async fn without_trust_roots_there_is_no_verdict() {
    let server = Authority::new().issue(&["127.0.0.1"]).serve().await;
    let prober = Prober::with_roots(None, []).unwrap();
    let report = prober.run(&https(&server, Tls::default())).await;
    assert_eq!((report.outcome, report.code), (Outcome::NoVerdict, Code::SockErr), "{report:?}");
    assert_eq!(report.cause, Some(Cause::TrustRoots));
    let report = prober.run(&https(&server, unverified())).await;
    assert_report(&report, Outcome::Pass, Code::L7Ok, "status 200");
}
