//! What VPP holds and what it should hold, in one vocabulary.

mod values;

pub use self::values::{FlowTimeout, OutOfRange, StickyBuckets, TableLength, Weight};
