//! A running simulator, seen from the program that started it.

use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use thiserror::Error;

use crate::faults::Fault;
use crate::log::{LogEntry, Logger};
use crate::options::{ApiLog, Options};
use crate::server::{BindError, Command, MainLoop, RestartError, Shared};
use crate::snapshot::{FlowTotals, LbSnapshot};

/// A stand-in for VPP that answers on its two sockets until it is stopped, killed or dropped.
///
/// Its main loop runs on a thread of its own, so that it neither needs nor disturbs an async runtime. Methods that ask the main
/// loop wait for its turn, which comes within `loop_sleep` and the handling of what is pending; the others only read counters.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
/// # fn main() { sim::with_options(async |options| {
/// use vpp_api::client::{Client, Options as ClientOptions};
/// use vpp_api::messages::memclnt::ControlPing;
/// use vpp_sim::{Options, Simulator};
///
/// let simulator = Simulator::start(Options { workers: 2, ..options })?;
/// let vpp = Client::connect(simulator.api_path(), ClientOptions::default()).await?;
/// vpp.call(&ControlPing {}).await?;
/// assert_eq!((simulator.api_calls(), simulator.lb_writes()), (2, 0), "the hello and the ping");
/// simulator.stop();
/// vpp.closed().await;
/// # Ok(()) }) }
/// ```
///
/// Dropping it is [`stop`](Self::stop).
#[derive(Debug)]
pub struct Simulator {
    api_path: PathBuf,
    stats_path: PathBuf,
    shared: Arc<Shared>,
    log: Option<Arc<Mutex<Vec<LogEntry>>>>,
    commands: Sender<Command>,
    wake: UnixStream,
    /// None once it has been joined.
    thread: Option<JoinHandle<()>>,
}

/// A simulator cannot be started.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
/// # fn main() { sim::with_options(async |options| {
/// use vpp_sim::{ApiLog, Options, Simulator, StartError};
///
/// let path = options.api_socket.with_file_name("missing").join("api.log");
/// let outcome = Simulator::start(Options { api_log: ApiLog::File(path), ..options });
/// assert!(matches!(outcome, Err(StartError::Log { source, .. }) if source.kind() == std::io::ErrorKind::NotFound));
/// # Ok(()) }) }
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A socket cannot be opened.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The API log cannot be opened.
    #[error("cannot open the API log {path}")]
    Log {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system has no memory file, thread or descriptor for it.
    #[error("cannot get {what} from the system")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// The main loop has ended, because VPP could not be restarted.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
/// # fn main() { sim::with_options(async |options| {
/// use vpp_sim::Simulator;
///
/// let sockets = options.api_socket.parent().ok_or("a directory")?.to_owned();
/// let simulator = Simulator::start(options)?;
/// // A file lies where the directory of the sockets was.
/// std::fs::remove_dir_all(&sockets)?;
/// std::fs::write(&sockets, "")?;
/// let ended = simulator.restart().expect_err("it has no place for its sockets");
/// assert_eq!(ended.to_string(), "the simulator has ended");
/// assert!(simulator.lb().vips.is_empty(), "nothing to ask any more");
/// # Ok(()) }) }
/// ```
#[derive(Debug, Error)]
#[error("the simulator has ended")]
pub struct Ended(#[source] Option<RestartError>);

impl Simulator {
    /// Starts a simulator. Both sockets answer when it returns.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left behind then. A socket that somebody answers at is not touched.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let system = |what| move |source| StartError::System { what, source };
        let logger = Logger::open(&options.api_log).map_err(|source| log_error(&options.api_log, source))?;
        let log = logger.memory();
        let shared = Arc::<Shared>::default();
        let (commands, received) = mpsc::channel();
        let (wake, woken) = UnixStream::pair().map_err(system("a socket pair"))?;
        for end in [&wake, &woken] {
            end.set_nonblocking(true).map_err(system("a socket pair"))?;
        }
        let (api_path, stats_path) = (options.api_socket.clone(), options.stats_socket.clone());
        let main_loop =
            MainLoop::new(options, shared.clone(), received, woken, logger).map_err(|error| match error {
                RestartError::Bind(error) => StartError::Bind(error),
                RestartError::Segment(source) => system("the memory of a stats segment")(source),
            })?;
        let thread =
            thread::Builder::new().name("vpp-sim".to_owned()).spawn(|| main_loop.run()).map_err(system("a thread"))?;
        Ok(Self { api_path, stats_path, shared, log, commands, wake, thread: Some(thread) })
    }

    /// Path of the API socket.
    pub fn api_path(&self) -> &Path {
        &self.api_path
    }

    /// Path of the stats socket.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
    /// # fn main() { sim::with_options(async |options| {
    /// use vpp_sim::Simulator;
    /// use vpp_stats::Segment;
    ///
    /// let simulator = Simulator::start(options)?;
    /// let segment = Segment::connect(simulator.stats_path())?;
    /// assert!(segment.value("/net/route/to")?.is_some());
    /// # Ok(()) }) }
    /// ```
    pub fn stats_path(&self) -> &Path {
        &self.stats_path
    }

    /// Restarts VPP: links drop, everything is forgotten, message ids, pid, boot time, segment and both socket files are new ones.
    /// Both sockets answer when it returns.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
    /// # fn main() { sim::with_options(async |options| {
    /// use vpp_sim::Simulator;
    ///
    /// let simulator = Simulator::start(options)?;
    /// let vpp = sim::add_web(&simulator).await?;
    /// simulator.restart()?;
    /// vpp.closed().await;
    /// assert!(simulator.lb().vips.is_empty());
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`Ended`] if the sockets cannot be opened again; the simulator is over then.
    pub fn restart(&self) -> Result<(), Ended> {
        let (done, answer) = mpsc::channel();
        self.command(Command::Restart(done));
        answer.recv().map_err(|_| Ended(None))?.map_err(|error| Ended(Some(error)))
    }

    /// Ends it as VPP ends in good order: the socket files are removed.
    pub fn stop(mut self) {
        self.end(true);
    }

    /// Ends it as a killed VPP ends: links drop, and the socket files stay, with nobody behind them.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
    /// # fn main() { sim::with_options(async |options| {
    /// use std::io::ErrorKind;
    /// use std::os::unix::net::UnixStream;
    ///
    /// use vpp_sim::Simulator;
    ///
    /// let simulator = Simulator::start(options.clone())?;
    /// simulator.kill();
    /// let error = UnixStream::connect(&options.api_socket).expect_err("nobody listens");
    /// assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "the file is there");
    /// // Another one takes its place.
    /// Simulator::start(options)?.stop();
    /// # Ok(()) }) }
    /// ```
    pub fn kill(mut self) {
        self.end(false);
    }

    /// What the load balancer holds now; empty if the simulator has ended.
    pub fn lb(&self) -> LbSnapshot {
        let (to, answer) = mpsc::channel();
        self.command(Command::Snapshot(to));
        answer.recv().unwrap_or_default()
    }

    /// What became of the synthetic flows.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
    /// # fn main() { sim::with_options(async |options| {
    /// use vpp_sim::{Options, Simulator};
    ///
    /// let simulator = Simulator::start(Options { flows: 1000, ..options })?;
    /// assert_eq!(simulator.flow_totals().new_flows, 0, "flows need a VIP");
    /// sim::add_web(&simulator).await?;
    /// sim::until(|| simulator.flow_totals().new_flows > 0).await;
    /// # Ok(()) }) }
    /// ```
    pub fn flow_totals(&self) -> FlowTotals {
        let shared = &self.shared;
        FlowTotals {
            new_flows: shared.new_flows.load(Ordering::Relaxed),
            new_flows_dropped: shared.new_flows_dropped.load(Ordering::Relaxed),
            new_flows_to_zero_weight: shared.new_flows_to_zero_weight.load(Ordering::Relaxed),
            new_flows_to_dead: shared.new_flows_to_dead.load(Ordering::Relaxed),
            under_way: shared.flows_under_way.load(Ordering::Relaxed),
        }
    }

    /// Marks a server that has stopped answering, or has begun again. Packets go to it all the same, as they would; only
    /// [`FlowTotals::new_flows_to_dead`] takes note.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
    /// # fn main() { sim::with_options(async |options| {
    /// use vpp_sim::{Options, Simulator};
    ///
    /// let simulator = Simulator::start(Options { flows: 1000, ..options })?;
    /// let vpp = sim::add_web(&simulator).await?;
    /// simulator.set_dead("10.0.0.1".parse()?, true);
    /// // Until somebody takes the server out, about every second flow is lost.
    /// sim::until(|| simulator.flow_totals().new_flows_to_dead > 0).await;
    /// # Ok(()) }) }
    /// ```
    pub fn set_dead(&self, server: IpAddr, is_dead: bool) {
        let mut dead = self.shared.dead.lock().unwrap_or_else(PoisonError::into_inner);
        match is_dead {
            true => dead.insert(server),
            false => dead.remove(&server),
        };
    }

    /// Messages that clients have sent, over all restarts.
    pub fn api_calls(&self) -> u64 {
        self.shared.api_calls.load(Ordering::Relaxed)
    }

    /// Of these, messages that ask for a change of the load balancer, whatever came of it.
    pub fn lb_writes(&self) -> u64 {
        self.shared.lb_writes.load(Ordering::Relaxed)
    }

    /// How often VPP died of a request or a packet.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
    /// # fn main() { sim::with_options(async |options| {
    /// use vpp_api::client::{Client, Options as ClientOptions};
    /// use vpp_api::messages::lb::LbAddDelVipV2;
    /// use vpp_sim::Simulator;
    ///
    /// let simulator = Simulator::start(options)?;
    /// let vpp = Client::connect(simulator.api_path(), ClientOptions::default()).await?;
    /// let pfx = "192.0.2.1/32".parse::<ipnet::IpNet>()?.into();
    /// let fatal = LbAddDelVipV2 { pfx, new_flows_table_length: 0, ..LbAddDelVipV2::default() };
    /// assert!(vpp.call(&fatal).await.is_err());
    /// assert_eq!(simulator.crashes(), 1);
    /// # Ok(()) }) }
    /// ```
    pub fn crashes(&self) -> u64 {
        self.shared.crashes.load(Ordering::Relaxed)
    }

    /// Changes the number of new flows per second. With 0 none begins any more when this returns; those under way go on.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
    /// # fn main() { sim::with_options(async |options| {
    /// use vpp_sim::Simulator;
    ///
    /// let simulator = Simulator::start(options)?;
    /// let vpp = sim::add_web(&simulator).await?;
    /// simulator.set_flows(1000);
    /// sim::until(|| simulator.flow_totals().new_flows > 0).await;
    /// simulator.set_flows(0);
    /// // Then every packet has been counted.
    /// sim::until(|| simulator.flow_totals().under_way == 0).await;
    /// # Ok(()) }) }
    /// ```
    pub fn set_flows(&self, per_second: u32) {
        let (done, answer) = mpsc::channel();
        self.command(Command::SetFlows(per_second, done));
        // An error is the end of the simulator, and with it of all flows.
        let _ = answer.recv();
    }

    /// Adds a fault; messages are counted from now on. The absence of a message shows after the next restart.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
    /// # fn main() { sim::with_options(async |options| {
    /// use vpp_api::error::CallError;
    /// use vpp_api::messages::lb::LbConf;
    /// use vpp_api::types::Retval;
    /// use vpp_sim::Simulator;
    ///
    /// let simulator = Simulator::start(options)?;
    /// let vpp = sim::add_web(&simulator).await?;
    /// simulator.inject("refuse:message=lb_conf,retval=-70,times=1".parse()?);
    /// simulator.lb(); // the fault is in place when this was answered
    /// let outcome = vpp.call(&LbConf::default()).await;
    /// assert!(matches!(outcome, Err(CallError::Refused { retval: Retval::INVALID_MEMORY_SIZE, .. })));
    /// vpp.call(&LbConf::default()).await?;
    /// # Ok(()) }) }
    /// ```
    pub fn inject(&self, fault: Fault) {
        self.command(Command::Inject(fault));
    }

    /// The API log so far, oldest message first; empty unless it is kept ([`ApiLog::Memory`]).
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
    /// # fn main() { sim::with_options(async |options| {
    /// use vpp_sim::{ApiLog, Options, Simulator};
    ///
    /// let simulator = Simulator::start(Options { api_log: ApiLog::Memory, ..options })?;
    /// sim::add_web(&simulator).await?;
    /// let names: Vec<_> = simulator.api_log().into_iter().map(|entry| entry.name).collect();
    /// assert_eq!(names[..2], ["sockclnt_create", "sockclnt_create_reply"]);
    /// # Ok(()) }) }
    /// ```
    pub fn api_log(&self) -> Vec<LogEntry> {
        let entries = self.log.as_ref().map(|log| log.lock().unwrap_or_else(PoisonError::into_inner).clone());
        entries.unwrap_or_default()
    }

    /// A command to a main loop that has ended is lost, which whoever waits for an answer notices.
    fn command(&self, command: Command) {
        let _ = self.commands.send(command);
        // A full pipe wakes the loop just as well.
        let _ = (&self.wake).write(&[0]);
    }

    fn end(&mut self, removes_sockets: bool) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        self.command(Command::End { removes_sockets });
        if thread.join().is_err() {
            tracing::error!("the main loop panicked");
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.end(true);
    }
}

fn log_error(log: &ApiLog, source: io::Error) -> StartError {
    let path = match log {
        ApiLog::File(path) => path.clone(),
        ApiLog::None | ApiLog::Memory => PathBuf::new(),
    };
    StartError::Log { path, source }
}
