//! What the benches share: a folder for sockets, a VPP to talk to, servers to check, and plain statistics.

mod server;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use self::server::{answer, listen};

/// Whether cargo only wants to see that the bench runs (`cargo bench -- --test`).
pub fn is_smoke_run() -> bool {
    std::env::args().any(|argument| argument == "--test")
}

/// A folder of this process that is removed at the end.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it.
    ///
    /// # Panics
    /// There is no temporary folder to make it in.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mb-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The smallest, the middle and the largest of some durations, and two high percentiles.
pub fn distribution(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
    let text = |percent: usize| at(percent).map_or_else(|| "-".to_owned(), |time| format!("{time:.1?}"));
    format!("min {} p50 {} p90 {} p99 {} max {}", text(0), text(50), text(90), text(99), text(100))
}

/// A live VPP with the lb plugin, if `MAGLEV_VPP_BIN` and `MAGLEV_VPP_PLUGINS` say where one is.
#[derive(Debug)]
pub struct LiveVpp {
    child: Child,
    api: PathBuf,
    stats: PathBuf,
}

impl LiveVpp {
    /// Starts one with its sockets in `folder`, its main loop sleeping `sleep` when idle.
    ///
    /// # Panics
    /// The program is there and does not come up within 20 s.
    pub fn start(folder: &Path, sleep: Duration) -> Option<Self> {
        let program = std::env::var_os("MAGLEV_VPP_BIN")?;
        let plugins = PathBuf::from(std::env::var_os("MAGLEV_VPP_PLUGINS")?);
        let (api, stats) = (folder.join("api.sock"), folder.join("stats.sock"));
        let (dir, plugins) = (folder.display(), plugins.display());
        let config = format!(
            "unix {{ nodaemon cli-listen {dir}/cli.sock runtime-dir {dir} poll-sleep-usec {} }}
             socksvr {{ socket-name {} }} statseg {{ socket-name {} size 64m }} api-segment {{ prefix mb{} }}
             memory {{ main-heap-size 1G main-heap-page-size 4K }} buffers {{ buffers-per-numa 4096 page-size 4K }}
             plugins {{ path {plugins} plugin default {{ disable }} plugin lb_plugin.so {{ enable }} }}",
            sleep.as_micros(),
            api.display(),
            stats.display(),
            std::process::id(),
        );
        let words = config.split_whitespace();
        let mut command = Command::new(program);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("MAGLEV_VPP_BIN names a program");
        let vpp = Self { child, api, stats };
        let start = Instant::now();
        while std::os::unix::net::UnixStream::connect(&vpp.api).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "VPP does not answer at {}", vpp.api.display());
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(vpp)
    }

    /// Its API socket.
    pub fn api(&self) -> &Path {
        &self.api
    }

    /// Its stats socket.
    pub fn stats(&self) -> &Path {
        &self.stats
    }
}

impl Drop for LiveVpp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
