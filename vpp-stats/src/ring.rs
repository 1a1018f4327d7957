use std::fmt;

use crate::directory::EntryKind;
use crate::error::StatsError;
use crate::handle::Place;
use crate::segment::Segment;
use crate::view::RingView;

/// Reads what VPP writes into a ring buffer, again and again, and tells what was lost.
///
/// VPP never waits for a reader: when it has gone round the ring, the oldest entries are overwritten. They are numbered
/// by thread, from 0 on, so that a gap tells how many were lost. A handle begins with the oldest entry that is there.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// use vpp_stats::RingPass;
///
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let events = vpp.add_ring_buffer("/events", 1, 4, 4, b"u32")?;
/// let mut ring = segment.ring("/events");
/// // As VPP does; slots are four, of which one is always about to be written.
/// for event in 0..5_u32 {
///     vpp.push(events, 0, &event.to_le_bytes())?;
/// }
/// let mut seen = vec![];
/// let pass = ring.read(0, |number, entry| seen.push((number, entry[0])))?;
/// assert_eq!(seen, [(2, 2), (3, 3), (4, 4)]);
/// assert_eq!(pass.map(|RingPass { read, lost, .. }| (read, lost)), Some((3, 2)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RingHandle {
    place: Place,
    /// Numbers of the entries to be read next, by thread.
    next: Vec<u64>,
    /// Entries copied in one attempt.
    entries: Vec<u8>,
}

/// What one call of [`RingHandle::read`] came to.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// let mut ring = segment.ring("/events");
/// assert_eq!(ring.read(0, |_, _| {})?, None); // VPP has not made it yet
/// # let events = vpp.add_ring_buffer("/events", 1, 4, 4, b"u32")?;
/// # (0..5_u32).try_for_each(|event| vpp.push(events, 0, &event.to_le_bytes()))?;
/// // By now VPP has written five entries into four slots.
/// let pass = ring.read(0, |_, _| {})?.unwrap_or_default();
/// assert_eq!((pass.read, pass.lost, pass.restarted), (3, 2, false));
///
/// // VPP has made the ring anew, and has written one entry.
/// # vpp.remove(events)?;
/// # let events = vpp.add_ring_buffer("/events", 1, 4, 4, b"u32")?;
/// # vpp.push(events, 0, &5_u32.to_le_bytes())?;
/// let pass = ring.read(0, |number, _| assert_eq!(number, 0))?.unwrap_or_default();
/// assert_eq!((pass.read, pass.lost, pass.restarted), (1, 0, true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RingPass {
    /// Entries handed over.
    pub read: u64,
    /// Entries that VPP had overwritten since the last call, or before the first.
    pub lost: u64,
    /// Whether VPP has fewer entries than were read: the ring is another one by now. The pass begins with its oldest.
    pub restarted: bool,
}

impl RingHandle {
    pub(crate) fn new(segment: Segment, name: &str) -> Self {
        Self { place: Place::new(segment, name), next: Vec::new(), entries: Vec::new() }
    }

    /// The name the handle was made with.
    pub fn name(&self) -> &str {
        self.place.text()
    }

    /// Reads the same name in `segment` from now on, beginning with the oldest entries there.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # let events = vpp.add_ring_buffer("/events", 1, 4, 4, b"u32")?;
    /// # vpp.push(events, 0, &7_u32.to_le_bytes())?;
    /// let (mut ring, mut seen) = (segment.ring("/events"), vec![]);
    /// ring.read(0, |number, entry| seen.push((number, entry[0])))?;
    /// // `fresh` is the segment of a VPP that was restarted, and that numbers its entries anew.
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let events = vpp.add_ring_buffer("/events", 1, 4, 4, b"u32")?;
    /// # vpp.push(events, 0, &8_u32.to_le_bytes())?;
    /// # let fresh = vpp.reader()?;
    /// ring.rebind(&fresh);
    /// ring.read(0, |number, entry| seen.push((number, entry[0])))?;
    /// assert_eq!((ring.name(), seen), ("/events", vec![(0, 7), (0, 8)]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rebind(&mut self, segment: &Segment) {
        self.place.rebind(segment);
        self.next.clear();
    }

    /// Calls `visit` with number and bytes of each entry of `thread` that was not read yet, oldest first. `None` if there
    /// is no such ring or thread (yet).
    ///
    /// The entries are copied out first, and handed over once it is sure that they are whole: `visit` sees each of them
    /// at most once. The room for the copies is kept for the next call, so that it allocates only while that grows.
    ///
    /// # Errors
    /// [`StatsError::Busy`] if VPP changed the directory during every attempt; safe to call again.
    /// [`StatsError::WrongType`] if the name stands for something else. The others say that the segment is corrupt.
    /// No entry counts as read after an error.
    pub fn read(&mut self, thread: u32, mut visit: impl FnMut(u64, &[u8])) -> Result<Option<RingPass>, StatsError> {
        let Self { place, next, entries } = self;
        let index = thread as usize;
        let wanted = next.get(index).copied().unwrap_or(0);
        let found = place.read(&[EntryKind::RingBuffer], |access, data| {
            let ring = data.map(|data| RingView::new(access, data)).transpose()?.flatten();
            let Some(view) = ring.and_then(|ring| ring.thread(thread)) else { return Ok(None) };
            let restarted = view.written() < wanted;
            let wanted = if restarted { 0 } else { wanted };
            let (first, end) = view.gather(wanted, entries);
            let size = ring.map_or(0, |ring| ring.about().entry_size) as usize;
            // In an attempt that VPP overtakes the ring may be another one since its number was looked at.
            let lost = first.saturating_sub(wanted);
            Ok(Some((RingPass { read: end.saturating_sub(first), lost, restarted }, first, end, size)))
        })?;
        let Some((pass, first, end, size)) = found else { return Ok(None) };
        if next.len() <= index {
            // As long as the thread number, which the ring has.
            next.resize(index + 1, 0);
        }
        next[index] = end;
        if size > 0 {
            (first..end).zip(entries.chunks_exact(size)).for_each(|(number, entry)| visit(number, entry));
        }
        Ok(Some(pass))
    }
}

impl fmt::Debug for RingHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RingHandle").field(&self.place.text()).finish()
    }
}
