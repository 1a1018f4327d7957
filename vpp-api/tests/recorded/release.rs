//! Capabilities and quirks against the tables and the requests of live VPPs.

use bytes::{Bytes, BytesMut};
use vpp_api::message::{Message, decode_body, encode_body, message_id};
use vpp_api::messages::lb::{LbAddDelAs, LbAddDelVipV2};
use vpp_api::messages::vlib::CliInbandReply;
use vpp_api::release::{Capabilities, Quirks};
use vpp_api::types::Encap;

use crate::session::Session;

#[test]
fn recorded_tables_tell_the_generations_apart() {
    for (release, expected, quirks) in [
        ("vpp-26.10", "lb, weights, lb_conf_get, src_ip_sticky, ip_route_lookup_v2, api json", Quirks::NONE),
        ("vpp-25.10", "lb, src_ip_sticky, ip_route_lookup_v2, api json", Quirks::BEFORE_26_10),
    ] {
        let Some(session) = Session::read(release) else { return };
        let capabilities = Capabilities::of(&session.table);
        assert_eq!(capabilities.to_string(), expected, "{release}");
        assert_eq!(capabilities.quirks(), quirks, "{release}");
    }
}

#[test]
fn the_requests_that_25_10_took_right_are_the_ones_made_for_it() {
    let Some(session) = Session::read("vpp-25.10") else { return };
    let quirks = Capabilities::of(&session.table).quirks();
    let net = "192.0.2.20/32".parse().expect("a prefix");

    // The first VIP for IPv4 was sent with its plain length; VPP's own text shows what became of which.
    let vips = bodies::<LbAddDelVipV2>(&session);
    let [wrong, gre6, right] = &vips[..] else { panic!("{} VIPs were added", vips.len()) };
    let (envelope, mut vip) = decode_body::<LbAddDelVipV2>(wrong).expect("a VIP");
    vip.pfx = quirks.prefix(net);
    vip.encap = quirks.encap(Encap::Gre4);
    let mut ours = BytesMut::new();
    let (same_call, _) = decode_body::<LbAddDelVipV2>(right).expect("a VIP");
    encode_body(message_id(right).expect("an id"), same_call, &vip, &mut ours);
    assert_eq!(ours, right);
    assert_ne!(envelope, same_call);

    let servers = bodies::<LbAddDelAs>(&session);
    let for_ours = servers.iter().map(|body| decode_body::<LbAddDelAs>(body).expect("a server").1);
    assert_eq!(for_ours.filter(|server| server.pfx == quirks.prefix(net)).count(), 3);

    // GRE6 was sent big-endian for an IPv6 VIP, which is right by accident: the zero value of the type is ip6-gre6.
    let (_, gre6) = decode_body::<LbAddDelVipV2>(gre6).expect("a VIP");
    assert_eq!(gre6.pfx, quirks.prefix("2001:db8:a::10/128".parse().expect("a prefix")));

    let shown = bodies::<CliInbandReply>(&session).pop().expect("text was asked for");
    let (_, shown) = decode_body::<CliInbandReply>(&shown).expect("text");
    let shown = shown.reply.to_string();
    for line in [" ip6-gre4 [1] ::/32\n", " ip6-gre6 [2] 2001:db8:a::10/128 ", " ip4-gre4 [3] 192.0.2.20/32\n"] {
        assert!(shown.contains(line), "{line:?} is not in:\n{shown}");
    }
}

fn bodies<M: Message>(session: &Session) -> Vec<Bytes> {
    let id = session.table.id_of::<M>().expect("it was recorded");
    let bodies = session.frames.iter().map(|frame| &frame.body);
    bodies.filter(|body| message_id(body) == Some(id)).cloned().collect()
}
