use std::fmt;
use std::str::FromStr;

use crate::Weight;

/// What a server says of itself, as HAProxy's agent-check has it: how much of its weight it wants, and whether it wants
/// new flows at all.
///
/// Words are split at blanks and commas, and case does not matter; of one kind the last one counts, and what nobody
/// knows is ignored.
///
/// | kind | words | effect |
/// | --- | --- | --- |
/// | share | `0%` to `100%`; more counts as `100%` | that part of the weight, rounded up |
/// | mode | `drain`, `maint` | weight 0, flows stay |
/// | mode | `ready` | none |
/// | state | `up` | none: a check alone says who is up |
///
/// HAProxy takes up to `256%`; here nothing goes above the weight that the configuration or an operator gives. Each
/// text stands for itself: what it does not say is `100%` and `ready`.
///
/// ```
/// use maglev_health::{AgentError, AgentMode, AgentWord, Weight};
///
/// let word: AgentWord = "up, ready 33%".parse()?;
/// assert_eq!((word.share(), word.mode()), (33, AgentMode::Ready));
/// assert_eq!(word.scale(Weight::new(50).unwrap_or_default()).get(), 17);
/// assert_eq!(word.to_string(), "33%");
///
/// let word: AgentWord = "75% drain".parse()?;
/// assert_eq!((word.scale(Weight::MAX), word.to_string()), (Weight::ZERO, "75% drain".to_owned()));
/// assert_eq!("hello".parse::<AgentWord>(), Err(AgentError::NothingKnown));
/// # Ok::<(), AgentError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct AgentWord {
    share: u8,
    mode: AgentMode,
}

impl AgentWord {
    /// Longest text in bytes that is read.
    pub const LONGEST: usize = 128;

    /// A word of this share in percent, cut to 100, and mode.
    #[must_use]
    pub const fn new(share: u8, mode: AgentMode) -> Self {
        Self { share: if share > 100 { 100 } else { share }, mode }
    }

    /// The part of its weight that it wants, in percent: 0..=100.
    #[must_use]
    pub const fn share(self) -> u8 {
        self.share
    }

    /// Whether it wants new flows.
    #[must_use]
    pub const fn mode(self) -> AgentMode {
        self.mode
    }

    /// The weight that is left of `weight`: its share, rounded up, so that only a share or weight of 0 gives 0; 0 in
    /// [`AgentMode::Drain`] and [`AgentMode::Maint`].
    #[must_use]
    pub fn scale(self, weight: Weight) -> Weight {
        match self.mode {
            AgentMode::Ready => weight.share(self.share),
            AgentMode::Drain | AgentMode::Maint => Weight::ZERO,
        }
    }
}

impl FromStr for AgentWord {
    type Err = AgentError;

    fn from_str(text: &str) -> Result<Self, AgentError> {
        if text.len() > Self::LONGEST {
            return Err(AgentError::TooLong(text.len()));
        }
        let mut word = Self { share: 100, mode: AgentMode::Ready };
        let mut known = false;
        for said in text.split(|c: char| c.is_ascii_whitespace() || c == ',') {
            let is = |name: &str| said.eq_ignore_ascii_case(name);
            match AgentMode::ALL.into_iter().find(|mode| is(mode.as_str())) {
                Some(mode) => word.mode = mode,
                None if is("up") => {}
                None => match said.strip_suffix('%') {
                    Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                        // More digits than a number holds are more than 100.
                        word.share = digits.parse().unwrap_or(u8::MAX).min(100);
                    }
                    _ => continue,
                },
            }
            known = true;
        }
        if known { Ok(word) } else { Err(AgentError::NothingKnown) }
    }
}

/// As it might have been said: the share, and the mode unless it is `ready`.
impl fmt::Display for AgentWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.share)?;
        match self.mode {
            AgentMode::Ready => Ok(()),
            mode => write!(f, " {mode}"),
        }
    }
}

/// Whether a server wants new flows.
///
/// ```
/// use maglev_health::AgentMode;
///
/// assert_eq!(AgentMode::Maint.to_string(), "maint");
/// assert_eq!(AgentMode::ALL.len(), 3);
/// ```
#[expect(clippy::exhaustive_enums, reason = "complete: metrics show every mode")]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum AgentMode {
    /// It does.
    #[default]
    Ready,
    /// It lets its flows end.
    Drain,
    /// It is being worked on; its flows stay, as with [`AgentMode::Drain`].
    Maint,
}

impl AgentMode {
    /// Every mode, in the order in which metrics list them.
    pub const ALL: [Self; 3] = [Self::Ready, Self::Drain, Self::Maint];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
        }
    }
}

impl fmt::Display for AgentMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a text is no [`AgentWord`]: the server's fault, and what it said before goes on.
///
/// ```
/// use maglev_health::{AgentError, AgentWord};
///
/// let error = "x".repeat(200).parse::<AgentWord>().unwrap_err();
/// assert_eq!(error, AgentError::TooLong(200));
/// assert_eq!(error.to_string(), "200 bytes are more than 128");
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AgentError {
    /// It has this many bytes.
    #[error("{0} bytes are more than {max}", max = AgentWord::LONGEST)]
    TooLong(usize),
    /// None of its words is known; so it is if there are none.
    #[error("no word of it is known")]
    NothingKnown,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ready", 100, AgentMode::Ready)]
    #[case("up\n", 100, AgentMode::Ready)]
    #[case("75%", 75, AgentMode::Ready)]
    #[case("75%,drain", 75, AgentMode::Drain)]
    #[case("  75% , 20%\tMAINT", 20, AgentMode::Maint)]
    #[case::the_last_of_a_kind("drain maint ready 0%", 0, AgentMode::Ready)]
    #[case::up_is_another_kind("drain up", 100, AgentMode::Drain)]
    #[case::unknown_words("down stopped 10% fail#reason", 10, AgentMode::Ready)]
    #[case::haproxy_has_more("256%", 100, AgentMode::Ready)]
    #[case::many_digits("99999999999999999999%", 100, AgentMode::Ready)]
    #[case::zeros("007%", 7, AgentMode::Ready)]
    fn what_is_said_is_understood(#[case] text: &str, #[case] share: u8, #[case] mode: AgentMode) {
        assert_eq!(text.parse(), Ok(AgentWord { share, mode }));
    }

    #[rstest]
    #[case("")]
    #[case(" , ,")]
    #[case("75")]
    #[case("%")]
    #[case("+5%")]
    #[case("-5% 7.5%")]
    #[case("drained")]
    fn nothing_known_is_refused(#[case] text: &str) {
        assert_eq!(text.parse::<AgentWord>(), Err(AgentError::NothingKnown));
    }

    #[test]
    fn the_limit_is_a_hundred_and_twenty_eight_bytes() {
        let text = format!("{:>128}", "5%");
        assert_eq!(text.parse::<AgentWord>().map(AgentWord::share), Ok(5));
        assert_eq!(format!(" {text}").parse::<AgentWord>(), Err(AgentError::TooLong(129)));
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text: String) {
            let _ = text.parse::<AgentWord>();
        }

        #[test]
        fn what_is_shown_means_the_same(share in 0..=100u8, mode in prop::sample::select(&AgentMode::ALL[..])) {
            let word = AgentWord::new(share, mode);
            prop_assert_eq!(word.to_string().parse(), Ok(word));
        }

        #[test]
        fn only_a_zero_makes_a_zero(share in 0..=100u8, weight in 0..=100u8) {
            let scaled = AgentWord::new(share, AgentMode::Ready).scale(Weight::new(weight).unwrap());
            prop_assert_eq!(scaled.is_positive(), share > 0 && weight > 0);
            prop_assert!(scaled.get() <= weight);
            prop_assert!(share < 100 || scaled.get() == weight);
        }
    }
}
