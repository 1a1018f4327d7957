//! The message table of a VPP stand-in.

use std::collections::HashSet;

use super::request::{AnyRequest, Decoder};
use crate::message::Message;
use crate::messages::memclnt::{MessageTableEntry, SockclntCreateReply};
use crate::messages::{Visitor, visit_all};
use crate::table::MessageTable;
use crate::types::{Counted, FixedString};

/// Ids for a set of messages, and how to read those that clients send.
///
/// As in VPP, the messages of `memclnt.api` have ids 1 to 28; all others follow, and their ids and the order of the
/// rows depend on the seed alone.
///
/// ```
/// use vpp_api::server::ServedTable;
///
/// let served = ServedTable::of_this_crate(1);
/// assert_eq!(served.table().id("control_ping_51077d14"), Some(23), "as in every VPP");
/// assert_ne!(served.table().id("lb_conf_56cd3261"), ServedTable::of_this_crate(2).table().id("lb_conf_56cd3261"));
/// ```
#[derive(Debug)]
pub struct ServedTable {
    table: MessageTable,
    rows: Counted<MessageTableEntry, u16>,
    decoders: Vec<Option<Decoder>>,
}

impl ServedTable {
    /// Serves `names`, each `<name>_<crc>`, and the messages of `memclnt.api`, which every VPP has.
    ///
    /// Names that this crate has no type for are served too: requests for them come as [`AnyRequest::Unknown`]. What
    /// is double, and what exceeds the 65,535 ids there are, is left out.
    ///
    /// ```
    /// use vpp_api::{release::Capabilities, server::ServedTable};
    ///
    /// let served = ServedTable::new(["lb_conf_get_51077d14", "lb_conf_get_reply_923427ac"], 1);
    /// assert!(Capabilities::of(served.table()).lb_conf_get);
    /// ```
    #[must_use]
    pub fn new<N: AsRef<str>>(names: impl IntoIterator<Item = N>, seed: u64) -> Self {
        let mut random = SplitMix(seed);
        let mut seen: HashSet<String> = STATIC.iter().map(|name| (*name).to_owned()).collect();
        let mut dynamic: Vec<String> = names.into_iter().map(|name| name.as_ref().to_owned()).collect();
        dynamic.retain(|name| seen.insert(name.clone()));
        random.shuffle(&mut dynamic);
        dynamic.truncate(usize::from(u16::MAX) - STATIC.len());

        let names = STATIC.iter().copied().chain(dynamic.iter().map(String::as_str));
        let mut rows: Vec<_> = (1..=u16::MAX)
            .zip(names)
            .map(|(index, name)| MessageTableEntry { index, name: FixedString::clipped(name) })
            .collect();
        random.shuffle(&mut rows);

        let table = MessageTable::new(&rows);
        let mut decoders = vec![None; rows.len() + 1];
        for (name, id) in table.iter() {
            decoders[usize::from(id)] = AnyRequest::decoder(name);
        }
        Self { table, rows: Counted::try_from(rows).unwrap_or_default(), decoders }
    }

    /// Serves every message of this crate: what a load-balancer controller sees of VPP 26.10-rc0.
    #[must_use]
    pub fn of_this_crate(seed: u64) -> Self {
        Self::new(Names::of_this_crate(), seed)
    }

    /// The ids.
    #[must_use]
    pub fn table(&self) -> &MessageTable {
        &self.table
    }

    pub(super) fn decoder(&self, id: u16) -> Option<Decoder> {
        self.decoders.get(usize::from(id)).copied().flatten()
    }

    pub(super) fn welcome(&self, index: u32) -> SockclntCreateReply {
        SockclntCreateReply { response: 0, index, message_table: self.rows.clone() }
    }
}

/// Names of messages, to be served: a [`Visitor`] that takes those of each module it is shown.
///
/// ```
/// use vpp_api::server::{Names, ServedTable};
///
/// vpp_api::messages! {
///     /// Asks whether it is there.
///     request acme_ping "51077d14" as AcmePing => AcmePingReply {}
///
///     /// Answer to [`AcmePing`].
///     reply acme_ping_reply "e8d4e804" as AcmePingReply {}
/// }
///
/// let mut names = Names::of_this_crate();
/// visit(&mut names);
/// assert!(ServedTable::new(names, 1).table().id("acme_ping_51077d14").is_some());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Names(Vec<&'static str>);

impl Names {
    /// Those of this crate.
    #[must_use]
    pub fn of_this_crate() -> Self {
        let mut names = Self::default();
        visit_all(&mut names);
        names
    }
}

impl Visitor for Names {
    fn visit<M: Message>(&mut self) {
        self.0.push(M::NAME_CRC);
    }
}

impl IntoIterator for Names {
    type Item = &'static str;
    type IntoIter = std::vec::IntoIter<&'static str>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Sebastiano Vigna's SplitMix64: enough to put names into an order that nobody can rely on.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.next() % (last as u64 + 1);
            items.swap(last, other as usize);
        }
    }
}

/// `src/vlibmemory/memclnt.api` from id 1 on, as in every VPP since 24.06.
const STATIC: [&str; 28] = [
    "memclnt_create_9c5e1c2f",
    "memclnt_create_reply_42ec4560",
    "memclnt_delete_7e1c04e3",
    "memclnt_delete_reply_3d3b6312",
    "rx_thread_exit_c3a3a452",
    "memclnt_rx_thread_suspend_c3a3a452",
    "memclnt_read_timeout_c3a3a452",
    "rpc_call_7e8a2c95",
    "rpc_call_reply_e8d4e804",
    "get_first_msg_id_ebf79a66",
    "get_first_msg_id_reply_7d337472",
    "api_versions_51077d14",
    "api_versions_reply_5f0d99d6",
    "trace_plugin_msg_ids_f476d3ce",
    "sockclnt_create_455fb9c4",
    "sockclnt_create_reply_35166268",
    "sockclnt_delete_8ac76db6",
    "sockclnt_delete_reply_8f38b1ee",
    "sock_init_shm_51646d92",
    "sock_init_shm_reply_e8d4e804",
    "memclnt_keepalive_51077d14",
    "memclnt_keepalive_reply_e8d4e804",
    "control_ping_51077d14",
    "control_ping_reply_f6b0b8ca",
    "memclnt_create_v2_c4bd4882",
    "memclnt_create_v2_reply_42ec4560",
    "get_api_json_51077d14",
    "get_api_json_reply_ea715b59",
];
