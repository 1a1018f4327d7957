//! What this crate knows of the messages of one VPP.

use std::any::TypeId;
use std::collections::HashMap;

use super::mix::BuildMix;
use crate::error::Absent;
use crate::message::{Kind, Message};
use crate::messages::{Visitor, visit_all};
use crate::table::MessageTable;

/// The messages this crate has a type for, and those its user declared and used, by the ids of one VPP.
#[derive(Debug, Default)]
pub(super) struct Known {
    entries: Vec<Option<Entry>>,
    /// The ids that were asked for, so that each name is looked up once.
    ids: HashMap<TypeId, u16, BuildMix>,
}

/// What has to be known of a message to find out whom it is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    pub(super) name_crc: &'static str,
}

impl Known {
    /// Those of `table` that this crate has a type for.
    pub(super) fn of(table: &MessageTable) -> Self {
        struct Fill<'a>(&'a MessageTable, Known);

        impl Visitor for Fill<'_> {
            fn visit<M: Message>(&mut self) {
                if let Some(id) = self.0.id(M::NAME_CRC) {
                    self.1.learn::<M>(id);
                }
            }
        }

        let mut fill = Fill(table, Self::default());
        visit_all(&mut fill);
        fill.1
    }

    /// The id of `M` in `table`, which is always that of the connection.
    pub(super) fn id_of<M: Message>(&mut self, table: &MessageTable) -> Result<u16, Absent> {
        if let Some(id) = self.ids.get(&TypeId::of::<M>()) {
            return Ok(*id);
        }
        let id = table.id_of::<M>()?;
        self.ids.insert(TypeId::of::<M>(), id);
        Ok(id)
    }

    /// Adds a message that the crate's user declared. One that is known stays as it is: its name and CRC are the same.
    pub(super) fn learn<M: Message>(&mut self, id: u16) {
        let id = usize::from(id);
        if self.entries.len() <= id {
            self.entries.resize(id + 1, None);
        }
        self.entries[id].get_or_insert(Entry { kind: M::KIND, name: M::NAME, name_crc: M::NAME_CRC });
    }

    /// The message with this id, if it is one of them.
    pub(super) fn get(&self, id: u16) -> Option<Entry> {
        self.entries.get(usize::from(id)).copied().flatten()
    }
}
