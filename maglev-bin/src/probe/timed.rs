use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// When what a probe went through was done, from its start.
#[derive(Debug)]
pub(super) struct Phases {
    pub(super) start: Instant,
    pub(super) connected: Cell<Option<Duration>>,
    pub(super) secured: Cell<Option<Duration>>,
    pub(super) first_byte: Cell<Option<Duration>>,
}

impl Phases {
    pub(super) fn new(start: Instant) -> Self {
        Self { start, connected: Cell::default(), secured: Cell::default(), first_byte: Cell::default() }
    }

    /// Notes that a phase is done, unless it was before.
    pub(super) fn done(&self, phase: &Cell<Option<Duration>>) {
        if phase.get().is_none() {
            phase.set(Some(self.start.elapsed()));
        }
    }
}

/// A stream that notes when its first byte comes.
#[derive(Debug)]
pub(super) struct Timed<'a, S> {
    pub(super) stream: &'a mut S,
    pub(super) phases: &'a Phases,
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<'_, S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut *this.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            this.phases.done(&this.phases.first_byte);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<'_, S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().stream).poll_shutdown(cx)
    }
}
