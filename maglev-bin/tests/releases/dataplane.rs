//! Each call in the words of the VPP at hand.

use std::net::IpAddr;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use maglev_bin::daemon::VppDataplane;
use maglev_sync::{Call, CallFailure, Dataplane, Encap, Protocol, Reply, TableLength, VipKey, Weight};
use rstest::rstest;
use vpp_api::client::{Client, Options};
use vpp_sim::{Release, Simulator};

use crate::support::{Lab, requests, until};
use crate::vpp::{find, start};

async fn dataplane(simulator: &Simulator) -> VppDataplane {
    let options = Options { name: "test".to_owned(), ..Options::default() };
    VppDataplane::new(Client::connect(simulator.api_path(), options).await.expect("a simulator that listens"))
}

fn key(address: &str) -> VipKey {
    VipKey::host(address.parse().expect("an address"), Protocol::TCP, 80)
}

fn add(key: VipKey) -> Call {
    Call::VipAdd { key, encap: Encap::Gre4, table_length: TableLength::MIN, src_ip_sticky: false }
}

fn weight(key: VipKey, weight: u8, flush: bool) -> Call {
    Call::AsSetWeight { key, address: server(), weight: Weight::new(weight).expect("a weight"), flush }
}

fn server() -> IpAddr {
    "10.2.0.11".parse().expect("an address")
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_server_goes_in_and_out_of_use_and_what_is_so_already_is_done(
    #[values(Release::V24_10, Release::V25_10, Release::V26_06)] release: Release,
) {
    let lab = Lab::new(0);
    let simulator = start(&lab, release);
    let vpp = dataplane(&simulator).await;
    assert!(!vpp.abilities().weights && vpp.abilities().src_ip_sticky);
    let one = key("192.0.2.1");
    let in_use = || find(&simulator, ("192.0.2.1/32", 6, 80)).and_then(|vip| vip.server(server()).map(|it| it.in_use));
    assert_eq!(vpp.call(add(one)).await, Ok(Reply::Done));
    let steps = [
        (weight(one, 0, false), None),
        (Call::AsAdd { key: one, address: server(), weight: Weight::ZERO }, None),
        (Call::AsDel { key: one, address: server(), flush: true }, None),
        (weight(one, 1, false), Some(true)),
        (weight(one, 1, false), Some(true)),
        (Call::AsAdd { key: one, address: server(), weight: Weight::MAX }, Some(true)),
        (weight(one, 0, false), Some(false)),
        (weight(one, 0, true), Some(false)),
        (Call::AsAdd { key: one, address: server(), weight: Weight::MAX }, Some(true)),
        (Call::AsDel { key: one, address: server(), flush: false }, Some(false)),
    ];
    for (call, expected) in steps {
        assert_eq!(vpp.call(call.clone()).await, Ok(Reply::Done), "{call}");
        assert_eq!(in_use(), expected, "after {call}");
    }
    // What VPP cannot do is refused all the same.
    let missing = weight(key("192.0.2.9"), 1, false);
    assert!(matches!(vpp.call(missing).await, Err(CallFailure::Refused { retval: -6, .. })));
    assert!(matches!(vpp.call(add(one)).await, Err(CallFailure::Refused { retval: -81, .. })));
    assert_eq!(vpp.call(Call::VipDel(one)).await, Ok(Reply::Done));
    assert_eq!(vpp.call(Call::VipDump).await, Ok(Reply::Vips(vec![])));
    simulator.stop();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn settings_are_read_as_far_as_vpp_tells_them(
    #[values(Release::V24_10, Release::V25_10, Release::V26_06, Release::V26_10)] release: Release,
) {
    let lab = Lab::new(0);
    let simulator = start(&lab, release);
    let vpp = dataplane(&simulator).await;
    let conf = async || match vpp.call(Call::ConfGet).await {
        Ok(Reply::Conf(conf)) => conf,
        other => panic!("{other:?} tells no settings"),
    };
    let known = release >= Release::V26_10;
    let told = conf().await;
    assert_eq!(told.ip4_src.to_string(), "255.255.255.255");
    assert_eq!((told.sticky_buckets_per_core.is_some(), told.flow_timeout.is_some()), (known, known));
    vpp.call(add(key("192.0.2.1"))).await.expect("a VIP");

    // With the first session each of them does.
    let one = key("192.0.2.1");
    vpp.call(Call::AsAdd { key: one, address: server(), weight: Weight::MAX }).await.expect("a server");
    simulator.set_flows(500);
    until("there are sessions", || simulator.flow_totals().new_flows > 10).await;
    let told = conf().await;
    assert_eq!((told.sticky_buckets_per_core, told.flow_timeout), (Some(1_024), Some(40)));
    simulator.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_may_be_too_large_is_not_asked_for() {
    const VIPS: u32 = 14_000;
    let lab = Lab::new(0);
    let simulator = start(&lab, Release::V25_10);
    let vpp = dataplane(&simulator).await;
    assert!(vpp.call(Call::VipDump).await.is_ok());
    let asked =
        |simulator: &Simulator| requests(&simulator.api_log()).iter().filter(|name| **name == "cli_inband").count();
    assert_eq!(asked(&simulator), 1);
    let mut calls = FuturesUnordered::new();
    for n in 0..VIPS {
        let [_, high, middle, low] = n.to_be_bytes();
        let key = VipKey::host(IpAddr::from([100, 64 + high, middle, low]), Protocol::TCP, 80);
        calls.push(vpp.call(add(key)));
        if calls.len() == 64 {
            assert_eq!(calls.next().await, Some(Ok(Reply::Done)));
        }
    }
    while let Some(reply) = calls.next().await {
        assert_eq!(reply, Ok(Reply::Done));
    }
    for call in [Call::VipDump, Call::AsDump(None), Call::Verbose] {
        match vpp.call(call.clone()).await {
            Err(CallFailure::Refused { text, .. }) => assert!(text.contains("4200000 bytes"), "{text}"),
            other => panic!("{call}: {other:?}"),
        }
    }
    assert_eq!(asked(&simulator), 1);
    // The servers of one VIP can be asked for all the same.
    let one = VipKey::host("100.64.0.7".parse().expect("an address"), Protocol::TCP, 80);
    assert_eq!(vpp.call(Call::AsDump(Some(one))).await, Ok(Reply::Ases(vec![])));
    until("the simulator lives", || simulator.crashes() == 0).await;
    simulator.stop();
}
