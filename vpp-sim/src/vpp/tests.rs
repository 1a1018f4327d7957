//! Replays what real VPPs were asked and compares every answer, byte for byte.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use serde::Serialize;
use vpp_api::frame::encode_frame;
use vpp_api::message::{Envelope, Message, decode_body, encode_body};
use vpp_api::messages::memclnt::SockclntCreateReply;
use vpp_api::server::{AnyRequest, ServedTable, Session};
use vpp_api::table::MessageTable;
use vpp_api::types::MacAddress;

mod live;

use super::{Answers, Identity, Interface, Now, Vpp};
use crate::release::Release;

#[test]
fn vpp_26_10_is_replayed_byte_for_byte() {
    let Some(recording) = Recording::load("vpp-26.10/api-session.jsonl.gz") else {
        return;
    };
    let interface = |name: &str, driver, mac, is_up, mtu| Interface {
        name: name.to_owned(),
        driver,
        mac: MacAddress(mac),
        is_up,
        mtu,
    };
    let interfaces = vec![
        interface("local0", "local", [0; 6], false, 0),
        interface("host-vppc", "af-packet", [0x02, 0xfe, 0x7b, 0xcf, 0xba, 0x8d], true, 9000),
        interface("loop0", "Loopback", [0xde, 0xad, 0, 0, 0, 0], true, 9000),
    ];
    let identity = Identity { release: Release::V26_10, pid: 27407 };
    // 80 calls and the 12 pings behind its dumps.
    assert!(recording.replay(Vpp::new(identity, 2, 28, interfaces)) >= 80);
}

#[test]
fn vpp_25_10_is_replayed_byte_for_byte() {
    let Some(recording) = Recording::load("vpp-25.10/api-session.jsonl.gz") else {
        return;
    };
    let identity = Identity { release: Release::V25_10, pid: 20611 };
    assert!(recording.replay(Vpp::new(identity, 2, 17, Interface::defaults())) >= 29);
}

/// One recorded session behind its handshake.
struct Recording {
    table: MessageTable,
    /// Each request with all that was sent before the next one.
    exchanges: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
}

impl Recording {
    /// None, said aloud, where the recordings are not at hand.
    fn load(name: &str) -> Option<Self> {
        let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors")).join(name);
        let Ok(file) = std::fs::File::open(&path) else {
            eprintln!("skipped: no recording at {}", path.display());
            return None;
        };
        let mut text = String::new();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("a gzip file of text");
        let mut frames = text.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
            let is_request = line["dir"] == "c2s";
            (is_request, hex(line["hex"].as_str().expect("hexadecimal digits"))[16..].to_vec())
        });
        let (_hello, (_, welcome)) = (frames.next(), frames.next().expect("an answer to the hello"));
        let (_, welcome) = decode_body::<SockclntCreateReply>(&welcome).expect("the message table");
        let mut exchanges: Vec<(Vec<u8>, Vec<Vec<u8>>)> = Vec::new();
        for (is_request, body) in frames {
            match (is_request, exchanges.last_mut()) {
                (true, _) => exchanges.push((body, Vec::new())),
                (false, Some((_, answers))) => answers.push(body),
                (false, None) => panic!("an answer to nothing"),
            }
        }
        Some(Self { table: MessageTable::new(&welcome.message_table), exchanges })
    }

    /// Asks everything again and compares. Returns how many requests there were.
    fn replay(&self, mut vpp: Vpp) -> usize {
        // Requests are read under ids of our own, answers written under the recorded ones.
        let served = Arc::new(ServedTable::of_this_crate(1));
        let mut session = Session::new(served.clone(), 0x8000_0001);
        // The one removal in the recording happened 134 s after VPP's start.
        let now = Now { since_start: Duration::from_secs(134), unix: 0.0 };
        let mut asked = 0;
        for (request, recorded) in &self.in_order_of_context() {
            let name = self.table.name(u16::from_be_bytes([request[0], request[1]])).expect("a name");
            let mut body = request.clone();
            let id = served.table().id(name).unwrap_or_else(|| panic!("no message {name}"));
            body[..2].copy_from_slice(&id.to_be_bytes());
            let mut frame = BytesMut::new();
            encode_frame(&mut frame, 1 << 20, |out| out.extend_from_slice(&body)).expect("a frame");
            session.handle_bytes(&frame);
            let incoming = session.poll_request().expect("a stream").expect("a request");
            if matches!(incoming.request, AnyRequest::SockclntDelete(_)) {
                continue;
            }
            let mut answers = Collected { table: &self.table, context: incoming.context, bodies: Vec::new() };
            vpp.handle(now, &incoming, None, &mut answers).expect("VPP survived this");
            assert_eq!(answers.bodies.len(), recorded.len(), "answers to {:?}", incoming.request);
            for (ours, theirs) in answers.bodies.iter().zip(recorded) {
                let readable = |body| readable(name, body, vpp.identity().release);
                assert_eq!(readable(ours), readable(theirs), "{:?}", incoming.request);
            }
            asked += 1;
        }
        asked
    }

    /// Answers sorted to their requests, as calls may have been in flight together.
    fn in_order_of_context(&self) -> Vec<(Vec<u8>, Vec<Vec<u8>>)> {
        let mut answers: HashMap<Vec<u8>, Vec<Vec<u8>>> = HashMap::new();
        for body in self.exchanges.iter().flat_map(|(_, bodies)| bodies) {
            answers.entry(body[2..6].to_vec()).or_default().push(body.clone());
        }
        let mut exchanges: Vec<_> = self.exchanges.iter().map(|(request, _)| (request.clone(), Vec::new())).collect();
        // A dump and the ping behind it share a context: the ping gets the last answer.
        for (request, mine) in exchanges.iter_mut().rev() {
            let Some(left) = answers.get_mut(&request[6..10]) else {
                continue;
            };
            let name = self.table.name(u16::from_be_bytes([request[0], request[1]])).unwrap_or_default();
            match name.starts_with("control_ping") {
                true => mine.extend(left.pop()),
                false => mine.append(left),
            }
        }
        exchanges
    }
}

/// Bytes for a person, without the memory that VPP left behind the text of `show_version_reply`, and before 26.10 in
/// `control_ping_reply.client_index`.
fn readable(request: &str, body: &[u8], release: Release) -> String {
    let mut body = body.to_vec();
    if request.starts_with("control_ping") && !release.fills_in_the_client_of_a_ping() {
        body[10..14].fill(0);
    }
    if request.starts_with("show_version") {
        for field in [10..42, 42..74, 74..106, 106..362] {
            let end = body[field.clone()].iter().position(|&byte| byte == 0).unwrap_or(0);
            body[field][end..].fill(0);
        }
    }
    if request.starts_with("cli_inband") {
        return String::from_utf8_lossy(&body).into_owned();
    }
    body.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Answers as the recorded VPP would have sent them.
struct Collected<'a> {
    table: &'a MessageTable,
    context: u32,
    bodies: Vec<Vec<u8>>,
}

impl Answers for Collected<'_> {
    fn send<M: Message + Serialize>(&mut self, message: &M) {
        let id = self.table.id_of::<M>().expect("a message of this VPP");
        let mut body = BytesMut::new();
        encode_body(id, Envelope { client_index: 0, context: self.context }, message, &mut body);
        self.bodies.push(body.to_vec());
    }
}

fn hex(digits: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}
