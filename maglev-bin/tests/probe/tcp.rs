use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use maglev_bin::probe::{Cause, Prober, Target};
use maglev_health::{Code, Outcome};
use tokio::task::JoinSet;

use crate::server::{LOCALHOST, OK, SHORT, Server, assert_report, closed_port, http, tcp};

#[tokio::test]
async fn a_connection_is_enough() {
    let server = Server::new(LOCALHOST, |_, _| async { Ok(()) }).await;
    let report = Prober::new(None).unwrap().run(&tcp(server.at)).await;
    assert_report(&report, Outcome::Pass, Code::L4Ok, "connected");
    assert_eq!(report.certificate_expires, None);
}

#[tokio::test]
async fn a_refused_connection_fails() {
    let at = closed_port();
    let prober = Prober::new(None).unwrap();
    for target in [tcp(at), http(at)] {
        let report = prober.run(&target).await;
        assert_report(&report, Outcome::Fail, Code::L4Con, "connect refused");
    }
}

#[tokio::test]
async fn a_full_listener_times_out() {
    let listener = std::net::TcpListener::bind((LOCALHOST, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    // Linux takes one connection more than this, and then no longer answers.
    rustix::net::listen(&listener, 0).unwrap();
    let _taken = std::net::TcpStream::connect(at).unwrap();
    let report = Prober::new(None).unwrap().run(&Target { timeout: SHORT, ..tcp(at) }).await;
    assert_report(&report, Outcome::Fail, Code::L4Tout, "no answer to connect in time");
    assert!(report.elapsed >= SHORT, "{report:?}");
}

#[tokio::test]
async fn a_source_that_is_not_ours_is_no_verdict() {
    let server = Server::new(LOCALHOST, |_, _| async { Ok(()) }).await;
    let prober = Prober::new(None).unwrap();
    // Documentation addresses, and one of the other family.
    for source in ["192.0.2.77", "2001:db8::77"] {
        let source: IpAddr = source.parse().unwrap();
        let report = prober.run(&Target { source: Some(source), ..tcp(server.at) }).await;
        let detail = format!("source address {source} is not available");
        assert_report(&report, Outcome::NoVerdict, Code::SockErr, &detail);
        assert_eq!(report.cause, Some(Cause::Source(source)));
    }
    let v6 = (IpAddr::V6(Ipv6Addr::LOCALHOST), server.at.port()).into();
    let report = prober.run(&Target { source: Some(LOCALHOST), ..tcp(v6) }).await;
    assert_eq!(report.cause, Some(Cause::Source(LOCALHOST)));
}

#[tokio::test]
async fn a_time_out_may_be_beyond_the_range_of_the_clock() {
    let server = Server::new(LOCALHOST, |_, _| async { Ok(()) }).await;
    let report = Prober::new(None).unwrap().run(&Target { timeout: Duration::MAX, ..tcp(server.at) }).await;
    assert_report(&report, Outcome::Pass, Code::L4Ok, "connected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_probes_at_once_all_pass_and_leave_nothing() {
    let server = Server::saying(LOCALHOST, OK).await;
    let prober = Arc::new(Prober::new(None).unwrap());
    let mut probes = JoinSet::new();
    for n in 0..1000_u32 {
        let prober = Arc::clone(&prober);
        let source = IpAddr::V4(Ipv4Addr::from(0x7f00_0100 + n % 100));
        let target = Target { source: Some(source), ..if n % 2 == 0 { http(server.at) } else { tcp(server.at) } };
        probes.spawn(async move { prober.run(&target).await });
    }
    let reports = probes.join_all().await;
    let failed: Vec<_> = reports.iter().filter(|report| report.outcome != Outcome::Pass).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(time_waits(server.at.port()), 0);
}

/// Sockets in TIME_WAIT on either side of a port, in this process' namespace.
fn time_waits(port: u16) -> usize {
    let port = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|row| row.split_ascii_whitespace().collect::<Vec<_>>());
    // sl, local address, remote address, state
    rows.filter(|row| row[3] == "06" && (row[1].ends_with(&port) || row[2].ends_with(&port))).count()
}
