#![doc = include_str!("../README.md")]

mod admission;
mod agent;
mod backend;
mod check;
mod control;
mod damping;
mod event;
mod fleet;
mod frontend;
mod overrides;
mod pools;
mod probe;
mod program;
mod schedule;
mod spec;
mod view;
mod weight;

pub use admission::{Admission, BackendId, FleetOptions, Occasion, Restored};
pub use agent::{AgentError, AgentMode, AgentWord};
pub use backend::{Hold, State, Transition};
pub use check::{Check, CheckSpec};
pub use control::{Actual, Control, ControlOptions, Dataplane, FrontendIdx};
pub use damping::{Damping, DampingError, Penalty};
pub use event::Event;
pub use fleet::Fleet;
pub use overrides::{ActionError, BackendOverride, Done, MemberKey, Overrides, Planned};
pub use pools::{Decision, FrontendState, Member, Standing, decide};
pub use probe::{Code, Jitter, Outcome, ProbeId, ProbeResult};
pub use program::{Cut, FlushOrder, Program, Target};
pub use schedule::Place;
pub use spec::{BackendSpec, FrontendSpec, MemberSpec, PoolSpec, Spec, SpecError};
pub use view::{BackendView, FrontendView, MemberView, PoolView};
pub use weight::Weight;
