//! `maglev.healthchecks`.

use std::num::NonZeroU8;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::{boolean, check_name, damping, interval, ipv4, ipv6};
use crate::config::item::{Fields, Item, Named};
use crate::config::model::{CheckKind, HealthCheck, HttpParams, Regexp, TlsParams};
use crate::config::report::{At, Report};
use crate::config::schema;

/// Reads all checks; one with errors has defaults in their place.
pub(super) fn read(named: &[Named<'_>], report: &mut Report) -> Vec<At<Arc<HealthCheck>>> {
    named.iter().map(|named| healthcheck(named, report)).collect()
}

const INTERVAL: Duration = Duration::from_secs(2);
const LONGEST_DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
const RISE: NonZeroU8 = NonZeroU8::new(2).expect("2 is not 0");
const FALL: NonZeroU8 = NonZeroU8::new(3).expect("3 is not 0");

/// The `type` of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Type {
    Http,
    Https,
    Tcp,
    Icmp,
}

const TYPES: [(&str, Type); 4] =
    [("http", Type::Http), ("https", Type::Https), ("tcp", Type::Tcp), ("icmp", Type::Icmp)];

fn healthcheck(Named { name, item }: &Named<'_>, report: &mut Report) -> At<Arc<HealthCheck>> {
    check_name(name, "healthcheck", report);
    let fields = item.fields(report, schema::HEALTHCHECK, schema::home);
    let get = |key: &str| fields.as_ref().and_then(|fields| fields.get(key));
    let type_item = match &fields {
        Some(fields) => fields.required(report, "type", "write `type: http`, `https`, `tcp` or `icmp`"),
        None => None,
    };
    let kind = type_item.and_then(|item| item.word(report, &TYPES, None)).map(|word| word.value);
    let every = get("interval").and_then(|item| interval(item, report)).unwrap_or(INTERVAL);
    let or = |key: &str, default: Duration, report: &mut Report| {
        get(key).and_then(|item| interval(item, report)).unwrap_or(default)
    };
    let check = HealthCheck {
        name: name.value.clone(),
        port: fields.as_ref().and_then(|fields| port(fields, kind, report)),
        kind: params(get("params"), kind, report),
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

/// The port; of a check whose type could not be read, too, to report what is wrong with it.
fn port(fields: &Fields<'_>, kind: Option<Type>, report: &mut Report) -> Option<u16> {
    let item = match kind {
        Some(Type::Icmp) => {
            if let Some(item) = fields.get("port") {
                report.semantic(item.spot(), "ICMP has no ports", "remove `port`, or choose another `type`".to_owned());
            }
            return None;
        }
        Some(_) => fields.required(report, "port", "say which port is probed; only icmp has none")?,
        None => fields.get("port")?,
    };
    item.port(report).map(|port| port.value)
}

fn params(item: Option<&Item<'_>>, kind: Option<Type>, report: &mut Report) -> CheckKind {
    let keys = match kind {
        Some(Type::Http) => schema::HTTP_PARAMS,
        Some(Type::Https) => schema::HTTPS_PARAMS,
        Some(Type::Tcp) => schema::TCP_PARAMS,
        Some(Type::Icmp) => &[],
        None => schema::ANY_PARAMS,
    };
    let name = TYPES.iter().find(|(_, known)| Some(*known) == kind).map_or("unknown", |(name, _)| *name);
    let fields = item.and_then(|item| item.fields(report, keys, |key| schema::home_of_param(key, name)));
    let fields = fields.as_ref();
    match kind {
        Some(Type::Http) => CheckKind::Http(http(fields, None, report)),
        Some(Type::Https) => {
            let tls = tls(fields, report);
            CheckKind::Http(http(fields, Some(tls), report))
        }
        Some(Type::Tcp) => tcp(fields, report),
        Some(Type::Icmp) => CheckKind::Icmp,
        // Only for what there is to report: there is an error already.
        None => {
            boolean(fields.and_then(|fields| fields.get("ssl")), report, false);
            let tls = tls(fields, report);
            CheckKind::Http(http(fields, Some(tls), report))
        }
    }
}

fn tcp(fields: Option<&Fields<'_>>, report: &mut Report) -> CheckKind {
    let get = |key: &str| fields.and_then(|fields| fields.get(key));
    let ssl = boolean(get("ssl"), report, false);
    let params = tls(fields, report);
    if !ssl {
        for key in ["server-name", "insecure-skip-verify"] {
            if let Some(item) = get(key) {
                let help = format!("add `ssl: true` for a TLS handshake, or remove `{key}`");
                report.semantic(item.spot(), format!("`{key}` has no meaning without `ssl: true`"), help);
            }
        }
    }
    CheckKind::Tcp { tls: ssl.then_some(params) }
}

fn tls(fields: Option<&Fields<'_>>, report: &mut Report) -> TlsParams {
    let get = |key: &str| fields.and_then(|fields| fields.get(key));
    TlsParams {
        server_name: get("server-name").and_then(|item| server_name(item, report)),
        insecure_skip_verify: boolean(get("insecure-skip-verify"), report, false),
    }
}

fn server_name(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let name = item.text(report, "the name in a certificate")?;
    if ServerName::try_from(name.value.as_str()).is_err() {
        let message = format!("`{}` is neither a DNS name nor an IP address", name.value);
        report.semantic(&name.spot, message, "write the name that the certificate carries, without port".to_owned());
        return None;
    }
    Some(name.value)
}

fn http(fields: Option<&Fields<'_>>, tls: Option<TlsParams>, report: &mut Report) -> HttpParams {
    let get = |key: &str| fields.and_then(|fields| fields.get(key));
    HttpParams {
        path: get("path").and_then(|item| path(item, report)).unwrap_or_else(|| "/".to_owned()),
        host: get("host").and_then(|item| host(item, report)),
        response_codes: get("response-code").and_then(|item| codes(item, report)).unwrap_or(200..=399),
        response_regexp: get("response-regexp").and_then(|item| regexp(item, report)),
        tls,
    }
}

/// What common servers take.
const LONGEST_PATH: usize = 8_000;

/// Goes into the request line as it is, so nothing may end that line early.
fn path(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let path = item.text(report, "a path such as `/healthz`")?;
    let text = &path.value;
    let problem = if path.value.len() > LONGEST_PATH {
        let message = format!("a path of {} bytes is too long", path.value.len());
        Some((message, format!("servers refuse what is longer than about {LONGEST_PATH}")))
    } else if !path.value.starts_with('/') {
        Some((format!("`{text}` does not start with `/`"), format!("write `/{}`", text.trim_start())))
    } else if path.value.contains(|c: char| !c.is_ascii_graphic()) {
        let help = "write blanks as `%20`, and what is not ASCII as `%` and hex digits too";
        Some((format!("`{text}` cannot stand in a request"), help.to_owned()))
    } else if path.value.contains('#') {
        Some((format!("`{text}` has a fragment, which is never sent"), "remove `#` and what follows".to_owned()))
    } else {
        None
    };
    match problem {
        Some((message, help)) => {
            report.semantic(&path.spot, message, help);
            None
        }
        None => Some(path.value),
    }
}

fn host(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let host = item.text(report, "a host name")?;
    if host.value.is_empty() || host.value.contains(|c: char| !c.is_ascii_graphic() || c == '/') {
        let message = format!("`{}` is no host name", host.value);
        let help = "write a name such as `www.example.com`, with `:PORT` if needed, and no `http://`";
        report.semantic(&host.spot, message, help.to_owned());
        return None;
    }
    Some(host.value)
}

/// `200` or `200-299`.
fn codes(item: &Item<'_>, report: &mut Report) -> Option<RangeInclusive<u16>> {
    const EXPECTED: &str = "a status code or a range such as `200-299`";
    let text = item.text(report, EXPECTED)?;
    let (first, last) = text.value.split_once('-').unwrap_or((&text.value, &text.value));
    let (Ok(first), Ok(last)) = (first.trim().parse::<u16>(), last.trim().parse::<u16>()) else {
        let class = text.value.strip_suffix("xx").and_then(|class| class.parse::<u8>().ok());
        let help = match class {
            Some(class @ 1..=5) => format!("write {class}00-{class}99"),
            _ => "one code or one range, nothing else".to_owned(),
        };
        return item.wrong_type(report, EXPECTED, help);
    };
    if first > last {
        let message = format!("{first}-{last} is an empty range");
        report.semantic(&text.spot, message, format!("write {last}-{first}"));
        return None;
    }
    if first < 100 || last > 599 {
        let message = format!("{} is out of range: status codes are 100 to 599", text.value);
        report.semantic(&text.spot, message, None);
        return None;
    }
    Some(first..=last)
}

fn regexp(item: &Item<'_>, report: &mut Report) -> Option<Regexp> {
    let text = item.text(report, "a regular expression")?;
    match Regexp::new(&text.value) {
        Ok(regexp) => Some(regexp),
        Err(error) => {
            report.semantic(&text.spot, format!("this regexp does not compile: {}", reason(&error)), None);
            None
        }
    }
}

/// The last line of the regex error is the reason. The lines above draw the text and mark the character; they are
/// there for errors of syntax in a text of one line.
fn reason(error: &regex::Error) -> String {
    const MARGIN: usize = 4;
    let text = error.to_string();
    let reason = text.lines().last().unwrap_or_default();
    let reason = reason.strip_prefix("error: ").unwrap_or(reason);
    let mark = text.lines().find(|line| line.contains('^') && line.trim_matches([' ', '^']).is_empty());
    match mark.and_then(|mark| mark.chars().position(|c| c == '^')).and_then(|at| at.checked_sub(MARGIN)) {
        Some(at) => format!("{reason}, at character {}", at + 1),
        None => reason.to_owned(),
    }
}
