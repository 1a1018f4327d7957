//! Which keys there are, and where.

use super::item::list;

pub(super) const ROOT: &[&str] = &["maglev"];
pub(super) const MAGLEV: &[&str] = &["healthchecker", "vpp", "healthchecks", "backends", "frontends"];
pub(super) const HEALTHCHECKER: &[&str] = &["transition-history", "netns"];
pub(super) const VPP: &[&str] = &["lb"];
pub(super) const LB: &[&str] = &[
    "sync-interval",
    "ipv4-src-address",
    "ipv6-src-address",
    "sticky-buckets-per-core",
    "flow-timeout",
    "startup-min-delay",
    "startup-max-delay",
    "foreign-vips",
];
pub(super) const HEALTHCHECK: &[&str] = &[
    "type",
    "port",
    "proxy-protocol",
    "device",
    "mark",
    "probe-ipv4-src",
    "probe-ipv6-src",
    "interval",
    "fast-interval",
    "down-interval",
    "timeout",
    "rise",
    "fall",
    "damping",
    "params",
];
pub(super) const DAMPING: &[&str] = &["penalty", "suppress", "reuse", "half-life", "max-suppress"];
pub(super) const HTTP_PARAMS: &[&str] = &[
    "method",
    "path",
    "host",
    "headers",
    "response-code",
    "response-header",
    "response-regexp",
    "body-limit",
    "agent",
];
pub(super) const HTTPS_PARAMS: &[&str] = &[
    "method",
    "path",
    "host",
    "headers",
    "response-code",
    "response-header",
    "response-regexp",
    "body-limit",
    "agent",
    "server-name",
    "insecure-skip-verify",
    "ca-file",
    "client-cert-file",
    "client-key-file",
];
pub(super) const TCP_PARAMS: &[&str] = &[
    "send",
    "expect",
    "expect-regexp",
    "agent",
    "ssl",
    "server-name",
    "insecure-skip-verify",
    "ca-file",
    "client-cert-file",
    "client-key-file",
];
pub(super) const GRPC_PARAMS: &[&str] =
    &["service", "ssl", "server-name", "insecure-skip-verify", "ca-file", "client-cert-file", "client-key-file"];
pub(super) const DNS_PARAMS: &[&str] = &["query", "query-type", "rcode", "recurse"];
pub(super) const UDP_PARAMS: &[&str] = &["send", "expect", "expect-regexp"];
pub(super) const EXEC_PARAMS: &[&str] = &["command"];
/// Of a check whose type is not known.
pub(super) const ANY_PARAMS: &[&str] = &[
    "method",
    "path",
    "host",
    "headers",
    "response-code",
    "response-header",
    "response-regexp",
    "body-limit",
    "agent",
    "send",
    "expect",
    "expect-regexp",
    "service",
    "query",
    "query-type",
    "rcode",
    "recurse",
    "command",
    "ssl",
    "server-name",
    "insecure-skip-verify",
    "ca-file",
    "client-cert-file",
    "client-key-file",
];
pub(super) const BACKEND: &[&str] = &["address", "healthcheck", "enabled"];
pub(super) const FRONTEND: &[&str] = &[
    "description",
    "address",
    "protocol",
    "port",
    "src-ip-sticky",
    "flush-on-down",
    "new-flows-table-length",
    "pools",
];
pub(super) const POOL: &[&str] = &["name", "backends"];
pub(super) const MEMBER: &[&str] = &["weight"];

/// All sections with keys of their own, by the path to them.
const SECTIONS: &[(&str, &[&str])] = &[
    ("the top level", ROOT),
    ("maglev", MAGLEV),
    ("maglev.healthchecker", HEALTHCHECKER),
    ("maglev.vpp", VPP),
    ("maglev.vpp.lb", LB),
    ("maglev.healthchecks.NAME", HEALTHCHECK),
    ("maglev.healthchecks.NAME.damping", DAMPING),
    ("maglev.healthchecks.NAME.params", ANY_PARAMS),
    ("maglev.backends.NAME", BACKEND),
    ("maglev.frontends.NAME", FRONTEND),
    ("maglev.frontends.NAME.pools", POOL),
    ("maglev.frontends.NAME.pools[].backends.NAME", MEMBER),
];

/// Parameters by the types of check that have them.
const PARAMS: &[(&str, &[&str])] = &[
    ("http", HTTP_PARAMS),
    ("https", HTTPS_PARAMS),
    ("tcp", TCP_PARAMS),
    ("grpc", GRPC_PARAMS),
    ("dns", DNS_PARAMS),
    ("udp", UDP_PARAMS),
    ("exec", EXEC_PARAMS),
];

/// Where a key that does not belong where it stands would belong.
pub(super) fn home(key: &str) -> Option<String> {
    let homes: Vec<&str> =
        SECTIONS.iter().filter(|(_, keys)| keys.contains(&key)).map(|(section, _)| *section).collect();
    (!homes.is_empty()).then(|| format!("`{key}` belongs in {}", list(&homes, "or")))
}

/// The same for a key among the `params` of a check of type `kind`.
pub(super) fn home_of_param(key: &str, kind: &str) -> Option<String> {
    let types: Vec<&str> = PARAMS.iter().filter(|(_, keys)| keys.contains(&key)).map(|(name, _)| *name).collect();
    if types.is_empty() {
        return HEALTHCHECK.contains(&key).then(|| format!("`{key}` belongs one level up, beside `params`"));
    }
    let advice = match (key, kind) {
        ("ssl", "http") => "; for HTTP over TLS write `type: https`",
        ("ssl", "https") => "; https always uses TLS",
        ("server-name" | "insecure-skip-verify" | "ca-file" | "client-cert-file" | "client-key-file", "http") => {
            "; for HTTP over TLS write `type: https`"
        }
        _ => "",
    };
    Some(format!("`{key}` is for checks of type {}, and this one is {kind}{advice}", list(&types, "or")))
}

/// Every key that a config can have.
#[cfg(test)]
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().flat_map(|(_, keys)| keys.iter().copied())
}
