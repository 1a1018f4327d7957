//! Health checks.

use super::style::{Tone, clean};
use super::table::{Table, cell, facts, indented};
use crate::proto::{Damping, HealthCheckInfo, HttpCheck, ListHealthChecksResponse};

/// A line for each health check.
pub(crate) fn healthchecks(list: &ListHealthChecksResponse) -> String {
    if list.healthchecks.is_empty() {
        return "no health checks\n".to_owned();
    }
    let mut table = Table::new([
        "healthcheck",
        "type",
        ">port",
        ">interval",
        ">fast",
        ">down",
        ">timeout",
        ">rise",
        ">fall",
        ">backends",
    ]);
    for check in &list.healthchecks {
        table.row([
            cell(&check.name).tone(Tone::Strong),
            cell(&check.r#type),
            cell(port(check)),
            cell(seconds(check.interval_seconds)),
            cell(seconds(check.fast_interval_seconds)),
            cell(seconds(check.down_interval_seconds)),
            cell(seconds(check.timeout_seconds)),
            cell(check.rise),
            cell(check.fall),
            cell(check.backends.len()),
        ]);
    }
    table.to_string()
}

/// A health check and the backends that it probes.
pub(crate) fn healthcheck(check: &HealthCheckInfo) -> String {
    let or_kernel = |text: &str| if text.is_empty() { "the kernel's choice".to_owned() } else { text.to_owned() };
    let set = |number: u32| if number == 0 { String::new() } else { number.to_string() };
    let mut rows = vec![
        ("port", cell(set(check.port))),
        ("proxy-protocol", cell(&check.proxy_protocol)),
        ("device", cell(&check.device)),
        ("mark", cell(set(check.mark))),
        ("interval", cell(seconds(check.interval_seconds))),
        ("fast-interval", cell(seconds(check.fast_interval_seconds))),
        ("down-interval", cell(seconds(check.down_interval_seconds))),
        ("timeout", cell(seconds(check.timeout_seconds))),
        ("rise", cell(check.rise)),
        ("fall", cell(check.fall)),
        ("damping", cell(check.damping.as_ref().map(damping).unwrap_or_default())),
    ];
    if check.exec.is_none() {
        let sources = [("from IPv4", &check.probe_ipv4_src), ("from IPv6", &check.probe_ipv6_src)];
        rows.splice(1..1, sources.map(|(name, source)| (name, cell(or_kernel(source)))));
    }
    rows.extend(params(check).into_iter().map(|(name, text)| (name, cell(text))));
    rows.push(("backends", cell(check.backends.join(" "))));
    let facts = facts(rows);
    format!("{}  {}\n{}", Tone::Strong.paint(clean(&check.name)), clean(&check.r#type), indented(&facts))
}

/// What its type asks and expects; an empty text is for what is not set.
fn params(check: &HealthCheckInfo) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if let Some(http) = &check.http {
        rows.extend([
            ("method", http.method.clone()),
            ("path", http.path.clone()),
            ("host", http.host.clone()),
            ("headers", http.headers.join(" ")),
            ("response-code", codes(http)),
            ("response-header", with_rule(&http.response_header, &http.response_header_regexp)),
            ("response-regexp", http.response_regexp.clone()),
            ("agent", with_rule(if http.agent_header.is_empty() { "" } else { "header" }, &http.agent_header)),
        ]);
        if !http.response_regexp.is_empty() && http.body_limit > 0 {
            rows.push(("body-limit", http.body_limit.to_string()));
        }
    }
    if let Some(tcp) = &check.tcp {
        rows.extend([
            ("send", tcp.send.clone()),
            ("expect", tcp.expect.clone()),
            ("expect-regexp", tcp.expect_regexp.clone()),
            ("agent", if tcp.agent_line { "tcp-line".to_owned() } else { String::new() }),
        ]);
    }
    if let Some(udp) = &check.udp {
        rows.extend([
            ("send", udp.send.clone()),
            ("expect", udp.expect.clone()),
            ("expect-regexp", udp.expect_regexp.clone()),
        ]);
    }
    if let Some(grpc) = &check.grpc {
        rows.push(("service", if grpc.service.is_empty() { "the whole server" } else { &grpc.service }.to_owned()));
    }
    if let Some(dns) = &check.dns {
        let recurse = if dns.recurse { "yes" } else { "no" };
        rows.extend([
            ("query", dns.query.clone()),
            ("query-type", dns.query_type.clone()),
            ("rcode", dns.rcode.clone()),
            ("recurse", recurse.to_owned()),
        ]);
    }
    if let Some(exec) = &check.exec {
        rows.push(("command", exec.command.join(" ")));
    }
    if let Some(tls) = &check.tls {
        let certificate = if tls.insecure_skip_verify { "any passes" } else { "verified" };
        rows.extend([
            ("server-name", tls.server_name.clone()),
            ("certificate", certificate.to_owned()),
            ("ca-file", hash(&tls.ca_sha256)),
            ("client-cert-file", hash(&tls.client_cert_sha256)),
        ]);
    }
    rows
}

fn codes(http: &HttpCheck) -> String {
    match (http.response_code_min, http.response_code_max) {
        (one, other) if one == other => one.to_string(),
        (least, most) => format!("{least}-{most}"),
    }
}

fn with_rule(name: &str, rule: &str) -> String {
    if rule.is_empty() { name.to_owned() } else { format!("{name}: {rule}") }
}

/// As much of the hash of a file as tells it from others.
fn hash(sha256: &str) -> String {
    if sha256.is_empty() { String::new() } else { format!("sha256 {}", sha256.get(..16).unwrap_or(sha256)) }
}

fn damping(damping: &Damping) -> String {
    let Damping { penalty, suppress, reuse, half_life_seconds, max_suppress_seconds } = damping;
    let (half_life, most) = (seconds(*half_life_seconds), seconds(*max_suppress_seconds));
    format!("{penalty} each, suppressed from {suppress} to {reuse}, half-life {half_life}, at most {most}")
}

/// As the config writes it.
fn seconds(seconds: f64) -> String {
    if seconds < 1.0 { format!("{}ms", (seconds * 1_000.0).round()) } else { format!("{seconds}s") }
}

fn port(check: &HealthCheckInfo) -> String {
    if check.port == 0 { "-".to_owned() } else { check.port.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{DnsCheck, ExecCheck, GrpcCheck, TcpCheck, TlsCheck, UdpCheck};
    use anstream::adapter::strip_str;

    fn example() -> HealthCheckInfo {
        HealthCheckInfo {
            name: "web".into(),
            r#type: "https".into(),
            port: 443,
            probe_ipv4_src: "10.0.0.1".into(),
            interval_seconds: 2.0,
            fast_interval_seconds: 0.5,
            down_interval_seconds: 30.0,
            timeout_seconds: 1.5,
            rise: 2,
            fall: 3,
            http: Some(HttpCheck {
                method: "HEAD".into(),
                path: "/healthz".into(),
                headers: vec!["X-Probe".into(), "X-Token".into()],
                response_header: "x-state".into(),
                response_header_regexp: "^up".into(),
                agent_header: "x-load".into(),
                response_code_min: 200,
                response_code_max: 299,
                ..Default::default()
            }),
            tls: Some(TlsCheck { ca_sha256: "0123456789abcdef0123".into(), ..Default::default() }),
            proxy_protocol: "v2".into(),
            device: "vrf-mgmt".into(),
            mark: 16,
            backends: vec!["web0".into(), "web1".into()],
            ..Default::default()
        }
    }

    #[test]
    fn a_health_check_reads_as_the_config_writes_it() {
        insta::assert_snapshot!(strip_str(&healthcheck(&example())), @r"
        web  https
          port             443
          from IPv4        10.0.0.1
          from IPv6        the kernel's choice
          proxy-protocol   v2
          device           vrf-mgmt
          mark             16
          interval         2s
          fast-interval    500ms
          down-interval    30s
          timeout          1.5s
          rise             2
          fall             3
          method           HEAD
          path             /healthz
          headers          X-Probe X-Token
          response-code    200-299
          response-header  x-state: ^up
          agent            header: x-load
          certificate      verified
          ca-file          sha256 0123456789abcdef
          backends         web0 web1
        ");
    }

    #[test]
    fn each_type_tells_what_it_asks_and_expects() {
        let plain = || HealthCheckInfo { name: "c".into(), backends: Vec::new(), ..Default::default() };
        let tcp = TcpCheck { send: r"PING\r\n".into(), expect: "+PONG".into(), agent_line: true, ..Default::default() };
        let udp = UdpCheck { send: r"\x1b".into(), expect_regexp: "^.".into(), ..Default::default() };
        let dns = DnsCheck {
            query: "example.com.".into(),
            query_type: "AAAA".into(),
            rcode: "NOERROR".into(),
            recurse: true,
        };
        let exec = ExecCheck { command: vec!["/bin/check".into(), "--fast".into()] };
        let checks = [
            HealthCheckInfo { r#type: "tcp".into(), tcp: Some(tcp), ..plain() },
            HealthCheckInfo { r#type: "udp".into(), udp: Some(udp), ..plain() },
            HealthCheckInfo { r#type: "dns".into(), dns: Some(dns), ..plain() },
            HealthCheckInfo { r#type: "grpc".into(), grpc: Some(GrpcCheck::default()), ..plain() },
            HealthCheckInfo { r#type: "exec".into(), exec: Some(exec), ..plain() },
        ];
        let lines = checks.iter().flat_map(|check| {
            let rows = params(check).into_iter().filter(|(_, text)| !text.is_empty());
            std::iter::once(check.r#type.clone()).chain(rows.map(|(name, text)| format!("  {name} = {text}")))
        });
        insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @r"
        tcp
          send = PING\r\n
          expect = +PONG
          agent = tcp-line
        udp
          send = \x1b
          expect-regexp = ^.
        dns
          query = example.com.
          query-type = AAAA
          rcode = NOERROR
          recurse = yes
        grpc
          service = the whole server
        exec
          command = /bin/check --fast
        ");
    }

    #[test]
    fn health_checks_have_a_line_each() {
        let icmp = HealthCheckInfo { name: "ping".into(), r#type: "icmp".into(), port: 0, ..example() };
        let list = ListHealthChecksResponse { healthchecks: vec![example(), icmp] };
        insta::assert_snapshot!(strip_str(&healthchecks(&list)), @r"
        healthcheck  type   port  interval   fast  down  timeout  rise  fall  backends
        web          https   443        2s  500ms   30s     1.5s     2     3         2
        ping         icmp      -        2s  500ms   30s     1.5s     2     3         2
        ");
    }
}
