use std::cell::Cell;
use std::fmt;

use crate::directory::EntryKind;
use crate::epoch::{Failure, Moment};
use crate::error::StatsError;
use crate::frame::{Frame, RawEntry};
use crate::name::{Name, Unfinished};
use crate::pattern::Pattern;
use crate::segment::Segment;
use crate::view::{self, Access, Notes, View};

/// All entries whose names a [`Pattern`] takes, to be read again and again.
///
/// *Guarantees.* Names are compared with the pattern when the directory has changed, and not for each read; a read
/// allocates nothing while it has not. What VPP adds, also outside of its protocol, is in the next read, and what it
/// removes is not.
///
/// *Caveats.* A symlink that VPP renames in place, outside of a change, from a name that the pattern does not take to one
/// that it takes, is not seen until the next change.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// use vpp_stats::{Pattern, View};
///
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let drops = vpp.add_simple("/if/drops", 2, 3)?;
/// # vpp.add_simple("/if/punt", 2, 3)?;
/// # vpp.set(drops, 1, 2, 5)?;
/// let mut interfaces = segment.select(Pattern::prefix("/if/"));
/// let mut totals = vec![];
/// interfaces.read(|entries| {
///     totals.clear(); // what an attempt stored that was overtaken
///     for entry in entries {
///         let total = entry.read(|view| match view {
///             View::Simple(table) => table.total(),
///             _ => 0,
///         });
///         totals.push((entry.name().to_owned(), total));
///     }
/// })?;
/// assert_eq!(totals, [("/if/drops".to_owned(), Ok(5)), ("/if/punt".to_owned(), Ok(0))]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Selection {
    segment: Segment,
    chosen: Chosen,
}

impl Selection {
    pub(crate) fn new(segment: Segment, pattern: Pattern) -> Self {
        Self {
            segment,
            chosen: Chosen {
                pattern,
                seen: None,
                entries: Vec::new(),
                free: Vec::new(),
                unfinished: Unfinished::default(),
            },
        }
    }

    /// What it takes.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # let mut other = SegmentWriter::new(1 << 16)?;
    /// # other.add_simple("/if/drops", 2, 3)?;
    /// # let other = other.reader()?;
    /// use vpp_stats::Pattern;
    ///
    /// let interfaces = segment.select(Pattern::prefix("/if/"));
    /// // The same entries of another VPP.
    /// let mut theirs = other.select(interfaces.pattern().clone());
    /// assert_eq!(theirs.refresh()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pattern(&self) -> &Pattern {
        &self.chosen.pattern
    }

    /// Names selected when the directory was last looked at, in its order; none before the first read.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.chosen.entries.iter().map(|entry| &*entry.text)
    }

    /// Selects from `segment` from now on, such as that of a VPP that was restarted.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # vpp.add_simple("/if/drops", 2, 3)?;
    /// use vpp_stats::Pattern;
    ///
    /// let mut interfaces = segment.select(Pattern::prefix("/if/"));
    /// assert_eq!(interfaces.refresh()?, 1);
    /// // `fresh` is the segment of a VPP that was restarted, and that has another table by now.
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # vpp.add_simple("/if/punt", 2, 3)?;
    /// # let fresh = vpp.reader()?;
    /// interfaces.rebind(&fresh);
    /// interfaces.refresh()?;
    /// assert_eq!(interfaces.names().collect::<Vec<_>>(), ["/if/punt"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rebind(&mut self, segment: &Segment) {
        if !self.segment.is_same(segment) {
            self.chosen.seen = None;
        }
        self.segment = segment.clone();
    }

    /// Looks at the directory if it has changed. Returns the number of entries selected.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// use vpp_stats::Pattern;
    ///
    /// let mut routes = segment.select(Pattern::prefix("/net/route/"));
    /// assert_eq!(routes.refresh()?, 0);
    /// // VPP makes the table with its first route.
    /// vpp.add_combined("/net/route/to", 2, 10)?;
    /// assert_eq!(routes.refresh()?, 1);
    /// assert_eq!(routes.names().collect::<Vec<_>>(), ["/net/route/to"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn refresh(&mut self) -> Result<usize, StatsError> {
        self.read(|entries| entries.len())
    }

    /// Calls `read` with the selected entries, in the order of the directory, all as of one moment of it.
    ///
    /// *Caveats.* If VPP changes the directory meanwhile `read` is called again with all of them, and what it returned
    /// before is dropped; what it stored elsewhere it has to clear at its beginning.
    ///
    /// # Errors
    /// [`StatsError::Busy`] if VPP changed the directory during every attempt; safe to call again. The others say that the
    /// header or the directory is corrupt. What is wrong with one entry [`SelectedEntry::read`] tells.
    pub fn read<T>(&mut self, mut read: impl FnMut(SelectedEntries<'_>) -> T) -> Result<T, StatsError> {
        let Self { segment, chosen } = self;
        let pass = Pass::default();
        let result = segment.attempt(|frame| {
            chosen.follow(frame);
            pass.torn.set(false);
            let result = read(SelectedEntries { frame, pass: &pass, left: chosen.entries.iter() });
            if pass.torn.get() { Err(Failure::Torn) } else { Ok(result) }
        });
        if pass.is_stale.get() {
            chosen.seen = None;
        }
        result
    }
}

/// The entries of a [`Selection`] during one attempt to read them.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # vpp.add_simple("/if/drops", 2, 3)?;
/// # vpp.add_simple("/if/punt", 2, 3)?;
/// use vpp_stats::{Pattern, SelectedEntries};
///
/// /// Room for all, taken once.
/// fn names(entries: SelectedEntries<'_>) -> Vec<String> {
///     let mut names = Vec::with_capacity(entries.len());
///     names.extend(entries.map(|entry| entry.name().to_owned()));
///     names
/// }
///
/// assert_eq!(segment.select(Pattern::prefix("/if/")).read(names)?, ["/if/drops", "/if/punt"]);
/// assert!(segment.select(Pattern::prefix("/bfd/")).read(|entries| entries.is_empty())?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SelectedEntries<'a> {
    frame: &'a Frame<'a>,
    pass: &'a Pass,
    left: std::slice::Iter<'a, Entry>,
}

/// What an attempt found out.
#[derive(Default)]
struct Pass {
    notes: Notes,
    /// Something that was read may not be what it was taken for.
    torn: Cell<bool>,
    /// An entry has another name by now.
    is_stale: Cell<bool>,
}

impl SelectedEntries<'_> {
    /// How many there are at most: an entry that VPP removes at this moment is left out.
    pub fn len(&self) -> usize {
        self.left.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.left.len() == 0
    }
}

impl<'a> Iterator for SelectedEntries<'a> {
    type Item = SelectedEntry<'a>;

    fn next(&mut self) -> Option<SelectedEntry<'a>> {
        loop {
            let chosen = self.left.next()?;
            let Some(entry) = self.frame.entry(chosen.index) else { continue };
            let kind = entry.kind();
            if kind.is_occupied() && entry.is_named(&chosen.name) {
                return Some(SelectedEntry { frame: self.frame, pass: self.pass, chosen, entry, kind });
            }
            self.pass.is_stale.set(true);
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left.len()))
    }
}

/// One entry of a [`Selection`] during one attempt to read it.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # let (drops, punt) = (vpp.add_simple("/if/drops", 2, 3)?, vpp.add_simple("/if/punt", 2, 3)?);
/// # vpp.add_symlink("/interfaces/loop0/drops", drops, 2)?;
/// # vpp.add_symlink("/interfaces/loop0/punt", punt, 2)?;
/// # vpp.remove(drops)?;
/// use vpp_stats::{EntryKind, Pattern};
///
/// let mut links = segment.select(Pattern::prefix("/interfaces/loop0/"));
/// let links = links.read(|entries| {
///     let about = entries.map(|entry| (entry.index(), entry.kind(), entry.read(|view| view.to_value()).is_ok()));
///     about.collect::<Vec<_>>()
/// })?;
/// // Where the first one leads to is gone. That says nothing about the second one.
/// assert_eq!(links, [(5, EntryKind::Symlink, false), (6, EntryKind::Symlink, true)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct SelectedEntry<'a> {
    frame: &'a Frame<'a>,
    pass: &'a Pass,
    chosen: &'a Entry,
    entry: RawEntry<'a>,
    kind: EntryKind,
}

impl<'a> SelectedEntry<'a> {
    /// Its name; bytes that are not UTF-8 are replaced.
    pub fn name(&self) -> &'a str {
        &self.chosen.text
    }

    /// Its place in the directory.
    pub fn index(&self) -> u32 {
        self.chosen.index
    }

    /// Its type.
    pub fn kind(&self) -> EntryKind {
        self.kind
    }

    /// What `read` makes of what the entry holds. Allocates nothing itself.
    ///
    /// # Errors
    /// [`StatsError::Dangling`] for a symlink whose target is gone. The others say that this entry is corrupt; the next ones
    /// may be sound.
    pub fn read<T>(&self, read: impl FnOnce(View<'_>) -> T) -> Result<T, StatsError> {
        let notes = &self.pass.notes;
        let held = self.entry.held();
        let result = view::of(Access { frame: self.frame, notes }, held).map(|view| {
            // Freed since its type was looked at. What is read of it now is dropped with the whole attempt.
            read(view.unwrap_or(View::Unknown(EntryKind::Empty.number())))
        });
        let checked = notes.finish(self.frame);
        if matches!(checked, Err(Failure::Torn))
            || held.kind != self.kind
            || !self.entry.still_holds(held)
            || !self.entry.is_named(&self.chosen.name)
        {
            self.pass.torn.set(true);
        }
        match checked {
            Err(Failure::Error(error)) => Err(error),
            _ => result,
        }
    }
}

/// What the pattern takes, as of one moment.
#[derive(Clone)]
struct Chosen {
    pattern: Pattern,
    /// What the directory was when it was last looked at.
    seen: Option<(Moment, u32)>,
    /// By index.
    entries: Vec<Entry>,
    /// Slots that held nothing. `vlib_stats_add_symlink` may fill one with nothing else moving.
    free: Vec<u32>,
    unfinished: Unfinished,
}

#[derive(Clone)]
struct Entry {
    index: u32,
    name: Name,
    text: Box<str>,
}

impl Chosen {
    fn follow(&mut self, frame: &Frame<'_>) {
        let now = (frame.moment(), frame.len());
        let is_taken = |index: &u32| frame.entry(*index).is_some_and(|entry| entry.is_taken());
        if self.seen == Some(now) && !self.free.iter().any(is_taken) && !self.unfinished.went_on(frame) {
            return;
        }
        self.unfinished.clear();
        self.free.clear();
        // Most entries are what they were, and keep their text.
        let mut old = std::mem::take(&mut self.entries).into_iter().peekable();
        for index in 0..frame.len() {
            let Some(entry) = frame.entry(index) else { continue };
            let known = old.next_if(|known| known.index == index);
            // One that changes at this moment is looked at again with the next read.
            let Ok(Some((_, name))) = entry.label() else {
                self.free.push(index);
                continue;
            };
            self.unfinished.note(index, &name);
            if let Some(known) = known.filter(|known| known.name == name) {
                self.entries.push(known);
            } else if self.pattern.takes(name.bytes().as_bytes()) {
                self.entries.push(Entry { index, name, text: name.to_text().into() });
            }
        }
        self.seen = Some(now);
    }
}

impl fmt::Debug for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Selection").field(self.pattern()).finish()
    }
}

impl fmt::Debug for SelectedEntries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectedEntries").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SelectedEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SelectedEntry").field(&self.name()).finish()
    }
}
