//! Calls over a real socket pair: one at a time, many in flight, and raw frames as the measure of what is possible.
//!
//! The peer runs in a thread of its own, takes 4,096 bytes at a time as VPP does, and in the `loop_sleep=1ms` group
//! sleeps 1 ms after each turn, as VPP's main loop may when it is idle.

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
use vpp_api::frame::{DEFAULT_MAX_LEN, FrameDecoder, encode_frame};
use vpp_api::message::{Envelope, encode_body};
use vpp_api::messages::lb::{LbAddDelAsV2, LbAddDelAsV2Reply};
use vpp_api::messages::memclnt::SockclntCreate;
use vpp_api::server::{AnyRequest, ServedTable, Session};
use vpp_api::types::{Address, FixedString, IpProto, Prefix, Retval};

fn calls(c: &mut Criterion) {
    for (group, pause) in [("calls", None), ("calls/loop_sleep=1ms", Some(Duration::from_millis(1)))] {
        let mut group = c.benchmark_group(group);
        group.throughput(Throughput::Elements(1));
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");

        let (client, peer) = connect(&runtime, pause);
        group.bench_function("one_at_a_time", |b| b.iter_custom(|count| one_at_a_time(&runtime, &client, count)));
        for depth in [64, 512] {
            group.bench_function(format!("in_flight={depth}"), |b| {
                b.iter_custom(|count| in_flight(&runtime, &client, depth, count));
            });
        }
        drop(client);
        peer.join().expect("the peer ends well");

        let (mut raw, peer) = Raw::connect(pause);
        for depth in [1, 64, 512] {
            group.bench_function(format!("raw/in_flight={depth}"), |b| b.iter_custom(|count| raw.run(depth, count)));
        }
        drop(raw);
        peer.join().expect("the peer ends well");
        group.finish();
    }
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
    fn run(&mut self, depth: u64, count: u64) -> Duration {
        let start = Instant::now();
        let (mut sent, mut received) = (0, 0);
        while received < count {
            let mut out = BytesMut::new();
            while sent < count && sent - received < depth {
                let envelope = Envelope { client_index: CLIENT_INDEX, context: 1 };
                encode_frame(&mut out, DEFAULT_MAX_LEN, |out| encode_body(self.id, envelope, &request(sent), out))
                    .expect("a small request");
                sent += 1;
            }
            self.stream.write_all(&out).expect("the peer takes bytes");
            received += self.receive();
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
                if let AnyRequest::LbAddDelAsV2(_) = incoming.request {
                    session.reply(incoming.context, &LbAddDelAsV2Reply { retval: Retval::OK }).expect("served");
                }
            }
            let output = session.take_output();
            // Replies in flight are far fewer than a socket buffers.
            stream.write_all(&output).expect("the client takes bytes");
            if let Some(pause) = pause {
                std::thread::sleep(pause);
            }
        }
    })
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

const CLIENT_INDEX: u32 = 0x8000_0001;
const SEED: u64 = 1;

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = calls
}
criterion_main!(benches);
