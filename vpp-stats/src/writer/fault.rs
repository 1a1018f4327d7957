use super::{SegmentWriter, WriteError, entry_at};
use crate::epoch::ControlsMut as _;
use crate::header::Control;

/// Faults, for tests of readers.
impl SegmentWriter {
    /// Makes the segment look as if a change never ended, until called with `false`.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// use vpp_stats::{Retries, StatsError};
    ///
    /// let mut boottime = segment.with_retries(Retries::new(1, 1)).scalar("/sys/boottime");
    /// // As if VPP had died in the middle of a change.
    /// vpp.set_in_progress(true);
    /// assert_eq!(boottime.value(), Err(StatsError::Busy { attempts: 1 }));
    /// vpp.set_in_progress(false);
    /// assert_eq!(boottime.value(), Ok(Some(0)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// use vpp_stats::StatsError;
    /// use vpp_stats::writer::WriteError;
    ///
    /// // The version of VPP 20.05.
    /// vpp.corrupt(0, &1_u64.to_le_bytes())?;
    /// assert_eq!(segment.header(), Err(StatsError::UnknownVersion(1)));
    /// let end = vpp.size();
    /// assert_eq!(vpp.corrupt(end - 1, &[0, 0]), Err(WriteError::OutOfBounds(end - 1)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn corrupt(&mut self, offset: u64, bytes: &[u8]) -> Result<(), WriteError> {
        self.memory.overwrite(offset, bytes)
    }

    /// Offset of the entry `name`: its type at 0, its value or pointer at 8, its name at 16.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// use vpp_stats::{EntryKind, StatsError};
    ///
    /// vpp.add_simple("/if/drops", 2, 3)?;
    /// let at = vpp.entry_offset("/if/drops").expect("it was added");
    /// // A type that a later VPP might have.
    /// vpp.corrupt(at, &42_i32.to_le_bytes())?;
    /// let error = StatsError::WrongType { expected: EntryKind::Simple, found: EntryKind::Unknown(42) };
    /// assert_eq!(segment.simple("/if/drops").total(), Err(error));
    /// assert_eq!(vpp.entry_offset("/if/punt"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn entry_offset(&self, name: &str) -> Option<u64> {
        Some(entry_at(self.directory, *self.by_name.get(name)?))
    }
}
