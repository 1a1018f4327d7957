//! A check that is a program: it runs, and its exit status is the verdict.

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::task::Poll;

use maglev_health::Code;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::end::{Deadline, End, Step};
use super::fault::{own_fault, words};
use super::report::Cause;
use super::target::Exec;

/// Runs the program and waits for its end. Dropped or out of time, it is killed with all that it started.
pub(super) async fn run(exec: &Exec, backend: &str, address: IpAddr, deadline: Deadline) -> Step<End> {
    let (mut child, group) = start(exec, backend, address)?;
    let (mut out, mut err) = (Line::of(child.stdout.take()), Line::of(child.stderr.take()));
    let status = {
        let mut read = pin!(async {
            tokio::join!(out.read(), err.read());
        });
        let ended = async {
            tokio::select! {
                biased;
                status = child.wait() => status,
                () = &mut read => child.wait().await,
            }
        };
        deadline.limit(ended).await
    };
    // What it wrote is in the pipes. Somebody whom it left behind may keep them open for ever, so nobody waits for their end.
    out.take_rest();
    err.take_rest();
    let line = if out.text.is_empty() { err.text() } else { out.text() };
    let with_line = |what: String| if line.is_empty() { what } else { format!("{what}: {line}") };
    Ok(match status {
        None => End::fail(Code::ProcTout, with_line("no end in time".to_owned())),
        Some(Err(error)) => End::own(Cause::System(error.raw_os_error().unwrap_or(0)), words(&error)),
        Some(Ok(status)) => {
            group.release();
            match status.success() {
                true if line.is_empty() => End::pass(Code::ProcOk, "exit 0"),
                true => End::pass(Code::ProcOk, line),
                false => End::fail(Code::ProcErr, with_line(describe(status))),
            }
        }
    })
}

fn start(exec: &Exec, backend: &str, address: IpAddr) -> Step<(Child, Group)> {
    let cannot = |error: &io::Error| {
        let cause = match own_fault(error) {
            Some(shortage @ (Cause::Descriptors | Cause::Memory)) => shortage,
            _ => Cause::System(error.raw_os_error().unwrap_or(0)),
        };
        End::own(cause, format!("cannot run {}: {}", exec.program, words(error)))
    };
    let mut command = Command::new(&exec.program);
    command.args(&exec.arguments).env_clear();
    command.env("PATH", PATH).env("MAGLEV_BACKEND", backend).env("MAGLEV_ADDRESS", address.to_string());
    command.env("MAGLEV_PORT", exec.port.map(|port| port.to_string()).unwrap_or_default());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Of a group of its own, so that all that it starts can be killed with it. The rest of `kill_on_drop` is that it is reaped.
    command.process_group(0).kill_on_drop(true);
    let child = command.spawn().map_err(|error| cannot(&error))?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    Ok((child, Group(group)))
}

/// The processes of a program that runs. Killed when dropped.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    /// The program has ended. Its number may be somebody else's from now on.
    fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// The first line of what a program writes.
#[derive(Debug)]
struct Line<P> {
    /// `None` once nobody can write any more.
    pipe: Option<P>,
    text: Vec<u8>,
    whole: bool,
}

impl<P: AsyncRead + AsFd + Unpin> Line<P> {
    fn of(pipe: Option<P>) -> Self {
        Self { pipe, text: Vec::new(), whole: false }
    }

    /// Reads all there is, so that the program never waits for us, and keeps the start of it.
    async fn read(&mut self) {
        let mut chunk = [0; CHUNK];
        let mut reads = 0_usize;
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut chunk).await {
                Ok(length @ 1..) => self.keep(&chunk[..length]),
                Ok(0) | Err(_) => self.pipe = None,
            }
            reads += 1;
            // It may write as fast as anybody reads.
            if reads.is_multiple_of(MOST_READS) {
                let_others().await;
            }
        }
    }

    /// Reads what is there now, as much as a pipe holds.
    fn take_rest(&mut self) {
        let Some(pipe) = self.pipe.take() else { return };
        let mut chunk = [0; CHUNK];
        let mut rest = MOST_REST;
        // The pipe does not block.
        while rest > 0
            && !self.whole
            && let Ok(length @ 1..) = rustix::io::read(&pipe, &mut chunk[..])
        {
            rest = rest.saturating_sub(length);
            self.keep(&chunk[..length]);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if !self.whole {
            let end = bytes.iter().position(|&b| b == b'\n');
            self.text.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
            self.whole = end.is_some() || self.text.len() > LONGEST;
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.text).trim().to_owned()
    }
}

/// Is polled again after whatever else is to be polled now.
async fn let_others() {
    let mut is_later = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut is_later, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// What a program finds on its own.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// More than a detail shows.
const LONGEST: usize = 1_024;

/// Reads before others have their turn.
const MOST_READS: usize = 16;

/// Bytes read at once.
const CHUNK: usize = 4_096;

/// Of a pipe that somebody else may fill as fast as it is read.
const MOST_REST: usize = 64 * 1_024;
