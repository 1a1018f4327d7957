//! How a simulator is set up: plain data.

use std::path::PathBuf;
use std::time::Duration;

use crate::faults::Fault;
use crate::release::Release;

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
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
/// # fn main() { sim::with_options(async |options| {
/// use vpp_sim::{ApiLog, Options, Simulator};
///
/// let path = options.api_socket.with_file_name("api.log");
/// let simulator = Simulator::start(Options { api_log: ApiLog::File(path.clone()), ..options })?;
/// sim::add_web(&simulator).await?;
/// let log = std::fs::read_to_string(path)?;
/// assert!(log.lines().any(|line| line.contains(r#""name":"cli_inband_reply""#)));
/// # Ok(()) }) }
/// ```
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
