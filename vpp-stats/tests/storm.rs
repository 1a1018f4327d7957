//! A writer against readers of every kind: ten seconds at full speed, then three in bursts with pauses between them.
//!
//! The writer adds, grows and removes tables, and with them the symlinks to them; it puts names into a name vector and
//! entries into a ring. Outside of any change, as VPP does, it adds symlinks, moves the directory, and renames symlinks
//! in place, byte by byte.
//!
//! The writer's values check themselves: whatever is read must agree with itself and with the name it was read under. A
//! reader may be told that VPP was busy, within its attempts, and no other error. At full speed it need not come through;
//! with pauses it must, for a good share of its reads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use vpp_stats::writer::{CombinedId, RingId, SegmentWriter, SymlinkId, WriteError};
use vpp_stats::{
    Column, CombinedCounter, Directory, EntryKind, LinkView, Meter, Pattern, Presence, Retries, Segment, StatsError,
    Value, View,
};

/// How long the two phases last, by a clock that decides only when the writer stops.
const FULL: Duration = Duration::from_secs(10);
const BURSTS: Duration = Duration::from_secs(3);
const ATTEMPTS: u32 = 4;
/// Of so many reads one at least must come through where there are pauses.
const SHARE: u64 = 10;
const THREADS: usize = 3;
/// Bytes of each packet.
const SIZE: u64 = 64;
/// Bytes of a ring's entry: its number, over and over.
const ENTRY: usize = 40;

#[derive(Clone, Copy, PartialEq)]
enum Pace {
    Full,
    /// A pause as long as each burst of changes.
    Bursts,
}

#[test]
fn no_reader_of_any_kind_accepts_a_torn_value_and_all_come_through_where_there_are_pauses() {
    // One after the other, so that neither takes the other's processors.
    weather(Pace::Full);
    weather(Pace::Bursts);
}

fn weather(pace: Pace) {
    let mut vpp = SegmentWriter::new(1 << 22).expect("a memory file");
    let segment = vpp.reader().expect("it is sound").with_retries(Retries::new(ATTEMPTS, 64));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: [(&str, Reader); 5] =
            [("values", values), ("handles", handles), ("selections", selections), ("steps", steps), ("rings", rings)];
        let (segment, done) = (&segment, &done);
        let readers = readers.map(|(name, reader)| (name, scope.spawn(move || reader(segment, done))));
        let rounds = storm(&mut vpp, pace);
        done.store(true, Ordering::Release);
        let rounds = rounds.expect("there is room");
        assert!(rounds > 10, "{rounds} rounds are no storm");
        for (name, reader) in readers {
            let Seen { accepted, busy } = reader.join().expect("no rule was broken");
            println!("{name}: {accepted} reads accepted and {busy} given up in {rounds} rounds");
            let least = if pace == Pace::Full { 0 } else { (accepted + busy) / SHARE };
            assert!(accepted >= least && accepted + busy > 0, "{name}: {accepted} came through, {busy} did not");
        }
    });
}

type Reader = fn(&Segment, &AtomicBool) -> Seen;

/// Rules: `table N` is a combined counter in which every cell of thread t has N + t packets, and 64 bytes for each, with
/// a link to one of its columns, named `link N` and `hook N` in turn; `gauge N` is N; names are their own index. Tables
/// come, grow, and go, and their slots and memory are taken by others.
fn storm(vpp: &mut SegmentWriter, pace: Pace) -> Result<u64, WriteError> {
    let names = vpp.add_names("names", &[Some("0")])?;
    let zeros = vpp.add_combined("zeros", THREADS, 1)?;
    let (mut quiet, mut burst) = (None, Instant::now());
    let mut ring: RingId = vpp.add_ring_buffer("ring", 2, 16, ENTRY as u32, b"numbers")?;
    let mut tables: [Option<(CombinedId, Option<SymlinkId>)>; 5] = [None; 5];
    let (start, mut round, mut pushed) = (Instant::now(), 0_u64, 0_u64);
    let length = if pace == Pace::Full { FULL } else { BURSTS };
    while start.elapsed() < length {
        round += 1;
        let number = round % 5;
        let place = number as usize;
        match tables[place].take() {
            None => {
                // As one change, so that no reader sees the table before it keeps the rules.
                let columns = 1 + (round % 37) as usize;
                tables[place] = Some(vpp.update(|vpp| {
                    let id = vpp.add_combined(&name_of("table", number), THREADS, columns)?;
                    fill(vpp, id, number, 0..columns)?;
                    Ok((id, Some(vpp.add_symlink(&link_names(number)[0], id, columns as u32 - 1)?)))
                })?);
                vpp.add_gauge(&name_of("gauge", number), number).map(|_| ()).or_else(taken)?;
            }
            Some((id, link)) if round % 3 == 0 => {
                let columns = vpp.columns(id)?;
                vpp.update(|vpp| {
                    vpp.grow(id, columns * 2)?;
                    fill(vpp, id, number, columns..columns * 2)
                })?;
                tables[place] = (columns < 2_000).then_some((id, link));
                if columns >= 2_000 {
                    clear(vpp, id, link)?;
                }
            }
            Some((id, link)) if round % 7 == 0 => clear(vpp, id, link)?,
            kept => tables[place] = kept,
        }
        if let Some((_, Some(link))) = tables[place] {
            // Each is renamed to and fro; mostly outside of changes.
            let name = &link_names(number)[(round % 2) as usize];
            if round % 16 == 0 { vpp.update(|vpp| vpp.rename(link, name))? } else { vpp.rename(link, name)? }
        }
        let index = (round % 50) as usize;
        vpp.set_name(names, index, Some(&index.to_string()))?;
        for _ in 0..round % 13 {
            vpp.push(ring, 1, &entry(pushed))?;
            pushed += 1;
        }
        if round % 1_009 == 0 {
            vpp.update(|vpp| {
                vpp.remove(ring)?;
                ring = vpp.add_ring_buffer("ring", 2, 16, ENTRY as u32, b"numbers")?;
                Ok(())
            })?;
            pushed = 0;
        }
        // Outside of changes; those that stay make the directory longer, so that it moves. All of a name of 7 bytes is
        // stored at once: nobody can see half of it.
        match quiet.take() {
            None => quiet = Some(vpp.add_symlink_quietly(&format!("q {}", round % 10), zeros, 0)?),
            Some(link) => vpp.remove(link)?,
        }
        if round % 50 == 0 && round <= 20_000 {
            vpp.add_symlink_quietly(&format!("q {}", round / 50 + 10), zeros, 0)?;
        }
        if pace == Pace::Bursts && round % 8 == 0 {
            thread::sleep(burst.elapsed());
            burst = Instant::now();
        }
    }
    Ok(round)
}

fn fill(
    vpp: &mut SegmentWriter,
    id: CombinedId,
    number: u64,
    columns: std::ops::Range<usize>,
) -> Result<(), WriteError> {
    for (thread, column) in (0..THREADS).flat_map(|thread| columns.clone().map(move |column| (thread, column))) {
        let packets = number + thread as u64;
        vpp.set(id, thread, column, CombinedCounter { packets, bytes: packets * SIZE })?;
    }
    Ok(())
}

fn clear(vpp: &mut SegmentWriter, id: CombinedId, link: Option<SymlinkId>) -> Result<(), WriteError> {
    // The link goes first or last, as in VPP.
    if let Some(link) = link {
        vpp.remove(link)?;
    }
    vpp.remove(id)
}

fn taken(error: WriteError) -> Result<(), WriteError> {
    if matches!(error, WriteError::Exists(_)) { Ok(()) } else { Err(error) }
}

fn entry(number: u64) -> Vec<u8> {
    number.to_le_bytes().repeat(ENTRY / 8)
}

/// Reads that were accepted, and those that were given up.
#[derive(Debug, Default)]
struct Seen {
    accepted: u64,
    busy: u64,
}

impl Seen {
    /// What a read gave, or `None` if the writer was always in the way. No other error is right.
    fn note<T>(&mut self, result: Result<T, StatsError>) -> Option<T> {
        match result {
            Ok(value) => {
                self.accepted += 1;
                Some(value)
            }
            Err(StatsError::Busy { attempts }) => {
                assert!(attempts <= ATTEMPTS, "{attempts} attempts");
                self.busy += 1;
                None
            }
            Err(error) => panic!("a torn read was taken for corruption: {error}"),
        }
    }
}

/// The end of long names: they are stored and cleared word by word.
const REST: &str = " with a name of more words than one";

fn name_of(kind: &str, number: u64) -> String {
    format!("{kind} {number}{REST}")
}

/// The two names of the link to `table N`, one of them longer.
fn link_names(number: u64) -> [String; 2] {
    [name_of("link", number), format!("hook {number} in place of it, by a name of more words than the other has")]
}

/// The number of the link `name`. While it is renamed it has some bytes of one name and some of the other, each in its
/// place.
fn link_number(name: &str) -> Option<u64> {
    let name = name.as_bytes();
    if !matches!(name, [b'l' | b'h', ..]) {
        return None;
    }
    (0..5).find(|number| {
        let [short, long] = link_names(*number);
        let mut bytes = long.bytes().zip(short.bytes().map(Some).chain(std::iter::repeat(None))).zip(name);
        (short.len()..=long.len()).contains(&name.len())
            && bytes.all(|((long, short), byte)| *byte == long || Some(*byte) == short)
    })
}

/// The number in `name`, if it is a whole name of that kind. Readers call this before their read is accepted, so that a
/// part of a name is no error here.
fn number_of(name: &str, kind: &str) -> Option<u64> {
    name.strip_prefix(kind)?.strip_suffix(REST)?.parse().ok()
}

/// Whether it is the name of something, and not the beginning of one.
fn is_whole(name: &str) -> bool {
    let numbered = ["table ", "gauge "].iter().find_map(|kind| number_of(name, kind)).or_else(|| link_number(name));
    let others = ["names", "ring", "zeros", "/sys/heartbeat", "/sys/last_stats_clear", "/sys/boottime"];
    let is_quiet = name.strip_prefix("q ").is_some_and(|number| number.parse::<u64>().is_ok());
    numbered.is_some_and(|number| number < 5) || others.contains(&name) || is_quiet
}

fn is_cell(number: u64, thread: usize, cell: CombinedCounter) -> bool {
    cell.packets == number + thread as u64 && cell.bytes == cell.packets * SIZE
}

/// One entry against the rules. Between unlock and clearing a removed entry has no data.
fn check(name: &str, view: View<'_>) -> bool {
    if let Some(number) = number_of(name, "table ") {
        let View::Combined(table) = view else { return false };
        let mut rows = table.rows().enumerate();
        (table.threads() == THREADS || table.threads() == 0)
            && rows.all(|(thread, row)| {
                row.len() == table.columns() && row.iter().all(|cell| is_cell(number, thread, cell))
            })
    } else if let Some(number) = link_number(name) {
        let View::Symlink(LinkView::Combined(column)) = view else { return false };
        column.threads() == THREADS && column.iter().enumerate().all(|(thread, cell)| is_cell(number, thread, cell))
    } else if let Some(number) = number_of(name, "gauge ") {
        matches!(view, View::Gauge(value) if value == number)
    } else if name == "names" {
        let View::Names(names) = view else { return false };
        names.iter().enumerate().all(|(index, name)| name.is_none_or(|name| name.is(&index.to_string())))
    } else if name == "ring" {
        let View::RingBuffer(ring) = view else { return false };
        ring.is_none_or(|ring| ring.about().entry_size == ENTRY as u32 && ring.about().ring_size == 16)
    } else if name == "zeros" {
        matches!(view, View::Combined(table) if table.total() == CombinedCounter::default())
    } else if name.starts_with("q ") {
        matches!(view, View::Symlink(LinkView::Combined(column)) if column.sum() == CombinedCounter::default())
    } else {
        name.starts_with("/sys/") && matches!(view, View::Scalar(_))
    }
}

fn values(segment: &Segment, done: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    while !done.load(Ordering::Acquire) {
        for number in 0..5 {
            if let Some(Some(value)) = seen.note(segment.value(&name_of("table", number))) {
                let Value::Combined(rows) = value else { panic!("{value:?}") };
                assert!(rows.is_empty() || rows.len() == THREADS);
                for (thread, row) in rows.iter().enumerate() {
                    assert!(row.len() == rows[0].len() && row.iter().all(|cell| is_cell(number, thread, *cell)));
                }
            }
            for name in link_names(number) {
                match segment.value(&name) {
                    // The target is removed after the link, and before its name is cleared.
                    Err(StatsError::Dangling { .. }) => {}
                    value => {
                        let Some(Some(value)) = seen.note(value) else { continue };
                        let Value::Symlink(Column::Combined(cells)) = value else { panic!("{value:?}") };
                        let mut cells = cells.iter().enumerate();
                        assert!(cells.len() == THREADS && cells.all(|(thread, cell)| is_cell(number, thread, *cell)));
                    }
                }
            }
        }
        for entry in seen.note(segment.entries()).iter().flatten() {
            assert!(is_whole(&entry.name), "{entry:?}");
        }
    }
    seen
}

fn handles(segment: &Segment, done: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut tables: Vec<_> = (0..5).map(|number| segment.combined(&name_of("table", number))).collect();
    let mut links: Vec<_> = (0..5).map(|number| link_names(number).map(|name| segment.entry(&name))).collect();
    let mut gauges: Vec<_> = (0..5).map(|number| segment.gauge(&name_of("gauge", number))).collect();
    let mut names = segment.entry("names");
    let columns: Vec<u32> = (0..40).collect();
    let mut sums = vec![CombinedCounter::default(); columns.len()];
    while !done.load(Ordering::Acquire) {
        for number in 0..5 {
            let wanted = (0..THREADS as u64).map(|thread| number + thread).sum::<u64>();
            let table = &mut tables[number as usize];
            if let Some(Presence::Present { outside }) = seen.note(table.sum_columns(&columns, &mut sums)) {
                let (inside, beyond) = sums.split_at(columns.len() - outside);
                assert!(inside.iter().all(|sum| sum.packets == wanted && sum.bytes == wanted * SIZE), "{sums:?}");
                assert!(beyond.iter().all(|sum| sum.packets == 0));
            }
            let mut row = [CombinedCounter::default(); 8];
            if let Some(Some(length)) = seen.note(table.copy_row(1, &mut row)) {
                assert!(row.iter().take(length).all(|cell| is_cell(number, 1, *cell)), "{row:?}");
            }
            if let Some(Some(Some(total))) = seen.note(table.read(|table| (table.threads() > 0).then(|| table.total())))
            {
                assert_eq!((total.bytes, total.packets % wanted), (total.packets * SIZE, 0));
            }
            for link in &mut links[number as usize] {
                let name = link.name().to_owned();
                match link.read(|view| check(&name, view)) {
                    Err(StatsError::Dangling { .. }) => {}
                    result => assert!(seen.note(result).flatten().unwrap_or(true), "{name}"),
                }
            }
            assert!(seen.note(gauges[number as usize].value()).flatten().is_none_or(|value| value == number));
        }
        assert!(seen.note(names.read(|view| check("names", view))).flatten().unwrap_or(true));
    }
    seen
}

fn selections(segment: &Segment, done: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut selections = [
        segment.select(Pattern::everything()),
        segment.select(Pattern::prefix("table ")),
        segment.select(Pattern::regex("^(gauge|link|hook) [0-9] ").expect("an expression")),
    ];
    let mut meter = Meter::new();
    let mut packets = vec![];
    let mut reading = 0;
    while !done.load(Ordering::Acquire) {
        for selection in &mut selections {
            let mut broken = vec![];
            let pass = selection.read(|entries| {
                broken.clear();
                packets.clear();
                for entry in entries {
                    let result = entry.read(|view| {
                        if let View::Combined(table) = &view {
                            packets.push(table.total());
                        }
                        (check(entry.name(), view), format!("{view:?}"))
                    });
                    match result {
                        Ok((true, _)) | Err(StatsError::Dangling { .. }) => {}
                        other => broken.push((entry.name().to_owned(), other)),
                    }
                }
            });
            if seen.note(pass).is_some() {
                assert!(broken.is_empty(), "{broken:?}");
                reading += 1;
                meter.update(Duration::from_secs(reading), vpp_stats::Life::default(), &packets);
                let rates = meter.rates().iter().flatten();
                assert!(rates.clone().all(|rate| rate.bytes == rate.packets * SIZE as f64));
            }
        }
    }
    seen
}

fn steps(segment: &Segment, done: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    while !done.load(Ordering::Acquire) {
        let directory: Directory<'_> = segment.directory();
        let mut last = None;
        for step in directory {
            let Some(entry) = seen.note(step) else { break };
            assert!(last.replace(entry.index).is_none_or(|last| last < entry.index) && entry.kind != EntryKind::Empty);
            let name = entry.name.to_text();
            assert!(is_whole(&name) && (entry.index > 2 || name.starts_with("/sys/")), "{entry:?}");
        }
    }
    seen
}

fn rings(segment: &Segment, done: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut ring = segment.ring("ring");
    while !done.load(Ordering::Acquire) {
        let mut next = None;
        let pass = ring.read(1, |number, bytes| {
            assert_eq!(bytes, entry(number), "entry {number}");
            assert!(next.replace(number + 1).is_none_or(|next| next == number), "a gap inside a pass");
        });
        if let Some(Some(pass)) = seen.note(pass) {
            assert!(pass.read < 16);
        }
        let idle = seen.note(ring.read(0, |_, _| panic!("nobody writes there"))).flatten();
        assert!(idle.is_none_or(|pass| pass.read == 0));
    }
    seen
}
