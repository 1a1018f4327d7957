//! Whether VPP's words, the daemon's and the config's agree.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use maglev_bin::snapshot::{Counters, Snapshot, VipName};

use crate::support::{PATIENCE, Running};
use crate::text::Vip;
use crate::vpp::Vpp;

/// Waits until backends are in these states and VPP has what the daemon says and wants, then gives VPP's VIPs by frontend.
pub(crate) async fn agree_on(vpp: &Vpp, running: &Running, states: &[(&str, &str)]) -> BTreeMap<String, Vip> {
    for (name, state) in states {
        running.becomes(name, state).await;
    }
    let begin = Instant::now();
    loop {
        let mut vips = vpp.vips().await;
        let snapshot = running.daemon.published().snapshot();
        if !vpp.has_weights() {
            complete(&mut vips, &snapshot);
        }
        let wanted = |weight: u8| vpp.takes([weight])[0];
        let differences = differences(&snapshot, &vips, wanted);
        if differences.is_empty() {
            let by_name = |name: &VipName| vips.iter().find(|vip| vip.name == *name).expect("they agree").clone();
            return snapshot.frontends.iter().map(|it| (it.name.to_string(), by_name(&it.vip))).collect();
        }
        assert!(begin.elapsed() < PATIENCE, "after {PATIENCE:?} they differ still:\n{}", differences.join("\n"));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until the daemon has read so many packets of a VIP.
pub(crate) async fn counted(running: &Running, vip: &VipName, packets: u64) {
    let published = running.daemon.published();
    let of = |counters: &Counters| {
        let counted = counters.vips.get(vip).copied().unwrap_or_default();
        counted.first + counted.next + counted.untracked + counted.no_server
    };
    let is_there = || published.counters().is_some_and(|counters| of(&counters) == packets);
    until_told(&format!("{packets} packets to {vip} to be counted"), is_there).await;
}

/// Waits for something that the daemon learns from `show lb vips verbose`. It asks for that at most 0.1 % of the time, so that it may
/// wait for a thousand times as long as VPP took for the last one: 50 s after 50 ms, on a machine under load.
pub(crate) async fn until_told(what: &str, mut condition: impl FnMut() -> bool) {
    const LONG: Duration = Duration::from_secs(120);
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < LONG, "waited {LONG:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Adds servers at weight 0, which before 26.10 are not in use and so not in VPP's words, where the daemon shows them.
fn complete(vips: &mut [Vip], snapshot: &Snapshot) {
    for vip in vips {
        let frontend = snapshot.frontends.iter().find(|frontend| frontend.vip == vip.name);
        let ases = frontend.and_then(|frontend| frontend.dataplane.as_ref()).into_iter().flat_map(|view| &view.ases);
        for (address, _) in ases.filter(|(_, shown)| shown.weight == 0) {
            vip.servers.entry(*address).or_insert((0, 0));
        }
    }
}

/// In what VPP's words differ from what the daemon shows, and from what it wants.
fn differences(snapshot: &Snapshot, vips: &[Vip], wanted_weight: impl Fn(u8) -> u8) -> Vec<String> {
    let mut found = Vec::new();
    let wanted: BTreeSet<_> = snapshot.frontends.iter().map(|frontend| &frontend.vip).collect();
    let foreign = vips.iter().filter(|vip| !wanted.contains(&vip.name));
    found.extend(foreign.map(|vip| format!("VPP has {}, which no frontend wants", vip.name)));
    for frontend in &snapshot.frontends {
        let Some(vip) = vips.iter().find(|vip| vip.name == frontend.vip) else {
            found.push(format!("VPP lacks {}", frontend.vip));
            continue;
        };
        let mut weights = BTreeMap::new();
        for member in frontend.pools.iter().flat_map(|pool| &pool.backends) {
            let weight: &mut u8 = weights.entry(member.address).or_default();
            *weight = (*weight).max(wanted_weight(member.effective_weight));
        }
        let in_vpp: BTreeMap<_, _> = vip.servers.iter().map(|(address, (weight, _))| (*address, *weight)).collect();
        if in_vpp != weights {
            found.push(format!("{}: wanted {weights:?}, VPP has {in_vpp:?}", frontend.vip));
        }
        let Some(view) = &frontend.dataplane else {
            found.push(format!("{}: the daemon does not know what VPP has", frontend.vip));
            continue;
        };
        let shown: BTreeMap<_, _> = view.ases.iter().map(|(address, it)| (*address, (it.weight, it.buckets))).collect();
        if shown != vip.servers {
            found.push(format!("{}: the daemon shows {shown:?}, VPP has {:?}", frontend.vip, vip.servers));
        }
        if view.table_length != Some(vip.table_length) || frontend.table_length_wanted != vip.table_length {
            let (shown, wanted) = (view.table_length, frontend.table_length_wanted);
            found.push(format!("{}: table of {shown:?}, wanted {wanted}, VPP has {}", frontend.vip, vip.table_length));
        }
    }
    found
}
