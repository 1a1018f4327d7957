//! How a simulator is set up: plain data.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::faults::Fault;

/// What a simulator is like and where it answers.
///
/// ```
/// use vpp_sim::Options;
///
/// let options = Options {
///     api_socket: "/tmp/api.sock".into(),
///     stats_socket: "/tmp/stats.sock".into(),
///     flows: 100,
///     ..Options::default()
/// };
/// assert_eq!(options.workers, 1);
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// The API socket; by default VPP's own, `/run/vpp/api.sock`. Missing directories are made.
    pub api_socket: PathBuf,
    /// The stats socket; by default VPP's own, `/run/vpp/stats.sock`.
    pub stats_socket: PathBuf,
    /// Where messages are written down; by default nowhere.
    pub api_log: ApiLog,
    /// Worker threads, whose counters get a row each behind the main thread's; by default 1. No threads are started for them.
    pub workers: u16,
    /// Routes that the FIB holds before the first VIP, and so the length of the route counters; at least 28, VPP's own, which
    /// is the default.
    pub routes: u32,
    /// Synthetic new flows per second, over all VIPs; by default 0.
    pub flows: u32,
    /// The release to behave like; by default 26.10.
    pub release: Release,
    /// Seed of message ids and flows; by default 1.
    pub seed: u64,
    /// What the main loop sleeps for whenever it finds nothing to do, as VPP's may (`poll-sleep-usec`). Zero, the default, waits
    /// on the sockets instead.
    pub loop_sleep: Duration,
    /// What goes wrong, and when; by default nothing.
    pub faults: Vec<Fault>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            api_socket: "/run/vpp/api.sock".into(),
            stats_socket: "/run/vpp/stats.sock".into(),
            api_log: ApiLog::None,
            workers: 1,
            routes: crate::fib::FEWEST_ROUTES,
            flows: 0,
            release: Release::default(),
            seed: 1,
            loop_sleep: Duration::ZERO,
            faults: Vec::new(),
        }
    }
}

/// Where the API log goes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum ApiLog {
    /// Nowhere.
    #[default]
    None,
    /// To a file, one JSON object a line, appended.
    File(PathBuf),
    /// Kept, without limit, for [`Simulator::api_log`](crate::Simulator::api_log).
    Memory,
}

/// Which release of VPP to behave like.
///
/// ```
/// use vpp_sim::Release;
///
/// assert_eq!("26.10".parse(), Ok(Release::V26_10));
/// assert!("3.14".parse::<Release>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Release {
    /// 25.10, and about so all from 24.06 to 26.06: no weights, and IPv4 prefix lengths read as 96 + n.
    V25_10,
    /// 26.10-rc0: weights, and handlers that read their messages as they are defined.
    #[default]
    V26_10,
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V25_10 => "25.10",
            Self::V26_10 => "26.10",
        })
    }
}

impl FromStr for Release {
    type Err = UnknownRelease;

    fn from_str(text: &str) -> Result<Self, UnknownRelease> {
        match text {
            "25.10" => Ok(Self::V25_10),
            "26.10" => Ok(Self::V26_10),
            _ => Err(UnknownRelease(text.to_owned())),
        }
    }
}

/// A release that the simulator does not know.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("no release {0:?}, there are 25.10 and 26.10")]
pub struct UnknownRelease(pub String);
