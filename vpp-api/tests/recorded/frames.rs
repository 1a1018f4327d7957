//! Every frame decodes, means what the recording client saw, and encodes to the same bytes.

use std::collections::BTreeSet;
use std::fs;

use bytes::BytesMut;
use serde_json::Value;
use vpp_api::frame::{DEFAULT_MAX_LEN, FrameDecoder, encode_frame};
use vpp_api::message::{Kind, Message};
use vpp_api::messages::{Visitor, visit_all};
use vpp_api::table::MessageTable;
use vpp_api::types::Retval;

use crate::session::{Frame, RELEASES, Session, vectors};

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
