use super::entry::{Body, Ring, slot_mut};
use super::{RingId, SegmentWriter, WriteError, address};
use crate::directory::EntryKind;
use crate::epoch::ControlsMut as _;
use crate::map::WORD;
use crate::view::METADATA_BYTES;

/// Bytes of the header, right behind which the entries begin.
const HEADER_BYTES: u64 = 28;
const LINE: u64 = 64;

/// Ring buffers.
impl SegmentWriter {
    /// Adds a ring buffer: for each of `threads` threads a ring of `ring_size` slots of `entry_size` bytes, and one
    /// `schema` for all of them. Laid out as by VPP 26.10.
    ///
    /// # Errors
    /// [`WriteError::Name`], [`WriteError::Exists`] and [`WriteError::Full`].
    pub fn add_ring_buffer(
        &mut self,
        name: &str,
        threads: u32,
        ring_size: u32,
        entry_size: u32,
        schema: &[u8],
    ) -> Result<RingId, WriteError> {
        let slots = u64::from(threads) * u64::from(ring_size);
        let entries = slots.saturating_mul(entry_size.into());
        // More than 32 bits of offset are more than any segment has.
        let metadata = entries.saturating_add(HEADER_BYTES).min(u32::MAX.into()).next_multiple_of(LINE);
        let schema_at = metadata + u64::from(threads) * METADATA_BYTES;
        let total = schema_at.saturating_add(schema.len() as u64).saturating_add(entries.saturating_sub(metadata));
        self.update(|writer| {
            let block = writer.memory.allocate(total)?;
            let half = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
            let schema_size = schema.len() as u32;
            let version = u32::from(!schema.is_empty());
            let header = [
                half(entry_size, ring_size),
                half(threads, schema_size),
                half(version, metadata as u32),
                HEADER_BYTES, // and the first bytes of data
            ];
            for (index, word) in header.into_iter().enumerate() {
                writer.memory.store(block.offset + index as u64 * WORD, word)?;
            }
            writer.memory.overwrite(block.offset + schema_at, schema)?;
            let place = if schema.is_empty() { 0 } else { half(schema_at as u32, schema_size) };
            let ring = Ring { block, metadata, ring_size, entry_size, written: vec![0; threads as usize] };
            for thread in 0..threads {
                writer.memory.store(ring.metadata_of(thread), half(0, version))?;
                writer.memory.store(ring.metadata_of(thread) + 2 * WORD, place)?;
            }
            Ok(RingId(writer.insert(name, EntryKind::RingBuffer, address(block), Body::Ring(ring))?))
        })
    }

    /// Writes one entry into the ring of a thread, over the oldest. What `entry` lacks to a whole one is left as it was;
    /// what it has too much is cut off.
    ///
    /// # Errors
    /// [`WriteError::Stale`] and [`WriteError::NoCell`].
    pub fn push(&mut self, id: RingId, thread: u32, entry: &[u8]) -> Result<(), WriteError> {
        let Self { slots, memory, .. } = self;
        let Body::Ring(ring) = &mut slot_mut(slots, id.0)?.body else {
            return Err(WriteError::Stale);
        };
        let metadata = ring.metadata_of(thread);
        let (ring_size, entry_size) = (u64::from(ring.ring_size), u64::from(ring.entry_size));
        let no_cell = WriteError::NoCell { thread: thread as usize, column: 0 };
        let written = ring.written.get_mut(thread as usize).filter(|_| ring_size > 0).ok_or(no_cell)?;
        let slot = u64::from(thread) * ring_size + *written % ring_size;
        let entry = &entry[..entry.len().min(entry_size as usize)];
        memory.overwrite(ring.block.offset + HEADER_BYTES + slot * entry_size, entry)?;
        *written += 1;
        let version = memory.load(metadata)? >> 32;
        memory.store(metadata, (*written % ring_size) | (version << 32))?;
        memory.publish(metadata + WORD, *written)?;
        // Who sees what the next call writes over the oldest entry finds this number.
        memory.controls().release_fence();
        Ok(())
    }
}

impl Ring {
    fn metadata_of(&self, thread: u32) -> u64 {
        self.block.offset + self.metadata + u64::from(thread) * METADATA_BYTES
    }
}
