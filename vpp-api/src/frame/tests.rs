use proptest::prelude::*;

use super::*;

fn frame(body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode_frame(&mut out, DEFAULT_MAX_LEN, |out| out.put_slice(body)).expect("a small body");
    out.to_vec()
}

fn header(data_len: u32) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[8..12].copy_from_slice(&data_len.to_be_bytes());
    header
}

#[test]
fn the_header_of_a_70_byte_body_is_as_vpp_wants_it() {
    let expected = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x46, 0, 0, 0, 0];
    assert_eq!(frame(&[7; 70])[..HEADER_LEN], expected);
}

#[test]
fn the_pointer_and_the_mark_in_a_header_mean_nothing() {
    let mut bytes = frame(b"body");
    bytes[..8].fill(0xc0);
    bytes[12..16].fill(0xff);
    let mut decoder = FrameDecoder::new(16);
    decoder.extend(&bytes);
    assert_eq!(decoder.next_frame(), Ok(Some(Bytes::from_static(b"body"))));
}

#[test]
fn frames_come_whole_at_every_split_of_the_stream() {
    let stream = [frame(b"one"), frame(b""), frame(b"three")].concat();
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let mut decoder = FrameDecoder::new(16);
            let mut bodies = Vec::new();
            for piece in [&stream[..first], &stream[first..second], &stream[second..]] {
                decoder.extend(piece);
                while let Some(body) = decoder.next_frame().expect("good frames") {
                    bodies.push(body);
                }
            }
            assert_eq!(bodies, [&b"one"[..], b"", b"three"], "split at {first} and {second}");
            assert_eq!(decoder.buffered(), 0);
        }
    }
}

#[test]
fn a_body_is_not_given_before_its_last_byte() {
    let bytes = frame(b"body");
    let mut decoder = FrameDecoder::new(16);
    for byte in &bytes[..bytes.len() - 1] {
        decoder.extend(&[*byte]);
        assert_eq!(decoder.next_frame(), Ok(None));
    }
    decoder.extend(b"y");
    assert_eq!(decoder.next_frame(), Ok(Some(Bytes::from_static(b"body"))));
    assert_eq!(decoder.next_frame(), Ok(None));
}

#[test]
fn the_limit_itself_is_allowed_and_one_more_is_not() {
    let mut decoder = FrameDecoder::new(4);
    decoder.extend(&frame(b"body"));
    assert_eq!(decoder.next_frame(), Ok(Some(Bytes::from_static(b"body"))));
    decoder.extend(&header(5));
    let oversized = Err(FrameError::Oversized { len: 5, max: 4 });
    assert_eq!(decoder.next_frame(), oversized);
    assert_eq!(decoder.next_frame(), oversized, "the stream stays lost");
}

#[test]
fn an_announced_length_buys_no_memory() {
    // The values that make VPP itself hang or crash, and one just below the limit.
    for len in [u32::MAX, 0xffff_fff0, 0xffff_fff1, DEFAULT_MAX_LEN as u32 + 1, DEFAULT_MAX_LEN as u32] {
        let mut decoder = FrameDecoder::new(DEFAULT_MAX_LEN);
        decoder.extend(&header(len));
        let outcome = decoder.next_frame();
        assert_eq!(outcome.is_err(), len as usize > DEFAULT_MAX_LEN);
        assert!(decoder.buffer.capacity() < 1024, "{} bytes held for {len}", decoder.buffer.capacity());
    }
}

#[test]
fn a_body_above_the_limit_leaves_the_output_alone() {
    let mut out = BytesMut::from(&frame(b"first")[..]);
    let before = out.clone();
    let outcome = encode_frame(&mut out, 3, |out| out.put_slice(b"body"));
    assert_eq!(outcome, Err(FrameError::Oversized { len: 4, max: 3 }));
    assert_eq!(out, before);
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..8),
                                  chunk in 1_usize..64) {
        let stream: Vec<u8> = bodies.iter().flat_map(|body| frame(body)).collect();
        let mut decoder = FrameDecoder::new(80);
        let mut decoded = Vec::new();
        for piece in stream.chunks(chunk) {
            decoder.extend(piece);
            while let Some(body) = decoder.next_frame().expect("good frames") {
                decoded.push(body.to_vec());
            }
        }
        prop_assert_eq!(decoded, bodies);
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), max in 0_usize..300) {
        let mut decoder = FrameDecoder::new(max);
        decoder.extend(&bytes);
        while let Ok(Some(body)) = decoder.next_frame() {
            prop_assert!(body.len() <= max);
        }
    }
}
