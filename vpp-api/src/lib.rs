//! skeleton
#![cfg_attr(docsrs, feature(doc_cfg))]
pub mod codec;
pub mod error;
pub mod frame;
pub mod message;
pub mod messages;
pub mod table;
pub mod types;
