//! `params` of a check: what its type sends and expects.

use super::boolean;
use crate::config::item::{Fields, Item};
use crate::config::kind::{CheckKind, GrpcParams, TcpParams, UdpParams};
use crate::config::report::{Report, Spot};
use crate::config::schema;

mod agent;
mod dns;
mod exec;
mod http;
mod talk;
mod tls;

/// The `type` of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Type {
    Http,
    Https,
    Tcp,
    Icmp,
    Grpc,
    Dns,
    Udp,
    Exec,
}

impl Type {
    /// Whether probes of this type connect over TCP.
    pub(super) fn is_over_tcp(self) -> bool {
        matches!(self, Type::Http | Type::Https | Type::Tcp | Type::Grpc)
    }
}

/// The words for them.
pub(super) const TYPES: [(&str, Type); 8] = [
    ("http", Type::Http),
    ("https", Type::Https),
    ("tcp", Type::Tcp),
    ("grpc", Type::Grpc),
    ("dns", Type::Dns),
    ("udp", Type::Udp),
    ("icmp", Type::Icmp),
    ("exec", Type::Exec),
];

/// Reads the parameters of a check; of one whose type could not be read, too, to report what is wrong with them.
///
/// `place` is where to complain of what is missing if there are no parameters at all.
pub(super) fn read(item: Option<&Item<'_>>, kind: Option<Type>, place: &Spot, report: &mut Report) -> CheckKind {
    let keys = match kind {
        Some(Type::Http) => schema::HTTP_PARAMS,
        Some(Type::Https) => schema::HTTPS_PARAMS,
        Some(Type::Tcp) => schema::TCP_PARAMS,
        Some(Type::Icmp) => &[],
        Some(Type::Grpc) => schema::GRPC_PARAMS,
        Some(Type::Dns) => schema::DNS_PARAMS,
        Some(Type::Udp) => schema::UDP_PARAMS,
        Some(Type::Exec) => schema::EXEC_PARAMS,
        None => schema::ANY_PARAMS,
    };
    let name = TYPES.iter().find(|(_, known)| Some(*known) == kind).map_or("unknown", |(name, _)| *name);
    let fields = item.and_then(|item| item.fields(report, keys, |key| schema::home_of_param(key, name)));
    let fields = fields.as_ref();
    match kind {
        Some(Type::Http) => CheckKind::Http(http::read(fields, None, report)),
        Some(Type::Https) => {
            let tls = tls::read(fields, report);
            CheckKind::Http(http::read(fields, Some(tls), report))
        }
        Some(Type::Tcp) => CheckKind::Tcp(tcp(fields, report)),
        Some(Type::Icmp) => CheckKind::Icmp,
        Some(Type::Grpc) => CheckKind::Grpc(GrpcParams {
            service: get(fields, "service").and_then(|item| service(item, report)).unwrap_or_default(),
            tls: tls::read_if_wanted(fields, report),
        }),
        Some(Type::Dns) => CheckKind::Dns(dns::read(fields, place, report)),
        Some(Type::Udp) => CheckKind::Udp(udp(fields, place, report)),
        Some(Type::Exec) => CheckKind::Exec(exec::read(fields, place, report)),
        // Only for what there is to report: there is an error already.
        None => {
            talk::read(fields, report);
            boolean(get(fields, "ssl"), report, false);
            let tls = tls::read(fields, report);
            CheckKind::Http(http::read(fields, Some(tls), report))
        }
    }
}

fn tcp(fields: Option<&Fields<'_>>, report: &mut Report) -> TcpParams {
    let talk = talk::read(fields, report);
    let agent_line = get(fields, "agent").is_some_and(|item| agent::line(item, report));
    if let Some(item) = get(fields, "send").filter(|_| talk.expect.is_none() && get(fields, "agent").is_none()) {
        // Complained of already where an `expect` could not be read.
        if get(fields, "expect").or_else(|| get(fields, "expect-regexp")).is_none() {
            let help = "say what has to come back: `expect`, `expect-regexp` or `agent: tcp-line`".to_owned();
            report.semantic(item.spot(), "`send` has no meaning if nobody looks at the answer", help);
        }
    }
    TcpParams { send: talk.send, expect: talk.expect, agent_line, tls: tls::read_if_wanted(fields, report) }
}

fn udp(fields: Option<&Fields<'_>>, place: &Spot, report: &mut Report) -> UdpParams {
    required(fields, "send", "say what makes the server answer; `''` is an empty datagram", place, report);
    let talk = talk::read(fields, report);
    UdpParams { send: talk.send, expect: talk.expect }
}

/// The name of a service, as its `.proto` file has it: `package.Service`.
fn service(item: &Item<'_>, report: &mut Report) -> Option<String> {
    let name = item.text(report, "the name of a service")?;
    if name.value.chars().any(char::is_control) || name.value.len() > 1_000 {
        let help = "write it as the `.proto` file has it: `package.Service`".to_owned();
        report.semantic(&name.spot, "this cannot be the name of a service", help);
        return None;
    }
    Some(name.value)
}

/// What stands at `key`, or a report that nothing does.
fn required<'f, 't>(
    fields: Option<&'f Fields<'t>>,
    key: &str,
    help: &str,
    place: &Spot,
    report: &mut Report,
) -> Option<&'f Item<'t>> {
    match fields {
        Some(fields) => fields.required(report, key, help),
        None => {
            report.semantic(place, format!("`params` with `{key}` is missing"), help.to_owned());
            None
        }
    }
}

fn get<'f, 't>(fields: Option<&'f Fields<'t>>, key: &str) -> Option<&'f Item<'t>> {
    fields.and_then(|fields| fields.get(key))
}
