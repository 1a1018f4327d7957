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
    pub fn stats_path(&self) -> &Path {
        &self.stats_path
    }

    /// Restarts VPP: links drop, everything is forgotten, message ids, pid, boot time, segment and both socket files are new ones.
    /// Both sockets answer when it returns.
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
    pub fn crashes(&self) -> u64 {
        self.shared.crashes.load(Ordering::Relaxed)
    }

    /// Changes the number of new flows per second. With 0 none begins any more when this returns; those under way go on.
    pub fn set_flows(&self, per_second: u32) {
        let (done, answer) = mpsc::channel();
        self.command(Command::SetFlows(per_second, done));
        // An error is the end of the simulator, and with it of all flows.
        let _ = answer.recv();
    }

    /// Adds a fault; messages are counted from now on. The absence of a message shows after the next restart.
    pub fn inject(&self, fault: Fault) {
        self.command(Command::Inject(fault));
    }

    /// The API log so far, oldest message first; empty unless it is kept ([`ApiLog::Memory`]).
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
