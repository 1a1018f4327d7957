//! When waiting has lasted too long. Time comes in from outside.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The two limits of a connection with calls in flight.
///
/// - *Call*: the reply to a call has to come within a time of its start. VPP says nothing when it drops a reply, so
///   that one which is overdue leaves the connection in doubt as a whole.
/// - *Silence*: something has to arrive while any call is outstanding.
///
/// Calls are told by their context; whether one is still outstanding is asked of the caller, so that answered calls
/// need not be reported. `now` must not go backwards. The work per call is constant on average.
///
/// ```
/// use std::time::{Duration, Instant};
/// use vpp_api::connection::{Deadlines, Expired};
///
/// let mut deadlines = Deadlines::new(Duration::from_secs(30), Duration::from_secs(5));
/// let start = Instant::now();
/// deadlines.handle_start(start, 1, 1);
/// let is_pending = |context| context == 1;
/// let due = deadlines.poll_timeout(is_pending).expect("a call is outstanding");
/// assert_eq!(due, start + Duration::from_secs(5));
/// assert_eq!(deadlines.poll_expired(due, is_pending), Some(Expired::Silence { after: Duration::from_secs(5) }));
/// ```
#[derive(Debug)]
pub struct Deadlines {
    call: Duration,
    silence: Duration,
    /// Start and context of calls, oldest first; answered ones linger until they reach the front.
    started: VecDeque<(Instant, u32)>,
    /// The last arrival, or the start of the first outstanding call if that was later.
    quiet_since: Option<Instant>,
}

impl Deadlines {
    /// With these limits, and nothing outstanding.
    ///
    /// ```
    /// use std::time::Duration;
    /// use vpp_api::connection::Deadlines;
    ///
    /// let mut deadlines = Deadlines::new(Duration::from_secs(30), Duration::from_secs(5));
    /// assert_eq!(deadlines.poll_timeout(|_| true), None);
    /// ```
    #[must_use]
    pub fn new(call: Duration, silence: Duration) -> Self {
        Self { call, silence, started: VecDeque::new(), quiet_since: None }
    }

    /// A call was put into the output; `outstanding` counts it.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use vpp_api::connection::Deadlines;
    ///
    /// let mut deadlines = Deadlines::new(Duration::from_secs(1), Duration::from_secs(5));
    /// let start = Instant::now();
    /// deadlines.handle_start(start, 1, 1);
    /// deadlines.handle_start(start + Duration::from_millis(100), 2, 2);
    /// let due = deadlines.poll_timeout(|_| true);
    /// assert_eq!(due, Some(start + Duration::from_secs(1)), "of the older one");
    /// ```
    pub fn handle_start(&mut self, now: Instant, context: u32, outstanding: usize) {
        if outstanding <= 1 {
            // All earlier calls were answered.
            self.started.clear();
            self.quiet_since = Some(now);
        }
        self.started.push_back((now, context));
    }

    /// Something arrived.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use vpp_api::connection::Deadlines;
    ///
    /// let mut deadlines = Deadlines::new(Duration::from_secs(30), Duration::from_secs(5));
    /// let start = Instant::now();
    /// deadlines.handle_start(start, 1, 1);
    /// deadlines.handle_arrival(start + Duration::from_secs(4));
    /// assert_eq!(deadlines.poll_timeout(|_| true), Some(start + Duration::from_secs(9)));
    /// ```
    pub fn handle_arrival(&mut self, now: Instant) {
        self.quiet_since = Some(now);
    }

    /// When [`poll_expired`](Self::poll_expired) is next due; `None` while nothing is outstanding.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use vpp_api::connection::Deadlines;
    ///
    /// let mut deadlines = Deadlines::new(Duration::from_secs(30), Duration::from_secs(5));
    /// let start = Instant::now();
    /// deadlines.handle_start(start, 1, 1);
    /// assert_eq!(deadlines.poll_timeout(|context| context == 1), Some(start + Duration::from_secs(5)));
    /// assert_eq!(deadlines.poll_timeout(|_| false), None, "it was answered");
    /// ```
    #[must_use]
    pub fn poll_timeout(&mut self, is_pending: impl Fn(u32) -> bool) -> Option<Instant> {
        while self.started.pop_front_if(|(_, context)| !is_pending(*context)).is_some() {}
        let (start, _) = self.started.front()?;
        let quiet_since = self.quiet_since.unwrap_or(*start);
        // A limit too large to add is none.
        start.checked_add(self.call).into_iter().chain(quiet_since.checked_add(self.silence)).min()
    }

    /// Whether a limit has passed at `now`. Early or repeated calls do nothing.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use vpp_api::connection::{Deadlines, Expired};
    ///
    /// let mut deadlines = Deadlines::new(Duration::from_secs(30), Duration::from_secs(5));
    /// let start = Instant::now();
    /// deadlines.handle_start(start, 1, 1);
    /// let late = Some(Expired::Call { context: 1, after: Duration::from_secs(30) });
    /// assert_eq!(deadlines.poll_expired(start, |_| true), None);
    /// assert_eq!(deadlines.poll_expired(start + Duration::from_secs(30), |_| true), late);
    /// ```
    #[must_use]
    pub fn poll_expired(&mut self, now: Instant, is_pending: impl Fn(u32) -> bool) -> Option<Expired> {
        if now < self.poll_timeout(is_pending)? {
            return None;
        }
        let (start, context) = *self.started.front()?;
        if start.checked_add(self.call).is_some_and(|due| due <= now) {
            return Some(Expired::Call { context, after: self.call });
        }
        Some(Expired::Silence { after: self.silence })
    }
}

/// The limit that passed.
///
/// ```
/// use vpp_api::connection::Expired;
///
/// /// The call to blame, if it is one.
/// fn late(expired: Expired) -> Option<u32> {
///     match expired {
///         Expired::Call { context, .. } => Some(context),
///         _ => None,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Expired {
    /// One call was not answered in time.
    Call {
        /// Its context.
        context: u32,
        /// The limit.
        after: Duration,
    },
    /// Nothing arrived for too long.
    Silence {
        /// The limit.
        after: Duration,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: Duration = Duration::from_secs(30);
    const SILENCE: Duration = Duration::from_secs(5);

    /// Some point in time.
    #[expect(clippy::disallowed_methods, reason = "the one origin of all times in these tests")]
    fn origin() -> Instant {
        Instant::now()
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn without_calls_nothing_is_due() {
        let mut deadlines = Deadlines::new(CALL, SILENCE);
        let start = origin();
        assert_eq!(deadlines.poll_timeout(|_| true), None);
        deadlines.handle_arrival(start);
        assert_eq!(deadlines.poll_timeout(|_| true), None);
        assert_eq!(deadlines.poll_expired(start + secs(1000), |_| true), None);
    }

    #[test]
    fn silence_runs_from_the_first_outstanding_call() {
        let mut deadlines = Deadlines::new(CALL, SILENCE);
        let start = origin();
        // An arrival long ago does not count against a call made now.
        deadlines.handle_arrival(start);
        let later = start + secs(100);
        deadlines.handle_start(later, 1, 1);
        assert_eq!(deadlines.poll_timeout(|_| true), Some(later + SILENCE));
        assert_eq!(deadlines.poll_expired(later + secs(4), |_| true), None);
        assert_eq!(deadlines.poll_expired(later + SILENCE, |_| true), Some(Expired::Silence { after: SILENCE }));
    }

    #[test]
    fn a_second_call_does_not_hide_the_silence_of_the_first() {
        let mut deadlines = Deadlines::new(CALL, SILENCE);
        let start = origin();
        deadlines.handle_start(start, 1, 1);
        deadlines.handle_start(start + secs(4), 2, 2);
        assert_eq!(deadlines.poll_timeout(|_| true), Some(start + SILENCE));
    }

    #[test]
    fn whatever_arrives_breaks_the_silence() {
        let mut deadlines = Deadlines::new(CALL, SILENCE);
        let start = origin();
        deadlines.handle_start(start, 1, 1);
        deadlines.handle_arrival(start + secs(4));
        assert_eq!(deadlines.poll_timeout(|_| true), Some(start + secs(9)));
        assert_eq!(deadlines.poll_expired(start + secs(8), |_| true), None);
    }

    #[test]
    fn one_late_reply_is_told_by_its_call_however_much_else_arrives() {
        let mut deadlines = Deadlines::new(CALL, SILENCE);
        let start = origin();
        deadlines.handle_start(start, 1, 1);
        for step in 0..8 {
            let now = start + secs(4 * step);
            deadlines.handle_arrival(now);
            deadlines.handle_start(now, 2 + step as u32, 2);
        }
        let is_pending = |context| context == 1;
        assert_eq!(deadlines.poll_timeout(is_pending), Some(start + CALL));
        let expired = deadlines.poll_expired(start + CALL, is_pending);
        assert_eq!(expired, Some(Expired::Call { context: 1, after: CALL }));
    }

    #[test]
    fn a_limit_beyond_all_time_is_none() {
        let mut deadlines = Deadlines::new(Duration::MAX, Duration::MAX);
        deadlines.handle_start(origin(), 1, 1);
        assert_eq!(deadlines.poll_timeout(|_| true), None);
        assert_eq!(deadlines.poll_expired(origin(), |_| true), None);
        let mut deadlines = Deadlines::new(CALL, Duration::MAX);
        let start = origin();
        deadlines.handle_start(start, 1, 1);
        assert_eq!(deadlines.poll_timeout(|_| true), Some(start + CALL));
    }

    #[test]
    fn answered_calls_are_forgotten() {
        let mut deadlines = Deadlines::new(CALL, SILENCE);
        let start = origin();
        for context in 1..=100 {
            deadlines.handle_start(start, context, context as usize);
        }
        assert_eq!(deadlines.poll_timeout(|context| context > 90), Some(start + SILENCE));
        assert_eq!(deadlines.started.len(), 10);
        assert_eq!(deadlines.poll_timeout(|_| false), None);
        deadlines.handle_start(start + secs(9), 101, 1);
        assert_eq!(deadlines.started.len(), 1);
    }
}
