//! FD.io's own Python client (`vpp_papi`, and its `VPPStats`), unchanged, against the simulator.
//!
//! What is called and what must come back stands in `papi/client.py`. The client is installed into a virtual environment below
//! the target folder, once. Without Python or a package registry the tests say so and skip; with `MAGLEV_REQUIRE_PAPI` set, as in
//! CI, that is a failure.

mod common;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use common::{Directory, connect, eventually, prefix, server, vip};
use serde::Deserialize;
use vpp_api::messages::ip::IpRouteLookup;
use vpp_sim::{Options, Simulator};

const PACKAGE: &str = "vpp-papi==2.4.2";
const VIP: &str = "198.51.100.1/32";
const SERVERS: [&str; 2] = ["10.0.1.1", "10.0.1.2"];

#[tokio::test]
async fn the_python_client_calls_what_a_controller_calls() {
    let Some(python) = python() else { return };
    let directory = Directory::new();
    let simulator = balancing(&directory).await;
    let api = simulator.api_path();
    run_client(python, &["hello".as_ref(), api]);
    // The definitions are VPP's, and no part of this crate.
    let definitions = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors/vpp-26.10/api-json"));
    if definitions.exists() {
        run_client(python, &["calls".as_ref(), api, definitions]);
        assert!(simulator.lb_writes() > 20, "the calls have reached the load balancer");
    } else {
        say(&format!(
            "SKIPPED: calls of the lb API, for there is no {}; only the hello was tried",
            definitions.display()
        ));
    }
    assert_eq!(simulator.crashes(), 0);
}

#[tokio::test]
async fn the_python_stats_reader_sees_counters_move_and_ends_with_what_was_counted() {
    let Some(python) = python() else { return };
    let directory = Directory::new();
    let simulator = balancing(&directory).await;
    let vpp = connect(simulator.api_path()).await;
    let mut indices = vec![simulator.lb().vips[0].pool_index.to_string()];
    for route in [VIP.to_owned(), format!("{}/32", SERVERS[0]), format!("{}/32", SERVERS[1])] {
        let request = IpRouteLookup { table_id: 0, exact: 1, prefix: prefix(&route) };
        indices.push(vpp.call(&request).await.expect("a route").route.stats_index.to_string());
    }
    let arguments = |what| {
        let paths = [Path::new(what), simulator.stats_path()];
        paths.into_iter().chain(indices.iter().map(Path::new)).map(Path::to_owned).collect::<Vec<_>>()
    };
    run_client(python, &arguments("moving"));

    simulator.set_flows(0);
    eventually("the last flows to end", || (simulator.flow_totals().under_way == 0).then_some(())).await;
    let output = run_client(python, &arguments("read"));
    let read: Read = serde_json::from_str(output.lines().last().expect("a line")).expect("counters");
    let counters = simulator.lb().vips[0].counters;
    let packets = counters.iter().sum::<u64>();
    assert!(packets > 0);
    let bytes = read.to.1;
    let via = read.via.iter().fold((0, 0), |sum, server| (sum.0 + server.0, sum.1 + server.1));
    assert_eq!((read.plugin, read.to, via), (counters, (packets, bytes), (packets, bytes + 24 * packets)));
}

/// What `client.py read` prints: the lb plugin's counters; packets and bytes to the VIP, and by way of each server.
#[derive(Deserialize)]
struct Read {
    plugin: [u64; 4],
    to: (u64, u64),
    via: Vec<(u64, u64)>,
}

/// A simulator with a VIP, two servers, and flows through them.
async fn balancing(directory: &Directory) -> Simulator {
    let simulator = Simulator::start(Options { flows: 200, ..directory.options() }).expect("a simulator");
    let vpp = connect(simulator.api_path()).await;
    vpp.call(&vip(VIP)).await.expect("a VIP");
    for address in SERVERS {
        vpp.call(&server(VIP, address, 100)).await.expect("a server");
    }
    simulator
}

/// Runs the script and returns what it printed.
fn run_client(python: &Path, arguments: &[impl AsRef<Path>]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/papi/client.py");
    let mut command = Command::new(python);
    command.arg(script).args(arguments.iter().map(AsRef::as_ref));
    run(&mut command).unwrap_or_else(|error| panic!("{error}"))
}

/// The interpreter of an environment that has the client; `None` when there can be none here.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let python = PYTHON.get_or_init(|| match environment() {
        Ok(python) => Some(python),
        Err(reason) => {
            let is_required = std::env::var_os("MAGLEV_REQUIRE_PAPI").is_some_and(|value| !value.is_empty());
            assert!(!is_required, "{PACKAGE} must run, as MAGLEV_REQUIRE_PAPI says, and cannot: {reason}");
            say(&format!("SKIPPED: {PACKAGE} cannot run here: {reason}"));
            None
        }
    });
    python.as_deref()
}

/// Makes the environment, unless it is there already and works.
fn environment() -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (folder, lock) = (target.join("vpp-papi"), target.join("vpp-papi.lock"));
    // Another run of the tests may be at it.
    let _lock = File::create(&lock)
        .and_then(|file| file.lock().map(|()| file))
        .map_err(|error| format!("cannot lock {}: {error}", lock.display()))?;
    let python = folder.join("bin/python");
    let probe = |python: &Path| {
        let works = "import sys, importlib.metadata as m, vpp_papi.vpp_stats; \
                     sys.exit('vpp-papi==' + m.version('vpp-papi') != sys.argv[1])";
        run(Command::new(python).args(["-c", works, PACKAGE]))
    };
    if python.exists() && probe(&python).is_ok() {
        return Ok(python);
    }
    let old = "import sys; sys.exit('Python 3.8 or newer is needed' if sys.version_info < (3, 8) else 0)";
    run(Command::new("python3").args(["-c", old]))?;
    let clear = |command: &mut Command| run(command.arg("--clear").arg(&folder));
    // Debian's Python has no ensurepip, which venv needs, unless a package of its own is installed.
    clear(Command::new("python3").args(["-m", "venv"]))
        .or_else(|venv| {
            clear(Command::new("python3").args(["-m", "virtualenv"])).map_err(|other| format!("{venv}\n{other}"))
        })
        .or_else(|both| clear(&mut Command::new("virtualenv")).map_err(|other| format!("{both}\n{other}")))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", PACKAGE];
    run(Command::new(&python).args(pip))?;
    probe(&python).map(|_| python)
}

/// Runs a command to its end: its output, or what was asked and everything it said.
fn run(command: &mut Command) -> Result<String, String> {
    match command.output() {
        Ok(Output { status, stdout, .. }) if status.success() => Ok(String::from_utf8_lossy(&stdout).into_owned()),
        Ok(Output { status, stdout, stderr }) => {
            let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
            Err(format!("{command:?}: {status}\n{said}"))
        }
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}

/// Writes a line to standard error past the test harness, which hides what a test that passes prints.
fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
