//! Every fault, as the client of a controller sees it.

mod common;

use std::time::{Duration, Instant};

use common::{Directory, connect, server, vip, weight};
use vpp_api::client::{Client, Options as ClientOptions};
use vpp_api::error::CallError;
use vpp_api::messages::lb::{LbAsV2Dump, LbConfGet, LbVipDump};
use vpp_api::messages::memclnt::ControlPing;
use vpp_api::types::Retval;
use vpp_stats::Segment;

const VIP: &str = "192.0.2.1/32";

#[tokio::test]
async fn drop_closes_the_link_right_behind_an_answer() {
    let directory = Directory::new();
    // The hello is a message as well.
    let simulator = directory.start_with_faults(&["drop:after=3"]);
    let vpp = connect(simulator.api_path()).await;
    vpp.call(&ControlPing {}).await.expect("the second message");
    vpp.call(&ControlPing {}).await.expect("the third message");
    vpp.closed().await;
    connect(simulator.api_path()).await.call(&ControlPing {}).await.expect("only one link was dropped");
}

#[tokio::test]
async fn cut_carries_a_call_out_and_never_says_so() {
    let directory = Directory::new();
    let simulator = directory.start_with_faults(&["cut:message=lb_add_del_vip_v2,call=1"]);
    let vpp = connect(simulator.api_path()).await;
    assert!(matches!(vpp.call(&vip(VIP)).await, Err(CallError::Disconnected(_))));
    let vpp = connect(simulator.api_path()).await;
    assert_eq!(vpp.dump(&LbVipDump::all()).await.expect("VIPs").len(), 1);
}

#[tokio::test]
async fn mute_loses_an_answer() {
    let directory = Directory::new();
    let simulator = directory.start_with_faults(&["mute:message=lb_add_del_vip_v2,call=1"]);
    let options = ClientOptions { call_timeout: Duration::from_millis(200), ..ClientOptions::default() };
    let vpp = Client::connect(simulator.api_path(), options).await.expect("a connection");
    assert!(matches!(vpp.call(&vip(VIP)).await, Err(CallError::TimedOut { .. })));
    assert_eq!(simulator.lb().vips.len(), 1);
    assert!(simulator.api_log().iter().all(|entry| entry.name != "lb_add_del_vip_v2_reply"));
}

#[tokio::test]
async fn delay_holds_everybody_up() {
    let directory = Directory::new();
    let simulator = directory.start_with_faults(&["delay:by=300ms,message=lb_add_del_vip_v2"]);
    let (one, two) = (connect(simulator.api_path()).await, connect(simulator.api_path()).await);
    let begin = Instant::now();
    let slow = {
        let one = one.clone();
        tokio::spawn(async move { one.call(&vip(VIP)).await })
    };
    common::eventually("the slow call to arrive", || (simulator.lb_writes() == 1).then_some(())).await;
    two.call(&ControlPing {}).await.expect("a pong, late");
    assert!(begin.elapsed() >= Duration::from_millis(300), "VPP handles one message at a time");
    slow.await.expect("no panic").expect("a VIP");
}

#[tokio::test]
async fn refuse_hits_the_call_it_is_meant_for() {
    let directory = Directory::new();
    let simulator = directory.start_with_faults(&["refuse:message=lb_add_del_as_v2,call=2,retval=-73"]);
    let vpp = connect(simulator.api_path()).await;
    vpp.call(&vip(VIP)).await.expect("a VIP");
    vpp.call(&server(VIP, "10.0.0.1", 1)).await.expect("the first");
    match vpp.call(&server(VIP, "10.0.0.2", 1)).await {
        Err(CallError::Refused { retval, .. }) => assert_eq!(retval, Retval::INVALID_ARGUMENT),
        other => panic!("not refused but {other:?}"),
    }
    vpp.call(&server(VIP, "10.0.0.3", 1)).await.expect("the third");
    let servers: Vec<_> = simulator.lb().vips[0].servers.iter().map(|server| server.address.to_string()).collect();
    assert_eq!(servers, ["10.0.0.1", "10.0.0.3"], "what is refused is not carried out");
}

#[tokio::test]
async fn restart_comes_right_behind_an_answer() {
    let directory = Directory::new();
    let simulator = directory.start_with_faults(&["restart:message=lb_add_del_vip_v2,after=1"]);
    let vpp = connect(simulator.api_path()).await;
    vpp.call(&vip(VIP)).await.expect("a VIP");
    vpp.closed().await;
    let vpp = connect(simulator.api_path()).await;
    assert_eq!(vpp.dump(&LbVipDump::all()).await.expect("VIPs"), []);
}

#[tokio::test]
async fn a_corrupt_frame_is_no_answer() {
    for (how, survives) in [("length", false), ("short", false), ("id", true), ("context", true), ("garbage", true)] {
        let directory = Directory::new();
        let simulator = directory.start_with_faults(&[&format!("corrupt-frame:how={how},message=show_version,call=1")]);
        let options = ClientOptions { call_timeout: Duration::from_millis(200), ..ClientOptions::default() };
        let vpp = Client::connect(simulator.api_path(), options).await.expect("a connection");
        let error = vpp.call(&vpp_api::messages::vpe::ShowVersion {}).await.expect_err(how);
        match error {
            // All ones in a retval are a refusal with -1.
            CallError::Refused { .. } => assert_eq!(how, "garbage"),
            CallError::TimedOut { .. } | CallError::Malformed { .. } => assert!(survives, "{how}: {error}"),
            CallError::Disconnected(_) => assert!(!survives, "{how}: {error}"),
            other => panic!("{how}: {other:?}"),
        }
    }
}

#[test]
fn a_corrupt_segment_is_an_error_and_no_crash() {
    for how in ["version", "directory", "pointer", "busy"] {
        let directory = Directory::new();
        let simulator = directory.start_with_faults(&[&format!("corrupt-segment:how={how}")]);
        let value = Segment::connect(simulator.stats_path())
            .map_err(|error| error.to_string())
            .and_then(|segment| segment.value("/net/route/to").map_err(|error| error.to_string()));
        assert!(value.is_err(), "{how}: {value:?}");
        simulator.restart().expect("a restart");
        let segment = Segment::connect(simulator.stats_path()).expect("a new, whole segment");
        assert!(segment.value("/net/route/to").expect("a sound segment").is_some());
    }
}

#[tokio::test]
async fn absent_messages_are_not_in_the_table() {
    let directory = Directory::new();
    let simulator = directory.start_with_faults(&["absent:message=lb_conf_get"]);
    let vpp = connect(simulator.api_path()).await;
    assert!(matches!(vpp.call(&LbConfGet {}).await, Err(CallError::Absent(_))));
    assert!(vpp.supports::<LbAsV2Dump>());
}

#[tokio::test]
async fn faults_can_be_added_while_it_runs() {
    let directory = Directory::new();
    let simulator = directory.start();
    let vpp = connect(simulator.api_path()).await;
    vpp.call(&vip(VIP)).await.expect("a VIP");
    vpp.call(&server(VIP, "10.0.0.1", 1)).await.expect("a server");
    simulator.inject("refuse:message=lb_as_set_weight,times=1".parse().expect("a fault"));
    // The fault is in place when this has been answered.
    simulator.lb();
    vpp.call(&weight(VIP, "10.0.0.1", 2)).await.expect_err("refused once");
    vpp.call(&weight(VIP, "10.0.0.1", 2)).await.expect("not again");
}
