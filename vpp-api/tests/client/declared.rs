//! Messages declared outside the crate, by hand: one plugin's event and its subscription, and a get of VPP's own.

use vpp_api::codec::{Reader, Wire, Writer};
use vpp_api::error::DecodeError;
use vpp_api::message::{CALL_AGAIN, Event, Get, Kind, Message, Reply, Request};
use vpp_api::types::Retval;

macro_rules! declare {
    ($($(#[$meta:meta])* $kind:ident $name:literal $crc:literal $ty:ident { $($field:ident: $field_ty:ty),* })*) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, Eq, PartialEq)]
        pub(crate) struct $ty {
            $( pub(crate) $field: $field_ty, )*
        }

        impl Message for $ty {
            const NAME: &'static str = $name;
            const CRC: u32 = match u32::from_str_radix($crc, 16) {
                Ok(crc) => crc,
                Err(_) => panic!("a CRC is 8 hexadecimal digits"),
            };
            const NAME_CRC: &'static str = concat!($name, "_", $crc);
            const KIND: Kind = Kind::$kind;

            fn decode(_reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self { $( $field: <$field_ty>::decode(_reader, stringify!($field))?, )* })
            }

            fn encode(&self, _writer: &mut Writer<'_>) {
                $( self.$field.encode(_writer); )*
            }
        }
    )* };
}

declare! {
    /// `ip_path_mtu_get` of VPP's `ip.api`.
    Get "ip_path_mtu_get" "f75ba505" PathMtuGet { cursor: u32 }
    Reply "ip_path_mtu_get_reply" "53b48f5d" PathMtuGetReply { retval: Retval, cursor: u32 }
    /// Its type of an element has a prefix of its own; the address is cut into words here.
    Details "ip_path_mtu_details" "ac9539a7" PathMtuDetails {
        client_index: u32, context: u32, table_id: u32, family: u8, nh: [u32; 4], path_mtu: u16
    }
    Request "want_plugin_events" "00000001" WantPluginEvents { enable: bool, about: u32 }
    Reply "want_plugin_events_reply" "e8d4e804" WantPluginEventsReply { retval: Retval }
    Event "plugin_event" "00000002" PluginEvent { pid: u32, run: u32 }
}

impl Get for PathMtuGet {
    type Details = PathMtuDetails;
    type Reply = PathMtuGetReply;

    fn following(&self, reply: &PathMtuGetReply) -> Option<Self> {
        (reply.retval == CALL_AGAIN).then_some(Self { cursor: reply.cursor })
    }
}

impl Reply for PathMtuGetReply {
    fn retval(&self) -> Retval {
        self.retval
    }
}

impl Request for WantPluginEvents {
    type Reply = WantPluginEventsReply;
}

impl Reply for WantPluginEventsReply {
    fn retval(&self) -> Retval {
        self.retval
    }
}

impl Event for PluginEvent {}

/// What a peer has to serve for these, beside what the tests need anyway.
pub(crate) fn names() -> Vec<&'static str> {
    vec![
        PathMtuGet::NAME_CRC,
        PathMtuGetReply::NAME_CRC,
        PathMtuDetails::NAME_CRC,
        WantPluginEvents::NAME_CRC,
        WantPluginEventsReply::NAME_CRC,
        PluginEvent::NAME_CRC,
        "show_version_51077d14",
        "show_version_reply_c919bde1",
        "lb_as_v2_dump_1063f819",
        "lb_as_v2_details_90064aae",
    ]
}
