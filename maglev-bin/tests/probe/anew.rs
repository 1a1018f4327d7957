//! A namespace that goes, and comes again as another one, under probes that run.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use maglev_bin::probe::{Cause, Prober, Report, Target};
use maglev_health::{Code, Outcome};
use rstest::rstest;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::namespace::{Namespace, Net};
use crate::server::{OK, Server, assert_report, http, read_head, soon};

const BUSY: &[u8] = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";

async fn answer(mut stream: TcpStream, answer: &'static [u8]) -> io::Result<()> {
    read_head(&mut stream).await?;
    stream.write_all(answer).await?;
    stream.shutdown().await
}

/// Probes without a pause, some at a time, until dropped.
fn probe_on(prober: &Arc<Prober>, target: &Target) -> (JoinSet<()>, mpsc::UnboundedReceiver<Report>) {
    let (reports, heard) = mpsc::unbounded_channel();
    let mut probes = JoinSet::new();
    for _ in 0..4 {
        let (prober, target, reports) = (Arc::clone(prober), target.clone(), reports.clone());
        probes.spawn(async move { while reports.send(prober.run(&target).await).is_ok() {} });
    }
    (probes, heard)
}

/// Hears reports up to the first that is `wanted`; all before it must be `allowed`.
async fn until(
    heard: &mut mpsc::UnboundedReceiver<Report>,
    what: &str,
    wanted: impl Fn(&Report) -> bool,
    allowed: impl Fn(&Report) -> bool,
) {
    soon(what, async {
        loop {
            let report = heard.recv().await.expect("the probes go on");
            if wanted(&report) {
                return;
            }
            assert!(allowed(&report), "before {what}: {report:?}");
        }
    })
    .await;
}

#[rstest]
#[case("127.0.0.1:80")]
#[case("[::1]:80")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_that_run_follow_a_namespace_made_anew(#[case] place: &str) {
    if Namespace::new().is_none() {
        return;
    }
    let namespace = Namespace::unborn();
    let at: SocketAddr = place.parse().unwrap();
    let prober = Arc::new(Prober::new(Some(&namespace.name)).unwrap());
    let target = Target { source: Some(at.ip()), ..http(at) };
    let (_probes, mut heard) = probe_on(&prober, &target);
    let missing = |report: &Report| matches!(report.cause, Some(Cause::NamespaceMissing(_)));
    // While a namespace is young its loopback is down, its source is away, or nobody listens yet.
    let young = |report: &Report| report.outcome == Outcome::NoVerdict || report.code == Code::L4Con;
    for state in [OK, BUSY, OK] {
        until(&mut heard, "word that the namespace is missing", missing, |_| false).await;
        namespace.add();
        let server = Server::on(namespace.listen(place), move |stream, _| answer(stream, state));
        let code = if state == OK { Code::L7Ok } else { Code::L7Sts };
        until(&mut heard, "the answer of the new server", |r| r.code == code, young).await;
        namespace.delete();
        // Those on their way still get their answer. None fails for want of a namespace.
        until(&mut heard, "the end of the namespace", missing, |r| r.code == code || young(r) && r.cause.is_some())
            .await;
        drop(server);
        // What was asked before the deletion is answered by now, all but a probe or three.
        for _ in 0..100 {
            let report = soon("a report", heard.recv()).await.unwrap();
            assert!(missing(&report) || report.code == code, "without a namespace: {report:?}");
        }
    }
}

#[tokio::test]
async fn probes_have_their_source_inside_the_namespace() {
    let Some(net) = Net::new() else { return };
    let prober = Prober::new(Some(&net.client.name)).unwrap();
    for (place, source, mask) in [("10.99.0.2:80", "10.99.0.7", 32), ("[2001:db8:99::2]:80", "2001:db8:99::7", 128)] {
        net.client.ip(&format!("addr add {source}/{mask} dev eth0 nodad"));
        let (peers, mut seen) = mpsc::unbounded_channel();
        let server = Server::on(net.router.listen(place), move |stream, peer| {
            peers.send(peer.ip()).unwrap();
            answer(stream, OK)
        });
        let source: IpAddr = source.parse().unwrap();
        let report = prober.run(&Target { source: Some(source), ..http(server.at) }).await;
        assert_report(&report, Outcome::Pass, Code::L7Ok, "status 200");
        assert_eq!(seen.recv().await, Some(source));
    }
}
