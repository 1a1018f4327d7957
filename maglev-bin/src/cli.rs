//! The command line of `maglevd`: flags, their environment variables and what they mean.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::build;
use crate::config::parse_duration;
use crate::grpc::{GrpcAddrs, OperatorName};

/// Control plane for VPP's Maglev load balancer: probes servers, decides weights, programs VPP.
#[derive(Clone, Debug, Parser)]
#[command(name = "maglevd", version = build::long_version(), args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    /// What to run instead of the daemon.
    pub command: Option<Command>,
    #[command(flatten)]
    /// Flags of the daemon.
    pub daemon: DaemonArgs,
}

/// What `maglevd` can run besides the daemon.
#[derive(Clone, Debug, Subcommand)]
#[non_exhaustive]
pub enum Command {
    /// Run the whole product on this machine: an embedded VPP, three small servers, a failure and a recovery.
    Demo(DemoArgs),
}

/// Flags of `maglevd demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// End by itself after this time, e.g. 30s, with a summary and exit status 0.
    #[arg(long, value_parser = duration)]
    pub duration: Option<Duration>,
    /// Print the summary as one JSON object on the last line.
    #[arg(long, value_enum, default_value_t = SummaryFormat::Text)]
    pub summary: SummaryFormat,
    /// Address of /metrics during the demo; port 0 picks a free one, empty = off.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    pub metrics_addr: ListenAddr,
    /// Address of the API during the demo, for maglevc; port 0 picks a free one, empty = off.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    pub grpc_addr: GrpcAddrs,
}

/// How `maglevd demo` prints its summary.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[non_exhaustive]
pub enum SummaryFormat {
    /// A few lines for a person.
    Text,
    /// One JSON object on the last line.
    Json,
}

/// Flags of the daemon. A flag beats its environment variable.
#[derive(Args, Clone, Debug)]
pub struct DaemonArgs {
    /// Configuration file.
    #[arg(long, env = "MAGLEV_CONFIG", default_value = "/etc/vpp-maglev/maglev.yaml", value_name = "FILE")]
    pub config: PathBuf,
    /// gRPC listener, repeatable, also with commas between: HOST:PORT or unix:/path; empty = off.
    #[arg(long, env = "MAGLEV_GRPC_ADDR", default_value = "127.0.0.1:9090", value_name = "ADDR")]
    pub grpc_addr: Vec<GrpcAddrs>,
    /// Allow gRPC on a non-loopback TCP address without TLS.
    #[arg(long)]
    pub grpc_insecure: bool,
    /// Certificate of the gRPC listener (PEM).
    #[arg(long, value_name = "FILE")]
    pub grpc_tls_cert: Option<PathBuf>,
    /// Key of the gRPC listener (PEM).
    #[arg(long, value_name = "FILE")]
    pub grpc_tls_key: Option<PathBuf>,
    /// CA that signs the certificates of gRPC clients (PEM).
    #[arg(long, value_name = "FILE")]
    pub grpc_client_ca: Option<PathBuf>,
    /// Who may write over gRPC, repeatable: a certificate name, uid:N or gid:N.
    #[arg(long, value_name = "WHO")]
    pub grpc_operator: Vec<OperatorName>,
    /// Role of gRPC clients on loopback TCP without TLS.
    #[arg(long, value_enum, default_value_t = Role::Operator)]
    pub grpc_loopback_role: Role,
    /// gRPC reflection.
    #[arg(long, default_value_t = true, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub reflection: bool,
    /// Listener of /metrics; empty = off.
    #[arg(long, env = "MAGLEV_METRICS_ADDR", default_value = ":9091", value_name = "ADDR")]
    pub metrics_addr: ListenAddr,
    /// Socket of VPP's binary API; empty = no dataplane, probe only.
    #[arg(long, env = "MAGLEV_VPP_API_ADDR", default_value = "/run/vpp/api.sock", value_name = "PATH")]
    pub vpp_api_addr: OptionalPath,
    /// Socket of VPP's stats segment; empty = no counters.
    #[arg(long, env = "MAGLEV_VPP_STATS_ADDR", default_value = "/run/vpp/stats.sock", value_name = "PATH")]
    pub vpp_stats_addr: OptionalPath,
    /// Operators' overrides are kept here; empty = forget them at exit.
    #[arg(long, env = "MAGLEV_STATE_FILE", default_value = "/var/lib/vpp-maglev/state.json", value_name = "FILE")]
    pub state_file: OptionalPath,
    /// Least severe level that is logged.
    #[arg(long, env = "MAGLEV_LOG_LEVEL", value_enum, default_value_t = LogLevel::Info)]
    pub log_level: LogLevel,
    /// Form of the log: text on a terminal, else json.
    #[arg(long, env = "MAGLEV_LOG_FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
    /// Check the configuration and exit: 0 good, 1 cannot be parsed, 2 means something impossible.
    #[arg(long)]
    pub check: bool,
}

/// A listener's address: `HOST:PORT`, `:PORT` for every address of both families, or nothing for "off".
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ListenAddr(pub Option<SocketAddr>);

impl std::str::FromStr for ListenAddr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let whole = match text.strip_prefix(':') {
            Some(port) => format!("[::]:{port}"),
            None => text.replacen("localhost:", "127.0.0.1:", 1),
        };
        let address = whole.parse().map_err(|_| {
            format!("`{text}` is no address: write HOST:PORT with a numeric host, :PORT, or nothing for off")
        })?;
        Ok(Self(Some(address)))
    }
}

impl std::fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |address| write!(f, "{address}"))
    }
}

/// A path, or nothing for "off".
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OptionalPath(pub Option<PathBuf>);

impl std::str::FromStr for OptionalPath {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self((!text.is_empty()).then(|| PathBuf::from(text))))
    }
}

/// What a gRPC client may do.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[non_exhaustive]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads and writes.
    Operator,
}

/// Least severe level that is logged.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[non_exhaustive]
pub enum LogLevel {
    /// Every probe and API message.
    Debug,
    /// Transitions, syncs, connections.
    Info,
    /// What an operator should look at.
    Warn,
    /// What does not work.
    Error,
}

/// Form of a log record.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
#[non_exhaustive]
pub enum LogFormat {
    /// `time LEVEL event key=value …`
    Text,
    /// One JSON object a line.
    Json,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_port_alone_listens_on_every_address_of_both_families() {
        assert_eq!(":9091".parse(), Ok(ListenAddr(Some("[::]:9091".parse().unwrap()))));
        assert_eq!("127.0.0.1:1".parse(), Ok(ListenAddr(Some("127.0.0.1:1".parse().unwrap()))));
        assert_eq!("".parse(), Ok(ListenAddr(None)));
        assert!("nonsense".parse::<ListenAddr>().unwrap_err().contains("write HOST:PORT"));
    }

    #[test]
    fn an_empty_socket_path_means_no_dataplane() {
        let cli = Cli::parse_from(["maglevd", "--vpp-api-addr", ""]);
        assert_eq!(cli.daemon.vpp_api_addr, OptionalPath(None));
    }
}
