use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use crate::epoch::Moment;
use crate::frame::Frame;
use crate::map::WORD;

/// Bytes of an entry's name, with its NUL; the NUL of a name that VPP cut may be missing.
pub(crate) const NAME_BYTES: usize = 128;
const NAME_WORDS: usize = NAME_BYTES / WORD as usize;

/// A name as it lies in an entry, with zeros after its end.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(crate) struct Name {
    words: [u64; NAME_WORDS],
    len: usize,
}

impl Name {
    /// `None` for a name that no entry can have: empty, with a NUL inside, or longer than the field.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let bytes = name.as_bytes();
        if bytes.is_empty() || bytes.len() > NAME_BYTES || bytes.contains(&0) {
            return None;
        }
        let mut words = [0; NAME_WORDS];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks(WORD as usize)) {
            let mut padded = [0; WORD as usize];
            padded[..chunk.len()].copy_from_slice(chunk);
            *word = u64::from_le_bytes(padded);
        }
        Some(Self { words, len: bytes.len() })
    }

    /// The name whose words `word` gives. It ends at the first NUL; what follows that may be garbage.
    pub(crate) fn read(word: impl Fn(usize) -> u64) -> Self {
        let mut words = [0; NAME_WORDS];
        for (index, place) in words.iter_mut().enumerate() {
            let bytes = word(index).to_le_bytes();
            if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
                *place = u64::from_le_bytes(bytes) & !(u64::MAX << (8 * end));
                return Self { words, len: index * WORD as usize + end };
            }
            *place = u64::from_le_bytes(bytes);
        }
        Self { words, len: NAME_BYTES }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether the words that `word` gives begin with this name and a NUL. Looks at no more of them than it must.
    pub(crate) fn matches(&self, word: impl Fn(usize) -> u64) -> bool {
        let (full, rest) = (self.len / WORD as usize, self.len % WORD as usize);
        // The bytes up to the NUL of the word with the NUL. A name of 128 bytes has none.
        let mask = u64::MAX >> (8 * (WORD as usize - 1 - rest));
        (0..full).all(|index| word(index) == self.words[index])
            && (full == NAME_WORDS || word(full) & mask == self.words[full])
    }

    #[cfg(feature = "writer")]
    pub(crate) fn words(&self) -> &[u64; NAME_WORDS] {
        &self.words
    }

    pub(crate) fn bytes(&self) -> EntryName {
        EntryName { bytes: bytes_of(&self.words), len: self.len }
    }

    pub(crate) fn to_text(self) -> String {
        self.bytes().to_text().into_owned()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_text())
    }
}

/// Names that may be the beginning of others, and where they would go on.
///
/// `vlib_stats_add_symlink` fills a slot outside of any change by `directory_vector[index] = *e` (VPP
/// `src/vlib/stats/stats.c`), and may stop anywhere in it for as long as the kernel likes. That stores whole words from
/// the type to the end of the name, so a name that was seen before it was there ends where a word does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unfinished {
    places: Vec<(u32, u8)>,
}

impl Unfinished {
    pub(crate) fn clear(&mut self) {
        self.places.clear();
    }

    /// Keeps the name of the entry at `index` in mind, if it may go on.
    pub(crate) fn note(&mut self, index: u32, name: &Name) {
        if name.len.is_multiple_of(WORD as usize) {
            self.places.push((index, (name.len / WORD as usize) as u8));
        }
    }

    /// Whether one of them has gone on.
    pub(crate) fn went_on(&self, frame: &Frame<'_>) -> bool {
        let mut places = self.places.iter();
        places.any(|(index, word)| frame.entry(*index).is_some_and(|entry| entry.name_goes_on((*word).into())))
    }
}

/// The name of an entry, held in place: no part of it is on the heap.
///
/// ```
/// # use vpp_stats::writer::SegmentWriter;
/// # let vpp = SegmentWriter::new(1 << 16)?;
/// # let segment = vpp.reader()?;
/// let first = segment.directory().next().expect("every VPP has it")?;
/// assert!(first.name == "/sys/heartbeat" && first.name.as_bytes().starts_with(b"/sys/"));
/// assert_eq!(first.name.to_string(), "/sys/heartbeat");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct EntryName {
    /// With zeros after its end.
    bytes: [u8; NAME_BYTES],
    len: usize,
}

impl EntryName {
    /// Its bytes, of which there are at most 128.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Its text; bytes that are not UTF-8 are replaced, which takes a copy.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// # vpp.add_gauge("/gpu?", 0)?;
    /// # let at = vpp.entry_offset("/gpu?").expect("it was added");
    /// # vpp.corrupt(at + 16 + 4, &[0xff])?;
    /// use std::borrow::Cow;
    ///
    /// let entries = segment.directory().collect::<Result<Vec<_>, _>>()?;
    /// assert!(matches!(entries[2].name.to_text(), Cow::Borrowed("/sys/boottime")));
    /// assert_eq!(entries[3].name.as_bytes(), b"/gpu\xff");
    /// assert_eq!(entries[3].name.to_text(), "/gpu\u{fffd}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_text().fmt(f)
    }
}

impl fmt::Debug for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_text())
    }
}

impl PartialEq<str> for EntryName {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for EntryName {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

fn bytes_of(words: &[u64; NAME_WORDS]) -> [u8; NAME_BYTES] {
    let mut bytes = [0; NAME_BYTES];
    for (chunk, word) in bytes.chunks_exact_mut(WORD as usize).zip(words) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Where names were found, so that the directory is read as a whole only after it changed.
///
/// It holds hints alone: an index is used after the entry there was found to have the name still. So a torn or outdated
/// cache costs time and never gives a wrong entry. It may miss one name: that of a symlink which VPP renamed in place,
/// outside of a change, until the next change.
#[derive(Debug, Default)]
pub(crate) struct NameCache {
    /// What the directory was when it was last read as a whole.
    seen: Option<(Moment, u32)>,
    by_name: HashMap<Name, u32>,
    /// Slots that held nothing. `vlib_stats_add_symlink` may fill one with nothing else moving.
    free: Vec<u32>,
    unfinished: Unfinished,
}

impl NameCache {
    /// Index of the entry named `name`.
    pub(crate) fn find(&mut self, frame: &Frame<'_>, name: &Name) -> Option<u32> {
        if let Some(index) = self.hit(frame, name) {
            return Some(index);
        }
        let now = (frame.moment(), frame.len());
        if self.seen != Some(now) || self.unfinished.went_on(frame) {
            self.rebuild(frame);
            self.seen = Some(now);
        } else {
            // VPP clears the entry of a removed table after the change has ended, so the epoch does not tell.
            self.free.extend(self.by_name.remove(name));
            self.revisit(frame);
        }
        self.hit(frame, name)
    }

    fn hit(&self, frame: &Frame<'_>, name: &Name) -> Option<u32> {
        let index = *self.by_name.get(name)?;
        let entry = frame.entry(index)?;
        (entry.kind().is_occupied() && entry.is_named(name)).then_some(index)
    }

    fn rebuild(&mut self, frame: &Frame<'_>) {
        self.by_name.clear();
        self.unfinished.clear();
        self.free.clear();
        self.free.extend(0..frame.len());
        self.revisit(frame);
    }

    /// Files the free slots that are taken by now.
    fn revisit(&mut self, frame: &Frame<'_>) {
        let Self { by_name, unfinished, .. } = self;
        self.free.retain(|index| {
            // One that changes at this moment is looked at again.
            let label = frame.entry(*index).and_then(|entry| entry.label().ok()?);
            if let Some((_, name)) = label {
                unfinished.note(*index, &name);
                by_name.insert(name, *index);
            }
            label.is_none()
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// A name's field in an entry: the name, a NUL if there is room, and garbage.
    fn field(name: &[u8], garbage: &[u8]) -> [u64; NAME_WORDS] {
        let mut bytes = [0; NAME_BYTES];
        bytes.copy_from_slice(&garbage[..NAME_BYTES]);
        bytes[..name.len()].copy_from_slice(name);
        if let Some(end) = bytes.get_mut(name.len()) {
            *end = 0;
        }
        std::array::from_fn(|index| u64::from_le_bytes(bytes[index * 8..][..8].try_into().expect("8 bytes")))
    }

    proptest! {
        #[test]
        fn a_name_is_found_in_its_field_whatever_follows_it(
            name in "[ -~]{1,128}",
            garbage in vec(any::<u8>(), NAME_BYTES),
        ) {
            let words = field(name.as_bytes(), &garbage);
            let read = Name::read(|index| words[index]);
            let made = Name::new(&name).expect("short enough");
            prop_assert_eq!(read, made);
            prop_assert!(made.matches(|index| words[index]));
            prop_assert_eq!(read.to_text(), name);
        }

        #[test]
        fn a_name_matches_no_other(name in "[ab]{1,20}", other in "[ab]{1,20}", garbage in vec(any::<u8>(), NAME_BYTES)) {
            let words = field(other.as_bytes(), &garbage);
            let made = Name::new(&name).expect("short enough");
            prop_assert_eq!(made.matches(|index| words[index]), name == other);
        }

        #[test]
        fn reading_and_matching_agree_on_any_bytes(words in any::<[u64; NAME_WORDS]>()) {
            prop_assert!(Name::read(|index| words[index]).matches(|index| words[index]));
        }
    }

    #[test]
    fn a_match_looks_no_further_than_the_nul() {
        let name = Name::new("/if/names").expect("short enough");
        let words = field(b"/if/names", &[0xff; NAME_BYTES]);
        let matched = name.matches(|index| match index {
            0 | 1 => words[index],
            _ => panic!("word {index} is of no interest"),
        });
        assert!(matched);
    }
}
