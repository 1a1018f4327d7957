//! Decoding and encoding, without a socket: what one message costs.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vpp_api::frame::{DEFAULT_MAX_LEN, FrameDecoder, encode_frame};
use vpp_api::message::{Envelope, Message, decode_body, encode_body};
use vpp_api::messages::lb::{LbAddDelAsV2, LbAsV2Details, LbVip};
use vpp_api::messages::memclnt::{MessageTableEntry, SockclntCreateReply};
use vpp_api::table::MessageTable;
use vpp_api::types::{Address, Counted, FixedString, IpProto, Prefix};

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(ROWS));

    let stream = frames((0..ROWS as u32).map(details));
    group.bench_function(format!("lb_as_v2_details/{ROWS}"), |b| {
        b.iter(|| {
            let mut decoder = FrameDecoder::new(DEFAULT_MAX_LEN);
            decoder.extend(black_box(&stream));
            let mut buckets = 0_u64;
            while let Some(body) = decoder.next_frame().expect("good frames") {
                let (_, row) = decode_body::<LbAsV2Details>(&body).expect("good rows");
                buckets += u64::from(row.num_buckets);
            }
            buckets
        });
    });

    let mut welcome = BytesMut::new();
    encode_body(16, ENVELOPE, &handshake(), &mut welcome);
    group.bench_function(format!("sockclnt_create_reply/{ROWS}"), |b| {
        b.iter(|| {
            let (_, reply) = decode_body::<SockclntCreateReply>(black_box(&welcome)).expect("a good reply");
            MessageTable::new(&reply.message_table)
        });
    });
    group.finish();
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Elements(ROWS));
    let requests: Vec<_> = (0..ROWS as u32).map(request).collect();
    group.bench_function(format!("lb_add_del_as_v2/{ROWS}"), |b| {
        let mut out = BytesMut::new();
        b.iter(|| {
            out.clear();
            for request in &requests {
                encode_frame(&mut out, DEFAULT_MAX_LEN, |out| encode_body(100, ENVELOPE, black_box(request), out))
                    .expect("a small request");
            }
            out.len()
        });
    });
    group.finish();
}

/// One large answer, such as `show lb vips verbose`, out of the pieces in which a socket gives it.
fn reassemble(c: &mut Criterion) {
    let mut group = c.benchmark_group("reassemble");
    for mebibytes in [1, 16] {
        let len = mebibytes << 20;
        let mut stream = BytesMut::new();
        encode_frame(&mut stream, DEFAULT_MAX_LEN, |out| out.resize(out.len() + len, b'x')).expect("below the limit");
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("{mebibytes}MiB"), |b| {
            b.iter(|| {
                let mut decoder = FrameDecoder::new(DEFAULT_MAX_LEN);
                let mut bodies = 0;
                for piece in stream.chunks(64 << 10) {
                    decoder.extend(black_box(piece));
                    bodies += usize::from(decoder.next_frame().expect("a good frame").is_some());
                }
                assert_eq!(bodies, 1);
            });
        });
    }
    group.finish();
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

fn handshake() -> SockclntCreateReply {
    let rows: Vec<_> = (0..ROWS as u16)
        .map(|index| MessageTableEntry { index, name: FixedString::clipped(&format!("a_message_{index}_51077d14")) })
        .collect();
    let message_table = Counted::try_from(rows).expect("no more than 65,535");
    SockclntCreateReply { response: 0, index: ENVELOPE.client_index, message_table }
}

const ENVELOPE: Envelope = Envelope { client_index: 0x8000_0001, context: 7 };
const ROWS: u64 = 1000;

criterion_group!(benches, decode, encode, reassemble);
criterion_main!(benches);
