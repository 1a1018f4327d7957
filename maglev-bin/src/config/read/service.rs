//! `maglev.backends` and `maglev.frontends`.

use super::{
    BackendDraft, FrontendDraft, MemberDraft, PoolDraft, Service, boolean, check_name, power_of_two, text_or_empty,
};
use crate::config::address;
use crate::config::item::{Fields, Item, Named};
use crate::config::model::{Protocol, TableLength};
use crate::config::report::{At, Report};
use crate::config::schema;

pub(super) fn backends(named: &[Named<'_>], report: &mut Report) -> Vec<BackendDraft> {
    named.iter().map(|named| backend(named, report)).collect()
}

fn backend(Named { name, item }: &Named<'_>, report: &mut Report) -> BackendDraft {
    check_name(name, "backend", report);
    let fields = item.fields(report, schema::BACKEND, schema::home);
    let get = |key: &str| fields.as_ref().and_then(|fields| fields.get(key));
    // An empty name of a check is none.
    let healthcheck = get("healthcheck").filter(|item| !item.is_null());
    BackendDraft {
        address: fields.as_ref().and_then(|fields| address_of(fields, report, "write where the backend is")),
        healthcheck: healthcheck.and_then(|item| item.text(report, "the name of a healthcheck")),
        enabled: boolean(get("enabled"), report, true),
        name: name.clone(),
    }
}

fn address_of(fields: &Fields<'_>, report: &mut Report, help: &str) -> Option<At<std::net::IpAddr>> {
    let address = fields.required(report, "address", help)?.address(report)?;
    address::check_for_vpp(&address, report).then_some(address)
}

pub(super) fn frontends(named: &[Named<'_>], report: &mut Report) -> Vec<FrontendDraft> {
    named.iter().map(|named| frontend(named, report)).collect()
}

fn frontend(Named { name, item }: &Named<'_>, report: &mut Report) -> FrontendDraft {
    check_name(name, "frontend", report);
    let fields = item.fields(report, schema::FRONTEND, schema::home);
    let get = |key: &str| fields.as_ref().and_then(|fields| fields.get(key));
    let length = get("new-flows-table-length");
    let table_length = length.and_then(|item| table_length(item, report)).unwrap_or_default();
    FrontendDraft {
        name: name.clone(),
        description: text_or_empty(get("description"), report, "a description"),
        address: fields.as_ref().and_then(|fields| address_of(fields, report, "write the address of the VIP")),
        service: fields.as_ref().and_then(|fields| service(fields, report)),
        src_ip_sticky: boolean(get("src-ip-sticky"), report, false),
        flush_on_down: boolean(get("flush-on-down"), report, true),
        table_length: At { value: table_length, spot: length.map_or(&name.spot, Item::spot).clone() },
        pools: fields.as_ref().map(|fields| pools(fields, report)).unwrap_or_default(),
    }
}

/// Protocol and port, which come together or not at all.
fn service(fields: &Fields<'_>, report: &mut Report) -> Option<Service> {
    const BOTH: &str = "set both, or neither to serve every protocol and port";
    const NEITHER: &str = "to serve every protocol and port, leave out both keys";
    const PROTOCOLS: [(&str, Protocol); 2] = [("tcp", Protocol::Tcp), ("udp", Protocol::Udp)];
    let (protocol, port) = (fields.get("protocol"), fields.get("port"));
    let protocol_read = protocol.and_then(|item| item.word(report, &PROTOCOLS, Some(NEITHER)));
    let port_read = port.and_then(|item| item.port(report));
    match (protocol, port) {
        (None, None) => Some(Service::Everything),
        (Some(_), Some(_)) => Some(Service::One(protocol_read?.value, port_read?.value)),
        (Some(item), None) => {
            report.semantic(item.spot(), "a protocol without a port", BOTH.to_owned());
            None
        }
        (None, Some(item)) => {
            report.semantic(item.spot(), "a port without a protocol", BOTH.to_owned());
            None
        }
    }
}

fn table_length(item: &Item<'_>, report: &mut Report) -> Option<TableLength> {
    if item.is_integer() {
        return power_of_two(item, report, 1_024..=1_048_576, None).map(TableLength::Fixed);
    }
    const EXPECTED: &str = "`auto` or a power of two from 1024 to 1048576";
    match item.text(report, EXPECTED)?.value.as_str() {
        "auto" => Some(TableLength::Auto),
        text => {
            let help = match text.parse::<u32>() {
                Ok(number) => Some(format!("write {number} without quotes")),
                Err(_) => None,
            };
            item.wrong_type(report, EXPECTED, help)
        }
    }
}

fn pools(fields: &Fields<'_>, report: &mut Report) -> Vec<PoolDraft> {
    const HELP: &str = "a frontend needs at least one pool: `- name: primary` with `backends` below it";
    let Some(item) = fields.required(report, "pools", HELP) else { return Vec::new() };
    let Some(items) = item.list(report) else { return Vec::new() };
    if items.is_empty() {
        report.semantic(item.spot(), "there is no pool", HELP.to_owned());
    }
    items.iter().filter_map(|item| pool(item, report)).collect()
}

fn pool(item: &Item<'_>, report: &mut Report) -> Option<PoolDraft> {
    let fields = item.fields(report, schema::POOL, schema::home)?;
    let name = fields.required(report, "name", "each pool needs a name, such as `primary`");
    let name = name.and_then(|item| item.text(report, "the name of a pool"));
    if let Some(name) = &name {
        check_name(name, "pool", report);
    }
    Some(PoolDraft { name, members: members(&fields, report) })
}

fn members(fields: &Fields<'_>, report: &mut Report) -> Vec<MemberDraft> {
    const HELP: &str = "a pool needs at least one backend: `NAME: { weight: 100 }` or `NAME: {}`";
    let Some(item) = fields.required(report, "backends", HELP) else { return Vec::new() };
    let Some(named) = item.named(report, "write `NAME: {}` or `NAME: { weight: 100 }` lines below it") else {
        return Vec::new();
    };
    if named.is_empty() {
        report.semantic(item.spot(), "there is no backend", HELP.to_owned());
    }
    named.iter().map(|named| member(named, report)).collect()
}

fn member(Named { name, item }: &Named<'_>, report: &mut Report) -> MemberDraft {
    let weight = if item.is_integer() {
        item.wrong_type(report, "a mapping", "write `{ weight: NUMBER }`".to_owned())
    } else {
        let fields = item.fields(report, schema::MEMBER, schema::home);
        let weight = fields.as_ref().and_then(|fields| fields.get("weight"));
        weight.and_then(|item| item.integer_in(report, 0..=100))
    };
    let weight = weight.and_then(|weight| u8::try_from(weight.value).ok());
    MemberDraft { name: name.clone(), weight: weight.unwrap_or(100) }
}
