//! From one configuration to another.

use maglev_health::{Code, Cut, Event, FrontendState, Hold, Outcome, Overrides, Spec, State};
use rstest::rstest;

use crate::rig::{Rig, Vpp, spec, vpp, wall};

const CONFIG: &str = "
    backend a 10.0.0.1
    backend b 10.0.0.2
    frontend web primary a / fallback b
";

/// Both up and VPP agrees.
fn running() -> Rig {
    let mut rig = Rig::read(CONFIG, "");
    for _ in 0..3 {
        rig.pass("a");
        rig.pass("b");
    }
    rig.sync();
    rig.events();
    rig
}

fn with(from: &str, to: &str) -> Spec {
    assert!(CONFIG.contains(from));
    spec(&CONFIG.replace(from, to))
}

#[test]
fn an_unchanged_backend_goes_on_as_if_nothing_had_happened() {
    let mut rig = running();
    rig.advance(std::time::Duration::from_secs(2));
    let (running, due) = (rig.running().clone(), rig.control.poll_timeout());
    assert!(!running.is_empty());
    let history = rig.backend("a").history().count();
    rig.reload(with("a / fallback b", "a=50 / fallback b"));
    assert_eq!(rig.events(), []);
    assert_eq!((rig.running(), rig.control.poll_timeout()), (&running, due));
    assert_eq!(rig.backend("a").counter(), 4);
    assert_eq!(rig.backend("a").history().count(), history);
    assert_eq!(rig.weights("web"), "1=50 2=0", "a weight needs no verdict");
    assert!(rig.answer(running[&rig.id("a")], Outcome::Pass), "also the probe under way");
}

#[test]
fn a_changed_check_makes_unknown_and_held() {
    let mut rig = running();
    rig.advance(std::time::Duration::from_secs(2));
    let probe = rig.running()[&rig.id("a")];
    rig.reload(with("10.0.0.1", "10.0.0.1 https"));
    let id = rig.id("a");
    let events = rig.events();
    assert!(events.contains(&Event::Cancel { backend: id, probe }));
    assert!(events.iter().any(|event| matches!(event, Event::Restarted { .. })));
    assert!(!rig.answer(probe, Outcome::Fail));
    let newest = rig.newest("a");
    assert_eq!((newest.from, newest.to, newest.code), (State::Up, State::Unknown, Code::Started));
    assert_eq!(rig.backend("a").hold(), Hold::Held { above_zero: true });
    assert_eq!(rig.backend("a").counter(), 1, "rise - 1");
    assert_eq!(rig.weights("web"), "1=100 2=0");
    assert_eq!(rig.program("web").state, FrontendState::Up);
    rig.fail("a");
    rig.fail("a");
    assert_eq!(rig.weights("web"), "1=100 2=0", "a lost packet does not cut");
    rig.fail("a");
    assert_eq!(rig.weights("web"), "1=0 2=100");
}

#[test]
fn a_held_backend_that_was_down_stays_at_0() {
    let mut rig = running();
    while rig.backend("a").state() != State::Down {
        rig.fail("a");
    }
    rig.sync();
    rig.reload(with("10.0.0.1", "10.0.0.1 https"));
    assert_eq!(rig.backend("a").hold(), Hold::Held { above_zero: false });
    assert_eq!(rig.weights("web"), "1=0 2=100");
    assert_eq!(rig.program("web").active_pool, 1);
    rig.fail("a");
    assert_eq!(rig.backend("a").state(), State::Down);
}

#[test]
fn added_and_renamed_backends_hold_what_their_address_has() {
    let mut rig = running();
    rig.reload(spec(
        "
        backend alpha 10.0.0.1
        backend b 10.0.0.2
        backend c 10.0.0.3
        frontend web primary alpha c / fallback b
        ",
    ));
    assert_eq!(rig.transitions(), [("a".to_owned(), State::Removed, Code::Removed)]);
    assert_eq!(rig.weights("web"), "1=100 2=0 3=0");
    assert_eq!(rig.backend("alpha").hold(), Hold::Held { above_zero: true });
    assert_eq!(rig.backend("c").hold(), Hold::Held { above_zero: false });
    assert!(rig.control.backend_id("a").is_none());
    rig.pass("c");
    assert_eq!(rig.weights("web"), "1=100 2=0 3=100");
}

#[test]
fn a_removed_backend_leaves_the_program_and_its_probe_is_over() {
    let mut rig = running();
    rig.advance(std::time::Duration::from_secs(2));
    let (id, probe) = (rig.id("a"), rig.running()[&rig.id("a")]);
    rig.reload(spec("backend b 10.0.0.2\nfrontend web only b"));
    let events = rig.events();
    assert!(events.contains(&Event::Cancel { backend: id, probe }));
    assert!(events.iter().any(|event| matches!(event, Event::Stopped { name, .. } if &**name == "a")));
    assert!(!rig.answer(probe, Outcome::Pass));
    assert_eq!(rig.weights("web"), "2=100");
    assert!(rig.control.backend(id).is_none());
}

mod changed_address {
    use super::*;

    #[test]
    fn the_old_one_serves_until_the_new_one_passes() {
        let mut rig = running();
        rig.reload(with("10.0.0.1", "10.0.0.9"));
        assert_eq!(rig.weights("web"), "1=100 2=0 9=0");
        assert_eq!(rig.program("web").active_pool, 0, "the fallback is not called in");
        let old = rig.target("web", "10.0.0.1");
        assert_eq!((old.cut, old.flush), (Cut::Serving, None));
        assert!(!rig.program("web").decided);
        rig.sync();
        rig.pass("a");
        assert_eq!(rig.weights("web"), "2=0 9=100");
    }

    #[test]
    fn the_old_one_goes_too_when_the_new_one_fails_but_not_for_a_lost_packet() {
        let mut rig = running();
        rig.reload(with("10.0.0.1", "10.0.0.9"));
        rig.fail("a");
        rig.fail("a");
        assert_eq!(rig.weights("web"), "1=100 2=0 9=0");
        rig.fail("a");
        assert_eq!(rig.weights("web"), "2=100 9=0");
    }

    #[test]
    fn a_pause_before_the_verdict_lets_it_go() {
        let mut rig = running();
        rig.reload(with("10.0.0.1", "10.0.0.9"));
        rig.act(|control, id| control.pause(wall(), id, ""), "a").unwrap();
        assert_eq!(rig.weights("web"), "2=100 9=0");
        let now = rig.now;
        rig.act(|control, id| control.resume(now, wall(), id, ""), "a").unwrap();
        assert_eq!(rig.weights("web"), "2=100 9=0", "and it does not come back");
    }

    #[test]
    fn an_address_that_was_a_vip_s_already_keeps_its_weight() {
        let mut rig = running();
        rig.vpp.extend(vpp("web 10.0.0.9=30"));
        rig.reload(with("10.0.0.1", "10.0.0.9"));
        assert_eq!(rig.weights("web"), "1=100 2=0 9=30");
    }

    #[test]
    fn two_that_swap_addresses_hold_what_the_addresses_have() {
        let mut rig = running();
        rig.reload(spec(
            "
            backend a 10.0.0.2
            backend b 10.0.0.1
            frontend web primary a / fallback b
            ",
        ));
        assert_eq!(rig.weights("web"), "1=100 2=0");
        rig.pass("b");
        assert_eq!(rig.weights("web"), "1=100 2=0", "b is all there is until a passes");
        rig.pass("a");
        assert_eq!(rig.weights("web"), "1=0 2=100");
    }

    #[test]
    fn an_old_address_that_another_takes_is_the_other_s() {
        let mut rig = running();
        rig.reload(with("10.0.0.1", "10.0.0.9"));
        rig.sync();
        rig.reload(spec(
            "
            backend a 10.0.0.9
            backend b 10.0.0.2
            backend c 10.0.0.1
            frontend web primary a c=20 / fallback b
            ",
        ));
        assert_eq!(rig.weights("web"), "1=100 2=0 9=0", "c is held");
        rig.pass("c");
        assert_eq!(rig.weights("web"), "1=20 2=0 9=0");
        rig.fail("a");
        assert_eq!(rig.backend("a").state(), State::Down, "nothing of a's serves");
        assert_eq!(rig.weights("web"), "1=20 2=0 9=0");
    }

    #[test]
    fn twice_in_a_row_the_first_one_goes_on_serving() {
        let mut rig = running();
        rig.reload(with("10.0.0.1", "10.0.0.8"));
        rig.sync();
        rig.reload(with("10.0.0.1", "10.0.0.9"));
        assert_eq!(rig.weights("web"), "1=100 2=0 8=0 9=0");
        rig.pass("a");
        assert_eq!(rig.weights("web"), "2=0 9=100");
    }

    #[test]
    fn and_back_is_as_if_nothing_had_been() {
        let mut rig = running();
        rig.reload(with("10.0.0.1", "10.0.0.9"));
        rig.sync();
        rig.reload(spec(CONFIG));
        assert_eq!(rig.weights("web"), "1=100 2=0 9=0");
        rig.pass("a");
        assert_eq!(rig.weights("web"), "1=100 2=0");
    }

    #[test]
    fn the_old_one_is_kept_through_other_reloads_and_a_restart_of_vpp() {
        let mut rig = running();
        rig.reload(with("10.0.0.1", "10.0.0.9"));
        rig.vpp.clear();
        rig.connect();
        rig.reload(spec(&CONFIG.replace("10.0.0.1", "10.0.0.9").replace("fallback b", "fallback b=3")));
        assert_eq!(rig.weights("web"), "1=100 2=0 9=0");
    }

    #[test]
    fn of_one_that_was_held_keeps_what_was_held() {
        let mut rig = Rig::read(CONFIG, "web 10.0.0.1=70");
        rig.vpp.clear();
        rig.reload(with("10.0.0.1", "10.0.0.9"));
        assert_eq!(rig.weights("web"), "1=70 2=0 9=0");
    }

    #[test]
    fn a_static_one_moves_at_once() {
        let config = "backend s 10.0.0.1 static\nfrontend web only s";
        let mut rig = Rig::read(config, "web 10.0.0.1=100");
        rig.events();
        rig.reload(spec(&config.replace("10.0.0.1", "10.0.0.9")));
        assert_eq!(rig.weights("web"), "9=100");
        assert!(matches!(rig.events()[..], [Event::Restarted { .. }]));
        assert_eq!(rig.backend("s").history().count(), 1);
    }

    #[test]
    fn before_vpp_was_read() {
        let mut rig = Rig::start(spec(CONFIG), vpp("web 10.0.0.1=100"), Overrides::default());
        rig.reload(with("10.0.0.1", "10.0.0.9"));
        assert!(rig.program("web").pending);
        rig.fail("a");
        rig.connect();
        assert_eq!(rig.weights("web"), "1=100 2=0 9=0");
        assert_eq!(rig.backend("a").state(), State::Unknown);
    }

    #[test]
    fn an_old_address_that_vpp_does_not_have_is_forgotten() {
        let mut rig = running();
        rig.vpp.clear();
        rig.reload(with("10.0.0.1", "10.0.0.9"));
        assert_eq!(rig.weights("web"), "2=100 9=0");
        rig.fail("a");
        assert_eq!(rig.backend("a").state(), State::Down);
    }
}

#[test]
fn a_check_taken_away_brings_up_at_once() {
    let mut rig = running();
    while rig.backend("a").state() != State::Down {
        rig.fail("a");
    }
    rig.events();
    rig.reload(with("10.0.0.1", "10.0.0.1 static"));
    assert_eq!(rig.transitions(), [("a".to_owned(), State::Up, Code::Static)]);
    assert_eq!(rig.weights("web"), "1=100 2=0");
    assert!(!rig.running().contains_key(&rig.id("a")));
    rig.sync();
    rig.reload(spec(CONFIG));
    assert_eq!(rig.backend("a").state(), State::Unknown);
    assert_eq!(rig.backend("a").hold(), Hold::Held { above_zero: true });
    assert_eq!(rig.weights("web"), "1=100 2=0");
}

#[test]
fn enabled_follows_the_configuration() {
    let mut rig = running();
    rig.reload(with("10.0.0.1", "10.0.0.1 disabled"));
    assert_eq!(rig.transitions(), [("a".to_owned(), State::Disabled, Code::Disabled)]);
    assert_eq!(&*rig.newest("a").detail, "configuration");
    assert_eq!(rig.weights("web"), "1=0 2=100");
    rig.reload(spec(CONFIG));
    assert_eq!(rig.transitions(), [("a".to_owned(), State::Unknown, Code::Enabled)]);
    assert_eq!(rig.backend("a").hold(), Hold::None, "enable holds nothing");
    assert_eq!(rig.weights("web"), "1=0 2=100");
}

#[rstest]
#[case::disabled_with_another_check("10.0.0.1", "10.0.0.1 https disabled", State::Disabled)]
#[case::disabled_with_another_address("10.0.0.1", "10.0.0.9 tcp disabled", State::Disabled)]
fn disabled_and_changed_is_disabled_once(#[case] from: &str, #[case] to: &str, #[case] state: State) {
    let mut rig = running();
    rig.reload(with(from, to));
    assert_eq!(rig.transitions(), [("a".to_owned(), state, Code::Disabled)]);
}

#[test]
fn a_paused_backend_stays_paused_under_another_check() {
    let mut rig = running();
    rig.act(|control, id| control.pause(wall(), id, ""), "a").unwrap();
    rig.events();
    rig.reload(with("10.0.0.1", "10.0.0.1 https"));
    assert_eq!(rig.transitions(), []);
    assert_eq!(rig.backend("a").state(), State::Paused);
    let now = rig.now;
    rig.act(|control, id| control.resume(now, wall(), id, ""), "a").unwrap();
    assert_eq!(&*rig.backend("a").spec().check.as_ref().unwrap().identity, "https");
    rig.pass("a");
    assert_eq!(rig.weights("web"), "1=100 2=0");
}

#[test]
fn a_second_change_of_a_held_backend_keeps_the_first_hold() {
    let mut rig = Rig::read(CONFIG, "web 10.0.0.1=70");
    rig.vpp.clear();
    rig.reload(with("10.0.0.1", "10.0.0.1 https"));
    assert_eq!(rig.weights("web"), "1=70 2=0");
    rig.fail("a");
    rig.fail("a");
    rig.reload(with("10.0.0.1", "10.0.0.1 http"));
    rig.fail("a");
    assert_eq!(rig.backend("a").state(), State::Unknown, "another check, other fails");
}

#[test]
fn a_resumed_backend_that_gets_another_check_is_held_at_what_vpp_has() {
    let mut rig = running();
    rig.act(|control, id| control.pause(wall(), id, ""), "a").unwrap();
    rig.sync();
    let now = rig.now;
    rig.act(|control, id| control.resume(now, wall(), id, ""), "a").unwrap();
    rig.reload(with("10.0.0.1", "10.0.0.1 https"));
    assert_eq!(rig.backend("a").hold(), Hold::Held { above_zero: false });
}

#[test]
fn a_renamed_frontend_keeps_what_its_vip_holds() {
    let mut rig = Rig::read(CONFIG, "web 10.0.0.1=70");
    rig.vpp.clear();
    rig.reload(with("frontend web", "frontend www@web"));
    assert_eq!(rig.weights("www"), "1=70 2=0");
    assert!(rig.control.frontend_idx("web").is_none());
}

#[test]
fn another_vip_under_the_same_name_is_another_vip() {
    let mut rig = Rig::read(CONFIG, "web 10.0.0.1=70");
    rig.reload(with("frontend web", "frontend web@elsewhere"));
    assert_eq!(rig.weights("web"), "1=0 2=0", "VPP has nothing for it there");
    rig.pass("a");
    assert_eq!(rig.weights("web"), "1=100 2=0");
}

#[test]
fn a_hold_that_moves_out_of_its_last_vip_makes_fails_count() {
    let mut rig = Rig::read(CONFIG, "web 10.0.0.1=70");
    rig.fail("a");
    rig.reload(with("primary a / fallback b", "primary b"));
    assert_eq!(rig.backend("a").state(), State::Down);
}

#[test]
fn before_vpp_was_read_nothing_is_asked_of_it() {
    let mut rig = Rig::start(spec(CONFIG), Vpp::new(), Overrides::default());
    let changed = with("10.0.0.1", "10.0.0.1 https");
    let now = rig.now;
    rig.control.reload(now, wall(), &changed, &|frontend, address| {
        panic!("nobody knows the weight of {address} in {frontend}")
    });
    assert_eq!(rig.backend("a").hold(), Hold::Pending);
    assert!(rig.program("web").pending);
}

#[test]
fn a_new_frontend_is_told_of_when_it_serves() {
    let mut rig = running();
    rig.reload(spec(&format!("{CONFIG}\nfrontend new only a=5")));
    assert_eq!(rig.frontend_transitions(), [("new".to_owned(), FrontendState::Unknown, FrontendState::Up)]);
    assert_eq!(rig.weights("new"), "1=5");
}
