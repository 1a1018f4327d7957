//! Whole configs, good and bad. What one rule says of one line is in `tests/rules.rs`.

use std::num::{NonZeroU8, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::probe::Method;

mod params;
mod properties;
mod rules;
mod spelling;

const DATAPLANE: Context = Context { dataplane: true };
const PROBE_ONLY: Context = Context { dataplane: false };

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(data(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn good(text: &str) -> Config {
    match Config::parse(text, "maglev.yaml", DATAPLANE) {
        Ok(loaded) => loaded.config,
        Err(error) => panic!("{error}"),
    }
}

fn bad(text: &str) -> ConfigError {
    Config::parse(text, "maglev.yaml", DATAPLANE).expect_err("this must not be accepted")
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn every_key_of_the_specification_is_read() {
    let text = read("good/full.yaml");
    let loaded = Config::parse(&text, "full.yaml", DATAPLANE).unwrap_or_else(|error| panic!("{error}"));
    let web = Arc::new(HealthCheck {
        name: "web".into(),
        kind: CheckKind::Http(HttpParams {
            path: "/healthz?full=1".into(),
            host: Some("www.example.com:8443".into()),
            response_codes: 200..=299,
            response_regexp: Some(Regexp::new("^ok").expect("a regexp")),
            tls: Some(TlsParams {
                server_name: Some("www.example.com".into()),
                insecure_skip_verify: true,
                ..TlsParams::default()
            }),
            ..HttpParams::default()
        }),
        port: Some(8443),
        proxy_protocol: None,
        device: None,
        mark: None,
        probe_ipv4_src: Some([10, 0, 0, 2].into()),
        probe_ipv6_src: Some("2001:db8::2".parse().expect("an address")),
        interval: seconds(3),
        fast_interval: Duration::from_millis(500),
        down_interval: seconds(90),
        timeout: Duration::from_millis(1500),
        rise: NonZeroU8::new(4).expect("not 0"),
        fall: NonZeroU8::new(5).expect("not 0"),
        damping: None,
    });
    let mail = Arc::new(HealthCheck {
        name: "mail".into(),
        kind: CheckKind::Tcp(TcpParams {
            tls: Some(TlsParams { server_name: Some("mail.example.com".into()), ..TlsParams::default() }),
            ..TcpParams::default()
        }),
        port: Some(465),
        ..defaults("mail")
    });
    let damping = maglev_health::Damping::new(900, 2_500, 800, seconds(30), seconds(240)).expect("sound numbers");
    let alive =
        Arc::new(HealthCheck { kind: CheckKind::Icmp, port: None, damping: Some(damping), ..defaults("alive") });
    let backend = |name: &str, address: &str, healthcheck: Option<&Arc<HealthCheck>>, enabled: bool| Backend {
        name: name.into(),
        address: address.parse().expect("an address"),
        healthcheck: healthcheck.cloned(),
        enabled,
    };
    let pool = |name: &str, members: &[(&str, u8)]| Pool {
        name: name.into(),
        members: members.iter().map(|&(name, weight)| PoolMember { backend: name.into(), weight }).collect(),
    };
    let wanted = Config {
        healthchecker: HealthChecker {
            transition_history: NonZeroUsize::new(7).expect("not 0"),
            netns: Some("dataplane".into()),
        },
        lb: Lb {
            sync_interval: seconds(45),
            ipv4_src_address: Some([10, 0, 0, 1].into()),
            ipv6_src_address: Some("2001:db8::1".parse().expect("an address")),
            sticky_buckets_per_core: 131_072,
            flow_timeout: seconds(60),
            startup_min_delay: seconds(2),
            startup_max_delay: seconds(20),
            foreign_vips: ForeignVips::Keep,
        },
        healthchecks: vec![Arc::clone(&web), Arc::clone(&mail), Arc::clone(&alive)],
        backends: vec![
            backend("nginx0", "10.2.1.2", Some(&web), false),
            backend("nginx1", "10.2.1.3", Some(&mail), true),
            backend("nginx2", "2001:db8:1::4", Some(&alive), true),
            backend("static", "2001:db8:1::5", None, true),
        ],
        frontends: vec![
            Frontend {
                name: "web-v4".into(),
                description: "public web".into(),
                address: [192, 0, 2, 1].into(),
                protocol: Some(Protocol::Tcp),
                port: Some(443),
                src_ip_sticky: true,
                flush_on_down: false,
                table_length: TableLength::Fixed(4096),
                table_length_chosen: 4096,
                backend_family: Family::V4,
                pools: vec![pool("primary", &[("nginx0", 100), ("nginx1", 0)]), pool("fallback", &[("nginx1", 1)])],
            },
            Frontend {
                name: "everything-v4-over-gre6".into(),
                description: String::new(),
                address: [192, 0, 2, 2].into(),
                protocol: None,
                port: None,
                src_ip_sticky: false,
                flush_on_down: true,
                table_length: TableLength::Auto,
                table_length_chosen: 1024,
                backend_family: Family::V6,
                pools: vec![pool("primary", &[("nginx2", 100), ("static", 100)])],
            },
        ],
        sha256: String::new(),
    };
    assert_eq!(loaded.config, wanted);
    assert_eq!(loaded.warnings, []);
}

/// A TCP check of port 80 with nothing else set.
fn defaults(name: &str) -> HealthCheck {
    HealthCheck {
        name: name.into(),
        kind: CheckKind::Tcp(TcpParams::default()),
        port: Some(80),
        proxy_protocol: None,
        device: None,
        mark: None,
        probe_ipv4_src: None,
        probe_ipv6_src: None,
        interval: seconds(2),
        fast_interval: seconds(2),
        down_interval: seconds(2),
        timeout: seconds(2),
        rise: NonZeroU8::new(2).expect("not 0"),
        fall: NonZeroU8::new(3).expect("not 0"),
        damping: None,
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = good(&read("good/small.yaml"));
    let tcp = Arc::new(defaults("tcp"));
    assert_eq!(config.healthchecks[0], tcp);
    let http = CheckKind::Http(HttpParams {
        method: Method::Get,
        path: "/".into(),
        host: None,
        headers: Vec::new(),
        response_codes: 200..=399,
        response_header: None,
        response_regexp: None,
        body_limit: 65_536,
        agent_header: None,
        tls: None,
    });
    assert_eq!(config.healthchecks[1].kind, http);
    let lb = Lb {
        ipv4_src_address: Some([10, 0, 0, 1].into()),
        ipv6_src_address: Some("2001:db8::1".parse().expect("an address")),
        sync_interval: seconds(30),
        sticky_buckets_per_core: 65_536,
        flow_timeout: seconds(40),
        startup_min_delay: seconds(5),
        startup_max_delay: seconds(30),
        foreign_vips: ForeignVips::Remove,
    };
    assert_eq!(config.lb, lb);
    assert_eq!(config.healthchecker.transition_history.get(), 5);
    assert_eq!(config.healthchecker.netns, None);
    assert!(config.backends[0].enabled);
    let frontend = &config.frontends[0];
    assert!(frontend.flush_on_down && !frontend.src_ip_sticky);
    assert_eq!((frontend.table_length, frontend.pools[0].members[0].weight), (TableLength::Auto, 100));
}

#[test]
fn intervals_follow_the_interval_and_the_time_out_stays_below_two_seconds() {
    let times = |lines: &str| {
        let text = read("good/small.yaml").replace("      port: 80 # tcp\n", &format!("      port: 80\n{lines}"));
        let config = good(&text);
        let check = &config.healthchecks[0];
        [check.interval, check.fast_interval, check.down_interval, check.timeout].map(|time| time.as_millis())
    };
    assert_eq!(times("      interval: 10s\n"), [10_000, 10_000, 10_000, 2_000]);
    assert_eq!(times("      interval: 500ms\n"), [500, 500, 500, 500]);
    assert_eq!(times("      interval: 1s\n      fast-interval: 100ms\n"), [1_000, 100, 1_000, 1_000]);
    assert_eq!(
        times("      interval: 1s\n      down-interval: 60s\n      timeout: 3s\n"),
        [1_000, 1_000, 60_000, 3_000]
    );
}

#[test]
fn without_a_dataplane_the_source_addresses_may_be_absent() {
    let text =
        read("good/small.yaml").replace("ipv4-src-address: 10.0.0.1", "").replace("ipv6-src-address: 2001:db8::1", "");
    let loaded = Config::parse(&text, "maglev.yaml", PROBE_ONLY).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((loaded.config.lb.ipv4_src_address, loaded.config.lb.ipv6_src_address), (None, None));
    assert_eq!(bad(&text).diagnostics.len(), 2);
}

#[test]
fn a_config_without_frontends_is_good_and_warned_of() {
    for text in ["maglev:\n", "maglev: {}\n", "maglev:\n  frontends: {}\n"] {
        let loaded = Config::parse(text, "maglev.yaml", PROBE_ONLY).unwrap_or_else(|error| panic!("{error}"));
        let warnings: Vec<_> = loaded.warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(warnings, ["there is no frontend, so nothing is served"], "{text}");
    }
}

#[test]
fn the_checksum_is_that_of_the_file() {
    // printf 'maglev:\n' | sha256sum
    let loaded = Config::parse("maglev:\n", "maglev.yaml", PROBE_ONLY).expect("an empty config");
    assert_eq!(loaded.config.sha256, "7725c0e9e689c1f8f879a86f27ce11640b0cfe61059367047c57b54d80a3a1fe");
}

/// Each file below `bad` and everything that a person is told about it.
#[test]
fn bad_files_are_explained() {
    let mut files: Vec<_> = std::fs::read_dir(data("bad"))
        .expect("the test data")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name in ASCII"))
        .collect();
    files.sort();
    assert!(files.len() >= 20, "the test data is incomplete: {files:?}");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(data("snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let _bound = settings.bind_to_scope();
    for file in &files {
        let error = match Config::parse(&read(&format!("bad/{file}")), file, DATAPLANE) {
            Ok(_) => panic!("{file} is accepted"),
            Err(error) => error,
        };
        insta::assert_snapshot!(file.trim_end_matches(".yaml"), format!("{error}\nexit status {}", error.exit_code()));
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let told = |path: &Path| {
        let error = Config::load(path, DATAPLANE).expect_err("there is no config");
        assert_eq!((error.kind, error.exit_code()), (ErrorKind::Read, 1));
        error.to_string().replace(&path.display().to_string(), "FILE")
    };
    insta::assert_snapshot!(told(Path::new("/no/such/maglev.yaml")), @r"
    error: there is no such file
     --> FILE
      = help: `--config` or MAGLEV_CONFIG names the file

    the config cannot be read
    ");
    insta::assert_snapshot!(told(&data("bad")), @r"
    error: this is a directory
     --> FILE
      = help: `--config` or MAGLEV_CONFIG names the file

    the config cannot be read
    ");
    insta::assert_snapshot!(told(Path::new("/dev/zero")), @r"
    error: this is larger than 4 MiB
     --> FILE
      = help: is it a config?

    the config cannot be read
    ");
}

#[test]
fn bytes_that_are_no_text_are_pointed_at() {
    let file = std::env::temp_dir().join(format!("maglev-config-not-utf8-{}.yaml", std::process::id()));
    std::fs::write(&file, b"maglev:\n  # M\xfcnchen\n").expect("a temporary file");
    let error = Config::load(&file, DATAPLANE).expect_err("not UTF-8");
    std::fs::remove_file(&file).expect("the temporary file");
    insta::assert_snapshot!(error.to_string().replace(&file.display().to_string(), "FILE"), @r"
    error: not UTF-8: the byte fc cannot stand here
     --> FILE:2:6
      |
    2 |   # M�nchen
      |      ^
      = help: save the file as UTF-8

    the config cannot be parsed
    ");
}

#[test]
fn a_log_line_holds_one_diagnostic() {
    let error = bad(
        "maglev:\n  forntends: {}\n  vpp: { lb: { ipv4-src-address: 10.0.0.1, ipv6-src-address: '2001:db8::1' } }\n",
    );
    let lines: Vec<_> = error.diagnostics.iter().map(Diagnostic::to_string).collect();
    assert_eq!(lines, ["maglev.yaml:2:3: maglev.forntends: unknown key `forntends` (did you mean `frontends`?)"]);
}

#[test]
fn configs_compare_by_meaning() {
    let text = read("good/full.yaml");
    let config = good(&text);
    let respelt = text.replace("1m30s", "90s # the same").replace("pools:\n", "pools:\n\n");
    assert_ne!(good(&respelt).sha256, config.sha256);
    assert_eq!(good(&respelt), config);
    for (from, to) in [
        ("weight: 1 }", "weight: 2 }"),
        ("'^ok'", "'^OK'"),
        ("rise: 4", "rise: 3"),
        ("keep", "remove"),
        ("reuse: 800", "reuse: 801"),
    ] {
        assert!(text.contains(from), "{from}");
        assert_ne!(good(&text.replace(from, to)), config, "{to}");
    }
}

#[test]
fn a_renamed_check_changes_no_backend() {
    let text = read("good/full.yaml");
    let (old, new) =
        (good(&text), good(&text.replace("    web:\n", "    www:\n").replace("check: web,", "check: www,")));
    assert_ne!(old.healthchecks, new.healthchecks);
    assert_eq!(old.backends, new.backends);
    let slower = good(&text.replace("interval: 3s", "interval: 4s"));
    assert_ne!(old.backends[0], slower.backends[0]);
    assert_eq!(old.backends[1..], slower.backends[1..]);
}

#[test]
fn the_identity_of_a_check_is_what_it_asks() {
    let text = read("good/full.yaml");
    let identity = |text: &str| good(text).healthchecks[0].identity();
    let before = identity(&text);
    for (from, to) in [
        ("interval: 3s", "interval: 4s"),
        ("fast-interval: 500ms", "fast-interval: 600ms"),
        ("down-interval: 1m30s", "down-interval: 5s"),
        ("timeout: 1.5s", "timeout: 1s"),
        ("1m30s", "90s"),
    ] {
        assert_eq!(identity(&text.replace(from, to)), before, "{to}");
    }
    for (from, to) in [
        ("port: 8443", "port: 8444"),
        ("10.0.0.2", "10.0.0.3"),
        ("2001:db8::2", "2001:db8::3"),
        ("rise: 4", "rise: 5"),
        ("fall: 5", "fall: 4"),
        ("full=1", "full=0"),
        ("host: www", "host: ftp"),
        ("200-299", "200"),
        ("'^ok'", "ok"),
        ("server-name: www", "server-name: ftp"),
        ("verify: true", "verify: false"),
    ] {
        assert!(text.contains(from), "{from}");
        assert_ne!(identity(&text.replace(from, to)), before, "{to}");
    }
}

#[test]
fn damping_is_no_part_of_the_question_and_has_defaults() {
    let text = read("good/full.yaml");
    let (old, new) = (good(&text), good(&text.replace("reuse: 800", "reuse: 801")));
    assert_eq!(old.healthchecks[2].identity(), new.healthchecks[2].identity());
    assert_ne!(old.backends[2], new.backends[2]);
    let default = good(&text.replace("rise: 4", "damping: {}")).healthchecks[0].damping;
    assert_eq!(default, maglev_health::Damping::new(1_000, 2_000, 750, seconds(60), seconds(300)).ok());
}

#[test]
fn things_are_found_by_name() {
    let config = good(&read("good/full.yaml"));
    assert_eq!(config.healthcheck("mail").map(|check| check.kind.type_name()), Some("tcp"));
    assert_eq!(config.backend("static").map(|backend| backend.name.as_str()), Some("static"));
    assert_eq!(config.frontend("web-v4").map(|frontend| frontend.port), Some(Some(443)));
    assert_eq!(config.frontend("nginx0"), None);
}

#[test]
fn the_manual_has_every_key_and_its_examples_are_good() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let manual = std::fs::read_to_string(manual).expect("the manual");
    for key in schema::keys() {
        assert!(manual.contains(&format!("`{key}`")), "`{key}` is not in the manual");
    }
    let mut examples = manual.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let first = examples.next().expect("an example");
    assert_eq!(good(first).frontends.len(), 1);
    // The others are sections; what they refer to is made up here.
    let backends = "backends: { nginx0-ams: { address: 10.0.0.2 }, nginx1-ams: { address: 10.0.0.3 }, nginx0-fra: { address: 10.0.0.4 } }";
    let files = params::Files::new();
    for example in examples {
        let section = format!("{backends}\n{example}").replace('\n', "\n  ");
        let section = files.in_text(&section.replace("/etc/vpp-maglev/", "DIR/"));
        let loaded = Config::parse(&format!("maglev:\n  {section}"), "manual", PROBE_ONLY);
        assert!(loaded.is_ok(), "{example}\n{loaded:?}");
    }
}
