//! The task that owns the socket.

use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::READ_LEN;
use super::handshake::is_temporary;
use super::shared::{Arrived, Chunk, Core, Shared, Waiter};
use crate::connection::{Event, Expired};
use crate::error::{CallError, Disconnect, ReplyError};
use crate::message::message_id;

/// Moves bytes until the connection ends, then tells everybody why; also when the task is dropped with its runtime, even
/// before it ran for the first time.
pub(super) fn run(stream: UnixStream, shared: Arc<Shared>) -> impl Future<Output = ()> + Send {
    let ending = Ending { shared, reason: Disconnect::Closed };
    async move {
        let reason = drive(&stream, &ending.shared).await;
        ending.because(reason);
    }
}

async fn drive(stream: &UnixStream, shared: &Shared) -> Disconnect {
    let mut buffer = vec![0; READ_LEN];
    let mut unsent = Bytes::new();
    let mut alarm = std::pin::pin!(sleep_until(Instant::now()));
    let mut armed: Option<Instant> = None;
    // The handshake may have left events behind.
    settle(shared, Instant::now());
    loop {
        if let Err(reason) = flush(stream, shared, &mut unsent) {
            return reason;
        }
        let due = next_deadline(shared);
        // Deadlines mostly move away, with every arrival: the alarm is moved only towards the present and, when it
        // rings too early, set again.
        if let Some(due) = due
            && armed.is_none_or(|armed| due < armed)
        {
            alarm.as_mut().reset(due);
            armed = Some(due);
        }
        if due.is_none() {
            armed = None;
        }
        let interest = if unsent.is_empty() { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
        tokio::select! {
            ready = stream.ready(interest) => {
                let received = match ready {
                    Ok(ready) if ready.is_readable() => receive(stream, shared, &mut buffer),
                    Ok(_) => Ok(()),
                    Err(error) => Err(lost(error)),
                };
                if let Err(reason) = received {
                    return reason;
                }
            }
            () = shared.wake.notified() => {}
            () = alarm.as_mut(), if armed.is_some() => {
                armed = None;
                // When this process or its machine was stopped for a while, the answer may have come long ago: what is
                // in the socket counts first. The runtime looks at its sockets before it comes back from the yield, and
                // one `receive` takes more than a socket of the usual size holds.
                yield_now().await;
                if let Err(reason) = receive(stream, shared, &mut buffer) {
                    return reason;
                }
                if let Some(reason) = expire(shared) {
                    return reason;
                }
            }
        }
    }
}

/// Sends what has gathered, as far as the socket takes it.
fn flush(stream: &UnixStream, shared: &Shared, unsent: &mut Bytes) -> Result<(), Disconnect> {
    loop {
        let mut core = shared.lock();
        if core.closing {
            return Err(Disconnect::Closed);
        }
        if unsent.is_empty() {
            match core.connection.poll_transmit() {
                Some(bytes) => *unsent = bytes,
                None => return Ok(()),
            }
        }
        drop(core);
        match stream.try_write(unsent) {
            Ok(count) => unsent.advance(count),
            Err(error) if is_temporary(&error) => return Ok(()),
            Err(error) => return Err(lost(error)),
        }
    }
}

/// Reads what is there, up to a bound, so that one busy connection does not keep its thread.
fn receive(stream: &UnixStream, shared: &Shared, buffer: &mut [u8]) -> Result<(), Disconnect> {
    for _ in 0..READS_IN_A_ROW {
        match stream.try_read(buffer) {
            Ok(0) => return Err(Disconnect::Eof),
            Ok(count) => {
                let now = Instant::now();
                let outcome = {
                    let mut core = shared.lock();
                    core.deadlines.handle_arrival(now.into_std());
                    core.connection.handle_bytes(&buffer[..count])
                };
                settle(shared, now);
                outcome.map_err(Disconnect::Protocol)?;
            }
            Err(error) if is_temporary(&error) => return Ok(()),
            Err(error) => return Err(lost(error)),
        }
    }
    Ok(())
}

/// Hands out what the connection has for others.
fn settle(shared: &Shared, at: Instant) {
    let Core { connection, topics, .. } = &mut *shared.lock();
    while let Some(event) = connection.poll_event() {
        match event {
            Event::Reply { tag, body } => tag.answer(Ok(Arrived { at, details: Vec::new(), reply: body })),
            Event::Details { tag, bodies, end } => tag.answer(Ok(Arrived { at, details: bodies, reply: end })),
            Event::Arrived { context } => {
                if let Some((Waiter::Stream(waiter), bodies)) = connection.take_details(context) {
                    // A reader that is gone was cancelled.
                    let _ = waiter.send(Chunk::Details(bodies));
                }
            }
            Event::Mismatch { tag, message, got } => {
                tag.answer(Err(CallError::Malformed { message, source: ReplyError::WrongMessage { got } }));
            }
            Event::Notice { body, .. } => {
                if let Some(id) = message_id(&body) {
                    topics.publish(id, &body);
                }
            }
        }
    }
}

fn next_deadline(shared: &Shared) -> Option<Instant> {
    let Core { connection, deadlines, .. } = &mut *shared.lock();
    deadlines.poll_timeout(|context| connection.pending(context).is_some()).map(Instant::from_std)
}

/// Why the connection has to end, if a limit has passed. The call that was late is told that it was that one.
fn expire(shared: &Shared) -> Option<Disconnect> {
    let core = &mut *shared.lock();
    let Core { connection, deadlines, .. } = core;
    let now = Instant::now().into_std();
    match deadlines.poll_expired(now, |context| connection.pending(context).is_some())? {
        Expired::Silence { after } => Some(Disconnect::Silent(after)),
        Expired::Call { context, after } => {
            let (message, waiter) = connection.give_up(context)?;
            waiter.answer(Err(CallError::TimedOut { message, after }));
            Some(Disconnect::TimedOut { message, after })
        }
    }
}

fn lost(error: io::Error) -> Disconnect {
    Disconnect::Io(Arc::new(error))
}

/// Ends the connection for everybody when dropped.
struct Ending {
    shared: Arc<Shared>,
    reason: Disconnect,
}

impl Ending {
    fn because(mut self, reason: Disconnect) {
        self.reason = reason;
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let reason = &self.reason;
        let mut core = self.shared.lock();
        core.closed = Some(reason.clone());
        for (_, _, waiter) in core.connection.abandon() {
            waiter.answer(Err(CallError::Disconnected(reason.clone())));
        }
        core.topics.end(reason);
        drop(core);
        self.shared.closed.send_replace(Some(reason.clone()));
    }
}

/// So that a flood of details leaves other tasks their turn: 1 MiB.
const READS_IN_A_ROW: usize = 16;
