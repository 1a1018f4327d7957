//! Faults on demand: what they are, how they are written, and which of them strikes at a message.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;
use vpp_api::types::Retval;

/// Something that goes wrong at certain messages.
///
/// Written as `ACTION` or `ACTION:KEY=VALUE,…`; [the crate's page](crate#faults) lists actions and keys.
///
/// ```
/// use vpp_sim::Fault;
///
/// let fault: Fault = "refuse:message=lb_as_set_weight,call=3,retval=-73".parse()?;
/// assert_eq!(fault.to_string(), "refuse:retval=-73,message=lb_as_set_weight,call=3");
/// # Ok::<(), vpp_sim::FaultError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    pub(crate) action: Action,
    /// Only messages of this name, without CRC.
    message: Option<String>,
    /// Only messages of the client with this name.
    client: Option<String>,
    when: When,
    /// Strikes at most so often.
    times: Option<u64>,
}

/// What happens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// The message is answered, then the link closes.
    Drop,
    /// The message is carried out, but the link closes before the answer.
    Cut,
    /// The message is carried out and never answered.
    Mute,
    /// The main loop stands still before it handles the message.
    Delay(Duration),
    /// The message is not carried out, its reply has this retval.
    Refuse(i32),
    /// The message is answered, then VPP restarts.
    Restart,
    /// The first frame of the answer is broken.
    CorruptFrame(BrokenFrame),
    /// The stats segment is broken.
    CorruptSegment(BrokenSegment),
    /// The message table lacks the message.
    Absent,
}

impl Action {
    /// How long the main loop stands still.
    pub(crate) fn delay(&self) -> Duration {
        match self {
            Self::Delay(by) => *by,
            _ => Duration::ZERO,
        }
    }

    pub(crate) fn refusal(&self) -> Option<Retval> {
        match self {
            Self::Refuse(retval) => Some(Retval(*retval)),
            _ => None,
        }
    }
}

/// How a frame is broken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BrokenFrame {
    /// The header announces nearly 4 GiB.
    Length,
    /// The body ends after three bytes.
    Short,
    /// The message id is one that nothing has.
    Id,
    /// The context is nobody's.
    Context,
    /// All ones after the context.
    Garbage,
}

/// How a segment is broken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BrokenSegment {
    /// A version that does not exist.
    Version,
    /// The directory lies outside of the mapping.
    Directory,
    /// The data of `/net/route/to` lie outside of the mapping.
    Pointer,
    /// A change is under way for ever.
    Busy,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum When {
    Always,
    /// At this message, counted from 1.
    Call(u64),
    /// Drop and restart: right behind this message. Others: at all messages behind it.
    After(u64),
}

impl Fault {
    /// The message whose absence this fault is.
    pub(crate) fn absent_message(&self) -> Option<&str> {
        match self.action {
            Action::Absent => self.message.as_deref(),
            _ => None,
        }
    }

    /// A fault that strikes without any message, once.
    pub(crate) fn at_start(&self) -> Option<BrokenSegment> {
        match (self.action, self.when, &self.message) {
            (Action::CorruptSegment(how), When::Always, None) => Some(how),
            _ => None,
        }
    }

    fn strikes(&self, count: u64) -> bool {
        let ends_something = matches!(self.action, Action::Drop | Action::Restart | Action::CorruptSegment(_));
        match self.when {
            When::Always => true,
            When::Call(call) => count == call,
            When::After(after) if ends_something => count == after,
            When::After(after) => count > after,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut keys = Vec::new();
        let action = match self.action {
            Action::Drop => "drop",
            Action::Cut => "cut",
            Action::Mute => "mute",
            Action::Restart => "restart",
            Action::Absent => "absent",
            Action::Delay(by) => {
                keys.push(format!("by={}us", by.as_micros()));
                "delay"
            }
            Action::Refuse(retval) => {
                keys.push(format!("retval={retval}"));
                "refuse"
            }
            Action::CorruptFrame(how) => {
                keys.push(format!("how={}", name_of(BROKEN_FRAMES, how)));
                "corrupt-frame"
            }
            Action::CorruptSegment(how) => {
                keys.push(format!("how={}", name_of(BROKEN_SEGMENTS, how)));
                "corrupt-segment"
            }
        };
        keys.extend(self.message.iter().map(|name| format!("message={name}")));
        keys.extend(self.client.iter().map(|name| format!("client={name}")));
        match self.when {
            When::Always => (),
            When::Call(call) => keys.push(format!("call={call}")),
            When::After(after) => keys.push(format!("after={after}")),
        }
        keys.extend(self.times.iter().map(|times| format!("times={times}")));
        match keys.is_empty() {
            true => f.write_str(action),
            false => write!(f, "{action}:{}", keys.join(",")),
        }
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (action, keys) = text.split_once(':').unwrap_or((text, ""));
        let mut keys = Keys::parse(keys)?;
        let action = match action {
            "drop" => Action::Drop,
            "cut" => Action::Cut,
            "mute" => Action::Mute,
            "restart" => Action::Restart,
            "absent" => Action::Absent,
            "delay" => Action::Delay(keys.duration("by")?),
            "refuse" => Action::Refuse(keys.take("retval")?.unwrap_or(-1)),
            "corrupt-frame" => Action::CorruptFrame(keys.one_of("how", BROKEN_FRAMES)?),
            "corrupt-segment" => Action::CorruptSegment(keys.one_of("how", BROKEN_SEGMENTS)?),
            _ => return Err(FaultError::Action(action.to_owned())),
        };
        let fault = Self {
            action,
            message: keys.take("message")?,
            client: keys.take("client")?,
            when: match (keys.take("call")?, keys.take("after")?) {
                (None, None) => When::Always,
                (Some(call), None) => When::Call(call),
                (None, Some(after)) => When::After(after),
                (Some(_), Some(_)) => return Err(FaultError::CallAndAfter),
            },
            times: keys.take("times")?,
        };
        keys.finish()?;
        if action == Action::Absent && fault.message.is_none() {
            return Err(FaultError::Missing("message"));
        }
        Ok(fault)
    }
}

/// A fault that cannot be understood.
///
/// ```
/// use vpp_sim::{Fault, FaultError};
///
/// let error = |text: &str| text.parse::<Fault>().expect_err("no fault");
/// assert_eq!(error("delay:message=lb_conf"), FaultError::Missing("by"));
/// assert_eq!(error("delay:by=soon"), FaultError::Value { key: "by", value: "soon".to_owned() });
/// assert_eq!(error("drop:often").to_string(), "\"often\" is not KEY=VALUE");
/// ```
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum FaultError {
    /// No such action.
    #[error(
        "no fault {0:?}; there are drop, cut, mute, delay, refuse, restart, corrupt-frame, corrupt-segment and absent"
    )]
    Action(String),
    /// Something that is no `KEY=VALUE`.
    #[error("{0:?} is not KEY=VALUE")]
    NoValue(String),
    /// A key that the action does not have, or has twice.
    #[error("this fault has no (further) key {0:?}")]
    Key(String),
    /// A key without which the action makes no sense.
    #[error("this fault needs the key {0}")]
    Missing(&'static str),
    /// A value that the key cannot have.
    #[error("{value:?} is no value of {key}")]
    Value {
        /// The key.
        key: &'static str,
        /// What was given.
        value: String,
    },
    /// Two times to strike at.
    #[error("call and after exclude each other")]
    CallAndAfter,
}

/// The keys of a fault that nobody has asked for yet.
struct Keys(Vec<(String, String)>);

impl Keys {
    fn parse(text: &str) -> Result<Self, FaultError> {
        let pair = |pair: &str| match pair.split_once('=') {
            Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
            None => Err(FaultError::NoValue(pair.to_owned())),
        };
        let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
        Ok(Self(pairs.map(pair).collect::<Result<_, _>>()?))
    }

    fn raw(&mut self, key: &str) -> Option<String> {
        let at = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    fn take<T: FromStr>(&mut self, key: &'static str) -> Result<Option<T>, FaultError> {
        let parse = |value: String| value.parse().map_err(|_| FaultError::Value { key, value });
        self.raw(key).map(parse).transpose()
    }

    fn duration(&mut self, key: &'static str) -> Result<Duration, FaultError> {
        let value = self.raw(key).ok_or(FaultError::Missing(key))?;
        parse_duration(&value).ok_or(FaultError::Value { key, value })
    }

    /// One of the named values, the first if none is named.
    fn one_of<T: Copy>(&mut self, key: &'static str, values: &[(&str, T)]) -> Result<T, FaultError> {
        let Some(value) = self.raw(key) else {
            return Ok(values[0].1);
        };
        let named = values.iter().find(|(name, _)| *name == value);
        named.map(|(_, value)| *value).ok_or(FaultError::Value { key, value })
    }

    fn finish(self) -> Result<(), FaultError> {
        match self.0.into_iter().next() {
            Some((key, _)) => Err(FaultError::Key(key)),
            None => Ok(()),
        }
    }
}

/// Reads a duration such as `500us`, `1ms`, `2s`, `1m30s`; `0` needs no unit. None for anything else.
///
/// ```
/// use std::time::Duration;
///
/// use vpp_sim::parse_duration;
///
/// assert_eq!(parse_duration("1m30s"), Some(Duration::from_secs(90)));
/// assert_eq!(parse_duration("0"), Some(Duration::ZERO));
/// assert_eq!(parse_duration("30"), None, "of what?");
/// assert_eq!(parse_duration("-1s"), None);
/// ```
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let duration: jiff::SignedDuration = text.parse().ok()?;
    duration.try_into().ok()
}

fn name_of<T: Copy + PartialEq>(values: &[(&'static str, T)], wanted: T) -> &'static str {
    values.iter().find(|(_, value)| *value == wanted).map_or("", |(name, _)| name)
}

const BROKEN_FRAMES: &[(&str, BrokenFrame)] = &[
    ("length", BrokenFrame::Length),
    ("short", BrokenFrame::Short),
    ("id", BrokenFrame::Id),
    ("context", BrokenFrame::Context),
    ("garbage", BrokenFrame::Garbage),
];

const BROKEN_SEGMENTS: &[(&str, BrokenSegment)] = &[
    ("version", BrokenSegment::Version),
    ("directory", BrokenSegment::Directory),
    ("pointer", BrokenSegment::Pointer),
    ("busy", BrokenSegment::Busy),
];

/// The faults of a simulator, with how often each met its message and struck.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Armed>);

#[derive(Debug)]
struct Armed {
    fault: Fault,
    seen: u64,
    struck: u64,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(Armed { fault, seen: 0, struck: 0 });
    }

    /// Names of the messages that shall be absent.
    pub(crate) fn absent(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|armed| armed.fault.absent_message())
    }

    /// Breakage of the segment that waits for no message; each is given once.
    pub(crate) fn take_at_start(&mut self) -> Vec<BrokenSegment> {
        let mut taken = Vec::new();
        for armed in &mut self.0 {
            if let Some(how) = armed.fault.at_start().filter(|_| armed.struck == 0) {
                armed.struck = 1;
                taken.push(how);
            }
        }
        taken
    }

    /// What strikes at this message, in the order in which the faults were given.
    pub(crate) fn at_message(&mut self, message: &str, client: &str) -> Vec<Action> {
        let mut actions = Vec::new();
        for armed in &mut self.0 {
            let Armed { fault, seen, struck } = armed;
            let other = |wanted: &Option<String>, is: &str| wanted.as_deref().is_some_and(|wanted| wanted != is);
            let waits_for_nothing = fault.absent_message().is_some() || fault.at_start().is_some();
            if waits_for_nothing || other(&fault.message, message) || other(&fault.client, client) {
                continue;
            }
            *seen += 1;
            if fault.strikes(*seen) && fault.times.is_none_or(|times| *struck < times) {
                *struck += 1;
                actions.push(fault.action);
            }
        }
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(texts: &[&str]) -> Faults {
        let mut faults = Faults::default();
        for text in texts {
            faults.add(text.parse().expect("a fault"));
        }
        faults
    }

    #[test]
    fn a_fault_reads_back_as_it_was_written() {
        for text in [
            "drop:after=100",
            "cut:message=lb_add_del_as_v2,call=3",
            "mute",
            "delay:by=1500us,client=vpp-maglev,after=2,times=4",
            "refuse:retval=-73,message=lb_as_set_weight,call=1",
            "restart:after=7",
            "corrupt-frame:how=short,call=2",
            "corrupt-segment:how=busy",
            "absent:message=lb_conf_get",
        ] {
            let fault: Fault = text.parse().expect("a fault");
            assert_eq!(fault.to_string(), text);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let error = |text: &str| text.parse::<Fault>().expect_err("no fault").to_string();
        assert_eq!(error("delay"), "this fault needs the key by");
        assert_eq!(error("delay:by=soon"), "\"soon\" is no value of by");
        assert_eq!(error("absent"), "this fault needs the key message");
        assert_eq!(error("drop:after=1,call=2"), "call and after exclude each other");
        assert_eq!(error("drop:often"), "\"often\" is not KEY=VALUE");
        assert_eq!(error("drop:retval=3"), "this fault has no (further) key \"retval\"");
        assert_eq!(error("corrupt-frame:how=badly"), "\"badly\" is no value of how");
        assert!(error("explode").starts_with("no fault \"explode\""));
    }

    #[test]
    fn only_matching_messages_are_counted() {
        let mut faults = faults(&["refuse:message=lb_conf,call=2", "mute:client=other"]);
        assert_eq!(faults.at_message("lb_conf", "me"), []);
        assert_eq!(faults.at_message("control_ping", "me"), []);
        assert_eq!(faults.at_message("lb_conf", "me"), [Action::Refuse(-1)]);
        assert_eq!(faults.at_message("lb_conf", "other"), [Action::Mute]);
    }

    #[test]
    fn after_is_right_behind_for_what_ends_a_link_and_from_there_on_for_the_rest() {
        let mut faults = faults(&["drop:after=2", "mute:after=2,times=1"]);
        let strikes: Vec<_> = (0..5).map(|_| faults.at_message("lb_conf", "me")).collect();
        assert_eq!(strikes, [vec![], vec![Action::Drop], vec![Action::Mute], vec![], vec![]]);
    }

    #[test]
    fn a_segment_broken_from_the_start_waits_for_no_message() {
        let mut faults = faults(&["corrupt-segment:how=version", "corrupt-segment:how=busy,after=1"]);
        assert_eq!(faults.take_at_start(), [BrokenSegment::Version]);
        assert_eq!(faults.take_at_start(), []);
        assert_eq!(faults.at_message("control_ping", "me"), [Action::CorruptSegment(BrokenSegment::Busy)]);
    }
}
