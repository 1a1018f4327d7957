//! Each rule, one change to a good config at a time, and what is said of it.
//!
//! The snapshots show the change, the exit status and the diagnostics without snippets.

use super::*;

/// Makes each change to the full config by itself, and tells what comes of it. A change must not be without effect.
fn tell(changes: &[(&str, &str)]) -> String {
    let full = read("good/full.yaml");
    let mut told = String::new();
    for (from, to) in changes {
        assert!(full.contains(from), "{from:?} is not in the full config");
        let verdict = match Config::parse(&full.replacen(from, to, 1), "full.yaml", DATAPLANE) {
            Ok(loaded) => {
                assert!(!loaded.warnings.is_empty(), "{to:?} is accepted without a word");
                listing("0", &loaded.warnings)
            }
            Err(error) => listing(&error.exit_code().to_string(), &error.diagnostics),
        };
        let change = if to.is_empty() { format!("without{from}") } else { (*to).to_owned() };
        told.push_str(&format!("{}\n{verdict}\n", change.trim_end()));
    }
    told
}

fn listing(status: &str, diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|diagnostic| format!("  {status} {diagnostic}\n")).collect()
}

macro_rules! assert_told {
    ($name:literal, $changes:expr) => {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(data("snapshots"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(concat!("rules-", $name), tell($changes)));
    };
}

#[test]
fn the_healthchecker() {
    assert_told!(
        "healthchecker",
        &[
            ("history: 7", "history: 0"),
            ("history: 7", "history: -1"),
            ("history: 7", "history: 1.5"),
            ("history: 7", "history: 5s"),
            ("history: 7", "history:"),
            ("netns: dataplane", "netns: /run/netns/dataplane"),
            ("netns: dataplane", "netns: .."),
            ("netns: dataplane", "netns: 'a/'"),
            ("netns: dataplane", "netns: [dataplane]"),
            ("netns: dataplane", "namespace: dataplane"),
        ]
    );
}

#[test]
fn the_load_balancer() {
    assert_told!(
        "lb",
        &[
            ("sync-interval: 45s", "sync-interval: 9ms"),
            ("sync-interval: 45s", "sync-interval: 25h"),
            ("sync-interval: 45s", "sync-interval: 45"),
            ("sync-interval: 45s", "sync-interval: 45 seconds"),
            ("sync-interval: 45s", "sync-interval: -45s"),
            ("sync-interval: 45s", "sync-interval: soon"),
            ("ipv4-src-address: 10.0.0.1", "ipv4-src-address: 2001:db8::9"),
            ("ipv4-src-address: 10.0.0.1", "ipv4-src-address: 10.0.0.256"),
            ("ipv4-src-address: 10.0.0.1", "ipv4-src-address: 10.0.0.1/24"),
            ("ipv4-src-address: 10.0.0.1", "ipv4-src-address: 0.0.0.0"),
            ("ipv4-src-address: 10.0.0.1", "ipv4-src-address: 255.255.255.255"),
            ("      ipv4-src-address: 10.0.0.1\n", ""),
            ("ipv6-src-address: 2001:db8::1", "ipv6-src-address: 10.0.0.1"),
            ("ipv6-src-address: 2001:db8::1", "ipv6-src-address: 'ff02::1'"),
            ("ipv6-src-address: 2001:db8::1", "ipv6-src-address: '[2001:db8::1]'"),
            ("ipv6-src-address: 2001:db8::1", "ipv6-src-address: '[2001:db8::1]:80'"),
            ("per-core: 131072", "per-core: 0"),
            ("per-core: 131072", "per-core: 512"),
            ("per-core: 131072", "per-core: 131073"),
            ("per-core: 131072", "per-core: 8388608"),
            ("per-core: 131072", "per-core: 131_072"),
            ("per-core: 131072", "per-core: 128k"),
            ("flow-timeout: 1m", "flow-timeout: 0s"),
            ("flow-timeout: 1m", "flow-timeout: 121s"),
            ("flow-timeout: 1m", "flow-timeout: 1.5s"),
            ("startup-min-delay: 2s", "startup-min-delay: 21s"),
            ("      startup-max-delay: 20s\n", "      startup-max-delay: 1s\n"),
            ("startup-min-delay: 2s", "startup-min-delay: 48h"),
            ("foreign-vips: keep", "foreign-vips: Keep"),
            ("foreign-vips: keep", "foreign-vips: delete"),
            ("    lb:\n", "    lb: 5\n    lp:\n"),
        ]
    );
}

#[test]
fn checks() {
    assert_told!(
        "healthchecks",
        &[
            ("type: https", "type: HTTPS"),
            ("type: https", "type: smtp"),
            ("      type: https\n", ""),
            ("      port: 8443\n", ""),
            ("port: 8443", "port: 0"),
            ("port: 8443", "port: 65536"),
            ("port: 8443", "port: 99999999999999999999999999999999999999999999"),
            ("port: 8443", "port: '8443'"),
            ("port: 8443", "port: 08443"),
            ("port: 8443", "port: https"),
            ("type: icmp", "type: icmp\n      port: 7"),
            ("type: icmp", "type: icmp\n      params: { path: / }"),
            ("probe-ipv4-src: 10.0.0.2", "probe-ipv4-src: 2001:db8::9"),
            ("probe-ipv6-src: 2001:db8::2", "probe-ipv6-src: 10.0.0.2"),
            ("interval: 3s", "interval: 0s"),
            ("interval: 3s", "interval: 9.9ms"),
            ("interval: 3s", "interval: 3000000h"),
            ("interval: 3s", "interval: 600000000h"),
            ("fast-interval: 500ms", "fast-interval: 500"),
            ("timeout: 1.5s", "timeout: 1ms"),
            ("timeout: 1.5s", "timeout:"),
            ("rise: 4", "rise: 0"),
            ("fall: 5", "fall: 256"),
            ("fall: 5", "fall: [5]"),
        ]
    );
}

#[test]
fn flap_damping() {
    assert_told!(
        "damping",
        &[
            ("penalty: 900", "penalty: 0"),
            ("penalty: 900", "penalty: 1000001"),
            ("penalty: 900", "penalty: 9s"),
            ("suppress: 2500", "suppress: 800"),
            ("suppress: 2500, reuse: 800", "reuse: 2000"),
            ("reuse: 800", "reuse: 0"),
            ("reuse: 800", "resue: 800"),
            ("half-life: 30s", "half-life: 999ms"),
            ("half-life: 30s", "half-life: 3m"),
            ("max-suppress: 4m", "max-suppress: 25h"),
            ("max-suppress: 4m", "max-suppress: 30s"),
            (
                "damping: { penalty: 900, suppress: 2500, reuse: 800, half-life: 30s, max-suppress: 4m }",
                "damping: true"
            ),
            ("rise: 4", "penalty: 4"),
        ]
    );
}

#[test]
fn check_parameters() {
    assert_told!(
        "params",
        &[
            ("path: /healthz?full=1", "path: healthz"),
            ("path: /healthz?full=1", "path: /a b"),
            ("path: /healthz?full=1", "path: /#top"),
            ("path: /healthz?full=1", "path: \"/\\r\\nHost: evil\""),
            ("path: /healthz?full=1", "path: { a: b }"),
            ("host: www.example.com:8443", "host: https://www.example.com"),
            ("host: www.example.com:8443", "host: ''"),
            ("response-code: 200-299", "response-code: 299-200"),
            ("response-code: 200-299", "response-code: 99"),
            ("response-code: 200-299", "response-code: 200-600"),
            ("response-code: 200-299", "response-code: 2xx"),
            ("response-code: 200-299", "response-code: 200, 204"),
            ("response-code: 200-299", "response-code: [200, 204]"),
            ("response-regexp: '^ok'", "response-regexp: '(ok'"),
            ("response-regexp: '^ok'", "response-regexp: 'o{3,2}'"),
            ("response-regexp: '^ok'", "response-regexp: '(?=ok)'"),
            ("response-regexp: '^ok'", "response-regexp: '(((\\w{100}){100}){100}){100}'"),
            ("response-regexp: '^ok'", "response-regexp: \"(?x)\\n(\""),
            ("server-name: www.example.com", "server-name: www.example.com:443"),
            ("server-name: www.example.com", "server-name: www example"),
            ("insecure-skip-verify: true", "insecure-skip-verify: \"true\""),
            ("insecure-skip-verify: true", "insecure-skip-verify: 1"),
            ("insecure-skip-verify: true", "ssl: true"),
            ("type: https", "type: http"),
            ("type: https", "type: tcp"),
            ("{ ssl: true, server-name: mail.example.com }", "{ server-name: mail.example.com }"),
            ("{ ssl: true, server-name: mail.example.com }", "{ insecure-skip-verify: true }"),
            ("{ ssl: true, server-name: mail.example.com }", "{ ssl: true, interval: 2s }"),
            ("{ ssl: true, server-name: mail.example.com }", "{ ssl: true, sever-name: mail.example.com }"),
        ]
    );
}

#[test]
fn backends() {
    assert_told!(
        "backends",
        &[
            ("address: 10.2.1.2,", "address: 10.2.1.2/32,"),
            ("address: 10.2.1.2,", "address: '10.2.1.2:80',"),
            ("address: 10.2.1.2,", "address: nginx0.example.com,"),
            ("address: 10.2.1.2,", "address: 224.0.0.1,"),
            ("address: 10.2.1.2,", "address: 0.1.2.3,"),
            (" address: 10.2.1.2,", ""),
            ("'2001:db8:1::4'", "'::'"),
            ("'2001:db8:1::4'", "'::1'"),
            ("'2001:db8:1::4'", "'::192.0.2.7'"),
            ("'2001:db8:1::4'", "'::ffff:192.0.2.7'"),
            ("'2001:db8:1::4'", "'fe80::2'"),
            ("'2001:db8:1::4'", "'ff05::2'"),
            ("'2001:db8:1::4'", "192.0.2.1"),
            ("10.2.1.2, healthcheck: web", "10.2.1.2, healthcheck: wbe"),
            ("10.2.1.2, healthcheck: web", "10.2.1.2, healthcheck: nothing-like-it"),
            ("10.2.1.2, healthcheck: web", "10.2.1.2, healthcheck: [web]"),
            ("10.2.1.2, healthcheck: web", "10.2.1.2, healthchek: web"),
            ("enabled: false", "enabled: nope"),
            ("enabled: false", "disabled: true"),
            ("    static: {", "    'two words': { address: 10.9.9.9 }\n    static: {"),
            ("    static: {", "    '': { address: 10.9.9.9 }\n    static: {"),
            ("    static: {", "    nginx0: { address: 10.9.9.9 }\n    static: {"),
            ("    static: {", "    nginx3: 10.9.9.9\n    static: {"),
            ("  backends:\n    nginx0", "  backend:\n    nginx0"),
        ]
    );
}

#[test]
fn frontends() {
    assert_told!(
        "frontends",
        &[
            ("address: 192.0.2.1", "address: 192.0.2.1/32"),
            ("address: 192.0.2.1", "address: 192.0.2.0/24"),
            ("address: 192.0.2.1", "address: 239.1.1.1"),
            ("address: 192.0.2.1", "address: '::5'"),
            ("address: 192.0.2.1", "address: '::ffff:192.0.2.1'"),
            ("      address: 192.0.2.1\n", ""),
            ("      protocol: tcp\n", ""),
            ("      port: 443\n", ""),
            ("protocol: tcp", "protocol: any"),
            ("protocol: tcp", "protocol: 6"),
            ("protocol: tcp", "protocol: \"tcp\\nudp\""),
            ("port: 443", "port: 0"),
            ("src-ip-sticky: true", "src-ip-sticky: 'yes'"),
            ("length: 4096", "length: 512"),
            ("length: 4096", "length: 2097152"),
            ("length: 4096", "length: 0"),
            ("length: 4096", "length: 5000"),
            ("length: 4096", "length: '4096'"),
            ("length: 4096", "length: automatic"),
            ("length: 4096", "length: [4096]"),
            ("address: 192.0.2.2", "address: 192.0.2.1"),
            ("address: 192.0.2.2", "address: 192.0.2.1\n      protocol: tcp\n      port: 443"),
            ("address: 192.0.2.2", "address: 192.0.2.1\n      protocol: udp\n      port: 443"),
            ("everything-v4-over-gre6:", "web-v4:"),
            ("description: public web", "description: [public, web]"),
            ("description: public web", "healthcheck: web"),
        ]
    );
}

#[test]
fn pools() {
    assert_told!(
        "pools",
        &[
            ("- name: fallback", "- name: primary"),
            ("- name: fallback", "- name: ''"),
            ("- name: fallback", "- name: plan b"),
            ("- name: fallback\n          backends:", "- backends:"),
            ("- name: fallback\n          backends:\n            nginx1: { weight: 1 }", "- name: fallback"),
            (
                "- name: fallback\n          backends:\n            nginx1: { weight: 1 }",
                "- name: fallback\n          backends: {}"
            ),
            (
                "- name: fallback\n          backends:\n            nginx1: { weight: 1 }",
                "- name: fallback\n          backends: [nginx1]"
            ),
            ("- name: fallback\n          backends:\n            nginx1: { weight: 1 }", "- fallback"),
            (
                "    everything-v4-over-gre6:",
                "    bare: { address: 192.0.2.9, pools: [] }\n    everything-v4-over-gre6:"
            ),
            ("    everything-v4-over-gre6:", "    bare: { address: 192.0.2.9 }\n    everything-v4-over-gre6:"),
            (
                "    everything-v4-over-gre6:",
                "    bare: { address: 192.0.2.9, pools: { name: a } }\n    everything-v4-over-gre6:"
            ),
            ("nginx1: { weight: 1 }", "nginx1: { weight: 101 }"),
            ("nginx1: { weight: 1 }", "nginx1: { weight: -1 }"),
            ("nginx1: { weight: 1 }", "nginx1: { weight: 50% }"),
            ("nginx1: { weight: 1 }", "nginx1: 1"),
            ("nginx1: { weight: 1 }", "nginx9: { weight: 1 }"),
            ("nginx1: { weight: 1 }", "nginx1: { weight: 1, weight: 2 }"),
            ("nginx1: { weight: 1 }", "nginx2: { weight: 1 }"),
            ("'2001:db8:1::5'", "'2001:db8:1::4'"),
        ]
    );
}

#[test]
fn warnings() {
    assert_told!(
        "warnings",
        &[
            ("    alive:\n", "    idle: { type: icmp }\n    alive:\n"),
            ("    static: {", "    idle: { address: 10.9.9.9 }\n    static: {"),
            ("nginx1: { weight: 1 }", "nginx1: { weight: 0 }"),
        ]
    );
}

/// A frontend whose second pool is the heavier one: `count` backends, of which the first has weight 1.
fn wide(length: &str, count: u32, weight: u8) -> Loaded {
    let mut text = "maglev:\n  backends:\n".to_owned();
    for n in 0..count {
        text.push_str(&format!("    b{n}: {{ address: 10.1.{}.{} }}\n", n / 250, n % 250));
    }
    text.push_str(&format!("  frontends:\n    wide:\n      address: 192.0.2.9\n      {length}\n      pools:\n"));
    text.push_str("        - { name: light, backends: { b1: {} } }\n        - name: heavy\n          backends:\n");
    for n in 0..count {
        text.push_str(&format!("            b{n}: {{ weight: {} }}\n", if n == 0 { 1 } else { weight }));
    }
    Config::parse(&text, "wide.yaml", PROBE_ONLY).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_table_is_as_long_as_the_heaviest_pool_asks_for() {
    for (length, count, weight, chosen) in [
        ("new-flows-table-length: auto", 4, 10, 1_024),
        ("", 4, 100, 2_048),
        ("", 20, 100, 16_384),
        ("new-flows-table-length: 1048576", 20, 100, 1_048_576),
    ] {
        let Loaded { config, warnings } = wide(length, count, weight);
        let frontend = &config.frontends[0];
        assert_eq!((frontend.table_length_chosen, warnings.len()), (chosen, 0), "{length} {count} {weight}");
    }
}

#[test]
fn a_table_too_short_for_its_pools_is_warned_of_with_the_worst_share() {
    let Loaded { config, warnings } = wide("", 900, 100);
    assert_eq!(config.frontends[0].table_length_chosen, 65_536);
    insta::assert_snapshot!(listing("auto", &warnings), @"  auto wide.yaml:904:5: maglev.frontends.wide: with 65536 buckets `b0` of pool `heavy` is 37 % off the share that its weight 1 asks for (`auto` goes no further than 65536: set a length of up to 1048576, or smaller weights of the same proportion)");
    let Loaded { config, warnings } = wide("new-flows-table-length: 1024", 20, 100);
    assert_eq!(config.frontends[0].table_length_chosen, 1_024);
    insta::assert_snapshot!(listing("1024", &warnings), @"  1024 wide.yaml:26:31: maglev.frontends.wide.new-flows-table-length: with 1024 buckets `b0` of pool `heavy` is 86 % off the share that its weight 1 asks for (write `auto`, or a larger power of two)");
}

#[test]
fn the_family_of_a_vip_may_differ_from_that_of_its_backends() {
    let config = good(&read("good/full.yaml"));
    let frontend = config.frontend("everything-v4-over-gre6").expect("the frontend");
    assert_eq!((Family::of(frontend.address), frontend.backend_family), (Family::V4, Family::V6));
}

#[test]
fn ports_of_one_address_stand_side_by_side() {
    let text = read("good/full.yaml").replace(
        "    everything-v4-over-gre6:",
        "    quic: { address: 192.0.2.1, protocol: udp, port: 443, pools: [{ name: a, backends: { nginx0: {} } }] }\n    \
         plain: { address: 192.0.2.1, protocol: tcp, port: 80, pools: [{ name: a, backends: { nginx0: {} } }] }\n    \
         everything-v4-over-gre6:",
    );
    assert_eq!(good(&text).frontends.len(), 4);
}
