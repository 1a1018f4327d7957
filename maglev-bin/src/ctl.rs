//! `maglevc`: the shell and the one-shot command line of operators.
//!
//! `grammar` turns words into a command, `run` runs it over the API, `show` makes text of the answer, `shell` asks for the next one.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use self::args::Args;
use self::grammar::{Command, Line};
use self::output::Output;
use self::run::{Failure, Outcome};
use self::session::Session;

mod args;
mod grammar;
mod output;
mod run;
mod session;
mod shell;
mod show;

/// Runs what the command line asks for, or a shell.
///
/// 0: fine. 1: refused or failed. 2: usage. 3: the server is out of reach. 4: a plan that has changes.
pub fn main() -> ExitCode {
    let args = Args::of_process();
    let mut output = Output::new(args.output, args.color);
    match start(args, &mut output) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            output.fail(&failure);
            ExitCode::from(failure.status())
        }
    }
}

fn start(args: Args, output: &mut Output) -> Result<u8, Failure> {
    let session = Session::new(args.server, args.tls.tls());
    if !args.command.is_empty() {
        once(args.command, session, output)
    } else if io::stdin().is_terminal() {
        shell::interact(session, output)
    } else {
        shell::script(session, output)
    }
}

/// Runs one command.
fn once(words: Vec<String>, mut session: Session, output: &mut Output) -> Result<u8, Failure> {
    if let Some((last, before)) = words.split_last()
        && matches!(&**last, "?" | "--help" | "-h")
        && !grammar::in_reason(&Line::given(before.to_vec()))
    {
        let before = Line::given(before.to_vec());
        shell::explain(&format!("{} ", before.text()), output)?;
        return Ok(0);
    }
    let Some(command) = grammar::parse(&Line::given(words)).map_err(Failure::Usage)? else { return Ok(0) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::select! {
            outcome = run::run(&command, &mut session, output) => outcome.map(Outcome::status),
            // Whoever watches has seen enough. Everything else dies of the signal.
            _ = tokio::signal::ctrl_c(), if matches!(command, Command::Watch(_)) => Ok(0),
        }
    })
}
