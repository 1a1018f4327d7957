//! The program `maglevc` as its users run it, against a server with canned answers.

mod fake;
mod once;
mod script;
mod shell;
mod terminal;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// No test should come near it; a machine under load might.
const PATIENCE: Duration = Duration::from_secs(30);

/// `maglevc` that knows nothing of the environment of the tests, and keeps its history in `folder`.
fn maglevc(folder: &Path, server: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maglevc"));
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "MAGLEV_TLS_CA", "MAGLEV_TLS_CERT", "MAGLEV_TLS_KEY"] {
        command.env_remove(variable);
    }
    command.env("MAGLEV_SERVER", server).env("XDG_STATE_HOME", folder).current_dir(folder).stdin(Stdio::null());
    command
}

/// Status, standard output and standard error.
fn said(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("all that is written is UTF-8");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}
