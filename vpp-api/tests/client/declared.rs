//! Messages declared outside the crate: one plugin's event and its subscription, and a get of VPP's own.

use vpp_api::message::Message;

vpp_api::messages! {
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

    /// As in VPP's `ip.api`, whose type of the element has a prefix of its own; the address is cut into words here.
    details ip_path_mtu_details "ac9539a7" as PathMtuDetails {
        /// Of no meaning.
        client_index: u32,
        /// Of no meaning.
        context: u32,
        /// FIB table.
        table_id: u32,
        /// Of the next hop.
        family: u8,
        /// Next hop.
        nh: [u32; 4],
        /// MTU.
        path_mtu: u16,
    }

    /// Has no cursor.
    get plugin_table_get "51077d14" as PluginTableGet => PluginTableGetReply stream PluginTableDetails {}

    /// Ends the answer.
    reply plugin_table_get_reply "e8d4e804" as PluginTableGetReply {}

    /// A row.
    details plugin_table_details "00000003" as PluginTableDetails {
        /// A number.
        row: u32,
    }

    /// Asks for [`PluginEvent`]s.
    request want_plugin_events "00000001" as WantPluginEvents => WantPluginEventsReply [events PluginEvent] {
        /// On or off.
        enable: bool,
        /// What they are about.
        about: u32,
    }

    /// Its reply.
    reply want_plugin_events_reply "e8d4e804" as WantPluginEventsReply {}

    /// Its event.
    event plugin_event "00000002" as PluginEvent {
        /// As asked.
        pid: u32,
        /// A count.
        run: u32,
    }
}

/// What a peer has to serve for these, beside what the tests need anyway.
pub(crate) fn names() -> Vec<&'static str> {
    vec![
        PathMtuGet::NAME_CRC,
        PathMtuGetReply::NAME_CRC,
        PathMtuDetails::NAME_CRC,
        PluginTableGet::NAME_CRC,
        PluginTableGetReply::NAME_CRC,
        PluginTableDetails::NAME_CRC,
        WantPluginEvents::NAME_CRC,
        WantPluginEventsReply::NAME_CRC,
        PluginEvent::NAME_CRC,
        "show_version_51077d14",
        "show_version_reply_c919bde1",
        "lb_as_v2_dump_1063f819",
        "lb_as_v2_details_90064aae",
    ]
}
