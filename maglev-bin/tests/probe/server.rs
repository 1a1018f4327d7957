//! What the tests probe, and how they look at a report.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use maglev_bin::probe::{Http, Kind, Report, Target, Tcp};
use maglev_health::{Code, Outcome};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

pub(crate) const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Long enough that only a probe that hangs reaches it, on however busy a machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// For probes that are to run into it.
pub(crate) const SHORT: Duration = Duration::from_millis(200);

/// A server that does the same with each connection. Ends when dropped.
pub(crate) struct Server {
    pub(crate) at: SocketAddr,
    task: AbortHandle,
}

impl Server {
    /// On a free port of an address.
    pub(crate) async fn new<F>(address: IpAddr, serve: impl Fn(TcpStream, SocketAddr) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        Self::on(TcpListener::bind((address, 0)).await.unwrap(), serve)
    }

    pub(crate) fn on<F>(listener: TcpListener, serve: impl Fn(TcpStream, SocketAddr) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let at = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                // A probe that has seen enough resets its connection: errors are of no interest.
                tokio::spawn(serve(stream, peer));
            }
        });
        Self { at, task: task.abort_handle() }
    }

    /// Answers each request with these bytes and closes.
    pub(crate) async fn saying(address: IpAddr, response: impl Into<Vec<u8>>) -> Self {
        let response: Vec<u8> = response.into();
        Self::new(address, move |stream, _| say(stream, response.clone())).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn say(mut stream: TcpStream, response: Vec<u8>) -> io::Result<()> {
    read_head(&mut stream).await?;
    stream.write_all(&response).await?;
    stream.shutdown().await
}

pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// A port of localhost where nobody listens. It is taken until the listener beside it is dropped, and closed to others then.
pub(crate) fn closed_port() -> SocketAddr {
    // Bound and not listening: connections are refused, and no other test can get the port while this process lives.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(LOCALHOST, 0).into()).unwrap();
    let at = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    at
}

pub(crate) fn target(address: IpAddr, kind: Kind) -> Target {
    Target { backend: "under-test".into(), address, source: None, device: None, mark: None, timeout: PATIENCE, kind }
}

pub(crate) fn tcp(at: SocketAddr) -> Target {
    target(at.ip(), Kind::Tcp(Tcp { port: at.port(), ..Tcp::default() }))
}

pub(crate) fn http(at: SocketAddr) -> Target {
    target(at.ip(), Kind::Http(http_params(at.port())))
}

pub(crate) fn http_params(port: u16) -> Http {
    Http { port, ..Http::default() }
}

pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[track_caller]
pub(crate) fn assert_report(report: &Report, outcome: Outcome, code: Code, detail: &str) {
    assert_eq!((report.outcome, report.code, &*report.detail), (outcome, code, detail), "{report:?}");
    assert_eq!(report.cause.is_some(), outcome == Outcome::NoVerdict, "{report:?}");
}

/// Waits for something that will happen, and says what did not if it takes too long.
pub(crate) async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, happens).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen within {PATIENCE:?}"),
    }
}
