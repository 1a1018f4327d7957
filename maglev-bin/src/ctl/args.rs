//! The command line of `maglevc`.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};

use super::grammar::synopsis;
use crate::build;
use crate::client::{Address, ClientTls};
use crate::nearest::nearest;

/// Shows and steers maglevd. Without a command it is a shell; `?` helps there, TAB completes.
#[derive(Clone, Debug, Parser)]
#[command(name = "maglevc", version = build::long_version())]
pub(super) struct Args {
    /// Where maglevd listens: HOST:PORT or unix:/path.
    #[arg(long, env = "MAGLEV_SERVER", default_value = "127.0.0.1:9090", value_name = "ADDR")]
    pub(super) server: Address,
    /// Colours; `auto` is on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub(super) color: Color,
    /// How answers are written.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    pub(super) output: Format,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
    /// What to do; options stand before it.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub(super) command: Vec<String>,
}

/// With any of these the server is spoken to over TLS.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct TlsArgs {
    /// CA that signed the server's certificate (PEM); without it those of the system count.
    #[arg(long = "tls-ca", env = "MAGLEV_TLS_CA", value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// Certificate to show to the server (PEM).
    #[arg(long = "tls-cert", env = "MAGLEV_TLS_CERT", value_name = "FILE", requires = "key")]
    pub(super) cert: Option<PathBuf>,
    /// Key of that certificate (PEM).
    #[arg(long = "tls-key", env = "MAGLEV_TLS_KEY", value_name = "FILE", requires = "cert")]
    pub(super) key: Option<PathBuf>,
    /// Name that the server's certificate must have; without it the host of the address.
    #[arg(long = "tls-name", env = "MAGLEV_TLS_NAME", value_name = "NAME")]
    pub(super) name: Option<String>,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

/// How answers are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// The API's messages as JSON.
    Json,
    /// The API's messages as YAML.
    Yaml,
}

impl TlsArgs {
    /// `None` without any of them.
    pub(super) fn tls(self) -> Option<ClientTls> {
        let Self { ca, cert, key, name } = self;
        let tls = ClientTls { ca, cert, key, server_name: name };
        (tls != ClientTls::default()).then_some(tls)
    }
}

impl Args {
    /// Those of the process. Ends it for `--help`, `--version`, and with status 2 for what makes no sense.
    pub(super) fn of_process() -> Self {
        let unset = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
        // A variable that is empty is as good as none.
        let command = Self::with_commands().mut_args(|arg| match arg.get_env() {
            Some(name) if unset(name) => arg.env(None),
            _ => arg,
        });
        let args = Self::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
        if let Some(message) = args.command.first().and_then(|word| unknown_option(word)) {
            Self::command().error(ErrorKind::UnknownArgument, message).exit();
        }
        args
    }

    fn with_commands() -> clap::Command {
        let commands: String =
            synopsis().into_iter().map(|(command, help)| format!("  {command}\n          {help}\n")).collect();
        let statuses =
            "Exit status: 0; 1 refused or failed; 2 usage; 3 maglevd out of reach; 4 a plan that has changes.";
        Self::command().after_help(format!("Commands, of which unique beginnings are enough:\n{commands}\n{statuses}"))
    }
}

/// What is wrong with a first word that looks like an option and is none.
fn unknown_option(word: &str) -> Option<String> {
    let option = word.split('=').next().filter(|word| word.starts_with('-'))?;
    let command = Args::command();
    let names: Vec<&str> = command.get_arguments().filter_map(|arg| arg.get_long()).collect();
    Some(match nearest(option.trim_start_matches('-'), names) {
        Some(near) => format!("there is no option `{option}`; did you mean `--{near}`?"),
        None => format!("there is no option `{option}`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Args {
        Args::try_parse_from([&["maglevc"], arguments].concat()).unwrap()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::with_commands().debug_assert();
        assert!(Args::with_commands().render_help().to_string().contains("show vpp lb plan [recreate]"));
    }

    #[test]
    fn an_option_that_does_not_exist_is_named() {
        let unknown = |word| unknown_option(word).unwrap();
        assert_eq!(unknown("--colour=always"), "there is no option `--colour`; did you mean `--color`?");
        assert_eq!(unknown("-x"), "there is no option `-x`");
        assert_eq!(unknown_option("show"), None);
    }

    #[test]
    fn what_follows_the_first_word_belongs_to_the_command() {
        let args = parsed(&["-o", "json", "set", "backend", "-x", "--color", "-o", "--", "y"]);
        assert_eq!(args.output, Format::Json);
        assert_eq!(args.command, ["set", "backend", "-x", "--color", "-o", "--", "y"]);
        assert_eq!(parsed(&["config", "check", "-"]).command, ["config", "check", "-"]);
        assert!(parsed(&[]).command.is_empty());
    }
}
