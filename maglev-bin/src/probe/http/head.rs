//! The head of a response: status line and headers (RFC 9112, 2 to 6).

use http::HeaderName;
use httparse::{EMPTY_HEADER, Status};

use super::body::Framing;

/// What a head says that a probe wants to know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Bytes from the beginning to behind the empty line.
    pub(super) length: usize,
    pub(super) framing: Framing,
}

/// Why bytes are no head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum NoHead {
    NotHttp,
    StatusLine,
    Header,
    TooManyHeaders,
    TooLong,
    ContentLength,
}

impl NoHead {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::NotHttp => "answer is not HTTP/1",
            Self::StatusLine => "invalid status line",
            Self::Header => "invalid header",
            Self::TooManyHeaders => "more than 128 headers",
            Self::TooLong => "head of more than 64 KiB",
            Self::ContentLength => "invalid Content-Length",
        }
    }
}

/// How far a buffer was searched, so that no byte is looked at for each byte that comes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Search {
    searched: usize,
}

impl Search {
    /// The head at the beginning of `bytes`; `None` if it is not whole yet. `bytes` only grows from call to call. `bodiless` is for
    /// a method whose response has a head alone.
    pub(super) fn head(&mut self, bytes: &[u8], bodiless: bool) -> Result<Option<Head>, NoHead> {
        let known = bytes.len().min(VERSION.len());
        if bytes[..known] != VERSION[..known] {
            return Err(NoHead::NotHttp);
        }
        let first = self.searched == 0;
        let from = self.searched.saturating_sub(3);
        let end = end(&bytes[from..]);
        self.searched = bytes.len();
        match end {
            Some(end) if from + end <= MOST_HEAD => parse(&bytes[..from + end], bodiless),
            None if bytes.len() < MOST_HEAD => {
                // What is wrong with the first line is told before the rest has come, which may be never.
                if first || bytes.len() < LONGEST_GLANCE { glance(bytes).map(|()| None) } else { Ok(None) }
            }
            _ => Err(NoHead::TooLong),
        }
    }
}

/// Behind the first empty line.
fn end(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == b'\n') {
        from += at + 1;
        match &bytes[from..] {
            [b'\n', ..] => return Some(from + 1),
            [b'\r', b'\n', ..] => return Some(from + 2),
            _ => {}
        }
    }
    None
}

fn glance(bytes: &[u8]) -> Result<(), NoHead> {
    let mut headers = [EMPTY_HEADER; MOST_HEADERS];
    match httparse::Response::new(&mut headers).parse(bytes) {
        Ok(_) => Ok(()),
        Err(error) => Err(reason(error)),
    }
}

fn parse(bytes: &[u8], bodiless: bool) -> Result<Option<Head>, NoHead> {
    let mut headers = [EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes).map_err(reason)? {
        Status::Complete(length) => length,
        Status::Partial => return Ok(None),
    };
    let status = response.code.filter(|code| *code >= 100).ok_or(NoHead::StatusLine)?;
    let framing = match framing(response.headers)? {
        // RFC 9112, 6.3.
        _ if bodiless || status < 200 || matches!(status, 204 | 304) => Framing::Length(0),
        framing => framing,
    };
    Ok(Some(Head { status, length, framing }))
}

fn framing(headers: &[httparse::Header<'_>]) -> Result<Framing, NoHead> {
    let mut length = None;
    let mut coding: Option<&[u8]> = None;
    for header in headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            let value = number(header.value)?;
            if length.replace(value).is_some_and(|other| other != value) {
                return Err(NoHead::ContentLength);
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            coding = header.value.rsplit(|byte| *byte == b',').next();
        }
    }
    Ok(match (coding.map(<[u8]>::trim_ascii), length) {
        (Some(coding), _) if coding.eq_ignore_ascii_case(b"chunked") => Framing::Chunked,
        (Some(_), _) | (None, None) => Framing::UntilEnd,
        (None, Some(length)) => Framing::Length(length),
    })
}

/// What a head that was found says under a name, in its order.
pub(super) fn values<'a>(head: &'a [u8], name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let mut headers = [EMPTY_HEADER; MOST_HEADERS];
    // It was read once.
    let _ = httparse::Response::new(&mut headers).parse(head);
    headers.into_iter().filter(move |header| header.name.eq_ignore_ascii_case(name.as_str())).map(|header| header.value)
}

/// Digits and nothing else: neither a sign nor a list.
fn number(value: &[u8]) -> Result<u64, NoHead> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    text.and_then(|text| text.parse().ok()).ok_or(NoHead::ContentLength)
}

fn reason(error: httparse::Error) -> NoHead {
    match error {
        httparse::Error::TooManyHeaders => NoHead::TooManyHeaders,
        httparse::Error::Status | httparse::Error::Version => NoHead::StatusLine,
        _ => NoHead::Header,
    }
}

/// How every response begins.
const VERSION: &[u8] = b"HTTP/1.";

/// Of a response's status line and headers, those of interim responses included.
pub(super) const MOST_HEAD: usize = 64 * 1024;

const MOST_HEADERS: usize = 128;

/// Bytes up to which an unfinished head is looked at each time it has grown.
const LONGEST_GLANCE: usize = 512;
