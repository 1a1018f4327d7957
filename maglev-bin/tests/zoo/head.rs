//! Animals that misbehave in the head of a response.

use maglev_bin::probe::{Http, Kind, Prober};
use maglev_health::Code;
use rstest::rstest;

use crate::animal::{BOTH, CLOSED, Do, NOT_HTTP, RESET, Script, Verdict, http_meets, late, serve, some_time, soon};
use crate::server::{http_params, target};

/// They hear the request, say this and wait: no verdict may need a word or a close more.
#[rstest]
#[case::zeros(b"\x00\x00\x00\x00\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::high_bytes(b"\xff\xfe\xfd\xfc\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::http_0_9(b"<html>ok</html>\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::ssh(b"SSH-2.0-OpenSSH_9.2\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::http_2_preface(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::http_2_settings(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::http_2_status_line(b"HTTP/2.0 200 OK\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::http_1_9(b"HTTP/1.9 200 OK\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::lower_case(b"http/1.1 200 OK\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::a_request(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::tls_alert(b"\x15\x03\x01\x00\x02\x02\x46", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::http_1_0(b"HTTP/1.0 200 OK\r\n\r\n", soon(&[Code::L7Ok], &[]))]
#[case::no_reason(b"HTTP/1.1 200\r\n\r\n", soon(&[Code::L7Ok], &[]))]
#[case::bytes_in_the_reason(b"HTTP/1.1 503 Gr\xfc\xdfe\r\n\r\n", soon(&[Code::L7Sts], &[&["status 503"]]))]
#[case::bare_line_feeds(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", soon(&[Code::L7Ok], &[]))]
#[case::bare_line_feeds_and_busy(b"HTTP/1.1 503 Busy\n\n", soon(&[Code::L7Sts], &[&["status 503"]]))]
// RFC 9112, 5.2: a server must not, and a client may put blanks in its place.
#[case::folded_header(b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", soon(&[Code::L7Ok, Code::L7Rsp], NOT_HTTP))]
#[case::nul_in_a_name(b"HTTP/1.1 200 OK\r\nX\x00Y: a\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::nul_in_a_value(b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::no_colon(b"HTTP/1.1 200 OK\r\nnothing here\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::no_name(b"HTTP/1.1 200 OK\r\n: value\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::two_answers(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 503 Busy\r\n\r\n", soon(&[Code::L7Ok], &[]))]
#[case::two_answers_and_the_first_is_bad(
    b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    soon(&[Code::L7Sts], &[&["status 503"]])
)]
#[case::interim_answers(
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n\
      HTTP/1.1 503 Busy\r\n\r\n",
    soon(&[Code::L7Sts], &[&["status 503"]])
)]
#[case::interim_and_no_answer(b"HTTP/1.1 100 Continue\r\n\r\n", late(&[Code::L7Tout], &[&["response"]]))]
#[case::another_protocol(
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    soon(&[Code::L7Sts], &[&["status 101"]])
)]
#[case::no_end(b"HTTP/1.1 200 OK\r\nX: y\r\n", late(&[Code::L7Tout], &[&["response"]]))]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn says_something_odd_and_waits(#[case] answer: &'static [u8], #[case] verdict: Verdict) {
    http_meets(&[Do::Hear, Do::Say(answer), Do::Wait], verdict).await;
}

/// A status code is three digits, 100 or more (RFC 9110, 15).
#[rstest]
#[case::too_small(b"HTTP/1.1 99 Odd\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::nought(b"HTTP/1.1 000 Odd\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::leading_nought(b"HTTP/1.1 099 Odd\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::of_no_class(b"HTTP/1.1 600 Odd\r\n\r\n", soon(&[Code::L7Sts], &[&["status 600"]]))]
#[case::the_largest(b"HTTP/1.1 999 Odd\r\n\r\n", soon(&[Code::L7Sts], &[&["status 999"]]))]
#[case::too_large(b"HTTP/1.1 1000 Odd\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::that_starts_well(b"HTTP/1.1 2000 Odd\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::negative(b"HTTP/1.1 -20 Odd\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::with_a_sign(b"HTTP/1.1 +20 Odd\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::hexadecimal(b"HTTP/1.1 0c8 Odd\r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[case::none(b"HTTP/1.1 \r\n\r\n", soon(&[Code::L7Rsp], NOT_HTTP))]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn says_an_odd_status(#[case] answer: &'static [u8], #[case] verdict: Verdict) {
    http_meets(&[Do::Hear, Do::Say(answer), Do::Wait], verdict).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn another_protocol_may_be_what_is_wanted() {
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let server = serve(BOTH[0], &[Do::Hear, Do::Say(answer), Do::Wait]).await;
    let http = Http { codes: 101..=101, ..http_params(server.at.port()) };
    soon(&[Code::L7Ok], &[]).check(&Prober::new(None).unwrap(), &target(BOTH[0], Kind::Http(http))).await;
}

#[rstest]
#[case::status_line(&[Do::Hear, Do::Drip(b"HTTP/1.1 200 OK")], late(&[Code::L7Tout], &[&["response"]]))]
#[case::headers(
    &[Do::Hear, Do::Say(b"HTTP/1.1 200 OK\r\n"), Do::Drip(b"X: y\r\n")],
    late(&[Code::L7Tout], &[&["response"]])
)]
#[case::interim_answers(
    &[Do::Hear, Do::Say(b"HTTP/1.1 100 Continue\r\n\r\n"), Do::Drip(b"HTTP/1.1 100 C\r\n\r\n")],
    late(&[Code::L7Tout], &[&["response"]])
)]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn drips(#[case] script: Script, #[case] verdict: Verdict) {
    http_meets(script, verdict).await;
}

/// The end of a head that is never whole.
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nServer: zoo\r\nContent-Length: 0\r\n\r";

#[rstest]
#[case::closes(Do::Fin, soon(&[Code::L7Rsp], CLOSED))]
#[case::resets(Do::Reset, soon(&[Code::L7Rsp], RESET))]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn ends_at_each_byte_of_the_head(#[case] end: Do, #[case] verdict: Verdict) {
    for cut in 0..=HEAD.len() {
        http_meets(&[Do::Hear, Do::Say(&HEAD[..cut]), end], verdict).await;
    }
}

/// Each byte in a packet of its own, with the whole head in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn says_it_byte_by_byte() {
    let mut script = vec![Do::Hear];
    let answer: &'static [u8] = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    script.extend(answer.chunks(1).map(Do::Say));
    script.push(Do::Wait);
    http_meets(&script, soon(&[Code::L7Sts], &[&["status 503"]])).await;
}

/// However long, and whether the probe gives up or time does.
#[rstest]
#[case::empty_lines(b"\r\n", some_time(&[Code::L7Rsp, Code::L7Tout], &[]))]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn talks_and_never_answers(#[case] torrent: &'static [u8], #[case] verdict: Verdict) {
    http_meets(&[Do::Hear, Do::Flood(torrent)], verdict).await;
}
