//! Health checks, as the config has them.

use std::time::Duration;

use crate::config::{CheckKind, HealthCheck, HttpParams, Regexp, TlsParams};
use crate::probe::{Expect, ProxyVersion};
use crate::proto;

pub(super) fn healthcheck(check: &HealthCheck, backends: Vec<String>) -> proto::HealthCheckInfo {
    let seconds = |time: Duration| time.as_secs_f64();
    let info = proto::HealthCheckInfo {
        name: check.name.clone(),
        r#type: check.kind.type_name().to_owned(),
        port: check.port.unwrap_or_default().into(),
        probe_ipv4_src: check.probe_ipv4_src.map(|address| address.to_string()).unwrap_or_default(),
        probe_ipv6_src: check.probe_ipv6_src.map(|address| address.to_string()).unwrap_or_default(),
        interval_seconds: seconds(check.interval),
        fast_interval_seconds: seconds(check.fast_interval),
        down_interval_seconds: seconds(check.down_interval),
        timeout_seconds: seconds(check.timeout),
        rise: check.rise.get().into(),
        fall: check.fall.get().into(),
        tls: check.kind.tls().map(tls),
        backends,
        damping: check.damping.map(|damping| proto::Damping {
            penalty: damping.penalty(),
            suppress: damping.suppress(),
            reuse: damping.reuse(),
            half_life_seconds: seconds(damping.half_life()),
            max_suppress_seconds: seconds(damping.max_suppress()),
        }),
        proxy_protocol: check.proxy_protocol.map(version).unwrap_or_default().to_owned(),
        device: check.device.clone().unwrap_or_default(),
        mark: check.mark.unwrap_or_default(),
        ..Default::default()
    };
    with_kind(info, &check.kind)
}

fn with_kind(mut info: proto::HealthCheckInfo, kind: &CheckKind) -> proto::HealthCheckInfo {
    match kind {
        CheckKind::Http(params) => info.http = Some(http(params)),
        CheckKind::Tcp(params) => {
            let (expect, expect_regexp) = expected(params.expect.as_ref());
            let send = params.send.escape_ascii().to_string();
            info.tcp = Some(proto::TcpCheck { send, expect, expect_regexp, agent_line: params.agent_line });
        }
        CheckKind::Grpc(params) => info.grpc = Some(proto::GrpcCheck { service: params.service.clone() }),
        CheckKind::Dns(params) => {
            info.dns = Some(proto::DnsCheck {
                query: params.query.name.to_string(),
                query_type: params.query.kind.to_string(),
                rcode: params.rcode.to_string(),
                recurse: params.query.recurse,
            });
        }
        CheckKind::Udp(params) => {
            let (expect, expect_regexp) = expected(params.expect.as_ref());
            info.udp = Some(proto::UdpCheck { send: params.send.escape_ascii().to_string(), expect, expect_regexp });
        }
        CheckKind::Exec(params) => {
            let command = std::iter::once(&params.program).chain(&params.arguments).cloned().collect();
            info.exec = Some(proto::ExecCheck { command });
        }
        CheckKind::Icmp => {}
    }
    info
}

fn http(params: &HttpParams) -> proto::HttpCheck {
    let text = |regexp: Option<&Regexp>| regexp.map(|regexp| regexp.as_str().to_owned()).unwrap_or_default();
    let rule = params.response_header.as_ref();
    proto::HttpCheck {
        path: params.path.clone(),
        host: params.host.clone().unwrap_or_default(),
        response_code_min: (*params.response_codes.start()).into(),
        response_code_max: (*params.response_codes.end()).into(),
        response_regexp: text(params.response_regexp.as_ref()),
        method: params.method.to_string(),
        headers: params.headers.iter().map(|(name, _)| name.clone()).collect(),
        response_header: rule.map(|rule| rule.name.clone()).unwrap_or_default(),
        response_header_regexp: text(rule.and_then(|rule| rule.value.as_ref())),
        body_limit: params.body_limit,
        agent_header: params.agent_header.clone().unwrap_or_default(),
    }
}

fn tls(params: &TlsParams) -> proto::TlsCheck {
    proto::TlsCheck {
        server_name: params.server_name.clone().unwrap_or_default(),
        insecure_skip_verify: params.insecure_skip_verify,
        ca_sha256: params.roots.as_ref().map(|file| file.sha256().to_owned()).unwrap_or_default(),
        client_cert_sha256: params.identity.as_ref().map(|file| file.sha256().to_owned()).unwrap_or_default(),
    }
}

/// A text and an expression, of which one at most is there.
fn expected(expect: Option<&Expect>) -> (String, String) {
    match expect {
        None => Default::default(),
        Some(Expect::Text(text)) => (text.escape_ascii().to_string(), String::new()),
        Some(Expect::Regexp(regexp)) => (String::new(), regexp.as_str().to_owned()),
    }
}

const fn version(version: ProxyVersion) -> &'static str {
    match version {
        ProxyVersion::V1 => "v1",
        ProxyVersion::V2 => "v2",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Context};

    fn shown(check: &str) -> proto::HealthCheckInfo {
        let text = format!(
            "maglev:\n  healthchecks:\n    c: {check}\n  backends:\n    b: {{ address: 10.0.0.1, healthcheck: c }}\n"
        );
        let loaded =
            Config::parse(&text, "c.yaml", Context { dataplane: false }).unwrap_or_else(|error| panic!("{error}"));
        healthcheck(&loaded.config.healthchecks[0], Vec::new())
    }

    #[test]
    fn every_parameter_is_told() {
        let http = shown(
            "{ type: http, port: 80, proxy-protocol: v1, device: lo, mark: 7, params: { method: POST, \
             headers: { X-Token: secret }, response-header: 'X-State: up', response-regexp: ok, body-limit: 9, \
             agent: { header: X-Load } } }",
        );
        assert_eq!((&*http.proxy_protocol, &*http.device, http.mark), ("v1", "lo", 7));
        let wanted = proto::HttpCheck {
            path: "/".into(),
            response_code_min: 200,
            response_code_max: 399,
            response_regexp: "ok".into(),
            method: "POST".into(),
            headers: vec!["X-Token".into()],
            response_header: "x-state".into(),
            response_header_regexp: "up".into(),
            body_limit: 9,
            agent_header: "x-load".into(),
            ..Default::default()
        };
        assert_eq!(http.http, Some(wanted));

        let tcp = shown(r"{ type: tcp, port: 1, params: { send: 'a\r\n', expect: '\x00', agent: tcp-line } }");
        let wanted =
            proto::TcpCheck { send: r"a\r\n".into(), expect: r"\x00".into(), agent_line: true, ..Default::default() };
        assert_eq!(tcp.tcp, Some(wanted));
        let udp = shown("{ type: udp, port: 1, params: { send: a, expect-regexp: b } }");
        let wanted = proto::UdpCheck { send: "a".into(), expect_regexp: "b".into(), ..Default::default() };
        assert_eq!(udp.udp, Some(wanted));
        let grpc = shown("{ type: grpc, port: 1, params: { service: a.B, ssl: true, server-name: a } }");
        assert_eq!(grpc.grpc, Some(proto::GrpcCheck { service: "a.B".into() }));
        assert_eq!(grpc.tls.map(|tls| tls.server_name), Some("a".into()));
        let dns = shown("{ type: dns, params: { query: a, query-type: 64, rcode: NXDOMAIN } }");
        let wanted =
            proto::DnsCheck { query: "a.".into(), query_type: "64".into(), rcode: "NXDOMAIN".into(), recurse: true };
        assert_eq!((dns.port, dns.dns), (53, Some(wanted)));
        let exec = shown("{ type: exec, params: { command: [/bin/check, --fast] } }");
        let command = vec!["/bin/check".to_owned(), "--fast".to_owned()];
        assert_eq!((exec.port, exec.exec), (0, Some(proto::ExecCheck { command })));
    }
}
