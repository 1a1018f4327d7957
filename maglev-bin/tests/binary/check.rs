use std::path::PathBuf;
use std::process::Command;

/// A config that is good, to be spoilt.
const GOOD: &str = "maglev:
  vpp: { lb: { ipv4-src-address: 10.0.0.1, ipv6-src-address: '2001:db8::1' } }
  healthchecks:
    web: { type: http, port: 80 }
  backends:
    a: { address: 10.2.1.1, healthcheck: web }
    b: { address: 10.2.1.2, healthcheck: web }
    c: { address: '2001:db8:2::1', healthcheck: web }
  frontends:
    f: { address: 192.0.2.1, protocol: tcp, port: 80, pools: [{ name: p, backends: { a: {}, b: {} } }] }
    g: { address: 192.0.2.2, protocol: tcp, port: 80, pools: [{ name: p, backends: { c: {} } }] }
";

fn check(name: &str, text: &str) -> (Option<i32>, String) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let file = folder.join(format!("{name}.yaml"));
    std::fs::write(&file, text).expect("a temporary file");
    run(&["--check", "--config", file.to_str().expect("a plain path")])
}

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_maglevd")).args(arguments).output().expect("the program runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn a_good_config_is_said_to_be_good() {
    let (status, text) = check("good", GOOD);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("2 frontends, 3 backends, 1 health checks"), "{text}");
}

#[test]
fn each_bad_config_has_its_status_its_place_and_its_remedy() {
    let big = "ipv4-src-address: 10.0.0.1, sticky-buckets-per-core: 67108864,";
    let cases = [
        ("unparsable", GOOD.replace("a: {}, b: {}", "a: {}, b: {"), 1, "unparsable.yaml:"),
        ("unknown-key", GOOD.replace("healthcheck: web }\n    b", "helthcheck: web }\n    b"), 1, "healthcheck"),
        ("wrong-type", GOOD.replace("port: 80 }\n  back", "port: http }\n  back"), 1, "port"),
        ("dangling", GOOD.replace("{ a: {}, b: {} }", "{ a: {}, bb: {} }"), 2, "bb"),
        ("families", GOOD.replace("{ a: {}, b: {} }", "{ a: {}, c: {} }"), 2, "famil"),
        ("no-protocol", GOOD.replace("192.0.2.2, protocol: tcp, port: 80", "192.0.2.2, port: 80"), 2, "protocol"),
        ("duplicate-vip", GOOD.replace("192.0.2.2", "192.0.2.1"), 2, "192.0.2.1"),
        ("backend-is-vip", GOOD.replace("a: { address: 10.2.1.1", "a: { address: 192.0.2.2"), 2, "192.0.2.2"),
        ("sticky", GOOD.replace("ipv4-src-address: 10.0.0.1,", big), 2, "4194304"),
        (
            "regexp",
            GOOD.replace("port: 80 }\n  back", "port: 80, params: { response-regexp: '(' } }\n  back"),
            2,
            "response-regexp",
        ),
    ];
    for (name, text, expected, word) in cases {
        assert_ne!(text, GOOD, "{name} spoils nothing");
        let (status, said) = check(name, &text);
        assert_eq!(status, Some(expected), "{name}: {said}");
        assert!(said.contains(word), "{name} does not say {word:?}:\n{said}");
        assert!(said.contains(&format!("{name}.yaml")), "{name} does not say where:\n{said}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let (status, text) = run(&["--check", "--config", "/nowhere/maglev.yaml"]);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("/nowhere/maglev.yaml"), "{text}");
}

#[test]
fn the_daemon_refuses_what_check_refuses_with_the_same_status() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("refused.yaml");
    std::fs::write(&file, GOOD.replace("192.0.2.2", "192.0.2.1")).expect("a temporary file");
    let (status, text) = run(&["--config", file.to_str().expect("a plain path"), "--vpp-api-addr", ""]);
    assert_eq!(status, Some(2), "{text}");
}

#[test]
fn the_version_tells_commit_and_date() {
    let (status, text) = run(&["--version"]);
    assert_eq!(status, Some(0));
    assert!(text.starts_with("maglevd ") && text.contains("commit") && text.contains("built"), "{text}");
}

#[test]
fn a_metrics_port_that_is_taken_is_explained() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("taken.yaml");
    std::fs::write(&file, GOOD).expect("a temporary file");
    let config = file.to_str().expect("a plain path");
    let (status, text) = run(&["--config", config, "--vpp-api-addr", "", "--metrics-addr", &address]);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("--metrics-addr") && text.contains(&address), "{text}");
}
