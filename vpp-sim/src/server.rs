//! The main loop: one thread that owns everything, as VPP's does.
//!
//! It polls the two listening sockets and all clients, handles whatever is pending, message by message in order of arrival, and
//! then either waits on the sockets or sleeps for `loop_sleep`. So calls in flight are handled in one go, while calls made one at
//! a time wait for a sleep each. Nothing else touches its state: [`Simulator`](crate::Simulator) sends it commands, and shares
//! only the counters of [`Shared`].

mod clients;
mod messages;
mod process;
mod sockets;
mod traffic;

use std::collections::{HashSet, VecDeque};
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use thiserror::Error;
use vpp_stats::writer::send_fd;

use self::clients::Clients;
use self::messages::Held;
use self::process::Process;
pub use self::sockets::BindError;
use self::sockets::Sockets;
use crate::faults::{Fault, Faults};
use crate::flows::Flows;
use crate::log::Logger;
use crate::options::Options;
use crate::segment::SegmentError;
use crate::snapshot::LbSnapshot;

/// What the owner of a simulator can make its main loop do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Restart as VPP would, and say so when both sockets answer again.
    Restart(Sender<Result<(), RestartError>>),
    /// End. Socket files are removed, or left behind as by a killed process.
    End {
        removes_sockets: bool,
    },
    Snapshot(Sender<LbSnapshot>),
    /// Change the rate of new flows, and say so when it is done.
    SetFlows(u32, Sender<()>),
    Inject(Fault),
}

/// What the main loop lets others see at any time.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) api_calls: AtomicU64,
    pub(crate) lb_writes: AtomicU64,
    pub(crate) crashes: AtomicU64,
    pub(crate) new_flows: AtomicU64,
    pub(crate) new_flows_dropped: AtomicU64,
    pub(crate) new_flows_to_zero_weight: AtomicU64,
    pub(crate) new_flows_to_dead: AtomicU64,
    pub(crate) flows_under_way: AtomicU64,
    /// Servers that have stopped answering, for accounting alone.
    pub(crate) dead: Mutex<HashSet<IpAddr>>,
}

/// VPP cannot be started again.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/sim.rs"));
/// # fn main() { sim::with_options(async |options| {
/// use std::error::Error as _;
///
/// use vpp_sim::{BindError, RestartError, Simulator};
///
/// let sockets = options.api_socket.parent().ok_or("a directory")?.to_owned();
/// let simulator = Simulator::start(options)?;
/// std::fs::remove_dir_all(&sockets)?;
/// std::fs::write(&sockets, "")?;
/// let ended = simulator.restart().expect_err("it has no place for its sockets");
/// let reason = ended.source().and_then(|source| source.downcast_ref::<RestartError>());
/// assert!(matches!(reason, Some(RestartError::Bind(BindError::Io { .. }))));
/// # Ok(()) }) }
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RestartError {
    /// A socket cannot be opened again.
    #[error("cannot open the sockets again")]
    Bind(#[source] BindError),
    /// The segment cannot be made.
    #[error("cannot make a new stats segment")]
    Segment(#[source] io::Error),
}

/// The main loop and all it owns.
#[derive(Debug)]
pub(crate) struct MainLoop {
    options: Options,
    shared: Arc<Shared>,
    commands: Receiver<Command>,
    /// Becomes readable when there are commands.
    wake: UnixStream,
    sockets: Sockets,
    process: Process,
    /// How often VPP was started before.
    life: u32,
    clients: Clients,
    /// Clients that have sent something or gone, in that order.
    ready: VecDeque<u32>,
    /// A message whose turn comes when a delay is over.
    held: Option<Held>,
    faults: Faults,
    flows: Flows,
    /// The flows' clock, which restarts do not touch.
    epoch: Instant,
    next_flows: Instant,
    logger: Logger,
}

impl MainLoop {
    /// Opens the sockets and starts VPP.
    pub(crate) fn new(
        options: Options,
        shared: Arc<Shared>,
        commands: Receiver<Command>,
        wake: UnixStream,
        logger: Logger,
    ) -> Result<Self, RestartError> {
        let mut faults = Faults::default();
        for fault in &options.faults {
            faults.add(fault.clone());
        }
        let process = Process::start(&options, 0, 0, faults.absent()).map_err(segment_error)?;
        let sockets = Sockets::open(&options.api_socket, &options.stats_socket).map_err(RestartError::Bind)?;
        let epoch = Instant::now();
        let mut flows = Flows::new(options.seed, usize::from(options.workers) + 1);
        flows.set_rate(Duration::ZERO, options.flows);
        let mut main_loop = Self {
            options,
            shared,
            commands,
            wake,
            sockets,
            process,
            life: 0,
            clients: Clients::new(),
            ready: VecDeque::new(),
            held: None,
            faults,
            flows,
            epoch,
            next_flows: epoch,
            logger,
        };
        main_loop.corrupt_from_the_start();
        Ok(main_loop)
    }

    /// Runs until it is told to end, or until VPP cannot be restarted.
    pub(crate) fn run(mut self) {
        loop {
            match self.handle_commands() {
                Ok(true) => (),
                Ok(false) => return,
                Err(error) => {
                    tracing::error!(%error, "the simulator ends");
                    return;
                }
            }
            self.handle_timeouts();
            self.handle_messages();
            self.send();
            if let Err(error) = self.wait() {
                tracing::error!(%error, "cannot poll the sockets");
                return;
            }
        }
    }

    /// False to end.
    fn handle_commands(&mut self) -> Result<bool, RestartError> {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Restart(done)) => {
                    let result = self.restart();
                    let failed = result.is_err();
                    // Whoever asked may have gone.
                    let _ = done.send(result);
                    if failed {
                        return Ok(false);
                    }
                }
                Ok(Command::End { removes_sockets }) => {
                    if removes_sockets {
                        self.sockets.remove_files();
                    }
                    return Ok(false);
                }
                Ok(Command::Snapshot(to)) => {
                    let _ = to.send(LbSnapshot::of(&self.process.vpp.lb));
                }
                Ok(Command::SetFlows(rate, done)) => {
                    self.flows.set_rate(self.epoch.elapsed(), rate);
                    let _ = done.send(());
                }
                Ok(Command::Inject(fault)) => {
                    self.faults.add(fault);
                    self.corrupt_from_the_start();
                }
                Err(TryRecvError::Empty) => return Ok(true),
                Err(TryRecvError::Disconnected) => {
                    self.sockets.remove_files();
                    return Ok(false);
                }
            }
        }
    }

    fn handle_timeouts(&mut self) {
        let now = self.process.now();
        self.process.vpp.handle_timeout(now);
        if let Err(error) = self.process.board.handle_timeout(now) {
            self.crash(&error);
        }
        if Instant::now() >= self.next_flows && !self.flows.are_idle() {
            self.next_flows = Instant::now() + FLOW_TICK;
            self.send_packets();
        }
    }

    /// Drops all links and everything VPP knew, and starts it again.
    ///
    /// The new sockets are there before the links drop, so that who connects again at once does not meet the old ones.
    fn restart(&mut self) -> Result<(), RestartError> {
        self.life += 1;
        let last_boottime = self.process.boottime();
        let absent = self.faults.absent();
        self.process = Process::start(&self.options, self.life, last_boottime, absent).map_err(segment_error)?;
        self.sockets.reopen().map_err(RestartError::Bind)?;
        for slot in self.clients.slots() {
            self.clients.close(slot);
        }
        self.ready.clear();
        self.held = None;
        tracing::info!(life = self.life, "VPP restarted");
        Ok(())
    }

    /// VPP is dead of something that a request or a packet made it do. It comes back empty, as systemd would see to.
    fn crash(&mut self, cause: &dyn std::error::Error) {
        tracing::error!(%cause, "VPP died here and is started again, empty");
        self.shared.crashes.fetch_add(1, Ordering::Relaxed);
        self.restart_or_end();
    }

    /// Restarts outside of a command. Without sockets nobody can reach the loop but by commands, so it goes on and says why.
    fn restart_or_end(&mut self) {
        if let Err(error) = self.restart() {
            tracing::error!(%error, "cannot restart");
        }
    }

    fn corrupt_from_the_start(&mut self) {
        for how in self.faults.take_at_start() {
            self.process.board.corrupt(how);
        }
    }

    /// Waits for sockets, commands or the next time-out, or sleeps as VPP's loop may; then takes in what there is.
    fn wait(&mut self) -> io::Result<()> {
        let stalled = self.held.is_some();
        let timeout = match self.options.loop_sleep {
            Duration::ZERO => self.timeout(),
            _ => Duration::ZERO,
        };
        let polled = self.poll(timeout, stalled)?;
        let is_idle = polled.is_empty() && self.ready.is_empty();
        if is_idle && self.options.loop_sleep > Duration::ZERO {
            std::thread::sleep(self.options.loop_sleep);
        }
        for event in polled {
            match event {
                Polled::Wake => self.drain_wake(),
                Polled::Api => self.accept_client(),
                Polled::Stats => self.serve_segment(),
                Polled::Client(slot) => self.read(slot),
            }
        }
        Ok(())
    }

    fn timeout(&self) -> Duration {
        if !self.ready.is_empty() && self.held.is_none() {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let mut timeout = self.process.next_timeout();
        if let Some(held) = &self.held {
            timeout = timeout.min(held.until.saturating_duration_since(now));
        }
        if !self.flows.are_idle() {
            timeout = timeout.min(self.next_flows.saturating_duration_since(now));
        }
        timeout
    }

    /// What is ready. While a delay holds everything up, VPP looks at no socket, only the owner is heard.
    fn poll(&mut self, timeout: Duration, stalled: bool) -> io::Result<Vec<Polled>> {
        let writing: Vec<u32> = self.clients.with_output();
        let mut watched = vec![(Polled::Wake, PollFd::new(&self.wake, PollFlags::IN))];
        if !stalled {
            watched.push((Polled::Api, PollFd::new(&self.sockets.api, PollFlags::IN)));
            watched.push((Polled::Stats, PollFd::from_borrowed_fd(self.sockets.stats.as_fd(), PollFlags::IN)));
            for (slot, client) in self.clients.iter().filter(|(_, client)| !client.is_at_end) {
                let mut flags = PollFlags::IN;
                flags.set(PollFlags::OUT, writing.contains(&slot));
                watched.push((Polled::Client(slot), PollFd::new(&client.stream, flags)));
            }
        }
        let (events, mut fds): (Vec<_>, Vec<_>) = watched.into_iter().unzip();
        // Rounded up: a time-out that is early would only spin.
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) => (),
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        let ready = fds.iter().map(|fd| !fd.revents().is_empty());
        Ok(events.into_iter().zip(ready).filter_map(|(event, ready)| ready.then_some(event)).collect())
    }

    fn drain_wake(&mut self) {
        let mut buffer = [0; 64];
        while self.wake.read(&mut buffer).is_ok_and(|count| count == buffer.len()) {}
    }

    fn accept_client(&mut self) {
        match self.sockets.api.accept() {
            Ok((stream, _)) => match stream.set_nonblocking(true) {
                Ok(()) => self.clients.add(stream, self.process.table.clone()),
                Err(error) => tracing::warn!(%error, "cannot serve a client"),
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
            Err(error) => tracing::warn!(%error, "cannot accept a client"),
        }
    }

    fn serve_segment(&mut self) {
        match self.sockets.stats.accept() {
            Ok(socket) => {
                if let Err(error) = send_fd(socket.as_fd(), self.process.board.fd()) {
                    tracing::warn!(%error, "cannot hand out the segment");
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
            Err(error) => tracing::warn!(%error, "cannot accept a reader"),
        }
    }

    fn read(&mut self, slot: u32) {
        let Some(client) = self.clients.get_mut(slot) else {
            return;
        };
        if let Err(error) = client.read() {
            tracing::debug!(slot, %error, "cannot read from a client");
            client.is_at_end = true;
        }
        if !self.ready.contains(&slot) {
            self.ready.push_back(slot);
        }
    }

    fn send(&mut self) {
        for slot in self.clients.with_output() {
            let written = self.clients.get_mut(slot).map(|client| client.write());
            if let Some(Err(error)) = written {
                tracing::debug!(slot, %error, "cannot write to a client");
                self.close(slot);
            }
        }
    }

    /// Closes a link and forgets what its client had asked for.
    fn close(&mut self, slot: u32) {
        if let Some(client) = self.clients.close(slot) {
            self.process.vpp.handle_disconnect(client.session.client_index());
            self.ready.retain(|&ready| ready != slot);
        }
    }
}

/// Something that has become ready.
enum Polled {
    Wake,
    Api,
    Stats,
    Client(u32),
}

fn segment_error(error: SegmentError) -> RestartError {
    RestartError::Segment(io::Error::other(error))
}

/// How often synthetic packets are sent, those that have become due since the last time.
const FLOW_TICK: Duration = Duration::from_millis(10);
