#![cfg_attr(feature = "tokio", doc = include_str!("../README.md"))]
#![cfg_attr(not(feature = "tokio"), doc = "Reconciles VPP's Maglev load balancer with a desired state.")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "tokio")]
mod apply;
mod call;
mod dataplane;
mod event;
mod exec;
mod forecast;
mod model;
mod plan;
mod reconciler;
mod status;
pub mod table;
#[cfg(test)]
mod testing;
pub mod text;

#[cfg(feature = "tokio")]
pub use self::apply::{ApplyOptions, Outcome, Status, apply, read};
pub use self::call::{AsRow, Call, CallFailure, ConfUpdate, Reply, VipRow};
pub use self::dataplane::Dataplane;
pub use self::event::{Drift, Event, Failure, SyncCounts, SyncFailure, SyncScope, WarmUpPhase, Warning};
pub use self::exec::{CallId, Forbidden};
pub use self::forecast::{Action, AsForecast, Claim, Forecast, Form, Outlook, VipForecast, Wait};
pub use self::model::{
    Abilities, Actual, ActualAs, ActualEncap, ActualLength, ActualVip, Cut, Desired, DesiredAs, DesiredConf,
    DesiredVip, Encap, FlowTimeout, FlushOrder, ForeignVips, LbConf, OutOfRange, Protocol, StickyBuckets, TableLength,
    VipKey, Weight,
};
pub use self::plan::{Note, Plan, Scope, Stage, Step};
pub use self::reconciler::{BootId, Reconciler, RequestScope, Settings, SyncRequest};
pub use self::status::{Flows, Indices, SyncStatus, VerboseStatus, VipStatus};
pub use self::text::TextError;
