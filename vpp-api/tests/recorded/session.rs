//! Reading a recording.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use flate2::read::GzDecoder;
use serde_json::Value;
use vpp_api::frame::HEADER_LEN;
use vpp_api::message::{Envelope, Kind, Message, decode_body, encode_body, message_id};
use vpp_api::messages::memclnt::SockclntCreateReply;
use vpp_api::messages::{Visitor, visit_all};
use vpp_api::table::MessageTable;
use vpp_api::types::Retval;

pub(crate) const RELEASES: [&str; 2] = ["vpp-26.10", "vpp-25.10"];

pub(crate) struct Session {
    pub(crate) frames: Vec<Frame>,
    pub(crate) calls: Value,
    pub(crate) table: MessageTable,
}

pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) body: Bytes,
    pub(crate) from_client: bool,
}

/// One body, as this crate understands it.
pub(crate) struct Seen {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) envelope: Envelope,
    pub(crate) status: Option<Retval>,
    pub(crate) encoded: Bytes,
}

impl Session {
    pub(crate) fn read(release: &str) -> Option<Self> {
        let directory = vectors()?.join(release);
        let text = unpack(&directory.join("api-session.jsonl.gz"));
        let frames: Vec<_> = String::from_utf8(text)
            .expect("text")
            .lines()
            .map(|line| {
                let line: Value = serde_json::from_str(line).expect("JSON");
                let bytes = unhex(line["hex"].as_str().expect("bytes in hexadecimal"));
                let body = Bytes::copy_from_slice(&bytes[HEADER_LEN..]);
                Frame { bytes, body, from_client: line["dir"] == "c2s" }
            })
            .collect();
        let calls = serde_json::from_slice(&unpack(&directory.join("api-session.calls.json.gz"))).expect("JSON");
        let welcome = &frames.iter().find(|frame| message_id(&frame.body) == Some(16)).expect("a handshake").body;
        let (_, welcome) = decode_body::<SockclntCreateReply>(welcome).expect("a good handshake");
        Some(Self { table: MessageTable::new(&welcome.message_table), frames, calls })
    }

    pub(crate) fn understand(&self, body: &Bytes) -> Seen {
        struct Find<'a>(&'a str, &'a Bytes, Option<Seen>);

        impl Visitor for Find<'_> {
            fn visit<M: Message>(&mut self) {
                if M::NAME_CRC != self.0 {
                    return;
                }
                let (envelope, message) =
                    decode_body::<M>(self.1).unwrap_or_else(|error| panic!("{}: {error}", M::NAME));
                let mut out = BytesMut::new();
                encode_body(message_id(self.1).expect("an id"), envelope, &message, &mut out);
                self.2 = Some(Seen {
                    name: M::NAME,
                    kind: M::KIND,
                    envelope,
                    status: message.status(),
                    encoded: out.freeze(),
                });
            }
        }

        let id = message_id(body).expect("a body has an id");
        let mut find = Find(self.table.name(id).expect("an id of the table"), body, None);
        visit_all(&mut find);
        find.2.unwrap_or_else(|| panic!("no type for {}", find.0))
    }
}

fn unpack(path: &Path) -> Vec<u8> {
    let file = fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut bytes = Vec::new();
    GzDecoder::new(file).read_to_end(&mut bytes).expect("a whole gzip file");
    bytes
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal"))
        .collect()
}

/// Where recordings lie, beside the workspace. They are not part of it.
pub(crate) fn vectors() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    if !path.is_dir() {
        eprintln!("SKIPPED: no recordings at {}", path.display());
        return None;
    }
    Some(path)
}
