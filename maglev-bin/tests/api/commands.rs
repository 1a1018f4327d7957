//! Every command of `maglevc`, the real program, against the daemon.

use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use vpp_sim::Release;

use crate::every_release::on_every_release;
use crate::lab::Api;
use crate::support::{PATIENCE, until};

on_every_release! {
    every_show_prints_text_json_and_yaml,
    every_write_does_what_it_says,
    configs_are_checked_planned_and_reloaded,
}

/// What a command printed, and its exit status.
struct Said {
    status: i32,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("it prints text");
        let status = output.status.code().expect("it ends by itself");
        Self { status, out: text(output.stdout), err: text(output.stderr) }
    }
}

async fn maglevc(api: &Api, words: &str) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maglevc"));
    command.arg("--server").arg(api.server.addresses()[0].to_string()).args(words.split_whitespace());
    let ended = command.stdin(Stdio::null()).kill_on_drop(true).output();
    match tokio::time::timeout(PATIENCE, ended).await {
        Ok(output) => Said::of(output.expect("the program runs")),
        Err(_) => panic!("`maglevc {words}` did not end within {PATIENCE:?}"),
    }
}

async fn fine(api: &Api, words: &str, shows: &[&str]) {
    let said = maglevc(api, words).await;
    assert_eq!((said.status, &*said.err), (0, ""), "maglevc {words}: {}", said.out);
    for text in shows {
        assert!(said.out.contains(text), "`maglevc {words}` does not show `{text}`:\n{}", said.out);
    }
}

const SHOWS: [(&str, &[&str]); 14] = [
    ("show version", &["maglevc", "maglevd"]),
    ("show frontends", &["web-v4", "192.0.2.1 tcp/80", "up", "2/2"]),
    ("show frontend web-v4", &["web0", "web1", "512", "50.0 %", "1024 buckets"]),
    ("show backends", &["web0", "web1", "L7OK"]),
    ("show backend web0", &["up", "web-v4", "primary", "started"]),
    ("show healthchecks", &["web", "http", "100ms", "30ms"]),
    ("show healthcheck web", &["response-code", "200-399", "web0 web1"]),
    ("show vpp info", &["connected", "src-ip-sticky"]),
    ("show vpp lb state", &["192.0.2.1 tcp/80", "gre4", "512 buckets", "as it should be"]),
    ("show vpp lb state flows", &["0 flows"]),
    ("show vpp lb counters", &["first  next  untracked  no-server  fib-packets  fib-bytes"]),
    ("show vpp lb plan", &["nothing to do"]),
    ("show vpp lb plan recreate", &["nothing to do"]),
    ("show overrides", &["nothing is set"]),
];

async fn every_show_prints_text_json_and_yaml(release: Release) {
    let api = Api::two_up_on(release).await;
    api.flows_are_known().await;
    until("the counters have been read", || {
        api.daemon.published().counters().is_some_and(|counters| !counters.vips.is_empty())
    })
    .await;
    fine(&api, "show version", &[&release.to_string()]).await;
    let told = maglevc(&api, "show vpp info").await.out;
    assert_eq!(told.contains("lb-weights"), release >= Release::V26_10, "{told}");
    for (command, shows) in SHOWS {
        fine(&api, command, shows).await;
        let said = maglevc(&api, &format!("-o json {command}")).await;
        assert_eq!((said.status, &*said.err), (0, ""), "{command}");
        let json: Value =
            serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{command}: {error}\n{}", said.out));
        let said = maglevc(&api, &format!("-o yaml {command}")).await;
        let yaml: Value =
            serde_yaml::from_str(&said.out).unwrap_or_else(|error| panic!("{command}: {error}\n{}", said.out));
        let fields = |value: &Value| value.as_object().expect("a message").keys().cloned().collect::<Vec<_>>();
        assert_eq!(fields(&json), fields(&yaml), "{command}");
    }
    let said = maglevc(&api, "-o json show frontends").await;
    let json: Value = serde_json::from_str(&said.out).unwrap();
    let row = &json["frontends"][0]["pools"][0]["backends"][0];
    assert_eq!((&row["name"], &row["weight"], &row["effective_weight"]), (&"web0".into(), &100.into(), &100.into()));
}

async fn every_write_does_what_it_says(release: Release) {
    let api = Api::two_up_on(release).await;
    fine(&api, "set backend web0 pause reason new disk", &["web0: paused"]).await;
    until("the pause reached VPP", || api.weight(0) == api.shown(0)).await;
    fine(&api, "show overrides", &["pause", "web0", "new disk"]).await;
    fine(&api, "set backend web0 pause", &["already paused"]).await;
    fine(&api, "set backend web0 resume", &["web0"]).await;
    until("it serves again", || api.weight(0) == api.shown(100)).await;
    fine(&api, "set backend web0 disable", &["web0: disabled\n"]).await;
    let refused = maglevc(&api, "set backend web0 pause").await;
    assert_eq!((refused.status, &*refused.err), (1, "maglevc: backend web0 is disabled: enable it first\n"));
    fine(&api, "set backend web0 enable", &["web0"]).await;
    until("it serves again", || api.weight(0) == api.shown(100)).await;
    fine(&api, "set backend web1 disable", &["web1: disabled\n"]).await;
    fine(&api, "set backend web1 clear", &["as the config says"]).await;
    until("it serves again", || api.weight(1) == api.shown(100)).await;
    let weight = "set frontend web-v4 pool primary backend web0 weight";
    let by_hand = api.below_100(10);
    let told = format!("weight {by_hand} by hand (100 by the config)");
    fine(&api, &format!("{weight} {by_hand} reason slowly"), &[&told]).await;
    until("the weight reached VPP", || api.weight(0) == api.shown(by_hand)).await;
    fine(&api, &format!("{weight} config"), &["weight 100 by the config"]).await;
    until("the weight is the config's", || api.weight(0) == api.shown(100)).await;
    for sync in ["sync vpp lb state", "sync vpp lb state frontend web-v4", "sync vpp lb state frontend web-v4 recreate"]
    {
        fine(&api, sync, &["nothing to do"]).await;
    }
}

async fn configs_are_checked_planned_and_reloaded(release: Release) {
    let api = Api::two_up_on(release).await;
    let own = std::fs::read_to_string(api.lab.folder.join("maglev.yaml")).unwrap();
    let new = api.lab.folder.join("new.yaml");
    let new_path = new.display();
    // Half of it is no change to a VPP without weights.
    let weight = api.below_100(50);
    let buckets = if weight == 0 { 0 } else { 350 };
    let changed = own.replace("web0: {}", &format!("web0: {{ weight: {weight} }}"));
    std::fs::write(&new, &changed).unwrap();
    fine(&api, "config check", &["1 frontend"]).await;
    fine(&api, &format!("config check {new_path}"), &["2 backends"]).await;
    fine(&api, "config plan", &["nothing to do"]).await;
    let plan = maglevc(&api, &format!("config plan {new_path}")).await;
    assert_eq!(plan.status, 4, "{}", plan.err);
    assert!(plan.out.contains("~ 192.0.2.1 tcp/80  web-v4"), "{}", plan.out);
    let words = plan.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(&format!("web0 weight {weight} {buckets} buckets")), "{}", plan.out);
    assert!(plan.out.contains("% of new flows (") && plan.out.contains("of 1024 buckets)"), "{}", plan.out);
    assert_eq!(api.weight(0), api.shown(100), "a plan changes nothing");

    api.write_config(&changed);
    fine(&api, "config reload", &["reloaded"]).await;
    until("the new weight is in VPP", || api.weight(0) == api.shown(weight)).await;

    std::fs::write(&new, own.replace("timeout: 1s", "tiemout: 1s")).unwrap();
    for command in ["check", "plan"] {
        let refused = maglevc(&api, &format!("config {command} {new_path}")).await;
        assert_eq!(refused.status, 1);
        let said = refused.out + &refused.err;
        assert!(said.contains("unknown key `tiemout`") && said.contains("^^^^^^^"), "{said}");
    }
    let missing = maglevc(&api, "config check /nowhere.yaml").await;
    assert_eq!(missing.status, 1);
    assert!(missing.err.contains("/nowhere.yaml") && missing.err.contains("no such file"), "{}", missing.err);
    api.write_config("maglev: [");
    let refused = maglevc(&api, "config reload").await;
    assert_eq!(refused.status, 1, "{}", refused.out);
    assert_eq!(api.weight(0), api.shown(weight));
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_watched_until_there_were_enough() {
    let api = Api::two_up().await;
    let watching = maglevc(&api, "-o json watch events num 1 backend");
    let changes = async {
        // The reader may not be there yet when the first change is made: make others until it has seen one.
        loop {
            for action in ["pause", "resume"] {
                fine(&api, &format!("set backend web0 {action}"), &["web0"]).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    let said = tokio::select! {
        said = watching => said,
        () = changes => unreachable!("the loop has no end"),
    };
    assert_eq!((said.status, &*said.err), (0, ""));
    let lines: Vec<Value> =
        said.out.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    let (live, snapshot) = lines.split_last().unwrap();
    assert_eq!(snapshot.iter().filter(|event| event["backend"].is_object()).count(), 2);
    assert!(snapshot.iter().all(|event| event["snapshot"] == true));
    assert_eq!((&live["snapshot"], &live["backend"]["name"]), (&false.into(), &"web0".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_has_its_exit_status() {
    let api = Api::two_up().await;
    for (words, status, says) in [
        ("show frontnds", 2, "did you mean `frontends`?"),
        ("set frontend web-v4 pool primary backend web0 weight 101", 2, "0 to 100"),
        ("show frontend web-v5", 1, "did you mean `web-v4`?"),
        ("set backend web9 pause", 1, "there is no backend `web9`"),
        ("sync vpp lb state frontend nobody", 1, "there is no frontend `nobody`"),
    ] {
        let said = maglevc(&api, words).await;
        assert_eq!(said.status, status, "{words}: {}", said.err);
        assert!(said.err.contains(says), "{words}: {}", said.err);
        assert_eq!(said.out, "", "{words}");
    }
    let server = format!("unix:{}", api.lab.folder.join("nobody.sock").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_maglevc"));
    let output = command.args(["--server", &server, "show", "version"]).stdin(Stdio::null()).output().await.unwrap();
    assert_eq!(Said::of(output).status, 3);
}
