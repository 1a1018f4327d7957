//! Animals that never stop talking. Neither may the probe hear them out nor keep what they say.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use maglev_bin::probe::{Http, Kind, Prober, Target};
use maglev_health::{Code, Outcome};
use regex::bytes::Regex;
use rstest::rstest;
use socket2::SockRef;

use crate::alone::alone;
use crate::animal::{TIMEOUT, Verdict, soon};
use crate::server::{LOCALHOST, http_params, target};

/// What one says: first, and then over and over.
#[derive(Clone, Copy, Debug)]
struct Flood {
    first: &'static [u8],
    then: &'static [u8],
}

/// A thread that floods one probe and tells how many bytes it could send.
struct Flooder {
    port: u16,
    thread: JoinHandle<u64>,
}

impl Flooder {
    fn new(flood: Flood) -> Self {
        let listener = TcpListener::bind((LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            // What waits here was not taken by the probe.
            SockRef::from(&stream).set_send_buffer_size(BUFFER).unwrap();
            pour(stream, flood)
        });
        Self { port, thread }
    }

    fn target(&self, regexp: Option<&str>) -> Target {
        let regexp = regexp.map(|regexp| Regex::new(regexp).unwrap());
        target(LOCALHOST, Kind::Http(Http { regexp, ..http_params(self.port) }))
    }
}

/// Until the probe is gone. It says nothing before the request, which is waited for.
fn pour(mut stream: TcpStream, flood: Flood) -> u64 {
    let mut request = [0; 1];
    std::io::Read::read_exact(&mut stream, &mut request).unwrap();
    let torrent = flood.then.repeat(BUFFER / flood.then.len());
    let mut sent = 0;
    for wave in std::iter::once(flood.first).chain(std::iter::repeat(&torrent[..])) {
        let mut rest = wave;
        while !rest.is_empty() {
            match stream.write(rest) {
                Ok(taken) => {
                    sent += taken as u64;
                    rest = &rest[taken..];
                }
                Err(_) => return sent,
            }
        }
    }
    sent
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\n";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const TEN_GIGABYTES: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n";

const STATUS_LINE: Flood = Flood { first: b"HTTP/1.1 200 ", then: b"O" };
const VERSION: Flood = Flood { first: b"HTTP/", then: b"1" };
const HEADERS: Flood = Flood { first: OK, then: b"X-Header: value\r\n" };
const SHORT_HEADERS: Flood = Flood { first: OK, then: b"a:\r\n" };
const HEADER_NAME: Flood = Flood { first: OK, then: b"X" };
const HEADER_VALUE: Flood = Flood { first: b"HTTP/1.1 200 OK\r\nX: ", then: b"y" };
const LONG_BODY: Flood = Flood { first: TEN_GIGABYTES, then: b"x" };
const BODY_UNTIL_THE_CLOSE: Flood = Flood { first: b"HTTP/1.1 200 OK\r\n\r\n", then: b"x" };
const TINY_CHUNKS: Flood = Flood { first: CHUNKED, then: b"1\r\nx\r\n" };
const ONE_CHUNK: Flood =
    Flood { first: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n280000000\r\n", then: b"x" };
const CHUNK_SIZE: Flood = Flood { first: CHUNKED, then: b"0" };
const CHUNK_EXTENSION: Flood =
    Flood { first: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1", then: b";x=y" };
const CHUNK_EXTENSIONS: Flood = Flood { first: CHUNKED, then: b"1;xxxxxxxxxxxxxxxx=yyyyyyyyyyyyyyy\r\nx\r\n" };
const TRAILERS: Flood =
    Flood { first: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", then: b"X: y\r\n" };

const TOO_LARGE: Verdict = soon(&[Code::L7Rsp], &[&["more than 64 kib", "more than 128 headers", "http"]]);
const NOT_FOUND: Verdict = soon(&[Code::L7Rsp], &[&["status 200"], &["not found"]]);
const BAD_CHUNK: Verdict =
    soon(&[Code::L7Rsp], &[&["status 200"], &["chunk", "trailer", "body", "too large", "not found"]]);
const PASS: Verdict = soon(&[Code::L7Ok], &[]);

#[rstest]
#[case::status_line(STATUS_LINE, TOO_LARGE, TOO_LARGE)]
#[case::version(VERSION, TOO_LARGE, TOO_LARGE)]
#[case::headers(HEADERS, TOO_LARGE, TOO_LARGE)]
#[case::short_headers(SHORT_HEADERS, TOO_LARGE, TOO_LARGE)]
#[case::header_name(HEADER_NAME, TOO_LARGE, TOO_LARGE)]
#[case::header_value(HEADER_VALUE, TOO_LARGE, TOO_LARGE)]
#[case::long_body(LONG_BODY, PASS, NOT_FOUND)]
#[case::body_until_the_close(BODY_UNTIL_THE_CLOSE, PASS, NOT_FOUND)]
#[case::one_chunk(ONE_CHUNK, PASS, NOT_FOUND)]
#[case::chunk_extension(CHUNK_EXTENSION, PASS, BAD_CHUNK)]
#[case::chunk_extensions(CHUNK_EXTENSIONS, PASS, BAD_CHUNK)]
#[case::trailers(TRAILERS, PASS, BAD_CHUNK)]
#[tokio::test]
async fn no_probe_hears_a_flood_out(#[case] flood: Flood, #[case] plain: Verdict, #[case] searching: Verdict) {
    let prober = Prober::new(None).unwrap();
    for (regexp, verdict) in [(None, plain), (Some("never"), searching)] {
        let flooder = Flooder::new(flood);
        verdict.check(&prober, &flooder.target(regexp)).await;
        let sent = flooder.thread.join().unwrap();
        assert!(sent < MOST_SENT, "the probe was over, and yet it let the server send {sent} bytes: {flood:?}");
    }
}

/// Interim answers may come as long as there is time. What is said to a probe must not stay with it.
#[tokio::test]
async fn no_flood_fills_the_memory() {
    if !alone("flood::no_flood_fills_the_memory", &[]) {
        return;
    }
    let interim = Flood { first: b"", then: b"HTTP/1.1 100 Continue\r\n\r\n" };
    let floods = [
        interim,
        STATUS_LINE,
        HEADERS,
        SHORT_HEADERS,
        LONG_BODY,
        TINY_CHUNKS,
        CHUNK_SIZE,
        CHUNK_EXTENSION,
        CHUNK_EXTENSIONS,
        TRAILERS,
    ];
    let prober = Prober::new(None).unwrap();
    for flood in floods {
        let flooder = Flooder::new(flood);
        let target = Target { timeout: TIMEOUT, ..flooder.target(Some("never")) };
        let profiler = dhat::Profiler::builder().testing().build();
        let report = prober.run(&target).await;
        let peak = dhat::HeapStats::get().max_bytes;
        drop(profiler);
        flooder.thread.join().unwrap();
        assert_eq!(report.outcome, Outcome::Fail, "{report:?}: {flood:?}");
        assert!(peak < MOST_MEMORY, "{peak} bytes at a time for {report:?}: {flood:?}");
    }
}

/// Of the flooder's socket; the kernel makes it twice as much.
const BUFFER: usize = 64 * 1024;

/// 64 KiB, times what chunks of one byte take, and the buffers of both sockets.
const MOST_SENT: u64 = 4 << 20;

/// 64 KiB each of head and body, and room to handle them.
const MOST_MEMORY: usize = 1 << 20;
