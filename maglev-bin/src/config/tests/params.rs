//! What a check may ask, and what is said of one that may not.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::*;
use crate::probe::{Expect, ProxyVersion, Query, Rcode, RecordType};
use crate::state::scratch::Scratch;

/// A config of one check and a backend that uses it.
fn text(check: &str) -> String {
    format!("maglev:\n  healthchecks:\n    c: {check}\n  backends:\n    b: {{ address: 10.0.0.1, healthcheck: c }}\n")
}

fn accepted(check: &str) -> Arc<HealthCheck> {
    match Config::parse(&text(check), "c.yaml", PROBE_ONLY) {
        Ok(loaded) => Arc::clone(&loaded.config.healthchecks[0]),
        Err(error) => panic!("{error}"),
    }
}

/// Each check and what is said of it.
fn tell(checks: &[&str]) -> String {
    let mut told = String::new();
    for check in checks {
        let error = Config::parse(&text(check), "c.yaml", PROBE_ONLY);
        let error = error.map(|_| ()).expect_err(&format!("{check} is accepted"));
        told.push_str(&format!("{check}\n"));
        for diagnostic in &error.diagnostics {
            told.push_str(&format!("  {} {diagnostic}\n", error.exit_code()));
        }
        told.push('\n');
    }
    told
}

macro_rules! assert_told {
    ($name:literal, $told:expr) => {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(data("snapshots"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(concat!("params-", $name), $told));
    };
}

/// Files for a check that does TLS.
pub(super) struct Files {
    scratch: Scratch,
}

impl Files {
    pub(super) fn new() -> Self {
        let files = Self { scratch: Scratch::new() };
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["a.example.com".to_owned()]).expect("one");
        files.write("ca.pem", cert.pem());
        files.write("client.pem", cert.pem());
        files.write("client.key", signing_key.serialize_pem());
        files
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.scratch.path(name), text).expect("the file can be written");
    }

    /// `text` with `DIR` for the directory of the files.
    pub(super) fn in_text(&self, text: &str) -> String {
        text.replace("DIR", &self.scratch.folder().display().to_string())
    }

    fn tell(&self, checks: &[&str]) -> String {
        let checks: Vec<String> = checks.iter().map(|check| self.in_text(check)).collect();
        let checks: Vec<&str> = checks.iter().map(String::as_str).collect();
        tell(&checks).replace(&self.scratch.folder().display().to_string(), "DIR")
    }

    fn accepted(&self, check: &str) -> Arc<HealthCheck> {
        accepted(&self.in_text(check))
    }
}

#[test]
fn every_parameter_of_http_is_read() {
    let check = accepted(
        "{ type: http, port: 80, params: { method: OPTIONS, headers: { X-Probe: 'a b', accept: '*/*' }, \
         response-header: 'X-State: ^(up|ok)$', response-regexp: ok, body-limit: 1024 } }",
    );
    let wanted = HttpParams {
        method: Method::Options,
        headers: vec![("X-Probe".into(), "a b".into()), ("accept".into(), "*/*".into())],
        response_header: Some(HeaderRule {
            name: "x-state".into(),
            value: Some(Regexp::new("^(up|ok)$").expect("a regexp")),
        }),
        response_regexp: Some(Regexp::new("ok").expect("a regexp")),
        body_limit: 1024,
        ..HttpParams::default()
    };
    assert_eq!(check.kind, CheckKind::Http(wanted));
    let any = accepted("{ type: http, port: 80, params: { response-header: X-State } }");
    let CheckKind::Http(HttpParams { response_header, .. }) = &any.kind else { panic!("{any:?}") };
    assert_eq!(*response_header, Some(HeaderRule { name: "x-state".into(), value: None }));
}

#[test]
fn http_rules() {
    assert_told!(
        "http",
        tell(&[
            "{ type: http, port: 80, params: { method: get } }",
            "{ type: http, port: 80, params: { method: PUT } }",
            "{ type: http, port: 80, params: { method: HEAD, response-regexp: ok } }",
            "{ type: http, port: 80, params: { headers: X-Probe } }",
            "{ type: http, port: 80, params: { headers: { HOST: a, user-agent: a, Connection: a, Content-Length: 0, \
             transfer-encoding: chunked } } }",
            "{ type: http, port: 80, params: { headers: { 'X Probe': a, '': b, 'X:': c } } }",
            "{ type: http, port: 80, params: { headers: { X-A: 1, x-a: 2 } } }",
            "{ type: http, port: 80, params: { headers: { X-A: \"a\\r\\nX-B: b\", X-B: ä, X-C: ' a', X-D: [a] } } }",
            "{ type: http, port: 80, params: { response-header: 'X State: up' } }",
            "{ type: http, port: 80, params: { response-header: 'X-State: (up' } }",
            "{ type: http, port: 80, params: { response-header: { X-State: up } } }",
            "{ type: http, port: 80, params: { body-limit: 1000 } }",
            "{ type: http, port: 80, params: { body-limit: 0, response-regexp: ok } }",
            "{ type: http, port: 80, params: { body-limit: 1048577, response-regexp: ok } }",
            "{ type: http, port: 80, params: { body-limit: 64k, response-regexp: ok } }",
            "{ type: http, port: 80, params: { header: a } }",
            "{ type: http, port: 80, params: { ca-file: /a } }",
            "{ type: icmp, params: { method: GET } }",
        ])
    );
}

#[test]
fn files_of_tls_are_read_with_the_config() {
    let files = Files::new();
    let check = "{ type: https, port: 443, params: { ca-file: DIR/ca.pem, client-cert-file: DIR/client.pem, \
                 client-key-file: DIR/client.key } }";
    let first = files.accepted(check);
    let tls = first.kind.tls().expect("https has TLS");
    assert_eq!(tls.roots.as_ref().expect("a file").value().len(), 1);
    assert_eq!(tls.identity.as_ref().expect("two files").value().cert.len(), 1);
    assert_eq!(first, files.accepted(check), "read twice");

    let ca = fs::read(files.scratch.path("ca.pem")).expect("it was written");
    files.write("moved.pem", &ca);
    let moved = files.accepted(&check.replace("ca.pem", "moved.pem"));
    assert_eq!(first.identity(), moved.identity(), "what a file is called makes no difference");

    files.write("ca.pem", generate_simple_self_signed(["b.example.com".to_owned()]).expect("one").cert.pem());
    let second = files.accepted(check);
    assert_ne!(first, second);
    assert_ne!(first.identity(), second.identity(), "what it holds does");
}

#[test]
fn nothing_of_a_key_is_in_the_debug_text_of_a_config() {
    let files = Files::new();
    let check = files.accepted(
        "{ type: tcp, port: 443, params: { ssl: true, client-cert-file: DIR/client.pem, client-key-file: DIR/client.key } }",
    );
    let sha256 = check.kind.tls().and_then(|tls| tls.identity.as_ref()).expect("two files").sha256();
    assert!(check.identity().contains(&format!("identity: Some(sha256:{sha256})")), "{}", check.identity());
}

#[test]
fn tls_rules() {
    let files = Files::new();
    let other = generate_simple_self_signed(["b.example.com".to_owned()]).expect("one");
    files.write("other.key", other.signing_key.serialize_pem());
    files.write("empty.pem", "");
    files.write("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    files.write("text.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    files.write("large.pem", vec![b'\n'; (1 << 20) + 1]);
    rustix::fs::mkfifoat(rustix::fs::CWD, files.scratch.path("pipe"), 0o600.into()).expect("a pipe");
    assert_told!(
        "tls",
        files.tell(&[
            "{ type: https, port: 443, params: { ca-file: DIR/ca.pem, insecure-skip-verify: true } }",
            "{ type: https, port: 443, params: { ca-file: ca.pem } }",
            "{ type: https, port: 443, params: { ca-file: DIR/nothing.pem } }",
            "{ type: https, port: 443, params: { ca-file: DIR } }",
            "{ type: https, port: 443, params: { ca-file: DIR/pipe } }",
            "{ type: https, port: 443, params: { ca-file: DIR/empty.pem } }",
            "{ type: https, port: 443, params: { ca-file: DIR/cut.pem } }",
            "{ type: https, port: 443, params: { ca-file: DIR/text.pem } }",
            "{ type: https, port: 443, params: { ca-file: DIR/large.pem } }",
            "{ type: https, port: 443, params: { ca-file: DIR/client.key } }",
            "{ type: https, port: 443, params: { client-cert-file: DIR/client.pem } }",
            "{ type: https, port: 443, params: { client-key-file: DIR/client.key } }",
            // In lines of their own: the second column would depend on the folder.
            "{ type: https, port: 443, params: { client-cert-file: DIR/client.pem,\n      client-key-file: DIR/other.key } }",
            "{ type: https, port: 443, params: { client-cert-file: DIR/client.key,\n      client-key-file: DIR/client.pem } }",
            "{ type: tcp, port: 443, params: { ca-file: DIR/ca.pem } }",
            "{ type: tcp, port: 443, params: { ssl: true, ca-flie: DIR/ca.pem } }",
        ])
    );
}

#[test]
fn a_file_that_may_not_be_read_is_told_with_who_may() {
    let files = Files::new();
    let path = files.scratch.path("ca.pem");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("it is ours");
    if fs::read(&path).is_ok() {
        eprintln!("SKIPPED: this user may read everything");
        return;
    }
    let told = files.tell(&["{ type: https, port: 443, params: { ca-file: DIR/ca.pem } }"]);
    assert!(told.contains("cannot read DIR/ca.pem: permission denied (maglevd runs as uid "), "{told}");
    assert!(told.contains("which may not read DIR/ca.pem: mode 0, owner "), "{told}");
}

#[test]
fn every_parameter_of_tcp_is_read() {
    let check = accepted(
        "{ type: tcp, port: 6379, proxy-protocol: v2, device: vrf-mgmt, mark: 0x10, \
         params: { send: 'PING\\r\\n', expect: '+PONG', agent: tcp-line } }",
    );
    let wanted = TcpParams {
        send: b"PING\r\n".to_vec(),
        expect: Some(Expect::Text(b"+PONG".as_slice().into())),
        agent_line: true,
        tls: None,
    };
    assert_eq!(check.kind, CheckKind::Tcp(wanted));
    assert_eq!((check.proxy_protocol, check.mark), (Some(ProxyVersion::V2), Some(16)));
    assert_eq!(check.device.as_deref(), Some("vrf-mgmt"));
    let check = accepted("{ type: http, port: 80, params: { agent: { header: X-Load } } }");
    let CheckKind::Http(HttpParams { agent_header, .. }) = &check.kind else { panic!("{check:?}") };
    assert_eq!(agent_header.as_deref(), Some("x-load"));
}

#[test]
fn whatever_is_asked_belongs_to_the_identity() {
    let tcp = |more: &str, params: &str| {
        accepted(&format!("{{ type: tcp, port: 80{more}, params: {{ {params} }} }}")).identity()
    };
    let plain = tcp("", "expect: a");
    for other in [
        tcp(", proxy-protocol: v1", "expect: a"),
        tcp(", device: eth0", "expect: a"),
        tcp(", mark: 7", "expect: a"),
        tcp("", "expect: b"),
        tcp("", "expect-regexp: a"),
        tcp("", "expect: a, send: a"),
        tcp("", "expect: a, agent: tcp-line"),
    ] {
        assert_ne!(plain, other);
    }
    assert_eq!(plain, tcp("", "expect: '\\x61'"), "the same bytes in other words");
}

#[test]
fn tcp_rules() {
    assert_told!(
        "tcp",
        tell(&[
            "{ type: tcp, port: 80, params: { send: a } }",
            "{ type: tcp, port: 80, params: { expect: a, expect-regexp: a } }",
            "{ type: tcp, port: 80, params: { expect: '' } }",
            "{ type: tcp, port: 80, params: { send: 'a\\q', expect: b } }",
            "{ type: tcp, port: 80, params: { send: a, expect: 'b\\x4' } }",
            "{ type: tcp, port: 80, params: { expect-regexp: '(' } }",
            "{ type: tcp, port: 80, params: { send: [a], expect: b } }",
            "{ type: tcp, port: 80, params: { agent: { header: X-Load } } }",
            "{ type: tcp, port: 80, params: { agent: tcp_line } }",
            "{ type: http, port: 80, params: { agent: tcp-line } }",
            "{ type: http, port: 80, params: { agent: {} } }",
            "{ type: http, port: 80, params: { agent: { headr: X-Load } } }",
            "{ type: http, port: 80, params: { agent: { header: 'X Load' } } }",
            "{ type: http, port: 80, params: { expect: a } }",
            "{ type: tcp, port: 80, proxy-protocol: 2 }",
            "{ type: tcp, port: 80, proxy_protocol: v2 }",
            "{ type: icmp, proxy-protocol: v2 }",
            "{ type: tcp, port: 80, device: sixteen-bytes-it }",
            "{ type: tcp, port: 80, device: a/b, mark: 0 }",
            "{ type: tcp, port: 80, params: { device: eth0 } }",
        ])
    );
}

#[test]
fn every_parameter_of_grpc_dns_udp_and_exec_is_read() {
    let files = Files::new();
    let grpc = files.accepted("{ type: grpc, port: 50051, params: { service: a.B, ssl: true, ca-file: DIR/ca.pem } }");
    let CheckKind::Grpc(GrpcParams { service, tls: Some(tls) }) = &grpc.kind else { panic!("{grpc:?}") };
    assert_eq!((service.as_str(), tls.roots.is_some()), ("a.B", true));

    let dns = accepted("{ type: dns, params: { query: WWW.example.com, query-type: AAAA, rcode: 3, recurse: no } }");
    let query = Query { name: "www.example.com.".parse().expect("a name"), kind: RecordType::new(28), recurse: false };
    let nxdomain = Rcode::new(3).expect("a code");
    assert_eq!((dns.port, &dns.kind), (Some(53), &CheckKind::Dns(DnsParams { query, rcode: nxdomain })));
    let same = accepted(
        "{ type: dns, port: 53, params: { query: www.example.com., query-type: 28, rcode: NXDOMAIN, recurse: false } }",
    );
    assert_eq!(dns, same, "in other words");
    let plain = accepted("{ type: dns, params: { query: . } }");
    let query = Query { name: ".".parse().expect("a name"), kind: RecordType::new(1), recurse: true };
    assert_eq!(plain.kind, CheckKind::Dns(DnsParams { query, rcode: Rcode::NOERROR }));

    let udp = accepted("{ type: udp, port: 123, params: { send: '\\x1b', expect-regexp: '^.' } }");
    let CheckKind::Udp(UdpParams { send, expect: Some(Expect::Regexp(_)) }) = &udp.kind else { panic!("{udp:?}") };
    assert_eq!(send, b"\x1b");

    let exec = accepted("{ type: exec, params: { command: [/usr/lib/check, --fast, 5] } }");
    let wanted = ExecParams { program: "/usr/lib/check".into(), arguments: vec!["--fast".into(), "5".into()] };
    assert_eq!((exec.port, &exec.kind), (None, &CheckKind::Exec(wanted)));
}

#[test]
fn rules_of_grpc_dns_udp_and_exec() {
    assert_told!(
        "others",
        tell(&[
            "{ type: grpc }",
            "{ type: grpc, port: 1, params: { service: \"a\\nb\" } }",
            "{ type: grpc, port: 1, params: { server-name: a } }",
            "{ type: grpc, port: 1, params: { path: / } }",
            "{ type: dns }",
            "{ type: dns, params: { query: 'a b' } }",
            "{ type: dns, params: { query: a..b } }",
            "{ type: dns, params: { query: a, query-type: a } }",
            "{ type: dns, params: { query: a, query-type: AXFR } }",
            "{ type: dns, params: { query: a, query-type: 65536 } }",
            "{ type: dns, params: { query: a, rcode: NXDOMIAN } }",
            "{ type: dns, params: { query: a, rcode: 16 } }",
            "{ type: dns, params: { qeury: a } }",
            "{ type: dns, proxy-protocol: v1, params: { query: a } }",
            "{ type: udp, port: 1 }",
            "{ type: udp, port: 1, params: { expect: a } }",
            "{ type: udp, port: 1, params: { send: a, ssl: true } }",
            "{ type: exec }",
            "{ type: exec, params: { command: /bin/true } }",
            "{ type: exec, params: { command: [] } }",
            "{ type: exec, params: { command: [check] } }",
            "{ type: exec, params: { command: ['curl -f http://a | grep b'] } }",
            "{ type: exec, params: { command: [/bin/sh, [a]] } }",
            "{ type: exec, params: { command: [/bin/sh, \"\\0\"] } }",
            "{ type: exec, device: eth0, mark: 1, probe-ipv4-src: 10.0.0.9, proxy-protocol: v1, params: { command: [/a] } }",
        ])
    );
}
