use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use maglev_health::{Code, Outcome};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tracing::trace;

use super::end::{Deadline, End, Step};
use super::http;
use super::netns::{ProberError, Sockets};
use super::ping::Ping;
use super::report::{Cause, Report};
use super::socket::{Transport, Wanted};
use super::target::{Http, Kind, Target, Tcp, Tls};
use super::tcp;
use super::tls::{Connector, Expiry, Inside, describe, handshake};

/// Sends probes. One for the whole daemon; any number of probes may run at once.
#[derive(Debug)]
pub struct Prober {
    sockets: Sockets,
    tls: Connector,
}

impl Prober {
    /// Probes from a network namespace, given by its name in `/run/netns` or by a path. `None` or an empty name: the namespace of
    /// the process. Certificates are verified against the system's trust roots (or what `SSL_CERT_FILE` and `SSL_CERT_DIR` name).
    ///
    /// A namespace that does not exist is no error: until it does, probes end without verdict. Blocks for some microseconds.
    ///
    /// # Errors
    /// [`ProberError::Capability`] if this process may not enter namespaces, [`ProberError::Thread`] if it can have no more threads.
    pub fn new(netns: Option<&str>) -> Result<Self, ProberError> {
        Self::build(netns, None)
    }

    /// As [`Prober::new`], but trusts these certificates, in DER, and no others.
    ///
    /// # Errors
    /// As for [`Prober::new`].
    pub fn with_roots(netns: Option<&str>, roots: impl IntoIterator<Item = Vec<u8>>) -> Result<Self, ProberError> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots.into_iter().map(CertificateDer::from));
        Self::build(netns, Some(store))
    }

    fn build(netns: Option<&str>, roots: Option<RootCertStore>) -> Result<Self, ProberError> {
        Ok(Self { sockets: Sockets::new(netns)?, tls: Connector::new(roots) })
    }

    /// Sends later probes from another namespace; those in flight are not touched. Blocks for some microseconds.
    ///
    /// # Errors
    /// As for [`Prober::new`]; then nothing changes.
    pub fn set_netns(&self, netns: Option<&str>) -> Result<(), ProberError> {
        self.sockets.set_netns(netns)
    }

    /// Reads the system's trust roots again when a probe next needs them.
    pub fn reload_roots(&self) {
        self.tls.reload_roots();
    }

    /// Tries whether ICMP probes could be sent. A namespace that is missing now is no error.
    ///
    /// # Errors
    /// [`ProberError::Capability`] if the kernel allows neither datagram nor raw ICMP sockets.
    pub async fn check_icmp(&self) -> Result<(), ProberError> {
        for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let wanted = Wanted { transport: Transport::Icmp, address, source: None };
            if let Err(End { cause: Some(Cause::Permission), .. }) = self.sockets.open(wanted).await {
                return Err(ProberError::Capability {
                    capability: "CAP_NET_RAW",
                    needed_for: "probing by ICMP outside of net.ipv4.ping_group_range".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Sends one probe and waits for its end, at most for the target's time-out.
    ///
    /// # Guarantees
    /// Never panics, whatever the peer sends. Memory is bounded, by 64 KiB each for head and body of a response. Dropped before its
    /// end it sends nothing more and leaves no socket behind.
    pub async fn run(&self, target: &Target) -> Report {
        let start = Instant::now();
        let probe =
            Probe { prober: self, target, deadline: Deadline::after(start, target.timeout), expiry: Expiry::default() };
        let end = match &target.kind {
            Kind::Http(http) => probe.http(http).await,
            Kind::Tcp(tcp) => probe.tcp(tcp).await,
            Kind::Icmp => probe.icmp().await,
        };
        let (Ok(mut end) | Err(mut end)) = end;
        if end.outcome == Outcome::Fail
            && let Some(lost) = probe.lost_ground().await
        {
            end = lost;
        }
        let report = Report {
            outcome: end.outcome,
            code: end.code,
            detail: end.detail,
            elapsed: start.elapsed(),
            certificate_expires: probe.expiry.get().copied(),
            cause: end.cause,
        };
        trace!(backend = %target.backend, code = %report.code, detail = %report.detail, "probe");
        report
    }
}

/// One probe on its way. Each step's error is the end of the probe.
#[derive(Debug)]
struct Probe<'a> {
    prober: &'a Prober,
    target: &'a Target,
    deadline: Deadline,
    expiry: Expiry,
}

impl Probe<'_> {
    async fn http(&self, http: &Http) -> Step<End> {
        let address = self.target.address;
        Ok(match &http.tls {
            None => {
                let stream = self.connect(http.port).await?;
                http::exchange(stream, http, address, self.deadline).await
            }
            Some(tls) => {
                let stream = self.secure(http.port, tls, Inside::Http).await?;
                http::exchange(stream, http, address, self.deadline).await
            }
        })
    }

    async fn tcp(&self, tcp: &Tcp) -> Step<End> {
        let Some(tls) = &tcp.tls else {
            self.connect(tcp.port).await?;
            return Ok(End::pass(Code::L4Ok, "connected"));
        };
        let stream = self.secure(tcp.port, tls, Inside::Nothing).await?;
        Ok(End::pass(Code::L6Ok, describe(&stream, &self.expiry)))
    }

    async fn icmp(&self) -> Step<End> {
        let wanted = self.wanted(Transport::Icmp);
        let socket = self.deadline.or_own(self.prober.sockets.open(wanted)).await?;
        let ping = Ping::send(socket, wanted.address)?;
        let answer = async { Ok(ping.answer().await) };
        self.deadline.or_fail(Code::L3Tout, "no echo reply in time", answer).await
    }

    async fn connect(&self, port: u16) -> Step<TcpStream> {
        let wanted = self.wanted(Transport::Tcp);
        let socket = self.deadline.or_own(self.prober.sockets.open(wanted)).await?;
        tcp::connect(socket, SocketAddr::new(wanted.address, port), self.deadline).await
    }

    async fn secure(&self, port: u16, tls: &Tls, inside: Inside) -> Step<tokio_rustls::client::TlsStream<TcpStream>> {
        // What it takes of our own comes first: nothing is sent if it is missing.
        let client = self.deadline.or_own(self.prober.tls.client(tls, inside, &self.expiry)).await?;
        let stream = self.connect(port).await?;
        self.deadline
            .or_fail(
                Code::L6Tout,
                "TLS handshake not done in time",
                handshake(&client, stream, tls, self.target.address),
            )
            .await
    }

    /// Whether the namespace or the source went away under a probe that failed: then that is why, and there is no verdict.
    ///
    /// Else the probes in flight at that moment would fail every backend at once, and with `fall: 1` empty every VIP.
    async fn lost_ground(&self) -> Option<End> {
        let looked =
            Deadline::after(Instant::now(), LOOK).or_own(self.prober.sockets.open(self.wanted(Transport::Udp)));
        looked.await.err().filter(|end| match &end.cause {
            Some(Cause::Source(_) | Cause::NamespaceMissing(_) | Cause::NamespaceRefused(_)) => true,
            // The probe itself found what it needed.
            _ => false,
        })
    }

    fn wanted(&self, transport: Transport) -> Wanted {
        Wanted { transport, address: self.target.address, source: self.target.source }
    }
}

/// For making one more socket after a failed probe. It takes microseconds; a machine that needs longer has no time for niceties.
const LOOK: Duration = Duration::from_millis(100);
