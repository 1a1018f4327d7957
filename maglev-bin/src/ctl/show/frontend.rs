//! Frontends.

use jiff::Timestamp as Time;

use super::backend::word;
use super::style::{Tone, age, clean, or_dash, percent, vip};
use super::table::{Cell, Table, cell, facts, indented};
use crate::proto::{FrontendInfo, ListFrontendsResponse, PoolBackendInfo};

/// A line for each frontend.
pub(crate) fn frontends(list: &ListFrontendsResponse, now: Time) -> String {
    if list.frontends.is_empty() {
        return "no frontends\n".to_owned();
    }
    let mut table = Table::new(["frontend", "vip", "state", "for", "pool", ">up", "description"]);
    for frontend in &list.frontends {
        let active = frontend.pools.iter().find(|pool| pool.active);
        let members = active.map_or(&[][..], |pool| &pool.backends);
        let up = members.iter().filter(|backend| backend.state == "up").count();
        table.row([
            cell(&frontend.name).tone(Tone::Strong),
            cell(vip_of(frontend)),
            state(&frontend.state),
            cell(age(frontend.since.as_ref(), now)),
            cell(&frontend.active_pool),
            cell(format_args!("{up}/{}", members.len())),
            cell(&frontend.description),
        ]);
    }
    let mut text = table.to_string();
    for frontend in &list.frontends {
        if !frontend.error.is_empty() {
            let line = format!("{}: VPP refused: {}", clean(&frontend.name), clean(&frontend.error));
            text.push_str(&format!("{}\n", Tone::Bad.paint(line)));
        }
    }
    text
}

/// A frontend, its pools and their backends.
pub(crate) fn frontend(frontend: &FrontendInfo, now: Time) -> String {
    let title = format!(
        "{}  {}  {}",
        Tone::Strong.paint(clean(&frontend.name)),
        vip_of(frontend),
        Tone::of_state(&frontend.state).paint(clean(&frontend.state)),
    );
    let yes_no = |yes| if yes { "yes" } else { "no" };
    let facts = facts([
        ("description", cell(&frontend.description)),
        ("since", cell(age(frontend.since.as_ref(), now))),
        ("hashed by", cell(if frontend.src_ip_sticky { "source address" } else { "flow" })),
        ("flush on down", cell(yes_no(frontend.flush_on_down))),
        ("table", table_length(frontend)),
        ("compared", cell(compared(frontend, now))),
        ("error", cell(&frontend.error).tone(Tone::Bad)),
    ]);
    let mut table = Table::new(["pool", "backend", "address", ">weight", ">now", ">VPP", ">buckets", "state", "for"]);
    let mut overridden = false;
    for pool in &frontend.pools {
        for (index, backend) in pool.backends.iter().enumerate() {
            let name = match (index, pool.active) {
                (0, true) => format!("▸ {}", pool.name),
                (0, false) => format!("  {}", pool.name),
                _ => String::new(),
            };
            overridden |= backend.overridden;
            table.row([
                cell(name).tone(if pool.active { Tone::Plain } else { Tone::Faint }),
                cell(&backend.name).tone(Tone::Strong),
                cell(&backend.address),
                weight(backend),
                cell(backend.effective_weight),
                in_vpp(backend),
                cell(buckets(backend, frontend.table_length)),
                state_in_pool(backend),
                cell(age(backend.since.as_ref(), now)),
            ]);
        }
    }
    let foot = if overridden { "\n* set by hand; behind it the weight of the config\n" } else { "" };
    format!("{title}\n{}\n{table}{foot}", indented(&facts))
}

pub(super) fn state(state: &str) -> Cell {
    cell(state).tone(Tone::of_state(state))
}

/// With what its server says of itself, if that is why it has another weight than it is to have.
fn state_in_pool(backend: &PoolBackendInfo) -> Cell {
    match &backend.agent {
        Some(agent) if agent.share != 100 || agent.mode != "ready" => {
            cell(format_args!("{}, says {}", backend.state, word(agent))).tone(Tone::of_state(&backend.state))
        }
        _ => state(&backend.state),
    }
}

fn vip_of(frontend: &FrontendInfo) -> String {
    vip(&frontend.address, &frontend.protocol, frontend.port)
}

fn table_length(frontend: &FrontendInfo) -> Cell {
    let wanted = frontend.table_length_wanted;
    match frontend.table_length {
        None => cell(format_args!("{wanted} buckets wanted")),
        Some(actual) if actual == wanted => cell(format_args!("{actual} buckets")),
        Some(actual) => {
            let text = format_args!("{actual} buckets, {wanted} wanted: `sync vpp lb state … recreate` changes it")
                .to_string();
            cell(text).tone(Tone::Doubt)
        }
    }
}

fn compared(frontend: &FrontendInfo, now: Time) -> String {
    match &frontend.compared {
        Some(compared) => format!("{} ago", age(Some(compared), now)),
        None => "never".to_owned(),
    }
}

fn weight(backend: &PoolBackendInfo) -> Cell {
    if backend.overridden {
        cell(format_args!("{}* ({})", backend.weight, backend.configured_weight)).tone(Tone::Doubt)
    } else {
        cell(backend.weight)
    }
}

/// How many, and which part of the table that is.
fn buckets(backend: &PoolBackendInfo, table: Option<u32>) -> String {
    match (backend.buckets, table) {
        (Some(part), Some(whole)) => format!("{part} ({})", percent(part.into(), whole.into())),
        (buckets, _) => or_dash(buckets),
    }
}

/// What VPP has stands out where it is not what it should be.
fn in_vpp(backend: &PoolBackendInfo) -> Cell {
    cell(or_dash(backend.vpp_weight)).tone(if backend.differs { Tone::Doubt } else { Tone::Plain })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::proto::{PoolInfo, Timestamp};
    use anstream::adapter::strip_str;

    pub(in super::super) const NOW: i64 = 1_000_000;

    pub(in super::super) fn now() -> Time {
        Time::from_second(NOW).unwrap()
    }

    pub(in super::super) fn ago(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp { seconds: NOW - seconds, nanos: 0 })
    }

    fn example() -> FrontendInfo {
        let backend = |name: &str, address: &str, state: &str, weight, buckets| PoolBackendInfo {
            name: name.into(),
            address: address.into(),
            state: state.into(),
            weight,
            effective_weight: weight,
            configured_weight: 100,
            overridden: weight != 100,
            vpp_weight: Some(weight),
            buckets: Some(buckets),
            differs: false,
            since: ago(192),
            agent: None,
        };
        FrontendInfo {
            name: "web-v4".into(),
            description: "public web".into(),
            address: "192.0.2.1".into(),
            protocol: "tcp".into(),
            port: 80,
            state: "up".into(),
            since: ago(187_200),
            active_pool: "primary".into(),
            pools: vec![
                PoolInfo {
                    name: "primary".into(),
                    active: true,
                    backends: vec![
                        backend("web0", "10.2.1.1", "up", 100, 683),
                        backend("web1", "10.2.1.2", "up", 50, 341),
                    ],
                },
                PoolInfo {
                    name: "fallback".into(),
                    active: false,
                    backends: vec![PoolBackendInfo {
                        name: "sorry".into(),
                        address: "10.2.1.9".into(),
                        state: "down".into(),
                        weight: 100,
                        configured_weight: 100,
                        ..Default::default()
                    }],
                },
            ],
            src_ip_sticky: false,
            flush_on_down: true,
            table_length_wanted: 4_096,
            table_length: Some(1_024),
            compared: ago(4),
            error: String::new(),
        }
    }

    #[test]
    fn a_frontend_shows_its_pools_with_wanted_and_actual_weights() {
        insta::assert_snapshot!(strip_str(&frontend(&example(), now())), @r"
        web-v4  192.0.2.1 tcp/80  up
          description    public web
          since          2d4h
          hashed by      flow
          flush on down  yes
          table          1024 buckets, 4096 wanted: `sync vpp lb state … recreate` changes it
          compared       4s ago

        pool        backend  address      weight  now  VPP       buckets  state  for
        ▸ primary   web0     10.2.1.1        100  100  100  683 (66.7 %)  up     3m12s
                    web1     10.2.1.2  50* (100)   50   50  341 (33.3 %)  up     3m12s
          fallback  sorry    10.2.1.9        100    0    -             -  down   -

        * set by hand; behind it the weight of the config
        ");
    }

    #[test]
    fn frontends_have_a_line_each_and_errors_come_last() {
        let mut broken = example();
        broken.name = "dns".into();
        broken.state = "down".into();
        broken.error = "lb_add_del_vip_v2: no such thing".into();
        let list = ListFrontendsResponse { frontends: vec![example(), broken] };
        insta::assert_snapshot!(strip_str(&frontends(&list, now())), @r"
        frontend  vip               state  for   pool      up  description
        web-v4    192.0.2.1 tcp/80  up     2d4h  primary  2/2  public web
        dns       192.0.2.1 tcp/80  down   2d4h  primary  2/2  public web
        dns: VPP refused: lb_add_del_vip_v2: no such thing
        ");
        assert_eq!(frontends(&ListFrontendsResponse::default(), now()), "no frontends\n");
    }
}
