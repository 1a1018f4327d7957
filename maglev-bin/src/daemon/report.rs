//! Puts what the reconciler, and health about overrides, say into the words of the log, and counts it.

use maglev_health::{Event as HealthEvent, MemberKey};
use maglev_sync::{Event, SyncCounts, SyncScope, VipKey, Warning};
use std::time::Duration;

use super::link::chain;
use super::translate::vip_name;
use crate::event::{Text, What};
use crate::metrics::Totals;

/// What an event of the reconciler means for everyone else.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What the log says.
    pub(super) what: Option<What>,
    /// The VIP whose view changed.
    pub(super) vip: Option<VipKey>,
    /// A pass that began.
    pub(super) begun: Option<SyncScope>,
    /// A pass that ended.
    pub(super) pass: Option<Pass>,
    /// Indices or flows changed.
    pub(super) indices: bool,
}

/// A pass that ended.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    /// What it covered.
    pub(super) scope: SyncScope,
    /// What it changed.
    pub(super) counts: SyncCounts,
    /// From its start to the last reply.
    pub(super) elapsed: Duration,
    /// Why it failed, if it did.
    pub(super) failure: Option<Text>,
}

impl Pass {
    /// Whether it got as far as its first call; else it was refused before.
    pub(super) fn ran(&self) -> bool {
        self.failure.is_none() || self.elapsed > Duration::ZERO
    }
}

/// What a reload did to an override: the cause of the warning, and its words. `None` for other events.
pub(super) fn about_override(event: &HealthEvent) -> Option<(&'static str, String)> {
    const KEPT: &str = "override-kept";
    const DROPPED: &str = "override-dropped";
    Some(match event {
        HealthEvent::BackendOverrideKept { backend, kept, enabled } => {
            let kept = kept.as_str();
            (KEPT, format!("backend {backend}: the override `{kept}` stays; the config now says enabled: {enabled}"))
        }
        HealthEvent::WeightOverrideKept { member, kept, before, configured } => {
            let MemberKey { frontend, pool, backend } = member;
            let what = format!(
                "the weight {kept} stays as an operator set it; the config said {before} and now says {configured}"
            );
            (KEPT, format!("frontend {frontend} pool {pool} backend {backend}: {what}"))
        }
        HealthEvent::BackendOverrideDropped { backend, dropped } => {
            let dropped = dropped.as_str();
            (DROPPED, format!("backend {backend} left the config; its override `{dropped}` is dropped"))
        }
        HealthEvent::WeightOverrideDropped { member, dropped } => {
            let MemberKey { frontend, pool, backend } = member;
            let place = format!("frontend {frontend} pool {pool} backend {backend}");
            (DROPPED, format!("{place} left the config; its weight override {dropped} is dropped"))
        }
        _ => return None,
    })
}

/// Translates an event.
pub(super) fn sync_event(event: &Event) -> Told {
    let mut told = Told::default();
    told.what = match event {
        Event::Read { vips, ases, conf, .. } => Some(What::VppLbState {
            vips: whole(*vips),
            ases: whole(*ases),
            sticky_buckets: conf.sticky_buckets_per_core.unwrap_or_default().into(),
            flow_timeout: conf.flow_timeout.unwrap_or_default().into(),
        }),
        Event::WarmUp(phase) => Some(What::WarmUp { phase: phase.to_string().into() }),
        Event::Released(key) => about(&mut told, key, |vip| What::VipReleased { vip }),
        Event::SyncStart { scope } => {
            told.begun = Some(*scope);
            Some(What::VppLbSyncStart { scope: text(scope) })
        }
        Event::SyncDone { scope, counts, elapsed } => {
            told.pass = Some(Pass { scope: *scope, counts: *counts, elapsed: *elapsed, failure: None });
            let (changes, elapsed) = (changes(counts), elapsed.as_secs_f64());
            Some(What::VppLbSyncDone { scope: text(scope), changes, elapsed })
        }
        Event::SyncError { scope, reason, counts, elapsed } => {
            let reason: Text = chain(reason).into();
            let failure = Some(reason.clone());
            told.pass = Some(Pass { scope: *scope, counts: *counts, elapsed: *elapsed, failure });
            Some(What::VppLbSyncError { scope: text(scope), reason })
        }
        Event::ConfUpdated(update) => Some(What::ConfUpdated { conf: update.to_string().into() }),
        Event::VipAdded(key) => about(&mut told, key, |vip| What::VipAdded { vip }),
        Event::VipRemoved(key) => about(&mut told, key, |vip| What::VipRemoved { vip }),
        Event::VipRecreated(key) => about(&mut told, key, |vip| What::VipRecreated { vip }),
        Event::AsAdded { key, address, weight } => {
            let (address, weight) = (text(address), weight.get().into());
            about(&mut told, key, |vip| What::AsAdded { vip, address, weight })
        }
        Event::AsRemoved { key, address, flush } => {
            let (address, flush) = (text(address), *flush);
            about(&mut told, key, |vip| What::AsRemoved { vip, address, flush })
        }
        Event::AsWeightUpdated { key, address, from, to, flush } => {
            let (address, from, to, flush) = (text(address), (*from).into(), to.get().into(), *flush);
            about(&mut told, key, |vip| What::AsWeightUpdated { vip, address, from, to, flush })
        }
        Event::VipFailed { key, failure, retry_in } => {
            let reason = format!("{}; tried again in {retry_in:?}", chain(failure)).into();
            about(&mut told, key, |vip| What::VppLbSyncError { scope: vip, reason })
        }
        Event::Drift { key, what } => {
            let what = text(what);
            about(&mut told, key, |vip| What::Drift { vip, what })
        }
        Event::Warning(warning) => Some(What::Warning { cause: cause(warning).into(), message: chain(warning).into() }),
        Event::IndicesChanged { .. } => {
            told.indices = true;
            None
        }
        other => Some(What::Warning { cause: "internal".into(), message: format!("unknown event {other:?}").into() }),
    };
    told
}

fn about(told: &mut Told, key: &VipKey, what: impl FnOnce(Text) -> What) -> Option<What> {
    told.vip = Some(*key);
    Some(what(text(&vip_name(key))))
}

fn text(value: &impl ToString) -> Text {
    value.to_string().into()
}

fn label(scope: &SyncScope) -> &'static str {
    match scope {
        SyncScope::All => "all",
        SyncScope::Vip(_) => "vip",
        _ => "batch",
    }
}

fn cause(warning: &Warning) -> &'static str {
    match warning {
        Warning::VerboseTooLarge { .. } => "verbose-too-large",
        Warning::VerboseUnreadable(_) => "verbose-unreadable",
        Warning::VerboseRefused(_) => "verbose-refused",
        Warning::StickyBucketsDiffer { .. } => "sticky-buckets-differ",
        Warning::TableLengthDiffers { .. } => "table-length-differs",
        Warning::InTheWay { .. } => "vip-in-the-way",
        Warning::SrcIpSticky { .. } => "src-ip-sticky",
        Warning::ConfRefused { .. } => "conf-refused",
        Warning::ReadRefused(_) => "read-refused",
        _ => "vpp",
    }
}

fn kinds(counts: &SyncCounts) -> [(&'static str, u32); 6] {
    [
        ("vip-added", counts.vips_added),
        ("vip-removed", counts.vips_removed),
        ("vip-recreated", counts.vips_recreated),
        ("as-added", counts.ases_added),
        ("as-removed", counts.ases_removed),
        ("as-weight-updated", counts.weights_updated),
    ]
}

fn changes(counts: &SyncCounts) -> u64 {
    kinds(counts).iter().map(|(_, count)| u64::from(*count)).sum()
}

fn whole(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Counts a pass.
pub(super) fn count_pass(totals: &Totals, pass: &Pass) {
    let scope = label(&pass.scope);
    for (kind, count) in kinds(&pass.counts) {
        if count > 0 {
            totals.sync(scope, kind, count.into());
        }
    }
    totals.sync(scope, if pass.failure.is_none() { "done" } else { "error" }, 1);
    totals.sync_took(scope, pass.elapsed);
}

/// Counts what is counted by its event.
pub(super) fn count(totals: &Totals, what: &What) {
    match what {
        What::BackendTransition { backend, from, to, .. } => totals.transition(backend, from, to),
        What::ConfigReload { result, .. } => totals.reload(if &**result == "ok" { "ok" } else { "refused" }),
        What::AsWeightUpdated { flush: true, .. } => totals.sync("vip", "as-flushed", 1),
        _ => {}
    }
}
