//! Reconciles VPP's Maglev load balancer with a desired state.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod call;
mod dataplane;
mod model;
pub mod table;

pub use self::call::{AsRow, Call, CallFailure, ConfUpdate, Reply, VipRow};
pub use self::dataplane::Dataplane;
pub use self::model::{
    Actual, ActualAs, ActualEncap, ActualLength, ActualVip, Cut, Desired, DesiredAs, DesiredConf, DesiredVip, Encap,
    FlowTimeout, FlushOrder, ForeignVips, LbConf, OutOfRange, Protocol, StickyBuckets, TableLength, VipKey, Weight,
};
