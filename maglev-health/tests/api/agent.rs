//! What servers say of themselves.

use maglev_health::{Cut, Event, FrontendState, State};

use crate::rig::{Rig, spec, wall};

const CONFIG: &str = "
    backend a 10.0.0.1
    backend b 10.0.0.2
    backend c 10.0.0.3
    frontend web primary a b=50 / fallback c
";

/// All are up.
fn rig() -> Rig {
    let mut rig = Rig::read(CONFIG, "");
    for name in ["a", "b", "c"] {
        rig.pass(name);
    }
    rig.events();
    rig
}

/// Takes the events and gives those of agents: `(name, from, to)`.
fn agents(rig: &mut Rig) -> Vec<(String, String, String)> {
    let events = rig.events().into_iter().filter_map(|event| match event {
        Event::Agent { name, from, to, .. } => {
            Some((name.to_string(), from.map(|from| from.to_string()).unwrap_or_default(), to.to_string()))
        }
        _ => None,
    });
    events.collect()
}

#[test]
fn a_share_scales_the_weight_at_the_moment_of_the_result() {
    let mut rig = rig();
    rig.says("b", "25%");
    assert_eq!(rig.weights("web"), "1=100 2=13 3=0");
    assert_eq!(rig.control.take_dirty().len(), 1);
    rig.pass("b");
    assert_eq!(rig.weights("web"), "1=100 2=13 3=0", "until the next word");
    rig.set_weight("web primary b", Some(80));
    assert_eq!(rig.weights("web"), "1=100 2=20 3=0", "of the operator's weight");
    rig.says("b", "up");
    assert_eq!(rig.weights("web"), "1=100 2=80 3=0", "each word stands for itself");
    let said = |from: &str, to: &str| ("b".to_owned(), from.to_owned(), to.to_owned());
    assert_eq!(agents(&mut rig), [said("", "25%"), said("25%", "100%")]);
}

#[test]
fn the_same_word_again_is_no_news() {
    let mut rig = rig();
    rig.says("b", "25%");
    rig.events();
    rig.says("b", "ready 25%");
    assert_eq!(agents(&mut rig), []);
}

#[test]
fn who_drains_itself_keeps_its_flows_and_the_next_pool_takes_over() {
    for word in ["drain", "maint", "0%"] {
        let mut rig = rig();
        rig.says("a", word);
        assert_eq!(rig.weights("web"), "1=0 2=50 3=0");
        let target = rig.target("web", "10.0.0.1");
        assert_eq!((target.cut, target.flush), (Cut::Serving, None));
        assert_eq!(rig.backend("a").state(), State::Up);
        rig.says("b", word);
        assert_eq!(rig.weights("web"), "1=0 2=0 3=100");
        assert_eq!(rig.program("web").state, FrontendState::Up);
    }
}

#[test]
fn a_word_does_not_make_a_failed_check_pass_and_overrides_no_operator() {
    let mut rig = rig();
    rig.says("a", "50%");
    while rig.backend("a").state() == State::Up {
        rig.fail("a");
    }
    assert_eq!(rig.weights("web"), "1=0 2=50 3=0");
    while rig.backend("a").state() == State::Down {
        rig.pass("a");
    }
    assert_eq!(rig.weights("web"), "1=50 2=50 3=0", "it was remembered");
    rig.act(|control, id| control.pause(wall(), id, ""), "a").unwrap();
    assert_eq!(rig.weights("web"), "1=0 2=50 3=0");
}

#[test]
fn what_begins_anew_has_said_nothing() {
    let mut rig = rig();
    rig.says("a", "50%");
    let now = rig.now;
    rig.act(|control, id| control.pause(wall(), id, ""), "a").unwrap();
    rig.act(|control, id| control.resume(now, wall(), id, ""), "a").unwrap();
    assert_eq!(rig.backend("a").agent(), None);
    rig.pass("a");
    assert_eq!(rig.weights("web"), "1=100 2=50 3=0");

    rig.says("a", "50%");
    rig.sync();
    rig.reload(spec(&CONFIG.replace("10.0.0.1", "10.0.0.1 other")));
    assert_eq!(rig.backend("a").agent(), None);
    assert_eq!(rig.weights("web"), "1=50 2=50 3=0", "held at what VPP has");
    rig.reload(spec(&CONFIG.replace("10.0.0.1", "10.0.0.1 static")));
    assert_eq!((rig.backend("a").agent(), rig.weights("web")), (None, "1=100 2=50 3=0".to_owned()));
}

#[test]
fn a_word_of_an_unknown_backend_counts_with_its_verdict() {
    let mut rig = Rig::read(CONFIG, "web 10.0.0.1=100");
    rig.says("a", "10%");
    assert_eq!(rig.backend("a").state(), State::Up);
    assert_eq!(rig.weights("web"), "1=10 2=0 3=0");
}
