use super::entry::{Body, slot_mut};
use super::{CounterId, SegmentWriter, SymlinkId, WriteError, entry_at};
use crate::directory::EntryKind;
use crate::frame::NAME_AT;
use crate::map::WORD;

/// Symlinks.
impl SegmentWriter {
    /// Adds a symlink to one column of a table. As in VPP the link outlives the table.
    ///
    /// # Errors
    /// [`WriteError::Name`], [`WriteError::Exists`], [`WriteError::Full`] and [`WriteError::Stale`].
    pub fn add_symlink(&mut self, name: &str, target: impl CounterId, column: u32) -> Result<SymlinkId, WriteError> {
        self.update(|writer| writer.add_symlink_quietly(name, target, column))
    }

    /// As [`add_symlink`](Self::add_symlink), but the epoch stands still, as when VPP's drivers add statistics of their
    /// own: `vlib_stats_add_symlink` takes no lock. For tests of readers.
    ///
    /// # Errors
    /// As [`add_symlink`](Self::add_symlink).
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// let drops = vpp.add_simple("/if/drops", 2, 3)?;
    /// let epoch = segment.epoch()?;
    /// vpp.add_symlink_quietly("/interfaces/loop0/drops", drops, 2)?;
    /// assert_eq!(segment.epoch()?, epoch);
    /// // Who looks the name up again only when the epoch moves would miss it.
    /// assert!(segment.value("/interfaces/loop0/drops")?.is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add_symlink_quietly(
        &mut self,
        name: &str,
        target: impl CounterId,
        column: u32,
    ) -> Result<SymlinkId, WriteError> {
        self.add_symlink_slowly(name, target, column, || {})
    }

    /// As [`add_symlink_quietly`](Self::add_symlink_quietly), with a call of `pause` before each of the entry's 18
    /// words is stored, in VPP's order: the type first, the end of the name last. For tests of readers.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// let drops = vpp.add_simple("/if/drops", 1, 1)?;
    /// let mut seen = vec![];
    /// vpp.add_symlink_slowly("/interfaces/loop0", drops, 0, || seen.extend(segment.names().expect("sound").pop()))?;
    /// // VPP stops in the middle of the name.
    /// assert!(seen.contains(&"/interfa".to_owned()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`add_symlink`](Self::add_symlink).
    pub fn add_symlink_slowly(
        &mut self,
        name: &str,
        target: impl CounterId,
        column: u32,
        pause: impl FnMut(),
    ) -> Result<SymlinkId, WriteError> {
        let key = target.key();
        self.slot(key)?;
        let union = u64::from(key.index) | u64::from(column) << 32;
        Ok(SymlinkId(self.insert_slowly(name, EntryKind::Symlink, union, Body::Plain, pause)?))
    }

    /// Renames a symlink in place, as `vlib_stats_rename_symlink` does (VPP `src/vlib/stats/stats.c`): byte by byte up
    /// to the NUL, and outside of any change, so that the epoch stands still. Bytes of the old name stay behind the
    /// NUL. A call within [`update`](Self::update) is part of that change.
    ///
    /// *Caveats.* Who looks meanwhile may see the beginning of the new name before the end of the old one.
    ///
    /// # Errors
    /// [`WriteError::Name`], [`WriteError::Stale`], and [`WriteError::Exists`] if another entry has the name.
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// let drops = vpp.add_simple("/if/drops", 1, 1)?;
    /// let link = vpp.add_symlink("/interfaces/loop0/drops", drops, 0)?;
    /// let mut old = segment.entry("/interfaces/loop0/drops");
    /// assert!(old.read(|_| ())?.is_some());
    /// let epoch = segment.epoch()?;
    /// vpp.rename(link, "/interfaces/tap0/drops")?;
    /// assert_eq!(segment.epoch()?, epoch);
    /// assert!(old.read(|_| ())?.is_none());
    /// assert!(segment.names()?.contains(&"/interfaces/tap0/drops".to_owned()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rename(&mut self, id: SymlinkId, name: &str) -> Result<(), WriteError> {
        let old = self.slot(id.0)?.name.clone();
        if old == name {
            return Ok(());
        }
        self.check_name(name)?;
        self.by_name.remove(&old);
        self.by_name.insert(name.to_owned(), id.0.index);
        slot_mut(&mut self.slots, id.0)?.name = name.to_owned();
        let field = entry_at(self.directory, id.0.index) + NAME_AT as u64 * WORD;
        for (at, byte) in (field..).zip(name.bytes().chain([0])) {
            self.memory.publish_byte(at, byte)?;
        }
        Ok(())
    }
}
