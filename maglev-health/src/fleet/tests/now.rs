//! Probes that operators ask for.

use super::*;

#[test]
fn a_probe_that_is_asked_for_comes_at_once_and_the_phase_stays() {
    let mut world = World::new(1, check(), secs(30));
    world.run(ms(6500), |_, _| Reply::pass(ms(1)));
    world.starts.clear();
    assert_eq!(world.fleet.probe_now(world.now, BackendId(1)), Ok(Planned::Now));
    world.run(secs(4), |_, _| Reply::pass(ms(1)));
    // Then on multiples of 2 s again.
    assert_eq!(world.starts_of(0), [6500, 8000, 10_000].map(ms));
}

#[test]
fn a_probe_under_way_is_the_one_that_is_asked_for() {
    let mut world = World::new(1, check(), secs(30));
    world.fleet.handle_timeout(world.now);
    let probe = world.probe().unwrap();
    assert_eq!(world.fleet.probe_now(world.now, BackendId(1)), Ok(Planned::UnderWay(probe)));
    assert_eq!(world.fleet.poll_timeout(), None, "one at a time");
}

#[test]
fn what_is_not_probed_is_not_probed_now_either() {
    let mut world = World::new(1, check(), secs(30));
    let (now, a) = (world.now, BackendId(1));
    world.fleet.pause(AT, a, "").unwrap();
    assert_eq!(world.fleet.probe_now(now, a), Err(ActionError::Paused));
    world.fleet.disable(AT, a, "").unwrap();
    assert_eq!(world.fleet.probe_now(now, a), Err(ActionError::Disabled));
    let b = world.fleet.insert(now, AT, spec("b", None), admission(0, 1));
    assert_eq!(world.fleet.probe_now(now, b), Err(ActionError::Static));
    assert_eq!(world.fleet.probe_now(now, BackendId(9)), Err(ActionError::NoSuchBackend));
    assert_eq!(world.fleet.poll_timeout(), None);
}
