//! What VPP holds and what it should hold, in one vocabulary.

mod abilities;
mod actual;
mod desired;
mod dump;
mod key;
mod settle;
mod values;

pub use self::abilities::Abilities;
pub use self::actual::{Actual, ActualAs, ActualEncap, ActualLength, ActualVip, LbConf};
pub use self::desired::{Cut, Desired, DesiredAs, DesiredConf, DesiredVip, Encap, FlushOrder, ForeignVips};
pub use self::key::{Protocol, VipKey};
pub use self::values::{FlowTimeout, OutOfRange, StickyBuckets, TableLength, Weight};
