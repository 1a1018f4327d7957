//! `params` of a check: what its type sends and expects.

use super::boolean;
use crate::config::item::{Fields, Item};
use crate::config::kind::{CheckKind, TcpParams};
use crate::config::report::Report;
use crate::config::schema;

mod http;
mod tls;

/// The `type` of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Type {
    Http,
    Https,
    Tcp,
    Icmp,
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
        Some(Type::Tcp) => CheckKind::Tcp(TcpParams { tls: tls::read_if_wanted(fields, report) }),
        Some(Type::Icmp) => CheckKind::Icmp,
        // Only for what there is to report: there is an error already.
        None => {
            boolean(get(fields, "ssl"), report, false);
            let tls = tls::read(fields, report);
            CheckKind::Http(http::read(fields, Some(tls), report))
        }
    }
}

fn get<'f, 't>(fields: Option<&'f Fields<'t>>, key: &str) -> Option<&'f Item<'t>> {
    fields.and_then(|fields| fields.get(key))
}
