//! Damping across reloads.

use std::time::Duration;

use maglev_health::{BackendSpec, Damping, Spec, State, Weight};

use crate::rig::{Rig, spec, wall};

const CONFIG: &str = "
    backend a 10.0.0.1
    backend b 10.0.0.2
    frontend web primary a / fallback b
";

/// The configuration with this penalty; suppressed from 1,000 on.
fn damped(config: &str, penalty: u32) -> Spec {
    let plain = spec(config);
    let minute = Duration::from_secs(60);
    let damping = Damping::new(penalty, 1000, 500, minute, 5 * minute).unwrap();
    let backends = plain.backends().iter().map(|backend| {
        let mut check = backend.check.clone();
        if let Some(check) = &mut check {
            check.timing.damping = Some(damping);
        }
        BackendSpec { check, ..backend.clone() }
    });
    Spec::new(backends.collect(), plain.frontends().to_vec()).unwrap()
}

/// Both were up, and `a` is suppressed with a counter that says up.
fn suppressed() -> Rig {
    let mut rig = Rig::start(damped(CONFIG, 1000), [].into(), Default::default());
    rig.connect();
    for name in ["a", "b"] {
        rig.pass(name);
    }
    while rig.backend("a").state() == State::Up {
        rig.fail("a");
    }
    rig.pass("a");
    rig.pass("a");
    assert_eq!((rig.backend("a").state(), rig.weights("web")), (State::Down, "1=0 2=100".to_owned()));
    rig.events();
    rig
}

#[test]
fn the_weight_comes_back_at_the_instant_of_reuse() {
    let mut rig = suppressed();
    let until = rig.backend("a").suppressed_until().unwrap();
    let rest = until - rig.now;
    rig.advance(rest - Duration::from_millis(1));
    assert_eq!(rig.weights("web"), "1=0 2=100");
    rig.advance(Duration::from_millis(1));
    assert_eq!(rig.weights("web"), "1=100 2=0");
}

#[test]
fn a_reload_that_changes_nothing_keeps_the_penalty() {
    let mut rig = suppressed();
    let before = (rig.backend("a").penalty(), rig.backend("a").suppressed_until());
    rig.reload(damped(&format!("{CONFIG}\nbackend c 10.0.0.3"), 1000));
    assert_eq!((rig.backend("a").penalty(), rig.backend("a").suppressed_until()), before);
}

#[test]
fn a_reload_of_the_damping_alone_makes_nobody_unknown() {
    for spec in [damped(CONFIG, 1001), spec(CONFIG)] {
        let mut rig = suppressed();
        rig.reload(spec);
        assert_eq!(rig.backend("b").state(), State::Up);
        rig.advance(Duration::ZERO);
        assert_eq!(rig.backend("a").state(), State::Up);
        assert_eq!(rig.weights("web"), "1=100 2=0");
    }
}

#[test]
fn a_reload_of_the_check_keeps_no_penalty() {
    let mut rig = suppressed();
    rig.reload(damped(&CONFIG.replace("10.0.0.1", "10.0.0.1 other"), 1000));
    assert_eq!((rig.backend("a").state(), rig.backend("a").suppressed_until()), (State::Unknown, None));
}

#[test]
fn looking_ahead_does_not_forgive() {
    let rig = suppressed();
    let mut ahead = rig.control.clone();
    ahead.assume_up(rig.now, wall());
    let a = ahead.backend(rig.id("a")).unwrap();
    assert_eq!(a.state(), State::Down);
    let web = ahead.program(rig.idx("web")).unwrap();
    assert_eq!(web.targets[&a.address()].weight, Weight::ZERO);
}
