//! Each call in the words of the VPP at hand.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use maglev_bin::daemon::VppDataplane;
use maglev_sync::text::Limit;
use maglev_sync::{
    AsRow, Call, CallFailure, ConfUpdate, Dataplane, Encap, FlowTimeout, Protocol, Reply, StickyBuckets, TableLength,
    VipKey, VipRow, Weight,
};
use vpp_api::client::{Client, Options};
use vpp_sim::{Release, Simulator};

use crate::every_release::on_every_release;
use crate::support::{Lab, PATIENCE, requests, until};
use crate::vpp::{cli, find};

on_every_release! {
    settings_are_read_as_far_as_vpp_tells_them,
    settings_that_were_written_hold_until_a_thread_shows_others,
    settings_that_somebody_sets_back_are_noticed_with_the_next_sessions,
}

on_every_release! { before V26_10:
    a_server_goes_in_and_out_of_use_and_what_is_so_already_is_done,
    threads_are_looked_at_with_each_list_of_vips_until_all_have_what_was_written,
    beyond_the_limit_of_the_verbose_text_all_else_goes_on,
    servers_are_told_by_vip_where_rows_tell_no_protocol,
}

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

async fn a_server_goes_in_and_out_of_use_and_what_is_so_already_is_done(release: Release) {
    let lab = Lab::new(0);
    let simulator = lab.simulator_of(release);
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
    // What VPP cannot do is refused all the same: it says the same of a server that is gone and of one whose VIP is.
    let gone = key("192.0.2.9");
    assert_eq!(vpp.call(add(gone)).await, Ok(Reply::Done));
    assert_eq!(vpp.call(weight(gone, 1, false)).await, Ok(Reply::Done));
    assert_eq!(vpp.call(Call::VipDel(gone)).await, Ok(Reply::Done));
    for key in [gone, key("192.0.2.10")] {
        for call in [
            weight(key, 1, false),
            weight(key, 0, false),
            weight(key, 0, true),
            Call::AsDel { key, address: server(), flush: true },
        ] {
            let reply = vpp.call(call.clone()).await;
            assert!(matches!(reply, Err(CallFailure::Refused { retval: -6, .. })), "{call}: {reply:?}");
        }
    }
    assert!(matches!(vpp.call(add(one)).await, Err(CallFailure::Refused { retval: -81, .. })));
    assert_eq!(vpp.call(Call::VipDel(one)).await, Ok(Reply::Done));
    assert_eq!(vpp.call(Call::VipDump).await, Ok(Reply::Vips(vec![])));
    simulator.stop();
}

async fn settings_are_read_as_far_as_vpp_tells_them(release: Release) {
    let lab = Lab::new(0);
    let simulator = lab.simulator_of(release);
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

/// What VPP says of its settings: sticky buckets and time-out.
async fn settings(vpp: &VppDataplane) -> (Option<u32>, Option<u32>) {
    match vpp.call(Call::ConfGet).await {
        Ok(Reply::Conf(conf)) => (conf.sticky_buckets_per_core, conf.flow_timeout),
        other => panic!("{other:?} tells no settings"),
    }
}

fn set(sticky_buckets: Option<u32>, timeout: u32) -> Call {
    Call::Conf(ConfUpdate {
        ip4_src: "10.0.0.1".parse().expect("an address"),
        ip6_src: "2001:db8::1".parse().expect("an address"),
        sticky_buckets: sticky_buckets.map(|buckets| StickyBuckets::new(buckets).expect("a power of two")),
        flow_timeout: Some(FlowTimeout::from_secs(timeout).expect("a time-out")),
    })
}

async fn settings_that_were_written_hold_until_a_thread_shows_others(release: Release) {
    let lab = Lab::new(0);
    let simulator = Simulator::start(vpp_sim::Options { release, workers: 3, ..lab.sim_options() }).expect("sockets");
    let vpp = dataplane(&simulator).await;
    // Before the first packet no thread has anything to show.
    assert_eq!(vpp.call(set(Some(2_048), 50)).await, Ok(Reply::Done));
    assert_eq!(settings(&vpp).await, (Some(2_048), Some(50)));

    let one = key("192.0.2.1");
    vpp.call(add(one)).await.expect("a VIP");
    vpp.call(Call::AsAdd { key: one, address: server(), weight: Weight::MAX }).await.expect("a server");
    simulator.set_flows(500);
    let shows = |text: &str, word: &str| text.matches(word).count() == 3;
    wait_for(&simulator, "every worker has a table", |text| shows(text, "timeout: 50s")).await;
    assert_eq!(settings(&vpp).await, (Some(2_048), Some(50)));
    simulator.set_flows(0);
    until("no packet is under way", || simulator.flow_totals().under_way == 0).await;

    // From now on no thread sees a packet: each shows what it has.
    assert_eq!(vpp.call(set(Some(4_096), 30)).await, Ok(Reply::Done));
    assert_eq!(settings(&vpp).await, (Some(4_096), Some(30)));
    assert_eq!(vpp.call(set(None, 20)).await, Ok(Reply::Done));
    assert_eq!(settings(&vpp).await, (Some(4_096), Some(20)));

    // They take the settings over, and then those of somebody else.
    simulator.set_flows(500);
    wait_for(&simulator, "every worker has taken the settings", |text| shows(text, "timeout: 20s")).await;
    assert_eq!(settings(&vpp).await, (Some(4_096), Some(20)));
    cli(&simulator, "lb conf timeout 25").await;
    wait_for(&simulator, "every worker has taken the other settings", |text| shows(text, "timeout: 25s")).await;
    assert_eq!(settings(&vpp).await, (Some(4_096), Some(25)));
    simulator.stop();
}

/// A VPP with a VIP, three workers, and sessions in each of their tables; no more packets come.
async fn with_sessions(lab: &Lab, release: Release) -> (Simulator, VppDataplane) {
    let simulator = Simulator::start(vpp_sim::Options { release, workers: 3, ..lab.sim_options() }).expect("sockets");
    let vpp = dataplane(&simulator).await;
    let one = key("192.0.2.1");
    vpp.call(add(one)).await.expect("a VIP");
    vpp.call(Call::AsAdd { key: one, address: server(), weight: Weight::MAX }).await.expect("a server");
    simulator.set_flows(500);
    wait_for(&simulator, "every worker has a table", |text| text.matches("timeout: 40s").count() == 3).await;
    simulator.set_flows(0);
    until("no packet is under way", || simulator.flow_totals().under_way == 0).await;
    (simulator, vpp)
}

async fn settings_that_somebody_sets_back_are_noticed_with_the_next_sessions(release: Release) {
    let lab = Lab::new(0);
    let (simulator, vpp) = with_sessions(&lab, release).await;
    assert_eq!(settings(&vpp).await, (Some(1_024), Some(40)));
    assert_eq!(vpp.call(set(None, 30)).await, Ok(Reply::Done));
    assert_eq!(settings(&vpp).await, (Some(1_024), Some(30)));
    cli(&simulator, "lb conf timeout 40").await;
    simulator.set_flows(500);
    let noticed = async {
        while settings(&vpp).await != (Some(1_024), Some(40)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, noticed).await.is_ok(), "waited {PATIENCE:?} for what somebody set back");
    simulator.stop();
}

async fn threads_are_looked_at_with_each_list_of_vips_until_all_have_what_was_written(release: Release) {
    let lab = Lab::new(0);
    let (simulator, vpp) = with_sessions(&lab, release).await;
    let looks = async || {
        let before = commands(&simulator);
        vpp.call(Call::VipDump).await.expect("a list");
        commands(&simulator) - before - 1
    };
    assert_eq!(looks().await, 0);
    assert_eq!(settings(&vpp).await.1, Some(40));
    assert_eq!(vpp.call(set(None, 30)).await, Ok(Reply::Done));
    assert_eq!((looks().await, looks().await), (1, 1));
    simulator.set_flows(500);
    wait_for(&simulator, "every worker has 30 s", |text| text.matches("timeout: 30s").count() == 3).await;
    assert_eq!((looks().await, looks().await), (1, 0));
    // What they have all taken over can be set back at any time.
    cli(&simulator, "lb conf timeout 40").await;
    wait_for(&simulator, "every worker has 40 s", |text| text.matches("timeout: 40s").count() == 3).await;
    assert_eq!(settings(&vpp).await.1, Some(40));
    simulator.stop();
}

/// Waits until `show lb` prints what is wanted.
async fn wait_for(simulator: &Simulator, what: &str, wanted: impl Fn(&str) -> bool) {
    let found = async {
        while !wanted(&cli(simulator, "show lb").await) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, found).await.is_err() {
        panic!("waited {PATIENCE:?} in vain: {what}");
    }
}

/// What is asked on the command line, over and over.
fn commands(simulator: &Simulator) -> usize {
    requests(&simulator.api_log()).iter().filter(|name| **name == "cli_inband").count()
}

async fn beyond_the_limit_of_the_verbose_text_all_else_goes_on(release: Release) {
    let lab = Lab::new(0);
    let simulator = lab.simulator_of(release);
    let client = Client::connect(simulator.api_path(), Options { name: "test".to_owned(), ..Options::default() });
    // A VIP with one server, and not quite another one.
    let limit = Limit::bytes(300 + 70 + 69);
    let vpp = VppDataplane::with_limit(client.await.expect("a simulator that listens"), limit);
    let one = key("192.0.2.1");
    let other = "10.2.0.12".parse().expect("an address");
    assert_eq!(vpp.call(add(one)).await, Ok(Reply::Done));
    let put = |address| Call::AsAdd { key: one, address, weight: Weight::MAX };
    assert_eq!(vpp.call(put(server())).await, Ok(Reply::Done));
    for _ in 0..3 {
        // What is so already does not count, nor does what comes back.
        assert_eq!(vpp.call(put(server())).await, Ok(Reply::Done));
        assert_eq!(vpp.call(weight(one, 0, false)).await, Ok(Reply::Done));
        assert_eq!(vpp.call(put(server())).await, Ok(Reply::Done));
        assert!(matches!(vpp.call(Call::Verbose).await, Ok(Reply::Text(_))));
    }
    assert_eq!(vpp.call(put(other)).await, Ok(Reply::Done));
    let before = commands(&simulator);
    match vpp.call(Call::Verbose).await {
        Err(CallFailure::Refused { text, .. }) => assert!(text.contains("verbose` may have 440 bytes"), "{text}"),
        other => panic!("{other:?}"),
    }
    // Only the list was asked for, which says so.
    assert_eq!(commands(&simulator), before + 1);
    let row = |address| AsRow { key: one, address, in_use: true, weight: 1 };
    let vip = VipRow { key: one, encap: Encap::Gre4.into(), table_length: 1024 };
    assert_eq!(vpp.call(Call::VipDump).await, Ok(Reply::Vips(vec![vip])));
    assert_eq!(vpp.call(Call::AsDump(None)).await, Ok(Reply::Ases(vec![row(server()), row(other)])));
    simulator.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_may_be_too_large_is_not_asked_for() {
    let lab = Lab::new(0);
    let simulator = lab.simulator_of(Release::V25_10);
    let client = Client::connect(simulator.api_path(), Options { name: "test".to_owned(), ..Options::default() });
    let vpp = VppDataplane::with_limit(client.await.expect("a simulator that listens"), Limit::bytes(2 * 128));
    for address in ["192.0.2.1", "192.0.2.2"] {
        assert_eq!(vpp.call(add(key(address))).await, Ok(Reply::Done));
    }
    assert!(matches!(vpp.call(Call::VipDump).await, Ok(Reply::Vips(rows)) if rows.len() == 2));
    let before = commands(&simulator);
    // Removed ones count: they are in the text.
    assert_eq!(vpp.call(Call::VipDel(key("192.0.2.2"))).await, Ok(Reply::Done));
    assert_eq!(vpp.call(add(key("192.0.2.2"))).await, Ok(Reply::Done));
    for call in [Call::VipDump, Call::AsDump(None), Call::Verbose] {
        match vpp.call(call.clone()).await {
            Err(CallFailure::Refused { text, .. }) => assert!(text.contains("384 bytes"), "{text}"),
            other => panic!("{call}: {other:?}"),
        }
    }
    assert_eq!(commands(&simulator), before);
    // The servers of one VIP can be asked for all the same.
    assert_eq!(vpp.call(Call::AsDump(Some(key("192.0.2.1")))).await, Ok(Reply::Ases(vec![])));
    assert_eq!(simulator.crashes(), 0);
    simulator.stop();
}

async fn servers_are_told_by_vip_where_rows_tell_no_protocol(release: Release) {
    let lab = Lab::new(0);
    let simulator = lab.simulator_of(release);
    let vpp = dataplane(&simulator).await;
    let of = |address: &str, protocol| VipKey::host(address.parse().expect("an address"), protocol, 53);
    let (tcp, udp) = (of("192.0.2.1", Protocol::TCP), of("192.0.2.1", Protocol::UDP));
    let alone = of("192.0.2.2", Protocol::UDP);
    for (key, servers) in [(tcp, [1, 2]), (udp, [2, 3]), (alone, [3, 4])] {
        assert_eq!(vpp.call(add(key)).await, Ok(Reply::Done));
        for host in servers {
            let add = Call::AsAdd { key, address: IpAddr::from([10, 2, 0, host]), weight: Weight::MAX };
            assert_eq!(vpp.call(add).await, Ok(Reply::Done));
        }
    }
    // A removed namesake beside it, with the same servers.
    assert_eq!(vpp.call(Call::VipDel(alone)).await, Ok(Reply::Done));
    assert_eq!(vpp.call(add(alone)).await, Ok(Reply::Done));
    let put = Call::AsAdd { key: alone, address: IpAddr::from([10, 2, 0, 4]), weight: Weight::MAX };
    assert_eq!(vpp.call(put).await, Ok(Reply::Done));

    let Ok(Reply::Ases(rows)) = vpp.call(Call::AsDump(None)).await else { panic!("no servers are told") };
    let in_use: BTreeSet<String> =
        rows.iter().filter(|row| row.in_use).map(|row| format!("{} {}", row.key, row.address)).collect();
    let expected = [
        "192.0.2.1 tcp/53 10.2.0.1",
        "192.0.2.1 tcp/53 10.2.0.2",
        "192.0.2.1 udp/53 10.2.0.2",
        "192.0.2.1 udp/53 10.2.0.3",
        "192.0.2.2 udp/53 10.2.0.4",
    ];
    assert_eq!(in_use, expected.map(str::to_owned).into());
    simulator.stop();
}
