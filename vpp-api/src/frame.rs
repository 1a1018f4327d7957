//! Frames: 16 bytes of header, then the body.
//!
//! | offset | size | field | order |
//! | --: | --: | --- | --- |
//! | 0 | 8 | `q`, a pointer of VPP's that means nothing outside | host |
//! | 8 | 4 | `data_len`, bytes of the body | big-endian |
//! | 12 | 4 | `gc_mark_timestamp`, unused | host |
//!
//! Source: `msgbuf_t` in VPP `src/vlibapi/api_common.h`. There is no magic, version or checksum, so that a wrong
//! length is the end of a connection.
//!
//! ```
//! use bytes::BytesMut;
//! use vpp_api::frame::{DEFAULT_MAX_LEN, FrameDecoder, encode_frame};
//!
//! let mut sent = BytesMut::new();
//! for body in ["one", "two"] {
//!     encode_frame(&mut sent, DEFAULT_MAX_LEN, |out| out.extend_from_slice(body.as_bytes()))?;
//! }
//!
//! let mut decoder = FrameDecoder::new(DEFAULT_MAX_LEN);
//! decoder.extend(&sent);
//! assert_eq!(decoder.next_frame()?.as_deref(), Some(&b"one"[..]));
//! assert_eq!(decoder.next_frame()?.as_deref(), Some(&b"two"[..]));
//! assert_eq!(decoder.next_frame()?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::error::FrameError;

/// Bytes in front of every body.
///
/// ```
/// use vpp_api::frame::HEADER_LEN;
///
/// /// How many bytes to read next, to whoever reads frames by hand.
/// fn body_len(header: [u8; HEADER_LEN]) -> u32 {
///     let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = header;
///     u32::from_be_bytes([a, b, c, d])
/// }
///
/// assert_eq!(body_len([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0]), 10);
/// ```
pub const HEADER_LEN: usize = 16;

/// The default limit of a body, 64 MiB: far above the largest message VPP sends (its API segment has 16 MB by default).
///
/// ```
/// use vpp_api::error::FrameError;
/// use vpp_api::frame::{DEFAULT_MAX_LEN, FrameDecoder, HEADER_LEN};
///
/// // A peer that speaks something else.
/// let mut decoder = FrameDecoder::new(DEFAULT_MAX_LEN);
/// decoder.extend(&[b'A'; HEADER_LEN]);
/// assert_eq!(decoder.next_frame(), Err(FrameError::Oversized { len: 0x4141_4141, max: 64 * 1024 * 1024 }));
/// ```
pub const DEFAULT_MAX_LEN: usize = 64 << 20;

/// Cuts a byte stream into bodies.
///
/// Bytes go in by [`FrameDecoder::extend`], bodies come out by [`FrameDecoder::next_frame`] until it gives `None`;
/// after an error the decoder gives the same error for ever. Memory grows with what arrived, never with what a header
/// announces. A body is a view of the buffer, not a copy.
///
/// ```
/// use bytes::BytesMut;
/// use vpp_api::frame::{DEFAULT_MAX_LEN, FrameDecoder, HEADER_LEN, encode_frame};
///
/// let mut frame = BytesMut::new();
/// encode_frame(&mut frame, DEFAULT_MAX_LEN, |out| out.extend_from_slice(b"body"))?;
///
/// let mut decoder = FrameDecoder::new(DEFAULT_MAX_LEN);
/// decoder.extend(&frame[..HEADER_LEN]);
/// assert_eq!(decoder.next_frame()?, None, "it is not whole yet");
/// decoder.extend(&frame[HEADER_LEN..]);
/// assert_eq!(decoder.next_frame()?.as_deref(), Some(&b"body"[..]));
/// # Ok::<_, vpp_api::error::FrameError>(())
/// ```
#[derive(Debug)]
pub struct FrameDecoder {
    buffer: BytesMut,
    max_len: usize,
}

impl FrameDecoder {
    /// Takes bodies of at most `max_len` bytes.
    #[must_use]
    pub fn new(max_len: usize) -> Self {
        Self { buffer: BytesMut::new(), max_len }
    }

    /// Takes in what was read from the socket, in pieces of any size.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole body; `None` when more bytes are needed. An empty body is possible.
    ///
    /// ```
    /// use vpp_api::error::FrameError;
    /// use vpp_api::frame::{FrameDecoder, HEADER_LEN};
    ///
    /// let mut decoder = FrameDecoder::new(1024);
    /// let mut header = [0; HEADER_LEN];
    /// header[8..12].copy_from_slice(&2000_u32.to_be_bytes());
    /// decoder.extend(&header);
    /// assert_eq!(decoder.next_frame(), Err(FrameError::Oversized { len: 2000, max: 1024 }));
    /// ```
    ///
    /// # Errors
    /// [`FrameError::Oversized`] as soon as a header announces more than the limit.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        let Some(header) = self.buffer.first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let [.., a, b, c, d, _, _, _, _] = *header;
        let len = u32::from_be_bytes([a, b, c, d]) as usize;
        if len > self.max_len {
            return Err(FrameError::Oversized { len, max: self.max_len });
        }
        if self.buffer.len() - HEADER_LEN < len {
            return Ok(None);
        }
        self.buffer.advance(HEADER_LEN);
        Ok(Some(self.buffer.split_to(len).freeze()))
    }

    /// Bytes that wait for the rest of their frame.
    ///
    /// ```
    /// let mut decoder = vpp_api::frame::FrameDecoder::new(1024);
    /// decoder.extend(&[0; 10]);
    /// assert_eq!(decoder.buffered(), 10);
    /// ```
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }
}

/// Appends a frame whose body `fill` writes.
///
/// ```
/// use bytes::BytesMut;
/// use vpp_api::frame::{HEADER_LEN, encode_frame};
///
/// let mut out = BytesMut::new();
/// encode_frame(&mut out, 1024, |body| body.extend_from_slice(b"body"))?;
/// assert_eq!(out[8..12], [0, 0, 0, 4], "length of the body");
/// assert_eq!(&out[HEADER_LEN..], b"body");
/// assert!(encode_frame(&mut out, 3, |body| body.extend_from_slice(b"body")).is_err());
/// # Ok::<_, vpp_api::error::FrameError>(())
/// ```
///
/// # Errors
/// [`FrameError::Oversized`] if the body exceeds `max_len`; `out` is as before then.
pub fn encode_frame(out: &mut BytesMut, max_len: usize, fill: impl FnOnce(&mut BytesMut)) -> Result<(), FrameError> {
    let start = out.len();
    out.put_bytes(0, HEADER_LEN);
    fill(out);
    let len = out.len() - start - HEADER_LEN;
    let oversized = FrameError::Oversized { len, max: max_len };
    match u32::try_from(len) {
        Ok(data_len) if len <= max_len => {
            out[start + 8..start + 12].copy_from_slice(&data_len.to_be_bytes());
            Ok(())
        }
        _ => {
            out.truncate(start);
            Err(oversized)
        }
    }
}

#[cfg(test)]
mod tests;
