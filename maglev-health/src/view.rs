use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::fleet::Member;
use crate::frontend::Frontend;
use crate::{
    AgentWord, BackendId, BackendOverride, BackendSpec, Damping, FrontendIdx, FrontendSpec, FrontendState, Hold,
    Penalty, ProbeId, ProbeResult, Program, State, Transition, Weight,
};

/// A look at one backend. Costs nothing; copy out what must last.
///
/// ```
/// use maglev_health::*;
/// # use std::time::{Instant, SystemTime};
/// # let (now, wall) = (Instant::now(), SystemTime::now());
/// # let check = CheckSpec { timing: Check::default(), identity: "tcp 80".into() };
/// # let a = BackendSpec { name: "a".into(), address: "10.0.0.1".parse()?, check: Some(check), enabled: true };
/// # let pool = PoolSpec { name: "primary".into(), members: vec![MemberSpec { backend: "a".into(), weight: Weight::MAX }] };
/// # let vip = "192.0.2.1 tcp/80".into();
/// # let web = FrontendSpec { name: "web".into(), vip, flush_on_down: true, pools: vec![pool] };
/// # let spec = Spec::new(vec![a], vec![web])?;
/// # let options = ControlOptions { dataplane: Dataplane::Absent, ..ControlOptions::default() };
///
/// let mut control = Control::new(options, &spec, now, wall);
/// let backend = control.backends().next().ok_or("it is configured")?;
/// assert_eq!((backend.name(), backend.address()), (&backend.spec().name, "10.0.0.1".parse()?));
/// assert_eq!((backend.state(), backend.hold(), backend.since()), (State::Unknown, Hold::None, wall));
/// assert!(backend.is_enabled() && backend.in_flight().is_none(), "its probe has not begun");
///
/// let a = backend.id();
/// control.assume_up(now, wall);
/// let backend = control.backend(a).ok_or("it is configured")?;
/// assert_eq!((&**backend.name(), backend.state()), ("a", State::Up));
/// // One pass is enough for a backend that nothing is known of: it counts as `rise` of them.
/// assert_eq!((backend.counter(), backend.rise(), backend.fall()), (2, 2, 3));
/// assert!(backend.last_result().is_some_and(|result| result.outcome == Outcome::Pass));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BackendView<'a> {
    pub(crate) id: BackendId,
    pub(crate) member: &'a Member,
    pub(crate) overridden: Option<BackendOverride>,
}

impl<'a> BackendView<'a> {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> BackendId {
        self.id
    }

    /// As configured.
    #[must_use]
    pub fn spec(&self) -> &'a BackendSpec {
        &self.member.spec
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'a Arc<str> {
        &self.member.spec.name
    }

    /// Where it is probed, and its AS address in VPP.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.member.spec.address
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> State {
        self.member.backend.state()
    }

    /// The counter, 0..=`rise + fall - 1`. A static backend counts as one with rise and fall of 1.
    #[must_use]
    pub fn counter(&self) -> u16 {
        self.member.backend.counter()
    }

    /// Passes that bring it up from 0; 1 for a static backend.
    #[must_use]
    pub fn rise(&self) -> u16 {
        self.member.backend.rise()
    }

    /// Fails that bring it down from a full counter; 1 for a static backend.
    #[must_use]
    pub fn fall(&self) -> u16 {
        self.member.backend.fall().into()
    }

    /// What it holds while it is unknown.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.member.backend.hold()
    }

    /// When the state was entered, as the caller's wall clock had it.
    #[must_use]
    pub fn since(&self) -> SystemTime {
        self.member.backend.since()
    }

    /// Transitions, newest first, as many as `transition-history` allows.
    pub fn history(&self) -> impl ExactSizeIterator<Item = &'a Transition> + use<'a> {
        self.member.backend.history().iter()
    }

    /// The newest result since its check began, also one that was no verdict.
    #[must_use]
    pub fn last_result(&self) -> Option<&'a ProbeResult> {
        self.member.last.as_ref()
    }

    /// What its server said of itself last, since its check began.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use maglev_health::{Code, Fleet, FleetOptions, Jitter, ProbeResult};
    ///
    /// # let (now, wall) = web::clocks();
    /// let mut fleet = Fleet::new(FleetOptions::default(), now);
    /// let a = fleet.insert(now, wall, web::backend("a", "10.0.0.1")?, web::ADMISSION);
    /// # let (now, probe) = web::next_probe(&mut fleet).ok_or("it is due")?;
    /// let result = ProbeResult::pass(Code::L7Ok, "status 200").with_agent("75%, drain".parse()?);
    /// fleet.handle_result(now, wall, probe, result, Jitter::NONE);
    /// let said = fleet.backend(a).and_then(|backend| backend.agent()).ok_or("it was heard")?;
    /// assert_eq!(said.to_string(), "75% drain");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn agent(&self) -> Option<AgentWord> {
        self.member.agent
    }

    /// What its flaps add up to, to be read at any time together with its damping; `None` without damping.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use maglev_health::{Check, CheckSpec, Code, Damping, Fleet, FleetOptions, Jitter, ProbeResult, State};
    ///
    /// let minute = Duration::from_secs(60);
    /// let damping = Some(Damping::new(1000, 900, 750, minute, 5 * minute)?);
    /// let check = CheckSpec { timing: Check { damping, ..Check::default() }, identity: "tcp 80".into() };
    /// # let (now, wall) = web::clocks();
    /// let mut fleet = Fleet::new(FleetOptions::default(), now);
    /// let mut spec = web::backend("a", "10.0.0.1")?;
    /// spec.check = Some(check);
    /// let a = fleet.insert(now, wall, spec, web::ADMISSION);
    /// // It comes up and goes down.
    /// for pass in [true, false] {
    ///     let (now, probe) = web::next_probe(&mut fleet).ok_or("it is due")?;
    ///     let result = if pass { ProbeResult::pass(Code::L4Ok, "") } else { ProbeResult::fail(Code::L4Con, "refused") };
    ///     fleet.handle_result(now, wall, probe, result, Jitter::NONE);
    /// }
    ///
    /// let backend = fleet.backend(a).ok_or("it is there")?;
    /// let until = backend.suppressed_until().ok_or("once is enough here")?;
    /// let (damping, penalty) = backend.penalty().ok_or("its check has damping")?;
    /// // To 750 it takes 0.415 half-lives.
    /// assert_eq!(penalty.at(&damping, until), 749);
    /// let why = backend.history().next().ok_or("it went down")?;
    /// assert_eq!((why.to, &*why.detail), (State::Down, "refused; suppressed: penalty 1000, for 25s"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn penalty(&self) -> Option<(Damping, Penalty)> {
        Some((self.member.backend.damping()?, self.member.backend.penalty()))
    }

    /// When it is used again, if it is suppressed: not up before that, whatever its probes say.
    #[must_use]
    pub fn suppressed_until(&self) -> Option<Instant> {
        self.member.suppressed_until
    }

    /// The probe under way.
    #[must_use]
    pub fn in_flight(&self) -> Option<ProbeId> {
        self.member.under_way
    }

    /// True unless an operator or the configuration has disabled it.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        !matches!(self.state(), State::Disabled | State::Removed)
    }

    /// The operator's decision in force; always `None` from a [`Fleet`](crate::Fleet) alone.
    #[must_use]
    pub fn overridden(&self) -> Option<BackendOverride> {
        self.overridden
    }
}

/// A look at one frontend. Costs nothing; copy out what must last.
///
/// ```
/// use maglev_health::*;
/// # use std::time::{Instant, SystemTime};
/// # let (now, wall) = (Instant::now(), SystemTime::now());
/// # let check = CheckSpec { timing: Check::default(), identity: "tcp 80".into() };
/// # let a = BackendSpec { name: "a".into(), address: "10.0.0.1".parse()?, check: Some(check), enabled: true };
/// # let pool = PoolSpec { name: "primary".into(), members: vec![MemberSpec { backend: "a".into(), weight: Weight::MAX }] };
/// # let vip = "192.0.2.1 tcp/80".into();
/// # let web = FrontendSpec { name: "web".into(), vip, flush_on_down: true, pools: vec![pool] };
/// # let spec = Spec::new(vec![a], vec![web])?;
/// # let options = ControlOptions { dataplane: Dataplane::Absent, ..ControlOptions::default() };
///
/// let mut control = Control::new(options, &spec, now, wall);
/// control.assume_up(now, wall);
/// let web = control.frontends().next().ok_or("it is configured")?;
/// assert_eq!((&**web.name(), web.state(), web.active_pool()), ("web", FrontendState::Up, 0));
/// assert_eq!(control.frontend_idx("web"), Some(web.index()));
/// assert_eq!(&*web.spec().vip, "192.0.2.1 tcp/80");
/// assert_eq!(web.program().targets.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FrontendView<'a> {
    pub(crate) index: FrontendIdx,
    pub(crate) frontend: &'a Frontend,
}

impl<'a> FrontendView<'a> {
    /// Its position in the running configuration.
    #[must_use]
    pub fn index(&self) -> FrontendIdx {
        self.index
    }

    /// As configured.
    #[must_use]
    pub fn spec(&self) -> &'a FrontendSpec {
        &self.frontend.spec
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'a Arc<str> {
        &self.frontend.spec.name
    }

    /// Whether it serves.
    #[must_use]
    pub fn state(&self) -> FrontendState {
        self.frontend.state()
    }

    /// Index of the pool that carries the weight.
    #[must_use]
    pub fn active_pool(&self) -> usize {
        self.frontend.decision.active_pool
    }

    /// What its VIP should look like.
    #[must_use]
    pub fn program(&self) -> &'a Arc<Program> {
        &self.frontend.program
    }

    /// Its pools, by priority.
    pub fn pools(&self) -> impl ExactSizeIterator<Item = PoolView<'a>> + use<'a> {
        let frontend = self.frontend;
        (0..frontend.rows.len()).map(move |index| PoolView { frontend, index })
    }
}

/// A look at one pool of a frontend.
///
/// ```
/// use maglev_health::*;
/// # use std::time::{Instant, SystemTime};
/// # let (now, wall) = (Instant::now(), SystemTime::now());
/// # let check = CheckSpec { timing: Check::default(), identity: "tcp 80".into() };
/// # let a = BackendSpec { name: "a".into(), address: "10.0.0.1".parse()?, check: Some(check), enabled: true };
/// # let pool = PoolSpec { name: "primary".into(), members: vec![MemberSpec { backend: "a".into(), weight: Weight::MAX }] };
/// # let vip = "192.0.2.1 tcp/80".into();
/// # let web = FrontendSpec { name: "web".into(), vip, flush_on_down: true, pools: vec![pool] };
/// # let spec = Spec::new(vec![a], vec![web])?;
/// # let options = ControlOptions { dataplane: Dataplane::Absent, ..ControlOptions::default() };
///
/// let mut control = Control::new(options, &spec, now, wall);
/// control.assume_up(now, wall);
/// let web = control.frontends().next().ok_or("it is configured")?;
/// let pool = web.pools().next().ok_or("there is one")?;
/// assert!(&**pool.name() == "primary" && pool.is_active());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PoolView<'a> {
    frontend: &'a Frontend,
    index: usize,
}

impl<'a> PoolView<'a> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'a Arc<str> {
        &self.frontend.spec.pools[self.index].name
    }

    /// True if it is the one that carries the weight.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.index == self.frontend.decision.active_pool
    }

    /// Its members, as configured.
    pub fn members(&self) -> impl Iterator<Item = MemberView<'a>> + use<'a> {
        let names = self.frontend.spec.pools[self.index].members.iter();
        let rows = self.frontend.rows[self.index].iter();
        let weights = self.frontend.decision.weights.get(self.index);
        let weights = weights.into_iter().flatten();
        names.zip(rows).zip(weights).map(|((member, row), &effective)| MemberView {
            backend: row.backend,
            name: &member.backend,
            configured: row.configured,
            overridden: row.overridden,
            effective,
        })
    }
}

/// A look at one member of a pool.
///
/// ```
/// use maglev_health::*;
/// # use std::time::{Instant, SystemTime};
/// # let (now, wall) = (Instant::now(), SystemTime::now());
/// # let check = CheckSpec { timing: Check::default(), identity: "tcp 80".into() };
/// # let a = BackendSpec { name: "a".into(), address: "10.0.0.1".parse()?, check: Some(check), enabled: true };
/// # let pool = PoolSpec { name: "primary".into(), members: vec![MemberSpec { backend: "a".into(), weight: Weight::MAX }] };
/// # let vip = "192.0.2.1 tcp/80".into();
/// # let web = FrontendSpec { name: "web".into(), vip, flush_on_down: true, pools: vec![pool] };
/// # let spec = Spec::new(vec![a], vec![web])?;
/// # let options = ControlOptions { dataplane: Dataplane::Absent, ..ControlOptions::default() };
///
/// let mut control = Control::new(options, &spec, now, wall);
/// control.assume_up(now, wall);
/// let web = control.frontends().next().ok_or("it is configured")?;
/// let member = web.pools().flat_map(|pool| pool.members()).next().ok_or("there is one")?;
/// assert_eq!((member.configured, member.overridden, member.effective), (Weight::MAX, None, Weight::MAX));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug)]
pub struct MemberView<'a> {
    /// Its backend.
    pub backend: BackendId,
    /// The backend's name.
    pub name: &'a Arc<str>,
    /// Weight in the configuration.
    pub configured: Weight,
    /// Weight that an operator has set instead.
    pub overridden: Option<Weight>,
    /// The weight that VPP should have for it on account of this row; 0 in a pool that is not active, unless it is
    /// held.
    pub effective: Weight,
}
