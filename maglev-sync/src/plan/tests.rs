use std::net::IpAddr;

use super::*;
use crate::model::{DesiredVip, Encap, Weight};
use crate::testing::{FakeVpp, conf, desired, down, key, server, up, vip};

/// A scope that may remove and does not resize.
fn pruning() -> Scope {
    Scope { prune: true, ..Scope::default() }
}

fn lines(plan: &Plan) -> Vec<String> {
    plan.steps().map(ToString::to_string).collect()
}

fn plan(wanted: &Desired, standing: &Desired, scope: &Scope) -> Plan {
    Plan::new(wanted, &FakeVpp::as_desired(standing).actual(), scope)
}

#[test]
fn equal_states_need_nothing() {
    let wanted = desired([(key("192.0.2.1", 80), vip([up(1, 100), down(2)]))]);
    let plan = plan(&wanted, &wanted, &pruning());
    assert!(plan.is_empty());
    assert_eq!(plan.to_string(), "nothing to do\n");
    assert_eq!(plan.unchanged().len(), 1);
}

#[test]
fn a_missing_vip_is_created_with_its_servers_in_numerical_order() {
    let wanted = desired([(key("192.0.2.1", 80), vip([up(10, 100), up(9, 0), down(200)]))]);
    let plan = plan(&wanted, &desired([]), &pruning());
    assert_eq!(
        lines(&plan),
        [
            "192.0.2.1 tcp/80: create, gre4, 1024 buckets",
            "192.0.2.1 tcp/80: add server 10.0.0.9 weight 0",
            "192.0.2.1 tcp/80: add server 10.0.0.10 weight 100",
            "192.0.2.1 tcp/80: add server 10.0.0.200 weight 0",
        ]
    );
}

#[test]
fn additions_and_raises_come_before_deletions_and_cuts_of_serving_servers() {
    let key = key("192.0.2.1", 80);
    let standing = desired([(key, vip([up(1, 100), up(2, 50), up(3, 100), up(5, 10)]))]);
    let wanted = desired([(key, vip([up(1, 40), up(2, 100), up(4, 100), up(5, 0)]))]);
    let plan = plan(&wanted, &standing, &pruning());
    let told: Vec<(Stage, String)> = plan.steps().map(|step| (step.stage, step.to_string())).collect();
    let expected = [
        (Stage::Grow, "192.0.2.1 tcp/80: server 10.0.0.2 weight 100 (was 50)"),
        (Stage::Grow, "192.0.2.1 tcp/80: add server 10.0.0.4 weight 100"),
        (Stage::Shrink, "192.0.2.1 tcp/80: server 10.0.0.1 weight 40 (was 100)"),
        // It left: its flows drain.
        (Stage::Shrink, "192.0.2.1 tcp/80: delete server 10.0.0.3 (was 100)"),
        (Stage::Shrink, "192.0.2.1 tcp/80: server 10.0.0.5 weight 0 (was 10)"),
    ];
    assert_eq!(told, expected.map(|(stage, line)| (stage, line.to_owned())));
}

#[test]
fn cuts_of_servers_that_do_not_serve_wait_for_nothing() {
    let key = key("192.0.2.1", 80);
    let standing = desired([(key, vip([up(1, 100), up(2, 50), up(3, 0)]))]);
    let wanted = desired([(key, vip([down(1), up(2, 100), up(3, 0)]))]);
    let plan = plan(&wanted, &standing, &pruning());
    let stages: Vec<Stage> = plan.steps().map(|step| step.stage).collect();
    assert_eq!(stages, [Stage::UrgentCut, Stage::Grow]);
    assert_eq!(lines(&plan)[0], "192.0.2.1 tcp/80: server 10.0.0.1 weight 0 (was 100)");
}

#[test]
fn a_cut_that_would_empty_the_vip_follows_its_successor_without_waiting() {
    let key = key("192.0.2.1", 80);
    let standing = desired([(key, vip([up(1, 100), up(2, 0), up(3, 0)]))]);
    let wanted = desired([(key, vip([down(1), up(2, 100), up(3, 100)]))]);
    let plan = plan(&wanted, &standing, &pruning());
    let told: Vec<(Stage, String)> = plan.steps().map(|step| (step.stage, step.to_string())).collect();
    let expected = [
        (Stage::UrgentCut, "192.0.2.1 tcp/80: server 10.0.0.2 weight 100 (was 0)"),
        (Stage::UrgentCut, "192.0.2.1 tcp/80: server 10.0.0.1 weight 0 (was 100)"),
        (Stage::Grow, "192.0.2.1 tcp/80: server 10.0.0.3 weight 100 (was 0)"),
    ];
    assert_eq!(told, expected.map(|(stage, line)| (stage, line.to_owned())));
}

#[test]
fn an_urgent_reduction_above_zero_is_an_ordinary_one() {
    let key = key("192.0.2.1", 80);
    let standing = desired([(key, vip([up(1, 100)]))]);
    let mut wanted = desired([(key, vip([up(1, 50)]))]);
    let target = wanted.vips.get_mut(&key).and_then(|vip| vip.targets.get_mut(&server(1)));
    target.expect("it is there").cut = crate::model::Cut::Urgent;
    let plan = plan(&wanted, &standing, &pruning());
    assert_eq!(plan.steps().map(|step| step.stage).collect::<Vec<_>>(), [Stage::Shrink]);
}

#[test]
fn weights_that_only_others_set_are_brought_down() {
    let key = key("192.0.2.1", 80);
    let wanted = desired([(key, vip([up(1, 100)]))]);
    let mut actual = FakeVpp::as_desired(&wanted).actual();
    actual.vips.get_mut(&key).and_then(|vip| vip.ases.get_mut(&server(1))).expect("it is there").weight = 200;
    let plan = Plan::new(&wanted, &actual, &pruning());
    assert_eq!(lines(&plan), ["192.0.2.1 tcp/80: server 10.0.0.1 weight 100 (was 200)"]);
}

#[test]
fn another_encapsulation_or_hash_re_creates_the_vip_in_one_stage() {
    let key = key("192.0.2.1", 80);
    let standing = desired([(key, vip([up(1, 100)]))]);
    let sticky = DesiredVip { src_ip_sticky: true, ..vip([up(1, 100)]) };
    let plan_sticky = plan(&desired([(key, sticky)]), &standing, &pruning());
    let expected = [
        "192.0.2.1 tcp/80: delete server 10.0.0.1, flush its flows (was 100)",
        "192.0.2.1 tcp/80: delete",
        "192.0.2.1 tcp/80: create, gre4, 1024 buckets, src-ip-sticky",
        "192.0.2.1 tcp/80: add server 10.0.0.1 weight 100",
    ];
    assert_eq!(lines(&plan_sticky), expected);
    assert!(plan_sticky.steps().all(|step| step.stage == Stage::Create));

    let v6: IpAddr = "2001:db8::1".parse().expect("an address");
    let other = DesiredVip { encap: Encap::Gre6, targets: [(v6, up(1, 100).1)].into(), ..vip([]) };
    let plan_encap = plan(&desired([(key, other)]), &standing, &pruning());
    assert_eq!(lines(&plan_encap)[2], "192.0.2.1 tcp/80: create, gre6, 1024 buckets");
}

#[test]
fn an_unknown_hash_is_taken_for_right() {
    let key = key("192.0.2.1", 80);
    let wanted = desired([(key, DesiredVip { src_ip_sticky: true, ..vip([up(1, 100)]) })]);
    let mut actual = FakeVpp::as_desired(&wanted).actual();
    actual.vips.get_mut(&key).expect("it is there").src_ip_sticky = None;
    assert!(Plan::new(&wanted, &actual, &pruning()).is_empty());
}

#[test]
fn another_table_length_is_told_and_left_unless_re_creation_was_asked_for() {
    let key = key("192.0.2.1", 80);
    let standing = desired([(key, vip([up(1, 100)]))]);
    let longer = DesiredVip { table_length: TableLength::new(65_536).expect("a length"), ..vip([up(1, 50)]) };
    let wanted = desired([(key, longer)]);
    let kept = plan(&wanted, &standing, &pruning());
    // Its servers are looked after all the same.
    assert_eq!(lines(&kept), ["192.0.2.1 tcp/80: server 10.0.0.1 weight 50 (was 100)"]);
    assert!(
        kept.to_string()
            .ends_with("note: 192.0.2.1 tcp/80: stands with 1024 buckets, not 65536; left until it is re-created\n")
    );

    let resized = plan(&wanted, &standing, &Scope { recreate: true, ..pruning() });
    assert!(lines(&resized).contains(&"192.0.2.1 tcp/80: create, gre4, 65536 buckets".to_owned()));
    assert_eq!(resized.notes(), []);
}

#[test]
fn a_length_that_the_dump_cannot_show_is_no_difference() {
    let key = key("192.0.2.1", 80);
    let longer = DesiredVip { table_length: TableLength::new(65_536).expect("a length"), ..vip([up(1, 100)]) };
    let wanted = desired([(key, longer)]);
    let mut actual = FakeVpp::as_desired(&wanted).actual();
    actual.vips.get_mut(&key).expect("it is there").table_length = ActualLength::Low16(0);
    let plan = Plan::new(&wanted, &actual, &Scope { recreate: true, ..pruning() });
    assert!(plan.is_empty() && plan.notes().is_empty(), "{plan}");
}

#[test]
fn a_vip_that_goes_loses_its_servers_with_flush_and_then_itself() {
    let standing = desired([(key("192.0.2.1", 80), vip([up(1, 100), up(2, 0)]))]);
    let plan = plan(&desired([]), &standing, &pruning());
    assert_eq!(
        lines(&plan),
        [
            "192.0.2.1 tcp/80: delete server 10.0.0.1, flush its flows (was 100)",
            "192.0.2.1 tcp/80: delete server 10.0.0.2, flush its flows (was 0)",
            "192.0.2.1 tcp/80: delete",
        ]
    );
    assert!(plan.steps().all(|step| step.stage == Stage::Remove));
}

#[test]
fn foreign_vips_go_or_stay_as_wanted_and_ours_go_in_either_case() {
    let (ours, foreign) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let standing = desired([(ours, vip([])), (foreign, vip([]))]);
    let scope = Scope { ours: [ours].into(), ..pruning() };
    let mut wanted = desired([]);
    assert_eq!(lines(&plan(&wanted, &standing, &scope)), ["192.0.2.1 tcp/80: delete", "192.0.2.2 tcp/80: delete"]);
    wanted.foreign = ForeignVips::Keep;
    assert_eq!(lines(&plan(&wanted, &standing, &scope)), ["192.0.2.1 tcp/80: delete"]);
    let hands_off = Scope { prune: false, ..scope };
    assert!(plan(&wanted, &standing, &hands_off).is_empty());
}

#[test]
fn vips_that_exclude_each_other_change_places_deletions_first() {
    let (http, https, all) = (key("192.0.2.1", 80), key("192.0.2.1", 443), key("192.0.2.1", 0));
    let standing = desired([(http, vip([up(1, 100)])), (https, vip([up(1, 100)]))]);
    let wanted = desired([(all, vip([up(2, 100)]))]);
    assert_eq!(
        lines(&plan(&wanted, &standing, &pruning())),
        [
            "192.0.2.1 tcp/80: delete server 10.0.0.1, flush its flows (was 100)",
            "192.0.2.1 tcp/80: delete",
            "192.0.2.1 tcp/443: delete server 10.0.0.1, flush its flows (was 100)",
            "192.0.2.1 tcp/443: delete",
            "192.0.2.1 any: create, gre4, 1024 buckets",
            "192.0.2.1 any: add server 10.0.0.2 weight 100",
        ]
    );
}

#[test]
fn vips_of_one_address_change_their_encapsulation_together() {
    let (http, https) = (key("192.0.2.1", 80), key("192.0.2.1", 443));
    let standing = desired([(http, vip([])), (https, vip([]))]);
    let gre6 = DesiredVip { encap: Encap::Gre6, ..vip([]) };
    let wanted = desired([(http, gre6.clone()), (https, gre6)]);
    assert_eq!(
        lines(&plan(&wanted, &standing, &pruning())),
        [
            "192.0.2.1 tcp/80: delete",
            "192.0.2.1 tcp/443: delete",
            "192.0.2.1 tcp/80: create, gre6, 1024 buckets",
            "192.0.2.1 tcp/443: create, gre6, 1024 buckets",
        ]
    );
}

#[test]
fn vips_of_one_address_that_get_along_do_not_wait_for_each_other() {
    let (http, https) = (key("192.0.2.1", 80), key("192.0.2.1", 443));
    let standing = desired([(http, vip([up(1, 100)])), (https, vip([up(1, 100)]))]);
    let sticky = DesiredVip { src_ip_sticky: true, ..vip([up(1, 100)]) };
    let wanted = desired([(http, sticky.clone()), (https, sticky)]);
    let plan = plan(&wanted, &standing, &pruning());
    assert_eq!(plan.units.len(), 2);
}

#[test]
fn a_kept_foreign_vip_in_the_way_is_named_and_nothing_is_deleted() {
    let (http, https) = (key("192.0.2.1", 80), key("192.0.2.1", 443));
    let standing = desired([(http, vip([up(1, 100)])), (https, vip([]))]);
    let mut wanted = desired([(http, DesiredVip { encap: Encap::Gre6, ..vip([]) })]);
    wanted.foreign = ForeignVips::Keep;
    let plan = plan(&wanted, &standing, &pruning());
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(plan.notes(), [Note::InTheWay { key: http, by: https }]);
    assert!(plan.to_string().contains("VPP cannot hold it beside 192.0.2.1 tcp/443; nothing is deleted"));
}

#[test]
fn settings_go_first_and_only_when_they_differ() {
    let wanted = desired([(key("192.0.2.1", 80), vip([]))]);
    let mut vpp = FakeVpp::new();
    let update = |actual: &FakeVpp| Plan::new(&wanted, &actual.actual(), &pruning()).conf().copied();
    let sent = update(&vpp).expect("nothing is configured yet");
    assert_eq!((sent.ip4_src, sent.ip6_src), (conf().ip4_src, conf().ip6_src));
    assert_eq!((sent.sticky_buckets, sent.flow_timeout), (None, Some(conf().flow_timeout)));
    vpp.quietly(Call::Conf(sent));
    assert_eq!(update(&vpp), None);
}

#[test]
fn another_number_of_sticky_buckets_is_sent_only_while_there_is_no_vip() {
    let vip_key = key("192.0.2.1", 80);
    let mut wanted = desired([(vip_key, vip([]))]);
    wanted.conf.sticky_buckets = StickyBuckets::new(65_536).expect("a number");
    let buckets = |plan: &Plan| plan.conf().map(|update| update.sticky_buckets.map(StickyBuckets::get));

    let empty = Plan::new(&wanted, &FakeVpp::new().actual(), &pruning());
    assert_eq!(buckets(&empty), Some(Some(65_536)));

    let mut vpp = FakeVpp::as_desired(&desired([(vip_key, vip([]))]));
    let kept = Plan::new(&wanted, &vpp.actual(), &pruning());
    assert_eq!(buckets(&kept), None);
    assert_eq!(kept.notes(), [Note::StickyBuckets { wanted: wanted.conf.sticky_buckets, actual: 1024 }]);

    // Addresses and time-out go without them.
    vpp.conf.flow_timeout = Some(30);
    let partly = Plan::new(&wanted, &vpp.actual(), &pruning());
    assert_eq!(buckets(&partly), Some(None));
    assert_eq!(partly.notes().len(), 1);

    let forced = Plan::new(&wanted, &vpp.actual(), &Scope { recreate: true, ..pruning() });
    assert_eq!(buckets(&forced), Some(Some(65_536)));
    assert_eq!(forced.notes(), []);
}

#[test]
fn a_plan_never_flushes_a_vip_or_exceeds_a_weight() {
    // Not a matter of luck: `Call` has no such value. This pins the closed set.
    let sample = Call::AsAdd { key: key("192.0.2.1", 80), address: server(1), weight: Weight::MAX };
    match sample {
        Call::ConfGet
        | Call::Conf(_)
        | Call::VipDump
        | Call::AsDump(_)
        | Call::VipAdd { .. }
        | Call::VipDel(_)
        | Call::AsAdd { .. }
        | Call::AsDel { .. }
        | Call::AsSetWeight { .. }
        | Call::Verbose
        | Call::Route(_) => {}
    }
    assert_eq!(Weight::MAX.get(), 100);
}

mod properties;
