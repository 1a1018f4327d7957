//! From a socket or a file to a segment.

mod support;

use std::fs::{self, File};
use std::io::{self, ErrorKind, IoSlice, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use support::{Image, Scratch, golden};
use vpp_stats::writer::{Listener, SegmentWriter, send_fd};
use vpp_stats::{ConnectError, Segment, StatsError, Value};

/// Connects while `answer` deals with the connection.
fn connect(test: &str, answer: impl FnOnce(OwnedFd) + Send) -> Result<Segment, ConnectError> {
    let scratch = Scratch::new(test);
    let path = scratch.path("stats.sock");
    let listener = Listener::bind(&path).expect("a fresh path");
    thread::scope(|scope| {
        scope.spawn(|| answer(listener.accept().expect("somebody connects")));
        Segment::connect(&path)
    })
}

fn send(socket: &OwnedFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL).expect("the peer is there");
}

#[test]
fn the_segment_behind_a_socket_is_live() {
    let mut vpp = SegmentWriter::new(1 << 16).expect("a memory file");
    let segment = connect("live", |socket| send_fd(socket.as_fd(), vpp.fd()).expect("the peer waits"));
    let segment = segment.expect("it is sound");
    assert_eq!(segment.size(), 1 << 16);
    vpp.set_scalar(vpp.heartbeat(), 5).expect("it is there");
    assert_eq!(segment.value("/sys/heartbeat"), Ok(Some(Value::Scalar(5))));
    // It outlives VPP.
    drop(vpp);
    assert_eq!(segment.value("/sys/heartbeat"), Ok(Some(Value::Scalar(5))));
}

#[test]
fn an_answer_with_contents_beside_the_descriptor_is_accepted() {
    let vpp = SegmentWriter::new(1 << 16).expect("a memory file");
    assert!(connect("contents", |socket| send(&socket, b"hello", &[vpp.fd()])).is_ok());
}

#[test]
fn an_answer_without_a_descriptor_is_an_error() {
    for (test, answer) in [("empty", b"".as_slice()), ("text", b"hello")] {
        let result = connect(test, |socket| send(&socket, answer, &[]));
        assert!(matches!(result, Err(ConnectError::NoDescriptor)), "{result:?}");
    }
    let result = connect("closed", drop);
    assert!(matches!(result, Err(ConnectError::NoDescriptor | ConnectError::Receive(_))), "{result:?}");
}

#[test]
fn an_answer_with_more_descriptors_than_fit_is_an_error() {
    let vpp = SegmentWriter::new(1 << 16).expect("a memory file");
    let result = connect("many", |socket| send(&socket, b"", &[vpp.fd(); 8]));
    assert!(matches!(result, Err(ConnectError::NoDescriptor)), "{result:?}");
}

#[test]
fn a_descriptor_of_something_else_is_an_error() {
    let null = File::open("/dev/null").expect("it exists");
    let result = connect("null", |socket| send(&socket, b"", &[null.as_fd()]));
    assert!(matches!(result, Err(ConnectError::Segment(StatsError::Truncated { size: 0 }))), "{result:?}");

    let zeros = memfd_create("zeros", MemfdFlags::CLOEXEC).expect("a memory file");
    ftruncate(&zeros, 1 << 16).expect("it can be sized");
    let result = connect("zeros", |socket| send(&socket, b"", &[zeros.as_fd()]));
    assert!(matches!(result, Err(ConnectError::Segment(StatsError::UnknownVersion(0)))), "{result:?}");

    let directory = File::open("/").expect("it exists");
    assert!(Segment::from_file(&directory).is_err());
}

#[test]
fn nobody_at_the_socket_is_told_with_its_path() {
    let scratch = Scratch::new("nobody");
    let path = scratch.path("stats.sock");
    let refused = |path: &Path, kind| match Segment::connect(path) {
        Err(error @ ConnectError::Connect { .. }) => {
            assert_eq!(error.to_string(), format!("cannot connect to the stats socket {}", path.display()));
            let ConnectError::Connect { source, .. } = error else { unreachable!("matched above") };
            assert_eq!(source.kind(), kind);
        }
        other => panic!("{other:?}"),
    };
    refused(&path, ErrorKind::NotFound);
    drop(Listener::bind(&path).expect("a fresh path")); // leaves its file behind, as a killed VPP does
    refused(&path, ErrorKind::ConnectionRefused);
    refused(Path::new(&"x".repeat(200)), ErrorKind::InvalidFilename);
}

/// A peer that never answers must not hold the caller: first connections wait for the answer in vain, later ones for a
/// place in the queue. The only wait is the limit under test.
#[test]
fn a_silent_peer_is_given_up() {
    let scratch = Scratch::new("silent");
    let path = scratch.path("stats.sock");
    let _listener = Listener::bind(&path).expect("a fresh path");
    for _ in 0..10 {
        let result = Segment::connect_timeout(&path, Duration::ZERO);
        assert!(matches!(&result, Err(ConnectError::TimedOut { path: p }) if *p == path), "{result:?}");
    }
}

#[test]
fn a_file_is_copied_so_that_truncating_it_harms_nobody() {
    let in_memory = Path::new("/dev/shm");
    let on_disk = std::env::temp_dir();
    for directory in [on_disk.as_path(), in_memory].into_iter().filter(|directory| directory.is_dir()) {
        let path = directory.join(format!("vpp-stats-truncated-{}", std::process::id()));
        fs::copy(golden("writer.bin"), &path).expect("there is room");
        let mut file = File::options().read(true).write(true).open(&path).expect("just made");
        file.seek(io::SeekFrom::Start(100)).expect("a file has a cursor");
        let segment = Segment::from_file(&file).expect("it is sound");
        assert_eq!(file.stream_position().expect("a file has a cursor"), 100);
        file.set_len(0).expect("it is ours");
        fs::remove_file(&path).expect("it is ours");
        assert_eq!(support::read_everything(&segment), 0, "in {}", directory.display());
    }
}

#[test]
fn a_file_too_large_to_be_copied_is_refused() {
    let scratch = Scratch::new("large");
    let file = File::create_new(scratch.path("sparse")).expect("a fresh path");
    file.set_len(1 << 40).expect("sparse files cost nothing");
    let file = File::open(scratch.path("sparse")).expect("just made");
    let result = Segment::from_file(&file);
    assert!(matches!(&result, Err(ConnectError::Map(error)) if error.kind() == ErrorKind::FileTooLarge), "{result:?}");
}

#[test]
fn memory_files_are_mapped_with_and_without_a_seal() {
    let bytes = Image::new().entry(9, 1, b"gauge").finish();
    let memfd = memfd_create("unsealed", MemfdFlags::CLOEXEC).expect("a memory file");
    let mut file = File::from(memfd);
    file.write_all(&bytes).expect("it has the room");
    let segment = Segment::from_file(&file).expect("it is sound");
    let entry = segment.entries().expect("sound")[0].index;
    assert_eq!(segment.value_at(entry), Ok(Some(Value::Gauge(1))));
    // What is written afterwards is seen: it was not copied.
    let offset = bytes.windows(5).position(|window| window == b"gauge").expect("its name") - 8;
    std::os::unix::fs::FileExt::write_all_at(&file, &7_u64.to_le_bytes(), offset as u64).expect("it is ours");
    assert_eq!(segment.value_at(entry), Ok(Some(Value::Gauge(7))));
}

/// Without the check before each attempt this test ends by SIGBUS.
#[test]
fn a_memory_file_truncated_while_it_is_mapped_is_an_error_and_no_signal() {
    let bytes = Image::new().entry(9, 1, b"gauge").finish();
    let mut file = File::from(memfd_create("unsealed", MemfdFlags::CLOEXEC).expect("a memory file"));
    file.write_all(&bytes).expect("it has the room");
    let segment = Segment::from_file(&file).expect("it is sound");
    assert!(!segment.is_sealed());
    let mut gauge = segment.gauge("gauge");
    assert_eq!(gauge.value(), Ok(Some(1)));
    let mapped = bytes.len() as u64;
    for size in [mapped - 1, 4096, 0] {
        file.set_len(size).expect("it is ours");
        let shrunk = StatsError::Shrunk { size, mapped };
        assert_eq!(gauge.value(), Err(shrunk.clone()));
        assert_eq!(segment.entries(), Err(shrunk.clone()));
        assert_eq!(segment.value("gauge"), Err(shrunk.clone()));
        assert_eq!(segment.header(), Err(shrunk.clone()));
        assert_eq!(segment.epoch(), Err(shrunk));
    }
    // A file of the full size again has zeros where it was cut.
    file.set_len(mapped).expect("it is ours");
    assert_eq!(gauge.value(), Err(StatsError::UnknownVersion(0)));
}

#[test]
fn a_sealed_memory_file_cannot_be_truncated() {
    let vpp = SegmentWriter::new(1 << 16).expect("a memory file");
    let segment = vpp.reader().expect("it is sound");
    assert!(segment.is_sealed());
    assert!(ftruncate(vpp.fd(), 4096).is_err());
    assert_eq!(segment.value("/sys/heartbeat"), Ok(Some(Value::Scalar(0))));
}

#[test]
fn a_segment_and_its_handles_go_from_thread_to_thread() {
    fn shared<T: Send + Sync>(value: T) -> T {
        value
    }
    let vpp = SegmentWriter::new(1 << 16).expect("a memory file");
    let segment = shared(vpp.reader().expect("it is sound"));
    let mut beat = shared(segment.scalar("/sys/heartbeat"));
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(beat.value()));
    assert_eq!(receiver.recv(), Ok(Ok(Some(0))));
}

#[test]
fn a_listener_replaces_a_stale_socket_and_nothing_else() {
    let scratch = Scratch::new("stale");
    let path = scratch.path("stats.sock");
    let first = Listener::bind(&path).expect("a fresh path");
    let in_use = |path: &Path| Listener::bind(path).expect_err("it is taken").kind() == ErrorKind::AddrInUse;
    assert!(in_use(&path), "somebody listens there");
    drop(first);
    let second = Listener::bind(&path).expect("nobody listens there");
    second.set_nonblocking(true).expect("a socket can");
    assert_eq!(second.accept().expect_err("nobody called").kind(), ErrorKind::WouldBlock);

    let file = scratch.path("file");
    fs::write(&file, "precious").expect("a fresh path");
    assert!(Listener::bind(&file).is_err());
    assert_eq!(fs::read_to_string(&file).expect("still there"), "precious");
}

#[test]
fn sending_to_a_peer_that_is_gone_is_an_error_and_no_signal() {
    let vpp = SegmentWriter::new(1 << 16).expect("a memory file");
    let scratch = Scratch::new("gone");
    let path = scratch.path("stats.sock");
    let listener = Listener::bind(&path).expect("a fresh path");
    let result = Segment::connect_timeout(&path, Duration::ZERO);
    assert!(matches!(result, Err(ConnectError::TimedOut { .. })));
    let socket = listener.accept().expect("the connection is still queued");
    let error = send_fd(socket.as_fd(), vpp.fd()).expect_err("it hung up");
    assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
}
