use std::fmt;
use std::sync::atomic::{Ordering, fence};

use super::Access;
use crate::error::StatsError;
use crate::map::WORD;
use crate::value::RingBuffer;

/// A ring buffer for each thread, into which VPP writes entries of one size, the newest over the oldest.
///
/// [`RingHandle`](crate::RingHandle) reads what is new in one again and again.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let events = vpp.add_ring_buffer("/events", 1, 8, 4, b"u32")?;
/// # vpp.push(events, 0, &7_u32.to_le_bytes())?;
/// use vpp_stats::{RingCopy, View};
///
/// let mut newest = [0; 4];
/// let copy = segment.entry("/events").read(|view| {
///     let View::RingBuffer(Some(ring)) = view else { return None };
///     let thread = ring.thread(0)?;
///     Some(thread.copy(thread.written().checked_sub(1)?, &mut newest))
/// })?;
/// assert_eq!((copy, newest), (Some(Some(RingCopy::Whole)), 7_u32.to_le_bytes()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: `vlib_stats_add_ring_buffer` and what follows it in VPP `src/vlib/stats/stats.c`, 26.02 and later.
#[derive(Clone, Copy)]
pub struct RingView<'a> {
    access: Access<'a>,
    pointer: u64,
    about: RingBuffer,
}

impl<'a> RingView<'a> {
    pub(crate) fn new(access: Access<'a>, pointer: u64) -> Result<Option<Self>, StatsError> {
        if pointer == 0 {
            return Ok(None);
        }
        // 28 bytes of header; the data area begins in the middle of the fourth word.
        let words = access.frame.block(pointer, 4, WHAT)?;
        let half = |index: usize| (words.get(index / 2).unwrap_or(0) >> (32 * (index % 2))) as u32;
        let about = RingBuffer {
            entry_size: half(0),
            ring_size: half(1),
            threads: half(2),
            schema_size: half(3),
            schema_version: half(4),
            metadata_offset: half(5),
            data_offset: half(6),
        };
        Ok(Some(Self { access, pointer, about }))
    }

    /// Its description.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # vpp.add_ring_buffer("/events", 2, 4, 16, b"u64 u64")?;
    /// use vpp_stats::View;
    ///
    /// // Room for one entry, taken before any is copied.
    /// let room = segment.entry("/events").read(|view| match view {
    ///     View::RingBuffer(Some(ring)) => vec![0; ring.about().entry_size as usize],
    ///     _ => vec![],
    /// })?;
    /// assert_eq!(room, Some(vec![0; 16]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn about(&self) -> RingBuffer {
        self.about
    }

    /// The ring of one thread, main thread first; `None` beyond the last.
    pub fn thread(&self, thread: u32) -> Option<RingThreadView<'a>> {
        (thread < self.about.threads).then_some(RingThreadView { ring: *self, thread })
    }

    /// Copies bytes of the block.
    fn copy(&self, offset: u64, out: &mut [u8]) -> Result<(), StatsError> {
        let (start, skip) = (offset - offset % WORD, (offset % WORD) as usize);
        let words = (skip as u64 + out.len() as u64).div_ceil(WORD);
        // A sum that wraps around leads below the segment's base, and so out of bounds.
        let words = self.access.frame.block(self.pointer.wrapping_add(start), words, WHAT)?;
        let bytes = words.iter().flat_map(u64::to_le_bytes).skip(skip);
        out.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
        Ok(())
    }
}

/// One thread's ring.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let events = vpp.add_ring_buffer("/events", 1, 4, 4, b"u32")?;
/// # (0..5_u32).try_for_each(|event| vpp.push(events, 0, &event.to_le_bytes()))?;
/// use vpp_stats::View;
///
/// let mut schema = vec![];
/// let seen = segment.entry("/events").read(|view| {
///     let View::RingBuffer(Some(ring)) = view else { return None };
///     let thread = ring.thread(0)?;
///     thread.schema(&mut schema);
///     Some((thread.schema_version(), thread.oldest()..thread.written()))
/// })?;
/// // Five entries were written into four slots, one of which may be being written.
/// assert_eq!(seen, Some(Some((1, 2..5))));
/// assert_eq!(schema, b"u32");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct RingThreadView<'a> {
    ring: RingView<'a>,
    thread: u32,
}

/// What came of [`RingThreadView::copy`].
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let events = vpp.add_ring_buffer("/events", 1, 4, 4, b"u32")?;
/// # (0..5_u32).try_for_each(|event| vpp.push(events, 0, &event.to_le_bytes()))?;
/// use vpp_stats::{RingCopy, View};
///
/// let mut entry = [0; 4];
/// let copies = segment.entry("/events").read(|view| {
///     let View::RingBuffer(Some(ring)) = view else { return None };
///     let thread = ring.thread(0)?;
///     Some([1, 5, 4].map(|number| thread.copy(number, &mut entry)))
/// })?;
/// assert_eq!(copies, Some(Some([RingCopy::Lost, RingCopy::Pending, RingCopy::Whole])));
/// assert_eq!(entry, 4_u32.to_le_bytes());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RingCopy {
    /// The entry was copied, and was not overwritten meanwhile.
    Whole,
    /// VPP has written something else in its place, or may be about to.
    Lost,
    /// VPP has not written it yet.
    Pending,
}

impl RingThreadView<'_> {
    /// Entries that VPP wrote since the ring exists; the next one gets this number.
    pub fn written(&self) -> u64 {
        let mut sequence = self.metadata(8);
        // VPP 26.10 aligns it. Where it lies across two words they may be from two moments.
        for _ in 0..MOST_LOOKS {
            let again = self.metadata(8);
            if std::mem::replace(&mut sequence, again) == again {
                break;
            }
        }
        sequence
    }

    /// Number of the oldest entry that can be read.
    ///
    /// The slot that VPP writes next is not counted: nothing tells whether it is being written. So a full ring gives one
    /// entry less than it has slots.
    pub fn oldest(&self) -> u64 {
        self.oldest_of(self.written())
    }

    /// Version of the schema, as the thread's metadata has it.
    pub fn schema_version(&self) -> u32 {
        (self.metadata(0) >> 32) as u32
    }

    /// Replaces the contents of `schema` by the schema, whose form is the writer's own; it is empty if there is none.
    pub fn schema(&self, schema: &mut Vec<u8>) {
        schema.clear();
        let at = self.metadata(16);
        let (offset, size) = (at & u64::from(u32::MAX), (at >> 32) as usize);
        if offset == 0 || size as u64 > self.ring.access.frame.size() {
            return;
        }
        schema.resize(size, 0);
        if let Err(error) = self.ring.copy(offset, schema) {
            schema.clear();
            self.ring.access.notes.error(error);
        }
    }

    /// Copies the entry with number `sequence`, as far as `out` goes.
    pub fn copy(&self, sequence: u64, out: &mut [u8]) -> RingCopy {
        let written = self.written();
        if sequence >= written {
            return RingCopy::Pending;
        }
        if sequence < self.oldest_of(written) {
            return RingCopy::Lost;
        }
        self.copy_unchecked(sequence, out);
        if self.oldest_now() > sequence { RingCopy::Lost } else { RingCopy::Whole }
    }

    /// Replaces the contents of `entries` by all entries from number `from` on that can be read. Returns the number of
    /// the first of them, which is larger if some were lost, and that of the next one that VPP will write.
    pub(crate) fn gather(&self, from: u64, entries: &mut Vec<u8>) -> (u64, u64) {
        entries.clear();
        let written = self.written();
        let first = from.clamp(self.oldest_of(written), written);
        let size = u64::from(self.ring.about.entry_size);
        // All slots must be in the segment, which bounds both the work and the memory. No ring has entries of no bytes.
        let slots = u64::from(self.ring.about.ring_size).saturating_mul(size);
        let room = self.ring.access.frame.size();
        if size == 0 || slots > room {
            return (written, written);
        }
        entries.resize(((written - first) * size) as usize, 0);
        for (sequence, entry) in (first..written).zip(entries.chunks_exact_mut(size as usize)) {
            self.copy_unchecked(sequence, entry);
        }
        let oldest = self.oldest_now().clamp(first, written);
        entries.drain(..((oldest - first) * size) as usize);
        (oldest, written)
    }

    fn copy_unchecked(&self, sequence: u64, out: &mut [u8]) {
        let RingBuffer { entry_size, ring_size, data_offset, .. } = self.ring.about;
        let Some(slot) = sequence.checked_rem(ring_size.into()) else { return };
        // Number of the slot among those of all threads, below 2^64 as both factors are below 2^32.
        let slot = u64::from(self.thread) * u64::from(ring_size) + slot;
        let offset = slot.saturating_mul(entry_size.into()).saturating_add(data_offset.into());
        let length = out.len().min(entry_size as usize);
        if let Err(error) = self.ring.copy(offset, &mut out[..length]) {
            self.ring.access.notes.error(error);
        }
    }

    fn oldest_of(&self, written: u64) -> u64 {
        written.saturating_add(1).saturating_sub(self.ring.about.ring_size.into()).min(written)
    }

    /// As [`oldest`](Self::oldest), after everything loaded before.
    fn oldest_now(&self) -> u64 {
        fence(Ordering::Acquire);
        self.oldest()
    }

    /// Eight bytes of the thread's metadata. What is loaded after it is at least as new.
    fn metadata(&self, at: u64) -> u64 {
        let start = u64::from(self.ring.about.metadata_offset) + u64::from(self.thread) * METADATA_BYTES;
        let mut bytes = [0; WORD as usize];
        if let Err(error) = self.ring.copy(start + at, &mut bytes) {
            self.ring.access.notes.error(error);
        }
        fence(Ordering::Acquire);
        u64::from_le_bytes(bytes)
    }
}

impl fmt::Debug for RingView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RingView").field(&self.about).finish()
    }
}

impl fmt::Debug for RingThreadView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingThreadView").field("thread", &self.thread).finish_non_exhaustive()
    }
}

const WHAT: &str = "a ring buffer";
/// Bytes of one thread's metadata: u32 head, u32 schema version, u64 sequence, u32 schema offset, u32 schema size; the
/// rest of a cache line.
pub(crate) const METADATA_BYTES: u64 = 64;
/// Looks at a number that lies across two words until two of them agree: it moves far less often.
const MOST_LOOKS: usize = 8;
