//! From the config to what the cores and the probes want to hear.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use maglev_health::{
    BackendSpec, Check, CheckSpec, Cut as HealthCut, FrontendSpec, MemberSpec, PoolSpec, Program, Spec, SpecError,
    Weight as HealthWeight,
};
use maglev_sync::{
    Cut, DesiredAs, DesiredConf, DesiredVip, Encap, FlowTimeout, FlushOrder, ForeignVips, OutOfRange, Protocol,
    StickyBuckets, TableLength, VipKey, Weight,
};

use crate::config::{self, CheckKind, Config, Family, Frontend, HealthCheck};
use crate::probe::{
    Dns, Exec, ExpectHeader, Grpc, Header, Http, Kind, ProxyVersion, Target, TargetError, Tcp, Tls, Udp,
};
use crate::snapshot::VipName;

/// The config as `maglev-health` sees it.
pub(super) fn spec(config: &Config) -> Result<Spec, SpecError> {
    let backends = config.backends.iter().map(|backend| BackendSpec {
        name: backend.name.as_str().into(),
        address: backend.address,
        check: backend.healthcheck.as_deref().map(check),
        enabled: backend.enabled,
    });
    let frontends = config.frontends.iter().map(|frontend| FrontendSpec {
        name: frontend.name.as_str().into(),
        vip: key(frontend).to_string().into(),
        flush_on_down: frontend.flush_on_down,
        pools: frontend.pools.iter().map(pool).collect(),
    });
    Spec::new(backends.collect(), frontends.collect())
}

fn pool(pool: &config::Pool) -> PoolSpec {
    let member = |member: &config::PoolMember| MemberSpec {
        backend: member.backend.as_str().into(),
        weight: HealthWeight::new(member.weight).unwrap_or(HealthWeight::MAX),
    };
    PoolSpec { name: pool.name.as_str().into(), members: pool.members.iter().map(member).collect() }
}

fn check(check: &HealthCheck) -> CheckSpec {
    let timing = Check {
        interval: check.interval,
        fast_interval: check.fast_interval,
        down_interval: check.down_interval,
        rise: check.rise,
        fall: check.fall,
        damping: check.damping,
    };
    // The time-out decides what passes, so it is part of the question.
    let identity = format!("{} timeout={:?}", check.identity(), check.timeout);
    CheckSpec { timing, identity: identity.into() }
}

/// How VPP knows a frontend.
pub(super) fn key(frontend: &Frontend) -> VipKey {
    let protocol = frontend.protocol.map_or(Protocol::ANY, |protocol| Protocol::new(protocol.number()));
    VipKey::host(frontend.address, protocol, frontend.port.unwrap_or(0))
}

/// How metrics and people know a VIP.
pub(super) fn vip_name(key: &VipKey) -> VipName {
    let prefix = key.prefix();
    let text = match prefix.prefix_len() == prefix.max_prefix_len() {
        true => prefix.addr().to_string(),
        false => prefix.to_string(),
    };
    let protocol = match key.protocol() {
        _ if key.is_all_port() => "any".into(),
        Protocol::TCP => "tcp".into(),
        Protocol::UDP => "udp".into(),
        other => other.number().to_string().into(),
    };
    VipName { prefix: text.into(), protocol, port: key.port() }
}

/// The plugin's own settings; `None` where the config leaves them out because there is no dataplane.
pub(super) fn lb_conf(config: &Config) -> Result<Option<DesiredConf>, OutOfRange> {
    let lb = &config.lb;
    let (Some(ip4_src), Some(ip6_src)) = (lb.ipv4_src_address, lb.ipv6_src_address) else { return Ok(None) };
    let seconds = u32::try_from(lb.flow_timeout.as_secs()).unwrap_or(u32::MAX);
    Ok(Some(DesiredConf {
        ip4_src,
        ip6_src,
        sticky_buckets: StickyBuckets::new(lb.sticky_buckets_per_core)?,
        flow_timeout: FlowTimeout::from_secs(seconds)?,
    }))
}

/// What becomes of VIPs that the config does not know.
pub(super) fn foreign(config: &Config) -> ForeignVips {
    match config.lb.foreign_vips {
        config::ForeignVips::Remove => ForeignVips::Remove,
        config::ForeignVips::Keep => ForeignVips::Keep,
    }
}

/// What a VIP should look like, given what health says of it.
pub(super) fn desired(frontend: &Frontend, program: &Program) -> Result<DesiredVip, OutOfRange> {
    let targets = program.targets.iter().map(|(address, target)| {
        let wanted = DesiredAs {
            weight: Weight::new(target.weight.get())?,
            cut: match target.cut {
                HealthCut::Urgent => Cut::Urgent,
                HealthCut::Serving => Cut::Serving,
            },
            flush: target.flush.map(|order| FlushOrder {
                incident: order.incident,
                first_verdict: order.first_verdict,
                needs_server: order.needs_server,
            }),
        };
        Ok((*address, wanted))
    });
    Ok(DesiredVip {
        encap: match frontend.backend_family {
            Family::V4 => Encap::Gre4,
            Family::V6 => Encap::Gre6,
        },
        src_ip_sticky: frontend.src_ip_sticky,
        table_length: TableLength::new(frontend.table_length_chosen)?,
        targets: targets.collect::<Result<_, OutOfRange>>()?,
        decided: program.decided,
    })
}

/// What to send to a backend to probe it; `None` for a static one.
pub(super) fn target(backend: &config::Backend) -> Result<Option<Arc<Target>>, TargetError> {
    let Some(check) = &backend.healthcheck else { return Ok(None) };
    let source = match backend.address {
        IpAddr::V4(_) => check.probe_ipv4_src.map(IpAddr::V4),
        IpAddr::V6(_) => check.probe_ipv6_src.map(IpAddr::V6),
    };
    let timeout: Duration = check.timeout;
    let kind = match (&check.kind, check.port) {
        (CheckKind::Http(params), Some(port)) => Kind::Http(http(params, port, check.proxy_protocol)?),
        (CheckKind::Tcp(params), Some(port)) => Kind::Tcp(Tcp {
            port,
            send: params.send.as_slice().into(),
            expect: params.expect.clone(),
            agent: params.agent_line,
            proxy: check.proxy_protocol,
            tls: params.tls.as_ref().map(tls).transpose()?,
        }),
        (CheckKind::Grpc(params), Some(port)) => Kind::Grpc(Grpc {
            port,
            service: params.service.clone(),
            proxy: check.proxy_protocol,
            tls: params.tls.as_ref().map(tls).transpose()?,
        }),
        (CheckKind::Dns(params), Some(port)) => {
            Kind::Dns(Dns { port, query: params.query.clone(), rcode: params.rcode })
        }
        (CheckKind::Udp(params), Some(port)) => {
            Kind::Udp(Udp { port, send: params.send.as_slice().into(), expect: params.expect.clone() })
        }
        (CheckKind::Exec(params), port) => {
            Kind::Exec(Exec { program: params.program.clone(), arguments: params.arguments.clone(), port })
        }
        _ => Kind::Icmp,
    };
    Ok(Some(Arc::new(Target {
        backend: backend.name.as_str().into(),
        address: backend.address,
        source,
        device: check.device.as_deref().map(Arc::from),
        mark: check.mark,
        timeout,
        kind,
    })))
}

fn http(params: &config::HttpParams, port: u16, proxy: Option<ProxyVersion>) -> Result<Http, TargetError> {
    let headers = params.headers.iter().map(|(name, value)| Header::new(name, value));
    let regex = |regexp: &config::Regexp| regexp.regex().clone();
    let expect_header =
        params.response_header.as_ref().map(|rule| ExpectHeader::new(&rule.name, rule.value.as_ref().map(regex)));
    Ok(Http {
        port,
        method: params.method,
        path: params.path.parse()?,
        host: params.host.as_deref().map(str::parse).transpose()?,
        headers: headers.collect::<Result<_, _>>()?,
        codes: params.response_codes.clone(),
        expect_header: expect_header.transpose()?,
        regexp: params.response_regexp.as_ref().map(regex),
        body_limit: usize::try_from(params.body_limit).unwrap_or(usize::MAX),
        agent: params.agent_header.as_deref().map(header_name).transpose()?,
        proxy,
        tls: params.tls.as_ref().map(tls).transpose()?,
    })
}

fn header_name(name: &str) -> Result<HeaderName, TargetError> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| TargetError::Header)
}

fn tls(params: &config::TlsParams) -> Result<Tls, TargetError> {
    Ok(Tls {
        server_name: params.server_name.as_deref().map(str::parse).transpose()?,
        insecure_skip_verify: params.insecure_skip_verify,
        roots: params.roots.as_ref().map(|file| Arc::clone(file.value())),
        identity: params.identity.as_ref().map(|file| Arc::clone(file.value())),
    })
}
