//! One HTTP/1.1 request and what makes of its response a pass.

mod body;
mod head;

use std::fmt::Write as _;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::Poll;

use maglev_health::{Code, Outcome};
use regex::bytes::Regex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use self::body::Body;
use self::head::{Head, Search};
use super::end::{Deadline, End, Step};
use super::fault::words;
use super::method::Method;
use super::report::Report;
use super::target::Http;

/// Asks over a connection that is ready for it, and judges the answer. `buffer` is empty; what it holds afterwards is of no use.
pub(super) async fn exchange<S>(
    stream: &mut S,
    http: &Http,
    address: IpAddr,
    deadline: Deadline,
    buffer: &mut Vec<u8>,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    write_request(buffer, http, address);
    let bodiless = http.method == Method::Head;
    let mut listened = false;
    let answer = async {
        // Whoever does not listen may still have said something.
        let told = tell(stream, buffer).await;
        buffer.clear();
        listened = true;
        read_head(stream, buffer, told.err(), bodiless).await
    };
    let head = match deadline.or_fail(Code::L7Tout, "no response in time", answer).await {
        Ok(head) => head,
        Err(end) => return if listened { end.with_answer(buffer) } else { end },
    };
    let status = head.status;
    let said = Said::of(http, &buffer[..head.length]);
    buffer.drain(..head.length);
    let end = judge(stream, http, deadline, buffer, head, said.is_met).await.with_status(status);
    match end.outcome {
        Outcome::Pass => end.with_agent(said.agent.as_deref()),
        _ => end,
    }
}

/// What the headers of a response say to a probe.
#[derive(Debug)]
struct Said {
    /// A header that is expected is there.
    is_met: bool,
    /// What the backend says of itself.
    agent: Option<Vec<u8>>,
}

impl Said {
    fn of(http: &Http, head: &[u8]) -> Self {
        let is_met = http
            .expect_header
            .as_ref()
            .is_none_or(|expected| head::values(head, expected.name()).any(|value| expected.is_met_by(value)));
        let agent = http.agent.as_ref().and_then(|name| head::values(head, name).next().map(<[u8]>::to_vec));
        Self { is_met, agent }
    }
}

/// What the final response, whose head has come, makes of the probe. `is_met` is whether its headers are as expected.
async fn judge<S: AsyncRead + Unpin>(
    stream: &mut S,
    http: &Http,
    deadline: Deadline,
    buffer: &mut Vec<u8>,
    head: Head,
    is_met: bool,
) -> End {
    let seen = seen(head.status);
    if !http.codes.contains(&head.status) {
        return End::fail(Code::L7Sts, seen).with_answer(&beginning(stream, buffer, head).await);
    }
    if !is_met {
        let name = http.expect_header.as_ref().map_or("", |expected| expected.name().as_str());
        let end = End::fail(Code::L7Rsp, format!("{seen}, header {name} not as expected"));
        return end.with_answer(&beginning(stream, buffer, head).await);
    }
    let Some(regexp) = &http.regexp else {
        return End::pass(Code::L7Ok, seen);
    };
    let mut text = Vec::new();
    let end = match deadline.limit(find(regexp, http.body_limit, stream, buffer, head, &mut text)).await {
        Some(Ok(true)) => return End::pass(Code::L7Ok, seen),
        // It may be in what came since the last search.
        None if settled(regexp, &text) => return End::pass(Code::L7Ok, seen),
        Some(Ok(false)) => End::fail(Code::L7Rsp, format!("{seen}, regexp not found")),
        Some(Err(what)) => broken(&seen, &what),
        None => End::fail(Code::L7Tout, format!("{seen}, no whole body in time")),
    };
    end.with_answer(&text)
}

/// As much of the body as is there without a wait.
async fn beginning<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>, head: Head) -> Vec<u8> {
    if buffer.is_empty() && !Body::new(head.framing).is_done() {
        let mut bytes = [0; Report::MOST_ANSWER];
        let mut into = ReadBuf::new(&mut bytes);
        // The verdict stands, whatever comes of this.
        poll_fn(|cx| {
            let _ = Pin::new(&mut *stream).poll_read(cx, &mut into);
            Poll::Ready(())
        })
        .await;
        buffer.extend_from_slice(into.filled());
    }
    let mut text = Vec::new();
    let _ = Body::new(head.framing).feed(buffer, &mut text, Report::MOST_ANSWER);
    text
}

async fn tell<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Reads up to the end of the head of the final response, and leaves that head and what follows in `buffer`. `untold` is why the
/// request was not sent.
async fn read_head<S: AsyncRead + Unpin>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
    untold: Option<io::Error>,
    bodiless: bool,
) -> Step<Head> {
    let mut search = Search::default();
    let mut interim = 0;
    loop {
        let read = match stream.read_buf(buffer).await {
            Ok(read) => read,
            Err(error) => return Err(lost(untold.as_ref().unwrap_or(&error))),
        };
        if read == 0 {
            return Err(match untold {
                Some(error) => lost(&error),
                None if buffer.is_empty() => broken(NOTHING, "connection closed"),
                None => broken(NOTHING, "connection closed in the head"),
            });
        }
        let no_head = |why: head::NoHead| broken(NOTHING, why.words());
        while let Some(head) = search.head(buffer, bodiless).map_err(no_head)? {
            // 101 is final: whatever follows is another protocol.
            if head.status >= 200 || head.status == 101 {
                return Ok(head);
            }
            buffer.drain(..head.length);
            interim += head.length;
            if interim > head::MOST_HEAD {
                return Err(no_head(head::NoHead::TooLong));
            }
            search = Search::default();
            if buffer.is_empty() {
                break;
            }
        }
    }
}

/// Whether the regexp is found in the first bytes of the body, as many as `most`, which are put into `text`. Reads no further than it
/// must.
async fn find<S: AsyncRead + Unpin>(
    regexp: &Regex,
    most: usize,
    stream: &mut S,
    buffer: &mut Vec<u8>,
    head: Head,
    text: &mut Vec<u8>,
) -> Result<bool, String> {
    let mut body = Body::new(head.framing);
    let mut searched = 0;
    let mut bytes = std::mem::take(buffer);
    loop {
        if body.feed(&bytes, text, most).is_err() {
            return if settled(regexp, text) { Ok(true) } else { Err("invalid chunk".to_owned()) };
        }
        bytes.clear();
        if body.is_done() || text.len() >= most {
            return Ok(regexp.is_match(text));
        }
        let read = poll_fn(|cx| {
            // Not kept over a wait: thousands may wait.
            let mut chunk = [0; CHUNK];
            let mut into = ReadBuf::new(&mut chunk);
            match Pin::new(&mut *stream).poll_read(cx, &mut into) {
                // Searched only when the peer pauses, so that a burst of tiny chunks costs one search.
                Poll::Pending if is_worth_a_search(searched, text.len()) => {
                    searched = text.len();
                    if settled(regexp, text) { Poll::Ready(None) } else { Poll::Pending }
                }
                Poll::Pending => Poll::Pending,
                Poll::Ready(read) => {
                    bytes.extend_from_slice(into.filled());
                    Poll::Ready(Some(read.map(|()| into.filled().len())))
                }
            }
        });
        match read.await {
            None => return Ok(true),
            Some(Ok(0)) if body.may_end() => return Ok(regexp.is_match(text)),
            Some(Ok(0) | Err(_)) if settled(regexp, text) => return Ok(true),
            Some(Ok(0)) => return Err("connection closed in the body".to_owned()),
            Some(Err(error)) => return Err(closed(&error)),
            Some(Ok(_)) => {}
        }
    }
}

/// Whether a text that was searched when it was shorter is to be searched again. A long one only when it has grown by an eighth: a
/// peer that sends byte for byte must not have all of it searched for each.
fn is_worth_a_search(searched: usize, length: usize) -> bool {
    const LONG: usize = 4_096;
    length > if searched < LONG { searched } else { searched + searched / 8 }
}

/// Whether the regexp matches whatever follows `text`. `$` and `\b` look at most one character, 4 bytes, beyond a match: one that ends
/// closer to the end than that may be none once more has come.
fn settled(regexp: &Regex, text: &[u8]) -> bool {
    regexp.find(text).is_some_and(|found| found.end() + 4 <= text.len())
}

/// Bytes that go out. Every part was checked when it was configured: none can end a line.
fn write_request(into: &mut Vec<u8>, http: &Http, address: IpAddr) {
    into.extend_from_slice(http.method.as_str().as_bytes());
    into.push(b' ');
    into.extend_from_slice(http.path.as_str().as_bytes());
    into.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    match &http.host {
        Some(host) => into.extend_from_slice(host.as_bytes()),
        None => write_own_host(into, http, address),
    }
    into.extend_from_slice(REST.as_bytes());
    if http.method == Method::Post {
        into.extend_from_slice(b"Content-Length: 0\r\n");
    }
    for header in &http.headers {
        into.extend_from_slice(header.name().as_str().as_bytes());
        into.extend_from_slice(b": ");
        into.extend_from_slice(header.value().as_bytes());
        into.extend_from_slice(b"\r\n");
    }
    into.extend_from_slice(b"\r\n");
}

/// The address as a URL would have it: `192.0.2.1`, `[2001:db8::1]:8080`.
fn write_own_host(into: &mut Vec<u8>, http: &Http, address: IpAddr) {
    let default = if http.tls.is_some() { 443 } else { 80 };
    // Writing into memory cannot fail.
    let _ = match address {
        _ if http.port != default => {
            io::Write::write_fmt(into, format_args!("{}", SocketAddr::new(address, http.port)))
        }
        IpAddr::V4(v4) => io::Write::write_fmt(into, format_args!("{v4}")),
        IpAddr::V6(v6) => io::Write::write_fmt(into, format_args!("[{v6}]")),
    };
}

fn seen(status: u16) -> String {
    let mut seen = String::with_capacity("status 200".len());
    let _ = write!(seen, "status {status:03}");
    seen
}

/// What a broken exchange looked like; `seen` is what had come before.
fn broken(seen: &str, what: &str) -> End {
    End::fail(Code::L7Rsp, format!("{seen}, {what}"))
}

fn lost(error: &io::Error) -> End {
    broken(NOTHING, &closed(error))
}

fn closed(error: &io::Error) -> String {
    match error.kind() {
        // TLS without its own end, and a pipe without a reader.
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => "connection closed".to_owned(),
        io::ErrorKind::InvalidData => format!("TLS: {}", words(error)),
        _ => format!("connection {}", words(error)),
    }
}

const NOTHING: &str = "no response";

/// What follows the name of the host in every request.
const REST: &str = concat!("\r\nUser-Agent: maglevd/", env!("CARGO_PKG_VERSION"), "\r\nConnection: close\r\n");

/// Bytes read at once of a body.
const CHUNK: usize = 8 * 1024;

#[cfg(test)]
mod tests;
