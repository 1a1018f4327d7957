//! From what the daemon refuses to gRPC statuses.

use tonic::Status;

use crate::config::ConfigError;
use crate::daemon::{Refusal, ReloadError, chain};

/// Errors of a config that a status message carries; a header has no room for thousands.
const MOST_DIAGNOSTICS: usize = 20;

/// Longest message in bytes. It travels in a header, percent-encoded, and clients take 16 KiB of those.
const LONGEST: usize = 4_096;

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let text = cut(refusal.to_string());
        match refusal {
            Refusal::NoSuch { .. } => Self::not_found(text),
            Refusal::Weight(_) | Refusal::Reason => Self::invalid_argument(text),
            Refusal::Disabled { .. } | Refusal::Paused { .. } | Refusal::Static { .. } => {
                Self::failed_precondition(text)
            }
            Refusal::NoDataplane | Refusal::NoVpp(_) | Refusal::Stopping => Self::unavailable(text),
            Refusal::Sync(_) => Self::aborted(text),
            Refusal::Unfit(_) => Self::internal(text),
        }
    }
}

impl From<ReloadError> for Status {
    fn from(error: ReloadError) -> Self {
        match error {
            ReloadError::Config(error) => Self::failed_precondition(told(&error)),
            other => Self::failed_precondition(cut(chain(&other))),
        }
    }
}

/// Everything that is wrong with a config, a line each.
pub(super) fn told(error: &ConfigError) -> String {
    let mut lines: Vec<_> = error.diagnostics.iter().take(MOST_DIAGNOSTICS).map(ToString::to_string).collect();
    let more = error.diagnostics.len().saturating_sub(MOST_DIAGNOSTICS);
    if more > 0 {
        lines.push(format!("and {more} more: `maglevc config check` tells them all"));
    }
    cut(lines.join("\n"))
}

/// As much of a text as a message may have.
fn cut(text: String) -> String {
    if text.len() <= LONGEST {
        return text;
    }
    let end = text.floor_char_boundary(LONGEST);
    format!("{}…", &text[..end])
}
