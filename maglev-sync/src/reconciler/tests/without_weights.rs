//! VPPs before 26.10, where a server is in use or it is not.

use crate::call::Call;
use crate::event::{Drift, Event, Failure, Warning};
use crate::model::{Desired, Weight};
use crate::testing::{
    FakeVpp, Rig, abilities, desired, disabled, down, flushed, flushed_first, key, secs, server, up, vip, weight,
};

const OLD: bool = false;

fn drifts(rig: &Rig) -> Vec<Drift> {
    let drift = |event: &Event| match event {
        Event::Drift { what, .. } => Some(*what),
        _ => None,
    };
    rig.events.iter().filter_map(drift).collect()
}

#[test]
fn every_weight_above_0_is_in_use_and_the_desired_state_stays_what_was_wanted() {
    let one = key("192.0.2.1", 80);
    let wanted = desired([(one, vip([up(1, 100), up(2, 7), up(3, 0)]))]);
    let mut rig = Rig::warm(FakeVpp::able(abilities(OLD)));
    rig.want(wanted.clone());
    rig.up();
    let in_use = |rig: &Rig| [1, 2, 3].map(|n| rig.vpp.weight(&one, server(n)));
    assert_eq!(in_use(&rig), [Some(1), Some(1), None]);
    assert_eq!(rig.sync.desired(), Some(&wanted));
    assert!(rig.sync.status().vips[&one].in_sync);

    // Another weight above 0 is no news there.
    rig.vpp.log.clear();
    rig.update(one, vip([up(1, 30), up(2, 60), up(3, 0)]));
    rig.advance(secs(120));
    assert_eq!((rig.take_writes(), drifts(&rig)), (vec![], vec![]));

    // In and out.
    rig.update(one, vip([down(1), up(2, 60), up(3, 100)]));
    rig.advance(secs(120));
    assert_eq!(
        rig.take_writes(),
        ["192.0.2.1 tcp/80: server 10.0.0.1 weight 0", "192.0.2.1 tcp/80: server 10.0.0.3 weight 1"]
    );
    assert_eq!((in_use(&rig), drifts(&rig)), ([None, Some(1), Some(1)], vec![]));
}

#[test]
fn a_cut_server_keeps_its_flows_until_its_flush_is_due() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled_over(OLD, desired([(one, vip([up(1, 100), up(2, 100)]))]));
    rig.update(one, vip([flushed(1, 1), up(2, 100)]));
    rig.advance(secs(60));
    assert_eq!(
        rig.take_writes(),
        ["192.0.2.1 tcp/80: server 10.0.0.1 weight 0", "192.0.2.1 tcp/80: server 10.0.0.1 weight 0, flush its flows"]
    );
    assert_eq!(rig.vpp.flushes, [(one, server(1))]);
}

#[test]
fn a_server_that_vpp_never_had_in_use_needs_no_flush() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled_over(OLD, desired([(one, vip([up(1, 100), up(2, 0)]))]));
    rig.update(one, vip([up(1, 100), disabled(2, 1)]));
    rig.advance(secs(60));
    assert_eq!(rig.take_writes(), [""; 0]);
    assert_eq!(rig.sync.flushes_owed(), 0);
}

#[test]
fn a_restart_finds_the_servers_at_weight_0_where_vpp_lists_removed_ones() {
    let one = key("192.0.2.1", 80);
    let standing = desired([(one, vip([up(1, 100), up(2, 100), up(3, 100)]))]);
    let mut vpp = FakeVpp::holding(&standing, OLD);
    // One has flows, one is not even remembered.
    vpp.quietly(Call::AsDel { key: one, address: server(3), flush: false });
    vpp.collect();
    vpp.quietly(Call::AsDel { key: one, address: server(2), flush: false });
    let wanted = desired([(one, vip([up(1, 100), flushed_first(2, 1), down(3)]))]);
    let mut rig = Rig::warm(vpp);
    rig.want(wanted);
    rig.up();
    rig.advance(secs(120));
    assert_eq!((rig.take_writes(), drifts(&rig)), (vec![], vec![]));
    let weights = [1, 2, 3].map(|n| rig.sync.actual_weight(&one, server(n)));
    assert_eq!(weights, [Some(100), Some(0), Some(0)]);

    // What was remembered can still be flushed.
    rig.update(one, vip([up(1, 100), disabled(2, 2), down(3)]));
    rig.advance(secs(1));
    assert_eq!(rig.vpp.flushes, [(one, server(2))]);
}

#[test]
fn what_health_keeps_is_the_whole_claim_also_while_vpp_is_replaced_by_one_with_weights() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled_over(OLD, desired([(one, vip([up(1, 50), up(2, 0)]))]));
    let kept = |rig: &Rig| [1, 2].map(|n| rig.sync.actual_weight(&one, server(n)));
    assert_eq!(kept(&rig), [Some(100), Some(0)]);
    rig.restart_vpp();
    assert_eq!(kept(&rig), [Some(100), Some(0)]);
    rig.vpp.abilities = abilities(true);
    rig.up();
    rig.advance(secs(1));
    // The new VPP has weights, and gets those that are wanted.
    let weights = [1, 2].map(|n| rig.vpp.weight(&one, server(n)));
    assert_eq!(weights, [Some(50), Some(0)]);
    assert_eq!(kept(&rig), [Some(50), Some(0)]);
}

#[test]
fn drift_is_repaired_in_both_directions() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled_over(OLD, desired([(one, vip([up(1, 100), up(2, 100), up(3, 0)]))]));
    rig.vpp.quietly(Call::AsDel { key: one, address: server(1), flush: false });
    rig.vpp.quietly(Call::AsAdd { key: one, address: server(3), weight: weight(1) });
    rig.advance(secs(60));
    assert_eq!(
        drifts(&rig),
        [
            Drift::As { address: server(1), expected: Some(1), found: Some(0) },
            Drift::As { address: server(3), expected: Some(0), found: Some(1) },
        ]
    );
    let in_use = [1, 2, 3].map(|n| rig.vpp.weight(&one, server(n)));
    assert_eq!(in_use, [Some(1), Some(1), None]);
}

#[test]
fn a_vip_that_goes_takes_the_flows_of_all_its_servers_with_it() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled_over(OLD, desired([(one, vip([up(1, 100), down(2)]))]));
    rig.want(desired([]));
    rig.advance(secs(1));
    assert!(!rig.vpp.has(&one));
    assert_eq!(rig.vpp.flushes, [(one, server(1)), (one, server(2))]);
}

#[test]
fn a_server_is_looked_up_when_it_comes_into_use_and_forgotten_when_vpp_forgets_it() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled_over(OLD, desired([(one, vip([up(1, 100), down(2)]))]));
    assert_eq!(rig.sync.indices().as_routes.get(&server(2)), None);
    rig.update(one, vip([up(1, 100), up(2, 100)]));
    rig.advance(secs(1));
    let route = rig.vpp.route(server(2).into());
    assert!(route.is_some());
    assert_eq!(rig.sync.indices().as_routes.get(&server(2)).copied(), route);

    // Its flows go on, and its counter with them.
    rig.update(one, vip([up(1, 100), down(2)]));
    rig.advance(secs(60));
    assert_eq!(rig.sync.indices().as_routes.get(&server(2)).copied(), route);
    rig.sync.request_flows(rig.now);
    rig.advance(secs(60));
    assert!(rig.sync.flows().is_some_and(|flows| flows.flows.contains_key(&(one, server(2)))));

    rig.vpp.collect();
    rig.advance(secs(60));
    assert_eq!(rig.sync.indices().as_routes.get(&server(2)), None);
    assert!(rig.sync.indices().as_routes.contains_key(&server(1)));
}

#[test]
fn a_plan_tells_weights_as_vpp_takes_them() {
    let one = key("192.0.2.1", 80);
    let rig = Rig::settled_over(OLD, desired([(one, vip([up(1, 100), up(2, 10)]))]));
    let drained = desired([(one, vip([up(1, 100), up(2, 0)]))]);
    let forecast = rig.sync.outlook().expect("both states are known").with_desired(drained).forecast(false);
    let told = &forecast.vips()[&one];
    assert_eq!(told.steps[0].to_string(), "192.0.2.1 tcp/80: server 10.0.0.2 weight 0 (was 1)");
    let buckets = |n| told.ases[&server(n)].before.and_then(|claim| claim.buckets);
    assert_eq!((buckets(1), buckets(2)), (Some(512), Some(512)));
}

#[test]
fn settings_that_vpp_does_not_tell_are_sent_once_for_there_are_no_sessions_to_forget() {
    let one = key("192.0.2.1", 80);
    let mut wanted: Desired = desired([(one, vip([up(1, 100)]))]);
    let mut vpp = FakeVpp::holding(&wanted, OLD);
    vpp.has_sticky_table = false;
    wanted.conf.sticky_buckets = crate::model::StickyBuckets::new(65_536).expect("a number");
    let mut rig = Rig::warm(vpp);
    rig.want(wanted);
    rig.up();
    rig.advance(secs(120));
    assert_eq!(
        rig.take_writes(),
        ["settings: sources 10.0.0.254 and 2001:db8::254, 65536 sticky buckets, flow time-out 40s"]
    );
    assert_eq!(rig.vpp.conf.sticky_buckets_per_core, Some(65_536));
    assert_eq!(rig.sync.status().sticky_buckets_differ, None);
}

#[test]
fn a_vip_that_needs_an_untrustworthy_hash_is_left_alone_and_others_go_on() {
    let (sticky, plain) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let mut wanted = desired([(sticky, vip([up(1, 100)])), (plain, vip([up(1, 100)]))]);
    let standing = wanted.clone();
    wanted.vips.get_mut(&sticky).expect("it is there").src_ip_sticky = true;
    wanted.vips.get_mut(&plain).expect("it is there").targets.extend([up(2, 100)]);
    let mut vpp = FakeVpp::holding(&standing, OLD);
    vpp.abilities.src_ip_sticky = false;
    let mut rig = Rig::warm(vpp);
    rig.want(wanted.clone());
    rig.up();
    rig.advance(secs(120));
    assert_eq!(rig.take_writes(), ["192.0.2.2 tcp/80: server 10.0.0.2 weight 1"]);
    assert!(rig.vpp.serves(&sticky));
    let told = rig.events.iter().filter(|event| **event == Event::Warning(Warning::SrcIpSticky { key: sticky }));
    assert_eq!(told.count(), 1);
    let status = rig.sync.status();
    assert_eq!(status.vips[&sticky].last_error, Some(Failure::SrcIpSticky));
    assert!(!status.vips[&sticky].in_sync && status.vips[&plain].in_sync);

    // A release that can be trusted makes it anew.
    rig.restart_vpp();
    rig.vpp.abilities = Default::default();
    rig.up();
    rig.advance(secs(1));
    assert!(rig.sync.status().vips[&sticky].in_sync);
    assert_eq!(rig.vpp.weight(&sticky, server(1)), Some(Weight::MAX.get()));
}
