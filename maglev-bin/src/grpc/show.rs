//! From the snapshot to the messages of the API. What the fields mean stands in the `.proto`.

mod healthcheck;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use maglev_health::Outcome;

use self::healthcheck::healthcheck;
use crate::build;
use crate::config::Diagnostic;
use crate::daemon::{Found, LastResult};
use crate::proto;
use crate::snapshot::{
    AgentView, BackendView, Counters, FrontendView, MemberView, OverrideView, Snapshot, Traffic, VipName, VipView,
};

/// A snapshot with its look-ups: made once for a list, not once for an item.
pub(super) struct Shown<'a> {
    snapshot: &'a Snapshot,
    backends: HashMap<&'a str, &'a BackendView>,
    uses: HashMap<&'a str, Vec<proto::BackendUse>>,
}

impl<'a> Shown<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let backends = snapshot.backends.iter().map(|backend| (&*backend.name, &**backend)).collect();
        Self { snapshot, backends, uses: HashMap::new() }
    }

    /// The same, for messages about backends.
    pub(super) fn with_uses(mut self) -> Self {
        for frontend in &self.snapshot.frontends {
            for pool in &frontend.pools {
                for member in &pool.backends {
                    self.uses.entry(&member.name).or_default().push(proto::BackendUse {
                        frontend: frontend.name.to_string(),
                        pool: pool.name.to_string(),
                        weight: member.weight.into(),
                        effective_weight: member.effective_weight.into(),
                    });
                }
            }
        }
        self
    }

    pub(super) fn frontends(&self) -> Vec<proto::FrontendInfo> {
        (0..self.snapshot.frontends.len()).filter_map(|place| self.frontend_at(place)).collect()
    }

    pub(super) fn frontend(&self, name: &str) -> Option<proto::FrontendInfo> {
        self.frontend_at(self.snapshot.frontends.iter().position(|frontend| &*frontend.name == name)?)
    }

    fn frontend_at(&self, place: usize) -> Option<proto::FrontendInfo> {
        let frontend: &FrontendView = self.snapshot.frontends.get(place)?;
        // Both lists are of one config.
        let config = self.snapshot.config.frontends.get(place)?;
        let vip = frontend.dataplane.as_ref();
        let pools = frontend.pools.iter().enumerate().map(|(position, pool)| proto::PoolInfo {
            name: pool.name.to_string(),
            active: position == frontend.active_pool,
            backends: pool.backends.iter().map(|member| self.member(member, vip)).collect(),
        });
        Some(proto::FrontendInfo {
            name: frontend.name.to_string(),
            description: frontend.description.to_string(),
            address: frontend.vip.prefix.to_string(),
            protocol: frontend.vip.protocol.to_string(),
            port: frontend.vip.port.into(),
            state: frontend.state.to_owned(),
            since: Some(frontend.since.into()),
            active_pool: frontend.pools.get(frontend.active_pool).map(|pool| pool.name.to_string()).unwrap_or_default(),
            pools: pools.collect(),
            src_ip_sticky: config.src_ip_sticky,
            flush_on_down: config.flush_on_down,
            table_length_wanted: frontend.table_length_wanted,
            table_length: vip.and_then(|vip| vip.table_length),
            compared: vip.and_then(|vip| vip.compared).map(Into::into),
            error: vip.and_then(|vip| vip.error.as_deref()).unwrap_or_default().to_owned(),
        })
    }

    fn member(&self, member: &MemberView, vip: Option<&VipView>) -> proto::PoolBackendInfo {
        let backend = self.backends.get(&*member.name);
        let server = vip.and_then(|vip| vip.ases.get(&member.address));
        proto::PoolBackendInfo {
            name: member.name.to_string(),
            weight: member.weight.into(),
            effective_weight: member.effective_weight.into(),
            configured_weight: member.configured_weight.into(),
            overridden: member.overridden,
            address: member.address.to_string(),
            state: backend.map(|backend| backend.state).unwrap_or_default().to_owned(),
            since: backend.map(|backend| backend.since.into()),
            vpp_weight: server.map(|server| server.weight.into()),
            buckets: server.map(|server| server.buckets),
            differs: server.is_some_and(|server| self.differs(server.weight, member.effective_weight)),
            agent: backend.and_then(|backend| backend.agent).map(agent),
        }
    }

    /// Whether VPP, with this weight, does not do what is wanted.
    fn differs(&self, in_vpp: u8, wanted: u8) -> bool {
        match self.snapshot.vpp.link.as_ref().is_none_or(|link| link.can.weights) {
            true => in_vpp != wanted,
            false => (in_vpp == 0) != (wanted == 0),
        }
    }

    pub(super) fn backends(&self) -> Vec<proto::BackendInfo> {
        self.snapshot.backends.iter().map(|backend| self.backend_info(backend)).collect()
    }

    pub(super) fn backend(&self, name: &str) -> Option<proto::BackendInfo> {
        self.backends.get(name).map(|backend| self.backend_info(backend))
    }

    fn backend_info(&self, backend: &BackendView) -> proto::BackendInfo {
        let history = backend.history.iter().map(|transition| proto::Transition {
            time: Some(transition.time.into()),
            from: transition.from.to_owned(),
            to: transition.to.to_owned(),
            code: transition.code.to_string(),
            detail: transition.detail.to_string(),
        });
        proto::BackendInfo {
            name: backend.name.to_string(),
            address: backend.address.to_string(),
            healthcheck: backend.healthcheck.as_deref().unwrap_or_default().to_owned(),
            kind: backend.kind.to_owned(),
            state: backend.state.to_owned(),
            since: Some(backend.since.into()),
            health: backend.health,
            rise: backend.rise,
            fall: backend.fall,
            enabled: backend.enabled,
            held: backend.held,
            r#override: backend.r#override.unwrap_or_default().to_owned(),
            certificate_expires: backend.certificate_expires.map(Into::into),
            history: history.collect(),
            uses: self.uses.get(&*backend.name).cloned().unwrap_or_default(),
            damping: backend.damping.as_ref().map(|damping| proto::BackendDamping {
                penalty: damping.penalty_now(),
                suppressed: damping.suppressed_until.is_some(),
                suppressed_until: damping.suppressed_until.map(Into::into),
            }),
            agent: backend.agent.map(agent),
            last_result: None,
        }
    }

    pub(super) fn healthchecks(&self) -> Vec<proto::HealthCheckInfo> {
        let config = &self.snapshot.config;
        let mut users: HashMap<&str, Vec<String>> = HashMap::new();
        for backend in &config.backends {
            if let Some(check) = &backend.healthcheck {
                users.entry(&check.name).or_default().push(backend.name.clone());
            }
        }
        let checks = config.healthchecks.iter();
        checks.map(|check| healthcheck(check, users.remove(&*check.name).unwrap_or_default())).collect()
    }

    pub(super) fn vpp_info(&self, counters: Option<&Counters>) -> proto::VppInfo {
        let vpp = &self.snapshot.vpp;
        let mut info = proto::VppInfo {
            connected: vpp.link.is_some(),
            unsupported: vpp.unsupported.as_deref().unwrap_or_default().to_owned(),
            warm_up: vpp.warm_up.to_string(),
            flushes_owed: vpp.flush_owed,
            differs: vpp.differs.iter().map(ToString::to_string).collect(),
            maglevd_version: build::VERSION.to_owned(),
            maglevd_commit: build::COMMIT.to_owned(),
            maglevd_date: build::date().to_owned(),
            maglevd_started: Some(self.snapshot.started.into()),
            config_sha256: self.snapshot.config_sha256.to_string(),
            ..Default::default()
        };
        let Some(link) = &vpp.link else { return info };
        info.version = link.version.to_string();
        info.build_date = link.build_date.to_string();
        info.build_directory = link.build_directory.to_string();
        info.pid = link.pid;
        let boot = link.boot_time.and_then(|seconds| i64::try_from(seconds).ok());
        info.boot_time = boot.map(|seconds| proto::Timestamp { seconds, nanos: 0 });
        info.connected_since = Some(link.connected.into());
        let can = link.can.named().into_iter().chain([("stats", counters.is_some())]);
        info.capabilities = can.filter(|(_, can)| *can).map(|(name, _)| name.to_owned()).collect();
        info
    }

    /// `None` while VPP has not been read.
    pub(super) fn lb_state(&self) -> Option<proto::VpplbState> {
        let snapshot = self.snapshot;
        let conf = snapshot.vpp.conf.as_ref()?;
        let ours = snapshot.frontends.iter().filter_map(|frontend| {
            let names = frontend.pools.iter().flat_map(|pool| &pool.backends);
            let names = names.map(|member| (member.address, &*member.name)).collect();
            Some(self.vip_state(&frontend.vip, frontend.dataplane.as_ref()?, &frontend.name, &names))
        });
        let none = HashMap::new();
        let others = snapshot.vpp.foreign.iter().map(|(name, vip)| self.vip_state(name, vip, "", &none));
        let mut vips: Vec<_> = ours.chain(others).collect();
        vips.sort_by_cached_key(|vip| place(&vip.prefix, &vip.protocol, vip.port));
        Some(proto::VpplbState {
            conf: Some(proto::VpplbConf {
                ipv4_src_address: conf.ipv4_src_address.to_string(),
                ipv6_src_address: conf.ipv6_src_address.to_string(),
                sticky_buckets_per_core: conf.sticky_buckets_per_core.unwrap_or_default(),
                flow_timeout_seconds: conf.flow_timeout.unwrap_or_default(),
            }),
            vips,
            flows_read: snapshot.flows.as_ref().map(|flows| flows.taken.into()),
        })
    }

    fn vip_state(
        &self,
        name: &VipName,
        vip: &VipView,
        frontend: &str,
        backends: &HashMap<IpAddr, &str>,
    ) -> proto::VipState {
        let flows = self.snapshot.flows.as_ref().and_then(|flows| flows.per_as.get(name));
        let ases = vip.ases.iter().map(|(address, server)| proto::AsState {
            address: address.to_string(),
            backend: backends.get(address).copied().unwrap_or_default().to_owned(),
            weight: server.weight.into(),
            buckets: server.buckets,
            flows: flows.and_then(|flows| flows.get(address)).copied(),
        });
        proto::VipState {
            prefix: name.prefix.to_string(),
            protocol: name.protocol.to_string(),
            port: name.port.into(),
            frontend: frontend.to_owned(),
            encap: vip.encap.to_string(),
            src_ip_sticky: vip.src_ip_sticky,
            table_length: vip.table_length,
            ases: ases.collect(),
            compared: vip.compared.map(Into::into),
            in_sync: vip.in_sync,
            released: vip.released,
            error: vip.error.as_deref().unwrap_or_default().to_owned(),
        }
    }

    pub(super) fn lb_counters(&self, counters: Option<&Counters>) -> proto::VpplbCounters {
        let Some(counters) = counters else { return proto::VpplbCounters::default() };
        let vips = self.snapshot.frontends.iter().map(|frontend| {
            let VipName { prefix, protocol, port } = &frontend.vip;
            let plugin = counters.vips.get(&frontend.vip);
            let route = counters.routes.get(prefix);
            proto::VipCounters {
                frontend: frontend.name.to_string(),
                prefix: prefix.to_string(),
                protocol: protocol.to_string(),
                port: (*port).into(),
                first: plugin.map(|of| of.first),
                next: plugin.map(|of| of.next),
                untracked: plugin.map(|of| of.untracked),
                no_server: plugin.map(|of| of.no_server),
                fib_packets: route.map(|of| of.packets),
                fib_bytes: route.map(|of| of.bytes),
                compared: frontend.dataplane.as_ref().and_then(|vip| vip.compared).map(Into::into),
            }
        });
        let backends = self.snapshot.backends.iter().map(|backend| {
            let of: Option<&Traffic> = counters.backends.get(&backend.address);
            proto::BackendCounters {
                name: backend.name.to_string(),
                address: backend.address.to_string(),
                packets: of.map(|of| of.packets),
                bytes: of.map(|of| of.bytes),
            }
        });
        proto::VpplbCounters {
            taken: counters.taken.map(Into::into),
            vips: vips.collect(),
            backends: backends.collect(),
        }
    }

    pub(super) fn overrides(&self) -> Vec<proto::Override> {
        self.snapshot.overrides.iter().map(over).collect()
    }
}

fn over(view: &OverrideView) -> proto::Override {
    let place = view.weight.as_ref();
    proto::Override {
        kind: view.kind.to_owned(),
        backend: view.backend.to_string(),
        frontend: place.map(|place| place.frontend.to_string()).unwrap_or_default(),
        pool: place.map(|place| place.pool.to_string()).unwrap_or_default(),
        weight: place.map(|place| place.weight.into()),
        configured_weight: place.map(|place| place.configured.into()),
        time: Some(view.time.into()),
        who: view.who.to_string(),
        reason: view.reason.to_string(),
    }
}

pub(super) fn found(found: Found) -> proto::ProbeResult {
    proto::ProbeResult {
        result: found.result.to_owned(),
        code: found.code.to_string(),
        detail: found.detail.to_string(),
        elapsed_seconds: found.elapsed.as_secs_f64(),
    }
}

pub(super) fn last_result(LastResult { at, report, .. }: LastResult) -> proto::LastResult {
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    proto::LastResult {
        time: timestamp(at),
        result: match report.outcome {
            Outcome::Pass => "pass",
            Outcome::Fail => "fail",
            Outcome::NoVerdict => "error",
        }
        .to_owned(),
        code: report.code.as_str().to_owned(),
        detail: report.detail.into_owned(),
        elapsed_seconds: report.elapsed.as_secs_f64(),
        connected_seconds: seconds(report.connected),
        secured_seconds: seconds(report.secured),
        first_byte_seconds: seconds(report.first_byte),
        status: report.status.map(Into::into),
        answer: report.answer.map(Vec::from),
        certificate_subject: report.certificate_subject.as_deref().unwrap_or_default().to_owned(),
        certificate_expires: report.certificate_expires.and_then(timestamp),
    }
}

/// Nothing for what lies thousands of years off.
fn timestamp(time: SystemTime) -> Option<proto::Timestamp> {
    Timestamp::try_from(time).ok().map(Into::into)
}

fn agent(agent: AgentView) -> proto::BackendAgent {
    proto::BackendAgent { share: agent.share.into(), mode: agent.mode.to_owned() }
}

pub(super) fn diagnostic(diagnostic: &Diagnostic) -> proto::Diagnostic {
    let Diagnostic { file, line, column, key, message, help, snippet, .. } = diagnostic;
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    proto::Diagnostic {
        file: file.clone(),
        line: number(*line),
        column: number(*column),
        key: key.clone(),
        message: message.clone(),
        help: help.clone().unwrap_or_default(),
        snippet: snippet.clone(),
    }
}

/// Where a VIP stands among others: IPv4 before IPv6, then by number.
fn place(prefix: &str, protocol: &str, port: u32) -> (Option<IpAddr>, String, String, u32) {
    let address = prefix.split('/').next().and_then(|address| address.parse().ok());
    (address, prefix.to_owned(), protocol.to_owned(), port)
}
