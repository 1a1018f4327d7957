use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::{FrontendState, Weight};

/// What one VIP should look like in VPP, as far as health decides it.
///
/// Equal programs are written the same way, so comparing two of them tells whether there is anything to do.
///
/// ```
/// use maglev_health::{Cut, Program, Target, Weight};
///
/// /// What there is to do where `now` is wanted and `before` was.
/// fn changes(before: &Program, now: &Program) -> Vec<String> {
///     let mut todo = Vec::new();
///     for (address, Target { weight, cut, .. }) in &now.targets {
///         if before.targets.get(address).is_none_or(|target| target.weight != *weight) {
///             let when = if *cut == Cut::Urgent { "at once" } else { "when others have taken over" };
///             todo.push(format!("{address} to {weight} {when}"));
///         }
///     }
///     todo.extend(before.targets.keys().filter(|address| !now.targets.contains_key(address)).map(|gone| format!("-{gone}")));
///     todo
/// }
///
/// let mut now = Program::default();
/// now.targets.insert("10.0.0.1".parse()?, Target { weight: Weight::ZERO, cut: Cut::Urgent, flush: None });
/// assert_eq!(changes(&Program::default(), &now), ["10.0.0.1 to 0 at once"]);
/// assert!(changes(&now, &now).is_empty());
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Program {
    /// Every AS that the VIP should have. An AS that is not here has left the configuration: it is deleted without
    /// flush.
    pub targets: BTreeMap<IpAddr, Target>,
    /// True once no backend is unknown, or overrides make what is still unknown irrelevant: the frontend may be
    /// released from warm-up.
    pub decided: bool,
    /// True while a weight is not known because VPP has not been read. Such a program must not be applied.
    pub pending: bool,
    /// What the weights come to.
    pub state: FrontendState,
    /// Index of the active pool.
    pub active_pool: usize,
}

/// What one AS should look like.
///
/// ```
/// use maglev_health::{Cut, Target, Weight};
///
/// // A backend that an operator has disabled: nothing waits, and nothing is flushed unless a flush is owed.
/// let target = Target { weight: Weight::ZERO, cut: Cut::Urgent, flush: None };
/// assert!(!target.weight.is_positive() && target.flush.is_none());
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Target {
    /// Its weight.
    pub weight: Weight,
    /// When a weight that VPP has above this one may be lowered.
    pub cut: Cut,
    /// The flush that is owed while the backend stays in its state, unless it was already acknowledged.
    pub flush: Option<FlushOrder>,
}

/// When a weight may be lowered.
///
/// ```
/// use maglev_health::{Cut, Program};
///
/// /// In which order the servers of a VIP go to their weights, where all are above them.
/// fn order(program: &Program) -> Vec<String> {
///     let mut servers: Vec<_> = program.targets.iter().collect();
///     servers.sort_by_key(|(_, target)| target.cut == Cut::Serving);
///     servers.into_iter().map(|(address, _)| address.to_string()).collect()
/// }
///
/// # let mut program = Program::default();
/// # for (address, cut) in [("10.0.0.1", Cut::Serving), ("10.0.0.2", Cut::Urgent)] {
/// #     let target = maglev_health::Target { weight: maglev_health::Weight::ZERO, cut, flush: None };
/// #     program.targets.insert(address.parse()?, target);
/// # }
/// // 10.0.0.1 left the active pool and still serves, 10.0.0.2 is down.
/// assert_eq!(order(&program), ["10.0.0.2", "10.0.0.1"]);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[expect(clippy::exhaustive_enums, reason = "it waits or it does not")]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Cut {
    /// At once: the backend is down, paused or disabled.
    Urgent,
    /// The backend may be serving: only after the VIP's additions and raises succeeded.
    Serving,
}

/// A flush debt of one AS in one VIP.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use maglev_health::{Control, ControlOptions, Dataplane};
///
/// # let (now, wall) = web::clocks();
/// # let spec = web::spec(vec![web::backend("a", "10.0.0.1")?, web::backend("b", "10.0.0.2")?])?;
/// let options = ControlOptions { dataplane: Dataplane::Absent, ..ControlOptions::default() };
/// let mut control = Control::new(options, &spec, now, wall);
/// control.assume_up(now, wall);
/// let (web, b) = control.frontend_idx("web").zip(control.backend_id("b")).ok_or("both are configured")?;
/// control.disable(wall, b, "new disk")?;
///
/// let program = control.program(web).ok_or("it is configured")?;
/// let [a, b] = ["10.0.0.1", "10.0.0.2"].map(|address| program.targets.get(&address.parse().ok()?)?.flush);
/// assert_eq!(a, None);
/// let order = b.ok_or("its sessions are to go")?;
/// assert!(!order.first_verdict && !order.needs_server, "whether or not others can take over");
/// // Once the flush is done its number is noted, so that it is not done twice.
/// assert_eq!(order.incident, 1);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FlushOrder {
    /// Unique per entering of `down` or `disabled` and rising; one flush acknowledged settles one incident of a VIP
    /// and AS.
    pub incident: u64,
    /// The incident is the first verdict, or a state restored or configured, after a start of the daemon. Then nothing
    /// is owed if VPP already had weight 0 when it was read.
    pub first_verdict: bool,
    /// Wait while no AS of the VIP has a weight above 0: the sessions would have nowhere to go. So for `down`, not for
    /// `disabled`.
    pub needs_server: bool,
}
