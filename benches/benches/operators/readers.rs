//! Readers of the stream of events, in a process of their own: this program, called once more.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use maglev_bin::client::{Client, connect};
use maglev_bin::proto::event::Kind;
use maglev_bin::proto::{Event, Timestamp, WatchEventsRequest};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;

/// First word of the command line that asks for readers.
pub(crate) const ROLE: &str = "readers";
const READY: &str = "ready";
const SILENT: &str = "silent";
const BUSY: &str = "busy";

/// What readers saw.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Seen {
    /// Live events of each reader.
    pub(crate) heard: Vec<u64>,
    /// Events that all readers together were told they had lost.
    pub(crate) lost: u64,
    /// From an event to its reader.
    pub(crate) delays: Vec<Duration>,
    /// Processor time of the process.
    pub(crate) processor: Duration,
}

/// A process with readers.
pub(crate) struct Readers {
    child: Child,
    /// Its end is their signal to end.
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Readers {
    /// Starts `count` readers, and returns when each has its snapshot.
    pub(crate) fn start(address: &str, count: usize, are_silent: bool) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.args([ROLE, address, &count.to_string(), if are_silent { SILENT } else { BUSY }]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("this program runs");
        let stdin = child.stdin.take().expect("it is a pipe");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("text");
        assert_eq!(line.trim_end(), READY, "the readers did not get so far");
        Self { child, stdin, stdout }
    }

    /// Ends them, and tells what they saw.
    pub(crate) fn end(self) -> Seen {
        let Self { mut child, stdin, mut stdout } = self;
        drop(stdin);
        let mut text = String::new();
        stdout.read_to_string(&mut text).expect("text");
        assert!(child.wait().is_ok_and(|status| status.success()), "the readers did not end well");
        serde_json::from_str(&text).expect("what they saw")
    }
}

/// The other process.
pub(crate) fn run(address: &str, count: &str, habit: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let count = count.parse().expect("a number of readers");
    let seen = runtime.block_on(read(address, count, habit == SILENT));
    println!("{}", serde_json::to_string(&seen).expect("numbers"));
}

async fn read(address: &str, count: usize, are_silent: bool) -> Seen {
    let mut streams = Vec::new();
    // A connection each, as readers in as many places have.
    for _ in 0..count {
        let mut client = dial(address).await;
        let mut events = client.watch_events(WatchEventsRequest::default()).await.expect("a stream").into_inner();
        while !matches!(events.message().await.expect("an event"), Some(Event { kind: Some(Kind::SnapshotEnd(_)), .. }))
        {
        }
        streams.push((client, events));
    }
    println!("{READY}");
    let before = clock_gettime(ClockId::ProcessCPUTime);
    let mut seen = Seen::default();
    if are_silent {
        // In the way of the runtime: nothing is taken from any socket.
        let _ = std::io::stdin().read(&mut [0]);
    } else {
        let end = tokio_util::sync::CancellationToken::new();
        let tasks: Vec<_> = streams
            .into_iter()
            .map(|(client, mut events)| {
                let end = end.clone();
                tokio::spawn(async move {
                    let _client = client;
                    let mut seen = Seen { heard: vec![0], ..Seen::default() };
                    while let Some(Ok(Some(event))) = end.run_until_cancelled(events.message()).await {
                        seen.note(&event);
                    }
                    seen
                })
            })
            .collect();
        let _ = tokio::io::stdin().read(&mut [0]).await;
        end.cancel();
        for task in tasks {
            seen.add(task.await.expect("a reader does not panic"));
        }
    }
    let after = clock_gettime(ClockId::ProcessCPUTime);
    seen.processor = Duration::try_from(after - before).unwrap_or_default();
    seen
}

async fn dial(address: &str) -> Client {
    let server = address.parse().expect("an address");
    connect(&server, None, Duration::from_secs(20)).await.expect("a server that listens")
}

impl Seen {
    fn note(&mut self, event: &Event) {
        match &event.kind {
            Some(Kind::Lost(lost)) => self.lost += lost.count,
            _ if event.snapshot => {}
            _ => {
                self.heard[0] += 1;
                self.delays.extend(event.time.as_ref().and_then(age));
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.heard.extend(other.heard);
        self.lost += other.lost;
        self.delays.extend(other.delays);
    }
}

fn age(time: &Timestamp) -> Option<Duration> {
    let told = Duration::new(time.seconds.try_into().ok()?, time.nanos.try_into().ok()?);
    SystemTime::now().duration_since(UNIX_EPOCH).ok()?.checked_sub(told)
}
