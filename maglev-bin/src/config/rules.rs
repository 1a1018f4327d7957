//! The rules that concern several parts of a config at once, and the config that comes out when they hold.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use maglev_sync::TableLength as Length;
use maglev_sync::table::{AutoLength, auto_length, fixed_length};

use super::model::{Backend, Config, Family, Frontend, HealthCheck, Pool, PoolMember, Protocol, TableLength};
use super::read::{BackendDraft, Draft, FrontendDraft, PoolDraft, Service};
use super::report::{At, Report, Spot};
use super::suggest::nearest;

/// Looks at everything that refers to something else. The result is worth something only if nothing is reported.
pub(super) fn apply(draft: Draft, report: &mut Report, sha256: String) -> Config {
    let checks: HashMap<&str, &Arc<HealthCheck>> =
        draft.healthchecks.iter().map(|check| (check.value.name.as_str(), &check.value)).collect();
    let known: HashMap<&str, &BackendDraft> =
        draft.backends.iter().map(|backend| (backend.name.value.as_str(), backend)).collect();

    for backend in &draft.backends {
        if let Some(check) = &backend.healthcheck {
            refer(check, "healthcheck", checks.keys().copied(), report);
        }
    }
    for frontend in &draft.frontends {
        pool_names(frontend, report);
        for pool in &frontend.pools {
            for member in &pool.members {
                refer(&member.name, "backend", known.keys().copied(), report);
            }
        }
        members(frontend, &known, report);
    }
    addresses(&draft, &known, report);
    unused(&draft, report);

    let frontends = draft.frontends.iter().filter_map(|frontend| build(frontend, &known, report)).collect();
    let backends = draft.backends.iter().filter_map(|backend| {
        Some(Backend {
            name: backend.name.value.clone(),
            address: backend.address.as_ref()?.value,
            healthcheck: match &backend.healthcheck {
                Some(name) => Some(Arc::clone(checks.get(name.value.as_str())?)),
                None => None,
            },
            enabled: backend.enabled,
        })
    });
    Config {
        backends: backends.collect(),
        frontends,
        healthchecks: draft.healthchecks.iter().map(|check| Arc::clone(&check.value)).collect(),
        healthchecker: draft.healthchecker,
        lb: draft.lb,
        sha256,
    }
}

/// A name has to be one of `names`.
fn refer<'n>(name: &At<String>, what: &str, names: impl Iterator<Item = &'n str> + Clone, report: &mut Report) {
    if names.clone().any(|known| known == name.value) {
        return;
    }
    // Sorted, so that of two equally near names it is always the same that is offered.
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    let help = match nearest(&name.value, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("add it to `maglev.{what}s`, or remove it here"),
    };
    report.semantic(&name.spot, format!("there is no {what} `{}`", name.value.escape_debug()), help);
}

fn pool_names(frontend: &FrontendDraft, report: &mut Report) {
    let mut first: HashMap<&str, &Spot> = HashMap::new();
    for name in frontend.pools.iter().filter_map(|pool| pool.name.as_ref()) {
        if let Some(earlier) = first.get(name.value.as_str()) {
            let message = format!("pool `{}` is there twice", name.value);
            report.semantic(&name.spot, message, format!("the first one is in line {}: rename one", earlier.span.line));
        } else {
            first.insert(&name.value, &name.spot);
        }
    }
}

type Known<'d> = HashMap<&'d str, &'d BackendDraft>;

/// The backends of a frontend have one family, and each an address of its own.
fn members(frontend: &FrontendDraft, known: &Known<'_>, report: &mut Report) {
    let mut first: Option<(&str, IpAddr)> = None;
    let mut by_address: HashMap<IpAddr, &str> = HashMap::new();
    for member in frontend.pools.iter().flat_map(|pool| &pool.members) {
        let name = member.name.value.as_str();
        let Some(address) = address_of(name, known) else { continue };
        let (lead, lead_address) = *first.get_or_insert((name, address));
        if Family::of(lead_address) != Family::of(address) {
            let message = format!(
                "`{name}` is {} ({address}), but `{lead}` is {} ({lead_address})",
                Family::of(address),
                Family::of(lead_address)
            );
            let help = "the backends of a frontend, over all its pools, have one address family; make two frontends";
            report.semantic(&member.name.spot, message, help.to_owned());
        }
        match by_address.get(&address) {
            Some(other) if *other != name => {
                let message = format!("`{name}` has the same address as `{other}`: {address}");
                let help = "VPP knows a server by its address alone: use one of the two in this frontend";
                report.semantic(&member.name.spot, message, help.to_owned());
            }
            Some(_) => {}
            None => {
                by_address.insert(address, name);
            }
        }
    }
}

fn address_of(backend: &str, known: &Known<'_>) -> Option<IpAddr> {
    Some(known.get(backend)?.address.as_ref()?.value)
}

/// Family of the first backend whose address is known: it decides the encapsulation.
fn family_of(frontend: &FrontendDraft, known: &Known<'_>) -> Option<Family> {
    let mut members = frontend.pools.iter().flat_map(|pool| &pool.members);
    members.find_map(|member| address_of(&member.name.value, known)).map(Family::of)
}

/// What frontends of one address allow each other, and that no backend has the address of a VIP.
fn addresses(draft: &Draft, known: &Known<'_>, report: &mut Report) {
    let mut by_address: HashMap<IpAddr, Vec<&FrontendDraft>> = HashMap::new();
    for frontend in &draft.frontends {
        let Some(address) = &frontend.address else { continue };
        let others = by_address.entry(address.value).or_default();
        conflict(frontend, address, others, known, report);
        others.push(frontend);
    }
    for backend in &draft.backends {
        let Some(address) = &backend.address else { continue };
        if let Some(frontend) = by_address.get(&address.value).and_then(|frontends| frontends.first()) {
            let name = &frontend.name;
            let message =
                format!("{} is the address of frontend `{}`, line {}", address.value, name.value, name.spot.span.line);
            let help = "VPP crashes at the first packet when a backend has the address of a VIP: give it its own";
            report.semantic(&address.spot, message, help.to_owned());
        }
    }
}

/// Holds a frontend against those before it that have the same address, and reports the first that it cannot stand
/// beside.
fn conflict(
    frontend: &FrontendDraft,
    address: &At<IpAddr>,
    others: &[&FrontendDraft],
    known: &Known<'_>,
    report: &mut Report,
) {
    let family = family_of(frontend, known);
    for other in others {
        let who = format!("frontend `{}`, line {}", other.name.value, other.name.spot.span.line);
        let (message, help) = match (frontend.service, other.service) {
            (Some(ours), Some(theirs)) if ours == theirs => (
                format!("{} is already served by {who}", describe(address.value, ours)),
                "change the address, the protocol or the port, or make the two one frontend with two pools",
            ),
            (Some(Service::Everything), Some(_)) => (
                format!("{} is served as a whole here, and on single ports by {who}", address.value),
                "VPP has either one frontend for all of an address or one for each port of it",
            ),
            (Some(_), Some(Service::Everything)) => (
                format!("{} is served on a single port here, and as a whole by {who}", address.value),
                "VPP has either one frontend for all of an address or one for each port of it",
            ),
            _ => match (family, family_of(other, known)) {
                (Some(ours), Some(theirs)) if ours != theirs => (
                    format!("{} has {ours} backends here and {theirs} backends in {who}", address.value),
                    "all frontends of one address have backends of one family, because VPP has one encapsulation for it",
                ),
                _ => continue,
            },
        };
        report.semantic(&address.spot, message, help.to_owned());
        return;
    }
}

fn describe(address: IpAddr, service: Service) -> String {
    match service {
        Service::Everything => format!("{address}, every port,"),
        Service::One(protocol, port) => format!("{address} {protocol} port {port}"),
    }
}

fn unused(draft: &Draft, report: &mut Report) {
    let checks: HashSet<&str> = draft
        .backends
        .iter()
        .filter_map(|backend| backend.healthcheck.as_ref())
        .map(|check| check.value.as_str())
        .collect();
    for check in draft.healthchecks.iter().filter(|check| !checks.contains(check.value.name.as_str())) {
        report.warning(&check.spot, format!("no backend uses healthcheck `{}`", check.value.name), None);
    }
    let members: HashSet<&str> = draft
        .frontends
        .iter()
        .flat_map(|frontend| &frontend.pools)
        .flat_map(|pool| &pool.members)
        .map(|member| member.name.value.as_str())
        .collect();
    for backend in draft.backends.iter().filter(|backend| !members.contains(backend.name.value.as_str())) {
        let message = format!("no frontend uses backend `{}`", backend.name.value);
        report.warning(&backend.name.spot, message, None);
    }
}

fn build(draft: &FrontendDraft, known: &Known<'_>, report: &mut Report) -> Option<Frontend> {
    let (protocol, port): (Option<Protocol>, Option<u16>) = match draft.service? {
        Service::Everything => (None, None),
        Service::One(protocol, port) => (Some(protocol), Some(port)),
    };
    let pools: Option<Vec<Pool>> = draft.pools.iter().map(pool).collect();
    Some(Frontend {
        name: draft.name.value.clone(),
        description: draft.description.clone(),
        address: draft.address.as_ref()?.value,
        protocol,
        port,
        src_ip_sticky: draft.src_ip_sticky,
        flush_on_down: draft.flush_on_down,
        table_length: draft.table_length.value,
        table_length_chosen: choose_length(draft, known, report)?,
        backend_family: family_of(draft, known)?,
        pools: pools?,
    })
}

fn pool(draft: &PoolDraft) -> Option<Pool> {
    let members = draft.members.iter();
    let members = members.map(|member| PoolMember { backend: member.name.value.clone(), weight: member.weight });
    Some(Pool { name: draft.name.as_ref()?.value.clone(), members: members.collect() })
}

/// The length of the new-flow table that the heaviest pool asks for.
fn choose_length(frontend: &FrontendDraft, known: &Known<'_>, report: &mut Report) -> Option<u32> {
    let weight = |pool: &&PoolDraft| pool.members.iter().map(|member| u32::from(member.weight)).sum::<u32>();
    // The first of equals: `max_by_key` alone would take the last.
    let heaviest = frontend.pools.iter().rev().max_by_key(weight)?;
    let servers: Option<Vec<(IpAddr, u8)>> =
        heaviest.members.iter().map(|member| Some((address_of(&member.name.value, known)?, member.weight))).collect();
    let servers = servers?;
    let chosen = match frontend.table_length.value {
        TableLength::Auto => auto_length(&servers),
        TableLength::Fixed(length) => fixed_length(Length::new(length).ok()?, &servers),
    };
    if !chosen.is_fair() {
        unfair(frontend, heaviest, known, &chosen, report);
    }
    Some(chosen.length.get())
}

fn unfair(frontend: &FrontendDraft, pool: &PoolDraft, known: &Known<'_>, chosen: &AutoLength, report: &mut Report) {
    let worst = pool.members.iter().find(|member| address_of(&member.name.value, known) == chosen.worst_address);
    let (Some(worst), Some(name)) = (worst, &pool.name) else { return };
    let message = format!(
        "with {} buckets `{}` of pool `{}` is {:.0} % off the share that its weight {} asks for",
        chosen.length.get(),
        worst.name.value,
        name.value,
        chosen.worst_share_error * 100.0,
        worst.weight,
    );
    let help = match frontend.table_length.value {
        TableLength::Auto => {
            "no table up to 65536 shares within 10 %: make the weights smaller, such as 1 instead of 100"
        }
        TableLength::Fixed(_) => "write `auto`, or a larger power of two",
    };
    report.warning(&frontend.table_length.spot, message, help.to_owned());
}
