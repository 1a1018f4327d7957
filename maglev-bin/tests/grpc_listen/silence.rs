//! Connections that say nothing, or too many that do, or more than there are descriptors.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use maglev_bin::client::{Address, Trouble, connect};
use maglev_bin::grpc::{GrpcAddr, GrpcOptions, MAX_OPEN, MAX_SILENT, TlsFiles};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::authority::Authority;
use crate::rig::{Folder, PATIENCE, Served, soon, trouble};

fn plain() -> GrpcOptions {
    GrpcOptions { addresses: vec!["127.0.0.1:0".parse().unwrap()], ..GrpcOptions::default() }
}

fn tcp(served: &Served) -> SocketAddr {
    match &served.addresses[0] {
        GrpcAddr::Tcp(address) => *address,
        GrpcAddr::Unix(path) => panic!("{} is no TCP address", path.display()),
    }
}

/// Connects and says nothing.
async fn silent(server: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut connecting = JoinSet::new();
    let mut silent = Vec::new();
    for _ in 0..count {
        connecting.spawn(TcpStream::connect(server));
        if connecting.len() == 200 {
            silent.push(connecting.join_next().await.unwrap().unwrap().unwrap());
        }
    }
    silent.extend(connecting.join_all().await.into_iter().map(Result::unwrap));
    silent
}

fn limit_descriptors(limit: Option<u64>) -> Rlimit {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let new = Rlimit { current: limit.or(maximum), maximum };
    setrlimit(Resource::Nofile, new).unwrap();
    new
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_silent_connections_neither_lock_out_a_client_nor_use_up_descriptors() {
    flood(10_000, &plain(), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_connections_do_not_lock_out_a_client_with_tls() {
    let folder = Folder::new();
    let authority = Authority::new(&folder);
    flood(2_000, &authority.options(), Some(authority.showing(authority.issue("ops", &[])))).await;
}

async fn flood(count: usize, options: &GrpcOptions, tls: Option<maglev_bin::client::ClientTls>) {
    // This process holds an end of each, and what other tests need.
    let possible = limit_descriptors(None).current.map_or(count, |limit| usize::try_from(limit).unwrap() - 2_000);
    if possible < count {
        eprintln!("only {possible} connections: the limit of descriptors allows no more");
    }
    let mut server = Server::new(options);
    let flood = tokio::spawn(silent(server.address, possible.min(count)));
    let address = Address::Tcp { host: server.address.ip().to_string(), port: server.address.port() };
    let mut answered = 0;
    // At least some, should the flood be over quickly.
    while !flood.is_finished() || answered < 3 {
        // On a machine so busy that a client says nothing for 100 ms, it may have to come again.
        let answer = async { while connect(&address, tls.as_ref(), PATIENCE).await.is_err() {} };
        soon("an answer amid the flood", answer).await;
        answered += 1;
    }
    flood.await.unwrap();
    server.ended_well();
}

/// A server in a process of its own, which has hardly more descriptors than silent connections may use. It fails if these are too few.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn new(options: &GrpcOptions) -> Self {
        let files = options.tls.iter().flat_map(|TlsFiles { cert, key }| [cert, key]).chain(&options.client_ca);
        let files: Vec<_> = files.map(|file| file.to_str().unwrap()).collect();
        let mut process = alone("silence::server_process", &files.join(",")).stdin(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.as_mut().unwrap()).lines();
        let address = lines.find_map(|line| line.unwrap().strip_prefix(LISTENS)?.parse().ok()).expect("an address");
        Self { process, address }
    }

    fn ended_well(&mut self) {
        drop(self.process.stdin.take());
        let status = self.process.wait().unwrap();
        assert!(status.success(), "the server says above what went wrong");
    }
}

#[tokio::test]
async fn server_process() {
    let Some(files) = files_of_a_test_alone() else { return };
    let mut options = plain();
    if let [cert, key, ca] = &files[..] {
        options.tls = Some(TlsFiles { cert: cert.into(), key: key.into() });
        options.client_ca = Some(ca.into());
    }
    // 50: what a process has open anyway, and the clients that speak.
    limit_descriptors(Some(MAX_SILENT as u64 + 50));
    let mut served = Served::new(&options);
    println!("\n{LISTENS}{}", served.addresses[0]);
    let mut nothing = String::new();
    let ended = tokio::task::spawn_blocking(move || std::io::stdin().read_line(&mut nothing));
    tokio::select! {
        warning = served.warning_whenever("grpc-connections") => panic!("{warning}"),
        ended = ended => drop(ended),
    }
}

/// Runs this test program again for one test, as a process whose descriptors are its own business.
fn alone(test: &str, files: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(ALONE, files).stdout(Stdio::piped());
    command
}

/// `None` in a process that runs all tests.
fn files_of_a_test_alone() -> Option<Vec<String>> {
    Some(std::env::var(ALONE).ok()?.split(',').map(str::to_owned).collect())
}

const ALONE: &str = "MAGLEV_TEST_ALONE";
const LISTENS: &str = "listens on ";

#[test]
fn clients_wait_while_there_is_no_descriptor_and_are_served_when_there_is() {
    let output = alone("silence::no_descriptor", "").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("was served: HTTP/1.1 400"), "{text}");
}

#[tokio::test]
async fn no_descriptor() {
    if files_of_a_test_alone().is_none() {
        return;
    }
    let mut served = Served::new(&plain());
    let client = TcpSocket::new_v4().unwrap();
    limit_descriptors(Some(64));
    let hoard: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    let mut client = client.connect(tcp(&served)).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let told = served.warning("grpc-connections").await;
    assert!(told.contains("no connection can be accepted") && told.contains("os error 24"), "{told}");
    // As long as some attempts take: one warning tells of them all.
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(served.pending_events(), 0);
    drop(hoard);
    let mut heard = String::new();
    soon("an answer", client.read_to_string(&mut heard)).await.unwrap();
    println!("was served: {heard}");
}

#[tokio::test]
async fn the_connection_that_was_silent_longest_makes_room() {
    limit_descriptors(None);
    let served = Served::new(&plain());
    let mut connections = silent(tcp(&served), 1).await;
    connections.extend(silent(tcp(&served), MAX_SILENT).await);
    let mut oldest = connections.remove(0);
    assert_eq!(soon("the end of the oldest", oldest.read(&mut [0; 1])).await.unwrap(), 0);
    // Whoever is left is still heard.
    let mut youngest = connections.pop().unwrap();
    youngest.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut heard = String::new();
    soon("an answer", youngest.read_to_string(&mut heard)).await.unwrap();
    assert!(heard.starts_with("HTTP/1.1 400"), "{heard}");
}

#[tokio::test(start_paused = true)]
async fn silence_ends_after_ten_seconds_also_in_the_middle_of_a_word() {
    let served = Served::new(&plain());
    let mut nothing = TcpStream::connect(tcp(&served)).await.unwrap();
    let mut half = TcpStream::connect(tcp(&served)).await.unwrap();
    half.write_all(b"PRI * HT").await.unwrap();
    let start = tokio::time::Instant::now();
    for stream in [&mut nothing, &mut half] {
        assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    }
    let waited = start.elapsed();
    assert!(waited <= Duration::from_secs(11), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_client_too_many_is_turned_away_until_another_leaves() {
    limit_descriptors(None);
    let mut served = Served::new(&plain());
    let server = tcp(&served);
    let mut open = Vec::new();
    for _ in 0..MAX_OPEN {
        let mut stream = TcpStream::connect(server).await.unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        // The server's SETTINGS: it is being served.
        soon("to be served", stream.read(&mut [0; 9])).await.unwrap();
        open.push(stream);
    }
    let (trouble, text) = trouble(served.connect(None).await);
    assert_eq!(trouble, Trouble::Full, "{text}");
    let told = served.warning("grpc-connections").await;
    assert!(told.contains("1024 gRPC connections are open"), "{told}");
    open.pop();
    let again = async {
        while served.connect(None).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon("room again", again).await;
}
