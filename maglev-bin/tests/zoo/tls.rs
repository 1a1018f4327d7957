//! Animals that misbehave in a TLS handshake, or inside TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use maglev_bin::probe::{Http, Kind, Prober, Tls};
use maglev_health::Code;
use regex::bytes::Regex;
use rstest::rstest;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::animal::{BOTH, CLOSED, Do, NOT_HTTP, RESET, Script, Verdict, act, gone, late, serve, some_time, soon};
use crate::authority::{self, Authority, https, tcp_ssl, unverified};
use crate::server::{LOCALHOST, Server, http_params, read_head, target};

const BROKEN: Verdict = soon(&[Code::L6Rsp], &[&["tls"]]);
const LATE: Verdict = late(&[Code::L6Tout], &[&["handshake"]]);

/// Both kinds of probe that do handshakes, whether they look at the certificate or not.
async fn tls_meets(script: &[Do], verdict: Verdict) {
    let prober = Authority::new().prober();
    for address in BOTH {
        let at = serve(address, script).await;
        for target in [https(at.at, Tls::default()), tcp_ssl(at.at, unverified())] {
            let report = verdict.check(&prober, &target).await;
            assert_eq!(report.certificate_expires, None, "{report:?}");
        }
    }
}

#[rstest]
#[case::waits(&[Do::HearHello, Do::Wait], LATE)]
#[case::closes(&[Do::HearHello], soon(&[Code::L6Rsp], CLOSED))]
#[case::closes_unasked(&[Do::Fin, Do::HearHello], soon(&[Code::L6Rsp], CLOSED))]
#[case::resets(&[Do::HearHello, Do::Reset], soon(&[Code::L6Rsp], RESET))]
#[case::half_a_record_and_closes(&[Do::HearHello, Do::Say(b"\x16\x03\x03\x00"), Do::Fin], soon(&[Code::L6Rsp], CLOSED))]
#[case::half_a_record_and_resets(
    &[Do::HearHello, Do::Say(b"\x16\x03\x03\x00"), Do::Reset],
    soon(&[Code::L6Rsp], RESET)
)]
#[case::half_a_record_and_waits(&[Do::HearHello, Do::Say(b"\x16\x03\x03\x00"), Do::Wait], LATE)]
#[case::drips(&[Do::HearHello, Do::Say(b"\x16\x03\x03\x10\x00\x02\x00\x0f\xfc"), Do::Drip(b"\x03")], LATE)]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn does_not_finish_the_handshake(#[case] script: Script, #[case] verdict: Verdict) {
    tls_meets(script, verdict).await;
}

/// In place of a ServerHello, and then nothing more.
#[rstest]
#[case::alert_handshake_failure(b"\x15\x03\x03\x00\x02\x02\x28", soon(&[Code::L6Rsp], &[&["alert"]]))]
#[case::alert_unrecognized_name(b"\x15\x03\x03\x00\x02\x02\x70", soon(&[Code::L6Rsp], &[&["alert"]]))]
#[case::alert_without_a_name(b"\x15\x03\x03\x00\x02\x02\xfe", soon(&[Code::L6Rsp], &[&["alert"]]))]
#[case::old_server(b"\x15\x03\x01\x00\x02\x02\x46", soon(&[Code::L6Rsp], &[&["alert"]]))]
#[case::alert_of_no_length(b"\x15\x03\x03\x00\x00", BROKEN)]
#[case::http(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", soon(&[Code::L6Rsp], &[&["not tls"]]))]
#[case::smtp(b"220 mail.example.com ESMTP\r\n", soon(&[Code::L6Rsp], &[&["not tls"]]))]
#[case::zeros(b"\x00\x00\x00\x00\x00\x00\x00\x00", BROKEN)]
#[case::garbage(b"\xff\x00\xff\x00\xff\x00\xff\x00", BROKEN)]
#[case::record_too_long(b"\x16\x03\x03\xff\xff\x02\x00\x00\x00", BROKEN)]
#[case::message_too_long(b"\x16\x03\x03\x00\x04\x02\xff\xff\xff", BROKEN)]
#[case::data_at_once(b"\x17\x03\x03\x00\x05hello", BROKEN)]
#[case::client_hello(b"\x16\x03\x03\x00\x04\x01\x00\x00\x00", BROKEN)]
#[case::hello_request(b"\x16\x03\x03\x00\x04\x00\x00\x00\x00", BROKEN)]
#[case::finished_at_once(b"\x16\x03\x03\x00\x10\x14\x00\x00\x0cxxxxxxxxxxxx", BROKEN)]
#[case::empty_server_hello(b"\x16\x03\x03\x00\x04\x02\x00\x00\x00", BROKEN)]
#[case::tls_1_1(
    b"\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02\
      rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr\x00\xc0\x13\x00",
    BROKEN
)]
#[case::ssl_3(
    b"\x16\x03\x00\x00\x2a\x02\x00\x00\x26\x03\x00\
      rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr\x00\x00\x2f\x00",
    BROKEN
)]
#[case::cipher_that_nobody_asked_for(
    b"\x16\x03\x03\x00\x2a\x02\x00\x00\x26\x03\x03\
      rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr\x00\x00\x05\x00",
    BROKEN
)]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn says_something_odd(#[case] answer: &'static [u8], #[case] verdict: Verdict) {
    tls_meets(&[Do::HearHello, Do::Say(answer), Do::Wait], verdict).await;
}

#[rstest]
#[case::handshake(b"\x16\x03\x03\x00\x00")]
#[case::change_cipher_spec(b"\x14\x03\x03\x00\x01\x01")]
#[case::warnings(b"\x15\x03\x03\x00\x02\x01\x70")]
#[case::message_without_end(b"\x16\x03\x03\x40\x00")]
#[case::zeros(b"\x00")]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn floods_in_place_of_a_hello(#[case] torrent: &'static [u8]) {
    let verdict = some_time(&[Code::L6Rsp, Code::L6Tout], &[&["tls"]]);
    tls_meets(&[Do::HearHello, Do::Flood(torrent)], verdict).await;
}

/// The other way round: a probe without TLS meets a server with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_tls_server_where_none_is_wanted() {
    let server = Authority::new().issue(&["127.0.0.1"]).serve().await;
    let verdict = soon(&[Code::L7Rsp], &[&["http", "reset"]]);
    verdict.check(&Prober::new(None).unwrap(), &crate::server::http(server.at)).await;
}

/// A connection that breaks off what a TLS server says.
struct Stingy {
    stream: TcpStream,
    left: usize,
    said: Arc<AtomicUsize>,
}

impl AsyncRead for Stingy {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Stingy {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::ErrorKind::StorageFull.into()));
        }
        let allowed = &bytes[..bytes.len().min(self.left)];
        let written = std::task::ready!(Pin::new(&mut self.stream).poll_write(cx, allowed))?;
        self.left -= written;
        self.said.fetch_add(written, Ordering::Relaxed);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A good server that says so many bytes and then does this. Tells how many it said in all.
async fn stopping_after(acceptor: &TlsAcceptor, left: usize, end: Do) -> (Server, Arc<AtomicUsize>) {
    let (acceptor, said) = (acceptor.clone(), Arc::new(AtomicUsize::new(0)));
    let heard = Arc::clone(&said);
    let server = Server::new(LOCALHOST, move |stream, _| {
        let (acceptor, said) = (acceptor.clone(), Arc::clone(&said));
        async move {
            match acceptor.accept(Stingy { stream, left, said }).into_fallible().await {
                Ok(mut whole) => gone(&mut whole).await,
                Err((_, Stingy { stream, .. })) => act(stream, &[end]).await,
            }
        }
    })
    .await;
    (server, heard)
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn stops_in_each_flight(#[values(&TLS12, &TLS13)] version: &'static SupportedProtocolVersion) {
    let authority = Authority::new();
    let mut config = authority.issue(&["127.0.0.1"]).config(&[version]);
    // These come after the handshake.
    config.send_tls13_tickets = 0;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let prober = authority.prober();
    let (server, said) = stopping_after(&acceptor, usize::MAX, Do::Wait).await;
    soon(&[Code::L6Ok], &[]).check(&prober, &tcp_ssl(server.at, Tls::default())).await;
    let whole = said.load(Ordering::Relaxed);
    assert!(whole > 200, "a server says more than {whole} bytes in a handshake");
    // The last two flights differ by a few bytes from run to run, as signatures do.
    for left in [1, 5, 6, whole / 4, whole / 2, whole - 60, whole - 12] {
        for (end, verdict) in
            [(Do::Wait, LATE), (Do::Fin, soon(&[Code::L6Rsp], CLOSED)), (Do::Reset, soon(&[Code::L6Rsp], RESET))]
        {
            let (server, _) = stopping_after(&acceptor, left, end).await;
            for target in [https(server.at, Tls::default()), tcp_ssl(server.at, unverified())] {
                verdict.check(&prober, &target).await;
            }
        }
    }
}

/// What an animal does inside TLS.
#[derive(Clone, Copy, Debug)]
enum Inside {
    /// Over TLS, after the request.
    Say(&'static [u8]),
    /// The same, over and over.
    Flood(&'static [u8]),
    /// Beside TLS, on the bare connection.
    Blurt(&'static [u8]),
    /// `close_notify` and a FIN.
    Close,
    /// A FIN without `close_notify`.
    Fin,
    Reset,
}

async fn https_meets(steps: &'static [Inside], regexp: Option<&str>, verdict: Verdict) {
    let authority = Authority::new();
    for version in [&TLS12, &TLS13] {
        let config = authority.issue(&["127.0.0.1"]).config(&[version]);
        let server = authority::serve(config, move |mut stream| async move {
            read_head(&mut stream).await?;
            for step in steps {
                match *step {
                    Inside::Say(bytes) => stream.write_all(bytes).await?,
                    Inside::Flood(bytes) => loop {
                        stream.write_all(bytes).await?;
                    },
                    Inside::Blurt(bytes) => stream.get_mut().0.write_all(bytes).await?,
                    Inside::Close => stream.shutdown().await?,
                    Inside::Fin => stream.get_mut().0.shutdown().await?,
                    Inside::Reset => return stream.get_ref().0.set_zero_linger(),
                }
                stream.get_mut().0.flush().await?;
            }
            gone(&mut stream.get_mut().0).await
        })
        .await;
        let regexp = regexp.map(|regexp| Regex::new(regexp).unwrap());
        let http = Http { regexp, tls: Some(Tls::default()), ..http_params(server.at.port()) };
        let target = target(LOCALHOST, Kind::Http(http));
        let report = verdict.check(&authority.prober(), &target).await;
        assert!(report.certificate_expires.is_some(), "{report:?}");
    }
}

const FOREVER: &[u8] = &[b'x'; 16 * 1024];
const BAD_RECORD: &[u8] = b"\x17\x03\x03\x00\x20xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

#[rstest]
#[case::waits(&[], late(&[Code::L7Tout], &[&["response"]]))]
#[case::closes(&[Inside::Close], soon(&[Code::L7Rsp], CLOSED))]
#[case::hangs_up(&[Inside::Fin], soon(&[Code::L7Rsp], CLOSED))]
#[case::resets(&[Inside::Reset], soon(&[Code::L7Rsp], RESET))]
#[case::half_a_head(&[Inside::Say(b"HTTP/1.1 200 OK\r\nX"), Inside::Close], soon(&[Code::L7Rsp], CLOSED))]
#[case::half_a_head_and_hangs_up(&[Inside::Say(b"HTTP/1.1 200 OK\r\nX"), Inside::Fin], soon(&[Code::L7Rsp], CLOSED))]
#[case::half_a_head_and_resets(&[Inside::Say(b"HTTP/1.1 200 OK\r\nX"), Inside::Reset], soon(&[Code::L7Rsp], RESET))]
#[case::garbage(&[Inside::Say(b"\x00\xff\x00\xff\r\n\r\n")], soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::leaves_tls(&[Inside::Blurt(b"HTTP/1.1 200 OK\r\n\r\n")], soon(&[Code::L7Rsp, Code::L6Rsp], &[]))]
#[case::bad_record(&[Inside::Blurt(BAD_RECORD)], soon(&[Code::L7Rsp, Code::L6Rsp], &[]))]
#[case::half_a_record(&[Inside::Blurt(b"\x17\x03\x03\x00\x20xxx")], late(&[Code::L7Tout], &[&["response"]]))]
#[case::busy(&[Inside::Say(b"HTTP/1.1 503 Busy\r\n\r\n"), Inside::Fin], soon(&[Code::L7Sts], &[&["status 503"]]))]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn does_not_answer_inside_tls(#[case] steps: &'static [Inside], #[case] verdict: Verdict) {
    https_meets(steps, None, verdict).await;
}

const LENGTH_2: Inside = Inside::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
const LENGTH_3: Inside = Inside::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok");
const NO_LENGTH: Inside = Inside::Say(b"HTTP/1.1 200 OK\r\n\r\nok");
const SEEN: &[&[&str]] = &[&["status 200"]];

#[rstest]
#[case::whole_and_hangs_up(&[LENGTH_2, Inside::Fin], soon(&[Code::L7Ok], &[]))]
#[case::whole_and_waits(&[LENGTH_2], soon(&[Code::L7Ok], &[]))]
#[case::until_the_close(&[NO_LENGTH, Inside::Close], soon(&[Code::L7Ok], &[]))]
// Without `close_notify` nobody knows whether that was all; many servers send none.
#[case::until_it_hangs_up(&[NO_LENGTH, Inside::Fin], soon(&[Code::L7Ok, Code::L7Rsp], SEEN))]
#[case::until_the_reset(&[NO_LENGTH, Inside::Reset], soon(&[Code::L7Rsp], RESET))]
#[case::cut_short(&[LENGTH_3, Inside::Close], soon(&[Code::L7Rsp], SEEN))]
#[case::cut_off(&[LENGTH_3, Inside::Fin], soon(&[Code::L7Rsp], SEEN))]
#[case::bad_record(&[LENGTH_3, Inside::Blurt(BAD_RECORD)], soon(&[Code::L7Rsp], &[]))]
#[case::waits(&[LENGTH_3], late(&[Code::L7Tout], &[&["status 200"], &["body"]]))]
#[case::never_ends(&[NO_LENGTH, Inside::Flood(FOREVER)], soon(&[Code::L7Rsp], &[&["status 200"], &["not found"]]))]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn breaks_off_a_body_inside_tls(#[case] steps: &'static [Inside], #[case] verdict: Verdict) {
    https_meets(steps, Some("ok$"), verdict).await;
}
