//! Bytes from a peer that may not be VPP: the frame decoder and the client side of a connection.
//!
//! Input: two bytes that say how the rest is cut into pieces, then the stream.

use std::num::Wrapping;

use bytes::Bytes;
use vpp_api::connection::{Config, Connection, Event, Handshake};
use vpp_api::error::{FrameError, ProtocolError};
use vpp_api::frame::{FrameDecoder, HEADER_LEN};
use vpp_api::message::{Dump, Message, Request, decode_body, message_id};
use vpp_api::messages::interface::{SwInterfaceDump, SwInterfaceEvent, WantInterfaceEvents};
use vpp_api::messages::lb::{LbAsV2Dump, LbConfGet, LbVipDump};
use vpp_api::messages::memclnt::ControlPing;
use vpp_api::messages::vlib::CliInband;
use vpp_api::messages::vpe::ShowVersion;

/// Checks that the stream is cut into the frames that are in it, however it arrives, and that no call of a client is
/// answered twice. Returns the number of frames.
pub(crate) fn check(data: &[u8]) -> usize {
    let Some((cut, stream)) = data.split_first_chunk::<2>() else {
        return 0;
    };
    let pieces = || Pieces { rest: stream, state: Wrapping(u16::from_le_bytes(*cut)) };
    let frames = same_frames_in_any_pieces(stream, pieces());
    same_connection_in_any_pieces(stream, pieces());
    let mut client = Client::default();
    for piece in pieces() {
        if !client.take(piece) {
            break;
        }
    }
    client.finish();
    frames
}

fn same_frames_in_any_pieces(stream: &[u8], pieces: Pieces<'_>) -> usize {
    let (expected, end) = frames_of(stream);
    let mut decoder = FrameDecoder::new(MAX_LEN);
    let mut frames: Vec<Bytes> = Vec::new();
    let mut error = None;
    for piece in pieces {
        decoder.extend(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(found) => {
                    assert_eq!(*error.get_or_insert(found.clone()), found, "an error is for ever");
                    break;
                }
            }
        }
    }
    assert_eq!(frames, expected);
    match end {
        End::Left(left) => assert_eq!((error, decoder.buffered()), (None, left)),
        End::Oversized(len) => assert_eq!(error, Some(FrameError::Oversized { len, max: MAX_LEN })),
    }
    frames.len()
}

/// What is in a stream, found in the plainest way.
fn frames_of(mut stream: &[u8]) -> (Vec<&[u8]>, End) {
    let mut frames = Vec::new();
    loop {
        let Some((header, rest)) = stream.split_at_checked(HEADER_LEN) else {
            return (frames, End::Left(stream.len()));
        };
        let len = header[8..12].iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
        if len > MAX_LEN {
            return (frames, End::Oversized(len));
        }
        let Some((body, rest)) = rest.split_at_checked(len) else {
            return (frames, End::Left(stream.len()));
        };
        frames.push(body);
        stream = rest;
    }
}

/// How a stream ends.
enum End {
    Left(usize),
    Oversized(usize),
}

/// Without calls of ours what a connection says depends on the bytes alone.
fn same_connection_in_any_pieces(stream: &[u8], pieces: Pieces<'_>) {
    let whole = listen([stream].into_iter());
    let in_pieces = listen(pieces);
    assert_eq!(whole, in_pieces);
}

/// All that a client sees which says nothing after its hello, unless the peer breaks the protocol.
fn listen<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<(Notices, u64), ProtocolError> {
    let mut handshake = Handshake::new(config());
    let mut connection: Option<Connection<()>> = None;
    for piece in pieces {
        match &mut connection {
            Some(connection) => connection.handle_bytes(piece)?,
            None => connection = handshake.handle_bytes(piece)?,
        }
    }
    let Some(mut connection) = connection else {
        return Ok((Vec::new(), 0));
    };
    let notices = std::iter::from_fn(|| connection.poll_event())
        .map(|event| match event {
            Event::Notice { name_crc, body } => (name_crc, body),
            other => panic!("{other:?} without a call"),
        })
        .collect();
    Ok((notices, connection.counters().frames_received))
}

type Notices = Vec<(&'static str, Bytes)>;

/// A client that makes its calls as soon as it may, and again whenever one was answered.
#[derive(Default)]
struct Client {
    handshake: Option<Handshake>,
    connection: Option<Connection<usize>>,
    /// By tag: whether the call was answered.
    answered: Vec<bool>,
    /// By tag: the message that answers, or that each element of the answer is.
    answers: Vec<Option<u16>>,
    calls: usize,
    /// Frames that came out as part of an answer.
    seen: u64,
    /// Details may have been lost with a dump that was answered with something else.
    mismatched: bool,
    failed: bool,
}

impl Client {
    /// Takes in bytes; false when the connection is of no use any more.
    fn take(&mut self, piece: &[u8]) -> bool {
        let outcome = match &mut self.connection {
            Some(connection) => connection.handle_bytes(piece),
            None => self
                .handshake
                .get_or_insert_with(|| Handshake::new(config()))
                .handle_bytes(piece)
                .map(|established| self.connection = established),
        };
        self.failed = outcome.is_err();
        self.drain();
        if !self.failed && self.calls < MOST_CALLS {
            self.start_calls();
        }
        !self.failed
    }

    fn start_calls(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        if connection.outstanding() > 0 {
            return;
        }
        let mut start = |call: &dyn Fn(&mut Connection<usize>, usize) -> Option<u16>| {
            let tag = self.answered.len();
            if let Some(answer) = call(connection, tag) {
                self.answered.push(false);
                self.answers.push(Some(answer));
                self.calls += 1;
            }
        };
        start(&|connection, tag| call(connection, tag, &ShowVersion {}));
        start(&|connection, tag| call(connection, tag, &LbConfGet {}));
        start(&|connection, tag| dump(connection, tag, &LbVipDump::all()));
        start(&|connection, tag| dump(connection, tag, &LbAsV2Dump::all()));
        start(&|connection, tag| call(connection, tag, &CliInband { cmd: "show lb".into() }));
        start(&|connection, tag| call(connection, tag, &WantInterfaceEvents { enable_disable: 1, pid: 1 }));
        start(&|connection, tag| dump(connection, tag, &SwInterfaceDump::all()));
        start(&|connection, tag| call(connection, tag, &ControlPing {}));
        let sent = connection.poll_transmit().unwrap_or_default();
        assert!(connection.poll_transmit().is_none());
        assert!(matches!(frames_of(&sent), (_, End::Left(0))), "only whole frames are sent");
    }

    fn drain(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        while let Some(event) = connection.poll_event() {
            match event {
                Event::Reply { tag, body } => {
                    self.seen += 1;
                    assert!(!std::mem::replace(&mut self.answered[tag], true), "call {tag} is answered twice");
                    assert_eq!(message_id(&body), self.answers[tag], "the reply to another call");
                }
                Event::Details { tag, bodies, .. } => {
                    self.seen += bodies.len() as u64 + 1;
                    assert!(!std::mem::replace(&mut self.answered[tag], true), "dump {tag} is answered twice");
                    assert!(bodies.iter().all(|body| message_id(body) == self.answers[tag]), "details of another dump");
                }
                Event::Mismatch { tag, .. } => {
                    self.mismatched = true;
                    self.seen += 1;
                    assert!(!std::mem::replace(&mut self.answered[tag], true), "call {tag} is answered twice");
                }
                Event::Notice { name_crc, body } => {
                    assert_eq!(name_crc, SwInterfaceEvent::NAME_CRC);
                    let _ = decode_body::<SwInterfaceEvent>(&body);
                }
                other => panic!("{other:?} is new: say here what it answers"),
            }
        }
        let open = self.answered.iter().filter(|answered| !**answered).count();
        assert_eq!(connection.outstanding(), open);
    }

    /// Accounts for every frame and every call.
    fn finish(self) {
        let Some(mut connection) = self.connection else {
            return;
        };
        let counters = connection.counters();
        let skipped = counters.keepalives + counters.events + counters.unknown_messages + counters.unknown_contexts;
        let accounted = skipped + self.seen;
        let open: Vec<usize> = (0..self.answered.len()).filter(|tag| !self.answered[*tag]).collect();
        if self.failed || self.mismatched || !open.is_empty() {
            assert!(accounted <= counters.frames_received, "{counters:?}");
        } else {
            assert_eq!(accounted, counters.frames_received, "{counters:?}");
        }
        let mut left: Vec<usize> = connection.abandon().map(|(_, _, tag)| tag).collect();
        left.sort_unstable();
        assert_eq!(left, open);
        assert_eq!(connection.outstanding(), 0);
    }
}

/// The id of the reply; `None` if the peer has no such message.
fn call<R: Request>(connection: &mut Connection<usize>, tag: usize, request: &R) -> Option<u16> {
    let context = connection.call(request, tag).ok()?;
    assert_eq!(connection.pending(context), Some(R::NAME));
    connection.table().id(R::Reply::NAME_CRC)
}

/// The id of the details.
fn dump<D: Dump>(connection: &mut Connection<usize>, tag: usize, request: &D) -> Option<u16> {
    let context = connection.dump(request, tag).ok()?;
    assert_eq!(connection.pending(context), Some(D::NAME));
    connection.table().id(D::Details::NAME_CRC)
}

fn config() -> Config {
    Config { max_frame: MAX_LEN, ..Config::default() }
}

/// The pieces in which a stream arrives, from 1 to 64 bytes long.
struct Pieces<'a> {
    rest: &'a [u8],
    state: Wrapping<u16>,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        // Any sequence will do in which one state follows another.
        self.state = self.state * Wrapping(25_173) + Wrapping(13_849);
        let len = usize::from(self.state.0 >> 10) + 1;
        let (piece, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        Some(piece)
    }
}

/// Small, so that a stream of random bytes meets it.
const MAX_LEN: usize = 2_048;
/// After so many calls the client only listens.
const MOST_CALLS: usize = 64;
