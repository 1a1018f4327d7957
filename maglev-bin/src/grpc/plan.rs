//! From a forecast to the message that tells it.

use std::time::{Instant, SystemTime};

use maglev_sync::{Forecast, Form, VipForecast, VipKey, Wait};

use crate::config::Loaded;
use crate::daemon::{Forecasts, Names, Refusal, Standing, chain};
use crate::proto;
use crate::snapshot::{Flows, Snapshot};

/// Looks ahead, and says what comes. May take some milliseconds for each large VIP that changes.
pub(super) fn plan(
    standing: Standing,
    loaded: Option<Loaded>,
    snapshot: &Snapshot,
    recreate: bool,
) -> Result<proto::VpplbPlan, Refusal> {
    let prospect = match loaded {
        Some(loaded) => standing.under(loaded, Instant::now(), SystemTime::now())?,
        None => standing.as_it_is(),
    };
    let Forecasts { now, later, .. } = prospect.forecast(recreate);
    let (names, flows) = (prospect.names(), snapshot.flows.as_deref());
    let vips = |forecast: &Forecast| -> Vec<proto::VipPlan> {
        forecast.vips().iter().map(|(key, of)| vip(key, of, &names, flows, snapshot)).collect()
    };
    let notes = now.plan().notes().iter().map(ToString::to_string);
    let at_once = vips(&now);
    let flushed = || at_once.iter().flat_map(|vip| &vip.ases).filter(|server| server.flush).filter_map(|it| it.flows);
    Ok(proto::VpplbPlan {
        has_changes: !now.is_empty() || later.as_ref().is_some_and(|later| !later.is_empty()),
        conf: now.settings().iter().map(ToString::to_string).collect::<Vec<_>>().join("; then "),
        later: later.as_ref().map(vips).unwrap_or_default(),
        unchanged: u32::try_from(now.unchanged().count()).unwrap_or(u32::MAX),
        notes: notes.chain(prospect.warnings().iter().cloned()).collect(),
        flushed_flows: flows.map(|_| flushed().sum()),
        flows_read: flows.map(|flows| flows.taken.into()),
        warm_up: prospect.warm_up().to_owned(),
        vips: at_once,
    })
}

fn vip(
    key: &VipKey,
    of: &VipForecast,
    names: &Names<'_>,
    flows: Option<&Flows>,
    snapshot: &Snapshot,
) -> proto::VipPlan {
    let name = names.vip(key);
    let flows = flows.and_then(|flows| flows.per_as.get(&name));
    let ases = of.ases.iter().map(|(address, server)| proto::AsPlan {
        address: address.to_string(),
        backend: names.backend(key, *address).to_owned(),
        weight_before: server.before.map(|claim| claim.weight.into()),
        weight_after: server.after.map(|claim| claim.weight.into()),
        buckets_before: server.before.and_then(|claim| claim.buckets).unwrap_or_default(),
        buckets_after: server.after.and_then(|claim| claim.buckets).unwrap_or_default(),
        flush: server.flush,
        flows: flows.and_then(|flows| flows.get(address)).copied(),
    });
    let ours = snapshot.frontends.iter().filter_map(|frontend| Some((&frontend.vip, frontend.dataplane.as_ref()?)));
    let others = snapshot.vpp.foreign.iter().map(|(name, vip)| (name, vip));
    let compared = ours.chain(others).find(|(known, _)| **known == name).and_then(|(_, vip)| vip.compared);
    proto::VipPlan {
        frontend: names.frontend(key).to_owned(),
        action: of.action.as_str().to_owned(),
        before: of.before.map(form),
        after: of.after.map(form),
        ases: ases.collect(),
        moved_buckets: of.moved.map(|moved| moved.buckets).unwrap_or_default(),
        table_length: of.moved.map(|moved| moved.of).unwrap_or_default(),
        moved_share: of.moved.map(|moved| moved.share()).unwrap_or_default(),
        compared: compared.map(Into::into),
        steps: of.steps.iter().map(ToString::to_string).collect(),
        waits: of.waits.as_ref().map(waits).unwrap_or_default(),
        prefix: name.prefix.to_string(),
        protocol: name.protocol.to_string(),
        port: name.port.into(),
    }
}

fn form(form: Form) -> proto::VipForm {
    proto::VipForm {
        encap: form.encap.to_string(),
        src_ip_sticky: form.src_ip_sticky,
        table_length: form.table_length.known(),
    }
}

fn waits(wait: &Wait) -> String {
    match wait {
        Wait::WarmUp => "until each of its backends has a verdict, or the warm-up ends".to_owned(),
        Wait::Failed { failure, .. } => format!("its last try failed: {}", chain(failure)),
        _ => "for its turn".to_owned(),
    }
}
