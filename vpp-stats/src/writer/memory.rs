use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;

use super::WriteError;
use super::heap::{Block, Heap};
use crate::cell::Cell;
use crate::epoch::ControlsMut;
use crate::map::{MapMut, WORD};

/// Second half of a vector header, as VPP's for a table: 8 words of header, aligned to 2^6 bytes, on the default heap.
const VECTOR_FLAVOUR: u64 = 0x8608;

/// The segment's memory and who has which part of it. Nothing here knows of entries.
#[derive(Debug)]
pub(super) struct Memory {
    map: MapMut,
    heap: Heap,
}

impl Memory {
    pub(super) fn map(fd: BorrowedFd<'_>, size: usize) -> io::Result<Self> {
        Ok(Self { map: MapMut::new(fd, size)?, heap: Heap::new(size as u64) })
    }

    pub(super) fn len(&self) -> u64 {
        self.map.len()
    }

    pub(super) fn free(&self) -> u64 {
        self.heap.free()
    }

    pub(super) fn load(&self, offset: u64) -> Result<u64, WriteError> {
        self.map.load(offset).ok_or(WriteError::OutOfBounds(offset))
    }

    pub(super) fn store(&self, offset: u64, value: u64) -> Result<(), WriteError> {
        self.map.store(offset, value, Ordering::Relaxed).ok_or(WriteError::OutOfBounds(offset))
    }

    /// Stores a word after everything stored before it.
    pub(super) fn publish(&self, offset: u64, value: u64) -> Result<(), WriteError> {
        self.map.store(offset, value, Ordering::Release).ok_or(WriteError::OutOfBounds(offset))
    }

    pub(super) fn load_cell<C: Cell>(&self, offset: u64) -> Result<C, WriteError> {
        let mut words = [0; 2];
        for (index, word) in words[..C::WORDS].iter_mut().enumerate() {
            *word = self.load(offset + index as u64 * WORD)?;
        }
        Ok(C::from_words(words))
    }

    pub(super) fn store_cell<C: Cell>(&self, offset: u64, cell: C) -> Result<(), WriteError> {
        let words = cell.to_words();
        for (index, word) in words[..C::WORDS].iter().enumerate() {
            self.store(offset + index as u64 * WORD, *word)?;
        }
        Ok(())
    }

    /// The header, for the protocol.
    pub(super) fn controls(&self) -> &impl ControlsMut {
        &self.map
    }

    /// Room for a vector, all zero, without a length.
    pub(super) fn allocate(&mut self, size: u64) -> Result<Block, WriteError> {
        let block = self.heap.allocate(size)?;
        if !block.is_fresh {
            for offset in (0..block.size).step_by(WORD as usize) {
                self.store(block.offset + offset, 0)?;
            }
        }
        Ok(block)
    }

    pub(super) fn release(&mut self, block: Block) {
        self.heap.release(block);
    }

    /// A vector of `len` elements, all zero.
    pub(super) fn vector(&mut self, len: usize, element: u64) -> Result<Block, WriteError> {
        let block = self.allocate(bytes(len, element))?;
        self.set_len(block, len, element)?;
        Ok(block)
    }

    /// A vector of bytes that holds `text` and a NUL.
    pub(super) fn string(&mut self, text: &str) -> Result<Block, WriteError> {
        let len = text.len() + 1;
        let block = self.allocate(len as u64)?;
        self.overwrite(block.offset, text.as_bytes())?;
        self.set_len(block, len, 1)?;
        Ok(block)
    }

    /// The vector `block` with `new_len` instead of `len` elements: itself if it has the room, else a copy with half
    /// as much room again, as in VPP, or with as much as there is.
    pub(super) fn grown(
        &mut self,
        block: Block,
        len: usize,
        new_len: usize,
        element: u64,
    ) -> Result<Block, WriteError> {
        let wanted = bytes(new_len, element);
        if wanted <= block.size {
            self.set_len(block, new_len, element)?;
            return Ok(block);
        }
        let roomy = wanted.max(block.size.saturating_add(block.size / 2));
        let new = self.allocate(roomy).or_else(|_| self.allocate(wanted))?;
        for offset in (0..bytes(len, element)).step_by(WORD as usize) {
            let word = self.load(block.offset + offset)?;
            // Storing a zero would only take a page.
            if word != 0 {
                self.store(new.offset + offset, word)?;
            }
        }
        self.set_len(new, new_len, element)?;
        Ok(new)
    }

    /// Writes the vector header. New elements are visible with the length, so they are stored before it.
    pub(super) fn set_len(&self, block: Block, len: usize, element: u64) -> Result<(), WriteError> {
        let spare = (block.size / element).saturating_sub(len as u64).min(255);
        let header = len as u64 | VECTOR_FLAVOUR << 32 | spare << 48;
        self.publish(block.offset - WORD, header)
    }

    /// Stores bytes at any offset. Readers may see half of it, word by word.
    pub(super) fn overwrite(&self, offset: u64, bytes: &[u8]) -> Result<(), WriteError> {
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > self.len()) {
            return Err(WriteError::OutOfBounds(offset));
        }
        for (at, byte) in (offset..).zip(bytes) {
            self.publish_byte(at, *byte)?;
        }
        Ok(())
    }

    /// Stores a byte after everything stored before it, and with it the word that it lies in.
    pub(super) fn publish_byte(&self, offset: u64, byte: u8) -> Result<(), WriteError> {
        let start = offset - offset % WORD;
        let mut word = self.load(start)?.to_le_bytes();
        word[(offset % WORD) as usize] = byte;
        self.publish(start, u64::from_le_bytes(word))
    }
}

/// Bytes of `len` elements; more than any segment has for more elements than the 32 bits of a length can count.
fn bytes(len: usize, element: u64) -> u64 {
    u32::try_from(len).map_or(u64::MAX, |len| u64::from(len).saturating_mul(element))
}
