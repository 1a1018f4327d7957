//! Any text for `show lb vips verbose`, given to a reconciler that asked for it.
//!
//! Input: the text.

use std::time::Duration;

use maglev_sync::{
    Abilities, Cut, Desired, DesiredAs, DesiredConf, DesiredVip, Encap, Event, FlowTimeout, ForeignVips, Protocol,
    StickyBuckets, TableLength, VerboseStatus, VipKey, Warning, Weight,
};

use super::rig::Rig;
use super::states::abilities;
use super::vpp::Vpp;

/// Checks, of a VPP with weights and of one without, that a text is understood or its first strange line told, and that only
/// VIPs that stand are believed to. Returns the number of flows read.
pub(crate) fn check(data: &[u8]) -> usize {
    [true, false].into_iter().map(|weights| check_with(data, abilities(weights))).sum()
}

fn check_with(data: &[u8], abilities: Abilities) -> usize {
    let text = String::from_utf8_lossy(data).into_owned();
    let lines = text.lines().count();
    let mut rig = Rig::new(Vpp::able(abilities), Duration::ZERO, Duration::ZERO);
    rig.text = Some(text);
    rig.sync.set_desired(rig.now, desired());
    rig.up();
    let mut warning = None;
    // VIPs are created, then told by the text; one of another form is created anew, once, and told again.
    for _ in 0..MOST_ROUNDS {
        for event in rig.events() {
            match event {
                Event::Warning(Warning::VerboseUnreadable(error)) => warning = Some(error),
                Event::VipFailed { key, failure, .. } => panic!("{key}: {failure}"),
                _ => {}
            }
        }
        if rig.send(false).is_none() && rig.waiting.is_empty() {
            match rig.sync.poll_timeout().filter(|at| *at < rig.now + Duration::from_secs(1)) {
                Some(at) => rig.advance(at.saturating_duration_since(rig.now)),
                None => break,
            }
        }
        rig.deliver(0);
    }
    let indices = rig.sync.indices();
    assert!(indices.vips.keys().all(|key| desired().vips.contains_key(key)));
    match rig.sync.status().verbose {
        VerboseStatus::Read { .. } => {
            let flows = &rig.sync.flows().expect("they come with the text").flows;
            assert!(
                flows.keys().all(|(key, _)| desired().vips.contains_key(key)),
                "flows of a VIP that does not stand"
            );
            flows.len()
        }
        VerboseStatus::Failed => {
            let error = warning.expect("what cannot be read is told");
            assert!((1..=lines + 1).contains(&error.line) && error.text.chars().count() <= 80, "{error}");
            assert!(rig.sync.flows().is_none() && indices.vips.is_empty());
            0
        }
        other => panic!("a text was read, and the status is {other:?}"),
    }
}

/// The VIPs of the text in the corpus.
fn desired() -> Desired {
    let host = |address: &str, port| VipKey::host(address.parse().expect("an address"), Protocol::TCP, port);
    let target = DesiredAs { weight: Weight::MAX, cut: Cut::Serving, flush: None };
    let vip = |encap, server: &str| DesiredVip {
        encap,
        src_ip_sticky: false,
        table_length: TableLength::MIN,
        targets: [(server.parse().expect("an address"), target)].into(),
        decided: true,
    };
    Desired {
        conf: DesiredConf {
            ip4_src: [10, 0, 0, 1].into(),
            ip6_src: [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into(),
            sticky_buckets: StickyBuckets::MIN,
            flow_timeout: FlowTimeout::from_secs(40).expect("below two minutes"),
        },
        foreign: ForeignVips::Keep,
        vips: [
            (host("192.0.2.10", 80), vip(Encap::Gre4, "10.2.0.11")),
            (host("192.0.2.10", 443), vip(Encap::Gre4, "10.2.0.11")),
            (host("2001:db8:a::10", 443), vip(Encap::Gre6, "2001:db8:2::11")),
        ]
        .into(),
    }
}

const MOST_ROUNDS: usize = 400;
