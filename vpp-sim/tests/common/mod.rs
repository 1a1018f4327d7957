//! What the tests share: a directory for sockets, requests, and waiting for a condition.
#![allow(dead_code, reason = "each test program uses its part")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use vpp_api::client::{Client, Options as ClientOptions};
use vpp_api::messages::lb::{LbAddDelAsV2, LbAddDelVipV2, LbAsSetWeight};
use vpp_api::types::{Encap, IpProto, Prefix, SrvType};
use vpp_sim::{ApiLog, Options, Simulator};

/// A directory of its own for each test, removed at its end.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vpp-sim-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory for temporary files");
        Self(path)
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            api_socket: self.join("api.sock"),
            stats_socket: self.join("stats.sock"),
            api_log: ApiLog::Memory,
            ..Options::default()
        }
    }

    pub(crate) fn start(&self) -> Simulator {
        Simulator::start(self.options()).expect("a simulator")
    }

    pub(crate) fn start_with_faults(&self, faults: &[&str]) -> Simulator {
        let faults = faults.iter().map(|fault| fault.parse().expect("a fault")).collect();
        Simulator::start(Options { faults, ..self.options() }).expect("a simulator")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) async fn connect(path: &Path) -> Client {
    let options = ClientOptions { name: "tests".to_owned(), ..ClientOptions::default() };
    Client::connect(path, options).await.expect("a connection")
}

pub(crate) fn prefix(text: &str) -> Prefix {
    Prefix::from(net(text))
}

pub(crate) fn net(text: &str) -> IpNet {
    text.parse().expect("a prefix")
}

pub(crate) fn vip(pfx: &str) -> LbAddDelVipV2 {
    LbAddDelVipV2 {
        pfx: prefix(pfx),
        protocol: IpProto::TCP,
        port: 80,
        encap: Encap::from(0),
        dscp: 0,
        r#type: SrvType::ClusterIp,
        target_port: 0,
        node_port: 0,
        new_flows_table_length: 1024,
        src_ip_sticky: false,
        is_del: false,
    }
}

pub(crate) fn server(pfx: &str, address: &str, weight: u8) -> LbAddDelAsV2 {
    LbAddDelAsV2 {
        pfx: prefix(pfx),
        protocol: IpProto::TCP,
        port: 80,
        as_address: address.parse::<std::net::IpAddr>().expect("an address").into(),
        weight,
        is_del: false,
        is_flush: false,
    }
}

pub(crate) fn weight(pfx: &str, address: &str, weight: u8) -> LbAsSetWeight {
    let LbAddDelAsV2 { pfx, protocol, port, as_address, weight, .. } = server(pfx, address, weight);
    LbAsSetWeight { pfx, protocol, port, as_address, weight, is_flush: false }
}

/// Looks again and again until `condition` holds. The limit is far beyond what a loaded machine needs.
pub(crate) async fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(begin.elapsed() < Duration::from_secs(30), "waited 30 s for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
