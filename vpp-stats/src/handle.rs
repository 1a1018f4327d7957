use std::fmt;

use crate::directory::EntryKind;
use crate::epoch::Failure;
use crate::error::StatsError;
use crate::frame::{Frame, Held, RawEntry};
use crate::name::Name;
use crate::segment::Segment;
use crate::view::{self, Access, Notes, View};

/// Reads one entry of any type, again and again.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// use vpp_stats::View;
///
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # vpp.add_names("/if/names", &[Some("local0"), Some("loop0")])?;
/// let mut names = segment.entry("/if/names");
/// let second = names.read(|view| match view {
///     View::Names(names) => names.get(1).map(|name| name.to_string()),
///     _ => None,
/// })?;
/// assert_eq!(second, Some(Some("loop0".to_owned())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct EntryHandle {
    place: Place,
}

impl EntryHandle {
    pub(crate) fn new(segment: Segment, name: &str) -> Self {
        Self { place: Place::new(segment, name) }
    }

    /// The name the handle was made with.
    pub fn name(&self) -> &str {
        self.place.text()
    }

    /// Reads the same name in `segment` from now on, such as that of a VPP that was restarted.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # vpp.add_names("/if/names", &[Some("local0"), Some("loop0")])?;
    /// use vpp_stats::View;
    ///
    /// fn count(view: View<'_>) -> usize {
    ///     match view {
    ///         View::Names(names) => names.iter().flatten().count(),
    ///         _ => 0,
    ///     }
    /// }
    ///
    /// let mut interfaces = segment.entry("/if/names");
    /// assert_eq!(interfaces.read(count)?, Some(2));
    /// // `fresh` is the segment of a VPP that was restarted, and that has not come to its interfaces yet.
    /// # let fresh = SegmentWriter::new(1 << 16)?.reader()?;
    /// interfaces.rebind(&fresh);
    /// assert_eq!(interfaces.read(count)?, None);
    /// assert_eq!(interfaces.name(), "/if/names");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rebind(&mut self, segment: &Segment) {
        self.place.rebind(segment);
    }

    /// Calls `read` with a view of what the entry holds; `None` if there is no such entry (yet). Allocates nothing itself
    /// once the name was found.
    ///
    /// *Caveats.* If VPP changes the directory meanwhile `read` is called again, and what it returned before is dropped;
    /// what it stored elsewhere it has to overwrite.
    ///
    /// # Errors
    /// [`StatsError::Busy`] if VPP changed the directory during every attempt; safe to call again.
    /// [`StatsError::Dangling`] for a symlink whose target is gone. The others say that the segment is corrupt.
    pub fn read<T>(&mut self, mut read: impl FnMut(View<'_>) -> T) -> Result<Option<T>, StatsError> {
        self.place.find(|access, held| {
            let view = held.map(|held| view::of(access, held)).transpose()?.flatten();
            Ok(view.map(&mut read))
        })
    }
}

/// Reads one number, a scalar or a gauge, again and again.
///
/// VPP before 26.02 has no gauges and keeps what is one today as a scalar, so the two are read alike.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # vpp.set_scalar(vpp.boottime(), 1_800_000_000)?;
/// assert_eq!(segment.scalar("/sys/boottime").value()?, Some(1_800_000_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ScalarHandle {
    place: Place,
}

impl ScalarHandle {
    pub(crate) fn new(segment: Segment, name: &str) -> Self {
        Self { place: Place::new(segment, name) }
    }

    /// The name the handle was made with.
    pub fn name(&self) -> &str {
        self.place.text()
    }

    /// Reads the same name in `segment` from now on, such as that of a VPP that was restarted.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # vpp.set_scalar(vpp.heartbeat(), 360)?;
    /// let mut heartbeat = segment.scalar("/sys/heartbeat");
    /// assert_eq!(heartbeat.value()?, Some(360));
    /// // `fresh` is the segment of a VPP that was restarted. Until now the handle showed what the old one left behind.
    /// # let fresh = SegmentWriter::new(1 << 16)?.reader()?;
    /// heartbeat.rebind(&fresh);
    /// assert_eq!(heartbeat.value()?, Some(0));
    /// assert_eq!(heartbeat.name(), "/sys/heartbeat");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rebind(&mut self, segment: &Segment) {
        self.place.rebind(segment);
    }

    /// The number as it is now; `None` if there is no such entry (yet). Allocates nothing once the name was found.
    ///
    /// # Errors
    /// [`StatsError::Busy`] if VPP changed the directory during every attempt; safe to call again.
    /// [`StatsError::WrongType`] if the name stands for something else. The others say that the segment is corrupt.
    pub fn value(&mut self) -> Result<Option<u64>, StatsError> {
        let kinds = [EntryKind::Scalar, EntryKind::Gauge];
        self.place.read(&kinds, |_, value| Ok(value))
    }
}

/// A name, and where it was last seen.
#[derive(Clone)]
pub(crate) struct Place {
    segment: Segment,
    text: Box<str>,
    /// `None` if no entry can have this name.
    name: Option<Name>,
    /// A hint: the entry there is used if it still has the name.
    index: Option<u32>,
}

impl Place {
    pub(crate) fn new(segment: Segment, name: &str) -> Self {
        Self { segment, text: name.into(), name: Name::new(name), index: None }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn rebind(&mut self, segment: &Segment) {
        if !self.segment.is_same(segment) {
            self.index = None;
        }
        self.segment = segment.clone();
    }

    /// Calls `read` with the value or pointer of the entry, which has one of `kinds`, or with `None` if there is none.
    pub(crate) fn read<T>(
        &mut self,
        kinds: &[EntryKind],
        mut read: impl FnMut(Access<'_>, Option<u64>) -> Result<T, StatsError>,
    ) -> Result<T, StatsError> {
        self.find(|access, held| match held {
            // A slot that was freed, before its name is cleared.
            None | Some(Held { kind: EntryKind::Empty | EntryKind::Illegal, .. }) => read(access, None),
            Some(Held { kind, union }) if kinds.contains(&kind) => read(access, Some(union)),
            Some(Held { kind: found, .. }) => Err(StatsError::WrongType { expected: kinds[0], found }),
        })
    }

    /// Calls `read` with what the entry holds, or with `None` if there is none.
    pub(crate) fn find<T>(
        &mut self,
        mut read: impl FnMut(Access<'_>, Option<Held>) -> Result<T, StatsError>,
    ) -> Result<T, StatsError> {
        let Self { segment, name, index, .. } = self;
        let notes = Notes::default();
        segment.attempt(|frame| {
            let access = Access { frame, notes: &notes };
            let Some((name, entry)) = name.as_ref().and_then(|name| Some((name, find(segment, frame, name, index)?)))
            else {
                return Ok(read(access, None)?);
            };
            entry.read(|held| notes.checked(frame, read(access, Some(held)))).and_then(|value| {
                // The slot may have been freed and filled again, outside of any change.
                if entry.is_named(name) { Ok(value) } else { Err(Failure::Torn) }
            })
        })
    }
}

/// The entry `name`: where it was last seen, if it still is there.
fn find<'a>(segment: &Segment, frame: &Frame<'a>, name: &Name, hint: &mut Option<u32>) -> Option<RawEntry<'a>> {
    let there = hint.and_then(|index| frame.entry(index)).filter(|entry| entry.is_named(name));
    there.or_else(|| {
        *hint = segment.find(frame, name);
        hint.and_then(|index| frame.entry(index))
    })
}

impl fmt::Debug for EntryHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EntryHandle").field(&self.place.text).finish()
    }
}

impl fmt::Debug for ScalarHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScalarHandle").field(&self.place.text).finish()
    }
}
