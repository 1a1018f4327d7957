//! Where a body ends, and what of the bytes is text (RFC 9112, 6 and 7).

/// How a body ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With an empty chunk and trailers.
    Chunked,
    /// With the connection.
    UntilEnd,
}

/// A body on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body {
    state: State,
    /// Bytes of extensions and trailers so far.
    beside: usize,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// So many bytes of text, and then no more.
    Length(u64),
    UntilEnd,
    /// The length of a chunk: what is known of it, and of how many digits.
    Size(u64, u8),
    /// The rest of the line with the length of a chunk.
    Extension(u64),
    /// The last byte of that line.
    SizeEnd(u64),
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// The last byte of it.
    ChunkEndLast,
    /// Trailer lines; whether the line has something in it.
    Trailer(bool),
    Done,
}

/// Digits of the length of a chunk.
const MOST_DIGITS: u8 = 15;

/// Bytes of all extensions and trailers of a body.
const MOST_BESIDE: usize = 16 * 1024;

/// Chunk framing that is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct BadChunk;

impl Body {
    pub(super) fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Size(0, 0),
            Framing::UntilEnd => State::UntilEnd,
        };
        Self { state, beside: 0 }
    }

    /// Whether the body has come whole.
    pub(super) fn is_done(self) -> bool {
        self.state == State::Done
    }

    /// Whether it would be whole, should the connection end now.
    pub(super) fn may_end(self) -> bool {
        matches!(self.state, State::Done | State::UntilEnd)
    }

    /// Appends the text in `bytes` to `text`, of which it makes no more than `most` bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8], text: &mut Vec<u8>, most: usize) -> Result<(), BadChunk> {
        while !bytes.is_empty() && !self.is_done() {
            bytes = self.step(bytes, text, most)?;
        }
        Ok(())
    }

    fn step<'a>(&mut self, bytes: &'a [u8], text: &mut Vec<u8>, most: usize) -> Result<&'a [u8], BadChunk> {
        let mut keep = |bytes: &[u8]| text.extend_from_slice(&bytes[..bytes.len().min(most - text.len().min(most))]);
        let (first, rest) = (bytes[0], &bytes[1..]);
        let (state, rest) = match self.state {
            State::UntilEnd => {
                keep(bytes);
                (State::UntilEnd, &bytes[bytes.len()..])
            }
            State::Length(left) => {
                let (now, rest) = split(bytes, left);
                keep(now);
                let left = left - now.len() as u64;
                (if left == 0 { State::Done } else { State::Length(left) }, rest)
            }
            State::Chunk(left) => {
                let (now, rest) = split(bytes, left);
                keep(now);
                let left = left - now.len() as u64;
                (if left == 0 { State::ChunkEnd } else { State::Chunk(left) }, rest)
            }
            State::Size(size, digits) => match (first as char).to_digit(16) {
                // More than 2^60 bytes are no chunk, and zeros before the number must end, too.
                Some(_) if digits == MOST_DIGITS => return Err(BadChunk),
                Some(digit) => (State::Size(size << 4 | u64::from(digit), digits + 1), rest),
                None if digits == 0 => return Err(BadChunk),
                None if first == b'\r' => (State::SizeEnd(size), rest),
                None if matches!(first, b';' | b' ' | b'\t') => (State::Extension(size), rest),
                None => return Err(BadChunk),
            },
            State::Extension(size) => {
                let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
                self.beside += end.unwrap_or(bytes.len());
                match end {
                    _ if self.beside > MOST_BESIDE => return Err(BadChunk),
                    Some(end) if bytes[end] == b'\r' => (State::SizeEnd(size), &bytes[end + 1..]),
                    Some(_) => return Err(BadChunk),
                    None => (State::Extension(size), &bytes[bytes.len()..]),
                }
            }
            State::SizeEnd(size) => match (first, size) {
                (b'\n', 0) => (State::Trailer(false), rest),
                (b'\n', _) => (State::Chunk(size), rest),
                _ => return Err(BadChunk),
            },
            State::ChunkEnd if first == b'\r' => (State::ChunkEndLast, rest),
            State::ChunkEndLast if first == b'\n' => (State::Size(0, 0), rest),
            State::ChunkEnd | State::ChunkEndLast => return Err(BadChunk),
            State::Trailer(filled) => {
                self.beside += 1;
                match first {
                    _ if self.beside > MOST_BESIDE => return Err(BadChunk),
                    b'\n' if filled => (State::Trailer(false), rest),
                    b'\n' => (State::Done, rest),
                    b'\r' => (State::Trailer(filled), rest),
                    _ => (State::Trailer(true), rest),
                }
            }
            State::Done => (State::Done, rest),
        };
        self.state = state;
        Ok(rest)
    }
}

fn split(bytes: &[u8], left: u64) -> (&[u8], &[u8]) {
    bytes.split_at(usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(framing: Framing, parts: &[&[u8]], most: usize) -> Result<(Vec<u8>, Body), BadChunk> {
        let (mut body, mut text) = (Body::new(framing), Vec::new());
        for part in parts {
            body.feed(part, &mut text, most)?;
        }
        Ok((text, body))
    }

    #[test]
    fn chunks_become_text() {
        let whole = b"2\r\nab\r\n01;note=x\r\nc\r\nA \r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n";
        let (text, body) = read(Framing::Chunked, &[whole], 100).unwrap();
        assert_eq!((text.as_slice(), body.is_done()), (b"abc0123456789".as_slice(), true));
        let (text, _) = read(Framing::Chunked, &[whole], 4).unwrap();
        assert_eq!(text, b"abc0");
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for bad in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "+1\r\n",
            "fffffffffffffffff\r\n",
            "1\r\nab",
            ";\r\n",
            "1z\r\n",
            "0000000000000001\r\n",
        ] {
            assert_eq!(read(Framing::Chunked, &[bad.as_bytes()], 100).map(|_| ()), Err(BadChunk), "{bad:?}");
        }
    }

    #[test]
    fn what_is_beside_the_text_must_end() {
        for (first, then) in [("1;", "x"), ("", "1;x=y\r\nz\r\n"), ("0\r\n", "A: b\r\n")] {
            let endless = first.to_owned() + &then.repeat(MOST_BESIDE + 1);
            assert_eq!(read(Framing::Chunked, &[endless.as_bytes()], 100).map(|_| ()), Err(BadChunk), "{then:?}");
        }
    }

    proptest! {
        #[test]
        fn where_packets_are_cut_makes_no_difference(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            cuts in prop::collection::vec(0..400_usize, 0..6),
        ) {
            let mut whole: Vec<u8> = Vec::new();
            for chunk in &chunks {
                whole.extend(format!("{:x}\r\n", chunk.len()).bytes());
                whole.extend(chunk);
                whole.extend(b"\r\n");
            }
            whole.extend(b"0\r\n\r\n");
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(whole.len())).chain([0, whole.len()]).collect();
            cuts.sort_unstable();
            let parts: Vec<_> = cuts.windows(2).map(|cut| &whole[cut[0]..cut[1]]).collect();
            let (text, body) = read(Framing::Chunked, &parts, 10_000).unwrap();
            prop_assert_eq!(text, chunks.concat());
            prop_assert!(body.is_done());
        }

        #[test]
        fn no_bytes_are_too_much(
            framing in prop::sample::select(vec![Framing::Length(7), Framing::Chunked, Framing::UntilEnd]),
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            most in 0..50_usize,
        ) {
            if let Ok((text, _)) = read(framing, &[&bytes], most) {
                prop_assert!(text.len() <= most);
            }
        }
    }
}
