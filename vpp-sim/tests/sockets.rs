//! The simulator on its sockets, by the client that the daemon uses.

mod common;

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::time::Duration;

use common::{Directory, connect, eventually, net, prefix, server, vip, weight};
use vpp_api::error::CallError;
use vpp_api::messages::interface::{SwInterfaceDump, WantInterfaceEvents};
use vpp_api::messages::ip::IpRouteLookup;
use vpp_api::messages::lb::{LbAddDelVipV2, LbAsV2Dump, LbConf, LbConfGet, LbVipDump};
use vpp_api::messages::memclnt::{ControlPing, GetFirstMsgId, SockclntDelete};
use vpp_api::messages::vlib::CliInband;
use vpp_api::messages::vpe::{ShowVersion, ShowVpeSystemTime};
use vpp_api::types::{FixedString, IpProto, Retval, Text};
use vpp_sim::{ApiLog, Options, Simulator, StartError};

const VIP: &str = "192.0.2.1/32";

#[tokio::test]
async fn a_controller_finds_all_it_needs() {
    let directory = Directory::new();
    let simulator = directory.start();
    let vpp = connect(simulator.api_path()).await;

    let version = vpp.call(&ShowVersion {}).await.expect("a version");
    assert_eq!(
        (version.program.to_string(), version.version.to_string()),
        ("vpe".into(), "26.10-rc0~374-gb575ec2c56d".into())
    );
    let ping = vpp.call(&ControlPing {}).await.expect("a pong");
    assert_eq!((ping.client_index, ping.vpe_pid), (0x8000_0001, std::process::id()));
    assert!(vpp.call(&ShowVpeSystemTime {}).await.expect("a time").vpe_system_time.secs() > 1.7e9);
    let interfaces = vpp.dump(&SwInterfaceDump::all()).await.expect("interfaces");
    let names: Vec<_> = interfaces.iter().map(|interface| interface.interface_name.to_string()).collect();
    assert_eq!(names, ["local0", "host-sim0"]);

    assert_eq!(vpp.call(&LbConfGet {}).await.expect("a configuration").sticky_buckets_per_core, 1024);
    let conf = LbConf {
        ip4_src_address: [10, 0, 0, 1].into(),
        ip6_src_address: "2001:db8::1".parse().expect("an address"),
        sticky_buckets_per_core: 65_536,
        flow_timeout: u32::MAX,
    };
    vpp.call(&conf).await.expect("a configuration that VPP takes");
    let conf = vpp.call(&LbConfGet {}).await.expect("a configuration");
    assert_eq!((conf.sticky_buckets_per_core, conf.flow_timeout), (65_536, 40));

    vpp.call(&vip(VIP)).await.expect("a VIP");
    vpp.call(&server(VIP, "10.0.0.1", 100)).await.expect("a server");
    vpp.call(&server(VIP, "10.0.0.2", 50)).await.expect("a server");
    vpp.call(&weight(VIP, "10.0.0.2", 100)).await.expect("a weight");
    let vips = vpp.dump(&LbVipDump::all()).await.expect("VIPs");
    assert_eq!((vips.len(), vips[0].vip.pfx, vips[0].flow_table_length), (1, prefix(VIP), 1024));
    let all = vpp.dump(&LbAsV2Dump::all()).await.expect("servers");
    let filtered = vpp.dump(&LbAsV2Dump::vip(net(VIP), IpProto::TCP, 80)).await.expect("servers");
    assert_eq!(all, filtered);
    assert_eq!(
        all.iter().map(|server| (server.weight, server.num_buckets)).collect::<Vec<_>>(),
        [(100, 512), (100, 512)]
    );
    let route = IpRouteLookup { table_id: 0, exact: 1, prefix: prefix(VIP) };
    assert_eq!(vpp.call(&route).await.expect("a route").route.stats_index, 28);
    let text = vpp.call(&CliInband { cmd: Text::from("sh lb vips verb") }).await.expect("a text").reply;
    assert!(
        text.to_string().starts_with("ip4-gre4 192.0.2.1/32 new_size:1024 #as:2"),
        "only the whole word is verbose"
    );

    let snapshot = simulator.lb();
    let vip = snapshot.vip(net(VIP), 6, 80).expect("the VIP");
    assert_eq!((vip.pool_index, vip.vip_type, vip.servers.len()), (1, "ip4-gre4", 2));
    assert_eq!(simulator.lb_writes(), 5);
}

#[tokio::test]
async fn a_refusal_has_vpps_retval_and_its_text() {
    let directory = Directory::new();
    let simulator = directory.start();
    let vpp = connect(simulator.api_path()).await;
    let refused = |error: CallError| match error {
        CallError::Refused { retval, text, .. } => (retval, text),
        other => panic!("not refused but {other:?}"),
    };
    let error = vpp.call(&weight(VIP, "10.0.0.1", 1)).await.expect_err("no such VIP");
    assert_eq!(refused(error), (Retval::NO_SUCH_ENTRY, None));
    let error = vpp.call(&CliInband { cmd: Text::from("make coffee") }).await.expect_err("no such command");
    assert_eq!(refused(error), (Retval(-1), Some("unknown input `make coffee'\n".to_owned())));
    let twice = WantInterfaceEvents { enable_disable: 1, pid: 7 };
    vpp.call(&twice).await.expect("events");
    assert_eq!(refused(vpp.call(&twice).await.expect_err("asked before")).0, Retval(-31));
    let range = |name| GetFirstMsgId { name: FixedString::clipped(name) };
    assert!(vpp.call(&range("lb_487dee0a")).await.expect("a range").first_msg_id > 28);
    assert_eq!(refused(vpp.call(&range("nat_00000000")).await.expect_err("no such range")).0, Retval::INVALID_VALUE);
}

#[tokio::test]
async fn calls_in_flight_are_answered_in_order_and_clients_share_one_vpp() {
    let directory = Directory::new();
    let simulator = directory.start();
    let (one, two) = (connect(simulator.api_path()).await, connect(simulator.api_path()).await);
    assert_ne!(one.client_index(), two.client_index());
    one.call(&vip(VIP)).await.expect("a VIP");
    let calls: Vec<_> = (1..=100)
        .map(|number| {
            let vpp = if number % 2 == 0 { one.clone() } else { two.clone() };
            tokio::spawn(async move { vpp.call(&server(VIP, &format!("10.0.0.{number}"), 1)).await })
        })
        .collect();
    for call in calls {
        call.await.expect("no panic").expect("a server");
    }
    assert_eq!(two.dump(&LbAsV2Dump::all()).await.expect("servers").len(), 100);
}

#[tokio::test]
async fn a_client_that_says_good_bye_is_answered_and_its_slot_is_used_again() {
    let directory = Directory::new();
    let simulator = directory.start();
    let vpp = connect(simulator.api_path()).await;
    let index = vpp.client_index();
    // 1 is success here.
    let reply = vpp.call(&SockclntDelete { index }).await.expect("an answer");
    assert_eq!(reply.response, 1);
    vpp.closed().await;
    assert_eq!(connect(simulator.api_path()).await.client_index(), index);
}

#[tokio::test]
async fn a_restart_forgets_everything_and_changes_all_that_identifies_vpp() {
    let directory = Directory::new();
    let simulator = directory.start();
    let vpp = connect(simulator.api_path()).await;
    vpp.call(&vip(VIP)).await.expect("a VIP");
    let old = Identity::of(&vpp, &simulator).await;
    let before = std::time::Instant::now();
    simulator.restart().expect("a restart");
    vpp.closed().await;
    let vpp = connect(simulator.api_path()).await;
    let new = Identity::of(&vpp, &simulator).await;
    assert!(before.elapsed() < Duration::from_secs(5), "far from the 200 ms that an idle machine needs at most");
    assert_eq!(vpp.dump(&LbVipDump::all()).await.expect("VIPs"), []);
    assert_ne!(old.pid, new.pid);
    assert_ne!(old.inodes, new.inodes);
    assert_ne!(old.ids, new.ids);
    assert!(old.boottime < new.boottime);
}

/// What a controller can tell one VPP process from another by.
struct Identity {
    pid: u32,
    inodes: [u64; 2],
    ids: Vec<(String, u16)>,
    boottime: u64,
}

impl Identity {
    async fn of(vpp: &vpp_api::client::Client, simulator: &Simulator) -> Self {
        let inode = |path: &std::path::Path| path.metadata().expect("a socket").ino();
        let mut ids: Vec<_> = vpp.table().iter().map(|(name, id)| (name.to_owned(), id)).collect();
        ids.sort();
        let segment = vpp_stats::Segment::connect(simulator.stats_path()).expect("a segment");
        Self {
            pid: vpp.call(&ControlPing {}).await.expect("a pong").vpe_pid,
            inodes: [inode(simulator.api_path()), inode(simulator.stats_path())],
            ids,
            boottime: segment.scalar("/sys/boottime").value().expect("a segment").expect("a boot time"),
        }
    }
}

#[tokio::test]
async fn what_kills_vpp_drops_the_link_and_leaves_it_empty() {
    let directory = Directory::new();
    let simulator = directory.start();
    let vpp = connect(simulator.api_path()).await;
    vpp.call(&vip(VIP)).await.expect("a VIP");
    let fatal = LbAddDelVipV2 { new_flows_table_length: 0, ..vip("192.0.2.2/32") };
    assert!(matches!(vpp.call(&fatal).await, Err(CallError::Disconnected(_))));
    let vpp = connect(simulator.api_path()).await;
    assert_eq!(vpp.dump(&LbVipDump::all()).await.expect("VIPs"), []);
    assert_eq!(simulator.crashes(), 1);
}

#[tokio::test]
async fn the_first_packet_to_a_server_that_is_a_vip_kills_vpp() {
    let directory = Directory::new();
    let simulator = directory.start();
    let vpp = connect(simulator.api_path()).await;
    vpp.call(&vip(VIP)).await.expect("a VIP");
    vpp.call(&server(VIP, "192.0.2.1", 100)).await.expect("a server, says VPP");
    vpp.call(&ControlPing {}).await.expect("no packet, no harm");
    simulator.set_flows(1000);
    vpp.closed().await;
    assert_eq!(simulator.crashes(), 1);
}

#[test]
fn sockets_are_vpps_in_mode_and_manners() {
    let directory = Directory::new();
    let simulator = directory.start();
    for path in [simulator.api_path(), simulator.stats_path()] {
        let metadata = path.metadata().expect("a socket");
        assert!(metadata.file_type().is_socket());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o775);
    }
    assert!(matches!(Simulator::start(directory.options()), Err(StartError::Bind(_))), "somebody answers there");
    assert!(simulator.restart().is_ok(), "and was not disturbed");
    let (api, stats) = (simulator.api_path().to_owned(), simulator.stats_path().to_owned());
    simulator.kill();
    assert!(api.exists() && stats.exists(), "a killed VPP leaves its sockets behind");
    let simulator = directory.start();
    simulator.stop();
    assert!(!api.exists() && !stats.exists(), "a stopped one tidies up");
}

#[tokio::test]
async fn the_log_has_every_message_in_either_direction() {
    let directory = Directory::new();
    let simulator = directory.start();
    let vpp = connect(simulator.api_path()).await;
    vpp.call(&vip(VIP)).await.expect("a VIP");
    vpp.call(&server(VIP, "10.0.0.1", 7)).await.expect("a server");
    vpp.call(&weight(VIP, "10.0.0.9", 7)).await.expect_err("no such server");
    vpp.dump(&LbAsV2Dump::all()).await.expect("servers");
    let log = simulator.api_log();
    let names: Vec<_> = log.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "sockclnt_create",
            "sockclnt_create_reply",
            "lb_add_del_vip_v2",
            "lb_add_del_vip_v2_reply",
            "lb_add_del_as_v2",
            "lb_add_del_as_v2_reply",
            "lb_as_set_weight",
            "lb_as_set_weight_reply",
            "lb_as_v2_dump",
            "lb_as_v2_details",
            "control_ping",
            "control_ping_reply",
        ]
    );
    assert!(log.iter().all(|entry| entry.client == "tests"));
    assert!(log.windows(2).all(|pair| pair[0].time <= pair[1].time));
    let fields = |at: usize| serde_json::Value::from(log[at].fields.clone());
    assert_eq!(fields(2)["pfx"], VIP);
    assert_eq!((fields(2)["port"].clone(), fields(2)["is_del"].clone()), (80.into(), false.into()));
    assert_eq!((fields(4)["as_address"].clone(), fields(4)["weight"].clone()), ("10.0.0.1".into(), 7.into()));
    assert_eq!((log[6].retval, log[7].retval), (None, Some(-6)));
    assert_eq!(fields(6)["context"], fields(7)["context"]);
    assert_eq!(fields(9)["num_buckets"], 1024);
    assert_eq!(fields(9)["vip"]["pfx"], VIP);
    assert_eq!(log[9].retval, None);
}

#[tokio::test]
async fn the_log_file_is_appended_to_line_by_line() {
    let directory = Directory::new();
    let file = directory.join("api.log");
    std::fs::write(&file, "{\"before\":true}\n").expect("a file");
    let simulator =
        Simulator::start(Options { api_log: ApiLog::File(file.clone()), ..directory.options() }).expect("a simulator");
    connect(simulator.api_path()).await.call(&vip(VIP)).await.expect("a VIP");
    simulator.restart().expect("a restart");
    connect(simulator.api_path()).await.call(&ControlPing {}).await.expect("a pong");
    let text = std::fs::read_to_string(&file).expect("a log");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(lines[0]["before"], true);
    let reply = lines.iter().find(|line| line["name"] == "lb_add_del_vip_v2_reply").expect("a reply");
    assert_eq!((reply["retval"].clone(), reply["client"].clone()), (0.into(), "tests".into()));
    assert!(reply["time"].as_f64().is_some_and(|time| time.fract() > 0.0));
    assert!(reply["fields"].get("retval").is_none());
    assert_eq!(lines.last().expect("a line")["name"], "control_ping_reply");
}

#[tokio::test]
async fn a_sleeping_main_loop_answers_calls_in_flight_together() {
    let directory = Directory::new();
    let options = Options { loop_sleep: Duration::from_millis(20), ..directory.options() };
    let simulator = Simulator::start(options).expect("a simulator");
    let vpp = connect(simulator.api_path()).await;
    let begin = std::time::Instant::now();
    let calls: Vec<_> = (0..200)
        .map(|_| {
            let vpp = vpp.clone();
            tokio::spawn(async move { vpp.call(&ControlPing {}).await })
        })
        .collect();
    for call in calls {
        call.await.expect("no panic").expect("a pong");
    }
    // One at a time they would take 200 sleeps, 4 s.
    assert!(begin.elapsed() < Duration::from_secs(3), "calls in flight share a sleep");
    eventually("the calls to be counted", || (simulator.api_calls() == 201).then_some(())).await;
}
