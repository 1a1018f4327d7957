//! Network namespaces for tests: made with `ip`, gone when dropped.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A client's namespace, where probes come from, and the namespace of its router, which is also a server.
///
/// ```text
/// client  10.99.0.1/24  ── veth ──  10.99.0.2/24  router  (a default route leads here)
///         2001:db8:99::1/64         2001:db8:99::2/64
/// ```
pub(crate) struct Net {
    pub(crate) client: Namespace,
    pub(crate) router: Namespace,
}

impl Net {
    /// `None`, and a word on stderr, where the machine does not allow it.
    pub(crate) fn new() -> Option<Self> {
        let net = Self { client: Namespace::new()?, router: Namespace::new()? };
        let (client, router) = (&net.client, &net.router);
        run(&format!("ip -n {client} link add eth0 type veth peer name eth0 netns {router}"));
        for (namespace, host) in [(client, 1), (router, 2)] {
            for command in [
                format!("addr add 10.99.0.{host}/24 dev eth0"),
                format!("addr add 2001:db8:99::{host}/64 dev eth0 nodad"),
                "link set eth0 up".to_owned(),
            ] {
                namespace.ip(&command);
            }
        }
        client.ip("route add default via 10.99.0.2");
        client.ip("route add default via 2001:db8:99::2");
        router.sysctl("net.ipv4.ip_forward", "1");
        router.sysctl("net.ipv6.conf.all.forwarding", "1");
        Some(net)
    }
}

/// A namespace with its loopback up.
pub(crate) struct Namespace {
    pub(crate) name: String,
}

impl Namespace {
    pub(crate) fn new() -> Option<Self> {
        let namespace = Self::unborn();
        let made = Command::new("ip").args(["netns", "add", &namespace.name]).output();
        if !made.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: this test needs root and `ip` to make network namespaces");
            // Nothing to delete.
            std::mem::forget(namespace);
            return None;
        }
        namespace.ip("link set lo up");
        Some(namespace)
    }

    /// A name that no namespace has yet.
    pub(crate) fn unborn() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self { name: format!("maglev-test-{}-{count}", std::process::id()) }
    }

    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from("/run/netns").join(&self.name)
    }

    /// Makes or deletes the namespace of this name.
    pub(crate) fn add(&self) {
        run(&format!("ip netns add {self}"));
        self.ip("link set lo up");
    }

    pub(crate) fn delete(&self) {
        run(&format!("ip netns del {self}"));
    }

    pub(crate) fn ip(&self, command: &str) {
        run(&format!("ip -n {self} {command}"));
    }

    pub(crate) fn sysctl(&self, name: &str, value: &str) {
        let file = PathBuf::from("/proc/sys").join(name.replace('.', "/"));
        self.within(|| std::fs::write(&file, value)).unwrap_or_else(|error| panic!("{name} = {value}: {error}"));
    }

    /// Does something on a thread inside.
    pub(crate) fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let file = File::open(self.path()).unwrap();
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                act()
            });
            inside.join().unwrap()
        })
    }

    /// A listener inside, to be used from anywhere.
    pub(crate) fn listen(&self, at: &str) -> tokio::net::TcpListener {
        let at: SocketAddr = at.parse().unwrap();
        let listener = self.within(|| TcpListener::bind(at)).unwrap();
        listener.set_nonblocking(true).unwrap();
        tokio::net::TcpListener::from_std(listener).unwrap()
    }
}

impl std::fmt::Display for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if self.path().exists() {
            let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
        }
    }
}

#[track_caller]
fn run(command: &str) {
    let mut words = command.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}
