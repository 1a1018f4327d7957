use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{AgentWord, BackendId, BackendOverride, FrontendState, MemberKey, ProbeId, Transition, Weight};

/// What to do, or what to tell. In the order in which it happened.
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
///
/// let mut control = Control::new(ControlOptions::default(), &spec, now, wall);
/// control.handle_timeout(control.poll_timeout().ok_or("somebody is to be probed")?);
/// let (mut probes, mut log) = (Vec::new(), Vec::new());
/// while let Some(event) = control.poll_event() {
///     match event {
///         Event::Probe { backend, probe, .. } => probes.push((backend, probe)),
///         Event::Cancel { probe, .. } => probes.retain(|(_, other)| *other != probe),
///         Event::Started { name, .. } => log.push(format!("{name} is new")),
///         Event::Transition { name, transition, .. } => log.push(format!("{name} is {}", transition.to)),
///         _ => {}
///     }
/// }
/// assert_eq!(probes.len(), 1);
/// assert!(log.contains(&"a is new".to_owned()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// Start a probe now and answer with `handle_result`.
    Probe {
        /// Whom to probe.
        backend: BackendId,
        /// What to answer with.
        probe: ProbeId,
        /// When it was to start: not after the call of `handle_timeout` that started it.
        due: Instant,
    },
    /// Stop this probe; a result that comes all the same is ignored.
    Cancel {
        /// Who was being probed.
        backend: BackendId,
        /// The probe.
        probe: ProbeId,
    },
    /// A backend joined: at the start, or by a reload (log record `backend-start`).
    Started {
        /// The new backend.
        backend: BackendId,
        /// Its name.
        name: Arc<str>,
    },
    /// A backend left the configuration (log record `backend-stop`). Its transition to `removed` came before.
    Stopped {
        /// An id that means nothing any more.
        backend: BackendId,
        /// Its name.
        name: Arc<str>,
    },
    /// A reload changed a backend's check or address (log record `backend-restart`).
    Restarted {
        /// The backend.
        backend: BackendId,
        /// Its name.
        name: Arc<str>,
    },
    /// A backend changed state.
    Transition {
        /// The backend.
        backend: BackendId,
        /// Its name.
        name: Arc<str>,
        /// From, to and why; the same as the newest of its history.
        transition: Transition,
    },
    /// A backend went down once too often: it is not used again for a while. Its transition came before.
    Suppressed {
        /// The backend.
        backend: BackendId,
        /// Its name.
        name: Arc<str>,
        /// What its flaps add up to.
        penalty: u64,
        /// For how long.
        rest: Duration,
    },
    /// A backend is no longer suppressed; if its counter says so, its transition to up comes next.
    Reused {
        /// The backend.
        backend: BackendId,
        /// Its name.
        name: Arc<str>,
        /// What its flaps add up to still.
        penalty: u64,
    },
    /// A server said something new of itself, which changes its weights.
    Agent {
        /// The backend.
        backend: BackendId,
        /// Its name.
        name: Arc<str>,
        /// What it said before; `None` if nothing since its check began.
        from: Option<AgentWord>,
        /// What it says now.
        to: AgentWord,
    },
    /// A frontend changed state.
    FrontendTransition {
        /// The frontend's name.
        frontend: Arc<str>,
        /// Before.
        from: FrontendState,
        /// After.
        to: FrontendState,
    },
    /// Warning: a reload changed `enabled` of a backend whose override stays in force.
    BackendOverrideKept {
        /// The backend.
        backend: Arc<str>,
        /// What stays in force.
        kept: BackendOverride,
        /// What the configuration says now.
        enabled: bool,
    },
    /// Warning: the configuration changed a weight whose override stays in force.
    WeightOverrideKept {
        /// Where.
        member: MemberKey,
        /// What stays in force.
        kept: Weight,
        /// What the configuration said.
        before: Weight,
        /// What the configuration says now.
        configured: Weight,
    },
    /// Warning: an override ended because its backend is not in the configuration.
    BackendOverrideDropped {
        /// The backend that is not there.
        backend: Arc<str>,
        /// What was in force.
        dropped: BackendOverride,
    },
    /// Warning: a weight override ended because its place is not in the configuration.
    WeightOverrideDropped {
        /// The place that is not there.
        member: MemberKey,
        /// What was in force.
        dropped: Weight,
    },
}
