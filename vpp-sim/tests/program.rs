//! The program: flags, signals, socket files, exit status.

mod common;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{Directory, connect, eventually, vip};
use rustix::process::{Pid, Signal, kill_process};
use vpp_api::messages::lb::LbVipDump;
use vpp_api::messages::memclnt::ControlPing;

/// A running program, killed when the test is over.
struct Program(Child);

impl Program {
    /// Starts it and waits for the line that says that its sockets answer.
    fn start(directory: &Directory, flags: &[&str]) -> Self {
        let mut child = command(directory).args(flags).stdout(Stdio::piped()).spawn().expect("the program");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
        stdout.read_line(&mut line).expect("a line");
        assert!(line.contains("answers at"), "{line:?}");
        Self(child)
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.0.id() as i32).expect("a process id");
        kill_process(pid, signal).expect("a running program");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(directory: &Directory) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vpp-sim"));
    command
        .arg("--api-socket")
        .arg(directory.join("api.sock"))
        .arg("--stats-socket")
        .arg(directory.join("stats.sock"))
        .stderr(Stdio::piped());
    command
}

#[tokio::test]
async fn sigusr1_is_a_restart_and_sigterm_an_end_in_good_order() {
    let directory = Directory::new();
    let (socket, log) = (directory.join("api.sock"), directory.join("api.log"));
    let log_flag = log.to_str().expect("a path in UTF-8");
    let mut program = Program::start(&directory, &["--api-log", log_flag, "--loop-sleep", "1ms"]);
    let vpp = connect(&socket).await;
    vpp.call(&vip("192.0.2.1/32")).await.expect("a VIP");
    let pid = vpp.call(&ControlPing {}).await.expect("a pong").vpe_pid;
    assert_eq!(pid, program.0.id());
    let inode = |path: &Path| path.metadata().map(|metadata| metadata.ino()).ok();
    let before = inode(&socket);

    program.signal(Signal::USR1);
    vpp.closed().await;
    eventually("a new socket", || (inode(&socket).is_some() && inode(&socket) != before).then_some(())).await;
    let vpp = connect(&socket).await;
    assert_ne!(vpp.call(&ControlPing {}).await.expect("a pong").vpe_pid, pid);
    assert_eq!(vpp.dump(&LbVipDump::all()).await.expect("VIPs"), []);
    let text = std::fs::read_to_string(&log).expect("a log");
    assert!(text.contains("\"lb_add_del_vip_v2\"") && text.contains("\"lb_vip_dump\""), "both lives are in the log");

    program.signal(Signal::TERM);
    let status = program.0.wait().expect("an end");
    assert!(status.success(), "{status}");
    assert!(!socket.exists() && !directory.join("stats.sock").exists());
}

#[tokio::test]
async fn a_killed_program_leaves_sockets_that_the_next_one_replaces() {
    let directory = Directory::new();
    let mut program = Program::start(&directory, &[]);
    program.0.kill().expect("a running program");
    program.0.wait().expect("an end");
    assert!(directory.join("api.sock").exists());
    let _next = Program::start(&directory, &[]);
    connect(&directory.join("api.sock")).await.call(&ControlPing {}).await.expect("a pong");
}

#[test]
fn a_second_program_says_that_somebody_answers() {
    let directory = Directory::new();
    let _first = Program::start(&directory, &[]);
    let second = command(&directory).output().expect("the program");
    assert_eq!(second.status.code(), Some(1));
    let error = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(error.contains("api.sock is in use: somebody answers there"), "{error}");
}

#[test]
fn flags_that_make_no_sense_are_a_usage_error() {
    let directory = Directory::new();
    for (flags, expected) in [
        (["--fault", "explode"], "there are drop, cut, mute"),
        (["--release", "3.14"], "there are 24.10, 25.10, 26.06 and 26.10"),
        (["--loop-sleep", "soon"], "no duration such as"),
        (["--workers", "many"], "--workers"),
    ] {
        let output = command(&directory).args(flags).output().expect("the program");
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(error.contains(expected), "{error}");
    }
}
