use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use maglev_bin::demo::Backend;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use vpp_sim::{ApiLog, Simulator};

/// No test should come near it; a machine under load might.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `maglevd` and the lines of its log.
struct Maglevd {
    child: Child,
    lines: Receiver<String>,
}

impl Maglevd {
    fn start(folder: &Path, config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_maglevd"))
            .arg("--config")
            .arg(config)
            .arg("--vpp-api-addr")
            .arg(folder.join("api.sock"))
            .arg("--vpp-stats-addr")
            .arg(folder.join("stats.sock"))
            .args(["--metrics-addr", "127.0.0.1:0", "--log-format", "json", "--state-file", "", "--grpc-addr", ""])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let (sender, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// The next record of the log that has all of `words`.
    fn says(&self, words: &[&str]) -> serde_json::Value {
        let start = Instant::now();
        let mut seen = Vec::new();
        loop {
            let left = PATIENCE.saturating_sub(start.elapsed());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("waited {PATIENCE:?} in vain for a record with {words:?}; seen:\n{}", seen.join("\n"));
            };
            if words.iter().all(|word| line.contains(word)) {
                return serde_json::from_str(&line).expect("a record is one JSON object");
            }
            seen.push(line);
        }
    }

    /// Waits until each of `records` was logged, in any order.
    fn says_all(&self, records: &[&[&str]]) {
        let mut missing = records.to_vec();
        while !missing.is_empty() {
            let line = self.says(&[]).to_string();
            if let Some(found) = missing.iter().position(|words| words.iter().all(|word| line.contains(word))) {
                missing.swap_remove(found);
            }
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    fn ended(mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "it did not end within {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Maglevd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two servers, a simulated VPP and a config on disk.
struct Lab {
    folder: PathBuf,
    runtime: tokio::runtime::Runtime,
    servers: Vec<Backend>,
    simulator: Simulator,
}

impl Lab {
    fn new(network: u8) -> Self {
        let folder = std::env::temp_dir().join(format!("maglevd-binary-{}-{network}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let address = |last| IpAddr::from([127, 222, network, last]);
        let port = std::net::TcpListener::bind((address(1), 0)).and_then(|it| it.local_addr()).expect("a port").port();
        let guard = runtime.enter();
        let servers = [1, 2].map(|last| {
            let mut server = Backend::new(&format!("web{last}"), SocketAddr::new(address(last), port));
            server.start().expect("an address of 127.0.0.0/8");
            server
        });
        drop(guard);
        let simulator = Simulator::start(vpp_sim::Options {
            api_socket: folder.join("api.sock"),
            stats_socket: folder.join("stats.sock"),
            api_log: ApiLog::Memory,
            ..vpp_sim::Options::default()
        });
        Self { folder, runtime, servers: servers.into(), simulator: simulator.expect("a simulator") }
    }

    fn config(&self, times: &str) -> PathBuf {
        let [one, two] = [0, 1].map(|server| self.servers[server].address().ip());
        let port = self.servers[0].address().port();
        let text = format!(
            "maglev:
  vpp: {{ lb: {{ ipv4-src-address: 10.0.0.1, ipv6-src-address: '2001:db8::1', startup-min-delay: 0s, startup-max-delay: 0s }} }}
  healthchecks:
    web: {{ type: http, port: {port}, {times}, timeout: 1s, rise: 2, fall: 2 }}
  backends:
    web1: {{ address: {one}, healthcheck: web }}
    web2: {{ address: {two}, healthcheck: web }}
  frontends:
    f: {{ address: 192.0.2.1, protocol: tcp, port: 80, pools: [{{ name: p, backends: {{ web1: {{}}, web2: {{}} }} }}] }}
"
        );
        let file = self.folder.join("maglev.yaml");
        std::fs::write(&file, text).expect("a temporary file");
        file
    }

    fn weights(&self) -> [Option<u8>; 2] {
        let lb = self.simulator.lb();
        let vip = lb.vip("192.0.2.1/32".parse().expect("a prefix"), 6, 80);
        [0, 1].map(|server| Some(vip?.server(self.servers[server].address().ip())?.weight))
    }

    fn wait_for(&self, what: &str, weights: [Option<u8>; 2]) {
        let start = Instant::now();
        while self.weights() != weights {
            assert!(
                start.elapsed() < PATIENCE,
                "waited {PATIENCE:?} in vain: {what}; weights are {:?}",
                self.weights()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn writes(&self) -> usize {
        let log = self.simulator.api_log();
        let is_write = |name: &str| name.starts_with("lb_add_del") || name == "lb_conf" || name == "lb_as_set_weight";
        log.iter().filter(|entry| is_write(&entry.name) && !entry.name.ends_with("_reply")).count()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

const FAST: &str = "interval: 100ms, fast-interval: 30ms";
const BOTH: [Option<u8>; 2] = [Some(100), Some(100)];

#[test]
fn a_kill_and_a_restart_send_no_write_at_all() {
    for (network, times) in [(1, FAST), (2, "interval: 60s, fast-interval: 100ms")] {
        let lab = Lab::new(network);
        let config = lab.config(times);
        let first = Maglevd::start(&lab.folder, &config);
        lab.wait_for("both servers serve", BOTH);
        first.signal(Signal::KILL);
        drop(first);
        let before = lab.writes();
        let second = Maglevd::start(&lab.folder, &config);
        let up = |backend| ["backend-transition", backend, r#""to":"up""#];
        second.says_all(&[&["vpp-lb-state"], &up("web1"), &up("web2")]);
        second.signal(Signal::TERM);
        assert!(second.ended().success());
        assert_eq!(lab.writes(), before, "with {times}");
        assert_eq!(lab.weights(), BOTH);
    }
}

#[test]
fn a_server_that_died_while_the_daemon_was_away_loses_its_weight() {
    let mut lab = Lab::new(3);
    let config = lab.config(FAST);
    let first = Maglevd::start(&lab.folder, &config);
    lab.wait_for("both servers serve", BOTH);
    first.signal(Signal::KILL);
    drop(first);
    lab.runtime.block_on(lab.servers[0].stop());
    let second = Maglevd::start(&lab.folder, &config);
    second.says(&["backend-transition", "web1", r#""from":"unknown","to":"down""#]);
    lab.wait_for("the dead server is cut", [Some(0), Some(100)]);
}

#[test]
fn a_reload_with_any_error_changes_nothing_and_says_why() {
    let lab = Lab::new(4);
    let config = lab.config(FAST);
    let running = Maglevd::start(&lab.folder, &config);
    lab.wait_for("both servers serve", BOTH);
    let good = std::fs::read_to_string(&config).unwrap();
    let before = lab.writes();
    std::fs::write(&config, good.replace("web2: {}", "web3: {}")).unwrap();
    running.signal(Signal::HUP);
    let record = running.says(&["config-reload", "refused"]);
    let detail = record["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("web3") && detail.contains("maglev.yaml:"), "{record}");
    std::fs::write(&config, good.replace("web2: {}", "web2: { weight: 50 }")).unwrap();
    running.signal(Signal::HUP);
    running.says(&["config-reload", r#""result":"ok""#]);
    lab.wait_for("the new weight is in force", [Some(100), Some(50)]);
    assert_eq!(lab.writes(), before + 1, "one weight changed, so one write");
}

#[test]
fn exhausted_descriptors_change_no_weight() {
    let lab = Lab::new(5);
    let running = Maglevd::start(&lab.folder, &lab.config(FAST));
    lab.wait_for("both servers serve", BOTH);
    let before = lab.writes();
    let none = Rlimit { current: Some(3), maximum: Some(4_096) };
    prlimit(Some(running.pid()), Resource::Nofile, none).expect("a limit of our own child");
    // Probes go on with the sockets that they have, or wait for each other. Longer than the fails that would bring a server down take, at fast-interval and with the longest jitter.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(lab.weights(), BOTH);
    assert_eq!(lab.writes(), before);
    prlimit(Some(running.pid()), Resource::Nofile, Rlimit { current: Some(4_096), maximum: Some(4_096) })
        .expect("as above");
    running.signal(Signal::INT);
    assert!(running.ended().success());
}
