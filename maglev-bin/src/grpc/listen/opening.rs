//! The first bytes of a client, and what to say to one that came to the wrong door.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::connection::Replay;

/// What a client speaks, by its first bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Opening {
    /// HTTP/2: the whole preface (RFC 9113, 3.4) is there.
    Http2,
    /// HTTP/1: a method and a blank.
    Http1,
    /// A TLS handshake record (RFC 8446, 5.1).
    Tls,
    Other,
}

/// Waits until it is clear what the client speaks.
///
/// # Errors
/// It was gone before.
pub(super) async fn open<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<(Opening, Replay<S>)> {
    let mut said = [0; PREFACE.len()];
    let mut length = 0;
    loop {
        length += match stream.read(&mut said[length..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => more,
        };
        if let Some(opening) = judge(&said[..length]) {
            return Ok((opening, Replay::new(stream, said, length)));
        }
    }
}

/// `None`: it takes more bytes to tell, which is never the case for as many as the preface has.
fn judge(said: &[u8]) -> Option<Opening> {
    let begins = |word: &[u8]| word.starts_with(said) || said.starts_with(word);
    match said {
        [] => None,
        [HANDSHAKE, ..] => Some(Opening::Tls),
        _ if said == PREFACE => Some(Opening::Http2),
        _ if PREFACE.starts_with(said) => None,
        _ => match METHODS.iter().find(|method| begins(method)) {
            Some(method) if said.len() < method.len() => None,
            Some(_) => Some(Opening::Http1),
            None => Some(Opening::Other),
        },
    }
}

/// Says a last word, if there is one, and closes in a way that lets the client read it: what the client has sent meanwhile is taken off
/// the socket, as a close with unread bytes is a reset, which can overtake the word.
pub(super) async fn part<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, word: &[u8]) {
    let _ = timeout(LINGER, async {
        stream.write_all(word).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(ENOUGH), &mut tokio::io::sink()).await
    })
    .await;
}

/// Turns an HTTP/2 client away: SETTINGS, as a server has to begin, and a GOAWAY that no stream survives (RFC 9113, 6.5 and 6.8).
/// ```text
/// frame    length (24), type (8), flags (8), stream (32), payload
/// GOAWAY   last stream (32), error (32), debug data
/// ```
/// The GOAWAY waits for the first request: it is for the call that it ends that client libraries keep the text, else they may say no
/// more than that the connection was closed.
pub(super) async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: Replay<S>, error: u32, text: &str) {
    const EMPTY_SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    const GOAWAY: [u8; 6] = [7, 0, 0, 0, 0, 0];
    let _ = timeout(LINGER, async {
        stream.write_all(&EMPTY_SETTINGS).await?;
        first_request(&mut stream).await
    })
    .await;
    let length = u16::try_from(8 + text.len()).expect("our words are short").to_be_bytes();
    let frame = [&[0][..], &length, &GOAWAY, &[0; 4], &error.to_be_bytes(), text.as_bytes()].concat();
    part(stream, &frame).await;
}

/// Returns after the head of the first HEADERS frame.
async fn first_request<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<()> {
    const HEADERS: u8 = 1;
    stream.read_exact(&mut [0; PREFACE.len()]).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let [high, middle, low, kind, ..] = head;
        if kind == HEADERS {
            return Ok(());
        }
        let length = u32::from_be_bytes([0, high, middle, low]);
        tokio::io::copy(&mut (&mut *stream).take(length.into()), &mut tokio::io::sink()).await?;
    }
}

/// An answer to any HTTP/1 request.
pub(super) fn bad_request(text: &str) -> Vec<u8> {
    let length = text.len() + 1;
    format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}\n"
    )
    .into_bytes()
}

/// A fatal alert, protocol_version (RFC 8446, 6), as no version of TLS is spoken here.
pub(super) const NO_TLS: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 70];

/// INADEQUATE_SECURITY (RFC 9113, 7).
pub(super) const INADEQUATE_SECURITY: u32 = 0xc;

/// ENHANCE_YOUR_CALM (RFC 9113, 7).
pub(super) const ENHANCE_YOUR_CALM: u32 = 0xb;

/// For those who do not speak TLS where it is spoken.
pub(crate) const SPEAKS_TLS: &str = "this port speaks TLS: connect with a CA certificate (maglevc --tls-ca FILE)";

/// For a client beyond the last that there is room for.
pub(crate) const FULL: &str = "too many connections are open";

/// For browsers and the like.
pub(super) const SPEAKS_GRPC: &str = "this port speaks gRPC over HTTP/2: use maglevc, or another gRPC client";

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HANDSHAKE: u8 = 0x16;
const METHODS: [&[u8]; 9] =
    [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"CONNECT ", b"OPTIONS ", b"TRACE ", b"PATCH "];

/// For the client to send its first request, and for it to read the last word: a round trip each and then some.
const LINGER: Duration = Duration::from_secs(1);
/// No client sends more before it hears that it is not welcome.
const ENOUGH: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(PREFACE, Opening::Http2)]
    #[case(b"GET / HTTP/1.1\r\n\r\n", Opening::Http1)]
    #[case(b"POST / HTTP/1.1\r\n\r\n", Opening::Http1)]
    #[case(b"PUT / HTTP/1.1\r\n\r\n", Opening::Http1)]
    #[case(b"PRIMITIVE", Opening::Other)]
    #[case(b"get / HTTP/1.1", Opening::Other)]
    #[case(&[0x16, 3, 1], Opening::Tls)]
    #[case(b"SSH-2.0-OpenSSH", Opening::Other)]
    #[case(&[0], Opening::Other)]
    #[tokio::test]
    async fn what_a_client_speaks_is_known_however_its_bytes_arrive(#[case] bytes: &[u8], #[case] expected: Opening) {
        for size in 1..=bytes.len() {
            let (mut client, server) = tokio::io::duplex(size);
            let bytes_to_send = bytes.to_vec();
            let sent = tokio::spawn(async move { client.write_all(&bytes_to_send).await });
            let (opening, mut replay) = open(server).await.unwrap();
            assert_eq!(opening, expected, "in pieces of {size}");
            let mut all = Vec::new();
            replay.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, bytes, "nothing is lost");
            sent.await.unwrap().unwrap();
        }
    }

    proptest! {
        #[test]
        fn a_preface_full_of_bytes_is_enough(bytes: [u8; 24], same in 0..=24_usize) {
            let mut said = bytes;
            said[..same].copy_from_slice(&PREFACE[..same]);
            prop_assert!(judge(&said).is_some());
        }
    }
}
