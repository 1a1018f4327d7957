use std::sync::Arc;

use crate::{BackendId, BackendOverride, FrontendState, MemberKey, ProbeId, Transition, Weight};

/// What to do, or what to tell. In the order in which it happened.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// Start a probe now and answer with `handle_result`.
    Probe {
        /// Whom to probe.
        backend: BackendId,
        /// What to answer with.
        probe: ProbeId,
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
