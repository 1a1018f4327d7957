//! A client that was written elsewhere: gRPC's own for Python, which knows of the API what reflection tells it, and nothing else.
//!
//! What is called stands in `grpcio/client.py`; here its answers are held against the simulator.

#[expect(dead_code, reason = "the laboratory has more than this test needs")]
#[path = "api/lab.rs"]
mod lab;
#[path = "../../vpp-sim/tests/python/mod.rs"]
mod python;
#[expect(dead_code, reason = "the laboratory has more than this test needs")]
#[path = "daemon/support.rs"]
mod support;

use std::path::PathBuf;
use std::sync::OnceLock;

use maglev_sync::table::{Table, TableSize};
use serde_json::{Value, json};

use crate::lab::Api;
use crate::python::Python;

static PYTHON: Python = Python {
    name: "grpcio",
    oldest: (3, 9),
    packages: &["grpcio==1.76.0", "grpcio-reflection==1.76.0", "protobuf==6.33.6"],
    modules: "grpc_reflection.v1alpha.proto_reflection_descriptor_database",
    required_by: "MAGLEV_REQUIRE_GRPCIO",
    interpreter: OnceLock::new(),
};
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/grpcio/client.py");

#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_finds_its_way_by_reflection_over_tcp() {
    if PYTHON.is_here() {
        let api = Api::two_up().await;
        let who = operate(&api, &api.server.addresses()[0].to_string());
        assert!(who.starts_with("addr:127.0.0.1:"), "{who}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_client_finds_its_way_by_reflection_over_a_unix_socket() {
    if PYTHON.is_here() {
        let api = Api::two_up().await;
        let who = operate(&api, &api.server.addresses()[1].to_string());
        assert_eq!(who, format!("uid:{}", rustix::process::geteuid().as_raw()));
    }
}

/// Has the client do everything it can over `target`, and returns as whom the daemon saw it.
fn operate(api: &Api, target: &str) -> String {
    let config = std::fs::read_to_string(api.lab.folder.join("maglev.yaml")).expect("the lab's config");
    let file = |name: &str, text: String| {
        let path = api.lab.folder.join(name);
        std::fs::write(&path, text).expect("a folder of the test");
        path
    };
    let changed = file("new.yaml", config.replace("web1: {}", "web1: { weight: 50 }"));
    let broken = file("broken.yaml", config.replace("timeout:", "tiemout:"));
    let output = PYTHON.run(SCRIPT, &[PathBuf::from(target), changed, broken]);
    let seen: Value = serde_json::from_str(output.lines().last().expect("a line")).expect("answers");
    finds_services(&seen);
    reads(&seen, api);
    plans(&seen, api);
    is_refused(&seen);
    writes_and_watches(&seen, api)
}

fn finds_services(seen: &Value) {
    let services: Vec<_> = seen["services"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    for wanted in ["grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection", "maglev.v1.Maglev"] {
        assert!(services.contains(&wanted), "{wanted} is not in {services:?}");
    }
    let proto = include_str!("../proto/maglev/v1/maglev.proto");
    let methods: Vec<_> =
        proto.lines().filter_map(|line| line.trim().strip_prefix("rpc ")?.split('(').next()).collect();
    assert_eq!(seen["methods"], json!(methods));
    assert_eq!(seen["health"], json!([{ "status": "SERVING" }, { "status": "SERVING" }]));
    assert_eq!(seen["health_of_nobody"]["code"], "NOT_FOUND");
}

fn reads(seen: &Value, api: &Api) {
    let parts: Vec<_> = seen["snapshot"].as_array().expect("a list").iter().map(told).collect();
    assert_eq!(parts, [(true, "web0", "", "up"), (true, "web1", "", "up"), (true, "web-v4", "", "up")]);

    let [frontend] = &seen["frontends"].as_array().expect("a list")[..] else { panic!("{}", seen["frontends"]) };
    let members = |names: &[&str], of: &Value| json!(names.iter().map(|name| of[name].clone()).collect::<Vec<_>>());
    let vip = members(&["name", "address", "protocol", "port", "state", "active_pool", "table_length"], frontend);
    assert_eq!(vip, json!(["web-v4", "192.0.2.1", "tcp", 80, "up", "primary", 1024]));
    let servers = frontend["pools"][0]["backends"].as_array().expect("a list");
    for (at, server) in servers.iter().enumerate() {
        let row = members(&["name", "address", "weight", "vpp_weight", "buckets"], server);
        assert_eq!(row, json!([format!("web{at}"), api.lab.address(at), 100, 100, 512]));
    }
    let backend = members(&["address", "healthcheck", "kind", "state", "override"], &seen["backend"]);
    assert_eq!(backend, json!([api.lab.address(0), "web", "http", "up", ""]));
}

fn plans(seen: &Value, api: &Api) {
    assert_eq!((&seen["checked"]["ok"], &seen["checked"]["backends"]), (&json!(true), &json!(2)));
    let [error] = &seen["broken"]["errors"].as_array().expect("a list")[..] else { panic!("{}", seen["broken"]) };
    assert_eq!((&error["file"], &error["help"]), (&json!("broken.yaml"), &json!("did you mean `timeout`?")));

    let table = |weights: [u8; 2]| {
        let servers: Vec<_> =
            weights.into_iter().enumerate().map(|(at, weight)| (api.lab.address(at), weight)).collect();
        let table = Table::build(TableSize::new(1_024).expect("a power of two"), &servers);
        table.iter().collect::<Vec<_>>()
    };
    let (before, after) = (table([100, 100]), table([100, 50]));
    let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
    let [vip] = &seen["plan"]["vips"].as_array().expect("a list")[..] else { panic!("{}", seen["plan"]) };
    assert_eq!((&vip["action"], &vip["frontend"]), (&json!("change"), &json!("web-v4")));
    assert_eq!((&vip["moved_buckets"], &vip["table_length"]), (&json!(moved), &json!(1024)));
    let server = &vip["ases"][1];
    let owned = after.iter().filter(|owner| **owner == Some(1)).count();
    assert_eq!((&server["backend"], &server["weight_after"]), (&json!("web1"), &json!(50)));
    assert_eq!(server["buckets_after"], json!(owned));
}

fn is_refused(seen: &Value) {
    let refusals = json!({
        "unknown backend": {
            "code": "NOT_FOUND",
            "message": "there is no backend `web9`; did you mean `web0`?",
        },
        "weight 101": {
            "code": "INVALID_ARGUMENT",
            "message": "101 is no weight: it is 0 to 100",
        },
        "pause of a disabled backend": {
            "code": "FAILED_PRECONDITION",
            "message": "backend web0 is disabled: enable it first",
        },
    });
    for (what, refusal) in refusals.as_object().expect("an object") {
        assert_eq!(&seen["refusals"][what], refusal, "{what}");
    }
    let broken = &seen["refusals"]["plan of a broken config"];
    assert_eq!(broken["code"], "INVALID_ARGUMENT");
    assert!(broken["message"].as_str().expect("a text").contains("broken.yaml:"), "it says where: {broken}");
}

fn writes_and_watches(seen: &Value, api: &Api) -> String {
    let overrides = seen["overrides"]["overrides"].as_array().expect("a list");
    let words: Vec<_> = overrides.iter().map(|word| json!([word["kind"], word["backend"], word["reason"]])).collect();
    assert_eq!(words, [json!(["disable", "web0", "disk swap"]), json!(["weight", "web1", "a trial"])]);
    assert_eq!(seen["overrides"]["state_file"], api.state_file().display().to_string());
    let who = overrides[0]["who"].as_str().expect("a text");

    let disabled = &seen["disabled"];
    let newest = &disabled["backend"]["history"][0];
    assert_eq!((&disabled["changed"], &disabled["backend"]["state"]), (&json!(true), &json!("disabled")));
    assert_eq!((&newest["code"], &newest["detail"]), (&json!("disabled"), &json!(format!("disk swap (by {who})"))));
    assert_eq!(told(&seen["transition"]), (false, "web0", "up", "disabled"));
    assert_eq!(seen["weighed"]["frontend"]["pools"][0]["backends"][1]["weight"], 40);

    let lb = api.simulator.as_ref().expect("a simulator").lb();
    let held = lb.vip("192.0.2.1/32".parse().expect("a prefix"), 6, 80).expect("the VIP");
    let servers = seen["state"]["vips"][0]["ases"].as_array().expect("a list");
    for (at, weight) in [0, 40].into_iter().enumerate() {
        let theirs = held.server(api.lab.address(at)).expect("both servers stay");
        // JSON has no integers of 64 bits: protobuf writes them as text.
        let wanted = json!({
            "address": api.lab.address(at), "backend": format!("web{at}"),
            "weight": theirs.weight, "buckets": theirs.buckets, "flows": "0",
        });
        assert_eq!((&servers[at], theirs.weight), (&wanted, weight));
    }
    who.to_owned()
}

/// An event of a backend or frontend: part of a snapshot, name, state before, state after.
fn told(event: &Value) -> (bool, &str, &str, &str) {
    let of = event.get("backend").or_else(|| event.get("frontend")).expect("a transition");
    let text = |name| of[name].as_str().expect("a text");
    (event["snapshot"].as_bool().expect("a bool"), text("name"), text("from"), text("to"))
}
