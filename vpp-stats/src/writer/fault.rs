use super::{SegmentWriter, WriteError, entry_at};
use crate::epoch::ControlsMut as _;
use crate::header::Control;

/// Faults, for tests of readers.
impl SegmentWriter {
    /// Makes the segment look as if a change never ended, until called with `false`.
    pub fn set_in_progress(&mut self, is_stuck: bool) {
        self.is_stuck = is_stuck;
        if self.depth == 0 {
            self.memory.controls().store(Control::InProgress, is_stuck.into());
        }
    }

    /// Overwrites memory at `offset`, without any protocol. The header's words lie at 0 (version), 8 (base),
    /// 16 (epoch), 24 (in progress) and 32 (directory); for entries see [`entry_offset`](Self::entry_offset).
    ///
    /// # Errors
    /// [`WriteError::OutOfBounds`] if the bytes do not all lie inside; then none is written.
    pub fn corrupt(&mut self, offset: u64, bytes: &[u8]) -> Result<(), WriteError> {
        self.memory.overwrite(offset, bytes)
    }

    /// Offset of the entry `name`: its type at 0, its value or pointer at 8, its name at 16.
    pub fn entry_offset(&self, name: &str) -> Option<u64> {
        Some(entry_at(self.directory, *self.by_name.get(name)?))
    }
}
