//! Segments that contradict themselves, one way at a time. Each gives the error that says so, and nothing else breaks.

mod support;

use support::{BASE, Image};
use vpp_stats::{Column, ConnectError, Corruption, EntryKind, Presence, Segment, StatsError, Value};

const ALL: &[u32] = &[0];

fn refused(bytes: &[u8]) -> StatsError {
    match Segment::from_snapshot(bytes) {
        Err(ConnectError::Segment(error)) => error,
        other => panic!("{other:?} instead of a refusal"),
    }
}

#[test]
fn other_layouts_are_refused_by_their_number() {
    let mut image = Image::new();
    image.finish();
    image.word(0, 1);
    assert_eq!(refused(&image.bytes), StatsError::UnknownVersion(1));
    image.word(0, 3);
    assert_eq!(refused(&image.bytes), StatsError::UnknownVersion(3));
    let text = refused(&image.bytes).to_string();
    assert_eq!(text, "version 3 of the stats segment is not supported, only 2");
}

#[test]
fn the_numbering_before_22_06_is_refused() {
    let mut image = Image::new();
    image.finish();
    image.word(40, BASE + 4096); // the error vector of those releases
    assert_eq!(refused(&image.bytes), StatsError::OldNumbering);
}

#[test]
fn memory_shorter_than_a_page_is_refused() {
    let image = Image::new().finish();
    for size in [0, 1, 39, 40, 48, 4095] {
        assert_eq!(refused(&image[..size]), StatsError::Truncated { size: size as u64 });
    }
    // A page holds a header, and an empty directory, which is a null pointer.
    let mut page = image[..4096].to_vec();
    page[32..40].fill(0);
    let segment = Segment::from_snapshot(&page).expect("nothing is missing");
    assert_eq!(segment.entries(), Ok(vec![]));
    assert_eq!(segment.value("/sys/boottime"), Ok(None));
}

#[test]
fn a_header_that_turns_bad_later_is_noticed() {
    let mut vpp = vpp_stats::writer::SegmentWriter::new(1 << 16).expect("a memory file");
    let segment = vpp.reader().expect("a sound segment");
    let mut beat = segment.scalar("/sys/heartbeat");
    assert_eq!(beat.value(), Ok(Some(0)));
    vpp.corrupt(0, &9_u64.to_le_bytes()).expect("inside");
    assert_eq!(beat.value(), Err(StatsError::UnknownVersion(9)));
    assert_eq!(segment.header(), Err(StatsError::UnknownVersion(9)));
    vpp.corrupt(0, &2_u64.to_le_bytes()).expect("inside");
    assert_eq!(beat.value(), Ok(Some(0)));
}

#[test]
fn a_directory_outside_of_the_segment_is_an_error() {
    let size = Image::SIZE as u64;
    // Below the base, in the header, at the end, far away; and one whose length word alone is inside.
    for directory in [BASE - 8, BASE, BASE + 4096, BASE + size + 8, u64::MAX - 7] {
        let mut image = Image::new();
        image.finish();
        image.word(32, directory);
        let segment = Segment::from_snapshot(&image.bytes).expect("the header is sound");
        let error = segment.entries().expect_err("there is no directory");
        let offset = directory.wrapping_sub(BASE);
        assert!(matches!(error, StatsError::OutOfBounds { what: "the directory", offset: o, .. } if o == offset));
        assert_eq!(segment.value("/sys/boottime"), Err(error));
    }
}

#[test]
fn a_directory_longer_than_the_segment_is_an_error() {
    let mut image = Image::new();
    image.entry(1, 7, b"/sys/boottime");
    image.finish();
    let directory = u64::from_le_bytes(image.bytes[32..40].try_into().expect("8 bytes")) - BASE;
    for len in [u32::MAX, 200] {
        image.put(directory - 8, &len.to_le_bytes());
        let segment = Segment::from_snapshot(&image.bytes).expect("the header is sound");
        let length = u64::from(len) * 144;
        let error = StatsError::OutOfBounds { what: "the directory", offset: directory, length };
        assert_eq!(segment.entries(), Err(error));
    }
}

#[test]
fn pointers_are_checked_wherever_they_lead() {
    let end = BASE + Image::SIZE as u64;
    let bad = [
        (BASE + 4096 + 4, None), // not aligned
        (BASE - 16, Some(u64::MAX - 15)),
        (BASE + 4096, Some(4096)), // its length would lie in the header's page
        (end + 8, Some(Image::SIZE as u64 + 8)),
        (8, Some(8_u64.wrapping_sub(BASE))),
    ];
    for (pointer, offset) in bad {
        let wanted = |what| match offset {
            None => StatsError::Corrupt(Corruption::Misaligned),
            Some(offset) => StatsError::OutOfBounds { what, offset, length: 8 },
        };
        let mut image = Image::new();
        let rows = image.words(&[pointer]);
        image.entry(2, pointer, b"table").entry(2, rows, b"row").entry(3, rows, b"pair row");
        image.entry(4, pointer, b"names").entry(4, rows, b"name");
        let segment = image.segment();
        assert_eq!(segment.value("table"), Err(wanted("the rows of a table")));
        assert_eq!(segment.value("row"), Err(wanted("a row of counters")));
        assert_eq!(segment.value("pair row"), Err(wanted("a row of counters")));
        assert_eq!(segment.value("names"), Err(wanted("a name vector")));
        assert_eq!(segment.value("name"), Err(wanted("a name")));
        assert_eq!(segment.simple("row").sum_columns(ALL, &mut [0]), Err(wanted("a row of counters")));
        assert_eq!(segment.simple("table").columns(), Err(wanted("the rows of a table")));
    }
}

#[test]
fn lengths_are_checked_before_anything_is_copied() {
    let mut image = Image::new();
    let long = image.vector(u32::MAX, &[0; 16]);
    let rows = image.words(&[long]);
    image.entry(2, rows, b"simple").entry(3, rows, b"combined").entry(4, rows, b"names").entry(7, rows, b"histogram");
    let segment = image.segment();
    let error = |what, element| {
        let length = u64::from(u32::MAX) * element;
        Err(StatsError::OutOfBounds { what, offset: long - BASE, length })
    };
    assert_eq!(segment.value("simple"), error("a row of counters", 8));
    assert_eq!(segment.value("combined"), error("a row of counters", 16));
    assert_eq!(segment.value("histogram"), error("a row of counters", 8));
    assert_eq!(segment.value("names"), error("a name", 1));
    assert_eq!(
        segment.combined("combined").sum(0).map(|_| ()),
        error("a row of counters", 16).map(|_: Option<Value>| ())
    );
}

#[test]
fn rows_that_overlap_cannot_exhaust_our_memory() {
    let mut image = Image::new();
    let row = image.words(&[1; 512]);
    let table = image.words(&[row; 100]);
    image.entry(2, table, b"table").entry(4, table, b"names");
    let segment = image.segment();
    assert_eq!(segment.value("table"), Err(StatsError::Corrupt(Corruption::Overlap)));
    // As names, 512 bytes each, there are 51,200 in a segment of 16,384.
    assert_eq!(segment.value("names"), Err(StatsError::Corrupt(Corruption::Overlap)));
    // The sum of a column needs no memory.
    assert_eq!(segment.simple("table").sum(0), Ok(Some(100)));
}

#[test]
fn more_rows_than_threads_can_exist_are_refused() {
    let mut bytes = vec![0; 1 << 17];
    let mut image = Image::new();
    image.entry(2, BASE + (1 << 16), b"table");
    bytes[..Image::SIZE].copy_from_slice(&image.finish());
    bytes[(1 << 16) - 8..(1 << 16) - 4].copy_from_slice(&4097_u32.to_le_bytes());
    let segment = Segment::from_snapshot(&bytes).expect("the header is sound");
    assert_eq!(segment.value("table"), Err(StatsError::Corrupt(Corruption::TooLong)));
    assert_eq!(segment.simple("table").sum(0), Err(StatsError::Corrupt(Corruption::TooLong)));
}

#[test]
fn one_bad_entry_does_not_spoil_the_others() {
    let mut image = Image::new();
    image.entry(1, 7, b"/sys/boottime").entry(2, 12345, b"bad").entry(9, 8, b"gauge");
    let segment = image.segment();
    assert!(segment.value("bad").is_err());
    assert_eq!(segment.value("gauge"), Ok(Some(Value::Gauge(8))));
    assert_eq!(segment.entries().map(|entries| entries.len()), Ok(3));
}

#[test]
fn symlinks_that_lead_nowhere_say_where() {
    let mut image = Image::new();
    let (short, long) = (image.words(&[1]), image.words(&[2, 3, 4]));
    let table = image.words(&[short, 0, long]);
    let link = |target: u64, column: u64| target | column << 32;
    image.entry(2, table, b"table").entry(1, 9, b"scalar");
    for (target, column, name) in [(0, 2, "good"), (0, 3, "beyond every row"), (1, 0, "to a scalar"), (7, 5, "outside")]
    {
        image.entry(6, link(target, column), name.as_bytes());
    }
    image.entry(6, link(6, 0), b"to itself").entry(2, 0, b"without data").entry(6, link(7, 0), b"to no data");
    let segment = image.segment();
    // Threads whose row is shorter or not there yet count 0.
    assert_eq!(segment.value("good"), Ok(Some(Value::Symlink(Column::Simple(vec![0, 0, 4])))));
    for (name, target, column, found) in [
        ("beyond every row", 0, 3, EntryKind::Simple),
        ("to a scalar", 1, 0, EntryKind::Scalar),
        ("outside", 7, 5, EntryKind::Simple),
        ("to itself", 6, 0, EntryKind::Symlink),
        ("to no data", 7, 0, EntryKind::Simple),
    ] {
        assert_eq!(segment.value(name), Err(StatsError::Dangling { target, column, found }), "{name}");
    }
}

#[test]
fn a_handle_of_another_type_says_what_the_entry_is() {
    let mut image = Image::new();
    let table = image.words(&[]);
    image.entry(2, table, b"simple").entry(3, table, b"combined").entry(1, 0, b"scalar").entry(77, 0, b"new");
    let segment = image.segment();
    let wrong = |expected, found| StatsError::WrongType { expected, found };
    assert_eq!(segment.simple("combined").sum(0), Err(wrong(EntryKind::Simple, EntryKind::Combined)));
    assert_eq!(segment.combined("simple").sum(0), Err(wrong(EntryKind::Combined, EntryKind::Simple)));
    assert_eq!(segment.scalar("simple").value(), Err(wrong(EntryKind::Scalar, EntryKind::Simple)));
    assert_eq!(segment.simple("scalar").columns(), Err(wrong(EntryKind::Simple, EntryKind::Scalar)));
    let error = segment.simple("new").sum(0).expect_err("not a counter");
    assert_eq!(error.to_string(), "the entry is of unknown type 77, not a simple counter");
}

#[test]
fn slices_of_different_lengths_are_the_callers_mistake() {
    let mut image = Image::new();
    let error = image.segment().simple("any").sum_columns(&[1, 2], &mut [0; 3]);
    assert_eq!(error, Err(StatsError::Room { columns: 2, room: 3 }));
}

#[test]
fn names_that_no_entry_can_have_are_absent() {
    let mut image = Image::new();
    image.entry(1, 1, &[b'x'; 127]).entry(1, 2, &[b'y'; 128]).entry(5, u64::MAX, b"").entry(5, 0, b"freed");
    let segment = image.segment();
    for name in ["", "\0", "a\0b", &"x".repeat(126), &"x".repeat(128), &"y".repeat(127), &"y".repeat(129), "freed"] {
        assert_eq!(segment.value(name), Ok(None), "{name:?}");
        assert_eq!(segment.scalar(name).value(), Ok(None), "{name:?}");
        assert_eq!(segment.simple(name).sum_columns(&[4], &mut [9]), Ok(Presence::Absent), "{name:?}");
    }
    assert_eq!(segment.value(&"x".repeat(127)), Ok(Some(Value::Scalar(1))));
    assert_eq!(segment.value(&"y".repeat(128)), Ok(Some(Value::Scalar(2))), "a name that fills its field");
}

#[test]
fn a_segment_cut_in_the_middle_of_a_word_loses_that_word_alone() {
    let mut image = Image::new();
    image.entry(1, 7, b"/sys/boottime");
    let bytes = image.finish();
    let directory = (u64::from_le_bytes(bytes[32..40].try_into().expect("8 bytes")) - BASE) as usize;
    let whole = Segment::from_snapshot(&bytes[..directory + 144]).expect("sound");
    assert_eq!(whole.value("/sys/boottime"), Ok(Some(Value::Scalar(7))));
    let cut = Segment::from_snapshot(&bytes[..directory + 143]).expect("the header is sound");
    let error = StatsError::OutOfBounds { what: "the directory", offset: directory as u64, length: 144 };
    assert_eq!(cut.value("/sys/boottime"), Err(error));
}
