//! Whole sessions recorded from live VPPs: every frame decodes, means what the recording client saw, and encodes to
//! the same bytes.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use flate2::read::GzDecoder;
use serde_json::Value;
use vpp_api::frame::{DEFAULT_MAX_LEN, FrameDecoder, HEADER_LEN, encode_frame};
use vpp_api::message::{Envelope, Kind, Message, decode_body, encode_body, message_id};
use vpp_api::messages::memclnt::SockclntCreateReply;
use vpp_api::messages::{Visitor, visit_all};
use vpp_api::table::MessageTable;
use vpp_api::types::Retval;

#[test]
fn every_recorded_frame_survives_decoding_and_encoding() {
    for release in RELEASES {
        let Some(session) = Session::read(release) else { return };
        let mut frames = 0;
        for Frame { bytes, body, from_client } in &session.frames {
            let seen = session.understand(body);
            assert_eq!(seen.encoded, body, "{release}: {}", seen.name);
            assert_eq!(seen.kind.is_from_client(), *from_client, "{release}: {}", seen.name);

            let mut out = BytesMut::new();
            encode_frame(&mut out, DEFAULT_MAX_LEN, |out| out.extend_from_slice(body)).expect("a small body");
            // VPP leaves a pointer in the first 8 bytes; all else is as it was.
            assert_eq!(out[8..], bytes[8..], "{release}: {}", seen.name);
            frames += 1;
        }
        assert!(frames > 60, "{release}: only {frames} frames");
    }
}

#[test]
fn one_stream_of_all_frames_is_cut_where_the_recording_is() {
    for release in RELEASES {
        let Some(session) = Session::read(release) else { return };
        let mut decoder = FrameDecoder::new(DEFAULT_MAX_LEN);
        let stream: Vec<u8> = session.frames.iter().flat_map(|frame| frame.bytes.clone()).collect();
        let mut bodies = Vec::new();
        for piece in stream.chunks(1021) {
            decoder.extend(piece);
            while let Some(body) = decoder.next_frame().expect("good frames") {
                bodies.push(body);
            }
        }
        assert_eq!(bodies, session.frames.iter().map(|frame| frame.body.clone()).collect::<Vec<_>>(), "{release}");
    }
}

#[test]
fn every_call_has_the_result_and_the_rows_that_were_seen() {
    for release in RELEASES {
        let Some(session) = Session::read(release) else { return };
        // Answers by context, and the end of dumps apart from it.
        let answers: Vec<_> = session
            .frames
            .iter()
            .map(|frame| session.understand(&frame.body))
            .filter(|seen| matches!(seen.kind, Kind::Reply | Kind::Details))
            .collect();
        let mut context = 0;
        for call in session.calls.as_array().expect("a list of calls") {
            if call["error"] == "absent" {
                continue;
            }
            context += 1;
            let name = call["call"].as_str().expect("a name");
            let own: Vec<_> = answers
                .iter()
                .filter(|seen| seen.envelope.context == context)
                .filter(|seen| seen.kind == Kind::Details || seen.name.starts_with(name))
                .collect();
            assert_eq!(own.len() as u64, call["n"], "{release}: {name} {context}");
            if let Some(retval) = call["retval"].as_i64() {
                assert_eq!(own[0].status, Some(Retval(retval as i32)), "{release}: {name} {context}");
            }
        }
        assert!(context > 20, "{release}: only {context} calls");
    }
}

#[test]
fn every_crc_is_in_the_recorded_table() {
    let Some(session) = Session::read("vpp-26.10") else { return };
    assert_eq!(absent(&session.table), BTreeSet::new());
}

#[test]
fn release_25_10_lacks_exactly_what_came_later() {
    let Some(session) = Session::read("vpp-25.10") else { return };
    let later = [
        "lb_add_del_as_v2_2f1d3b0e",
        "lb_add_del_as_v2_reply_e8d4e804",
        "lb_as_set_weight_2d89bdbd",
        "lb_as_set_weight_reply_e8d4e804",
        "lb_as_v2_details_90064aae",
        "lb_as_v2_dump_1063f819",
        "lb_conf_get_51077d14",
        "lb_conf_get_reply_923427ac",
    ];
    assert_eq!(absent(&session.table), BTreeSet::from(later));
}

#[test]
fn names_crcs_and_kinds_agree_with_the_api_definitions() {
    struct Check<'a>(&'a [Value], usize);

    impl Visitor for Check<'_> {
        fn visit<M: Message>(&mut self) {
            let definition = self
                .0
                .iter()
                .filter_map(Value::as_array)
                .find(|message| message[0] == M::NAME)
                .unwrap_or_else(|| panic!("{} has no definition", M::NAME));
            let crc = definition.last().expect("a definition ends in its options")["crc"].as_str();
            assert_eq!(crc, Some(format!("{:#010x}", M::CRC).as_str()), "{}", M::NAME);

            // The prefix is the leading fields of these names.
            let fields: Vec<_> = definition[1..definition.len() - 1].iter().map(|field| &field[1]).collect();
            assert_eq!(fields[0], "_vl_msg_id", "{}", M::NAME);
            assert_eq!(fields.get(1).is_some_and(|name| *name == "client_index"), M::KIND.has_client_index());
            let context = if M::KIND.has_client_index() { 2 } else { 1 };
            assert_eq!(fields.get(context).is_some_and(|name| *name == "context"), M::KIND.has_context());
            self.1 += 1;
        }
    }

    let Some(directory) = vectors().map(|vectors| vectors.join("vpp-26.10/api-json")) else { return };
    let mut messages = Vec::new();
    for file in fs::read_dir(directory).expect("the definitions are there") {
        let text = fs::read(file.expect("a readable directory").path()).expect("a readable file");
        let definitions: Value = serde_json::from_slice(&text).expect("JSON");
        messages.extend(definitions["messages"].as_array().expect("a list of messages").iter().cloned());
    }
    let mut check = Check(&messages, 0);
    visit_all(&mut check);
    assert!(check.1 > 50, "only {} messages", check.1);
}

const RELEASES: [&str; 2] = ["vpp-26.10", "vpp-25.10"];

struct Session {
    frames: Vec<Frame>,
    calls: Value,
    table: MessageTable,
}

struct Frame {
    bytes: Vec<u8>,
    body: Bytes,
    from_client: bool,
}

/// One body, as this crate understands it.
struct Seen {
    name: &'static str,
    kind: Kind,
    envelope: Envelope,
    status: Option<Retval>,
    encoded: Bytes,
}

impl Session {
    fn read(release: &str) -> Option<Self> {
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

    fn understand(&self, body: &Bytes) -> Seen {
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

fn absent(table: &MessageTable) -> BTreeSet<&'static str> {
    struct Absent<'a>(&'a MessageTable, BTreeSet<&'static str>);

    impl Visitor for Absent<'_> {
        fn visit<M: Message>(&mut self) {
            if self.0.id_of::<M>().is_err() {
                self.1.insert(M::NAME_CRC);
            }
        }
    }

    let mut absent = Absent(table, BTreeSet::new());
    visit_all(&mut absent);
    absent.1
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
fn vectors() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    if !path.is_dir() {
        eprintln!("SKIPPED: no recordings at {}", path.display());
        return None;
    }
    Some(path)
}
