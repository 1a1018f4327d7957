//! DNS messages: one query, and what its answer says (RFC 1035, 4.1; big endian).
//!
//! ```text
//! |              id               |QR| opcode |AA|TC|RD|RA|  Z  | rcode |
//! |          questions            |            answers                  |
//! |          authorities          |           additionals               |
//! |  name: (length, label)*, 0    |   type    |   class = 1 (IN)        |
//! ```

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// One question and how it is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "callers write it out")]
pub struct Query {
    /// The name that is asked for.
    pub name: DnsName,
    /// What is asked about it.
    pub kind: RecordType,
    /// Ask the server to ask others (RD).
    pub recurse: bool,
}

impl Query {
    /// The message that asks.
    pub(crate) fn encode(&self, id: u16) -> Vec<u8> {
        let flags: u16 = if self.recurse { RECURSE } else { 0 };
        let mut message = Vec::with_capacity(HEADER + self.name.0.len() + 4);
        for word in [id, flags, 1, 0, 0, 0] {
            message.extend_from_slice(&word.to_be_bytes());
        }
        message.extend_from_slice(&self.name.0);
        message.extend_from_slice(&self.kind.0.to_be_bytes());
        message.extend_from_slice(&IN.to_be_bytes());
        message
    }

    /// What a message says to this query with this id. Looks at its header and question alone.
    pub(crate) fn judge(&self, id: u16, message: &[u8]) -> Answer {
        let word = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
        let header = (|| Some([word(0)?, word(2)?, word(4)?, word(6)?, word(8)?, word(10)?]))();
        let Some([found, flags, questions, answers, ..]) = header else { return Answer::Broken("too short") };
        if found != id {
            return Answer::Foreign;
        }
        if flags & RESPONSE == 0 {
            return Answer::Broken("a query in place of an answer");
        }
        if flags & OPCODE != 0 {
            return Answer::Broken("another kind of message");
        }
        let rcode = Rcode((flags & 0xf) as u8);
        // Who cannot read a query, or will not, may leave it out of the answer.
        let known = match questions {
            0 => rcode != Rcode::NOERROR,
            1 => self.is_asked_by(&message[HEADER..]),
            _ => false,
        };
        if !known {
            return Answer::Broken("an answer to another question");
        }
        Answer::Given { rcode, answers, truncated: flags & TRUNCATED != 0 }
    }

    /// Whether these bytes start with this question. Names are alike in either case (RFC 4343).
    fn is_asked_by(&self, bytes: &[u8]) -> bool {
        let length = self.name.0.len();
        let (Some(name), Some(rest)) = (bytes.get(..length), bytes.get(length..length + 4)) else { return false };
        // The bytes of lengths are below 64, and so no letters.
        name.eq_ignore_ascii_case(&self.name.0)
            && rest[..2] == self.kind.0.to_be_bytes()
            && rest[2..] == IN.to_be_bytes()
    }
}

/// What a message says to a query.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// It has another id: the answer to a query of before.
    Foreign,
    /// It is no answer. Says what is wrong.
    Broken(&'static str),
    /// An answer, as far as it was looked at.
    Given {
        rcode: Rcode,
        /// Records that it says to have.
        answers: u16,
        /// There is more, for those who ask over TCP.
        truncated: bool,
    },
}

const HEADER: usize = 12;
const RESPONSE: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const TRUNCATED: u16 = 0x0200;
const RECURSE: u16 = 0x0100;
/// Class: the Internet.
const IN: u16 = 1;

/// A domain name, as it goes over the wire, in lower case.
#[derive(Clone, Eq, PartialEq)]
pub struct DnsName(Vec<u8>);

impl Default for DnsName {
    /// The root.
    fn default() -> Self {
        Self(vec![0])
    }
}

/// Why a text is no domain name.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum DnsNameError {
    /// Two dots in a row, one at the start, or nothing at all.
    #[error("a label is empty")]
    Empty,
    /// A label has more than 63 bytes.
    #[error("a label is longer than 63 bytes")]
    Label,
    /// The whole has more than 255 bytes.
    #[error("the name is longer than 255 bytes")]
    Long,
    /// A blank, or something that is not printable ASCII.
    #[error("a name has only letters, digits, `-`, `_` and dots; write others in punycode")]
    Character,
}

impl FromStr for DnsName {
    type Err = DnsNameError;

    /// `www.example.com`, with or without a dot at the end; `.` is the root.
    fn from_str(text: &str) -> Result<Self, DnsNameError> {
        let mut name = Vec::with_capacity(text.len() + 2);
        if text != "." {
            for label in text.strip_suffix('.').unwrap_or(text).split('.') {
                if label.bytes().any(|b| !b.is_ascii_graphic()) {
                    return Err(DnsNameError::Character);
                }
                match u8::try_from(label.len()) {
                    Ok(0) => return Err(DnsNameError::Empty),
                    Ok(length @ 1..=63) => name.push(length),
                    _ => return Err(DnsNameError::Label),
                }
                name.extend(label.bytes().map(|b| b.to_ascii_lowercase()));
            }
        }
        name.push(0);
        if name.len() > 255 { Err(DnsNameError::Long) } else { Ok(Self(name)) }
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_slice();
        while let [length @ 1..=63, after @ ..] = rest {
            let (label, behind) = after.split_at(usize::from(*length).min(after.len()));
            // Printable ASCII, all of it.
            write!(f, "{}.", String::from_utf8_lossy(label))?;
            rest = behind;
        }
        if self.0.len() == 1 { f.write_str(".") } else { Ok(()) }
    }
}

impl fmt::Debug for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Type of a record.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RecordType(u16);

impl RecordType {
    /// The types that have names here, and their numbers.
    pub const NAMES: [(&'static str, u16); 9] = [
        ("A", 1),
        ("NS", 2),
        ("CNAME", 5),
        ("SOA", 6),
        ("PTR", 12),
        ("MX", 15),
        ("TXT", 16),
        ("AAAA", 28),
        ("SRV", 33),
    ];

    /// The type of this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }
}

impl Default for RecordType {
    /// `A`.
    fn default() -> Self {
        Self(1)
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

/// How a query was answered, 0..=15.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Rcode(u8);

impl Rcode {
    /// No error.
    pub const NOERROR: Self = Self(0);

    /// The names of the codes, by number.
    pub const NAMES: [&'static str; 11] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
        "NOTZONE",
    ];

    /// The code of this number, or `None` above 15.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number < 16 { Some(Self(number)) } else { None }
    }
}

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "RCODE{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests;
