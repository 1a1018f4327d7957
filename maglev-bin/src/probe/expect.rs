//! What a probe sends as it is, and what it looks for in the answer.

use std::fmt;
use std::sync::Arc;

use regex::bytes::Regex;
use thiserror::Error;

/// What has to be found in an answer. Equal when its text is.
#[non_exhaustive]
#[derive(Clone)]
pub enum Expect {
    /// These bytes, anywhere.
    Text(Arc<[u8]>),
    /// A match of this.
    Regexp(Regex),
}

impl Expect {
    /// Whether it is in an answer that is here as a whole.
    #[must_use]
    pub fn is_in(&self, answer: &[u8]) -> bool {
        match self {
            Self::Text(text) => find(text, answer),
            Self::Regexp(regexp) => regexp.is_match(answer),
        }
    }
}

impl PartialEq for Expect {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Regexp(one), Self::Regexp(other)) => one.as_str() == other.as_str(),
            _ => false,
        }
    }
}

impl Eq for Expect {}

impl fmt::Debug for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "text \"{}\"", text.escape_ascii()),
            Self::Regexp(regexp) => write!(f, "regexp {:?}", regexp.as_str()),
        }
    }
}

/// Looks for something in an answer while it arrives.
#[derive(Debug)]
pub(crate) struct Search<'e> {
    /// `None` is found in anything.
    expect: Option<&'e Expect>,
    /// All that has come, up to [`MOST`].
    seen: Vec<u8>,
    /// How much of it was searched in vain.
    searched: usize,
    found: bool,
}

/// How much of an answer is kept and searched.
pub(crate) const MOST: usize = 64 * 1024;

impl<'e> Search<'e> {
    pub(crate) fn new(expect: Option<&'e Expect>) -> Self {
        Self { expect, seen: Vec::new(), searched: 0, found: expect.is_none() }
    }

    /// Takes what has come; what is beyond [`MOST`] is dropped.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.seen.extend_from_slice(&bytes[..bytes.len().min(MOST - self.seen.len())]);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.seen.len() == MOST
    }

    /// Whether it is there. Costs a search of what is new, for an expression of all.
    pub(crate) fn is_found(&mut self) -> bool {
        if !self.found && self.searched < self.seen.len() {
            self.found = match self.expect {
                None => true,
                Some(Expect::Text(text)) => find(text, &self.seen[self.searched.saturating_sub(text.len())..]),
                Some(Expect::Regexp(regexp)) => regexp.is_match(&self.seen),
            };
            self.searched = self.seen.len();
        }
        self.found
    }

    /// The same while more may come. A long answer is searched for an expression only when it has grown by an eighth: a peer that sends
    /// byte for byte must not have all of it searched for each.
    pub(crate) fn is_found_at_a_pause(&mut self) -> bool {
        const LONG: usize = 4_096;
        let few = matches!(self.expect, Some(Expect::Regexp(_)))
            && self.searched >= LONG
            && self.seen.len() <= self.searched + self.searched / 8;
        if few { self.found } else { self.is_found() }
    }

    /// All that was kept of the answer.
    pub(crate) fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// The first line without its end, if it is complete, or as long as one may be.
    pub(crate) fn first_line(&self) -> Option<&[u8]> {
        let start = &self.seen[..self.seen.len().min(LONGEST_LINE)];
        match start.iter().position(|&b| b == b'\n') {
            Some(end) => Some(start[..end].strip_suffix(b"\r").unwrap_or(&start[..end])),
            None => (start.len() == LONGEST_LINE).then_some(start),
        }
    }

    /// The start of the answer for people: `"-ERR wrong"`.
    pub(crate) fn quote(&self) -> String {
        quote(&self.seen)
    }
}

/// More than an agent has to say.
const LONGEST_LINE: usize = 512;

/// The start of some bytes as text in quotes, with `\n` and the like for what is no text.
pub(crate) fn quote(bytes: &[u8]) -> String {
    const SHOWN: usize = 60;
    let more = if bytes.len() > SHOWN { "..." } else { "" };
    let mut quoted = String::from("\"");
    for c in String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).trim_end().chars() {
        match c.is_control() {
            true => quoted.extend(c.escape_default()),
            false => quoted.push(c),
        }
    }
    quoted + more + "\""
}

fn find(text: &[u8], answer: &[u8]) -> bool {
    text.is_empty() || answer.windows(text.len()).any(|window| window == text)
}

/// Why a text with escapes stands for no bytes.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum EscapeError {
    /// Carries the escape.
    #[error("`{0}` is no escape: \\r, \\n, \\t, \\0, \\\\ and \\xNN are")]
    Unknown(String),
    /// A backslash at the end.
    #[error("a backslash at the end escapes nothing")]
    Unfinished,
}

/// The bytes of a text in which `\r`, `\n`, `\t`, `\0`, `\\` and `\xNN` stand for what cannot be typed.
///
/// # Errors
/// What is no escape.
pub fn unescape(text: &str) -> Result<Vec<u8>, EscapeError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('\\');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    while let Some(part) = parts.next() {
        let Some(c) = part.chars().next() else {
            // Two backslashes, or one at the end.
            let after = parts.next().ok_or(EscapeError::Unfinished)?;
            bytes.push(b'\\');
            bytes.extend_from_slice(after.as_bytes());
            continue;
        };
        let (byte, width) = match c {
            'r' => (b'\r', 1),
            'n' => (b'\n', 1),
            't' => (b'\t', 1),
            '0' => (0, 1),
            'x' => match part.get(1..3).map(|digits| (digits, u8::from_str_radix(digits, 16))) {
                // `from_str_radix` takes a sign.
                Some((digits, Ok(byte))) if !digits.starts_with('+') => (byte, 3),
                _ => return Err(EscapeError::Unknown(format!("\\{}", part.chars().take(3).collect::<String>()))),
            },
            other => return Err(EscapeError::Unknown(format!("\\{other}"))),
        };
        bytes.push(byte);
        bytes.extend_from_slice(&part.as_bytes()[width..]);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_stand_for_bytes() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("PING\\r\\n", b"PING\r\n"),
            ("\\t\\0\\\\", b"\t\0\\"),
            ("\\\\\\\\x", b"\\\\x"),
            ("\\\\n", b"\\n"),
            ("\\x00\\xfF!", b"\x00\xff!"),
            ("ä\\n", b"\xc3\xa4\n"),
        ] {
            assert_eq!(unescape(text).as_deref(), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_escape_is_told() {
        for (text, error) in [
            ("\\", EscapeError::Unfinished),
            ("a\\\\\\", EscapeError::Unfinished),
            ("\\q", EscapeError::Unknown("\\q".into())),
            ("\\x", EscapeError::Unknown("\\x".into())),
            ("\\x4", EscapeError::Unknown("\\x4".into())),
            ("\\x+4", EscapeError::Unknown("\\x+4".into())),
            ("\\xää", EscapeError::Unknown("\\xää".into())),
        ] {
            assert_eq!(unescape(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_first_line_is_complete_or_as_long_as_one_may_be() {
        let line = |text: &[u8]| {
            let mut search = Search::new(None);
            search.take(text);
            search.first_line().map(<[u8]>::to_vec)
        };
        assert_eq!(line(b"75%"), None);
        assert_eq!(line(b"75%\r\nmore\n").as_deref(), Some(&b"75%"[..]));
        assert_eq!(line(b"\n").as_deref(), Some(&b""[..]));
        assert_eq!(line(&[b'a'; 600]).map(|line| line.len()), Some(512));
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_written_with_escapes(bytes: Vec<u8>) {
            let text: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
            prop_assert_eq!(unescape(&text), Ok(bytes));
        }

        #[test]
        fn any_text_is_bytes_or_refused(text in "[\\\\rnx0-9a-f+ä]{0,12}") {
            if let Ok(bytes) = unescape(&text) {
                prop_assert!(bytes.len() <= text.len());
            }
        }

        #[test]
        fn pieces_make_no_difference(
            answer in "[ab]{0,40}",
            text in "[ab]{1,4}",
            cuts in prop::collection::vec(1..6usize, 0..40),
        ) {
            for expect in [Expect::Text(text.as_bytes().into()), Expect::Regexp(Regex::new(&text).unwrap())] {
                let mut search = Search::new(Some(&expect));
                let mut rest = answer.as_bytes();
                for cut in cuts.iter().copied().chain([answer.len()]) {
                    let (piece, left) = rest.split_at(cut.min(rest.len()));
                    search.take(piece);
                    rest = left;
                    prop_assert_eq!(search.is_found(), answer[..answer.len() - rest.len()].contains(&text));
                }
                prop_assert_eq!(expect.is_in(answer.as_bytes()), answer.contains(&text));
                prop_assert_eq!(search.seen(), answer.as_bytes());
            }
        }
    }

    #[test]
    fn no_more_than_64_kib_are_kept() {
        let expect = Expect::Text(b"end".as_slice().into());
        let mut search = Search::new(Some(&expect));
        for _ in 0..70 {
            search.take(&[b' '; 1024]);
        }
        search.take(b"end");
        assert!(search.is_full() && !search.is_found());
        assert_eq!(search.seen().len(), MOST);
    }
}
