//! Calls and dumps over a real socket pair, both ends in this process.
//!
//! | name | measures | against what limit |
//! | --- | --- | --- |
//! | `call/…/one_at_a_time` | one call after the other: two wake-ups each | 80 % of `raw/…/in_flight=1` |
//! | `call/…/in_flight=N` | N calls at any time, whose frames leave together | 80 % of `raw/…/in_flight=N` |
//! | `raw/…/in_flight=N` | the same frames from a blocking thread: what socket and peer allow | – |
//! | `dump/…/vec` | one dump, collected and decoded | none; beside `raw/lb_as_v2_dump` |
//! | `dump/…/stream` | the same row by row | none; beside `raw/lb_as_v2_dump` |
//! | `raw/lb_as_v2_dump/rows=10000` | the same rows, counted by a blocking thread | – |
//! | `…/loop_sleep=1ms/…` | a peer that sleeps 1 ms a turn | 5 times `one_at_a_time`, and 80 % as above |
//!
//! The sleeping peer stands for VPP, whose main loop may sleep when it is idle. `raw` encodes beforehand, matches and
//! decodes nothing, and counts frames.
//!
//! Throughput is calls or rows a second, on one worker thread of tokio beside the peer's thread. The lines that begin
//! with `ratio` set a bench beside its limit, over all samples of this run.
//!
//! The peer takes 4,096 bytes at a time as VPP does. It encodes replies as they are asked for, and the rows of a dump
//! beforehand.

mod rate;

use std::hint::black_box;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::stream::{self, StreamExt};
use tokio::runtime::{Builder, Runtime};
use vpp_api::client::{Client, Options};
use vpp_api::frame::{DEFAULT_MAX_LEN, FrameDecoder, HEADER_LEN, encode_frame};
use vpp_api::message::{Envelope, Message, encode_body};
use vpp_api::messages::lb::{LbAddDelAsV2, LbAddDelAsV2Reply, LbAsV2Details, LbAsV2Dump, LbVip};
use vpp_api::messages::memclnt::{ControlPing, ControlPingReply, SockclntCreate};
use vpp_api::server::{AnyRequest, ServedTable, Session};
use vpp_api::types::{Address, FixedString, IpProto, Prefix, Retval};

use rate::Rate;

fn calls(c: &mut Criterion) {
    for (suffix, pause) in [("", None), ("/loop_sleep=1ms", Some(Duration::from_millis(1)))] {
        let runtime = runtime();
        let (client, peer) = connect(&runtime, pause);
        let name = format!("call/lb_add_del_as_v2{suffix}");
        let mut group = c.benchmark_group(&name);
        group.throughput(Throughput::Elements(1));
        let single = Rate::default();
        group.bench_function("one_at_a_time", |b| {
            b.iter_custom(|count| single.add(count, one_at_a_time(&runtime, &client, count)));
        });
        let many = DEPTHS.map(|depth| {
            let rate = Rate::default();
            group.bench_function(format!("in_flight={depth}"), |b| {
                b.iter_custom(|count| rate.add(count, in_flight(&runtime, &client, depth, count)));
            });
            rate
        });
        group.finish();
        drop(client);
        peer.join().expect("the peer ends well");

        let (mut raw, peer) = Raw::connect(pause);
        let mut group = c.benchmark_group(format!("raw/lb_add_del_as_v2{suffix}"));
        group.throughput(Throughput::Elements(1));
        let mut bench = |depth| {
            let rate = Rate::default();
            group.bench_function(format!("in_flight={depth}"), |b| {
                b.iter_custom(|count| rate.add(count, raw.run(depth, count)));
            });
            rate
        };
        let (raw_single, raw_many) = (bench(1), DEPTHS.map(&mut bench));
        group.finish();
        drop(raw);
        peer.join().expect("the peer ends well");

        print_raw(&format!("{name}/one_at_a_time"), &single, &raw_single, "calls", " (limit 80 %)");
        for ((depth, rate), raw) in DEPTHS.iter().zip(&many).zip(&raw_many) {
            print_raw(&format!("{name}/in_flight={depth}"), rate, raw, "calls", " (limit 80 %)");
            if let Some(ratio) = rate.over(&single) {
                let limit = if pause.is_some() { " (limit 5)" } else { "" };
                println!("ratio {name}/in_flight={depth}: {ratio:.1} x one_at_a_time{limit}");
            }
        }
    }
}

fn dumps(c: &mut Criterion) {
    let runtime = runtime();
    let (client, peer) = connect(&runtime, None);
    let name = format!("dump/lb_as_v2_dump/rows={ROWS}");
    let (vec, stream, plain) = (Rate::default(), Rate::default(), Rate::default());
    let mut group = c.benchmark_group(&name);
    group.throughput(Throughput::Elements(ROWS.into()));
    group.bench_function("vec", |b| {
        b.iter_custom(|count| vec.add(count * u64::from(ROWS), dump_vec(&runtime, &client, count)));
    });
    group.bench_function("stream", |b| {
        b.iter_custom(|count| stream.add(count * u64::from(ROWS), dump_stream(&runtime, &client, count)));
    });
    group.finish();
    drop(client);
    peer.join().expect("the peer ends well");

    let (mut raw, peer) = Raw::connect(None);
    let mut group = c.benchmark_group("raw/lb_as_v2_dump");
    group.throughput(Throughput::Elements(ROWS.into()));
    group.bench_function(format!("rows={ROWS}"), |b| {
        b.iter_custom(|count| plain.add(count * u64::from(ROWS), raw.dump(count)));
    });
    group.finish();
    drop(raw);
    peer.join().expect("the peer ends well");

    print_raw(&format!("{name}/vec"), &vec, &plain, "rows", "");
    print_raw(&format!("{name}/stream"), &stream, &plain, "rows", "");
}

/// The client's rate beside that of raw frames.
fn print_raw(name: &str, rate: &Rate, raw: &Rate, what: &str, limit: &str) {
    if let (Some(per_second), Some(ratio)) = (rate.per_second(), rate.over(raw)) {
        let (micros, share) = (1e6 / per_second, 100.0 * ratio);
        println!("ratio {name}: {per_second:.0} {what}/s, {micros:.2} µs each, {share:.0} % of raw frames{limit}");
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn one_at_a_time(runtime: &Runtime, client: &Client, count: u64) -> Duration {
    let client = client.clone();
    let task = runtime.spawn(async move {
        let start = Instant::now();
        for number in 0..count {
            client.call(&request(number)).await.expect("the call succeeds");
        }
        start.elapsed()
    });
    runtime.block_on(task).expect("the task ends well")
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn in_flight(runtime: &Runtime, client: &Client, depth: usize, count: u64) -> Duration {
    let client = client.clone();
    let task = runtime.spawn(async move {
        let start = Instant::now();
        stream::iter(0..count)
            .map(|number| {
                let client = &client;
                async move { client.call(&request(number)).await }
            })
            .buffer_unordered(depth)
            .for_each(|outcome| async move {
                outcome.expect("the call succeeds");
            })
            .await;
        start.elapsed()
    });
    runtime.block_on(task).expect("the task ends well")
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn dump_vec(runtime: &Runtime, client: &Client, count: u64) -> Duration {
    let client = client.clone();
    let task = runtime.spawn(async move {
        let start = Instant::now();
        for _ in 0..count {
            let rows = client.dump(&LbAsV2Dump::all()).await.expect("the dump succeeds");
            assert_eq!(rows.len(), ROWS as usize);
        }
        start.elapsed()
    });
    runtime.block_on(task).expect("the task ends well")
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn dump_stream(runtime: &Runtime, client: &Client, count: u64) -> Duration {
    let client = client.clone();
    let task = runtime.spawn(async move {
        let start = Instant::now();
        for _ in 0..count {
            let mut rows = client.dump_stream(&LbAsV2Dump::all());
            let mut seen = 0;
            while let Some(row) = rows.next().await {
                black_box(row.expect("the dump succeeds"));
                seen += 1;
            }
            assert_eq!(seen, ROWS);
        }
        start.elapsed()
    });
    runtime.block_on(task).expect("the task ends well")
}

/// The same requests as plain bytes from a blocking thread: nothing is matched, nothing is decoded.
struct Raw {
    stream: UnixStream,
    decoder: FrameDecoder,
    id: u16,
}

impl Raw {
    fn connect(pause: Option<Duration>) -> (Self, JoinHandle<()>) {
        let (stream, theirs) = UnixStream::pair().expect("a socket pair");
        let peer = serve(theirs, pause);
        let mut raw = Self { stream, decoder: FrameDecoder::new(DEFAULT_MAX_LEN), id: 0 };
        let mut hello = BytesMut::new();
        let name = SockclntCreate { name: FixedString::clipped("raw") };
        encode_frame(&mut hello, DEFAULT_MAX_LEN, |out| encode_body(15, Envelope::default(), &name, out))
            .expect("a small request");
        raw.stream.write_all(&hello).expect("the peer takes bytes");
        raw.receive();
        raw.id = ServedTable::of_this_crate(SEED).table().id_of::<LbAddDelAsV2>().expect("served");
        (raw, peer)
    }

    #[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
    fn run(&mut self, depth: usize, count: u64) -> Duration {
        let mut frames = BytesMut::new();
        for number in 0..depth as u64 {
            encode_frame(&mut frames, DEFAULT_MAX_LEN, |out| encode_body(self.id, ENVELOPE, &request(number), out))
                .expect("a small request");
        }
        let frame_len = frames.len() / depth;
        let start = Instant::now();
        let (mut sent, mut received) = (0, 0);
        while received < count {
            let next = (depth as u64 - (sent - received)).min(count - sent);
            self.stream.write_all(&frames[..next as usize * frame_len]).expect("the peer takes bytes");
            sent += next;
            received += self.receive();
        }
        start.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
    fn dump(&mut self, count: u64) -> Duration {
        let table = ServedTable::of_this_crate(SEED);
        let id = |id: Option<u16>| id.expect("served");
        let (dump, ping) = (id(table.table().id(LbAsV2Dump::NAME_CRC)), id(table.table().id(ControlPing::NAME_CRC)));
        let mut out = BytesMut::new();
        encode_frame(&mut out, DEFAULT_MAX_LEN, |out| encode_body(dump, ENVELOPE, &LbAsV2Dump::all(), out))
            .expect("a small request");
        encode_frame(&mut out, DEFAULT_MAX_LEN, |out| encode_body(ping, ENVELOPE, &ControlPing {}, out))
            .expect("a small request");
        let start = Instant::now();
        for _ in 0..count {
            self.stream.write_all(&out).expect("the peer takes bytes");
            let mut frames = 0;
            while frames <= u64::from(ROWS) {
                frames += self.receive();
            }
        }
        start.elapsed()
    }

    /// Waits for at least one frame and tells how many came.
    fn receive(&mut self) -> u64 {
        let mut buffer = [0; 65_536];
        let mut frames = 0;
        while frames == 0 {
            let count = self.stream.read(&mut buffer).expect("the peer answers");
            assert!(count > 0, "the peer hung up");
            self.decoder.extend(&buffer[..count]);
            while self.decoder.next_frame().expect("good frames").is_some() {
                frames += 1;
            }
        }
        frames
    }
}

fn connect(runtime: &Runtime, pause: Option<Duration>) -> (Client, JoinHandle<()>) {
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    let peer = serve(theirs, pause);
    ours.set_nonblocking(true).expect("a socket");
    let client = runtime.block_on(async {
        let stream = tokio::net::UnixStream::from_std(ours).expect("a socket");
        Client::from_stream(stream, Options::default()).await.expect("the handshake succeeds")
    });
    (client, peer)
}

#[expect(clippy::disallowed_methods, reason = "this thread stands for VPP, which sleeps")]
fn serve(mut stream: UnixStream, pause: Option<Duration>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut session = Session::new(Arc::new(ServedTable::of_this_crate(SEED)), CLIENT_INDEX);
        let mut rows = rows();
        let mut buffer = [0; 4096];
        stream.set_nonblocking(pause.is_some()).expect("a socket");
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => session.handle_bytes(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("cannot read: {error}"),
            }
            while let Some(incoming) = session.poll_request().expect("good frames") {
                let context = incoming.context;
                match incoming.request {
                    AnyRequest::LbAddDelAsV2(_) => {
                        session.reply(context, &LbAddDelAsV2Reply { retval: Retval::OK }).expect("served");
                    }
                    AnyRequest::ControlPing(_) => {
                        let pong = ControlPingReply { retval: Retval::OK, client_index: CLIENT_INDEX, vpe_pid: 1 };
                        session.reply(context, &pong).expect("served");
                    }
                    AnyRequest::LbAsV2Dump(_) => {
                        let frame_len = rows.len() / ROWS as usize;
                        for frame in rows.chunks_exact_mut(frame_len) {
                            frame[HEADER_LEN + 2..HEADER_LEN + 6].copy_from_slice(&context.to_be_bytes());
                        }
                        session.raw_output().extend_from_slice(&rows);
                    }
                    _ => {}
                }
            }
            let output = session.take_output();
            // Whoever made the calls reads.
            stream.write_all(&output).expect("the client takes bytes");
            if let Some(pause) = pause {
                std::thread::sleep(pause);
            }
        }
    })
}

/// The frames that answer a dump, but for their context.
fn rows() -> Vec<u8> {
    let mut session = Session::new(Arc::new(ServedTable::of_this_crate(SEED)), CLIENT_INDEX);
    for number in 0..ROWS {
        let row = LbAsV2Details {
            vip: LbVip::default(),
            app_srv: Address::from(std::net::Ipv4Addr::from(number)),
            flags: 1,
            in_use_since: 0,
            weight: 100,
            num_buckets: 16,
        };
        session.reply(0, &row).expect("served");
    }
    session.take_output().to_vec()
}

fn request(number: u64) -> LbAddDelAsV2 {
    LbAddDelAsV2 {
        pfx: Prefix::default(),
        protocol: IpProto::TCP,
        port: 443,
        as_address: Address::from(std::net::Ipv4Addr::from(number as u32)),
        weight: 100,
        is_del: false,
        is_flush: false,
    }
}

/// What 1,250 VIPs with 8 servers each have.
const ROWS: u32 = 10_000;
/// Calls in flight.
const DEPTHS: [usize; 2] = [64, 512];
const CLIENT_INDEX: u32 = 0x8000_0001;
/// Of all raw frames: the peer gives it back and nobody looks.
const ENVELOPE: Envelope = Envelope { client_index: CLIENT_INDEX, context: 1 };
const SEED: u64 = 1;

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = calls, dumps
}
criterion_main!(benches);
