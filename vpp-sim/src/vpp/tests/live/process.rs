//! A real VPP for one test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use vpp_api::client::{Client, Options as ClientOptions};

/// A VPP in a directory of its own.
pub(super) struct LiveVpp {
    child: Child,
    pub(super) directory: PathBuf,
}

impl LiveVpp {
    pub(super) fn start(program: &Path, plugins: &Path) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let id = format!("{}-{}", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(format!("vpp-sim-live-{id}"));
        std::fs::create_dir_all(&directory).expect("a directory");
        let dir = directory.display();
        let conf = format!(
            "unix {{ nodaemon nosyslog nobanner log {dir}/vpp.log cli-listen {dir}/cli.sock runtime-dir {dir} }}
            api-segment {{ prefix sim-{id} }}
            socksvr {{ socket-name {dir}/api.sock }}
            statseg {{ socket-name {dir}/stats.sock size 32m page-size 4K }}
            memory {{ main-heap-size 512M main-heap-page-size 4K }}
            buffers {{ buffers-per-numa 4096 page-size 4K }}
            plugins {{ path {} plugin default {{ disable }} plugin lb_plugin.so {{ enable }} }}\n",
            plugins.display()
        );
        let file = directory.join("startup.conf");
        std::fs::write(&file, conf).expect("a file");
        let child = Command::new(program)
            .arg("-c")
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a VPP");
        Self { child, directory }
    }

    pub(super) async fn connect(&self) -> Client {
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            match Client::connect(self.directory.join("api.sock"), ClientOptions::default()).await {
                Ok(client) => return client,
                Err(error) => assert!(Instant::now() < limit, "VPP does not answer: {error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for LiveVpp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
