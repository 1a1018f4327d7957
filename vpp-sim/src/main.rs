//! The `vpp-sim` program: flags, signals, and nothing else.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use vpp_sim::{ApiLog, Fault, Options, Release, Simulator};

/// A stand-in for VPP and its lb plugin on real Unix sockets.
///
/// SIGUSR1 restarts the VPP it plays; SIGINT and SIGTERM end it.
#[derive(Debug, Parser)]
#[command(name = "vpp-sim", version)]
struct Flags {
    /// API socket
    #[arg(long, value_name = "PATH", default_value = "/run/vpp/api.sock")]
    api_socket: PathBuf,
    /// Stats socket
    #[arg(long, value_name = "PATH", default_value = "/run/vpp/stats.sock")]
    stats_socket: PathBuf,
    /// Append every API message in either direction to FILE, one JSON object a line
    #[arg(long, value_name = "FILE")]
    api_log: Option<PathBuf>,
    /// Worker threads to show in the counters
    #[arg(long, value_name = "N", default_value_t = 1)]
    workers: u16,
    /// Routes in the FIB, and so the size of its counters
    #[arg(long, value_name = "N", default_value_t = 28)]
    routes: u32,
    /// Synthetic new flows per second, over all VIPs
    #[arg(long, value_name = "N", default_value_t = 0)]
    flows: u32,
    #[arg(long, value_name = "RELEASE", default_value_t, help = format!("VPP release to behave like: {}", releases()))]
    release: Release,
    /// Seed of message ids and flows
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Sleep of the main loop whenever it finds nothing to do, such as 1ms; 0 waits on the sockets instead
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = duration)]
    loop_sleep: Duration,
    /// Something that shall go wrong, such as refuse:message=lb_as_set_weight,call=3,retval=-73; may be repeated
    #[arg(long, value_name = "SPEC")]
    fault: Vec<Fault>,
}

impl From<Flags> for Options {
    fn from(flags: Flags) -> Self {
        Self {
            api_socket: flags.api_socket,
            stats_socket: flags.stats_socket,
            api_log: flags.api_log.map_or(ApiLog::None, ApiLog::File),
            workers: flags.workers,
            routes: flags.routes,
            flows: flags.flows,
            release: flags.release,
            seed: flags.seed,
            loop_sleep: flags.loop_sleep,
            faults: flags.fault,
        }
    }
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()))
        .init();
    match run(flags.into()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_chain(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    // Before the sockets: whoever sees them may signal.
    let mut restart = signal(SignalKind::user_defined1())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let simulator = Simulator::start(options)?;
    announce(&simulator);
    loop {
        tokio::select! {
            _ = restart.recv() => simulator.restart()?,
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    simulator.stop();
    Ok(())
}

/// One line for scripts that wait for the sockets. Nobody has to read it.
fn announce(simulator: &Simulator) {
    let (api, stats) = (simulator.api_path().display(), simulator.stats_path().display());
    let _ = writeln!(std::io::stdout(), "vpp-sim {} answers at {api} and {stats}", std::process::id());
}

fn print_chain(error: &dyn std::error::Error) {
    let mut line = format!("vpp-sim: {error}");
    let mut source = error.source();
    while let Some(error) = source {
        line.push_str(&format!(": {error}"));
        source = error.source();
    }
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// As for `--help`.
fn releases() -> String {
    Release::ALL.map(|release| release.to_string()).join(", ")
}

fn duration(text: &str) -> Result<Duration, String> {
    vpp_sim::parse_duration(text).ok_or_else(|| format!("{text:?} is no duration such as 500us or 1ms"))
}
