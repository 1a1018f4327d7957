use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use maglev_health::{Code, Outcome};

/// What came of one probe.
#[derive(Clone, Debug)]
pub struct Report {
    /// Pass, fail, or no verdict.
    pub outcome: Outcome,
    /// The layer reached and how it ended; [`Code::SockErr`] when there is no verdict.
    pub code: Code,
    /// What was seen, for people: `status 503`, `connect refused`, `certificate expired 2026-01-02`. One line of printable text.
    pub detail: Cow<'static, str>,
    /// From the start of the probe to its end, time spent on making the socket included.
    pub elapsed: Duration,
    /// How long after the start of the probe it was connected; `None` if it never was, or there is nothing to connect.
    pub connected: Option<Duration>,
    /// How long after the start the TLS handshake was done; `None` without TLS.
    pub secured: Option<Duration>,
    /// How long after the start the first byte of an answer came.
    pub first_byte: Option<Duration>,
    /// Status of an HTTP answer.
    pub status: Option<u16>,
    /// The beginning of an answer that was not as expected, at most [`Report::MOST_ANSWER`] bytes.
    pub answer: Option<Box<[u8]>>,
    /// What the backend says of itself, as it said it but for control characters: the first line over TCP, the value of a header over
    /// HTTP. `None` where the target does not ask for it, nothing came, or the probe did not pass.
    pub agent: Option<Arc<str>>,
    /// End of validity (`notAfter`) of the server's own certificate, also when it was refused or not verified. `None` without TLS,
    /// or when no certificate that can be read arrived.
    pub certificate_expires: Option<SystemTime>,
    /// Whom that certificate is for: its common name, else its first DNS name.
    pub certificate_subject: Option<Arc<str>>,
    /// Why the probe could not be sent; `Some` exactly when there is no verdict.
    pub cause: Option<Cause>,
}

impl Report {
    /// Bytes of an unexpected answer that are kept.
    pub const MOST_ANSWER: usize = 200;

    /// Of a probe that never came to an end of its own.
    pub(crate) fn of_bug() -> Self {
        Self::never_sent(Cause::Bug)
    }

    /// Of a probe that waited for a descriptor, for too long.
    pub(super) fn without_descriptors() -> Self {
        Self::never_sent(Cause::Descriptors)
    }

    fn never_sent(cause: Cause) -> Self {
        Self {
            outcome: Outcome::NoVerdict,
            code: Code::SockErr,
            detail: cause.to_string().into(),
            elapsed: Duration::ZERO,
            connected: None,
            secured: None,
            first_byte: None,
            status: None,
            answer: None,
            agent: None,
            certificate_expires: None,
            certificate_subject: None,
            cause: Some(cause),
        }
    }
}

/// A reason of our own for which a probe could not be sent.
///
/// Equal values are one cause: warn once for each, however many probes meet it.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Cause {
    /// The configured network namespace does not exist (yet, or any more).
    NamespaceMissing(Arc<str>),
    /// The namespace is there and cannot be entered.
    NamespaceRefused(Arc<str>),
    /// The namespace was replaced, or another one configured, while the probe was under way.
    Moved,
    /// No interface has the configured source address (`EADDRNOTAVAIL`), or its family is not the backend's.
    Source(IpAddr),
    /// No interface has the configured name.
    Device(Arc<str>),
    /// Out of file descriptors, of the process or of the machine (`EMFILE`, `ENFILE`).
    Descriptors,
    /// The kernel is out of memory or buffers (`ENOBUFS`, `ENOMEM`).
    Memory,
    /// No local port is free (`EADDRNOTAVAIL`, `EADDRINUSE`, `EAGAIN`).
    Ports,
    /// The kernel or a local filter does not let us (`EPERM`, `EACCES`).
    Permission,
    /// The system has no readable trust roots, so that no certificate could be verified.
    TrustRoots,
    /// The time-out passed before anything was sent: this machine is too busy.
    Late,
    /// Another system call failed; the number is its `errno`.
    System(i32),
    /// The probe panicked, or had nothing to send.
    Bug,
}

impl Cause {
    /// A word for logs and metrics: `netns-missing`.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::NamespaceMissing(_) => "netns-missing",
            Self::NamespaceRefused(_) => "netns-refused",
            Self::Moved => "netns-moved",
            Self::Source(_) => "source",
            Self::Device(_) => "device",
            Self::Descriptors => "descriptors",
            Self::Memory => "memory",
            Self::Ports => "ports",
            Self::Permission => "permission",
            Self::TrustRoots => "trust-roots",
            Self::Late => "late",
            Self::System(_) => "system",
            Self::Bug => "bug",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NamespaceMissing(name) => write!(f, "network namespace {name} does not exist"),
            Self::NamespaceRefused(name) => write!(f, "network namespace {name} cannot be entered"),
            Self::Moved => f.write_str("the network namespace changed while the probe was under way"),
            Self::Source(address) => write!(f, "source address {address} is not available"),
            Self::Device(name) => write!(f, "interface {name} does not exist"),
            Self::Descriptors => f.write_str("no file descriptors left"),
            Self::Memory => f.write_str("no kernel memory left"),
            Self::Ports => f.write_str("no local port left"),
            Self::Permission => f.write_str("not permitted: a capability is missing (CAP_NET_RAW for ICMP outside of net.ipv4.ping_group_range, CAP_NET_ADMIN for a mark), or a local filter is in the way"),
            Self::TrustRoots => f.write_str("the system has no trust roots"),
            Self::Late => f.write_str("the time-out passed before the probe was sent"),
            Self::Bug => f.write_str("the probe itself failed: a bug of maglevd, please report it"),
            Self::System(errno) => write!(f, "{}", std::io::Error::from_raw_os_error(*errno)),
        }
    }
}
