//! State as gauges, read from the snapshot at each scrape.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use maglev_health::AgentMode;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::build;
use crate::snapshot::{BackendView, Counters, FrontendView, OverrideView, Published, Snapshot, VipName};

/// Encodes whatever is published at the moment of the scrape.
#[derive(Debug)]
pub(super) struct State {
    published: Arc<Published>,
}

impl State {
    pub(super) fn new(published: Arc<Published>) -> Self {
        Self { published }
    }
}

impl Collector for State {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page { encoder };
        let snapshot = self.published.snapshot();
        backends(&mut page, &snapshot.backends)?;
        overrides(&mut page, &snapshot.overrides)?;
        frontends(&mut page, &snapshot.frontends)?;
        dataplane(&mut page, &snapshot)?;
        tables(&mut page, &snapshot.frontends)?;
        let counters = self.published.counters();
        page.gauge("maglev_vpp_stats_connected", "1 while VPP's stats segment can be read", |row| {
            row.plain(f64::from(u8::from(counters.is_some())))
        })?;
        if let Some(counters) = counters {
            traffic(&mut page, &snapshot, &counters)?;
        }
        process(&mut page, &snapshot)
    }
}

fn backends(page: &mut Page<'_>, backends: &[Arc<BackendView>]) -> fmt::Result {
    page.gauge("maglev_backend_state", "1 for the state a backend is in", |row| {
        each(backends, |b| {
            each(&BACKEND_STATES, |state| {
                row.with(&[("backend", &*b.name), ("state", state)], one_if(b.state == *state))
            })
        })
    })?;
    page.gauge("maglev_backend_health", "The counter, 0 to rise + fall - 1", |row| {
        each(backends, |b| row.with(&[("backend", &*b.name)], f64::from(b.health)))
    })?;
    page.gauge("maglev_backend_enabled", "1 unless disabled", |row| {
        each(backends, |b| row.with(&[("backend", &*b.name)], one_if(b.enabled)))
    })?;
    page.gauge("maglev_backend_held", "1 while unknown and kept at the weight VPP has", |row| {
        each(backends, |b| row.with(&[("backend", &*b.name)], one_if(b.held)))
    })?;
    page.gauge("maglev_backend_penalty", "What the flaps of a backend with damping add up to now", |row| {
        each(backends, |b| match &b.damping {
            Some(damping) => row.with(&[("backend", &*b.name)], count(damping.penalty_now())),
            None => Ok(()),
        })
    })?;
    page.gauge("maglev_backend_suppressed", "1 while a backend with damping stays down for its flaps", |row| {
        each(backends, |b| match &b.damping {
            Some(damping) => row.with(&[("backend", &*b.name)], one_if(damping.suppressed_until.is_some())),
            None => Ok(()),
        })
    })?;
    page.gauge("maglev_backend_agent_share", "Percent of its weight that a server asks for", |row| {
        each(backends, |b| match b.agent {
            Some(agent) => row.with(&[("backend", &*b.name)], f64::from(agent.share)),
            None => Ok(()),
        })
    })?;
    page.gauge("maglev_backend_agent_mode", "1 for the mode that a server says it is in", |row| {
        each(backends, |b| {
            let Some(agent) = b.agent else { return Ok(()) };
            each(AgentMode::ALL, |mode| {
                let mode = mode.as_str();
                row.with(&[("backend", &*b.name), ("mode", mode)], one_if(agent.mode == mode))
            })
        })
    })?;
    page.gauge("maglev_tls_certificate_expiry_seconds", "Unix time at which a backend's certificate ends", |row| {
        each(backends, |b| match b.certificate_expires {
            Some(time) => row.with(&[("backend", &*b.name)], seconds(time)),
            None => Ok(()),
        })
    })
}

fn overrides(page: &mut Page<'_>, overrides: &[OverrideView]) -> fmt::Result {
    // A backend may have a weight of its own in many places: that is one row.
    let kinds: BTreeSet<(&str, &str)> = overrides.iter().map(|over| (&*over.backend, over.kind)).collect();
    page.gauge("maglev_override", "1 for an operator's word that is in force", |row| {
        each(&kinds, |(backend, kind)| row.with(&[("backend", *backend), ("kind", *kind)], 1.0))
    })
}

fn frontends(page: &mut Page<'_>, frontends: &[Arc<FrontendView>]) -> fmt::Result {
    page.gauge("maglev_frontend_state", "1 for the state a frontend is in", |row| {
        each(frontends, |f| {
            each(&FRONTEND_STATES, |state| {
                row.with(&[("frontend", &*f.name), ("state", state)], one_if(f.state == *state))
            })
        })
    })?;
    page.gauge("maglev_frontend_pool_backend_weight", "Weight by config or override", |row| {
        members(frontends, |labels, member| row.with(labels, f64::from(member.weight)))
    })?;
    page.gauge("maglev_frontend_pool_backend_effective_weight", "Weight it should have in VPP now", |row| {
        members(frontends, |labels, member| row.with(labels, f64::from(member.effective_weight)))
    })
}

fn dataplane(page: &mut Page<'_>, snapshot: &Snapshot) -> fmt::Result {
    let vpp = &snapshot.vpp;
    page.gauge("maglev_vpp_connected", "1 while the API link to VPP stands", |row| {
        row.plain(one_if(vpp.link.is_some()))
    })?;
    page.gauge(
        "maglev_vpp_unsupported",
        "1 while the VPP at the other end is one that nothing is written to",
        |row| row.plain(one_if(vpp.unsupported.is_some())),
    )?;
    page.gauge("maglev_vpp_flush_owed", "Flushes that wait for their turn or their acknowledgement", |row| {
        row.plain(count(vpp.flush_owed))
    })?;
    let Some(link) = &vpp.link else { return Ok(()) };
    page.gauge("maglev_vpp_info", "The VPP at the other end", |row| {
        let pid = link.pid.to_string();
        row.with(&[("version", &*link.version), ("build_date", &*link.build_date), ("pid", &*pid)], 1.0)
    })?;
    page.gauge("maglev_vpp_capability", "1 if the VPP at the other end can do this", |row| {
        link.can.named().into_iter().try_for_each(|(name, can)| row.with(&[("capability", name)], one_if(can)))
    })?;
    let now = Timestamp::now();
    page.gauge("maglev_vpp_connected_seconds", "How long the API link has stood", |row| {
        row.plain((seconds(now) - seconds(link.connected)).max(0.0))
    })?;
    page.gauge("maglev_vpp_uptime_seconds", "How long VPP has run, by its boot time", |row| match link.boot_time {
        Some(boot) => row.plain((seconds(now) - count(boot)).max(0.0)),
        None => Ok(()),
    })
}

fn tables(page: &mut Page<'_>, frontends: &[Arc<FrontendView>]) -> fmt::Result {
    page.gauge("maglev_vpp_vip_table_length", "Length of a VIP's new-flow table in VPP", |row| {
        each(frontends, |f| match f.dataplane.as_ref().and_then(|vip| vip.table_length) {
            Some(length) => row.vip(&f.vip, &[], f64::from(length)),
            None => Ok(()),
        })
    })?;
    page.gauge("maglev_vpp_vip_table_length_wanted", "Length the config asks for", |row| {
        each(frontends, |f| row.vip(&f.vip, &[], f64::from(f.table_length_wanted)))
    })?;
    page.gauge(
        "maglev_vpp_as_buckets",
        "Buckets of the new-flow table that lead to a backend, by the exact table",
        |row| {
            each(frontends, |f| {
                let Some(vip) = &f.dataplane else { return Ok(()) };
                let names = names(f);
                each(&vip.ases, |(address, state)| match names.get(address) {
                    Some(name) => row.vip(&f.vip, &[("backend", name)], f64::from(state.buckets)),
                    None => Ok(()),
                })
            })
        },
    )
}

fn traffic(page: &mut Page<'_>, snapshot: &Snapshot, counters: &Counters) -> fmt::Result {
    page.counter("maglev_vpp_vip_packets", "Packets of a VIP by what the lb plugin did with them", |row| {
        each(&counters.vips, |(vip, of)| {
            let kinds =
                [("first", of.first), ("next", of.next), ("untracked", of.untracked), ("no_server", of.no_server)];
            each(&kinds, |(kind, packets)| row.vip(vip, &[("kind", kind)], *packets))
        })
    })?;
    page.counter("maglev_vpp_vip_route_packets", "Packets that arrived for an address, all ports together", |row| {
        each(&counters.routes, |(prefix, of)| row.with(&[("prefix", &**prefix)], of.packets))
    })?;
    page.counter("maglev_vpp_vip_route_bytes", "Bytes that arrived for an address, all ports together", |row| {
        each(&counters.routes, |(prefix, of)| row.with(&[("prefix", &**prefix)], of.bytes))
    })?;
    backend_traffic(page, snapshot, counters)?;
    let Some(flows) = &counters.flows else { return Ok(()) };
    page.gauge("maglev_vpp_as_flows", "Sessions VPP remembers for a backend, expired ones included", |row| {
        each(&snapshot.frontends, |f| {
            let Some(per_as) = flows.per_as.get(&f.vip) else { return Ok(()) };
            let names = names(f);
            each(per_as, |(address, sessions)| match names.get(address) {
                Some(name) => row.vip(&f.vip, &[("backend", name)], count(*sessions)),
                None => Ok(()),
            })
        })
    })?;
    page.gauge("maglev_vpp_as_flows_age_seconds", "Age of the reading of maglev_vpp_as_flows", |row| {
        row.plain((seconds(Timestamp::now()) - seconds(flows.taken)).max(0.0))
    })
}

fn backend_traffic(page: &mut Page<'_>, snapshot: &Snapshot, counters: &Counters) -> fmt::Result {
    let of = |b: &BackendView| counters.backends.get(&b.address).copied();
    let with_address = |b: &BackendView| b.address.to_string();
    page.counter("maglev_vpp_backend_packets", "Packets that VPP sent to a backend", |row| {
        each(&snapshot.backends, |b| match of(b) {
            Some(of) => row.with(&[("backend", &*b.name), ("address", &*with_address(b))], of.packets),
            None => Ok(()),
        })
    })?;
    page.counter("maglev_vpp_backend_bytes", "Bytes that VPP sent to a backend, encapsulation included", |row| {
        each(&snapshot.backends, |b| match of(b) {
            Some(of) => row.with(&[("backend", &*b.name), ("address", &*with_address(b))], of.bytes),
            None => Ok(()),
        })
    })
}

fn process(page: &mut Page<'_>, snapshot: &Snapshot) -> fmt::Result {
    page.gauge("maglev_config_info", "The configuration in force", |row| {
        row.with(&[("sha256", &*snapshot.config_sha256)], 1.0)
    })?;
    page.gauge("maglev_build_info", "This binary", |row| {
        row.with(&[("version", build::VERSION), ("commit", build::COMMIT)], 1.0)
    })
}

const BACKEND_STATES: [&str; 6] = ["unknown", "up", "down", "paused", "disabled", "removed"];
const FRONTEND_STATES: [&str; 3] = ["unknown", "up", "down"];

type Labels<'a> = [(&'a str, &'a str)];

/// The page being written.
struct Page<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Page<'_> {
    fn gauge(&mut self, name: &str, help: &str, rows: impl FnOnce(&mut Rows<'_, f64>) -> fmt::Result) -> fmt::Result {
        let encoder = self.encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        rows(&mut Rows { encoder, write: encode_gauge })
    }

    fn counter(&mut self, name: &str, help: &str, rows: impl FnOnce(&mut Rows<'_, u64>) -> fmt::Result) -> fmt::Result {
        let encoder = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        let write =
            |encoder: &mut MetricEncoder<'_>, value| encoder.encode_counter::<NoLabelSet, u64, u64>(&value, None);
        rows(&mut Rows { encoder, write })
    }
}

/// The rows of one metric.
struct Rows<'a, V> {
    encoder: MetricEncoder<'a>,
    write: fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
}

impl<V> Rows<'_, V> {
    fn plain(&mut self, value: V) -> fmt::Result {
        (self.write)(&mut self.encoder, value)
    }

    fn with(&mut self, labels: &Labels<'_>, value: V) -> fmt::Result {
        let mut row = self.encoder.encode_family(&labels)?;
        (self.write)(&mut row, value)
    }

    fn vip(&mut self, vip: &VipName, more: &Labels<'_>, value: V) -> fmt::Result {
        let port = vip.port.to_string();
        let mut labels = vec![("prefix", &*vip.prefix), ("protocol", &*vip.protocol), ("port", &*port)];
        labels.extend_from_slice(more);
        self.with(&labels, value)
    }
}

/// Whole numbers as such: 1, not 1.0.
fn encode_gauge(encoder: &mut MetricEncoder<'_>, value: f64) -> fmt::Result {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and exact below 2^53")]
    let whole = value as i64;
    if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        encoder.encode_gauge(&whole)
    } else {
        encoder.encode_gauge(&value)
    }
}

fn each<T>(items: impl IntoIterator<Item = T>, write: impl FnMut(T) -> fmt::Result) -> fmt::Result {
    items.into_iter().try_for_each(write)
}

fn members(
    frontends: &[Arc<FrontendView>],
    mut write: impl FnMut(&Labels<'_>, &crate::snapshot::MemberView) -> fmt::Result,
) -> fmt::Result {
    for f in frontends {
        for pool in &f.pools {
            for member in &pool.backends {
                write(&[("frontend", &*f.name), ("pool", &*pool.name), ("backend", &*member.name)], member)?;
            }
        }
    }
    Ok(())
}

/// Backends of a frontend by address, as VPP knows them.
fn names(frontend: &FrontendView) -> BTreeMap<std::net::IpAddr, &str> {
    let members = frontend.pools.iter().flat_map(|pool| &pool.backends);
    members.map(|member| (member.address, &*member.name)).collect()
}

fn one_if(condition: bool) -> f64 {
    f64::from(u8::from(condition))
}

/// As Prometheus wants it; exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other number")]
fn count(value: u64) -> f64 {
    value as f64
}

fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}
