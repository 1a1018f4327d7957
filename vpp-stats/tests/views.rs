//! What entries hold, by way of views.

mod support;

use support::{BASE, Image};
use vpp_stats::writer::{SegmentWriter, WriteError};
use vpp_stats::{CombinedCounter, Corruption, LinkView, Presence, RingCopy, Segment, StatsError, Value, View};

fn start() -> (SegmentWriter, Segment) {
    let vpp = SegmentWriter::new(1 << 20).expect("a memory file");
    let segment = vpp.reader().expect("it is sound");
    (vpp, segment)
}

fn pair(packets: u64, bytes: u64) -> CombinedCounter {
    CombinedCounter { packets, bytes }
}

/// Rows of 3, 0 and 1 columns, the middle one not set up yet.
fn ragged() -> Segment {
    let mut image = Image::new();
    let (long, short) = (image.words(&[1, 2, 3]), image.words(&[10]));
    let rows = image.words(&[long, 0, short]);
    image.entry(2, rows, b"table").entry(2, 0, b"no data");
    image.segment()
}

#[test]
fn a_table_is_seen_by_row_column_and_sum() {
    let segment = ragged();
    let mut table = segment.simple("table");
    let seen = table.read(|table| {
        assert_eq!((table.threads(), table.columns(), table.total()), (3, 3, 16));
        assert_eq!([0, 1, 2, 3].map(|column| table.sum(column)), [Some(11), Some(2), Some(3), None]);
        let rows: Vec<Vec<u64>> = table.rows().map(|row| row.iter().collect()).collect();
        assert_eq!(rows, [vec![1, 2, 3], vec![], vec![10]]);
        assert!(table.row(1).is_some_and(|row| row.is_empty()) && table.row(3).is_none());
        let column = table.column(0).expect("two rows have it");
        assert_eq!((column.column(), column.threads(), column.sum()), (0, 3, 11));
        assert_eq!(column.iter().collect::<Vec<_>>(), [1, 0, 10]);
        assert!(table.column(3).is_none());
        (table.get(0, 2), table.get(1, 0), table.get(2, 1), table.get(9, 0))
    });
    assert_eq!(seen, Ok(Some((Some(3), None, None, None))));
    assert_eq!(segment.simple("no data").read(|_| ()), Ok(None));
    assert_eq!(segment.simple("nowhere").read(|_| ()), Ok(None));
}

#[test]
fn views_fill_the_callers_room_and_leave_nothing_old_in_it() {
    let segment = ragged();
    let mut table = segment.simple("table");
    let mut room = [9; 5];
    assert_eq!(table.sum_all(&mut room), Ok(Presence::Present { outside: 2 }));
    assert_eq!(room, [11, 2, 3, 0, 0]);
    assert_eq!(table.sum_all(&mut room[..2]), Ok(Presence::Present { outside: 0 }));
    assert_eq!((table.copy_row(0, &mut room), room), (Ok(Some(3)), [1, 2, 3, 0, 0]));
    let mut short = [9; 2];
    assert_eq!((table.copy_row(0, &mut short), short), (Ok(Some(3)), [1, 2]));
    assert_eq!((table.copy_row(3, &mut room), room), (Ok(None), [0; 5]));
    room = [9; 5];
    assert_eq!((table.copy_column(0, &mut room), room), (Ok(Some(3)), [1, 0, 10, 0, 0]));
    assert_eq!((table.copy_column(3, &mut room), room), (Ok(None), [0; 5]));
    room = [9; 5];
    assert_eq!((segment.simple("nowhere").sum_all(&mut room), room), (Ok(Presence::Absent), [0; 5]));
    assert_eq!((table.total(), segment.simple("nowhere").total()), (Ok(Some(16)), Ok(None)));
}

#[test]
fn a_view_of_a_bad_row_makes_the_read_fail_whatever_the_closure_returns() {
    let mut image = Image::new();
    let good = image.words(&[1]);
    let rows = image.words(&[good, BASE + 4]);
    image.entry(2, rows, b"table").entry(4, rows, b"names");
    let segment = image.segment();
    let misaligned = Err(StatsError::Corrupt(Corruption::Misaligned));
    assert_eq!(segment.simple("table").read(|table| table.total()), misaligned);
    assert_eq!(segment.simple("table").read(|table| table.sum(0)), misaligned.clone().map(|_: Option<u64>| None));
    assert_eq!(segment.simple("table").read(|table| table.get(0, 0)), Ok(Some(Some(1))), "nobody looked there");
    let longest = |view: View<'_>| match view {
        View::Names(names) => names.iter().flatten().count(),
        _ => 0,
    };
    let failed = segment.entry("names").read(longest);
    assert!(matches!(failed, Err(StatsError::Corrupt(_))), "{failed:?}");
}

#[test]
fn names_are_shown_with_what_is_not_utf8_replaced() {
    let mut image = Image::new();
    // Characters that lie across the pieces in which names are shown, whole and broken ones.
    let long = format!("{}é{}", "x".repeat(63), "ü".repeat(100));
    let texts = [
        b"loop0\0".to_vec(),
        b"caf\xe9".to_vec(),
        long.into_bytes(),
        [b"y".repeat(62), b"\xf0\x9f".to_vec()].concat(),
        b"\xf0\x9f\x92x\xff".to_vec(),
        b"".to_vec(),
    ];
    let pointers = texts.clone().map(|text| image.vector(text.len() as u32, &text));
    let names = image.words(&pointers);
    image.entry(4, names, b"names");
    let segment = image.segment();
    let shown = segment.entry("names").read(|view| {
        let View::Names(names) = view else { panic!("{view:?}") };
        assert!(names.get(0).is_some_and(|name| name.is("loop0")) && names.get(6).is_none() && !names.is_empty());
        names.iter().map(|name| name.map(|name| name.to_string())).collect::<Vec<_>>()
    });
    let wanted = texts.map(|text| {
        let text = text.strip_suffix(b"\0").unwrap_or(&text);
        Some(String::from_utf8_lossy(text).into_owned())
    });
    assert_eq!(shown, Ok(Some(wanted.to_vec())));
    assert_eq!(segment.value("names"), Ok(Some(Value::Names(wanted.to_vec()))));
}

#[test]
fn a_symlink_shows_its_column_and_follows_it() -> Result<(), WriteError> {
    let (mut vpp, segment) = start();
    let rx = vpp.add_combined("/if/rx", 2, 4)?;
    vpp.add_symlink("/interfaces/loop0/rx", rx, 3)?;
    let mut link = segment.entry("/interfaces/loop0/rx");
    let sum = |view: View<'_>| match view {
        View::Symlink(LinkView::Combined(column)) => (column.column(), column.sum()),
        other => panic!("{other:?}"),
    };
    assert_eq!(link.read(sum), Ok(Some((3, pair(0, 0)))));
    vpp.set(rx, 0, 3, pair(1, 60))?;
    vpp.set(rx, 1, 3, pair(2, 120))?;
    assert_eq!(link.read(sum), Ok(Some((3, pair(3, 180)))));
    vpp.remove(rx)?;
    assert!(matches!(link.read(sum), Err(StatsError::Dangling { target: 3, column: 3, .. })));
    Ok(())
}

#[test]
fn rows_and_names_that_overlap_end_with_the_segment_and_make_the_read_fail() {
    let mut image = Image::new();
    // All are the same KiB, and together 16 times the segment.
    let long = image.words(&[1; 128]);
    let rows = image.words(&[long; 256]);
    image.entry(2, rows, b"simple").entry(3, rows, b"combined").entry(7, rows, b"histogram");
    let text = image.vector(1_024, &[b'x'; 1_024]);
    let names = image.words(&[text; 256]);
    image.entry(4, names, b"names");
    let segment = image.segment();
    let overlap = Err(StatsError::Corrupt(Corruption::Overlap));
    let most = segment.size() / 8;
    let mut looked = 0;
    let mut simple = segment.simple("simple");
    assert_eq!(simple.read(|table| looked = table.total()), overlap.clone().map(Some));
    assert!(looked > 0 && looked <= most, "{looked} words of {most}");
    let mut combined = segment.combined("combined");
    let mut count = |table: vpp_stats::TableView<'_, CombinedCounter>| {
        looked = table.rows().map(|row| 2 * row.iter().count() as u64).sum();
    };
    assert_eq!(combined.read(&mut count), overlap.clone().map(Some));
    assert!(looked > 0 && looked <= most, "{looked} words of {most}");
    for name in ["histogram", "names"] {
        let read = segment.entry(name).read(|view| {
            looked = match view {
                View::Histogram(histogram) => histogram.rows().map(|row| row.iter().count() as u64).sum(),
                View::Names(names) => names.iter().flatten().map(|name| name.bytes().count() as u64 / 8).sum(),
                other => panic!("{other:?}"),
            };
        });
        assert_eq!(read, overlap.clone().map(Some), "{name}");
        assert!(looked > 0 && looked <= most, "{name}: {looked} words of {most}");
    }
    // One that is looked at by itself is sound.
    assert_eq!(simple.read(|table| table.get(255, 127)), Ok(Some(Some(1))));
}

#[test]
fn bounds_of_a_histogram_are_those_of_vpp_and_end_where_64_bits_do() {
    let mut image = Image::new();
    let low = image.words(&[10, 5, 0, 0]);
    let (high, huge) = (image.words(&[63, 1, 2, 3]), image.words(&[u64::MAX, 1, 2, 3]));
    let rows = image.words(&[low, high, huge, 0]);
    image.entry(7, rows, b"latency");
    let bounds = image.segment().entry("latency").read(|view| {
        let View::Histogram(histogram) = view else { panic!("{view:?}") };
        let bounds = |row: vpp_stats::HistogramRowView<'_>| [0, 1, 2, usize::MAX].map(|bin| row.bound(bin));
        let last = histogram.rows().last().expect("four rows");
        assert_eq!((histogram.threads(), last.is_empty(), last.get(0), last.get(usize::MAX)), (4, true, None, None));
        assert_eq!(histogram.rows().next().map(|row| row.iter().collect::<Vec<_>>()), Some(vec![5, 0, 0]));
        histogram.rows().take(3).map(bounds).collect::<Vec<_>>()
    });
    // 2,048 has log2 11, and so is the first value of bin 1.
    let wanted = vec![[Some(2_047), Some(4_095), None, None], [Some(u64::MAX), None, None, None], [None; 4]];
    assert_eq!(bounds, Ok(Some(wanted)));
}

#[test]
fn a_ring_gives_each_entry_once_and_tells_what_was_lost() -> Result<(), WriteError> {
    let (mut vpp, segment) = start();
    let mut ring = segment.ring("/events");
    assert_eq!(ring.read(0, |_, _| panic!("there is nothing")), Ok(None));
    // 20 bytes: no entry but the first begins at a multiple of 8, from an offset of 28.
    let id = vpp.add_ring_buffer("/events", 2, 5, 20, b"schema")?;
    let entry = |number: u64| {
        let mut entry = [number as u8; 20];
        entry[..8].copy_from_slice(&number.to_le_bytes());
        entry
    };
    let (mut pushed, mut expected, mut lost) = (0, 0, 0);
    for round in [0, 1, 3, 4, 5, 6, 17, 0, 4, 9] {
        for _ in 0..round {
            vpp.push(id, 1, &entry(pushed))?;
            pushed += 1;
        }
        let mut missing = 0;
        let pass = ring.read(1, |number, bytes| {
            missing += number - expected;
            expected = number + 1;
            assert_eq!(bytes, entry(number));
        });
        let pass = pass.expect("sound").expect("it is there");
        assert_eq!((pass.lost, pass.read + pass.lost, pass.restarted), (missing, round, false));
        // A full ring of 5 slots has 4 that are not about to be written.
        assert_eq!(pass.read, round.min(4));
        lost += pass.lost;
        assert_eq!(expected, pushed);
    }
    assert_eq!(lost, 1 + 2 + 13 + 5);
    let idle = ring.read(0, |_, _| panic!("nobody wrote there")).expect("sound").expect("there are two threads");
    assert_eq!((idle.read, idle.lost), (0, 0));
    assert_eq!(ring.read(2, |_, _| ()), Ok(None));
    Ok(())
}

#[test]
fn a_ring_that_was_made_anew_is_read_from_its_beginning() -> Result<(), WriteError> {
    let (mut vpp, segment) = start();
    let mut ring = segment.ring("/events");
    let id = vpp.add_ring_buffer("/events", 1, 8, 1, b"")?;
    (0..5).try_for_each(|number| vpp.push(id, 0, &[number]))?;
    assert_eq!(ring.read(0, |_, _| ()).expect("sound").map(|pass| pass.read), Some(5));
    vpp.remove(id)?;
    assert_eq!(ring.read(0, |_, _| ()), Ok(None));
    let id = vpp.add_ring_buffer("/events", 1, 8, 1, b"")?;
    vpp.push(id, 0, &[9])?;
    let mut seen = vec![];
    let pass = ring.read(0, |number, entry| seen.push((number, entry[0]))).expect("sound").expect("it is back");
    assert_eq!((seen, pass.lost, pass.restarted), (vec![(0, 9)], 0, true));
    Ok(())
}

#[test]
fn a_ring_is_described_with_its_schema() -> Result<(), WriteError> {
    let (mut vpp, segment) = start();
    let id = vpp.add_ring_buffer("/events", 2, 4, 3, b"three bytes")?;
    vpp.add_ring_buffer("/plain", 1, 4, 3, b"")?;
    vpp.push(id, 1, &[1, 2, 3])?;
    let mut schema = vec![];
    let mut entry = [0; 3];
    let seen = segment.entry("/events").read(|view| {
        let View::RingBuffer(Some(ring)) = view else { panic!("{view:?}") };
        let thread = ring.thread(1).expect("two threads");
        thread.schema(&mut schema);
        assert_eq!((thread.written(), thread.oldest(), thread.schema_version()), (1, 0, 1));
        assert_eq!((thread.copy(0, &mut entry), thread.copy(1, &mut [0])), (RingCopy::Whole, RingCopy::Pending));
        assert!(ring.thread(2).is_none());
        let about = ring.about();
        (about.entry_size, about.ring_size, about.threads, about.schema_size, about.data_offset)
    });
    assert_eq!(seen, Ok(Some((3, 4, 2, 11, 28))));
    assert_eq!((schema.as_slice(), entry), (b"three bytes".as_slice(), [1, 2, 3]));
    (0..4).try_for_each(|number| vpp.push(id, 1, &[number; 3]))?;
    let copies = segment.entry("/events").read(|view| match view {
        View::RingBuffer(Some(ring)) => {
            ring.thread(1).map(|thread| [0, 1, 2, 4, 5].map(|at| thread.copy(at, &mut [0; 3])))
        }
        _ => None,
    });
    use RingCopy::{Lost, Pending, Whole};
    assert_eq!(copies, Ok(Some(Some([Lost, Lost, Whole, Whole, Pending]))));
    segment
        .entry("/plain")
        .read(|view| match view {
            View::RingBuffer(Some(ring)) => ring.thread(0).expect("one thread").schema(&mut schema),
            _ => panic!("{view:?}"),
        })
        .expect("sound");
    assert!(schema.is_empty());
    Ok(())
}

#[test]
fn rings_that_reach_beyond_the_segment_are_refused_before_anything_is_copied() {
    let ring = |halves: [u32; 7], sequence: u64| {
        let mut image = Image::new();
        let header = halves.iter().flat_map(|half| half.to_le_bytes());
        let mut block: Vec<u8> = header.collect();
        block.resize(64, 0);
        block[40..48].copy_from_slice(&sequence.to_le_bytes());
        let block = image.vector(0, &block);
        image.entry(8, block, b"ring");
        image.segment().ring("ring").read(0, |_, _| ()).map(|pass| pass.map(|pass| pass.read))
    };
    // Entry size, slots, threads, schema size and version, offsets of metadata and entries.
    assert_eq!(ring([1, 4, 1, 0, 0, 32, 48], 2), Ok(Some(2)));
    // Nothing to read, or nothing that could be a ring.
    for (entry_size, slots) in [(0, 4), (1, 0), (0, u32::MAX), (u32::MAX, u32::MAX), (1 << 20, 4)] {
        assert_eq!(ring([entry_size, slots, 1, 0, 0, 32, 48], u64::MAX), Ok(Some(0)), "{entry_size} {slots}");
    }
    for halves in [[1, 4, 1, 0, 0, u32::MAX, 48], [1, 4, 1, 0, 0, 32, u32::MAX], [64, 200, 1, 0, 0, 32, 12_000]] {
        let result = ring(halves, 199);
        assert!(matches!(result, Err(StatsError::OutOfBounds { what: "a ring buffer", .. })), "{halves:?}: {result:?}");
    }
    assert_eq!(ring([1, 4, 0, 0, 0, 32, 48], 2), Ok(None), "no threads");
}
