//! A VPP that belongs to one test.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use vpp_api::client::{Client, Options};
use vpp_api::messages::vlib::CliInband;
use vpp_api::types::Text;

use crate::support::{Lab, PATIENCE};
use crate::text::Vip;

/// A running VPP with its sockets in a lab's folder. It has a loopback interface with the neighbours 10.2.0.11 to .18 and fd02::11 to
/// ::18, and a route to 127.0.0.0/8, so that a lab's servers can be reached.
pub(crate) struct Vpp {
    program: OsString,
    folder: PathBuf,
    process: Process,
    client: Client,
    streams: u32,
}

impl Vpp {
    /// Starts a VPP; `None`, and a line on standard error, when there is none here.
    pub(crate) async fn start(lab: &Lab) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let [program, plugins] = program_and_plugins()?;
        let prefix = format!("maglev-live-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        fs::write(lab.folder.join("startup.conf"), startup(&lab.folder, &prefix, Path::new(&plugins)))
            .expect("a file in the lab");
        let mut process = Process { child: spawn(&program, &lab.folder), prefix };
        let client = connect(&mut process.child, &lab.folder).await;
        let vpp = Self { program, folder: lab.folder.clone(), process, client, streams: 0 };
        vpp.set_up().await;
        Some(vpp)
    }

    /// Kills it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.child.kill().expect("a child of ours");
        self.process.child.wait().expect("its end");
    }

    /// Starts it again where it was, socket files of the dead one included.
    pub(crate) async fn start_again(&mut self) {
        self.process.child = spawn(&self.program, &self.folder);
        self.client = connect(&mut self.process.child, &self.folder).await;
        self.set_up().await;
    }

    /// Runs a CLI command, which must succeed.
    pub(crate) async fn cli(&self, command: &str) -> String {
        match self.client.call(&CliInband { cmd: Text::from(command) }).await {
            Ok(reply) => reply.reply.to_string(),
            Err(error) => panic!("VPP refuses {command:?}: {error:?}; it said:\n{}", self.said()),
        }
    }

    /// What it wrote to its output and its log: the signal it died of, if it had the time.
    fn said(&self) -> String {
        let read = |file| fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        ["vpp.out", "vpp.log"].map(read).concat()
    }

    /// Whether its servers have weights.
    pub(crate) fn has_weights(&self) -> bool {
        self.client.capabilities().weights
    }

    /// What it makes of weights: before 26.10 a server is in use or it is not.
    pub(crate) fn takes<const N: usize>(&self, weights: [u8; N]) -> [u8; N] {
        if self.has_weights() { weights } else { weights.map(|weight| weight.min(1)) }
    }

    /// What it says of its VIPs, word by word.
    pub(crate) async fn verbose(&self) -> String {
        self.cli("show lb vips verbose").await
    }

    /// The VIPs in use.
    pub(crate) async fn vips(&self) -> Vec<Vip> {
        Vip::parse_all(&self.verbose().await).into_iter().filter(|vip| !vip.is_removed).collect()
    }

    /// From now on VPP remembers what it is asked.
    pub(crate) async fn remember_calls(&self) {
        self.cli("api trace on").await;
    }

    /// Names of the messages since then, in order.
    pub(crate) async fn remembered_calls(&self) -> Vec<String> {
        let trace = self.cli("api trace dump").await;
        let names = trace.lines().filter_map(|line| line.strip_prefix("vl_api_")?.split("_t:").next());
        names.map(str::to_owned).collect()
    }

    /// Names of those that write to the load balancer; without settings, where VPP does not tell which it has.
    pub(crate) async fn remembered_writes(&self) -> Vec<String> {
        let mut harmless = vec!["lb_conf_get", "lb_vip_dump", "lb_as_v2_dump", "lb_as_dump"];
        if !self.has_weights() && !self.cli("show lb").await.contains("timeout:") {
            harmless.push("lb_conf");
        }
        let calls = self.remembered_calls().await.into_iter();
        calls.filter(|call| call.starts_with("lb_") && !harmless.contains(&call.as_str())).collect()
    }

    /// Lets packets come in, in flows from as many ports, and returns when they are through.
    pub(crate) async fn receive(&mut self, destination: IpAddr, protocol: &'static str, port: u16, packets: u16) {
        let source = match destination {
            IpAddr::V4(_) => IpAddr::from([198, 18, 0, 1]),
            IpAddr::V6(_) => IpAddr::from([0x2001, 0xdb8, 0x18, 0, 0, 0, 0, 1]),
        };
        let stream = Stream {
            first: SocketAddr::new(source, 1_024),
            last: SocketAddr::new(source, 1_023 + packets),
            packets: packets.into(),
            destination: SocketAddr::new(destination, port),
            protocol,
        };
        self.stream(&stream).await;
    }

    /// Lets packets come in, and returns what VPP tells of the way of each, in any order.
    pub(crate) async fn trace(&mut self, stream: &Stream) -> Vec<String> {
        let packets = stream.packets as usize;
        self.cli("clear trace").await;
        self.cli(&format!("trace add pg-input {packets}")).await;
        self.stream(stream).await;
        let text = self.cli(&format!("show trace max {packets}")).await;
        let traces: Vec<_> = text.split("\nPacket ").skip(1).map(str::to_owned).collect();
        assert_eq!(traces.len(), packets, "each packet leaves a trace:\n{text}");
        traces
    }

    /// Makes VPP forget which flow belongs to which server.
    pub(crate) async fn forget_sessions(&self) {
        self.cli("test lb flowtable flush").await;
    }

    /// Lets packets come in, and returns when they are through.
    async fn stream(&mut self, stream: &Stream) {
        self.streams += 1;
        let name = format!("stream{}", self.streams);
        self.cli(&format!("packet-generator new {{ name {name} {stream} }}")).await;
        self.cli(&format!("packet-generator enable-stream {name}")).await;
        let begin = Instant::now();
        loop {
            let streams = self.cli("show packet-generator").await;
            let line = streams.lines().find(|line| line.split_whitespace().next() == Some(&name));
            // A stream disables itself behind its last packet.
            if line.expect("the stream").split_whitespace().nth(1) == Some("No") {
                break;
            }
            assert!(begin.elapsed() < PATIENCE, "packets stay in VPP:\n{streams}");
        }
        self.cli(&format!("packet-generator delete {name}")).await;
    }

    async fn set_up(&self) {
        for command in [
            "create loopback interface",
            "set interface state loop0 up",
            "set interface ip address loop0 10.2.0.1/16",
            "set interface ip address loop0 fd02::1/64",
            "ip route add 127.0.0.0/8 via 10.2.0.11 loop0",
        ] {
            self.cli(command).await;
        }
        for host in 11..=18 {
            self.cli(&format!("set ip neighbor loop0 10.2.0.{host} de:ad:00:00:04:{host} static")).await;
            self.cli(&format!("set ip neighbor loop0 fd02::{host} de:ad:00:00:06:{host} static")).await;
        }
    }
}

/// Packets of 100 bytes, each from another source than the one before.
pub(crate) struct Stream {
    pub(crate) first: SocketAddr,
    /// Differs from the first in its address or in its port.
    pub(crate) last: SocketAddr,
    /// As many as there are sources, first and last included.
    pub(crate) packets: u32,
    pub(crate) destination: SocketAddr,
    /// `TCP` or `UDP`.
    pub(crate) protocol: &'static str,
}

/// As VPP's packet generator reads it.
impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last, packets, destination, protocol } = self;
        let node = if destination.is_ipv4() { "ip4-lookup" } else { "ip6-lookup" };
        let length = match *protocol {
            "TCP" => "",
            "UDP" => "length 48 checksum 0",
            other => panic!("no packets of {other} here"),
        };
        write!(f, "limit {packets} size 100-100 node {node} data {{ {protocol}: ")?;
        range(f, first.ip(), last.ip())?;
        write!(f, " -> {} {protocol}: ", destination.ip())?;
        range(f, first.port(), last.port())?;
        write!(f, " -> {} {length} incrementing 40 }}", destination.port())
    }
}

fn range<T: PartialEq + fmt::Display>(f: &mut fmt::Formatter<'_>, first: T, last: T) -> fmt::Result {
    if first == last { write!(f, "{first}") } else { write!(f, "{first} - {last}") }
}

struct Process {
    child: Child,
    /// Begins the names of what it puts into `/dev/shm`, where it would stay.
    prefix: String,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for what in ["global_vm", "vpe-api"] {
            let _ = fs::remove_file(format!("/dev/shm/{}-{what}", self.prefix));
        }
    }
}

/// From the environment. Without them it says so, once.
fn program_and_plugins() -> Option<[OsString; 2]> {
    static TOLD: Once = Once::new();
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let found = variable("MAGLEV_VPP_BIN").zip(variable("MAGLEV_VPP_PLUGINS"));
    if found.is_none() {
        // Not `eprintln!`, which the test harness swallows when a test passes.
        const WHY: &[u8] = b"SKIPPED: no VPP, for MAGLEV_VPP_BIN and MAGLEV_VPP_PLUGINS are not set\n";
        TOLD.call_once(|| drop(std::io::stderr().write_all(WHY)));
    }
    found.map(Into::into)
}

fn startup(folder: &Path, prefix: &str, plugins: &Path) -> String {
    let (folder, plugins) = (folder.display(), plugins.display());
    format!(
        "unix {{ nodaemon nosyslog nobanner log {folder}/vpp.log cli-listen {folder}/cli.sock runtime-dir {folder} }}
api-segment {{ prefix {prefix} }}
socksvr {{ socket-name {folder}/api.sock }}
statseg {{ socket-name {folder}/stats.sock size 32m page-size 4K }}
memory {{ main-heap-size 512M main-heap-page-size 4K }}
buffers {{ buffers-per-numa 4096 page-size 4K }}
plugins {{ path {plugins} plugin default {{ disable }} plugin lb_plugin.so {{ enable }} }}
"
    )
}

fn spawn(program: &OsString, folder: &Path) -> Child {
    let output = fs::File::create(folder.join("vpp.out")).expect("a file in the lab");
    let mut command = Command::new(program);
    command.arg("-c").arg(folder.join("startup.conf")).stdin(Stdio::null());
    command.stdout(output.try_clone().expect("a descriptor")).stderr(output);
    command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()))
}

/// Waits until VPP answers. Its sockets come late in its start.
async fn connect(child: &mut Child, folder: &Path) -> Client {
    let begin = Instant::now();
    loop {
        match Client::connect(folder.join("api.sock"), Options { name: "live-test".to_owned(), ..Options::default() })
            .await
        {
            Ok(client) => return client,
            Err(error) => {
                let ended = child.try_wait().expect("a child of ours");
                if ended.is_some() || begin.elapsed() > PATIENCE {
                    let said = fs::read_to_string(folder.join("vpp.out")).unwrap_or_default();
                    panic!("VPP does not answer: {error}; it ended: {ended:?}; it said:\n{said}");
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
