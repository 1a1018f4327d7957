use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use maglev_health::{Code, Outcome};
use tokio::time::Instant;

use super::report::{Cause, Report};

/// How a probe ended. A step of a probe that cannot go on returns it as its error, pass or not.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct End {
    pub(super) outcome: Outcome,
    pub(super) code: Code,
    pub(super) detail: Cow<'static, str>,
    pub(super) cause: Option<Cause>,
    /// Status of an HTTP answer.
    pub(super) status: Option<u16>,
    /// The beginning of an answer that was not as expected.
    pub(super) answer: Option<Box<[u8]>>,
    /// What the backend says of itself, where that was asked for.
    pub(super) agent: Option<Arc<str>>,
}

/// One step of a probe.
pub(super) type Step<T> = Result<T, End>;

impl End {
    pub(super) fn pass(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { outcome: Outcome::Pass, code, detail: printable(detail.into()), ..Self::NOTHING }
    }

    pub(super) fn fail(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { outcome: Outcome::Fail, code, detail: printable(detail.into()), ..Self::NOTHING }
    }

    const NOTHING: Self = Self {
        outcome: Outcome::NoVerdict,
        code: Code::SockErr,
        detail: Cow::Borrowed(""),
        cause: None,
        status: None,
        answer: None,
        agent: None,
    };

    /// Keeps the beginning of an answer that was not as expected, if there is any.
    pub(super) fn with_answer(mut self, answer: &[u8]) -> Self {
        self.answer = (!answer.is_empty()).then(|| answer[..answer.len().min(Report::MOST_ANSWER)].into());
        self
    }

    pub(super) fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The same with what the backend says of itself.
    pub(super) fn with_agent(mut self, word: Option<&[u8]>) -> Self {
        let text = |word: &[u8]| printable(String::from_utf8_lossy(word.trim_ascii()).into_owned().into());
        self.agent = word.map(|word| Arc::from(&*text(word)));
        self
    }

    /// Not the backend's fault: no verdict.
    pub(super) fn own(cause: Cause, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            outcome: Outcome::NoVerdict,
            code: Code::SockErr,
            detail: printable(detail.into()),
            cause: Some(cause),
            ..Self::NOTHING
        }
    }
}

/// When the probe must be over. Each step says what it means for the backend if time runs out in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn after(start: Instant, timeout: Duration) -> Self {
        // A time-out beyond the range of the clock is one that never comes; 30 years do.
        const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);
        Self(start.checked_add(timeout).unwrap_or(start + FAR))
    }

    /// Waits for something until the deadline; `None` if it came first.
    ///
    /// Polled, it looks at the clock and sets no alarm: whoever runs the probe polls it at its deadline. So a probe of many steps has
    /// one timer.
    pub(super) async fn limit<T>(self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if Instant::now() >= self.0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    /// When it is.
    pub(super) fn instant(self) -> Instant {
        self.0
    }

    /// Runs a step that speaks with the backend. Out of time, the probe fails with `code`.
    pub(super) async fn or_fail<T>(
        self,
        code: Code,
        detail: &'static str,
        step: impl Future<Output = Step<T>>,
    ) -> Step<T> {
        self.limit(step).await.unwrap_or_else(|| Err(End::fail(code, detail)))
    }

    /// Runs a step before anything is sent. Out of time, there is no verdict.
    pub(super) async fn or_own<T>(self, step: impl Future<Output = Step<T>>) -> Step<T> {
        self.limit(step).await.unwrap_or_else(|| Err(End::own(Cause::Late, Cause::Late.to_string())))
    }
}

/// Details hold words of the peer, such as the names in its certificate. They go to logs and terminals: no control characters, and
/// no more than a line. What was there at compile time is our own.
fn printable(text: Cow<'static, str>) -> Cow<'static, str> {
    const MOST: usize = 200;
    let Cow::Owned(mut text) = text else { return text };
    if let Some((end, _)) = text.char_indices().nth(MOST) {
        text.truncate(end);
        text.push_str("...");
    }
    if text.chars().any(char::is_control) {
        text = text.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::{Code, End};

    #[test]
    fn a_detail_is_one_line_of_printable_text() {
        let end = End::fail(Code::L6Rsp, "bad\x1b[31m\nname".to_owned());
        assert_eq!(end.detail, "bad?[31m?name");
        let end = End::fail(Code::L6Rsp, "é".repeat(1000));
        assert_eq!(end.detail, "é".repeat(200) + "...");
    }
}
