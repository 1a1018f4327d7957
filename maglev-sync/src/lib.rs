//! Reconciles VPP's Maglev load balancer with a desired state.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod model;
pub mod table;

pub use self::model::{FlowTimeout, OutOfRange, StickyBuckets, TableLength, Weight};
