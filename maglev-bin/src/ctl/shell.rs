//! The shell, for people and for scripts.
//!
//! The line editor blocks its thread, which is the main one; connections live on a runtime of their own beside it, with one worker.

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor, EventHandler, KeyEvent};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::editor::{Helper, Question};
use self::names::Live;
use super::grammar::{self, Command, Line};
use super::output::Output;
use super::run::{Failure, run};
use super::session::Session;
use super::show;
use crate::build;
use crate::proto::GetVppInfoRequest;

mod editor;
mod names;

/// Asks for commands on the terminal until there are enough. Returns the exit status, which is 0.
///
/// # Errors
/// The terminal or the system refuses to work.
pub(super) fn interact(session: Session, output: &mut Output) -> Result<u8, Failure> {
    output.prefix = "";
    let runtime = Rc::new(runtime()?);
    // From now on Ctrl-C ends a command, and no longer the shell.
    let mut interrupts = {
        let _guard = runtime.enter();
        signal(SignalKind::interrupt())?
    };
    let session = Rc::new(RefCell::new(session));
    greet(&runtime, &mut session.borrow_mut(), output)?;
    let question = Question::default();
    let edit = || editor(Helper::new(Live::new(runtime.clone(), session.clone())), question.clone());
    let mut editor = edit()?;
    let history = history_file();
    if let Some(file) = &history {
        // Without one the shell is as good, but forgets.
        let _ = editor.load_history(file);
    }
    let mut kept = (String::new(), String::new());
    loop {
        let typed = match editor.readline_with_initial(PROMPT, (&kept.0, &kept.1)) {
            Ok(typed) => typed,
            Err(ReadlineError::Interrupted) => {
                kept = Default::default();
                continue;
            }
            Err(ReadlineError::Eof) => return Ok(0),
            Err(error) => return Err(Failure::Output(io::Error::other(error))),
        };
        if let Some(at) = question.take() {
            let (before, after) = typed.split_at_checked(at).unwrap_or((&typed, ""));
            explain(before, output)?;
            kept = (before.to_owned(), after.to_owned());
            continue;
        }
        kept = Default::default();
        // One that came too late for the last command is not meant for the next.
        let _ = interrupts.recv().now_or_never();
        // What was pasted may be many lines.
        let mut lines = typed.lines().filter(|line| !line.trim().is_empty());
        while let Some(text) = lines.next() {
            if editor.add_history_entry(text).is_ok_and(|added| added) {
                let _ = history.as_ref().map(|file| editor.append_history(file));
            }
            let ran = match read(text) {
                Ok(Asked::Nothing) => Ok(()),
                Ok(Asked::End) => return Ok(0),
                Ok(Asked::Run(
                    Command::ConfigCheck { file: Some(file) } | Command::ConfigPlan { file: Some(file) },
                )) if file == "-" => {
                    let reason = "standard input is the terminal here; name a file".to_owned();
                    Err(Failure::File { file, reason })
                }
                Ok(Asked::Run(command)) => {
                    let mut session = session.borrow_mut();
                    runtime.block_on(run_or_interrupt(&command, &mut session, output, &mut interrupts))
                }
                Err(failure) => Err(failure),
            };
            let Err(failure) = ran else { continue };
            output.fail(&failure);
            match lines.by_ref().count() {
                0 => {}
                1 => output.warn("1 line not run\n"),
                more => output.warn(&format!("{more} lines not run\n")),
            }
            if matches!(failure, Failure::Interrupted { .. }) {
                // An editor keeps what was typed ahead, which must not run either.
                let mut fresh = edit()?;
                std::mem::swap(fresh.history_mut(), editor.history_mut());
                editor = fresh;
            }
        }
    }
}

/// Reads commands from standard input, one a line, and runs them until one fails. A plan that has changes does not fail; the exit
/// status tells of it at the end. Blank lines and those that begin with `#` are skipped.
///
/// # Errors
/// The first that fails.
pub(super) fn script(mut session: Session, output: &mut Output) -> Result<u8, Failure> {
    let runtime = runtime()?;
    let mut status = 0;
    let mut text = String::new();
    // A line at a time, so that `config check -` gets what follows it.
    while io::stdin().read_line(&mut text)? > 0 {
        output.line = Some(output.line.unwrap_or(0) + 1);
        match read(&text)? {
            Asked::Nothing => {}
            Asked::End => break,
            Asked::Run(command) => {
                let outcome = runtime.block_on(run(&command, &mut session, output))?;
                status = status.max(outcome.status());
            }
        }
        text.clear();
    }
    Ok(status)
}

/// What a line asks for.
enum Asked {
    Nothing,
    End,
    Run(Command),
}

fn read(text: &str) -> Result<Asked, Failure> {
    if text.trim_start().starts_with('#') {
        return Ok(Asked::Nothing);
    }
    Ok(match grammar::parse(&Line::typed(text)).map_err(Failure::Usage)? {
        None => Asked::Nothing,
        Some(Command::Quit) => Asked::End,
        Some(mut command) => {
            if let Some(file) = command.file_mut() {
                *file = expanded(file);
            }
            Asked::Run(command)
        }
    })
}

/// A path with the home folder in place of a leading `~`.
fn expanded(path: &str) -> String {
    match (path.strip_prefix("~/"), std::env::var("HOME")) {
        (Some(rest), Ok(home)) if !home.is_empty() => format!("{home}/{rest}"),
        _ => path.to_owned(),
    }
}

/// Runs a command until it ends, or Ctrl-C ends it.
async fn run_or_interrupt(
    command: &Command,
    session: &mut Session,
    output: &mut Output,
    interrupts: &mut Signal,
) -> Result<(), Failure> {
    tokio::select! {
        biased;
        _ = interrupts.recv() => Err(Failure::Interrupted { writes: command.writes() }),
        outcome = run(command, session, output) => outcome.map(|_| ()),
    }
}

/// Says who is at the other end, or that nobody is.
fn greet(runtime: &Runtime, session: &mut Session, output: &mut Output) -> Result<(), Failure> {
    let info = session.call(GREETING, async |client| client.get_vpp_info(GetVppInfoRequest {}).await);
    match runtime.block_on(info) {
        Ok(info) => {
            let version = show::clean(&info.maglevd_version).into_owned();
            let text = format!("maglevc {}, maglevd {version} at {}; ? helps\n", build::VERSION, session.server());
            output.say(&show::Tone::Faint.paint(text))?;
        }
        Err(failure) => {
            output.fail(&failure);
            output.say("each command tries again\n")?;
        }
    }
    Ok(())
}

/// Says what may come after what is typed.
pub(super) fn explain(before: &str, output: &mut Output) -> Result<(), Failure> {
    match grammar::help(before) {
        Ok(words) => {
            let mut table = show::Table::bare([false, false]);
            for (word, help) in words {
                table.row([show::cell(word).tone(show::Tone::Strong), show::cell(help)]);
            }
            output.say(&show::indented(&table))?;
        }
        Err(complaint) => output.warn(&format!("{complaint}\n")),
    }
    Ok(())
}

fn editor(helper: Helper, question: Question) -> Result<Editor<Helper, FileHistory>, Failure> {
    let broken = |error: ReadlineError| Failure::Output(io::Error::other(error));
    let config = Config::builder().history_ignore_dups(true).map_err(broken)?.history_ignore_space(true);
    let config = config.max_history_size(HISTORY).map_err(broken)?;
    let config = config.completion_type(CompletionType::List).completion_show_all_if_ambiguous(true);
    let mut editor = Editor::with_config(config.build()).map_err(broken)?;
    editor.set_helper(Some(helper));
    // With a printer the editor waits for keys and signals alike. Without, it would miss a resize that comes just before it waits for a
    // key, until that key.
    let _ = editor.create_external_printer();
    editor.bind_sequence(KeyEvent::from('?'), EventHandler::Conditional(Box::new(question)));
    Ok(editor)
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

/// Where lines are remembered; the folder is there if it can be made.
fn history_file() -> Option<PathBuf> {
    let folder = match std::env::var_os("XDG_STATE_HOME").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".local/state"),
    };
    let folder = folder.join("maglevc");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

const PROMPT: &str = "maglev> ";

/// Lines that are remembered.
const HISTORY: usize = 1_000;

/// A shell whose server is out of reach should not be slow to start.
const GREETING: Duration = Duration::from_secs(1);
