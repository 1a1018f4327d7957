use super::heap::Block;
use super::id::Key;
use super::{ENTRY_BYTES, SegmentWriter, WriteError, address, entry_at, kind_word};
use crate::directory::EntryKind;
use crate::epoch;
use crate::map::WORD;
use crate::name::{NAME_BYTES, Name};

#[derive(Debug)]
pub(super) struct Slot {
    pub(super) generation: u64,
    pub(super) name: String,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    Free,
    /// A scalar, gauge or symlink: all in the entry.
    Plain,
    Table(Table),
    Names(Names),
    Ring(Ring),
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) outer: Block,
    pub(super) rows: Vec<Block>,
    pub(super) columns: usize,
    pub(super) cell_bytes: u64,
}

#[derive(Debug)]
pub(super) struct Names {
    pub(super) outer: Block,
    pub(super) strings: Vec<Option<Block>>,
}

#[derive(Debug)]
pub(super) struct Ring {
    pub(super) block: Block,
    /// Offset of the threads' metadata from the block.
    pub(super) metadata: u64,
    pub(super) ring_size: u32,
    pub(super) entry_size: u32,
    /// Entries written, by thread.
    pub(super) written: Vec<u64>,
}

/// Slots of the directory and what they own.
impl SegmentWriter {
    /// Fills a slot of the directory. Releases `body` if there is none to be had.
    pub(super) fn insert(&mut self, name: &str, kind: EntryKind, union: u64, body: Body) -> Result<Key, WriteError> {
        self.insert_slowly(name, kind, union, body, || {})
    }

    /// As [`insert`](Self::insert), with a call of `pause` before each word. As VPP's assignment to the slot does it stores
    /// the type first and the end of the name last.
    pub(super) fn insert_slowly(
        &mut self,
        name: &str,
        kind: EntryKind,
        union: u64,
        body: Body,
        mut pause: impl FnMut(),
    ) -> Result<Key, WriteError> {
        let field = match self.check_name(name).and_then(|field| self.reserve_slot().map(|()| field)) {
            Ok(field) => field,
            Err(error) => {
                self.release(body);
                return Err(error);
            }
        };
        self.generation += 1;
        let slot = Slot { generation: self.generation, name: name.to_owned(), body };
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index as usize] = slot;
                index
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        self.by_name.insert(name.to_owned(), index);
        let entry = entry_at(self.directory, index);
        self.memory.set_len(self.directory, self.slots.len(), ENTRY_BYTES)?;
        for (at, word) in (0..).zip([kind_word(kind), union].iter().chain(field.words())) {
            pause();
            self.memory.publish(entry + at * WORD, *word)?;
        }
        Ok(Key { index, generation: self.generation })
    }

    /// The field of a new entry's name.
    pub(super) fn check_name(&self, name: &str) -> Result<Name, WriteError> {
        if self.by_name.contains_key(name) {
            return Err(WriteError::Exists(name.to_owned()));
        }
        let field = Name::new(name).filter(|_| name.len() < NAME_BYTES);
        field.ok_or_else(|| WriteError::Name(name.to_owned()))
    }

    /// Makes sure that the directory has room for one more entry.
    fn reserve_slot(&mut self) -> Result<(), WriteError> {
        let len = self.slots.len();
        if !self.free.is_empty() || (len as u64 + 1) * ENTRY_BYTES <= self.directory.size {
            return Ok(());
        }
        let grown = self.memory.grown(self.directory, len, len + 1, ENTRY_BYTES)?;
        self.memory.set_len(grown, len, ENTRY_BYTES)?;
        epoch::move_directory(self.memory.controls(), address(grown));
        self.memory.release(self.directory);
        self.directory = grown;
        Ok(())
    }

    pub(super) fn release(&mut self, body: Body) {
        match body {
            Body::Free | Body::Plain => {}
            Body::Table(table) => {
                table.rows.into_iter().for_each(|row| self.memory.release(row));
                self.memory.release(table.outer);
            }
            Body::Names(names) => {
                names.strings.into_iter().flatten().for_each(|string| self.memory.release(string));
                self.memory.release(names.outer);
            }
            Body::Ring(ring) => self.memory.release(ring.block),
        }
    }

    pub(super) fn slot(&self, key: Key) -> Result<&Slot, WriteError> {
        let slot = self.slots.get(key.index as usize);
        slot.filter(|slot| slot.generation == key.generation && !matches!(slot.body, Body::Free))
            .ok_or(WriteError::Stale)
    }
}

pub(super) fn slot_mut(slots: &mut [Slot], key: Key) -> Result<&mut Slot, WriteError> {
    let slot = slots.get_mut(key.index as usize);
    slot.filter(|slot| slot.generation == key.generation && !matches!(slot.body, Body::Free)).ok_or(WriteError::Stale)
}
