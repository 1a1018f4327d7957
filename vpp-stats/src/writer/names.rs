use super::entry::{Body, Names, slot_mut};
use super::{NamesId, SegmentWriter, WriteError, address, entry_at};
use crate::directory::EntryKind;
use crate::map::WORD;

/// Name vectors.
impl SegmentWriter {
    /// Adds a name vector.
    ///
    /// # Errors
    /// [`WriteError::Name`], [`WriteError::Exists`] and [`WriteError::Full`].
    pub fn add_names(&mut self, name: &str, names: &[Option<&str>]) -> Result<NamesId, WriteError> {
        self.update(|writer| {
            let outer = writer.memory.vector(names.len(), WORD)?;
            let mut vector = Names { outer, strings: Vec::with_capacity(names.len()) };
            for name in names {
                match name.map(|name| writer.memory.string(name)).transpose() {
                    Ok(string) => {
                        let at = outer.offset + vector.strings.len() as u64 * WORD;
                        vector.strings.push(string);
                        writer.memory.store(at, string.map_or(0, address))?;
                    }
                    Err(error) => {
                        writer.release(Body::Names(vector));
                        return Err(error);
                    }
                }
            }
            Ok(NamesId(writer.insert(name, EntryKind::Names, address(outer), Body::Names(vector))?))
        })
    }

    /// Puts a name into a name vector, which grows as needed, or takes it out.
    ///
    /// # Errors
    /// [`WriteError::Stale`] and [`WriteError::Full`].
    ///
    /// ```
    /// # use vpp_stats::writer::SegmentWriter;
    /// # let mut vpp = SegmentWriter::new(1 << 16)?;
    /// # let segment = vpp.reader()?;
    /// use vpp_stats::Value;
    ///
    /// let names = vpp.add_names("/if/names", &[Some("local0")])?;
    /// vpp.set_name(names, 2, Some("loop0"))?; // with no interface 1
    /// vpp.set_name(names, 0, None)?;
    /// assert_eq!(segment.value("/if/names")?, Some(Value::Names(vec![None, None, Some("loop0".to_owned())])));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_name(&mut self, id: NamesId, index: usize, name: Option<&str>) -> Result<(), WriteError> {
        self.update(|writer| {
            let Self { slots, memory, directory, .. } = writer;
            let Body::Names(names) = &mut slot_mut(slots, id.0)?.body else {
                return Err(WriteError::Stale);
            };
            let string = name.map(|name| memory.string(name)).transpose()?;
            if index >= names.strings.len() {
                let len = index.saturating_add(1);
                let grown = memory.grown(names.outer, names.strings.len(), len, WORD);
                let grown = grown.inspect_err(|_| string.into_iter().for_each(|block| memory.release(block)))?;
                if grown != names.outer {
                    memory.store(entry_at(*directory, id.0.index) + WORD, address(grown))?;
                    memory.release(names.outer);
                    names.outer = grown;
                }
                names.strings.resize(len, None);
            }
            memory.store(names.outer.offset + index as u64 * WORD, string.map_or(0, address))?;
            if let Some(old) = std::mem::replace(&mut names.strings[index], string) {
                memory.release(old);
            }
            Ok(())
        })
    }
}
