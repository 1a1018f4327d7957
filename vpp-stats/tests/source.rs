//! A source through restarts, crashes and hangs of VPP. The clock is the test's.

mod support;

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use support::Scratch;
use vpp_stats::writer::{Listener, SegmentWriter, send_fd};
use vpp_stats::{ConnectError, Meter, Source, StatsError};

/// A stats socket that gives its segment to whoever connects.
struct Vpp {
    writer: SegmentWriter,
    commands: Sender<OwnedFd>,
    server: JoinHandle<()>,
}

impl Vpp {
    fn start(path: &Path, boottime: u64) -> Self {
        // As VPP does; the other link keeps the old file's inode from being that of the new one.
        let _ = fs::hard_link(path, path.with_extension(boottime.to_string()));
        let _ = fs::remove_file(path);
        let mut writer = SegmentWriter::new(1 << 16).expect("a memory file");
        writer.set_scalar(writer.boottime(), boottime).expect("it is there");
        Self::serve(path, writer)
    }

    fn serve(path: &Path, writer: SegmentWriter) -> Self {
        let listener = Listener::bind(path).expect("a fresh path");
        let memory = writer.fd().try_clone_to_owned().expect("a descriptor");
        let (commands, stop) = channel::<OwnedFd>();
        let server = thread::spawn(move || {
            // The last connection is that of `crash`, which says so beforehand.
            loop {
                let peer = listener.accept().expect("somebody connects");
                if stop.try_recv().is_ok() {
                    return;
                }
                // A peer that gave up is gone.
                let _ = send_fd(peer.as_fd(), memory.as_fd());
            }
        });
        Self { writer, commands, server }
    }

    /// Ends without removing the socket file.
    fn crash(self, path: &Path) -> SegmentWriter {
        self.commands.send(self.writer.fd().try_clone_to_owned().expect("a descriptor")).expect("it serves");
        let _ = vpp_stats::Segment::connect(path);
        self.server.join().expect("it served to the end");
        self.writer
    }
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn boottime(source: &mut Source, now: u64) -> Result<Option<u64>, ConnectError> {
    source.poll(at(now)).map(|segment| segment.scalar("/sys/boottime").value().expect("sound"))
}

#[test]
fn a_source_follows_a_vpp_that_comes_goes_and_comes_back() {
    let scratch = Scratch::new("source-follows");
    let path = scratch.path("stats.sock");
    let mut source = Source::new(&path);
    assert!(matches!(boottime(&mut source, 0), Err(ConnectError::Connect { path: p, .. }) if p == path));
    assert_eq!((source.generation(), source.path()), (0, path.as_path()));

    let vpp = Vpp::start(&path, 100);
    assert_eq!((boottime(&mut source, 1).ok(), source.generation()), (Some(Some(100)), 1));
    assert_eq!((boottime(&mut source, 2).ok(), source.generation()), (Some(Some(100)), 1));

    // An orderly end: the socket file goes, the memory stays.
    vpp.crash(&path);
    fs::remove_file(&path).expect("VPP's own");
    assert!(boottime(&mut source, 3).is_err());
    assert_eq!(source.life().map(|life| (life.generation, life.boottime)), Ok((1, None)));
    let vpp = Vpp::start(&path, 200);
    assert_eq!((boottime(&mut source, 4).ok(), source.generation()), (Some(Some(200)), 2));

    // A restart between two polls, in the same second: another socket file.
    vpp.crash(&path);
    let vpp = Vpp::start(&path, 200);
    assert_eq!((boottime(&mut source, 5).ok(), source.generation()), (Some(Some(200)), 3));
    vpp.crash(&path);
}

#[test]
fn a_crash_shows_in_a_heartbeat_that_stands_still() {
    let scratch = Scratch::new("source-frozen");
    let path = scratch.path("stats.sock");
    let mut vpp = Vpp::start(&path, 100);
    let mut source = Source::new(&path).with_patience(at(30));
    for beat in 0..10 {
        vpp.writer.set_scalar(vpp.writer.heartbeat(), beat).expect("it is there");
        assert!(source.poll(at(beat * 25)).is_ok());
    }
    let writer = vpp.crash(&path);
    let end = 9 * 25;
    assert!(source.poll(at(end + 30)).is_ok(), "it may be slow");
    assert!(matches!(source.poll(at(end + 31)), Err(ConnectError::Connect { .. })), "nobody listens");
    assert!(source.poll(at(end + 32)).is_err(), "and the old memory is not given any longer");
    assert_eq!(source.generation(), 1);
    drop(writer);
}

#[test]
fn a_vpp_that_was_only_slow_keeps_its_segment_and_its_generation() {
    let scratch = Scratch::new("source-slow");
    let path = scratch.path("stats.sock");
    let vpp = Vpp::start(&path, 100);
    let mut source = Source::new(&path).with_patience(at(30)).with_connect_timeout(at(60));
    let mut beat = source.poll(at(0)).expect("it answers").scalar("/sys/heartbeat");
    for now in [31, 62, 93] {
        let segment = source.poll(at(now)).expect("it answers with the same memory");
        beat.rebind(segment);
        assert_eq!((beat.value(), source.generation()), (Ok(Some(0)), 1));
    }
    source.suspect();
    assert!(source.poll(at(94)).is_ok());
    assert_eq!(source.generation(), 1);
    vpp.crash(&path);
}

#[test]
fn a_vpp_that_did_not_answer_in_time_keeps_its_generation_when_it_does() {
    let scratch = Scratch::new("source-hangs");
    let path = scratch.path("stats.sock");
    let writer = SegmentWriter::new(1 << 16).expect("a memory file");
    let listener = Listener::bind(&path).expect("a fresh path");
    // Connections wait in a queue until somebody answers those that are there, also those that were given up.
    let answer = |count| {
        for _ in 0..count {
            let peer = listener.accept().expect("it waits");
            let _ = send_fd(peer.as_fd(), writer.fd());
        }
    };
    let mut source = Source::new(&path);
    let mut poll = |now, timeout: Duration| {
        source = std::mem::replace(&mut source, Source::new(&path)).with_connect_timeout(timeout);
        let polled = source.poll(at(now)).map(|segment| segment.size());
        (polled, source.generation())
    };
    thread::scope(|scope| {
        scope.spawn(|| answer(1));
        assert!(matches!(poll(0, at(60)), (Ok(_), 1)));
    });
    for now in [31, 32] {
        let polled = poll(now, Duration::from_millis(20));
        assert!(matches!(polled, (Err(ConnectError::TimedOut { .. }), 1)), "{polled:?}");
    }
    thread::scope(|scope| {
        scope.spawn(|| answer(3));
        assert!(matches!(poll(33, at(60)), (Ok(_), 1)), "the same memory");
    });
}

#[test]
fn a_boottime_that_moves_is_another_vpp_and_one_that_appears_is_not() {
    let scratch = Scratch::new("source-boottime");
    let path = scratch.path("stats.sock");
    let mut vpp = Vpp::start(&path, 0);
    let mut source = Source::new(&path);
    for (now, boottime, generation) in [(0, 0, 1), (1, 100, 1), (2, 100, 1), (3, 101, 2), (4, 101, 2)] {
        vpp.writer.set_scalar(vpp.writer.boottime(), boottime).expect("it is there");
        assert!(source.poll(at(now)).is_ok());
        assert_eq!(source.generation(), generation, "at {now}");
    }
    vpp.crash(&path);
}

#[test]
fn a_vpp_that_died_in_a_change_is_left_when_the_reader_says_so() {
    let scratch = Scratch::new("source-stuck");
    let path = scratch.path("stats.sock");
    let mut vpp = Vpp::start(&path, 100);
    let mut source = Source::new(&path);
    assert!(source.poll(at(0)).is_ok());
    vpp.writer.set_in_progress(true);
    let busy = source.poll(at(1)).expect("the socket is the same").scalar("/sys/heartbeat").value();
    assert!(matches!(busy, Err(StatsError::Busy { .. })));
    assert!(source.life().is_err());
    vpp.crash(&path);
    source.suspect();
    assert!(source.poll(at(2)).is_err());
    let vpp = Vpp::start(&path, 200);
    assert_eq!((boottime(&mut source, 3).ok(), source.generation()), (Some(Some(200)), 2));
    vpp.crash(&path);
}

#[test]
fn rates_survive_a_restart_and_say_nothing_of_the_time_between() {
    let scratch = Scratch::new("source-rates");
    let path = scratch.path("stats.sock");
    let mut source = Source::new(&path);
    let mut meter = Meter::new();
    let mut measure = |source: &mut Source, now: u64| {
        let segment = source.poll(at(now)).expect("it is there");
        let mut sums = [0; 2];
        segment.simple("/if/drops").sum_all(&mut sums).expect("sound");
        meter.update(at(now), source.life().expect("sound"), &sums);
        [meter.rate(0), meter.rate(1)]
    };
    for (start, boottime) in [(0, 100), (100, 100), (200, 300)] {
        let mut vpp = Vpp::start(&path, boottime);
        let drops = vpp.writer.add_simple("/if/drops", 2, 2).expect("there is room");
        let mut seen = vec![];
        for second in 1..4 {
            // More than the last VPP had counted, so that only its life tells it from that.
            vpp.writer.set(drops, 1, 1, start * 1_000 + second * 10).expect("it is there");
            seen.push(measure(&mut source, start + second));
        }
        let rates = [Some(0.0), Some(10.0)];
        assert_eq!(seen, [[None, None], rates, rates]);
        vpp.writer.set_scalar(vpp.writer.last_stats_clear(), 7).expect("it is there");
        let idle = [Some(0.0), Some(0.0)];
        assert_eq!(measure(&mut source, start + 5), idle, "`clear runtime` clears no counter of an interface");
        vpp.writer.set(drops, 1, 1, 1).expect("it is there");
        assert_eq!(measure(&mut source, start + 6), [Some(0.0), None], "`clear interfaces` does");
        vpp.crash(&path);
    }
}
