//! The floor: the same requests encoded beforehand, written as the window allows, replies counted by their headers.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use maglev_sync::Call;
use vpp_api::connection::{Config, Connection, Handshake};
use vpp_api::messages::lb::{LbAddDelAsV2, LbAddDelVipV2};
use vpp_api::types::{Encap, IpProto, SrvType};

/// Requests without their reply.
const WINDOW: usize = 64;

/// Sends `calls`, which must be additions, and returns how long it took from the first byte to the last reply.
pub(crate) fn run(socket: &Path, calls: &[Call]) -> Duration {
    let mut stream = UnixStream::connect(socket).expect("a VPP that answers");
    let mut connection = greet(&mut stream);
    let frames: Vec<_> = calls.iter().map(|call| frame(&mut connection, call)).collect();
    let (mut sent, mut received) = (0, 0);
    let (mut buffer, mut kept) = (vec![0; 65_536], Vec::new());
    let start = Instant::now();
    while received < frames.len() {
        let room = (WINDOW - (sent - received)).min(frames.len() - sent);
        if room > 0 {
            let batch: Vec<u8> = frames[sent..sent + room].concat();
            stream.write_all(&batch).expect("VPP takes requests");
            sent += room;
        }
        let count = stream.read(&mut buffer).expect("VPP answers");
        assert!(count > 0, "VPP hung up");
        kept.extend_from_slice(&buffer[..count]);
        received += take_frames(&mut kept);
    }
    start.elapsed()
}

fn greet(stream: &mut UnixStream) -> Connection<()> {
    let mut handshake = Handshake::new(Config::default());
    let mut buffer = vec![0; 65_536];
    if let Some(bytes) = handshake.poll_transmit() {
        stream.write_all(&bytes).expect("VPP takes a greeting");
    }
    loop {
        let count = stream.read(&mut buffer).expect("VPP answers a greeting");
        if let Some(connection) = handshake.handle_bytes(&buffer[..count]).expect("a handshake") {
            return connection;
        }
    }
}

fn frame(connection: &mut Connection<()>, call: &Call) -> Vec<u8> {
    match call {
        Call::VipAdd { key, table_length, .. } => {
            let add = LbAddDelVipV2 {
                pfx: key.prefix().into(),
                protocol: IpProto(key.protocol().number()),
                port: key.port(),
                encap: Encap::Gre4,
                dscp: 0,
                r#type: SrvType::ClusterIp,
                target_port: 0,
                node_port: 0,
                new_flows_table_length: table_length.get(),
                src_ip_sticky: false,
                is_del: false,
            };
            connection.call(&add, ()).expect("VPP has the message");
        }
        Call::AsAdd { key, address, weight } => {
            let add = LbAddDelAsV2 {
                pfx: key.prefix().into(),
                protocol: IpProto(key.protocol().number()),
                port: key.port(),
                as_address: (*address).into(),
                weight: weight.get(),
                is_del: false,
                is_flush: false,
            };
            connection.call(&add, ()).expect("VPP has the message");
        }
        other => unreachable!("the bench only adds, not {other}"),
    }
    connection.poll_transmit().expect("a call makes a frame").to_vec()
}

/// Removes whole frames from the front and counts them.
fn take_frames(bytes: &mut Vec<u8>) -> usize {
    let (mut at, mut count) = (0, 0);
    while let Some(header) = bytes.get(at..at + 16) {
        let length = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
        let end = at + 16 + usize::try_from(length).expect("a short reply");
        if bytes.len() < end {
            break;
        }
        (at, count) = (end, count + 1);
    }
    bytes.drain(..at);
    count
}
