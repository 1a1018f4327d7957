// Hidden in the examples of the documentation, which include it: what they start from.

#[allow(unused)]
mod web {
    use std::net::AddrParseError;
    use std::time::{Instant, SystemTime};

    use maglev_health::{
        Admission, BackendSpec, Check, CheckSpec, Event, Fleet, FrontendSpec, Hold, MemberSpec, Occasion, Place,
        PoolSpec, ProbeId, Spec, SpecError, Weight,
    };

    pub fn clocks() -> (Instant, SystemTime) {
        (Instant::now(), SystemTime::now())
    }

    /// A backend with a check.
    pub fn backend(name: &str, address: &str) -> Result<BackendSpec, AddrParseError> {
        let check = Some(CheckSpec { timing: Check::default(), identity: "tcp 80".into() });
        Ok(BackendSpec { name: name.into(), address: address.parse()?, check, enabled: true })
    }

    /// The frontend `web` with one pool, in which all of them are.
    pub fn spec(backends: Vec<BackendSpec>) -> Result<Spec, SpecError> {
        let member = |backend: &BackendSpec| MemberSpec { backend: backend.name.clone(), weight: Weight::MAX };
        let pool = PoolSpec { name: "primary".into(), members: backends.iter().map(member).collect() };
        let vip = "192.0.2.1 tcp/80".into();
        Spec::new(backends, vec![FrontendSpec { name: "web".into(), vip, flush_on_down: true, pools: vec![pool] }])
    }

    /// At the start of a daemon, with nothing to hold.
    pub const ADMISSION: Admission =
        Admission { occasion: Occasion::Start, restored: None, hold: Hold::None, place: Place::ONLY };

    /// The next probe that is to be made, at the time when it is due.
    pub fn next_probe(fleet: &mut Fleet) -> Option<(Instant, ProbeId)> {
        let now = fleet.poll_timeout()?;
        fleet.handle_timeout(now);
        std::iter::from_fn(|| fleet.poll_event()).find_map(|event| match event {
            Event::Probe { probe, .. } => Some((now, probe)),
            _ => None,
        })
    }
}
