//! From a fresh socket to the ids of all messages.

use bytes::{Bytes, BytesMut};

use super::Connection;
use crate::error::ProtocolError;
use crate::frame::{DEFAULT_MAX_LEN, FrameDecoder, encode_frame};
use crate::message::{Envelope, decode_body, encode_body, message_id};
use crate::messages::memclnt::{SockclntCreate, SockclntCreateReply};
use crate::types::{FixedString, Retval};

/// What a connection needs to know beforehand.
///
/// ```
/// use vpp_api::connection::Config;
/// use vpp_api::types::FixedString;
///
/// let config = Config { name: FixedString::clipped("my-program"), ..Config::default() };
/// assert_eq!(config.max_frame, 64 << 20);
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// Client name, shown by VPP's `show api clients`.
    pub name: FixedString<64>,
    /// Largest body taken or sent, in bytes.
    pub max_frame: usize,
}

impl Default for Config {
    /// The crate's name, and [`DEFAULT_MAX_LEN`].
    fn default() -> Self {
        Self { name: FixedString::clipped("vpp-api"), max_frame: DEFAULT_MAX_LEN }
    }
}

/// A connection on which the message ids are not known yet: no call can be made.
///
/// Send what [`poll_transmit`](Self::poll_transmit) gives, feed what arrives to
/// [`handle_bytes`](Self::handle_bytes), until that returns the [`Connection`].
///
/// ```
/// use std::io::{self, Read, Write};
/// use vpp_api::connection::{Config, Connection, Handshake};
///
/// /// On any stream, such as a blocking socket.
/// fn connect<T>(stream: &mut (impl Read + Write)) -> io::Result<Connection<T>> {
///     let mut handshake = Handshake::new(Config::default());
///     let mut buffer = [0; 4096];
///     loop {
///         if let Some(bytes) = handshake.poll_transmit() {
///             stream.write_all(&bytes)?;
///         }
///         let count = stream.read(&mut buffer)?;
///         if count == 0 {
///             return Err(io::ErrorKind::UnexpectedEof.into());
///         }
///         if let Some(connection) = handshake.handle_bytes(&buffer[..count]).map_err(io::Error::other)? {
///             return Ok(connection);
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Handshake {
    config: Config,
    decoder: FrameDecoder,
    out: BytesMut,
}

impl Handshake {
    /// Starts with `sockclnt_create` in the output.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut out = BytesMut::new();
        let hello = SockclntCreate { name: config.name };
        // 70 bytes; a limit below that is the caller's wish to talk to nobody.
        let envelope = Envelope { client_index: 0, context: HELLO_CONTEXT };
        let _ = encode_frame(&mut out, config.max_frame, |out| encode_body(HELLO_ID, envelope, &hello, out));
        Self { decoder: FrameDecoder::new(config.max_frame), config, out }
    }

    /// Bytes to send, if any.
    ///
    /// ```
    /// use vpp_api::connection::{Config, Handshake};
    ///
    /// let mut handshake = Handshake::new(Config::default());
    /// assert_eq!(handshake.poll_transmit().map(|hello| hello.len()), Some(16 + 70));
    /// assert_eq!(handshake.poll_transmit(), None);
    /// ```
    #[must_use]
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        (!self.out.is_empty()).then(|| self.out.split().freeze())
    }

    /// Takes in bytes from VPP. `Some` ends the handshake; bytes behind it are already in the connection, and its
    /// events may be polled at once.
    ///
    /// ```
    /// use vpp_api::connection::{Config, Connection, Handshake};
    ///
    /// let mut handshake = Handshake::new(Config::default());
    /// let no_vpp: Result<Option<Connection<()>>, _> = handshake.handle_bytes(b"HTTP/1.1 400 Bad Request");
    /// assert_eq!(no_vpp.unwrap_err().to_string(), "bad frame header");
    /// ```
    ///
    /// # Errors
    /// [`ProtocolError`] if the peer is not VPP or refuses; the handshake is over then.
    pub fn handle_bytes<T>(&mut self, bytes: &[u8]) -> Result<Option<Connection<T>>, ProtocolError> {
        self.decoder.extend(bytes);
        while let Some(body) = self.decoder.next_frame()? {
            match message_id(&body) {
                None => return Err(ProtocolError::NoMessageId { len: body.len() }),
                // VPP sends nothing before its answer; whatever it is, it is not for us.
                Some(id) if id != HELLO_REPLY_ID => {}
                Some(_) => return self.finish(&body).map(Some),
            }
        }
        Ok(None)
    }

    fn finish<T>(&mut self, body: &[u8]) -> Result<Connection<T>, ProtocolError> {
        let (_, welcome) = decode_body::<SockclntCreateReply>(body).map_err(ProtocolError::Handshake)?;
        if welcome.response != 0 {
            return Err(ProtocolError::Unwelcome(Retval(welcome.response)));
        }
        let decoder = std::mem::replace(&mut self.decoder, FrameDecoder::new(0));
        let mut connection = Connection::new(self.config.max_frame, decoder, &welcome);
        connection.drain()?;
        Ok(connection)
    }
}

/// `sockclnt_create` and its reply have the same id in every VPP: without them no other id can be learnt.
pub(super) const HELLO_ID: u16 = 15;
pub(super) const HELLO_REPLY_ID: u16 = 16;
/// Any will do: there is one handshake and its reply is known by its id.
const HELLO_CONTEXT: u32 = 1;
