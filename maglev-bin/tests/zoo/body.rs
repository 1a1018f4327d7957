//! Animals that misbehave in the body of a response. Each is met by a probe that looks for something there.

use maglev_health::Code;
use rstest::rstest;

use crate::animal::{Do, Script, Verdict, http_meets, late, search_meets, soon};

/// The status came, and then not all of the body.
const CUT: &[&[&str]] = &[&["status 200"], &["closed", "end of file", "cut", "short", "incomplete", "unexpected"]];
const BAD_LENGTH: &[&[&str]] = &[&["length"]];
const BAD_CHUNK: &[&[&str]] = &[&["status 200"], &["chunk", "body"]];
const NOT_FOUND: &[&[&str]] = &[&["status 200"], &["not found"]];

#[rstest]
#[case::one_too_many(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "ok$", soon(&[Code::L7Rsp], CUT))]
#[case::huge(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\nok", "ok$", soon(&[Code::L7Rsp], CUT))]
#[case::short(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, more", "^ok$", soon(&[Code::L7Ok], &[]))]
#[case::nought(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nok", "ok", soon(&[Code::L7Rsp], NOT_FOUND))]
#[case::negative(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok", "ok", soon(&[Code::L7Rsp], BAD_LENGTH))]
#[case::with_a_sign(b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", "ok", soon(&[Code::L7Rsp], BAD_LENGTH))]
#[case::hexadecimal(b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok", "ok", soon(&[Code::L7Rsp], BAD_LENGTH))]
#[case::empty(b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok", "ok", soon(&[Code::L7Rsp], BAD_LENGTH))]
#[case::a_word(b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok", "ok", soon(&[Code::L7Rsp], BAD_LENGTH))]
#[case::beyond_64_bits(
    b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nok", "ok", soon(&[Code::L7Rsp], BAD_LENGTH)
)]
#[case::of_100_digits(
    b"HTTP/1.1 200 OK\r\nContent-Length: \
      99999999999999999999999999999999999999999999999999\
      99999999999999999999999999999999999999999999999999\r\n\r\nok",
    "ok", soon(&[Code::L7Rsp], BAD_LENGTH)
)]
#[case::two_that_differ(
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", "ok", soon(&[Code::L7Rsp], BAD_LENGTH)
)]
// RFC 9110, 8.6: either refused or taken as one.
#[case::two_that_agree(
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", "^ok$",
    soon(&[Code::L7Ok, Code::L7Rsp], BAD_LENGTH)
)]
// RFC 9112, 6.3: the chunks count.
#[case::beside_chunks(
    b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "^ok$",
    soon(&[Code::L7Ok, Code::L7Rsp], &[])
)]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_wrong_length(#[case] answer: &'static [u8], #[case] regexp: &str, #[case] verdict: Verdict) {
    search_meets(&[Do::Hear, Do::Say(answer), Do::Fin], regexp, verdict).await;
}

#[rstest]
#[case::a_word(b"xyz\r\nok\r\n")]
#[case::nothing(b"\r\nok\r\n")]
#[case::negative(b"-2\r\nok\r\n")]
#[case::with_a_sign(b"+2\r\nok\r\n")]
#[case::prefixed(b"0x2\r\nok\r\n")]
#[case::beyond_64_bits(b"10000000000000000\r\nok\r\n")]
#[case::of_many_digits(b"ffffffffffffffffffffffffffffffffffffffff\r\nok\r\n")]
#[case::garbage(b"\x00\xff\x00\xff\r\n")]
#[case::longer_than_said(b"2\r\nok, more\r\n0\r\n\r\n")]
#[case::a_line_feed_alone(b"2\nok\n0\n\n")]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_wrong_chunk(#[case] chunks: &'static [u8]) {
    let head = Do::Say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    let verdict = soon(&[Code::L7Rsp], BAD_CHUNK);
    search_meets(&[Do::Hear, head, Do::Say(chunks), Do::Wait], "never", verdict).await;
    // Nobody needs the body then.
    http_meets(&[Do::Hear, head, Do::Say(chunks), Do::Wait], soon(&[Code::L7Ok], &[])).await;
}

#[rstest]
#[case::nothing(&[Do::Hear, Do::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"), Do::Wait])]
#[case::less_than_the_length(&[Do::Hear, Do::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok"), Do::Wait])]
#[case::no_end(&[Do::Hear, Do::Say(b"HTTP/1.1 200 OK\r\n\r\nok"), Do::Wait])]
#[case::no_last_chunk(
    &[Do::Hear, Do::Say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"), Do::Wait]
)]
#[case::half_a_chunk_size(
    &[Do::Hear, Do::Say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2"), Do::Wait]
)]
#[case::a_huge_chunk(
    &[Do::Hear, Do::Say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\nok"), Do::Wait]
)]
#[case::drips(&[Do::Hear, Do::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"), Do::Drip(b"ok")])]
#[case::drips_until_the_close(&[Do::Hear, Do::Say(b"HTTP/1.1 200 OK\r\n\r\n"), Do::Drip(b"ok")])]
#[case::drips_chunks(
    &[Do::Hear, Do::Say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), Do::Drip(b"1\r\no\r\n")]
)]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn keeps_the_rest_to_itself(#[case] script: Script) {
    search_meets(script, "never", late(&[Code::L7Tout], &[&["status 200"], &["body"]])).await;
    http_meets(script, soon(&[Code::L7Ok], &[])).await;
}

/// A regexp that more text could not undo is found without it.
#[rstest]
#[case::by_length(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\nok then, and more")]
#[case::by_chunks(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\nok then, and more")]
#[case::until_the_close(b"HTTP/1.1 200 OK\r\n\r\nok then, and more")]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn has_said_enough(#[case] answer: &'static [u8]) {
    for end in [Do::Wait, Do::Fin, Do::Reset] {
        search_meets(&[Do::Hear, Do::Say(answer), end], "^ok", soon(&[Code::L7Ok], &[])).await;
    }
}

/// These answers have no body, whatever follows (RFC 9112, 6.3).
#[rstest]
#[case::no_content(b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok")]
#[case::not_modified(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok")]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_body_where_there_is_none(#[case] answer: &'static [u8]) {
    let script = [Do::Hear, Do::Say(answer), Do::Wait];
    search_meets(&script, "ok", soon(&[Code::L7Rsp], &[&["status 204", "status 304"], &["not found"]])).await;
    http_meets(&script, soon(&[Code::L7Ok], &[])).await;
}

/// The answer is refused before its body is looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_error_page_that_never_ends() {
    let answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 1000\r\n\r\nok";
    search_meets(&[Do::Hear, Do::Say(answer), Do::Wait], "ok", soon(&[Code::L7Sts], &[&["status 503"]])).await;
}

const BY_LENGTH: (&[u8], usize) = (b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nall is well.", 39);
const BY_CHUNKS: (&[u8], usize) =
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nall i\r\n7;x=y\r\ns well.\r\n0\r\n\r\n", 47);

/// `(whole answer, bytes of its head)`. Whole it would pass.
#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn ends_at_each_byte_of_the_body(#[values(BY_LENGTH, BY_CHUNKS)] (answer, head): (&'static [u8], usize)) {
    assert!(answer[..head].ends_with(b"\r\n\r\n"));
    search_meets(&[Do::Hear, Do::Say(answer)], r"^all is well\.$", soon(&[Code::L7Ok], &[])).await;
    for cut in head..answer.len() {
        let said = Do::Say(&answer[..cut]);
        search_meets(&[Do::Hear, said, Do::Fin], r"\.$", soon(&[Code::L7Rsp], CUT)).await;
        let reset = soon(&[Code::L7Rsp], &[&["status 200"], &["reset"]]);
        search_meets(&[Do::Hear, said, Do::Reset], r"\.$", reset).await;
    }
}

/// Without a length a reset is no end of a body.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_reset_in_place_of_the_end() {
    let script = [Do::Hear, Do::Say(b"HTTP/1.1 200 OK\r\n\r\nok"), Do::Reset];
    search_meets(&script, "ok$", soon(&[Code::L7Rsp], &[&["status 200"], &["reset"]])).await;
}
