use std::process::{Command, Stdio};

#[test]
fn a_demo_ends_by_itself_with_a_failover_a_recovery_and_no_flow_to_weight_zero() {
    let output = Command::new(env!("CARGO_BIN_EXE_maglevd"))
        .args(["demo", "--duration", "12s", "--summary", "json"])
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{:?}\n{text}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    let last = text.lines().last().expect("a summary");
    let summary: serde_json::Value = serde_json::from_str(last).expect("the last line is one JSON object");
    let number = |field: &str| summary[field].as_u64().unwrap_or_else(|| panic!("no {field} in {last}"));
    assert!(number("failovers") >= 1, "{text}");
    assert!(number("recoveries") >= 1, "{text}");
    assert!(number("transitions") >= 7, "three servers come up, two fail, two come back: {text}");
    assert!(number("syncs") >= 4 && number("lb_writes") >= 8 && number("api_calls") > number("lb_writes"), "{text}");
    assert!(number("new_flows") > 1_000, "{text}");
    assert_eq!(number("new_flows_to_zero_weight"), 0, "{text}");
    for event in ["starting", "vpp-connect", "backend-transition", "frontend-pool", "vpp-lb-sync-as-weight-updated"] {
        assert!(text.lines().any(|line| line.contains(event)), "no event {event}:\n{text}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_demo() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_maglevd"))
        .args(["demo", "--duration", "60s"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program runs");
    drop(child.stdout.take());
    let start = std::time::Instant::now();
    while child.try_wait().expect("it is our child").is_none() {
        assert!(start.elapsed().as_secs() < 30, "the demo goes on although nobody reads it");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
