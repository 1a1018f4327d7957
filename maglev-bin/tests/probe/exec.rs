use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use maglev_bin::probe::{Cause, Exec, Kind, Prober, Report, Target};
use maglev_health::{Code, Outcome};
use rstest::rstest;

use crate::server::{LOCALHOST, PATIENCE, SHORT, assert_report, soon, target};

fn shell(script: &str) -> Target {
    let arguments = vec!["-c".to_owned(), script.to_owned()];
    target(LOCALHOST, Kind::Exec(Exec { program: "/bin/sh".into(), arguments, port: Some(8080) }))
}

async fn run(script: &str) -> Report {
    Prober::new(None).unwrap().run(&shell(script)).await
}

/// The path of a file that is not there yet.
fn fresh() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("maglev-exec-{}-{number}", std::process::id()))
}

#[rstest]
#[case::silent("exit 0", Outcome::Pass, Code::ProcOk, "exit 0")]
#[case::a_word("echo fine; echo more", Outcome::Pass, Code::ProcOk, "fine")]
#[case::on_stderr("echo fine >&2", Outcome::Pass, Code::ProcOk, "fine")]
#[case::other_status("exit 3", Outcome::Fail, Code::ProcErr, "exit 3")]
#[case::with_a_word("echo no disk; echo x >&2; exit 1", Outcome::Fail, Code::ProcErr, "exit 1: no disk")]
#[case::killed("kill -9 $$", Outcome::Fail, Code::ProcErr, "killed by signal 9")]
#[case::no_input("read line && echo $line; exit 0", Outcome::Pass, Code::ProcOk, "exit 0")]
#[case::environment(
    "env | sort | tr '\\n' ' ' | sed 's/ _=[^ ]*//; s/PWD=[^ ]* //; s/SHLVL=[^ ]* //'",
    Outcome::Pass,
    Code::ProcOk,
    "MAGLEV_ADDRESS=127.0.0.1 MAGLEV_BACKEND=under-test MAGLEV_PORT=8080 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)]
#[tokio::test]
async fn the_exit_status_is_the_verdict(
    #[case] script: &str,
    #[case] outcome: Outcome,
    #[case] code: Code,
    #[case] detail: &str,
) {
    assert_report(&run(script).await, outcome, code, detail);
}

#[tokio::test]
async fn a_program_that_writes_without_end_is_not_held_up() {
    // Sixteen times what a pipe holds, on both.
    let report = run("echo start; head -c 1048576 /dev/zero; head -c 1048576 /dev/zero >&2; exit 4").await;
    assert_report(&report, Outcome::Fail, Code::ProcErr, "exit 4: start");
}

#[tokio::test]
async fn a_program_that_never_stops_writing_holds_up_nobody() {
    let prober = Prober::new(None).unwrap();
    let endless = Target { timeout: SHORT, ..shell("exec yes") };
    let brief = shell("echo fine");
    let (endless, other) = tokio::join!(prober.run(&endless), prober.run(&brief));
    assert_report(&endless, Outcome::Fail, Code::ProcTout, "no end in time: y");
    assert_report(&other, Outcome::Pass, Code::ProcOk, "fine");
}

#[tokio::test]
async fn somebody_left_behind_does_not_hold_up_the_probe() {
    let report = run("sleep 60 & echo done").await;
    assert_report(&report, Outcome::Pass, Code::ProcOk, "done");
    assert!(report.elapsed < PATIENCE, "{report:?}");
}

#[tokio::test]
async fn out_of_time_the_whole_group_is_killed() {
    let file = fresh();
    let script = format!("(while :; do echo x >> {}; sleep 0.01; done) & echo begun; wait", file.display());
    let target = Target { timeout: Duration::from_millis(500), ..shell(&script) };
    let report = Prober::new(None).unwrap().run(&target).await;
    assert_report(&report, Outcome::Fail, Code::ProcTout, "no end in time: begun");
    soon("the end of the writer", async {
        let length = || fs::metadata(&file).map_or(0, |found| found.len());
        let mut before = length();
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let now = length();
            if now == before {
                return;
            }
            before = now;
        }
    })
    .await;
    let _ = fs::remove_file(&file);
}

#[tokio::test]
async fn a_probe_that_is_dropped_kills_its_program() {
    let file = fresh();
    let (prober, target) =
        (Prober::new(None).unwrap(), shell(&format!("echo $$ > {0}.new; mv {0}.new {0}; sleep 60", file.display())));
    let process = tokio::select! {
        report = prober.run(&target) => panic!("a minute is over, and yet {report:?}"),
        text = async {
            loop {
                if let Ok(text) = fs::read_to_string(&file) {
                    return text;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        } => text.trim().to_owned(),
    };
    soon("the end of the program", async {
        while fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let _ = fs::remove_file(&file);
}

#[rstest]
#[case("/nowhere/check", "cannot run /nowhere/check: no such file or directory")]
#[case("/etc/passwd", "cannot run /etc/passwd: prohibited")]
#[tokio::test]
async fn a_program_that_cannot_be_started_is_no_verdict(#[case] program: &str, #[case] detail: &str) {
    let exec = Exec { program: program.into(), arguments: Vec::new(), port: None };
    let target = Target { timeout: SHORT, ..target(LOCALHOST, Kind::Exec(exec)) };
    let report = Prober::new(None).unwrap().run(&target).await;
    assert_report(&report, Outcome::NoVerdict, Code::SockErr, detail);
    assert!(matches!(report.cause, Some(Cause::System(_))), "{report:?}");
}
