//! A backend without a verdict keeps the weight that VPP has for it.

use maglev_health::{Cut, Done, FrontendState, Hold, Outcome, Overrides, State};
use rstest::rstest;

use crate::rig::{Rig, Vpp, spec, vpp, wall};

const TWO_POOLS: &str = "
    backend a 10.0.0.1
    backend b 10.0.0.2
    frontend web primary a / fallback b
";

#[test]
fn a_start_changes_nothing() {
    let rig = Rig::read(TWO_POOLS, "web 10.0.0.1=70 10.0.0.2=0");
    assert_eq!(rig.weights("web"), "1=70 2=0");
    assert_eq!(rig.backend("a").hold(), Hold::Held { above_zero: true });
    assert_eq!(rig.backend("b").hold(), Hold::Held { above_zero: false });
    assert!(!rig.program("web").decided);
    assert!(!rig.program("web").pending);
}

#[test]
fn a_start_during_a_failover_changes_nothing_either() {
    let mut rig = Rig::read(TWO_POOLS, "web 10.0.0.1=0 10.0.0.2=100");
    assert_eq!(rig.program("web").active_pool, 1);
    rig.pass("b");
    assert_eq!(rig.weights("web"), "1=0 2=100");
    rig.fail("a");
    assert_eq!(rig.backend("a").state(), State::Down, "held at 0: one fail");
    assert_eq!(rig.weights("web"), "1=0 2=100");
}

#[test]
fn a_verdict_ends_the_hold() {
    let mut rig = Rig::read(TWO_POOLS, "web 10.0.0.1=70 10.0.0.2=0");
    rig.pass("a");
    assert_eq!(rig.weights("web"), "1=100 2=0");
    assert_eq!(rig.backend("a").hold(), Hold::None);
    assert!(!rig.program("web").decided, "b is unknown still");
    rig.pass("b");
    assert!(rig.program("web").decided);
}

#[test]
fn a_held_backend_keeps_its_weight_in_a_pool_that_is_not_active() {
    let mut rig = Rig::read(TWO_POOLS, "web 10.0.0.1=0 10.0.0.2=100");
    rig.pass("a");
    assert_eq!(rig.program("web").active_pool, 0);
    assert_eq!(rig.weights("web"), "1=100 2=100", "b is held until its verdict");
    rig.pass("b");
    assert_eq!(rig.weights("web"), "1=100 2=0");
}

#[test]
fn lost_first_packets_cut_nobody() {
    let mut rig = Rig::read(TWO_POOLS, "web 10.0.0.1=100 10.0.0.2=0");
    rig.fail("a");
    let after_first = rig.now;
    rig.fail("a");
    assert_eq!(rig.now - after_first, std::time::Duration::from_millis(500));
    assert_eq!(rig.weights("web"), "1=100 2=0");
    assert_eq!(rig.program("web").state, FrontendState::Up);
    rig.verdict("a", Outcome::NoVerdict);
    rig.fail("a");
    assert_eq!(rig.backend("a").state(), State::Down, "`fall` fails are enough");
    assert_eq!(rig.backend("a").counter(), 0);
    assert_eq!(rig.weights("web"), "1=0 2=0");
    assert_eq!(rig.target("web", "10.0.0.1").cut, Cut::Urgent);
}

#[test]
fn what_is_not_read_is_not_to_be_written() {
    let mut rig = Rig::start(spec(TWO_POOLS), vpp("web 10.0.0.1=100"), Overrides::default());
    assert!(rig.program("web").pending);
    assert_eq!(rig.program("web").state, FrontendState::Unknown);
    rig.pass("b");
    assert!(rig.program("web").pending);
    assert_eq!(rig.program("web").active_pool, 0, "a may well be serving");
    assert_eq!(rig.program("web").state, FrontendState::Unknown);
    rig.connect();
    assert!(!rig.program("web").pending);
    assert_eq!(rig.weights("web"), "1=100 2=0");
    assert_eq!(rig.frontend_transitions(), [("web".to_owned(), FrontendState::Unknown, FrontendState::Up)]);
}

#[rstest]
#[case::vpp_has_it_at_0("web 10.0.0.1=0", State::Down)]
#[case::vpp_does_not_have_it("", State::Down)]
#[case::it_serves("web 10.0.0.1=1", State::Unknown)]
fn fails_before_vpp_was_read(#[case] vpp_has: &str, #[case] state: State) {
    let mut rig = Rig::start(spec(TWO_POOLS), vpp(vpp_has), Overrides::default());
    rig.fail("a");
    assert_eq!(rig.backend("a").state(), State::Unknown, "it might be serving");
    rig.connect();
    assert_eq!(rig.backend("a").state(), state);
    if state == State::Down {
        assert_eq!(rig.backend("a").counter(), 0);
        assert_eq!(&*rig.newest("a").detail, "connect refused");
    }
}

#[test]
fn a_backend_that_did_not_fail_stays_unknown_when_vpp_turns_out_empty() {
    let mut rig = Rig::start(spec(TWO_POOLS), Vpp::new(), Overrides::default());
    rig.connect();
    assert_eq!(rig.backend("a").state(), State::Unknown);
    assert_eq!(rig.weights("web"), "1=0 2=0");
    assert_eq!(rig.program("web").state, FrontendState::Unknown);
}

#[test]
fn enough_fails_are_enough_even_if_vpp_was_never_read() {
    let mut rig = Rig::start(spec(TWO_POOLS), Vpp::new(), Overrides::default());
    rig.fail("a");
    rig.fail("a");
    rig.fail("a");
    assert_eq!(rig.backend("a").state(), State::Down);
}

#[test]
fn a_restart_of_vpp_erases_no_hold() {
    let mut rig = Rig::read(TWO_POOLS, "web 10.0.0.1=70 10.0.0.2=0");
    rig.vpp.clear();
    rig.connect();
    assert_eq!(rig.weights("web"), "1=70 2=0");
    rig.reload(spec(TWO_POOLS));
    assert_eq!(rig.weights("web"), "1=70 2=0", "nor does a reload");
}

#[test]
fn nothing_is_held_without_a_dataplane() {
    let mut rig = Rig::blind(TWO_POOLS);
    assert_eq!(rig.backend("a").hold(), Hold::None);
    assert!(!rig.program("web").pending);
    rig.fail("a");
    assert_eq!(rig.backend("a").state(), State::Down);
    rig.reload(spec(&TWO_POOLS.replace("10.0.0.2", "10.0.0.2 other")));
    assert_eq!(rig.backend("b").hold(), Hold::None);
    rig.fail("b");
    assert_eq!(rig.backend("b").state(), State::Down);
}

#[test]
fn resume_and_enable_hold_nothing() {
    let mut rig = Rig::read(TWO_POOLS, "web 10.0.0.1=100 10.0.0.2=0");
    rig.pass("a");
    let now = rig.now;
    let done = rig.act(|control, id| control.pause(wall(), id, ""), "a");
    assert_eq!(done, Ok(Done::Changed));
    let done = rig.act(|control, id| control.resume(now, wall(), id, ""), "a");
    assert_eq!(done, Ok(Done::Changed));
    assert_eq!(rig.backend("a").hold(), Hold::None);
    assert_eq!(rig.weights("web"), "1=0 2=0", "VPP may not have heard of the pause yet");
    rig.fail("a");
    assert_eq!(rig.backend("a").state(), State::Down);
}

#[test]
fn each_vip_holds_what_it_had() {
    let config = "
        backend a 10.0.0.1
        backend b 10.0.0.2
        frontend web primary a / fallback b
        frontend mail primary a / fallback b
    ";
    let mut rig = Rig::read(
        config,
        "web 10.0.0.1=100 10.0.0.2=0
         mail 10.0.0.1=0 10.0.0.2=40",
    );
    assert_eq!(rig.weights("web"), "1=100 2=0");
    assert_eq!(rig.weights("mail"), "1=0 2=40");
    assert_eq!(rig.program("web").active_pool, 0);
    assert_eq!(rig.program("mail").active_pool, 1, "a is held at 0 in this one");
    rig.fail("a");
    assert_eq!(rig.backend("a").state(), State::Unknown, "above 0 in one VIP is enough");
}

#[test]
fn an_override_of_its_weight_does_not_end_a_hold() {
    let mut rig = Rig::read(TWO_POOLS, "web 10.0.0.1=70 10.0.0.2=0");
    rig.set_weight("web primary a", Some(5));
    assert_eq!(rig.weights("web"), "1=70 2=0");
    rig.pass("a");
    assert_eq!(rig.weights("web"), "1=5 2=0");
}

#[test]
fn overrides_to_0_decide_what_is_unknown() {
    let mut rig = Rig::read(TWO_POOLS, "web 10.0.0.1=100 10.0.0.2=0");
    rig.pass("a");
    assert!(!rig.program("web").decided);
    rig.set_weight("web fallback b", Some(0));
    assert!(rig.program("web").decided, "b is 0 whatever its verdict");
    rig.set_weight("web fallback b", Some(1));
    assert!(!rig.program("web").decided);
    let done = rig.act(|control, id| control.disable(wall(), id, ""), "b");
    assert_eq!(done, Ok(Done::Changed));
    assert!(rig.program("web").decided);
}

#[test]
fn an_override_to_0_decides_nothing_about_a_backend_that_still_serves() {
    let mut rig = Rig::read(TWO_POOLS, "web 10.0.0.1=0 10.0.0.2=100");
    rig.fail("a");
    rig.set_weight("web fallback b", Some(0));
    assert!(!rig.program("web").decided);
}

#[test]
fn static_backends_wait_for_nobody() {
    let config = "
        backend a 10.0.0.1
        backend s 10.0.0.2 static
        frontend web primary a / fallback s
        frontend plain only s
    ";
    let mut rig =
        Rig::start(spec(config), vpp("web 10.0.0.1=100 10.0.0.2=0\nplain 10.0.0.2=100"), Overrides::default());
    assert_eq!(rig.weights("plain"), "2=100");
    assert!(!rig.program("plain").pending && rig.program("plain").decided);
    rig.connect();
    assert_eq!(rig.weights("web"), "1=100 2=0");
}
