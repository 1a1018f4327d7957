//! The API `maglev.v1` as Rust types, client and server, generated from `proto/maglev/v1/maglev.proto`: that file is the reference.
//!
//! Every message serialises to JSON with the field names of the `.proto`, zeros included, times as RFC 3339.

use jiff::Timestamp as Time;
use serde::{Serialize, Serializer};

#[expect(missing_docs, clippy::exhaustive_enums, reason = "generated; the `.proto` has the documentation")]
mod generated {
    tonic::include_proto!("maglev.v1");
}

pub use generated::*;

/// The compiled `.proto` with its imports, as reflection hands it out: an encoded `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/maglev_descriptor.bin"));

/// `google.protobuf.Timestamp`: a point in time, UTC.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd, prost::Message)]
pub struct Timestamp {
    /// Seconds since 1970, negative before.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// What is beyond the second, 0 to 999,999,999, counted forward also before 1970.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

impl Timestamp {
    /// As jiff has it; `None` for what lies thousands of years off.
    pub fn time(&self) -> Option<Time> {
        Time::new(self.seconds, self.nanos).ok()
    }
}

impl From<Time> for Timestamp {
    fn from(time: Time) -> Self {
        let (seconds, nanos) = (time.as_second(), time.subsec_nanosecond());
        // jiff's nanoseconds carry the sign of the whole.
        if nanos < 0 { Self { seconds: seconds - 1, nanos: nanos + 1_000_000_000 } } else { Self { seconds, nanos } }
    }
}

/// RFC 3339, in milliseconds, UTC; nothing for what cannot be written so.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.time() {
            Some(time) => serializer.collect_str(&format_args!("{time:.3}")),
            None => serializer.serialize_none(),
        }
    }
}

/// The beginning of an answer as text; nothing if there is none.
fn answer<S: Serializer>(answer: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    match answer {
        Some(answer) => serializer.serialize_some(&text(answer)),
        None => serializer.serialize_none(),
    }
}

/// What a certificate says of itself.
fn subject<S: Serializer>(subject: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(subject.as_bytes()))
}

/// Bytes of strangers as text. What is not UTF-8 stands as `\xNN`, and what steers a terminal and would pass JSON as it is
/// as `\u{N}`: controls from 127 on, and marks that turn the direction of writing.
fn text(bytes: &[u8]) -> String {
    let harmless = |c: char| !matches!(c, '\u{7f}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if harmless(c) { text.push(c) } else { text.extend(c.escape_unicode()) }
        }
        text.extend(chunk.invalid().escape_ascii().map(char::from));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_through_the_wire_format_and_back() {
        for text in ["2026-11-20T01:02:03.004Z", "1969-12-31T23:59:59.25Z", "1970-01-01T00:00:00Z"] {
            let time: Time = text.parse().unwrap();
            let wire = Timestamp::from(time);
            assert!((0..1_000_000_000).contains(&wire.nanos), "{wire:?}");
            assert_eq!(wire.time(), Some(time), "{text}");
        }
    }

    #[test]
    fn an_answer_is_text_in_json_and_steers_no_terminal() {
        let json = |answer: Option<&[u8]>| {
            let last = LastResult { answer: answer.map(Into::into), ..Default::default() };
            serde_json::to_value(&last).unwrap()["answer"].clone()
        };
        assert_eq!(json(None), serde_json::Value::Null);
        assert_eq!(json(Some("<p>gr\u{fc}n\n".as_bytes())), "<p>gr\u{fc}n\n");
        assert_eq!(json(Some(b"a\xff\xc3")), r"a\xff\xc3");
        assert_eq!(json(Some("\u{9b}2J\u{202e}\u{7f}".as_bytes())), r"\u{9b}2J\u{202e}\u{7f}");
        let last = LastResult {
            answer: Some(b"\x1b[2J".to_vec()),
            certificate_subject: "a\u{9b}".into(),
            ..Default::default()
        };
        let json = serde_json::to_string(&last).unwrap();
        assert!(json.chars().all(|c| !c.is_control()), "{json:?}");
    }

    #[test]
    fn json_has_every_field_under_its_name_in_the_proto() {
        let event = Event {
            time: Some(Time::UNIX_EPOCH.into()),
            snapshot: false,
            kind: Some(event::Kind::Backend(BackendEvent {
                name: "web0".into(),
                to: "up".into(),
                ..Default::default()
            })),
        };
        let json = serde_json::to_string(&event).unwrap();
        let wanted = r#"{"time":"1970-01-01T00:00:00.000Z","snapshot":false,"backend":{"name":"web0","from":"","to":"up","code":"","detail":""}}"#;
        assert_eq!(json, wanted);
    }
}
