mod properties;

use super::*;
use crate::event::Failure;
use crate::model::*;
use crate::table::Moved;
use crate::testing::{FakeVpp, Rig, conf, desired, disabled, down, flushed, flushed_first, key, secs, server, up, vip};

/// What is in store for a VPP that holds what `standing` says.
fn forecast(standing: &Desired, wanted: &Desired) -> Forecast {
    let ours = standing.vips.keys().copied();
    Outlook::new(wanted.clone(), FakeVpp::as_desired(standing).actual()).with_ours(ours).forecast(false)
}

fn words(vip: &VipForecast) -> Vec<String> {
    vip.steps.iter().map(Step::to_string).collect()
}

fn claim(weight: u8, buckets: u32) -> Option<Claim> {
    Some(Claim { weight, buckets: Some(buckets) })
}

fn server_of(vip: &VipForecast, n: u8) -> (Option<Claim>, Option<Claim>, bool) {
    let AsForecast { before, after, flush } = vip.ases[&server(n)];
    (before, after, flush)
}

#[test]
fn over_equal_states_nothing_is_in_store() {
    let state = desired([(key("192.0.2.1", 80), vip([up(1, 100), down(2)]))]);
    let forecast = forecast(&state, &state);
    assert!(forecast.is_empty());
    assert_eq!(forecast.unchanged().collect::<Vec<_>>(), [&key("192.0.2.1", 80)]);
    assert_eq!(forecast.after(), forecast.then().actual());
}

#[test]
fn a_cut_moves_what_the_server_had() {
    let one = key("192.0.2.1", 80);
    let standing = desired([(one, vip([up(1, 100), up(2, 100)]))]);
    let forecast = forecast(&standing, &desired([(one, vip([flushed(1, 7), up(2, 100)]))]));
    let vip = &forecast.vips()[&one];
    assert_eq!((vip.action, vip.before == vip.after, &vip.waits), (Action::Change, true, &None));
    assert_eq!(
        words(vip),
        [
            "192.0.2.1 tcp/80: server 10.0.0.1 weight 0 (was 100)",
            "192.0.2.1 tcp/80: server 10.0.0.1 weight 0, flush its flows (was 0)"
        ]
    );
    assert_eq!(server_of(vip, 1), (claim(100, 512), claim(0, 0), true));
    assert_eq!(server_of(vip, 2), (claim(100, 512), claim(100, 1024), false));
    assert_eq!(vip.moved.map(|moved| (moved.buckets, moved.of)), Some((512, 1024)));
    // It happens once.
    assert!(forecast.then().forecast(false).is_empty());
}

#[test]
fn vips_come_and_go_with_all_their_buckets() {
    let (old, new) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let standing = desired([(old, vip([up(1, 100), up(2, 0)]))]);
    let forecast = forecast(&standing, &desired([(new, vip([up(3, 100)]))]));
    assert_eq!(forecast.vips().len(), 2);

    let gone = &forecast.vips()[&old];
    assert_eq!((gone.action, gone.after), (Action::Remove, None));
    assert_eq!(server_of(gone, 1), (claim(100, 1024), None, true));
    assert_eq!(server_of(gone, 2), (claim(0, 0), None, true));
    assert_eq!(gone.moved.map(Moved::share), Some(1.0));

    let come = &forecast.vips()[&new];
    assert_eq!((come.action, come.before), (Action::Create, None));
    assert_eq!(come.after.map(|form| form.table_length), Some(ActualLength::Whole(1024)));
    assert_eq!(server_of(come, 3), (None, claim(100, 1024), false));
    assert_eq!(come.moved.map(Moved::share), Some(1.0));
}

#[test]
fn another_length_is_a_matter_of_recreation() {
    let one = key("192.0.2.1", 80);
    let standing = desired([(one, vip([up(1, 100), up(2, 100)]))]);
    let mut wanted = standing.clone();
    let longer = TableLength::new(4096).expect("a length");
    wanted.vips.get_mut(&one).expect("it is there").table_length = longer;
    let outlook = Outlook::new(wanted, FakeVpp::as_desired(&standing).actual());
    let left = outlook.forecast(false);
    assert!(left.is_empty());
    assert_eq!(left.plan().notes().len(), 1);

    let forecast = outlook.forecast(true);
    let vip = &forecast.vips()[&one];
    assert_eq!(vip.action, Action::Recreate);
    assert_eq!(vip.before.map(|form| form.table_length), Some(ActualLength::Whole(1024)));
    assert_eq!(vip.after.map(|form| form.table_length), Some(ActualLength::Whole(4096)));
    assert_eq!(server_of(vip, 1), (claim(100, 512), claim(100, 2048), true));
    assert_eq!(vip.moved.map(|moved| moved.of), Some(4096));
}

#[test]
fn of_a_table_of_unknown_length_nothing_is_said() {
    let one = key("192.0.2.1", 80);
    let standing = desired([(one, vip([up(1, 100), up(2, 100)]))]);
    let mut actual = FakeVpp::as_desired(&standing).actual();
    actual.vips.get_mut(&one).expect("it is there").table_length = ActualLength::Low16(0);
    let mut wanted = desired([(one, vip([up(1, 100)]))]);
    wanted.vips.get_mut(&one).expect("it is there").table_length = TableLength::new(65_536).expect("a length");
    let forecast = Outlook::new(wanted, actual).forecast(false);
    let vip = &forecast.vips()[&one];
    assert_eq!((vip.action, vip.moved), (Action::Change, None));
    assert_eq!(server_of(vip, 2), (Some(Claim { weight: 100, buckets: None }), None, false));
}

#[test]
fn a_flush_that_is_owed_comes_last_or_alone() {
    let one = key("192.0.2.1", 80);
    let standing = desired([(one, vip([up(1, 0), up(2, 100)]))]);
    let alone = forecast(&standing, &desired([(one, vip([disabled(1, 1), up(2, 100)]))]));
    let vip_alone = &alone.vips()[&one];
    assert_eq!(vip_alone.action, Action::Flush);
    assert_eq!(words(vip_alone), ["192.0.2.1 tcp/80: server 10.0.0.1 weight 0, flush its flows (was 0)"]);
    assert_eq!(server_of(vip_alone, 1), (claim(0, 0), claim(0, 0), true));
    assert_eq!(vip_alone.moved.map(|moved| moved.buckets), Some(0));
    assert_eq!(alone.unchanged().count(), 0);

    // The first verdict owes nothing where VPP has weight 0, by what it has now and not when the plan is done.
    assert!(forecast(&standing, &desired([(one, vip([flushed_first(1, 1), up(2, 100)]))])).is_empty());
    let held = desired([(one, vip([up(1, 100), up(2, 100)]))]);
    let first_verdict = forecast(&held, &desired([(one, vip([flushed_first(1, 1), up(2, 100)]))]));
    assert_eq!(server_of(&first_verdict.vips()[&one], 1), (claim(100, 512), claim(0, 0), true));
}

#[test]
fn the_flush_of_a_down_server_waits_for_somebody_to_take_its_flows() {
    let one = key("192.0.2.1", 80);
    let standing = desired([(one, vip([up(1, 100), up(2, 0)]))]);
    let all_down = forecast(&standing, &desired([(one, vip([flushed(1, 1), up(2, 0)]))]));
    assert_eq!(words(&all_down.vips()[&one]), ["192.0.2.1 tcp/80: server 10.0.0.1 weight 0 (was 100)"]);
    let later = all_down.then().clone().with_desired(desired([(one, vip([flushed(1, 1), up(2, 100)]))]));
    assert_eq!(
        words(&later.forecast(false).vips()[&one]),
        [
            "192.0.2.1 tcp/80: server 10.0.0.2 weight 100 (was 0)",
            "192.0.2.1 tcp/80: server 10.0.0.1 weight 0, flush its flows (was 0)"
        ]
    );
    let disabled = forecast(&standing, &desired([(one, vip([disabled(1, 1), up(2, 0)]))]));
    assert_eq!(disabled.vips()[&one].steps.len(), 2);
}

#[test]
fn a_server_that_a_plan_adds_at_0_owes_no_flush_later() {
    let one = key("192.0.2.1", 80);
    let standing = desired([(one, vip([up(1, 100)]))]);
    let added = forecast(&standing, &desired([(one, vip([up(1, 100), up(2, 0)]))]));
    let disabled = added.then().clone().with_desired(desired([(one, vip([up(1, 100), disabled(2, 1)]))]));
    assert!(disabled.forecast(false).is_empty());
}

#[test]
fn foreign_vips_go_only_where_they_may() {
    let (ours, foreign) = (key("192.0.2.1", 80), key("192.0.2.2", 80));
    let standing = desired([(ours, vip([up(1, 100)])), (foreign, vip([up(2, 100)]))]);
    let actual = FakeVpp::as_desired(&standing).actual();
    for (rule, goes) in [(ForeignVips::Keep, vec![ours]), (ForeignVips::Remove, vec![ours, foreign])] {
        let nothing = Desired { foreign: rule, ..desired([]) };
        let forecast = Outlook::new(nothing, actual.clone()).with_ours([ours]).forecast(false);
        assert_eq!(forecast.vips().keys().copied().collect::<Vec<_>>(), goes);
        assert_eq!(forecast.after().vips.contains_key(&foreign), rule == ForeignVips::Keep);
    }
}

#[test]
fn sticky_tables_are_resized_when_the_last_vip_is_gone() {
    let one = key("192.0.2.1", 80);
    let standing = desired([(one, vip([up(1, 100)]))]);
    let sticky_buckets = StickyBuckets::new(65_536).expect("a number");
    let other = DesiredConf { ip4_src: "10.9.9.9".parse().expect("an address"), sticky_buckets, ..conf() };
    let kept = forecast(&standing, &Desired { conf: other, ..standing.clone() });
    let buckets = |forecast: &Forecast| -> Vec<Option<StickyBuckets>> {
        forecast.settings().iter().map(|update| update.sticky_buckets).collect()
    };
    assert_eq!(buckets(&kept), [None]);
    let emptied = forecast(&standing, &Desired { conf: other, ..desired([]) });
    assert_eq!(buckets(&emptied), [None, Some(sticky_buckets)]);
    assert_eq!(emptied.after().conf.sticky_buckets_per_core, Some(65_536));
}

#[test]
fn there_is_no_outlook_before_both_states_are_known() {
    let state = desired([(key("192.0.2.1", 80), vip([up(1, 100)]))]);
    let mut rig = Rig::warm(FakeVpp::as_desired(&state));
    assert!(rig.sync.outlook().is_none());
    rig.want(state);
    assert!(rig.sync.outlook().is_none());
    rig.up();
    assert!(rig.sync.outlook().is_some());
    rig.down();
    assert!(rig.sync.outlook().is_none());
}

#[test]
fn what_the_warm_up_holds_back_waits() {
    let [one, two, new] = [1, 2, 3].map(|n| key(&format!("192.0.2.{n}"), 80));
    let undecided = DesiredVip { decided: false, ..vip([up(1, 100)]) };
    let state = desired([(one, vip([up(1, 50)])), (two, undecided.clone())]);
    let with_new = desired([(one, vip([up(1, 50)])), (new, undecided.clone()), (two, vip([up(1, 50)]))]);
    let mut rig = Rig::new(FakeVpp::as_desired(&state), secs(5), secs(30));
    rig.want(state.clone());
    rig.up();
    let waits = |rig: &Rig| {
        let outlook = rig.sync.outlook().expect("both states are known").with_desired(with_new.clone());
        [one, two, new].map(|key| outlook.wait(&key) == Some(Wait::WarmUp))
    };
    assert_eq!(waits(&rig), [true, true, true]);
    // A candidate in which the servers of a VIP are decided releases it.
    rig.advance(secs(6));
    assert_eq!(waits(&rig), [false, false, true]);
    let outlook = rig.sync.outlook().expect("both states are known");
    assert_eq!(outlook.wait(&two), Some(Wait::WarmUp));
    // Before its end no VIP is removed.
    assert_eq!(outlook.with_desired(desired([])).wait(&one), Some(Wait::WarmUp));
    // After it a VIP that VPP lacks waits until it is decided, and one that stands does not.
    rig.advance(secs(30));
    assert_eq!(waits(&rig), [false, false, true]);
    rig.want(with_new.clone());
    let outlook = rig.sync.outlook().expect("both states are known");
    assert_eq!([one, two, new].map(|key| outlook.wait(&key).is_some()), [false, false, true]);
    assert_eq!(outlook.forecast(false).vips()[&new].waits, Some(Wait::WarmUp));
}

#[test]
fn what_was_refused_waits_with_its_reason_until_it_changes() {
    let one = key("192.0.2.1", 80);
    let mut rig = Rig::settled(desired([(one, vip([up(1, 100), up(2, 100)]))]));
    rig.refuse = Box::new(|call| call.is_write());
    rig.update(one, vip([up(1, 50), up(2, 100)]));
    let outlook = rig.sync.outlook().expect("both states are known");
    let forecast = outlook.forecast(false);
    let Some(Wait::Failed { failure: Failure::Refused { .. }, until: Some(until) }) = forecast.vips()[&one].waits
    else {
        panic!("{:?}", forecast.vips()[&one].waits);
    };
    assert!(until > rig.now);
    assert_eq!(words(&forecast.vips()[&one]), ["192.0.2.1 tcp/80: server 10.0.0.1 weight 50 (was 100)"]);
    assert_eq!(forecast.then().wait(&one), None);
    // Another desired state is tried at once.
    let changed = outlook.with_desired(desired([(one, vip([up(1, 40), up(2, 100)]))]));
    assert_eq!(changed.wait(&one), None);
}

#[test]
fn what_is_in_the_way_is_told_and_nothing_is_flushed() {
    let (every_port, web) = (key("192.0.2.1", 0), key("192.0.2.1", 80));
    let standing = desired([(every_port, vip([up(1, 100)]))]);
    let wanted = Desired { foreign: ForeignVips::Keep, ..desired([(web, vip([disabled(1, 1), up(2, 100)]))]) };
    let forecast = Outlook::new(wanted, FakeVpp::as_desired(&standing).actual()).forecast(false);
    assert!(forecast.is_empty());
    assert_eq!(forecast.plan().notes(), [Note::InTheWay { key: web, by: every_port }]);
    assert_eq!(forecast.after().vips.keys().collect::<Vec<_>>(), [&every_port]);

    // Two NAT VIPs, and only one of them may be made anew.
    let (other, mut wanted) = (key("192.0.2.1", 443), desired([(web, vip([disabled(1, 1), up(2, 100)]))]));
    wanted.foreign = ForeignVips::Keep;
    let standing = desired([(web, vip([up(1, 0)])), (other, vip([up(2, 100)]))]);
    let mut actual = FakeVpp::as_desired(&standing).actual();
    actual.vips.values_mut().for_each(|vip| vip.encap = ActualEncap::Other(3));
    let forecast = Outlook::new(wanted, actual).forecast(false);
    assert_eq!(forecast.plan().notes(), [Note::InTheWay { key: web, by: other }]);
    assert!(forecast.is_empty());
}
