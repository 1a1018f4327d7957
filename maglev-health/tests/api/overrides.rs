//! What operators decide over the configuration's head.

use maglev_health::{ActionError, BackendOverride, Code, Control, Done, Event, Hold, Overrides, State, Weight};
use rstest::rstest;

use crate::rig::{Rig, key, spec, vpp, wall};

const CONFIG: &str = "
    backend a 10.0.0.1
    backend b 10.0.0.2
    frontend web primary a / fallback b
";

#[derive(Clone, Copy, Debug)]
enum Action {
    Pause,
    Resume,
    Disable,
    Enable,
    Clear,
}

fn act(rig: &mut Rig, action: Action) -> Result<Done, ActionError> {
    let now = rig.now;
    let act = |control: &mut Control, id| match action {
        Action::Pause => control.pause(wall(), id, "why"),
        Action::Resume => control.resume(now, wall(), id, "why"),
        Action::Disable => control.disable(wall(), id, "why"),
        Action::Enable => control.enable(now, wall(), id, "why"),
        Action::Clear => control.clear(now, wall(), id, "why"),
    };
    rig.act(act, "a")
}

/// Two actions in a row on a backend that was up: what the second says, and what both leave behind.
#[rstest]
#[case(&[Action::Pause], Ok(Done::Changed), State::Paused, Some(BackendOverride::Paused))]
#[case(&[Action::Resume], Ok(Done::Already), State::Up, None)]
#[case(&[Action::Disable], Ok(Done::Changed), State::Disabled, Some(BackendOverride::Disabled))]
#[case(&[Action::Enable], Ok(Done::Already), State::Up, None)]
#[case(&[Action::Clear], Ok(Done::Already), State::Up, None)]
#[case(&[Action::Pause, Action::Pause], Ok(Done::Already), State::Paused, Some(BackendOverride::Paused))]
#[case(&[Action::Pause, Action::Resume], Ok(Done::Changed), State::Unknown, None)]
#[case(&[Action::Pause, Action::Disable], Ok(Done::Changed), State::Disabled, Some(BackendOverride::Disabled))]
#[case(&[Action::Pause, Action::Enable], Ok(Done::Already), State::Paused, Some(BackendOverride::Paused))]
#[case(&[Action::Pause, Action::Clear], Ok(Done::Changed), State::Unknown, None)]
#[case(&[Action::Disable, Action::Pause], Err(ActionError::Disabled), State::Disabled, Some(BackendOverride::Disabled))]
#[case(&[Action::Disable, Action::Resume], Err(ActionError::Disabled), State::Disabled, Some(BackendOverride::Disabled))]
#[case(&[Action::Disable, Action::Disable], Ok(Done::Already), State::Disabled, Some(BackendOverride::Disabled))]
#[case(&[Action::Disable, Action::Enable], Ok(Done::Changed), State::Unknown, None)]
#[case(&[Action::Disable, Action::Clear], Ok(Done::Changed), State::Unknown, None)]
fn actions_on_a_backend_that_the_configuration_enables(
    #[case] actions: &[Action],
    #[case] done: Result<Done, ActionError>,
    #[case] state: State,
    #[case] overridden: Option<BackendOverride>,
) {
    let mut rig = Rig::read(CONFIG, "");
    rig.pass("a");
    after(&mut rig, actions, done, state, overridden);
}

#[rstest]
#[case(&[Action::Pause], Err(ActionError::Disabled), State::Disabled, None)]
#[case(&[Action::Disable], Ok(Done::Already), State::Disabled, None)]
#[case(&[Action::Enable], Ok(Done::Changed), State::Unknown, Some(BackendOverride::Enabled))]
#[case(&[Action::Enable, Action::Disable], Ok(Done::Changed), State::Disabled, None)]
#[case(&[Action::Enable, Action::Pause], Ok(Done::Changed), State::Paused, Some(BackendOverride::Paused))]
#[case(&[Action::Enable, Action::Pause, Action::Resume], Ok(Done::Changed), State::Unknown, Some(BackendOverride::Enabled))]
#[case(&[Action::Enable, Action::Pause, Action::Clear], Ok(Done::Changed), State::Disabled, None)]
#[case(&[Action::Enable, Action::Clear], Ok(Done::Changed), State::Disabled, None)]
fn actions_on_a_backend_that_the_configuration_disables(
    #[case] actions: &[Action],
    #[case] done: Result<Done, ActionError>,
    #[case] state: State,
    #[case] overridden: Option<BackendOverride>,
) {
    let mut rig = Rig::read(&CONFIG.replace("10.0.0.1", "10.0.0.1 disabled"), "");
    after(&mut rig, actions, done, state, overridden);
}

fn after(
    rig: &mut Rig,
    actions: &[Action],
    done: Result<Done, ActionError>,
    state: State,
    overridden: Option<BackendOverride>,
) {
    let (&last, before) = actions.split_last().unwrap();
    for &action in before {
        act(rig, action).unwrap();
    }
    rig.events();
    assert_eq!(act(rig, last), done);
    assert_eq!(rig.backend("a").state(), state);
    assert_eq!(rig.backend("a").overridden(), overridden);
    assert_eq!(rig.control.overrides().backends.get("a").copied(), overridden);
    let transitions = rig.transitions();
    assert_eq!(transitions.len(), usize::from(done == Ok(Done::Changed)), "{transitions:?}");
    if done == Ok(Done::Changed) {
        assert_eq!(&*rig.newest("a").detail, "why");
    }
}

#[rstest]
#[case(BackendOverride::Paused, State::Paused, Code::Restored)]
#[case(BackendOverride::Disabled, State::Disabled, Code::Restored)]
#[case(BackendOverride::Enabled, State::Unknown, Code::Started)]
fn overrides_are_restored_at_a_start(#[case] overridden: BackendOverride, #[case] state: State, #[case] code: Code) {
    let mut rig = Rig::start(spec(CONFIG), vpp("web 10.0.0.1=100"), backend("a", overridden));
    assert_eq!(rig.backend("a").state(), state);
    assert_eq!(rig.newest("a").code, code);
    assert_eq!(rig.backend("a").overridden(), Some(overridden));
    assert!(!rig.events().iter().any(|event| matches!(event, Event::BackendOverrideKept { .. })));
}

#[test]
fn enabled_against_the_configuration_is_held_after_a_restart() {
    let config = CONFIG.replace("10.0.0.1", "10.0.0.1 disabled");
    let overrides = backend("a", BackendOverride::Enabled);
    let mut rig = Rig::start(spec(&config), vpp("web 10.0.0.1=100"), overrides);
    rig.connect();
    assert_eq!(rig.newest("a").code, Code::Restored);
    assert_eq!(rig.backend("a").hold(), Hold::Held { above_zero: true });
    assert_eq!(rig.weights("web"), "1=100 2=0");
}

#[test]
fn weights_are_restored_at_a_start() {
    let overrides =
        Overrides { weights: [(key("web primary a"), Weight::new(7).unwrap())].into(), ..Overrides::default() };
    let mut rig = Rig::start(spec(CONFIG), vpp("web 10.0.0.1=7"), overrides);
    rig.connect();
    rig.pass("a");
    assert_eq!(rig.weights("web"), "1=7 2=0");
}

#[test]
fn what_left_the_configuration_while_the_daemon_was_away_is_dropped() {
    let overrides = Overrides {
        backends: [("gone".into(), BackendOverride::Paused)].into(),
        weights: [(key("web gone a"), Weight::ZERO)].into(),
    };
    let mut rig = Rig::start(spec(CONFIG), vpp(""), overrides);
    let events = rig.events();
    assert!(
        events.contains(&Event::BackendOverrideDropped { backend: "gone".into(), dropped: BackendOverride::Paused })
    );
    assert!(events.contains(&Event::WeightOverrideDropped { member: key("web gone a"), dropped: Weight::ZERO }));
    assert_eq!(rig.control.overrides(), &Overrides::default());
}

#[test]
fn overrides_survive_a_reload_and_warn_of_what_changed_underneath() {
    let mut rig = Rig::read(CONFIG, "");
    rig.pass("a");
    rig.set_weight("web primary a", Some(7));
    act(&mut rig, Action::Pause).unwrap();
    rig.events();
    rig.reload(spec(CONFIG));
    assert_eq!(rig.events(), [], "nothing changed underneath");
    assert_eq!(rig.backend("a").state(), State::Paused);

    let changed = CONFIG.replace("10.0.0.1", "10.0.0.1 disabled").replace("primary a", "primary a=50");
    rig.reload(spec(&changed));
    assert_eq!(
        rig.events(),
        [
            Event::BackendOverrideKept { backend: "a".into(), kept: BackendOverride::Paused, enabled: false },
            Event::WeightOverrideKept {
                member: key("web primary a"),
                kept: Weight::new(7).unwrap(),
                before: Weight::MAX,
                configured: Weight::new(50).unwrap(),
            },
        ]
    );
    assert_eq!(rig.backend("a").state(), State::Paused);
    assert_eq!(rig.control.overrides().weights.len(), 1);

    assert_eq!(act(&mut rig, Action::Clear), Ok(Done::Changed));
    assert_eq!(rig.backend("a").state(), State::Disabled, "as the configuration says now");
}

#[test]
fn a_disable_that_the_configuration_comes_to_share_can_be_ended() {
    let mut rig = Rig::read(CONFIG, "");
    act(&mut rig, Action::Disable).unwrap();
    rig.reload(spec(&CONFIG.replace("10.0.0.1", "10.0.0.1 disabled")));
    assert_eq!(rig.backend("a").overridden(), Some(BackendOverride::Disabled));
    assert_eq!(act(&mut rig, Action::Clear), Ok(Done::Changed));
    assert_eq!(rig.backend("a").state(), State::Disabled);
    assert_eq!(rig.backend("a").overridden(), None);
    assert_eq!(act(&mut rig, Action::Enable), Ok(Done::Changed));
    assert_eq!(rig.backend("a").overridden(), Some(BackendOverride::Enabled));
}

#[test]
fn overrides_without_a_target_are_dropped_with_a_warning() {
    let mut rig = Rig::read(CONFIG, "");
    rig.set_weight("web primary a", Some(7));
    act(&mut rig, Action::Pause).unwrap();
    rig.events();
    rig.reload(spec("backend b 10.0.0.2\nfrontend web only b"));
    let events = rig.events();
    assert!(events.contains(&Event::BackendOverrideDropped { backend: "a".into(), dropped: BackendOverride::Paused }));
    assert!(
        events
            .contains(&Event::WeightOverrideDropped { member: key("web primary a"), dropped: Weight::new(7).unwrap() })
    );
    rig.reload(spec(CONFIG));
    assert_eq!(rig.backend("a").state(), State::Unknown, "dropped for good");
    rig.pass("a");
    assert_eq!(rig.weights("web"), "1=100 2=0");
}

#[test]
fn a_weight_goes_back_to_the_configured_one() {
    let mut rig = Rig::read(CONFIG, "");
    rig.pass("a");
    rig.set_weight("web primary a", Some(7));
    assert_eq!(rig.weights("web"), "1=7 2=0");
    rig.set_weight("web primary a", None);
    assert_eq!(rig.weights("web"), "1=100 2=0");
    assert!(rig.control.overrides().weights.is_empty());
}

#[test]
fn a_weight_that_is_in_force_or_refused_changes_nothing() {
    let mut rig = Rig::read(CONFIG, "");
    rig.pass("a");
    let place = key("web primary a");
    let seven = Some(Weight::new(7).unwrap());
    assert_eq!(rig.control.set_weight(&place, seven), Ok(Done::Changed));
    assert_eq!(rig.control.take_dirty(), [rig.idx("web")]);
    let saved = rig.control.overrides().clone();
    assert_eq!(rig.control.set_weight(&place, seven), Ok(Done::Already));
    assert_eq!(rig.control.set_weight(&key("web primary b"), seven), Err(ActionError::NoSuchMember));
    assert_eq!(rig.control.take_dirty(), []);
    assert_eq!(rig.control.overrides(), &saved);

    assert_eq!(rig.control.set_weight(&place, None), Ok(Done::Changed));
    assert_eq!(rig.control.set_weight(&place, None), Ok(Done::Already));
    // The configured weight over again is an override, too: it outlives a change of the configuration.
    assert_eq!(rig.control.set_weight(&place, Some(Weight::MAX)), Ok(Done::Changed));
    rig.reload(spec(&CONFIG.replace("primary a", "primary a=50")));
    assert_eq!(rig.weights("web"), "1=100 2=0");
}

#[test]
fn a_static_backend_that_is_cleared_is_up_at_once() {
    let mut rig = Rig::read(&CONFIG.replace("10.0.0.1", "10.0.0.1 static"), "");
    act(&mut rig, Action::Disable).unwrap();
    assert_eq!(act(&mut rig, Action::Clear), Ok(Done::Changed));
    assert_eq!(rig.backend("a").state(), State::Up);
    assert_eq!(rig.newest("a").code, Code::Static);
}

#[test]
fn actions_on_a_backend_that_left_are_refused() {
    let mut rig = Rig::read(CONFIG, "");
    let id = rig.id("a");
    rig.reload(spec("backend b 10.0.0.2\nfrontend web only b"));
    let gone = Err(ActionError::NoSuchBackend);
    let (now, control) = (rig.now, &mut rig.control);
    assert_eq!(control.pause(wall(), id, ""), gone);
    assert_eq!(control.resume(now, wall(), id, ""), gone);
    assert_eq!(control.disable(wall(), id, ""), gone);
    assert_eq!(control.enable(now, wall(), id, ""), gone);
    assert_eq!(control.clear(now, wall(), id, ""), gone);
}

fn backend(name: &str, overridden: BackendOverride) -> Overrides {
    Overrides { backends: [(name.into(), overridden)].into(), ..Overrides::default() }
}
