//! What the last probe of a backend came to.

use jiff::Timestamp as Time;

use super::style::{Tone, age, span};
use super::table::{Cell, cell};
use crate::proto::{BackendInfo, LastResult, Timestamp};

/// Its verdict and when that was.
pub(super) fn verdict(last: &LastResult, now: Time) -> Cell {
    let LastResult { result, code, detail, status, .. } = last;
    let status = status.map(|status| format!("/{status}")).unwrap_or_default();
    let detail = if detail.is_empty() { String::new() } else { format!(", {detail}") };
    let ago = last.time.as_ref().map(|time| format!(", {} ago", age(Some(time), now))).unwrap_or_default();
    cell(format!("{result} {code}{status}{detail}{ago}")).tone(tone(result))
}

/// What a result means.
pub(super) fn tone(result: &str) -> Tone {
    match result {
        "pass" => Tone::Good,
        "fail" => Tone::Bad,
        _ => Tone::Doubt,
    }
}

/// What else is known of it. What was not there is empty.
pub(super) fn details(backend: &BackendInfo, now: Time) -> [(&'static str, Cell); 3] {
    let last = backend.last_result.as_ref();
    let answer = last.and_then(|last| last.answer.as_deref());
    let subject = last.map_or("", |last| &last.certificate_subject);
    let expires = last.and_then(|last| last.certificate_expires.as_ref());
    [
        ("phases", cell(last.map(phases).unwrap_or_default())),
        ("answer", cell(answer.map(quoted).unwrap_or_default())),
        ("certificate", cell(certificate(subject, expires.or(backend.certificate_expires.as_ref()), now))),
    ]
}

/// Times from the start of the probe; nothing for one that was never sent.
fn phases(last: &LastResult) -> String {
    let all = [
        ("connected", last.connected_seconds),
        ("TLS", last.secured_seconds),
        ("first byte", last.first_byte_seconds),
        ("total", Some(last.elapsed_seconds).filter(|seconds| *seconds > 0.0)),
    ];
    let known = all.into_iter().filter_map(|(name, seconds)| Some(format!("{name} {:.1} ms", seconds? * 1_000.0)));
    known.collect::<Vec<_>>().join(", ")
}

/// The beginning of an answer in quotes, on one line, with nothing in it that steers a terminal.
fn quoted(answer: &[u8]) -> String {
    let mut pieces = answer.utf8_chunks().flat_map(|chunk| {
        let invalid = chunk.invalid().iter().map(|byte| byte.escape_ascii().to_string());
        chunk.valid().chars().map(piece).chain(invalid)
    });
    let mut text = String::new();
    let mut columns = 0;
    let more = pieces.any(|piece| {
        columns += piece.chars().count();
        if columns <= COLUMNS {
            text.push_str(&piece);
        }
        columns > COLUMNS
    });
    format!("\"{text}{}\"", if more { "…" } else { "" })
}

fn piece(c: char) -> String {
    if c == '\'' { c.into() } else { c.escape_debug().to_string() }
}

/// Whom a certificate is for, and until when.
fn certificate(subject: &str, expires: Option<&Timestamp>, now: Time) -> String {
    let until = expires.and_then(Timestamp::time).map(|time| {
        let (date, seconds) = (time.strftime("%Y-%m-%d"), time.duration_since(now).as_secs());
        let span = span(seconds.unsigned_abs());
        if seconds > 0 { format!("expires {date} (in {span})") } else { format!("expired {date} ({span} ago)") }
    });
    let whom = Some(shortened(subject)).filter(|subject| !subject.is_empty());
    whom.into_iter().chain(until).collect::<Vec<_>>().join(", ")
}

/// A name that a server gives itself: it may be long.
fn shortened(name: &str) -> String {
    match name.char_indices().nth(COLUMNS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// Of an answer or a name that are shown; the rest is in the JSON.
const COLUMNS: usize = 72;

#[cfg(test)]
pub(super) mod tests {
    use super::super::frontend::tests::{ago, now};
    use super::super::table::facts;
    use super::*;
    use anstream::adapter::strip_str;

    fn shown(backend: &BackendInfo) -> String {
        let first = backend.last_result.as_ref().map(|last| ("last result", verdict(last, now())));
        let facts = facts(first.into_iter().chain(details(backend, now())));
        strip_str(&facts.to_string()).to_string()
    }

    fn of(last: LastResult) -> BackendInfo {
        BackendInfo { last_result: Some(last), ..Default::default() }
    }

    fn refused() -> LastResult {
        LastResult {
            time: ago(2),
            result: "fail".into(),
            code: "L4CON".into(),
            detail: "connect refused".into(),
            elapsed_seconds: 0.0004,
            ..Default::default()
        }
    }

    pub(crate) fn unexpected() -> LastResult {
        LastResult {
            code: "L7STS".into(),
            detail: "status 503".into(),
            elapsed_seconds: 0.008,
            connected_seconds: Some(0.0003),
            secured_seconds: Some(0.0041),
            first_byte_seconds: Some(0.0079),
            status: Some(503),
            answer: Some(b"<html>\r\n<h1 class=\"big\">It's down".to_vec()),
            certificate_subject: "www.example.com".into(),
            certificate_expires: ago(-864_000),
            ..refused()
        }
    }

    #[test]
    fn a_last_result_shows_what_was_there() {
        insta::assert_snapshot!(shown(&of(unexpected())), @r#"
        last result  fail L7STS/503, status 503, 2s ago
        phases       connected 0.3 ms, TLS 4.1 ms, first byte 7.9 ms, total 8.0 ms
        answer       "<html>\r\n<h1 class=\"big\">It's down"
        certificate  www.example.com, expires 1970-01-22 (in 10d)
        "#);
        insta::assert_snapshot!(shown(&of(refused())), @r"
        last result  fail L4CON, connect refused, 2s ago
        phases       total 0.4 ms
        ");
        assert_eq!(shown(&BackendInfo::default()), "");
    }

    #[test]
    fn one_that_was_never_sent_says_why() {
        let error = LastResult {
            result: "error".into(),
            code: "SOCKERR".into(),
            detail: "source address 192.0.2.9 is not available".into(),
            elapsed_seconds: 0.0,
            ..refused()
        };
        // The certificate is that of an earlier probe.
        let backend = BackendInfo { certificate_expires: ago(90), ..of(error) };
        insta::assert_snapshot!(shown(&backend), @r"
        last result  error SOCKERR, source address 192.0.2.9 is not available, 2s ago
        certificate  expired 1970-01-12 (1m30s ago)
        ");
    }

    #[test]
    fn an_answer_stays_on_one_line_and_steers_no_terminal() {
        assert_eq!(quoted(b"\x1b[2J\r\n\xff\xc2\x9b\x00'\"\\"), r#""\u{1b}[2J\r\n\xff\u{9b}\0'\"\\""#);
        assert_eq!(quoted("\u{202e}grün".as_bytes()), r#""\u{202e}grün""#);
        assert_eq!(quoted(&[b'x'; 72]), format!("\"{}\"", "x".repeat(72)));
        assert_eq!(quoted(&[b'x'; 73]), format!("\"{}…\"", "x".repeat(72)));
        assert_eq!(quoted(&[0xff; 200]), format!("\"{}…\"", r"\xff".repeat(18)));
        let long = LastResult { certificate_subject: "ü\u{9b}".repeat(100), ..refused() };
        let text = shown(&of(long));
        assert!(text.contains("…\n") && !text.contains('\u{9b}'), "{text}");
    }
}
