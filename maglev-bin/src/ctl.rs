//! `maglevc`: the shell and the one-shot command line of operators.

use std::process::ExitCode;

mod grammar;

/// Runs what the command line asks for.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
