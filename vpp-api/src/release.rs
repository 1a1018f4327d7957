//! What the connected VPP can do, and how to speak to its lb plugin so that each release understands the same.
//!
//! Each message has one CRC in all releases from 22.10 to 26.10-rc0, so that a table of messages tells only what is
//! there. It also tells two generations of the lb plugin apart, which give other meanings to the same bytes: the
//! handlers were corrected by the commit that added [`LbConfGet`], after 26.06. The version string tells neither:
//! distributions change it, and patches travel.
//!
//! ```
//! use vpp_api::release::Capabilities;
//! use vpp_api::table::MessageTable;
//!
//! let rows = [(57, "lb_add_del_vip_6fa569c7"), (58, "lb_add_del_vip_reply_e8d4e804")];
//! let capabilities = Capabilities::of(&rows.into_iter().collect::<MessageTable>());
//! assert!(!capabilities.weights);
//!
//! // This VPP counts 96 more for IPv4.
//! let vip = capabilities.quirks().prefix("192.0.2.10/32".parse()?);
//! assert_eq!(vip.to_string(), "192.0.2.10/128");
//! # Ok::<_, ipnet::AddrParseError>(())
//! ```

mod quirks;

use std::fmt;

pub use quirks::Quirks;

use crate::message::{Dump, Request};
use crate::messages::ip::IpRouteLookupV2;
use crate::messages::lb::{
    LbAddDelAs, LbAddDelAsV2, LbAddDelVip, LbAddDelVipV2, LbAsDump, LbAsSetWeight, LbAsV2Dump, LbConf, LbConfGet,
    LbVipDump,
};
use crate::messages::memclnt::GetApiJson;
use crate::table::MessageTable;

/// What one VPP can do, judged by the messages it has. `Default` is a VPP that can do nothing.
///
/// It holds for one connection: after a reconnect another VPP may answer.
///
/// ```
/// use vpp_api::release::{Capabilities, Quirks};
/// use vpp_api::table::MessageTable;
///
/// let rows = [(91, "lb_conf_get_51077d14"), (92, "lb_conf_get_reply_923427ac")];
/// let capabilities = Capabilities::of(&rows.into_iter().collect::<MessageTable>());
/// assert_eq!(capabilities.to_string(), "lb_conf_get");
/// assert_eq!(capabilities.quirks(), Quirks::NONE);
/// assert_eq!(Capabilities::default().quirks(), Quirks::BEFORE_26_10);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Capabilities {
    /// The lb plugin is loaded: configuration, VIPs and servers can be set, and dumped.
    pub lb: bool,
    /// Servers have weights: added with one, changed in place, and dumped with it. 26.10-rc0 and later; before, each
    /// server in use counts as 1.
    pub weights: bool,
    /// [`LbConfGet`] is there, and with it the corrected handlers: see [`Quirks`]. 26.10-rc0 and later.
    pub lb_conf_get: bool,
    /// `src_ip_sticky` of [`LbAddDelVipV2`] does what it says; 24.06 and later.
    ///
    /// The message came with 23.02, where the handlers of both versions set the flag at random from memory that is not
    /// initialised, and where VIPs with a port evaluated it wrongly, up to 23.06. 23.10 and 24.02 are right and
    /// have the same messages, so that the first release to be trusted is the first that can be told by its table: the
    /// one with [`GetApiJson`]. Who has [`LbConfGet`] is newer, and need not have it.
    pub src_ip_sticky: bool,
    /// [`IpRouteLookupV2`] is there, whose reply also tells the source of a route.
    pub ip_route_lookup_v2: bool,
    /// VPP hands out its own API definitions, by [`GetApiJson`]; 24.06 and later.
    pub api_json: bool,
}

impl Capabilities {
    /// Judges a message table. A message counts with what answers it, and with the CRC that this crate knows.
    #[must_use]
    pub fn of(table: &MessageTable) -> Self {
        let (api_json, lb_conf_get) = (takes::<GetApiJson>(table), takes::<LbConfGet>(table));
        let sets = takes::<LbConf>(table) && takes::<LbAddDelVip>(table) && takes::<LbAddDelAs>(table);
        Self {
            lb: sets && shows::<LbVipDump>(table) && shows::<LbAsDump>(table),
            weights: takes::<LbAddDelAsV2>(table) && takes::<LbAsSetWeight>(table) && shows::<LbAsV2Dump>(table),
            lb_conf_get,
            src_ip_sticky: takes::<LbAddDelVipV2>(table) && (api_json || lb_conf_get),
            ip_route_lookup_v2: takes::<IpRouteLookupV2>(table),
            api_json,
        }
    }

    /// How its lb plugin has to be spoken to.
    #[must_use]
    pub fn quirks(&self) -> Quirks {
        if self.lb_conf_get { Quirks::NONE } else { Quirks::BEFORE_26_10 }
    }
}

impl fmt::Display for Capabilities {
    /// For people: `lb, weights, lb_conf_get`, or `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            (self.lb, "lb"),
            (self.weights, "weights"),
            (self.lb_conf_get, "lb_conf_get"),
            (self.src_ip_sticky, "src_ip_sticky"),
            (self.ip_route_lookup_v2, "ip_route_lookup_v2"),
            (self.api_json, "api json"),
        ];
        let there: Vec<_> = all.into_iter().filter(|(there, _)| *there).map(|(_, name)| name).collect();
        f.write_str(if there.is_empty() { "none" } else { "" })?;
        f.write_str(&there.join(", "))
    }
}

fn takes<R: Request>(table: &MessageTable) -> bool {
    table.id_of::<R>().is_ok() && table.id_of::<R::Reply>().is_ok()
}

fn shows<D: Dump>(table: &MessageTable) -> bool {
    table.id_of::<D>().is_ok() && table.id_of::<D::Details>().is_ok()
}

#[cfg(test)]
mod tests;
