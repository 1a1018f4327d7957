//! What several tests of the API share.

#![allow(dead_code, unreachable_pub)] // each test takes its part of it

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use vpp_stats::{EntryKind, Pattern, Segment, StatsError};

/// A file recorded from VPP 26.10, unpacked; `None`, and a line that says so, where the recordings are not at hand.
pub fn recording(name: &str) -> Option<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors/vpp-26.10").join(name);
    let Ok(file) = File::open(&path) else {
        eprintln!("SKIPPED: no recording {}", path.display());
        return None;
    };
    let mut bytes = Vec::new();
    GzDecoder::new(file).read_to_end(&mut bytes).expect("the recording is a gzip file");
    Some(bytes)
}

/// A file of `tests/golden`.
pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A directory of its own for one test, removed with all in it at the end.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vpp-stats-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary directory can be written");
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind there harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Reads all there is to read in every way there is, and counts the errors. The point is that it returns.
pub fn read_everything(segment: &Segment) -> usize {
    let mut errors = 0;
    let mut note = |is_error: bool| errors += usize::from(is_error);
    note(segment.header().is_err());
    note(segment.epoch().is_err());
    let entries = segment.entries().unwrap_or_default();
    note(entries.is_empty());
    for entry in &entries {
        note(segment.value_at(entry.index).is_err());
        note(segment.scalar(&entry.name).value().is_err_and(not_wrong_type));
        note(segment.simple(&entry.name).sum_columns(&[0, 1, u32::MAX], &mut [0; 3]).is_err_and(not_wrong_type));
        note(segment.combined(&entry.name).sum(2).is_err_and(not_wrong_type));
    }
    for name in ["/if/names", "/sys/boottime", "/net/route/to", "/interfaces/loop0/rx", "nowhere", ""] {
        note(segment.value(name).is_err());
    }
    let mut selected = 0;
    let pass = segment.select(Pattern::everything()).read(|entries| {
        selected = entries.filter(|entry| entry.read(|view| format!("{view:?}")).is_err()).count();
    });
    note(pass.is_err());
    note(segment.directory().any(|step| step.is_err()));
    for entry in entries.iter().filter(|entry| entry.kind == EntryKind::RingBuffer) {
        note(segment.ring(&entry.name).read(1, |_, _| ()).is_err());
    }
    errors + selected
}

fn not_wrong_type(error: StatsError) -> bool {
    !matches!(error, StatsError::WrongType { .. })
}

/// A segment laid out by hand, byte by byte, sharing no code with the writer.
pub struct Image {
    pub bytes: Vec<u8>,
    next: u64,
    entries: Vec<u8>,
}

/// Address at which an [`Image`] pretends to lie inside VPP.
pub const BASE: u64 = 0x7000_0000_0000;

impl Image {
    pub const SIZE: usize = 16 * 1024;

    pub fn new() -> Self {
        Self { bytes: vec![0; Self::SIZE], next: 4096, entries: Vec::new() }
    }

    pub fn word(&mut self, offset: u64, word: u64) {
        self.put(offset, &word.to_le_bytes());
    }

    pub fn put(&mut self, offset: u64, bytes: &[u8]) {
        let offset = offset as usize;
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// A vector that says to have `len` elements and has `contents`. Returns its address.
    pub fn vector(&mut self, len: u32, contents: &[u8]) -> u64 {
        let offset = self.next + 8;
        // As VPP has it for small vectors: 8 bytes of header, aligned to 8.
        self.word(offset - 8, u64::from(len) | 0x0301 << 32);
        self.put(offset, contents);
        self.next = (offset + contents.len() as u64).next_multiple_of(8);
        BASE + offset
    }

    pub fn words(&mut self, words: &[u64]) -> u64 {
        self.vector(words.len() as u32, &words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>())
    }

    pub fn pairs(&mut self, pairs: &[(u64, u64)]) -> u64 {
        let bytes: Vec<u8> = pairs.iter().flat_map(|(a, b)| [a.to_le_bytes(), b.to_le_bytes()].concat()).collect();
        self.vector(pairs.len() as u32, &bytes)
    }

    /// An entry; `name` is the whole field or its beginning.
    pub fn entry(&mut self, kind: i32, union: u64, name: &[u8]) -> &mut Self {
        let mut entry = [0; 144];
        entry[..4].copy_from_slice(&kind.to_le_bytes());
        entry[8..16].copy_from_slice(&union.to_le_bytes());
        entry[16..16 + name.len()].copy_from_slice(name);
        self.entries.extend(entry);
        self
    }

    /// Writes the directory and the header.
    pub fn finish(&mut self) -> Vec<u8> {
        let entries = std::mem::take(&mut self.entries);
        let directory = self.vector((entries.len() / 144) as u32, &entries);
        for (offset, word) in [(0, 2), (8, BASE), (16, 1), (32, directory)] {
            self.word(offset, word);
        }
        self.bytes.clone()
    }

    pub fn segment(&mut self) -> Segment {
        Segment::from_snapshot(&self.finish()).expect("the header is sound")
    }
}
