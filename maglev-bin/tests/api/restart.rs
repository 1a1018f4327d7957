//! What outlives the process, with the real program and a kill.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use maglev_bin::client::{self, Client};
use maglev_bin::proto;
use vpp_sim::Release;

use crate::every_release::on_every_release;
use crate::support::{Lab, PATIENCE, changes, shown, until, weight, writes};

on_every_release! {
    what_was_disabled_stays_so_over_a_kill_without_a_probe_a_second_flush_or_a_moment_of_weight,
    a_vip_of_an_earlier_process_goes_although_foreign_ones_are_kept,
}

/// A running `maglevd` with its API on a Unix socket in the lab's folder.
struct Maglevd {
    child: Child,
    client: Client,
}

impl Maglevd {
    async fn start(lab: &Lab) -> Self {
        let folder = &lab.folder;
        let child = Command::new(env!("CARGO_BIN_EXE_maglevd"))
            .arg("--config")
            .arg(folder.join("maglev.yaml"))
            .arg("--vpp-api-addr")
            .arg(folder.join("api.sock"))
            .arg("--vpp-stats-addr")
            .arg(folder.join("stats.sock"))
            .arg("--state-file")
            .arg(folder.join("state.json"))
            .arg("--grpc-addr")
            .arg(format!("unix:{}", folder.join("grpc.sock").display()))
            .args(["--metrics-addr", "", "--log-level", "error"])
            .stdin(Stdio::null())
            .spawn()
            .expect("the program runs");
        let address = format!("unix:{}", folder.join("grpc.sock").display()).parse().expect("an address");
        let start = Instant::now();
        let client = loop {
            match client::connect(&address, None, Duration::from_secs(5)).await {
                Ok(client) => break client,
                Err(error) => assert!(start.elapsed() < PATIENCE, "it did not answer within {PATIENCE:?}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        Self { child, client }
    }

    async fn backend(&mut self, name: &str) -> proto::BackendInfo {
        let request = proto::GetBackendRequest { name: name.into() };
        self.client.get_backend(request).await.expect("a backend of the lab").into_inner()
    }

    async fn becomes(&mut self, name: &str, state: &str) {
        let start = Instant::now();
        while self.backend(name).await.state != state {
            assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for {name} to become {state}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until it has read VPP.
    async fn reads(&mut self) {
        let start = Instant::now();
        let request = proto::GetVpplbStateRequest { flows: false };
        while let Err(status) = self.client.get_vpplb_state(request).await {
            assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for VPP to be read: {status}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Maglevd {
    /// SIGKILL: nothing is tidied up.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn flushes(writes: &[String]) -> usize {
    writes.iter().filter(|write| write.contains(r#""is_flush":true"#)).count()
}

async fn what_was_disabled_stays_so_over_a_kill_without_a_probe_a_second_flush_or_a_moment_of_weight(release: Release) {
    let mut lab = Lab::new(2);
    let simulator = lab.simulator_of(release);
    let config = lab.config(", startup-min-delay: 0s, startup-max-delay: 0s", "");
    std::fs::write(lab.folder.join("maglev.yaml"), config).unwrap();
    let (first, second) = (lab.address(0), lab.address(1));
    let mut maglevd = Maglevd::start(&lab).await;
    until("both serve", || {
        weight(&simulator, first) == shown(release, 100) && weight(&simulator, second) == shown(release, 100)
    })
    .await;
    let request = proto::BackendRequest { name: "web0".into(), reason: "disk swap".into() };
    let done = maglevd.client.disable_backend(request).await.unwrap().into_inner();
    assert_eq!((done.changed, &*done.not_saved), (true, ""));
    let request = proto::SetWeightRequest {
        frontend: "web-v4".into(),
        pool: "primary".into(),
        backend: "web1".into(),
        weight: Some(60),
        reason: String::new(),
    };
    maglevd.client.set_frontend_pool_backend_weight(request).await.unwrap();
    until("it is cut and flushed", || {
        weight(&simulator, first) == shown(release, 0)
            && weight(&simulator, second) == shown(release, 60)
            && flushes(&writes(&simulator.api_log())) == 1
    })
    .await;
    drop(maglevd);

    // Whoever is probed now is counted.
    let address = SocketAddr::new(first, lab.port);
    lab.servers[0].stop().await;
    let ear = TcpListener::bind(address).expect("the server has left its port");
    ear.set_nonblocking(true).unwrap();
    let before = simulator.api_log().len();

    let mut maglevd = Maglevd::start(&lab).await;
    let web0 = maglevd.backend("web0").await;
    assert_eq!((&*web0.state, &*web0.r#override, &*web0.history[0].code), ("disabled", "disable", "restored"));
    maglevd.becomes("web1", "up").await;
    maglevd.reads().await;
    let synced = maglevd.client.sync_vpplb_state(proto::SyncVpplbStateRequest::default()).await.unwrap().into_inner();
    assert_eq!(synced.changes, 0, "a start that changes nothing writes nothing");
    assert_eq!(changes(release, &simulator.api_log()[before..]), [""; 0]);
    assert_eq!((weight(&simulator, first), weight(&simulator, second)), (shown(release, 0), shown(release, 60)));
    let probe = ear.accept().map(|(_, from)| from);
    assert!(
        probe.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
        "a probe came: {probe:?}"
    );

    let list = maglevd.client.list_overrides(proto::ListOverridesRequest {}).await.unwrap().into_inner();
    let [state, of_weight] = &list.overrides[..] else { panic!("{list:?}") };
    assert_eq!((&*state.backend, &*state.reason), ("web0", "disk swap"));
    assert!(state.who.starts_with("uid:"), "{}", state.who);
    assert_eq!((of_weight.weight, of_weight.configured_weight), (Some(60), Some(100)));
    drop(maglevd);
    simulator.stop();
}

async fn a_vip_of_an_earlier_process_goes_although_foreign_ones_are_kept(release: Release) {
    let lab = Lab::new(1);
    let simulator = lab.simulator_of(release);
    let lb = ", foreign-vips: keep, startup-min-delay: 0s, startup-max-delay: 0s";
    let config = lab.config(lb, "");
    std::fs::write(lab.folder.join("maglev.yaml"), &config).unwrap();
    let maglevd = Maglevd::start(&lab).await;
    until("it serves", || weight(&simulator, lab.address(0)) == shown(release, 100)).await;
    drop(maglevd);
    std::fs::write(lab.folder.join("maglev.yaml"), config.replace("192.0.2.1", "192.0.2.2")).unwrap();
    let maglevd = Maglevd::start(&lab).await;
    let standing = |address: &str| simulator.lb().vip(address.parse().expect("a prefix"), 6, 80).is_some();
    until("the new VIP stands and the old one is gone", || standing("192.0.2.2/32") && !standing("192.0.2.1/32")).await;
    drop(maglevd);
    simulator.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_state_file_is_kept_aside_and_the_daemon_runs() {
    let lab = Lab::new(1);
    let simulator = lab.simulator();
    std::fs::write(lab.folder.join("maglev.yaml"), lab.config("", "")).unwrap();
    std::fs::write(lab.folder.join("state.json"), b"{ \"version\": 1, \"over").unwrap();
    let mut maglevd = Maglevd::start(&lab).await;
    maglevd.becomes("web0", "up").await;
    let names = std::fs::read_dir(&lab.folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let kept: Vec<_> = names.filter(|name| name.starts_with("state.json.corrupt-")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    drop(maglevd);
    simulator.stop();
}
