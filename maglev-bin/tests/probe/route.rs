//! Probes through an interface of their own and with a mark.

use std::io;
use std::sync::Arc;

use maglev_bin::probe::{Cause, Kind, Prober, Target};
use maglev_health::{Code, Outcome};
use rstest::rstest;
use rustix::thread::{CapabilitySet, capabilities};
use tokio::net::TcpStream;

use crate::server::{LOCALHOST, Server, assert_report, target, tcp};

async fn accept(_: TcpStream, _: std::net::SocketAddr) -> io::Result<()> {
    Ok(())
}

#[tokio::test]
async fn an_interface_that_leads_there_will_do() {
    let server = Server::new(LOCALHOST, accept).await;
    let prober = Prober::new(None).unwrap();
    // A socket that is kept is not taken over by a probe of another kind.
    for device in [None, Some("lo"), None, Some("lo")] {
        let report = prober.run(&Target { device: device.map(Arc::from), ..tcp(server.at) }).await;
        assert_report(&report, Outcome::Pass, Code::L4Ok, "connected");
    }
}

#[rstest]
#[case::tcp(false)]
#[case::icmp(true)]
#[tokio::test]
async fn an_interface_that_is_missing_is_no_verdict(#[case] icmp: bool) {
    let server = Server::new(LOCALHOST, accept).await;
    let plain = if icmp { target(LOCALHOST, Kind::Icmp) } else { tcp(server.at) };
    let prober = Prober::new(None).unwrap();
    let before = prober.run(&plain).await;
    let report = prober.run(&Target { device: Some("mglv-missing".into()), ..plain }).await;
    if icmp && before.cause == Some(Cause::Permission) {
        eprintln!("skipped: ICMP is not permitted here");
        return;
    }
    assert_report(&report, Outcome::NoVerdict, Code::SockErr, "interface mglv-missing does not exist");
    assert_eq!(report.cause, Some(Cause::Device("mglv-missing".into())));
    assert_eq!(report.cause.map(|cause| cause.key()), Some("device"));
}

#[tokio::test]
async fn a_mark_needs_its_capability() {
    let server = Server::new(LOCALHOST, accept).await;
    let prober = Prober::new(None).unwrap();
    // Without it first: a socket that is kept has no mark.
    prober.run(&tcp(server.at)).await;
    let report = prober.run(&Target { mark: Some(16), ..tcp(server.at) }).await;
    if capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::NET_ADMIN)) {
        assert_report(&report, Outcome::Pass, Code::L4Ok, "connected");
    } else {
        eprintln!("without CAP_NET_ADMIN: only the refusal is looked at");
        assert_eq!((report.outcome, report.cause), (Outcome::NoVerdict, Some(Cause::Permission)));
    }
}
