//! Health checks.

use super::style::{Tone, clean};
use super::table::{Table, cell, facts, indented};
use crate::proto::{Damping, HealthCheckInfo, ListHealthChecksResponse};

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
    let or_kernel =
        |address: &str| if address.is_empty() { "the kernel's choice".to_owned() } else { address.to_owned() };
    let http = check.http.as_ref();
    let tls = check.tls.as_ref();
    let codes = |http: &crate::proto::HttpCheck| match (http.response_code_min, http.response_code_max) {
        (one, other) if one == other => one.to_string(),
        (least, most) => format!("{least}-{most}"),
    };
    let facts = facts([
        ("port", cell(if check.port == 0 { String::new() } else { check.port.to_string() })),
        ("from IPv4", cell(or_kernel(&check.probe_ipv4_src))),
        ("from IPv6", cell(or_kernel(&check.probe_ipv6_src))),
        ("interval", cell(seconds(check.interval_seconds))),
        ("fast-interval", cell(seconds(check.fast_interval_seconds))),
        ("down-interval", cell(seconds(check.down_interval_seconds))),
        ("timeout", cell(seconds(check.timeout_seconds))),
        ("rise", cell(check.rise)),
        ("fall", cell(check.fall)),
        ("damping", cell(check.damping.as_ref().map(damping).unwrap_or_default())),
        ("path", cell(http.map_or("", |http| &http.path))),
        ("host", cell(http.map_or("", |http| &http.host))),
        ("response-code", cell(http.map(codes).unwrap_or_default())),
        ("response-regexp", cell(http.map_or("", |http| &http.response_regexp))),
        ("server-name", cell(tls.map_or("", |tls| &tls.server_name))),
        ("certificate", cell(tls.map_or("", |tls| if tls.insecure_skip_verify { "any passes" } else { "verified" }))),
        ("backends", cell(check.backends.join(" "))),
    ]);
    format!("{}  {}\n{}", Tone::Strong.paint(clean(&check.name)), clean(&check.r#type), indented(&facts))
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
    use crate::proto::{HttpCheck, TlsCheck};
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
                path: "/healthz".into(),
                response_code_min: 200,
                response_code_max: 299,
                ..Default::default()
            }),
            tls: Some(TlsCheck::default()),
            backends: vec!["web0".into(), "web1".into()],
            ..Default::default()
        }
    }

    #[test]
    fn a_health_check_reads_as_the_config_writes_it() {
        insta::assert_snapshot!(strip_str(&healthcheck(&example())), @r"
        web  https
          port           443
          from IPv4      10.0.0.1
          from IPv6      the kernel's choice
          interval       2s
          fast-interval  500ms
          down-interval  30s
          timeout        1.5s
          rise           2
          fall           3
          path           /healthz
          response-code  200-299
          certificate    verified
          backends       web0 web1
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
