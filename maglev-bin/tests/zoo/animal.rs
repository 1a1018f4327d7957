//! Scripts for servers, and what is asked of the probes that meet them.

use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use maglev_bin::probe::{Http, Kind, Prober, Report, Target};
use maglev_health::{Code, Outcome};
use regex::bytes::Regex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{LOCALHOST, PATIENCE, Server, http_params, read_head, target};

/// A step of what an animal does with a connection. After the last one it ends its side with a FIN and listens on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Do {
    /// Reads a request.
    Hear,
    /// Reads a TLS record: the client's first message.
    HearHello,
    /// Says this at once.
    Say(&'static [u8]),
    /// Says this over and over, a byte each 20 ms.
    Drip(&'static [u8]),
    /// Says this over and over, as fast as it is taken.
    Flood(&'static [u8]),
    /// Ends its side with a FIN.
    Fin,
    /// Ends both sides with a reset.
    Reset,
    /// Nothing, as long as the probe is there.
    Wait,
}

pub(crate) type Script = &'static [Do];

pub(crate) async fn act(mut stream: TcpStream, script: &[Do]) -> io::Result<()> {
    for step in script {
        match *step {
            Do::Hear => drop(read_head(&mut stream).await?),
            Do::HearHello => hear_hello(&mut stream).await?,
            Do::Say(bytes) => stream.write_all(bytes).await?,
            Do::Drip(bytes) => {
                for byte in bytes.iter().cycle() {
                    stream.write_u8(*byte).await?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Do::Flood(bytes) => {
                let torrent = bytes.repeat(64 * 1024 / bytes.len());
                loop {
                    stream.write_all(&torrent).await?;
                }
            }
            Do::Fin => stream.shutdown().await?,
            Do::Reset => return stream.set_zero_linger(),
            Do::Wait => return gone(&mut stream).await,
        }
    }
    stream.shutdown().await?;
    gone(&mut stream).await
}

/// All of the client's first message, so that a close that follows is no reset.
pub(crate) async fn hear_hello(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).await?;
    let mut rest = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    stream.read_exact(&mut rest).await.map(drop)
}

/// Waits for the end of the probe.
pub(crate) async fn gone(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    tokio::io::copy(stream, &mut tokio::io::sink()).await.map(drop)
}

pub(crate) async fn serve(address: IpAddr, script: &[Do]) -> Server {
    let script = script.to_vec();
    Server::new(address, move |stream, _| {
        let script = script.clone();
        async move { act(stream, &script).await }
    })
    .await
}

/// What must come of a probe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    /// Any of them will do, where the animal leaves more than one right.
    codes: &'static [Code],
    /// One of each list is in the detail.
    words: &'static [&'static [&'static str]],
    when: When,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum When {
    /// Long before the time-out.
    AtOnce,
    /// At the time-out, and no later.
    TimeOut,
    Either,
}

/// Known at once.
pub(crate) const fn soon(codes: &'static [Code], words: &'static [&'static [&'static str]]) -> Verdict {
    Verdict { codes, words, when: When::AtOnce }
}

/// Known when time is up.
pub(crate) const fn late(codes: &'static [Code], words: &'static [&'static [&'static str]]) -> Verdict {
    Verdict { codes, words, when: When::TimeOut }
}

/// At the time-out at the latest.
pub(crate) const fn some_time(codes: &'static [Code], words: &'static [&'static [&'static str]]) -> Verdict {
    Verdict { codes, words, when: When::Either }
}

impl Verdict {
    /// Sends a probe and judges its report.
    pub(crate) async fn check(self, prober: &Prober, target: &Target) -> Report {
        let target = Target { timeout: if self.when == When::AtOnce { PATIENCE } else { TIMEOUT }, ..target.clone() };
        let mut latest = TIMEOUT;
        // A busy machine may be late; a probe that is late each time is so by itself.
        for _ in 0..5 {
            let report = prober.run(&target).await;
            self.assert_said(&report);
            if self.when == When::AtOnce {
                assert!(report.elapsed < PATIENCE / 4, "the verdict was there at once: {report:?}");
                return report;
            }
            if self.when == When::TimeOut {
                assert!(report.elapsed >= TIMEOUT, "the verdict was not there yet: {report:?}");
            }
            if report.elapsed <= TIMEOUT + GRACE {
                return report;
            }
            latest = report.elapsed;
        }
        panic!("five probes in a row did not end within {GRACE:?} after their time-out; the last took {latest:?}");
    }

    #[track_caller]
    fn assert_said(self, report: &Report) {
        assert!(self.codes.contains(&report.code), "one of {:?}: {report:?}", self.codes);
        let passed = matches!(report.code, Code::L3Ok | Code::L4Ok | Code::L6Ok | Code::L7Ok);
        assert_eq!(report.outcome, if passed { Outcome::Pass } else { Outcome::Fail }, "{report:?}");
        assert_eq!(report.cause, None, "{report:?}");
        let detail = report.detail.to_lowercase();
        for any in self.words {
            assert!(passed || any.iter().any(|word| detail.contains(word)), "one of {any:?}: {report:?}");
        }
        assert!(!detail.is_empty() && !report.detail.contains(char::is_control), "a line of text: {report:?}");
    }
}

/// An HTTP probe without a regexp, over IPv4 and IPv6.
pub(crate) async fn http_meets(script: &[Do], verdict: Verdict) {
    http_with(script, None, verdict).await;
}

/// An HTTP probe that looks for something in the body.
pub(crate) async fn search_meets(script: &[Do], regexp: &str, verdict: Verdict) {
    http_with(script, Some(regexp), verdict).await;
}

async fn http_with(script: &[Do], regexp: Option<&str>, verdict: Verdict) {
    let prober = Prober::new(None).unwrap();
    for address in BOTH {
        let server = serve(address, script).await;
        let regexp = regexp.map(|regexp| Regex::new(regexp).unwrap());
        let http = Kind::Http(Http { regexp, ..http_params(server.at.port()) });
        verdict.check(&prober, &target(address, http)).await;
    }
}

pub(crate) const BOTH: [IpAddr; 2] = [LOCALHOST, IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// Of probes that are to run into it.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(300);

/// How much later than its time-out a probe may end.
pub(crate) const GRACE: Duration = Duration::from_millis(50);

/// What is said of an answer that is none.
pub(crate) const NOT_HTTP: &[&[&str]] = &[&["http", "invalid status line", "invalid header"]];

/// What is said of a connection that ended.
pub(crate) const CLOSED: &[&[&str]] = &[&["closed", "end of file", "cut", "short"]];
pub(crate) const RESET: &[&[&str]] = &[&["reset"]];
