//! Who is owed a flush, and which cuts wait.

use maglev_health::{BackendOverride, Cut, FlushOrder, Overrides, State};

use crate::rig::{Rig, spec, vpp, wall};

const CONFIG: &str = "
    backend a 10.0.0.1
    backend b 10.0.0.2
    frontend web primary a / fallback b
    frontend quiet noflush primary a b
";

/// Both up; nothing of the start is left.
fn running() -> Rig {
    let mut rig = Rig::read(CONFIG, "");
    rig.pass("a");
    rig.pass("b");
    rig.sync();
    rig
}

fn order(rig: &Rig, frontend: &str) -> Option<FlushOrder> {
    rig.target(frontend, "10.0.0.1").flush
}

fn take_down(rig: &mut Rig, name: &str) {
    while rig.backend(name).state() != State::Down {
        rig.fail(name);
    }
}

#[test]
fn down_is_flushed_where_the_frontend_says_so() {
    let mut rig = running();
    assert_eq!(order(&rig, "web"), None);
    take_down(&mut rig, "a");
    let order_in_web = order(&rig, "web").unwrap();
    assert!(order_in_web.needs_server && !order_in_web.first_verdict);
    assert_eq!(order(&rig, "quiet"), None);
    assert_eq!(rig.target("web", "10.0.0.1").cut, Cut::Urgent);
    assert_eq!(rig.target("quiet", "10.0.0.1").cut, Cut::Urgent);
}

#[test]
fn down_in_another_pool_is_flushed_also_at_weight_0() {
    let mut rig = running();
    assert_eq!(rig.weights("web"), "1=100 2=0");
    take_down(&mut rig, "b");
    assert!(rig.target("web", "10.0.0.2").flush.is_some());
}

#[test]
fn disabled_is_flushed_always_and_needs_no_server() {
    let mut rig = running();
    rig.act(|control, id| control.disable(wall(), id, ""), "a").unwrap();
    for frontend in ["web", "quiet"] {
        let order = order(&rig, frontend).unwrap();
        assert!(!order.needs_server && !order.first_verdict, "{frontend}");
    }
}

#[test]
fn paused_is_never_flushed_and_cut_at_once() {
    let mut rig = running();
    rig.act(|control, id| control.pause(wall(), id, ""), "a").unwrap();
    assert_eq!(order(&rig, "web"), None);
    assert_eq!(rig.target("web", "10.0.0.1").cut, Cut::Urgent);
    assert_eq!(rig.weights("web"), "1=0 2=100");
}

#[test]
fn a_backend_of_another_pool_serves_until_the_active_one_has_taken_over() {
    let mut rig = running();
    take_down(&mut rig, "a");
    assert_eq!(rig.weights("web"), "1=0 2=100");
    rig.pass("a");
    assert_eq!(rig.weights("web"), "1=100 2=0");
    let b = rig.target("web", "10.0.0.2");
    assert_eq!((b.cut, b.flush), (Cut::Serving, None));
}

#[test]
fn each_entering_is_another_incident_and_leaving_drops_the_debt() {
    let mut rig = running();
    take_down(&mut rig, "a");
    let first = order(&rig, "web").unwrap().incident;
    rig.fail("a");
    assert_eq!(order(&rig, "web").unwrap().incident, first, "still the same");
    rig.act(|control, id| control.disable(wall(), id, ""), "a").unwrap();
    let second = order(&rig, "web").unwrap().incident;
    assert!(second > first);
    let now = rig.now;
    rig.act(|control, id| control.enable(now, wall(), id, ""), "a").unwrap();
    assert_eq!(order(&rig, "web"), None);
    rig.fail("a");
    let third = order(&rig, "web").unwrap();
    assert!(third.incident > second && !third.first_verdict && third.needs_server);
    rig.pass("a");
    rig.pass("a");
    assert_eq!(order(&rig, "web"), None);
}

#[test]
fn the_first_verdict_after_a_start_says_so() {
    let mut rig = Rig::read(CONFIG, "web 10.0.0.1=0\nquiet 10.0.0.1=100");
    take_down(&mut rig, "a");
    assert!(order(&rig, "web").unwrap().first_verdict);
    rig.pass("a");
    rig.pass("a");
    take_down(&mut rig, "a");
    assert!(!order(&rig, "web").unwrap().first_verdict);
}

#[test]
fn a_restored_disable_says_so_and_a_new_one_does_not() {
    let overrides = Overrides { backends: [("a".into(), BackendOverride::Disabled)].into(), ..Overrides::default() };
    let mut rig = Rig::start(spec(CONFIG), vpp("web 10.0.0.1=0 10.0.0.2=100"), overrides);
    rig.connect();
    assert!(order(&rig, "web").unwrap().first_verdict);
    rig.act(|control, id| control.disable(wall(), id, ""), "b").unwrap();
    let b = rig.target("web", "10.0.0.2").flush.unwrap();
    assert!(!b.first_verdict, "an operator's action is no first verdict");
}

#[test]
fn disabled_by_the_configuration_counts_as_restored_at_a_start_alone() {
    let disabled = CONFIG.replace("10.0.0.1", "10.0.0.1 disabled");
    let rig = Rig::read(&disabled, "web 10.0.0.1=0");
    assert!(order(&rig, "web").unwrap().first_verdict);
    let mut rig = running();
    rig.reload(spec(&disabled));
    assert!(!order(&rig, "web").unwrap().first_verdict);
}

#[test]
fn the_verdict_after_a_reload_is_owed_in_full() {
    let mut rig = running();
    rig.reload(spec(&CONFIG.replace("10.0.0.1", "10.0.0.1 other")));
    rig.sync();
    assert_eq!(rig.backend("a").state(), State::Unknown);
    assert_eq!(order(&rig, "web"), None);
    take_down(&mut rig, "a");
    assert!(!order(&rig, "web").unwrap().first_verdict);
}

#[test]
fn a_reload_before_the_first_verdict_leaves_it_the_first() {
    let mut rig = Rig::read(CONFIG, "web 10.0.0.1=0");
    rig.reload(spec(&CONFIG.replace("10.0.0.1", "10.0.0.1 other")));
    rig.fail("a");
    assert!(order(&rig, "web").unwrap().first_verdict);
}

#[test]
fn a_reload_keeps_debts_and_makes_none() {
    let mut rig = running();
    take_down(&mut rig, "a");
    let before = order(&rig, "web").unwrap();
    // `web` is renamed, `quiet` now flushes, and `new` gets a backend that is down already.
    rig.reload(spec(
        "
        backend a 10.0.0.1
        backend b 10.0.0.2
        frontend www@web primary a / fallback b
        frontend quiet primary a b
        frontend new only a
        ",
    ));
    assert_eq!(order(&rig, "www"), Some(before));
    assert_eq!(order(&rig, "quiet"), None, "it did not flush when a went down");
    assert_eq!(order(&rig, "new"), None, "a did not go down there");
    rig.pass("a");
    rig.pass("a");
    take_down(&mut rig, "a");
    for frontend in ["www", "quiet", "new"] {
        assert!(order(&rig, frontend).unwrap().incident > before.incident, "{frontend}");
    }
}

#[test]
fn a_frontend_that_stops_flushing_drops_the_debt_of_down_but_not_of_disabled() {
    let mut rig = running();
    take_down(&mut rig, "a");
    rig.act(|control, id| control.disable(wall(), id, ""), "b").unwrap();
    rig.reload(spec(&CONFIG.replace("web primary", "web noflush primary")));
    assert_eq!(order(&rig, "web"), None);
    assert!(rig.target("web", "10.0.0.2").flush.is_some());
}

#[test]
fn a_disabled_backend_that_moves_owes_nothing_at_its_new_address() {
    let mut rig = running();
    rig.act(|control, id| control.disable(wall(), id, ""), "a").unwrap();
    rig.reload(spec(&CONFIG.replace("10.0.0.1", "10.0.0.9")));
    assert_eq!(rig.weights("web"), "2=100 9=0", "the old one is deleted without flush");
    assert_eq!(rig.target("web", "10.0.0.9").flush, None);
}
