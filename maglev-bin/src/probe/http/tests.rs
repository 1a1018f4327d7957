use std::ops::RangeInclusive;
use std::pin::pin;
use std::time::Duration;

use maglev_health::Outcome;
use proptest::prelude::*;
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep, sleep_until};

use super::super::target::{ExpectHeader, Header, Tls};
use super::*;

const V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
const TIMEOUT: Duration = Duration::from_secs(1);

fn http() -> Http {
    Http { path: "/healthz?full=1".parse().unwrap(), ..Http::default() }
}

fn looking_for(regexp: &str) -> Http {
    Http { regexp: Some(Regex::new(regexp).unwrap()), ..http() }
}

/// Sends one probe to a peer of this kind, with a paused clock. Gives what decides, without what is kept for people.
async fn probe<P: Future<Output = ()>>(http: &Http, address: IpAddr, peer: impl FnOnce(DuplexStream) -> P) -> End {
    End { status: None, answer: None, ..probe_in_full(http, address, peer).await }
}

async fn probe_in_full<P: Future<Output = ()>>(
    http: &Http,
    address: IpAddr,
    peer: impl FnOnce(DuplexStream) -> P,
) -> End {
    let (ours, theirs) = duplex(1 << 20);
    let deadline = Deadline::after(Instant::now(), TIMEOUT);
    // A peer that is done has closed its side; one that never is goes when the probe has ended.
    let mut peer = pin!(peer(theirs));
    let mut end = pin!(until(deadline, ask(ours, http, address, deadline)));
    tokio::select! {
        end = &mut end => end,
        () = &mut peer => end.await,
    }
}

async fn ask(mut stream: DuplexStream, http: &Http, address: IpAddr, deadline: Deadline) -> End {
    exchange(&mut stream, http, address, deadline, &mut Vec::with_capacity(4_096)).await
}

/// Polls the probe at its deadline, too, as whoever runs it must.
async fn until(deadline: Deadline, probe: impl Future<Output = End>) -> End {
    let mut probe = pin!(probe);
    tokio::select! {
        biased;
        end = &mut probe => end,
        () = sleep_until(deadline.instant()) => probe.await,
    }
}

/// Sends one probe to a peer that reads the request, says this and closes.
async fn answered(http: &Http, response: impl AsRef<[u8]>) -> End {
    probe(http, V4, |mut peer| async move {
        read_head(&mut peer).await;
        // The probe may have heard enough before the end.
        let _ = peer.write_all(response.as_ref()).await;
    })
    .await
}

async fn read_head(peer: &mut DuplexStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(peer.read_u8().await.expect("the request ends with an empty line"));
    }
    String::from_utf8(head).unwrap()
}

/// Only for a passing reply with this body.
fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[rstest]
#[case::plain_v4(http(), V4, "192.0.2.1")]
#[case::plain_v6(http(), V6, "[2001:db8::1]")]
#[case::other_port_v4(Http { port: 8080, ..http() }, V4, "192.0.2.1:8080")]
#[case::other_port_v6(Http { port: 8080, ..http() }, V6, "[2001:db8::1]:8080")]
#[case::https(Http { port: 443, tls: Some(Tls::default()), ..http() }, V4, "192.0.2.1")]
#[case::https_on_80(Http { port: 80, tls: Some(Tls::default()), ..http() }, V6, "[2001:db8::1]:80")]
#[case::http_on_443(Http { port: 443, ..http() }, V4, "192.0.2.1:443")]
#[case::named(Http { host: Some("www.example.com".parse().unwrap()), port: 8080, ..http() }, V4, "www.example.com")]
#[tokio::test(start_paused = true)]
async fn a_request_is_these_bytes_and_no_more(#[case] http: Http, #[case] address: IpAddr, #[case] host: &str) {
    let (ours, mut theirs) = duplex(4096);
    let deadline = Deadline::after(Instant::now(), TIMEOUT);
    let end = until(deadline, ask(ours, &http, address, deadline)).await;
    assert_eq!(end, End::fail(Code::L7Tout, "no response in time"));

    let mut sent = String::new();
    theirs.read_to_string(&mut sent).await.unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        sent,
        format!(
            "GET /healthz?full=1 HTTP/1.1\r\nHost: {host}\r\nUser-Agent: maglevd/{version}\r\nConnection: close\r\n\r\n"
        )
    );
}

#[rstest]
#[case::get(Method::Get, "")]
#[case::head(Method::Head, "")]
#[case::options(Method::Options, "")]
#[case::post(Method::Post, "Content-Length: 0\r\n")]
fn method_and_headers_go_out_as_they_are(#[case] method: Method, #[case] length: &str) {
    let headers = vec![Header::new("X-Probe", "a b").unwrap(), Header::new("x-probe", "c").unwrap()];
    let mut sent = Vec::new();
    write_request(&mut sent, &Http { method, headers, ..http() }, V4);
    let sent = String::from_utf8(sent).unwrap();
    assert!(sent.starts_with(&format!("{method} /healthz?full=1 HTTP/1.1\r\nHost: 192.0.2.1\r\n")), "{sent}");
    assert!(sent.ends_with(&format!("Connection: close\r\n{length}x-probe: a b\r\nx-probe: c\r\n\r\n")), "{sent}");
}

#[rstest]
#[case::head(Method::Head, 200)]
#[case::no_content(Method::Get, 204)]
#[case::not_modified(Method::Get, 304)]
#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_come_is_not_waited_for(#[case] method: Method, #[case] status: u16) {
    let began = Instant::now();
    for codes in [200..=399, 500..=500] {
        let passes = codes.contains(&status);
        let http = Http { method, codes, ..looking_for(if passes { "^$" } else { "x" }) };
        let end = probe_in_full(&http, V4, |mut peer| async move {
            read_head(&mut peer).await;
            let head = format!("HTTP/1.1 {status} Words\r\nContent-Length: 1000\r\n\r\n");
            peer.write_all(head.as_bytes()).await.unwrap();
            sleep(TIMEOUT * 2).await;
        })
        .await;
        let code = if passes { Code::L7Ok } else { Code::L7Sts };
        assert_eq!((end.code, &*end.detail, end.answer), (code, &*format!("status {status}"), None));
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[rstest]
#[case::any_value("X-State", None, true)]
#[case::of_several("x-state", Some("^up$"), true)]
#[case::other_value("X-State", Some("^upside$"), false)]
#[case::not_there("X-Other", None, false)]
#[case::not_of_an_interim_response("X-Early", None, false)]
#[tokio::test(start_paused = true)]
async fn a_header_may_be_expected(#[case] name: &str, #[case] value: Option<&str>, #[case] is_met: bool) {
    let expected = ExpectHeader::new(name, value.map(|value| Regex::new(value).unwrap())).unwrap();
    let http = Http { expect_header: Some(expected), ..looking_for("ok") };
    let response = "HTTP/1.1 103 Early Hints\r\nX-Early: x\r\n\r\n\
        HTTP/1.1 200 OK\r\nX-State: down\r\nX-STATE: up\r\nContent-Length: 2\r\n\r\nok";
    let end = answered(&http, response).await;
    if is_met {
        assert_eq!(end, End::pass(Code::L7Ok, "status 200"));
    } else {
        let detail = format!("status 200, header {} not as expected", name.to_ascii_lowercase());
        assert_eq!(end, End::fail(Code::L7Rsp, detail));
    }
}

#[rstest]
#[case::in_any_case("X-LOAD", 200, Some("75% up"))]
#[case::not_there("X-Other", 200, None)]
#[case::of_an_answer_that_fails("X-Load", 503, None)]
#[tokio::test(start_paused = true)]
async fn the_word_of_an_agent_is_in_a_header(#[case] name: &str, #[case] status: u16, #[case] word: Option<&str>) {
    let http = Http { agent: Some(name.parse().unwrap()), ..http() };
    let end = answered(&http, format!("HTTP/1.1 {status} Words\r\nx-load:  75% up \r\n\r\n")).await;
    assert_eq!(end.agent.as_deref(), word);
}

#[rstest]
#[case::within(3, true)]
#[case::beyond(2, false)]
#[tokio::test(start_paused = true)]
async fn no_more_of_a_body_is_searched_than_is_set(#[case] body_limit: usize, #[case] found: bool) {
    let end = answered(&Http { body_limit, ..looking_for("c") }, ok("abcd")).await;
    assert_eq!(end.outcome == Outcome::Pass, found, "{end:?}");
}

#[rstest]
#[case(200..=399, 200, End::pass(Code::L7Ok, "status 200"))]
#[case(200..=399, 204, End::pass(Code::L7Ok, "status 204"))]
#[case(200..=399, 302, End::pass(Code::L7Ok, "status 302"))]
#[case(200..=399, 399, End::pass(Code::L7Ok, "status 399"))]
#[case(200..=399, 404, End::fail(Code::L7Sts, "status 404"))]
#[case(200..=399, 503, End::fail(Code::L7Sts, "status 503"))]
#[case(200..=299, 302, End::fail(Code::L7Sts, "status 302"))]
#[case(404..=404, 404, End::pass(Code::L7Ok, "status 404"))]
#[case(404..=404, 200, End::fail(Code::L7Sts, "status 200"))]
#[case(200..=399, 999, End::fail(Code::L7Sts, "status 999"))]
#[tokio::test(start_paused = true)]
async fn the_status_decides(#[case] codes: RangeInclusive<u16>, #[case] status: u16, #[case] expected: End) {
    let http = Http { codes, ..http() };
    let response = format!("HTTP/1.1 {status} Some Words\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(answered(&http, response).await, expected);
}

#[tokio::test(start_paused = true)]
async fn an_interim_response_is_not_the_answer() {
    let end = answered(&http(), "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 503 Busy\r\n\r\n").await;
    assert_eq!(end, End::fail(Code::L7Sts, "status 503"));
}

#[rstest]
#[case::of_a_bad_status(http(), "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy", 503, Some("busy"))]
#[case::without_a_body(http(), "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 503, None)]
#[case::of_a_body_without_a_match(looking_for("ok"), "HTTP/1.1 200 OK\r\n\r\nbusy", 200, Some("busy"))]
#[case::in_chunks(
    looking_for("ok"),
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbu\r\n2\r\nsy\r\n0\r\n\r\n",
    200,
    Some("busy")
)]
#[case::of_half_a_body(looking_for("ok"), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nbusy", 200, Some("busy"))]
#[case::that_is_no_http(http(), "SSH-2.0-OpenSSH_9.2\r\n", 0, Some("SSH-2.0-OpenSSH_9.2\r\n"))]
#[case::as_expected(looking_for("ok"), "HTTP/1.1 200 OK\r\n\r\nok", 200, None)]
#[tokio::test(start_paused = true)]
async fn an_answer_that_was_not_expected_is_kept(
    #[case] http: Http,
    #[case] response: &str,
    #[case] status: u16,
    #[case] answer: Option<&str>,
) {
    let end = probe_in_full(&http, V4, |mut peer| async move {
        read_head(&mut peer).await;
        peer.write_all(response.as_bytes()).await.unwrap();
    })
    .await;
    assert_eq!(end.status.unwrap_or_default(), status);
    assert_eq!(end.answer.as_deref(), answer.map(str::as_bytes), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn of_a_long_answer_the_beginning_is_kept() {
    let response = format!("HTTP/1.1 503 Busy\r\n\r\n{}", "busy".repeat(1_000));
    let end = probe_in_full(&http(), V4, |mut peer| async move {
        read_head(&mut peer).await;
        peer.write_all(response.as_bytes()).await.unwrap();
    })
    .await;
    assert_eq!(end.answer.as_deref(), Some("busy".repeat(50).as_bytes()));
}

#[tokio::test(start_paused = true)]
async fn of_a_request_that_nobody_reads_nothing_is_kept() {
    let (mut ours, _theirs) = duplex(16);
    let deadline = Deadline::after(Instant::now(), TIMEOUT);
    let end = until(deadline, exchange(&mut ours, &http(), V4, deadline, &mut Vec::new())).await;
    assert_eq!(end, End::fail(Code::L7Tout, "no response in time"));
}

#[tokio::test(start_paused = true)]
async fn a_match_in_what_was_not_searched_again_counts_at_the_end() {
    // Long, so that the last bytes are not worth a search of their own.
    let end = probe(&looking_for("ok"), V4, |mut peer| async move {
        read_head(&mut peer).await;
        let text = "x".repeat(20_000);
        peer.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{text}").as_bytes()).await.unwrap();
        sleep(TIMEOUT / 2).await;
        peer.write_all(b"ok for now").await.unwrap();
        sleep(TIMEOUT * 2).await;
    })
    .await;
    assert_eq!(end, End::pass(Code::L7Ok, "status 200"));
}

#[test]
fn byte_for_byte_a_body_is_searched_some_thousand_times_at_most() {
    const MOST_BODY: usize = 64 * 1024;
    let (mut searched, mut bytes) = (0, 0);
    for length in 1..=MOST_BODY {
        if is_worth_a_search(searched, length) {
            searched = length;
            bytes += length;
        }
    }
    assert!(bytes < 160 * MOST_BODY, "{bytes} bytes searched");
}

#[tokio::test(start_paused = true)]
async fn http_1_0_will_do() {
    let end = answered(&looking_for("^ok"), "HTTP/1.0 200 OK\r\n\r\nok").await;
    assert_eq!(end, End::pass(Code::L7Ok, "status 200"));
}

#[tokio::test(start_paused = true)]
async fn without_a_regexp_nobody_waits_for_the_body() {
    let end = probe(&http(), V4, |mut peer| async move {
        read_head(&mut peer).await;
        peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await.unwrap();
        sleep(TIMEOUT * 2).await;
    })
    .await;
    assert_eq!(end, End::pass(Code::L7Ok, "status 200"));
}

#[rstest]
#[case::found("^ok", ok("ok then"), true)]
#[case::not_found("^ok", ok("not ok"), false)]
#[case::whole_body("^ok$", ok("ok"), true)]
#[case::more_than_the_whole("^ok$", ok("ok "), false)]
#[case::empty_body("x", ok(""), false)]
#[case::empty_regexp("", ok(""), true)]
#[case::bytes(r"(?-u)\xff", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\x7f\r\n0\r\n\r\n".to_owned(), false)]
#[case::split_over_chunks(
    "^abcd$",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;note=x\r\nc\r\n1\r\nd\r\n0\r\nTrailer: t\r\n\r\n".to_owned(),
    true
)]
#[case::until_the_close("^abcd$", "HTTP/1.1 200 OK\r\n\r\nabcd".to_owned(), true)]
#[case::not_in_the_head("nginx", "HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\napache".to_owned(), false)]
#[case::last_of_64_kib("X", ok(&("x".repeat(65_535) + "X")), true)]
#[case::first_beyond_64_kib("X", ok(&("x".repeat(65_536) + "X")), false)]
#[case::end_of_64_kib_counts_as_the_end("x$", ok(&("x".repeat(65_536) + "y")), true)]
#[tokio::test(start_paused = true)]
async fn the_regexp_decides(#[case] regexp: &str, #[case] response: String, #[case] found: bool) {
    let expected = if found {
        End::pass(Code::L7Ok, "status 200")
    } else {
        End::fail(Code::L7Rsp, "status 200, regexp not found")
    };
    assert_eq!(answered(&looking_for(regexp), response).await, expected);
}

#[tokio::test(start_paused = true)]
async fn the_status_comes_before_the_regexp() {
    let end = answered(&looking_for("^ok"), "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(end, End::fail(Code::L7Sts, "status 503"));
}

#[tokio::test(start_paused = true)]
async fn a_match_ends_the_wait_for_an_endless_body() {
    let began = Instant::now();
    let end = probe(&looking_for("^ok"), V4, |mut peer| async move {
        read_head(&mut peer).await;
        peer.write_all(b"HTTP/1.1 200 OK\r\n\r\nok, and there is more").await.unwrap();
        sleep(TIMEOUT * 2).await;
    })
    .await;
    assert_eq!(end, End::pass(Code::L7Ok, "status 200"));
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_match_that_more_text_may_undo_is_waited_for() {
    let end = probe(&looking_for("^ok$"), V4, |mut peer| async move {
        read_head(&mut peer).await;
        peer.write_all(b"HTTP/1.1 200 OK\r\n\r\nok").await.unwrap();
        sleep(TIMEOUT / 2).await;
        peer.write_all(b" not").await.unwrap();
    })
    .await;
    assert_eq!(end, End::fail(Code::L7Rsp, "status 200, regexp not found"));
}

#[rstest]
#[case::nothing("", "no response, connection closed")]
#[case::other_protocol("SSH-2.0-OpenSSH_9.2\r\n", "no response, answer is not HTTP/1")]
#[case::other_version("HTTP/2 200\r\n", "no response, answer is not HTTP/1")]
#[case::http_0_9("<html></html>", "no response, answer is not HTTP/1")]
#[case::half_a_head("HTTP/1.1 200 OK\r\nContent-", "no response, connection closed in the head")]
#[case::bad_header("HTTP/1.1 200 OK\r\nA B: c\r\n\r\n", "no response, invalid header")]
#[case::no_status("HTTP/1.1 abc OK\r\n\r\n", "no response, invalid status line")]
#[case::status_below_100("HTTP/1.1 099 OK\r\n\r\n", "no response, invalid status line")]
#[case::signed_length("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", "no response, invalid Content-Length")]
#[case::two_lengths(
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "no response, invalid Content-Length"
)]
#[tokio::test(start_paused = true)]
async fn what_is_no_response_fails(#[case] response: &str, #[case] detail: &'static str) {
    assert_eq!(answered(&http(), response).await, End::fail(Code::L7Rsp, detail));
}

#[tokio::test(start_paused = true)]
async fn a_body_cut_short_fails() {
    let end = answered(&looking_for("never"), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnev").await;
    assert_eq!(end.code, Code::L7Rsp);
    assert!(end.detail.starts_with("status 200, "), "{}", end.detail);
    let end = answered(&looking_for("^nev"), "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nnev and some").await;
    assert_eq!(end, End::pass(Code::L7Ok, "status 200"), "a match needs no more text");
}

#[tokio::test(start_paused = true)]
async fn an_endless_head_is_refused_before_it_fills_the_memory() {
    let end = answered(&http(), format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(head::MOST_HEAD))).await;
    assert_eq!(end, End::fail(Code::L7Rsp, "no response, head of more than 64 KiB"));
    let many = (0..1000).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
    let end = answered(&http(), format!("HTTP/1.1 200 OK\r\n{many}\r\n")).await;
    assert_eq!(end, End::fail(Code::L7Rsp, "no response, more than 128 headers"));
}

#[rstest]
#[case::in_the_head("", "no response in time")]
#[case::in_the_body("HTTP/1.1 200 OK\r\n\r\n", "status 200, no whole body in time")]
#[tokio::test(start_paused = true)]
async fn a_slow_drip_ends_at_the_time_out(#[case] start: &'static str, #[case] detail: &'static str) {
    let began = Instant::now();
    let end = probe(&looking_for("never"), V4, |mut peer| async move {
        read_head(&mut peer).await;
        peer.write_all(start.as_bytes()).await.unwrap();
        for byte in b"HTTP/1.1 200 OK\r\nX: ".iter().chain(std::iter::repeat(&b'x')) {
            sleep(Duration::from_millis(10)).await;
            peer.write_all(&[*byte]).await.unwrap();
        }
    })
    .await;
    assert_eq!(end, End::fail(Code::L7Tout, detail));
    assert_eq!(began.elapsed(), TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_closes_without_reading_fails() {
    let end = probe(&http(), V4, |peer| async move { drop(peer) }).await;
    assert_eq!((end.outcome, end.code), (Outcome::Fail, Code::L7Rsp));
    assert!(end.detail.starts_with("no response, connection "), "{}", end.detail);
}

proptest! {
    #[test]
    fn what_is_settled_stays_a_match(
        regexp in prop::sample::select(vec![
            "a", "^a", "a$", "^a*b?$", r"\ba\b", r"a\B", "(?m)^b$", "(?mR)a$", "b|ab$", "(?s).*b$", r"a\b{end}", "",
            r"(?-u:\b)a", "ä$", r"\Aab\z", "a{2,}", "a+?$", "(?m)a$|b",
        ]),
        text in "[abä \r\n]{0,12}",
        more in "[abä \r\n]{0,12}",
        cut in 0..30_usize,
    ) {
        let regexp = Regex::new(regexp).unwrap();
        let whole = format!("{text}{more}").into_bytes();
        let seen = &whole[..cut.min(whole.len())];
        if settled(&regexp, seen) {
            prop_assert!(regexp.is_match(&whole), "{seen:?} of {whole:?}");
        }
    }

    #[test]
    fn any_bytes_are_an_answer_of_some_kind(
        start in prop::sample::select(vec!["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]),
        garbage in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let response = [start.as_bytes(), &garbage].concat();
        let end = runtime.block_on(answered(&looking_for("^never$"), response));
        prop_assert_ne!(end.outcome, Outcome::NoVerdict);
    }
}
