//! Why a command failed, and with which status.

use std::io;

use serde::Serialize;
use tonic::{Code, Status};

use crate::client::{Address, ConnectError, Trouble};
use crate::ctl::grammar::Complaint;
use crate::ctl::show::clean;
use crate::daemon::chain;
use crate::grpc::code_word;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(in crate::ctl) enum Failure {
    /// The line makes no sense.
    #[error("{}", .0.message())]
    Usage(Complaint),
    /// There is no connection; there may be one later, if it is not for a file of ours.
    #[error(transparent)]
    Unreachable(#[from] ConnectError),
    /// There was a connection. What was asked for may have happened.
    #[error("lost maglevd at {server}: {trouble}")]
    Lost { server: Address, trouble: Trouble },
    /// There is a connection and nothing came over it in time. What was asked for may have happened.
    #[error("maglevd at {server} did not answer within {seconds} s")]
    NoAnswer { server: Address, seconds: f64 },
    /// A stream without an end ended.
    #[error("maglevd at {server} ended the stream")]
    Ended { server: Address },
    /// The server said no.
    #[error("{}", .0.message())]
    Refused(Status),
    /// A file of the operator cannot be read.
    #[error("{file}: {reason}")]
    File { file: String, reason: String },
    /// A config does not hold; what is wrong with it has been said.
    #[error("the config is refused")]
    Config,
    /// Ctrl-C ended it. Of a command that `writes`, what was asked for may happen yet.
    #[error("interrupted")]
    Interrupted { writes: bool },
    /// The answer could not be written.
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
}

/// A failure for programs.
#[derive(Serialize)]
pub(in crate::ctl) struct Report {
    error: ErrorReport,
}

#[derive(Serialize)]
struct ErrorReport {
    code: &'static str,
    message: String,
    /// What to do about it; may be empty.
    hint: String,
    /// The words that were not understood; may be empty.
    unread: String,
    /// The line of a script.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
}

impl Failure {
    /// Exit status of the process.
    pub(in crate::ctl) fn status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Unreachable(ConnectError::Tls(_)) => 1,
            Self::Unreachable(_) | Self::Lost { .. } | Self::NoAnswer { .. } | Self::Ended { .. } => 3,
            Self::Refused(_) | Self::File { .. } | Self::Config | Self::Interrupted { .. } | Self::Output(_) => 1,
        }
    }

    /// The connection is of no more use.
    pub(in crate::ctl) fn is_out_of_reach(&self) -> bool {
        self.status() == 3
    }

    /// Nothing is left to say.
    pub(in crate::ctl) fn is_told(&self) -> bool {
        matches!(self, Self::Config)
    }

    pub(in crate::ctl) fn is_usage(&self) -> bool {
        matches!(self, Self::Usage(_))
    }

    /// The server understood the request and found fault with what is in it.
    pub(super) fn is_invalid(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code() == Code::InvalidArgument)
    }

    /// For people: what and what to do about it; of a line that makes no sense, where.
    pub(in crate::ctl) fn text(&self) -> String {
        if let Self::Usage(complaint) = self {
            return complaint.to_string();
        }
        let message: Vec<_> = self.message().lines().map(|line| clean(line).into_owned()).collect();
        match self.hint() {
            "" => message.join("\n"),
            hint => format!("{}; {hint}", message.join("\n")),
        }
    }

    /// For programs; of a script, with the `line` that failed.
    pub(in crate::ctl) fn report(&self, line: Option<u64>) -> Report {
        let unread = match self {
            Self::Usage(complaint) => complaint.unread_tail().to_owned(),
            _ => String::new(),
        };
        let (code, message, hint) = (self.code(), self.message(), self.hint().to_owned());
        Report { error: ErrorReport { code, message, hint, unread, line } }
    }

    fn message(&self) -> String {
        match self {
            // Which file it is stands in the source; of a failed connection all is said.
            Self::Unreachable(error @ ConnectError::Tls(_)) => chain(error),
            other => other.to_string(),
        }
    }

    /// What to do about it, where the message does not say so itself.
    fn hint(&self) -> &'static str {
        match self {
            // Where it can, the server says itself what would help.
            Self::Refused(status) if status.message().contains("--grpc-operator") => "",
            Self::Refused(status) => match status.code() {
                Code::PermissionDenied | Code::Unauthenticated => "`--grpc-operator` of maglevd says who may",
                Code::Unavailable => "`show vpp info` tells how maglevd stands with VPP",
                Code::Unimplemented => "this maglevd may be older than maglevc: see `show version`",
                _ => "",
            },
            Self::Interrupted { writes: true } => "maglevd may still do it",
            _ => "",
        }
    }

    /// A stable name.
    fn code(&self) -> &'static str {
        match self {
            Self::Usage(_) => "usage",
            Self::Unreachable(ConnectError::Tls(_)) => "tls",
            Self::Unreachable(_) => "unreachable",
            Self::Lost { .. } => "lost",
            Self::NoAnswer { .. } => "no_answer",
            Self::Ended { .. } => "ended",
            Self::File { .. } => "file",
            Self::Config => "invalid_argument",
            Self::Interrupted { .. } => "interrupted",
            Self::Output(_) => "output",
            Self::Refused(status) => code_word(status.code()),
        }
    }
}
