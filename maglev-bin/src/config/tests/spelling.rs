//! The many ways to write the same thing in YAML.

use super::*;

/// Replaces `from`, which must be there, in the small config.
fn small(from: &str, to: &str) -> String {
    let text = read("good/small.yaml");
    assert!(text.contains(from), "{from:?} is not in the small config");
    text.replacen(from, to, 1)
}

#[test]
fn line_ends_and_a_byte_order_mark_do_not_matter() {
    let text = read("good/small.yaml");
    let config = good(&text);
    assert_eq!(good(&text.replace('\n', "\r\n")), config);
    assert_eq!(good(&text.replace('\n', "\r")), config);
    assert_eq!(good(&format!("\u{feff}{text}")), config);
    assert_eq!(good(&format!("%YAML 1.2\n---\n{text}...\n")), config);
}

#[test]
fn places_are_right_behind_a_byte_order_mark_and_with_any_line_end() {
    for (text, place) in [
        ("\u{feff}maglef: {}\n", (1, 1)),
        ("# ä\r\nmaglev: {}\r\nmaglef: {}\r\n", (3, 1)),
        ("# ä\rmaglev: {}\rmaglef: {}\r", (3, 1)),
        ("{maglev: {}, \"ä\": 1, maglef: {}}", (1, 14)),
    ] {
        let error = Config::parse(text, "maglev.yaml", PROBE_ONLY).expect_err("an unknown key");
        assert_eq!((error.diagnostics[0].line, error.diagnostics[0].column), place, "{text:?}");
    }
}

#[test]
fn json_is_yaml() {
    let text = r#"{"maglev": {"vpp": {"lb": {"ipv4-src-address": "10.0.0.1", "ipv6-src-address": "2001:db8::1"}},
        "healthchecks": {"tcp": {"type": "tcp", "port": 80}, "http": {"type": "http", "port": 80}},
        "backends": {"nginx0": {"address": "10.2.1.2", "healthcheck": "tcp"},
                     "nginx1": {"address": "10.2.1.3", "healthcheck": "http"}},
        "frontends": {"web": {"address": "192.0.2.1",
            "pools": [{"name": "primary", "backends": {"nginx0": {}, "nginx1": {}}}]}}}}"#;
    assert_eq!(good(text), good(&read("good/small.yaml")));
}

#[test]
fn anchors_aliases_and_merge_keys_spare_typing() {
    let text = "
maglev:
  vpp: { lb: { ipv4-src-address: 10.0.0.1, ipv6-src-address: '2001:db8::1' } }
  healthchecks:
    slow: &slow { type: tcp, port: &port 80, interval: 5s, rise: 7 }
    fast: { <<: *slow, interval: 1s }
    both: { <<: [{ interval: 3s }, *slow], type: http, port: *port }
  backends:
    nginx0: { address: 10.2.1.2, healthcheck: slow }
    nginx1: { address: 10.2.1.3, healthcheck: fast }
    nginx2: { address: 10.2.1.4, healthcheck: both }
  frontends:
    one: { address: 192.0.2.1, pools: &pools [{ name: a, backends: { nginx0: {}, nginx1: {}, nginx2: {} } }] }
    two: { address: 192.0.2.2, pools: *pools }
";
    let config = good(text);
    let told: Vec<_> = config
        .healthchecks
        .iter()
        .map(|check| (check.kind.type_name(), check.port, check.interval.as_secs(), check.rise.get()))
        .collect();
    assert_eq!(told, [("tcp", Some(80), 5, 7), ("tcp", Some(80), 1, 7), ("http", Some(80), 3, 7)]);
    assert_eq!(config.frontends[0].pools, config.frontends[1].pools);
}

#[test]
fn an_error_behind_an_anchor_is_told_once() {
    let text = small("nginx1: {} }", "nginx1: &m { weight: 101 }, nginx0b: *m }")
        .replace("  frontends:\n", "    nginx0b: { address: 10.2.1.5 }\n  frontends:\n");
    let error = bad(&text);
    assert_eq!(error.diagnostics.len(), 1, "{error}");
}

#[test]
fn a_thousand_frontends_may_share_pools_by_an_alias() {
    let mut text = "maglev:\n  backends:\n".to_owned();
    for backend in 0..50 {
        text.push_str(&format!("    b{backend}: {{ address: 10.0.1.{backend} }}\n"));
    }
    text.push_str(
        "  frontends:\n    first:\n      address: 192.0.2.1\n      pools: &pools\n      - name: p\n        backends:\n",
    );
    for backend in 0..50 {
        text.push_str(&format!("          b{backend}: {{ weight: 10 }}\n"));
    }
    for frontend in 0..1000 {
        let (high, low) = (frontend / 250, frontend % 250);
        text.push_str(&format!("    f{frontend}: {{ address: 198.18.{high}.{low}, pools: *pools }}\n"));
    }
    let loaded = Config::parse(&text, "maglev.yaml", PROBE_ONLY).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.config.frontends.len(), 1001);
}

#[test]
fn truth_has_many_words() {
    for (word, value) in [
        ("true", true),
        ("True", true),
        ("yes", true),
        ("on", true),
        ("ON", true),
        ("false", false),
        ("no", false),
        ("Off", false),
    ] {
        let config = good(&small("10.2.1.2,", &format!("10.2.1.2, enabled: {word},")));
        assert_eq!(config.backends[0].enabled, value, "{word}");
    }
}

#[test]
fn names_may_look_like_numbers() {
    let text = small("    nginx0: {", "    1.10: {").replace("{ nginx0: {}", "{ 1.10: {}");
    let text = text.replace("    http:\n", "    0x1f:\n").replace("healthcheck: http", "healthcheck: 0x1f");
    let text = text.replace("    web:\n", "    true:\n      description: 007\n");
    let config = good(&text);
    assert_eq!(config.backends[0].name, "1.10");
    assert_eq!(config.frontends[0].pools[0].members[0].backend, "1.10");
    assert_eq!(config.healthchecks[1].name, "0x1f");
    assert_eq!((config.frontends[0].name.as_str(), config.frontends[0].description.as_str()), ("true", "007"));
}

#[test]
fn numbers_behind_anchors_and_tags_keep_their_text() {
    let config = good(&small("    web:\n", "    web:\n      description: &d !!int 0x10\n"));
    assert_eq!(config.frontends[0].description, "0x10");
    let config = good(&small("port: 80 # tcp", "port: &p !!int 0x50"));
    assert_eq!(config.healthchecks[0].port, Some(80));
}

#[test]
fn text_may_run_over_several_lines() {
    for (value, wanted) in [
        ("public\n        web", "public web"),
        ("'public\n        web'", "public web"),
        ("|\n        public\n        web\n", "public\nweb\n"),
        (">-\n        public\n        web\n", "public web"),
        ("\"p\\u00fcblic\"", "püblic"),
        ("", ""),
        ("~", ""),
        ("''", ""),
    ] {
        let config = good(&small("    web:\n", &format!("    web:\n      description: {value}\n")));
        assert_eq!(config.frontends[0].description, wanted, "{value}");
    }
}

#[test]
fn no_namespace_may_be_written_as_nothing() {
    for value in ["", "''", "~", "null"] {
        let text = small("  vpp:\n", &format!("  healthchecker: {{ netns: {value} }}\n  vpp:\n"));
        assert_eq!(good(&text).healthchecker.netns, None, "{value:?}");
    }
}
