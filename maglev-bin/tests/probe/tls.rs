use std::time::{Duration, SystemTime};

use maglev_bin::probe::{Cause, Prober, Target, Tls};
use maglev_health::{Code, Outcome};
use rcgen::date_time_ymd;
use rstest::rstest;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::authority::{Authority, Hello, Identity, Shown, https, named, serve, server_config, tcp_ssl, unverified};
use crate::server::{LOCALHOST, SHORT, Server, assert_report, read_head, soon};

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
        let report = prober.run(&https(server.at, tls.clone())).await;
        assert_report(&report, Outcome::Pass, Code::L7Ok, "status 200");
        assert_eq!(report.certificate_expires, unix(IN_2100));
        let report = prober.run(&tcp_ssl(server.at, tls.clone())).await;
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
    for target in [https(server.at, tls.clone()), tcp_ssl(server.at, tls)] {
        let report = prober.run(&target).await;
        assert_report(&report, Outcome::Fail, Code::L6Rsp, detail);
        assert_eq!(report.certificate_expires, Some(expires), "known all the same");
    }
    let report = prober.run(&https(server.at, unverified())).await;
    assert_report(&report, Outcome::Pass, Code::L7Ok, "status 200");
    assert_eq!(report.certificate_expires, Some(expires));
}

#[tokio::test]
async fn a_certificate_of_another_authority_fails() {
    let server = Authority::new().issue(&["127.0.0.1"]).serve().await;
    let prober = Authority::new().prober();
    let report = prober.run(&https(server.at, Tls::default())).await;
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
    let report = authority.prober().run(&tcp_ssl(server.at, tls)).await;
    assert_report(&report, Outcome::Fail, Code::L6Rsp, "bad signature");
}

#[tokio::test]
async fn tls_1_2_will_do() {
    let authority = Authority::new();
    let identity = authority.issue(&["127.0.0.1"]);
    let server = serve(identity.config(&[&TLS12]), |_| async { Ok(()) }).await;
    let report = authority.prober().run(&tcp_ssl(server.at, Tls::default())).await;
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
        (https(server.at, named("www.example.com")), Some("www.example.com"), "http/1.1"),
        // An address is no name for SNI (RFC 6066, 3).
        (https(server.at, Tls::default()), None, "http/1.1"),
        (tcp_ssl(server.at, named("www.example.com")), Some("www.example.com"), ""),
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
    let report = authority.prober().run(&https(server.at, Tls::default())).await;
    assert_report(&report, Outcome::Fail, Code::L6Rsp, "TLS: received fatal alert: NoApplicationProtocol");
}

#[tokio::test]
async fn a_server_without_tls_fails() {
    let server = Server::new(LOCALHOST, |mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await?;
        read_head(&mut stream).await.map(drop)
    })
    .await;
    let report = Authority::new().prober().run(&https(server.at, Tls::default())).await;
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
    let report = Authority::new().prober().run(&https(server.at, Tls::default())).await;
    assert_report(&report, Outcome::Fail, Code::L6Rsp, "closed during the TLS handshake");
}

#[tokio::test]
async fn a_server_that_says_nothing_times_out_in_the_handshake() {
    let server = Server::new(LOCALHOST, |mut stream, _| async move { read_head(&mut stream).await.map(drop) }).await;
    let target = Target { timeout: SHORT, ..https(server.at, Tls::default()) };
    let report = Authority::new().prober().run(&target).await;
    assert_report(&report, Outcome::Fail, Code::L6Tout, "TLS handshake not done in time");
    assert!(report.elapsed >= SHORT, "{report:?}");
}

#[tokio::test]
async fn authorities_of_a_check_are_the_only_ones_it_believes() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let prober = ours.prober();
    let server = theirs.issue(&["127.0.0.1"]).serve().await;
    let believing = |authority: &Authority| https(server.at, Tls { roots: Some(authority.roots()), ..Tls::default() });
    let report = prober.run(&believing(&theirs)).await;
    assert_report(&report, Outcome::Pass, Code::L7Ok, "status 200");
    let report = prober.run(&believing(&ours)).await;
    assert_report(&report, Outcome::Fail, Code::L6Rsp, "certificate from an unknown issuer");
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_is_shown_ours() {
    let authority = Authority::new();
    let server = authority.issue(&["127.0.0.1"]).serve_clients_of(&authority).await;
    let Identity(shown) = authority.issue(&["maglevd"]);
    let prober = authority.prober();
    let report = prober.run(&https(server.at, Tls { identity: Some(shown), ..Tls::default() })).await;
    assert_report(&report, Outcome::Pass, Code::L7Ok, "status 200");
    // In TLS 1.3 the server's refusal comes after the client's last flight, and so in the place of an answer.
    let report = prober.run(&https(server.at, Tls::default())).await;
    assert_eq!((report.outcome, report.code), (Outcome::Fail, Code::L7Rsp), "{report:?}");
}

#[tokio::test]
async fn without_trust_roots_there_is_no_verdict() {
    let server = Authority::new().issue(&["127.0.0.1"]).serve().await;
    let prober = Prober::with_roots(None, []).unwrap();
    let report = prober.run(&https(server.at, Tls::default())).await;
    assert_eq!((report.outcome, report.code), (Outcome::NoVerdict, Code::SockErr), "{report:?}");
    assert_eq!(report.cause, Some(Cause::TrustRoots));
    let report = prober.run(&https(server.at, unverified())).await;
    assert_report(&report, Outcome::Pass, Code::L7Ok, "status 200");
}
