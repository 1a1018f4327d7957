//! How long an operator waits for a list.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use maglev_benches::distribution;
use maglev_bin::client::{Client, connect};
use maglev_bin::proto::{ListBackendsRequest, ListFrontendsRequest};

use crate::Size;
use crate::lab::Lab;

const SHOW: Duration = Duration::from_millis(100);
const COMPLETE: Duration = Duration::from_millis(50);

pub(crate) async fn measure(lab: &Lab, size: &Size) {
    for (socket, address) in lab.addresses() {
        println!("over a {socket}, {} times", size.lists);
        let server = address.parse().expect("what it says is an address");
        let mut client = connect(&server, None, Duration::from_secs(20)).await.expect("a server that listens");
        let mut lists = [Vec::new(), Vec::new()];
        for _ in 0..size.lists {
            let start = Instant::now();
            assert_eq!(frontends(&mut client).await, size.frontends as usize);
            let between = Instant::now();
            assert!(backends(&mut client).await > 0);
            lists[0].push(between - start);
            lists[1].push(between.elapsed());
        }
        let [of_frontends, of_backends] = lists;
        tell("names of frontends and pools, for completion (ListFrontends)", of_frontends, COMPLETE);
        tell("names of backends, for completion (ListBackends)", of_backends, COMPLETE);
        let (lists, frontends) = (size.lists, size.frontends);
        let shown = tokio::task::spawn_blocking(move || show_frontends(&address, lists, frontends)).await;
        match shown.expect("it does not panic") {
            Ok(times) => tell("maglevc show frontends", times, SHOW),
            Err(why) => println!("  maglevc show frontends: skipped, {why}"),
        }
    }
}

async fn frontends(client: &mut Client) -> usize {
    client.list_frontends(ListFrontendsRequest {}).await.expect("an answer").into_inner().frontends.len()
}

async fn backends(client: &mut Client) -> usize {
    client.list_backends(ListBackendsRequest {}).await.expect("an answer").into_inner().backends.len()
}

/// From before the process is made until it has ended.
fn show_frontends(address: &str, times: u32, frontends: u32) -> Result<Vec<Duration>, String> {
    let program = maglevc().ok_or("there is none: cargo build --profile bench --bin maglevc")?;
    let once = |_| {
        let mut command = Command::new(&program);
        command.args(["--server", address, "show", "frontends"]);
        let start = Instant::now();
        let output = command.output().map_err(|error| format!("{}: {error}", program.display()))?;
        let time = start.elapsed();
        let lines = output.stdout.iter().filter(|byte| **byte == b'\n').count();
        match output.status.success() && lines >= frontends as usize {
            true => Ok(time),
            false => Err(format!("it ended with {} after {lines} lines", output.status)),
        }
    };
    (0..times).map(once).collect()
}

/// The program that was built with this bench: one folder up.
fn maglevc() -> Option<PathBuf> {
    let bench = std::env::current_exe().ok()?;
    let program = bench.parent()?.parent()?.join("maglevc");
    program.exists().then_some(program)
}

fn tell(what: &str, mut times: Vec<Duration>, goal: Duration) {
    times.sort_unstable();
    let median = times[times.len() / 2];
    let verdict = if median < goal { "met" } else { "MISSED" };
    println!("  {what}: {}; goal p50 < {goal:?}: {verdict}", distribution(times));
}
