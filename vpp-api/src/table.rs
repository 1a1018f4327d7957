//! The message table of one connection: which id stands for which message.
//!
//! ```
//! use vpp_api::messages::lb::LbAsSetWeight;
//! use vpp_api::table::MessageTable;
//!
//! // VPP before 26.10: its plugin has servers, but no weights.
//! let table: MessageTable = [(57, "lb_add_del_as_35d72500")].into_iter().collect();
//! assert_eq!(table.id("lb_add_del_as_35d72500"), Some(57));
//! assert!(table.id_of::<LbAsSetWeight>().is_err());
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Absent;
use crate::message::Message;
use crate::messages::memclnt::MessageTableEntry;

/// Name and id of every message of one VPP process, as its handshake told.
///
/// Ids differ from process to process and must not outlive the connection.
///
/// ```
/// use vpp_api::messages::lb::{LbConf, LbConfGet};
/// use vpp_api::table::MessageTable;
///
/// let rows = [(57, "lb_conf_56cd3261"), (58, "lb_conf_reply_e8d4e804")];
/// let table: MessageTable = rows.into_iter().collect();
/// assert_eq!(table.id_of::<LbConf>(), Ok(57));
/// assert_eq!(table.name(58), Some("lb_conf_reply_e8d4e804"));
/// assert!(table.id_of::<LbConfGet>().is_err());
/// ```
#[derive(Clone, Debug, Default)]
pub struct MessageTable {
    ids: HashMap<Arc<str>, u16>,
    names: HashMap<u16, Arc<str>>,
}

impl MessageTable {
    /// The table in a handshake's rows.
    ///
    /// ```
    /// use vpp_api::{messages::memclnt::MessageTableEntry, table::MessageTable, types::FixedString};
    ///
    /// let row = MessageTableEntry { index: 57, name: FixedString::clipped("lb_conf_56cd3261") };
    /// assert_eq!(MessageTable::new(&[row]).id("lb_conf_56cd3261"), Some(57));
    /// ```
    #[must_use]
    pub fn new(rows: &[MessageTableEntry]) -> Self {
        rows.iter().map(|row| (row.index, row.name.to_str_lossy())).collect()
    }

    /// The id of `name_crc`, such as `lb_conf_56cd3261`.
    #[must_use]
    pub fn id(&self, name_crc: &str) -> Option<u16> {
        self.ids.get(name_crc).copied()
    }

    /// Name and CRC of the message with this id.
    #[must_use]
    pub fn name(&self, id: u16) -> Option<&str> {
        self.names.get(&id).map(AsRef::as_ref)
    }

    /// The id of `M`.
    ///
    /// ```
    /// use vpp_api::{messages::lb::LbConf, table::MessageTable};
    ///
    /// let table: MessageTable = [(57, "lb_conf_00000000")].into_iter().collect();
    /// let absent = table.id_of::<LbConf>().unwrap_err();
    /// assert_eq!(absent.other.as_deref(), Some("lb_conf_00000000"), "another layout");
    /// ```
    ///
    /// # Errors
    /// [`Absent`] if VPP has no such message, or one of the same name with another layout.
    pub fn id_of<M: Message>(&self) -> Result<u16, Absent> {
        self.id(M::NAME_CRC)
            .ok_or_else(|| Absent { name_crc: M::NAME_CRC, other: self.by_name(M::NAME).map(str::to_owned) })
    }

    /// Name and CRC of the message called `name`, whatever its CRC.
    ///
    /// ```
    /// use vpp_api::table::MessageTable;
    ///
    /// let table: MessageTable = [(57, "lb_conf_56cd3261")].into_iter().collect();
    /// assert_eq!(table.by_name("lb_conf"), Some("lb_conf_56cd3261"));
    /// assert_eq!(table.by_name("lb"), None);
    /// ```
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&str> {
        self.iter()
            .map(|(name_crc, _)| name_crc)
            .find(|name_crc| name_crc.rsplit_once('_').is_some_and(|(known, _)| known == name))
    }

    /// Every message with its id, in no order.
    ///
    /// ```
    /// use vpp_api::table::MessageTable;
    ///
    /// /// How many messages of the lb plugin VPP has.
    /// fn count(table: &MessageTable) -> usize {
    ///     table.iter().filter(|(name_crc, _)| name_crc.starts_with("lb_")).count()
    /// }
    /// assert_eq!(count(&MessageTable::default()), 0);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&str, u16)> {
        self.names.iter().map(|(id, name)| (name.as_ref(), *id))
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

impl<N: AsRef<str>> FromIterator<(u16, N)> for MessageTable {
    fn from_iter<I: IntoIterator<Item = (u16, N)>>(rows: I) -> Self {
        let mut table = Self::default();
        for (id, name) in rows {
            let name: Arc<str> = name.as_ref().into();
            table.ids.insert(name.clone(), id);
            table.names.insert(id, name);
        }
        table
    }
}

#[cfg(test)]
mod tests;
