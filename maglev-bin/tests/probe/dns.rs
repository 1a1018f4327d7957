use std::net::{IpAddr, Ipv6Addr};

use maglev_bin::probe::{Dns, Kind, Prober, Query, Rcode, RecordType, Report, Target};
use maglev_health::{Code, Outcome};
use rstest::rstest;

use crate::server::{LOCALHOST, SHORT, assert_report, target};
use crate::udp::{Peer, closed_port};

fn dns(port: u16) -> Dns {
    let query = Query { name: "www.example.com".parse().unwrap(), kind: RecordType::default(), recurse: false };
    Dns { port, query, rcode: Rcode::NOERROR }
}

/// What comes of a probe if a server makes an answer of the query like this.
async fn probed(make: fn(&mut Vec<u8>), change: fn(Dns) -> Dns) -> Report {
    let server = Peer::new(LOCALHOST, move |query| {
        let mut answer = query.to_vec();
        answer[2] |= 0x80;
        make(&mut answer);
        vec![answer]
    })
    .await;
    let target = target(LOCALHOST, Kind::Dns(change(dns(server.at.port()))));
    Prober::new(None).unwrap().run(&Target { timeout: SHORT, ..target }).await
}

#[rstest]
#[case::good(|_: &mut Vec<u8>| {}, Outcome::Pass, Code::L7Ok, "NOERROR, 0 records")]
#[case::truncated(|answer: &mut Vec<u8>| { answer[2] |= 2; answer[7] = 1 }, Outcome::Pass, Code::L7Ok, "NOERROR, 1 record, truncated")]
#[case::other_case(|answer: &mut Vec<u8>| answer[13] = b'W', Outcome::Pass, Code::L7Ok, "NOERROR, 0 records")]
#[case::servfail(|answer: &mut Vec<u8>| answer[3] |= 2, Outcome::Fail, Code::L7Sts, "SERVFAIL")]
#[case::refused(|answer: &mut Vec<u8>| { answer.truncate(12); answer[3] = 5; answer[5] = 0 }, Outcome::Fail, Code::L7Sts, "REFUSED")]
#[case::query(|answer: &mut Vec<u8>| answer[2] = 0, Outcome::Fail, Code::L7Rsp, "no DNS answer: a query in place of an answer")]
#[case::other_name(|answer: &mut Vec<u8>| answer[13] = b'v', Outcome::Fail, Code::L7Rsp, "no DNS answer: an answer to another question")]
#[case::cut(|answer: &mut Vec<u8>| answer.truncate(5), Outcome::Fail, Code::L7Rsp, "no DNS answer: too short")]
#[case::other_id(|answer: &mut Vec<u8>| answer[0] ^= 1, Outcome::Fail, Code::L7Tout, "no answer in time but one with another id")]
#[tokio::test]
async fn answers_are_judged(
    #[case] make: fn(&mut Vec<u8>),
    #[case] outcome: Outcome,
    #[case] code: Code,
    #[case] detail: &str,
) {
    let report = probed(make, |dns| dns).await;
    assert_report(&report, outcome, code, detail);
}

#[tokio::test]
async fn another_code_may_be_the_right_one() {
    let nxdomain = |dns| Dns { rcode: Rcode::new(3).unwrap(), ..dns };
    let report = probed(|answer| answer[3] |= 3, nxdomain).await;
    assert_report(&report, Outcome::Pass, Code::L7Ok, "NXDOMAIN, 0 records");
    let report = probed(|_| {}, nxdomain).await;
    assert_report(&report, Outcome::Fail, Code::L7Sts, "NOERROR");
}

#[tokio::test]
async fn a_stray_answer_does_not_hide_the_right_one() {
    let server = Peer::new(LOCALHOST, |query| {
        let mut right = query.to_vec();
        right[2] |= 0x80;
        let mut stray = right.clone();
        stray[1] ^= 1;
        vec![stray, right]
    })
    .await;
    let report = Prober::new(None).unwrap().run(&target(LOCALHOST, Kind::Dns(dns(server.at.port())))).await;
    assert_report(&report, Outcome::Pass, Code::L7Ok, "NOERROR, 0 records");
}

#[rstest]
#[case(LOCALHOST)]
#[case(IpAddr::V6(Ipv6Addr::LOCALHOST))]
#[tokio::test]
async fn where_nobody_listens_the_probe_fails_at_once(#[case] address: IpAddr) {
    let at = closed_port(address);
    let report = Prober::new(None).unwrap().run(&target(address, Kind::Dns(dns(at.port())))).await;
    assert_report(&report, Outcome::Fail, Code::L4Con, "datagram refused");
}

#[tokio::test]
async fn silence_times_out() {
    let server = Peer::new(LOCALHOST, |_| Vec::new()).await;
    let target = Target { timeout: SHORT, ..target(LOCALHOST, Kind::Dns(dns(server.at.port()))) };
    let report = Prober::new(None).unwrap().run(&target).await;
    assert_report(&report, Outcome::Fail, Code::L7Tout, "no answer in time");
    assert!(report.elapsed >= SHORT, "{report:?}");
}
