//! Messages that this crate does not know until they are used, as those of a user's plugin.

#![expect(unreachable_pub, reason = "the macro declares public types; these are the tests' own")]

use crate::types::Address;

crate::messages! {
    /// As in VPP's `ip.api`.
    get ip_path_mtu_get "f75ba505" as PathMtuGet => PathMtuGetReply stream PathMtuDetails {
        /// All ones at first.
        cursor: u32,
    }

    /// As in VPP's `ip.api`.
    reply ip_path_mtu_get_reply "53b48f5d" as PathMtuGetReply {
        /// Where to go on.
        cursor: u32,
    }

    /// As in VPP's `ip.api`, whose type of the element has a prefix of its own.
    details ip_path_mtu_details "ac9539a7" as PathMtuDetails {
        /// Of no meaning.
        client_index: u32,
        /// Of no meaning.
        context: u32,
        /// FIB table.
        table_id: u32,
        /// Next hop.
        nh: Address,
        /// MTU.
        path_mtu: u16,
    }

    /// Something of a plugin.
    request plugin_start "00000001" as PluginStart => PluginStartReply {}

    /// Its reply.
    reply plugin_start_reply "00000002" as PluginStartReply {
        /// A field.
        run: u32,
    }

    /// Its event.
    event plugin_event "00000003" as PluginEvent {
        /// A field.
        run: u32,
    }

    /// Its table.
    dump plugin_dump "00000004" as PluginDump => PluginDetails {}

    /// An element of its table.
    details plugin_details "00000005" as PluginDetails {
        /// A field.
        run: u32,
    }
}
