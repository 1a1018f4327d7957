#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod addr;
mod cli;
mod faults;
mod fib;
mod flows;
mod lb;
mod log;
mod options;
mod pool;
mod release;
mod segment;
mod server;
mod simulator;
mod snapshot;
mod text;
mod vpp;

pub use self::faults::{Fault, FaultError, parse_duration};
pub use self::log::LogEntry;
pub use self::options::{ApiLog, Options};
pub use self::release::{Release, UnknownRelease};
pub use self::server::{BindError, RestartError};
pub use self::simulator::{Ended, Simulator, StartError};
pub use self::snapshot::{FlowTotals, LbSnapshot, ServerSnapshot, VipSnapshot};
