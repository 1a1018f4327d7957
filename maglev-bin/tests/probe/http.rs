use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use maglev_bin::probe::{Http, Kind, Prober, Target};
use maglev_health::{Code, Outcome};
use regex::bytes::Regex;
use rstest::rstest;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use crate::server::{LOCALHOST, OK, SHORT, Server, assert_report, http, http_params, read_head, soon, target};

#[rstest]
#[case(LOCALHOST, "127.0.0.1")]
#[case(IpAddr::V6(Ipv6Addr::LOCALHOST), "[::1]")]
#[tokio::test]
async fn a_get_arrives_and_its_answer_counts(#[case] address: IpAddr, #[case] host: &str) {
    let (heads, mut heard) = mpsc::unbounded_channel();
    let server = Server::new(address, move |mut stream, _| {
        let heads = heads.clone();
        async move {
            heads.send(read_head(&mut stream).await?).unwrap();
            stream.write_all(OK).await
        }
    })
    .await;
    let report = Prober::new(None).unwrap().run(&http(server.at)).await;
    assert_report(&report, Outcome::Pass, Code::L7Ok, "status 200");
    assert!(!report.elapsed.is_zero());
    let expected = format!(
        "GET / HTTP/1.1\r\nHost: {host}:{}\r\nUser-Agent: maglevd/{}\r\nConnection: close\r\n\r\n",
        server.at.port(),
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(heard.recv().await.unwrap(), expected);
}

#[rstest]
#[case::redirect(
    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
    Outcome::Pass,
    Code::L7Ok,
    "status 302"
)]
#[case::busy("HTTP/1.1 503 Busy\r\n\r\n", Outcome::Fail, Code::L7Sts, "status 503")]
#[case::absent("HTTP/1.1 404 Not Found\r\n\r\n", Outcome::Fail, Code::L7Sts, "status 404")]
#[case::hit("HTTP/1.1 200 OK\r\n\r\nall ok\n", Outcome::Pass, Code::L7Ok, "status 200")]
#[case::miss("HTTP/1.1 200 OK\r\n\r\nall bad\n", Outcome::Fail, Code::L7Rsp, "status 200, regexp not found")]
#[case::garbage("220 mail.example.com ESMTP\r\n", Outcome::Fail, Code::L7Rsp, "no response, answer is not HTTP/1")]
#[tokio::test]
async fn answers_are_judged(
    #[case] response: &str,
    #[case] outcome: Outcome,
    #[case] code: Code,
    #[case] detail: &str,
) {
    let server = Server::saying(LOCALHOST, response).await;
    let regexp = (!response.contains("302")).then(|| Regex::new("ok\n$").unwrap());
    let kind = Kind::Http(Http { regexp, ..http_params(server.at.port()) });
    let report = Prober::new(None).unwrap().run(&target(LOCALHOST, kind)).await;
    assert_report(&report, outcome, code, detail);
}

#[tokio::test]
async fn the_probe_comes_from_its_source() {
    let (peers, mut seen) = mpsc::unbounded_channel();
    let server = Server::new(LOCALHOST, move |mut stream, peer| {
        peers.send(peer.ip()).unwrap();
        async move { stream.write_all(OK).await }
    })
    .await;
    // All of 127.0.0.0/8 is the machine's own.
    let source = IpAddr::V4(Ipv4Addr::new(127, 1, 2, 3));
    Prober::new(None).unwrap().run(&Target { source: Some(source), ..http(server.at) }).await;
    assert_eq!(seen.recv().await, Some(source));
}

#[tokio::test]
async fn a_server_that_hangs_up_fails() {
    let server = Server::new(LOCALHOST, |stream, _| async move {
        stream.set_zero_linger()?;
        drop(stream);
        Ok(())
    })
    .await;
    let report = Prober::new(None).unwrap().run(&http(server.at)).await;
    assert_eq!((report.outcome, report.code), (Outcome::Fail, Code::L7Rsp), "{report:?}");
}

#[tokio::test]
async fn a_server_that_only_listens_times_out() {
    let server = Server::new(LOCALHOST, |stream, _| async move {
        stream.readable().await?;
        // Says nothing as long as the probe is there.
        let mut stream = stream;
        read_head(&mut stream).await?;
        read_head(&mut stream).await.map(drop)
    })
    .await;
    let report = Prober::new(None).unwrap().run(&Target { timeout: SHORT, ..http(server.at) }).await;
    assert_report(&report, Outcome::Fail, Code::L7Tout, "no response in time");
    assert!(report.elapsed >= SHORT, "{report:?}");
}

#[tokio::test]
async fn a_probe_that_is_dropped_resets_its_connection() {
    let (ended, mut ends) = mpsc::unbounded_channel();
    let (heads, mut heard) = mpsc::unbounded_channel();
    let server = Server::new(LOCALHOST, move |mut stream, _| {
        let (heads, ended) = (heads.clone(), ended.clone());
        async move {
            heads.send(read_head(&mut stream).await?).unwrap();
            ended.send(read_head(&mut stream).await.unwrap_err().kind()).unwrap();
            Ok(())
        }
    })
    .await;
    let (prober, target) = (Prober::new(None).unwrap(), http(server.at));
    {
        let probe = prober.run(&target);
        tokio::select! {
            report = probe => panic!("nobody answered, and yet {report:?}"),
            head = heard.recv() => assert!(head.is_some()),
        }
    }
    let end = soon("the reset of a dropped probe", ends.recv()).await;
    assert_eq!(end, Some(std::io::ErrorKind::ConnectionReset));
}
