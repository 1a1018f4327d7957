//! From a path to an established connection.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};

use super::{Options, READ_LEN};
use crate::connection::{Config, Connection, Handshake};
use crate::error::ConnectError;
use crate::types::FixedString;

/// How long all of it may take.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    after: Duration,
    start: Instant,
}

impl Limit {
    pub(super) fn starting(after: Duration) -> Self {
        Self { after, start: Instant::now() }
    }

    pub(super) async fn bound<T>(self, work: impl Future<Output = Result<T, ConnectError>>) -> Result<T, ConnectError> {
        let left = self.after.saturating_sub(self.start.elapsed());
        timeout(left, work).await.unwrap_or(Err(ConnectError::TimedOut { after: self.after }))
    }
}

/// Opens the socket.
pub(super) async fn open(path: &Path) -> Result<UnixStream, ConnectError> {
    loop {
        match UnixStream::connect(path).await {
            Ok(stream) => return Ok(stream),
            // VPP listens with a backlog of 5, and a full one answers EAGAIN; there is nothing to wait on.
            Err(error) if error.kind() == ErrorKind::WouldBlock => tokio::time::sleep(BACKLOG_PAUSE).await,
            Err(source) => return Err(ConnectError::Connect { path: path.to_owned(), source: Arc::new(source) }),
        }
    }
}

/// Introduces the client and waits for the message table.
pub(super) async fn greet<T>(stream: &UnixStream, options: &Options) -> Result<Connection<T>, ConnectError> {
    let config = Config { name: FixedString::clipped(&options.name), max_frame: options.max_frame };
    let mut handshake = Handshake::new(config);
    if let Some(bytes) = handshake.poll_transmit() {
        send(stream, bytes).await.map_err(io_failed)?;
    }
    let mut buffer = vec![0; READ_LEN];
    loop {
        stream.readable().await.map_err(io_failed)?;
        match stream.try_read(&mut buffer) {
            Ok(0) => return Err(ConnectError::Eof),
            Ok(count) => {
                if let Some(connection) = handshake.handle_bytes(&buffer[..count])? {
                    return Ok(connection);
                }
            }
            Err(error) if is_temporary(&error) => {}
            Err(error) => return Err(io_failed(error)),
        }
    }
}

async fn send(stream: &UnixStream, mut bytes: Bytes) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(&bytes) {
            Ok(count) => drop(bytes.split_to(count)),
            Err(error) if is_temporary(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(super) fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn io_failed(error: io::Error) -> ConnectError {
    ConnectError::Io(Arc::new(error))
}

const BACKLOG_PAUSE: Duration = Duration::from_millis(10);
