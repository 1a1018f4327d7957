//! What a handler is served on.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::grpc::peer::Peer;

/// A connection of a client that speaks HTTP/2, counted among the open ones until it is dropped.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    peer: Peer,
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
pub(super) enum Stream {
    Tcp(Replay<TcpStream>),
    Unix(Replay<UnixStream>),
    // Ten times the size of the others.
    Tls(Box<Replay<TlsStream<Replay<TcpStream>>>>),
}

impl Connection {
    pub(super) fn new(stream: Stream, peer: Peer, permit: OwnedSemaphorePermit) -> Self {
        Self { stream, peer, _permit: permit }
    }
}

/// A handler finds the [`Peer`] in the extensions of its request.
impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

/// Does something with the stream, of whichever kind it is.
macro_rules! each {
    ($stream:expr, $pinned:ident => $do:expr) => {
        match $stream {
            Stream::Tcp(stream) => {
                let $pinned = Pin::new(stream);
                $do
            }
            Stream::Unix(stream) => {
                let $pinned = Pin::new(stream);
                $do
            }
            Stream::Tls(stream) => {
                let $pinned = Pin::new(stream);
                $do
            }
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.stream, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(&mut self.stream, stream => stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(&mut self.stream, stream => stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        each!(&self.stream, stream => stream.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.stream, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(&mut self.stream, stream => stream.poll_shutdown(cx))
    }
}

/// A stream whose first bytes were read already: they come again.
#[derive(Debug)]
pub(super) struct Replay<S> {
    stream: S,
    said: [u8; 24],
    /// What of `said` is still to come.
    from: usize,
    to: usize,
}

impl<S> Replay<S> {
    pub(super) fn new(stream: S, said: [u8; 24], length: usize) -> Self {
        Self { stream, said, from: 0, to: length }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Replay<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, said, from, to } = &mut *self;
        if from == to {
            return Pin::new(stream).poll_read(cx, buf);
        }
        let now = buf.remaining().min(*to - *from);
        buf.put_slice(&said[*from..*from + now]);
        *from += now;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replay<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
