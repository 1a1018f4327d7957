//! One HTTP/1.1 request and what makes of its response a pass.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::task::Poll;

use ::http::header::{CONNECTION, HOST, USER_AGENT};
use ::http::{HeaderValue, Request, Uri};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use maglev_health::Code;
use regex::bytes::Regex;
use tokio::io::{AsyncRead, AsyncWrite};

use super::end::{Deadline, End, Step};
use super::fault::words;
use super::target::Http;

/// Asks over a connection that is ready for it, and judges the answer.
pub(super) async fn exchange<S>(stream: S, http: &Http, address: IpAddr, deadline: Deadline) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let client =
        http1::Builder::new().title_case_headers(true).max_buf_size(MOST_HEAD).handshake(TokioIo::new(stream)).await;
    let (sender, mut connection) = match client {
        Ok(client) => client,
        Err(error) => return broken(&error, "no response"),
    };
    let mut judged = pin!(ask(sender, request(http, address), http, deadline));
    // The connection moves the bytes. Nothing is spawned: dropping this future drops both, and with them the socket. A shutdown
    // would send a FIN where a reset is wanted, and leave a server that closed first in TIME_WAIT.
    let moved = poll_fn(|cx| connection.poll_without_shutdown(cx));
    let end = tokio::select! {
        biased;
        end = &mut judged => end,
        _ = moved => judged.await,
    };
    end.unwrap_or_else(|end| end)
}

async fn ask(
    mut sender: SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
    http: &Http,
    deadline: Deadline,
) -> Step<End> {
    let answer = async { sender.send_request(request).await.map_err(|error| broken(&error, "no response")) };
    let response = deadline.or_fail(Code::L7Tout, "no response in time", answer).await?;
    let seen = format!("status {}", response.status().as_str());
    if !http.codes.contains(&response.status().as_u16()) {
        return Ok(End::fail(Code::L7Sts, seen));
    }
    let Some(regexp) = &http.regexp else {
        return Ok(End::pass(Code::L7Ok, seen));
    };
    let mut body = response.into_body();
    let search = async { find(regexp, &mut body).await.map_err(|error| broken(&error, &seen)) };
    let late = format!("{seen}, no whole body in time");
    Ok(if deadline.or_fail(Code::L7Tout, &late, search).await? {
        End::pass(Code::L7Ok, seen)
    } else {
        End::fail(Code::L7Rsp, format!("{seen}, regexp not found"))
    })
}

fn request(http: &Http, address: IpAddr) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = Uri::from(http.path.as_uri());
    let headers = request.headers_mut();
    headers.insert(HOST, http.host.as_ref().map_or_else(|| own_host(http, address), |host| host.as_header()));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    request
}

/// The address as a URL would have it: `192.0.2.1`, `[2001:db8::1]:8080`.
fn own_host(http: &Http, address: IpAddr) -> HeaderValue {
    let default = if http.tls.is_some() { 443 } else { 80 };
    let text = match address {
        _ if http.port != default => SocketAddr::new(address, http.port).to_string(),
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    HeaderValue::try_from(text).expect("an address has only digits, letters and punctuation")
}

/// Whether the regexp is found in the first 64 KiB of the body. Reads no further than it must.
async fn find(regexp: &Regex, body: &mut Incoming) -> Result<bool, hyper::Error> {
    let mut text = Vec::new();
    let mut searched = 0;
    poll_fn(|cx| {
        loop {
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let data = frame.into_data().unwrap_or_default();
                    text.extend_from_slice(&data[..data.len().min(MOST_BODY - text.len())]);
                    if text.len() == MOST_BODY {
                        return Poll::Ready(Ok(regexp.is_match(&text)));
                    }
                }
                Poll::Ready(None) => return Poll::Ready(Ok(regexp.is_match(&text))),
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(if settled(regexp, &text) { Ok(true) } else { Err(error) });
                }
                // Searched only when the peer pauses, so that a burst of tiny chunks costs one search.
                Poll::Pending if searched < text.len() => {
                    searched = text.len();
                    if settled(regexp, &text) {
                        return Poll::Ready(Ok(true));
                    }
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}

/// Whether the regexp matches whatever follows `text`. `$` and `\b` look at most one character, 4 bytes, beyond a match: one that ends
/// closer to the end than that may be none once more has come.
fn settled(regexp: &Regex, text: &[u8]) -> bool {
    regexp.find(text).is_some_and(|found| found.end() + 4 <= text.len())
}

/// What a broken exchange looked like; `seen` is what had come before.
fn broken(error: &hyper::Error, seen: &str) -> End {
    let what = if let Some(io) = error.source().and_then(|inner| inner.downcast_ref::<io::Error>()) {
        format!("connection {}", words(io))
    } else if error.is_parse() || error.is_incomplete_message() {
        error.to_string()
    } else {
        "connection closed".to_owned()
    };
    End::fail(Code::L7Rsp, format!("{seen}, {what}"))
}

const AGENT: &str = concat!("maglevd/", env!("CARGO_PKG_VERSION"));

/// Of a response's status line and headers.
const MOST_HEAD: usize = 64 * 1024;

/// Of a body, for the regexp.
const MOST_BODY: usize = 64 * 1024;

#[cfg(test)]
mod tests;
