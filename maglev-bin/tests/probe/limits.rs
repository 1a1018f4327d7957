use std::fs::File;
use std::net::TcpListener;
use std::sync::Arc;

use maglev_bin::probe::{Cause, Kind, Prober, Tcp, Tls};
use maglev_health::{Code, Outcome};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::JoinSet;

use crate::alone::alone;
use crate::authority::Authority;
use crate::namespace::Namespace;
use crate::server::{LOCALHOST, assert_report, target, tcp};

/// While it lives, this process can open nothing more.
struct Exhausted {
    before: Rlimit,
    _rest: Vec<File>,
}

impl Exhausted {
    fn new() -> Self {
        let before = getrlimit(Resource::Nofile);
        let highest = std::fs::read_dir("/proc/self/fd").unwrap();
        let highest =
            highest.map(|entry| entry.unwrap().file_name().into_string().unwrap().parse::<u64>().unwrap()).max();
        setrlimit(Resource::Nofile, Rlimit { current: highest.map(|fd| fd + 1), ..before }).unwrap();
        // There may be gaps below.
        let rest = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        Self { before, _rest: rest }
    }
}

impl Drop for Exhausted {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.before).unwrap();
    }
}

#[tokio::test]
async fn without_descriptors_there_is_no_verdict() {
    if !alone("limits::without_descriptors_there_is_no_verdict", &[]) {
        return;
    }
    // Not accepting: that would take descriptors, too.
    let server = TcpListener::bind((LOCALHOST, 0)).unwrap();
    let namespace = Namespace::new();
    let mut probers = vec![Prober::new(None).unwrap()];
    probers.extend(namespace.as_ref().map(|inside| Prober::new(Some(&inside.name)).unwrap()));
    for prober in probers {
        let target = tcp(server.local_addr().unwrap());
        let exhausted = Exhausted::new();
        let without = prober.run(&target).await;
        drop(exhausted);
        assert_eq!((without.outcome, without.code), (Outcome::NoVerdict, Code::SockErr), "{without:?}");
        assert_eq!(without.cause, Some(Cause::Descriptors));
        let after = prober.run(&target).await;
        assert_ne!(after.outcome, Outcome::NoVerdict, "{after:?}");
    }
}

#[tokio::test]
async fn with_one_descriptor_probes_take_turns() {
    if !alone("limits::with_one_descriptor_probes_take_turns", &[]) {
        return;
    }
    let server = TcpListener::bind((LOCALHOST, 0)).unwrap();
    let prober = Arc::new(Prober::new(None).unwrap());
    let target = tcp(server.local_addr().unwrap());
    let first = prober.run(&target).await;
    assert_eq!(first.outcome, Outcome::Pass, "{first:?}");
    // Its socket is kept; there will be no other.
    let exhausted = Exhausted::new();
    let mut probes = JoinSet::new();
    for _ in 0..20 {
        let (prober, target) = (Arc::clone(&prober), target.clone());
        probes.spawn(async move { prober.run(&target).await });
    }
    let reports = probes.join_all().await;
    drop(exhausted);
    assert!(reports.iter().all(|report| report.outcome == Outcome::Pass), "{reports:?}");
}

#[tokio::test]
async fn the_systems_trust_roots_are_read_when_they_can_be() {
    let test = "limits::the_systems_trust_roots_are_read_when_they_can_be";
    let file = std::env::temp_dir().join(format!("maglev-test-{}.pem", std::process::id()));
    if !alone(test, &[("SSL_CERT_FILE", file.to_str().unwrap()), ("SSL_CERT_DIR", "")]) {
        return;
    }
    let file = std::env::var("SSL_CERT_FILE").unwrap();
    let authority = Authority::new();
    let server = authority.issue(&["127.0.0.1"]).serve().await;
    let target =
        target(LOCALHOST, Kind::Tcp(Tcp { port: server.at.port(), tls: Some(Tls::default()), ..Tcp::default() }));
    let prober = Prober::new(None).unwrap();

    let report = prober.run(&target).await;
    assert_eq!(report.cause, Some(Cause::TrustRoots), "{report:?}");

    std::fs::write(&file, authority.pem()).unwrap();
    // The thread pool that reads files has its threads by now.
    let exhausted = Exhausted::new();
    let report = prober.run(&target).await;
    drop(exhausted);
    assert_eq!(report.cause, Some(Cause::Descriptors), "{report:?}");

    let report = prober.run(&target).await;
    assert_eq!((report.outcome, report.code), (Outcome::Pass, Code::L6Ok), "{report:?}");

    std::fs::write(&file, Authority::new().pem()).unwrap();
    let report = prober.run(&target).await;
    assert_eq!(report.outcome, Outcome::Pass, "read once: {report:?}");
    prober.reload_roots();
    let report = prober.run(&target).await;
    std::fs::remove_file(&file).unwrap();
    assert_report(&report, Outcome::Fail, Code::L6Rsp, "certificate from an unknown issuer");
}
