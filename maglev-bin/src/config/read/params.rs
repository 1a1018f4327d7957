//! `params` of a check: what its type sends and expects.

use super::boolean;
use crate::config::item::{Fields, Item};
use crate::config::kind::{CheckKind, TcpParams};
use crate::config::report::Report;
use crate::config::schema;

mod agent;
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
}

impl Type {
    /// Whether probes of this type connect over TCP.
    pub(super) fn is_over_tcp(self) -> bool {
        matches!(self, Type::Http | Type::Https | Type::Tcp)
    }
}

/// The words for them.
pub(super) const TYPES: [(&str, Type); 4] =
    [("http", Type::Http), ("https", Type::Https), ("tcp", Type::Tcp), ("icmp", Type::Icmp)];

/// Reads the parameters of a check; of one whose type could not be read, too, to report what is wrong with them.
pub(super) fn read(item: Option<&Item<'_>>, kind: Option<Type>, report: &mut Report) -> CheckKind {
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
        Some(Type::Http) => CheckKind::Http(http::read(fields, None, report)),
        Some(Type::Https) => {
            let tls = tls::read(fields, report);
            CheckKind::Http(http::read(fields, Some(tls), report))
        }
        Some(Type::Tcp) => CheckKind::Tcp(tcp(fields, report)),
        Some(Type::Icmp) => CheckKind::Icmp,
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

fn get<'f, 't>(fields: Option<&'f Fields<'t>>, key: &str) -> Option<&'f Item<'t>> {
    fields.and_then(|fields| fields.get(key))
}
