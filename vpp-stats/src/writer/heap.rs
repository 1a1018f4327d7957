use std::collections::BTreeMap;

use super::WriteError;
use crate::header::HEAP_START;

/// A cache line: what VPP aligns its tables to, and the room this heap leaves before each block for the vector header.
const LINE: u64 = 64;

/// Hands out parts of the segment. Never touches them.
#[derive(Debug)]
pub(super) struct Heap {
    /// Beginning of what was never handed out.
    fresh: u64,
    end: u64,
    /// Returned blocks by their size.
    returned: BTreeMap<u64, Vec<u64>>,
}

/// Room for one vector. The vector header lies in the word before `offset`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Block {
    /// Offset of element 0, a multiple of 64.
    pub(super) offset: u64,
    /// Bytes from there on, a multiple of 64.
    pub(super) size: u64,
    /// Whether the memory was never used before, and so is zero.
    pub(super) is_fresh: bool,
}

impl Heap {
    pub(super) fn new(end: u64) -> Self {
        Self { fresh: HEAP_START, end, returned: BTreeMap::new() }
    }

    /// A block of at least `size` bytes.
    pub(super) fn allocate(&mut self, size: u64) -> Result<Block, WriteError> {
        let full = WriteError::Full { wanted: size, free: self.free() };
        let Some(size) = size.max(1).checked_next_multiple_of(LINE) else {
            return Err(full);
        };
        self.take_returned(size).or_else(|| self.take_fresh(size)).ok_or(full)
    }

    pub(super) fn release(&mut self, block: Block) {
        self.returned.entry(block.size).or_default().push(block.offset);
    }

    /// Bytes that are not handed out; no single block need be as large.
    pub(super) fn free(&self) -> u64 {
        let returned: u64 = self.returned.iter().map(|(size, blocks)| size * blocks.len() as u64).sum();
        returned + (self.end - self.fresh).saturating_sub(LINE)
    }

    fn take_fresh(&mut self, size: u64) -> Option<Block> {
        let offset = self.fresh + LINE;
        let next = offset.checked_add(size).filter(|next| *next <= self.end)?;
        self.fresh = next;
        Some(Block { offset, size, is_fresh: true })
    }

    /// The smallest returned block that is large enough; what it has too much becomes a block of its own.
    fn take_returned(&mut self, size: u64) -> Option<Block> {
        let (&found, blocks) = self.returned.range_mut(size..).next()?;
        let offset = blocks.pop()?;
        if blocks.is_empty() {
            self.returned.remove(&found);
        }
        let rest = found - size;
        if rest < 2 * LINE {
            return Some(Block { offset, size: found, is_fresh: false });
        }
        self.release(Block { offset: offset + size + LINE, size: rest - LINE, is_fresh: false });
        Some(Block { offset, size, is_fresh: false })
    }
}
