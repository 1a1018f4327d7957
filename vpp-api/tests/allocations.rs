//! Counts heap blocks: none to write a message, at most one to read one.
//!
//! The path is the one that a connection takes: a frame into a buffer that is used over and over, bytes in, a body out,
//! a message from the body.

use bytes::{Bytes, BytesMut};
use vpp_api::frame::{DEFAULT_MAX_LEN, FrameDecoder, encode_frame};
use vpp_api::message::{Envelope, Message, decode_body, encode_body};
use vpp_api::messages::interface::SwInterfaceDetails;
use vpp_api::messages::ip::{FibPath, IpRoute, IpRouteLookupReply};
use vpp_api::messages::lb::{LbAddDelAsV2, LbAsV2Details};
use vpp_api::messages::vlib::CliInbandReply;
use vpp_api::types::{Retval, Text};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Writing a message allocates nothing, reading one at most once. Without the test harness, whose main thread allocates
/// beside a test now and then: the counter is the process's.
fn main() {
    let profiler = dhat::Profiler::builder().testing().build();
    let text = "a line of forty characters and no more..".repeat(100);
    let paths = vec![FibPath::default(); 9].try_into().expect("nine paths");
    let counts = [
        count(&LbAddDelAsV2::default()),
        count(&LbAsV2Details::default()),
        count(&SwInterfaceDetails::default()),
        count(&CliInbandReply { retval: Retval::OK, reply: Text::from(text) }),
        count(&IpRouteLookupReply { retval: Retval::OK, route: IpRoute { paths, ..IpRoute::default() } }),
    ];
    drop(profiler);
    for Counts { name, encoded, framed, decoded } in counts {
        let has_an_array = ["cli_inband_reply", "ip_route_lookup_reply"].contains(&name);
        assert_eq!(encoded, 0, "{name}: blocks for {ROUNDS} frames into one buffer");
        assert_eq!(framed, 0, "{name}: blocks for {ROUNDS} frames out of a stream");
        assert_eq!(decoded, if has_an_array { ROUNDS } else { 0 }, "{name}: blocks for {ROUNDS} messages");
    }
}

/// Heap blocks that were allocated in [`ROUNDS`] rounds.
struct Counts {
    name: &'static str,
    encoded: u64,
    framed: u64,
    decoded: u64,
}

fn count<M: Message>(message: &M) -> Counts {
    let envelope = Envelope { client_index: 1, context: 2 };
    let mut out = BytesMut::new();
    let mut encode = || {
        out.clear();
        encode_frame(&mut out, DEFAULT_MAX_LEN, |out| encode_body(3, envelope, message, out)).expect("a small body");
    };
    // The first round makes the buffer as large as it has to be.
    encode();
    let encoded = blocks(|| (0..ROUNDS).for_each(|_| encode()));

    let mut decoder = FrameDecoder::new(DEFAULT_MAX_LEN);
    let mut take = || -> Bytes {
        decoder.extend(&out);
        decoder.next_frame().expect("a good frame").expect("a whole frame")
    };
    // The first rounds grow the buffer, and make it one that its bodies share.
    (0..3).for_each(|_| drop(take()));
    let framed = blocks(|| (0..ROUNDS).for_each(|_| drop(take())));

    let body = take();
    let decoded = blocks(|| {
        (0..ROUNDS).for_each(|_| assert_eq!(decode_body::<M>(&body).as_ref().map(|(_, read)| read), Ok(message)));
    });
    Counts { name: M::NAME, encoded, framed, decoded }
}

fn blocks(work: impl FnOnce()) -> u64 {
    let before = dhat::HeapStats::get().total_blocks;
    work();
    dhat::HeapStats::get().total_blocks - before
}

const ROUNDS: u64 = 100;
