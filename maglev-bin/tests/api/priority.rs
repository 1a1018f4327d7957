use std::fs;

use crate::lab::Api;
use crate::support::until;

/// Niceness of every thread of this process that is called so (proc_pid_stat(5), field 19).
fn niceness(name: &str) -> Vec<i32> {
    let stats = fs::read_dir("/proc/self/task").unwrap().flatten().filter_map(|thread| {
        // A thread may end meanwhile.
        let stat = fs::read_to_string(thread.path().join("stat")).ok()?;
        let (head, tail) = stat.split_once(") ")?;
        let is_named = head.split_once('(').is_some_and(|(_, found)| found == name);
        is_named.then(|| tail.split(' ').nth(16).unwrap().parse().unwrap())
    });
    stats.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_stands_behind_what_decides_and_probes() {
    let _api = Api::two_up().await;
    let of_checker = rustix::process::getpriority_process(None).unwrap();
    // Servers of other tests, in the same process, may be about to start.
    until("every server stands behind", || {
        let servers = niceness("maglevd-grpc");
        !servers.is_empty() && servers.into_iter().all(|server| server == of_checker + 5)
    })
    .await;
}
