//! TCP checks that say something and look at the answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use maglev_bin::probe::{Expect, Http, Kind, Prober, ProxyVersion, Target, Tcp, Tls};
use maglev_health::{Code, Outcome};
use regex::bytes::Regex;
use rstest::rstest;
use rustls::version::TLS13;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::authority::{Authority, unverified};
use crate::server::{LOCALHOST, OK, SHORT, Server, assert_report, http_params, read_head, soon, target};

fn pong() -> Option<Expect> {
    Some(Expect::Text(b"+PONG".as_slice().into()))
}

fn regexp(text: &str) -> Option<Expect> {
    Some(Expect::Regexp(Regex::new(text).unwrap()))
}

fn ping(port: u16) -> Tcp {
    Tcp { port, send: b"PING\r\n".as_slice().into(), expect: pong(), ..Tcp::default() }
}

/// Hears `PING`, says what it has to say, and keeps the connection.
async fn redis(mut stream: TcpStream, answer: &'static [u8]) -> io::Result<()> {
    let mut heard = [0; 6];
    stream.read_exact(&mut heard).await?;
    assert_eq!(&heard, b"PING\r\n");
    stream.write_all(answer).await?;
    stream.read_u8().await.map(drop)
}

async fn probed(answer: &'static [u8], change: impl FnOnce(Tcp) -> Tcp) -> maglev_bin::probe::Report {
    let server = Server::new(LOCALHOST, move |stream, _| redis(stream, answer)).await;
    let target = target(LOCALHOST, Kind::Tcp(change(ping(server.at.port()))));
    Prober::new(None).unwrap().run(&Target { timeout: Duration::from_secs(5), ..target }).await
}

#[rstest]
#[case::text(b"+PONG\r\n", pong(), "found in \"+PONG\"")]
#[case::inside(b"hello\r\n+PONG!", pong(), "found in \"hello\\r\\n+PONG!\"")]
#[case::regexp(b"+PONG\r\n", regexp("P.NG"), "found in \"+PONG\"")]
// The peer pauses: nobody knows whether there is more, and what is here counts.
#[case::anchored(b"+PONG", regexp("PONG$"), "found in \"+PONG\"")]
#[tokio::test]
async fn what_is_expected_is_found_though_the_peer_goes_on_listening(
    #[case] answer: &'static [u8],
    #[case] expect: Option<Expect>,
    #[case] detail: &str,
) {
    let report = probed(answer, |tcp| Tcp { expect, ..tcp }).await;
    assert_report(&report, Outcome::Pass, Code::L7Ok, detail);
    assert_eq!(report.agent, None);
}

#[tokio::test]
async fn an_answer_in_pieces_is_one_answer() {
    let server = Server::new(LOCALHOST, |mut stream, _| async move {
        stream.set_nodelay(true)?;
        for byte in b"+PONG\r\n" {
            stream.write_all(&[*byte]).await?;
            tokio::task::yield_now().await;
        }
        stream.read_u8().await.map(drop)
    })
    .await;
    let report = Prober::new(None).unwrap().run(&target(LOCALHOST, Kind::Tcp(ping(server.at.port())))).await;
    assert_eq!((report.outcome, report.code), (Outcome::Pass, Code::L7Ok), "{report:?}");
}

#[rstest]
#[case::another_answer(b"-ERR no\r\n", true, Code::L7Rsp, "not found in \"-ERR no\", closed")]
#[case::no_answer(b"", true, Code::L7Rsp, "no answer, closed")]
#[case::nothing_more(b"-ERR no\r\n", false, Code::L7Tout, "not found in time in \"-ERR no\"")]
#[case::silence(b"", false, Code::L7Tout, "no answer in time")]
#[tokio::test]
async fn what_is_expected_and_does_not_come_fails(
    #[case] answer: &'static [u8],
    #[case] closes: bool,
    #[case] code: Code,
    #[case] detail: &str,
) {
    let server = Server::new(LOCALHOST, move |mut stream, _| async move {
        let mut heard = [0; 6];
        stream.read_exact(&mut heard).await?;
        stream.write_all(answer).await?;
        if closes { stream.shutdown().await } else { stream.read_u8().await.map(drop) }
    })
    .await;
    let timeout = if closes { Duration::from_secs(20) } else { SHORT };
    let target = Target { timeout, ..target(LOCALHOST, Kind::Tcp(ping(server.at.port()))) };
    let report = Prober::new(None).unwrap().run(&target).await;
    assert_report(&report, Outcome::Fail, code, detail);
}

#[tokio::test]
async fn a_reset_in_place_of_an_answer_fails() {
    let server = Server::new(LOCALHOST, |mut stream, _| async move {
        stream.read_u8().await?;
        stream.set_zero_linger()
    })
    .await;
    let report = Prober::new(None).unwrap().run(&target(LOCALHOST, Kind::Tcp(ping(server.at.port())))).await;
    assert_report(&report, Outcome::Fail, Code::L7Rsp, "no answer, connection reset");
}

#[tokio::test]
async fn an_endless_answer_ends_at_64_kib() {
    let server = Server::new(LOCALHOST, |mut stream, _| async move {
        loop {
            stream.write_all(&[b'a'; 4096]).await?;
        }
    })
    .await;
    let report = Prober::new(None).unwrap().run(&target(LOCALHOST, Kind::Tcp(ping(server.at.port())))).await;
    let detail = format!("not found in \"{}...\", 64 KiB", "a".repeat(60));
    assert_report(&report, Outcome::Fail, Code::L7Rsp, &detail);
}

#[rstest]
#[case::complete(b"75% ready\r\nmore", "75% ready")]
#[case::with_what_is_expected(b"drain\n+PONG\n", "drain")]
#[tokio::test]
async fn the_first_line_is_the_word_of_the_agent(#[case] answer: &'static [u8], #[case] word: &str) {
    let expect = if word == "drain" { pong() } else { None };
    let report = probed(answer, |tcp| Tcp { expect, agent: true, ..tcp }).await;
    assert_eq!((report.outcome, report.code), (Outcome::Pass, Code::L7Ok), "{report:?}");
    assert_eq!(report.agent.as_deref(), Some(word));
}

#[tokio::test]
async fn a_line_may_end_with_the_connection_and_has_to_end() {
    let server = Server::new(LOCALHOST, |mut stream, _| async move {
        stream.write_all(b"50%").await?;
        stream.shutdown().await
    })
    .await;
    let asking = |at: u16| target(LOCALHOST, Kind::Tcp(Tcp { port: at, agent: true, ..Tcp::default() }));
    let report = Prober::new(None).unwrap().run(&asking(server.at.port())).await;
    assert_report(&report, Outcome::Pass, Code::L7Ok, "\"50%\"");
    assert_eq!(report.agent.as_deref(), Some("50%"));

    let server = Server::new(LOCALHOST, |mut stream, _| async move {
        stream.write_all(b"50%").await?;
        stream.read_u8().await.map(drop)
    })
    .await;
    let report = Prober::new(None).unwrap().run(&Target { timeout: SHORT, ..asking(server.at.port()) }).await;
    assert_report(&report, Outcome::Fail, Code::L7Tout, "no whole line in time, \"50%\"");
    assert_eq!(report.agent, None);
}

#[tokio::test]
async fn inside_tls_it_is_the_same() {
    let authority = Authority::new();
    // An HTTP server, to which a TCP check speaks HTTP.
    let server = authority.issue(&["127.0.0.1"]).serve().await;
    let tcp = Tcp {
        port: server.at.port(),
        send: b"GET / HTTP/1.0\r\n\r\n".as_slice().into(),
        expect: regexp("^HTTP/1.1 200 "),
        tls: Some(Tls { insecure_skip_verify: true, ..Tls::default() }),
        ..Tcp::default()
    };
    let report = Prober::new(None).unwrap().run(&target(LOCALHOST, Kind::Tcp(tcp))).await;
    assert_eq!((report.outcome, report.code), (Outcome::Pass, Code::L7Ok), "{report:?}");
    assert!(report.certificate_expires.is_some());
}

#[rstest]
#[case::version_1(ProxyVersion::V1)]
#[case::version_2(ProxyVersion::V2)]
#[tokio::test]
async fn the_proxy_header_comes_before_everything_else(#[case] version: ProxyVersion) {
    let (starts, mut started) = mpsc::unbounded_channel();
    let server = Server::new(LOCALHOST, move |mut stream, peer| {
        let starts = starts.clone();
        async move {
            let own = stream.local_addr()?;
            let expected = match version {
                ProxyVersion::V1 => {
                    format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\n", peer.port(), own.port()).into_bytes()
                }
                _ => b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".to_vec(),
            };
            let mut header = vec![0; expected.len()];
            stream.read_exact(&mut header).await?;
            let mut next = [0; 4];
            stream.read_exact(&mut next).await?;
            starts.send((header == expected, next)).unwrap();
            stream.write_all(OK).await?;
            stream.write_all(b"+PONG").await?;
            stream.shutdown().await
        }
    })
    .await;
    let port = server.at.port();
    let prober = Prober::new(None).unwrap();
    let http = Kind::Http(Http { proxy: Some(version), ..http_params(port) });
    let tcp = Kind::Tcp(Tcp { proxy: Some(version), ..ping(port) });
    for (kind, first) in [(http, b"GET "), (tcp, b"PING")] {
        prober.run(&target(LOCALHOST, kind)).await;
        assert_eq!(soon("the start of a probe", started.recv()).await, Some((true, *first)));
    }
}

#[rstest]
#[case::version_1(ProxyVersion::V1)]
#[case::version_2(ProxyVersion::V2)]
#[tokio::test]
async fn the_proxy_header_comes_before_tls(#[case] version: ProxyVersion) {
    let config = Arc::new(Authority::new().issue(&["127.0.0.1"]).config(&[&TLS13]));
    let (ends, mut ended) = mpsc::unbounded_channel();
    let server = Server::new(LOCALHOST, move |mut stream, _| {
        let (config, ends) = (Arc::clone(&config), ends.clone());
        async move {
            let mut header = Vec::new();
            let end: &[u8] = if version == ProxyVersion::V1 { b"\r\n" } else { b"\x20\0\0\0" };
            while !header.ends_with(end) {
                header.push(stream.read_u8().await?);
            }
            let mut stream = TlsAcceptor::from(config).accept(stream).await?;
            ends.send(read_head(&mut stream).await?).unwrap();
            stream.write_all(OK).await?;
            stream.shutdown().await
        }
    })
    .await;
    let kind = Http { proxy: Some(version), tls: Some(unverified()), ..http_params(server.at.port()) };
    let report = Prober::new(None).unwrap().run(&target(LOCALHOST, Kind::Http(kind))).await;
    assert_report(&report, Outcome::Pass, Code::L7Ok, "status 200");
    assert!(soon("the request", ended.recv()).await.is_some_and(|head| head.starts_with("GET / ")));
}
