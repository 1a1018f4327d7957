//! One call of `grpc.health.v1.Health/Check`.
//!
//! ```text
//! POST /grpc.health.v1.Health/Check HTTP/2     one message: 0 (not compressed), its length in 4 bytes, protobuf
//! 200, application/grpc                        one message, then trailers with `grpc-status`
//! ```
//! Source: gRPC `doc/PROTOCOL-HTTP2.md`, `doc/health-checking.md`.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;

use ::http::header::{CONTENT_TYPE, TE, USER_AGENT};
use ::http::uri::{Authority, PathAndQuery, Scheme};
use ::http::{HeaderMap, HeaderValue, Method, Request, Uri};
use bytes::{BufMut, Bytes, BytesMut};
use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use maglev_health::Code;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::end::{Deadline, End, Step};
use super::fault::words;
use super::target::Grpc;

/// Asks over a connection that is ready for it, and judges the answer.
pub(super) async fn exchange<S>(stream: S, grpc: &Grpc, address: IpAddr, deadline: Deadline) -> Step<End>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut builder = Builder::new();
    builder.enable_push(false).max_header_list_size(MOST_HEAD);
    let begun = within(deadline, async { builder.handshake::<_, Bytes>(stream).await.map_err(|error| broken(&error)) });
    let (sender, connection) = begun.await?;
    let mut judged = pin!(within(deadline, ask(sender, grpc, address)));
    // The connection moves the bytes. Nothing is spawned: dropping this future drops both, and with them the socket.
    tokio::select! {
        biased;
        end = &mut judged => end,
        moved = connection => match (moved, judged.await) {
            // The call only learns that there is no connection any more, unless it has what it needs.
            (Err(error), Err(_)) => Err(broken(&error)),
            (_, end) => end,
        },
    }
}

async fn within<T>(deadline: Deadline, step: impl Future<Output = Step<T>>) -> Step<T> {
    deadline.or_fail(Code::L7Tout, "no answer in time", step).await
}

async fn ask(sender: SendRequest<Bytes>, grpc: &Grpc, address: IpAddr) -> Step<End> {
    let mut sender = sender.ready().await.map_err(|error| broken(&error))?;
    let sent = sender.send_request(request(grpc, address), false);
    let (response, mut stream) = sent.map_err(|error| broken(&error))?;
    stream.send_data(envelope(&grpc.service), true).map_err(|error| broken(&error))?;
    let response = response.await.map_err(|error| broken(&error))?;
    if response.status() != 200 {
        return Ok(End::fail(Code::L7Sts, format!("HTTP status {}", response.status().as_str())));
    }
    let kind = response.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    if !kind.starts_with(b"application/grpc") {
        return Ok(End::fail(Code::L7Rsp, "an answer that is not gRPC"));
    }
    let (head, mut body) = response.into_parts();
    let message = collect(&mut body).await?;
    let trailers = body.trailers().await.map_err(|error| broken(&error))?;
    // A refusal may have no body, and its status in the head.
    Ok(judge(trailers.as_ref().unwrap_or(&head.headers), &message))
}

fn request(grpc: &Grpc, address: IpAddr) -> Request<()> {
    let named = grpc.tls.as_ref().and_then(|tls| tls.server_name.as_ref());
    let authority = named.and_then(|name| Authority::try_from(name.to_rustls().to_str().as_ref()).ok());
    let authority = authority.unwrap_or_else(|| {
        let own = SocketAddr::new(address, grpc.port).to_string();
        Authority::try_from(own).expect("an address and a port are an authority")
    });
    let mut uri = ::http::uri::Parts::default();
    uri.scheme = Some(if grpc.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(authority);
    uri.path_and_query = Some(PathAndQuery::from_static("/grpc.health.v1.Health/Check"));
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_parts(uri).expect("scheme, authority and path are a whole URI");
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    request
}

/// The question in the form that gRPC gives to messages.
fn envelope(service: &str) -> Bytes {
    let message = HealthCheckRequest { service: service.to_owned() };
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(message.encoded_len()).unwrap_or(u32::MAX));
    // Room grows as it is needed.
    let _ = message.encode(&mut bytes);
    bytes.freeze()
}

/// The whole body. An answer of this service has 7 bytes.
async fn collect(body: &mut RecvStream) -> Step<Vec<u8>> {
    let mut message = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.map_err(|error| broken(&error))?;
        message.extend_from_slice(&data);
        if message.len() > MOST_BODY {
            return Err(End::fail(Code::L7Rsp, "an answer that is too long"));
        }
        let _ = body.flow_control().release_capacity(data.len());
    }
    Ok(message)
}

fn judge(trailers: &HeaderMap, message: &[u8]) -> End {
    let text = |name: &str| trailers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    match text("grpc-status").as_deref() {
        Some("0") => {}
        Some(status) => {
            let known = status.parse().ok().and_then(|number: usize| STATUS.get(number));
            let name = known.map_or_else(|| format!("status {status}"), |name| (*name).to_owned());
            let words = text("grpc-message").filter(|words| !words.is_empty());
            return End::fail(Code::L7Sts, words.map_or(name.clone(), |words| format!("{name}: {words}")));
        }
        None => return End::fail(Code::L7Rsp, "an answer without a status"),
    }
    match decode(message) {
        None => End::fail(Code::L7Rsp, "an answer that does not read as a health status"),
        Some(answer) => match answer.status() {
            ServingStatus::Serving => End::pass(Code::L7Ok, ServingStatus::Serving.as_str_name()),
            // What the type does not know it takes for its first value.
            ServingStatus::Unknown if answer.status != 0 => {
                End::fail(Code::L7Sts, format!("serving status {}", answer.status))
            }
            other => End::fail(Code::L7Sts, other.as_str_name()),
        },
    }
}

/// The one message of an answer.
fn decode(bytes: &[u8]) -> Option<HealthCheckResponse> {
    let (prefix, message) = bytes.split_at_checked(5)?;
    let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]);
    let whole = prefix[0] == 0 && usize::try_from(length).is_ok_and(|length| length == message.len());
    whole.then(|| HealthCheckResponse::decode(message).ok()).flatten()
}

/// What a broken exchange looked like.
fn broken(error: &h2::Error) -> End {
    let io = error.get_io().or_else(|| error.source().and_then(|inner| inner.downcast_ref::<io::Error>()));
    let detail = match io {
        Some(io) if io.kind() == io::ErrorKind::BrokenPipe || io.kind() == io::ErrorKind::UnexpectedEof => {
            "no answer, connection closed".to_owned()
        }
        // Made anew by the library, without the number that `words` goes by.
        Some(io) if io.kind() == io::ErrorKind::ConnectionReset => "no answer, connection reset".to_owned(),
        Some(io) => format!("no answer, connection {}", words(io)),
        None => format!("no answer, HTTP/2: {error}"),
    };
    End::fail(Code::L7Rsp, detail)
}

/// Names of the codes of gRPC, by number (`doc/statuscodes.md`).
const STATUS: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

const AGENT: &str = concat!("maglevd/", env!("CARGO_PKG_VERSION"));

/// Of headers and trailers, each.
const MOST_HEAD: u32 = 16 * 1024;

/// Of an answer.
const MOST_BODY: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn status(trailers: &[(&'static str, &'static str)], message: &[u8]) -> (Code, String) {
        let trailers: HeaderMap =
            trailers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let end = judge(&trailers, message);
        (end.code, end.detail.into_owned())
    }

    #[test]
    fn the_question_is_what_others_send() {
        assert_eq!(envelope("").as_ref(), b"\0\0\0\0\0");
        assert_eq!(envelope("web").as_ref(), b"\0\0\0\0\x05\x0a\x03web");
    }

    #[test]
    fn answers_are_judged() {
        let ok = [("grpc-status", "0")];
        for (message, code, detail) in [
            (&b"\0\0\0\0\x02\x08\x01"[..], Code::L7Ok, "SERVING"),
            (b"\0\0\0\0\x02\x08\x02", Code::L7Sts, "NOT_SERVING"),
            (b"\0\0\0\0\x02\x08\x03", Code::L7Sts, "SERVICE_UNKNOWN"),
            (b"\0\0\0\0\0", Code::L7Sts, "UNKNOWN"),
            (b"\0\0\0\0\x02\x08\x09", Code::L7Sts, "serving status 9"),
            (b"", Code::L7Rsp, "an answer that does not read as a health status"),
            (b"\x01\0\0\0\x02\x08\x01", Code::L7Rsp, "an answer that does not read as a health status"),
            (b"\0\0\0\0\x03\x08\x01", Code::L7Rsp, "an answer that does not read as a health status"),
            (b"\0\0\0\0\x02\xff\xff", Code::L7Rsp, "an answer that does not read as a health status"),
        ] {
            assert_eq!(status(&ok, message), (code, detail.to_owned()), "{message:?}");
        }
        let serving = b"\0\0\0\0\x02\x08\x01";
        assert_eq!(status(&[], serving), (Code::L7Rsp, "an answer without a status".to_owned()));
        assert_eq!(status(&[("grpc-status", "5")], b""), (Code::L7Sts, "NOT_FOUND".to_owned()));
        let told = [("grpc-status", "12"), ("grpc-message", "no such method")];
        assert_eq!(status(&told, serving), (Code::L7Sts, "UNIMPLEMENTED: no such method".to_owned()));
        assert_eq!(status(&[("grpc-status", "99")], b""), (Code::L7Sts, "status 99".to_owned()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_not(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }

        #[test]
        fn a_service_of_any_name_is_asked_for(service in "\\PC{0,200}") {
            let bytes = envelope(&service);
            let asked = HealthCheckRequest::decode(&bytes[5..]).unwrap();
            prop_assert_eq!(asked.service, service);
            prop_assert_eq!(u32::from_be_bytes(bytes[1..5].try_into().unwrap()) as usize, bytes.len() - 5);
        }
    }
}
