//! `maglev.healthchecks`.

use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use super::params::{self, Type};
use super::{check_name, damping, interval, ipv4, ipv6};
use crate::config::item::{Fields, Item, Named};
use crate::config::model::HealthCheck;
use crate::config::report::{At, Report};
use crate::config::schema;
use crate::probe::ProxyVersion;

/// Reads all checks; one with errors has defaults in their place.
pub(super) fn read(named: &[Named<'_>], report: &mut Report) -> Vec<At<Arc<HealthCheck>>> {
    named.iter().map(|named| healthcheck(named, report)).collect()
}

const INTERVAL: Duration = Duration::from_secs(2);
const LONGEST_DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
const RISE: NonZeroU8 = NonZeroU8::new(2).expect("2 is not 0");
const FALL: NonZeroU8 = NonZeroU8::new(3).expect("3 is not 0");

fn healthcheck(Named { name, item }: &Named<'_>, report: &mut Report) -> At<Arc<HealthCheck>> {
    check_name(name, "healthcheck", report);
    let fields = item.fields(report, schema::HEALTHCHECK, schema::home);
    let get = |key: &str| fields.as_ref().and_then(|fields| fields.get(key));
    let type_item = match &fields {
        Some(fields) => fields.required(
            report,
            "type",
            "write `type: http`, `https`, `tcp`, `grpc`, `dns`, `udp`, `icmp` or `exec`",
        ),
        None => None,
    };
    let kind = type_item.and_then(|item| item.word(report, &params::TYPES, None)).map(|word| word.value);
    let every = get("interval").and_then(|item| interval(item, report)).unwrap_or(INTERVAL);
    let or = |key: &str, default: Duration, report: &mut Report| {
        get(key).and_then(|item| interval(item, report)).unwrap_or(default)
    };
    if kind == Some(Type::Exec) {
        for item in ["device", "mark", "probe-ipv4-src", "probe-ipv6-src"].into_iter().filter_map(get) {
            let help = "remove it, and let the program choose".to_owned();
            report.semantic(item.spot(), "a program sends by itself, wherever it likes", help);
        }
    }
    let check = HealthCheck {
        name: name.value.clone(),
        port: fields.as_ref().and_then(|fields| port(fields, kind, report)),
        kind: params::read(get("params"), kind, &name.spot, report),
        proxy_protocol: get("proxy-protocol").and_then(|item| proxy_protocol(item, kind, report)),
        device: get("device").and_then(|item| device(item, report)),
        mark: get("mark").and_then(|item| item.integer_in(report, 1..=u32::MAX)).map(|mark| mark.value),
        probe_ipv4_src: get("probe-ipv4-src").and_then(|item| ipv4(item, report)),
        probe_ipv6_src: get("probe-ipv6-src").and_then(|item| ipv6(item, report)),
        interval: every,
        fast_interval: or("fast-interval", every, report),
        down_interval: or("down-interval", every, report),
        timeout: or("timeout", every.min(LONGEST_DEFAULT_TIMEOUT), report),
        rise: get("rise").and_then(|item| count(item, report)).unwrap_or(RISE),
        fall: get("fall").and_then(|item| count(item, report)).unwrap_or(FALL),
        damping: get("damping").and_then(|item| damping::read(item, report)),
    };
    At { value: Arc::new(check), spot: name.spot.clone() }
}

fn count(item: &Item<'_>, report: &mut Report) -> Option<NonZeroU8> {
    let count = item.integer_in(report, 1..=255)?.value;
    u8::try_from(count).ok().and_then(NonZeroU8::new)
}

/// Port of DNS servers.
const DNS: u16 = 53;

/// The port; of a check whose type could not be read, too, to report what is wrong with it.
fn port(fields: &Fields<'_>, kind: Option<Type>, report: &mut Report) -> Option<u16> {
    let item = match kind {
        Some(Type::Icmp) => {
            if let Some(item) = fields.get("port") {
                report.semantic(item.spot(), "ICMP has no ports", "remove `port`, or choose another `type`".to_owned());
            }
            return None;
        }
        Some(Type::Dns) if fields.get("port").is_none() => return Some(DNS),
        Some(Type::Exec) | None => fields.get("port")?,
        Some(_) => fields.required(report, "port", "say which port is probed; only icmp and exec need none")?,
    };
    item.port(report).map(|port| port.value)
}

/// What a probe sends before everything else.
fn proxy_protocol(item: &Item<'_>, kind: Option<Type>, report: &mut Report) -> Option<ProxyVersion> {
    const VERSIONS: [(&str, ProxyVersion); 2] = [("v1", ProxyVersion::V1), ("v2", ProxyVersion::V2)];
    if kind.is_some_and(|kind| !kind.is_over_tcp()) {
        let help = "remove it, or choose another `type`".to_owned();
        report.semantic(item.spot(), "the PROXY protocol is for checks over TCP", help);
    }
    item.word(report, &VERSIONS, Some("write v1 or v2")).map(|word| word.value)
}

/// The name of an interface, as in `ip link`.
fn device(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let name = item.text(report, "the name of an interface")?;
    let text = &name.value;
    // What the kernel allows (Linux net/core/dev.c, `dev_valid_name`).
    let odd = |c: char| c == '/' || c == ':' || c == '\0' || c.is_whitespace();
    if text.is_empty() || text.len() > 15 || text == "." || text == ".." || text.contains(odd) {
        let message = format!("`{text}` cannot be the name of an interface");
        report.semantic(&name.spot, message, "write the name that `ip link` shows, of 15 bytes at most".to_owned());
        return None;
    }
    Some(name.value)
}
