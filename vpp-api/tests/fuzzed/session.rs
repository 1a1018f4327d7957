//! Bytes from a client: the server side of a connection.
//!
//! Input: steps. A step begins with two bytes, a selector and a length, and as many bytes follow. The selectors from 0
//! on send the bytes as the body of a request, behind message id and prefix; the last one sends them as they are.

use std::sync::{Arc, LazyLock};

use vpp_api::frame::{DEFAULT_MAX_LEN, FrameDecoder, HEADER_LEN};
use vpp_api::message::Message;
use vpp_api::messages::interface::SwInterfaceEvent;
use vpp_api::messages::memclnt::ControlPingReply;
use vpp_api::server::{AnyRequest, Incoming, ServedTable, Session};
use vpp_api::types::{IfStatusFlags, InterfaceIndex, Retval};

/// Checks that requests come out as they went in, in order, and that every answer is a frame with the right context.
/// Returns the number of requests that were understood.
pub(crate) fn check(mut data: &[u8]) -> usize {
    let mut session = Session::new(Arc::clone(&TABLE), CLIENT);
    let mut understood = 0;
    let mut context = 0;
    // The bytes of such a step may be the beginning of a frame that swallows later ones.
    let mut raw = false;
    while let Some((&[selector, len], rest)) = data.split_first_chunk::<2>() {
        let (bytes, rest) = rest.split_at(usize::from(len).min(rest.len()));
        data = rest;
        context += 1;
        let name = NAMES.get(usize::from(selector) % (NAMES.len() + 1));
        raw |= name.is_none();
        match name {
            Some(name) => send(&mut session, name, context, bytes),
            None => session.handle_bytes(bytes),
        }
        loop {
            match session.poll_request() {
                Ok(Some(incoming)) => {
                    if let (Some(name), false) = (name, raw) {
                        assert_is(name, &incoming.request);
                        // A hello has no client index, and one cut short has nothing that can be told for sure.
                        let client_index = if *name == HELLO { 0 } else { CLIENT_SAYS };
                        if *name != HELLO || is_understood(&incoming.request) {
                            assert_eq!((incoming.client_index, incoming.context), (client_index, context));
                        }
                    }
                    understood += usize::from(is_understood(&incoming.request));
                    answer(&mut session, &incoming);
                }
                Ok(None) => break,
                Err(error) => {
                    assert!(raw, "{error} in a frame of ours");
                    assert_eq!(session.poll_request(), Err(error), "an error is for ever");
                    return understood;
                }
            }
        }
    }
    understood
}

/// Sends a request in two pieces.
fn send(session: &mut Session, name: &str, context: u32, fields: &[u8]) {
    let id = TABLE.table().id(name).expect("everything in the list is served");
    let mut frame = vec![0; HEADER_LEN];
    frame.extend(id.to_be_bytes());
    if name != HELLO {
        frame.extend(CLIENT_SAYS.to_be_bytes());
    }
    frame.extend(context.to_be_bytes());
    frame.extend(fields);
    let len = u32::try_from(frame.len() - HEADER_LEN).expect("a short body");
    frame[8..12].copy_from_slice(&len.to_be_bytes());
    let (first, second) = frame.split_at(fields.len().min(frame.len()));
    session.handle_bytes(first);
    session.handle_bytes(second);
}

fn assert_is(name_crc: &str, request: &AnyRequest) {
    let name = name_crc.rsplit_once('_').map_or("", |(name, _)| name);
    assert_eq!(request.name(), name);
    if let AnyRequest::Unknown { name, .. } = request {
        assert_eq!(name.as_deref(), Some(name_crc));
        assert!(UNTYPED.contains(&name_crc), "{name_crc} has a type");
    }
}

fn is_understood(request: &AnyRequest) -> bool {
    !matches!(request, AnyRequest::Unknown { .. } | AnyRequest::Truncated { .. })
}

/// Answers with a ping's reply and an event, and reads what the session sends.
fn answer(session: &mut Session, incoming: &Incoming) {
    let welcomes = usize::from(matches!(incoming.request, AnyRequest::SockclntCreate(_)));
    let reply = ControlPingReply { retval: Retval::OK, client_index: CLIENT, vpe_pid: 1 };
    session.reply(incoming.context, &reply).expect("it is served");
    let flags = IfStatusFlags::ADMIN_UP;
    let event = SwInterfaceEvent { pid: 1, sw_if_index: InterfaceIndex(1), flags, deleted: false };
    session.event(&event).expect("it is served");

    let mut decoder = FrameDecoder::new(DEFAULT_MAX_LEN);
    decoder.extend(&session.take_output());
    let frames: Vec<_> = std::iter::from_fn(|| decoder.next_frame().expect("frames of our own")).collect();
    assert_eq!((frames.len(), decoder.buffered()), (welcomes + 2, 0));
    let context = incoming.context.to_be_bytes();
    let [.., reply, event] = &frames[..] else {
        panic!("two frames at least");
    };
    assert_eq!(reply[2..6], context);
    assert_eq!(event[2..6], CLIENT.to_be_bytes());
    assert_eq!(session.take_output().len(), 0);
}

const CLIENT: u32 = 0x8000_0001;
/// What the client says that it is; the session does not compare.
const CLIENT_SAYS: u32 = 0x1234_5678;
const HELLO: &str = "sockclnt_create_455fb9c4";

static TABLE: LazyLock<Arc<ServedTable>> = LazyLock::new(|| {
    let sent = [ControlPingReply::NAME_CRC, SwInterfaceEvent::NAME_CRC];
    Arc::new(ServedTable::new(NAMES.iter().copied().chain(sent), 1))
});

/// What a client may ask for. Append only: the corpus counts on the order.
const NAMES: [&str; 29] = [
    HELLO,
    "get_first_msg_id_ebf79a66",
    "api_versions_51077d14",
    "sockclnt_delete_8ac76db6",
    "memclnt_keepalive_51077d14",
    "control_ping_51077d14",
    "get_api_json_51077d14",
    "show_version_51077d14",
    "show_vpe_system_time_51077d14",
    "cli_inband_f8377302",
    "ip_route_lookup_710d6471",
    "ip_route_lookup_v2_710d6471",
    "lb_conf_56cd3261",
    "lb_conf_get_51077d14",
    "lb_add_del_vip_6fa569c7",
    "lb_add_del_vip_v2_7c520e0f",
    "lb_add_del_as_35d72500",
    "lb_add_del_as_v2_2f1d3b0e",
    "lb_as_set_weight_2d89bdbd",
    "lb_flush_vip_1063f819",
    "lb_vip_dump_56110cb7",
    "lb_as_dump_1063f819",
    "lb_as_v2_dump_1063f819",
    "lb_add_del_intf_nat4_47d6e753",
    "lb_add_del_intf_nat6_47d6e753",
    "want_interface_events_476f5a08",
    "sw_interface_dump_aa610c27",
    UNTYPED[0],
    UNTYPED[1],
];

/// Those of them that the crate has no type for.
const UNTYPED: [&str; 2] = ["memclnt_create_9c5e1c2f", "lb_future_request_00000001"];
