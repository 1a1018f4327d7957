use std::cell::{Cell, OnceCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use maglev_health::{Code, Outcome, ProbeId};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::trace;

use super::datagram::{self, Conversation};
use super::end::{Deadline, End, Step};
use super::engine::{Engine, Message, Outbox, Site, Start, Stream, Ticket};
use super::exec;
use super::fault::words;
use super::ground::ProberError;
use super::grpc;
use super::http;
use super::ping::Ping;
use super::proxy::ProxyVersion;
use super::report::{Cause, Report};
use super::socket::{Transport, Wanted};
use super::talk::{self, Unsent};
use super::target::{Dns, Grpc, Http, Kind, Target, Tcp, Tls, Udp};
use super::timed::{Phases, Timed};
use super::tls::{Connector, Inside, Seen, describe, handshake};

/// Sends probes. One for the whole daemon; any number of probes may run at once.
///
/// It has a thread of its own, which does all that probes do and ends with it.
#[derive(Debug)]
pub struct Prober {
    engine: Engine,
}

impl Prober {
    /// Probes from a network namespace, given by its name in `/run/netns` or by a path. `None` or an empty name: the namespace of
    /// the process. Certificates are verified against the system's trust roots (or what `SSL_CERT_FILE` and `SSL_CERT_DIR` name).
    ///
    /// A namespace that does not exist is no error: until it does, probes end without verdict. Blocks for some hundred microseconds.
    /// Call it inside a tokio runtime, which outlives it: the system's trust roots are read and programs are watched there.
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
        Ok(Self { engine: Engine::start(netns, roots)? })
    }

    /// Sends later probes from another namespace; those in flight are not touched. Blocks for some microseconds.
    ///
    /// # Errors
    /// As for [`Prober::new`]; then nothing changes.
    pub fn set_netns(&self, netns: Option<&str>) -> Result<(), ProberError> {
        self.engine.move_to(netns)
    }

    /// Reads the system's trust roots again when a probe next needs them.
    pub fn reload_roots(&self) {
        self.engine.tell([Message::ReloadRoots]);
    }

    /// Tries whether ICMP probes could be sent. A namespace that is missing now is no error.
    ///
    /// # Errors
    /// [`ProberError::Capability`] if the kernel allows neither datagram nor raw ICMP sockets.
    pub async fn check_icmp(&self) -> Result<(), ProberError> {
        self.engine.check_icmp().await
    }

    /// Sends one probe and waits for its end: for the target's time-out, and before that for its turn if descriptors are short.
    ///
    /// # Guarantees
    /// Never panics, whatever the peer sends. Memory is bounded: of a response by 64 KiB for its head and by the target's `body_limit` for
    /// its body. Dropped before its end it sends nothing more, and leaves no socket and no program behind.
    pub async fn run(&self, target: &Target) -> Report {
        self.engine.run(Arc::new(target.clone())).await
    }

    /// Where answers to [`Prober::order`] come from now on.
    pub(crate) fn deliver_to(&self, outbox: Arc<Outbox>) {
        self.engine.tell([Message::Deliver(outbox)]);
    }

    /// Has probes sent and stopped, in this order.
    pub(crate) fn order(&self, orders: impl IntoIterator<Item = Order>) {
        self.engine.tell(orders.into_iter().map(|order| match order {
            Order::Start { probe, target, due } => {
                Message::Start(Start { ticket: Ticket::Core(probe), target, due, answer: None })
            }
            Order::Cancel(probe) => Message::Cancel(Ticket::Core(probe)),
        }));
    }
}

/// What the core wants of probes.
#[derive(Debug)]
pub(crate) enum Order {
    /// Send one, which was to start when it was due. Its answer comes in a batch, whatever happens.
    Start { probe: ProbeId, target: Arc<Target>, due: Instant },
    /// Stop one: it has no answer any more, unless that is under way.
    Cancel(ProbeId),
}

/// A probe that the core ordered, and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) probe: ProbeId,
    /// From when it was due to when it started; `None` if it never did.
    pub(crate) delay: Option<Duration>,
    pub(crate) report: Report,
}

/// Sends one probe, and says how it ended. Out of time it must be polled.
pub(super) async fn probe(site: Rc<Site>, tls: Rc<Connector>, target: Arc<Target>, start: Instant) -> Report {
    let probe = Probe {
        site: &site,
        tls: &tls,
        target: &target,
        deadline: Deadline::after(start.into(), target.timeout),
        seen: OnceCell::new(),
        phases: Phases::new(start),
        ground: Cell::default(),
    };
    let end = match &target.kind {
        Kind::Http(http @ Http { tls: None, .. }) => probe.http(http).await,
        Kind::Tcp(tcp @ Tcp { tls: None, .. }) if !tcp.talks() => probe.tcp(tcp).await,
        // In memory of their own: what a handshake needs makes a future large, and every probe would be moved at that size.
        Kind::Http(http) => Box::pin(probe.https(http)).await,
        Kind::Tcp(tcp @ Tcp { tls: None, .. }) => Box::pin(probe.talk(tcp)).await,
        Kind::Tcp(tcp) => Box::pin(probe.tls(tcp)).await,
        Kind::Icmp => Box::pin(probe.icmp()).await,
        Kind::Grpc(grpc) => Box::pin(probe.grpc(grpc)).await,
        Kind::Dns(dns) => Box::pin(probe.dns(dns)).await,
        Kind::Udp(udp) => Box::pin(probe.udp(udp)).await,
        Kind::Exec(exec) => Box::pin(exec::run(exec, &target.backend, target.address, probe.deadline)).await,
    };
    let (Ok(mut end) | Err(mut end)) = end;
    if end.outcome == Outcome::Fail
        // A program stands on no ground of ours.
        && !matches!(target.kind, Kind::Exec(_))
        && let Some(lost) = probe.lost_ground()
    {
        end = lost;
    }
    let certificate = probe.seen.get().and_then(|seen| seen.get());
    let report = Report {
        outcome: end.outcome,
        code: end.code,
        detail: end.detail,
        elapsed: start.elapsed(),
        connected: probe.phases.connected.get(),
        secured: probe.phases.secured.get(),
        first_byte: probe.phases.first_byte.get(),
        status: end.status,
        answer: end.answer,
        agent: end.agent,
        certificate_expires: certificate.map(|certificate| certificate.expires),
        certificate_subject: certificate.and_then(|certificate| certificate.subject.clone()),
        cause: end.cause,
    };
    trace!(backend = %target.backend, code = %report.code, detail = %report.detail, "probe");
    report
}

/// One probe on its way. Each step's error is the end of the probe.
#[derive(Debug)]
struct Probe<'a> {
    site: &'a Rc<Site>,
    tls: &'a Connector,
    target: &'a Target,
    deadline: Deadline,
    /// Only of probes over TLS.
    seen: OnceCell<Seen>,
    phases: Phases,
    /// Number of the ground its socket was made on, once there is one.
    ground: Cell<Option<u64>>,
}

impl Probe<'_> {
    async fn http(&self, http: &Http) -> Step<End> {
        let mut stream = self.connect(http.port, http.proxy).await?;
        let end = self.ask(&mut stream, http).await;
        self.done_with(stream, http.proxy, &end);
        Ok(end)
    }

    async fn https(&self, http: &Http) -> Step<End> {
        let tls = http.tls.clone().unwrap_or_default();
        let mut stream = self.secure(http.port, http.proxy, &tls, Inside::Http).await?;
        Ok(self.ask(&mut stream, http).await)
    }

    async fn ask<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut S, http: &Http) -> End {
        let mut buffer = self.site.buffer();
        let mut stream = Timed { stream, phases: &self.phases };
        let end = http::exchange(&mut stream, http, self.target.address, self.deadline, &mut buffer).await;
        self.site.take_back(buffer);
        end
    }

    async fn tcp(&self, tcp: &Tcp) -> Step<End> {
        let stream = self.connect(tcp.port, tcp.proxy).await?;
        let end = End::pass(Code::L4Ok, "connected");
        self.done_with(stream, tcp.proxy, &end);
        Ok(end)
    }

    async fn talk(&self, tcp: &Tcp) -> Step<End> {
        let mut stream = self.connect(tcp.port, tcp.proxy).await?;
        if tcp.send.is_empty() {
            stream.acknowledge();
        }
        let stream = Timed { stream: &mut stream, phases: &self.phases };
        talk::exchange(stream, tcp, self.deadline).await
    }

    async fn tls(&self, tcp: &Tcp) -> Step<End> {
        let tls = tcp.tls.clone().unwrap_or_default();
        let mut stream = self.secure(tcp.port, tcp.proxy, &tls, Inside::Nothing).await?;
        if tcp.talks() {
            let stream = Timed { stream: &mut stream, phases: &self.phases };
            return talk::exchange(stream, tcp, self.deadline).await;
        }
        Ok(End::pass(Code::L6Ok, describe(&stream, self.seen())))
    }

    async fn grpc(&self, grpc: &Grpc) -> Step<End> {
        let address = self.target.address;
        let Some(tls) = &grpc.tls else {
            let mut stream = self.connect(grpc.port, grpc.proxy).await?;
            let stream = Timed { stream: &mut stream, phases: &self.phases };
            return grpc::exchange(stream, grpc, address, self.deadline).await;
        };
        let mut stream = self.secure(grpc.port, grpc.proxy, tls, Inside::Grpc).await?;
        let stream = Timed { stream: &mut stream, phases: &self.phases };
        grpc::exchange(stream, grpc, address, self.deadline).await
    }

    async fn dns(&self, dns: &Dns) -> Step<End> {
        datagram::ask(&self.datagrams(dns.port)?, dns, self.deadline).await
    }

    async fn udp(&self, udp: &Udp) -> Step<End> {
        datagram::exchange(&self.datagrams(udp.port)?, udp, self.deadline).await
    }

    fn datagrams(&self, port: u16) -> Step<Conversation<'_>> {
        let wanted = self.wanted(Transport::Udp);
        let (socket, ground) = self.site.fresh(wanted)?;
        self.ground.set(Some(ground));
        Conversation::with(self.site, socket, SocketAddr::new(wanted.address, port), &self.phases)
    }

    async fn icmp(&self) -> Step<End> {
        let wanted = self.wanted(Transport::Icmp);
        let (socket, ground) = self.site.fresh(wanted)?;
        self.ground.set(Some(ground));
        let ping = Ping::send(self.site, socket, wanted.address)?;
        let answer = async { Ok(ping.answer().await) };
        self.deadline.or_fail(Code::L3Tout, "no echo reply in time", answer).await
    }

    /// A connection on which the header of the PROXY protocol is sent, if one is wanted.
    async fn connect(&self, port: u16, proxy: Option<ProxyVersion>) -> Step<Stream> {
        let wanted = self.wanted(Transport::Tcp);
        let to = SocketAddr::new(wanted.address, port);
        let stream = Stream::new(self.site, wanted)?;
        self.ground.set(Some(stream.ground()));
        let mut stream = stream.connect(self.site, to, self.deadline).await?;
        self.phases.done(&self.phases.connected);
        if let Some(version) = proxy {
            // Few have one, and none else is to be as large as it takes.
            Box::pin(self.introduce(&mut stream, version, to)).await?;
        }
        Ok(stream)
    }

    async fn introduce(&self, stream: &mut Stream, version: ProxyVersion, to: SocketAddr) -> Step<()> {
        let broken = |error: io::Error| End::fail(Code::L4Con, format!("connection {}", words(&error)));
        let header = version.header(stream.local_addr().map_err(broken)?, to);
        let unsent = Unsent { broken: Code::L4Con, late: Code::L4Tout };
        talk::say(stream, &header, unsent, self.deadline).await
    }

    /// A connection that ended as it should is as good as none: its socket can be used again. What comes after a header of the PROXY
    /// protocol speaks for somebody else, and none of that is to be left.
    fn done_with(&self, stream: Stream, proxy: Option<ProxyVersion>, end: &End) {
        if end.outcome == Outcome::Pass && proxy.is_none() {
            stream.recycle(self.site);
        }
    }

    async fn secure(
        &self,
        port: u16,
        proxy: Option<ProxyVersion>,
        tls: &Tls,
        inside: Inside,
    ) -> Step<tokio_rustls::client::TlsStream<Stream>> {
        // What it takes of our own comes first: nothing is sent if it is missing.
        let client = self.deadline.or_own(self.tls.client(tls, inside, self.seen())).await?;
        let stream = self.connect(port, proxy).await?;
        let handshake = handshake(&client, stream, tls, self.target.address);
        let stream = self.deadline.or_fail(Code::L6Tout, "TLS handshake not done in time", handshake).await?;
        self.phases.done(&self.phases.secured);
        Ok(stream)
    }

    /// Where the certificate is kept that the server shows.
    fn seen(&self) -> &Seen {
        self.seen.get_or_init(Seen::default)
    }

    /// Whether the namespace or the source went away under a probe that failed: then that is why, and there is no verdict.
    ///
    /// Else the probes in flight at that moment would fail every backend at once, and with `fall: 1` empty every VIP.
    fn lost_ground(&self) -> Option<End> {
        let wanted = self.wanted(Transport::Udp);
        if let Err(end) = self.site.open(wanted)
            && matches!(
                end.cause,
                Some(Cause::Source(_) | Cause::Device(_) | Cause::NamespaceMissing(_) | Cause::NamespaceRefused(_))
            )
        {
            self.site.look();
            return Some(end);
        }
        // All that can be said of another ground is that the probe did not stand on it.
        (self.ground.get() != Some(self.site.look())).then(|| End::own(Cause::Moved, Cause::Moved.to_string()))
    }

    fn wanted(&self, transport: Transport) -> Wanted<'_> {
        Wanted {
            transport,
            address: self.target.address,
            source: self.target.source,
            device: self.target.device.as_ref(),
            mark: self.target.mark,
        }
    }
}
