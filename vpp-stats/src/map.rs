//! The mapped memory, and all the `unsafe` of this crate.
//!
//! # Races
//! VPP writes to this memory while it is read, so no reference to its bytes ever exists. Every access, here and in the
//! writer, is an atomic load or store of one aligned 8-byte word: accesses of different sizes to the same memory would
//! be a data race in Rust's memory model. What a word means, and whether it still means it, is for the callers: they
//! drop everything they read if the epoch moved.
//!
//! # Truncation
//! Reading a mapped page beyond the end of its file raises SIGBUS. So there are three kinds of mappings:
//! - [`Map::live`] maps memory files (memfd) that are sealed against shrinking, as VPP's is: the kernel keeps the pages.
//! - [`Map::watched`] maps memory files without that seal, as VPP's of huge pages are. It keeps the descriptor, and
//!   [`Map::check`] compares the size of the file with that of the mapping before each attempt to read. What remains is a
//!   truncation between this check and the loads after it. VPP never truncates.
//! - [`Map::copied`] copies files on a disk, which anybody may truncate.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::fstat;

use crate::epoch::Controls;
#[cfg(feature = "writer")]
use crate::epoch::ControlsMut;
use crate::error::StatsError;
use crate::header::Control;

/// Bytes of a word, the unit of every access.
pub(crate) const WORD: u64 = 8;

/// A segment's memory, for reading.
#[derive(Debug)]
pub(crate) struct Map {
    raw: MmapRaw,
    /// The file, if nothing but its size tells whether it still has every page of the mapping.
    unsealed: Option<OwnedFd>,
}

impl Map {
    /// Maps `size` bytes of a memory file that is sealed against shrinking and that VPP goes on writing. `size` is not 0.
    pub(crate) fn live(fd: BorrowedFd<'_>, size: usize) -> io::Result<Self> {
        let raw = MmapOptions::new().len(size).map_raw_read_only(fd.as_raw_fd())?;
        Ok(Self { raw, unsealed: None })
    }

    /// As [`live`](Self::live), of a memory file without the seal, which is kept for [`check`](Self::check).
    pub(crate) fn watched(fd: OwnedFd, size: usize) -> io::Result<Self> {
        let raw = MmapOptions::new().len(size).map_raw_read_only(fd.as_raw_fd())?;
        Ok(Self { raw, unsealed: Some(fd) })
    }

    /// Private memory of `size` bytes, which is not 0, with what `fill` puts there.
    pub(crate) fn copied(size: usize, fill: impl FnOnce(&mut [u8]) -> io::Result<()>) -> io::Result<Self> {
        let mut memory = MmapOptions::new().len(size).map_anon()?;
        fill(&mut memory)?;
        Ok(Self { raw: memory.into(), unsealed: None })
    }

    /// Whether no page of the mapping can go away: it is sealed or private.
    pub(crate) fn is_sealed(&self) -> bool {
        self.unsealed.is_none()
    }

    /// Refuses a mapping whose file has become shorter. To be called before each attempt to read.
    pub(crate) fn check(&self) -> Result<(), StatsError> {
        let Some(fd) = &self.unsealed else { return Ok(()) };
        // It fails for no open descriptor of a file in memory; a size that nobody knows is none to rely on.
        let size = fstat(fd).map_or(0, |status| u64::try_from(status.st_size).unwrap_or(0));
        if size < self.len() { Err(StatsError::Shrunk { size, mapped: self.len() }) } else { Ok(()) }
    }

    /// Bytes in the mapping.
    pub(crate) fn len(&self) -> u64 {
        self.raw.len() as u64
    }

    /// `count` words at `offset`; `None` unless they are aligned and all inside the mapping.
    pub(crate) fn words(&self, offset: u64, count: u64) -> Option<Words<'_>> {
        let end = count.checked_mul(WORD)?.checked_add(offset)?;
        if !offset.is_multiple_of(WORD) || end > self.len() {
            return None;
        }
        let (offset, len) = (usize::try_from(offset).ok()?, usize::try_from(count).ok()?);
        // SAFETY: `offset <= end <= self.len()`, so the result stays inside the mapping or one past its end, and the
        // mapping is one allocation that lives at least as long as the result, which borrows `self`.
        let first = unsafe { self.raw.as_mut_ptr().add(offset) };
        Some(Words { first: NonNull::new(first.cast())?, len, map: PhantomData })
    }

    /// One word of the header; `None` if the mapping is shorter.
    pub(crate) fn control(&self, control: Control) -> Option<u64> {
        self.words(0, 6)?.get(control as usize)
    }
}

impl Controls for Map {
    fn ready(&self) -> Result<(), StatsError> {
        self.check()
    }

    fn load(&self, control: Control) -> u64 {
        // A segment too short for a header was refused when it was mapped.
        self.control(control).unwrap_or(0)
    }
}

/// A run of words inside a [`Map`], checked against its length once.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a> {
    /// Aligned to 8 bytes, with `len` words from here on inside the mapping.
    first: NonNull<u64>,
    len: usize,
    map: PhantomData<&'a Map>,
}

impl<'a> Words<'a> {
    /// No words.
    pub(crate) const EMPTY: Words<'static> = Words { first: NonNull::dangling(), len: 0, map: PhantomData };

    /// Number of words.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The word at `index` as it is now.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<u64> {
        if index >= self.len {
            return None;
        }
        // SAFETY: `index < len`, so the word is inside the mapping (the field's invariant); it is aligned because the
        // start is and words are 8 bytes; the mapping outlives `'a`. The page is readable. It is present, since the
        // file is sealed, private, or had its whole size when this attempt began ("Truncation" above); were an unsealed
        // one truncated since then, the load would end the process by SIGBUS and return nothing. All accesses of this
        // process to it are atomic and of this size ("Races" above), and other processes' stores are to us as atomic
        // ones. The mapping may be read-only: a relaxed load of 8 bytes is allowed on such memory on the 64-bit targets
        // this crate builds for.
        let word = unsafe { AtomicU64::from_ptr(self.first.as_ptr().add(index)) };
        Some(word.load(Ordering::Relaxed))
    }

    /// The words one after another, each as it is when it is its turn.
    pub(crate) fn iter(self) -> impl Iterator<Item = u64> + use<'a> {
        (0..self.len).map_while(move |index| self.get(index))
    }

    /// The words from `start`, `len` of them; `None` unless all are in this run.
    pub(crate) fn sub(&self, start: usize, len: usize) -> Option<Words<'a>> {
        if start.checked_add(len)? > self.len {
            return None;
        }
        // SAFETY: `start <= self.len`, so the result stays inside the mapping or one past its end.
        let first = unsafe { self.first.add(start) };
        Some(Words { first, len, map: PhantomData })
    }
}

/// A segment's memory, for its one writer.
#[cfg(feature = "writer")]
#[derive(Debug)]
pub(crate) struct MapMut {
    raw: MmapRaw,
}

#[cfg(feature = "writer")]
impl ControlsMut for MapMut {
    fn store(&self, control: Control, value: u64) {
        // The smallest segment has more than the header, so there is nothing to report.
        let _ = MapMut::store(self, control as u64 * WORD, value, Ordering::Release);
    }
}

#[cfg(feature = "writer")]
impl MapMut {
    /// Maps `size` bytes of a memory file for writing. `size` is not 0.
    pub(crate) fn new(fd: BorrowedFd<'_>, size: usize) -> io::Result<Self> {
        let raw = MmapOptions::new().len(size).map_raw(fd.as_raw_fd())?;
        Ok(Self { raw })
    }

    /// Bytes in the mapping.
    pub(crate) fn len(&self) -> u64 {
        self.raw.len() as u64
    }

    /// The word at `offset`; `None` unless it is aligned and inside the mapping.
    pub(crate) fn load(&self, offset: u64) -> Option<u64> {
        Some(self.word(offset)?.load(Ordering::Relaxed))
    }

    /// Stores a word at `offset`; `None` unless it is aligned and inside the mapping.
    pub(crate) fn store(&self, offset: u64, value: u64, order: Ordering) -> Option<()> {
        self.word(offset)?.store(value, order);
        Some(())
    }

    fn word(&self, offset: u64) -> Option<&AtomicU64> {
        if !offset.is_multiple_of(WORD) || offset.checked_add(WORD)? > self.len() {
            return None;
        }
        let offset = usize::try_from(offset).ok()?;
        // SAFETY: the word is aligned (mappings start at a page) and inside the mapping, as just checked, and the
        // mapping is readable, writable and lives as long as `self`, which the result borrows. The memory file is
        // sealed against shrinking. All accesses of this process to it are atomic and of this size.
        Some(unsafe { AtomicU64::from_ptr(self.raw.as_mut_ptr().add(offset).cast()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 64 bytes that count.
    fn map() -> Map {
        let fill = |memory: &mut [u8]| {
            memory.iter_mut().zip(0..).for_each(|(byte, value)| *byte = value);
            Ok(())
        };
        Map::copied(64, fill).expect("a page")
    }

    #[test]
    fn words_end_where_the_mapping_ends() {
        let map = map();
        let last = map.words(56, 1).expect("inside");
        assert_eq!(last.get(0), Some(0x3f3e_3d3c_3b3a_3938));
        assert_eq!(last.get(1), None);
        assert_eq!(map.words(0, 8).map(|words| words.len()), Some(8));
        // Nothing may begin at the end but nothing.
        assert!(map.words(64, 0).is_some_and(|words| words.get(0).is_none()));
        for (offset, count) in
            [(64, 1), (56, 2), (0, 9), (72, 0), (u64::MAX - 7, 1), (8, u64::MAX), (0, u64::MAX / 8 + 1)]
        {
            assert!(map.words(offset, count).is_none(), "{count} words at {offset}");
        }
    }

    #[test]
    fn words_are_aligned() {
        assert!((1..8).all(|offset| map().words(offset, 1).is_none()));
    }

    #[test]
    fn a_part_of_words_ends_with_them() {
        let map = map();
        let words = map.words(8, 4).expect("inside");
        let part = words.sub(1, 3).expect("inside");
        assert_eq!((part.len(), part.get(0), part.get(3)), (3, words.get(1), None));
        assert_eq!(words.sub(4, 0).map(|part| part.get(0)), Some(None));
        for (start, len) in [(0, 5), (4, 1), (5, 0), (usize::MAX, 1), (1, usize::MAX)] {
            assert!(words.sub(start, len).is_none(), "{len} words from {start}");
        }
        assert_eq!(Words::EMPTY.get(0), None);
        assert!(Words::EMPTY.sub(0, 1).is_none());
    }

    #[test]
    fn a_mapping_shorter_than_a_header_has_none() {
        let map = Map::copied(40, |_| Ok(())).expect("a page");
        assert_eq!(map.control(Control::Version), None, "the words of a header are read together");
    }

    #[cfg(feature = "writer")]
    #[test]
    fn a_writer_stores_inside_its_mapping_alone() {
        use std::os::fd::AsFd as _;

        let memfd = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).expect("a memory file");
        rustix::fs::ftruncate(&memfd, 4096).expect("it can be sized");
        let writer = MapMut::new(memfd.as_fd(), 4096).expect("it can be mapped");
        let reader = Map::live(memfd.as_fd(), 4096).expect("it can be mapped");
        assert_eq!(writer.store(4088, 7, Ordering::Relaxed), Some(()));
        assert_eq!((writer.load(4088), reader.words(4088, 1).and_then(|words| words.get(0))), (Some(7), Some(7)));
        for offset in [1, 4084, 4096, u64::MAX - 7] {
            assert_eq!((writer.load(offset), writer.store(offset, 1, Ordering::Relaxed)), (None, None), "{offset}");
        }
    }
}
