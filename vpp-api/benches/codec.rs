//! Decoding and encoding, without a socket: what one message costs.
//!
//! | name | measures | against what limit |
//! | --- | --- | --- |
//! | `decode/lb_as_v2_details/N` | a stream of N frames to N typed rows | linear: 2 |
//! | `decode/sockclnt_create_reply/N` | the body of a handshake to a table of N messages | linear but for caches: 3 |
//! | `encode/lb_add_del_as_v2/N` | N typed requests to frames, into a buffer that is used again | linear: 2 |
//! | `reassemble/N` | one frame of N bytes, out of pieces of 64 KiB | linear: twice the bytes, at most 3 x as long |
//!
//! The limit is how many times as long a message may take among 10,000 as among 1,000: the lines that begin with
//! `ratio` tell it, over all samples of this run. The line behind each bench has the time of one message and the bytes
//! a second; bytes are those on the wire, with the frame headers where there are frames.
//!
//! A frame of 1 MiB fits into caches and into memory that the allocator keeps. Larger ones pay for fresh pages each
//! time, so that their limit is between 16 and 32 MiB.

mod rate;

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vpp_api::frame::{DEFAULT_MAX_LEN, FrameDecoder, encode_frame};
use vpp_api::message::{Envelope, Message, decode_body, encode_body};
use vpp_api::messages::lb::{LbAddDelAsV2, LbAsV2Details, LbVip};
use vpp_api::messages::memclnt::{MessageTableEntry, SockclntCreateReply};
use vpp_api::table::MessageTable;
use vpp_api::types::{Address, Counted, FixedString, IpProto, Prefix};

use rate::Rate;

fn decode(c: &mut Criterion) {
    at_both_sizes(c, "decode/lb_as_v2_details", 2.0, |count| {
        let stream = frames((0..count).map(details));
        let len = stream.len();
        let decode = move || {
            let mut decoder = FrameDecoder::new(DEFAULT_MAX_LEN);
            decoder.extend(black_box(&stream));
            let mut buckets = 0_u64;
            while let Some(body) = decoder.next_frame().expect("good frames") {
                let (_, row) = decode_body::<LbAsV2Details>(&body).expect("good rows");
                buckets += u64::from(row.num_buckets);
            }
            buckets
        };
        (len, decode)
    });

    at_both_sizes(c, "decode/sockclnt_create_reply", 3.0, |count| {
        let mut welcome = BytesMut::new();
        encode_body(16, ENVELOPE, &handshake(count), &mut welcome);
        let len = welcome.len();
        let decode = move || {
            let (_, reply) = decode_body::<SockclntCreateReply>(black_box(&welcome)).expect("a good reply");
            MessageTable::new(&reply.message_table)
        };
        (len, decode)
    });
}

fn encode(c: &mut Criterion) {
    at_both_sizes(c, "encode/lb_add_del_as_v2", 2.0, |count| {
        let requests: Vec<_> = (0..count).map(request).collect();
        let len = frames(requests.iter().cloned()).len();
        let mut out = BytesMut::new();
        let encode = move || {
            out.clear();
            for request in &requests {
                encode_frame(&mut out, DEFAULT_MAX_LEN, |out| encode_body(100, ENVELOPE, black_box(request), out))
                    .expect("a small request");
            }
            out.len()
        };
        (len, encode)
    });
}

/// Measures what `prepare` makes of either number of messages, with the bytes of them all. `limit` is how many times
/// as long one message may take among many as among few.
fn at_both_sizes<T, F: FnMut() -> T>(c: &mut Criterion, name: &str, limit: f64, prepare: impl Fn(u32) -> (usize, F)) {
    let mut group = c.benchmark_group(name);
    let rates = SIZES.map(|count| {
        let (len, mut work) = prepare(count);
        let rate = Rate::default();
        group.throughput(Throughput::ElementsAndBytes { elements: count.into(), bytes: len as u64 });
        group.bench_function(count.to_string(), |b| {
            b.iter_custom(|turns| rate.add(turns * u64::from(count), time(turns, &mut work)));
        });
        if let Some(messages) = rate.per_second() {
            let bytes = len as f64 / f64::from(count);
            let (each, megabytes) = (1e9 / messages, messages * bytes / 1e6);
            println!("{name}/{count}: {each:.1} ns a message of {bytes:.0} bytes, {megabytes:.0} MB/s");
        }
        rate
    });
    group.finish();
    let ([few, many], [fast, slow]) = (SIZES, rates);
    if let Some(ratio) = fast.over(&slow) {
        println!("ratio {name}: a message of {many} takes {ratio:.2} x as long as one of {few} (limit {limit})");
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn time<T>(turns: u64, mut work: impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..turns {
        black_box(work());
    }
    start.elapsed()
}

/// One large answer, such as `show lb vips verbose`, out of the pieces in which a socket gives it.
fn reassemble(c: &mut Criterion) {
    let mut group = c.benchmark_group("reassemble");
    let [_, half, whole] = [1, 16, 32].map(|mebibytes| {
        let len = mebibytes << 20;
        let mut stream = BytesMut::new();
        encode_frame(&mut stream, DEFAULT_MAX_LEN, |out| out.resize(out.len() + len, b'x')).expect("below the limit");
        let mut work = || {
            let mut decoder = FrameDecoder::new(DEFAULT_MAX_LEN);
            let mut bodies = 0;
            for piece in stream.chunks(64 << 10) {
                decoder.extend(black_box(piece));
                bodies += usize::from(decoder.next_frame().expect("a good frame").is_some());
            }
            assert_eq!(bodies, 1);
        };
        let rate = Rate::default();
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("{mebibytes}MiB"), |b| {
            b.iter_custom(|turns| rate.add(turns * len as u64, time(turns, &mut work)));
        });
        rate
    });
    group.finish();
    if let Some(ratio) = half.over(&whole) {
        println!("ratio reassemble: 32 MiB take {:.2} x as long as 16 MiB (limit 3)", 2.0 * ratio);
    }
}

fn frames<M: Message>(messages: impl Iterator<Item = M>) -> BytesMut {
    let mut out = BytesMut::new();
    for message in messages {
        encode_frame(&mut out, DEFAULT_MAX_LEN, |out| encode_body(110, ENVELOPE, &message, out))
            .expect("a small message");
    }
    out
}

fn vip() -> LbVip {
    LbVip { pfx: prefix(), protocol: IpProto::TCP, port: 443 }
}

fn prefix() -> Prefix {
    Prefix::from("192.0.2.10/32".parse::<ipnet::IpNet>().expect("a prefix"))
}

fn server(number: u32) -> Address {
    std::net::Ipv4Addr::from(0x0a00_0000 + number).into()
}

fn details(number: u32) -> LbAsV2Details {
    LbAsV2Details { vip: vip(), app_srv: server(number), flags: 1, in_use_since: 0, weight: 100, num_buckets: number }
}

fn request(number: u32) -> LbAddDelAsV2 {
    LbAddDelAsV2 {
        pfx: prefix(),
        protocol: IpProto::TCP,
        port: 443,
        as_address: server(number),
        weight: 100,
        is_del: false,
        is_flush: false,
    }
}

fn handshake(count: u32) -> SockclntCreateReply {
    let rows: Vec<_> = (0..count as u16)
        .map(|index| MessageTableEntry { index, name: FixedString::clipped(&format!("a_message_{index}_51077d14")) })
        .collect();
    let message_table = Counted::try_from(rows).expect("no more than 65,535");
    SockclntCreateReply { response: 0, index: ENVELOPE.client_index, message_table }
}

const ENVELOPE: Envelope = Envelope { client_index: 0x8000_0001, context: 7 };
/// Messages of one iteration.
const SIZES: [u32; 2] = [1000, 10_000];

criterion_group!(benches, decode, encode, reassemble);
criterion_main!(benches);
