//! FD.io's own Python client (`vpp_papi`, and its `VPPStats`), unchanged, against the simulator.
//!
//! What is called and what must come back stands in `papi/client.py`. Where the client comes from, and what happens without it, stands
//! in `python`.

mod common;
mod python;

use std::path::Path;
use std::sync::OnceLock;

use common::{Directory, connect, eventually, prefix, server, vip};
use python::{Python, say};
use serde::Deserialize;
use vpp_api::messages::ip::IpRouteLookup;
use vpp_sim::{Options, Simulator};

static PYTHON: Python = Python {
    name: "vpp-papi",
    oldest: (3, 8),
    packages: &["vpp-papi==2.4.2"],
    modules: "vpp_papi.vpp_stats",
    required_by: "MAGLEV_REQUIRE_PAPI",
    interpreter: OnceLock::new(),
};
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/papi/client.py");
const VIP: &str = "198.51.100.1/32";
const SERVERS: [&str; 2] = ["10.0.1.1", "10.0.1.2"];

#[tokio::test]
async fn the_python_client_calls_what_a_controller_calls() {
    if !PYTHON.is_here() {
        return;
    }
    let directory = Directory::new();
    let simulator = balancing(&directory).await;
    let api = simulator.api_path();
    PYTHON.run(SCRIPT, &["hello".as_ref(), api]);
    // The definitions are VPP's, and no part of this crate.
    let definitions = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors/vpp-26.10/api-json"));
    if definitions.exists() {
        PYTHON.run(SCRIPT, &["calls".as_ref(), api, definitions]);
        assert!(simulator.lb_writes() > 20, "the calls have reached the load balancer");
    } else {
        say(&format!(
            "SKIPPED: calls of the lb API, for there is no {}; only the hello was tried",
            definitions.display()
        ));
    }
    assert_eq!(simulator.crashes(), 0);
}

#[tokio::test]
async fn the_python_stats_reader_sees_counters_move_and_ends_with_what_was_counted() {
    if !PYTHON.is_here() {
        return;
    }
    let directory = Directory::new();
    let simulator = balancing(&directory).await;
    let vpp = connect(simulator.api_path()).await;
    let mut indices = vec![simulator.lb().vips[0].pool_index.to_string()];
    for route in [VIP.to_owned(), format!("{}/32", SERVERS[0]), format!("{}/32", SERVERS[1])] {
        let request = IpRouteLookup { table_id: 0, exact: 1, prefix: prefix(&route) };
        indices.push(vpp.call(&request).await.expect("a route").route.stats_index.to_string());
    }
    let arguments = |what| {
        let paths = [Path::new(what), simulator.stats_path()];
        paths.into_iter().chain(indices.iter().map(Path::new)).map(Path::to_owned).collect::<Vec<_>>()
    };
    PYTHON.run(SCRIPT, &arguments("moving"));

    simulator.set_flows(0);
    eventually("the last flows to end", || (simulator.flow_totals().under_way == 0).then_some(())).await;
    let output = PYTHON.run(SCRIPT, &arguments("read"));
    let read: Read = serde_json::from_str(output.lines().last().expect("a line")).expect("counters");
    let counters = simulator.lb().vips[0].counters;
    let packets = counters.iter().sum::<u64>();
    assert!(packets > 0);
    let bytes = read.to.1;
    let via = read.via.iter().fold((0, 0), |sum, server| (sum.0 + server.0, sum.1 + server.1));
    assert_eq!((read.plugin, read.to, via), (counters, (packets, bytes), (packets, bytes + 24 * packets)));
}

/// What `client.py read` prints: the lb plugin's counters; packets and bytes to the VIP, and by way of each server.
#[derive(Deserialize)]
struct Read {
    plugin: [u64; 4],
    to: (u64, u64),
    via: Vec<(u64, u64)>,
}

/// A simulator with a VIP, two servers, and flows through them.
async fn balancing(directory: &Directory) -> Simulator {
    let simulator = Simulator::start(Options { flows: 200, ..directory.options() }).expect("a simulator");
    let vpp = connect(simulator.api_path()).await;
    vpp.call(&vip(VIP)).await.expect("a VIP");
    for address in SERVERS {
        vpp.call(&server(VIP, address, 100)).await.expect("a server");
    }
    simulator
}
