//! The rules that concern several parts of a config at once, and the config that comes out when they hold.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use maglev_sync::TableLength as Length;
use maglev_sync::table::{AutoLength, auto_length, fixed_length};

use super::model::{Backend, Config, Family, Frontend, HealthCheck, Pool, PoolMember, Protocol, TableLength};
use super::read::{BackendDraft, Draft, FrontendDraft, PoolDraft, Service};
use super::report::{At, Report, Spot};
use crate::nearest::nearest;

/// Looks at everything that refers to something else. The result is worth something only if nothing is reported.
pub(super) fn apply(draft: Draft, report: &mut Report, sha256: String) -> Config {
    let healthchecks = draft.healthchecks.as_deref().unwrap_or_default();
    let backends = draft.backends.as_deref().unwrap_or_default();
    let checks: BTreeMap<&str, &Arc<HealthCheck>> =
        healthchecks.iter().map(|check| (check.value.name.as_str(), &check.value)).collect();
    let known: Known<'_> = backends.iter().map(|backend| (backend.name.value.as_str(), backend)).collect();

    // Of a section that could not be read nobody knows what it does not define.
    if draft.healthchecks.is_some() {
        for name in backends.iter().filter_map(|backend| backend.healthcheck.as_ref()) {
            refer(name, "healthcheck", &checks, report);
        }
    }
    for frontend in &draft.frontends {
        if draft.backends.is_some() {
            for member in frontend.pools.iter().flat_map(|pool| &pool.members) {
                refer(&member.name, "backend", &known, report);
            }
        }
        pool_names(frontend, report);
        members(frontend, &known, report);
        weightless(frontend, report);
    }
    addresses(&draft.frontends, backends, &known, report);
    unused(healthchecks, backends, &draft.frontends, report);

    let frontends = draft.frontends.iter().filter_map(|frontend| {
        let built = build(frontend, &known, report);
        whole(built, &frontend.name, report)
    });
    let frontends = frontends.collect();
    Config {
        frontends,
        backends: backends.iter().filter_map(|draft| whole(backend(draft, &checks), &draft.name, report)).collect(),
        healthchecks: healthchecks.iter().map(|check| Arc::clone(&check.value)).collect(),
        healthchecker: draft.healthchecker,
        lb: draft.lb,
        sha256,
    }
}

/// What could not be built has been reported. Were it not, leaving it out would take it from the network: refuse.
fn whole<T>(built: Option<T>, name: &At<String>, report: &mut Report) -> Option<T> {
    if built.is_none() && !report.has_errors() {
        report.semantic(
            &name.spot,
            format!("`{}` is not understood", name.value),
            "this is a bug of maglevd".to_owned(),
        );
    }
    built
}

fn backend(draft: &BackendDraft, checks: &BTreeMap<&str, &Arc<HealthCheck>>) -> Option<Backend> {
    Some(Backend {
        name: draft.name.value.clone(),
        address: draft.address.as_ref()?.value,
        healthcheck: match &draft.healthcheck {
            Some(name) => Some(Arc::clone(checks.get(name.value.as_str())?)),
            None => None,
        },
        enabled: draft.enabled,
    })
}

/// Backends by name, in an order, so that of two equally near names it is always the same that is offered.
type Known<'d> = BTreeMap<&'d str, &'d BackendDraft>;

/// A name has to be one of `known`.
fn refer<T>(name: &At<String>, what: &str, known: &BTreeMap<&str, T>, report: &mut Report) {
    // Who has lost hundreds of names needs no advice on the single one, and it takes time to find.
    const ADVISED: usize = 100;
    if known.contains_key(name.value.as_str()) {
        return;
    }
    let near = if report.len() < ADVISED { nearest(&name.value, known.keys().copied()) } else { None };
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("add it to `maglev.{what}s`, or remove it here"),
    };
    report.semantic(&name.spot, format!("there is no {what} `{}`", name.value), help);
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
fn addresses(frontends: &[FrontendDraft], backends: &[BackendDraft], known: &Known<'_>, report: &mut Report) {
    let mut by_address: HashMap<IpAddr, Neighbours<'_>> = HashMap::new();
    for frontend in frontends {
        let Some(address) = &frontend.address else { continue };
        let neighbours = by_address.entry(address.value).or_insert_with(|| Neighbours::of(frontend));
        neighbours.meet(frontend, address, family_of(frontend, known), report);
    }
    for backend in backends {
        let Some(address) = &backend.address else { continue };
        if let Some(Neighbours { first, .. }) = by_address.get(&address.value) {
            let help = "VPP crashes at the first packet when a backend has the address of a VIP: give it its own";
            let message = format!("{} is the address of {}", address.value, place(first));
            report.semantic(&address.spot, message, help.to_owned());
        }
    }
}

fn place(frontend: &FrontendDraft) -> String {
    format!("frontend `{}`, line {}", frontend.name.value, frontend.name.spot.span.line)
}

/// The frontends of one address, as far as they matter to those that follow.
struct Neighbours<'d> {
    first: &'d FrontendDraft,
    by_service: HashMap<Service, &'d FrontendDraft>,
    /// The first that serves a single port.
    single: Option<&'d FrontendDraft>,
    /// The first whose backends are known, and their family.
    family: Option<(Family, &'d FrontendDraft)>,
}

impl<'d> Neighbours<'d> {
    fn of(first: &'d FrontendDraft) -> Self {
        Self { first, by_service: HashMap::new(), single: None, family: None }
    }

    /// Reports what keeps `frontend` from standing beside those before it, the worst alone.
    fn meet(&mut self, frontend: &'d FrontendDraft, address: &At<IpAddr>, family: Option<Family>, report: &mut Report) {
        const ONE_OR_ALL: &str = "VPP has either one VIP for all of an address or one for each port of it";
        let ip = address.value;
        let whole = self.by_service.get(&Service::Everything).copied();
        let twin = frontend.service.and_then(|service| self.by_service.get(&service));
        let other_family = family.zip(self.family).filter(|(ours, (theirs, _))| ours != theirs);
        let conflict = match (frontend.service, twin, whole, self.single, other_family) {
            (Some(service), Some(twin), ..) => Some((
                format!("{} is already served by {}", describe(ip, service), place(twin)),
                "change the address, the protocol or the port, or make one frontend of the two, with two pools",
            )),
            (Some(Service::One(..)), _, Some(whole), ..) => {
                Some((format!("{ip} is served on a single port here, and as a whole by {}", place(whole)), ONE_OR_ALL))
            }
            (Some(Service::Everything), _, _, Some(single), _) => {
                Some((format!("{ip} is served as a whole here, and on single ports by {}", place(single)), ONE_OR_ALL))
            }
            (.., Some((ours, (theirs, other)))) => Some((
                format!("{ip} has {ours} backends here, and {theirs} ones in {}", place(other)),
                "all frontends of one address have backends of one family, because VPP has one encapsulation for it",
            )),
            _ => None,
        };
        if let Some((message, help)) = conflict {
            report.semantic(&address.spot, message, help.to_owned());
            return;
        }
        if let Some(service) = frontend.service {
            self.by_service.insert(service, frontend);
            if service != Service::Everything {
                self.single.get_or_insert(frontend);
            }
        }
        self.family = self.family.or(family.map(|family| (family, frontend)));
    }
}

fn describe(address: IpAddr, service: Service) -> String {
    match service {
        Service::Everything => format!("{address} as a whole"),
        Service::One(protocol, port) => format!("{address} {protocol} port {port}"),
    }
}

fn unused(
    checks: &[At<Arc<HealthCheck>>],
    backends: &[BackendDraft],
    frontends: &[FrontendDraft],
    report: &mut Report,
) {
    let used: HashSet<&str> =
        backends.iter().filter_map(|backend| backend.healthcheck.as_ref()).map(|name| name.value.as_str()).collect();
    for check in checks.iter().filter(|check| !used.contains(check.value.name.as_str())) {
        report.warning(&check.spot, format!("no backend uses healthcheck `{}`", check.value.name), None);
    }
    let pools = frontends.iter().flat_map(|frontend| &frontend.pools);
    let used: HashSet<&str> = pools.flat_map(|pool| &pool.members).map(|member| member.name.value.as_str()).collect();
    for backend in backends.iter().filter(|backend| !used.contains(backend.name.value.as_str())) {
        let message = format!("no frontend uses backend `{}`", backend.name.value);
        report.warning(&backend.name.spot, message, None);
    }
}

/// A pool without weight is never chosen.
fn weightless(frontend: &FrontendDraft, report: &mut Report) {
    for pool in &frontend.pools {
        let Some(name) = &pool.name else { continue };
        if !pool.members.is_empty() && pool.members.iter().all(|member| member.weight == 0) {
            let message = format!("pool `{}` never serves: no backend in it has a weight above 0", name.value);
            report.warning(&name.spot, message, None);
        }
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
            "`auto` goes no further than 65536: set a length of up to 1048576, or smaller weights of the same proportion"
        }
        TableLength::Fixed(_) => "write `auto`, or a larger power of two",
    };
    report.warning(&frontend.table_length.spot, message, help.to_owned());
}
