//! Two segments kept as files, so that neither the reader nor the writer changes its mind unnoticed.
//! See `golden/README.md`. With `VPP_STATS_BLESS` in the environment the files are written anew.

mod support;

use std::fs::{self, File};

use support::{Image, golden, read_everything};
use vpp_stats::writer::{SegmentWriter, WriteError};
use vpp_stats::{Column, CombinedCounter, EntryKind, Segment, Value};

#[test]
fn the_quirks_of_a_directory_are_read_from_its_file() {
    agree("quirks.bin", &quirks());
    let segment = open("quirks.bin");
    let entries = segment.entries().expect("sound");
    let listed: Vec<(u32, EntryKind, &str)> =
        entries.iter().map(|entry| (entry.index, entry.kind, entry.name.as_str())).collect();
    let long = "n".repeat(128);
    assert_eq!(
        listed,
        [
            (0, EntryKind::Scalar, "/sys/heartbeat"),
            (1, EntryKind::Scalar, "/sys/last_stats_clear"),
            (2, EntryKind::Scalar, "/sys/boottime"),
            (5, EntryKind::Gauge, "gauge with blanks"),
            (6, EntryKind::Simple, "/net/rows/of different lengths"),
            (7, EntryKind::Combined, "/net/route/to"),
            (8, EntryKind::Names, "/if/names"),
            (9, EntryKind::Symlink, "/interfaces/loop0/rx"),
            (10, EntryKind::Symlink, long.as_str()),
            (11, EntryKind::Histogram, "/sys/latency"),
            (12, EntryKind::RingBuffer, "/ring"),
            (13, EntryKind::Simple, "being removed"),
            (14, EntryKind::Unknown(42), "/of/a/later/release"),
            (15, EntryKind::Names, "no names"),
            (16, EntryKind::RingBuffer, "no ring"),
        ]
    );

    let value = |name: &str| segment.value(name).expect("sound").expect("listed");
    let cell = |packets, bytes| CombinedCounter { packets, bytes };
    assert_eq!(value("/sys/boottime"), Value::Scalar(1_800_000_000));
    assert_eq!(value("gauge with blanks"), Value::Gauge(u64::MAX));
    assert_eq!(value("/net/rows/of different lengths"), Value::Simple(vec![vec![1, 2, 3], vec![], vec![4]]));
    assert_eq!(value("/net/route/to"), Value::Combined(vec![vec![cell(1, 60)], vec![cell(2, 120), cell(3, 4500)]]));
    let names = [Some("local0"), None, Some(""), Some("no NUL"), Some("caf\u{fffd}"), Some("eight by")];
    assert_eq!(value("/if/names"), Value::Names(names.map(|name| name.map(str::to_owned)).to_vec()));
    assert_eq!(value("/interfaces/loop0/rx"), Value::Symlink(Column::Combined(vec![cell(0, 0), cell(3, 4500)])));
    assert_eq!(value(&long), Value::Symlink(Column::Simple(vec![3, 0, 0])));
    let Value::Histogram(rows) = value("/sys/latency") else { panic!("not a histogram") };
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].lowest_exponent, rows[0].bins.as_slice()), (10, [5, 0, 7].as_slice()));
    assert_eq!((rows[1].lowest_exponent, rows[1].bins.len()), (0, 0));
    let Value::RingBuffer(Some(ring)) = value("/ring") else { panic!("not a ring buffer") };
    assert_eq!((ring.entry_size, ring.ring_size, ring.threads), (64, 16, 2));
    assert_eq!((ring.schema_size, ring.schema_version), (100, 1));
    assert_eq!((ring.metadata_offset, ring.data_offset), (2076, 28));
    assert_eq!(value("being removed"), Value::Simple(vec![]));
    assert_eq!(value("/of/a/later/release"), Value::Unknown(42));
    assert_eq!(value("no names"), Value::Names(vec![]));
    assert_eq!(value("no ring"), Value::RingBuffer(None));
    assert_eq!(segment.value_at(3), Ok(Some(Value::Unknown(0))));
    assert_eq!(segment.value_at(4), Ok(Some(Value::Empty)));
    assert_eq!(segment.value_at(17), Ok(None));
    assert_eq!(read_everything(&segment), 0);
}

#[test]
fn the_writer_lays_out_the_same_bytes_as_ever() {
    let vpp = written().expect("it has the room");
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut File::from(vpp.fd().try_clone_to_owned().expect("a descriptor")), &mut bytes)
        .expect("a memory file can be read");
    agree("writer.bin", &bytes);

    let segment = open("writer.bin");
    assert_eq!(segment.epoch(), Ok(13));
    let rows = |value: u64| vec![vec![0, value, 0, 0, 0], vec![0, 0, 0, 0, value * 2]];
    assert_eq!(segment.value("/if/drops"), Ok(Some(Value::Simple(rows(7)))));
    assert_eq!(segment.value("/interfaces/loop0/drops"), Ok(Some(Value::Symlink(Column::Simple(vec![7, 0])))));
    let names = vec![Some("local0".to_owned()), None, Some("loop0".to_owned())];
    assert_eq!(segment.value("/if/names"), Ok(Some(Value::Names(names))));
    assert_eq!(segment.value("/sys/num_worker_threads"), Ok(Some(Value::Gauge(1))));
    assert_eq!(segment.value("/sys/boottime"), Ok(Some(Value::Scalar(1_800_000_000))));
    assert_eq!(segment.value("gone"), Ok(None));
    assert_eq!(read_everything(&segment), 0);
}

/// Everything that a directory may hold without being corrupt.
fn quirks() -> Vec<u8> {
    let mut image = Image::new();
    image.entry(1, 3, b"/sys/heartbeat").entry(1, 0, b"/sys/last_stats_clear").entry(
        1,
        1_800_000_000,
        b"/sys/boottime",
    );
    image.entry(0, 0, b"never used").entry(5, u64::from(u32::MAX), b"");
    // What follows the NUL may be garbage.
    image.entry(9, u64::MAX, b"gauge with blanks\0garbage");

    // Rows of different lengths, and one that VPP has not set up yet.
    let (long, short) = (image.words(&[1, 2, 3]), image.words(&[4]));
    let rows = image.words(&[long, 0, short]);
    image.entry(2, rows, b"/net/rows/of different lengths");
    let (short, long) = (image.pairs(&[(1, 60)]), image.pairs(&[(2, 120), (3, 4500)]));
    let rows = image.words(&[short, long]);
    image.entry(3, rows, b"/net/route/to");

    let strings = [&b"local0\0"[..], b"\0", b"no NUL", b"caf\xe9\0", b"eight by\0"]
        .map(|bytes| image.vector(bytes.len() as u32, bytes));
    let names = image.words(&[strings[0], 0, strings[1], strings[2], strings[3], strings[4]]);
    image.entry(4, names, b"/if/names");

    image.entry(6, 7 | 1 << 32, b"/interfaces/loop0/rx");
    // A name that VPP cut, without its NUL.
    image.entry(6, 6 | 2 << 32, &[b'n'; 128]);

    let bins = image.words(&[10, 5, 0, 7]);
    let none = image.words(&[]);
    let rows = image.words(&[bins, none]);
    image.entry(7, rows, b"/sys/latency");
    let ring: Vec<u8> = [64_u32, 16, 2, 100, 1, 2076, 28, 0].iter().flat_map(|half| half.to_le_bytes()).collect();
    let ring = image.vector(0, &ring);
    image.entry(8, ring, b"/ring");

    image.entry(2, 0, b"being removed").entry(42, 1, b"/of/a/later/release");
    image.entry(4, 0, b"no names").entry(8, 0, b"no ring");
    image.finish()
}

/// One of each, with growth, removal and a used slot.
fn written() -> Result<SegmentWriter, WriteError> {
    let mut vpp = SegmentWriter::new(32 * 1024).expect("a memory file");
    vpp.set_scalar(vpp.boottime(), 1_800_000_000)?;
    vpp.add_gauge("/sys/num_worker_threads", 1)?;
    let gone = vpp.add_scalar("gone", 1)?;
    let drops = vpp.add_simple("/if/drops", 2, 3)?;
    vpp.add_symlink("/interfaces/loop0/drops", drops, 1)?;
    let names = vpp.add_names("/if/names", &[Some("local0"), Some("host-x")])?;
    vpp.add_combined("/net/route/to", 2, 12)?;
    vpp.add_histogram("/sys/latency", 2, 10, 3)?;
    vpp.remove(gone)?;
    vpp.add_scalar("in the place of the gone", 2)?;
    vpp.grow(drops, 5)?;
    vpp.update(|vpp| {
        vpp.set_name(names, 2, Some("loop0"))?;
        vpp.set_name(names, 1, None)
    })?;
    let routes = vpp.add_simple("/net/punt", 1, 7)?;
    vpp.grow(routes, 100)?;
    vpp.add(drops, 0, 1, 7)?;
    vpp.add(drops, 1, 4, 14)?;
    Ok(vpp)
}

fn agree(name: &str, bytes: &[u8]) {
    let path = golden(name);
    if std::env::var_os("VPP_STATS_BLESS").is_some() {
        fs::write(&path, bytes).expect("the golden files can be written");
    }
    let kept = fs::read(&path).expect("the golden file is part of the package");
    let differs = kept.iter().zip(bytes).position(|(kept, now)| kept != now);
    assert_eq!((kept.len(), differs), (bytes.len(), None), "{name}: length, and where it differs first");
}

fn open(name: &str) -> Segment {
    Segment::from_file(&File::open(golden(name)).expect("the golden file is part of the package"))
        .expect("it is a sound segment")
}
