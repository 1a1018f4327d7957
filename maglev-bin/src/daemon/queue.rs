use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};

use crate::event::What;

/// Notices when probes begin to wait for file descriptors.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// When some last waited, as far as it is not forgotten.
    seen: Option<Instant>,
}

/// A queue that was empty for so long is told anew.
const QUIET: Duration = Duration::from_secs(60);

impl Queue {
    /// Notes how many probes wait now. A warning, if none did for a minute.
    pub(super) fn note(&mut self, now: Instant, waiting: i64) -> Option<What> {
        let news = self.seen.is_none_or(|seen| now.saturating_duration_since(seen) >= QUIET);
        if waiting > 0 {
            self.seen = Some(now);
        }
        (news && waiting > 0).then(|| warning(waiting))
    }
}

fn warning(waiting: i64) -> What {
    let limit = getrlimit(Resource::Nofile).current.map_or("unlimited".to_owned(), |limit| limit.to_string());
    let probes = if waiting == 1 { "1 probe waits" } else { &format!("{waiting} probes wait") };
    let message = format!(
        "{probes} for file descriptors (limit of open files: {limit}): probes start late, and one that waits for a second has no verdict; raise the limit (LimitNOFILE= of the service) or shorten time-outs",
    );
    What::Warning { cause: "probe-queue".into(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_told_once_until_it_was_empty_for_a_minute() {
        let (start, mut queue) = (Instant::now(), Queue::default());
        let mut told = |seconds, waiting| queue.note(start + Duration::from_secs(seconds), waiting).is_some();
        assert!(!told(0, 0));
        assert!(told(1, 3));
        assert!(!told(2, 5));
        assert!(!told(3, 0));
        assert!(told(62, 1));
        assert!(!told(121, 1));
        assert!(!told(180, 1));
    }

    #[test]
    fn a_warning_says_what_to_do() {
        let What::Warning { cause, message } = warning(2) else { panic!("a warning") };
        assert_eq!(&*cause, "probe-queue");
        assert!(message.starts_with("2 probes wait for file descriptors (limit of open files: "), "{message}");
        assert!(message.contains("LimitNOFILE="), "{message}");
    }
}
