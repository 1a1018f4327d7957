//! What this crate knows of the messages of one VPP.

use crate::message::{Kind, Message};
use crate::messages::{Visitor, visit_all};
use crate::table::MessageTable;

/// The messages this crate knows, by the ids of one VPP.
#[derive(Debug)]
pub(super) struct Known(Vec<Option<Entry>>);

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
        struct Fill<'a>(&'a MessageTable, Vec<Option<Entry>>);

        impl Visitor for Fill<'_> {
            fn visit<M: Message>(&mut self) {
                let Some(id) = self.0.id(M::NAME_CRC).map(usize::from) else {
                    return;
                };
                if self.1.len() <= id {
                    self.1.resize(id + 1, None);
                }
                self.1[id] = Some(Entry { kind: M::KIND, name: M::NAME, name_crc: M::NAME_CRC });
            }
        }

        let mut fill = Fill(table, Vec::new());
        visit_all(&mut fill);
        Self(fill.1)
    }

    /// The message with this id, if it is one of them.
    pub(super) fn get(&self, id: u16) -> Option<Entry> {
        self.0.get(usize::from(id)).copied().flatten()
    }
}
