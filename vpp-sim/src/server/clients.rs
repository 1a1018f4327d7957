//! Connected API clients.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use serde::Serialize;
use vpp_api::message::Message;
use vpp_api::server::{ServedTable, Session};

use crate::faults::BrokenFrame;
use crate::log::Logger;
use crate::pool::Pool;
use crate::vpp::Answers;

/// All clients by slot. Slot 0 is the listening socket's, as in VPP, and slots are used again.
#[derive(Debug, Default)]
pub(super) struct Clients(Pool<Option<Client>>);

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: UnixStream,
    pub(super) session: Session,
    /// As it called itself; empty before that.
    pub(super) name: String,
    /// Nothing more will come from it.
    pub(super) is_at_end: bool,
}

impl Clients {
    pub(super) fn new() -> Self {
        let mut clients = Self::default();
        clients.0.take();
        clients
    }

    pub(super) fn add(&mut self, stream: UnixStream, table: Arc<ServedTable>) {
        let (slot, place) = self.0.take();
        *place = Some(Client {
            stream,
            session: Session::new(table, SOCKET_CLIENT | slot),
            name: String::new(),
            is_at_end: false,
        });
    }

    /// Closes a connection after sending what is left to say, as far as the socket takes it.
    pub(super) fn close(&mut self, slot: u32) -> Option<Client> {
        let mut client = self.0.get_mut(slot)?.take()?;
        // What does not fit is lost, as in VPP.
        let _ = client.write();
        self.0.put(slot);
        Some(client)
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Client> {
        self.0.get_mut(slot)?.as_mut()
    }

    /// The slot that a client index stands for, if there is such a client. VPP does not ask whose index it is.
    pub(super) fn slot_of(&self, client_index: u32) -> Option<u32> {
        let slot = client_index & !SOCKET_CLIENT;
        let exists = client_index & SOCKET_CLIENT != 0 && self.0.get(slot).is_some_and(Option::is_some);
        exists.then_some(slot)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Client)> {
        self.0.iter().filter_map(|(slot, client)| Some((slot, client.as_ref()?)))
    }

    /// Clients to which something is left to say.
    pub(super) fn with_output(&mut self) -> Vec<u32> {
        self.0
            .iter_mut()
            .filter_map(|(slot, client)| Some((slot, client.as_mut()?)))
            .filter_map(|(slot, client)| client.has_output().then_some(slot))
            .collect()
    }

    pub(super) fn slots(&self) -> Vec<u32> {
        self.iter().map(|(slot, _)| slot).collect()
    }
}

impl Client {
    /// Takes in what has arrived, a bounded piece of it.
    pub(super) fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; READ_AT_ONCE];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.is_at_end = true,
            Ok(count) => self.session.handle_bytes(&buffer[..count]),
            Err(error) if is_nothing(&error) => (),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Sends as much as the socket takes. The rest stays, without limit, as in VPP.
    pub(super) fn write(&mut self) -> io::Result<()> {
        let out = self.session.raw_output();
        while !out.is_empty() {
            match self.stream.write(out) {
                Ok(count) => out.advance(count),
                Err(error) if is_nothing(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn has_output(&mut self) -> bool {
        !self.session.raw_output().is_empty()
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// Puts the answers to one request into a client's output, and into the log.
pub(super) struct Replies<'a> {
    /// Nobody, when the answer is lost.
    pub(super) to: Option<&'a mut Client>,
    pub(super) context: u32,
    pub(super) logger: &'a mut Logger,
    pub(super) time: f64,
}

impl Answers for Replies<'_> {
    fn send<M: Message + Serialize>(&mut self, message: &M) {
        let Some(client) = &mut self.to else {
            return;
        };
        match client.session.reply(self.context, message) {
            Ok(()) => {
                let retval = message.status().map(|retval| retval.0);
                self.logger.message(self.time, &client.name, M::NAME, Some(self.context), retval, message);
            }
            Err(error) => tracing::warn!(%error, "an answer is not in the message table"),
        }
    }
}

/// Breaks the frame that begins at `start`.
pub(super) fn break_frame(out: &mut BytesMut, start: usize, how: BrokenFrame) {
    const LENGTH: usize = 8;
    const BODY: usize = 16;
    if out.len() < start + BODY + 6 {
        return;
    }
    let frame = &mut out[start..];
    match how {
        BrokenFrame::Length => frame[LENGTH..LENGTH + 4].copy_from_slice(&0xffff_fff0_u32.to_be_bytes()),
        BrokenFrame::Id => frame[BODY..BODY + 2].copy_from_slice(&[0xff; 2]),
        BrokenFrame::Context => frame[BODY + 2..BODY + 6].copy_from_slice(&[0xee; 4]),
        BrokenFrame::Garbage => frame[BODY + 6..].fill(0xff),
        BrokenFrame::Short => {
            frame[LENGTH..LENGTH + 4].copy_from_slice(&3_u32.to_be_bytes());
            out.truncate(start + BODY + 3);
        }
    }
}

/// Bit of a client index that says socket.
const SOCKET_CLIENT: u32 = 0x8000_0000;
/// VPP reads 4 KiB a round; this much keeps calls in flight from queueing in the kernel.
const READ_AT_ONCE: usize = 64 * 1024;
