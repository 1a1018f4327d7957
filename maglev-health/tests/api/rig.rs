//! A control with a clock that moves when told to, a VPP that is a map, and configurations in a few words.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use maglev_health::{
    BackendId, BackendSpec, BackendView, Check, CheckSpec, Code, Control, ControlOptions, Dataplane, Event,
    FrontendIdx, FrontendSpec, FrontendState, Jitter, MemberKey, MemberSpec, Outcome, Overrides, PoolSpec, ProbeId,
    ProbeResult, Program, Spec, State, Target, Transition, Weight,
};

/// What a VPP holds: weights by VIP and address.
pub(crate) type Vpp = BTreeMap<(Arc<str>, IpAddr), Weight>;

pub(crate) struct Rig {
    pub(crate) control: Control,
    pub(crate) spec: Spec,
    pub(crate) vpp: Vpp,
    pub(crate) now: Instant,
    /// Events since they were last asked for, without `Probe`.
    log: Vec<Event>,
    running: BTreeMap<BackendId, ProbeId>,
}

impl Rig {
    /// A daemon that starts over `vpp` and has not read it yet.
    pub(crate) fn start(spec: Spec, vpp: Vpp, overrides: Overrides) -> Self {
        Self::with_options(spec, vpp, ControlOptions { overrides, ..ControlOptions::default() })
    }

    pub(crate) fn with_options(spec: Spec, vpp: Vpp, options: ControlOptions) -> Self {
        let now = origin();
        let control = Control::new(options, &spec, now, wall());
        let mut rig = Self { control, spec, vpp, now, log: Vec::new(), running: BTreeMap::new() };
        rig.drain();
        rig
    }

    /// A daemon that starts over a VPP with these weights (see [`vpp`]) and reads it at once.
    pub(crate) fn read(config: &str, vpp_has: &str) -> Self {
        let mut rig = Self::start(spec(config), vpp(vpp_has), Overrides::default());
        rig.connect();
        rig
    }

    /// A daemon without dataplane.
    pub(crate) fn blind(config: &str) -> Self {
        let options = ControlOptions { dataplane: Dataplane::Absent, ..ControlOptions::default() };
        Self::with_options(spec(config), Vpp::new(), options)
    }

    /// Reads VPP, for the first time or again.
    pub(crate) fn connect(&mut self) {
        let (vips, vpp) = (vips(&self.spec), &self.vpp);
        self.control.handle_actual(wall(), &|frontend, address| look_up(vpp, &vips, frontend, address));
        self.drain();
    }

    pub(crate) fn reload(&mut self, spec: Spec) {
        let (vips, vpp) = (vips(&spec), &self.vpp);
        self.control.reload(self.now, wall(), &spec, &|frontend, address| look_up(vpp, &vips, frontend, address));
        self.spec = spec;
        self.drain();
    }

    /// A clone of the control that has gone over to `spec`.
    pub(crate) fn reloaded_clone(&self, spec: &Spec) -> Control {
        let mut clone = self.control.clone();
        let (vips, vpp) = (vips(spec), &self.vpp);
        clone.reload(self.now, wall(), spec, &|frontend, address| look_up(vpp, &vips, frontend, address));
        clone
    }

    /// Makes VPP agree with every program.
    pub(crate) fn sync(&mut self) {
        self.vpp.clear();
        for frontend in self.control.frontends() {
            assert!(!frontend.program().pending, "what is not known must not be written");
            for (&address, target) in &frontend.program().targets {
                self.vpp.insert((frontend.spec().vip.clone(), address), target.weight);
            }
        }
    }

    pub(crate) fn pass(&mut self, name: &str) {
        self.verdict(name, Outcome::Pass);
    }

    pub(crate) fn fail(&mut self, name: &str) {
        self.verdict(name, Outcome::Fail);
    }

    /// Lets time go on to the next probe of a backend and answers it at once.
    pub(crate) fn verdict(&mut self, name: &str, outcome: Outcome) {
        let id = self.id(name);
        let probe = loop {
            if let Some(&probe) = self.running.get(&id) {
                break probe;
            }
            let due = self.control.poll_timeout().expect("somebody to probe");
            self.advance(due.saturating_duration_since(self.now));
        };
        assert!(self.answer(probe, outcome));
    }

    /// Answers a probe, whatever became of it.
    pub(crate) fn answer(&mut self, probe: ProbeId, outcome: Outcome) -> bool {
        self.running.retain(|_, running| *running != probe);
        let counted = self.control.handle_result(self.now, wall(), probe, result(outcome), Jitter::NONE);
        self.drain();
        counted
    }

    /// Lets time go on to the next probe of a backend, which passes and hears its server say this.
    pub(crate) fn says(&mut self, name: &str, word: &str) {
        let id = self.id(name);
        while !self.running.contains_key(&id) {
            let due = self.control.poll_timeout().expect("somebody to probe");
            self.advance(due.saturating_duration_since(self.now));
        }
        let probe = self.running.remove(&id).expect("it runs");
        let result = result(Outcome::Pass).with_agent(word.parse().expect("it is known"));
        assert!(self.control.handle_result(self.now, wall(), probe, result, Jitter::NONE));
        self.drain();
    }

    pub(crate) fn advance(&mut self, span: Duration) {
        self.now += span;
        self.control.handle_timeout(self.now);
        self.drain();
    }

    /// Does something to the control and takes its events.
    pub(crate) fn act<T>(&mut self, act: impl FnOnce(&mut Control, BackendId) -> T, name: &str) -> T {
        let id = self.id(name);
        let done = act(&mut self.control, id);
        self.drain();
        done
    }

    pub(crate) fn set_weight(&mut self, place: &str, weight: Option<u8>) {
        let weight = weight.map(|weight| Weight::new(weight).unwrap());
        self.control.set_weight(&key(place), weight).unwrap();
        self.drain();
    }

    pub(crate) fn id(&self, name: &str) -> BackendId {
        self.control.backend_id(name).unwrap_or_else(|| panic!("no backend {name}"))
    }

    pub(crate) fn backend(&self, name: &str) -> BackendView<'_> {
        self.control.backend(self.id(name)).unwrap()
    }

    pub(crate) fn newest(&self, name: &str) -> &Transition {
        self.backend(name).history().next().unwrap()
    }

    pub(crate) fn running(&self) -> &BTreeMap<BackendId, ProbeId> {
        &self.running
    }

    pub(crate) fn program(&self, frontend: &str) -> &Program {
        self.control.program(self.idx(frontend)).unwrap()
    }

    pub(crate) fn target(&self, frontend: &str, address: &str) -> Target {
        self.program(frontend).targets[&address.parse().unwrap()]
    }

    /// Weights of a VIP, `1=100 2=0`: last number of the address and weight.
    pub(crate) fn weights(&self, frontend: &str) -> String {
        let weight = |(address, target): (&IpAddr, &Target)| {
            let address = address.to_string();
            let last = address.rsplit(['.', ':']).next().unwrap().to_owned();
            format!("{last}={}", target.weight)
        };
        let weights: Vec<String> = self.program(frontend).targets.iter().map(weight).collect();
        weights.join(" ")
    }

    pub(crate) fn idx(&self, frontend: &str) -> FrontendIdx {
        self.control.frontend_idx(frontend).unwrap()
    }

    /// Takes all events so far, without `Probe`.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.log)
    }

    /// Takes all events so far and gives the transitions of backends: `(name, to, code)`.
    pub(crate) fn transitions(&mut self) -> Vec<(String, State, Code)> {
        self.events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Transition { name, transition, .. } => Some((name.to_string(), transition.to, transition.code)),
                _ => None,
            })
            .collect()
    }

    /// Takes all events so far and gives those of frontends: `(name, from, to)`.
    pub(crate) fn frontend_transitions(&mut self) -> Vec<(String, FrontendState, FrontendState)> {
        self.events()
            .into_iter()
            .filter_map(|event| match event {
                Event::FrontendTransition { frontend, from, to } => Some((frontend.to_string(), from, to)),
                _ => None,
            })
            .collect()
    }

    fn drain(&mut self) {
        while let Some(event) = self.control.poll_event() {
            match event {
                Event::Probe { backend, probe, .. } => {
                    let other = self.running.insert(backend, probe);
                    assert_eq!(other, None, "two probes at a time");
                    continue;
                }
                Event::Cancel { backend, probe } => {
                    assert_eq!(self.running.remove(&backend), Some(probe));
                }
                _ => {}
            }
            self.log.push(event);
        }
    }
}

/// A configuration, line by line:
///
/// ```text
/// backend NAME ADDRESS [CHECK|static] [disabled]
/// frontend NAME[@VIP] [noflush] POOL BACKEND[=WEIGHT]... [/ POOL BACKEND...]...
/// ```
/// Without a VIP it is the name. Every check has an interval of 2 s, fast 500 ms, down 30 s, rise 2 and fall 3.
pub(crate) fn spec(config: &str) -> Spec {
    let (mut backends, mut frontends) = (Vec::new(), Vec::new());
    for line in config.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once(' ').expect("a line has words") {
            ("backend", rest) => backends.push(backend(rest)),
            ("frontend", rest) => frontends.push(frontend(rest)),
            (other, _) => panic!("what is {other}?"),
        }
    }
    Spec::new(backends, frontends).unwrap()
}

fn backend(line: &str) -> BackendSpec {
    let words: Vec<&str> = line.split_whitespace().collect();
    let check = match words.get(2).copied().unwrap_or("tcp") {
        "static" => None,
        "disabled" => Some("tcp"),
        check => Some(check),
    };
    BackendSpec {
        name: words[0].into(),
        address: words[1].parse().unwrap(),
        check: check.map(|identity| CheckSpec { timing: check_of_all(), identity: identity.into() }),
        enabled: words.last() != Some(&"disabled"),
    }
}

fn frontend(line: &str) -> FrontendSpec {
    let mut words = line.split_whitespace().peekable();
    let name = words.next().unwrap();
    let (name, vip) = name.split_once('@').unwrap_or((name, name));
    let flush_on_down = words.next_if_eq(&"noflush").is_none();
    let mut pools: Vec<PoolSpec> = Vec::new();
    while let Some(pool) = words.next() {
        let mut members = Vec::new();
        while let Some(member) = words.next_if(|&word| word != "/") {
            let (backend, weight) = member.split_once('=').unwrap_or((member, "100"));
            members.push(MemberSpec { backend: backend.into(), weight: Weight::new(weight.parse().unwrap()).unwrap() });
        }
        words.next();
        pools.push(PoolSpec { name: pool.into(), members });
    }
    FrontendSpec { name: name.into(), vip: vip.into(), flush_on_down, pools }
}

/// What a VPP has: `VIP ADDRESS=WEIGHT ADDRESS=WEIGHT`, one VIP a line.
pub(crate) fn vpp(text: &str) -> Vpp {
    let mut vpp = Vpp::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(vip) = words.next() else {
            continue;
        };
        for word in words {
            let (address, weight) = word.split_once('=').unwrap();
            let weight = Weight::new(weight.parse().unwrap()).unwrap();
            vpp.insert((vip.into(), address.parse().unwrap()), weight);
        }
    }
    vpp
}

/// A place, `FRONTEND POOL BACKEND`.
pub(crate) fn key(place: &str) -> MemberKey {
    let words: Vec<&str> = place.split_whitespace().collect();
    MemberKey { frontend: words[0].into(), pool: words[1].into(), backend: words[2].into() }
}

pub(crate) fn result(outcome: Outcome) -> ProbeResult {
    match outcome {
        Outcome::Pass => ProbeResult::pass(Code::L7Ok, "status 200"),
        Outcome::Fail => ProbeResult::fail(Code::L4Con, "connect refused"),
        Outcome::NoVerdict => ProbeResult::no_verdict("no buffers"),
    }
}

pub(crate) fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH
}

fn check_of_all() -> Check {
    Check {
        interval: Duration::from_secs(2),
        fast_interval: Duration::from_millis(500),
        down_interval: Duration::from_secs(30),
        rise: NonZeroU8::new(2).unwrap(),
        fall: NonZeroU8::new(3).unwrap(),
        damping: None,
    }
}

fn vips(spec: &Spec) -> BTreeMap<Arc<str>, Arc<str>> {
    let vip = |frontend: &FrontendSpec| (frontend.name.clone(), frontend.vip.clone());
    spec.frontends().iter().map(vip).collect()
}

fn look_up(vpp: &Vpp, vips: &BTreeMap<Arc<str>, Arc<str>>, frontend: &str, address: IpAddr) -> Option<Weight> {
    vpp.get(&(vips[frontend].clone(), address)).copied()
}

/// The one instant that does not come in as an argument.
#[expect(clippy::disallowed_methods, reason = "an `Instant` has no other origin")]
fn origin() -> Instant {
    Instant::now()
}
