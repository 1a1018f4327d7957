//! `maglevd` from the command line to its exit status.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::{Cli, Command, DaemonArgs};
use crate::config::{Config, ConfigError, Context, Diagnostic};
use crate::daemon::{ConfigFile, Daemon, Options, StartError, chain, check_privileges};
use crate::event::{Bus, What};
use crate::grpc::{BindError, GrpcOptions, Listeners, OptionsError, Server};
use crate::metrics::{Listener, Metrics, ServeError};
use crate::sockets::raise_descriptor_limit;
use crate::{demo, logging};

/// Parses the command line, runs what it asks for, and says how it went.
///
/// 0: fine. 1: failed, or the config cannot be read or parsed. 2: usage, or the config asks for something impossible.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Some(Command::Demo(args)) => in_runtime(async { demo::run(args).await.map_err(Failure::Demo) }),
        None if cli.daemon.check => check(&cli.daemon),
        None => in_runtime(daemon(cli.daemon)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Config(error)) => {
            // The text is for people, with the lines of the file.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(error.exit_code())
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "maglevd: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// Why `maglevd` ends with something else than 0.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the configuration is refused")]
    Config(#[source] ConfigError),
    #[error("cannot start")]
    Start(#[from] StartError),
    #[error(transparent)]
    Metrics(#[from] ServeError),
    #[error(transparent)]
    GrpcOptions(#[from] OptionsError),
    #[error(transparent)]
    Grpc(#[from] BindError),
    #[error("the task that decides has ended: a bug, please report it with the log; VPP stays as it is")]
    Died,
    #[error("the demo failed")]
    Demo(#[source] demo::DemoError),
    #[error("the system refuses what every daemon needs")]
    System(#[from] io::Error),
}

fn in_runtime(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(work);
    // A probe's blocking thread must not hold up the end.
    runtime.shutdown_background();
    outcome
}

fn check(args: &DaemonArgs) -> Result<(), Failure> {
    let loaded = Config::load(&args.config, context(args)).map_err(Failure::Config)?;
    for warning in &loaded.warnings {
        let _ = write!(io::stderr(), "{}", warning.render("warning"));
    }
    let Config { frontends, backends, healthchecks, .. } = &loaded.config;
    let (frontends, backends, checks) = (frontends.len(), backends.len(), healthchecks.len());
    let file = args.config.display();
    writeln!(io::stdout(), "{file} is good: {frontends} frontends, {backends} backends, {checks} health checks")?;
    Ok(())
}

fn context(args: &DaemonArgs) -> Context {
    Context { dataplane: args.vpp_api_addr.0.is_some() }
}

async fn daemon(args: DaemonArgs) -> Result<(), Failure> {
    let loaded = Config::load(&args.config, context(&args)).map_err(Failure::Config)?;
    // Before anything else is made: a signal that comes during the start must not kill half a daemon.
    let signals = Signals::new()?;
    logging::init(args.log_level, args.log_format);
    let bus = Bus::new();
    bus.emit(What::starting());
    let probed = loaded.config.backends.iter().filter(|backend| backend.healthcheck.is_some()).count();
    let needed = DESCRIPTORS.saturating_add(u64::try_from(probed).unwrap_or(u64::MAX));
    if let Some(limit) = raise_descriptor_limit().filter(|limit| *limit < needed) {
        let message = format!(
            "{limit} file descriptors may be too few for {probed} backends, probes may have to wait for each other; allow {needed}, e.g. LimitNOFILE= of systemd"
        );
        bus.emit(What::Warning { cause: "descriptors".into(), message: message.into() });
    }
    warn(&bus, &loaded.warnings);
    check_privileges(&loaded.config).await?;
    let mut options = Options::new(args.vpp_api_addr.0.clone(), args.vpp_stats_addr.0.clone());
    options.config_file = Some(ConfigFile { path: args.config.clone(), context: context(&args) });
    options.state_file.clone_from(&args.state_file.0);
    // The ports first: a daemon that cannot listen must not have touched VPP.
    let listener = args.metrics_addr.0.map(Listener::bind).transpose()?;
    let listeners = Listeners::bind(&GrpcOptions::from_args(&args)?)?;
    let daemon = Daemon::start(loaded.config, options, bus)?;
    let server = Server::start(listeners, daemon.handle().clone(), args.reflection)?;
    if let Some(listener) = listener {
        listener.serve(Arc::new(Metrics::new(daemon.published().clone(), daemon.totals())));
    }
    notify(&[sd_notify::NotifyState::Ready]);
    let ended = tokio::select! {
        () = steer(&daemon, &server, signals) => Ok(()),
        () = daemon.died() => Err(Failure::Died),
        () = watchdog(&daemon) => Ok(()),
    };
    notify(&[sd_notify::NotifyState::Stopping]);
    // Streams end first, then what operators said is on the disk; VPP stays as it is.
    drop(server);
    daemon.save().await;
    ended
}

fn warn(bus: &Bus, warnings: &[Diagnostic]) {
    for warning in warnings {
        bus.emit(What::Warning { cause: "config".into(), message: warning.to_string().into() });
    }
}

/// Obeys signals until one ends the process.
async fn steer(daemon: &Daemon, server: &Server, mut signals: Signals) {
    loop {
        tokio::select! {
            _ = signals.reload.recv() => {
                notify(&[sd_notify::NotifyState::Reloading, monotonic()]);
                // Log and metrics say what came of it.
                let _ = daemon.reload_file().await;
                server.reload_certificates(daemon.bus()).await;
                notify(&[sd_notify::NotifyState::Ready]);
            }
            _ = signals.terminate.recv() => return,
            _ = signals.interrupt.recv() => return,
        }
    }
}

struct Signals {
    reload: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            reload: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// Tells systemd, if it is there and wants to know.
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(target: "maglev", %error, "systemd was not told");
    }
}

fn monotonic() -> sd_notify::NotifyState<'static> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
    sd_notify::NotifyState::MonotonicUsec(micros)
}

/// Tells systemd that the daemon lives, as long as the task that decides takes its turns. Never returns.
async fn watchdog(daemon: &Daemon) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let mut ticks = tokio::time::interval(limit / 3);
    loop {
        ticks.tick().await;
        daemon.turns().await;
        notify(&[sd_notify::NotifyState::Watchdog]);
    }
}

/// Open at once beside a probe of each backend: 1,280 connections of gRPC clients, listeners, VPP, files, and sockets that probes keep.
const DESCRIPTORS: u64 = 2_048;

/// Whether a person looks at standard output.
pub(crate) fn at_a_terminal() -> bool {
    io::stdout().is_terminal()
}
