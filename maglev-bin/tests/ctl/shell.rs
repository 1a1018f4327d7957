//! The shell, at a real terminal.

use std::time::Instant;

use crate::PATIENCE;
use crate::fake::Fake;
use crate::terminal::Terminal;

const PROMPT: &str = "maglev> ";
const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";
const UP: &str = "\u{1b}[A";
const LEFT: &str = "\u{1b}[D";

/// What a terminal sends for a text that is pasted.
fn pasted(text: &str) -> String {
    format!("\u{1b}[200~{text}\u{1b}[201~")
}

/// A shell that waits for its first line.
fn shell(fake: &Fake) -> Terminal {
    let mut terminal = Terminal::start(&fake.maglevc());
    terminal.shows("maglevd 9.9.9 at");
    terminal.shows(PROMPT);
    terminal
}

/// Waits until the server was asked something that begins so.
fn asked(fake: &Fake, what: &str) -> String {
    let start = Instant::now();
    loop {
        if let Some(found) = fake.lab.asked().into_iter().find(|asked| asked.starts_with(what)) {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {what:?}: {:?}", fake.lab.asked());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn tab_completes_keywords_and_live_names() {
    let fake = Fake::start();
    let mut terminal = shell(&fake);
    terminal.types("sh\t");
    terminal.shows("show ");
    terminal.types("backend web\t");
    // Two fit: both are listed, and the line is still there.
    terminal.shows("web0");
    terminal.shows("web1");
    terminal.shows("show backend web");
    terminal.types("0\t\r");
    terminal.shows("web0  10.2.1.1  up");
    terminal.shows(PROMPT);
    terminal.types("set frontend web-v4 pool p\tbackend w\tweight 5\r");
    terminal.shows("weight 5 by hand");
    assert_eq!(asked(&fake, "weight"), r#"weight web-v4 primary web0 Some(5) """#);
}

#[test]
fn a_question_mark_helps_and_keeps_the_line_and_the_cursor() {
    let fake = Fake::start();
    let mut terminal = shell(&fake);
    terminal.types("show vpp ?");
    terminal.shows("info");
    terminal.shows("who is at the other end");
    terminal.shows("lb");
    terminal.shows("maglev> show vpp ");
    terminal.types("info\r");
    terminal.shows("VPP is out of reach");
    terminal.shows(PROMPT);
    // In the middle of a line it asks about what stands before it.
    terminal.types("show  web0");
    terminal.shows("show  web0");
    terminal.types(&LEFT.repeat(5));
    terminal.types("?");
    terminal.shows("frontends");
    terminal.shows("maglev> show  web0");
    terminal.types("backend\r");
    terminal.shows("web0  10.2.1.1  up");
    terminal.shows(PROMPT);
    terminal.types("shwo ?");
    terminal.shows("did you mean `show`?");
    terminal.shows("maglev> shwo ");
    terminal.types(CTRL_C);
    terminal.shows(PROMPT);
    // Within quotes and reasons it is a letter.
    terminal.types("set backend web0 pause reason \"why?\"\r");
    assert_eq!(asked(&fake, "pause"), r#"pause web0 "why?""#);
    terminal.types("set backend web0 disable reason can't it?\r");
    assert_eq!(asked(&fake, "disable"), r#"disable web0 "can't it?""#);
}

#[test]
fn history_is_there_in_the_next_shell() {
    let fake = Fake::start();
    let mut terminal = shell(&fake);
    for _ in 0..2 {
        terminal.types("show healthcheck web\r");
        terminal.shows("web  http");
        terminal.shows(PROMPT);
    }
    terminal.types("quit\r");
    assert!(terminal.ends().success());
    let mut terminal = shell(&fake);
    terminal.types(UP);
    terminal.shows("quit");
    terminal.types(UP);
    terminal.shows("show healthcheck web");
    terminal.types("\r");
    terminal.shows("web  http");
    terminal.shows(PROMPT);
    terminal.types(CTRL_D);
    assert!(terminal.ends().success());
    let history = std::fs::read_to_string(fake.folder.join("maglevc/history")).unwrap();
    let lines: Vec<&str> = history.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines, ["show healthcheck web", "quit", "show healthcheck web"], "no line twice in a row");
}

#[test]
fn ctrl_c_clears_the_line_and_ctrl_d_leaves() {
    let fake = Fake::start();
    let mut terminal = shell(&fake);
    terminal.types("set backend web0 disable");
    terminal.shows("disable");
    terminal.types(CTRL_C);
    terminal.shows(PROMPT);
    terminal.types("\r");
    terminal.shows(PROMPT);
    terminal.types(CTRL_D);
    assert!(terminal.ends().success());
    assert!(!fake.lab.asked().iter().any(|asked| asked.starts_with("disable")), "{:?}", fake.lab.asked());
}

#[test]
fn ctrl_c_ends_watching_and_comes_back_to_the_prompt() {
    let fake = Fake::start();
    let mut terminal = shell(&fake);
    terminal.types("watch events\r");
    terminal.shows("to=paused");
    terminal.types(CTRL_C);
    terminal.shows(PROMPT);
    terminal.types("show version\r");
    terminal.shows("9.9.9");
    terminal.shows(PROMPT);
    terminal.types("exit\r");
    assert!(terminal.ends().success());
}

/// Nothing that changes something has reached the server, although another command has since.
fn nothing_was_written(fake: &Fake, terminal: &mut Terminal) {
    terminal.types("show version\r");
    terminal.shows("9.9.9");
    terminal.shows(PROMPT);
    let asked = fake.lab.asked();
    assert!(!asked.iter().any(|asked| asked.starts_with("disable")), "{asked:?}");
}

#[test]
fn ctrl_c_drops_every_line_that_has_not_run() {
    let fake = Fake::start();
    let mut terminal = shell(&fake);
    terminal.types(&format!("{}\r", pasted("watch events\nset backend web0 disable\n\nshow version\n")));
    terminal.shows("to=paused");
    terminal.types(CTRL_C);
    terminal.shows("interrupted");
    terminal.shows("2 lines not run");
    terminal.shows(PROMPT);
    nothing_was_written(&fake, &mut terminal);
    // Typed ahead, they are where only the editor knows of them.
    terminal.types("watch events\rset backend web0 disable\r");
    terminal.shows("to=paused");
    terminal.types(CTRL_C);
    terminal.shows("interrupted");
    terminal.shows(PROMPT);
    nothing_was_written(&fake, &mut terminal);
}

#[test]
fn ctrl_c_ends_the_wait_for_a_file_that_says_nothing() {
    let fake = Fake::start();
    let made = std::process::Command::new("mkfifo").arg(fake.folder.join("pipe")).status();
    assert!(made.expect("mkfifo, of coreutils, runs").success());
    let mut terminal = shell(&fake);
    terminal.types("config check pipe\r");
    // The line is written again as it is accepted.
    terminal.shows("config check pipe\r\n");
    terminal.types(CTRL_C);
    terminal.shows("interrupted");
    terminal.shows(PROMPT);
    terminal.types("config check -\r");
    terminal.shows("standard input is the terminal here");
    terminal.shows(PROMPT);
    terminal.types("# a remark\r");
    terminal.shows(PROMPT);
    terminal.types(CTRL_D);
    assert!(terminal.ends().success(), "although a thread still waits");
}

#[test]
fn lines_that_are_typed_ahead_all_run() {
    let fake = Fake::start();
    let mut terminal = shell(&fake);
    terminal.types("show version\rset backend web1 enable\rset backend web0 disable\r");
    asked(&fake, "disable web0");
    assert_eq!(fake.lab.asked()[1..], ["info", r#"enable web1 """#, r#"disable web0 """#]);
}

#[test]
fn a_failure_in_what_was_pasted_tells_how_much_did_not_run() {
    let fake = Fake::start();
    let mut terminal = shell(&fake);
    terminal.types(&format!("{}\r", pasted("show version\nshow backend nobody\nset backend web0 disable")));
    terminal.shows("there is no backend `nobody`");
    terminal.shows("1 line not run");
    terminal.shows(PROMPT);
    nothing_was_written(&fake, &mut terminal);
    terminal.types(CTRL_D);
    assert!(terminal.ends().success());
    let history = std::fs::read_to_string(fake.folder.join("maglevc/history")).unwrap();
    let lines: Vec<&str> = history.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines, ["show version", "show backend nobody", "show version"]);
}

#[test]
fn a_failure_is_told_and_the_shell_goes_on() {
    let fake = Fake::start();
    let mut terminal = shell(&fake);
    terminal.types("show backend nobody\r");
    terminal.shows("there is no backend `nobody`");
    terminal.shows(PROMPT);
    terminal.types("show bakends\r");
    terminal.shows("^^^^^^^ unknown word; did you mean `backends`?");
    terminal.shows(PROMPT);
    terminal.types("quit\r");
    assert!(terminal.ends().success());
}

#[test]
fn a_window_that_is_resized_does_not_break_a_long_line() {
    let fake = Fake::start();
    let mut terminal = shell(&fake);
    let words = |from: u32| (from..from + 12).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ");
    terminal.types(&format!("set backend web0 disable reason {}", words(100)));
    terminal.shows("word111");
    for columns in [40, 100, 20, 80] {
        terminal.resize(columns);
        // Ctrl-L draws it anew, also when the signal came while it was being drawn and the editor did not wake for it.
        terminal.types("\x0c");
        terminal.shows("maglev> set");
    }
    terminal.types(&format!(" {}\r", words(200)));
    terminal.shows("web0: disabled");
    assert_eq!(asked(&fake, "disable"), format!("disable web0 {:?}", format!("{} {}", words(100), words(200))));
}

#[test]
fn a_shell_starts_without_a_server_and_finds_it_later() {
    let fake = Fake::start();
    let (there, away) = (fake.folder.join("api.sock"), fake.folder.join("away.sock"));
    std::fs::rename(&there, &away).unwrap();
    let mut terminal = Terminal::start(&fake.maglevc());
    terminal.shows("cannot talk to maglevd at");
    terminal.shows(PROMPT);
    // Keywords need no server.
    terminal.types("show ver\t\r");
    terminal.shows("cannot talk to maglevd at");
    terminal.shows(PROMPT);
    std::fs::rename(&away, &there).unwrap();
    terminal.types("show version\r");
    terminal.shows("9.9.9");
    terminal.shows(PROMPT);
    terminal.types(CTRL_D);
    assert!(terminal.ends().success());
}

#[test]
fn a_shell_outlives_its_server() {
    let mut fake = Fake::start();
    let mut terminal = shell(&fake);
    fake.restart();
    // Whether this one finds the old connection or already the new one is a matter of luck.
    terminal.types("show version\r");
    terminal.shows(PROMPT);
    terminal.types("show vpp info\r");
    terminal.shows("VPP is out of reach");
    terminal.shows(PROMPT);
    terminal.types(CTRL_D);
    assert!(terminal.ends().success());
}
