//! Pools, weights and the events of frontends, as a daemon sees them.

use maglev_health::{Control, Done, Event, FrontendState, State};

use crate::rig::{Rig, key, spec, wall};

const CONFIG: &str = "
    backend a 10.0.0.1
    backend b 10.0.0.2
    backend c 10.0.0.3
    frontend web primary a=60 b=40 / fallback c=100
    frontend mail only c=10
";

#[test]
fn failover_and_recovery() {
    let mut rig = Rig::read(CONFIG, "");
    for name in ["a", "b", "c"] {
        rig.pass(name);
    }
    assert_eq!(rig.weights("web"), "1=60 2=40 3=0");
    rig.act(|control, id| control.pause(wall(), id, ""), "a").unwrap();
    assert_eq!(rig.weights("web"), "1=0 2=40 3=0");
    rig.act(|control, id| control.disable(wall(), id, ""), "b").unwrap();
    assert_eq!(rig.weights("web"), "1=0 2=0 3=100");
    assert_eq!(rig.program("web").active_pool, 1);
    let now = rig.now;
    rig.act(|control, id| control.resume(now, wall(), id, ""), "a").unwrap();
    assert_eq!(rig.weights("web"), "1=0 2=0 3=100", "resumed, and nothing known yet");
    rig.pass("a");
    assert_eq!(rig.weights("web"), "1=60 2=0 3=0");
}

#[test]
fn frontend_events() {
    use FrontendState::{Down, Unknown, Up};
    let event = |name: &str, from, to| (name.to_owned(), from, to);
    let mut rig = Rig::read(CONFIG, "");
    assert_eq!(rig.frontend_transitions(), []);
    rig.fail("a");
    assert_eq!(rig.frontend_transitions(), [event("web", Unknown, Down)]);
    rig.pass("c");
    assert_eq!(rig.frontend_transitions(), [event("web", Down, Up), event("mail", Unknown, Up)]);
    rig.set_weight("mail only c", Some(0));
    assert_eq!(rig.frontend_transitions(), [event("mail", Up, Down)]);
    rig.reload(spec(CONFIG));
    assert_eq!(rig.events(), [], "a reload of the same says nothing");
}

#[test]
fn only_what_changed_is_dirty() {
    let mut rig = Rig::read(CONFIG, "");
    let names = |rig: &mut Rig| -> Vec<String> {
        let dirty = rig.control.take_dirty();
        let name = |&index| rig.control.frontend(index).unwrap().name().to_string();
        dirty.iter().map(name).collect()
    };
    assert_eq!(names(&mut rig), ["web", "mail"], "all of them at the start");
    assert_eq!(names(&mut rig), [""; 0]);
    rig.pass("a");
    assert_eq!(names(&mut rig), ["web"]);
    rig.pass("a");
    assert_eq!(names(&mut rig), [""; 0], "a counter is nobody's program");
    rig.pass("c");
    assert_eq!(names(&mut rig), ["mail"], "in web c is up, but in the pool that waits");
    rig.set_weight("mail only c", Some(10));
    assert_eq!(names(&mut rig), [""; 0], "the same number as configured");
    rig.reload(spec(CONFIG));
    assert_eq!(names(&mut rig), ["web", "mail"], "all of them after a reload");
}

#[test]
fn the_order_of_frontends_does_not_matter() {
    let swapped = "
        backend a 10.0.0.1
        backend b 10.0.0.2
        backend c 10.0.0.3
        frontend mail only c=10
        frontend web primary a=60 b=40 / fallback c=100
    ";
    let play = |config| {
        let mut rig = Rig::read(config, "web 10.0.0.2=7\nmail 10.0.0.3=9");
        for _ in 0..3 {
            rig.fail("a");
            rig.pass("c");
        }
        rig.act(|control, id| control.disable(wall(), id, ""), "a").unwrap();
        rig
    };
    let (one, other) = (play(CONFIG), play(swapped));
    for name in ["web", "mail"] {
        assert_eq!(one.program(name), other.program(name));
    }
}

#[test]
fn views_show_what_lists_and_metrics_need() {
    let mut rig = Rig::read(CONFIG, "");
    rig.pass("a");
    rig.set_weight("web primary b", Some(3));
    let names = |views: Vec<String>| views.join(" ");
    let backends = rig.control.backends().map(|view| view.name().to_string());
    assert_eq!(names(backends.collect()), "a b c");
    let frontends = rig.control.frontends().map(|view| view.name().to_string());
    assert_eq!(names(frontends.collect()), "web mail");

    let web = rig.control.frontend(rig.idx("web")).unwrap();
    assert_eq!((web.state(), web.active_pool()), (FrontendState::Up, 0));
    let rows: Vec<String> = web
        .pools()
        .flat_map(|pool| {
            pool.members().map(move |row| {
                let overridden = row.overridden.map_or("-".to_owned(), |weight| weight.to_string());
                let (pool_name, active) = (pool.name(), pool.is_active());
                let (name, configured, effective) = (row.name, row.configured, row.effective);
                format!("{pool_name} {active} {name} {configured} {overridden} {effective}")
            })
        })
        .collect();
    assert_eq!(rows, ["primary true a 60 - 60", "primary true b 40 3 0", "fallback false c 100 - 0"]);
    let users: Vec<usize> = rig.control.users(rig.id("c")).map(|index| index.get()).collect();
    assert_eq!(users, [0, 1]);

    let a = rig.backend("a");
    assert_eq!((a.counter(), a.rise(), a.fall()), (2, 2, 3));
    assert!(a.is_enabled() && a.in_flight().is_none());
    assert_eq!(&*a.last_result().unwrap().detail, "status 200");
    assert_eq!(a.history().count(), 2);
    assert_eq!(a.spec().address, a.address());
}

#[test]
fn a_backend_that_no_frontend_uses_is_probed_all_the_same() {
    let mut rig = Rig::read("backend a 10.0.0.1", "");
    rig.pass("a");
    assert_eq!(rig.backend("a").state(), State::Up);
}

#[test]
fn the_start_is_told() {
    let mut rig = Rig::read(CONFIG, "");
    let started: Vec<String> = rig
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Started { name, .. } => Some(name.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(started, ["a", "b", "c"]);
    assert_eq!(rig.newest("a").code.to_string(), "started");
}

#[test]
fn a_weight_for_a_place_that_is_not_there_is_refused() {
    let mut rig = Rig::read(CONFIG, "");
    for place in ["nobody primary a", "web nowhere a", "web primary c"] {
        assert!(rig.control.set_weight(&key(place), None).is_err(), "{place}");
    }
    assert_eq!(rig.control.set_weight(&key("web primary a"), None), Ok(Done::Already));
}

#[test]
fn a_clone_in_which_everybody_answers_shows_what_comes_later() {
    let mut rig = Rig::read(CONFIG, "");
    rig.fail("a");
    rig.events();
    let candidate = spec(&format!("{CONFIG}\nbackend new 10.0.0.9\nfrontend other only new"));
    let mut clone = rig.reloaded_clone(&candidate);
    let weight = |control: &Control, frontend: &str| -> Vec<u8> {
        let program = control.program(control.frontend_idx(frontend).unwrap()).unwrap();
        program.targets.values().map(|target| target.weight.get()).collect()
    };
    assert_eq!(weight(&clone, "other"), [0]);

    clone.assume_up(rig.now, wall());
    assert!(clone.backends().all(|backend| backend.state() != State::Unknown));
    assert_eq!(weight(&clone, "other"), [100]);
    // What is down stays down, and the original knows of nothing.
    assert_eq!(clone.backend(rig.id("a")).map(|backend| backend.state()), Some(State::Down));
    assert!(rig.control.frontend_idx("other").is_none());
    assert_eq!(rig.events(), []);
}
