use std::fmt;

use super::{Access, Budget};
use crate::error::StatsError;
use crate::map::Words;

/// A vector of names, such as those of the interfaces by `sw_if_index`.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # vpp.add_names("/if/names", &[Some("local0"), None, Some("loop0")])?;
/// use vpp_stats::View;
///
/// let found = segment.entry("/if/names").read(|view| match view {
///     View::Names(names) => names.iter().position(|name| name.is_some_and(|name| name.is("loop0"))),
///     _ => None,
/// })?;
/// assert_eq!(found, Some(Some(2)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct NamesView<'a> {
    access: Access<'a>,
    pointers: Words<'a>,
}

impl<'a> NamesView<'a> {
    pub(crate) fn new(access: Access<'a>, data: u64) -> Result<Self, StatsError> {
        Ok(Self { access, pointers: access.frame.vector(data, 1, "a name vector")? })
    }

    /// Number of places, with those that have no name.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # vpp.add_names("/if/names", &[Some("local0"), None, Some("loop0")])?;
    /// use vpp_stats::View;
    ///
    /// let counts = segment.entry("/if/names").read(|view| match view {
    ///     View::Names(names) => (names.len(), names.iter().flatten().count()),
    ///     _ => (0, 0),
    /// })?;
    /// // There is no interface 1, but the tables have a column for it.
    /// assert_eq!(counts, Some((3, 2)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.pointers.len()
    }

    /// Whether it has no places.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// use vpp_stats::View;
    ///
    /// let ids = vpp.add_names("/if/names", &[])?;
    /// let mut names = segment.entry("/if/names");
    /// let is_empty = |view: View<'_>| matches!(view, View::Names(names) if names.is_empty());
    /// assert_eq!(names.read(is_empty)?, Some(true));
    /// // A place without a name is one too.
    /// vpp.set_name(ids, 0, None)?;
    /// assert_eq!(names.read(is_empty)?, Some(false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.pointers.len() == 0
    }

    /// The name at `index`; `None` if there is none.
    pub fn get(&self, index: usize) -> Option<NameView<'a>> {
        let pointer = self.pointers.get(index).filter(|pointer| *pointer != 0)?;
        match self.access.frame.byte_vector(pointer, "a name") {
            Ok((words, len)) => Some(NameView { words, len }),
            Err(error) => {
                self.access.notes.error(error);
                None
            }
        }
    }

    /// The names by index. If they overlap, as in no sound segment, the last ones are missing and the read fails.
    pub fn iter(&self) -> impl Iterator<Item = Option<NameView<'a>>> + use<'a> {
        let (names, mut budget) = (*self, Budget::of(self.access));
        (0..names.len()).map(move |index| names.get(index).filter(|name| budget.take(name.words.len())))
    }
}

/// One name of a vector, still in the segment. [`Display`](fmt::Display) gives it with bytes that are not UTF-8 replaced.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let mut vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// # vpp.add_names("/if/names", &[Some("local0"), Some("tap0"), None, Some("tap7")])?;
/// use vpp_stats::{NameView, View};
///
/// /// Looks at the beginning of the name alone.
/// fn is_tap(name: &NameView<'_>) -> bool {
///     name.bytes().take(3).eq(*b"tap")
/// }
///
/// let taps = segment.entry("/if/names").read(|view| match view {
///     View::Names(names) => names.iter().flatten().filter(is_tap).map(|name| name.to_string()).collect(),
///     _ => vec![],
/// })?;
/// assert_eq!(taps, Some(vec!["tap0".to_owned(), "tap7".to_owned()]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct NameView<'a> {
    words: Words<'a>,
    len: usize,
}

impl NameView<'_> {
    /// Its bytes, up to the NUL that VPP ends them with.
    pub fn bytes(&self) -> impl Iterator<Item = u8> {
        let bytes = self.words.iter().flat_map(u64::to_le_bytes).take(self.len);
        bytes.take_while(|byte| *byte != 0)
    }

    /// Whether it is `name`.
    pub fn is(&self, name: &str) -> bool {
        self.bytes().eq(name.bytes())
    }
}

impl fmt::Display for NameView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.bytes().peekable();
        let mut piece = [0; 64];
        // Bytes of an unfinished character at the beginning of `piece`.
        let mut held = 0;
        while held > 0 || bytes.peek().is_some() {
            let read = piece[held..].iter_mut().zip(&mut bytes).map(|(place, byte)| *place = byte).count();
            let filled = held + read;
            let mut rest = &piece[..filled];
            held = 0;
            while !rest.is_empty() {
                let (valid, invalid) = match str::from_utf8(rest) {
                    Ok(text) => (text, None),
                    Err(error) => {
                        let (valid, _) = rest.split_at(error.valid_up_to());
                        (str::from_utf8(valid).unwrap_or_default(), Some(error.error_len()))
                    }
                };
                f.write_str(valid)?;
                rest = &rest[valid.len()..];
                match invalid {
                    // More bytes may complete it, if there are more.
                    Some(None) if read > 0 && bytes.peek().is_some() => {
                        held = rest.len();
                        break;
                    }
                    Some(length) => {
                        f.write_str("\u{fffd}")?;
                        rest = &rest[length.unwrap_or(rest.len())..];
                    }
                    None => {}
                }
            }
            piece.copy_within(filled - held..filled, 0);
        }
        Ok(())
    }
}

impl fmt::Debug for NamesView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamesView").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for NameView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}
