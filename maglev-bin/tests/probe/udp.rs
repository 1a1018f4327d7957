use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use maglev_bin::probe::{Expect, Kind, Prober, Target, Udp};
use maglev_health::{Code, Outcome};
use regex::bytes::Regex;
use rstest::rstest;
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

use crate::server::{LOCALHOST, SHORT, assert_report, target};

/// Answers each datagram with others. Ends when dropped.
pub(crate) struct Peer {
    pub(crate) at: SocketAddr,
    task: AbortHandle,
}

impl Peer {
    pub(crate) async fn new(address: IpAddr, answer: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        let socket = UdpSocket::bind((address, 0)).await.unwrap();
        let at = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
                for answer in answer(&buffer[..length]) {
                    // A probe that has seen enough is gone.
                    let _ = socket.send_to(&answer, peer).await;
                }
            }
        });
        Self { at, task: task.abort_handle() }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port that is taken, so that no other test gets it, by a socket that hears one peer alone, which is not the probe.
pub(crate) fn closed_port(address: IpAddr) -> SocketAddr {
    let socket = std::net::UdpSocket::bind((address, 0)).unwrap();
    let at = socket.local_addr().unwrap();
    socket.connect(SocketAddr::new(address, 9)).unwrap();
    std::mem::forget(socket);
    at
}

fn echo(port: u16) -> Udp {
    Udp { port, send: b"hello".as_slice().into(), expect: None }
}

#[rstest]
#[case::anything(None, Outcome::Pass, Code::L7Ok, "\"hello, too\"")]
#[case::text(Some(Expect::Text(b", too".as_slice().into())), Outcome::Pass, Code::L7Ok, "found in \"hello, too\"")]
#[case::regexp(Some(Expect::Regexp(Regex::new("^h.*o$").unwrap())), Outcome::Pass, Code::L7Ok, "found in \"hello, too\"")]
#[case::miss(Some(Expect::Text(b"bye".as_slice().into())), Outcome::Fail, Code::L7Rsp, "not found in \"hello, too\"")]
#[tokio::test]
async fn the_first_answer_counts(
    #[case] expect: Option<Expect>,
    #[case] outcome: Outcome,
    #[case] code: Code,
    #[case] detail: &str,
) {
    let server = Peer::new(LOCALHOST, |heard| vec![[heard, b", too"].concat(), b"bye".to_vec()]).await;
    let kind = Kind::Udp(Udp { expect, ..echo(server.at.port()) });
    let report = Prober::new(None).unwrap().run(&target(LOCALHOST, kind)).await;
    assert_report(&report, outcome, code, detail);
}

#[tokio::test]
async fn the_probe_comes_from_its_source() {
    let source = IpAddr::V4(Ipv4Addr::new(127, 1, 2, 3));
    let socket = UdpSocket::bind((LOCALHOST, 0)).await.unwrap();
    let at = socket.local_addr().unwrap();
    let answer = async {
        let (_, peer) = socket.recv_from(&mut [0; 9]).await.unwrap();
        socket.send_to(b"", peer).await.unwrap();
        peer.ip()
    };
    let target = Target { source: Some(source), ..target(LOCALHOST, Kind::Udp(echo(at.port()))) };
    let prober = Prober::new(None).unwrap();
    let (report, peer) = tokio::join!(prober.run(&target), answer);
    assert_report(&report, Outcome::Pass, Code::L7Ok, "\"\"");
    assert_eq!(peer, source);
}

#[rstest]
#[case(LOCALHOST)]
#[case(IpAddr::V6(Ipv6Addr::LOCALHOST))]
#[tokio::test]
async fn where_nobody_listens_the_probe_fails_at_once(#[case] address: IpAddr) {
    let at = closed_port(address);
    let report = Prober::new(None).unwrap().run(&target(address, Kind::Udp(echo(at.port())))).await;
    assert_report(&report, Outcome::Fail, Code::L4Con, "datagram refused");
}

#[tokio::test]
async fn silence_times_out() {
    let server = Peer::new(LOCALHOST, |_| Vec::new()).await;
    let target = Target { timeout: SHORT, ..target(LOCALHOST, Kind::Udp(echo(server.at.port()))) };
    let report = Prober::new(None).unwrap().run(&target).await;
    assert_report(&report, Outcome::Fail, Code::L7Tout, "no answer in time");
    assert!(report.elapsed >= SHORT, "{report:?}");
}
