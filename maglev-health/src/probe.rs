use std::fmt;
use std::sync::Arc;

use crate::{AgentWord, BackendId};

/// Names one probe of one backend. Never used twice, so the result of a cancelled probe can be told from a live one.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/web.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use maglev_health::{Code, Fleet, FleetOptions, Jitter, ProbeResult};
///
/// # let (now, wall) = web::clocks();
/// let mut fleet = Fleet::new(FleetOptions::default(), now);
/// let a = fleet.insert(now, wall, web::backend("a", "10.0.0.1")?, web::ADMISSION);
/// let (now, probe) = web::next_probe(&mut fleet).ok_or("it is due")?;
/// assert_eq!((probe.backend(), probe.get()), (a, 1));
///
/// // Paused while the probe was under way: what it finds comes too late.
/// fleet.pause(wall, a, "new disk")?;
/// let result = ProbeResult::pass(Code::L4Ok, "connected");
/// assert!(!fleet.handle_result(now, wall, probe, result, Jitter::NONE));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ProbeId {
    number: u64,
    backend: BackendId,
}

impl ProbeId {
    /// The number, for logs.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.number
    }

    /// Who is probed.
    #[must_use]
    pub const fn backend(self) -> BackendId {
        self.backend
    }

    pub(crate) const fn new(backend: BackendId, number: u64) -> Self {
        Self { number, backend }
    }
}

/// What a probe says about its backend.
///
/// ```
/// use std::io;
///
/// use maglev_health::Outcome;
///
/// /// What comes of a connect.
/// fn outcome(connected: io::Result<()>) -> Outcome {
///     match connected.map_err(|error| error.kind()) {
///         Ok(()) => Outcome::Pass,
///         // The source address is not on this machine: our own trouble.
///         Err(io::ErrorKind::AddrNotAvailable) => Outcome::NoVerdict,
///         Err(_) => Outcome::Fail,
///     }
/// }
///
/// assert_eq!(outcome(Err(io::ErrorKind::ConnectionRefused.into())), Outcome::Fail);
/// ```
#[expect(clippy::exhaustive_enums, reason = "a probe passes, fails, or says nothing")]
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Outcome {
    /// The backend answered as it should.
    Pass,
    /// It did not.
    Fail,
    /// The probe could not be sent for a reason of our own: no state and no counter changes.
    NoVerdict,
}

/// What came of a probe.
///
/// ```
/// use maglev_health::{Code, Outcome, ProbeResult};
///
/// let refused = ProbeResult::fail(Code::L4Con, "connect refused");
/// assert_eq!((refused.outcome, refused.code.as_str()), (Outcome::Fail, "L4CON"));
/// // Our own trouble says nothing about the backend.
/// assert_eq!(ProbeResult::no_verdict("too many open files").outcome, Outcome::NoVerdict);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProbeResult {
    /// Pass, fail or no verdict.
    pub outcome: Outcome,
    /// The layer reached and how it ended.
    pub code: Code,
    /// What was seen, for people: `status 503`, `connect refused`. May be empty.
    pub detail: Arc<str>,
    /// What the server said of itself, if it was heard; else what it said before goes on.
    pub agent: Option<AgentWord>,
}

impl ProbeResult {
    /// A pass.
    #[must_use]
    pub fn pass(code: Code, detail: impl Into<Arc<str>>) -> Self {
        Self { outcome: Outcome::Pass, code, detail: detail.into(), agent: None }
    }

    /// A fail.
    #[must_use]
    pub fn fail(code: Code, detail: impl Into<Arc<str>>) -> Self {
        Self { outcome: Outcome::Fail, code, detail: detail.into(), agent: None }
    }

    /// A probe that could not be sent; its code is [`Code::SockErr`].
    #[must_use]
    pub fn no_verdict(detail: impl Into<Arc<str>>) -> Self {
        Self { outcome: Outcome::NoVerdict, code: Code::SockErr, detail: detail.into(), agent: None }
    }

    /// The same, with what the server said of itself.
    ///
    /// ```
    /// use maglev_health::{Code, ProbeResult};
    ///
    /// let result = ProbeResult::pass(Code::L7Ok, "status 200").with_agent("50%".parse()?);
    /// assert_eq!(result.agent.map(|word| word.share()), Some(50));
    /// # Ok::<(), maglev_health::AgentError>(())
    /// ```
    #[must_use]
    pub fn with_agent(self, word: AgentWord) -> Self {
        Self { agent: Some(word), ..self }
    }
}

/// Why a backend changed state, in the words of HAProxy where it has one.
///
/// ```
/// use maglev_health::Code;
///
/// assert_eq!(Code::L7Sts.to_string(), "L7STS");
/// assert_eq!(Code::Started.to_string(), "started");
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Code {
    /// Connected.
    L4Ok,
    /// No answer to the connect in time.
    L4Tout,
    /// Connect refused or unreachable.
    L4Con,
    /// TLS handshake done.
    L6Ok,
    /// TLS handshake not done in time.
    L6Tout,
    /// TLS handshake or certificate wrong.
    L6Rsp,
    /// Right answer.
    L7Ok,
    /// No whole answer in time.
    L7Tout,
    /// Not an answer in the protocol, or one whose body is wrong.
    L7Rsp,
    /// An answer with the wrong status.
    L7Sts,
    /// The probe could not be sent.
    SockErr,
    /// The program ended with status 0.
    ProcOk,
    /// The program did not end in time.
    ProcTout,
    /// The program ended with another status, or by a signal.
    ProcErr,
    /// Echo reply received.
    L3Ok,
    /// No echo reply in time.
    L3Tout,
    /// The network said that the backend is out of reach.
    L3Err,
    /// Probing begins: start of the daemon, or a reload that added or changed the backend or its check.
    Started,
    /// The backend has no check: always up.
    Static,
    /// Paused by an operator.
    Paused,
    /// Resumed by an operator.
    Resumed,
    /// Disabled by an operator or by the configuration.
    Disabled,
    /// Enabled by an operator or by the configuration.
    Enabled,
    /// Left the configuration.
    Removed,
    /// An operator's action from before the restart is in force again.
    Restored,
    /// No longer suppressed by damping, and its counter says up.
    Reused,
}

impl Code {
    /// The code as logs, metrics and the API spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::L4Ok => "L4OK",
            Self::L4Tout => "L4TOUT",
            Self::L4Con => "L4CON",
            Self::L6Ok => "L6OK",
            Self::L6Tout => "L6TOUT",
            Self::L6Rsp => "L6RSP",
            Self::L7Ok => "L7OK",
            Self::L7Tout => "L7TOUT",
            Self::L7Rsp => "L7RSP",
            Self::L7Sts => "L7STS",
            Self::SockErr => "SOCKERR",
            Self::ProcOk => "PROCOK",
            Self::ProcTout => "PROCTOUT",
            Self::ProcErr => "PROCERR",
            Self::L3Ok => "L3OK",
            Self::L3Tout => "L3TOUT",
            Self::L3Err => "L3ERR",
            Self::Started => "started",
            Self::Static => "static",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Removed => "removed",
            Self::Restored => "restored",
            Self::Reused => "reused",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a wait is moved: -1.0..=1.0 times a tenth of the wait.
///
/// The caller draws it, so that this crate needs no source of randomness and tests are exact.
///
/// ```
/// use maglev_health::Jitter;
///
/// // A driver draws a number between 0 and 1 for each result.
/// let drawn = 0.75;
/// assert_eq!(Jitter::new(drawn * 2.0 - 1.0).get(), 0.5);
/// assert_eq!(Jitter::new(7.0), Jitter::LONGEST);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Jitter(f64);

impl Jitter {
    /// The wait as configured.
    pub const NONE: Self = Self(0.0);
    /// A tenth shorter.
    pub const SHORTEST: Self = Self(-1.0);
    /// A tenth longer.
    pub const LONGEST: Self = Self(1.0);

    /// `value` cut to -1.0..=1.0; what is not a number counts as 0.
    #[must_use]
    pub const fn new(value: f64) -> Self {
        if value.is_nan() { Self::NONE } else { Self(value.clamp(-1.0, 1.0)) }
    }

    /// The factor, -1.0..=1.0.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Jitter;

    #[test]
    fn jitter_stays_in_its_range() {
        assert_eq!(Jitter::new(7.0), Jitter::LONGEST);
        assert_eq!(Jitter::new(f64::NEG_INFINITY), Jitter::SHORTEST);
        assert_eq!(Jitter::new(f64::NAN), Jitter::NONE);
        assert_eq!(Jitter::new(0.25).get(), 0.25);
    }
}
